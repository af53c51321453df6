"""Where there is no derivative: a verdict of its own, by element, and never wrong or right."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

import handgrad as hg
from handgrad.checking import check
from handgrad.checking.report import KINK, RIGHT, UNCLEAR, UNDEFINED, WRONG
from handgrad.view.recording import record

from .counting import Calls
from .planted import planted

INF, NAN = np.inf, np.nan


def norm(x):
    return hg.sqrt(hg.sum(x * x))


@pytest.mark.parametrize(
    ("target", "inputs"),
    [
        (hg.log, [0.0]),
        (hg.log, [-1.0]),
        (hg.log, [np.zeros((4, 2))]),
        (hg.log, [NAN]),
        (hg.sqrt, [0.0]),
        (hg.divide, [1.0, 0.0]),
        (hg.divide, [0.0, 0.0]),
        (hg.exp, [800.0]),
        (hg.power, [0.0, -1.0]),
        (hg.arcsin, [1.0]),
        (hg.arccos, [-1.0]),
        (hg.log1p, [-1.0]),
        (hg.softmax, [np.array([INF, 1.0, 2.0])]),
        (hg.sum, [np.array([INF, 1.0])]),
        (hg.mean, [np.array([NAN, 1.0])]),
        (hg.prod, [np.array([1e200, 2.0, 1e200])]),
        (norm, [np.zeros(3)]),
        (lambda x: hg.mean(hg.log(x)), [np.array([1.0, 0.0])]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_no_derivative_here(target, inputs, dtype):
    with np.errstate(all="ignore"):
        inputs = [np.asarray(x, dtype) for x in inputs]
    report = check(target, *inputs)
    assert (report.ok, report.verdict) == (None, UNDEFINED), report
    assert report.off == sum(x.size for x in inputs)
    assert not report.causes
    assert "no derivative here" in report.headline()
    assert "no derivative here" in report._repr_html_()


def negated(dx, dout):
    return -dx


def doubled(dx, dout):
    return 2 * dx


def forgotten(dx, dout):
    return np.zeros_like(dx)


@pytest.mark.parametrize(
    ("rule", "inputs", "off"),
    [
        (hg.log, [[1.0, 0.0, 2.0]], [[0, 1, 0]]),
        (hg.log, [[NAN, 3.0]], [[1, 0]]),
        (hg.sqrt, [[[1.0, 0.0], [4.0, 9.0]]], [[[0, 1], [0, 0]]]),
        (hg.exp, [[1.0, 800.0]], [[0, 1]]),
        (hg.arcsin, [[1.0, 0.5, -1.0, 2.0]], [[1, 0, 1, 1]]),
        (hg.divide, [[1.0, 2.0], [3.0, 0.0]], [[0, 1], [0, 1]]),
        (hg.divide, [[1.0, 2.0], 0.5], [[0, 0], 0]),
        (hg.multiply, [[1e200, 2.0], [1e200, 1.0]], [[1, 0], [1, 0]]),
        (hg.power, [[0.0, 2.0], 0.5], [[1, 0], 0]),
        (hg.softmax, [[[1.0, 2.0], [INF, 1.0]]], [[[0, 0], [1, 1]]]),
        (hg.matmul, [[[1e200, 2.0], [1.0, 3.0]], [1e200, 1.0]], [[[1, 1], [0, 0]], [1, 1]]),
        (hg.max, [[[NAN, 1.0], [2.0, 3.0]]], [[[1, 1], [0, 0]]]),
    ],
)
def test_what_has_a_derivative_is_checked(rule, inputs, off):
    inputs, off = [np.asarray(x) for x in inputs], [np.asarray(mask, bool) for mask in off]
    options = {"axis": 1} if rule is hg.max else {}
    report = check(rule, *inputs, options=options)
    assert report.ok is True, report
    assert "where there is a derivative" in report.headline() or not report.off
    assert [i.off for i in report.inputs] == [int(mask.sum()) for mask in off], report
    for x, mask in zip(report.inputs, off, strict=True):
        assert x.verdict == (UNDEFINED if mask.all() else RIGHT)

    for k, mask in enumerate(off):
        for wrong in () if mask.all() else (negated, doubled, forgotten):
            spoiled = check(planted(rule, wrong, only=k), *inputs, options=options)
            assert spoiled.ok is False, spoiled
            assert spoiled.inputs[k].verdict == WRONG
            assert spoiled.inputs[k].wrong <= (~mask).sum(), "not for those without a derivative"


def nan_at(place):
    def rule(x):
        def backward(dout):
            dx = dout / x
            dx[place] = NAN
            return dx

        return np.log(x), backward

    return rule


def test_a_gradient_that_is_not_finite_beside_an_infinite_output_is_wrong():
    report = check(nan_at(2), np.array([1.0, 0.0, 2.0]))
    assert report.ok is False
    assert [w.place for w in report.inputs[0].worst] == [(2,)]
    assert "is nan on 1 of 3 elements" in str(report)


def test_the_way_around_a_logarithm_of_zero_is_no_excuse():
    """Values that are finite, and a gradient that is 0·∞: the trap of where."""

    def safe_looking(x):
        out = np.where(x > 0, np.log(np.where(x > 0, x, 1.0)), 0.0)
        return out, lambda dout: dout * (x > 0) / np.where(x > 0, x, 0.0)

    report = check(safe_looking, np.array([1.0, -1.0, 2.0]))
    assert report.ok is False
    assert report.inputs[0].wrong == 1


def test_a_jump_has_no_derivative():
    report = check(lambda x: (np.floor(x), lambda dout: 0 * dout), np.array([0.5, 2.0]))
    assert (report.ok, report.off) == (True, 1)


def test_a_kink_with_two_slopes_is_still_a_kink():
    assert check(hg.abs, 0.0).verdict == KINK
    assert check(hg.relu, np.array([0.0, 1.0])).off == 0


def test_many_elements_are_told_apart_by_halves():
    x = np.linspace(1.0, 2.0, 3000)
    x[[17, 1111]] = 0.0
    calls = Calls()
    report = check(calls.of(hg.log.body), x)
    assert (report.ok, report.off) == (True, 2)
    assert 0 < calls.number < 1000, "not one by one"


@pytest.mark.parametrize("x", [0.0, [1.0, 0.0], 1e308, 5e-324, INF, NAN, [1e308, -1e308, 0.0]])
@pytest.mark.parametrize("rule", [hg.log, hg.exp, hg.sqrt, hg.softplus, hg.square, hg.tanh])
def test_no_warning_leaves_the_checker(rule, x):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = check(rule, np.asarray(x))
    assert report.ok is not False, report


# Where the values cannot say.


@pytest.mark.parametrize(
    ("rule", "inputs", "unclear"),
    [
        (hg.divide, [-2.3e-308, 2.3e-308], "x"),  # y cannot be moved by its own size
        (hg.matmul, [np.array([[1.0, 2.0], [1.0, 1e8]]), np.array([1e200, 1.5])], "y"),  # absorbed
        (hg.remainder, [1e8, 2.3e-308], "x"),  # steps many times as long as the divisor
    ],
)
def test_what_cannot_be_seen_is_not_called_right(rule, inputs, unclear):
    assert check(rule, *inputs).ok is not False
    for wrong in (negated, doubled, forgotten):
        report = check(planted(rule, wrong, only=rule.inputs.index(unclear)), *inputs)
        part = next(part for part in report.inputs if part.name == unclear)
        assert part.verdict != RIGHT, report


@pytest.mark.parametrize(
    ("rule", "inputs"),
    [
        (hg.minimum, [0.0, np.array([0.0, 2.9, 1e-20, 0.0])]),  # a tie nearer than the step
        (hg.remainder, [np.array([2.7]), np.array([1.0, 5e-324, 0.9])]),  # a sawtooth finer than the step
        (hg.remainder, [np.zeros(3), 1e-8]),
        (hg.remainder, [np.array([2.5]), np.array([1.0, 1e-8, 0.9])]),  # and one that grows with the step
        (hg.remainder, [np.full(8, 1e8), np.ones(8)]),
        (hg.power, [-1e20, -1e20]),
        (hg.std, [np.full((3, 4), 0.01897)]),
        (hg.var, [np.full(3, 0.5652254)]),
    ],
)
def test_finer_than_any_step(rule, inputs):
    assert check(rule, *inputs).ok is not False


def test_beside_what_cannot_be_seen_all_is_checked():
    inputs = [np.array([2.7]), np.array([1.0, 5e-324, 0.9])]
    assert check(hg.remainder, *inputs).ok is True
    for wrong in (negated, doubled, forgotten):
        for k in (0, 1):
            assert check(planted(hg.remainder, wrong, only=k), *inputs).ok is False


def test_random_forwards_are_still_unclear():
    report = check(lambda x: (x * np.random.default_rng().standard_normal(), lambda dout: dout), 2.0)
    assert report.verdict == UNCLEAR


# What a page says.


@np.errstate(all="ignore")
def test_a_page_does_not_call_it_wrong():
    verdict = record(hg.log, 0.0, check=60.0).ops[0].verdict
    assert (verdict.kind, verdict.text) == (
        "undefined",
        "no derivative here: 1 of 1 outputs are not finite at these inputs",
    )
    some = record(hg.log, np.array([1.0, 0.0, 2.0]), check=60.0).ops[0].verdict
    assert some.kind == "right"
    assert "where there is a derivative" in some.text


@pytest.mark.parametrize("first", [0.0, 2.0])
@np.errstate(all="ignore")
def test_a_verdict_is_not_taken_for_that_of_other_values(first):
    """Of two uses with one shape, one is at a point without a derivative."""
    graph = record(lambda x, y: hg.log(x) + hg.log(y), first, 2.0 - first, check=60.0)
    kinds = [op.verdict.kind for op in graph.ops if op.name == "log"]
    assert sorted(kinds) == ["right", "undefined"]
    assert kinds[0] == ("undefined" if first == 0 else "right")


@pytest.mark.parametrize("rule", [hg.cholesky, hg.inv, hg.slogdet], ids=lambda rule: rule.name)
def test_where_rounding_leads_out_of_the_domain_nothing_is_judged(rule):
    """Among the probes are matrices of equal elements, which are singular up to rounding."""
    for seed in range(4):
        x = np.eye(3) * [3.0, 2.0, 1.0] + 0.15 * np.random.default_rng(seed).normal(size=(2, 3, 3))
        assert check(rule, x, seed=seed).ok
