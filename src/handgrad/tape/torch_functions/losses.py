"""Losses: those of ``rules`` with PyTorch's places of classes, weights and batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import is_floating, shape, stripped, xp
from handgrad.tape.functions.shaping import moveaxis


def reduced(elements: Any, reduction: str) -> Any:
    """The loss of each element as ``reduction`` says.

    Raises:
        ValueError: an unknown ``reduction``.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"reduction is 'mean', 'sum' or 'none', not {reduction!r}")
    return elements if reduction == "none" else getattr(rules, reduction)(elements)


def _together(*xs: Any) -> Any:
    """Broadcast to one shape, as PyTorch does with a warning."""
    import torch

    whole = torch.broadcast_shapes(*map(shape, xs))
    return [x if shape(x) == whole else rules.broadcast_to(x, whole) for x in xs]


def _compared(rule: Callable) -> Callable:
    """A loss of two tensors of one shape, whose elements may have weights."""

    def function(input: Any, target: Any, *, reduction: str = "mean", weight: Any = None) -> Any:
        input, target = _together(input, target)
        if weight is None:
            return rule(input, target, reduction=reduction)
        loss = reduced(
            weight * rule(input, target, reduction="none"), "sum" if reduction == "mean" else reduction
        )
        return loss / rules.sum(_together(weight, input)[0]) if reduction == "mean" else loss

    return function


def hinge_embedding_loss(input: Any, target: Any, margin: float = 1.0, *, reduction: str = "mean") -> Any:
    """A target that is neither 1 nor -1 counts as both, as in PyTorch."""
    t = stripped(target)
    far = rules.where(t != 1, rules.clip(margin - input, 0), 0.0)
    return reduced(rules.where(t != -1, input, 0.0) + far, reduction)


def smooth_l1_loss(input: Any, target: Any, reduction: str = "mean", beta: float = 1.0) -> Any:
    """Huber's loss over beta; of beta 0 the absolute error."""
    input, target = _together(input, target)
    if beta == 0:
        return rules.mean_absolute_error(input, target, reduction=reduction)
    return rules.huber(input, target, delta=beta, reduction=reduction) / beta


def huber_loss(
    input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None
) -> Any:
    return _compared(lambda x, t, reduction: rules.huber(x, t, delta, reduction))(
        input, target, reduction=reduction, weight=weight
    )


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, *, reduction: str = "mean") -> Any:
    elements = rules.binary_cross_entropy(input, target, reduction="none")
    return reduced(elements if weight is None else weight * elements, reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean", pos_weight: Any = None
) -> Any:
    """``pos_weight`` is how much t counts, where 1 - t counts 1."""
    if pos_weight is None:
        elements = rules.binary_cross_entropy_with_logits(input, target, reduction="none")
    else:
        elements = (1 - target) * input - (1 + (pos_weight - 1) * target) * rules.logsigmoid(input)
    return reduced(elements if weight is None else weight * elements, reduction)


def _classes_last(input: Any, target: Any) -> tuple[Any, Any]:
    """Classes are the second axis, or the first of a single example."""
    if len(shape(input)) <= 2:
        return input, target  # they are the last already
    by_index = shape(target) != shape(input)
    return moveaxis(input, 1, -1), target if by_index else moveaxis(target, 1, -1)


def nll_loss(
    input: Any, target: Any, weight: Any = None, ignore_index: int = -100, reduction: str = "mean"
) -> Any:
    input, target = _classes_last(input, target)
    return rules.nll(input, stripped(target), stripped(weight), ignore_index, reduction)


def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = -100,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Labels of whole numbers, or probabilities, which ``ignore_index`` does not concern."""
    input, target = _classes_last(input, target)
    return rules.softmax_cross_entropy(
        input,
        target,
        weight=stripped(weight),
        label_smoothing=label_smoothing,
        ignore_index=None if is_floating(target) else ignore_index,
        reduction=reduction,
    )


def kl_div(input: Any, target: Any, reduction: str = "mean", log_target: bool = False) -> Any:
    x, t = _together(input, target)
    return rules.kl_divergence(x, t, log_target=log_target, reduction=reduction)


def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """A variance may be one number for all, or one for each row."""
    if isinstance(var, float):
        var = xp.full_like(stripped(input), var)
    elif shape(var) == shape(input)[:-1] and shape(var) != shape(input):
        var = rules.expand_dims(var, axis=-1)
    x, t, v = _together(input, target, var)
    return rules.gaussian_nll(x, t, v, full=full, eps=eps, reduction=reduction)


def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    eps: float = 1e-8,
    reduction: str = "mean",
) -> Any:
    x, t = _together(input, target)
    return rules.poisson_nll(x, t, log_input=log_input, full=full, eps=eps, reduction=reduction)


def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, *, reduction: str = "mean"
) -> Any:
    x, y, t = _together(input1, input2, target)
    return rules.margin_ranking(x, y, t, margin=margin, reduction=reduction)


def multi_margin_loss(
    input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, *, reduction: str = "mean"
) -> Any:
    if len(shape(input)) < 2:
        input, target = rules.reshape(input, (1, -1)), rules.reshape(target, (1,))
        reduction = "mean" if reduction == "none" else reduction
    return rules.multi_margin(input, stripped(target), p, margin, stripped(weight), reduction)


def multilabel_margin_loss(input: Any, target: Any, *, reduction: str = "mean") -> Any:
    """Each class of a list that -1 ends ahead of each class that is not in it."""
    is_one = len(shape(input)) < 2
    x = rules.reshape(input, (1, -1)) if is_one else input
    listed = xp.reshape(stripped(target), shape(x))
    C = shape(x)[-1]
    in_list = xp.cumulative_sum(xp.astype(listed < 0, listed.dtype), axis=1) == 0
    picked = xp.where(in_list, listed, xp.zeros_like(listed))
    places = xp.expand_dims(picked, axis=2) == xp.arange_like(listed, C)
    is_target = xp.any(places & xp.expand_dims(in_list, axis=2), axis=1)
    ahead = rules.take_along_axis(x, picked, axis=1)
    left = 1 - rules.expand_dims(ahead, axis=2) + rules.expand_dims(x, axis=1)
    counts = xp.expand_dims(in_list, axis=2) & xp.expand_dims(~is_target, axis=1)
    rows = rules.sum(rules.where(counts, rules.relu(left), 0.0), axis=(1, 2)) / C
    return reduced(rules.reshape(rows, ()) if is_one else rows, reduction)


def multilabel_soft_margin_loss(
    input: Any, target: Any, weight: Any = None, *, reduction: str = "mean"
) -> Any:
    elements = rules.binary_cross_entropy_with_logits(input, target, reduction="none")
    return reduced(rules.mean(elements if weight is None else weight * elements, axis=-1), reduction)


def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    x1, x2 = _together(x1, x2)
    if not shape(x1):
        return TABLE["cosine_similarity"](rules.reshape(x1, (1,)), rules.reshape(x2, (1,)), 0, eps)
    return rules.cosine_similarity(x1, x2, dim, eps)


def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0, *, reduction: str = "mean"
) -> Any:
    x, y = _together(input1, input2)
    return rules.cosine_embedding(x, y, stripped(target), margin, reduction)


def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    return rules.norm(x1 - x2 + eps, axis=-1, ord=p, keepdims=keepdim)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    *,
    reduction: str = "mean",
) -> Any:
    a, near, far = _together(anchor, positive, negative)
    return rules.triplet_margin(a, near, far, margin, p, eps, swap, reduction)


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Callable | None = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    distance = distance_function or pairwise_distance
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = rules.minimum(far, distance(positive, negative))
    return reduced(rules.clip(margin + near - far, 0), reduction)


TABLE: dict[str, Callable] = {
    "F.binary_cross_entropy": binary_cross_entropy,
    "F.binary_cross_entropy_with_logits": binary_cross_entropy_with_logits,
    "F.cosine_embedding_loss": cosine_embedding_loss,
    "F.cross_entropy": cross_entropy,
    "F.gaussian_nll_loss": gaussian_nll_loss,
    "F.hinge_embedding_loss": hinge_embedding_loss,
    "F.huber_loss": huber_loss,
    "F.kl_div": kl_div,
    "F.l1_loss": _compared(rules.mean_absolute_error),
    "F.margin_ranking_loss": margin_ranking_loss,
    "F.mse_loss": _compared(rules.mean_squared_error),
    "F.multi_margin_loss": multi_margin_loss,
    "F.multilabel_margin_loss": multilabel_margin_loss,
    "F.multilabel_soft_margin_loss": multilabel_soft_margin_loss,
    "F.nll_loss": nll_loss,
    "F.poisson_nll_loss": poisson_nll_loss,
    "F.smooth_l1_loss": smooth_l1_loss,
    "F.soft_margin_loss": _compared(rules.soft_margin),
    "F.triplet_margin_loss": triplet_margin_loss,
    "F.triplet_margin_with_distance_loss": triplet_margin_with_distance_loss,
    "cosine_similarity": cosine_similarity,
    "pairwise_distance": pairwise_distance,
}
