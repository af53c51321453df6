"""At the edges of float64 the checker calls none of our right rules wrong, and no wrong one right."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest

from handgrad.checking import check, checker, subject
from handgrad.checking.clock import Clock
from handgrad.checking.forms.function import of_rule
from handgrad.checking.quietly import quiet
from handgrad.checking.report import RIGHT
from handgrad.checking.subject import own_randomness
from handgrad.tree import leaves
from tests.rules.numerics import is_differentiable

from .edges import MISTAKES, drawn, gradients, is_seen
from .planted import planted

QUICK, ALL, EACH = 100, 20_000, 50
MANY = 1_990  # a tenth of the rest


@pytest.fixture(autouse=True)
def verdicts_alone(monkeypatch):
    """What the mistake is called is not looked at, and no rule draws from the global generators."""
    monkeypatch.setattr(checker, "causes_of", lambda trial, result: [])
    monkeypatch.setattr(checker, "causes_of_two", lambda trial, result: [])
    monkeypatch.setattr(subject, "fixed_randomness", contextlib.nullcontext)


def is_refused(case, inputs):
    """Whether the rule itself says that it does not take these values, or none has a gradient."""
    if not any(map(is_differentiable, leaves(inputs))):
        return True
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
@pytest.mark.parametrize("first", range(QUICK, ALL, MANY))
def test_of_many_draws_none_is_called_falsely(first):
    assert not list(false_verdicts(range(first, first + MANY)))


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
    """Whether it is called right though a derivative exists that is not that of the rule.

    Few mistakes are not seen at the point itself: only these are looked for as thoroughly as a user would.
    """
    with own_randomness(), quiet():
        report = checker.examine(of_rule(wrong, inputs, case.options), 0, Clock(), light=True)
    if not passed_over(report, case, inputs, wrong):
        return False
    return passed_over(check(wrong, *inputs, options=case.options), case, inputs, wrong)


def passed_over(report, case, inputs, wrong):
    """Whether the report calls an input right whose mistake is seen."""
    if report.ok is False or report.kinks:
        return False
    right, size = gradients(case.rule, inputs, case.options)
    spoiled, _ = gradients(wrong, inputs, case.options)
    floats = [
        (x, dx, other)
        for x, dx, other in zip(leaves(inputs), right, spoiled, strict=True)
        if np.asarray(x).dtype.kind == "f"
    ]
    return any(
        part.verdict == RIGHT and dx is not None and is_seen(x, dx, other, size, undefined_of(part))
        for part, (x, dx, other) in zip(report.inputs, floats, strict=True)
    )


def undefined_of(part):
    return np.zeros(part.shape, bool) if part.undefined is None else part.undefined
