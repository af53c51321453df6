"""PyTorch, with what it lacks."""

from __future__ import annotations

import functools
import math
from typing import Any

from handgrad.arrays import linear_algebra, windowing
from handgrad.arrays.convolution import Convolution, with_bias
from handgrad.arrays.dispatch import Library
from handgrad.arrays.loops import scan
from handgrad.arrays.numpy_library import fold_in
from handgrad.arrays.questions import shape


@functools.cache
def torch_library() -> Library:
    import array_api_compat.torch as compat
    import torch

    def getitem(x: Any, index: Any) -> Any:
        index, turned = _forwards(index, shape(x))
        return torch.flip(x[index], turned) if turned else x[index]

    def where_it_lands(index: Any, shape: tuple[int, ...], device: Any) -> Any:
        return getitem(torch.arange(math.prod(shape), device=device).reshape(shape), index)

    def scatter_add(dout: Any, index: Any, shape: tuple[int, ...]) -> Any:
        places = where_it_lands(index, shape, dout.device)
        flat = dout.new_zeros(math.prod(shape))
        added = flat.index_add(0, places.reshape(-1), dout.expand(places.shape).reshape(-1))
        return added.reshape(shape)

    def take(x: Any, indices: Any, axis: int) -> Any:
        return compat.take(x, torch.as_tensor(indices, device=x.device), axis=axis)

    def logaddexp2(x: Any, y: Any) -> Any:
        dtype = torch.result_type(x, y)
        return torch.logaddexp2(*(torch.as_tensor(v, dtype=dtype) for v in (x, y)))

    def random_uniform(x: Any, key: Any) -> Any:
        seed = int(key[0]) << 32 | int(key[1])
        generator = torch.Generator(device=x.device).manual_seed(seed)
        return torch.rand(x.shape, generator=generator, device=x.device, dtype=torch.float32)

    def windows(x: Any, size: Any, stride: Any = 1, dilation: Any = 1, axes: Any = None) -> Any:
        found = windowing.windowing(shape(x), size, stride, dilation, axes)
        strides = list(x.stride())
        for a, s in zip(found.axes, found.stride, strict=True):
            strides[a] *= s
        inside = [x.stride(a) * d for a, d in zip(found.axes, found.dilation, strict=True)]
        return x.as_strided(found.result, (*strides, *inside))

    def unwindows(
        x: Any, shape: tuple[int, ...], stride: Any = 1, dilation: Any = 1, axes: Any = None
    ) -> Any:
        found = windowing.of_windows(x, shape, stride, dilation, axes)
        out = x.new_zeros(found.shape)
        for j, index in found.places():
            out[index] += x[(..., *j)]
        return out

    def evenly_padded(x: Any, how: Convolution) -> tuple[Any, list[int]]:
        """x, with zeros after it where it is padded unevenly, and the padding that is left to do."""
        least = [min(pair) for pair in how.padding]
        more = [n for pair, p in zip(how.padding, least, strict=True) for n in (pair[0] - p, pair[1] - p)]
        return (torch.nn.functional.pad(x, _last_first(more)) if any(more) else x), least

    def convolution(x: Any, W: Any, how: Convolution, b: Any = None) -> Any:
        x, padding = evenly_padded(x, how)
        zeros = [0] * how.ndim
        way = (how.stride, padding, how.dilation, False, zeros, how.groups)
        if getattr(b, "dtype", None) == W.dtype:
            return torch.ops.aten.convolution(x, W, b, *way)
        return with_bias(torch.ops.aten.convolution(x, W, None, *way), b)

    def gradient(dout: Any, x: Any, W: Any, how: Convolution, of: int) -> Any:
        x, padding = evenly_padded(x, how)
        zeros, wanted = [0] * how.ndim, [of == 0, of == 1, False]
        way = (how.stride, padding, how.dilation, False, zeros, how.groups)
        return torch.ops.aten.convolution_backward(dout, x, W, None, *way, wanted)[of]

    def convolution_dx(dout: Any, W: Any, shape: tuple[int, ...], how: Convolution) -> Any:
        dx = gradient(dout, dout.new_empty(shape), W, how, of=0)
        uneven = [max(before - after, 0) for before, after in how.padding]
        inner = [slice(skip, skip + n) for skip, n in zip(uneven, shape[2:], strict=True)]
        return dx[(..., *inner)]

    def convolution_dW(dout: Any, x: Any, shape: tuple[int, ...], how: Convolution) -> Any:
        return gradient(dout, x, dout.new_empty(shape), how, of=1)

    return Library(
        compat,
        **linear_algebra.of_torch(),
        scan=scan,
        einsum=torch.einsum,
        pad=windowing.pad,
        windows=windows,
        unwindows=unwindows,
        sum_of_windows=windowing.sum_of_windows,
        max_of_windows=windowing.max_of_windows,
        convolution=convolution,
        convolution_dx=convolution_dx,
        convolution_dW=convolution_dW,
        taken=lambda x, like: torch.as_tensor(x, device=like.device),
        scatter_add=scatter_add,
        getitem=getitem,
        take=take,
        logaddexp2=logaddexp2,
        erf=torch.special.erf,
        erfc=torch.special.erfc,
        random_uniform=random_uniform,
        fold_in=fold_in,
        arange_like=lambda x, n: torch.arange(n, device=x.device),
        stop_gradient=lambda x: x.detach(),
    )


def _last_first(pairs: list[int]) -> list[int]:
    """Padding, the last axis first."""
    return [n for i in reversed(range(0, len(pairs), 2)) for n in pairs[i : i + 2]]


def _forwards(index: Any, shape: tuple[int, ...]) -> tuple[Any, list[int]]:
    """An index of slices that go forwards, and the axes of the result to turn round for those that do not."""
    parts = index if isinstance(index, tuple) else (index,)
    if not any(isinstance(part, slice) and (part.step or 1) < 0 for part in parts):
        return index, []
    if any(not isinstance(part, (int, slice, type(None), type(...))) for part in parts):
        raise ValueError("PyTorch has no negative steps beside arrays of indices: flip the axis before")
    given: list[Any] = []
    turned: list[int] = []
    axis = made = 0
    for part in parts:
        if part is Ellipsis:
            skipped = len(shape) - sum(p is not None and p is not Ellipsis for p in parts)
            axis, made = axis + skipped, made + skipped
        elif isinstance(part, slice) and (part.step or 1) < 0:
            places = range(*part.indices(shape[axis]))
            part = slice(places[-1], places[0] + 1, -places.step) if places else slice(0, 0)
            turned.append(made)
        given.append(part)
        if part is not Ellipsis:
            axis += part is not None
            made += not isinstance(part, int)
    return tuple(given), turned
