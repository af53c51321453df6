"""The notebook's family: each layer's gradients, and the networks of a book that are wired of them."""

import warnings
from collections import OrderedDict

import numpy as np
import pytest

import handgrad as hg
from handgrad.data import load
from handgrad.layers import notebook
from handgrad.layers.notebook import *  # noqa: F403, as a book's code does
from tests.layers.test_layers import numeric

N = notebook


@pytest.fixture
def r():
    return np.random.default_rng(0)


MAKERS = {
    "relu": (lambda r: N.ReLU(), (3, 4)),
    "sigmoid": (lambda r: N.Sigmoid(), (3, 4)),
    "affine": (lambda r: N.Affine(r.normal(size=(4, 2)), r.normal(size=2)), (3, 4)),
    "affine-images": (lambda r: N.Affine(r.normal(size=(12, 2)), r.normal(size=2)), (2, 3, 2, 2)),
    "norm": (lambda r: N.BatchNormalization(r.normal(size=3), r.normal(size=3)), (6, 3)),
    "norm-images": (lambda r: N.BatchNormalization(r.normal(size=8), r.normal(size=8)), (5, 2, 2, 2)),
    "convolution": (
        lambda r: N.Convolution(r.normal(size=(2, 3, 3, 2)), r.normal(size=2), 2, 1),
        (2, 3, 5, 4),
    ),
    "pooling": (lambda r: N.Pooling(2, 3, stride=2, pad=1), (2, 2, 4, 5)),
}


@pytest.mark.parametrize("name", MAKERS)
def test_gradients(name, r):
    make, shape = MAKERS[name]
    layer, x = make(r), r.normal(size=shape)
    out = layer.forward(x)
    dout = r.normal(size=out.shape)
    np.testing.assert_allclose(layer.backward(dout), numeric(layer.forward, x, dout), rtol=1e-6, atol=1e-8)
    for name in layer.names:

        def moved(value, name=name):
            own = getattr(layer, name)
            setattr(layer, name, value)
            made = layer.forward(x)
            setattr(layer, name, own)
            return made

        wanted = numeric(moved, getattr(layer, name), dout)
        np.testing.assert_allclose(getattr(layer, "d" + name), wanted, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("name", ["relu", "affine", "convolution", "pooling", "norm"])
def test_the_checker_finds_them_right(name, r):
    make, shape = MAKERS[name]
    report = hg.check(make(r), r.normal(size=shape))
    assert report.ok, report


def test_parameters_are_the_callers_own(r):
    W, b, x = r.normal(size=(3, 2)), np.zeros(2), r.normal(size=(4, 3))
    layer = N.Affine(W, b)
    W *= 2
    np.testing.assert_array_equal(layer.forward(x), x @ W + b)
    given = x.copy()
    x[:] = 0  # the layer has a copy
    layer.backward(np.ones((4, 2)))
    np.testing.assert_allclose(layer.dW, given.T @ np.ones((4, 2)))


def test_forwards_without_a_backward_are_forgotten_in_silence(r):
    layer = N.ReLU()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(50):
            layer.forward(r.normal(size=(100, 100)))
    assert len(layer.history.kept) == 8
    with pytest.raises(ValueError, match=r"ReLU: dout has shape \(2,\), the output \(100, 100\)"):
        layer.backward(np.ones(2))


def test_dropout_is_the_books():
    np.random.seed(0)
    layer, x = N.Dropout(0.3), np.ones((200, 100))
    out = layer.forward(x)
    assert set(np.unique(out)) == {0.0, 1.0}
    assert abs(out.mean() - 0.7) < 0.01
    np.testing.assert_array_equal(layer.backward(np.full_like(x, 3.0)), 3 * out)
    np.testing.assert_allclose(layer.forward(x, train_flg=False), 0.7)
    np.testing.assert_allclose(layer.backward(x), 0.7)


def test_running_statistics(r):
    layer = N.BatchNormalization(np.ones(3), np.zeros(3), momentum=0.5)
    x = 2 + 3 * r.normal(size=(1000, 3))
    for _ in range(30):
        out = layer.forward(x)
    np.testing.assert_allclose(out.std(axis=0), 1, rtol=1e-6)
    np.testing.assert_allclose(layer.running_mean, x.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(layer.forward(x, train_flg=False), out, rtol=1e-5, atol=1e-6)


def test_embedding(r):
    W, idx = r.normal(size=(5, 2)), np.array([1, 3, 1])
    layer = N.Embedding(W)
    np.testing.assert_array_equal(layer.forward(idx), W[idx])
    assert layer.backward(np.ones((3, 2))) is None
    np.testing.assert_array_equal(layer.dW[:, 0], [0, 2, 0, 1, 0])


class Network:
    """As a book wires it: an ordered dict of layers, the loss last; parameters by name, updated in place."""

    def __init__(self, params, layers):
        self.params, self.layers, self.last = params, OrderedDict(layers), SoftmaxWithLoss()  # noqa: F405

    def predict(self, x):
        for layer in self.layers.values():
            x = layer.forward(x)
        return x

    def gradient(self, x, t):
        self.last.forward(self.predict(x), t)
        dout = self.last.backward(1)
        for layer in reversed(self.layers.values()):
            dout = layer.backward(dout)
        found = {}
        for layer, names in ((k, v) for k, v in self.layers.items() if hasattr(v, "dW")):
            number = layer[-1]
            found |= {"W" + number: names.dW, "b" + number: names.db}
        return found

    def accuracy(self, x, t):
        return np.mean(self.predict(x).argmax(axis=1) == t)


def two_layers(r):
    params = {"W1": 0.1 * r.normal(size=(64, 30)), "b1": np.zeros(30)}
    params |= {"W2": 0.1 * r.normal(size=(30, 10)), "b2": np.zeros(10)}
    layers = [("Affine1", Affine(params["W1"], params["b1"])), ("Relu1", Relu())]  # noqa: F405
    return Network(params, [*layers, ("Affine2", Affine(params["W2"], params["b2"]))])  # noqa: F405


def convolutional(r):
    params = {"W1": 0.2 * r.normal(size=(8, 1, 3, 3)), "b1": np.zeros(8)}
    params |= {"W2": 0.1 * r.normal(size=(72, 10)), "b2": np.zeros(10)}
    layers = [("Conv1", Convolution(params["W1"], params["b1"])), ("Relu1", Relu())]  # noqa: F405
    layers += [("Pool1", Pooling(pool_h=2, pool_w=2, stride=2))]  # noqa: F405
    return Network(params, [*layers, ("Affine2", Affine(params["W2"], params["b2"]))])  # noqa: F405


@pytest.mark.parametrize("make", [two_layers, convolutional])
def test_a_book_s_network_learns(make, r):
    train, test = load("digits").split(test=0.2, seed=0)
    shape = (-1, 1, 8, 8) if make is convolutional else (-1, 64)
    x, xt = (np.reshape(part.x / 16.0, shape) for part in (train, test))
    net = make(r)
    before = net.accuracy(xt, test.t)
    for i in range(150):
        rows = slice(i * 50 % 1400, i * 50 % 1400 + 50)
        for name, grad in net.gradient(x[rows], train.t[rows]).items():
            net.params[name] -= 0.3 * grad
    assert net.accuracy(xt, test.t) > max(0.85, before)


class BooksLSTM:
    """As the book on language has it (Saito 2018, common/time_layers.py), written anew from its formulas."""

    def __init__(self, Wx, Wh, b):
        self.params = Wx, Wh, b

    def forward(self, x, h, c):
        Wx, Wh, b = self.params
        f, g, i, o = np.split(x @ Wx + h @ Wh + b, 4, axis=1)
        f, g, i, o = 1 / (1 + np.exp(-f)), np.tanh(g), 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-o))
        after = f * c + g * i
        self.kept = x, h, c, f, g, i, o, np.tanh(after)
        return o * np.tanh(after), after

    def backward(self, dh, dc):
        Wx, Wh, _ = self.params
        x, h, c, f, g, i, o, u = self.kept
        dc = dc + dh * o * (1 - u**2)
        parts = [dc * c * f * (1 - f), dc * i * (1 - g**2), dc * g * i * (1 - i), dh * u * o * (1 - o)]
        dA = np.hstack(parts)
        self.grads = x.T @ dA, h.T @ dA, dA.sum(axis=0)
        return dA @ Wx.T, dA @ Wh.T, dc * f


def test_an_lstm_of_the_book(r):
    """Steps forward, and back the last first; the gradients of each step."""
    Wx, Wh, b = r.normal(size=(3, 8)), r.normal(size=(2, 8)), r.normal(size=8)
    ours, state = N.LSTM(Wx, Wh, b), (r.normal(size=(4, 2)), r.normal(size=(4, 2)))
    own_state, books = state, []
    for _ in range(3):
        x = r.normal(size=(4, 3))
        books.append(BooksLSTM(Wx, Wh, b))
        state, own_state = books[-1].forward(x, *state), ours.forward(x, *own_state)
        np.testing.assert_allclose(own_state, state, rtol=1e-13)
    dh, dc = r.normal(size=(2, 4, 2))
    for book in reversed(books):
        grads = book.backward(dh, dc)
        own = ours.backward(dh, dc)
        for a, wanted in zip((*own, ours.dWx, ours.dWh, ours.db), (*grads, *book.grads), strict=True):
            np.testing.assert_allclose(a, wanted, rtol=1e-12, atol=1e-14)
        _, dh, dc = grads
    ours.forward(x, dh, dc)
    with pytest.raises(ValueError, match="dh_next has shape"):
        ours.backward(dh[:1], dc)
