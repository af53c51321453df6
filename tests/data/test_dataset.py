import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from handgrad.data import DataError, Dataset, Table, split_rows


def numbered(n):
    """Examples that say which they are, in x as in t."""
    return Dataset(np.arange(2.0 * n).reshape(n, 2), np.arange(n, dtype=float), name="numbered")


@settings(deadline=None)
@given(n=st.integers(2, 300), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 9))
def test_a_split_is_a_partition(n, fraction, seed):
    if not 0 < round(n * fraction) < n:
        with pytest.raises(DataError, match="empty"):
            split_rows(n, fraction, seed)
        return
    train, test = numbered(n).split(fraction, seed)
    assert len(test) == round(n * fraction)
    np.testing.assert_array_equal(np.sort(np.concatenate([train.t, test.t])), np.arange(n))
    for part in (train, test):
        np.testing.assert_array_equal(part.x[:, 0], 2 * part.t)


def test_a_split_shuffles_by_its_seed_alone():
    first = numbered(100).split(seed=1)
    again = numbered(100).split(seed=1)
    other = numbered(100).split(seed=2)
    np.testing.assert_array_equal(first[0].t, again[0].t)
    assert not np.array_equal(first[1].t, other[1].t)
    assert not np.array_equal(np.sort(first[1].t), first[1].t)
    assert len(first[1]) == 20


def test_a_split_takes_a_count():
    train, test = numbered(10).split(test=3)
    assert (len(train), len(test)) == (7, 3)


@pytest.mark.parametrize("test", [0, 1.0, 2.5, -1, -0.2, 10, 11, float("nan")])
def test_a_split_refuses_what_leaves_a_part_empty(test):
    with pytest.raises(DataError, match="test"):
        numbered(10).split(test)


def test_take_keeps_everything_together():
    table = Table({"age": [1, None, 3], "city": ["a", None, "c"]})
    data = Dataset(table, np.array([0, 1, 0]), ("no", "yes"), "d", ("e0", "e1", "e2")).take([2, 1, 2])
    np.testing.assert_array_equal(data.x["age"], [3, np.nan, 3])
    assert data.x["city"].tolist() == ["c", "", "c"]
    assert data.t.tolist() == [0, 1, 0]
    assert (data.classes, data.name, data.examples) == (("no", "yes"), "d", ("e2", "e1", "e2"))


def test_take_copies():
    data = numbered(4)
    data.take([0, 1]).x[:] = -1
    assert data.x.min() == 0


def test_the_task_follows_from_classes_and_targets():
    x = np.zeros((2, 1))
    assert Dataset(x, np.array([0, 1]), ("a", "b")).task == "classification"
    assert Dataset(x, None, ("a", "b")).task == "classification"
    assert Dataset(x, np.zeros(2)).task == "regression"
    assert Dataset(x).task is None


@pytest.mark.parametrize(
    ("t", "classes", "says"),
    [
        (np.zeros(3), None, "2 examples in x but 3 targets"),
        (np.array([0, 2]), ("a", "b"), "0 to 2; 2 classes"),
        (np.array([-1, 0]), ("a", "b"), "-1 to 0"),
        (np.zeros(2), ("a", "b"), "class indices are integers"),
        (np.array([0, 1]), None, "finite floats"),
        (np.array([0, np.nan]), None, "finite floats"),
    ],
)
def test_targets_that_do_not_fit_are_refused(t, classes, says):
    with pytest.raises(DataError, match=says):
        Dataset(np.zeros((2, 1)), t, classes)


def test_a_table_makes_its_columns_numbers_or_text():
    table = Table({"n": [1, 2], "b": np.array([True, False]), "gap": [None, 2.5], "s": ["x", None]})
    assert table.names == ("n", "b", "gap", "s")
    assert [table[name].dtype.kind for name in table.names] == ["f", "f", "f", "T"]
    np.testing.assert_array_equal(table["gap"], [np.nan, 2.5])
    assert table["s"].tolist() == ["x", ""]
    assert len(table) == 2


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        ({}, "without columns"),
        ({"a": [1], "b": [1, 2]}, "differ in length"),
        ({"a": [[1, 2]]}, "one axis"),
        ({"a": ["x", 1, None]}, "column 'a' mixes text"),
        ({"a": [1j]}, "complex"),
    ],
)
def test_a_table_refuses_what_it_cannot_hold(columns, says):
    with pytest.raises(DataError, match=says):
        Table(columns)


@pytest.mark.parametrize("dtype", [">i8", ">i4", "u1", "i2", ">u2"])
def test_class_indices_of_any_kind_are_int64(dtype):
    data = Dataset(np.zeros((3, 1)), np.array([0, 1, 1], dtype), ("a", "b"))
    assert data.t.dtype == np.int64
    assert data.t.dtype.isnative
    assert data.t.tolist() == [0, 1, 1]


@pytest.mark.parametrize("dtype", [">f8", ">f4", "f4", "f2"])
def test_targets_of_any_kind_are_float64(dtype):
    data = Dataset(np.zeros((3, 1)), np.array([0.5, 1, 2], dtype))
    assert (data.t.dtype, data.t.tolist()) == (np.dtype("=f8"), [0.5, 1, 2])


def test_lists_are_taken():
    train, test = Dataset([[1, 2], [3, 4]], [0.5, 1.5]).split(1)
    assert (train.x.shape, test.t.shape) == ((1, 2), (1,))


def test_take_takes_a_mask():
    data = numbered(4)
    assert data.take([True, False, True, False]).t.tolist() == [0, 2]
    assert data.take([]).t.tolist() == []
    for wrong in ([True, False], [0.0, 1.0], [[0]], 1):
        with pytest.raises(DataError, match="whole numbers, or 4 bools"):
            data.take(wrong)


class Frame:
    columns = ("a",)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Dataset(Frame()), "x is a Frame; handgrad.data.from_frame"),
        (lambda: Dataset(["a", "b"]), "inputs are numbers"),
        (lambda: Dataset(5), r"of shape \(\)"),
        (lambda: Dataset(np.zeros((2, 1)), 3.0), "2 examples in x but 1 targets"),
        (lambda: Dataset(np.zeros((2, 1)), [0, 1], "ab"), "classes are names"),
        (lambda: Dataset(np.zeros((2, 1)), examples=("a",)), "2 examples in x but 1 names"),
        (lambda: numbered(4).split(True), "test is True"),
        (lambda: numbered(4).split("half"), "test is 'half'"),
        (lambda: numbered(4).split(1, 1.5), r"seed is 1\.5"),
    ],
)
def test_what_is_no_data_is_refused(make, says):
    with pytest.raises(DataError, match=says):
        make()
