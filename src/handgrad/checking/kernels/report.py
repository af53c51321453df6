"""What a check of a kernel says."""

from __future__ import annotations

import html
from dataclasses import dataclass, field

import numpy as np

from handgrad.checking.findings import Cause
from handgrad.checking.heatmap import heat_text
from handgrad.checking.report import RIGHT, UNCLEAR, WIDTH, WRONG, Worst, indented, table, where, wrapped

IMPRECISE = "imprecise"


@dataclass
class ArrayReport:
    """What came of one output, or of one gradient."""

    name: str
    shape: tuple[int, ...]
    verdict: str
    digits: float  # that are right
    due: float  # that rounding leaves
    arithmetic: str = ""  # the best that it is as good as
    rung: int = 0  # its place on the ladder of arithmetics
    wrong: int = 0
    elements: int = 0
    worst: list[Worst] = field(default_factory=list)
    error: np.ndarray | None = None

    def __str__(self) -> str:
        what = f"{self.name} {self.shape}"
        if self.verdict == UNCLEAR:
            return f"{what}: cannot tell"
        counted = f"{self.digits:.1f} digits, {max(self.due, 0.0):.1f} due"
        if self.verdict == WRONG:
            return f"{what}: WRONG on {self.wrong} of {self.elements} elements; {counted}"
        return f"{what}: {self.verdict}, {counted}; {self.arithmetic}"


@dataclass
class KernelReport:
    """The result of ``check_kernel``.

    ``ok``: True, as near to the reference as rounding lets a right kernel be, at all points; False, wrong, or
    ``imprecise``: as good as a narrower arithmetic than is due; None, it cannot tell.

    Examples:
        >>> x = np.linspace(-2.0, 2.0, 9)
        >>> report = hg.check_kernel(lambda x: np.tanh(x), hg.tanh, x, dtype="float32")
        >>> report.verdict
        'right'
    """

    target: str
    reference: str
    dtype: str
    verdict: str
    arrays: list[ArrayReport] = field(default_factory=list)
    causes: list[Cause] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    points: int = 1
    whose: str = ""
    seconds: float = 0.0

    @property
    def ok(self) -> bool | None:
        return {RIGHT: True, WRONG: False, IMPRECISE: False}.get(self.verdict)

    @property
    def digits(self) -> float:
        """How many digits are right, of the array that has the fewest."""
        return min((a.digits for a in self.arrays), default=0.0)

    @property
    def due(self) -> float:
        """How many are due, of the array that has the fewest."""
        return min((a.due for a in self.arrays), default=0.0)

    def __bool__(self) -> bool:
        return self.ok is True

    def headline(self) -> str:
        said = {RIGHT: f"right, {self.digits:.1f} digits where {max(self.due, 0.0):.1f} are due"}
        return said.get(self.verdict, self.verdict.upper() if self.verdict == WRONG else self.verdict)

    def lines(self, width: int = WIDTH) -> list[str]:
        many = f", at {self.points} points" if self.points > 1 else ""
        lines = [f"{self.target} in {self.dtype}: {self.headline()}{many}"]
        lines += indented(wrapped(f"checked: {self.whose}, beside {self.reference} in float64", width - 2))
        for array in self.arrays:
            lines.append(f"  {array}")
            lines += indented(self._about(array, width - 4), 4)
        named = {a.name for a in self.arrays}
        for cause in self.causes:
            if cause.input not in named:
                lines += indented([*wrapped(cause.sentence, width - 2), *where(cause)])
        for remark in (*(f"cannot tell: {d}" for d in self.doubts), *(f"note: {n}" for n in self.notes)):
            lines += indented(wrapped(remark, width - 2))
        return lines

    def _about(self, array: ArrayReport, width: int) -> list[str]:
        lines: list[str] = []
        for cause in [c for c in self.causes if c.input == array.name]:
            lines += [*wrapped(cause.sentence, width), *where(cause)]
        if array.worst:
            lines += table(array.worst)
        if array.error is not None and array.error.size > 1:
            lines += heat_text(array.error)
        return lines

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(str(self))}</pre>"
