import sys

import numpy as np
import pytest

from handgrad.data import DataError, DataWarning, Preparation, load

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)


def paint(path, *shape, mode=None):
    pixels = RNG.integers(0, 256, shape, dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path)
    return pixels


def test_subfolders_are_classes(tmp_path):
    dog1 = paint(tmp_path / "dog" / "1.png", 4, 6)
    cat2 = paint(tmp_path / "cat" / "2.png", 4, 6)
    cat1 = paint(tmp_path / "cat" / "1.PNG", 4, 6)
    (tmp_path / "cat" / "notes.txt").write_text("passed over")
    (tmp_path / "empty").mkdir()
    with pytest.warns(DataWarning, match="empty has no images: it is no class"):
        data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert data.t.tolist() == [0, 0, 1]
    assert data.x.dtype == np.uint8
    np.testing.assert_array_equal(data.x, [cat1, cat2, dog1])
    assert [name.replace("\\", "/") for name in data.examples] == ["cat/1.PNG", "cat/2.png", "dog/1.png"]
    assert Preparation.fit(data.x)(data.x).shape == (3, 4, 6)


def test_rgb_images_have_their_channels_first(tmp_path):
    pixels = paint(tmp_path / "a" / "1.png", 4, 6, 3)
    data = load(tmp_path)
    assert data.x.shape == (1, 3, 4, 6)
    np.testing.assert_array_equal(data.x[0, 2], pixels[:, :, 2])


def test_images_without_subfolders_have_no_classes(tmp_path):
    paint(tmp_path / "b.png", 4, 6)
    paint(tmp_path / "a.png", 4, 6)
    data = load(tmp_path, classes=["cat", "dog"])
    assert (data.t, data.classes, data.examples) == (None, ("cat", "dog"), ("a.png", "b.png"))


def test_black_and_white_is_grey(tmp_path):
    paint(tmp_path / "a.png", 4, 6, mode="1")
    assert set(np.unique(load(tmp_path).x)) == {0, 255}


def test_a_subfolder_that_is_no_class_of_the_model_is_refused(tmp_path):
    paint(tmp_path / "cow" / "1.png", 4, 6)
    with pytest.raises(DataError, match="'cow'; the classes are 'cat', 'dog'"):
        load(tmp_path, classes=["cat", "dog"])


def test_an_image_of_another_size_is_named_with_both_sizes(tmp_path):
    paint(tmp_path / "a" / "1.png", 4, 6)
    paint(tmp_path / "a" / "2.png", 5, 6)
    with pytest.raises(DataError, match=r"2\.png is 6 x 5 grey, but .*1\.png is 6 x 4 grey"):
        load(tmp_path)


def test_an_image_of_another_mode_is_named_with_both_modes(tmp_path):
    paint(tmp_path / "a" / "1.png", 4, 6)
    paint(tmp_path / "a" / "2.png", 4, 6, 3)
    with pytest.raises(DataError, match=r"2\.png is 6 x 4 RGB, but .*1\.png is 6 x 4 grey"):
        load(tmp_path)


@pytest.mark.parametrize("mode", ["RGBA", "P", "CMYK"])
def test_other_modes_are_refused(tmp_path, mode):
    paint(tmp_path / "a" / "1.tif", 4, 6, 3, mode=mode)
    with pytest.raises(DataError, match=rf"1\.tif has the mode {mode}"):
        load(tmp_path)


@pytest.mark.parametrize("keep", [0, 20, 60])
def test_an_image_that_cannot_be_read_is_named(tmp_path, keep):
    paint(tmp_path / "a" / "1.png", 40, 60)
    path = tmp_path / "a" / "1.png"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(DataError, match=r"1\.png cannot be read"):
        load(tmp_path)


def test_a_folder_without_images_is_refused(tmp_path):
    with pytest.raises(DataError, match="has no images"):
        load(tmp_path)


def test_images_beside_subfolders_are_refused(tmp_path):
    paint(tmp_path / "a" / "1.png", 4, 6)
    paint(tmp_path / "loose.png", 4, 6)
    with pytest.raises(DataError, match=r"loose\.png.*beside its subfolders a"):
        load(tmp_path)


def test_without_pillow_it_says_what_to_install(tmp_path, monkeypatch):
    paint(tmp_path / "a" / "1.png", 4, 6)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(DataError, match=r'pip install "handgrad\[data\]"'):
        load(tmp_path)
