"""Losses of margins and of distances between embeddings.

Names, options and reductions are PyTorch's; ``reduction`` is "mean", "sum" or "none".
"""

from handgrad.arrays import cast, shape, size, xp
from handgrad.rules.loss import as_column, checked_class_indices, reduced, same_shape
from handgrad.rules.reduction import exponentials
from handgrad.rules.rule import rule

# Margins.


@rule
def hinge(y, t, margin=1.0, reduction="mean"):
    """loss = Σ max(margin - t·y, 0) / n for t of -1 and 1.   dy = -t·dout / n where t·y < margin, else 0

    reduction="sum": loss = Σ max(margin - t·y, 0).   dy = -t·dout where t·y < margin, else 0

    reduction="none": loss = max(margin - t·y, 0).   dy = -t·dout where t·y < margin, else 0

    The loss of a support vector machine.   Cortes & Vapnik 1995

    Raises:
        ValueError: y and t differ in shape; an unknown ``reduction``.

    Examples:
        >>> out, backward = hg.hinge.vjp(np.array([0.5, 2.0]), np.array([1.0, 1.0]), reduction="none")
        >>> print(out, backward(np.ones(2))[0])
        [0.5 0. ] [-1.  0.]
    """
    same_shape(y, t)
    t = xp.stop_gradient(cast(t, like=y))
    left = margin - t * y
    loss, to_elements = reduced(xp.maximum(left, 0), reduction, size(y) or float("nan"))

    def backward(dout):
        d = to_elements(dout)
        return xp.where(left > 0, -t * d, xp.zeros_like(d)), None

    return loss, backward


@rule
def hinge_embedding(x, t, margin=1.0, reduction="mean"):
    """Of distances: loss = Σ (x where t = 1, max(margin - x, 0) where t = -1) / n.

    dx = dout / n where t = 1, -dout / n where t = -1 and x < margin, else 0

    reduction="sum": loss = Σ (x where t = 1, max(margin - x, 0) where t = -1)
    dx = dout where t = 1, -dout where t = -1 and x < margin, else 0

    reduction="none": loss = x where t = 1, max(margin - x, 0) where t = -1
    dx = dout where t = 1, -dout where t = -1 and x < margin, else 0

    Raises:
        ValueError: x and t differ in shape; an unknown ``reduction``.

    Examples:
        >>> out = hg.hinge_embedding(np.array([0.25, 0.25]), np.array([1.0, -1.0]), reduction="none")
        >>> print(out)
        [0.25 0.75]
    """
    same_shape(x, t)
    is_near, is_far = xp.astype(t == 1, x.dtype), xp.astype(t == -1, x.dtype)
    left = margin - x
    elements = is_near * x + is_far * xp.maximum(left, 0)
    loss, to_elements = reduced(elements, reduction, size(x) or float("nan"))

    def backward(dout):
        return (is_near - xp.where(left > 0, is_far, xp.zeros_like(is_far))) * to_elements(dout), None

    return loss, backward


@rule
def margin_ranking(x, y, t, margin=0.0, reduction="mean"):
    """x above y where t = 1, below where t = -1: loss = Σ max(margin - t·(x - y), 0) / n.

    dx = -t·dout / n where t·(x - y) < margin, else 0, dy = -dx

    reduction="sum": loss = Σ max(margin - t·(x - y), 0)
    dx = -t·dout where t·(x - y) < margin, else 0, dy = -dx

    reduction="none": loss = max(margin - t·(x - y), 0)
    dx = -t·dout where t·(x - y) < margin, else 0, dy = -dx

    Raises:
        ValueError: x, y and t differ in shape; an unknown ``reduction``.

    Examples:
        >>> x, y, t = np.array([1.0, 1.0]), np.array([3.0, 0.0]), np.array([1.0, 1.0])
        >>> print(hg.margin_ranking(x, y, t, reduction="none"))  # the first pair is the wrong way round
        [2. 0.]
    """
    same_shape(x, y)
    same_shape(x, t)
    t = xp.stop_gradient(cast(t, like=x))
    left = margin - t * (x - y)
    loss, to_elements = reduced(xp.maximum(left, 0), reduction, size(x) or float("nan"))

    def backward(dout):
        d = to_elements(dout)
        dx = xp.where(left > 0, -t * d, xp.zeros_like(d))
        return dx, -dx, None

    return loss, backward


@rule
def soft_margin(x, t, reduction="mean"):
    """loss = Σ log(1 + e⁻ᵗˣ) / n for t of -1 and 1.   dx = -t·sigmoid(-t·x)·dout / n

    reduction="sum": loss = Σ log(1 + e⁻ᵗˣ).   dx = -t·sigmoid(-t·x)·dout

    reduction="none": loss = log(1 + e⁻ᵗˣ).   dx = -t·sigmoid(-t·x)·dout

    Raises:
        ValueError: x and t differ in shape; an unknown ``reduction``.

    Examples:
        >>> out, backward = hg.soft_margin.vjp(np.array([0.0]), np.array([1.0]))
        >>> print(round(float(out), 4), backward(1.0)[0])  # log 2
        0.6931 [-0.5]
    """
    same_shape(x, t)
    t = xp.stop_gradient(cast(t, like=x))
    z = -t * x
    e = xp.exp(-xp.abs(z))
    loss, to_elements = reduced(xp.maximum(z, 0) + xp.log1p(e), reduction, size(x) or float("nan"))

    def backward(dout):
        slope = xp.where(z > 0, xp.ones_like(e), e) / (1 + e)
        return -t * slope * to_elements(dout), None

    return loss, backward


@rule
def multi_margin(x, t, p=1, margin=1.0, weight=None, reduction="mean"):
    """The right class ahead of each other one: loss = Σ w·max(margin - xₜ + xᵢ, 0)ᵖ / CN over i ≠ t.

    dxᵢ = p·w·max(margin - xₜ + xᵢ, 0)ᵖ⁻¹·dout / CN where i ≠ t, dxₜ = -Σ dxᵢ over i ≠ t

    reduction="sum": loss = Σ w·max(margin - xₜ + xᵢ, 0)ᵖ / C over i ≠ t
    dxᵢ = p·w·max(margin - xₜ + xᵢ, 0)ᵖ⁻¹·dout / C where i ≠ t, dxₜ = -Σ dxᵢ over i ≠ t

    reduction="none": loss = Σ w·max(margin - xₜ + xᵢ, 0)ᵖ / C for each row, over i ≠ t
    dxᵢ = p·w·max(margin - xₜ + xᵢ, 0)ᵖ⁻¹·dout / C where i ≠ t, dxₜ = -Σ dxᵢ over i ≠ t

    x (..., C), t class indices (...), N rows; w is ``weight`` (C,) of the right class; p is 1 or 2.
    Crammer & Singer 2001

    Raises:
        ValueError: labels that do not fit x or are out of range; another p; an unknown ``reduction``.

    Examples:
        >>> out, backward = hg.multi_margin.vjp(np.array([[1.0, 0.5, -2.0]]), np.array([0]))
        >>> print(round(float(out), 4), backward(3.0)[0].tolist())  # only class 1 is within the margin
        0.1667 [[-1.0, 1.0, 0.0]]
    """
    if p not in (1, 2):
        raise ValueError(f"p is 1 or 2, not {p}")
    C = shape(x)[-1]
    right, others = places_of(t, x)
    left = margin - xp.sum(right * x, axis=-1, keepdims=True) + x
    over = xp.maximum(left, 0)
    scale = others / C if weight is None else others * xp.sum(right * weight, axis=-1, keepdims=True) / C
    rows = xp.sum(scale * (over if p == 1 else over * over), axis=-1)
    loss, to_rows = reduced(rows, reduction, max(size(x) // C, 1) if C else 1)

    def backward(dout):
        slope = xp.where(left > 0, xp.ones_like(over), xp.zeros_like(over)) if p == 1 else 2 * over
        dx = scale * slope * as_column(to_rows(dout))
        return dx - right * xp.sum(dx, axis=-1, keepdims=True), None

    return loss, backward


def places_of(t, x):
    """1 at each row's label, else 0, and the opposite.

    Raises:
        ValueError: t are not class indices of the rows of x.
    """
    if shape(t) != shape(x)[:-1]:
        raise ValueError(
            f"labels of shape {shape(t)} do not fit outputs of shape {shape(x)}: expected class indices "
            f"of shape {shape(x)[:-1]}"
        )
    t = checked_class_indices(t, shape(x)[-1], None)
    right = xp.astype(xp.arange_like(t, shape(x)[-1]) == as_column(t), x.dtype)
    return right, 1 - right


# Distances.


@rule
def cosine_similarity(x, y, axis=-1, eps=1e-8):
    """out = Σ x·y / (|x|·|y|) along an axis.   dx = (ŷ - out·x̂) / |x|·dout, dy = (x̂ - out·ŷ) / |y|·dout

    x̂ = x / |x|, ŷ = y / |y|; a length below ``eps`` counts as ``eps``, and has no gradient. x and y are of
    one shape.

    Raises:
        ValueError: x and y differ in shape.

    Examples:
        >>> x, y = np.array([3.0, 4.0]), np.array([4.0, 3.0])
        >>> print(hg.cosine_similarity(x, y).round(6))  # 24 / 25
        0.96
    """
    same_shape(x, y)
    x_unit, x_length, x_grows = unit(x, axis, eps)
    y_unit, y_length, y_grows = unit(y, axis, eps)
    out = xp.sum(x_unit * y_unit, axis=axis, keepdims=True)

    def backward(dout):
        d = xp.expand_dims(dout, axis=axis)
        dx = (y_unit - x_grows * out * x_unit) / x_length * d
        dy = (x_unit - y_grows * out * y_unit) / y_length * d
        return dx, dy

    return xp.squeeze(out, axis=axis), backward


def unit(x, axis, eps):
    """x / |x|, |x| or ``eps`` if that is more, and 1 where it was |x|, else 0."""
    scale = xp.stop_gradient(xp.max(xp.abs(x), axis=axis, keepdims=True))
    scale = xp.where(xp.isfinite(scale) & (scale > eps), scale, xp.ones_like(scale))
    scaled = x / scale  # whose squares do not overflow
    squares = xp.sum(scaled * scaled, axis=axis, keepdims=True)
    length = scale * xp.sqrt(xp.where(squares > 0, squares, xp.ones_like(squares)))
    grows = (squares > 0) & (length > eps)
    length = xp.where(grows, length, eps)
    return x / length, length, xp.astype(grows, length.dtype)


@rule
def cosine_embedding(x, y, t, margin=0.0, reduction="mean"):
    """loss = Σ (1 - c where t = 1, max(c - margin, 0) where t = -1) / N with c = Σ x·y / (|x|·|y|).

    dx = s·(ŷ - c·x̂) / |x|·dout / N, dy = s·(x̂ - c·ŷ) / |y|·dout / N

    reduction="sum": loss = Σ (1 - c where t = 1, max(c - margin, 0) where t = -1)
    dx = s·(ŷ - c·x̂) / |x|·dout, dy = s·(x̂ - c·ŷ) / |y|·dout

    reduction="none": loss = 1 - c where t = 1, max(c - margin, 0) where t = -1
    dx = s·(ŷ - c·x̂) / |x|·dout, dy = s·(x̂ - c·ŷ) / |y|·dout

    x and y (N, D) or (D,), t (N,) or (); x̂ = x / |x|, ŷ = y / |y|; s = -1 where t = 1, 1 where t = -1 and
    c > margin, else 0.
    1e-12 is added to squares of lengths, as in PyTorch.

    Raises:
        ValueError: x and y differ in shape, or t is not one number for each row; an unknown ``reduction``.

    Examples:
        >>> x, y = np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[0.0, 1.0], [2.0, 0.0]])
        >>> print(hg.cosine_embedding(x, y, np.array([1.0, -1.0]), reduction="none").round(6))
        [1. 1.]
    """
    same_shape(x, y)
    if shape(t) != shape(x)[:-1]:
        raise ValueError(f"t has shape {shape(t)}: expected one number for each row, {shape(x)[:-1]}")
    x2, y2 = (xp.sum(a * a, axis=-1, keepdims=True) + 1e-12 for a in (x, y))
    lengths = xp.sqrt(x2 * y2)
    c = xp.sum(x * y, axis=-1, keepdims=True) / lengths
    near, far = (xp.astype(as_column(t) == sign, x.dtype) for sign in (1, -1))
    elements = near * (1 - c) + far * xp.maximum(c - margin, 0)
    rows = max(size(x) // shape(x)[-1], 1) if shape(x)[-1] else 1
    loss, to_rows = reduced(xp.squeeze(elements, axis=-1), reduction, rows)

    def backward(dout):
        s = xp.where(c > margin, far, xp.zeros_like(far)) - near
        d = s * as_column(to_rows(dout))
        return d * (y / lengths - c * x / x2), d * (x / lengths - c * y / y2), None

    return loss, backward


@rule
def pairwise_distance(x, y, p=2.0, eps=1e-6, axis=-1):
    """out = (Σ |x - y + eps|ᵖ)¹ᐟᵖ along an axis.   dx = sign(r)·(|r|/out)ᵖ⁻¹·dout, dy = -dx

    r = x - y + eps, so that dx has a value for x = y, as in PyTorch.

    Raises:
        ValueError: x and y differ in shape; p below 1.

    Examples:
        >>> print(hg.pairwise_distance(np.array([3.0, 4.0]), np.zeros(2), eps=0.0))
        5.0
    """
    same_shape(x, y)
    r = x - y + eps
    length, slope = p_norm(r, p, axis)

    def backward(dout):
        dx = slope * xp.expand_dims(dout, axis=axis)
        return dx, -dx

    return length, backward


def p_norm(r, p, axis):
    """(Σ |r|ᵖ)¹ᐟᵖ along an axis, and its derivative by each r, which is 0 where all are."""
    if not p >= 1:
        raise ValueError(f"p is 1 or more, not {p}")
    size_of = xp.abs(r)
    scale = xp.stop_gradient(xp.max(size_of, axis=axis, keepdims=True))
    scale = xp.where(xp.isfinite(scale) & (scale > 0), scale, xp.ones_like(scale))
    total = xp.sum((size_of / scale) ** p, axis=axis, keepdims=True)
    is_zero = total == 0
    length = scale * xp.where(is_zero, xp.ones_like(total), total) ** (1 / p)
    slope = xp.sign(r) * (size_of / length) ** (p - 1)
    slope = xp.where(is_zero, xp.zeros_like(slope), slope)
    return xp.squeeze(xp.where(is_zero, xp.zeros_like(length), length), axis=axis), slope


@rule
def triplet_margin(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-6, swap=False, reduction="mean"):
    """The anchor nearer to the positive than to the negative: loss = Σ max(a - b + margin, 0) / N.

    danchor = (p - q)·dout / N, dpositive = -p·dout / N, dnegative = q·dout / N where loss > 0, else 0

    reduction="sum": loss = Σ max(a - b + margin, 0)
    danchor = (p - q)·dout, dpositive = -p·dout, dnegative = q·dout where loss > 0, else 0

    reduction="none": loss = max(a - b + margin, 0)
    danchor = (p - q)·dout, dpositive = -p·dout, dnegative = q·dout where loss > 0, else 0

    (N, D) each or (D,); a = |anchor - positive + eps| and b = |anchor - negative + eps| are norms of order
    ``p``, p and q their gradients by the anchor. ``swap``: b is the distance from positive to negative
    where that is less.
    Schroff, Kalenichenko & Philbin 2015

    Raises:
        ValueError: the three differ in shape; p below 1; an unknown ``reduction``.

    Examples:
        >>> anchor, near, far = np.array([[0.0]]), np.array([[1.0]]), np.array([[1.5]])
        >>> print(hg.triplet_margin(anchor, near, far, eps=0.0))  # 1 - 1.5 + the margin of 1
        0.5
    """
    same_shape(anchor, positive)
    same_shape(anchor, negative)
    near, to_positive = p_norm(anchor - positive + eps, p, -1)
    far, to_negative = p_norm(anchor - negative + eps, p, -1)
    swapped = xp.zeros_like(to_negative)
    if swap:
        other, slope = p_norm(positive - negative + eps, p, -1)
        is_less = as_column(other < far)
        swapped = xp.where(is_less, slope, xp.zeros_like(slope))
        to_negative = xp.where(is_less, xp.zeros_like(slope), to_negative)
        far = xp.minimum(far, other)
    left = near - far + margin
    loss, to_rows = reduced(xp.maximum(left, 0), reduction, max(size(left), 1))

    def backward(dout):
        d = to_rows(dout)
        d = as_column(xp.where(left > 0, d, xp.zeros_like(d)))
        return d * (to_positive - to_negative), -d * (to_positive + swapped), d * (to_negative + swapped)

    return loss, backward


@rule
def info_nce(x, y, temperature=0.1, reduction="mean"):
    """Each x nearer to its own y than to the others': loss = -Σ log pₙₙ / N with p = softmax(x yᵀ / τ).

    dx = (p - 1) y·dout / τN, dy = (p - 1)ᵀ x·dout / τN with 1 the identity

    reduction="sum": loss = -Σ log pₙₙ with p = softmax(x yᵀ / τ)
    dx = (p - 1) y·dout / τ, dy = (p - 1)ᵀ x·dout / τ with 1 the identity

    reduction="none": loss = -log pₙₙ for each row with p = softmax(x yᵀ / τ)
    dx = (p - 1) y·dout / τ, dy = (p - 1)ᵀ x·dout / τ with 1 the identity

    x and y (N, D); rows are compared as they are: make them unit vectors first where the cosine is meant.
    van den Oord, Li & Vinyals 2018

    Raises:
        ValueError: x and y are not two (N, D); an unknown ``reduction``; ``temperature`` is not above 0.

    Examples:
        >>> x = np.eye(3)
        >>> print(hg.info_nce(x, x).round(4), hg.info_nce(x, x[::-1]).round(4))  # found, and mistaken
        0.0001 6.6668
    """
    same_shape(x, y)
    if len(shape(x)) != 2:
        raise ValueError(f"x and y are two arrays (N, D), not {shape(x)}")
    if not temperature > 0:
        raise ValueError(f"temperature is above 0, not {temperature}")
    N = shape(x)[0]
    _, shifted, e, total = exponentials(x @ y.T / temperature, -1)
    n = xp.arange_like(x, N)
    own = xp.astype(xp.expand_dims(n, axis=1) == n, x.dtype)
    loss, to_rows = reduced(
        xp.log(xp.squeeze(total, axis=-1)) - xp.sum(own * shifted, axis=-1), reduction, max(N, 1)
    )

    def backward(dout):
        d = (e / total - own) * as_column(to_rows(dout)) / temperature
        return d @ y, d.T @ x

    return loss, backward


# Overlap.


@rule
def dice(y, t, smooth=1.0, reduction="mean"):
    """1 - the overlap of two masks: loss = Σ (1 - (2 Σ y·t + s) / (Σ y + Σ t + s)) / N.

    dy = (c - 2t) / d·dout / N, dt = (c - 2y) / d·dout / N with d = Σ y + Σ t + s and c = (2 Σ y·t + s) / d

    reduction="sum": loss = Σ (1 - (2 Σ y·t + s) / (Σ y + Σ t + s))
    dy = (c - 2t) / d·dout, dt = (c - 2y) / d·dout with d = Σ y + Σ t + s and c = (2 Σ y·t + s) / d

    reduction="none": loss = 1 - (2 Σ y·t + s) / (Σ y + Σ t + s) for each example
    dy = (c - 2t) / d·dout, dt = (c - 2y) / d·dout with d = Σ y + Σ t + s and c = (2 Σ y·t + s) / d

    y (N, ...) in [0, 1], t of the same shape; sums over all axes but the first; s is ``smooth``.
    Milletari, Navab & Ahmadi 2016

    Raises:
        ValueError: y and t differ in shape, or have no axis; an unknown ``reduction``.

    Examples:
        >>> out = hg.dice(np.array([[1.0, 0.0, 1.0]]), np.array([[1.0, 0.0, 1.0]]))
        >>> print(out)  # all found
        0.0
    """
    same_shape(y, t)
    if not shape(y):
        raise ValueError("y is (N, ...): one mask for each of N examples")
    t_cast = cast(t, like=y)
    axes = tuple(range(1, len(shape(y))))
    both, sizes = (xp.sum(a, axis=axes, keepdims=True) for a in (y * t_cast, y + t_cast))
    d = sizes + smooth
    c = (2 * both + smooth) / d
    loss, to_rows = reduced(xp.reshape(1 - c, (shape(y)[0],)), reduction, max(shape(y)[0], 1))

    def backward(dout):
        each = xp.reshape(to_rows(dout), shape(d)) / d
        return each * (c - 2 * t_cast), each * (c - 2 * y)

    return loss, backward
