"""Convolutions and their transposes, of one, two and three spatial axes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from handgrad import rules
from handgrad.arrays import shape
from handgrad.layers import initialisers
from handgrad.layers.layer import Layer

if TYPE_CHECKING:  # numpy.random is not needed before the first layer is made
    Seed = int | np.random.Generator | None
    PerAxis = int | tuple[int, ...]


class Convolution(Layer):
    """What all convolutions are: W, b, and the options of their rule."""

    n: ClassVar[int]  # spatial axes
    rule: ClassVar[Any]
    is_transposed: ClassVar[bool] = False

    def __init__(
        self,
        C: int,
        M: int,
        size: PerAxis,
        stride: PerAxis = 1,
        padding: Any = 0,
        dilation: PerAxis = 1,
        groups: int = 1,
        weight: initialisers.Initialiser = initialisers.he_normal,
        bias: initialisers.Initialiser | None = initialisers.zeros,
        seed: Seed = None,
        dtype: Any = np.float32,
        **more: Any,
    ):
        if groups < 1 or C % groups or M % groups:
            raise ValueError(f"{type(self).__name__}: {groups} groups do not divide {C} and {M} channels")
        rng = np.random.default_rng(seed)
        kernel = (size,) * self.n if isinstance(size, int) else tuple(size)
        drawn = weight(rng, (*kernel, C // groups, M))  # (..., D, M), as an initialiser has it
        if self.is_transposed:  # (*kernel, C / groups, groups, M / groups) -> (groups, C / groups, ...)
            parts = drawn.reshape(*kernel, C // groups, groups, M // groups)
            W = np.moveaxis(parts, (-2, -3, -1), (0, 1, 2)).reshape(C, M // groups, *kernel)
        else:
            W = np.moveaxis(drawn, (-1, -2), (0, 1))
        self.params = {"W": np.ascontiguousarray(W, dtype)}
        if bias is not None:
            self.params["b"] = bias(rng, (M,)).astype(dtype)
        self.groups = groups
        self.options = {"stride": stride, "padding": padding, "dilation": dilation, "groups": groups, **more}

    def forward(self, x: Any) -> Any:
        W = self.params["W"]
        C = shape(W)[0] if self.is_transposed else shape(W)[1] * self.groups
        if len(shape(x)) < self.n + 1 or shape(x)[-self.n - 1] != C:
            axes = ", ".join(["N", str(C), *"DHW"[-self.n :]])
            raise ValueError(f"{self.label} takes x of shape ({axes}) for W {shape(W)}, got {shape(x)}")
        return self.rule(x, W, self.params.get("b"), **self.options)

    def describe(self) -> str:
        W = shape(self.params["W"])
        first, second = W[0], W[1] * self.groups
        C, M = (first, second) if self.is_transposed else (second, first)
        usual = {"stride": 1, "padding": 0, "dilation": 1, "groups": 1, "output_padding": 0}
        said = "".join(f", {name}={value}" for name, value in self.options.items() if value != usual[name])
        return f"{type(self).__name__}({C}, {M}, {' x '.join(map(str, W[2:]))}{said})"


class Conv1d(Convolution):
    """Convolution of sequences, x (N, C, T) -> (N, M, OT): see ``Conv2d``.

    Examples:
        >>> hg.layers.Conv1d(3, 8, 5, padding=2, seed=0)(np.ones((2, 3, 20), np.float32)).shape
        (2, 8, 20)
    """

    n = 1
    rule = rules.conv1d


class Conv2d(Convolution):
    """Convolution of images, out[i] = Σ W[j]·x[i·stride + j·dilation] + b.   x (N, C, H, W) -> (N, M, OH, OW)

    W (M, C / groups, *size) begins by ``weight``, whose fan-in is C / groups times the places of the kernel,
    b (M,) by ``bias`` (None: there is no b), drawn from ``seed``. The other options are those of the rule,
    ``handgrad.conv2d``.

    Examples:
        >>> hg.layers.Conv2d(3, 8, 3, stride=2, padding=1, seed=0)(np.ones((2, 3, 8, 8), np.float32)).shape
        (2, 8, 4, 4)
    """

    n = 2
    rule = rules.conv2d


class Conv3d(Convolution):
    """Convolution of volumes, x (N, C, D, H, W) -> (N, M, OD, OH, OW): see ``Conv2d``.

    Examples:
        >>> hg.layers.Conv3d(1, 4, 3, seed=0)(np.ones((2, 1, 5, 5, 5), np.float32)).shape
        (2, 4, 3, 3, 3)
    """

    n = 3
    rule = rules.conv3d


class TransposedConvolution(Convolution):
    """What all transposed convolutions are: W is (C, M / groups, *size), and ``output_padding`` an option."""

    is_transposed = True

    def __init__(self, C: int, M: int, size: PerAxis, *given: Any, output_padding: PerAxis = 0, **more: Any):
        super().__init__(C, M, size, *given, output_padding=output_padding, **more)


class ConvTranspose1d(TransposedConvolution):
    """Transposed convolution of sequences, x (N, C, T) -> (N, M, OT): see ``ConvTranspose2d``.

    Examples:
        >>> hg.layers.ConvTranspose1d(8, 3, 2, stride=2, seed=0)(np.ones((2, 8, 10), np.float32)).shape
        (2, 3, 20)
    """

    n = 1
    rule = rules.conv_transpose1d


class ConvTranspose2d(TransposedConvolution):
    """Transposed convolution of images, x (N, C, H, W) -> (N, M, OH, OW): the way back of a ``Conv2d``.

    W (C, M / groups, *size); the options are those of ``Conv2d``, and ``output_padding``, of the rule
    ``handgrad.conv_transpose2d``.

    Examples:
        >>> hg.layers.ConvTranspose2d(8, 3, 2, stride=2, seed=0)(np.ones((2, 8, 4, 4), np.float32)).shape
        (2, 3, 8, 8)
    """

    n = 2
    rule = rules.conv_transpose2d


class ConvTranspose3d(TransposedConvolution):
    """Transposed convolution of volumes, x (N, C, D, H, W) -> (N, M, OD, OH, OW): see ``ConvTranspose2d``.

    Examples:
        >>> hg.layers.ConvTranspose3d(8, 3, 2, stride=2, seed=0)(np.ones((2, 8, 2, 2, 2), np.float32)).shape
        (2, 3, 4, 4, 4)
    """

    n = 3
    rule = rules.conv_transpose3d
