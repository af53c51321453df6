"""Arrays of every kind, by every way in: the numbers of plain float64 arrays, or a sentence that refuses."""

import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view

import handgrad as hg
from handgrad.layers import Affine, Layer, Sequential
from handgrad.optim import SGD
from handgrad.train import Trainer

BASE = np.array([[0.5, -1.0, 2.0, 0.25], [3.0, -2.0, 1.0, -0.5], [0.0, 4.0, -3.0, 1.5]])
WHOLE = np.array([[0, 1, 2, 3], [3, 2, 1, 0], [0, 4, 3, 1]])


def read_only(x):
    x = x.copy()
    x.setflags(write=False)
    return x


def unaligned(x):
    memory = np.zeros(x.nbytes + 1, np.uint8)[1:].view(x.dtype).reshape(x.shape)
    memory[...] = x
    return memory


class Subclass(np.ndarray):
    pass


ARRAYS = {
    "plain": BASE,
    "float32": BASE.astype(np.float32),
    "big-endian": BASE.astype(">f8"),
    "big-endian float32": BASE.astype(">f4"),
    "big-endian integers": WHOLE.astype(">i4"),
    "Fortran's order": np.asfortranarray(BASE),
    "non-contiguous": np.repeat(BASE, 2, axis=1)[:, ::2],
    "transposed": BASE.T,
    "negative strides": BASE[::-1, ::-1],
    "overlapping": sliding_window_view(BASE[0], 2),
    "broadcast": np.broadcast_to(BASE[0], (3, 4)),
    "read-only": read_only(BASE),
    "unaligned": unaligned(BASE),
    "no rows": BASE[:0],
    "no columns": BASE[:, :0],
    "without axes": np.array(0.5),
    "a NumPy number": np.float32(0.5),
    "a subclass": BASE.view(Subclass),
    "float16": BASE.astype(np.float16),
    "longdouble": BASE.astype(np.longdouble),
    **{
        f"{kind}{bits}": WHOLE.astype(f"{kind}{bits}") for kind in ("int", "uint") for bits in (8, 16, 32, 64)
    },
    "bool": WHOLE > 1,
    "complex": BASE + 0.5j,
    "matrix": BASE.view(np.matrix),
    "masked": np.ma.masked_greater(BASE, 2),
    "object": BASE.astype(object),
    "text": WHOLE.astype(str),
    "bytes": WHOLE.astype(bytes),
    "dates": WHOLE.astype("M8[D]"),
    "durations": WHOLE.astype("m8[s]"),
    "records": np.zeros(3, [("a", float), ("b", int)]),
}
REFUSED = {
    "complex": "complex",
    "matrix": "matrix",
    "masked": "masked array|MaskedArray",
    "object": "object",
    "text": "<U|text",
    "bytes": r"\|S|text|bytes",
    "dates": "datetime64",
    "durations": "timedelta64",
    "records": "'a'|void|record",
}


def f(x):
    return hg.sum(hg.tanh(x) * x)


def value(x):
    return np.sum(np.tanh(x) * x)


def slope(x):
    return np.tanh(x) + x * (1 - np.tanh(x) ** 2)


class Product(Layer):
    def forward(self, x):
        return hg.tanh(x) * x


def by_layer(x):
    layer = Product()
    out = layer.forward(x)
    return out, layer.backward(np.ones(np.shape(out)))


def by_backward(x):
    v = hg.variable(x)
    f(v).backward()
    return v.grad


def by_rule(x):
    out, backward = hg.tanh.vjp(x)
    return out, backward(np.ones(np.shape(x)))[0]


def by_vjp(x):
    out, backward = hg.vjp(f, x)
    return out, backward(1.0)[0]


WAYS = {
    "a rule": (lambda x: hg.tanh(x) * 1.0, np.tanh),
    "a rule's vjp": (by_rule, lambda x: (np.tanh(x), 1 - np.tanh(x) ** 2)),
    "hg.vjp": (by_vjp, lambda x: (value(x), slope(x))),
    "hg.grad": (hg.grad(f), slope),
    "hg.value_and_grad": (hg.value_and_grad(f), lambda x: (value(x), slope(x))),
    "backward": (by_backward, slope),
    "hg.compile": (hg.compile(f), value),
    "hg.compile of hg.grad": (hg.compile(hg.grad(f)), slope),
    "hg.grad of hg.compile": (hg.grad(hg.compile(f)), slope),
    "a layer": (by_layer, lambda x: (np.tanh(x) * x, slope(x))),
}


def quiet(way, x):
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return way(x)


def refuses(call, name):
    """Whether it was one of the kinds that may be refused, in a sentence that says of what kind it is."""
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    said = "\n".join([str(caught.value), *getattr(caught.value, "__notes__", [])])
    assert re.search(REFUSED[name], said), said


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("way", WAYS)
def test_right_or_refused(way, name):
    x, (call, wanted) = ARRAYS[name], WAYS[way]
    if name in REFUSED and not (name == "complex" and way in OF_COMPLEX):
        refuses(lambda: quiet(call, x), name)
        return
    before, exact = np.array(x), complex if name == "complex" else np.float64
    got, want = quiet(call, x), quiet(wanted, np.array(x, exact))
    parts = zip(got, want, strict=True) if isinstance(want, tuple) else [(got, want)]
    for a, b in parts:
        assert np.shape(a) == np.shape(b)
        np.testing.assert_allclose(np.asarray(a, exact), b, rtol=digits(x), atol=digits(x))
    np.testing.assert_array_equal(x, before)


OF_COMPLEX = ("a rule", "a rule's vjp", "hg.compile")  # which compute with them, and record nothing


def digits(x):
    """NumPy computes functions of one byte in float16."""
    return 2e-2 if np.result_type(x).itemsize < 4 else 1e-5


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_trained_right_or_refused(engine, name):
    x = ARRAYS[name]

    def trained(x):
        net = Sequential(Affine(np.shape(x)[1], 2, seed=0, dtype=np.float64), Product())
        one = Trainer(net, hg.mean_squared_error, SGD(0.1), engine=engine)
        one.fit(x, np.ones((len(x), 2)), epochs=2, batch_size=2)
        return one.progress.params

    if name in REFUSED and np.ndim(x) > 1:
        refuses(lambda: quiet(trained, x), name)
        return
    if np.ndim(x) < 2 or len(x) == 0:
        with pytest.raises((TypeError, ValueError, IndexError)):
            quiet(trained, x)
        return
    got, want = quiet(trained, x), quiet(trained, np.array(x, np.float64))
    for key, p in got.items():
        np.testing.assert_allclose(p, want[key], rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ARRAYS)
def test_checked_right_or_refused(name):
    x = ARRAYS[name]
    if name in REFUSED:
        refuses(lambda: quiet(lambda x: hg.check(hg.tanh, x), x), name)
        return
    report = quiet(lambda x: hg.check(hg.tanh, x), x)
    assert "WRONG" not in str(report)


@pytest.mark.parametrize("name", ARRAYS)
def test_shown_right_or_refused(name):
    x = ARRAYS[name]
    if name in REFUSED:
        refuses(lambda: quiet(lambda x: str(hg.show(f, x)), x), name)
        return
    shown = quiet(lambda x: str(hg.show(f, x)), x)
    assert "tanh" in shown


def test_a_star_import_needs_no_extra():
    """All names but those of extras, with nothing installed beside handgrad's own dependencies."""
    extras = ("jax", "ml_dtypes", "onnx", "pyarrow", "scipy", "sklearn", "torch")
    code = f"import sys; sys.modules.update(dict.fromkeys({extras})); from handgrad import *; print(show)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
