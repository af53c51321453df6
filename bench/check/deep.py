"""The first wrong rule of a network of fifty layers, for a mistake planted at twenty places."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import numpy as np

import handgrad as hg
from bench.check.common import progress, table
from handgrad import rule
from handgrad.arrays import xp

LAYERS, WIDTH, BATCH, PLACES = 50, 12, 7, 20


@rule
def wrong_affine(x, W, b):
    """x W + b, whose dW is of the mean over the batch."""

    def backward(dout):
        return dout @ W.T, x.T @ dout / x.shape[0], xp.sum(dout, axis=0)

    return x @ W + b, backward


def network(place: int):
    """Fifty layers and a loss, with the wrong rule in one of them."""

    def f(x, weights, biases, t):
        for i, (W, b) in enumerate(zip(weights, biases, strict=True)):
            x = hg.tanh((wrong_affine if i == place else hg.affine)(x, W, b))
        return hg.softmax_cross_entropy(x, t)

    return f


def deep(limit: int | None) -> Iterator[str]:
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal((WIDTH, WIDTH)) / np.sqrt(WIDTH) for _ in range(LAYERS)]
    biases = [rng.standard_normal(WIDTH) / 10 for _ in range(LAYERS)]
    x, t = rng.standard_normal((BATCH, WIDTH)), rng.integers(0, WIDTH, BATCH)
    places = np.linspace(0, LAYERS - 1, PLACES).round().astype(int)[:limit]
    seconds, found = [], 0
    for place in progress(list(places), "deep"):
        began = time.perf_counter()
        report = hg.check(network(int(place)), x, weights, biases, t)
        seconds.append(time.perf_counter() - began)
        found += f"step {2 * place + 1} of" in report.headline() and report.causes[0].kind == "factor"
    yield "\n## The first wrong rule of a network\n"
    yield f"{LAYERS} layers of {WIDTH} units, batch {BATCH}; one wrong rule, at each of {len(places)}.\n"
    row = (len(places), found, f"{statistics.median(seconds):.2f}", f"{max(seconds):.2f}")
    yield from table(("places", "found and named", "median s", "most s"), row)
