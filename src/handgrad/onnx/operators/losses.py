"""Losses of class indices, with the classes as the second axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped
from handgrad.onnx.operators.elementwise import typed


def as_array(x: Any) -> Any:
    return x if hasattr(x, "dtype") else np.asarray(x)


def classes_last(x: Any) -> Any:
    order = (0, *range(2, len(shape(x))), 1)
    return rules.transpose(x, axes=order)


def softmax_cross_entropy(
    x: Any, t: Any, weight: Any = None, *, ignore_index: Any = None, reduction: str = "mean"
) -> tuple:
    loss = rules.softmax_cross_entropy(
        classes_last(x), t, weight=stripped(weight), ignore_index=ignore_index, reduction=reduction
    )
    return typed(as_array(loss), x.dtype), rules.log_softmax(x, axis=1)


def negative_log_likelihood(
    x: Any, t: Any, weight: Any = None, *, ignore_index: Any = None, reduction: str = "mean"
) -> Any:
    return typed(as_array(rules.nll(classes_last(x), t, stripped(weight), ignore_index, reduction)), x.dtype)


TABLE: dict[str, Callable] = {
    "NegativeLogLikelihoodLoss": negative_log_likelihood,
    "SoftmaxCrossEntropyLoss": softmax_cross_entropy,
}
