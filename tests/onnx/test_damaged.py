"""Damaged files: each gives a network, which computes or says why not, or one sentence; and never a crash.

python -m tests.onnx.test_damaged 10000
"""

from __future__ import annotations

import sys
from collections import Counter

import numpy as np
import pytest

import handgrad as hg
from handgrad import models

pytest.importorskip("onnx")

from handgrad.onnx import OnnxError
from tests.onnx import files

IMAGE = np.ones((2, 1, 8, 8), "f")


def whole():
    """Small models of ours and of others, with inputs."""
    r = np.random.default_rng(0)
    ours = [
        (models.mlp([64, 5, 3], batch_norm=True, seed=0), IMAGE),
        (models.lenet((1, 8, 8), seed=0), IMAGE),
        (models.char_lstm(11, 5, 3, 4, seed=0), r.integers(11, size=(2, 5))),
        (models.GPT(11, 8, 8, 2, 1, seed=0), r.integers(11, size=(2, 5))),
    ]
    made = [hg.to_onnx(net, x).SerializeToString() for net, x in ours]
    return made + [path.read_bytes() for path in files.small()[::6]]


def damaged(data, r):
    """Some bytes changed, a part lost or repeated, or the end."""
    kind = r.integers(5)
    made = bytearray(data)
    if kind == 0:
        return bytes(made[: r.integers(len(made))])
    if kind == 1:
        a, b = sorted(r.integers(len(made), size=2))
        return bytes(made[:a] + made[b:])
    if kind == 2:
        a, b = sorted(r.integers(len(made), size=2))
        return bytes(made[:b] + made[a : a + 200] + made[b:])
    head = min(len(made), 2000) if kind == 3 else len(made)  # where the structure is, not the weights
    for _ in range(r.integers(1, 4)):
        made[r.integers(head)] = r.integers(256)
    return bytes(made)


def outcome(data):
    """What becomes of a file: "computed", "refused", or "not computed"; anything else is an error."""
    try:
        net = hg.from_onnx(data)
    except OnnxError:
        return "refused"
    r = np.random.default_rng(0)
    xs = []
    for x in net.taken:
        own = [min(n or 2, 64) for n in x.sizes or ()]
        xs.append(
            (r.random(own) * 3).astype(x.dtype if x.dtype is not None and x.dtype.kind in "fib" else "f")
        )
    try:
        with np.errstate(all="ignore"):
            net(*xs)
    except OnnxError:
        return "not computed"
    return "computed"


def tried(count, seed):
    r, found = np.random.default_rng(seed), Counter()
    sources = whole()
    for i in range(count):
        found[outcome(damaged(sources[i % len(sources)], r))] += 1
    return found


@pytest.mark.filterwarnings("ignore")
def test_some_damaged_files():
    found = tried(400, seed=0)
    assert found["refused"] > 100
    assert found["computed"] > 20


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_ten_thousand_damaged_files():
    assert sum(tried(10_000, seed=1).values()) == 10_000


if __name__ == "__main__":
    print(dict(tried(int(sys.argv[1]), seed=1)))
