"""A network that foretells numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils import check_array, column_or_1d

from handgrad import rules
from handgrad.data import TargetScale
from handgrad.data.prepare import moments
from handgrad.sklearn.base import Network


def half_squared_error(y: Any, t: Any, reduction: str = "mean") -> Any:
    """½ (y - t)², the mean or each."""
    return 0.5 * rules.mean_squared_error(y, t, reduction=reduction)


class NetworkRegressor(RegressorMixin, Network):
    """A neural network for one number or several, as scikit-learn's estimator.

    Its parameters are those of ``NetworkClassifier``, without ``class_weight``; the loss is by default the
    half of the mean squared error, as scikit-learn's, so that ``tol`` means the same. Losses are of targets
    brought to a mean of 0 and a standard deviation of 1.

    Examples:
        >>> from handgrad.sklearn import NetworkRegressor
        >>> x = np.linspace(-1.0, 1.0, 40)[:, None]
        >>> net = NetworkRegressor((16,), learning_rate_init=0.05, random_state=0)
        >>> bool(net.fit(x, 2 * x[:, 0]).score(x, 2 * x[:, 0]) > 0.95)
        True
    """

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X (N, D) and y, numbers (N,) or (N, M), weighed by sample_weight (N,).

        Raises:
            ValueError: they are not what is trained on, or a parameter cannot be.
        """
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One more epoch on these examples; scales are learnt at the first call.

        Raises:
            ValueError: as ``fit``.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def _targets(self, y: Any, reset: bool, classes: Any = None) -> np.ndarray:
        y = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y")
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if reset:
            self._is_flat = y.ndim == 1
            self._n_out = 1 if self._is_flat else y.shape[1]
        y = y.reshape(len(y), -1)
        if y.shape[1] != self._n_out:
            raise ValueError(f"y has {y.shape[1]} targets, where there were {self._n_out} before")
        return y

    def _fit_targets(self, t: np.ndarray, weights: np.ndarray | None) -> None:
        rows = slice(None) if weights is None else np.flatnonzero(weights)
        mean, std = moments(t[rows], None, None if weights is None else weights[rows])
        self.scale_ = TargetScale(mean, np.where(std > 0, std, 1.0))

    def _scaled(self, t: np.ndarray, dtype: np.dtype) -> np.ndarray:
        return self.scale_.scale(t, dtype)

    def _usual_loss(self) -> Callable:
        return half_squared_error

    def predict(self, X: Any) -> np.ndarray:
        """The numbers that are foretold, (N,) or (N, M), as y was given."""
        outputs = self._outputs(X)
        y = self.scale_.unscale(outputs)
        return y[:, 0] if self._is_flat else y

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
