import datetime
import decimal
import gzip
import sys

import numpy as np
import pytest

from handgrad.data import DataError, Table, load

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")

PEOPLE = """age,city,member,grade
31,Rome,true,a
,Paris,false,b
45.5,,true,a
"""


def written(path, text):
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


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


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["yes", "no"] * 20, "classification", ("no", "yes")),
        ([True, False] * 20, "classification", ("False", "True")),
        ([10, 9] * 20, "classification", ("9", "10")),
        (list(range(20)) * 2, "classification", tuple(map(str, range(20)))),
        (list(range(21)) * 2, "regression", None),
        ([0.0, 1.0] * 20, "regression", None),
    ],
)
def test_the_task_follows_from_the_target_column(tmp_path, values, task, classes):
    data = load(parquet(tmp_path / "a.parquet", x=np.zeros(len(values)), y=values), target="y")
    assert (data.task, data.classes) == (task, classes)
    if task == "regression":
        assert data.t.dtype == np.float64
        assert data.t.tolist() == values


def test_task_overrides_the_rule(tmp_path):
    path = parquet(tmp_path / "a.parquet", x=[0, 0, 0], y=[3, 1, 3], z=[0.5, 2.0, 0.5], s=["u", "v", "w"])
    assert load(path, "y", task="regression").t.tolist() == [3, 1, 3]
    assert load(path, "z", task="classification").classes == ("0.5", "2")
    with pytest.raises(DataError, match=r"a\.parquet: 's' holds text such as 'u'"):
        load(path, "s", task="regression")


def test_labels_of_new_data_are_mapped_to_the_classes_of_the_model(tmp_path):
    path = parquet(tmp_path / "a.parquet", x=[0, 0], y=[2.0, 1.0])
    assert load(path, "y", classes=["1", "2", "3"]).t.tolist() == [1, 0]
    with pytest.raises(DataError, match=r"'1', '2'; the classes are 'a', 'b'"):
        load(path, "y", classes=["a", "b"])


def test_parquet_types(tmp_path):
    path = parquet(
        tmp_path / "a.parquet",
        i=pa.array([1, None], pa.int32()),
        big=pa.array([2**62 + 1, 0], pa.int64()),
        money=pa.array([decimal.Decimal("1.25"), None]),
        day=pa.array([datetime.date(1970, 1, 3), None]),
        at=pa.array([datetime.datetime(1970, 1, 2, 12), None], pa.timestamp("ns")),
        zone=pa.array([datetime.datetime(1970, 1, 2, 6), None], pa.timestamp("s", tz="UTC")),
        word=pa.array(["a", None]).dictionary_encode(),
        void=pa.nulls(2),
    )
    x = load(path).x
    got = {name: x[name].tolist()[0] for name in x.names if name != "void"}
    assert got == {"i": 1, "big": 2.0**62, "money": 1.25, "day": 2, "at": 1.5, "zone": 1.25, "word": "a"}
    assert all(np.isnan(x[name][1]) for name in ("i", "money", "day", "at", "zone", "void"))
    assert x["word"][1] == ""


def test_text_that_pyarrow_would_read_as_missing_stays_text(tmp_path):
    x = load(written(tmp_path / "a.csv", "land,n\nNA,NA\nDE,1\n")).x
    assert x["land"].tolist() == ["NA", "DE"]
    np.testing.assert_array_equal(x["n"], [np.nan, 1])


@pytest.mark.parametrize(
    ("text", "target", "says"),
    [
        ("", None, "cannot be read"),
        ("a,b\n", None, r"columns \(a, b\) but no rows"),
        ("a,b\n1,2\n", "c", "no column 'c': it has 'a', 'b'"),
        ("b\n1\n", "b", "no column but the target 'b'"),
        ("a,a,b\n1,2,3\n", None, "several columns named 'a'.*header"),
        ("a,b\n1,2\n3\n", None, "Expected 2 columns, got 1"),
        ("a,b\n1,2\n3,inf\n-inf,1\n", None, "column 'a' is infinite in 1 rows, first in row 3"),
        ("a,b\n1,2\n3,\n4,\n", "b", "'b' is missing or infinite in 2 of 3 rows, first in row 2"),
        ("a,b\n1,x\n3,\n", "b", "'b' is missing or infinite in 1 of 2 rows, first in row 2"),
        ("a,b\n1,2\n3,inf\n", "b", "'b' is infinite in 1 rows, first in row 2"),
    ],
)
def test_a_bad_csv_is_refused(tmp_path, text, target, says):
    with pytest.raises(DataError, match=rf"a\.csv.*{says}"):
        load(written(tmp_path / "a.csv", text), target=target)


def test_a_header_in_another_encoding_is_refused(tmp_path):
    (tmp_path / "latin.csv").write_bytes("größe,n\n1,2\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin\.csv is not UTF-8"):
        load(tmp_path / "latin.csv")


def test_a_type_that_is_no_number_and_no_text_is_refused(tmp_path):
    with pytest.raises(DataError, match="column 'pair' is list"):
        load(parquet(tmp_path / "a.parquet", pair=[[1, 2]]))
    (tmp_path / "latin.csv").write_bytes(b"name\nJos\xe9\n")
    with pytest.raises(DataError, match=r"column 'name' is binary .*UTF-8"):
        load(tmp_path / "latin.csv")


@pytest.mark.parametrize("keep", [0, 4, 200])
def test_a_damaged_file_is_named(tmp_path, keep):
    path = parquet(tmp_path / "bad.parquet", a=np.arange(100))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"bad\.parquet"):
        load(path)
    path = written(tmp_path / "bad.csv.gz", PEOPLE)
    path.write_bytes(path.read_bytes()[: max(1, keep // 4)])
    with pytest.raises(DataError, match=r"bad\.csv\.gz"):
        load(path)


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_without_pyarrow_it_says_what_to_install(tmp_path, monkeypatch, name):
    written(tmp_path / name, PEOPLE)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r'pip install "handgrad\[data\]"'):
        load(tmp_path / name)
