"""What a check says: as text, and as HTML in a notebook."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

import numpy as np

from handgrad.check.findings import Cause
from handgrad.check.heatmap import heat_html, heat_text
from handgrad.check.kinks import Kink

RIGHT, WRONG, KINK, UNCLEAR = "right", "wrong", "not differentiable here", "cannot tell"
SHOWN = 4


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
    """What came of one input."""

    name: str
    shape: tuple[int, ...]
    verdict: str
    digits: float
    elements: int
    looked_at: int = 0  # one by one
    wrong: int = 0
    worst: list[Worst] = field(default_factory=list)
    error: np.ndarray | None = None  # relative to the largest element, nan where not looked at

    def __str__(self) -> str:
        what = f"{self.name} {self.shape}"
        if self.verdict == RIGHT and self.elements == 0:
            return f"{what}: right, empty"
        if self.verdict == RIGHT:
            return f"{what}: right, {self.digits:.0f} digits proven"
        if self.verdict == WRONG and self.looked_at:
            sample = "" if self.looked_at == self.elements else f" looked at, of {self.elements}"
            return f"{what}: WRONG on {self.wrong} of {self.looked_at} elements{sample}"
        return f"{what}: {'WRONG' if self.verdict == WRONG else self.verdict}"


@dataclass
class Report:
    """The result of a check. ``ok``: True, right (kinks aside); False, wrong; None, cannot tell."""

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

    @property
    def ok(self) -> bool | None:
        return {RIGHT: True, KINK: True, WRONG: False}.get(self.verdict)

    @property
    def digits(self) -> float:
        """How many digits are proven, of the input that has the fewest."""
        return min((i.digits for i in self.inputs if i.elements and i.verdict in (RIGHT, KINK)), default=0.0)

    def __bool__(self) -> bool:
        return self.ok is True

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        lines = [f"{self.target}: {self.headline()}"]
        if self.parts:
            return lines + self._about_parts()
        for part in self.inputs:
            lines.append(f"  {part}")
            lines += [f"    {line}" for line in self._about(part)]
        lines += [f"  {line}" for line in self._at_large()]
        return lines

    def headline(self) -> str:
        if self.verdict == RIGHT:
            many = f", at {self.points} points" if self.points > 1 else ""
            return f"right, {self.digits:.0f} digits proven{many}" if self.inputs else "right"
        if self.verdict == WRONG and self.parts:
            return f"WRONG, and the first wrong part is {self.parts[0].target}"
        if self.verdict == WRONG:
            return "WRONG"
        if self.verdict == KINK:
            return "right, but not differentiable here"
        return "cannot tell"

    def _about_parts(self) -> list[str]:
        lines = [f"  {line}" for line in self.parts[0].lines()]
        for part in self.parts[1:]:
            lines.append(f"  {part.target}: {part.headline()}")
            lines += [f"    {cause.sentence}" for cause in part.causes[:1]]
        if self.consequences:
            many = len(self.consequences)
            names = ", ".join(self.consequences[:6]) + (f" and {many - 6} more" if many > 6 else "")
            are = "gradient is" if many == 1 else "gradients are"
            lines.append(f"  {many} {are} wrong as a consequence: {names}")
        right = [i.name for i in self.inputs if i.verdict == RIGHT]
        if right:
            lines.append(
                f"  right: {', '.join(right[:6])}{f' and {len(right) - 6} more' if len(right) > 6 else ''}"
            )
        return [*lines, *(f"  note: {note}" for note in self.notes)]

    def _about(self, part: InputReport) -> list[str]:
        lines = []
        for cause in [c for c in self.causes if c.input == part.name][:1]:
            lines.append(cause.sentence)
            lines += where(cause)
        if part.worst:
            lines += table(part.worst)
        if part.error is not None and part.error.size > 1:
            lines += heat_text(part.error)
        return lines

    def _at_large(self) -> list[str]:
        named = {part.name for part in self.inputs}
        lines = []
        for cause in [c for c in self.causes if c.input not in named]:
            lines.append(cause.sentence)
            lines += [f"  {line}" for line in where(cause)]
        lines += [f"kink: {kink}" for kink in self.kinks[:SHOWN]]
        if len(self.kinks) > SHOWN:
            lines.append(f"and {len(self.kinks) - SHOWN} more kinks")
        lines += [f"cannot tell: {doubt}" for doubt in self.doubts]
        lines += [f"note: {note}" for note in self.notes]
        return lines

    def _repr_html_(self) -> str:
        colour = {True: "#1a7f37", False: "#cf222e", None: "#9a6700"}[self.ok]
        rows = [f'<b style="color:{colour}">{html.escape(f"{self.target}: {self.headline()}")}</b>']
        if self.parts:
            rows += [part._repr_html_() for part in self.parts]
        for part in self.inputs if not self.parts else []:
            rows.append(f"<div>{html.escape(str(part))}</div>")
            for cause in [c for c in self.causes if c.input == part.name][:1]:
                rows.append(f"<div><b>{html.escape(cause.sentence)}</b></div>")
                rows += [f"<div><code>{html.escape(line)}</code></div>" for line in where(cause)]
            if part.worst:
                rows.append(f"<pre>{html.escape(chr(10).join(table(part.worst)))}</pre>")
            if part.error is not None and part.error.size > 1:
                rows.append(heat_html(part.error))
        rows += [f"<div>{html.escape(line)}</div>" for line in self._at_large()]
        return f'<div style="font-family:system-ui,sans-serif;line-height:1.5">{"".join(rows)}</div>'


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
