"""The formulas of a rule, read from its docstring and nothing else.

    Linear map and bias, out = x W + b.   dx = dout Wᵀ, dW = xᵀ dout, db = Σ dout

A formula begins with ``out =``, ``loss =`` or the name of a gradient, ``dx =``, at the start of a line or
after a stop, a comma or three spaces. It ends with its sentence or its line, before three spaces, a colon, a
semicolon, or a comma after which no "else" or "repeated" goes on with it.
"""

from __future__ import annotations

import functools
import inspect
import re
from dataclasses import dataclass

from handgrad.view.formulas.mathml import ELEMENTS, xml
from handgrad.view.formulas.notation import MARKS, SUBSCRIPTS, mathml

__all__ = ["ELEMENTS", "Formulas", "formulas_of", "mathml", "xml"]

_OUTPUT = rf"(?:out|loss)[{SUBSCRIPTS}]*"
_GRADIENT = rf"d(?!out\b)[\w{MARKS}]+"
_LEFT = rf"(?:{_OUTPUT}|{_GRADIENT})(?:\[[^]\n]*\])?\s=\s(?=[^\s.:;,])"

_BEGIN = re.compile(rf"(?:^|[,:;.]\s+|\s{{3,}}|\n\s*|\band\s+)(?={_LEFT})")
_LINE = re.compile(r"\s{3,}|\n")
_STOP = re.compile(
    r"(?P<open>[(\[])|(?P<close>[)\]])|(?<!\.)\.(?=\s|$)|[:;](?=\s|$)|,(?!\s+(?:else|repeated)\b)"
)
_OF_GRADIENTS = re.compile(r"\bd\w|^0$")


@dataclass(frozen=True)
class Formulas:
    """What a docstring says of a rule: 'out = x + y', and ('dx = dout', 'dy = dout')."""

    forward: str | None
    backward: tuple[str, ...]


@functools.cache
def formulas_of(doc: str | None) -> Formulas:
    """The formulas in a docstring. Where there are none, None and ()."""
    plain = inspect.cleandoc(doc or "").replace("``", "")
    formulas = [_without_prose(text) for text in _BEGIN.split(plain)[1:]]
    outputs = [text for text in formulas if re.match(_OUTPUT, text)]
    gradients = [text for text in formulas if re.match(_GRADIENT, text) and _is_of_gradients(text)]
    return Formulas(outputs[0] if outputs else None, tuple(gradients))


def _without_prose(text: str) -> str:
    """The formula that a text begins with."""
    line = _LINE.split(text)[0]
    depth = 0
    for stop in _STOP.finditer(line):
        if stop.lastgroup:
            depth += 1 if stop.lastgroup == "open" else -1
        elif depth <= 0:
            return line[: stop.start()].rstrip()
    return line.rstrip()


def _is_of_gradients(formula: str) -> bool:
    """dx = y·dout, but not decay = 0.9."""
    return _OF_GRADIENTS.search(formula.partition(" = ")[2]) is not None
