"""Softmax and the losses.

Classes lie along the last axis: y or x (..., C). Labels t are class indices (...), integers in
0 .. C-1, or one weight for each class (..., C): one-hot or soft. ``reduction`` is "mean", "sum"
or "none".
"""

from handgrad.arrays import (
    beside,
    cast,
    is_floating,
    is_integer,
    is_symbolic,
    shape,
    size,
    values_are_known,
    xp,
)
from handgrad.rules.elementary import logistic
from handgrad.rules.reduction import exponentials
from handgrad.rules.rule import rule


@rule
def softmax(x, axis=-1):
    """out = eˣ / Σ eˣ.   dx = out·(dout - Σ out·dout)

    Where all x are -∞ (all masked), all of out and dx are 0.

    Examples:
        >>> out, backward = hg.softmax.vjp(np.array([0.0, 0.0]))
        >>> print(out, backward(np.array([1.0, 0.0]))[0])
        [0.5 0.5] [ 0.25 -0.25]
    """
    _, _, e, total = exponentials(x, axis)
    out = e / total

    def backward(dout):
        return out * (dout - xp.sum(out * dout, axis=axis, keepdims=True))

    return out, backward


@rule
def softmin(x, axis=-1):
    """out = e⁻ˣ / Σ e⁻ˣ.   dx = out·(Σ out·dout - dout)

    Where all x are ∞ (all masked), all of out and dx are 0.

    Examples:
        >>> print(hg.softmin(np.array([0.0, np.log(3.0)])).round(6))
        [0.75 0.25]
    """
    _, _, e, total = exponentials(-x, axis)
    out = e / total

    def backward(dout):
        return out * (xp.sum(out * dout, axis=axis, keepdims=True) - dout)

    return out, backward


@rule
def log_softmax(x, axis=-1):
    """out = x - log Σ eˣ.   dx = dout - softmax(x)·Σ dout

    Where all x are -∞ (all masked), so is out, and the softmax in dx is 0.

    Examples:
        >>> out, backward = hg.log_softmax.vjp(np.array([0.0, 0.0]))
        >>> print(out.round(4), backward(np.array([1.0, 0.0]))[0])  # -log 2
        [-0.6931 -0.6931] [ 0.5 -0.5]
    """
    _, shifted, e, total = exponentials(x, axis)

    def backward(dout):
        return dout - e / total * xp.sum(dout, axis=axis, keepdims=True)

    return shifted - xp.log(total), backward


def class_weights(t, x, ignore_index=None):
    """Labels as one weight for each class, q (..., C), in the dtype of x, and which rows count (..., 1).

    Raises:
        ValueError: t is neither class indices (...) nor weights (..., C), or an index is outside 0 .. C-1;
            ``ignore_index`` beside weights.
        TypeError: class indices that are not integers.
    """
    if shape(t) == shape(x):
        if ignore_index is not None:
            raise ValueError("ignore_index is of class indices; leave a row of weights out by making them 0")
        return cast(t, like=x), None
    rows, C = shape(x)[:-1], shape(x)[-1]
    if shape(t) != rows:
        column = "; a column of indices is t[..., 0]" if shape(t) == (*rows, 1) else ""
        raise ValueError(
            f"labels of shape {shape(t)} do not fit outputs of shape {shape(x)}: expected class indices "
            f"of shape {rows}, or one weight for each class, {shape(x)}{column}"
        )
    if not is_integer(t):
        kind = getattr(t, "dtype", type(t).__name__)
        raise TypeError(f"class indices are integers, not {kind}; for a one-hot t expected {shape(x)}")
    t = checked_class_indices(t, C, ignore_index)
    t = xp.reshape(beside(t, x), (*rows, 1))
    hit = xp.arange_like(t, C) == t
    if ignore_index is None:
        return xp.astype(hit, x.dtype), None
    counted = t != ignore_index
    return xp.astype(hit & counted, x.dtype), xp.astype(counted, x.dtype)


def checked_class_indices(t, C, ignore_index):
    """t, refused where it is outside 0 .. C-1: at once where values can be looked at, else by code."""
    if is_symbolic(t):
        return traced_class_indices(t, C, ignore_index)
    if not values_are_known(t):
        return t
    bad = (t < 0) | (t >= C)
    bad = bad if ignore_index is None else bad & (t != ignore_index)
    if xp.any(bad):
        culprits = xp.where(bad, t, xp.zeros_like(t))
        worst = int(xp.min(culprits)) or int(xp.max(culprits))
        raise ValueError(f"label {worst} is out of range: there are {C} classes, 0 .. {C - 1}")
    return t


def traced_class_indices(t, C, ignore_index):
    """t, looked up in 0 .. C-1: an index that is out of range is found by what runs the program."""
    t = xp.astype(t, "int64")
    places = xp.where(t < 0, C, t)
    classes = xp.arange_like(t, C)
    if ignore_index is None:
        return xp.take(classes, places, axis=0)
    ignored = t == ignore_index
    return xp.where(ignored, t, xp.take(classes, xp.where(ignored, 0, places), axis=0))


def per_class_loss(q, log_y):
    """-Σ q·log y over the classes; a class of weight 0 adds 0, whatever its logarithm."""
    return -xp.sum(q * xp.where(q == 0, xp.zeros_like(log_y), log_y), axis=-1)


def as_column(rows):
    """One number a row, beside the classes: (...) -> (..., 1)."""
    return xp.reshape(rows, (*shape(rows), 1))


def reduced(loss, reduction, count):
    """The loss as asked for, and the way from its gradient to that of each row."""
    if reduction == "none":
        return loss, lambda dout: dout
    if reduction == "sum":
        return xp.sum(loss), lambda dout: xp.broadcast_to(dout, shape(loss))
    if reduction == "mean":
        return xp.sum(loss) / count, lambda dout: xp.broadcast_to(dout / count, shape(loss))
    raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")


@rule
def cross_entropy(y, t, eps=0.0, reduction="mean"):
    """Cross-entropy of probabilities.

    loss = -Σ t·log(y + eps) / N with t one-hot or soft
    dy = -t·dout / N(y + eps)

    reduction="sum": loss = -Σ t·log(y + eps) with t one-hot or soft
    dy = -t·dout / (y + eps)

    reduction="none": loss = -Σ t·log(y + eps) for each row with t one-hot or soft
    dy = -t·dout / (y + eps)

    N is the number of rows, and a class index stands for its one-hot row. For the outputs of a network,
    before softmax, ``softmax_cross_entropy`` is exact where this one rounds to 0 or overflows. A class of
    weight and probability 0 counts for nothing.

    Raises:
        ValueError: labels that do not fit y, or are out of range; an unknown ``reduction``.
        TypeError: class indices that are not integers.

    Examples:
        >>> y = np.array([[0.5, 0.5], [0.25, 0.75]])
        >>> out, backward = hg.cross_entropy.vjp(y, np.array([0, 0]))
        >>> print(round(float(out), 4), backward(1.0)[0][:, 0])  # (log 2 + log 4) / 2
        1.0397 [-1. -2.]
    """
    q, _ = class_weights(t, y)
    p = y + eps
    safe = xp.where((q != 0) | (p > 0), p, xp.ones_like(p))
    loss, to_rows = reduced(per_class_loss(q, xp.log(safe)), reduction, max(size(y) // shape(y)[-1], 1))

    def backward(dout):
        rows = as_column(to_rows(dout))
        return -rows * q / safe, (-rows * xp.log(safe) if is_floating(t) else None)

    return loss, backward


@rule
def softmax_cross_entropy(x, t, weight=None, label_smoothing=0.0, ignore_index=None, reduction="mean"):
    """Cross-entropy of softmax(x), fused and exact.

    loss = -Σ t·log softmax(x) / N with t one-hot or soft
    dx = (softmax(x) - t)·dout / N

    reduction="sum": loss = -Σ t·log softmax(x) with t one-hot or soft
    dx = (softmax(x) - t)·dout

    reduction="none": loss = -Σ t·log softmax(x) for each row with t one-hot or soft
    dx = (softmax(x) - t)·dout

    weight or label_smoothing or ignore_index: loss = -Σ q·log softmax(x) / m
    dx = ((Σ q)·softmax(x) - q)·dout / m

    weight or label_smoothing or ignore_index, reduction="sum": loss = -Σ q·log softmax(x)
    dx = ((Σ q)·softmax(x) - q)·dout

    weight or label_smoothing or ignore_index, reduction="none": loss = -Σ q·log softmax(x) for each row
    dx = ((Σ q)·softmax(x) - q)·dout

    N is the number of rows, and a class index stands for its one-hot row; q = w·((1-ε)t + ε/C), 0 where a
    row does not count, and m is what the rows weigh.

    ``weight`` (C,) scales each class; ``label_smoothing`` ε mixes t with uniform labels, (1-ε)t + ε/C;
    rows with the label ``ignore_index`` count for nothing. As in PyTorch, the mean over class
    indices is over the weights of the rows that count, and over rows for one-hot or soft labels;
    where no row counts the loss is 0.

    Raises:
        ValueError: labels that do not fit x, or are out of range; an unknown ``reduction``.
        TypeError: class indices that are not integers.

    Examples:
        >>> x, t = np.array([[0.0, 0.0], [0.0, 0.0]]), np.array([0, 1])
        >>> loss, backward = hg.softmax_cross_entropy.vjp(x, t)
        >>> print(round(float(loss), 4))  # log 2
        0.6931
        >>> print(backward(1.0)[0].tolist())  # (softmax(x) - t) / N
        [[-0.25, 0.25], [0.25, -0.25]]
    """
    C = shape(x)[-1]
    _, shifted, e, total = exponentials(x, -1)
    log_y = shifted - xp.log(total)
    by_index = shape(t) != shape(x)
    q, counted = class_weights(t, log_y, ignore_index)
    total_weight = size(x) // C if C else 0
    if by_index and (weight is not None or counted is not None):
        total_weight = xp.sum(q if weight is None else q * weight)
        total_weight = xp.where(total_weight == 0, xp.ones_like(total_weight), total_weight)
    elif total_weight == 0:
        total_weight = 1
    if label_smoothing:
        uniform = label_smoothing / C
        q = (1 - label_smoothing) * q + (uniform if counted is None else uniform * counted)
    if weight is not None:
        q = q * weight
    loss, to_rows = reduced(per_class_loss(q, log_y), reduction, total_weight)

    def backward(dout):
        d = as_column(to_rows(dout))
        dx = d * (e / total * xp.sum(q, axis=-1, keepdims=True) - q)
        if by_index or not is_floating(t):
            return dx, None
        dt = -d * log_y * (1 - label_smoothing)
        return dx, dt if weight is None else dt * weight

    return loss, backward


def same_shape(y, t):
    if shape(y) != shape(t):
        raise ValueError(
            f"outputs of shape {shape(y)} and targets of shape {shape(t)} would broadcast; "
            f"reshape one to the other's shape"
        )


@rule
def mean_squared_error(y, t, reduction="mean"):
    """loss = Σ(y - t)² / n, averaged over all n elements.   dy = 2 (y - t)·dout / n, dt = -dy

    reduction="sum": loss = Σ(y - t)².   dy = 2 (y - t)·dout, dt = -dy

    reduction="none": loss = (y - t)².   dy = 2 (y - t)·dout, dt = -dy

    Raises:
        ValueError: y and t differ in shape; an unknown ``reduction``.

    Examples:
        >>> out, backward = hg.mean_squared_error.vjp(np.array([1.0, 5.0]), np.array([1.0, 3.0]))
        >>> print(out, backward(1.0)[0])
        2.0 [0. 2.]
    """
    same_shape(y, t)
    r = y - t
    loss, to_elements = reduced(r * r, reduction, size(y) or float("nan"))

    def backward(dout):
        dy = 2 * r * to_elements(dout)
        return dy, -dy

    return loss, backward


@rule
def mean_absolute_error(y, t, reduction="mean"):
    """loss = Σ |y - t| / n, averaged over all n elements.   dy = sign(y - t)·dout / n, dt = -dy

    reduction="sum": loss = Σ |y - t|.   dy = sign(y - t)·dout, dt = -dy

    reduction="none": loss = |y - t|.   dy = sign(y - t)·dout, dt = -dy

    Raises:
        ValueError: y and t differ in shape; an unknown ``reduction``.

    Examples:
        >>> out, backward = hg.mean_absolute_error.vjp(np.array([1.0, 5.0]), np.array([2.0, 3.0]))
        >>> print(out, backward(1.0)[0])
        1.5 [-0.5  0.5]
    """
    same_shape(y, t)
    r = y - t
    loss, to_elements = reduced(xp.abs(r), reduction, size(y) or float("nan"))

    def backward(dout):
        dy = xp.sign(r) * to_elements(dout)
        return dy, -dy

    return loss, backward


@rule
def huber(y, t, delta=1.0, reduction="mean"):
    """loss = Σ c·(r - c/2) / n with r = y - t and c = r held within ±δ: r²/2 near 0, linear beyond.

    dy = c·dout / n, dt = -dy.   Huber, "Robust estimation of a location parameter", 1964.

    reduction="sum": loss = Σ c·(r - c/2) with r = y - t and c = r held within ±δ
    dy = c·dout, dt = -dy

    reduction="none": loss = c·(r - c/2) with r = y - t and c = r held within ±δ
    dy = c·dout, dt = -dy

    Raises:
        ValueError: y and t differ in shape; an unknown ``reduction``.

    Examples:
        >>> out, backward = hg.huber.vjp(np.array([0.5, 3.0]), np.zeros(2), reduction="none")
        >>> print(out, backward(np.ones(2))[0])
        [0.125 2.5  ] [0.5 1. ]
    """
    same_shape(y, t)
    r = y - t
    c = xp.clip(r, -delta, delta)
    loss, to_elements = reduced(c * (r - c / 2), reduction, size(y) or float("nan"))

    def backward(dout):
        dy = c * to_elements(dout)
        return dy, -dy

    return loss, backward


@rule
def binary_cross_entropy_with_logits(x, t, reduction="mean"):
    """Cross-entropy of sigmoid(x) with t in [0, 1]: loss = Σ(max(x, 0) - x·t + log(1 + e⁻|ˣ|)) / n.

    dx = (sigmoid(x) - t)·dout / n, dt = -x·dout / n

    reduction="sum": loss = Σ(max(x, 0) - x·t + log(1 + e⁻|ˣ|))
    dx = (sigmoid(x) - t)·dout, dt = -x·dout

    reduction="none": loss = max(x, 0) - x·t + log(1 + e⁻|ˣ|)
    dx = (sigmoid(x) - t)·dout, dt = -x·dout

    Raises:
        ValueError: x and t differ in shape; an unknown ``reduction``.

    Examples:
        >>> out, backward = hg.binary_cross_entropy_with_logits.vjp(np.array([0.0]), np.array([1.0]))
        >>> print(round(float(out), 4), backward(1.0)[0])  # log 2, and sigmoid(0) - 1
        0.6931 [-0.5]
    """
    same_shape(x, t)
    target = cast(t, like=x)
    elements = xp.maximum(x, 0) - x * target + xp.log1p(xp.exp(-xp.abs(x)))
    loss, to_elements = reduced(elements, reduction, size(x) or float("nan"))

    def backward(dout):
        d = to_elements(dout)
        apart = (1 - target) * logistic(x) - target * logistic(-x)  # where σ(x) is all but t, σ(x) - t is 0
        return d * apart, (-d * x if is_floating(t) else None)

    return loss, backward
