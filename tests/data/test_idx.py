import gzip
import struct
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from hypothesis.extra import numpy as hnp

from handgrad.data import DataError, DataWarning, load
from handgrad.data.idx import read_idx

CODES = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
IMAGES = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4)


def idx_bytes(array):
    array = array.astype(array.dtype.newbyteorder(">"))
    header = struct.pack(f">BBBB{array.ndim}I", 0, 0, CODES[array.dtype.str[1:]], array.ndim, *array.shape)
    return header + array.tobytes()


def write(path, array):
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content, mtime=0) if path.suffix == ".gz" else content)
    return path


arrays = st.sampled_from(list(CODES)).flatmap(
    lambda dtype: hnp.arrays(dtype, hnp.array_shapes(max_dims=4, min_side=0, max_side=4))
)


@settings(deadline=None)
@given(array=arrays, suffix=st.sampled_from(["", ".gz"]))
def test_an_idx_file_gives_back_what_was_written(array, suffix):
    with tempfile.TemporaryDirectory() as folder:
        back = np.array(read_idx(write(Path(folder, f"a.idx3-ubyte{suffix}"), array)))
    assert back.shape == array.shape
    assert back.dtype.newbyteorder("=") == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(back, array)


def test_plain_images_are_a_read_only_memory_map(tmp_path):
    data = load(write(tmp_path / "train-images-idx3-ubyte", IMAGES))
    assert isinstance(data.x, np.memmap)
    assert not data.x.flags.writeable
    np.testing.assert_array_equal(data.x, IMAGES)
    assert (data.t, data.classes, data.task) == (None, None, None)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"),
        ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte"),
        ("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"),
    ],
)
def test_labels_are_found_beside_their_images(tmp_path, images, labels):
    write(tmp_path / labels, np.array([7, 3], np.uint8))
    data = load(write(tmp_path / images, IMAGES))
    assert data.classes == ("3", "7")
    assert data.t.tolist() == [1, 0]
    np.testing.assert_array_equal(data.x, IMAGES)


def test_many_labels_are_still_classes(tmp_path):
    write(tmp_path / "a-labels-idx1-ubyte", np.arange(47, dtype=np.uint8))
    with pytest.warns(DataWarning, match="47 different values in 47 rows, each taken for a class"):
        data = load(write(tmp_path / "a-images-idx3-ubyte", np.zeros((47, 2, 2), np.uint8)))
    assert len(data.classes) == 47


def test_images_and_labels_must_be_as_many(tmp_path):
    write(tmp_path / "a-labels-idx1-ubyte", np.zeros(3, np.uint8))
    with pytest.raises(DataError, match=r"\(2, 3, 4\).*a-labels-idx1-ubyte \(3,\)"):
        load(write(tmp_path / "a-images-idx3-ubyte", IMAGES))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "none"),
        (b"\x89PNG1234", "89 50 4e 47"),
        (b"\0\0\x07\x01" + bytes(8), "starts with the bytes 00 00 07 01"),
        (idx_bytes(IMAGES)[:9], "ends within its header"),
        (idx_bytes(IMAGES)[:-1], "39 bytes; its header says 40"),
        (idx_bytes(IMAGES) + b"\0", "41 bytes; its header says 40"),
    ],
)
@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_a_damaged_file_is_named(tmp_path, content, says, suffix):
    path = tmp_path / f"bad-images-idx3-ubyte{suffix}"
    path.write_bytes(gzip.compress(content, mtime=0) if suffix else content)
    with pytest.raises(DataError, match=f"bad-images.*{says}"):
        load(path)


@pytest.mark.parametrize("content", [gzip.compress(idx_bytes(IMAGES), mtime=0)[:-9], b"no gzip at all", b""])
def test_a_damaged_gzip_is_named(tmp_path, content):
    path = tmp_path / "bad-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"bad-images-idx3-ubyte\.gz"):
        load(path)


def test_labels_are_no_images(tmp_path):
    with pytest.raises(DataError, match="these are labels"):
        load(write(tmp_path / "a-labels-idx1-ubyte", np.zeros(3, np.uint8)))


def test_no_images_are_no_data(tmp_path):
    with pytest.raises(DataError, match="no examples"):
        load(write(tmp_path / "a-images-idx3-ubyte", np.zeros((0, 2, 2), np.uint8)))
