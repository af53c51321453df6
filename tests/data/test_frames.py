"""Frames of pandas and polars and tables of pyarrow, as tables."""

import datetime

import numpy as np
import pytest

from handgrad.data import DataError, Preparation, from_frame, of_frame

DATES = [datetime.datetime(2020, 1, 1), None, datetime.datetime(2020, 1, 3, 12)]
COLUMNS = {
    "whole": [1, 2, 3],
    "number": [1.5, None, 2.0],
    "text": ["a", None, "b"],
    "truth": [True, False, True],
    "gaps": [True, None, False],
    "day": DATES,
}


def frame_of(library):
    made = pytest.importorskip(library)
    if library == "pyarrow":
        return made.table({**COLUMNS, "level": made.array(["x", "y", None]).dictionary_encode()})
    frame = made.DataFrame(COLUMNS)
    if library == "polars":
        return frame.with_columns(made.Series("level", ["x", "y", None], dtype=made.Categorical))
    return frame.assign(level=made.Categorical(["x", "y", None]))


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_what_columns_are_taken_for(library):
    table = of_frame(frame_of(library))
    assert dict(table.kinds) == {
        "whole": "number", "number": "number", "text": "text", "truth": "truth", "gaps": "truth",
        "day": "date", "level": "text",
    }  # fmt: skip
    np.testing.assert_array_equal(table["number"], [1.5, np.nan, 2.0])
    np.testing.assert_array_equal(table["gaps"], [1, np.nan, 0])
    np.testing.assert_array_equal(table["day"], [18262, np.nan, 18264.5])
    assert table["text"].tolist() == ["a", "", "b"]
    assert table["level"].tolist() == ["x", "y", ""]
    assert Preparation.fit(table, impute=True)(table).shape == (3, 9)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow"])
def test_targets(library):
    frame = frame_of(library)
    data = from_frame(frame, target="whole", drop=["day"])
    assert data.classes == ("1", "2", "3")
    assert data.x.names == ("number", "text", "truth", "gaps", "level")
    assert from_frame(frame, target="truth").classes == ("False", "True")
    assert from_frame(frame, target="whole", task="regression").t.tolist() == [1, 2, 3]
    assert from_frame(frame).t is None
    with pytest.raises(DataError, match="no column 'wohle': it has 'whole'"):
        from_frame(frame, target="wohle")


def test_pandas_kinds_of_its_own():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({
        "Int64": pandas.array([1, None, 3], dtype="Int64"),
        "boolean": pandas.array([True, None, False], dtype="boolean"),
        "string": pandas.array(["a", None, "b"], dtype="string"),
        "zone": pandas.to_datetime(["2020-01-01 01:00", None, "2020-01-02 00:00"]).tz_localize("Etc/GMT-1"),
        7: pandas.Categorical([1, 2, 1]),
    })  # fmt: skip
    table = of_frame(frame)
    np.testing.assert_array_equal(table["Int64"], [1, np.nan, 3])
    np.testing.assert_array_equal(table["boolean"], [1, np.nan, 0])
    assert table["string"].tolist() == ["a", "", "b"]
    np.testing.assert_allclose(table["zone"], [18262, np.nan, 18263 - 1 / 24])
    assert table["7"].tolist() == ["1", "2", "1"]
    with pytest.raises(DataError, match="'a' more than once"):
        of_frame(pandas.DataFrame(np.ones((2, 2)), columns=["a", "a"]))
    with pytest.raises(DataError, match="column 'a' holds dict: a column holds numbers"):
        of_frame(pandas.DataFrame({"a": [{}, {}]}))
