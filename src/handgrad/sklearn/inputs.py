"""What an estimator is given, as a network reads it: arrays, sparse matrices, frames with categories."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from handgrad.data import Preparation, Table
from handgrad.data.frames import columns_of, is_frame, of_frame, values_of
from handgrad.data.prepare import Standardised, medians, moments
from handgrad.data.tabular import Tabular

IN_MEMORY = 2**27  # numbers of a sparse matrix that are made dense at once


def read(estimator: BaseEstimator, X: Any, y: Any = "no_validation", reset: bool = True) -> tuple[Any, Any]:
    """X, as an array, a sparse matrix of rows or a ``Table``, and y, looked at by scikit-learn.

    Raises:
        ValueError: they are not what an estimator takes.
    """
    was_table = isinstance(getattr(estimator, "preparation_", None), Tabular) and not reset
    if is_frame(X) and (was_table or (reset and has_words(X))):
        validate_data(estimator, X, skip_check_array=True, reset=reset)
        table = of_frame(X)
        if y is None:
            raise ValueError(f"{type(estimator).__name__} requires y to be passed, but the target y is None")
        return table, y
    made = validate_data(
        estimator,
        X,
        **({} if isinstance(y, str) else {"y": y, "multi_output": True}),
        reset=reset,
        accept_sparse="csr",
        dtype=[np.float64, np.float32],
        ensure_all_finite="allow-nan" if estimator.impute else True,
    )
    return made if isinstance(made, tuple) else (made, y)


def has_words(frame: Any) -> bool:
    """Whether a frame has columns that are no numbers."""
    return any(values_of(column).dtype.kind not in "biuf" for column in columns_of(frame).values())


def fit(x: Any, impute: bool, standardise: bool, weights: np.ndarray | None) -> Preparation:
    """How inputs like x are prepared.   x (N, D), weights (N,) -> (N, features)

    Numbers to a mean of 0 and a standard deviation of 1, where they vary; of a sparse matrix the standard
    deviation alone, so that what is 0 stays 0. Categories become one-hot.
    """
    seen = None if weights is None else np.flatnonzero(weights)
    w = None if weights is None else weights[seen]
    if isinstance(x, Table):
        return Tabular.fit_table(x if seen is None else x.take(seen), impute)
    D = x.shape[1]
    if not standardise:
        fill = medians(x) if impute and not sparse.issparse(x) else None
        return Standardised(np.zeros(D), np.ones(D), fill)
    x = x if seen is None else x[seen]
    if sparse.issparse(x):
        return Standardised(np.zeros(D), deviations(x, w), None)
    fill = medians(x) if impute else None
    return Standardised(*moments(x, fill, w), fill)


def deviations(x: Any, weights: np.ndarray | None) -> np.ndarray:
    """The standard deviation of each column of a sparse matrix, 1 where it is 0."""
    w = np.ones(x.shape[0]) if weights is None else weights
    w = w / w.sum()
    mean = np.asarray(w @ x).ravel()
    squares = np.asarray(w @ x.multiply(x)).ravel()
    std = np.sqrt(np.maximum(squares - mean**2, 0))
    return np.where(std > 1e-7 * np.sqrt(squares), std, 1.0)


def prepared(preparation: Preparation, x: Any, dtype: Any) -> Any:
    """The network's inputs, an array; or of a large sparse matrix rows that are made dense by mini-batch."""
    if not sparse.issparse(x):
        return preparation(x, dtype=dtype, unseen="zeros")
    if x.shape[0] * x.shape[1] <= IN_MEMORY:
        return preparation(x.toarray(), dtype=dtype)
    return SparseRows(x.tocsr(), preparation, dtype)


class SparseRows:
    """Rows of a sparse matrix, made dense and prepared when they are asked for."""

    def __init__(self, x: Any, preparation: Preparation, dtype: Any):
        self.x, self.preparation, self.dtype = x, preparation, dtype

    def __len__(self) -> int:
        return self.x.shape[0]

    def __getitem__(self, rows: Any) -> np.ndarray:
        return self.preparation(self.x[rows].toarray(), dtype=self.dtype)


def dtype_of(x: Any, asked: Any) -> np.dtype:
    """float32 of float32, else float64, where none is asked for."""
    if asked is not None:
        return np.dtype(asked)
    return np.dtype(np.float32 if getattr(x, "dtype", None) == np.float32 else np.float64)
