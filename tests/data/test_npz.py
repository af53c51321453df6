import io
import zipfile

import numpy as np
import pytest

from handgrad.data import DataError, DataWarning, load

X = np.arange(12, dtype=np.float32).reshape(4, 3)
T = np.array([2, 0, 2, 5])


def saved(path, compressed=False, **arrays):
    (np.savez_compressed if compressed else np.savez)(path, **arrays)
    return path


@pytest.mark.parametrize("dtype", ["u1", "<i8", "f4", "f8", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_uncompressed_arrays_are_read_only_memory_maps(tmp_path, dtype, order):
    x = np.asarray(np.random.default_rng(0).integers(0, 200, (5, 3, 2)), dtype=dtype, order=order)
    data = load(saved(tmp_path / "a.npz", a=T, x=x, t=np.zeros(5)))
    assert isinstance(data.x, np.memmap)
    assert data.x.filename == (tmp_path / "a.npz")
    assert not data.x.flags.writeable
    assert data.x.dtype == dtype
    np.testing.assert_array_equal(data.x, x)


def test_compressed_arrays_are_read_into_memory(tmp_path):
    data = load(saved(tmp_path / "a.npz", compressed=True, x=np.asfortranarray(X), t=T))
    assert not isinstance(data.x, np.memmap)
    np.testing.assert_array_equal(data.x, X)


def test_integer_targets_are_classes(tmp_path):
    data = load(saved(tmp_path / "a.npz", x=X, t=T))
    assert data.classes == ("0", "2", "5")
    assert data.t.tolist() == [1, 0, 1, 2]
    assert data.t.dtype == np.int64


def test_many_integers_are_classes_too_since_an_array_of_labels_is_no_column_of_counts(tmp_path):
    with pytest.warns(DataWarning, match="100 different values"):
        data = load(saved(tmp_path / "a.npz", x=np.zeros((100, 1)), t=np.arange(100)))
    assert len(data.classes) == 100


def test_float_targets_are_numbers(tmp_path):
    t = np.array([[0.5, 1], [2, 3], [4, 5], [6, 7]], np.float32)
    data = load(saved(tmp_path / "a.npz", X=X, y=t))
    assert data.task == "regression"
    assert data.t.dtype == np.float64
    np.testing.assert_array_equal(data.t, t)


@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u1"])
def test_one_hot_targets_are_told_or_taken_for_classes(tmp_path, dtype):
    path = saved(tmp_path / "a.npz", x=X, t=np.eye(4, dtype=dtype)[[2, 0, 3, 2]])
    if dtype[0] == "f":
        with pytest.warns(DataWarning, match="one 1 in each row of 4 numbers.*task='classification'"):
            assert load(path).task == "regression"
    data = load(path, task="classification")
    assert (data.classes, data.t.tolist()) == (("0", "1", "2", "3"), [2, 0, 3, 2])
    assert load(path, classes=["3", "2", "1", "0"]).t.tolist() == [1, 3, 0, 1]


def test_text_targets_are_classes(tmp_path):
    data = load(saved(tmp_path / "a.npz", x=X, t=np.array(["no", "yes", "no", "no"])))
    assert (data.classes, data.t.tolist()) == (("no", "yes"), [0, 1, 0, 0])


def test_a_column_of_labels_is_flattened_and_one_axis_of_inputs_is_a_column(tmp_path):
    data = load(saved(tmp_path / "a.npz", x=np.arange(4.0), t=T[:, None]))
    assert (data.x.shape, data.t.shape) == ((4, 1), (4,))


def test_target_names_the_array(tmp_path):
    path = saved(tmp_path / "a.npz", x=X, t=T, other=np.array([1.5, 2, 3, 4]))
    assert load(path, target="other").t.tolist() == [1.5, 2, 3, 4]
    with pytest.raises(DataError, match="no array 'absent': it holds x, t, other"):
        load(path, target="absent")


def test_without_targets_there_are_none(tmp_path):
    data = load(saved(tmp_path / "a.npz", x=X), classes=["a", "b"])
    assert (data.t, data.classes) == (None, ("a", "b"))


def test_labels_are_mapped_to_the_classes_of_a_model(tmp_path):
    path = saved(tmp_path / "a.npz", x=X, t=T.astype(float))
    assert load(path, classes=["5", "2", "1", "0"]).t.tolist() == [1, 3, 1, 0]
    with pytest.raises(DataError, match="'2', '5'; the classes are '0', '1'"):
        load(path, classes=["0", "1"])
    with pytest.raises(DataError, match="each once"):
        load(path, classes=["0", "0"])
    with pytest.raises(DataError, match="leave one of the two out"):
        load(path, classes=["0", "2", "5"], task="regression")


@pytest.mark.parametrize(
    ("arrays", "says"),
    [
        ({"images": X, "labels": T}, "no array 'x': it holds images, labels"),
        ({"x": X, "t": T[:3]}, "4 examples, but the targets have shape \\(3,\\)"),
        ({"x": X, "t": np.array(3)}, "targets have shape \\(\\)"),
        ({"x": X, "t": np.zeros((4, 2), int)}, "one label an example"),
        ({"x": X, "t": np.zeros((4, 2, 2))}, "\\(N,\\) or \\(N, M\\)"),
        ({"x": X, "t": np.array([1, 2, np.nan, np.inf])}, "2 of 4 rows, first in row 3"),
        ({"x": X, "t": np.array(["a", "", "b", "c"])}, "1 of 4 rows, first in row 2"),
        ({"x": X, "t": T * 1j}, "complex128"),
        ({"x": X * 1j, "t": T}, "x holds complex64"),
        ({"x": X.astype(str), "t": T}, "inputs are numbers"),
        ({"x": X[:0], "t": T[:0]}, "no examples"),
        ({"x": X, "t": np.array([1, "a", None, 2], object)}, "Python objects"),
        ({"x": np.array([[1, "a"]], object), "t": T}, "Python objects"),
    ],
)
def test_arrays_that_cannot_be_used_are_refused(tmp_path, arrays, says):
    with pytest.raises(DataError, match=says):
        load(saved(tmp_path / "a.npz", **arrays))


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("keep", [0, 10, 300, -30])
def test_a_damaged_file_is_named(tmp_path, compressed, keep):
    path = saved(tmp_path / "bad.npz", compressed, x=X, t=T)
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"bad\.npz"):
        load(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_header_that_claims_more_than_there_is_is_refused(tmp_path, compressed):
    npy = io.BytesIO()
    np.save(npy, X)
    kind = zipfile.ZIP_DEFLATED if compressed else zipfile.ZIP_STORED
    with zipfile.ZipFile(tmp_path / "a.npz", "w", kind) as archive:
        archive.writestr("x.npy", npy.getvalue().replace(b"(4, 3)", b"(9, 3)"))
    with pytest.raises(DataError, match=r"x\.npy.*damaged"):
        load(tmp_path / "a.npz")


def test_an_unknown_task_is_refused(tmp_path):
    with pytest.raises(DataError, match="classification, regression"):
        load(saved(tmp_path / "a.npz", x=X, t=T), task="ranking")


def test_names_as_keras_has_them(tmp_path):
    x, t = np.arange(24).reshape(6, 2, 2), np.arange(6) % 3
    np.savez(tmp_path / "mnist.npz", x_train=x, y_train=t, x_test=x[:2], y_test=t[:2])
    data = load(tmp_path / "mnist.npz")
    assert (data.x == x).all()
    assert data.t.tolist() == t.tolist()
