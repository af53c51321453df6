"""Losses of outputs that are all but certain: their gradients are differences, as p - 1, with few digits."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.checking import check, numerics

from .planted import planted


def of_classes(rng, scale):
    x = scale * rng.standard_normal((2, 10))
    x[:, 3] += 4 * scale
    return x, np.array([3, 3])


def of_yes_or_no(rng, scale):
    return 5 * scale + scale * rng.standard_normal(6), np.ones(6, int)


def logistic(x):
    return 1 / (1 + np.exp(-x))


def by_hand(x, t):
    """As it is mostly written: σ(x) - t is 0 where it is less than 1e-16."""
    loss = np.mean(np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x))))
    return loss, lambda dout: (dout * (logistic(x) - t) / x.size, None)


LOSSES = {
    "by hand": (hg.rule(by_hand), of_yes_or_no),
    "softmax_cross_entropy": (hg.softmax_cross_entropy, of_classes),
    "cross_entropy": (hg.cross_entropy, of_classes),
    "focal": (hg.focal, of_yes_or_no),
    "by logits": (hg.binary_cross_entropy_with_logits, of_yes_or_no),
    "soft_margin": (hg.soft_margin, of_yes_or_no),
    "log of softmax": (hg.rule(lambda x: log_softmax(x)), lambda rng, scale: of_classes(rng, scale)[:1]),
    "softplus": (hg.softplus, lambda rng, scale: (-of_yes_or_no(rng, scale)[0],)),
    "logsigmoid": (hg.logsigmoid, lambda rng, scale: of_yes_or_no(rng, scale)[:1]),
    "one less tanh": (hg.rule(lambda x: one_less_tanh(x)), lambda rng, scale: of_yes_or_no(rng, scale)[:1]),
}


def log_softmax(x):
    y = np.exp(x - x.max(-1, keepdims=True))
    y = y / y.sum(-1, keepdims=True)
    return np.log(y), lambda dout: dout - y * dout.sum(-1, keepdims=True)


def one_less_tanh(x):
    y = np.tanh(x)
    return 1 - y, lambda dout: -dout * (1 - y * y)


def drawn(name, scale, seed):
    rule, inputs = LOSSES[name]
    return rule, inputs(np.random.default_rng(seed), scale)


@pytest.mark.parametrize("scale", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("name", LOSSES)
def test_a_right_one_is_not_called_wrong(name, scale):
    for seed in range(3):
        rule, inputs = drawn(name, scale, seed)
        report = check(rule, *inputs)
        assert report.ok is not False, report


@pytest.mark.parametrize("scale", [1, 3])
@pytest.mark.parametrize("name", LOSSES)
def test_a_wrong_one_is(name, scale):
    rule, inputs = drawn(name, scale, 0)
    report = check(planted(rule, lambda dx, dout: 1.01 * dx), *inputs)
    assert report.ok is False, report


@pytest.mark.parametrize("seed", range(20))
def test_the_noise_of_a_small_difference_is_that_of_its_terms(seed):
    x = np.random.default_rng(seed).uniform(18, 25, 10)
    noise, _ = numerics.noise_of(lambda t: np.log(1 + np.exp(-x * (1 + t))))
    assert np.all((noise > numerics.EPS / 30) & (noise < 100 * numerics.EPS))


def test_that_of_small_numbers_is_their_own():
    x = np.random.default_rng(0).uniform(1, 2, 10)
    noise, _ = numerics.noise_of(lambda t: 1e-9 * np.sin(x + t))
    assert np.all(noise < 1e-9 * 4 * numerics.EPS)
