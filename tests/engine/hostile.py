"""Trainings whose optimisers, layers, losses, metrics and schedules do what they like, drawn at random.

Each is trained natively, all memory of the engine between pages that nobody may touch, and by NumPy: both
come to the same numbers, or both refuse.

    python -m tests.engine.hostile 5000 --first 0
"""

import argparse
import collections
import random
import warnings
from unittest import mock

import numpy as np

import handgrad as hg
import handgrad.engine
import handgrad.engine.code
from handgrad.arrays import xp
from handgrad.layers import Affine, Layer, Sequential
from handgrad.optim import Optimiser
from handgrad.train import NonFiniteError, Trainer
from tests.engine.support import Fenced

REFUSALS = (ValueError, TypeError, IndexError, NonFiniteError)
N, D, M, C = 12, 3, 4, 3

# What something may begin with, given the parameter (or an array of the layer's width) that it belongs to.
STARTS = [
    np.zeros_like, np.ones_like, lambda p: 0.0, lambda p: 0, lambda p: 1.5, lambda p: np.float32(0.5),
    lambda p: np.zeros(p.shape, np.float64), lambda p: np.zeros(p.shape, np.float32),
    lambda p: np.zeros(p.shape, ">f4"), lambda p: np.zeros((2, *p.shape), p.dtype)[1],
    lambda p: np.zeros(p.shape, int), lambda p: np.zeros((), np.float64), lambda p: np.zeros(p.shape[:1]),
    lambda p: np.zeros(p.shape[::-1], p.dtype).T, lambda p: False, lambda p: np.array(7, np.uint8),
]  # fmt: skip
BAD_STARTS = [
    lambda p: None, lambda p: [0.0], lambda p: "0", lambda p: np.zeros(p.shape, complex),
    lambda p: np.zeros(p.shape, object), lambda p: np.ma.zeros(p.shape), lambda p: {"a": p},
    lambda p: np.zeros(0),
]  # fmt: skip

# What becomes of it: s itself, g a gradient or the layer's input, p, o other arrays, r the rate, t the step.
CHANGES = [
    lambda s, g, p, o, r, t: s,
    lambda s, g, p, o, r, t: o,
    lambda s, g, p, o, r, t: g,
    lambda s, g, p, o, r, t: p,
    lambda s, g, p, o, r, t: 0.9 * s + g,
    lambda s, g, p, o, r, t: np.float64(0.9) * s + 0.1 * g,
    lambda s, g, p, o, r, t: s + np.ones(3)[0],
    lambda s, g, p, o, r, t: s + 1,
    lambda s, g, p, o, r, t: s * r,
    lambda s, g, p, o, r, t: s * 0 + r / t,
    lambda s, g, p, o, r, t: s + hg.mean(g),
    lambda s, g, p, o, r, t: s + hg.mean(g, axis=0),
    lambda s, g, p, o, r, t: s + hg.sum(g, axis=0, keepdims=True),
    lambda s, g, p, o, r, t: hg.mean(g),
    lambda s, g, p, o, r, t: g[0],
    lambda s, g, p, o, r, t: g[::-1],
    lambda s, g, p, o, r, t: hg.reshape(g, (-1,)),
    lambda s, g, p, o, r, t: hg.transpose(g),
    lambda s, g, p, o, r, t: xp.astype(g, np.float64),
    lambda s, g, p, o, r, t: xp.astype(g > 0, np.float32),
    lambda s, g, p, o, r, t: g > 0,
    lambda s, g, p, o, r, t: hg.concatenate([g, g]),
    lambda s, g, p, o, r, t: hg.where(g > 0, s, 0.0),
    lambda s, g, p, o, r, t: np.sqrt(abs(s) + r),
    lambda s, g, p, o, r, t: s * np.float64(0.5) + hg.tanh(g) * t**0.5,
    lambda s, g, p, o, r, t: 1.0,
    lambda s, g, p, o, r, t: 2,
    lambda s, g, p, o, r, t: True,
    lambda s, g, p, o, r, t: np.zeros(4),
    lambda s, g, p, o, r, t: np.arange(3),
    lambda s, g, p, o, r, t: np.zeros((50, 50)),
]  # fmt: skip
SMALLER = [  # of an input to an array of its width
    lambda s, g, p, o, r, t: 0.9 * s + 0.1 * hg.mean(g, axis=0),
    lambda s, g, p, o, r, t: hg.mean(g, axis=0) * np.float64(0.5),
    lambda s, g, p, o, r, t: xp.astype(hg.max(g, axis=0), np.float64) + s,
    lambda s, g, p, o, r, t: g[0],
]
BAD_CHANGES = [
    lambda s, g, p, o, r, t: None,
    lambda s, g, p, o, r, t: [g],
    lambda s, g, p, o, r, t: "s",
    lambda s, g, p, o, r, t: {"a": g},
    lambda s, g, p, o, r, t: (g, g),
    lambda s, g, p, o, r, t: s + 1j,
]
STEPS = [
    lambda p, g, s, r, t: p - r * g,
    lambda p, g, s, r, t: p - 0.1 / t**0.5 * g,
    lambda p, g, s, r, t: p - np.float64(r) * g if isinstance(r, float) else p - r * g,
    lambda p, g, s, r, t: p - r * (g + s),
    lambda p, g, s, r, t: p - np.array(0.05) * g,
    lambda p, g, s, r, t: p * (1 - r) - np.full(p.shape, 0.01) * hg.sign(g),
    lambda p, g, s, r, t: p,
    lambda p, g, s, r, t: p - r * hg.mean(g),
    lambda p, g, s, r, t: p - r * g[:1],
    lambda p, g, s, r, t: xp.astype(p - r * g, np.float64),
    lambda p, g, s, r, t: p - r * g / (abs(s) + 1.0),
]
BAD_STEPS = [
    lambda p, g, s, r, t: hg.mean(p),
    lambda p, g, s, r, t: None,
    lambda p, g, s, r, t: [p],
    lambda p, g, s, r, t: hg.stack([p, p]),
    lambda p, g, s, r, t: xp.astype(p, np.int64),
    lambda p, g, s, r, t: p > 0,
    lambda p, g, s, r, t: 0,
]
RATES = [0.05, 0, 1, lambda n: 0.1 / (n + 1), lambda n: np.float64(0.1), lambda n: np.float32(0.1) / (1 + n)]
BAD_RATES = [
    lambda n: None,
    lambda n: "0.1",
    lambda n: [0.1],
    lambda n: np.ones(2),
    lambda n: -1.0,
    lambda n: 1j,
]
PARAMETERS = [
    np.ones(M, np.float32), np.ones(M), 1.0, np.float32(2), np.ones(M, ">f4"), np.ones((M, 2))[:, 0],
    np.ones((1, M)),
]  # fmt: skip
BAD_PARAMETERS = [np.ones(M, int), 1, [1.0] * M, None, "1", np.ones(M, bool), np.ones(M, complex), np.ones(2)]
LOSSES = [
    lambda y, t: hg.softmax_cross_entropy(y, t),
    lambda y, t: hg.softmax_cross_entropy(y, t) * np.float64(2) + 0.5,
    lambda y, t: hg.mean((y - 1) ** 2),
    lambda y, t: hg.mean(hg.abs(y) * np.ones(C)),
    lambda y, t: hg.mean(hg.take(y, t, axis=1)),
    lambda y, t: hg.logsumexp(hg.reshape(y, (-1,))),
]
BAD_LOSSES = [
    lambda y, t: hg.softmax_cross_entropy(y, t, reduction="none"),
    lambda y, t: None,
    lambda y, t: [hg.mean(y)],
    lambda y, t: hg.softmax_cross_entropy(y, t + 1),
    lambda y, t: hg.mean(hg.take(y, t + 2, axis=1)),
    lambda y, t: 1.0,
    lambda y, t: "loss",
]
METRICS = [
    {}, None, {"a": lambda y, t: hg.sum(y, axis=1)}, {"a": lambda y, t: y[:, 0] > 0},
    {"a": lambda y, t: xp.astype(y[:, 0], np.float64), "b": lambda y, t: np.asarray(y)[:, 0]},
    {"a": lambda y, t: t}, {"a": lambda y, t: np.sort(y, axis=1)[:, -1]},
]  # fmt: skip
BAD_METRICS = [
    {"a": lambda y, t: None}, {"a": lambda y, t: "a"}, {"a": lambda y, t: y}, {"a": lambda y, t: [y, y]},
    {"a": lambda y, t: hg.mean(y)},
]  # fmt: skip
X = np.random.default_rng(0).standard_normal((N, D)).astype(np.float32)
T = np.random.default_rng(1).integers(C, size=N)
INPUTS = [
    X,
    X.astype(np.float64),
    X.astype(">f4"),
    np.asfortranarray(X),
    X[::-1],
    (X * 5).astype(">i2"),
    X > 0,
]
TARGETS = [T, T.astype(np.uint8), T.astype(">i4"), T[::-1], T.astype(np.int8)]


class Hostile(Layer):
    def __init__(self, params, state, changes, uses):
        self.params, self.state = params, state
        self.changes, self.uses = changes, uses

    def forward(self, x):
        before = dict(self.state)
        others = list(before.values())[::-1]
        if self.is_training():
            for (key, change), other in zip(self.changes.items(), others, strict=True):
                self.state[key] = change(before[key], x, x, other, 0.5, 3)
        for p in self.params.values():
            x = x * p
        for key in self.uses:
            x = x + hg.stop_gradient(before[key]) * 0.01
        return x


def training(seed):
    """A function of the engine that makes the trainer, and its data; the same for the same seed."""
    rng = random.Random(seed)
    evil = rng.choice([0.0, 0.0, 0.0, 0.1])  # how often something that nobody may give

    def pick(good, bad):
        return rng.choice(bad if rng.random() < evil else good)

    like = np.zeros(M, np.float32)
    states = {f"s{i}": pick(STARTS, BAD_STARTS) for i in range(rng.choice([0, 0, 1, 2]))}
    changes = {key: pick(CHANGES[: rng.choice([2, 2, 2, 40])] + SMALLER, BAD_CHANGES) for key in states}
    params = {"p": pick(PARAMETERS, BAD_PARAMETERS)} if rng.random() < 0.5 else {}
    uses = [key for key in states if rng.random() < 0.4]
    moments = {f"m{i}": pick(STARTS, BAD_STARTS) for i in range(rng.choice([0, 1, 1, 2]))}
    moves = {key: pick(CHANGES[: rng.choice([8, 8, 8, 40])], BAD_CHANGES) for key in moments}
    step, rate = pick(STEPS, BAD_STEPS), pick(RATES, BAD_RATES)
    loss, metrics = pick(LOSSES, BAD_LOSSES), pick(METRICS, BAD_METRICS)
    x, t = rng.choice(INPUTS), rng.choice(TARGETS)
    clip = rng.choice([None, None, 0.5])
    batch = rng.choice([3, 5])
    dtype = rng.choice([np.float32, np.float64])
    forgets = rng.random() < evil / 2

    class Optimiser_(Optimiser):
        def init(self, p):
            return {key: start(p) for key, start in moments.items()}

        def update(self, p, dp, state, lr, t):
            others = list(state.values())[::-1]
            new = {
                key: move(state[key], dp, p, other, lr, t)
                for (key, move), other in zip(moves.items(), others, strict=True)
            }
            if forgets:
                new = {"another": dp}
            return step(p, dp, next(iter(state.values()), dp), lr, t), new

    def made(engine):
        layer = Hostile(dict(params), {k: start(like) for k, start in states.items()}, changes, uses)
        net = Sequential(Affine(D, M, seed=seed, dtype=dtype), layer, Affine(M, C, seed=1, dtype=dtype))
        return Trainer(net, loss, Optimiser_(rate), engine=engine, metrics=metrics, clip_norm=clip)

    return made, x, t, batch


def outcome(made, x, t, batch, engine):
    """What a training comes to: its arrays and figures by name, or the error that it ends with."""
    try:
        trainer = made(engine)
        records = trainer.fit(x, t, epochs=2, batch_size=batch)
    except REFUSALS as error:
        return error
    p = trainer.progress
    arrays = {
        **p.params,
        **p.states,
        **{f"{n} {k}": m for n, each in p.moments.items() for k, m in each.items()},
    }
    figures = {key: np.array(value) for key, value in records[-1].items() if key != "seconds"}
    return {**arrays, **figures}


def fenced_outcome(memory, *args):
    """The same in memory that shows what is written or read beside it."""
    engines = handgrad.train.engines.NativeSteps
    examples = engines.examples

    def fenced(self, indices):
        return tuple(map(memory.copy, examples(self, indices)))

    with (
        mock.patch.object(handgrad.engine, "side_by_side", lambda arrays: list(map(memory.copy, arrays))),
        mock.patch.object(handgrad.engine.code, "aligned", lambda size: zeroed(memory, size)),
        mock.patch.object(engines, "examples", fenced),
    ):
        found = outcome(*args)
    memory.check()
    return found


def zeroed(memory, size):
    made = memory.empty((-(-size // 64) * 64,), np.uint8)
    made[:] = 0
    return made[:size]


def compare(seed):
    """Train both ways; whether it was refused.

    Raises:
        AssertionError: they differ, or memory around the engine's was written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        args = training(seed)
        native = fenced_outcome(Fenced(at_end=bool(seed % 2)), *args, "native")
        wanted = outcome(*args, "numpy")
    refused = isinstance(native, Exception), isinstance(wanted, Exception)
    assert refused[0] == refused[1], f"seed {seed}: native {native!r}, numpy {wanted!r}"
    if refused[0]:
        for error in (native, wanted):
            assert str(error), f"seed {seed}: {error!r}"
        return True
    assert native.keys() == wanted.keys(), f"seed {seed}"
    beside = None
    for name, a in native.items():
        b = wanted[name]
        assert (a.shape, a.dtype) == (b.shape, b.dtype), f"seed {seed}: {name}"
        if not is_near(a, b, 0.0):
            beside = beside or moved(*args)
            spread = np.max(np.abs(np.subtract(beside[name], b, dtype=float)), initial=0.0)
            assert is_near(a, b, 10 * spread), f"seed {seed}: {name} is {a}, not {b}, ± {spread}"
    return False


def is_near(a, b, more):
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return np.allclose(a, b, rtol=0, atol=2e-3 * np.max(np.abs(b), initial=1e-3) + more)


def moved(made, x, t, batch):
    """What NumPy comes to where the inputs are off by some roundings, which an exploding training spreads."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = outcome(made, np.asarray(x, np.float64) * (1 + 3e-7), t, batch, "numpy")
    assert not isinstance(found, Exception), found
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    args = parser.parse_args()
    counts = collections.Counter()
    for seed in range(args.first, args.first + args.count):
        print(f"\rseed {seed}", end="", flush=True)
        try:
            counts["refused by both" if compare(seed) else "the same"] += 1
        except AssertionError as error:
            counts["different"] += 1
            print(f"\n{str(error)[:600]}", flush=True)
        except Exception as error:
            counts["crashed"] += 1
            print(f"\nseed {seed}: {type(error).__name__}: {str(error)[:300]}", flush=True)
    print("\n", ", ".join(f"{n} {what}" for what, n in sorted(counts.items())), flush=True)
    raise SystemExit(bool(counts["different"] or counts["crashed"]))


if __name__ == "__main__":
    main()
