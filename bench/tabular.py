"""tabular: a regression in large mini-batches, how much ink a digit took from the darkest of 8 x 8 blocks."""

import functools

import numpy as np

from bench.workload import Data, Workload, digits
from handgrad.optim import Adam


@functools.cache
def blocks() -> Data:
    """The darkest pixel of each block of 4 x 4, 64 in all, and the total ink, standardised, (N, 1)."""
    x, _ = digits()
    framed = np.pad(x.reshape(-1, 28, 28), ((0, 0), (2, 2), (2, 2)))
    features = framed.reshape(-1, 8, 4, 8, 4).max(axis=(2, 4)).reshape(len(x), 64)
    ink = x.sum(axis=1, keepdims=True)
    rows = np.random.default_rng(0).permutation(len(x))
    return features[rows], ((ink - ink.mean()) / ink.std())[rows]


WORKLOAD = Workload(
    "tabular",
    (64, 256, 256, 1),
    batch=1024,
    optimiser=Adam(1e-3),
    data=blocks,
    activation="tanh",
    loss="mean_squared_error",
)
