"""Recurrent layers over whole sequences, with PyTorch's gates and weights."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from handgrad import rules
from handgrad.arrays import beside, shape
from handgrad.layers.layer import Layer
from handgrad.layers.standard import Dropout
from handgrad.rules import Rule

if TYPE_CHECKING:
    Seed = int | np.random.Generator | None


class Recurrent(Layer):
    """What recurrent layers have in common; ``LSTM``, ``GRU`` and ``RNN`` say what a step is."""

    rule: ClassVar[Rule]
    gates: ClassVar[int]
    biases: ClassVar[str] = "b"
    carried: ClassVar[int] = 1

    def __init__(
        self,
        D: int,
        H: int,
        layers: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        seed: Seed = None,
        dtype: Any = np.float32,
    ):
        rng = np.random.default_rng(seed)
        self.H, self.layers = H, layers
        self.ways = ["", "_reverse"] if bidirectional else [""]
        self.params = {}
        for k, way in itertools.product(range(layers), self.ways):
            inputs = H * len(self.ways) if k else D
            shapes = {"W": (self.gates * H, inputs), "U": (self.gates * H, H)}
            for name, own in {**shapes, **dict.fromkeys(self.biases, (self.gates * H,))}.items():
                drawn = rng.uniform(-1, 1, own) / math.sqrt(H)
                self.params[f"{name}{k}{way}"] = drawn.astype(dtype)
        self.between = [Dropout(dropout, seed=rng) for _ in range(layers - 1) if dropout]

    def forward(self, x: Any, state: Any = None, lengths: Any = None) -> Any:
        if len(shape(x)) != 3 or shape(x)[2] != shape(self.params["W0"])[1]:
            raise ValueError(
                f"{self.label} takes x of shape (N, T, {shape(self.params['W0'])[1]}), got {shape(x)}"
            )
        given = self.start(shape(x)[0], like=x) if state is None else state
        last = []
        for k in range(self.layers):
            outs = []
            for i, way in enumerate(self.ways):
                own = [s[k * len(self.ways) + i] for s in given]
                weights = [self.params[f"{name}{k}{way}"] for name in f"WU{self.biases}"]
                out, *after = self.rule(x, *own, *weights, lengths, reverse=bool(way), **self.options())
                outs.append(out)
                last.append(after)
            x = outs[0] if len(outs) == 1 else rules.concatenate(outs, axis=-1)
            if self.between and k < self.layers - 1:
                x = self.between[k](x)
        if state is None:
            return x
        return x, tuple(rules.stack([after[j] for after in last]) for j in range(self.carried))

    def start(self, N: int, like: Any = None) -> tuple[Any, ...]:
        """The states before a sequence, all 0: one or two arrays (layers · ways, N, H)."""
        zeros = np.zeros((self.layers * len(self.ways), N, self.H), self.params["U0"].dtype)
        return (zeros if like is None else beside(zeros, like),) * self.carried

    def options(self) -> dict[str, Any]:
        return {}

    def describe(self) -> str:
        D = shape(self.params["W0"])[1]
        more = f", layers={self.layers}" * (self.layers > 1) + ", bidirectional=True" * (len(self.ways) > 1)
        return f"{type(self).__name__}({D}, {self.H}{more})"


class LSTM(Recurrent):
    """Long short-term memory.   x (N, T, D) -> (N, T, H), Hochreiter & Schmidhuber 1997

    ``lstm(x)`` begins with states of 0 and gives all h. ``lstm(x, state)``, with ``state = lstm.start(N)``,
    gives (out, state) to go on from: h and c, each (layers · ways, N, H); with ``stop_gradient`` between,
    that is truncated backpropagation through time. ``lengths=`` (N,) says how long each sequence is; what
    lies beyond is not looked at, and out is 0 there. ``bidirectional`` has weights for the way back too,
    and an out of (N, T, 2H); several ``layers`` read each other's out, with ``dropout`` between.

    W0 (4H, D), U0 (4H, H), b0 (4H,), of the next layer W1, and back W0_reverse, ..., begin uniform within
    ±1/√H. From PyTorch: ``weight_ih_l0``, ``weight_hh_l0``, and both biases added.

    Examples:
        >>> net = hg.layers.LSTM(3, 5, layers=2, seed=0)
        >>> x = np.ones((2, 7, 3), np.float32)  # (N, T, D)
        >>> net(x).shape
        (2, 7, 5)
    """

    rule, gates, carried = rules.lstm, 4, 2


class GRU(Recurrent):
    """Gated recurrent units.   x (N, T, D) -> (N, T, H), Cho et al. 2014

    Used as ``LSTM`` is; its state is one array. W0 (3H, D), U0 (3H, H), b0 and d0 (3H,) are PyTorch's
    ``weight_ih_l0``, ``weight_hh_l0``, ``bias_ih_l0`` and ``bias_hh_l0``.

    Examples:
        >>> net = hg.layers.GRU(3, 5, seed=0)
        >>> x = np.ones((2, 7, 3), np.float32)  # (N, T, D)
        >>> net(x).shape
        (2, 7, 5)
    """

    rule, gates, biases = rules.gru, 3, "bd"


class RNN(Recurrent):
    """Elman's network, tanh or ``nonlinearity="relu"``.   x (N, T, D) -> (N, T, H), Elman 1990

    Used as ``LSTM`` is; its state is one array. W0 (H, D), U0 (H, H), b0 (H,).

    Examples:
        >>> net = hg.layers.RNN(3, 5, bidirectional=True, seed=0)
        >>> x = np.ones((2, 7, 3), np.float32)  # (N, T, D)
        >>> net(x).shape
        (2, 7, 10)
    """

    rule, gates = rules.rnn, 1

    def __init__(self, D: int, H: int, *args: Any, nonlinearity: str = "tanh", **options: Any):
        super().__init__(D, H, *args, **options)
        self.nonlinearity = nonlinearity

    def options(self) -> dict[str, Any]:
        return {"nonlinearity": self.nonlinearity}
