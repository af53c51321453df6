"""CSV files, as people and programs write them, without pyarrow."""

import csv
import gzip
import random
import re
import sys

import numpy as np
import pytest

from handgrad.data import DataError, DataWarning, Table, load

PEOPLE = """age,city,member,grade
31,Rome,true,a
,Paris,false,b
45.5,,true,a
"""


def written(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.fixture(autouse=True)
def no_pyarrow(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)


@pytest.fixture
def people(tmp_path):
    return written(tmp_path / "people.csv", PEOPLE)


def test_columns_are_numbers_or_text(people):
    data = load(people, target="grade")
    assert isinstance(data.x, Table)
    assert data.x.names == ("age", "city", "member")
    np.testing.assert_array_equal(data.x["age"], [31, np.nan, 45.5])
    assert data.x["city"].tolist() == ["Rome", "Paris", ""]
    np.testing.assert_array_equal(data.x["member"], [1, 0, 1])
    assert (data.classes, data.t.tolist()) == (("a", "b"), [0, 1, 0])


def test_without_a_target_every_column_is_an_input(people):
    data = load(people)
    assert (data.t, data.task, data.x.names) == (None, None, ("age", "city", "member", "grade"))


@pytest.mark.parametrize(
    ("name", "mark"), [("a.csv", ";"), ("a.tsv", "\t"), ("a.csv.gz", ","), ("a.tsv.gz", "\t")]
)
def test_separators_and_gzip(tmp_path, name, mark):
    data = load(written(tmp_path / name, PEOPLE.replace(",", mark)), target="grade")
    assert data.x.names == ("age", "city", "member")
    assert data.t.tolist() == [0, 1, 0]


def test_text_that_means_missing_among_numbers_stays_text(tmp_path):
    x = load(written(tmp_path / "a.csv", "land,n\nNA,NA\nDE,1\n")).x
    assert x["land"].tolist() == ["NA", "DE"]
    np.testing.assert_array_equal(x["n"], [np.nan, 1])


@pytest.mark.parametrize(
    ("text", "target", "says"),
    [
        ("", None, "is empty: its first line names the columns"),
        ("a,b\n", None, r"columns \(a, b\) but no rows"),
        ("a,b\n1,2\n", "c", "no column 'c': it has 'a', 'b'"),
        ("b\n1\n", "b", "no column but the target 'b'"),
        ("a,a,b\n1,2,3\n", None, "several columns named 'a'.*header"),
        ("a,b\n1,2\n3\n", None, r"line 3 has 1 field \('3'\), but the first line, .* has 2"),
        ("a,b\n1,2\n3,inf\n-inf,1\n", None, "column 'a' is infinite in 1 row, first in row 3"),
        ("a,b\n1,2\n3,\n4,\n", "b", "'b' is missing or infinite in 2 of 3 rows, first in row 2"),
        ("a,b\n1,x\n3,\n", "b", "'b' is missing or infinite in 1 of 2 rows, first in row 2"),
        ("# mine\na,b\n1,2\n", None, "line 2 has 2 fields"),
        ('a,b\n1,"x\n2,y\n', None, "cannot be read at line 3.*is a quote not closed"),
        ("1.5,2,0\n3,4,1\n", None, r"starts with numbers \(1\.5, 2, 0\)"),
        ("a,b\n1,\0\n", None, "bytes of 0, so it is no table of text"),
        ("a,b\n1,2\n3,inf\n", "b", "column 'b' is infinite in 1 row, first in row 2"),
    ],
)
def test_a_bad_csv_is_refused(tmp_path, text, target, says):
    with pytest.raises(DataError, match=rf"a\.csv.*{says}"):
        load(written(tmp_path / "a.csv", text), target=target)


def test_a_table_is_read_as_it_was_written(tmp_path):
    """Quotes, separators, newlines, spaces and letters of all kinds within fields."""
    draw = random.Random(0)
    words = ["a,b", 'say "x"', "two\nlines", "größe", "中文", ";", "\t", "x y", "'", "|", "n/a", "7 kg"]
    rows = [[f"k{i % 3}", *draw.choices(words, k=3), repr(draw.gauss(0, 1e3))] for i in range(300)]
    for mark in ",;\t|":
        with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as file:
            csv.writer(file, delimiter=mark).writerows([["id", "a", "b", "c", "n"], *rows])
        x = load(tmp_path / "a.csv").x
        assert x.names == ("id", "a", "b", "c", "n")
        for name, column in zip(x.names[:4], list(zip(*rows, strict=True))[:4], strict=True):
            assert x[name].tolist() == [word.strip() for word in column]
        np.testing.assert_array_equal(x["n"], [float(row[4]) for row in rows])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_encodings_and_ends_of_lines(tmp_path, encoding, newline):
    mark = b"\xff\xfe" if encoding == "utf-16-le" else b""
    text = f"größe,n{newline}Köln,1{newline}{newline}Rom,2{newline}"
    (tmp_path / "a.csv").write_bytes(mark + text.encode(encoding))
    x = load(tmp_path / "a.csv").x
    assert (x.names, x["größe"].tolist(), x["n"].tolist()) == (("größe", "n"), ["Köln", "Rom"], [1, 2])


def test_what_is_not_utf_8_is_told(tmp_path):
    (tmp_path / "a.csv").write_bytes("größe,n\nKöln,1\n".encode("latin-1"))
    with pytest.warns(DataWarning, match=r"a\.csv is not UTF-8: it is read as Windows-1252"):
        assert load(tmp_path / "a.csv").x["größe"].tolist() == ["Köln"]
    (tmp_path / "a.csv").write_bytes(bytes(range(1, 256)))
    with pytest.raises(DataError, match=r"a\.csv is neither UTF-8 nor Windows-1252"):
        load(tmp_path / "a.csv")


def test_text_files_and_what_excel_writes_first(tmp_path):
    data = load(written(tmp_path / "a.txt", "x  y label\n1  2.5 no\n 3 4 yes\n"), target="label")
    assert (data.x["y"].tolist(), data.classes) == ([2.5, 4], ("no", "yes"))
    assert load(written(tmp_path / "b.txt", "x|y\n1|2\n")).x.names == ("x", "y")
    assert load(written(tmp_path / "c.csv", "sep=;\nx;y\n1;2,5\n")).x["y"].tolist() == ["2,5"]


@pytest.mark.parametrize(
    ("values", "kind", "taken"),
    [
        (["1", " 2.5", "1e3", "-.5", "+4"], "number", [1, 2.5, 1000, -0.5, 4]),
        (["1", "", "NA", "n/a", "NaN"], "number", [1, np.nan, np.nan, np.nan, np.nan]),
        (["true", "False", "", "TRUE"], "truth", [1, 0, np.nan, 1]),
        (["1970-01-02", "", "1970-01-01"], "date", [1, np.nan, 0]),
        (["1970-01-01T12:00", "1970-01-02 00:00:00", "1970-01-01T06:00:00Z"], "date", [0.5, 1, 0.25]),
        (["1970-01-01T01:00+01:00", "1969-12-31"], "date", [0, -1]),
        (["1970-13-01", "1970-01-01"], "text", None),
        (["1_000", "2_000"], "text", None),
        (["0x10", "1"], "text", None),
        (["yes", "no", "NA"], "text", ["yes", "no", "NA"]),
        (["NA", ""], "number", [np.nan, np.nan]),
        (["128GB", "256GB"] * 30, "text", None),
        (["1", "2", "-"], "text", ["1", "2", "-"]),
    ],
)
def test_what_a_column_is_taken_for(tmp_path, values, kind, taken):
    text = "k,c\n" + "".join(f"k,{value}\n" for value in values)
    table = load(written(tmp_path / "a.csv", text)).x
    assert table.kinds == {"k": "text", "c": kind}
    np.testing.assert_array_equal(table["c"], [v.strip() for v in values] if taken is None else taken)


NUMBERS = [f"{value:.2f}" for value in np.random.default_rng(0).normal(30, 9, 200)]


@pytest.mark.parametrize("mark", ["?", "unknown", "-", "None"])
def test_marks_among_numbers_are_missing_and_told(tmp_path, mark):
    text = "a,b\n" + "".join(f"{value},1\n" for value in [*NUMBERS, mark, mark])
    with pytest.warns(DataWarning, match=rf"column 'a': '{re.escape(mark)}' in 2 rows is taken for missing"):
        table = load(written(tmp_path / "a.csv", text)).x
    np.testing.assert_array_equal(table["a"], [*map(float, NUMBERS), np.nan, np.nan])


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ([*NUMBERS, "see note"], r"nearly all numbers, but for 1 of 201 \('see note'\)"),
        ([f"${value}" for value in NUMBERS], r"not written plainly in 200 of 200 rows \('\$"),
        ([f'"{1e4 + float(value):,.2f}"' for value in NUMBERS], "not written plainly in 200 of 200 rows"),
        ([f'"{value.replace(".", ",")}"' for value in NUMBERS], "not written plainly in 200 of 200 rows"),
        ([f"{value} kg" for value in NUMBERS], "not written plainly"),
        ([f"user-{i}" for i in range(200)], "nearly all different, 200 in 200 rows"),
    ],
)
def test_columns_that_few_would_want_as_categories_are_told(tmp_path, values, says):
    text = "a,b\n" + "".join(f"{value},1\n" for value in values)
    with pytest.warns(DataWarning, match=f"column 'a': .*{says}.*categories"):
        assert load(written(tmp_path / "a.csv", text)).x.kinds["a"] == "text"


def test_columns_without_a_name(tmp_path):
    assert load(written(tmp_path / "a.csv", "a,b,\n1,2,\n3,4,\n")).x.names == ("a", "b")
    with pytest.warns(DataWarning, match="column 1 has no name"):
        x = load(written(tmp_path / "a.csv", ",a\n0,2\n1,4\n")).x
    assert x.names == ("column 1", "a")


def test_columns_are_left_out(people):
    assert load(people, "grade", drop=["age", "city"]).x.names == ("member",)
    with pytest.raises(DataError, match="no column 'size': it has 'age', 'city'"):
        load(people, "grade", drop=["size"])
    with pytest.raises(DataError, match="no column but what is left out and the target"):
        load(people, "grade", drop=["age", "city", "member"])
    with pytest.raises(DataError, match="digits is no table"):
        load("digits", drop=["age"])


def test_columns_of_a_model_are_text_whatever_they_hold(people):
    x = load(people, "grade", text=["member", "age"]).x
    assert x["member"].tolist() == ["true", "false", "true"]
    assert x["age"].tolist() == ["31", "", "45.5"]


@pytest.mark.parametrize(
    ("values", "dtype", "labels"),
    [
        (["1", "2"], np.int64, [1, 2]),
        (["1.0", "2"], np.float64, [1, 2]),
        (["true", "false"], np.bool_, [True, False]),
        (["9" * 19, "1"], np.float64, [float("9" * 19), 1]),
    ],
)
def test_labels_keep_their_kind(tmp_path, values, dtype, labels):
    from handgrad.data.tables import read_table

    path = written(tmp_path / "a.csv", "x,t\n" + "".join(f"1,{value}\n" for value in values))
    t = read_table(path, "t")[1]
    assert (t.dtype, t.tolist()) == (dtype, labels)


@pytest.mark.parametrize("keep", [1, 10, 50])
def test_a_damaged_gzip_is_named(tmp_path, keep):
    path = written(tmp_path / "bad.csv.gz", PEOPLE)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"bad\.csv\.gz is (cut short or damaged|empty)"):
        load(path)


def test_many_rows_are_read_in_parts(tmp_path, monkeypatch):
    monkeypatch.setattr("handgrad.data.csv_files.CHUNK", 10)
    path = written(tmp_path / "a.csv", "a,b,c\n" + "".join(f"{i},t{i % 3},{i / 2}\n" for i in range(100)))
    x = load(path).x
    np.testing.assert_array_equal(x["c"], np.arange(100) / 2)
    assert x["b"].tolist()[:4] == ["t0", "t1", "t2", "t0"]
