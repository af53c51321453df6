"""Pages whose every number is read, and what those numbers have to be, worked out without a backward.

Values are computed again in float64 by the rules' forwards; the gradient of each *use* of an array is
compared with differences of that use alone, so that what comes back along each edge is known by itself.
"""

from __future__ import annotations

import functools

import numpy as np

import handgrad as hg
from handgrad.layers import Layer, mlp
from handgrad.optim import Adam
from handgrad.train import Trainer
from handgrad.tree import leaves, unflatten
from handgrad.view import show
from handgrad.view.summary import as_numpy

from .networks import Residual, Transformer, digits

STEPS = (1e-5, 1e-7, 1e-9)  # the smaller ones where a kink is near


class Truth:
    """A graph computed again."""

    def __init__(self, graph):
        self.graph = graph
        self.leaves = {a.number: double(a.value) for a in graph.arrays if a.maker is None}
        self.values = self.replayed()

    def replayed(self, changed=None, moved=None, start=0, values=None):
        """All values in float64; from a rule on, with one input of it moved."""
        values = dict(self.leaves if values is None else values)
        for op in self.graph.ops[start:]:
            inputs, options = op.given, op.options
            flat = leaves(list(inputs))
            for slot, use in enumerate(op.inputs):
                if use.array is not None:
                    flat[slot] = moved if use is changed else values[use.array.number]
            with np.errstate(all="ignore"):
                outs = op.rule.pair(tuple(unflatten(list(inputs), flat)), options)[0]
            for out, value in zip(op.outputs, outs if isinstance(outs, tuple) else [outs], strict=True):
                values[out.number] = value
        return values

    def objective(self, values):
        """What gradients are of: the outputs, weighted by the gradient that each was given."""
        return sum(float(np.sum(values[a.number] * double(a.dout))) for a in self.graph.outputs)

    def assert_values(self):
        is_single = any(as_numpy(a.value).dtype == np.float32 for a in self.graph.arrays)
        tolerance = 2e-4 if is_single else 1e-9
        for array in self.graph.arrays:
            ours = as_numpy(array.value)
            scale = np.max(np.abs(ours), initial=0.0, where=np.isfinite(ours)) if ours.size else 0.0
            np.testing.assert_allclose(
                ours, self.values[array.number], rtol=tolerance, atol=tolerance * scale
            )

    def assert_gradients(self, seed=0):
        """Each use's gradient along a random direction, and an array's as their sum."""
        rng = np.random.default_rng(seed)
        for op in self.graph.ops:
            for use in op.inputs:
                if use.dx is not None:
                    self.assert_use(use, rng)
        for array in self.graph.arrays:
            dxs = [dx for dx in (array.dout, *(use.dx for use in array.uses)) if dx is not None]
            if array.grad is not None and np.all(np.isfinite(as_numpy(array.grad))):
                total = sum(double(dx) for dx in dxs)
                scale = max(np.max(np.abs(double(dx)), initial=0.0) for dx in dxs)
                np.testing.assert_allclose(double(array.grad), total, rtol=1e-5, atol=1e-5 * scale)

    def assert_use(self, use, rng):
        x, dx = np.asarray(self.values[use.array.number], float), double(use.dx)
        if not np.all(np.isfinite([np.sum(dx), self.objective(self.values)])):
            return
        direction = rng.standard_normal(np.shape(x))
        scale = np.sum(np.abs(dx * direction)) + 1e-5 * abs(self.objective(self.values)) + 1e-6
        slopes = [self.slope(use, x, step * direction) / step for step in STEPS]
        off = np.nanmin(np.abs(np.array(slopes) - np.sum(dx * direction)))
        assert off <= 3e-4 * scale, (use.op.name, use.name)

    def slope(self, use, x, way):
        """How much more there is at one end of a way than at the other, halved."""
        ends = [self.replayed(use, x + side * way, use.op.number, self.values) for side in (1, -1)]
        return (self.objective(ends[0]) - self.objective(ends[1])) / 2


def double(x):
    array = as_numpy(x)
    return array.astype(float) if array.dtype.kind == "f" else array


# The pages.


class Product(Layer):
    def __init__(self, w):
        self.params = {"w": np.array(w)}

    def forward(self, x):
        return x * self.params["w"]


class Square(Product):
    def forward(self, x):
        return x * x * self.params["w"]


class Boxes(Layer):
    """An array used twice by a rule in a box, twice by one outside, and by a box before."""

    def __init__(self):
        self.a, self.b = Product(2.0), Square(100.0)

    def forward(self, x):
        s = self.a(x)
        q = x * x
        return s + q + self.b(x)


class Twice(Layer):
    """One layer, called twice."""

    def __init__(self):
        self.inner = Square(0.5)

    def forward(self, x):
        return self.inner(self.inner(x)) + x


def fan(x):
    return x * x + hg.sin(x) ** 2 + 1 - x / 2


def neuron_net(x1, x2, *w):
    h = [hg.tanh(x1 * w[3 * j] + x2 * w[3 * j + 1] + w[3 * j + 2]) for j in range(3)]
    out = w[9] + h[0] * w[10] + h[1] * w[11] + h[2] * w[12]
    return (hg.tanh(out) - 1.0) ** 2


def tiny(x, y, z):
    """Products and powers of numbers that are written with powers of ten."""
    return x * y * z + x / z + x**2 * y


def cancelling(x, W):
    """The mean taken away, a bias before it has no effect; sin² + cos² has none either."""
    z = x @ W
    z = z - hg.mean(z, axis=0)
    return hg.sum(hg.tanh(z)) + hg.sum(hg.sin(W) ** 2 + hg.cos(W) ** 2)


def endless(x, y):
    return hg.sum(hg.log(x)) + hg.sum(hg.exp(y))


def broadcast(x, b, s):
    return hg.sum(hg.sigmoid(x * s + b) / (1.0 + b**2))


def product(A, B):
    return hg.sum(hg.square(A @ B))


def recurrent(xs, h, Wx, Wh, b):
    for t in range(6):
        h = hg.tanh(xs[t] @ Wx + h @ Wh + b)
    return hg.sum(hg.square(h))


def filtered(x, k):
    """Images, filtered by slices."""
    out = x[:, :-1, :-1] * k[0, 0] + x[:, 1:, 1:] * k[1, 1] + x[:, :-1, 1:] * k[0, 1]
    return hg.mean(hg.relu(out))


rng = np.random.default_rng(0)
BEGINNING = rng.bit_generator.state


def four():
    return digits(4)


def perceptron(outputs=10, **options):
    return mlp([64, 8, outputs], seed=0, **options)


def of_loss(loss, t, outputs=10):
    return show(perceptron(outputs), four()[0], loss=loss, t=t, check=0)


def of_softmax():
    x, t = four()
    names = [f"digit {label}" for label in t]
    return show(perceptron(), x, loss=hg.softmax_cross_entropy, t=t, examples=names, check=2.0)


def of_smoothed():
    weight = np.linspace(0.5, 2.0, 10).astype("f")
    return of_loss(lambda y, t: hg.softmax_cross_entropy(y, t, weight=weight, label_smoothing=0.1), four()[1])


def of_each():
    return of_loss(lambda y, t: hg.softmax_cross_entropy(y, t, reduction="none"), four()[1])


def of_probabilities():
    return of_loss(lambda y, t: hg.cross_entropy(hg.softmax(y), t), np.eye(10, dtype="f")[four()[1]])


def of_targets(loss, **options):
    t = np.random.default_rng(3).normal(0, 1, (4, 3)).astype("f")
    return of_loss(lambda y, t: loss(y, t, **options), t, 3)


def of_logits():
    t = np.array([[1.0], [0.0], [1.0], [1.0]], "f")
    return of_loss(hg.binary_cross_entropy_with_logits, t, 1)


def of_residual():
    x, t = digits(6)
    return show(Residual().train(), x, loss=hg.softmax_cross_entropy, t=t, check=0)


def of_endless():
    with np.errstate(all="ignore"):
        return show(endless, np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([800.0, 1.0, 0.5, 2.0]), check=2.0)


def of_transformer():
    x = np.random.default_rng(1).normal(0, 1, (2, 4, 8)).astype("f")
    return show(Transformer(8, 2, 0), x, check=0)


def of_training():
    x, t = digits(200)
    net = mlp([64, 12, 10], seed=0)

    def seen(title):
        return show(net, x[:4], loss=hg.softmax_cross_entropy, t=t[:4], check=0, title=title)

    before = seen("before")
    trainer = Trainer(net, hg.softmax_cross_entropy, Adam(1e-2), seed=0, engine="numpy")
    trainer.fit(x, t, epochs=2, batch_size=50)
    return before.beside(seen("after"), title="before and after")


def of_digit():
    x, t = digits(1)
    return show(perceptron(), x, loss=hg.softmax_cross_entropy, t=t, examples=["nought"], check=0)


TRUE = {
    "apples": lambda: show(lambda x1, x2, x3: x1 * x2 + x3, 100, 2, 300),
    "fan": lambda: show(fan, 0.3),
    "boxes": lambda: show(Boxes(), np.array(3.0)),
    "twice": lambda: show(Twice(), rng.normal(0, 1, (2, 3))),
    "neurons": lambda: show(neuron_net, 0.5, -1.0, *rng.normal(0, 1, 13).round(2).tolist(), check=0),
    "tiny": lambda: show(tiny, 1.2e-7, 3.4e-6, 2.5e9),
    "cancelling": lambda: show(cancelling, rng.normal(0, 1, (5, 3)), rng.normal(0, 1, (3, 2)), check=0),
    "softmax": of_softmax,
    "smoothed": of_smoothed,
    "each": of_each,
    "probabilities": of_probabilities,
    "squares": lambda: of_targets(hg.mean_squared_error),
    "absolute": lambda: of_targets(hg.mean_absolute_error, reduction="sum"),
    "huber": lambda: of_targets(hg.huber, delta=0.5, reduction="none"),
    "logits": of_logits,
    "residual": of_residual,
    "endless": of_endless,
    "broadcast": lambda: show(
        broadcast, rng.normal(0, 1, (4, 3)), rng.normal(0, 1, 3), rng.normal(0, 1, (4, 1)), check=0
    ),
    "product": lambda: show(
        product, np.arange(1.0, 7.0).reshape(2, 3), np.arange(6.0).reshape(3, 2), check=0
    ),
    "filtered": lambda: show(filtered, rng.random((2, 9, 9)), rng.normal(0, 1, (2, 2)), check=0),
    "recurrent": lambda: show(
        recurrent,
        rng.normal(0, 1, (6, 2, 3)),
        np.zeros((2, 4)),
        *(rng.normal(0, 0.5, s) for s in ((3, 4), (4, 4), 4)),
        check=0,
    ),
    "transformer": of_transformer,
    "training": of_training,
    "digit": of_digit,
}


@functools.cache
def picture(name):
    """The same numbers in it whatever was made before."""
    rng.bit_generator.state = BEGINNING
    return TRUE[name]()


def graphs(name):
    shown = picture(name)
    return [shown.first.graph, shown.second.graph] if name == "training" else [shown.graph]
