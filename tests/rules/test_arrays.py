"""The functions that the array standard lacks, and which library is called."""

from collections import namedtuple

import array_api_strict as strict
import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import is_floating, is_integer, namespace_of, shape, size, stripped, sum_to, xp
from handgrad.tree import leaves, tree_map, unflatten


def test_the_library_of_the_arguments_is_called():
    x = strict.asarray([1.0, 4.0])
    assert type(xp.sqrt(x)) is type(x)
    assert type(xp.concat([x, x])) is type(x)
    assert type(xp.multiply(2.0, x)) is type(x)
    assert isinstance(xp.sqrt(np.ones(2)), np.ndarray)
    assert xp.sqrt(4.0) == 2.0
    v = hg.variable(np.ones(2))
    assert namespace_of(1.0, [np.ones(2), v]) is v.__array_namespace__()


def test_what_arrays_can_be_asked():
    assert (shape(2.0), shape(np.ones((2, 3))), size(np.ones((2, 3))), size(1)) == ((), (2, 3), 6, 1)
    v = hg.variable(np.ones(2))
    assert [is_floating(x) for x in (1.0, 1, True, np.ones(2), np.arange(2), v)] == [1, 0, 0, 1, 0, 1]
    assert [is_integer(x) for x in (1.0, 1, True, np.ones(2), np.arange(2), v)] == [0, 1, 0, 0, 1, 0]
    assert stripped(hg.Variable(hg.variable(1.5), 1)) == 1.5


@pytest.mark.parametrize("target", [(), (1,), (3,), (1, 3), (2, 3), (2, 1), (1, 1), (4, 2, 3), (1, 2, 1)])
def test_sum_to_undoes_broadcasting(target):
    g = np.random.default_rng(0).normal(size=(4, 2, 3))
    x = np.random.default_rng(1).normal(size=target)
    summed = sum_to(g, target)
    assert summed.shape == target
    np.testing.assert_allclose(np.sum(summed * x), np.sum(g * np.broadcast_to(x, g.shape)))


def test_sum_to_of_nothing():
    np.testing.assert_array_equal(sum_to(np.ones((0, 3)), (1, 3)), np.zeros((1, 3)))
    np.testing.assert_array_equal(sum_to(np.ones((0, 3)), (3,)), np.zeros(3))


def test_random_numbers_are_a_function_of_key_and_shape():
    x, key = np.empty((100, 50)), np.array([1, 2], np.uint32)
    drawn = xp.random_uniform(x, key)
    assert drawn.dtype == np.float32
    assert 0 <= drawn.min() < 0.01
    assert 0.99 < drawn.max() < 1
    np.testing.assert_array_equal(drawn, xp.random_uniform(x, key))
    others = [
        np.array([2, 1], np.uint32),
        xp.fold_in(key, 0),
        xp.fold_in(key, 1),
        xp.fold_in(xp.fold_in(key, 1), 1),
    ]
    draws = [drawn, *(xp.random_uniform(x, other) for other in others)]
    for i, a in enumerate(draws):
        for b in draws[:i]:
            assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 0.06


def test_the_largest_key():
    key = np.array([2**32 - 1, 2**32 - 1], np.uint32)
    assert xp.random_uniform(np.empty(3), key).shape == (3,)
    assert xp.fold_in(key, 2**31).dtype == np.uint32


def test_trees_are_taken_apart_and_put_together():
    Pair = namedtuple("Pair", "a b")
    tree = {"z": [1, (2, 3)], "a": Pair(4, {"c": 5}), "empty": [], "none": None}
    assert leaves(tree) == [1, 2, 3, 4, 5, None]
    again = unflatten(tree, leaves(tree))
    assert again == tree
    assert list(again) == list(tree)
    assert type(again["a"]) is Pair
    assert tree_map(lambda x, y: (x, y), [1, (2,)], [3, (4,)]) == [(1, 3), ((2, 4),)]
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        tree_map(lambda x, y: x, [1, 2], [1])


# Libraries beside each other, and libraries that nobody told of.


def unwrapped(x):
    if isinstance(x, (list, tuple)):
        return type(x)(map(unwrapped, x))
    return x.x if isinstance(x, Foreign) else x


class ForeignNamespace:
    """NumPy's functions for ``Foreign`` arrays."""

    def __getattr__(self, name):
        function = getattr(np, name)

        def wrapped(*args, **options):
            made = function(*map(unwrapped, args), **options)
            return Foreign(made) if isinstance(made, (np.ndarray, np.generic)) else made

        return wrapped if callable(function) and not isinstance(function, type) else function


class Foreign:
    """An array of a library that handgrad does not know: of the standard, and no NumPy array."""

    __array_ufunc__ = None

    def __init__(self, x):
        self.x = np.asarray(x)

    dtype = property(lambda self: self.x.dtype)
    shape = property(lambda self: self.x.shape)

    def __array_namespace__(self, api_version=None):
        return NAMESPACE

    def __array__(self, dtype=None, copy=None):
        return self.x


def operator(name):
    return lambda *args: Foreign(getattr(args[0].x, name)(*map(unwrapped, args[1:])))


NAMESPACE = ForeignNamespace()
for name in "add radd sub rsub mul rmul truediv rtruediv neg eq ge gt le lt and or pow getitem".split():
    setattr(Foreign, f"__{name}__", operator(f"__{name}__"))


def test_arrays_of_an_unknown_library_that_follows_the_standard():
    x = np.random.default_rng(0).normal(size=(3, 4))
    for rule, options in (
        *((rule, {}) for rule in (hg.exp, hg.sigmoid, hg.softmax, hg.tanh, hg.erf, hg.gelu, hg.norm)),
        (hg.logsumexp, {"axis": 0}),
        (hg.std, {"axis": 1}),
    ):
        out, backward = rule.vjp(Foreign(x), **options)
        wanted, wanted_backward = rule.vjp(x, **options)
        assert isinstance(out, Foreign)
        np.testing.assert_allclose(out.x, wanted, rtol=1e-14)
        (dx,) = backward(Foreign(np.ones_like(wanted)))
        assert isinstance(dx, Foreign)
        np.testing.assert_allclose(dx.x, wanted_backward(np.ones_like(wanted))[0], rtol=1e-12, atol=1e-15)
    dx = hg.getitem.vjp(Foreign(x), np.array([0, 0, 2]))[1](Foreign(np.ones((3, 4))))[0]
    np.testing.assert_array_equal(dx.x, [[2] * 4, [0] * 4, [1] * 4])


@pytest.mark.parametrize("library", ["torch", "strict"])
def test_numpys_labels_and_indices_beside_other_arrays(library):
    make = strict.asarray if library == "strict" else pytest.importorskip("torch").as_tensor
    r = np.random.default_rng(0)
    x, dout = r.normal(size=(4, 3)), r.normal(size=(4, 2))
    labels, pick = np.array([0, 2, 1, 1]), np.array([[0, 2], [1, 1], [2, 0], [0, 0]])
    for rule, others, options, up in (
        (hg.softmax_cross_entropy, (labels,), {}, 1.0),
        (hg.softmax_cross_entropy, (labels,), {"ignore_index": 1, "label_smoothing": 0.1}, 1.0),
        (hg.softmax_cross_entropy, (np.eye(3)[labels],), {}, 1.0),
        (hg.binary_cross_entropy_with_logits, (x > 0,), {}, 1.0),
        (hg.take_along_axis, (pick,), {}, dout),
        (hg.take, (np.array([2, 0]),), {"axis": 1}, dout),
        (hg.getitem, ((slice(None), np.array([2, 0])),), {}, dout),
    ):
        out, backward = rule.vjp(make(x), *others, **options)
        wanted, wanted_backward = rule.vjp(x, *others, **options)
        assert type(out) is type(make(x))
        np.testing.assert_allclose(np.asarray(out), wanted, rtol=1e-14)
        dx = backward(make(np.asarray(up)))[0]
        np.testing.assert_allclose(np.asarray(dx), wanted_backward(np.asarray(up))[0], rtol=1e-14)
    condition = r.normal(size=(4, 3)) > 0
    out, backward = hg.where.vjp(condition, make(x), make(-x))
    np.testing.assert_array_equal(np.asarray(out), np.where(condition, x, -x))
    np.testing.assert_array_equal(np.asarray(backward(make(x))[1]), np.where(condition, x, 0))


def test_a_label_out_of_range_is_named_beside_tensors_too():
    torch = pytest.importorskip("torch")
    with pytest.raises(ValueError, match="label 7 is out of range"):
        hg.softmax_cross_entropy(torch.zeros(2, 3), np.array([0, 7]))


STEPS = [
    slice(None, None, -1),
    (slice(4, 0, -2),),
    (..., slice(None, None, -3)),
    (None, slice(2, None, -1), 1),
    (1, ..., slice(None, None, -1)),
    (slice(1, 3), slice(None, None, -2)),
    (slice(0, 3, -1),),
]


@pytest.mark.parametrize("index", STEPS, ids=str)
def test_negative_steps_of_tensors(index):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(5, 4, 3))
    out, backward = hg.getitem.vjp(torch.as_tensor(x), index)
    np.testing.assert_array_equal(out.numpy(), x[index])
    dout = np.random.default_rng(1).normal(size=x[index].shape)
    dx = backward(torch.as_tensor(dout))[0]
    np.testing.assert_array_equal(dx.numpy(), hg.getitem.vjp(x, index)[1](dout)[0])


def test_subclasses_of_tensors_are_tensors():
    torch = pytest.importorskip("torch")

    class Marked(torch.Tensor):
        pass

    x = torch.ones(3, dtype=torch.float64).as_subclass(Marked)
    out, backward = hg.sigmoid.vjp(x)
    assert type(out) is Marked
    (dx,) = backward(torch.ones(3, dtype=torch.float64))
    np.testing.assert_allclose(dx.numpy(), hg.sigmoid.vjp(np.ones(3))[1](np.ones(3))[0])
