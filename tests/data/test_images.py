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


def test_images_of_several_sizes_are_told(tmp_path):
    for i, (h, w) in enumerate([(4, 6), (5, 6), (4, 6)]):
        paint(tmp_path / "a" / f"{i}.png", h, w)
    with pytest.raises(
        DataError, match=r"2 sizes.*6 x 4 \(2, such as .*0\.png\), 6 x 5 .*resize=\(4, 6\)"
    ) as found:
        load(tmp_path)
    assert "--resize 6x4" in found.value.for_command


@pytest.mark.parametrize(("fit", "corner"), [("crop", 255), ("stretch", 0), ("pad", 0)])
def test_images_are_brought_to_one_size(tmp_path, fit, corner):
    """A bar of white between two of black: cropped, the white is left; padded, it is as wide as it was."""
    pixels = np.zeros((8, 24), np.uint8)
    pixels[:, 8:16] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.warns(DataWarning, match="1 image .* to 8 x 8"):
        x = load(tmp_path, resize=(8, 8), fit=fit).x
    assert x.shape == (1, 8, 8)
    assert abs(int(x[0, 0, 0]) - corner) < 8
    assert (x[0].max(axis=0) > 128).sum() == {"crop": 8, "stretch": 2, "pad": 2}[fit]


def test_a_grey_image_among_coloured_ones_is_made_one(tmp_path):
    grey = paint(tmp_path / "a" / "1.png", 4, 6)
    paint(tmp_path / "a" / "2.png", 4, 6, 3)
    with pytest.warns(DataWarning, match="1 image made RGB"):
        x = load(tmp_path).x
    np.testing.assert_array_equal(x[0], [grey, grey, grey])
    with pytest.warns(DataWarning, match="1 image made grey"):
        assert load(tmp_path, is_grey=True).x.shape == (2, 4, 6)


def test_what_is_transparent_is_white_beneath(tmp_path):
    pixels = np.zeros((2, 3, 4), np.uint8)
    pixels[:, :, 0], pixels[0, :, 3], pixels[1, 0, 3] = 200, 255, 128
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.warns(DataWarning, match="1 image with transparency, put on white"):
        x = load(tmp_path).x[0]
    assert x[:, 0, 0].tolist() == [200, 0, 0]
    assert x[:, 1, 1].tolist() == [255, 255, 255]
    np.testing.assert_allclose(x[:, 1, 0], np.add([100, 0, 0], 127), atol=1)


@pytest.mark.parametrize(
    ("name", "mode"), [("a.png", "P"), ("a.gif", "P"), ("a.tif", "CMYK"), ("a.png", "RGBA")]
)
def test_other_modes_are_colours(tmp_path, name, mode):
    image = Image.new("RGB", (6, 4), (250, 120, 10))
    image.convert(mode).save(tmp_path / name)
    x = load(tmp_path).x
    np.testing.assert_allclose(x[0, :, 0, 0], (250, 120, 10), atol=40)  # GIF has a palette for the web


def test_a_palette_of_greys_is_grey(tmp_path):
    pixels = paint(tmp_path / "a.png", 4, 6)
    Image.fromarray(pixels).convert("P").save(tmp_path / "a.png")
    np.testing.assert_array_equal(load(tmp_path).x, [pixels])


def test_of_16_bits_the_upper_8_are_read(tmp_path):
    Image.fromarray(np.full((4, 6), 0x80FF, np.uint16)).save(tmp_path / "a.png")
    with pytest.warns(DataWarning, match="of 16 bits, of which the upper 8 are read"):
        assert np.all(load(tmp_path).x == 0x80)


def test_numbers_without_a_full_scale_are_refused(tmp_path):
    Image.fromarray(np.ones((4, 6), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"a\.tif has numbers of the mode F"):
        load(tmp_path)


def test_an_image_is_turned_as_its_camera_says(tmp_path):
    image = Image.fromarray(np.arange(24, dtype=np.uint8).reshape(4, 6))
    held = image.getexif()
    held[0x0112] = 6
    image.save(tmp_path / "a.png", exif=held)
    with pytest.warns(DataWarning, match="1 image turned as the camera says"):
        np.testing.assert_array_equal(load(tmp_path).x[0], np.rot90(np.asarray(image), -1))


def test_folders_of_parts(tmp_path):
    for part, n in {"Train": 3, "valid": 2, "testing": 1}.items():
        for name in ("cat", "dog"):
            for i in range(n):
                paint(tmp_path / part / name / f"{i}.png", 4, 6)
    data = load(tmp_path)
    assert data.classes == ("cat", "dog")
    assert [len(data.part(name)) for name in ("train", "validation", "test")] == [6, 4, 2]
    assert data.part("test").examples[0].replace("\\", "/") == "testing/cat/0.png"


def test_a_part_without_classes_is_left_out(tmp_path):
    for path in ("train/cat/0.png", "train/dog/0.png", "val/cat/1.png", "test/2.png"):
        paint(tmp_path / path, 4, 6)
    with pytest.warns(DataWarning, match="test has no classes: it is left out"):
        data = load(tmp_path)
    assert (len(data), data.part("test")) == (3, None)


def test_classes_may_be_called_train_and_test(tmp_path):
    for path in ("train/0.png", "test/1.png"):
        paint(tmp_path / path, 4, 6)
    assert load(tmp_path).classes == ("test", "train")


@pytest.mark.parametrize("asked", [{"resize": 8}, {"resize": (0, 4)}, {"resize": (4, 4), "fit": "squeeze"}])
def test_sizes_that_cannot_be(tmp_path, asked):
    paint(tmp_path / "a.png", 4, 6)
    with pytest.raises(DataError, match=r"resize is .*: give \(height, width\)|fit is 'squeeze'"):
        load(tmp_path, **asked)


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
