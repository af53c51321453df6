"""Convolutions of one, two and three axes, and their transposes, with PyTorch's arguments and layout."""

import math

from handgrad.arrays import shape, xp
from handgrad.arrays.convolution import Convolution, describe, with_bias
from handgrad.rules.rule import rule


@rule
def conv1d(x, W, b=None, /, stride=1, padding=0, dilation=1, groups=1):
    """Convolution of sequences, as ``conv2d`` of images.

    out[i] = Σ W[j]·x[i·s + j·d] + b.   dx[h] = Σ W[j]·dout[i] where i·s + j·d = h,
    dW[j] = Σ x[i·s + j·d]·dout[i], db = Σ dout

    x (N, C, T), W (O, C, K), b (O,) -> (N, O, OT)

    Examples:
        >>> out, backward = hg.conv1d.vjp(np.array([[[1.0, 2.0, 3.0]]]), np.array([[[1.0, 10.0]]]))
        >>> dx, dW, _ = backward(np.ones((1, 1, 2)))
        >>> print(out, dx, dW)
        [[[21. 32.]]] [[[ 1. 11. 10.]]] [[[3. 5.]]]
    """
    return _convolved(1, x, W, b, stride, padding, dilation, groups)


@rule
def conv2d(x, W, b=None, /, stride=1, padding=0, dilation=1, groups=1):
    """Convolution of images, with stride s and dilation d.   LeCun et al. 1989

    out[i] = Σ W[j]·x[i·s + j·d] + b.   dx[h] = Σ W[j]·dout[i] where i·s + j·d = h,
    dW[j] = Σ x[i·s + j·d]·dout[i], db = Σ dout

    x (N, C, H, W), W (O, C, KH, KW), b (O,) -> (N, O, OH, OW), OH = (H + padding - d·(KH - 1) - 1) // s + 1

    out is a product of W, as (O, C·KH·KW), and the windows of x, as (C·KH·KW, N·OH·OW). So dW is dout times
    the windows; each window's own gradient is Wᵀ dout, and dx adds these up where windows overlapped.

    ``padding`` is of zeros: a number for both sides of all axes, one number or one (before, after) for each
    axis, "same", which keeps the sizes (and has the odd zero after), or "valid" for none. With ``groups`` the
    channels are divided, and each part of out sees its part of x: W is (O, C / groups, KH, KW); where groups
    is C, each channel has filters of its own (depthwise). x may have any number of axes before C, or none.
    Without b nothing is added.

    Raises:
        ValueError: shapes, channels and groups do not fit, or the kernel is larger than the padded x.

    Examples:
        >>> x, W = np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
        >>> out, backward = hg.conv2d.vjp(x, W, np.array([100.0]))
        >>> dx, dW, db = backward(np.ones((1, 1, 2, 2)))
        >>> print(out[0, 0].tolist(), dx[0, 0].tolist(), db)
        [[108.0, 112.0], [120.0, 124.0]] [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]] [4.]
    """
    return _convolved(2, x, W, b, stride, padding, dilation, groups)


@rule
def conv3d(x, W, b=None, /, stride=1, padding=0, dilation=1, groups=1):
    """Convolution of volumes, as ``conv2d`` of images.

    out[i] = Σ W[j]·x[i·s + j·d] + b.   dx[h] = Σ W[j]·dout[i] where i·s + j·d = h,
    dW[j] = Σ x[i·s + j·d]·dout[i], db = Σ dout

    x (N, C, D, H, W), W (O, C, KD, KH, KW), b (O,) -> (N, O, OD, OH, OW)

    Examples:
        >>> x, W = np.ones((1, 1, 2, 3, 3)), np.ones((4, 1, 2, 2, 2))
        >>> out = hg.conv3d(x, W)
        >>> out.shape, float(out.max())
        ((1, 4, 1, 2, 2), 8.0)
    """
    return _convolved(3, x, W, b, stride, padding, dilation, groups)


def _convolved(n, x, W, b, stride, padding, dilation, groups):
    size = kernel_of(n, W, b, shape(W)[0])
    how = Convolution(
        for_each(n, stride, "stride"),
        sides(n, size, stride, padding, dilation),
        for_each(n, dilation, "dilation"),
        groups,
    )
    X = batched(n, x)
    channels, filters = shape(X)[1], shape(W)[0]
    if groups < 1 or channels % groups or filters % groups or shape(W)[1] != channels // groups:
        raise ValueError(
            f"W {shape(W)} in {groups} groups does not fit x {shape(x)}: of C channels and O filters, W is "
            f"(O, C / groups, ...), and groups divides both"
        )
    counts = how.counts(shape(X)[2:], size)
    if min(counts) < 1:
        raise ValueError(describe(how, size, shape(X)[2:]))
    lead = shape(x)[: len(shape(x)) - n - 1]

    def backward(dout):
        dout = batched(n, dout)
        dx = xp.reshape(xp.convolution_dx(dout, W, shape(X), how), shape(x))
        dW = xp.convolution_dW(dout, X, shape(W), how)
        return dx, dW, bias_gradient(b, dout)

    out = xp.convolution(X, W, how, b)
    return xp.reshape(out, (*lead, filters, *counts)), backward


@rule
def conv_transpose1d(x, W, b=None, /, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution of sequences, as ``conv_transpose2d`` of images.

    out[h] = Σ W[j]·x[i] + b where i·s + j·d = h.   dx[i] = Σ W[j]·dout[i·s + j·d],
    dW[j] = Σ x[i]·dout[i·s + j·d], db = Σ dout

    x (N, C, T), W (C, O, K), b (O,) -> (N, O, OT)

    Examples:
        >>> out, backward = hg.conv_transpose1d.vjp(np.array([[[1.0, 2.0]]]), np.array([[[1.0, 10.0]]]))
        >>> dx, dW, _ = backward(np.ones((1, 1, 3)))
        >>> print(out, dx, dW)
        [[[ 1. 12. 20.]]] [[[11. 11.]]] [[[3. 3.]]]
    """
    return _transposed(1, x, W, b, stride, padding, output_padding, groups, dilation)


@rule
def conv_transpose2d(x, W, b=None, /, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution of images, with stride s and dilation d.   Zeiler et al. 2010

    out[h] = Σ W[j]·x[i] + b where i·s + j·d = h.   dx[i] = Σ W[j]·dout[i·s + j·d],
    dW[j] = Σ x[i]·dout[i·s + j·d], db = Σ dout

    x (N, C, H, W), W (C, O, KH, KW), b (O,) -> (N, O, OH, OW),
    OH = (H - 1)·s - padding + d·(KH - 1) + 1 + output_padding

    It is ``conv2d``'s gradient by its input, for a W of C filters: what that does with dout, this does with
    x. So dx is the convolution of dout with W, and dW the convolution's with x and dout changed about.

    ``padding``, given as in ``conv2d``, is cut off the sides. A convolution with a stride makes H of several
    sizes; the smallest comes out, and ``output_padding``, less than the stride or the dilation, adds to it.
    With ``groups``, W is (C, O / groups, KH, KW).

    Raises:
        ValueError: shapes, channels and groups do not fit, output_padding is not less than stride or
            dilation, or nothing is left of out.

    Examples:
        >>> hg.conv_transpose2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 2, 2)))[0, 0].tolist()
        [[1.0, 2.0, 1.0], [2.0, 4.0, 2.0], [1.0, 2.0, 1.0]]
        >>> hg.conv_transpose2d(np.ones((1, 3, 4, 4)), np.ones((3, 8, 2, 2)), stride=2).shape
        (1, 8, 8, 8)
    """
    return _transposed(2, x, W, b, stride, padding, output_padding, groups, dilation)


@rule
def conv_transpose3d(x, W, b=None, /, stride=1, padding=0, output_padding=0, groups=1, dilation=1):
    """Transposed convolution of volumes, as ``conv_transpose2d`` of images.

    out[h] = Σ W[j]·x[i] + b where i·s + j·d = h.   dx[i] = Σ W[j]·dout[i·s + j·d],
    dW[j] = Σ x[i]·dout[i·s + j·d], db = Σ dout

    x (N, C, D, H, W), W (C, O, KD, KH, KW), b (O,) -> (N, O, OD, OH, OW)

    Examples:
        >>> hg.conv_transpose3d(np.ones((1, 3, 2, 2, 2)), np.ones((3, 8, 2, 2, 2)), stride=2).shape
        (1, 8, 4, 4, 4)
    """
    return _transposed(3, x, W, b, stride, padding, output_padding, groups, dilation)


def _transposed(n, x, W, b, stride, padding, output_padding, groups, dilation):
    filters = (shape(W)[1] if len(shape(W)) > 1 else 0) * groups
    size = kernel_of(n, W, b, filters)
    stride, dilation = for_each(n, stride, "stride"), for_each(n, dilation, "dilation")
    how = Convolution(stride, sides(n, size, stride, padding, dilation), dilation, groups)
    more = for_each(n, output_padding, "output_padding", least=0)
    X = batched(n, x)
    N, channels, *spatial = shape(X)
    if groups < 1 or channels % groups or shape(W)[0] != channels:
        raise ValueError(
            f"W {shape(W)} in {groups} groups does not fit x {shape(x)}: of C channels and O filters, W is "
            f"(C, O / groups, ...), and groups divides both"
        )
    if any(m >= max(s, d) for m, s, d in zip(more, stride, dilation, strict=True)):
        raise ValueError(
            f"output_padding is less than the larger of stride {stride} and dilation {dilation}, not {more}"
        )
    made = tuple(
        (h - 1) * s - before - after + d * (k - 1) + 1 + m
        for h, s, (before, after), d, k, m in zip(
            spatial, stride, how.padding, dilation, size, more, strict=True
        )
    )
    if min(made) < 1:
        raise ValueError(f"of {tuple(spatial)} and a kernel of {size} nothing is left but {made}: pad less")
    how, beyond = _with_room(how, more)
    reached = tuple(m - e for m, e in zip(made, beyond, strict=True))
    lead = shape(x)[: len(shape(x)) - n - 1]

    def backward(dout):
        whole = batched(n, dout)
        dout = whole[(..., *map(slice, reached))] if any(beyond) else whole
        dx = xp.reshape(xp.convolution(dout, W, how), shape(x))
        dW = xp.convolution_dW(X, dout, shape(W), how)
        return dx, dW, bias_gradient(b, whole)

    out = xp.convolution_dx(X, W, (N, filters, *reached), how)
    if any(beyond):
        out = xp.pad(out, ((0, 0), (0, 0), *((0, e) for e in beyond)))
    out = with_bias(out, b)
    return xp.reshape(out, (*lead, filters, *made)), backward


def _with_room(how, more):
    """The convolution, less cut off where output_padding is a stride or more, and the zeros beyond."""
    added = [m if m >= s else 0 for m, s in zip(more, how.stride, strict=True)]
    kept = [max(after - m, 0) for (_, after), m in zip(how.padding, added, strict=True)]
    beyond = [m - (after - k) for m, (_, after), k in zip(added, how.padding, kept, strict=True)]
    padding = tuple((before, k) for (before, _), k in zip(how.padding, kept, strict=True))
    return how._replace(padding=padding), beyond


def kernel_of(n, W, b, filters):
    """The sizes of a kernel, W and b being of the shapes that they should be."""
    if len(shape(W)) != n + 2:
        raise ValueError(f"W has two axes of channels and {n} of the kernel, not the shape {shape(W)}")
    if b is not None and shape(b) != (filters,):
        raise ValueError(
            f"b has a number for each of the {filters} filters of W {shape(W)}, not the shape {shape(b)}"
        )
    return shape(W)[2:]


def for_each(n, given, name, least=1):
    """An option as one number for each of n axes."""
    numbers = (given,) * n if isinstance(given, int) else tuple(given)
    if len(numbers) != n or any(not isinstance(k, int) or k < least for k in numbers):
        raise ValueError(f"{name} is a number of at least {least}, or {n} of them, not {given}")
    return numbers


def sides(n, size, stride, padding, dilation):
    """Padding as one pair (before, after) for each axis."""
    if padding == "valid":
        return ((0, 0),) * n
    if padding == "same":
        if for_each(n, stride, "stride") != (1,) * n:
            raise ValueError(f"padding='same' is for a stride of 1: with {stride}, give it in numbers")
        spans = [d * (k - 1) for k, d in zip(size, for_each(n, dilation, "dilation"), strict=True)]
        return tuple((span // 2, span - span // 2) for span in spans)
    given = (padding,) * n if isinstance(padding, int) else tuple(padding)
    pairs = tuple((p, p) if isinstance(p, int) else tuple(p) for p in given)
    if len(pairs) != n or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ValueError(
            f"padding is a number, {n} of them, a pair (before, after) for each axis, 'same' or 'valid', "
            f"not {padding!r}"
        )
    return pairs


def batched(n, x):
    """x with one axis before its channels, (N, C, *spatial)."""
    own = shape(x)
    if len(own) < n + 1:
        raise ValueError(f"x has {n} spatial axes, and channels before them: not the shape {own}")
    if len(own) == n + 2:
        return x
    lead = len(own) - n - 1
    return xp.reshape(x, (math.prod(own[:lead]), *own[lead:]))


def bias_gradient(b, dout):
    return None if b is None else xp.sum(dout, axis=tuple(a for a in range(len(shape(dout))) if a != 1))
