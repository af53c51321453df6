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
