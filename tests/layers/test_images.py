"""Layers for images and sequences: their gradients, what they begin with, and their programs."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import (
    AdaptiveAvgPool2d,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    Dropout2d,
    Embedding,
    Flatten,
    GlobalAvgPool,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    MaxPool2d,
    PixelShuffle,
    ReLU,
    RMSNorm,
    Sequential,
    Unflatten,
    Upsample,
    initialisers,
)
from tests.layers.test_layers import assert_backward_is_right

F8 = {"dtype": np.float64}
SEEDED = {"seed": 0, **F8}


@pytest.fixture
def rng():
    return np.random.default_rng(3)


LAYERS = {
    "Conv1d": (lambda: Conv1d(3, 2, 3, padding="same", **SEEDED), (2, 3, 5), (2, 2, 5)),
    "Conv2d": (lambda: Conv2d(4, 6, (3, 2), stride=2, groups=2, **SEEDED), (2, 4, 5, 4), (2, 6, 2, 2)),
    "no bias": (lambda: Conv2d(1, 2, 2, bias=None, **SEEDED), (2, 1, 3, 3), (2, 2, 2, 2)),
    "Conv3d": (lambda: Conv3d(2, 2, 2, **SEEDED), (1, 2, 3, 2, 3), (1, 2, 2, 1, 2)),
    "ConvTranspose1d": (lambda: ConvTranspose1d(2, 3, 3, stride=2, **SEEDED), (2, 2, 3), (2, 3, 7)),
    "ConvTranspose2d": (
        lambda: ConvTranspose2d(4, 6, 3, 2, 1, groups=2, output_padding=1, **SEEDED),
        (2, 4, 2, 3),
        (2, 6, 4, 6),
    ),
    "ConvTranspose3d": (lambda: ConvTranspose3d(1, 2, 2, **SEEDED), (1, 1, 2, 1, 2), (1, 2, 3, 2, 3)),
    "MaxPool2d": (lambda: MaxPool2d(2, ceil_mode=True), (2, 2, 5, 4), (2, 2, 3, 2)),
    "AvgPool2d": (lambda: AvgPool2d(2, stride=1), (2, 2, 3, 4), (2, 2, 2, 3)),
    "AdaptiveAvgPool2d": (lambda: AdaptiveAvgPool2d((2, 1)), (2, 2, 3, 4), (2, 2, 2, 1)),
    "GlobalAvgPool": (GlobalAvgPool, (2, 3, 2, 4), (2, 3)),
    "LayerNorm": (lambda: LayerNorm((3, 2), **F8), (4, 3, 2), (4, 3, 2)),
    "RMSNorm": (lambda: RMSNorm(5, **F8), (2, 3, 5), (2, 3, 5)),
    "GroupNorm": (lambda: GroupNorm(2, 4, **F8), (2, 4, 3), (2, 4, 3)),
    "InstanceNorm": (lambda: InstanceNorm(3, **F8), (2, 3, 4), (2, 3, 4)),
    "Dropout2d": (lambda: Dropout2d(0.4, seed=0), (3, 4, 2, 2), (3, 4, 2, 2)),
    "Upsample": (lambda: Upsample(2, mode="bilinear"), (1, 2, 2, 3), (1, 2, 4, 6)),
    "PixelShuffle": (lambda: PixelShuffle(2), (1, 4, 2, 3), (1, 1, 4, 6)),
    "Unflatten": (lambda: Unflatten(2, 3), (4, 6), (4, 2, 3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_each_by_hand(name, rng):
    make, given, made = LAYERS[name]
    net, x = make().train(), rng.standard_normal(given)
    assert net.bind()(x).shape == made
    assert_backward_is_right(net, x, rng)


def test_a_network_of_images_natively(rng):
    """A step of it is one program, of which the engine leaves nothing to NumPy."""
    net = Sequential(
        Unflatten(2, 8, 8), Conv2d(2, 4, 3, padding=1, **SEEDED), ReLU(), MaxPool2d(2), GroupNorm(2, 4, **F8),
        Conv2d(4, 4, 3, groups=4, **SEEDED), ConvTranspose2d(4, 3, 2, stride=2, **SEEDED), AvgPool2d(2),
        Flatten(),
    )  # fmt: skip
    x, params = rng.standard_normal((3, 128)), net.parameters()
    step = hg.value_and_grad(lambda params, x: hg.mean(net.bind(params)(x) ** 2))
    wanted, grads = step(params, x)
    value, native = hg.compile(step)(params, x)  # a fallback would warn, and warnings are errors
    np.testing.assert_allclose(value, wanted, rtol=1e-12)
    for name, grad in grads.items():
        np.testing.assert_allclose(native[name], grad, rtol=1e-9, atol=1e-12)


def test_the_fan_in_of_a_convolution():
    """He's standard deviation, √(2 / (C / groups · places)), before and after the axes are moved."""
    W = Conv2d(64, 256, 3, groups=2, seed=0).params["W"]
    assert W.shape == (256, 32, 3, 3)
    assert W.flags.c_contiguous
    assert abs(W.std() / np.sqrt(2 / (32 * 9)) - 1) < 0.01
    W = ConvTranspose2d(64, 32, 3, seed=0, weight=initialisers.lecun_normal).params["W"]
    assert W.shape == (64, 32, 3, 3)
    assert abs(W.std() / np.sqrt(1 / (64 * 9)) - 1) < 0.03


def test_embedding(rng):
    net = Embedding(5, 3, padding_idx=0, **SEEDED)
    x = np.array([[1, 0, 1], [4, 0, 2]])
    out = net.forward(x)
    np.testing.assert_array_equal(out, net.params["W"][x])
    np.testing.assert_array_equal(out[:, 1], 0)
    net.backward(np.ones_like(out))
    np.testing.assert_array_equal(net.grads["W"], np.array([0, 2, 1, 0, 1])[:, None] * np.ones(3))


def test_what_does_not_fit_is_said():
    with pytest.raises(ValueError, match=r"Conv2d takes x of shape \(N, 3, H, W\) for W \(4, 3, 3, 3\), got"):
        Conv2d(3, 4, 3)(np.ones((2, 1, 5, 5)))
    with pytest.raises(ValueError, match="3 groups do not divide 4 and 6 channels"):
        Conv2d(4, 6, 3, groups=3)
    with pytest.raises(ValueError, match="4 channels do not divide into 3 groups"):
        GroupNorm(3, 4)
    with pytest.raises(ValueError, match=r"Unflatten makes \(N, 1, 28, 28\), not of \(2, 64\)"):
        Unflatten(1, 28, 28)(np.ones((2, 64)))


def test_they_say_what_they_are():
    assert Conv2d(3, 4, 3, padding="same").describe() == "Conv2d(3, 4, 3 x 3, padding=same)"
    assert ConvTranspose1d(4, 6, 2, groups=2).describe() == "ConvTranspose1d(4, 6, 2, groups=2)"
    assert MaxPool2d((2, 1), stride=2).describe() == "MaxPool2d((2, 1), stride=2)"
    assert [m().describe() for m, *_ in list(LAYERS.values())[-5:]] == [
        "InstanceNorm(3)", "Dropout2d(0.4)", "Upsample(scale_factor=2, mode=bilinear)", "PixelShuffle(2)",
        "Unflatten(2, 3)"]  # fmt: skip
