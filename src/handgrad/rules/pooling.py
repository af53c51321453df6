"""Pooling over one, two and three axes: the largest or the mean of each window, with PyTorch's options."""

import math

import numpy as np

from handgrad.arrays import Recorded, beside, cast, shape, xp
from handgrad.rules.convolution import batched, for_each, sides
from handgrad.rules.rule import rule
from handgrad.rules.shaping import pad


@rule
def max_pool1d(x, /, size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """The largest in each window of sequences, as ``max_pool2d`` of images.

    out[i] = max(x[i·s + j·d]).   dx = Σ dout[i] where x is the first largest of window i

    x (N, C, T) -> (N, C, OT)

    Examples:
        >>> out, backward = hg.max_pool1d.vjp(np.array([[[1.0, 3.0, 2.0, 0.0]]]), size=2)
        >>> print(out, backward(np.array([[[10.0, 20.0]]]))[0])
        [[[3. 2.]]] [[[ 0. 10. 20.  0.]]]
    """
    return _max_pooled(1, x, size, stride, padding, dilation, ceil_mode)


@rule
def max_pool2d(x, /, size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """The largest in each window of images, with stride s and dilation d.

    out[i] = max(x[i·s + j·d]).   dx = Σ dout[i] where x is the first largest of window i

    x (N, C, H, W) -> (N, C, OH, OW), OH = (H + padding - d·(size - 1) - 1) // s + 1

    Of elements that tie the first has the gradient, and the first nan. ``size``, ``stride`` (None: windows
    lie side by side) and ``dilation`` are a number, or one for each axis; ``padding``, which never wins, is
    given as in ``conv2d``. ``ceil_mode`` keeps a last window that is partly outside. x may have any number of
    axes before C, or none.

    Raises:
        ValueError: a window is larger than the padded x, or padding is more than half of a window.

    Examples:
        >>> x = np.arange(16.0).reshape(1, 1, 4, 4)
        >>> out, backward = hg.max_pool2d.vjp(x, size=2)
        >>> print(out[0, 0].tolist(), backward(np.ones((1, 1, 2, 2)))[0].sum())
        [[5.0, 7.0], [13.0, 15.0]] 4.0
    """
    return _max_pooled(2, x, size, stride, padding, dilation, ceil_mode)


@rule
def max_pool3d(x, /, size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """The largest in each window of volumes, as ``max_pool2d`` of images.

    out[i] = max(x[i·s + j·d]).   dx = Σ dout[i] where x is the first largest of window i

    x (N, C, D, H, W) -> (N, C, OD, OH, OW)

    Examples:
        >>> hg.max_pool3d(np.ones((2, 3, 4, 4, 4)), size=2).shape
        (2, 3, 2, 2, 2)
    """
    return _max_pooled(3, x, size, stride, padding, dilation, ceil_mode)


@rule
def avg_pool1d(x, /, size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of sequences, as ``avg_pool2d`` of images.

    out[i] = Σ x[i·s + j] / n.   dx = Σ dout[i] / n over the windows i that x lies in

    x (N, C, T) -> (N, C, OT)

    Examples:
        >>> out, backward = hg.avg_pool1d.vjp(np.array([[[1.0, 3.0, 2.0, 0.0]]]), size=2)
        >>> print(out, backward(np.array([[[10.0, 20.0]]]))[0])
        [[[2. 1.]]] [[[ 5.  5. 10. 10.]]]
    """
    return _mean_pooled(1, x, size, stride, padding, ceil_mode, count_include_pad)


@rule
def avg_pool2d(x, /, size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of images, with stride s.

    out[i] = Σ x[i·s + j] / n.   dx = Σ dout[i] / n over the windows i that x lies in

    x (N, C, H, W) -> (N, C, OH, OW), OH = (H + padding - size) // s + 1

    n is the number of places in a window, those in the padding among them unless ``count_include_pad`` is
    False; places that ``ceil_mode`` adds never count. Options are as in ``max_pool2d``.

    Raises:
        ValueError: a window is larger than the padded x, or padding is more than half of a window.

    Examples:
        >>> print(hg.avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), size=2)[0, 0].tolist())
        [[2.5, 4.5], [10.5, 12.5]]
    """
    return _mean_pooled(2, x, size, stride, padding, ceil_mode, count_include_pad)


@rule
def avg_pool3d(x, /, size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window of volumes, as ``avg_pool2d`` of images.

    out[i] = Σ x[i·s + j] / n.   dx = Σ dout[i] / n over the windows i that x lies in

    x (N, C, D, H, W) -> (N, C, OD, OH, OW)

    Examples:
        >>> hg.avg_pool3d(np.ones((2, 3, 4, 4, 4)), size=2).shape
        (2, 3, 2, 2, 2)
    """
    return _mean_pooled(3, x, size, stride, padding, ceil_mode, count_include_pad)


def _max_pooled(n, x, size, stride, padding, dilation, ceil_mode):
    X, way = batched(n, x), Pooling(n, x, size, stride, padding, dilation, ceil_mode)
    whole = pad(X, ((0, 0), (0, 0), *way.pairs), value=-math.inf) if way.is_padded else X

    def spread(dwindows):
        return xp.reshape(way.added_up(dwindows, shape(whole)), shape(x))

    return _largest(n, x, xp.windows(whole, *way.windows), spread)


def _largest(n, x, windows, spread):
    """The largest of windows, whose gradient ``spread`` brings back to x.

    dx is dout at the place in each window where the first of the largest was, and that place is a constant:
    so out is the same linear function of x for derivatives of any order.
    """
    size, lead = shape(windows)[-n:], shape(x)[: len(shape(x)) - n]
    counts = shape(windows)[2:-n]
    peak, place = xp.max_of_windows(windows, n)
    order = cast(xp.reshape(xp.arange_like(place, math.prod(size)), size), like=place)
    before = cast(xp.reshape(order, (*size, *(1 for _ in shape(place)))), like=place)

    def backward(dout):
        d = xp.reshape(dout, shape(place))
        front = xp.where(before == place, d, xp.zeros_like(d))  # (*size, N, C, *counts)
        return spread(xp.permute_dims(front, (*range(n, len(shape(front))), *range(n))))

    if isinstance(x, Recorded):
        there = order == xp.reshape(place, (*shape(place), *(1 for _ in size)))
        peak = xp.sum(xp.where(there, windows, xp.zeros_like(windows)), axis=tuple(range(-n, 0)))
    return xp.reshape(peak, (*lead, *counts)), backward


def _mean_pooled(n, x, size, stride, padding, ceil_mode, count_include_pad):
    X, way = batched(n, x), Pooling(n, x, size, stride, padding, 1, ceil_mode)
    whole = xp.pad(X, ((0, 0), (0, 0), *way.pairs)) if way.is_padded else X
    windows = xp.windows(whole, *way.windows)
    divisor = way.numbers_in(count_include_pad)
    if not isinstance(divisor, int):
        divisor = cast(divisor, like=x)

    def backward(dout):
        d = xp.reshape(dout, shape(windows)[:-n]) / divisor
        d = xp.broadcast_to(xp.reshape(d, (*shape(d), *(1 for _ in way.size))), shape(windows))
        return xp.reshape(way.added_up(d, shape(whole)), shape(x))

    out = xp.sum_of_windows(windows, n) / divisor
    return xp.reshape(out, (*shape(x)[: len(shape(x)) - n], *shape(windows)[2:-n])), backward


class Pooling:
    """The windows of a pooling: ``pairs`` of padding, what ``xp.windows`` takes, and what lies in each."""

    def __init__(self, n, x, size, stride, padding, dilation, ceil_mode):
        self.spatial = shape(x)[len(shape(x)) - n :]
        self.size = for_each(n, size, "size")
        self.stride = self.size if stride is None else for_each(n, stride, "stride")
        dilation = for_each(n, dilation, "dilation")
        self.given = sides(n, self.size, self.stride, padding, dilation)
        self.spans = [d * (k - 1) + 1 for k, d in zip(self.size, dilation, strict=True)]
        if any(2 * max(pair) > span for pair, span in zip(self.given, self.spans, strict=True)):
            raise ValueError(
                f"padding is at most half of a window, else one may lie in it altogether: {self.given} is "
                f"more than half of {tuple(self.spans)}"
            )
        self.pairs = [
            (before, after + (beyond if ceil_mode else 0))
            for (before, after), beyond in zip(self.given, self.beyond(), strict=True)
        ]
        self.is_padded = any(map(any, self.pairs))
        self.windows = (self.size, self.stride, dilation, tuple(range(2, 2 + n)))
        if any(
            h + sum(pair) < span for h, pair, span in zip(self.spatial, self.pairs, self.spans, strict=True)
        ):
            raise ValueError(
                f"windows of {self.size}, dilated to {tuple(self.spans)}, do not fit into {self.spatial}, "
                f"padded by {self.given}"
            )

    def beyond(self):
        """How many places the last window would be outside, where it is partly in."""
        for h, (before, after), span, s in zip(
            self.spatial, self.given, self.spans, self.stride, strict=True
        ):
            rest = h + before + after - span
            count = -(-rest // s)  # windows after the first
            if count * s >= h + before:
                count -= 1  # it would begin in the padding after
            yield max(count * s - rest, 0)

    def added_up(self, dwindows, whole):
        dx = xp.unwindows(dwindows, whole, *self.windows[1:])
        inner = (slice(b, b + h) for h, (b, _) in zip(self.spatial, self.pairs, strict=True))
        return dx[(slice(None), slice(None), *inner)] if self.is_padded else dx

    def numbers_in(self, count_include_pad):
        """How many places of each window count: one number, or an array of them."""
        numbers = np.ones((), int)
        for h, (before, after), given, k, s in zip(
            self.spatial, self.pairs, self.given, self.size, self.stride, strict=True
        ):
            first, last = (0, before + h + given[1]) if count_include_pad else (before, before + h)
            starts = np.arange((h + before + after - k) // s + 1) * s
            inside = np.minimum(starts + k, last) - np.maximum(starts, first)
            numbers = numbers[..., None] * inside
        return int(numbers.flat[0]) if numbers.size and (numbers == numbers.flat[0]).all() else numbers


@rule
def adaptive_avg_pool1d(x, /, size):
    """The mean of each of so many parts of sequences, as ``adaptive_avg_pool2d`` of images.

    out[i] = Σ x / n over part i.   dx = Σ dout[i] / n over the parts i that x lies in

    x (N, C, T) -> (N, C, size)

    Examples:
        >>> print(hg.adaptive_avg_pool1d(np.array([[[1.0, 3.0, 5.0, 7.0]]]), size=2))
        [[[2. 6.]]]
    """
    return _mean_of_parts(1, x, size)


@rule
def adaptive_avg_pool2d(x, /, size):
    """The mean of each of so many parts of images.

    out[i] = Σ x / n over part i.   dx = Σ dout[i] / n over the parts i that x lies in

    x (N, C, H, W) -> (N, C, *size); ``size`` is a number, or one for each axis, and 1 is the mean of all.

    Part i of an axis of H begins at ⌊i·H / size⌋ and ends before ⌈(i + 1)·H / size⌉, so parts overlap where
    H does not divide by size. With A (size, H), which is 1 / n in part i and else 0, out = A x along each
    axis, and dx = Aᵀ dout.

    Raises:
        ValueError: a size is less than 1, or an axis is empty.

    Examples:
        >>> print(hg.adaptive_avg_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), size=1))
        [[[[7.5]]]]
    """
    return _mean_of_parts(2, x, size)


@rule
def adaptive_avg_pool3d(x, /, size):
    """The mean of each of so many parts of volumes, as ``adaptive_avg_pool2d`` of images.

    out[i] = Σ x / n over part i.   dx = Σ dout[i] / n over the parts i that x lies in

    x (N, C, D, H, W) -> (N, C, *size)

    Examples:
        >>> hg.adaptive_avg_pool3d(np.ones((2, 3, 5, 6, 7)), size=2).shape
        (2, 3, 2, 2, 2)
    """
    return _mean_of_parts(3, x, size)


@rule
def adaptive_max_pool1d(x, /, size):
    """The largest in each of so many parts of sequences, as ``adaptive_max_pool2d`` of images.

    out[i] = max(x) of part i.   dx = Σ dout[i] where x is the first largest of part i

    x (N, C, T) -> (N, C, size)

    Examples:
        >>> print(hg.adaptive_max_pool1d(np.array([[[1.0, 3.0, 5.0, 7.0]]]), size=2))
        [[[3. 7.]]]
    """
    return _max_of_parts(1, x, size)


@rule
def adaptive_max_pool2d(x, /, size):
    """The largest in each of so many parts of images, which are those of ``adaptive_avg_pool2d``.

    out[i] = max(x) of part i.   dx = Σ dout[i] where x is the first largest of part i

    x (N, C, H, W) -> (N, C, *size)

    Raises:
        ValueError: a size is less than 1, or an axis is empty.

    Examples:
        >>> print(hg.adaptive_max_pool2d(np.arange(16.0).reshape(1, 1, 4, 4), size=1))
        [[[[15.]]]]
    """
    return _max_of_parts(2, x, size)


@rule
def adaptive_max_pool3d(x, /, size):
    """The largest in each of so many parts of volumes, as ``adaptive_max_pool2d`` of images.

    out[i] = max(x) of part i.   dx = Σ dout[i] where x is the first largest of part i

    x (N, C, D, H, W) -> (N, C, *size)

    Examples:
        >>> hg.adaptive_max_pool3d(np.ones((2, 3, 5, 6, 7)), size=2).shape
        (2, 3, 2, 2, 2)
    """
    return _max_of_parts(3, x, size)


def _parts(n, x, size):
    """For each axis where parts begin and end, and their places, the last of short ones repeated."""
    spatial = shape(x)[len(shape(x)) - n :]
    if not all(spatial):
        raise ValueError(f"there are no parts of an empty axis: {spatial}")
    for m, h in zip(for_each(n, size, "size"), spatial, strict=True):
        i = np.arange(m)
        start, stop = i * h // m, -(-(i + 1) * h // m)
        longest = int((stop - start).max())
        yield start, stop, np.minimum(start[:, None] + np.arange(longest), stop[:, None] - 1)


def _mean_of_parts(n, x, size):
    spatial = shape(x)[len(shape(x)) - n :]
    matrices = []
    for h, (start, stop, _) in zip(spatial, _parts(n, x, size), strict=True):
        place = np.arange(h)
        within = (place >= start[:, None]) & (place < stop[:, None])
        matrices.append(within / within.sum(axis=1, keepdims=True))
    return along_axes(x, matrices)


def along_axes(x, matrices):
    """The last axes of x, one after the other, each multiplied by a matrix: out = A x.   dx = Aᵀ dout"""
    ends = "hwd"[: len(matrices)]
    matrices = [cast(A, like=x) for A in matrices]

    def mapped(x, map_of):
        for k, A in zip(ends, matrices, strict=True):
            x = xp.einsum(f"...{ends},{map_of(k)}->...{ends.replace(k, 'o')}", x, A)
        return x

    def backward(dout):
        return mapped(dout, lambda k: k + "o")

    return mapped(x, lambda k: "o" + k), backward


def _max_of_parts(n, x, size):
    windows, ways = batched(n, x), []
    for axis, (_, _, places) in enumerate(_parts(n, x, size)):
        taken = beside(places.reshape(-1), x)
        ways.append((2 + axis, taken, shape(windows)))
        own = shape(windows)
        windows = xp.take(windows, taken, axis=2 + axis)
        windows = xp.reshape(windows, (*own[: 2 + axis], *places.shape, *own[3 + axis :]))
        order = [a for a in range(len(shape(windows))) if a != 3 + axis]
        windows = xp.permute_dims(windows, (*order, 3 + axis))

    def spread(dwindows):
        for axis, places, own in reversed(ways):
            last = len(shape(dwindows)) - 1
            d = xp.permute_dims(dwindows, (*range(axis + 1), last, *range(axis + 1, last)))
            d = xp.reshape(d, (*own[:axis], shape(places)[0], *own[axis + 1 :]))
            dwindows = xp.scatter_add(d, (slice(None),) * axis + (places,), own)
        return xp.reshape(dwindows, shape(x))

    return _largest(n, x, windows, spread)
