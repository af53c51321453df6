"""SVG by hand: elements, numbers, the room that words take, and scales with round ticks.

Coordinates are absolute and in pixels: no nested transforms, so what is written is where it is drawn.
"""

from __future__ import annotations

import dataclasses
import math
import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

import numpy as np

from handgrad.view.layout.words import BOLD, cut, words_width

FONT = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue','Noto Sans',Arial,sans-serif"

# class: (property, on light, on dark). Written out as plain rules, since many viewers know no CSS variables.
COLOURS = {
    "ground": ("fill", "#ffffff", "#0d1117"),
    "ink": ("fill", "#1f2328", "#e6edf3"),
    "muted": ("fill", "#59636e", "#9198a1"),
    "faint": ("fill", "#b4bcc6", "#454d57"),
    "grid": ("stroke", "#e6e9ed", "#232a33"),
    "axis": ("stroke", "#a3acb7", "#59636e"),
    "training": ("fill", "#1f66d1", "#6cb0ff"),
    "training-line": ("stroke", "#1f66d1", "#6cb0ff"),
    "validation": ("fill", "#c2410c", "#ffa35c"),
    "validation-line": ("stroke", "#c2410c", "#ffa35c"),
    "halo": ("stroke", "#ffffff", "#0d1117"),
    "shade": ("fill", "#0b3f8a", "#64a3f3"),
    "on-pale": ("fill", "#000000", "#ffffff"),
    "on-deep": ("fill", "#ffffff", "#000000"),
    "outline": ("stroke", "#1f2328", "#e6edf3"),
    "forward": ("fill", "#1f66d1", "#6cb0ff"),
    "backward": ("fill", "#c2410c", "#ffa35c"),
    "arrow": ("stroke", "#7d8792", "#7d8792"),
    "arrowhead": ("fill", "#7d8792", "#7d8792"),
    "frame": ("fill", "#f6f8fb", "#131922"),
    "frame-line": ("stroke", "#cbd3dd", "#303a47"),
    "operation": ("fill", "#ffffff", "#1e2733"),
    "operation-line": ("stroke", "#59636e", "#9198a1"),
    "input": ("fill", "#efe9fb", "#2a2145"),
    "input-line": ("stroke", "#7550c4", "#b79bf0"),
    "constant": ("fill", "#ffffff", "#0d1117"),
    "constant-line": ("stroke", "#59636e", "#9198a1"),
    "reference": ("fill", "#ffffff", "#0d1117"),
    "reference-line": ("stroke", "#a3acb7", "#59636e"),
    "output": ("fill", "#efe9fb", "#2a2145"),
    "output-line": ("stroke", "#7550c4", "#b79bf0"),
    "parameter": ("fill", "#e3f5e8", "#12331f"),
    "parameter-line": ("stroke", "#2c8a4b", "#56c37b"),
}

NIGHT = ".handgrad .heat{filter:invert(1) hue-rotate(180deg)}"  # zero is dark then, and hues stay
MARGIN = 24

# What XML 1.0 cannot hold, not even escaped.
UNPRINTABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Markup(str):
    """Text that is SVG already, and is not escaped again."""


def clean(text: Any) -> str:
    """Text as XML may hold it: control characters and lone surrogates replaced."""
    return UNPRINTABLE.sub("\ufffd", str(text))


def escaped(text: Any) -> str:
    """Text as it stands in markup, or in an attribute between quotes."""
    return escape(clean(text))


def number(value: float) -> str:
    """A coordinate to a hundredth of a pixel, without idle zeros: 12.5, 3, -0.25."""
    return f"{round(float(value), 2) + 0.0:.2f}".rstrip("0").rstrip(".")  # + 0.0 turns -0.0 into 0.0


def element(name: str, *children: str, **attributes: Any) -> Markup:
    """``<name ...>children</name>``, with text and attributes escaped and ``None`` left out.

    ``stroke_width`` is written ``stroke-width`` and ``class_`` ``class``, as Python cannot spell them.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escaped(_attribute(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    inside = "".join(child if isinstance(child, Markup) else escaped(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")


def _attribute(value: Any) -> str:
    return value if isinstance(value, str) else number(value)


def text(x: float, y: float, *words: str, size: float = 12, **attributes: Any) -> Markup:
    return element("text", *words, x=x, y=y, font_size=size, **({"class_": "ink"} | attributes))


def line(x1: float, y1: float, x2: float, y2: float, **attributes: Any) -> Markup:
    return element("line", x1=x1, y1=y1, x2=x2, y2=y2, **attributes)


def stylesheet() -> str:
    """One sheet for every picture, so that several in one page agree."""

    def rules(which: int) -> str:
        return "".join(f".handgrad .{name}{{{look[0]}:{look[which]}}}" for name, look in COLOURS.items())

    return (
        f".handgrad text{{font-family:{FONT};font-variant-numeric:tabular-nums}}"
        f"{rules(1)}@media (prefers-color-scheme:dark){{{rules(2)}{NIGHT}}}"
    )


def document(width: float, height: float, title: str, description: str, *children: str) -> str:
    """A standalone picture. The title is its name, the description what a reader who cannot see it hears."""
    return element(
        "svg",
        element("title", title),
        element("desc", description),
        element("style", Markup(stylesheet())),
        element("rect", width=width, height=height, class_="ground"),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {number(width)} {number(height)}",
        width=width,
        height=height,
        role="img",
        aria_label=f"{title}. {description}",
        class_="handgrad",
        style="max-width:100%;height:auto",
    )


def heading(title: str, width: float) -> Markup:
    """The title at the top of a picture, whole when pointed at."""
    short = shortened(title, (width - 2 * MARGIN) / BOLD, 18)
    return text(MARGIN, 38, short, *tooltip(short, title), size=18, font_weight=600)


def tooltip(short: str, full: str) -> list[Markup]:
    """What was left out of a text, shown when it is pointed at."""
    return [element("title", full)] if short != full else []


# Words.


def shortened(words: str, room: float, size: float) -> str:
    """The words, or as many of their first letters as fit in ``room`` pixels, and an ellipsis."""
    return cut(" ".join(clean(words).split()), room, size)


def signed(words: str) -> str:
    """With a minus as long as a plus, not a hyphen."""
    return words.replace("-", "−")


def power_of_ten(exponent: int) -> str:
    return "10" + str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


def figure(value: float, digits: int = 3) -> str:
    """A number for people, to so many significant digits: 0.0312, 12.4, 3,120, 1.23×10⁻⁵."""
    if not math.isfinite(value):
        return "undefined"
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.{digits - 1}e}".split("e")
    if -4 <= int(exponent) < 6:
        return signed(f"{float(f'{mantissa}e{exponent}'):,.{max(digits - 1 - int(exponent), 0)}f}")
    return f"{signed(mantissa)}×{power_of_ten(int(exponent))}"


def told_apart(names: Sequence[str], room: float, size: float) -> list[str]:
    """Names shortened, those that would then be equal in their middle: so that their ends tell them apart."""
    short = [shortened(name, room, size) for name in names]
    count = Counter(short)
    return [cut_inside(name, room, size) if count[s] > 1 else s for name, s in zip(names, short, strict=True)]


def cut_inside(words: str, room: float, size: float) -> str:
    """The words, or as many of their first and last letters as fit, around an ellipsis."""
    words = " ".join(clean(words).split())
    found, kept = words, len(words)
    while kept > 1 and words_width(found, size) > room:
        kept -= 1
        found = f"{words[: kept // 2].rstrip()}…{words[len(words) - (kept - kept // 2) :].lstrip()}"
    return found


# Scales.


@dataclasses.dataclass(frozen=True)
class Scale:
    """Values from ``low`` to ``high``, laid out from pixel ``start`` to pixel ``end``."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: Any) -> Any:
        low, high, value = map(self._straight, (self.low, self.high, value))
        return self.start + (self.end - self.start) * ((value - low) / (high - low))

    def inverse(self, pixel: Any) -> Any:
        low, high = map(self._straight, (self.low, self.high))
        value = low + (high - low) * ((pixel - self.start) / (self.end - self.start))
        return 10.0**value if self.log else value

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Round values within the scale, each with its label."""
        if self.log:
            values = log_ticks(self.low, self.high, count)
            return list(zip(values, _log_labels(values), strict=True))
        values = nice_ticks(self.low, self.high, count)
        return list(zip(values, _labels(values), strict=True))

    def _straight(self, value: Any) -> Any:
        return np.log10(value) if self.log else value


def nice_ticks(low: float, high: float, count: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten from ``low`` to ``high``, at most ``count`` + 1 of them."""
    if not low < high:
        return [low]
    rough = (high - low) / count
    power = math.floor(math.log10(rough))
    mantissa = next((m for m in (1, 2, 5) if m * 10.0**power >= rough * (1 - 1e-9)), 10)
    step = mantissa * 10.0**power
    multiples = range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)
    # Divided, 3/10 is 0.3; multiplied, 3·0.1 is 0.30000000000000004.
    return [k * mantissa / 10.0**-power if power < 0 else k * step for k in multiples]


def log_ticks(low: float, high: float, count: int) -> list[float]:
    """Powers of ten from ``low`` to ``high``; their doubles and halves too, where there are few."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 3:
        return [10.0**k for k in range(first, last + 1, math.ceil((last - first + 1) / count))]
    values = [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5)]
    return [value for value in values if low * (1 - 1e-9) <= value <= high * (1 + 1e-9)]


def _labels(values: list[float]) -> list[str]:
    """Labels with as many decimals as the step between them needs."""
    largest = max(map(abs, values), default=0.0)
    if largest == 0:
        return ["0"] * len(values)
    step = min(np.diff(values), default=largest)
    power = math.floor(math.log10(step) + 1e-9)
    exponent = math.floor(math.log10(largest) + 1e-9)
    if power >= -4 and exponent < 6:
        return [signed(f"{value:,.{max(-power, 0)}f}") for value in values]
    heads = [signed(f"{value / 10.0**exponent:.{max(exponent - power, 0)}f}") for value in values]
    tail = f"×{power_of_ten(exponent)}"
    return [head + tail if value else "0" for head, value in zip(heads, values, strict=True)]


def _log_labels(values: list[float]) -> list[str]:
    if all(1e-4 < value < 1e6 for value in values):
        return [f"{value:,.{max(-math.floor(math.log10(value) + 1e-9), 0)}f}" for value in values]
    exponents = [math.floor(math.log10(value) + 1e-9) for value in values]
    heads = [round(value / 10.0**k) for value, k in zip(values, exponents, strict=True)]
    return [
        power_of_ten(k) if head == 1 else f"{head}×{power_of_ten(k)}"
        for head, k in zip(heads, exponents, strict=True)
    ]
