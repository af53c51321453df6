import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from handgrad.data import DataError, batches, permutation

SMALL = st.integers(0, 200)


@settings(deadline=None)
@given(n=SMALL, seed=SMALL, epoch=SMALL)
def test_a_permutation_holds_each_row_once(n, seed, epoch):
    order = permutation(n, seed, epoch)
    assert order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(order), np.arange(n))


def test_the_order_depends_on_seed_and_epoch_and_nothing_else():
    first = permutation(50, 3, 4)
    np.random.default_rng().random()
    permutation(50, 3, 5)
    np.testing.assert_array_equal(permutation(50, 3, 4), first)
    others = [permutation(50, 3, 5), permutation(50, 4, 4), permutation(50, 4, 3), permutation(50, 0, 0)]
    assert len({tuple(order) for order in [first, *others]}) == 5


def test_the_order_is_the_same_in_every_version():
    """A checkpoint made today is resumed by tomorrow's handgrad."""
    assert permutation(10, 0, 0).tolist() == [4, 9, 8, 7, 5, 3, 0, 1, 2, 6]


@settings(deadline=None)
@given(n=st.integers(1, 100), batch_size=st.integers(1, 30), seed=SMALL)
def test_batches_cover_all_rows_in_the_order_of_the_permutation(n, batch_size, seed):
    parts = list(batches(n, batch_size, seed, epoch=1))
    np.testing.assert_array_equal(np.concatenate(parts), permutation(n, seed, 1))
    assert all(len(part) == batch_size for part in parts[:-1])
    assert 1 <= len(parts[-1]) <= batch_size


def test_drop_last_leaves_out_the_short_batch():
    whole, dropped = (list(batches(10, 4, 0, 0, drop_last=drop)) for drop in (False, True))
    assert [len(part) for part in whole] == [4, 4, 2]
    assert [len(part) for part in dropped] == [4, 4]
    np.testing.assert_array_equal(dropped[1], whole[1])
    assert [len(part) for part in batches(8, 4, 0, 0, drop_last=True)] == [4, 4]


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((10, 0, 0, 0), "batch_size is 0"),
        ((10, -3, 0, 0), "batch_size is -3"),
        ((0, 4, 0, 0), "n is 0"),
        ((10, 4, -1, 0), "seed is -1"),
        ((10, 11, 0, 0, True), "fewer than batch_size 11"),
    ],
)
def test_what_cannot_be_is_refused_at_once(arguments, says):
    with pytest.raises(DataError, match=says):
        batches(*arguments)
