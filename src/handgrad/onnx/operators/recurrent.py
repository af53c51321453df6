"""Recurrent networks: ONNX's weights lie in other orders of gates than ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape


def in_order(x: Any, order: tuple[int, ...]) -> Any:
    """Blocks of rows, of which there are as many as gates, in another order."""
    H = shape(x)[0] // len(order)
    return rules.concatenate([x[k * H : (k + 1) * H] for k in order])


def directions(direction: str) -> list[bool]:
    return {"forward": [False], "reverse": [True], "bidirectional": [False, True]}[direction]


class Weights:
    """Of one direction: gates in our order."""

    def __init__(self, W: Any, R: Any, B: Any, order: tuple[int, ...]):
        self.W, self.R = in_order(W, order), in_order(R, order)
        half = shape(W)[0]
        B = np.zeros(2 * half, W.dtype) if B is None else B
        self.b, self.d = in_order(B[:half], order), in_order(B[half:], order)


def sequences(
    run: Callable, x: Any, W: Any, R: Any, B: Any, states: tuple, direction: str, layout: int, order: tuple
) -> tuple:
    """Each direction by itself: all states side by side, and the last of each kind."""
    x = x if layout else rules.transpose(x, axes=(1, 0, 2))
    outs, ends = [], []
    for k, reverse in enumerate(directions(direction)):
        own = Weights(W[k], R[k], None if B is None else B[k], order)
        H = shape(R)[2]
        start = [_start(s, k, (shape(x)[0], H), x.dtype, layout) for s in states]
        out, *last = run(x, start, own, reverse)
        outs.append(out)
        ends.append(last)
    every = rules.stack(outs, axis=2)  # (N, T, ways, H)
    every = every if layout else rules.transpose(every, axes=(1, 2, 0, 3))
    return every, *(rules.stack(list(kind), axis=1 if layout else 0) for kind in zip(*ends, strict=True))


def _start(s: Any, k: int, own: tuple, dtype: Any, layout: int) -> Any:
    if s is None:
        return np.zeros(own, dtype)
    return s[:, k] if layout else s[k]


USUAL = {"RNN": ["tanh"], "LSTM": ["sigmoid", "tanh", "tanh"], "GRU": ["sigmoid", "tanh"]}


def unusual_activations(operator: str, given: Any) -> list[str]:
    """The activations of a recurrent node, if they are not the usual ones."""
    usual = USUAL.get(operator, [])
    repeated = usual * (len(given) // len(usual)) if given and usual else []
    return [] if [name.lower() for name in given or ()] == repeated else list(given)


def only_whole(what: str, x: Any, lengths: Any, reverse: bool = False) -> None:
    """Raise a ValueError where sequences are of several lengths, or go back."""
    if reverse or (lengths is not None and np.any(lengths != shape(x)[1])):
        raise ValueError(f"with {what}, sequences are whole{' and forward' * reverse} here")


def rnn(
    x: Any,
    W: Any,
    R: Any,
    B: Any = None,
    lengths: Any = None,
    h: Any = None,
    *,
    hidden_size: int,
    direction: str = "forward",
    layout: int = 0,
    activations: Any = None,
) -> tuple:

    def run(x: Any, start: Any, own: Weights, reverse: bool) -> tuple:
        return rules.rnn(x, start[0], own.W, own.R, own.b + own.d, lengths, reverse=reverse)

    return sequences(run, x, W, R, B, (h,), direction, layout, (0,))


def lstm(
    x: Any,
    W: Any,
    R: Any,
    B: Any = None,
    lengths: Any = None,
    h: Any = None,
    c: Any = None,
    P: Any = None,
    *,
    hidden_size: int,
    direction: str = "forward",
    layout: int = 0,
    activations: Any = None,
    input_forget: int = 0,
) -> tuple:
    """i, o, f, c -> i, f, g, o."""

    def run(x: Any, start: Any, own: Weights, reverse: bool) -> tuple:
        if P is not None:
            only_whole("peepholes", x, lengths, reverse)
            return peeping(x, start, own, P[0])
        return rules.lstm(x, start[0], start[1], own.W, own.R, own.b + own.d, lengths, reverse=reverse)

    return sequences(run, x, W, R, B, (h, c), direction, layout, (0, 2, 3, 1))


def peeping(x: Any, start: Any, own: Weights, P: Any) -> tuple:
    """Gates that see the cell.   Gers & Schmidhuber 2000"""
    h, c = start
    pi, po, pf = (P[k * shape(h)[1] : (k + 1) * shape(h)[1]] for k in range(3))
    outs = []
    for a in steps(x, own):
        i, f, g, o = gates(a + h @ rules.transpose(own.R), 4)
        i, f = rules.sigmoid(i + pi * c), rules.sigmoid(f + pf * c)
        c = f * c + i * rules.tanh(g)
        h = rules.sigmoid(o + po * c) * rules.tanh(c)
        outs.append(h)
    return rules.stack(outs, axis=1), h, c


def steps(x: Any, own: Weights, with_d: bool = True) -> Iterator[Any]:
    b = own.b + own.d if with_d else own.b
    return (x[:, t] @ rules.transpose(own.W) + b for t in range(shape(x)[1]))


def gates(a: Any, count: int) -> list[Any]:
    H = shape(a)[-1] // count
    return [a[..., k * H : (k + 1) * H] for k in range(count)]


def gru(
    x: Any,
    W: Any,
    R: Any,
    B: Any = None,
    lengths: Any = None,
    h: Any = None,
    *,
    hidden_size: int,
    direction: str = "forward",
    layout: int = 0,
    linear_before_reset: int = 0,
    activations: Any = None,
) -> tuple:
    """z, r, h -> r, z, n."""

    def run(x: Any, start: Any, own: Weights, reverse: bool) -> tuple:
        if linear_before_reset:
            return rules.gru(x, start[0], own.W, own.R, own.b, own.d, lengths, reverse=reverse)
        only_whole("linear_before_reset=0", x, lengths)
        return resetting(rules.flip(x, axis=1) if reverse else x, start[0], own, reverse)

    return sequences(run, x, W, R, B, (h,), direction, layout, (1, 0, 2))


def resetting(x: Any, h: Any, own: Weights, reverse: bool) -> tuple:
    """The reset before the product, as the paper has it; ours and cuDNN's is after it."""
    H = shape(h)[1]
    outs = []
    for a in steps(x, own):
        r, z, n = gates(a, 3)
        s = h @ rules.transpose(own.R[: 2 * H])
        r, z = rules.sigmoid(r + s[..., :H]), rules.sigmoid(z + s[..., H:])
        n = rules.tanh(n + (r * h) @ rules.transpose(own.R[2 * H :]))
        h = (1 - z) * n + z * h
        outs.append(h)
    out = rules.stack(outs, axis=1)
    return (rules.flip(out, axis=1) if reverse else out), h


TABLE: dict[str, Callable] = {"GRU": gru, "LSTM": lstm, "RNN": rnn}
