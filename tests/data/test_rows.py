import numpy as np
import pytest

from handgrad.data import Preparation, Rows, load, rows as rows_module


@pytest.fixture
def large(tmp_path, monkeypatch):
    """A data set on disk that counts as large."""
    monkeypatch.setattr(rows_module, "LARGE", 1)
    rng = np.random.default_rng(0)
    x = rng.standard_normal((50, 3, 2)) * [5.0, 0.1] + 7
    x[4, 1, 1] = np.nan
    np.savez(tmp_path / "large.npz", x=x, t=rng.integers(2, size=50))
    return tmp_path / "large.npz", x


def test_a_split_of_a_large_map_stays_on_disk(large):
    file, x = large
    train, test = load(file).split(test=10, seed=0)
    assert isinstance(train.x, Rows)
    assert isinstance(test.x, Rows)
    assert (len(train.x), train.x.shape, train.x.ndim) == (40, (40, 3, 2), 3)
    assert sorted([*train.x.rows, *test.x.rows]) == list(range(50))
    np.testing.assert_array_equal(train.x[[3, 1]], x[train.x.rows[[3, 1]]])
    np.testing.assert_array_equal(train.x[5:9], x[train.x.rows[5:9]])
    again = train.take([2, 0])
    np.testing.assert_array_equal(again.x[:], x[train.x.rows[[2, 0]]])


def test_preparations_of_rows_and_of_copies_agree(large):
    file, x = large
    train, _ = load(file).split(test=10, seed=0)
    of_rows, of_copy = (Preparation.fit(each, impute=True) for each in (train.x, x[train.x.rows]))
    assert of_rows.to_json() == of_copy.to_json()
    np.testing.assert_array_equal(of_rows(train.x[:7]), of_copy(x[train.x.rows[:7]]))


def test_bytes_are_scaled_by_the_largest(tmp_path, monkeypatch):
    monkeypatch.setattr(rows_module, "LARGE", 1)
    monkeypatch.setattr(rows_module, "STEP", 8)
    x = np.random.default_rng(0).integers(17, size=(30, 4), dtype=np.uint8)
    np.savez(tmp_path / "b.npz", x=x, t=np.zeros(30, int))
    rows = load(tmp_path / "b.npz").take(range(20)).x
    assert isinstance(rows, Rows)
    assert rows.max() == x[:20].max()
    assert Preparation.fit(rows).to_json()["full_scale"] == 16


def test_small_maps_are_copied(tmp_path):
    np.savez(tmp_path / "small.npz", x=np.zeros((5, 2)), t=np.zeros(5, int))
    assert type(load(tmp_path / "small.npz").take([0]).x) is np.ndarray


def test_training_on_rows_is_training_on_copies(large, monkeypatch, tmp_path, capsys):
    from handgrad.cli import main

    file, _ = large
    command = ["train", str(file), "--impute", "--epochs", "2", "--hidden", "4", "--quiet", "--out"]
    assert main([*command, str(tmp_path / "rows")]) == 0
    monkeypatch.setattr(rows_module, "LARGE", 1 << 40)
    assert main([*command, str(tmp_path / "copies")]) == 0
    one, two = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("rows", "copies"))
    assert one == two
