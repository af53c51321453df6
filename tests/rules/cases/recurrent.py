"""Recurrent layers: steps and sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

import handgrad as hg

from ..draws import normal
from .case import Case

KINDS = {
    "rnn": (hg.rnn, hg.rnn_step, 1, 1, 1),
    "lstm": (hg.lstm, hg.lstm_step, 4, 2, 1),
    "gru": (hg.gru, hg.gru_step, 3, 1, 2),
}
"""The rules, and how many gates, states and biases they have."""


def recurrent() -> Iterator[Case]:
    for sequence, step, K, states, biases in KINDS.values():

        def draws(shape, H, rest=(), K=K, states=states, biases=biases) -> Callable:
            sizes = [shape, *[(shape[0], H)] * states, (K * H, shape[-1]), (K * H, H), *[(K * H,)] * biases]
            return lambda r: (*(normal(r, *size) / 2 for size in sizes), *rest)

        for name, shape, H in (("rows", (3, 4), 2), ("one", (1, 1), 1), ("nothing", (0, 3), 2)):
            yield Case(step, name, draws(shape, H))
        for name, shape, H, lengths, options in (
            ("whole", (2, 4, 3), 2, None, {}),
            ("back", (2, 4, 3), 2, None, {"reverse": True}),
            ("lengths", (3, 4, 2), 2, [4, 1, 3], {}),
            ("lengths-back", (3, 4, 2), 2, [2, 4, 0], {"reverse": True}),
            ("one-step", (2, 1, 3), 2, None, {}),
            ("one", (1, 3, 1), 1, None, {}),
            ("no-step", (2, 0, 3), 2, None, {}),
            ("no-example", (0, 3, 2), 2, None, {}),
        ):
            lengths = None if lengths is None else np.array(lengths)
            yield Case(sequence, name, draws(shape, H, (lengths,)), options)
    plain = lambda r: (normal(r, 2, 3), normal(r, 2, 2), normal(r, 2, 3), normal(r, 2, 2), normal(r, 2))  # noqa: E731
    yield Case(hg.rnn_step, "relu", plain, {"nonlinearity": "relu"})
    yield Case(hg.rnn, "relu", lambda r: (normal(r, 2, 4, 3), *plain(r)[1:], None), {"nonlinearity": "relu"})
    yield Case(hg.lstm, "strided", strided)


def strided(r):
    x, h, c = normal(r, 3, 8, 2).T[::-1, ::2], normal(r, 2, 2).T, normal(r, 4, 2)[::2]
    return x, h, c, normal(r, 3, 8).T, normal(r, 8, 4)[:, ::-2], normal(r, 16)[::2], np.array([3, 4])
