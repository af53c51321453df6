"""Film the live page of README's first picture: it plays forward and back, and a number is changed in it.

python docs/apples.py         # docs/apples.png and docs/apples-dark.png, animated, by the system's chromium
"""

from __future__ import annotations

import io
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Page, ViewportSize, sync_playwright

from handgrad.view import show
from tests.view.browser.conftest import ARGS, executable

HERE = Path(__file__).parent
FILES: dict[Literal["light", "dark"], Path] = {"light": HERE / "apples.png", "dark": HERE / "apples-dark.png"}
SIZE: ViewportSize = {"width": 880, "height": 470}
SCALE = 1.5
COLOURS, MANY = 128, 1 << 24
FRAME, REST = 70, 900  # milliseconds of a picture of what moves, and of one to be read
STEPS = 4  # forward and back
TO = [104, 112, 124, 140]  # what the first number becomes, from 100
HIDDEN = "#bar, #legend, #strip, #panel, #border, #link { display: none !important }"


def apples(x1: float, x2: float, x3: float) -> float:
    return x1 * x2 + x3


def frames(page: Page) -> Iterator[tuple[bytes, int]]:
    """Pictures of the page, each with how long it is seen. The page's clock goes on between them alone."""

    def moving(count: int) -> Iterator[tuple[bytes, int]]:
        for _ in range(count):
            page.clock.run_for(FRAME)
            yield page.screenshot(), FRAME

    page.keyboard.press("Home")
    page.clock.run_for(1000)
    yield page.screenshot(), REST
    for _ in range(STEPS):
        page.keyboard.press("ArrowRight")
        yield from moving(10)
        page.clock.run_for(1000)
        yield page.screenshot(), REST
    for number in TO:
        page.get_by_label("x1", exact=True).fill(str(number))
        page.get_by_label("x1", exact=True).press("Enter")
        page.clock.run_for(1000)
        yield page.screenshot(), REST // 3
    yield page.screenshot(), 2 * REST


def film(file: Path, pictures: list[tuple[bytes, int]]) -> None:
    """An animated PNG, of one palette; what stands still is one picture."""
    images = [Image.open(io.BytesIO(picture)).convert("RGB") for picture, _ in pictures]
    counts = Counter[Any]()
    for image in images:
        counts.update({colour: count for count, colour in image.getcolors(MANY) or []})
    most = sorted(counts, key=lambda colour: (-counts[colour], colour))[:COLOURS]
    palette = Image.new("P", (1, 1))
    palette.putpalette([level for colour in most for level in colour])
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images)
    times = [time for _, time in pictures]
    first.save(file, save_all=True, append_images=others, duration=times, loop=0, optimize=True)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        show(apples, 100.0, 2.0, 300.0, live=True, check=0, out=Path(folder) / "page.html")
        browser = playwright.chromium.launch(executable_path=executable(), args=ARGS)
        for look, file in FILES.items():
            context = browser.new_context(viewport=SIZE, device_scale_factor=SCALE, color_scheme=look)
            page = context.new_page()
            page.clock.install(time=0)
            page.goto((Path(folder) / "page.html").as_uri())
            page.wait_for_selector("html[data-ready=yes]", state="attached")
            page.add_style_tag(content=HIDDEN)
            page.clock.pause_at(60_000)
            film(file, list(frames(page)))
            print(f"{file.stat().st_size:>9,} bytes in {file}")
            context.close()
        browser.close()


if __name__ == "__main__":
    main()
