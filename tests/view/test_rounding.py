"""Gradients that are zero but for rounding are said to be; those that are merely small are not."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Affine, BatchNorm, Sequential
from handgrad.view.recording import record
from handgrad.view.rounding import is_rounding
from handgrad.view.still.drawing import svg


def said(graph):
    """By name, whether an array's gradient is called zero up to rounding."""
    return {a.name: is_rounding(a.grad, a.noise) for a in graph.arrays if a.grad is not None}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("seed", range(4))
def test_a_bias_before_batch_norm(dtype, seed):
    """The mean that is taken away takes it away."""
    x = np.random.default_rng(seed).normal(0, 1, (16, 4)).astype(dtype)
    net = Sequential(Affine(4, 5, seed=seed, dtype=dtype), BatchNorm(5, dtype=dtype)).train()
    graph = record(lambda x: hg.sum(hg.tanh(net.bind(params(net))(x))), x)
    found = said(graph)
    assert found.pop("0.b")
    assert not any(found[name] for name in ("0.W", "1.beta", "1.gamma"))


def params(net):
    return {name: hg.variable(p, name) for name, p in net.parameters().items()}


@pytest.mark.parametrize("x", [0.3, 0.7, 1.1, 2.9, -0.4])
def test_identities(x):
    graph = record(lambda x: hg.sin(x) ** 2 + hg.cos(x) ** 2 + hg.exp(x) * hg.exp(-x), x)
    [given] = [a for a in graph.arrays if a.name == "x"]
    assert given.grad == 0 or is_rounding(given.grad, given.noise)
    assert not any(small for name, small in said(graph).items() if name != "x")


@pytest.mark.parametrize("scale", [1e-300, 1e-30, 1e-9, 1e-3, 1.0])
def test_small_gradients_are_no_rounding(scale):
    rng = np.random.default_rng(0)
    graph = record(
        lambda x, W: hg.sum(hg.tanh(x @ W)) * scale, rng.normal(0, 1, (5, 4)), rng.normal(0, 1, (4, 3))
    )
    assert not any(said(graph).values())


def test_what_cancels_in_part_is_no_rounding():
    """Six of sixteen digits are left."""
    graph = record(lambda x: 1e10 * x - (1e10 - 1.0) * x, 0.5)
    [given] = [a for a in graph.arrays if a.name == "x"]
    assert given.grad == pytest.approx(1.0, rel=1e-5)
    assert not is_rounding(given.grad, given.noise)


def test_zeros_and_what_is_not_finite_are_what_they_are():
    assert not is_rounding(np.zeros(3), 1e-9)
    assert not is_rounding(None, 1.0)
    with np.errstate(all="ignore"):
        assert not any(said(record(lambda x: hg.sum(hg.log(x)), np.zeros(3))).values())


def test_it_is_drawn_pale():
    rng = np.random.default_rng(0)
    net = Sequential(Affine(4, 5, seed=0), BatchNorm(5)).train()
    picture = svg(record(net, rng.normal(0, 1, (16, 4)), dout=rng.normal(0, 1, (16, 5))))
    assert picture.count('class="muted">0 up to rounding') >= 1
    assert 'opacity="0.3"' in picture
