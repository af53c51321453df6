import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from handgrad.data import DataError, Preparation, Table, TargetScale, load

RNG = np.random.default_rng(0)
TRAIN = Table({"age": [20, 40, 60], "city": ["Rome", "Paris", "Rome"], "one": [7, 7, 7]})
GAPS = Table({"age": [20, None, 90, 40], "city": ["Rome", "Paris", None, "Rome"], "n": [1, 2, 3, 4]})


def reread(preparation):
    return Preparation.from_json(json.loads(json.dumps(preparation.to_json(), allow_nan=False)))


@pytest.mark.parametrize("top", [1, 16, 255])
def test_whole_numbers_are_divided_by_their_full_scale(top):
    x = RNG.integers(0, top + 1, (5, 2, 3), dtype=np.uint8)
    x[0, 0, 0] = top
    prep = Preparation.fit(x)
    out = prep(x)
    assert (out.dtype, out.shape, prep.shape) == (np.float32, (5, 2, 3), (2, 3))
    np.testing.assert_array_equal(out, (x / top).astype(np.float32))
    np.testing.assert_array_equal(prep(x, np.float64), x / top)
    assert prep.columns == ("x[0, 0]", "x[0, 1]", "x[0, 2]", "x[1, 0]", "x[1, 1]", "x[1, 2]")


def test_digits_have_sixteen_grey_levels():
    train, test = load("digits").split()
    out = Preparation.fit(train.x)(test.x, np.float64)
    np.testing.assert_array_equal(out * 16, test.x)


def test_booleans_are_zero_and_one():
    x = np.array([[True, False], [False, True]])
    np.testing.assert_array_equal(Preparation.fit(x)(x), x.astype(np.float32))


def test_images_of_another_scale_are_refused():
    prep = Preparation.fit(np.full((2, 3), 16, np.uint8))
    with pytest.raises(DataError, match="x holds 17 to 17, but the training part was from 0 to 16"):
        prep(np.full((2, 3), 17, np.uint8))
    with pytest.raises(DataError, match="x is float64, but the training part was whole numbers"):
        prep(np.full((2, 3), 0.5))
    np.testing.assert_array_equal(prep(np.full((1, 3), 8)), np.full((1, 3), 0.5))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.float16])
def test_other_arrays_are_standardised_feature_by_feature(dtype):
    x = (RNG.normal(size=(50, 3, 2)) * 20 + 5).astype(dtype)
    prep = Preparation.fit(x)
    out = prep(x, np.float64)
    wide = x.astype(np.float64)
    np.testing.assert_allclose(out, (wide - wide.mean(axis=0)) / wide.std(axis=0), rtol=1e-12, atol=1e-12)
    assert prep(x).dtype == np.float32
    assert prep.shape == (3, 2)


@pytest.mark.parametrize("n", [*range(2, 30), 1000])
def test_what_is_constant_is_zero_whatever_comes_later(n):
    """Also where n of it, added up and divided by n, is not quite what it was."""
    x = np.column_stack([np.full(n, 0.1), np.full(n, 1e9 / 3), np.arange(float(n))])
    prep = Preparation.fit(x)
    np.testing.assert_array_equal(prep(x)[:, :2], 0)
    np.testing.assert_array_equal(prep(x + 5)[:, :2], 0)
    assert prep(x + 5)[-1, 2] > prep(x)[-1, 2]


def test_a_large_mean_does_not_swallow_a_small_spread():
    x = 1e8 + RNG.normal(size=(1000, 1))
    out = Preparation.fit(x)(x, np.float64)
    assert abs(out.std() - 1) < 1e-6
    assert abs(out.mean()) < 1e-6


def test_only_the_training_part_is_looked_at():
    train, test = RNG.normal(size=(30, 2)), RNG.normal(size=(10, 2)) * 100
    prep = Preparation.fit(train)
    np.testing.assert_allclose(prep(test, np.float64), (test - train.mean(axis=0)) / train.std(axis=0))


def test_a_preparation_of_a_memory_map_is_that_of_the_array(tmp_path, monkeypatch):
    monkeypatch.setattr("handgrad.data.prepare.CHUNK", 64)
    x = RNG.normal(size=(101, 3, 3))
    x[50, 1, 1] = np.nan
    np.savez(tmp_path / "a.npz", x=x)
    mapped = load(tmp_path / "a.npz").x
    prep = Preparation.fit(mapped, impute=True)
    filled = np.where(np.isnan(x), np.nanmedian(x, axis=0), x)
    np.testing.assert_allclose(
        prep(mapped, np.float64), (filled - filled.mean(axis=0)) / filled.std(axis=0), atol=1e-12
    )


def test_a_memory_map_is_fitted_without_being_read_whole(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.ones((500, 50_000), np.float32))
    mapped = load(tmp_path / "a.npz").x
    tracemalloc.start()
    try:
        Preparation.fit(mapped)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 150e6, "as float64 the whole of it is 200 MB"


@settings(deadline=None)
@given(
    x=hnp.arrays(np.float64, (4, 3), elements=st.floats(-1e100, 1e100)),
    more=hnp.arrays(np.float64, (2, 3), elements=st.floats(-1e100, 1e100)),
    impute=st.booleans(),
)
def test_json_keeps_every_bit(x, more, impute):
    prep = Preparation.fit(x, impute)
    for given_x in (x, more):
        np.testing.assert_array_equal(reread(prep)(given_x, np.float64), prep(given_x, np.float64))
    assert reread(prep).to_json() == prep.to_json()


def test_json_keeps_scaled_images_and_tables():
    images = RNG.integers(0, 17, (4, 8, 8), dtype=np.uint8)
    for x in (images, TRAIN):
        prep = Preparation.fit(x, impute=True)
        np.testing.assert_array_equal(reread(prep)(x), prep(x))
        assert (reread(prep).shape, reread(prep).columns) == (prep.shape, prep.columns)


@pytest.mark.parametrize(
    "d", [{}, {"kind": "magic"}, {"kind": "table"}, {"kind": "standardised", "mean": [1]}]
)
def test_json_that_is_none_is_refused(d):
    with pytest.raises(DataError, match="no preparation"):
        Preparation.from_json(d)


def test_a_table_is_standardised_and_one_hot():
    prep = Preparation.fit(TRAIN)
    assert prep.columns == ("age", "city=Paris", "city=Rome", "one")
    assert prep.shape == (4,)
    z = np.sqrt(1.5)
    expected = [[-z, 0, 1, 0], [0, 1, 0, 0], [z, 0, 1, 0]]
    np.testing.assert_allclose(prep(TRAIN, np.float64), expected, atol=1e-15)
    assert prep(TRAIN).dtype == np.float32


def test_columns_may_come_in_another_order_with_others_between():
    prep = Preparation.fit(TRAIN)
    shuffled = Table({"extra": ["?"], "one": [7], "city": ["Paris"], "age": [40]})
    np.testing.assert_array_equal(prep(shuffled), [[0, 1, 0, 0]])


def test_an_absent_column_is_named():
    with pytest.raises(DataError, match="'age', 'one'; there are 'city', 'Age'"):
        Preparation.fit(TRAIN)(Table({"city": ["Rome"], "Age": [1]}))


def test_an_unseen_level_is_named_with_the_known_ones_or_is_zeros():
    prep = Preparation.fit(TRAIN)
    new = Table({"age": [40, 40], "city": ["Rome", "Oslo"], "one": [7, 7]})
    with pytest.raises(DataError, match=r"'city' holds 'Oslo' in row 2.*'Paris', 'Rome'"):
        prep(new)
    np.testing.assert_array_equal(prep(new, unseen="zeros"), [[0, 0, 1, 0], [0, 0, 0, 0]])
    with pytest.raises(DataError, match="'error' or 'zeros'"):
        prep(new, unseen="ignore")


def test_missing_values_are_an_error_that_names_columns_and_rows():
    with pytest.raises(DataError, match=r"2 rows lack values: age \(1\), city \(1\).*impute=True") as said:
        Preparation.fit(GAPS)
    assert "--impute" in said.value.for_command
    assert "impute=True" not in said.value.for_command
    prep = Preparation.fit(GAPS.take([0, 3]))
    with pytest.raises(DataError, match=r"1 row lacks values: age \(1\)"):
        prep(GAPS.take([0, 1]))


def test_missing_values_are_filled_as_in_the_training_part():
    prep = Preparation.fit(GAPS, impute=True)
    filled = Table({"age": [20, 40, 90, 40], "city": ["Rome", "Paris", "Rome", "Rome"], "n": [1, 2, 3, 4]})
    np.testing.assert_array_equal(prep(GAPS), Preparation.fit(filled)(filled))
    assert "city=" not in prep.columns
    later = Table({"age": [None], "city": [None], "n": [None]})
    np.testing.assert_array_equal(prep(later), prep(Table({"age": [40], "city": ["Rome"], "n": [2.5]})))
    np.testing.assert_array_equal(reread(prep)(later), prep(later))


@pytest.mark.parametrize("chunk", [1, 1 << 22])
def test_missing_numbers_of_an_array_are_named_or_filled(monkeypatch, chunk):
    monkeypatch.setattr("handgrad.data.prepare.CHUNK", chunk)
    x = np.array([[1.0, 2, 5], [np.nan, 4, 5], [3, np.nan, np.nan], [8, 6, np.nan]])
    with pytest.raises(DataError, match=r"3 rows lack values: x\[0\] \(1\), x\[1\] \(1\), x\[2\] \(2\)"):
        Preparation.fit(x)
    prep = Preparation.fit(x, impute=True)
    filled = np.where(np.isnan(x), [3, 4, 5], x)
    np.testing.assert_array_equal(prep(x), Preparation.fit(filled)(filled))
    with pytest.raises(DataError, match="lack values"):
        Preparation.fit(filled)(x)


@pytest.mark.parametrize("impute", [False, True])
def test_what_has_no_value_at_all_is_refused(impute):
    with pytest.raises(DataError, match="training part: b" if impute else "lack values"):
        Preparation.fit(Table({"a": [1, 2], "b": [None, None]}), impute)
    with pytest.raises(DataError, match=r"x\[1\] has no value" if impute else "lack values"):
        Preparation.fit(np.array([[1, np.nan], [2, np.nan]]), impute)


@pytest.mark.parametrize("impute", [False, True])
@pytest.mark.parametrize("bad", [np.inf, -np.inf])
def test_infinite_numbers_are_named(monkeypatch, impute, bad):
    monkeypatch.setattr("handgrad.data.prepare.CHUNK", 1)
    x = np.arange(6.0).reshape(3, 2)
    prep = Preparation.fit(x, impute)
    x[1, 1] = bad
    for call in (lambda: Preparation.fit(x, impute), lambda: prep(x)):
        with pytest.raises(DataError, match=r"x\[1\] is infinite in row 2"):
            call()
    table = Table({"age": x[:, 1]})
    with pytest.raises(DataError, match="'age' is infinite in row 2"):
        Preparation.fit(table, impute)
    with pytest.raises(DataError, match="'age' is infinite in row 2"):
        Preparation.fit(Table({"age": [1, 2]}), impute)(table)


def test_numbers_that_overflow_are_refused():
    with pytest.raises(DataError, match="too large"):
        Preparation.fit(np.array([[1e300], [-1e300]]))


def test_a_column_may_come_as_the_other_kind_where_nothing_is_lost():
    """A file of a few rows may show only the levels that read as numbers, or no value at all."""
    prep = Preparation.fit(Table({"code": ["1", "2", "B"], "n": [1, 2, 3]}), impute=True)
    assert prep.columns == ("code=1", "code=2", "code=B", "n")
    np.testing.assert_array_equal(prep(Table({"code": [2, 1], "n": ["", ""]}))[:, :3], [[0, 1, 0], [1, 0, 0]])
    with pytest.raises(DataError, match="'n' held numbers in the training part, but holds 'many' in row 2"):
        prep(Table({"code": ["1", "1"], "n": ["", "many"]}))
    with pytest.raises(DataError, match="'code' holds '3'"):
        prep(Table({"code": [3], "n": [1]}))


def test_marks_for_what_is_missing_may_come_as_text():
    prep = Preparation.fit(Table({"n": [1, 2, 3]}), impute=True)
    np.testing.assert_array_equal(prep(Table({"n": ["?", "3", "NA"]})), prep(Table({"n": [2, 3, 2]})))
    with pytest.raises(DataError, match="holds 'many' in row 2"):
        prep(Table({"n": ["?", "many", "3"]}))


def test_dates_are_not_taken_for_other_numbers():
    dates = Table({"day": [18000.0, 18001.0, 18003.0]}, {"day": "date"})
    prep = reread(Preparation.fit(dates))
    np.testing.assert_array_equal(prep(dates), prep(Table(dates.columns)))
    with pytest.raises(DataError, match="'day' held dates in the training part, but holds numbers"):
        prep(Table({"day": [20200101.0]}, {"day": "number"}))
    other = Preparation.fit(Table(dates.columns, {"day": "number"}), impute=True)
    with pytest.raises(DataError, match="'day' held numbers in the training part, but holds dates"):
        other(dates)
    other(Table({"day": [np.nan]}, {"day": "date"}))


def test_identifiers_are_not_one_hot_encoded():
    names = [f"user-{i}" for i in range(1001)]
    with pytest.raises(DataError, match="'id' holds 1,001 different texts"):
        Preparation.fit(Table({"id": names}))
    assert Preparation.fit(Table({"id": names[:1000]})).shape == (1000,)


@pytest.mark.parametrize("dtype", [np.uint8, np.float64])
def test_another_shape_is_refused_with_both(dtype):
    prep = Preparation.fit(np.arange(12, dtype=dtype).reshape(2, 2, 3))
    with pytest.raises(DataError, match=r"of shape \(5, 3, 2\); expected numbers of shape \(N, 2, 3\)"):
        prep(np.zeros((5, 3, 2), dtype))
    assert prep(np.zeros((0, 2, 3), dtype)).shape == (0, 2, 3)


def test_tables_and_arrays_are_not_confused():
    with pytest.raises(
        DataError, match=r"x is an array of shape \(2, 3\), but the training part was a table with .* age"
    ):
        Preparation.fit(TRAIN)(np.zeros((2, 3)))
    with pytest.raises(DataError, match="x is a table with the columns age, city, one; expected an array"):
        Preparation.fit(np.zeros((2, 3)))(TRAIN)


@pytest.mark.parametrize("x", [np.zeros((0, 3)), Table({"a": []}), np.zeros(3), np.array([["a"]])])
def test_what_cannot_be_fitted_is_refused(x):
    with pytest.raises(DataError, match=r"no examples|inputs are numbers"):
        Preparation.fit(x)


def test_preparing_leaves_its_input_alone():
    x = RNG.normal(size=(4, 2))
    x[1, 1] = np.nan
    before = x.copy()
    Preparation.fit(x, impute=True)(x)
    np.testing.assert_array_equal(x, before)


@pytest.mark.parametrize("shape", [(20,), (20, 3)])
def test_targets_are_scaled_and_brought_back(shape):
    t = RNG.normal(size=shape) * 300 + 1000
    scale = TargetScale.fit(t)
    z = scale.scale(t, np.float64)
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose(z.std(axis=0), 1)
    np.testing.assert_allclose(scale.unscale(z), t)
    assert scale.scale(t).dtype == np.float32
    again = TargetScale.from_json(json.loads(json.dumps(scale.to_json())))
    np.testing.assert_array_equal(again.scale(t, np.float64), z)
    np.testing.assert_array_equal(again.unscale(z), scale.unscale(z))


def test_the_outputs_of_a_network_are_unscaled_as_a_column():
    scale = TargetScale.fit(np.array([1.0, 3.0]))
    np.testing.assert_array_equal(scale.unscale(np.array([[0.0], [1.0]], np.float32)), [[2], [3]])


def test_a_constant_target_comes_back():
    scale = TargetScale.fit(np.array([[5.0, 1], [5, 3]]))
    np.testing.assert_array_equal(scale.scale(np.array([[5.0, 1]])), [[0, -1]])
    np.testing.assert_array_equal(scale.unscale(np.zeros((1, 2))), [[5, 2]])


def test_targets_that_are_not_finite_are_refused():
    for t in (np.array([]), np.array([1, np.nan])):
        with pytest.raises(DataError, match="targets of shape"):
            TargetScale.fit(t)
