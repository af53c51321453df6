"""Whole steps of training, natively and on NumPy: parameters, states and what the optimiser remembers."""

import itertools

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import ACTIVATIONS, Affine, BatchNorm, Dropout, Flatten, ReLU, Sequential, Tanh, mlp
from handgrad.optim import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp, warm_up
from handgrad.train import Trainer
from tests.engine.support import assert_close

FLOAT64, FLOAT32 = np.dtype(np.float64), np.dtype(np.float32)
ULPS = {FLOAT64: 1e5, FLOAT32: 100}


def data(n, D, M, dtype, seed=0):
    rng = np.random.default_rng(seed)
    return rng.standard_normal((n, D)).astype(dtype), rng.integers(M, size=n)


def trained(
    engine, net, x, t, optimiser, batch_size, loss=hg.softmax_cross_entropy, epochs=1, threads=1, **options
):
    """All arrays after some epochs, by name, and the means of each epoch."""
    trainer = Trainer(net, loss, optimiser, engine=engine, **options)
    records = trainer.fit(x, t, epochs=epochs, batch_size=batch_size)
    assert trainer.steps.name == engine
    assert engine == "numpy" or all(code.workers == threads for code in trainer.steps.codes.values())
    figures = [record[name] for record in records for name in ("loss", "accuracy") if name in record]
    return arrays(trainer.progress), figures


def arrays(progress):
    moments = {f"{n}/{k}": m for n, state in progress.moments.items() for k, m in state.items()}
    return {**progress.params, **progress.states, **moments}


def check(make, x, t, optimiser, batch_size, **options):
    """``make(dtype)`` is trained in the dtype of x; returns what came out natively."""
    net = make(x.dtype)
    wanted, wanted_figures = trained("numpy", make(x.dtype), x, t, optimiser, batch_size, **options)
    got, figures = trained("native", net, x, t, optimiser, batch_size, **options)
    np.testing.assert_allclose(figures, wanted_figures, rtol=1e-10 if x.dtype == FLOAT64 else 1e-5)
    assert got.keys() == wanted.keys()
    assert [a.dtype for a in got.values()] == [a.dtype for a in wanted.values()]
    estimates = wanted
    if x.dtype == FLOAT32:
        wanted, _ = trained("numpy", make(FLOAT64), x.astype(FLOAT64), t, optimiser, batch_size, **options)
    noise = shifts_before_norms(net)
    for name, a in got.items():
        least = 1e-12 if name.split("/")[0] in noise else 0.0
        assert_close([a], [wanted[name]], [estimates[name]], ULPS, least)
    return got


def shifts_before_norms(net):
    """Biases that a batch norm takes away again: their gradient is 0 but for rounding."""
    layers = dict(net.children())
    return {f"{i}.b" for i in layers if isinstance(layers.get(str(int(i) + 1)), BatchNorm)}


NETWORKS = [
    *itertools.product(ACTIVATIONS, [(False, 0.0), (True, 0.3)]),
    ("relu", (True, 0)),
    ("tanh", (False, 0.5)),
]


@pytest.mark.parametrize(("activation", "extras"), NETWORKS, ids=str)
def test_every_network(activation, extras):
    def make(dtype):
        return mlp([6, 9, 17, 4], activation, *extras, seed=1, dtype=dtype)

    x, t = data(30, 6, 4, FLOAT64)
    check(make, x, t, Momentum(0.05), batch_size=10)


PLAIN = {
    "sgd": SGD(0.1),
    "warm-up": SGD(warm_up(0.1, 2)),
    "momentum": Momentum(0.1),
    "nesterov": Nesterov(0.05, momentum=0.8),
    "adagrad": AdaGrad(0.1),
    "rmsprop": RMSProp(0.01),
    "adam": Adam(0.01),
    "adamw": AdamW(0.01),
}
CLIPS = {"clip-norm": {"clip_norm": 0.1}, "clip-value": {"clip_value": 0.01}}
UPDATES = [
    *(pytest.param(each, {}, FLOAT32, id=name) for name, each in PLAIN.items()),
    *(
        pytest.param(PLAIN[name], clip, dtype, id=f"{name}-{how}-{dtype}")
        for how, clip in CLIPS.items()
        for name, dtype in (("momentum", FLOAT64), ("adam", FLOAT64), ("adam", FLOAT32))
    ),
]


@pytest.mark.parametrize(("optimiser", "clips", "dtype"), UPDATES)
def test_every_optimiser(optimiser, clips, dtype):
    x, t = data(21, 5, 3, dtype)
    check(lambda dtype: mlp([5, 8, 3], "tanh", seed=2, dtype=dtype), x, t, optimiser, batch_size=7, **clips)


def images(dtype):
    """Layers that ``mlp`` does not use, or not so: three axes, a norm of them, Sequential in Sequential."""
    inner = Sequential(Flatten(), Dropout(0.2, seed=3), Affine(15, 7, seed=4, dtype=dtype), ReLU())
    return Sequential(
        BatchNorm(3, dtype=dtype), inner, Sequential(), Affine(7, 2, seed=5, dtype=dtype), Tanh()
    )


@pytest.mark.parametrize("dtype", [FLOAT64, FLOAT32], ids=str)
def test_images_and_regression(dtype):
    rng = np.random.default_rng(1)
    x, t = rng.standard_normal((24, 3, 5)).astype(dtype), rng.standard_normal((24, 2)).astype(dtype)
    check(images, x, t, Adam(0.01), batch_size=8, loss=hg.mean_squared_error)


SIZES = [  # widths, examples, batch size
    ([1, 1, 2], 4, 1),
    ([2, 5, 2], 8, 2),
    ([5, 17, 3], 11, 3),
    ([17, 33, 1, 2], 23, 7),
    ([33, 64, 17], 30, 13),
    ([64, 10], 27, 13),
    ([64, 5, 64, 2], 16, 7),
    ([65, 32, 48, 11], 66, 32),
    ([128, 50, 10], 100, 33),
    ([100, 130, 3], 70, 64),
]
PAIRS = [
    pytest.param(*size, dtype, id=f"{size}-{dtype}", marks=[pytest.mark.slow] if (i + k) % 2 else [])
    for i, size in enumerate(SIZES)
    for k, dtype in enumerate((FLOAT32, FLOAT64))
]


@pytest.mark.parametrize(("widths", "n", "batch_size", "dtype"), PAIRS)
def test_sizes(widths, n, batch_size, dtype, use_threads):
    """Odd ones, with a last batch of another size; with two threads the bits are those of one."""
    x, t = data(n, widths[0], widths[-1], dtype)

    def make(dtype):
        return mlp(widths, batch_norm=batch_size == 7, dropout=0.1 * (batch_size == 3), seed=7, dtype=dtype)

    use_threads(2)
    got = check(make, x, t, Momentum(0.05), batch_size, epochs=2, threads=2)
    use_threads(1)
    other, _ = trained("native", make(dtype), x, t, Momentum(0.05), batch_size, epochs=2)
    assert {name: a.tobytes() for name, a in got.items()} == {name: a.tobytes() for name, a in other.items()}
