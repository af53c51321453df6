"""What a compiled function is called with: by what its code is told apart, and what it refuses."""

import collections
import copy
import dataclasses
import functools
import warnings

import numpy as np
import pytest
from numpy.lib.stride_tricks import as_strided, sliding_window_view

import handgrad as hg
from handgrad.engine import NotCompiledWarning, compile
from handgrad.engine.compiling import MOST
from handgrad.layers import mlp
from handgrad.optim import SGD
from handgrad.program import trace
from handgrad.train import Trainer

rng = np.random.default_rng(0)
X = rng.standard_normal((4, 6))


def apart(f, *arguments):
    """How many codes a function has after calls that each gave the function's own result."""
    made = compile(f)
    for args in arguments:
        with np.errstate(all="ignore"):
            got, wanted = made(*args), f(*args)
        np.testing.assert_allclose(got, wanted, rtol=1e-6)
        assert np.result_type(got) == np.result_type(wanted)
    return len(made.codes)


def test_changing_floats_are_inputs():
    numbers = [0.1, 2.0, 0.0, -0.0, float("nan"), float("inf"), 1e30]
    for x in (X, X.astype(np.float32), np.arange(3)):
        assert apart(lambda x, lr: x * 0.5 - lr * x, *((x, lr) for lr in numbers)) == 1


def test_floats_in_trees_and_keywords():
    f = compile(lambda x, options, scale=1.0: x * options["a"][0] - scale)
    for a, scale in ((1.0, 2.0), (3.0, 4.0)):
        np.testing.assert_array_equal(f(X, {"a": [a]}, scale=scale), X * a - scale)
    assert len(f.codes) == 1


def test_floats_whose_value_is_looked_at_are_a_part_of_the_code():
    def f(x, rate):
        return x * 2 if rate > 0.5 else x * rate

    assert apart(f, (X, 0.25), (X, 0.75), (X, 0.125), (X, 0.25)) == 3


def test_a_float_has_a_gradient():
    def f(x, s):
        return hg.sum(x * s)

    made = compile(hg.grad(f, argnums=(0, 1)))
    for s in (2.0, 3.0):
        dx, ds = made(X, s)
        np.testing.assert_allclose(dx, np.full(X.shape, s))
        np.testing.assert_allclose(ds, X.sum())
    assert len(made.codes) == 1


@pytest.mark.parametrize(
    ("f", "values"),
    [
        (lambda x, n: x * n, [1, 2, True, False, 3]),
        (lambda x, i: x[i], [0, 1, slice(1), slice(1, None), slice(None, None, -1), ..., None, (0, 1)]),
        (
            lambda x, dtype: hg.astype(x, dtype),
            [np.float32, np.dtype("f4"), float, np.float64, np.int8],
        ),
        (lambda x, name: x if name == "a" else x + 1, ["a", "b", "ab", b"a", None]),
        (lambda x, axes: hg.sum(x, axis=axes[0]), [(0,), (1,), [0], [1]]),
        (lambda x, tree: x + len(tree), [{"a": 1}, {"b": 1}, {1: 1}, {"1": 1}, {}, {"a": 1, "b": 2}]),
    ],
)
def test_what_is_no_array_is_told_apart_by_type_and_value(f, values):
    assert apart(f, *((X, value) for value in values)) == len(values)
    made = compile(f)
    for value in [*values, *values]:
        made(X, copy.deepcopy(value))
    assert len(made.codes) == len(values)


def test_containers_are_told_apart():
    Pair = collections.namedtuple("Pair", "a b")
    Other = collections.namedtuple("Pair", "a b")
    f = compile(lambda p: type(p).__name__ if isinstance(p, (tuple, list)) else list(p))
    for p in (Pair(X, X), Other(X, X), (X, X), [X, X], {"a": X, "b": X}, {"b": X, "a": X}):
        assert f(p) == f.f(p)
    assert len(f.codes) == 6


# What code cannot be kept for.


@dataclasses.dataclass
class Setting:
    scale: float


def scale_by(s, x):
    return x * s


@pytest.mark.parametrize(
    "s",
    [
        Setting(2.0),
        mlp([6, 2], seed=0),
        lambda x: x,
        functools.partial(scale_by, 2.0),
        {1, 2},
        object(),
        [Setting(1.0)],
        {"a": Setting(1.0)},
        hg.tanh,
        iter([1]),
    ],
    ids=lambda s: type(s).__name__,
)
def test_anything_else_is_refused_by_name(s):
    f = compile(lambda x, s: x)
    for call in (lambda: f(X, s), lambda: f(X, s=s)):
        with pytest.raises(TypeError, match=r"the argument s is or holds a \w+, .* net.parameters\(\)"):
            call()
    assert not f.codes


def test_a_method_is_refused_by_its_self():
    class Model:
        w = 2.0

        @compile
        def step(self, x):
            return x * self.w

    with pytest.raises(TypeError, match="the argument self is or holds a Model"):
        Model().step(X)


@pytest.mark.parametrize(
    ("threads", "kind"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), ("a", TypeError)]
)
def test_a_number_of_threads_that_is_none(threads, kind):
    with pytest.raises(kind, match="threads is a whole number of at least 1, not"):
        compile(lambda x: x, threads=threads)


# What changes is not frozen.


def test_a_function_that_draws_random_numbers_is_not_compiled():
    f = compile(lambda x: x + np.random.normal(size=6))
    with pytest.warns(NotCompiledWarning, match="a second run computes something else: add"):
        first = f(X)
    assert not np.array_equal(first, f(X))


def test_a_network_whose_states_move_on_is_not_compiled():
    net = mlp([6, 4, 2], batch_norm=True, dropout=0.5, dtype=np.float64, seed=0).train()
    f = compile(net)
    with pytest.warns(NotCompiledWarning):
        f(X)
    f(X)
    assert all(isinstance(state, np.ndarray) for state in net.states().values())


def test_a_result_that_is_no_array_is_not_compiled():
    f = compile(lambda x: hg.vjp(hg.tanh, x))
    with pytest.warns(NotCompiledWarning, match="returns a function"):
        out, backward = f(X)
    np.testing.assert_array_equal(backward(X)[0], X * (1 - out**2))


# How many are kept.


def test_codes_are_bounded_and_the_last_used_stay(monkeypatch):
    monkeypatch.setattr("handgrad.engine.compiling.MOST", 3)
    f = compile(lambda x, n: x * n)
    for n in (1, 2, 3, 1, 4):
        np.testing.assert_array_equal(f(X, n), X * n)
    before = set(f.codes)
    assert len(before) == 3
    f(X, 1)
    f(X, 3)
    assert set(f.codes) == before  # it was 2 that went
    f(X, 2)
    assert len(f.codes) == 3
    assert MOST == 64


def test_code_that_is_let_go_gives_its_memory_back():
    import gc
    import weakref

    f = compile(lambda x: hg.tanh(x))
    f(X)
    (made,) = f.codes.values()
    seen = [weakref.ref(made.code), weakref.ref(made.code.native.engine)]
    del f, made
    gc.collect()
    assert [ref() for ref in seen] == [None, None]


# In whatever order arrays lie, and of whatever dtype.

FLOATS = rng.standard_normal((7, 13))


@pytest.mark.parametrize(
    "x",
    [
        np.asfortranarray(FLOATS),
        FLOATS[::-1, ::-2],
        FLOATS.T,
        sliding_window_view(FLOATS[0], 5),
        as_strided(FLOATS, (5, 4), (8, 8)),
        np.broadcast_to(FLOATS[0], (6, 13)),
        FLOATS.astype(">f8"),
        FLOATS.astype(">f4"),
        (FLOATS * 50).astype(">i2"),
        (FLOATS * 50).astype(">i8"),
        FLOATS.astype(np.float16),
        FLOATS.astype(np.longdouble),
        FLOATS.astype(complex),
        FLOATS.astype(np.int8),
        FLOATS > 0,
        FLOATS[:0],
        FLOATS[:, :0],
        np.array(0.3),
        np.array(0.3, ">f8"),
        np.float32(0.3),
        np.arange(6).astype("m8[s]").reshape(2, 3),
        np.array([[1, 2.5], [3, "a"]], object)[:, :1].astype(object),
        type("Sub", (np.ndarray,), {})((7, 13), float, FLOATS.tobytes()),
    ],
    ids=lambda x: f"{x.dtype.str}{x.shape}",
)
def test_arrays_of_any_kind(x):
    def f(x):
        return x + x

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotCompiledWarning)
        got = compile(f)(x)
    wanted = np.asarray(f(x))
    assert np.asarray(got).dtype == wanted.dtype.newbyteorder("=")
    np.testing.assert_array_equal(got, wanted)


def test_an_array_of_objects_runs_on_numpy():
    f = compile(lambda x: x * 2)
    with pytest.warns(NotCompiledWarning, match="it was given an array of object"):
        np.testing.assert_array_equal(f(np.array([1, "a"], object)), np.array([2, "aa"], object))


def test_masked_arrays_and_matrices_are_refused():
    f = compile(lambda x: x * 2)
    with pytest.raises(TypeError, match="the argument x is a masked array"):
        f(np.ma.masked_greater(X, 0))
    with pytest.raises(TypeError, match="the argument x is a matrix"):
        f({"a": X.view(np.matrix)})


# Compiled functions compose.


def inner(x, w=2.0):
    return hg.sum(hg.tanh(x * w))


def test_compiled_functions_are_differentiated_traced_and_compiled():
    f, wanted = compile(inner), hg.grad(inner)(X)
    np.testing.assert_array_equal(hg.grad(f)(X), wanted)
    np.testing.assert_allclose(compile(hg.grad(f))(X), wanted, rtol=1e-12)
    np.testing.assert_allclose(
        compile(lambda x: hg.grad(f)(x) * f(x, w=2.0))(X), wanted * inner(X), rtol=1e-13
    )
    np.testing.assert_allclose(hg.hessian(f)(X[0]), hg.hessian(inner)(X[0]))
    assert len(trace(f, X).operations) == len(trace(inner, X).operations)
    v = hg.variable(X)
    f(v).backward()
    np.testing.assert_array_equal(v.grad, wanted)
    assert hg.vjp(f, X)[0] == inner(X)


def test_a_compiled_function_in_a_picture_and_in_a_check():
    f = compile(inner)
    assert "tanh" in str(hg.show(f, X))
    assert hg.check(f, X).ok


def test_a_compiled_loss_in_a_training():
    x, t = X, np.array([0, 1, 1, 0])
    losses = []
    for loss in (hg.softmax_cross_entropy, compile(lambda y, t: hg.softmax_cross_entropy(y, t))):
        one = Trainer(mlp([6, 2], seed=0, dtype=np.float64), loss, SGD(0.1), engine="native")
        losses.append(one.fit(x, t, epochs=3, batch_size=2)[-1]["loss"])
    assert losses[0] == losses[1]


def test_other_libraries_arrays_are_theirs():
    torch = pytest.importorskip("torch")
    f = compile(lambda x: hg.tanh(x))
    x = torch.ones(3, requires_grad=True)
    f(x).sum().backward()
    assert x.grad.shape == (3,)


def test_keywords_defaults_and_copies():
    f = compile(lambda x, y=2, *, z=1: x * y + z)
    for given in ({}, {"y": 3}, {"z": X}, {"y": X, "z": 0.5}):
        np.testing.assert_array_equal(f(X, **given), f.f(X, **given))
    np.testing.assert_array_equal(copy.deepcopy(f)(X), f(X))
    with pytest.raises(TypeError, match="unexpected keyword"):
        f(X, k=2)
    assert "compiled <lambda>" in repr(f)


# Labels.

LOGITS = rng.standard_normal((3, 5))
LABEL_LOSSES = {
    "softmax_cross_entropy": hg.softmax_cross_entropy,
    "its gradient": hg.grad(lambda x, t: hg.softmax_cross_entropy(x, t)),
    "ignoring": lambda x, t: hg.softmax_cross_entropy(x, t, ignore_index=-100),
    "cross_entropy": lambda x, t: hg.cross_entropy(hg.softmax(x), t),
    "labels computed": lambda x, t: hg.softmax_cross_entropy(x, t * 2 - t),
}


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int8, np.uint8, ">i4"])
@pytest.mark.parametrize("name", LABEL_LOSSES)
def test_labels_are_looked_at_as_they_are_uncompiled(name, dtype):
    loss = LABEL_LOSSES[name]
    f = compile(loss)
    for labels in ([0, 4, 2], [0, 0, 0], [0, 5, 1], [1, 2, 120], [-1, 2, 0], [-6, 0, 0], [2, -100, 1]):
        if np.dtype(dtype).kind == "u" and min(labels) < 0:
            continue
        t = np.array(labels).astype(dtype)
        if all(0 <= label < 5 or (label == -100 and name == "ignoring") for label in labels):
            np.testing.assert_allclose(f(LOGITS, t), loss(LOGITS, t), rtol=1e-12)
        else:
            with pytest.raises(ValueError, match=r"label .* is out of range: there are 5 classes"):
                f(LOGITS, t)
    assert len(f.codes) == 1
