"""``python -m bench.view``: measures pages in the browser, prints the table, and writes bench/VIEW.md."""

from __future__ import annotations

import itertools
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from bench.tables import table, time_of
from handgrad.view.showing import Pair, Picture
from tests.view.browser import networks
from tests.view.browser.conftest import ARGS, executable

RESULTS = Path(__file__).parent / "VIEW.md"
ROUNDS = 5
SIZE = {"width": 1280, "height": 800}
PAGES = {
    "x1·x2 + x3": networks.of_apples,
    "784-50-10, one digit": networks.of_digit,
    "784-50-10, three digits": networks.of_batch,
    "residual network, 40 rules": networks.of_residual,
    "images, 21 rules": networks.of_images,
    "before and after": networks.of_training,
    "GPT of twelve layers": networks.of_gpt,
    "chain of 10,000 rules": networks.of_chain,
    "784-50-10, live": networks.of_live,
    "784-50-10 that trains, with 5,000 digits": networks.of_live_training,
}
STEPPED = """new Promise((done) => {
  const look = () => document.documentElement.dataset.ready === "yes" ? click() : setTimeout(look, 1);
  const click = () => {
    document.getElementById("one").click();
    done(performance.now());
  };
  look();
})"""
READY = """new Promise((done) => {
  const root = document.documentElement;
  const look = () => root.dataset.ready === "yes" ? done(performance.now()) : setTimeout(look, 1);
  look();
})"""
COUNT = """() => {
  window.frames_ = [];
  const count = (at) => { window.frames_.push(at); window.frame_ = requestAnimationFrame(count); };
  window.frame_ = requestAnimationFrame(count);
}"""
PLACE = "document.querySelector('svg.picture > g').getAttribute('transform')"
COUNTED = "() => { cancelAnimationFrame(window.frame_); return window.frames_; }"


def ready(browser: Browser, file: Path) -> float:
    """Seconds from navigation until the page says that it is ready."""
    with opened(browser, file) as page:
        return page.evaluate(READY) / 1000


@contextmanager
def opened(browser: Browser, file: Path) -> Iterator[Page]:
    context = browser.new_context(viewport=SIZE)
    page = context.new_page()
    page.goto(file.as_uri(), wait_until="commit")
    yield page
    context.close()


def frames(page: Page, seconds: float = 2.0) -> list[float]:
    """Seconds between frames while the picture is dragged about."""
    page.evaluate(READY)
    page.mouse.move(500, 600)
    page.mouse.down()
    place = page.evaluate(PLACE)
    page.evaluate(COUNT)
    until = time.perf_counter() + seconds
    step = 0
    while time.perf_counter() < until:
        step += 1
        page.mouse.move(500 - 4 * (step % 80), 600 - 2 * (step % 60))
    at = page.evaluate(COUNTED)
    assert page.evaluate(PLACE) != place, "the picture did not move"
    page.mouse.up()
    return [(b - a) / 1000 for a, b in itertools.pairwise(at)]


def changed(browser: Browser, file: Path, seconds: float = 2.0) -> list[str]:
    """The median and the 95th percentile of the time between frames while a weight is dragged."""
    with opened(browser, file) as page:
        page.evaluate(READY)
        cell = page.locator("#live .cell").first
        box = cell.bounding_box()
        assert box is not None
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.evaluate(COUNT)
        until, step = time.perf_counter() + seconds, 0
        while time.perf_counter() < until:
            step += 1
            page.mouse.move(x, y - 4 * (step % 80))
        at = page.evaluate(COUNTED)
        assert "really" in (page.locator("#effect").text_content() or ""), "the weight did not move"
        page.mouse.up()
    found = sorted((b - a) / 1000 for a, b in itertools.pairwise(at))
    return [time_of(statistics.median(found)), time_of(found[int(0.95 * len(found))]), str(len(found))]


def first_step(browser: Browser, file: Path) -> float:
    """Seconds from navigation until a step of training is made and drawn."""
    with opened(browser, file) as page:
        return page.evaluate(STEPPED) / 1000


def open_layer(page: Page) -> None:
    for box in ("b1", "b2"):  # all layers, and the first of them
        page.locator(f"[data-node={box}]").press("Enter")


def open_run(page: Page) -> None:
    """Open the first closed box."""
    page.evaluate(READY)
    for _ in range(2):  # the loop, and the first of its runs
        page.locator(".node.box").first.press("Enter")


def measured(browser: Browser, make: Callable[[], Picture | Pair], file: Path) -> list[str]:
    """Size, time to record, to write, and to open."""
    began = time.perf_counter()
    picture = make()
    recorded = time.perf_counter()
    picture.save(file)
    written = time.perf_counter()
    opening = statistics.median(ready(browser, file) for _ in range(ROUNDS))
    size = f"{file.stat().st_size / 1e6:.2f} MB"
    return [size, time_of(recorded - began), time_of(written - recorded), time_of(opening)]


def panned(browser: Browser, file: Path, prepare: Callable[[Page], None] | None = None) -> list[str]:
    """The median and the 95th percentile of the time between frames."""
    with opened(browser, file) as page:
        if prepare is not None:
            prepare(page)
        found = sorted(frames(page))
    return [time_of(statistics.median(found)), time_of(found[int(0.95 * len(found))]), str(len(found))]


def report() -> Iterator[str]:
    path = executable()
    assert path is not None, "no chromium is installed"
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield (
            f"Python {platform.python_version()}, NumPy {version('numpy')}, Chromium {browser.version} "
            f"without a GPU, {os.cpu_count()} cores of {platform.machine()}; 1280 x 800."
        )
        networks.of_apples()  # so that no page pays for what all load once
        files = {name: Path(folder) / f"{i}.html" for i, name in enumerate(PAGES)}
        rows = [[name, *measured(browser, make, files[name])] for name, make in PAGES.items()]
        yield f"\n## Pages\n\nOpening: from navigation until everything is drawn, the median of {ROUNDS}.\n"
        yield from table(("page", "file", "to record", "to write", "to open"), rows)
        chain, gpt = files["chain of 10,000 rules"], files["GPT of twelve layers"]
        dragged = [
            ["10,000 rules, closed", *panned(browser, chain)],
            ["10,000 rules, a hundred turns of the loop open", *panned(browser, chain, open_run)],
            ["GPT, closed", *panned(browser, gpt)],
            [
                "GPT, a layer open",
                *panned(browser, gpt, open_layer),
            ],
        ]
        live, trains = (files[name] for name in list(PAGES)[-2:])
        yield "\n## Changing a weight for two seconds\n"
        yield "Forward, backward and every number that is drawn, computed anew for each frame.\n"
        yield from table(("page", "median", "95 of 100", "frames"), [["784-50-10", *changed(browser, live)]])
        step = statistics.median(first_step(browser, trains) for _ in range(ROUNDS))
        yield f"\nFrom navigation until the first step of a training is made and drawn: {time_of(step)}.\n"
        yield "\n## Dragging the picture for two seconds\n"
        yield "Time between frames, of which a screen has 60 a second.\n"
        yield from table(("page", "median", "95 of 100", "frames"), dragged)
        browser.close()


def main() -> None:
    lines = ["# Pages, measured", ""]
    for line in report():
        print(line, flush=True)
        lines.append(line)
    RESULTS.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
