"""Losses that are negative logarithms of probabilities, beside those in ``loss``.

Names, options and reductions are PyTorch's; ``reduction`` is "mean", "sum" or "none".
"""

import math

from handgrad.arrays import cast, is_floating, shape, size, values_are_known, xp
from handgrad.rules.elementary import logistic
from handgrad.rules.loss import as_column, class_weights, per_class_loss, reduced, same_shape
from handgrad.rules.rule import rule


@rule
def nll(log_y, t, weight=None, ignore_index=None, reduction="mean"):
    """Negative log-likelihood of the labels, given log-probabilities.

    loss = -Σ q·log y / m with q = w·t and t one-hot.   dlog_y = -q·dout / m

    reduction="sum": loss = -Σ q·log y with q = w·t and t one-hot.   dlog_y = -q·dout

    reduction="none": loss = -Σ q·log y for each row with q = w·t and t one-hot.   dlog_y = -q·dout

    log_y (..., C); t class indices (...), or weights (..., C), one-hot or soft. m is what the rows weigh that
    count: those whose label is not ``ignore_index``; where none does, the loss is 0.

    Raises:
        ValueError: labels that do not fit log_y, or are out of range; an unknown ``reduction``.
        TypeError: class indices that are not integers.

    Examples:
        >>> log_y = np.log(np.array([[0.5, 0.5], [0.25, 0.75]]))
        >>> out, backward = hg.nll.vjp(log_y, np.array([0, 0]))
        >>> print(round(float(out), 4), backward(1.0)[0][:, 0])  # (log 2 + log 4) / 2
        1.0397 [-0.5 -0.5]
    """
    by_index = shape(t) != shape(log_y)
    q, _ = class_weights(t, log_y, ignore_index)
    q = q if weight is None else q * weight
    rows = size(log_y) // shape(log_y)[-1] if shape(log_y)[-1] else 0
    m = max(rows, 1)
    if by_index and (weight is not None or ignore_index is not None):
        m = xp.sum(q)
        m = xp.where(m == 0, xp.ones_like(m), m)
    loss, to_rows = reduced(per_class_loss(q, log_y), reduction, m)

    def backward(dout):
        d = as_column(to_rows(dout))
        if by_index or not is_floating(t):
            return -d * q, None
        return -d * q, -d * log_y if weight is None else -d * log_y * weight

    return loss, backward


def log_or(p, at_zero):
    """log p, and a number where p is 0."""
    is_zero = p == 0
    return xp.where(is_zero, at_zero, xp.log(xp.where(is_zero, xp.ones_like(p), p)))


@rule
def binary_cross_entropy(y, t, weight=None, reduction="mean"):
    """Cross-entropy of probabilities y with t in [0, 1]: loss = -Σ w·(t·log y + (1 - t)·log(1 - y)) / n.

    dy = w·(y - t) / (y·(1 - y))·dout / n, dt = w·(log(1 - y) - log y)·dout / n

    reduction="sum": loss = -Σ w·(t·log y + (1 - t)·log(1 - y))
    dy = w·(y - t) / (y·(1 - y))·dout, dt = w·(log(1 - y) - log y)·dout

    reduction="none": loss = -w·(t·log y + (1 - t)·log(1 - y))
    dy = w·(y - t) / (y·(1 - y))·dout, dt = w·(log(1 - y) - log y)·dout

    Logarithms are at least -100, and y·(1 - y) at least 1e-12, as in PyTorch; outside [0, 1] the loss is nan.
    For the outputs of a network ``binary_cross_entropy_with_logits`` is exact.

    Raises:
        ValueError: y and t differ in shape; an unknown ``reduction``.

    Examples:
        >>> out, backward = hg.binary_cross_entropy.vjp(np.array([0.5]), np.array([1.0]))
        >>> print(round(float(out), 4), backward(1.0)[0])  # log 2
        0.6931 [-2.]
    """
    same_shape(y, t)
    target = cast(t, like=y)
    w = 1 if weight is None else weight
    log_y, log_rest = xp.maximum(log_or(y, -100), -100), xp.maximum(log_or(1 - y, -100), -100)
    elements = -w * (target * log_y + (1 - target) * log_rest)
    loss, to_elements = reduced(elements, reduction, size(y) or float("nan"))

    def backward(dout):
        d = w * to_elements(dout)
        dy = d * (y - target) / xp.maximum(y * (1 - y), 1e-12)
        return dy, (d * (log_rest - log_y) if is_floating(t) else None)

    return loss, backward


@rule
def focal(x, t, alpha=0.25, gamma=2.0, reduction="mean"):
    """Cross-entropy of sigmoid(x), less of examples that are easy: loss = Σ a·qᵞ·c / n.

    dx = a·qᵞ·(p - t - γ·c·p·(1 - p)·(2t - 1) / q)·dout / n

    reduction="sum": loss = Σ a·qᵞ·c
    dx = a·qᵞ·(p - t - γ·c·p·(1 - p)·(2t - 1) / q)·dout

    reduction="none": loss = a·qᵞ·c
    dx = a·qᵞ·(p - t - γ·c·p·(1 - p)·(2t - 1) / q)·dout

    p = sigmoid(x), c = -t·log p - (1 - t)·log(1 - p) the cross-entropy, q = t·(1 - p) + (1 - t)·p the
    probability of the other class, whose derivative is -p·(1 - p)·(2t - 1), a = α·t + (1 - α)·(1 - t), or 1
    where ``alpha`` is None. t has no gradient.   Lin et al. 2017

    Raises:
        ValueError: x and t differ in shape; ``gamma`` below 0; an unknown ``reduction``.

    Examples:
        >>> out = hg.focal(np.array([0.0]), np.array([1.0]), alpha=0.5, gamma=0.0)
        >>> print(round(float(out), 4))  # half the cross-entropy, log 2
        0.3466
    """
    same_shape(x, t)
    if gamma < 0:
        raise ValueError(f"gamma is 0 or more, not {gamma}")
    t = xp.stop_gradient(cast(t, like=x))
    p, rest = logistic(x), logistic(-x)
    c = xp.maximum(x, 0) - x * t + xp.log1p(xp.exp(-xp.abs(x)))
    q = t * rest + (1 - t) * p
    a = 1 if alpha is None else alpha * t + (1 - alpha) * (1 - t)
    loss, to_elements = reduced(a * q**gamma * c, reduction, size(x) or float("nan"))

    def backward(dout):
        safe = xp.where(q > 0, q, xp.ones_like(q))
        apart = (1 - t) * p - t * rest  # p - t, to the last digit where p is all but t
        slope = q**gamma * (apart - gamma * c * p * rest * (2 * t - 1) / safe)
        return a * slope * to_elements(dout), None

    return loss, backward


@rule
def kl_divergence(log_y, t, log_target=False, reduction="mean"):
    """Kullback-Leibler divergence of probabilities t from y, given log y: loss = Σ t·(log t - log y) / n.

    dlog_y = -t·dout / n, dt = (log t + 1 - log y)·dout / n

    reduction="sum": loss = Σ t·(log t - log y)
    dlog_y = -t·dout, dt = (log t + 1 - log y)·dout

    reduction="batchmean": loss = Σ t·(log t - log y) / N
    dlog_y = -t·dout / N, dt = (log t + 1 - log y)·dout / N

    reduction="none": loss = t·(log t - log y)
    dlog_y = -t·dout, dt = (log t + 1 - log y)·dout

    "mean" is over all n elements, "batchmean" over the N rows, which is the divergence as books have it.
    With ``log_target`` t is given as its logarithm, and dt is by that. Where t is 0 an element is 0.

    Raises:
        ValueError: log_y and t differ in shape; an unknown ``reduction``.

    Examples:
        >>> y, t = np.array([[0.5, 0.5]]), np.array([[1.0, 0.0]])
        >>> print(round(float(hg.kl_divergence(np.log(y), t, reduction="sum")), 4))  # log 2
        0.6931
    """
    same_shape(log_y, t)
    if log_target:
        log_t, p = t, xp.exp(t)
    else:
        p = cast(t, like=log_y)
        log_t = log_or(p, 0)
    r = xp.where(p == 0, xp.zeros_like(log_y), log_t - xp.where(p == 0, xp.zeros_like(log_y), log_y))
    n = size(log_y) or float("nan")
    if reduction == "batchmean":
        reduction, n = "mean", shape(log_y)[0]
    loss, to_elements = reduced(p * r, reduction, n)

    def backward(dout):
        d = to_elements(dout)
        if not is_floating(t):
            return -p * d, None
        return -p * d, (p * (r + 1) if log_target else xp.where(p == 0, xp.zeros_like(r), r + 1)) * d

    return loss, backward


@rule
def gaussian_nll(y, t, var, full=False, eps=1e-6, reduction="mean"):
    """Negative log-likelihood of t under normal distributions: loss = Σ (log v + (y - t)² / v) / 2n.

    dy = (y - t)/v·dout / n, dt = -dy, dvar = (1/v - (y - t)²/v²)·dout / 2n

    reduction="sum": loss = Σ (log v + (y - t)² / v) / 2
    dy = (y - t)/v·dout, dt = -dy, dvar = (1/v - (y - t)²/v²)·dout / 2

    reduction="none": loss = (log v + (y - t)² / v) / 2
    dy = (y - t)/v·dout, dt = -dy, dvar = (1/v - (y - t)²/v²)·dout / 2

    v = max(var, eps); var has its gradient below ``eps`` too, as in PyTorch, so that it can grow again.
    ``full`` adds log(2π) / 2 to each element.   Nix & Weigend 1994

    Raises:
        ValueError: y, t and var differ in shape; var is below 0; an unknown ``reduction``.

    Examples:
        >>> out, backward = hg.gaussian_nll.vjp(np.array([1.0]), np.array([3.0]), np.array([1.0]))
        >>> print(out, backward(1.0)[0])  # 2² / 2
        2.0 [-2.]
    """
    same_shape(y, t)
    same_shape(y, var)
    if values_are_known(var) and xp.any(var < 0):
        raise ValueError("var are variances, 0 or more: exp or softplus makes them of a network's outputs")
    v = xp.maximum(var, eps)
    r = y - t
    z = r / v
    elements = (xp.log(v) + r * z) / 2 + (math.log(2 * math.pi) / 2 if full else 0)
    loss, to_elements = reduced(elements, reduction, size(y) or float("nan"))

    def backward(dout):
        d = to_elements(dout)
        return z * d, -z * d, (1 / v - z * z) * d / 2

    return loss, backward


@rule
def poisson_nll(x, t, log_input=True, full=False, eps=1e-8, reduction="mean"):
    """Negative log-likelihood of counts t at the rate eˣ, less log t!: loss = Σ (eˣ - t·x) / n.

    dx = (eˣ - t)·dout / n, dt = -x·dout / n

    reduction="sum": loss = Σ (eˣ - t·x).   dx = (eˣ - t)·dout, dt = -x·dout

    reduction="none": loss = eˣ - t·x.   dx = (eˣ - t)·dout, dt = -x·dout

    log_input=False: loss = Σ (x - t·log(x + eps)) / n.   dx = (1 - t / (x + eps))·dout / n

    ``log_input=False``: x is the rate. ``full`` adds Stirling's t·log t - t + log(2πt) / 2 where t > 1.

    Raises:
        ValueError: x and t differ in shape; an unknown ``reduction``.

    Examples:
        >>> out, backward = hg.poisson_nll.vjp(np.array([0.0]), np.array([3.0]))
        >>> print(out, backward(1.0)[0])  # e⁰ - 3·0, and e⁰ - 3
        1.0 [-2.]
    """
    same_shape(x, t)
    target = cast(t, like=x)
    rate = xp.exp(x) if log_input else x
    log_rate = x if log_input else xp.log(x + eps)
    elements = rate - target * log_rate
    large = xp.where(target > 1, target, xp.ones_like(target))
    if full:
        stirling = large * xp.log(large) - large + xp.log(2 * math.pi * large) / 2
        elements = elements + xp.where(target > 1, stirling, xp.zeros_like(stirling))
    loss, to_elements = reduced(elements, reduction, size(x) or float("nan"))

    def backward(dout):
        d = to_elements(dout)
        dx = d * (rate - target if log_input else 1 - target / (x + eps))
        if not is_floating(t):
            return dx, None
        more = xp.where(target > 1, xp.log(large) + 0.5 / large, xp.zeros_like(large)) if full else 0
        return dx, d * (more - log_rate)

    return loss, backward
