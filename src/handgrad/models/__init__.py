"""Networks that are known by name, one file each, written to be read: a shape at each line.

Those of ``BY_NAME`` take images and give one output for each class or target: ``model(image, outputs,
seed=, dtype=)``, where ``image`` is (C, H, W). Those of ``OF_TEXT`` take sequences of symbols, and say
which comes next at each place: ``model(symbols, length, seed=, dtype=)``. ``handgrad train DATA --model
NAME`` trains them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

from handgrad.layers import Layer, mlp
from handgrad.models.char_lstm import char_lstm
from handgrad.models.gpt import GPT
from handgrad.models.lenet import lenet
from handgrad.models.mixer import Mixer
from handgrad.models.resnet import ResNet
from handgrad.models.unet import UNet
from handgrad.models.vae import VAE, vae_loss

__all__ = [
    "BY_NAME",
    "GPT",
    "OF_TEXT",
    "VAE",
    "Mixer",
    "ResNet",
    "UNet",
    "char_lstm",
    "image_of",
    "lenet",
    "mlp",
    "named",
    "vae_loss",
]

BY_NAME: dict[str, Callable[..., Layer]] = {"lenet": lenet, "resnet": ResNet, "mixer": Mixer}
OF_TEXT: dict[str, Callable[..., Layer]] = {"gpt": GPT, "char_lstm": char_lstm}


def named(name: str) -> Callable[..., Layer]:
    """The model of that name; ``resnet20`` is a ``resnet`` of depth 20.

    Raises:
        ValueError: there is none.

    Examples:
        >>> net = hg.models.named("resnet8")((3, 8, 8), 10, seed=0).evaluate()
        >>> net(np.ones((2, 3, 8, 8), np.float32)).shape
        (2, 10)
    """
    word = name.rstrip("0123456789")
    depth = name[len(word) :]
    if word not in BY_NAME or (depth and word != "resnet"):
        raise ValueError(f"model is mlp, {', '.join(BY_NAME)} (or resnet8, resnet20, ...), not {name!r}")
    return partial(BY_NAME[word], depth=int(depth)) if depth else BY_NAME[word]


def image_of(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """What (C, H, W) an example of that shape is as an image: rows of pixels are of grey square ones.

    Raises:
        ValueError: it is no image.

    Examples:
        >>> hg.models.image_of((784,)), hg.models.image_of((28, 28)), hg.models.image_of((3, 32, 32))
        ((1, 28, 28), (1, 28, 28), (3, 32, 32))
    """
    known: Any = None
    if len(shape) == 1 and math.isqrt(shape[0]) ** 2 == shape[0]:
        known = (1, math.isqrt(shape[0]), math.isqrt(shape[0]))
    elif len(shape) == 2:
        known = (1, *shape)
    elif len(shape) == 3 and not (shape[2] in (1, 3, 4) and shape[0] > 4):  # else the channels are last
        known = shape
    if known is None:
        raise ValueError(
            f"examples of shape {shape} are no images: (C, H, W), (H, W), or H·W numbers of a square one"
        )
    return known
