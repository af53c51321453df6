import datetime
import decimal
import sys

import numpy as np
import pytest

from handgrad.data import DataError, DataWarning, load

pa = pytest.importorskip("pyarrow")
pq = pytest.importorskip("pyarrow.parquet")


def parquet(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["yes", "no"] * 20, "classification", ("no", "yes")),
        ([True, False] * 20, "classification", ("False", "True")),
        ([10, 9] * 20, "classification", ("9", "10")),
        (list(range(20)) * 2, "classification", tuple(map(str, range(20)))),
        (list(range(21)) * 2, "regression", None),
        ([0.5, 1.0] * 20, "regression", None),
    ],
)
def test_the_task_follows_from_the_target_column(tmp_path, values, task, classes):
    data = load(parquet(tmp_path / "a.parquet", x=np.zeros(len(values)), y=values), target="y")
    assert (data.task, data.classes) == (task, classes)
    if task == "regression":
        assert data.t.dtype == np.float64
        assert data.t.tolist() == values


def test_floats_that_may_be_classes_are_told(tmp_path):
    path = parquet(tmp_path / "a.parquet", x=np.zeros(40), y=[0.0, 1.0] * 20)
    with pytest.warns(DataWarning, match=r"'y': only 0, 1, and as floats these are taken for numbers"):
        assert load(path, "y").task == "regression"


def test_many_classes_are_told(tmp_path):
    path = parquet(tmp_path / "a.parquet", x=np.zeros(40), y=np.arange(40) / 7)
    with pytest.warns(DataWarning, match="'y': 40 different values in 40 rows, each taken for a class"):
        assert len(load(path, "y", task="classification").classes) == 40


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


def test_a_type_that_is_no_number_and_no_text_is_refused(tmp_path):
    with pytest.raises(DataError, match="column 'pair' is list"):
        load(parquet(tmp_path / "a.parquet", pair=[[1, 2]]))
    with pytest.raises(DataError, match=r"column 'name' is binary .*UTF-8"):
        load(parquet(tmp_path / "a.parquet", name=[b"Jos\xe9"]))


@pytest.mark.parametrize("keep", [0, 4, 200])
def test_a_damaged_file_is_named(tmp_path, keep):
    path = parquet(tmp_path / "bad.parquet", a=np.arange(100))
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"bad\.parquet"):
        load(path)


def test_without_pyarrow_it_says_what_to_install(tmp_path, monkeypatch):
    path = parquet(tmp_path / "a.parquet", a=[1])
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DataError, match=r'pip install "handgrad\[data\]"'):
        load(path)


def test_text_that_is_nearly_numbers_is_told(tmp_path):
    path = parquet(tmp_path / "a.parquet", a=[*map(str, range(100)), "see note"])
    with pytest.warns(DataWarning, match=r"column 'a': nearly all numbers, but for 1 of 101 \('see note'\)"):
        assert load(path).x.kinds == {"a": "text"}


def several(tmp_path, text, **asked):
    (tmp_path / "t.csv").write_text(text)
    return load(tmp_path / "t.csv", target="a, b", **asked)


def test_several_targets_are_numbers(tmp_path):
    data = several(tmp_path, "x,a,b\n1,2.5,7\n2,3.5,8\n")
    assert (data.x.names, data.targets, data.task) == (("x",), ("a", "b"), "regression")
    assert data.t.tolist() == [[2.5, 7.0], [3.5, 8.0]]
    assert data.take([1]).targets == ("a", "b")


def test_several_targets_are_labels(tmp_path):
    data = several(tmp_path, "x,a,b\n1,0,true\n2,1,true\n")
    assert (data.task, data.targets, data.classes) == ("multi-label", ("a", "b"), None)
    assert data.t.tolist() == [[False, True], [True, True]]
    assert several(tmp_path, "x,a,b\n1,0,1\n2,1,1\n", task="regression").t.dtype == np.float64


def test_several_targets_of_which_one_is_true_are_classes(tmp_path):
    text = "x,a,b\n1,0,1\n2,1,0\n"
    data = several(tmp_path, text)
    assert (data.classes, data.t.tolist(), data.targets) == (("a", "b"), [1, 0], None)
    assert several(tmp_path, text, task="multi-label").targets == ("a", "b")


def test_a_column_may_have_a_comma_in_its_name(tmp_path):
    (tmp_path / "t.csv").write_text('x,"a, b"\n1,2.5\n2,3.5\n')
    assert load(tmp_path / "t.csv", target="a, b").t.tolist() == [2.5, 3.5]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x,a,b\n1,2,red\n2,3,blue\n", "the target 'b' is text"),
        ("x,a\n1,2\n", "has no column 'b'"),
        ("x,a,b\n1,0,\n2,1,1\n", "missing or infinite in 1 of 2 rows"),
        ("a,b\n1,2\n", "no column but the target"),
    ],
)
def test_several_targets_that_cannot_be(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        several(tmp_path, text)


def test_numbers_are_no_labels(tmp_path):
    with pytest.raises(DataError, match="several labels of each example are zeros and ones"):
        several(tmp_path, "x,a,b\n1,0,2\n2,1,1\n", task="multi-label")
