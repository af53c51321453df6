"""What a check finds must not depend on how busy the machine is: work is counted, not timed."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from handgrad.checking import check, clock
from handgrad.checking.causes import repair
from handgrad.checking.work import work_of

from .counting import Calls


def steps(n):
    for _ in range(n):
        pass


def raising():
    steps(5)
    raise ValueError


def test_work_is_the_same_each_time_and_grows_with_what_is_run():
    few, many = (work_of(lambda n=n: steps(n), 0) for n in (10, 1000))
    assert few == work_of(lambda: steps(10), 0) == work_of(lambda: steps(10), 400) - 20
    assert 50 * few < many
    assert work_of(raising, 0) > 5


def turned(x, W):
    def backward(dout):
        dW = dout.T @ x
        return dout @ W.T, dW

    return x @ W, backward


def nonsense(x):
    """A gradient that no edit repairs."""
    return np.tanh(x), lambda dout: np.sort(dout * x, axis=0) + 0.1 * np.cos(x[::-1]) * dout[:, ::-1]


def test_the_report_does_not_depend_on_how_slow_the_machine_is(monkeypatch):
    monkeypatch.setattr(repair, "TRIES", 200)
    monkeypatch.setattr(repair, "PAIRS", 200)
    rng = np.random.default_rng(0)
    targets = [
        (turned, rng.normal(size=(5, 4)), rng.normal(size=(4, 4))),
        (nonsense, rng.normal(size=(4, 3))),
    ]
    quick = [str(check(*target)) for target in targets]
    looks = iter(range(10**9))
    slow = SimpleNamespace(perf_counter=lambda: 0.1 * next(looks))  # a look at the clock takes 0.1 s
    monkeypatch.setattr(clock, "time", slow)
    assert [str(check(*target)) for target in targets] == quick
    assert "right as: dW = x.T @ dout" in quick[0]


def doubled(x):
    return np.tanh(x), lambda dout: 2 * dout * x


def test_a_long_computation_in_few_lines_is_sampled(monkeypatch):
    """The seconds are a far net: of 2,000 elements as many are looked at as they allow."""
    x, calls = np.random.default_rng(0).normal(size=2000), Calls()
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: 1.0 * calls.number))
    (part,) = check(calls.of(doubled), x).inputs
    assert 0 < part.looked_at < 1000
    assert part.wrong == part.looked_at
