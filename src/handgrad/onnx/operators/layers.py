"""Convolutions, pooling and normalisation."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped
from handgrad.onnx.operators.elementwise import typed


def padding_of(
    sizes: Any, kernel: Any, stride: Any, dilation: Any, pads: Any, auto_pad: str
) -> tuple[tuple[int, int], ...]:
    """Zeros before and after each axis."""
    n = len(kernel)
    if auto_pad in ("NOTSET", "VALID"):
        pads = pads if pads and auto_pad == "NOTSET" else [0] * (2 * n)
        return tuple((pads[i], pads[n + i]) for i in range(n))
    pairs = []
    for m, k, s, d in zip(sizes, kernel, stride, dilation, strict=True):
        total = max((-(-m // s) - 1) * s + (k - 1) * d + 1 - m, 0)
        less, more = total // 2, total - total // 2
        pairs.append((less, more) if auto_pad == "SAME_UPPER" else (more, less))
    return tuple(pairs)


def conv(
    x: Any,
    W: Any,
    b: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    n = len(shape(x)) - 2
    stride, dilation = tuple(strides or [1] * n), tuple(dilations or [1] * n)
    padding = padding_of(shape(x)[2:], shape(W)[2:], stride, dilation, pads, auto_pad)
    rule = getattr(rules, f"conv{n}d")
    return typed(rule(x, W, b, stride=stride, padding=padding, dilation=dilation, groups=group), x.dtype)


def conv_transpose(
    x: Any,
    W: Any,
    b: Any = None,
    *,
    auto_pad: str = "NOTSET",
    dilations: Any = None,
    group: int = 1,
    kernel_shape: Any = None,
    output_padding: Any = None,
    output_shape: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    """``output_shape`` says how much is cut off."""
    n = len(shape(x)) - 2
    stride, dilation = tuple(strides or [1] * n), tuple(dilations or [1] * n)
    more = tuple(output_padding or [0] * n)
    if auto_pad.startswith("SAME") and output_shape is None:
        output_shape = [m * s for m, s in zip(shape(x)[2:], stride, strict=True)]
    full = [
        (m - 1) * s + (k - 1) * d + 1
        for m, s, k, d in zip(shape(x)[2:], stride, shape(W)[2:], dilation, strict=True)
    ]
    rule = getattr(rules, f"conv_transpose{n}d")
    if output_shape is None:
        pads = pads or [0] * (2 * n)
        cut = tuple((pads[i], pads[n + i]) for i in range(n))
        return rule(x, W, b, stride=stride, padding=cut, output_padding=more, groups=group, dilation=dilation)
    out = rule(x, W, b, stride=stride, groups=group, dilation=dilation)
    index, grown = [], []
    for have, wanted, extra in zip(full, output_shape[-n:], more, strict=True):
        total = max(have + extra - wanted, 0)
        first = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
        index.append(slice(first, first + wanted))
        grown.append((0, max(first + wanted - have, 0)))
    return rules.pad(out, ((0, 0), (0, 0), *grown))[(..., *index)]


class Windows:
    """Where windows lie, with what a last one that is partly outside needs."""

    def __init__(
        self, x: Any, kernel: Any, strides: Any, dilations: Any, pads: Any, auto_pad: str, ceil: int
    ):
        n = len(kernel)
        self.kernel, self.stride = tuple(kernel), tuple(strides or [1] * n)
        self.dilation = tuple(dilations or [1] * n)
        self.padding = padding_of(shape(x)[2:], kernel, self.stride, self.dilation, pads, auto_pad)
        self.axes = tuple(range(2, 2 + n))
        self.beyond = tuple(self._beyond(m, i) if ceil else 0 for i, m in enumerate(shape(x)[2:]))

    def _beyond(self, m: int, i: int) -> int:
        (a, b), s = self.padding[i], self.stride[i]
        reach = (self.kernel[i] - 1) * self.dilation[i] + 1
        count = -(-(m + a + b - reach) // s) + 1
        count -= (count - 1) * s >= m + a  # a window that begins outside is none
        return max((count - 1) * s + reach - (m + a + b), 0)

    def of(self, x: Any, value: Any = 0.0, beyond: Any = None) -> Any:
        """(N, C, counts..., kernel...), where the padding holds a value, and what is beyond it another."""
        x = rules.pad(x, ((0, 0), (0, 0), *self.padding), value=value)
        rest = tuple((0, n) for n in self.beyond)
        x = rules.pad(x, ((0, 0), (0, 0), *rest), value=value if beyond is None else beyond)
        return rules.windows(x, self.kernel, self.stride, self.dilation, self.axes)

    @property
    def inside(self) -> tuple[int, ...]:
        """The axes within a window."""
        return tuple(range(-len(self.kernel), 0))


def max_pool(
    x: Any,
    *,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    pads: Any = None,
    storage_order: int = 0,
    strides: Any = None,
    outputs: int = 1,
) -> tuple:
    where = Windows(x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    floating = x if x.dtype.kind == "f" else x.astype(np.float64)
    found = where.of(floating, -np.inf)
    out = typed(rules.max(found, axis=where.inside), x.dtype)
    if outputs == 1:
        return (out,)
    own = shape(x)[2:]
    labels = np.arange(math.prod(shape(x)), dtype=np.float64)
    grid = labels.reshape(shape(x))
    if storage_order:
        grid = labels.reshape(*shape(x)[:2], *own[::-1]).transpose(0, 1, *range(len(shape(x)) - 1, 1, -1))
    lead = shape(found)[: -len(own)]
    largest = np.argmax(np.reshape(found, (*lead, -1)), axis=-1)[..., None]
    places = np.take_along_axis(np.reshape(where.of(grid, -1.0), (*lead, -1)), largest, axis=-1)
    return out, places[..., 0].astype(np.int64)


def average_pool(
    x: Any,
    *,
    kernel_shape: Any,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    dilations: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    where = Windows(x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    counts = where.of(np.ones(shape(x), x.dtype), 1.0 if count_include_pad else 0.0, beyond=0.0)
    return rules.sum(where.of(x), axis=where.inside) / np.sum(counts, axis=where.inside)


def lp_pool(
    x: Any,
    *,
    kernel_shape: Any,
    p: int = 2,
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    dilations: Any = None,
    pads: Any = None,
    strides: Any = None,
) -> Any:
    where = Windows(x, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    return rules.norm(where.of(x), axis=where.inside, ord=p)


def over_space(rule: Callable) -> Callable:
    return lambda x, **options: rule(x, axis=tuple(range(2, len(shape(x)))), keepdims=True, **options)


def global_lp_pool(x: Any, *, p: int = 2) -> Any:
    return over_space(rules.norm)(x, ord=p)


def channels(v: Any, x: Any) -> Any:
    return rules.reshape(v, (1, -1) + (1,) * (len(shape(x)) - 2)) if len(shape(x)) > 1 else v


def batch_normalization(
    x: Any,
    scale: Any,
    b: Any,
    mean: Any,
    var: Any,
    *,
    epsilon: float = 1e-5,
    momentum: float = 0.9,
    training_mode: int = 0,
    spatial: int = 1,
) -> tuple:
    gamma, beta = channels(scale, x), channels(b, x)
    if not training_mode:
        return (rules.batch_norm(x, channels(mean, x), channels(var, x), gamma, beta, eps=epsilon),)
    axes = (0, *range(2, len(shape(x))))
    own_mean, own_var = rules.mean(x, axis=axes), rules.var(x, axis=axes)
    out = rules.batch_norm(x, channels(own_mean, x), channels(own_var, x), gamma, beta, eps=epsilon)
    moved = (old * momentum + new * (1 - momentum) for old, new in ((mean, own_mean), (var, own_var)))
    return out, *moved


def layer_normalization(
    x: Any, scale: Any, b: Any = None, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> tuple:
    axes = tuple(range(axis % len(shape(x)), len(shape(x))))
    own = tuple(shape(x)[a] for a in axes)
    gamma, beta = (None if v is None else rules.broadcast_to(v, own) for v in (scale, b))
    mean = rules.mean(x, axis=axes, keepdims=True)
    return (
        rules.layer_norm(x, gamma, beta, axis=axes, eps=epsilon),
        mean,
        1 / rules.sqrt(rules.var(x, axis=axes, keepdims=True) + epsilon),
    )


def rms_normalization(
    x: Any, scale: Any, *, axis: int = -1, epsilon: float = 1e-5, stash_type: int = 1
) -> Any:
    axes = tuple(range(axis % len(shape(x)), len(shape(x))))
    gamma = rules.broadcast_to(scale, tuple(shape(x)[a] for a in axes))
    return rules.rms_norm(x, gamma, axis=axes, eps=epsilon)


def group_normalization(
    x: Any,
    scale: Any,
    b: Any,
    *,
    num_groups: int,
    epsilon: float = 1e-5,
    stash_type: int = 1,
    opset: int = 21,
) -> Any:
    """Before opset 21 there is a scale for each group."""
    if opset < 21:
        scale, b = (rules.repeat(v, shape(x)[1] // num_groups) for v in (scale, b))
    return rules.group_norm(x, scale, b, groups=num_groups, eps=epsilon)


def instance_normalization(x: Any, scale: Any, b: Any, *, epsilon: float = 1e-5) -> Any:
    return rules.instance_norm(x, scale, b, eps=epsilon)


def lrn(x: Any, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> Any:
    beside = ((size - 1) // 2, size - 1 - (size - 1) // 2)
    pairs = ((0, 0), beside, *((0, 0),) * (len(shape(x)) - 2))
    near = rules.sum(rules.windows(rules.pad(x * x, pairs), size, 1, 1, (1,)), axis=-1)
    return typed(x / (bias + alpha / size * near) ** beta, x.dtype)


def dropout(
    x: Any, share: Any = None, training: Any = None, /, *, seed: Any = None, ratio: float = 0.5
) -> tuple:
    """The masks are NumPy's."""
    ratio = ratio if share is None else float(stripped(share))
    if not training or not ratio:
        return x, np.ones(shape(x), bool)
    kept = np.random.RandomState(seed).uniform(0, 1, shape(x)) >= ratio
    return typed(x * (kept / (1 - ratio)), x.dtype), kept


def causal_conv(x: Any, W: Any, b: Any = None, past: Any = None, *, activation: str = "none") -> tuple:
    """A convolution of each channel that sees what came before, and what the next call needs of it."""
    before = shape(W)[2] - 1
    past = np.zeros((*shape(x)[:2], before), x.dtype) if past is None else past
    whole = rules.concatenate([past, x], axis=2)
    out = rules.conv1d(whole, W, b, groups=shape(x)[1])
    out = rules.silu(out) if activation in ("silu", "swish") else out
    return out, whole[:, :, shape(whole)[2] - before :]


TABLE: dict[str, Callable] = {
    "AveragePool": average_pool,
    "BatchNormalization": batch_normalization,
    "CausalConvWithState": causal_conv,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Dropout": dropout,
    "GlobalAveragePool": over_space(rules.mean),
    "GlobalLpPool": global_lp_pool,
    "GlobalMaxPool": over_space(rules.max),
    "GroupNormalization": group_normalization,
    "InstanceNormalization": instance_normalization,
    "LRN": lrn,
    "LayerNormalization": layer_normalization,
    "LpPool": lp_pool,
    "MaxPool": max_pool,
    "RMSNormalization": rms_normalization,
}
