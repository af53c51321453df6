"""A network that tells classes apart."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import numpy as np
from scipy import sparse
from sklearn.base import ClassifierMixin
from sklearn.utils import column_or_1d, compute_sample_weight
from sklearn.utils.multiclass import check_classification_targets, type_of_target

from handgrad import rules
from handgrad.sklearn.base import Network


class NetworkClassifier(ClassifierMixin, Network):
    """A neural network for classes, or for several labels of an example, as scikit-learn's estimator.

    Args:
        hidden_layer_sizes: the widths of the hidden layers; nothing for a linear model.
        activation: after each hidden layer, one of ``handgrad.layers.ACTIVATIONS``.
        batch_norm: whether to normalise before each activation.
        dropout: the share that is dropped after each activation.
        network: in place of these a layer, which is copied, or a function (inputs, outputs, seed) -> layer.
        loss: a function of rules (y, t) -> scalar, or the name of one; by default the cross-entropy, of
            several labels the mean of each's. Weights need one with ``reduction``.
        alpha: adds alpha/2·Σ W² to the loss.
        optimiser: a name (adam, sgd, momentum, lion, ...), at the rate ``learning_rate_init``; or one of
            ``handgrad.optim``, whose rate may be a schedule.
        batch_size: of a mini-batch; "auto" is 200, or one from 101 on that divides N, or N if that is less.
        max_iter: epochs at most.
        tol, n_iter_no_change: a fit ends when the loss has not fallen by ``tol`` for more than so many.
        early_stopping: watch the loss of a part that is held out, and keep the best network.
        validation_fraction: of that part.
        class_weight: "balanced", or numbers by class.
        standardise: whether each feature is brought to a mean of 0 and a standard deviation of 1 first.
        impute: whether missing values are filled, by the median or the most frequent; else they are an error.
        warm_start: whether a second ``fit`` goes on from the network of the first.
        random_state: the same number gives the same bits.
        callbacks: functions (trainer, record), called after each epoch; True ends the fit.
        engine: "native", "numpy" or "jax"; if not said, native where the work is worth compiling.
        dtype: of the arithmetic; if not said that of X, float64 or float32.
        verbose: whether to show the progress.

    X may be an array, a sparse matrix, or a frame of pandas or polars with columns of numbers, text,
    categories, dates and booleans: text and categories become one-hot, all zeros for what was not trained on.

    Attributes:
        network_: the layer.   classes_, n_features_in_, feature_names_in_: as everywhere.
        history_: a record of each epoch, with ``plot()``.   loss_curve_, validation_loss_curve_, loss_,
        best_loss_, n_iter_: of the figures.

    Examples:
        >>> from handgrad.sklearn import NetworkClassifier
        >>> x, t = np.array([[0.0, 1.0], [1.0, 0.0]] * 20), np.array(["no", "yes"] * 20)
        >>> net = NetworkClassifier((8,), learning_rate_init=0.05, random_state=0, max_iter=100).fit(x, t)
        >>> net.predict([[1.0, 0.0], [0.0, 1.0]]).tolist()
        ['yes', 'no']
    """

    def __init__(
        self,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        *,
        batch_norm: bool = False,
        dropout: float = 0.0,
        network: Any = None,
        loss: Any = None,
        alpha: float = 0.0,
        optimiser: Any = "adam",
        learning_rate_init: float = 1e-3,
        batch_size: Any = "auto",
        max_iter: int = 200,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        class_weight: Any = None,
        standardise: bool = True,
        impute: bool = False,
        warm_start: bool = False,
        random_state: Any = None,
        callbacks: Any = (),
        engine: str | None = None,
        dtype: Any = None,
        verbose: bool = False,
    ):
        super().__init__(
            hidden_layer_sizes, activation, batch_norm=batch_norm, dropout=dropout, network=network,
            loss=loss, alpha=alpha, optimiser=optimiser, learning_rate_init=learning_rate_init,
            batch_size=batch_size, max_iter=max_iter, tol=tol, n_iter_no_change=n_iter_no_change,
            early_stopping=early_stopping, validation_fraction=validation_fraction, standardise=standardise,
            impute=impute, warm_start=warm_start, random_state=random_state, callbacks=callbacks,
            engine=engine, dtype=dtype, verbose=verbose,
        )  # fmt: skip
        self.class_weight = class_weight

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train on X (N, D) and y, labels (N,) or zeros and ones (N, M), weighed by sample_weight (N,).

        Raises:
            ValueError: they are not what is trained on, or a parameter cannot be.
        """
        return self._fit(X, y, sample_weight)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One more epoch on these examples; ``classes`` are all that there will be, needed at the first call.

        How inputs are standardised is learnt at the first.

        Raises:
            ValueError: as ``fit``; or a class that is not among ``classes``.
        """
        return self._fit(X, y, sample_weight, incremental=True, classes=classes)

    def _targets(self, y: Any, reset: bool, classes: Any = None) -> np.ndarray:
        y = y.toarray() if sparse.issparse(y) else y
        check_classification_targets(y)
        kind = type_of_target(y, input_name="y")
        if kind == "multilabel-indicator":
            y = np.asarray(y)
            return self._labels(y, reset)
        if kind not in ("binary", "multiclass"):
            raise ValueError(f"y is {kind}: give one label for each example, or zeros and ones for several")
        y = column_or_1d(y, warn=True)
        if reset:
            self.multilabel_ = False
            self.classes_ = np.unique(y if classes is None else classes)
            self._n_out = len(self.classes_)
        if getattr(self, "multilabel_", False):
            raise ValueError("y has one label for each example, and was zeros and ones for several before")
        unknown = np.setdiff1d(y, self.classes_)
        if len(unknown):
            raise ValueError(
                f"y has the classes {unknown.tolist()}, which are not among {self.classes_.tolist()}"
            )
        return np.searchsorted(self.classes_, y).astype(np.int64)

    def _labels(self, y: np.ndarray, reset: bool) -> np.ndarray:
        if reset:
            self.multilabel_ = True
            self.classes_ = np.arange(y.shape[1])
            self._n_out = y.shape[1]
        if not self.multilabel_ or y.shape[1] != self._n_out:
            raise ValueError(
                f"y has {y.shape[1]} labels for each example, where there were {self._n_out} before"
            )
        return y.astype(np.float64)

    def _scaled(self, t: np.ndarray, dtype: np.dtype) -> np.ndarray:
        return t.astype(dtype) if t.dtype.kind == "f" else t

    def _usual_loss(self) -> Callable:
        return rules.binary_cross_entropy_with_logits if self.multilabel_ else rules.softmax_cross_entropy

    def _class_weights(self, y: Any) -> np.ndarray | None:
        return None if self.class_weight is None else compute_sample_weight(self.class_weight, y)

    def _strata(self, t: np.ndarray) -> np.ndarray | None:
        return t if t.ndim == 1 else None

    def decision_function(self, X: Any) -> np.ndarray:
        """The outputs before the softmax, (N, C); of two classes their difference, (N,)."""
        y = self._outputs(X)
        return y[:, 1] - y[:, 0] if not self.multilabel_ and self._n_out == 2 else y

    def predict_proba(self, X: Any) -> np.ndarray:
        """Of each class its probability, (N, C); of several labels of each, (N, M)."""
        y = self._outputs(X)
        return rules.sigmoid(y) if self.multilabel_ else rules.softmax(y)

    def predict(self, X: Any) -> np.ndarray:
        """The likeliest class, (N,); of several labels those with a probability above a half, (N, M)."""
        y = self._outputs(X)
        return (y > 0).astype(int) if self.multilabel_ else self.classes_[y.argmax(axis=1)]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
