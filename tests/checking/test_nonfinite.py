"""The first rule that made finite numbers others: forward, backward, compiled, in layers, of a training."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Affine, Layer, Sequential
from handgrad.optim import SGD
from handgrad.train import NonFiniteError, Trainer

X = np.array([0.0, 1.0, 2.0])


def logs(x):
    y = hg.exp(x)
    return hg.sum(hg.log(y - 1.0))


def roots(x):
    return hg.sum(np.sqrt(x * x))


def test_a_forward():
    origin = hg.origin_of_nonfinite(logs, X)
    assert (origin.rule, origin.way) == ("log", "forward")
    assert origin.line.endswith("return hg.sum(hg.log(y - 1.0))")
    assert origin.inputs == (("x", "float64 (3,), from 0 to 6.389"),)
    assert "1 infinite of 3" in origin.made
    assert "hg.log(hg.maximum(x, 1e-12))" in str(origin)


@pytest.mark.parametrize(
    "f", [roots, hg.grad(roots), hg.value_and_grad(roots), hg.compile(hg.value_and_grad(roots))],
    ids=["plain", "grad", "value_and_grad", "compiled"],
)  # fmt: skip
def test_a_backward(f):
    origin = hg.origin_of_nonfinite(f, X)
    assert (origin.rule, origin.way) == ("sqrt", "backward")
    assert origin.line.endswith("return hg.sum(np.sqrt(x * x))")
    assert dict(origin.inputs)["x"] == "float64 (3,), from 0 to 4"
    assert "hg.sqrt(x + 1e-12)" in origin.advice


@pytest.mark.parametrize(
    ("f", "rule", "way"),
    [
        (lambda x: hg.sum(hg.exp(1000 * x)), "exp", "forward"),
        (lambda x: hg.sum(1 / x), "divide", "forward"),
        (lambda x: hg.sum(hg.where(x > 0, hg.sqrt(x), 0.0)), "sqrt", "backward"),
        (lambda x: hg.sum((x - 1.0) ** 0.5), "power", "forward"),
        (lambda x: hg.sum(x**0.5), "power", "backward"),
        (lambda x: hg.sum(hg.square(x.astype(np.float32) * 1e30)), "square", "forward"),
        (lambda x: hg.sum(hg.exp(x * 800.0) / hg.exp(x * 800.0)), "exp", "forward"),
        (lambda x: hg.sum(x * np.array([np.inf, 1, 1])), "multiply", "forward"),
        (lambda x: hg.sum(hg.arccos(x / 2)), "arccos", "backward"),
    ],
)
def test_each_kind(f, rule, way):
    origin = hg.origin_of_nonfinite(f, X)
    assert (origin.rule, origin.way) == (rule, way)
    assert origin.advice
    assert "test_nonfinite.py" in origin.line


def test_what_only_passes_through_is_none():
    mask = np.array([True, False, True])
    assert hg.origin_of_nonfinite(lambda x: hg.sum(hg.softmax(hg.where(mask, x, -np.inf)) ** 2), X) is None
    assert hg.origin_of_nonfinite(lambda x: hg.sum(hg.tanh(x)), X) is None

    def masked(x):
        seen = hg.softmax(hg.where(mask, x, -np.inf))
        return hg.sum(hg.log(seen))

    assert hg.origin_of_nonfinite(masked, X).rule == "log"


def test_arguments_that_are_not_finite():
    origin = hg.origin_of_nonfinite(logs, np.array([1.0, np.nan]))
    assert str(origin).startswith("argument 0 is not finite before anything is computed: float64 (2,)")


class Logs(Layer):
    def forward(self, x):
        return hg.log(x)


def test_the_layer_and_a_training_s_own_message(tmp_path):
    net = Sequential(Affine(3, 3, seed=0), Logs(), Affine(3, 2, seed=0))
    net.load_parameters({**net.parameters(), "0.W": np.zeros((3, 3), "f")})
    x, t = np.ones((6, 3), "f"), np.array([0, 1, 0, 1, 0, 1])

    def loss(params):
        return hg.softmax_cross_entropy(net.bind(params)(x), t)

    origin = hg.origin_of_nonfinite(loss, net.parameters())
    assert (origin.rule, origin.layer) == ("log", "1")
    assert origin.line.endswith("return hg.log(x)")
    with pytest.raises(
        NonFiniteError, match=r"First, the output of layer 1 .*handgrad explain-nan .* says more"
    ):
        Trainer(net, hg.softmax_cross_entropy, SGD(0.1), out=tmp_path).fit(x, t, epochs=1, batch_size=6)


def test_watching_changes_nothing():
    before = hg.value_and_grad(lambda x: hg.sum(hg.sigmoid(x) * x))(X)
    hg.origin_of_nonfinite(lambda x: hg.sum(hg.sigmoid(x) * x), X)
    after = hg.value_and_grad(lambda x: hg.sum(hg.sigmoid(x) * x))(X)
    np.testing.assert_array_equal(before[1], after[1])
