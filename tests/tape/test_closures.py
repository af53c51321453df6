"""Functions as one node: computed again, or defined by an equation."""

import gc
import tracemalloc

import numpy as np
import pytest

import handgrad as hg
from handgrad.tape.graph import backpropagate

r = np.random.default_rng(0)
W, b, V = 0.2 * r.normal(size=(4, 4)), r.normal(size=4), r.normal(size=(3, 4))
X = r.normal(size=(3, 4))


def layer(x, W):
    return np.tanh(x @ W) + 0.3 * x


# Checkpoints.


def deep(x, W, kept=lambda f: f):
    part = kept(lambda x, scale: layer(layer(x, W), W) * scale)  # W is closed over
    return hg.sum(V * part(part(x, 0.5), 2.0) ** 2)


def test_a_checkpoint_has_the_same_gradients():
    for argnum in (0, 1):
        wanted = hg.grad(deep, argnum)(X, W)
        found = hg.grad(lambda *xs: deep(*xs, hg.checkpoint), argnum)(X, W)
        np.testing.assert_allclose(found, wanted, rtol=1e-13)


def test_and_second_derivatives():
    found = hg.hvp(lambda x: deep(x, W, hg.checkpoint))(X, V)
    np.testing.assert_allclose(found, hg.hvp(lambda x: deep(x, W))(X, V), rtol=1e-12)


def test_on_variables_and_trees():
    def f(pair, extra):
        return {"out": pair[0] * pair[1], "sum": pair[0] + extra}, 7

    x, y = hg.variable(np.arange(3.0)), hg.variable(np.ones(3))
    made, seven = hg.checkpoint(f)((x, y), 2.0)
    assert seven == 7
    (hg.sum(made["out"]) + 3 * hg.sum(made["sum"])).backward()
    np.testing.assert_array_equal(x.grad, y.value + 3)
    np.testing.assert_array_equal(y.grad, x.value)


def test_plain_calls_are_f():
    assert hg.checkpoint(lambda x, power=2: x**power)(3.0, power=3) == 27.0


def test_memory_grows_by_one_array_a_part():
    """Each part makes twenty arrays of 80 kB, of which a recording keeps none."""

    def part(x):
        for _ in range(20):
            x = np.sin(x) * 1.01
        return x

    def most(f):
        gc.collect()
        tracemalloc.start()
        x = hg.variable(np.ones(10_000))
        for _ in range(10):
            x = f(x)
        hg.sum(x).backward()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    assert most(hg.checkpoint(part)) < most(part) / 4


def test_a_compiled_checkpoint_is_f():
    f = hg.compile(lambda x, W: hg.value_and_grad(lambda W: deep(x, W, hg.checkpoint))(W))
    loss, dW = f(X, W)
    np.testing.assert_allclose(loss, deep(X, W), rtol=1e-12)
    np.testing.assert_allclose(dW, hg.grad(deep, 1)(X, W), rtol=1e-10)


# Fixed points.


def unrolled(W, b):
    x = np.zeros(4)
    for _ in range(120):
        x = np.tanh(x @ W + b)
    return hg.sum(V[0] * x)


def implicit(W, b):
    x = hg.fixed_point(lambda x, W: np.tanh(x @ W + b), np.zeros(4), W)  # b is closed over
    return hg.sum(V[0] * x)


def test_a_fixed_point_and_its_gradients():
    np.testing.assert_allclose(implicit(W, b), unrolled(W, b), rtol=1e-12)
    for argnum in (0, 1):
        found, wanted = (hg.grad(f, argnum)(W, b) for f in (implicit, unrolled))
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-12)


def test_second_derivatives_of_a_fixed_point():
    found, wanted = (hg.hvp(f)(W, b, V[:1] + W) for f in (implicit, unrolled))
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-10)


def test_a_root_by_newtons_steps():
    """x = √a: the derivative of Newton's step by x is 0 there, so w is dout."""
    root = lambda a: hg.fixed_point(lambda x, a: (x + a / x) / 2, 1.0, a)  # noqa: E731
    np.testing.assert_allclose([root(2.0), hg.grad(root)(2.0)], [2**0.5, 0.5 / 2**0.5], rtol=1e-12)


def test_a_tree_of_points():
    f = lambda p, a: {"x": 0.5 * p["y"] + a, "y": 0.3 * p["x"]}  # noqa: E731
    found = hg.grad(lambda a: hg.fixed_point(f, {"x": 0.0, "y": 0.0}, a)["x"])(2.0)
    np.testing.assert_allclose(found, 1 / (1 - 0.15), rtol=1e-9)


@pytest.mark.parametrize(
    ("f", "error", "said"),
    [
        (lambda x: x + 1, ArithmeticError, "after 50 steps an element still changes by 1"),
        (lambda x: x * 1e200, ArithmeticError, "beyond all bounds"),
        (lambda x: np.append(x, 1.0), TypeError, r"x has shape \(2,\), and f gives \(3,\)"),
    ],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_what_is_no_fixed_point(f, error, said):
    with pytest.raises(error, match=said):
        hg.fixed_point(f, np.ones(2), steps=50)


@pytest.mark.parametrize("dtype", "efd")
@pytest.mark.parametrize("slope", [0.3, 0.95])
def test_without_a_tolerance_it_ends_where_changes_are_rounding(dtype, slope):
    a, slope = r.normal(size=50).astype(dtype), np.asarray(slope, dtype)
    x = hg.fixed_point(lambda x, a: slope * np.sin(x) + a, np.zeros(50, dtype), a)
    assert x.dtype == dtype
    np.testing.assert_allclose(
        slope * np.sin(x) + a, x, rtol=0, atol=16 * np.finfo(dtype).eps * np.max(abs(x))
    )


@pytest.mark.parametrize("library", ["torch", "jax.numpy"])
def test_a_fixed_point_of_other_libraries(library):
    xp = pytest.importorskip(library)
    x = hg.fixed_point(lambda x, a: 0.3 * xp.tanh(x) + a, xp.zeros(3), xp.ones(3))
    np.testing.assert_allclose(np.asarray(x), hg.fixed_point(lambda x: 0.3 * np.tanh(x) + 1, 0.0), rtol=1e-6)


# What a check and a picture make of them: nodes like those of any rule.


def nodes_of(x):
    return {v.node.rule.name: v.node for v, _ in backpropagate([(x, 1.0)]) if v.node.rule}


def used():
    x, w = hg.variable(X), hg.variable(W)
    y = hg.checkpoint(lambda x: layer(x, w))(x)
    z = hg.fixed_point(lambda z, a: 0.3 * np.tanh(z @ w) + a, np.zeros((3, 4)), y)
    return hg.sum(V * z)


def test_both_are_checked_as_rules_are():
    nodes = nodes_of(used())
    for name in ("checkpoint", "fixed_point"):
        closed_over, xs = ([v.value for v in xs] for xs in nodes[name].inputs)
        report = hg.check(nodes[name].rule, closed_over, xs)
        assert report.ok, report


def test_and_drawn():
    graph = hg.show(used(), check=100)
    assert str(graph).count("proven") >= 2
    assert "wrong" not in str(graph)


def test_what_they_close_over_has_no_other_values():
    node = nodes_of(used())["checkpoint"]
    closed_over, xs = ([v.value for v in xs] for xs in node.inputs)
    node.rule.pair(([w.copy() for w in closed_over], xs), {})
    with pytest.raises(ValueError, match="make it an argument"):
        node.rule.pair(([w + 1 for w in closed_over], xs), {})
