"""Mistakes that live pages plant into rules: whom they reach."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import handgrad as hg
from handgrad.rules import softmax_cross_entropy
from handgrad.view.live.mistakes import MISTAKES, Planted, planting

X, T = np.random.default_rng(0).normal(size=(5, 3)), np.array([0, 2, 1, 1, 0])
TURNED = Planted(softmax_cross_entropy, next(m for m in MISTAKES if m.words == "turn the sign round"))


def dx():
    return hg.grad(softmax_cross_entropy)(X, T)


@pytest.mark.parametrize("flag", [0.0, 1.0])
def test_a_planted_mistake_is_made_where_its_flag_is_set_and_only_meanwhile(flag):
    right = dx()
    with planting([TURNED], np.array([flag])):
        np.testing.assert_array_equal(dx(), -right if flag else right)
    np.testing.assert_array_equal(dx(), right)


def test_another_thread_is_right_meanwhile():
    right = dx()
    with planting([TURNED], np.ones(1)), ThreadPoolExecutor(1) as pool:
        np.testing.assert_array_equal(pool.submit(dx).result(), right)
        np.testing.assert_array_equal(dx(), -right)
