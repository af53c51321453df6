"""What a check says: as text, and as HTML in a notebook."""

from __future__ import annotations

import html
import textwrap
from dataclasses import dataclass, field

import numpy as np

from handgrad.checking.findings import Cause
from handgrad.checking.heatmap import heat_html, heat_text
from handgrad.checking.kinks import Kink

RIGHT, WRONG, KINK, UNCLEAR = "right", "wrong", "not differentiable here", "cannot tell"
UNDEFINED = "no derivative here"
SHOWN = 4
WIDTH = 110  # columns of text
COLOURS = {True: "#1a7f37", False: "#cf222e", None: "#9a6700"}
INDENTED, MUTED = "padding-left:1.5em", "color:#6e7781"


@dataclass
class Worst:
    """One wrong element."""

    place: tuple[int, ...]
    expected: float
    got: float

    @property
    def ratio(self) -> float:
        return self.got / self.expected if self.expected else float("nan")


@dataclass
class InputReport:
    """What came of one input.

    Examples:
        >>> report = hg.check(hg.multiply, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
        >>> [(one.name, one.shape, one.verdict) for one in report.inputs]
        [('x', (2,), 'right'), ('y', (2,), 'right')]
    """

    name: str
    shape: tuple[int, ...]
    verdict: str
    digits: float
    elements: int
    looked_at: int = 0  # one by one
    wrong: int = 0
    undefined: np.ndarray | None = None  # the elements without a derivative to compare with
    first_off: str = ""  # the first of these, with its value
    worst: list[Worst] = field(default_factory=list)
    error: np.ndarray | None = None  # relative to the largest element, nan where not looked at

    @property
    def off(self) -> int:
        """How many elements have no derivative to compare with."""
        return 0 if self.undefined is None else int(self.undefined.sum())

    def __str__(self) -> str:
        what = f"{self.name} {self.shape}"
        if self.verdict == RIGHT and self.elements == 0:
            return f"{what}: right, empty"
        if self.verdict == RIGHT:
            return f"{what}: right, {self.digits:.0f} digits proven{self._but()}"
        if self.verdict == WRONG and self.looked_at:
            sample = "" if self.looked_at == self.elements else f" looked at, of {self.elements}"
            return f"{what}: WRONG on {self.wrong} of {self.looked_at} elements{sample}{self._but()}"
        return f"{what}: {'WRONG' if self.verdict == WRONG else self.verdict}{self._but()}"

    def _but(self) -> str:
        if not self.off or self.verdict == UNDEFINED:
            return ""
        return f"; no derivative at {self.off} of {self.elements} elements, first at {self.first_off}"


@dataclass
class Report:
    """The result of a check.

    ``ok``: True, right wherever there is a derivative (kinks aside); False, wrong; None, there is no
    derivative here to compare with, or it cannot tell.

    Examples:
        >>> report = hg.check(hg.square, np.array([1.0, 2.0]))
        >>> report.ok, report.verdict, report.causes
        (True, 'right', [])
    """

    target: str
    verdict: str
    inputs: list[InputReport] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    kinks: list[Kink] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    points: int = 1  # how many sets of inputs it stands for
    parts: list[Report] = field(default_factory=list)  # a network's wrong parts, the first wrong one first
    consequences: list[str] = field(default_factory=list)  # gradients that are wrong because of the first
    seconds: float = 0.0
    whose: str = ""  # the backward that was called

    @property
    def ok(self) -> bool | None:
        return {RIGHT: True, KINK: True, WRONG: False}.get(self.verdict)

    @property
    def off(self) -> int:
        """How many elements have no derivative to compare with."""
        return sum(i.off for i in self.inputs)

    @property
    def digits(self) -> float:
        """How many digits are proven, of the input that has the fewest."""
        return min((i.digits for i in self.inputs if i.elements and i.verdict in (RIGHT, KINK)), default=0.0)

    def __bool__(self) -> bool:
        return self.ok is True

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self, width: int = WIDTH) -> list[str]:
        """The text; sentences are wrapped at a width, code and tables are not."""
        lines = [f"{self.target}: {self.headline()}"]
        if self.whose:
            lines.append(f"  checked: {self.whose}")
        if self.parts:
            return [*lines, *indented(self._about_parts(width - 2))]
        for part in self.inputs:
            lines.append(f"  {part}")
            lines += indented(self._about(part, width - 4), 4)
        return [*lines, *indented(self._at_large(width - 2))]

    def headline(self) -> str:
        if self.verdict == RIGHT:
            many = f", at {self.points} points" if self.points > 1 else ""
            many += ", where there is a derivative" if self.off else ""
            return f"right, {self.digits:.0f} digits proven{many}" if self.inputs else "right"
        if self.verdict == WRONG and self.parts:
            return f"WRONG, and the first wrong part is {self.parts[0].target}"
        if self.verdict == WRONG:
            return "WRONG"
        if self.verdict == KINK:
            return "right, but not differentiable here"
        return self.verdict

    def _about_parts(self, width: int) -> list[str]:
        lines = self.parts[0].lines(width)
        for part in self.parts[1:]:
            lines.append(f"{part.target}: {part.headline()}")
            for cause in part.causes[:1]:
                lines += indented(wrapped(cause.sentence, width - 2))
        if self.consequences:
            are = "gradient is" if len(self.consequences) == 1 else "gradients are"
            said = f"{len(self.consequences)} {are} wrong as a consequence"
            lines.append(f"{said}: {some(self.consequences)}")
        right = [i.name for i in self.inputs if i.verdict == RIGHT]
        if right:
            lines.append(f"right: {some(right)}")
        for note in self.notes:
            lines += wrapped(f"note: {note}", width)
        return lines

    def _about(self, part: InputReport, width: int) -> list[str]:
        lines = []
        for cause in self._causes_of(part):
            lines += [*wrapped(cause.sentence, width), *where(cause)]
        if part.worst:
            lines += table(part.worst)
        if part.error is not None and part.error.size > 1:
            lines += heat_text(part.error)
        return lines

    def _at_large(self, width: int) -> list[str]:
        lines = []
        for cause in self._causes_at_large():
            lines += [*wrapped(cause.sentence, width), *indented(where(cause))]
        for remark in (*self._kinks(), *self._doubts(), *self._notes()):
            lines += wrapped(remark, width)
        return lines

    def _causes_of(self, part: InputReport) -> list[Cause]:
        """The likeliest."""
        return [cause for cause in self.causes if cause.input == part.name][:1]

    def _causes_at_large(self) -> list[Cause]:
        named = {part.name for part in self.inputs}
        return [cause for cause in self.causes if cause.input not in named]

    def _kinks(self) -> list[str]:
        more = len(self.kinks) - SHOWN
        shown = [f"kink: {kink}" for kink in self.kinks[:SHOWN]]
        return [*shown, f"and {more} more kinks"] if more > 0 else shown

    def _doubts(self) -> list[str]:
        return [f"cannot tell: {doubt}" for doubt in self.doubts]

    def _notes(self) -> list[str]:
        return [f"note: {note}" for note in self.notes]

    def _repr_html_(self) -> str:
        headline = html.escape(f"{self.target}: {self.headline()}")
        rows = [f'<b style="color:{COLOURS[self.ok]}">{headline}</b>']
        if self.whose:
            rows.append(block(html.escape(f"checked: {self.whose}"), MUTED))
        rows += [block(part._repr_html_(), INDENTED) for part in self.parts]
        for part in self.inputs if not self.parts else []:
            rows += [block(html.escape(str(part))), block(self._html_about(part), INDENTED)]
        for cause in self._causes_at_large():
            rows += [block(html.escape(cause.sentence)), block(code_html(cause), INDENTED)]
        rows += [block(html.escape(doubt)) for doubt in self._doubts()]
        rows += [block(html.escape(remark), MUTED) for remark in (*self._kinks(), *self._notes())]
        return block("".join(rows), "font-family:system-ui,sans-serif;line-height:1.5")

    def _html_about(self, part: InputReport) -> str:
        rows = [block(f"<b>{html.escape(c.sentence)}</b>") + code_html(c) for c in self._causes_of(part)]
        if part.worst:
            rows.append(f"<pre>{html.escape(chr(10).join(table(part.worst)))}</pre>")
        if part.error is not None and part.error.size > 1:
            rows.append(heat_html(part.error))
        return "".join(rows)


def wrapped(sentence: str, width: int) -> list[str]:
    """A sentence on lines of a width, all but the first indented."""
    return textwrap.wrap(
        sentence, width, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )


def indented(lines: list[str], by: int = 2) -> list[str]:
    return [f"{' ' * by}{line}" for line in lines]


def some(names: list[str]) -> str:
    """The first few."""
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


def block(content: str, style: str = "") -> str:
    return f'<div style="{style}">{content}</div>' if style else f"<div>{content}</div>"


def code_html(cause: Cause) -> str:
    return "".join(block(f"<code>{html.escape(line)}</code>") for line in where(cause))


def where(cause: Cause) -> list[str]:
    """The line that a cause is in, and how it would be right."""
    if cause.line is None:
        return []
    lines = [f"at {cause.line}"]
    return [*lines, f"right as: {cause.fix}"] if cause.fix else lines


def table(worst: list[Worst]) -> list[str]:
    """The worst elements: where, what is due, what came, and their ratio."""
    rows = [("element", "expected", "got", "got/expected")]
    for w in worst:
        ratio = f"{w.ratio + 0.0:.6g}" if np.isfinite(w.ratio) else "-"
        rows.append((str(list(w.place)), f"{w.expected + 0.0:.9g}", f"{w.got + 0.0:.9g}", ratio))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
