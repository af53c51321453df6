"""Images in other sizes: enlarged, rearranged from channels, looked up at given places."""

import numpy as np

from handgrad.arrays import beside, cast, shape, xp
from handgrad.rules.convolution import for_each
from handgrad.rules.pooling import along_axes
from handgrad.rules.rule import rule


@rule
def upsample(x, /, size=None, scale_factor=None, mode="nearest", align_corners=False):
    """x in another size, out = A x along each axis.   dx = Aᵀ dout

    x (N, C, ...) -> (N, C, *size), of one to three spatial axes; ``size`` is a number or one for each, or
    ``scale_factor`` says how many times as large, which is rounded down.

    A (size, n) has two numbers in each row: where place i of out lies between places k and k + 1 of x, at
    k + w, these are 1 - w and w. ``mode`` is "linear" ("bilinear", "trilinear"), or "nearest": w is 0.
    Place i lies at (i + ½)·n / size - ½, as pixels do that have a width; with ``align_corners``, at
    i·(n - 1) / (size - 1), so that corners lie on corners. Where it would lie outside, it is the border.

    Raises:
        ValueError: neither or both of size and scale_factor, an unknown mode, or an empty axis.

    Examples:
        >>> print(hg.upsample(np.array([[[[1.0, 2.0]]]]), scale_factor=2)[0, 0].tolist())
        [[1.0, 1.0, 2.0, 2.0], [1.0, 1.0, 2.0, 2.0]]
    """
    n = len(shape(x)) - 2
    spatial = shape(x)[2:]
    if not 1 <= n <= 3 or not all(spatial):
        raise ValueError(f"x is (N, C, ...) with one to three axes that are not empty, not {shape(x)}")
    target, ratios = _target(spatial, size, scale_factor)
    if mode == "nearest":
        return _taken_along(x, [_nearest(*way) for way in zip(target, spatial, ratios, strict=True)])
    if mode not in ("linear", "bilinear", "trilinear"):
        raise ValueError(f"mode is nearest, linear, bilinear or trilinear, not {mode!r}")
    ways = zip(target, spatial, ratios, strict=True)
    return along_axes(x, [_between(m, h, ratio, align_corners) for m, h, ratio in ways])


def _target(spatial, size, scale_factor):
    """The new sizes, and how many places of x one of out is."""
    n = len(spatial)
    if (size is None) == (scale_factor is None):
        raise ValueError(f"upsample is given size or scale_factor, not {size} and {scale_factor}")
    if size is not None:
        target = for_each(n, size, "size")
        return target, [h / m for h, m in zip(spatial, target, strict=True)]
    factors = (scale_factor,) * n if isinstance(scale_factor, (int, float)) else tuple(scale_factor)
    target = tuple(int(h * f) for h, f in zip(spatial, factors, strict=True))
    if min(target) < 1:
        raise ValueError(f"{spatial} times {scale_factor} is nothing")
    return target, [1 / f for f in factors]


def _nearest(m, h, ratio):
    """For each of m places the one of h where it begins."""
    return np.minimum((np.arange(m) * ratio + 1e-9).astype(int), h - 1)


def _between(m, h, ratio, align_corners):
    """A (m, h): for each of m places what it takes of h. As in PyTorch, an axis of the same size stays."""
    if m == h:
        return np.eye(h)
    i = np.arange(m)
    at = i * (h - 1) / max(m - 1, 1) if align_corners else np.maximum((i + 0.5) * ratio - 0.5, 0)
    low = np.minimum(at.astype(int), h - 1)
    high, w = np.minimum(low + 1, h - 1), np.clip(at - low, 0, 1)
    A = np.zeros((m, h))
    A[i, low] += 1 - w
    A[i, high] += w
    return A


def _taken_along(x, places):
    """The elements at these places of each axis; where each is taken as often, repeated, which is quick."""
    N, C, *spatial = shape(x)
    target = tuple(map(len, places))
    times = [m // h for m, h in zip(target, spatial, strict=True)]
    evenly = [np.repeat(np.arange(h), k) for h, k in zip(spatial, times, strict=True)]
    if all(map(np.array_equal, places, evenly)):
        between = (N, C, *(n for h in spatial for n in (h, 1)))
        repeated = (N, C, *(n for h, k in zip(spatial, times, strict=True) for n in (h, k)))
        added = tuple(range(3, 3 + 2 * len(spatial), 2))

        def backward_of_repeated(dout):
            return xp.sum(xp.reshape(dout, repeated), axis=added)

        out = xp.broadcast_to(xp.reshape(x, between), repeated)
        return xp.reshape(out, (N, C, *target)), backward_of_repeated

    places = [beside(p, x) for p in places]

    def backward(dout):
        for axis, (p, h) in enumerate(zip(places, spatial, strict=True), 2):
            own = shape(dout)
            dout = xp.scatter_add(dout, (slice(None),) * axis + (p,), (*own[:axis], h, *own[axis + 1 :]))
        return dout

    out = x
    for axis, p in enumerate(places, 2):
        out = xp.take(out, p, axis=axis)
    return out, backward


@rule
def pixel_shuffle(x, /, factor):
    """Channels laid out as pixels, out[c, h·r + i, w·r + j] = x[c·r² + i·r + j, h, w].   Shi et al. 2016

    dx = dout where it came from: ``pixel_unshuffle``

    x (..., C·r², H, W) -> (..., C, H·r, W·r), r the ``factor``

    Raises:
        ValueError: the channels do not divide by r².

    Examples:
        >>> print(hg.pixel_shuffle(np.arange(4.0).reshape(1, 4, 1, 1), factor=2)[0, 0].tolist())
        [[0.0, 1.0], [2.0, 3.0]]
    """
    return _shuffled(x, factor), lambda dout: _unshuffled(dout, factor)


@rule
def pixel_unshuffle(x, /, factor):
    """Blocks of pixels laid into channels, out[c·r² + i·r + j, h, w] = x[c, h·r + i, w·r + j].

    dx = dout where it came from: ``pixel_shuffle``

    x (..., C, H·r, W·r) -> (..., C·r², H, W), r the ``factor``

    Raises:
        ValueError: the image does not divide into blocks of r x r.

    Examples:
        >>> print(hg.pixel_unshuffle(np.arange(4.0).reshape(1, 1, 2, 2), factor=2)[0, :, 0, 0])
        [0. 1. 2. 3.]
    """
    return _unshuffled(x, factor), lambda dout: _shuffled(dout, factor)


def _shuffled(x, r):
    *lead, C, H, W = shape(x)
    if r < 1 or C % (r * r):
        raise ValueError(f"{C} channels do not divide by the square of {r}")
    x = xp.reshape(x, (*lead, C // (r * r), r, r, H, W))
    n = len(lead)
    x = xp.permute_dims(x, (*range(n + 1), n + 3, n + 1, n + 4, n + 2))
    return xp.reshape(x, (*lead, C // (r * r), H * r, W * r))


def _unshuffled(x, r):
    *lead, C, H, W = shape(x)
    if r < 1 or H % r or W % r:
        raise ValueError(f"an image of {H} x {W} does not divide into blocks of {r} x {r}")
    x = xp.reshape(x, (*lead, C, H // r, r, W // r, r))
    n = len(lead)
    x = xp.permute_dims(x, (*range(n + 1), n + 2, n + 4, n + 1, n + 3))
    return xp.reshape(x, (*lead, C * r * r, H // r, W // r))


@rule
def grid_sample(x, grid, padding_mode="zeros", align_corners=False):
    """Images looked up between pixels, out = Σ x·max(0, 1 - |p - u|)·max(0, 1 - |q - v|) over pixels (u, v).

    dx = Σ dout·max(0, 1 - |p - u|)·max(0, 1 - |q - v|), dgrid = Σ x·dout·(±1)·max(0, 1 - |q - v|)·W / 2

    x (N, C, H, W), grid (N, OH, OW, 2) -> (N, C, OH, OW).   Jaderberg et al. 2015

    grid has (across, down) from -1 to 1, which are the outer edges of the border's pixels, or with
    ``align_corners`` their centres: p = ((across + 1)·W - 1) / 2, or (across + 1)·(W - 1) / 2. So out is made
    of the four pixels around (p, q), each weighed by how near it is, and its slope by p is the right two less
    the left two. Outside there are zeros, or with ``padding_mode`` "border" the nearest pixel.

    Raises:
        ValueError: shapes that do not fit, or an unknown ``padding_mode``.

    Examples:
        >>> x, grid = np.array([[[[1.0, 3.0]]]]), np.array([[[[0.0, 0.0]]]])  # the middle of two pixels
        >>> print(hg.grid_sample(x, grid))
        [[[[2.]]]]
    """
    if len(shape(x)) != 4 or len(shape(grid)) != 4 or shape(grid)[-1] != 2 or shape(grid)[0] != shape(x)[0]:
        raise ValueError(f"x is (N, C, H, W) and grid (N, OH, OW, 2), not {shape(x)} and {shape(grid)}")
    if padding_mode not in ("zeros", "border"):
        raise ValueError(f"padding_mode is zeros or border, not {padding_mode!r}")
    N, C, H, W = shape(x)
    _, OH, OW, _ = shape(grid)
    flat = xp.reshape(x, (N, C, H * W))
    p, dp = _pixels(grid[..., 0], W, padding_mode, align_corners)
    q, dq = _pixels(grid[..., 1], H, padding_mode, align_corners)
    left, top = xp.stop_gradient(xp.floor(p)), xp.stop_gradient(xp.floor(q))
    right_share, low_share = p - left, q - top
    corners = []
    for down, row_share in ((0, 1 - low_share), (1, low_share)):
        for across, column_share in ((0, 1 - right_share), (1, right_share)):
            u, v = left + across, top + down
            inside = (u >= 0) & (u <= W - 1) & (v >= 0) & (v <= H - 1)
            place = xp.clip(v, 0, max(H - 1, 0)) * W + xp.clip(u, 0, max(W - 1, 0))
            place = xp.reshape(cast(place, like=xp.arange_like(x, 1)), (N, 1, OH * OW))
            place = xp.broadcast_to(place, (N, C, OH * OW))
            pixel = xp.reshape(xp.take_along_axis(flat, place, axis=2), (N, C, OH, OW))
            mask = cast(xp.reshape(inside, (N, 1, OH, OW)), like=x)
            corners.append((place, pixel * mask, mask, row_share, column_share, down, across))

    def wide(share):
        return xp.reshape(share, (N, 1, OH, OW))

    def backward(dout):
        dflat, across, down = xp.zeros_like(flat), xp.zeros_like(p), xp.zeros_like(q)
        for place, pixel, mask, row_share, column_share, is_low, is_right in corners:
            d = xp.reshape(dout * mask * wide(row_share * column_share), (N, C, OH * OW))
            examples = xp.reshape(xp.arange_like(place, N), (N, 1, 1))
            channels = xp.reshape(xp.arange_like(place, C), (1, C, 1))
            dflat = dflat + xp.scatter_add(d, (examples, channels, place), (N, C, H * W))
            slope = xp.sum(dout * pixel, axis=1)
            across = across + (slope * row_share if is_right else -slope * row_share)
            down = down + (slope * column_share if is_low else -slope * column_share)
        return xp.reshape(dflat, shape(x)), xp.stack([across * dp, down * dq], axis=-1)

    terms = [pixel * wide(row * column) for _, pixel, _, row, column, _, _ in corners]
    return terms[0] + terms[1] + terms[2] + terms[3], backward


def _pixels(across, W, padding_mode, align_corners):
    """Where -1 to 1 lies among W pixels, and the slope of that."""
    scale = (W - 1) / 2 if align_corners else W / 2
    p = (across + 1) * scale - (0 if align_corners else 0.5)
    if padding_mode == "zeros":
        return p, scale
    inside = xp.stop_gradient((p > 0) & (p < W - 1))
    return xp.clip(p, 0, max(W - 1, 0)), xp.where(inside, xp.zeros_like(p) + scale, xp.zeros_like(p))
