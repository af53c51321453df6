"""Convolutions, pooling, normalisation, padding, embedding: functions of ``torch.nn.functional``."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import shape, stripped, xp
from handgrad.tape.torch_functions.shaping import moved


def _each(given: Any) -> Any:
    """A number, or one for each axis; a list is a tuple, and one number in it is a number."""
    if not isinstance(given, (list, tuple)):
        return given
    return given[0] if len(given) == 1 else tuple(given)


def _for_axes(given: Any, n: int) -> tuple:
    return tuple(given) * (n if len(given) == 1 else 1) if isinstance(given, (list, tuple)) else (given,) * n


def convolution(n: int) -> Callable:
    rule = getattr(rules, f"conv{n}d")

    def function(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
    ) -> Any:
        return rule(input, weight, bias, _each(stride), _each(padding), _each(dilation), groups)

    return function


def transposed_convolution(n: int) -> Callable:
    rule = getattr(rules, f"conv_transpose{n}d")

    def function(
        input: Any,
        weight: Any,
        bias: Any = None,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        dilation: Any = 1,
    ) -> Any:
        sizes = map(_each, (stride, padding, output_padding))
        return rule(input, weight, bias, *sizes, groups, _each(dilation))

    return function


def max_pooling(n: int) -> Callable:
    rule = getattr(rules, f"max_pool{n}d")

    def function(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        dilation: Any = 1,
        ceil_mode: bool = False,
    ) -> Any:
        sizes = kernel_size, stride or None, padding, dilation
        return rule(input, *map(_each, sizes), ceil_mode)

    return function


def mean_pooling(n: int) -> Callable:
    rule = getattr(rules, f"avg_pool{n}d")

    def function(
        input: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: Any = None,
    ) -> Any:
        size, step, zeros = map(_each, (kernel_size, stride or None, padding))
        if divisor_override is None:
            return rule(input, size, step, zeros, ceil_mode, count_include_pad)
        return _sum_pooled(n, input, size, step, zeros, ceil_mode) / divisor_override

    return function


def _sum_pooled(n: int, x: Any, size: Any, stride: Any, padding: Any, ceil_mode: bool) -> Any:
    """The sum of each window, by its mean once there are zeros for all that it reaches."""
    import torch

    wanted = shape(
        getattr(torch.nn.functional, f"avg_pool{n}d")(stripped(x), size, stride, padding, ceil_mode)
    )
    sizes, zeros = ((k,) * n if isinstance(k, int) else k for k in (size, padding))
    lead = ((0, 0),) * (len(shape(x)) - n)
    wide = rules.pad(x, (*lead, *((p, p + k) for p, k in zip(zeros, sizes, strict=True))))
    sums = getattr(rules, f"avg_pool{n}d")(wide, size, stride) * math.prod(sizes)
    return sums[tuple(slice(0, m) for m in wanted)]


def adaptive(kind: str, n: int) -> Callable:
    rule = getattr(rules, f"adaptive_{kind}_pool{n}d")

    def function(input: Any, output_size: Any) -> Any:
        sizes = output_size if isinstance(output_size, (list, tuple)) else (output_size,) * n
        own = shape(input)[len(shape(input)) - n :]
        return rule(input, tuple(m if k is None else k for k, m in zip(sizes, own, strict=True)))

    return function


def with_indices(name: str, n: int) -> Callable:
    """The largest of windows with their places, which are PyTorch's."""

    def function(input: Any, *args: Any, **options: Any) -> tuple:
        import torch

        options.pop("return_indices", None)
        found = getattr(torch.nn.functional, name)(stripped(input), *args, **options, return_indices=True)[1]
        ndim = len(shape(input))
        lead, own, made = shape(input)[: ndim - n], shape(input)[ndim - n :], shape(found)[ndim - n :]
        flat = rules.reshape(input, (*lead, math.prod(own)))
        values = rules.take_along_axis(flat, xp.reshape(found, (*lead, math.prod(made))), axis=-1)
        return rules.reshape(values, shape(found)), found

    return function


def largest(name: str, n: int) -> Callable:
    return lambda input, *args, **options: with_indices(name, n)(input, *args, **options)[0]


def layer_norm(
    input: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5
) -> Any:
    return rules.layer_norm(input, weight, bias, axis=_last(normalized_shape), eps=eps)


def _last(sizes: Any) -> tuple:
    return tuple(range(-len(sizes), 0))


def rms_norm(input: Any, normalized_shape: Any, weight: Any = None, eps: Any = None) -> Any:
    import torch

    eps = torch.finfo(stripped(input).dtype).eps if eps is None else eps
    return rules.rms_norm(input, weight, axis=_last(normalized_shape), eps=eps)


def native_layer_norm(input: Any, normalized_shape: Any, weight: Any, bias: Any, eps: float) -> tuple:
    """And the mean and 1 / √(variance + eps) of each example."""
    axes = _last(normalized_shape)
    mean, var = (f(input, axis=axes, keepdims=True) for f in (rules.mean, rules.var))
    return layer_norm(input, normalized_shape, weight, bias, eps), mean, 1 / rules.sqrt(var + eps)


def native_group_norm(
    input: Any, weight: Any, bias: Any, N: int, C: int, HxW: int, group: int, eps: float
) -> tuple:
    """And the mean and 1 / √(variance + eps) of each group of each example."""
    rows = rules.reshape(input, (N, group, C // group * HxW))
    mean, var = rules.mean(rows, axis=-1), rules.var(rows, axis=-1)
    return group_norm(input, group, weight, bias, eps), mean, 1 / rules.sqrt(var + eps)


def group_norm(input: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    return rules.group_norm(input, weight, bias, groups=num_groups, eps=eps)


def _channels(x: Any, like: Any, otherwise: float) -> Any:
    """Numbers of channels, which are the second axis."""
    if x is None:
        return otherwise
    return rules.reshape(x, (1, -1) + (1,) * (len(shape(like)) - 2)) if len(shape(like)) > 1 else x


def batch_norm(
    input: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    """In training by the batch's own statistics; the running ones are moved on, as PyTorch does."""
    mean, var = running_mean, running_var
    if training:
        others = (0, *range(2, len(shape(input))))
        mean, var = rules.mean(input, axis=others), rules.var(input, axis=others)
        n = math.prod(shape(input)[a] for a in others)
        _move(running_mean, stripped(mean), momentum)
        _move(running_var, stripped(var) * n / max(n - 1, 1), momentum)
    scale, shift = (_channels(x, input, other) for x, other in ((weight, 1.0), (bias, 0.0)))
    return rules.batch_norm(input, _channels(mean, input, 0), _channels(var, input, 1), scale, shift, eps=eps)


def _move(running: Any, found: Any, momentum: float) -> None:
    value = stripped(running)
    if value is not None:
        value.mul_(1 - momentum).add_(momentum * found)


def instance_norm(
    input: Any,
    running_mean: Any = None,
    running_var: Any = None,
    weight: Any = None,
    bias: Any = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Any:
    if not use_input_stats:
        return batch_norm(input, running_mean, running_var, weight, bias, False, momentum, eps)
    spatial = tuple(range(2, len(shape(input))))
    n = math.prod(shape(input)[2:])
    value = stripped(input)
    _move(running_mean, xp.mean(value, axis=(0, *spatial)), momentum)
    _move(running_var, xp.mean(xp.var(value, axis=spatial, correction=1 if n > 1 else 0), axis=0), momentum)
    return rules.instance_norm(input, weight, bias, eps=eps)


def local_response_norm(
    input: Any, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0
) -> Any:
    """Divided by a power of the mean square of channels nearby.   Krizhevsky et al. 2012"""
    beside = [(0, 0)] * len(shape(input))
    beside[1] = (size // 2, (size - 1) // 2)
    near = rules.windows(rules.pad(input * input, tuple(beside)), size, 1, 1, (1,))
    return input / (rules.mean(near, axis=-1) * alpha + k) ** beta


PLAIN_PAD = "constant"


def pad(input: Any, pad: Any, mode: str = PLAIN_PAD, value: Any = None) -> Any:
    """The axes from the last to the first, as one flat list; what is below 0 is cut off."""
    import torch

    if mode != PLAIN_PAD:
        return as_moved(functools.partial(torch.nn.functional.pad, pad=pad, mode=mode))(input)
    ndim = len(shape(input))
    pairs = [(0, 0)] * ndim
    for i in range(len(pad) // 2):
        pairs[ndim - 1 - i] = pad[2 * i], pad[2 * i + 1]
    cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(pairs, shape(input), strict=True))
    grown = tuple((max(a, 0), max(b, 0)) for a, b in pairs)
    x = input[cut] if any(min(pair) < 0 for pair in pairs) else input
    return rules.pad(x, grown, value=0 if value is None else value)


def as_moved(function: Callable, blank: bool = False) -> Callable:
    """``moved`` of a function of floating numbers, which hold the numbers of elements exactly."""

    def of_floats(labels: Any, *args: Any, **options: Any) -> Any:
        import torch

        return function(labels.to(torch.float64), *args, **options).to(torch.int64)

    return moved(of_floats, blank)


def functional(name: str, blank: bool = False) -> Callable:
    def function(input: Any, *args: Any, **options: Any) -> Any:
        import torch

        return as_moved(getattr(torch.nn.functional, name), blank)(input, *args, **options)

    return function


def fold(
    input: Any, output_size: Any, kernel_size: Any, dilation: Any = 1, padding: Any = 0, stride: Any = 1
) -> Any:
    """What ``unfold`` reads there, is added."""
    import torch

    lead = shape(input)[:-2]
    height, width = output_size if isinstance(output_size, (list, tuple)) else (output_size,) * 2
    volume = kernel_size**2 if isinstance(kernel_size, int) else math.prod(kernel_size)
    C = shape(input)[-2] // volume
    labels = torch.arange(1, C * height * width + 1, dtype=torch.float64).reshape(1, C, height, width)
    places = torch.nn.functional.unfold(labels, kernel_size, dilation, padding, stride)[0].to(torch.int64)
    flat = rules.reshape(input, (*lead, -1))
    index = (slice(None),) * len(lead) + (places.reshape(-1),)
    added = rules.scatter_add(flat, index, (*lead, 1 + C * height * width))
    return rules.reshape(added[(..., slice(1, None))], (*lead, C, height, width))


def dropout(name: str) -> Callable:
    """Each element times a number plus another, which PyTorch draws: what it makes of zeros and ones."""

    def function(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
        import torch

        own = getattr(torch.nn.functional, name)
        before = torch.get_rng_state()
        offset = own(xp.zeros_like(stripped(input)), p, training)
        torch.set_rng_state(before)
        return offset + input * (own(xp.ones_like(stripped(input)), p, training) - offset)

    return function


def unpooling(n: int) -> Callable:
    def function(
        input: Any,
        indices: Any,
        kernel_size: Any,
        stride: Any = None,
        padding: Any = 0,
        output_size: Any = None,
    ) -> Any:
        return unpooled(input, stripped(indices), n=n, how=(kernel_size, stride, padding, output_size))

    return function


@rules.rule
def unpooled(x: Any, indices: Any, /, n: int, how: tuple) -> Any:
    """out = x at indices of its last n axes, else 0.   dx = dout[indices]"""
    import torch

    lead, own = shape(x)[: len(shape(x)) - n], shape(x)[len(shape(x)) - n :]
    places = xp.reshape(indices, (*lead, math.prod(own)))

    def backward(dout: Any) -> Any:
        flat = xp.reshape(dout, (*lead, math.prod(shape(dout)[len(lead) :])))
        return xp.reshape(xp.take_along_axis(flat, places, axis=-1), shape(x)), None

    return getattr(torch.nn.functional, f"max_unpool{n}d")(x, indices, *how), backward


DROPOUTS = "dropout dropout1d dropout2d dropout3d alpha_dropout feature_alpha_dropout".split()
SIZES = (1, 2, 3)

TABLE: dict[str, Callable] = {
    **{f"conv{n}d": convolution(n) for n in SIZES},
    **{f"conv_transpose{n}d": transposed_convolution(n) for n in SIZES},
    **{f"max_pool{n}d": max_pooling(n) for n in SIZES},
    **{f"F.max_pool{n}d_with_indices": with_indices(f"max_pool{n}d", n) for n in SIZES},
    **{f"F.adaptive_max_pool{n}d_with_indices": with_indices(f"adaptive_max_pool{n}d", n) for n in SIZES},
    **{
        f"F.fractional_max_pool{n}d_with_indices": with_indices(f"fractional_max_pool{n}d", n) for n in (2, 3)
    },
    **{f"F.max_unpool{n}d": unpooling(n) for n in SIZES},
    **{f"avg_pool{n}d": mean_pooling(n) for n in SIZES},
    **{f"adaptive_{kind}_pool{n}d": adaptive(kind, n) for n in SIZES for kind in ("avg", "max")},
    **{f"F.{name}": dropout(name) for name in DROPOUTS},
    **{f"F.fractional_max_pool{n}d": largest(f"fractional_max_pool{n}d", n) for n in (2, 3)},
    "F.batch_norm": batch_norm,
    "F.fold": fold,
    "F.instance_norm": instance_norm,
    "F.layer_norm": layer_norm,
    "F.local_response_norm": local_response_norm,
    "F.pad": pad,
    "F.unfold": functional("unfold", blank=True),
    "channel_shuffle": functional("channel_shuffle"),
    "constant_pad_nd": lambda input, pad, value=0: TABLE["F.pad"](input, pad, value=value),
    "group_norm": group_norm,
    "native_group_norm": native_group_norm,
    "native_layer_norm": native_layer_norm,
    "pixel_shuffle": functional("pixel_shuffle"),
    "pixel_unshuffle": functional("pixel_unshuffle"),
    "rms_norm": rms_norm,
}
