"""The formulas of a rule, read from its docstring and nothing else.

    Linear map and bias, out = x W + b.   dx = dout Wᵀ, dW = xᵀ dout, db = Σ dout

A formula begins with ``out =``, ``loss =`` or the name of a gradient, ``dx =``, at the start of a line or
after a stop, a comma or three spaces. It ends with its sentence or its line, before three spaces, a colon, a
semicolon, or a comma after which no "else" or "repeated" goes on with it.

Where formulas depend on options, a paragraph begins with a condition on these, and what it says stands in the
place of what was said before it:

    reduction="sum": loss = Σ(y - t)².   dy = 2 (y - t)·dout
    weight or label_smoothing, reduction="sum": loss = -Σ q·log softmax(x)

A name alone means that the option is given, and is not its default.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from handgrad.rules.rule import without_examples
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

_PART = r"[a-z_]\w*(?:=(?:\"[^\"]*\"|[\w.+-]+))?"
_CONDITION = re.compile(rf"({_PART}(?:(?: or |, ){_PART})*):\s+(?={_LEFT})")


@dataclass(frozen=True)
class Formulas:
    """What a docstring says of a rule: 'out = x + y', and ('dx = dout', 'dy = dout')."""

    forward: str | None
    backward: tuple[str, ...]


def formulas_of(
    doc: str | None, options: Mapping[str, Any] | None = None, defaults: Mapping[str, Any] | None = None
) -> Formulas:
    """The formulas in a docstring, as they are with these options. Where there are none, None and ()."""
    given = {**(defaults or {}), **(options or {})}
    forward, backward = None, dict[str, str]()
    for condition, formulas in _said(doc):
        if not _holds(condition, given, defaults or {}):
            continue
        outputs = [text for text in formulas if re.match(_OUTPUT, text)]
        forward = outputs[0] if outputs and (condition or forward is None) else forward
        gradients = [text for text in formulas if re.match(_GRADIENT, text) and _is_of_gradients(text)]
        backward |= {text.partition(" = ")[0]: text for text in gradients}
    return Formulas(forward, tuple(backward.values()))


def formulas_for(rule: Any, options: Mapping[str, Any]) -> Formulas:
    """The formulas of a rule, as they are with the options that it was called with."""
    return formulas_of(rule.__doc__, options, defaults_of(rule))


@functools.cache
def defaults_of(rule: Any) -> dict[str, Any]:
    """What the options of a rule are where nothing else is given."""
    parameters = inspect.signature(rule.body).parameters.values()
    return {p.name: p.default for p in parameters if p.default is not p.empty}


def is_usual(given: Any, usual: Any) -> bool:
    """Whether an option is what it would be anyway."""
    return given is usual or (isinstance(given, (int, float, str)) and bool(given == usual))


@functools.cache
def _said(doc: str | None) -> list[tuple[str, list[str]]]:
    """Each paragraph's condition, "" for none, and its formulas."""
    plain = without_examples(doc).replace("``", "")
    said = []
    for paragraph in re.split(r"\n\s*\n", plain):
        condition = _CONDITION.match(paragraph)
        text = paragraph[condition.end() :] if condition else paragraph
        said.append((condition[1] if condition else "", [_without_prose(f) for f in _BEGIN.split(text)[1:]]))
    return said


def _holds(condition: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    """Whether options are as a condition says; a comma is "and"."""
    return not condition or all(
        any(_is_so(part, given, defaults) for part in each.split(" or ")) for each in condition.split(", ")
    )


def _is_so(part: str, given: Mapping[str, Any], defaults: Mapping[str, Any]) -> bool:
    name, equals, value = part.partition("=")
    found, usual = given.get(name), defaults.get(name)
    if not equals:
        return not is_usual(found, usual)
    return isinstance(found, (int, float, str)) and found == ast.literal_eval(value)


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
