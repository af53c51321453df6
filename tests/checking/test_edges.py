"""At the edges of float64 the checker calls none of our right rules wrong, and no wrong one right."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad.checking import check, checker
from handgrad.checking.report import RIGHT
from handgrad.tree import leaves

from .edges import MISTAKES, drawn, gradients, is_seen
from .planted import planted

QUICK, ALL, EACH = 150, 20_000, 50


@pytest.fixture(autouse=True)
def no_causes(monkeypatch):
    """The verdict is what is looked at here; what the mistake is called would take most of the time."""
    monkeypatch.setattr(checker, "causes_of", lambda trial, result: [])


def is_refused(case, inputs):
    """Whether the rule itself says that it does not take these values."""
    try:
        with np.errstate(all="ignore"):
            case.rule.vjp(*inputs, **case.options)
    except ValueError:
        return True
    return False


@pytest.mark.parametrize("first", range(0, QUICK, EACH))
def test_at_the_edges(first):
    assert not list(false_verdicts(range(first, first + EACH)))


@pytest.mark.slow
def test_of_many_draws_hardly_any_is_called_falsely():
    """What is left: rules whose own products overflow on the way, and remainders of numbers far apart."""
    told = list(false_verdicts(range(QUICK, ALL)))
    assert len(told) <= 0.003 * ALL, "\n".join(told)


def false_verdicts(numbers):
    """Right rules that are called wrong, and wrong ones that are called right."""
    for number in numbers:
        case, inputs = drawn(number)
        if is_refused(case, inputs):
            continue
        told = f"draw {number}, {case.id}, {case.options}: {inputs}"
        report = check(case.rule, *inputs, options=case.options)
        if report.ok is False:
            yield f"{told}\n{report}"
        mistake = MISTAKES[number % len(MISTAKES)]
        if missed(case, inputs, planted(case.rule, mistake)):
            yield f"{told}\nwith its gradients {mistake.__name__}"


def missed(case, inputs, wrong):
    """The inputs that are called right though a derivative of theirs exists, and is not that of the rule."""
    report = check(wrong, *inputs, options=case.options)
    if report.ok is False or report.kinks:
        return []
    right, size = gradients(case.rule, inputs, case.options)
    spoiled, _ = gradients(wrong, inputs, case.options)
    parts = {part.name: part for part in report.inputs}
    found = []
    names = [part.name for part in report.inputs]
    floats = [
        (x, dx, other)
        for x, dx, other in zip(leaves(inputs), right, spoiled, strict=True)
        if np.asarray(x).dtype.kind == "f"
    ]
    for name, (x, dx, other) in zip(names, floats, strict=True):
        part = parts[name]
        undefined = np.zeros(np.shape(x), bool) if part.undefined is None else part.undefined
        if part.verdict == RIGHT and dx is not None and is_seen(x, dx, other, size, undefined):
            found.append(name)
    return found
