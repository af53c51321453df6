"""Pooling, and other sizes of images: layers without parameters."""

from __future__ import annotations

from typing import Any, ClassVar

from handgrad import rules
from handgrad.arrays import shape
from handgrad.layers.layer import Layer


class Pooling(Layer):
    """What all poolings are: a rule and its options."""

    rule: ClassVar[Any]

    def __init__(self, size: int | tuple[int, ...], **options: Any):
        self.options = {"size": size, **options}

    def forward(self, x: Any) -> Any:
        return self.rule(x, **self.options)

    def describe(self) -> str:
        size, *rest = (f"{name}={value}" for name, value in self.options.items())
        return f"{type(self).__name__}({', '.join([size.removeprefix('size='), *rest])})"


class MaxPool1d(Pooling):
    """The largest in each window, x (N, C, T) -> (N, C, OT); options of ``handgrad.max_pool1d``.

    Examples:
        >>> print(hg.layers.MaxPool1d(2)(np.array([[[1.0, 3.0, 2.0, 0.0]]])))
        [[[3. 2.]]]
    """

    rule = rules.max_pool1d


class MaxPool2d(Pooling):
    """The largest in each window, x (N, C, H, W) -> (N, C, OH, OW); options of ``handgrad.max_pool2d``.

    Examples:
        >>> hg.layers.MaxPool2d(2)(np.ones((1, 3, 8, 8))).shape
        (1, 3, 4, 4)
    """

    rule = rules.max_pool2d


class MaxPool3d(Pooling):
    """The largest in each window, x (N, C, D, H, W) -> ...; options of ``handgrad.max_pool3d``.

    Examples:
        >>> hg.layers.MaxPool3d(2)(np.ones((1, 3, 8, 8, 8))).shape
        (1, 3, 4, 4, 4)
    """

    rule = rules.max_pool3d


class AvgPool1d(Pooling):
    """The mean of each window, x (N, C, T) -> (N, C, OT); options of ``handgrad.avg_pool1d``.

    Examples:
        >>> print(hg.layers.AvgPool1d(2)(np.array([[[1.0, 3.0, 2.0, 0.0]]])))
        [[[2. 1.]]]
    """

    rule = rules.avg_pool1d


class AvgPool2d(Pooling):
    """The mean of each window, x (N, C, H, W) -> (N, C, OH, OW); options of ``handgrad.avg_pool2d``.

    Examples:
        >>> hg.layers.AvgPool2d(2)(np.ones((1, 3, 8, 8))).shape
        (1, 3, 4, 4)
    """

    rule = rules.avg_pool2d


class AvgPool3d(Pooling):
    """The mean of each window, x (N, C, D, H, W) -> ...; options of ``handgrad.avg_pool3d``.

    Examples:
        >>> hg.layers.AvgPool3d(2)(np.ones((1, 3, 8, 8, 8))).shape
        (1, 3, 4, 4, 4)
    """

    rule = rules.avg_pool3d


class AdaptiveAvgPool2d(Pooling):
    """The mean of each of ``size`` parts, x (N, C, H, W) -> (N, C, *size).

    Examples:
        >>> hg.layers.AdaptiveAvgPool2d(1)(np.arange(4.0).reshape(1, 1, 2, 2)).tolist()
        [[[[1.5]]]]
    """

    rule = rules.adaptive_avg_pool2d


class AdaptiveMaxPool2d(Pooling):
    """The largest in each of ``size`` parts, x (N, C, H, W) -> (N, C, *size).

    Examples:
        >>> hg.layers.AdaptiveMaxPool2d(1)(np.arange(4.0).reshape(1, 1, 2, 2)).tolist()
        [[[[3.0]]]]
    """

    rule = rules.adaptive_max_pool2d


class GlobalAvgPool(Layer):
    """The mean of each channel, over all its places.   x (N, C, ...) -> (N, C)

    Examples:
        >>> hg.layers.GlobalAvgPool()(np.arange(8.0).reshape(1, 2, 2, 2)).tolist()
        [[1.5, 5.5]]
    """

    def forward(self, x: Any) -> Any:
        return rules.mean(x, axis=tuple(range(2, len(shape(x)))))


class Upsample(Layer):
    """x (N, C, ...) in another size; options of ``handgrad.upsample``, ``scale_factor`` first.

    Examples:
        >>> hg.layers.Upsample(2)(np.ones((1, 3, 4, 4))).shape
        (1, 3, 8, 8)
    """

    def __init__(self, scale_factor: float | tuple[float, ...] | None = None, **options: Any):
        self.options = {"scale_factor": scale_factor, **options}

    def forward(self, x: Any) -> Any:
        return rules.upsample(x, **self.options)

    def describe(self) -> str:
        said = (f"{name}={value}" for name, value in self.options.items() if value is not None)
        return f"Upsample({', '.join(said)})"


class PixelShuffle(Layer):
    """x (N, C·r², H, W) -> (N, C, H·r, W·r), r the ``factor``.   Shi et al. 2016

    Examples:
        >>> hg.layers.PixelShuffle(2)(np.ones((1, 12, 4, 4))).shape
        (1, 3, 8, 8)
    """

    def __init__(self, factor: int):
        self.factor = factor

    def forward(self, x: Any) -> Any:
        return rules.pixel_shuffle(x, factor=self.factor)

    def describe(self) -> str:
        return f"PixelShuffle({self.factor})"
