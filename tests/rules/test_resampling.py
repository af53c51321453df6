"""Other sizes of images: what is refused, and what comes of a few pixels."""

import numpy as np
import pytest

import handgrad as hg


def test_places_of_a_few_pixels():
    x = np.array([[[1.0, 2.0]]])
    np.testing.assert_array_equal(hg.upsample(x, size=4), [[[1, 1, 2, 2]]])
    np.testing.assert_array_equal(hg.upsample(x, size=3), [[[1, 1, 2]]])
    np.testing.assert_allclose(hg.upsample(x, size=4, mode="linear"), [[[1, 1.25, 1.75, 2]]])
    np.testing.assert_allclose(hg.upsample(x, size=3, mode="linear", align_corners=True), [[[1, 1.5, 2]]])


def test_shuffles_undo_each_other():
    x = np.random.default_rng(0).normal(size=(2, 18, 2, 3))
    out = hg.pixel_shuffle(x, factor=3)
    assert out.shape == (2, 2, 6, 9)
    assert out[1, 1, 5, 7] == x[1, 9 + 2 * 3 + 1, 1, 2]
    np.testing.assert_array_equal(hg.pixel_unshuffle(out, factor=3), x)


def test_a_grid_of_the_pixels_themselves_is_the_image():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    down, across = np.meshgrid(np.linspace(-1, 1, 4), np.linspace(-1, 1, 5), indexing="ij")
    grid = np.broadcast_to(np.stack([across, down], axis=-1), (2, 4, 5, 2))
    np.testing.assert_allclose(hg.grid_sample(x, grid, align_corners=True), x, rtol=1e-12)
    far = np.full((2, 1, 1, 2), 9.0)
    np.testing.assert_array_equal(hg.grid_sample(x, far), 0)
    np.testing.assert_array_equal(hg.grid_sample(x, far, padding_mode="border")[..., 0, 0], x[..., -1, -1])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: hg.upsample(x), "is given size or scale_factor, not None and None"),
        (lambda x: hg.upsample(x, size=2, scale_factor=2), "size or scale_factor"),
        (lambda x: hg.upsample(x, size=2, mode="cubic"), "mode is nearest, linear"),
        (lambda x: hg.upsample(x, scale_factor=0.1), "is nothing"),
        (lambda x: hg.upsample(x[0, 0], size=2), "one to three axes that are not empty"),
        (lambda x: hg.pixel_shuffle(x, factor=2), "3 channels do not divide by the square of 2"),
        (lambda x: hg.pixel_unshuffle(x, factor=3), "4 x 5 does not divide into blocks of 3 x 3"),
        (
            lambda x: hg.grid_sample(x, np.zeros((1, 2, 2, 2))),
            r"x is \(N, C, H, W\) and grid \(N, OH, OW, 2\)",
        ),
        (lambda x: hg.grid_sample(x, np.zeros((2, 1, 1, 2)), padding_mode="wrap"), "zeros or border"),
    ],
)
def test_what_does_not_fit_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.ones((2, 3, 4, 5)))
