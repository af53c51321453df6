"""Backward passes in more of the styles in which people write them."""

import importlib.util
import random

import numpy as np
import pytest

from handgrad.checking import check
from handgrad.checking.forms.form import CannotCall

RNG = np.random.default_rng(5)
X = RNG.normal(size=(4, 3))


def scaled_forward(x, *, power=2.0):
    return x**power, None, (x,)


def scaled_backward(dout, cache, *, power):
    (x,) = cache
    return dout * power * x ** (power - 1)


@pytest.mark.parametrize("options", [{}, {"power": 3.0}])
def test_both_halves_get_an_option_that_both_take(options):
    assert check((scaled_forward, scaled_backward), np.abs(X) + 0.1, options=options).ok


def normalised_forward(x, gain, running):
    deviation = np.std(x)
    return (
        gain * x / deviation,
        {"std": 0.9 * running["std"] + 0.1 * deviation},
        (x / deviation, gain, deviation),
    )


def normalised_backward(dy, cache):
    x_hat, gain, deviation = cache
    dgain = np.sum(dy * x_hat)
    d = dy * gain
    dx = (d - x_hat * np.mean(d * x_hat) + np.mean(x_hat) * np.mean(d * x_hat)) / deviation
    return dx, dgain


def test_the_cache_is_the_one_that_the_backward_runs_with_and_statistics_need_no_gradient():
    report = check((normalised_forward, normalised_backward), X, 1.5, {"std": np.array(1.0)})
    assert report.ok, str(report)


def squared(prediction, target):
    r = prediction - target
    return float(np.mean(r * r)), 2 * r / r.size


def squared_of_rows(prediction, target):
    r = prediction - target
    gradient = 2 * r / len(r)
    return float(np.mean(r * r)), gradient


def ridge(layers, x, rate=0.1):
    (W, b), (V, c) = layers
    e = x @ W + b
    loss = np.sum(e * e) + rate * np.sum(V * V) + np.sum(c)
    return loss, [(2 * x.T @ e, 2 * np.sum(e, axis=0)), (2 * rate * V, np.ones_like(c))]


def test_a_loss_beside_its_gradient_whatever_that_is_called():
    assert check(squared, X, X + 1).ok
    report = check(squared_of_rows, X, X + 1)
    assert report.ok is False
    assert "3 is the size of axis 1" in report.causes[0].sentence
    layers = [(np.ones((3, 2)), np.ones(2)), (np.ones((2, 5)), np.ones(5))]
    report = check(ridge, layers, X)
    assert report.ok, str(report)
    assert [i.name for i in report.inputs] == [f"layers[{k}]" for k in range(4)]


def test_a_function_of_rules_may_return_a_number_and_an_array():
    hg = importlib.import_module("handgrad")
    assert "handgrad's own" in str(check(lambda x: (hg.sum(x * x), hg.exp(x) / 2), X))


MINE = np.random.default_rng(7)


def dropped(x):
    keep = MINE.random(x.shape) > 0.4
    return x * keep, lambda dout: dout * keep


class Dropped:
    def __call__(self, x):
        self.keep = MINE.random(x.shape) > 0.4
        return x * self.keep

    def grad(self, dout):
        return dout * (MINE.random(dout.shape) > 0.4)


def test_an_authors_own_generator_starts_at_the_same_place_and_goes_on_as_if_nothing_had_been_drawn():
    before = MINE.bit_generator.state
    assert check(dropped, X).ok
    assert check(Dropped, X).causes[0].kind == "random"
    assert MINE.bit_generator.state == before


def halves(x):
    x = x.astype(np.float32)
    return np.tanh(x), lambda dout: (dout * (1 - np.tanh(x) ** 2)).astype(np.float32)


def test_code_that_computes_in_single_precision_whatever_it_is_given():
    report = check(halves, X)
    assert report.ok, str(report)
    assert 3 < report.digits < 8


def windows(x):
    return np.lib.stride_tricks.as_strided(x, (3, 2), (x.strides[0], x.strides[0])) @ np.ones(2), "kept"


def windows_backward(dout, kept):
    return np.convolve(dout, np.ones(2))


def test_a_backward_beside_a_forward_that_is_not_called_so():
    report = check(windows, X[:, 0].copy())
    assert report.ok
    assert "windows_backward" in str(report)


def unfit(x, W):
    return x @ W, lambda dout: (dout @ W, x.T @ dout)


def test_where_a_backward_raises():
    report = check(unfit, X, RNG.normal(size=(3, 2)))
    assert report.ok is False
    assert "lambda dout" in report.causes[0].line.text


def test_what_takes_no_gradient_is_no_input_to_check():
    jax = pytest.importorskip("jax")
    power = jax.custom_vjp(lambda p, x: x**p, nondiff_argnums=(0,))
    power.defvjp(lambda p, x: (x**p, x), lambda p, x, g: (g * p * x ** (p - 1),))
    report = check(power, 3.0, np.abs(X) + 0.1)
    assert report.ok
    assert [i.name for i in report.inputs] == ["x"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_tensors_that_require_gradients(dtype):
    """As they stand in a training: a plain function of PyTorch's, and one with a backward beside it."""
    torch = pytest.importorskip("torch")
    x, W = (torch.nn.Parameter(torch.from_numpy(a).to(getattr(torch, dtype))) for a in (X, X.T.copy()))

    def product(x, W):
        return x @ W, lambda dout: (dout @ W.T, x.T @ dout)

    assert check(torch.matmul, x, W).ok
    assert check(product, x, W).ok
    assert check(lambda x, W: (x @ W, lambda dout: (dout @ W.T, 2 * (x.T @ dout))), x, W).ok is False


GENERATORS = [np.random.default_rng(1), np.random.RandomState(np.random.PCG64(1)), random.Random(1)]


@pytest.mark.parametrize("generator", [*GENERATORS, random.SystemRandom()], ids=lambda g: type(g).__name__)
def test_a_generator_of_the_author_s_own(generator):
    """It is put back for each use; of one without a state nothing can be told."""

    def scaled(x):
        factor = generator.random()
        return x * factor, lambda dout: dout * factor

    assert check(scaled, X).ok is (True if generator in GENERATORS else None)


def test_one_gradient_of_two_inputs_that_are_alike():
    """It may be right by either, so nobody guesses by which; where it has a name, that says it."""
    x = RNG.normal(size=(3, 3))

    def unnamed(x, W):
        y = x @ W
        return np.sum(y**2), x.T @ (2 * y)

    def named(x, W):
        y = x @ W
        loss, dW = np.sum(y**2), x.T @ (2 * y)
        return loss, dW

    with pytest.raises(CannotCall, match="x and W are alike: return it as dW"):
        check(unnamed, x, x + 1)
    assert check(named, x, x + 1).ok
