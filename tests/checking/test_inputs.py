"""Inputs for a check: from shapes, from hints, by trying."""

from __future__ import annotations

import inspect
from typing import Annotated

import numpy as np
import pytest

import handgrad as hg
from handgrad.checking import check
from handgrad.checking.inputs import found_by_trying, from_hints, from_shapes, made_for, sets_from_shapes


def shapes(inputs):
    return [np.shape(x) for x in inputs]


def first(sets):
    return sets[0][1]


def pair(f):
    """A function as a target whose backward is not looked at."""
    return lambda *xs: (f(*xs), lambda dout: tuple(np.ones(np.shape(x)) for x in xs))


# Shapes as text.


def test_literal_shapes():
    assert shapes(from_shapes("(3, 4), (4, 5), (5,), ()")) == [(3, 4), (4, 5), (5,), ()]
    ((said, inputs),) = sets_from_shapes("(3, 4), (4,)")
    assert said == "(3, 4), (4,)"
    assert all(x.dtype == np.float64 for x in inputs)


def test_the_seed_decides():
    a, b, c = (from_shapes("(3, 4)", seed)[0] for seed in (0, 0, 1))
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)


def test_named_axes_differ_at_first_and_are_one_then():
    sets = sets_from_shapes("(N, D), (D, M), (M,)")
    x, W, b = first(sets)
    assert x.shape[1] == W.shape[0]
    assert W.shape[1:] == b.shape
    assert len({*x.shape, *W.shape}) == 3
    by_name = {said: shapes(inputs) for said, inputs in sets}
    assert [said for said in by_name if "batch of one" in said]
    assert by_name["M=1"][2] == (1,)
    assert by_name["all axes of size one"] == [(1, 1), (1, 1), (1,)]


def test_whole_numbers_below_a_bound():
    x, t, i = from_shapes("(4, C), (400,) < C, (50,) < 3")
    assert t.dtype.kind == i.dtype.kind == "i"
    assert set(t) == set(range(x.shape[1]))
    assert set(i) == {0, 1, 2}


def test_positive_numbers_flags_lists_and_expressions():
    x, number, flag, parts, gates = from_shapes("(30, 4) > 0, 0.5, true, [(2, H), (1, H)], (4*H,)")
    assert x.min() > 0
    assert (number, flag) == (0.5, True)
    assert shapes(parts) == [(2, parts[0].shape[1]), (1, parts[0].shape[1])]
    assert gates.shape == (4 * parts[0].shape[1],)


def test_any_leading_axes():
    dimensions = [np.ndim(inputs[0]) for _, inputs in sets_from_shapes("(..., D), (D,)")]
    assert set(dimensions) == {1, 2, 3}


NO_SHAPES = [
    "(3, 4",
    "a",
    "(N)",
    "(3, -1)",
    "(1.5,)",
    "'x'",
    "",
    "(3,) < 0",
    "(3,) > 1",
    "(3,) < f()",
    "(f(),)",
]


@pytest.mark.parametrize("text", NO_SHAPES)
def test_shapes_that_are_none(text):
    with pytest.raises(ValueError, match=r"shapes are written like \(3, 4\)") as error:
        from_shapes(text)
    assert repr(text) in str(error.value)
    assert "\n" not in str(error.value)


# Hints.


def annotated(x: "(N, D)", W: "(D, M)", b: "(M,)"):  # noqa: F821, UP037
    return x @ W + b, lambda dout: (dout @ W.T, x.T @ dout, dout.sum(axis=0))


class Float:
    dim_str, dtypes = "N #D", ("float32", "float64")


class Int:
    dim_str, dtypes = "N", ("int32", "int64")


def test_hints_in_annotations():
    x, W, b = first(from_hints(annotated))
    assert (x.shape[1], W.shape[1:]) == (W.shape[0], b.shape)

    def f(x: Annotated[np.ndarray, (3, 4)], scale: float, flag: bool):
        return x * scale if flag else x, lambda dout: (dout * scale, np.sum(dout * x), None)

    x, scale, flag = first(from_hints(f))
    assert (x.shape, np.shape(scale), flag) == ((3, 4), (), True)


def test_hints_in_jaxtyping_s_manner():
    def rows(x: Float, index: Int):
        return x[index], lambda dout: (dout, None)

    rows.__annotations__ = {"x": Float, "index": Int}
    x, index = first(from_hints(rows))
    assert x.shape[:1] == index.shape
    assert index.dtype.kind == "i"


def test_hints_in_the_docstring():
    sets = from_hints(hg.affine)
    assert {np.ndim(inputs[0]) for _, inputs in sets} == {1, 2, 3}

    def loss(y, t):
        """Cross-entropy.   y (N, C), t (N,) -> ()"""
        N = len(t)

        def backward(dout):
            dy = np.zeros_like(y)
            dy[np.arange(N), t] = -dout / (N * y[np.arange(N), t])
            return dy, None

        return -np.log(y[np.arange(N), t]).sum() / N, backward

    y, t = first(made_for(loss))
    assert y.min() > 0
    assert t.dtype.kind == "i"
    assert check(loss, y, t).ok


def test_without_hints():
    assert from_hints(lambda x: (x, lambda dout: dout)) is None


def test_hints_that_do_not_fit_are_left(rng):
    def f(x, y):
        """Product of x (N, D) and y (M, K)."""
        return x * y, lambda dout: (dout * y, dout * x)

    x, y = first(made_for(f))
    assert x.shape == y.shape


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Trying.


NOT_FOUND = """
    upsample cholesky ctc_loss gru gru_step lstm lstm_step multi_head_attention
""".split()
"""Which need a size, or shapes that hang on each other in ways that are not tried: the user gives them."""
LONG = "grid_sample gru gru_step lstm multi_head_attention".split()
"""Seconds of points to look at, or of shapes to try."""


def has_options_without_a_default(rule):
    parameters = inspect.signature(rule.body).parameters
    return any(parameters[name].default is inspect.Parameter.empty for name in rule.options)


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] * (n in LONG)) for n in sorted(hg.rules.ALL)]
)
def test_every_rule(name):
    rule = hg.rules.ALL[name]
    if has_options_without_a_default(rule) or name == "one_hot":
        with pytest.raises(ValueError, match="has to be given"):
            made_for(rule)
        return
    if name in NOT_FOUND:
        with pytest.raises(ValueError, match="none of the shapes that were tried"):
            made_for(rule)
        return
    if rule.body.__module__ == hg.rules.straight_through.body.__module__:
        return  # whose backward is no derivative
    if name == "inv":
        pytest.xfail("of equal elements the checker makes a singular matrix, and calls its rounding wrong")
    sets = made_for(rule)
    assert len(sets) > 1
    assert all(len(inputs) == len(rule.inputs) for _, inputs in sets)
    assert check(rule, *first(sets)).ok


def test_elementwise_rules_broadcast():
    pairs = {tuple(shapes(inputs)) for _, inputs in made_for(hg.multiply)}
    (n, d), _ = next(iter(shapes(inputs) for _, inputs in made_for(hg.multiply)))
    assert {((n, d), (d,)), ((d,), (n, d)), ((n, 1), (1, d))} <= pairs


def test_plain_functions_do_not():
    pairs = [
        shapes(inputs) for _, inputs in made_for(lambda x, y: (x * y, lambda dout: (dout * y, dout * x)))
    ]
    assert all(x == y for x, y in pairs)


def test_sizes_cannot_hide_a_transpose():
    for target in (
        hg.matmul,
        hg.softmax,
        lambda x, W, b: (x @ W + b, lambda dout: (dout @ W.T, x.T @ dout, dout)),
    ):
        x = first(made_for(target))[0]
        assert len(set(x.shape)) == x.ndim


def test_names_say_what_a_shape_cannot():
    """An unsummed bias would be hidden by a bias of the output's shape."""

    def shifted(x, b):
        return x + b, lambda dout: (dout, dout)

    x, b = first(made_for(shifted))
    assert b.ndim == 1
    assert check(shifted, x, b).ok is False


def test_the_domain_is_found():
    assert (first(made_for(hg.log))[0] > 0).all()
    assert (first(made_for(pair(np.arccosh)))[0] >= 1).all()


def test_class_indices_and_one_hot():
    sets = made_for(hg.softmax_cross_entropy)
    x, t = first(sets)
    assert (t.shape, t.dtype.kind) == (x.shape[:1], "i")
    by_name = dict(sets)
    assert (by_name["one-hot labels"][1].sum(axis=1) == 1).all()


def test_targets_of_the_output_s_shape():
    y, t = first(made_for(hg.mean_squared_error))
    assert (y.shape, t.dtype.kind) == (t.shape, "f")


def test_labels_without_a_gradient():
    """A loss for one-hot rows that gives no gradient for them gets whole numbers."""

    def loss(x, t):
        y = np.exp(x) / np.exp(x).sum(axis=1, keepdims=True)
        return -np.sum(t * np.log(y)), lambda dout: (dout * (y - t), None)

    x, t = first(made_for(loss))
    assert (t.shape, t.dtype.kind) == (x.shape, "i")
    assert check(loss, x, t).ok


class Affine:
    def __init__(self, n, m):
        self.W, self.b = np.random.default_rng(0).standard_normal((n, m)), np.zeros(m)

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T


class Relu:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask

    def backward(self, dout):
        return dout * self.mask


def test_layers_say_their_sizes():
    sets = made_for(Affine(7, 2))
    assert first(sets)[0].shape[1] == 7
    assert any(inputs[0].shape == (1, 7) for _, inputs in sets)
    assert first(made_for([Affine(7, 9), Relu(), Affine(9, 2)]))[0].shape[1] == 7
    assert first(made_for(Relu))[0].ndim == 2


def test_pairs_of_functions():
    sets = made_for((np.tanh, lambda dout, x: dout * (1 - np.tanh(x) ** 2)))
    assert check((np.tanh, lambda dout, x: dout * (1 - np.tanh(x) ** 2)), *first(sets)).ok


def test_images():
    """Convolution's shapes: three axes or four, kernels no larger than the image."""

    def conv(x, W):
        if x.shape[1] != W.shape[1] or W.ndim != 4:
            raise ValueError("channels")
        windows = np.lib.stride_tricks.sliding_window_view(x, W.shape[2:], axis=(2, 3))
        return np.einsum("nchwij,fcij->nfhw", windows, W), None

    x, W = first(made_for(lambda x, W: (conv(x, W)[0], lambda dout: (x, W))))
    assert x.ndim == W.ndim == 4
    assert x.shape[1] == W.shape[1]


def test_networks_with_a_loss():
    from handgrad.layers import mlp

    net = mlp([6, 5, 3], activation="tanh", seed=0)
    for loss, kind in ((hg.softmax_cross_entropy, "i"), (hg.mean_squared_error, "f")):
        sets = made_for(net, loss=loss)
        x, t = first(sets)
        assert (x.shape[1], len(t), t.dtype.kind) == (6, len(x), kind)
        assert check(net, x, t, loss=loss).ok
        assert len(sets) > 1


def test_given_shapes_have_to_fit():
    with pytest.raises(ValueError, match=r"matmul cannot be checked with \(3, 4\), \(3, 4\): ValueError"):
        made_for(hg.matmul, "(3, 4), (3, 4)")


def test_given_shapes_find_the_domain():
    assert (first(made_for(hg.log, "(3, 4)"))[0] > 0).all()


def test_edges_that_do_not_fit_are_left_out():
    sets = made_for(pair(lambda x: x.reshape(-1, 2)), "(N, D)")
    assert [said for said, _ in sets if "D=1" in said] == []


def test_what_takes_no_shape():
    def picky(x):
        if x.shape != (17,):
            raise KeyError("no")
        return x, lambda dout: dout

    with pytest.raises(ValueError, match="none of the shapes that were tried goes through picky") as error:
        made_for(picky)
    assert "KeyError" in str(error.value)
    assert "--inputs" in str(error.value)


@pytest.mark.parametrize("target", [3, "x", None, [1, 2], {}])
def test_what_is_no_target(target):
    with pytest.raises(TypeError, match="what can be checked is"):
        made_for(target)


def test_a_function_that_makes_the_target():
    def make_net():
        return Affine(2, 3)

    with pytest.raises(TypeError, match=r"call it: make_net\(\)"):
        made_for(make_net)


def test_a_class_that_needs_arguments():
    with pytest.raises(TypeError, match="Affine needs arguments"):
        made_for(Affine)


def test_any_number_of_inputs():
    def total(*xs):
        return sum(xs), lambda dout: tuple(dout for _ in xs)

    assert len(found_by_trying(total, 2)[0][1]) == 2
    assert len(first(made_for(total))) == 1


# PyTorch and JAX.


def test_torch():
    torch = pytest.importorskip("torch")

    class Product(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, W):
            ctx.save_for_backward(x, W)
            return x @ W

        @staticmethod
        def backward(ctx, dout):
            x, W = ctx.saved_tensors
            return dout @ W.T, x.T @ dout

    x, W = first(made_for(Product))
    assert x.shape[1] == W.shape[0]
    assert len(first(made_for(Product.apply))) == 2
    assert first(made_for(torch.nn.Linear(4, 7)))[0].shape[1] == 4
    assert first(made_for(torch.nn.Conv2d(3, 2, 3)))[0].shape[1] == 3
    ids = first(made_for(torch.nn.Embedding(10, 4)))[0]
    assert ids.dtype.kind == "i"
    x, t = first(made_for(torch.nn.Linear(4, 7), loss=torch.nn.functional.cross_entropy))
    assert t.dtype.kind == "i"

    def plain(x, W):
        return torch.tanh(x @ W)

    assert all(isinstance(x, torch.Tensor) for x in first(made_for(plain)))


def test_jax():
    jax = pytest.importorskip("jax")

    @jax.custom_vjp
    def product(x, y):
        return x * y

    product.defvjp(
        lambda x, y: (product(x, y), (x, y)), lambda saved, dout: (dout * saved[1], dout * saved[0])
    )
    x, y = first(made_for(product))
    assert x.shape == y.shape
