"""Optimisers, layers, losses, metrics and schedules that do what they like: see ``hostile``."""

import collections

import pytest

from tests.engine import hostile


@pytest.mark.parametrize("first", range(0, 40, 10))
def test_native_training_does_what_numpy_s_does(first):
    for seed in range(first, first + 10):
        hostile.compare(seed)


@pytest.mark.slow
@pytest.mark.parametrize("first", range(1000, 2000, 100))
def test_many(first):
    counts = collections.Counter(hostile.compare(seed) for seed in range(first, first + 100))
    assert counts[False] > 20
