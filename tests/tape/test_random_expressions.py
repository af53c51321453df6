"""Random trees of elementwise rules over arrays that broadcast: gradient and Hessian-vector product."""

import numpy as np
from hypothesis import given, settings, strategies as st

import handgrad as hg

from ..rules.numerics import assert_gradient, random_direction, random_like

# Rules that are smooth everywhere and keep small numbers small.
UNARY = [
    hg.tanh, hg.sin, hg.cos, hg.sigmoid, hg.softplus, hg.gelu, hg.silu, hg.erf, hg.arctan, hg.negative,
    lambda x: hg.exp(-hg.square(x)),
    lambda x: hg.sqrt(1 + hg.square(x)),
    lambda x: hg.log1p(hg.square(x)),
    lambda x: x / 2,
    lambda x: 1 - x,
]  # fmt: skip
BINARY = [
    hg.add,
    hg.subtract,
    hg.multiply,
    lambda x, y: x / (2 + hg.sin(y)),
    lambda x, y: (1 + hg.square(x)) ** hg.tanh(y),
    lambda x, y: hg.where(np.array([True, False, True]), x, y),
]
SHAPES = [(), (1,), (3,), (2, 3), (2, 1), (1, 3), (4, 1, 3)]

leaves = st.integers(0, 2)
trees = st.recursive(
    leaves,
    lambda inner: st.tuples(st.sampled_from(UNARY), inner) | st.tuples(st.sampled_from(BINARY), inner, inner),
    max_leaves=8,
)


def evaluate(tree, xs):
    if isinstance(tree, int):
        return xs[tree]
    return tree[0](*(evaluate(branch, xs) for branch in tree[1:]))


@settings(max_examples=80, deadline=None, derandomize=True)
@given(tree=trees, shapes=st.tuples(*[st.sampled_from(SHAPES)] * 3), seed=st.integers(0, 1000))
def test_random_expressions(tree, shapes, seed):
    r = np.random.default_rng(seed)
    xs = [np.asarray(r.normal(size=shape)) for shape in shapes]

    def f(xs):
        return evaluate(tree, xs)

    out, backward = hg.vjp(lambda *xs: f(xs), *xs)
    dout = random_like(r, out)
    grads = backward(dout)
    assert_gradient(f, xs, dout, list(grads), [random_direction(r, xs)], 1e-8)

    variables = [hg.variable(x) for x in xs]
    result = f(variables)
    result.backward(dout)
    for v, dx in zip(variables, grads, strict=True):
        np.testing.assert_array_equal(np.zeros_like(dx) if v.grad is None else v.grad, dx)

    def gradient(xs):
        return list(hg.vjp(lambda *xs: f(xs), *xs)[1](dout))

    second, backward = hg.vjp(lambda *xs: gradient(xs), *xs)
    cotangent = random_like(r, second)
    assert_gradient(gradient, xs, cotangent, list(backward(cotangent)), [random_direction(r, xs)], 1e-7)
