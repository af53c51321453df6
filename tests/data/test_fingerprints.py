"""Rows are known by what is in them."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from handgrad.data import Dataset, Fingerprints, Preparation, Rows, Table
from handgrad.data.bits import bits, bits_of_text
from handgrad.data.fingerprints import count, place

SMALL = hnp.arrays(np.int64, st.tuples(st.integers(4, 40), st.just(2)), elements=st.integers(0, 2))


def fitted(rows, test=0.3):
    """A training on rows (N, 2), inputs and class: its parts, its preparation, and what it has seen."""
    data = Dataset(rows[:, :1].astype(float), rows[:, 1], ("a", "b", "c"))
    train, held_out = data.split(test, seed=0)
    preparation = Preparation.fit(train.x)
    return data, train, held_out, preparation, Fingerprints.of([train], held_out, preparation)


@settings(deadline=None)
@given(rows=SMALL, seed=st.integers(0, 5))
def test_the_same_rows_in_any_order_are_split_as_they_were(rows, seed):
    """Also where rows are equal: what is held out is, as a collection, what was held out."""
    data, _, held_out, preparation, seen = fitted(rows)
    shuffled = data.take(np.random.default_rng(seed).permutation(len(data)))
    trained_on, alike = seen.known(shuffled, preparation)
    left = shuffled.take(np.flatnonzero(~trained_on))
    pairs = [sorted(zip(part.x[:, 0], part.t, strict=True)) for part in (left, held_out)]
    assert pairs[0] == pairs[1]
    assert (alike | ~trained_on).all()


@settings(deadline=None)
@given(rows=SMALL, seed=st.integers(0, 5))
def test_further_copies_are_no_news(rows, seed):
    data, train, held_out, preparation, seen = fitted(rows)
    both = data.take(np.random.default_rng(seed).permutation(np.repeat(np.arange(len(data)), 3)))
    trained_on, _ = seen.known(both, preparation)
    of_training = np.isin(both.x[:, 0], train.x[:, 0])
    assert trained_on.sum() == of_training.sum() - np.isin(held_out.x[:, 0], train.x[:, 0]).sum()
    assert not trained_on[~of_training].any()


def test_new_rows_are_new_and_another_target_is_no_disguise():
    rows = np.column_stack([np.arange(20), np.arange(20) % 3])
    _, train, _, preparation, seen = fitted(rows)
    new = Dataset(np.arange(20.0)[:, None] + 0.5, rows[:, 1], ("a", "b", "c"))
    assert not np.any(seen.known(new, preparation))
    relabelled = Dataset(train.x, (train.t + 1) % 3, train.classes)
    assert np.all(seen.known(relabelled, preparation))


def test_a_table_is_known_whatever_its_columns_are_beside():
    table = Table({"age": [1, None, 3, 4.5, 7], "city": ["a", "b", "", "b", "a"]})
    data = Dataset(table, np.array([0, 1, 0, 1, 1]), ("n", "y"))
    preparation = Preparation.fit(table, impute=True)
    seen = Fingerprints.of([data.take([0, 1, 2])], data.take([3, 4]), preparation)
    other = Table({"id": [9, 8, 7, 6, 5], "city": table["city"], "age": table["age"]})
    trained_on, alike = seen.known(Dataset(other, data.t, data.classes), preparation)
    assert trained_on.tolist() == alike.tolist() == [True, True, True, False, False]


@pytest.mark.parametrize("chunk", [1, 7, 1 << 20])
def test_images_rows_and_chunks(monkeypatch, chunk):
    monkeypatch.setattr("handgrad.data.fingerprints.CHUNK", chunk)
    x = np.random.default_rng(0).integers(256, size=(30, 2, 2), dtype=np.uint8)
    data = Dataset(Rows(x, np.arange(30)), np.arange(30) % 2, ("a", "b"))
    preparation = Preparation.fit(data.x)
    seen = Fingerprints.of(
        [data.take(range(10)), data.take(range(10, 20))], data.take(range(20, 30)), preparation
    )
    wide = Dataset(x[::-1].astype(np.int64), data.t[::-1], data.classes)
    assert seen.known(wide, preparation)[0].tolist() == [False] * 10 + [True] * 20


def test_bits_have_one_nan_and_one_zero_and_any_dtype():
    same = [np.array([0.0, np.nan, 3]), np.array([-0.0, -np.nan, 3], ">f4"), np.float16([0, np.nan, 3])]
    assert len({bits(values).tobytes() for values in same}) == 1
    texts = np.array(["a", "", "b", "a"], np.dtypes.StringDType())
    assert len(set(bits_of_text(texts).tolist())) == 3


def test_places_and_counts():
    values = np.array([5, 3, 5, 5, 9], np.uint64)
    assert place(values, np.array([2, 0, 0, 1, 0])).tolist() == [2, 0, 0, 1, 0]
    assert count(values, np.array([3, 5, 5], np.uint64)).tolist() == [2, 1, 2, 2, 0]
