"""What scikit-learn's linear models are written as (``ai.onnx.ml``); their weights are attributes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape

POSTS: dict[str, Callable] = {
    "NONE": lambda y: y,
    "SOFTMAX": lambda y: rules.softmax(y, axis=-1),
    "LOGISTIC": rules.sigmoid,
}
LENGTHS: dict[str, Callable] = {
    "MAX": lambda x: rules.max(rules.abs(x), axis=-1, keepdims=True),
    "L1": lambda x: rules.sum(rules.abs(x), axis=-1, keepdims=True),
    "L2": lambda x: rules.norm(x, axis=-1, keepdims=True),
}


def after(y: Any, post_transform: str) -> Any:
    if post_transform not in POSTS:
        raise ValueError(f"post_transform is one of {', '.join(POSTS)} here, not {post_transform!r}")
    return POSTS[post_transform](y)


def linear(x: Any, weights: Any, shifts: Any, outputs: int) -> Any:
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    if len(weights) != outputs * shape(x)[-1]:
        raise ValueError(f"{len(weights)} coefficients are not {outputs} outputs of {shape(x)[-1]} features")
    W = np.reshape(np.asarray(weights, np.float32), (outputs, -1)).astype(x.dtype)
    b = np.asarray([0.0] * outputs if shifts is None else shifts).astype(x.dtype)
    return rules.matmul(x, W.T) + b


def linear_regressor(
    x: Any, *, coefficients: Any, intercepts: Any = None, targets: int = 1, post_transform: str = "NONE"
) -> Any:
    return after(linear(x, coefficients, intercepts, targets), post_transform)


def linear_classifier(
    x: Any,
    *,
    coefficients: Any,
    intercepts: Any = None,
    classlabels_ints: Any = None,
    classlabels_strings: Any = None,
    multi_class: int = 0,
    post_transform: str = "NONE",
) -> tuple:
    """The class with the largest score, and the scores."""
    labels = np.array(classlabels_ints if classlabels_ints else classlabels_strings)
    labels = labels.astype(np.int64) if labels.dtype.kind == "i" else labels.astype(object)
    scores = linear(x, coefficients, intercepts, len(labels))
    found = np.argmax(scores, axis=-1)
    return labels[found], after(scores, post_transform)


def normalizer(x: Any, *, norm: str = "MAX") -> Any:
    length = LENGTHS[norm](x)
    return x / rules.where(length == 0, 1.0, length)


def scaler(x: Any, *, offset: Any, scale: Any) -> Any:
    x = x if x.dtype.kind == "f" else x.astype(np.float32)
    return (x - np.asarray(offset, x.dtype)) * np.asarray(scale, x.dtype)


def zip_map(x: Any, *, classlabels_int64s: Any = None, classlabels_strings: Any = None) -> tuple:
    """Of each row a dict by class."""
    labels = classlabels_int64s or classlabels_strings
    return ([{label: x[i, j] for j, label in enumerate(labels)} for i in range(shape(x)[0])],)


TABLE: dict[str, Callable] = {
    "LinearClassifier": linear_classifier,
    "LinearRegressor": linear_regressor,
    "Normalizer": normalizer,
    "Scaler": scaler,
    "ZipMap": zip_map,
}
