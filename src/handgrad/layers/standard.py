"""The standard layers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, xp
from handgrad.layers import initialisers
from handgrad.layers.layer import Layer
from handgrad.layers.normalisation import BatchNorm

if TYPE_CHECKING:  # numpy.random is not needed before the first layer is made
    Seed = int | np.random.Generator | None


class Affine(Layer):
    """Linear map and bias, out = x W + b.   x (..., D) -> (..., M)

    W (D, M) begins by ``weight``, b (M,) by ``bias`` (None: there is no b), drawn from ``seed`` (a number, or
    a generator that several layers share).

    Examples:
        >>> layer = hg.layers.Affine(2, 3, seed=0)
        >>> layer(np.ones((4, 2), np.float32)).shape
        (4, 3)
        >>> {name: p.shape for name, p in layer.parameters().items()}
        {'W': (2, 3), 'b': (3,)}
    """

    def __init__(
        self,
        D: int,
        M: int,
        weight: initialisers.Initialiser = initialisers.he_normal,
        bias: initialisers.Initialiser | None = initialisers.zeros,
        seed: Seed = None,
        dtype: Any = np.float32,
    ):
        rng = np.random.default_rng(seed)
        self.params = {"W": weight(rng, (D, M)).astype(dtype)}
        if bias is not None:
            self.params["b"] = bias(rng, (M,)).astype(dtype)

    def forward(self, x: Any) -> Any:
        W, b = self.params["W"], self.params.get("b")
        if shape(x)[-1:] != shape(W)[:1]:
            raise ValueError(
                f"{self.label} takes x of shape (..., {shape(W)[0]}) for W {shape(W)}, got {shape(x)}"
            )
        return rules.matmul(x, W) if b is None else rules.affine(x, W, b)

    def describe(self) -> str:
        return "Affine({}, {})".format(*shape(self.params["W"]))


class Sigmoid(Layer):
    """out = 1 / (1 + e⁻ˣ).

    Examples:
        >>> print(hg.layers.Sigmoid()(np.array([0.0, np.log(3.0)])).round(4))
        [0.5  0.75]
    """

    def forward(self, x: Any) -> Any:
        return rules.sigmoid(x)


class Tanh(Layer):
    """out = tanh x.

    Examples:
        >>> print(hg.layers.Tanh()(np.array([0.0, 1.0])).round(4))
        [0.     0.7616]
    """

    def forward(self, x: Any) -> Any:
        return rules.tanh(x)


class ReLU(Layer):
    """out = max(x, 0).

    Examples:
        >>> hg.layers.ReLU()(np.array([-1.0, 2.0])).tolist()
        [0.0, 2.0]
    """

    def forward(self, x: Any) -> Any:
        return rules.relu(x)


class LeakyReLU(Layer):
    """out = x where x > 0, else negative_slope·x.

    Examples:
        >>> hg.layers.LeakyReLU(0.5)(np.array([-1.0, 2.0])).tolist()
        [-0.5, 2.0]
    """

    def __init__(self, negative_slope: float = 0.01):
        self.negative_slope = negative_slope

    def forward(self, x: Any) -> Any:
        return rules.leaky_relu(x, negative_slope=self.negative_slope)


class ELU(Layer):
    """out = x where x > 0, else α(eˣ - 1).

    Examples:
        >>> hg.layers.ELU(alpha=1.0)(np.array([-np.log(2), 2.0])).tolist()
        [-0.5, 2.0]
    """

    def __init__(self, alpha: float = 1.0):
        self.alpha = alpha

    def forward(self, x: Any) -> Any:
        return rules.elu(x, alpha=self.alpha)


class Softplus(Layer):
    """out = log(1 + eˣ).

    Examples:
        >>> print(hg.layers.Softplus()(np.array([0.0])).round(4))  # log 2
        [0.6931]
    """

    def forward(self, x: Any) -> Any:
        return rules.softplus(x)


class GELU(Layer):
    """out = x·Φ(x); ``approximate`` is "none" or "tanh".

    Examples:
        >>> print(hg.layers.GELU()(np.array([0.0, 1.0])).round(4))
        [0.     0.8413]
    """

    def __init__(self, approximate: str = "none"):
        self.approximate = approximate

    def forward(self, x: Any) -> Any:
        return rules.gelu(x, approximate=self.approximate)


class SiLU(Layer):
    """out = x·sigmoid(x).

    Examples:
        >>> print(hg.layers.SiLU()(np.array([0.0, 1.0])).round(4))
        [0.     0.7311]
    """

    def forward(self, x: Any) -> Any:
        return rules.silu(x)


class Dropout(Layer):
    """While training, zeroes a random share ``rate`` and scales the rest by 1 / (1 - rate); else out = x.

    The masks are a function of ``seed`` and of how many forwards in training went before: the key,
    two uint32 numbers, is part of the state, so that a resumed training draws the same.

    Examples:
        >>> layer = hg.layers.Dropout(0.5, seed=0).train()
        >>> sorted(set(layer(np.ones(100)).tolist()))  # dropped, or doubled
        [0.0, 2.0]
        >>> layer.evaluate()(np.ones(3)).tolist()
        [1.0, 1.0, 1.0]
    """

    def __init__(self, rate: float = 0.5, seed: Seed = None):
        if not 0 <= rate < 1:
            raise ValueError(f"Dropout: rate is the share to drop, in [0, 1), not {rate}")
        self.rate = rate
        key = np.random.default_rng(seed).integers(2**32, size=2, dtype=np.uint32)
        self.state = {"key": key}

    axes: tuple[int, ...] | None = None  # along which each place is dropped by itself: all

    def forward(self, x: Any) -> Any:
        if not self.is_training() or self.rate == 0:
            return x
        key = self.state["key"]
        self.state["key"] = xp.fold_in(key, 1)
        return rules.dropout(x, key, rate=self.rate, axes=self.axes)

    def describe(self) -> str:
        return f"Dropout({self.rate})"


class Dropout2d(Dropout):
    """``Dropout`` of whole channels of x (N, C, ...).   Tompson et al. 2015

    Examples:
        >>> out = hg.layers.Dropout2d(0.5, seed=0).train()(np.ones((1, 8, 2, 2)))
        >>> all(channel.min() == channel.max() for channel in out[0])  # a channel is dropped as a whole
        True
    """

    axes = (0, 1)

    def describe(self) -> str:
        return f"Dropout2d({self.rate})"


class Flatten(Layer):
    """(N, ...) -> (N, D), D the product of the rest.

    Examples:
        >>> hg.layers.Flatten()(np.ones((2, 3, 4))).shape
        (2, 12)
    """

    def forward(self, x: Any) -> Any:
        return rules.reshape(x, (shape(x)[0], math.prod(shape(x)[1:])))


class Unflatten(Layer):
    """(N, D) -> (N, *target), D the product of ``target``: the way back of ``Flatten``.

    Examples:
        >>> hg.layers.Unflatten(3, 4)(np.ones((2, 12))).shape
        (2, 3, 4)
    """

    def __init__(self, *target: int):
        self.target = target

    def forward(self, x: Any) -> Any:
        if math.prod(shape(x)[1:]) != math.prod(self.target):
            raise ValueError(f"{self.label} makes (N, {', '.join(map(str, self.target))}), not of {shape(x)}")
        return rules.reshape(x, (shape(x)[0], *self.target))

    def describe(self) -> str:
        return f"Unflatten({', '.join(map(str, self.target))})"


class Sequential(Layer):
    """Layers one after the other; parameters are named by place: ``0.W``, ``2.b``.

    Examples:
        >>> from handgrad.layers import Affine, ReLU, Sequential
        >>> net = Sequential(Affine(4, 3, seed=0), ReLU(), Affine(3, 2, seed=1))
        >>> list(net.parameters())
        ['0.W', '0.b', '2.W', '2.b']
        >>> net(np.ones((5, 4), np.float32)).shape
        (5, 2)
    """

    def __init__(self, *layers: Layer):
        for layer in layers:
            if not isinstance(layer, Layer):
                raise TypeError(f"Sequential is of layers, not {type(layer).__name__}")
        self.layers = list(layers)

    def children(self) -> Iterator[tuple[str, Layer]]:
        return ((name.removeprefix("layers."), layer) for name, layer in super().children())

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def __len__(self) -> int:
        return len(self.layers)

    @overload
    def __getitem__(self, i: int) -> Layer: ...

    @overload
    def __getitem__(self, i: slice) -> Sequential: ...

    def __getitem__(self, i: int | slice) -> Layer:
        """One of the layers; or of a slice a ``Sequential`` of the same layers, shared."""
        return Sequential(*self.layers[i]) if isinstance(i, slice) else self.layers[i]


ACTIVATIONS = {
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "relu": ReLU,
    "leaky-relu": LeakyReLU,
    "elu": ELU,
    "softplus": Softplus,
    "gelu": GELU,
    "silu": SiLU,
}


def mlp(
    widths: list[int],
    activation: str = "relu",
    batch_norm: bool = False,
    dropout: float = 0.0,
    seed: Seed = None,
    dtype: Any = np.float32,
) -> Sequential:
    """A multi-layer perceptron: ``mlp([784, 50, 10])`` is Affine, ReLU, Affine, with a Flatten before.

    ``activation`` is one of ``ACTIVATIONS``; weights begin by Xavier for sigmoid and tanh, by He for the
    rest, and by LeCun in the last layer, which has no activation. Between each Affine and its
    activation goes a BatchNorm, after it a Dropout, where wanted.

    Raises:
        ValueError: fewer than two widths, or an unknown activation.

    Examples:
        >>> net = hg.layers.mlp([64, 50, 10], seed=0)
        >>> {name: p.shape for name, p in net.parameters().items()}
        {'1.W': (64, 50), '1.b': (50,), '3.W': (50, 10), '3.b': (10,)}
    """
    if len(widths) < 2:
        raise ValueError(f"widths name inputs, hidden layers and outputs, at least two, not {widths}")
    if activation not in ACTIVATIONS:
        raise ValueError(f"activation is one of {', '.join(ACTIVATIONS)}, not {activation!r}")
    rng = np.random.default_rng(seed)
    saturates = activation in ("sigmoid", "tanh")
    weight = initialisers.xavier_normal if saturates else initialisers.he_normal
    layers: list[Layer] = [Flatten()]
    for D, M in itertools.pairwise(widths[:-1]):
        layers.append(Affine(D, M, weight, seed=rng, dtype=dtype))
        if batch_norm:
            layers.append(BatchNorm(M, dtype=dtype))
        layers.append(ACTIVATIONS[activation]())
        if dropout:
            layers.append(Dropout(dropout, seed=rng))
    layers.append(Affine(widths[-2], widths[-1], initialisers.lecun_normal, seed=rng, dtype=dtype))
    return Sequential(*layers)
