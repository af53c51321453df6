"""What the two estimators share: parameters, the network, and how it is fitted."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight, check_is_fitted

from handgrad import optim, rules
from handgrad.layers import Affine, Layer, mlp
from handgrad.layers.initialisers import xavier_uniform
from handgrad.sklearn import inputs
from handgrad.sklearn.watching import Watch
from handgrad.train import Trainer, l2, predict
from handgrad.train.history import History
from handgrad.train.progress import Progress

OPTIMISERS = {
    name.lower(): kind
    for name in optim.__all__
    if isinstance(kind := getattr(optim, name), type)
    and issubclass(kind, optim.Optimiser)
    and name not in ("Optimiser", "Average", "ByName")
}


class Network(BaseEstimator):
    """Base of the two; see ``NetworkClassifier`` for its parameters."""

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
        standardise: bool = True,
        impute: bool = False,
        warm_start: bool = False,
        random_state: Any = None,
        callbacks: Any = (),
        engine: str | None = None,
        dtype: Any = None,
        verbose: bool = False,
    ):
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.batch_norm = batch_norm
        self.dropout = dropout
        self.network = network
        self.loss = loss
        self.alpha = alpha
        self.optimiser = optimiser
        self.learning_rate_init = learning_rate_init
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.standardise = standardise
        self.impute = impute
        self.warm_start = warm_start
        self.random_state = random_state
        self.callbacks = callbacks
        self.engine = engine
        self.dtype = dtype
        self.verbose = verbose

    # What differs between the two.

    def _targets(self, y: Any, reset: bool, classes: Any = None) -> np.ndarray:
        """y as the loss takes it; with ``reset`` what it is, is learnt."""
        raise NotImplementedError

    def _fit_targets(self, t: np.ndarray, weights: np.ndarray | None) -> None:
        """Learn the scale of targets from those that are trained on."""

    def _scaled(self, t: np.ndarray, dtype: np.dtype) -> np.ndarray:
        return t

    def _usual_loss(self) -> Callable:
        raise NotImplementedError

    def _class_weights(self, y: Any) -> np.ndarray | None:
        return None

    def _strata(self, t: np.ndarray) -> np.ndarray | None:
        return None

    # Fitting.

    def _fit(
        self, X: Any, y: Any, sample_weight: Any, incremental: bool = False, classes: Any = None
    ) -> Self:
        self._check_parameters()
        is_new = not hasattr(self, "network_") or not (incremental or self.warm_start)
        x, y = inputs.read(self, X, y, reset=is_new or not incremental)
        t = self._targets(y, is_new, classes)
        weights = self._weights(x, y, sample_weight)
        random = check_random_state(self.random_state)
        seed, order_seed, split_seed = random.randint(2**31 - 1, size=3).tolist()
        held_out = None
        if self.early_stopping and incremental:
            raise ValueError("partial_fit makes one pass and does not support early_stopping=True")
        if self.early_stopping:
            x, t, weights, held_out = self._split(x, t, weights, split_seed)
        if is_new:
            self.preparation_ = inputs.fit(x, self.impute, self.standardise, weights)
            self._fit_targets(t, weights)
            self._dtype = inputs.dtype_of(x, self.dtype)
            self.network_ = self._made(seed)
            self.progress_: Progress | None = None
            self.history_ = History()
        self._train(x, t, weights, held_out, order_seed, incremental)
        return self

    def _check_parameters(self) -> None:
        if isinstance(self.optimiser, str) and self.optimiser not in OPTIMISERS:
            raise ValueError(f"optimiser is one of {', '.join(OPTIMISERS)}, or an object of handgrad.optim, "
                             f"not {self.optimiser!r}")  # fmt: skip
        for name in ("max_iter", "n_iter_no_change"):
            if not (isinstance(getattr(self, name), (int, np.integer)) and getattr(self, name) >= 1):
                raise ValueError(f"{name} is a whole number from 1, not {getattr(self, name)!r}")

    def _weights(self, x: Any, y: Any, sample_weight: Any) -> np.ndarray | None:
        by_class = self._class_weights(y)
        if sample_weight is None and by_class is None:
            return None
        n = x.shape[0] if hasattr(x, "shape") else len(x)
        weights = _check_sample_weight(
            sample_weight, np.empty((n, 1)), dtype=np.float64, ensure_non_negative=True
        )
        if not weights.any():
            raise ValueError("sample_weight is zero for all examples: there is nothing to learn from")
        return weights if by_class is None else weights * by_class

    def _split(self, x: Any, t: np.ndarray, weights: Any, seed: int) -> tuple[Any, ...]:
        """The part to train on, and (x, t) to measure."""
        n = len(t)
        train, held_out = train_test_split(
            np.arange(n), random_state=seed, test_size=self.validation_fraction, stratify=self._strata(t)
        )
        if len(held_out) < 2:
            raise ValueError(
                f"early_stopping measures {len(held_out)} of {n} examples: increase validation_fraction, or "
                f"the data"
            )
        picked = (lambda rows: x.take(rows)) if hasattr(x, "names") else (lambda rows: x[rows])
        part = None if weights is None else weights[train]
        return picked(train), t[train], part, (picked(held_out), t[held_out])

    def _made(self, seed: int) -> Layer:
        D, M = len(self.preparation_.columns), self._n_out
        if isinstance(self.network, Layer):
            return copy.deepcopy(self.network)
        if self.network is not None:
            made = self.network(D, M, seed)
            if not isinstance(made, Layer):
                raise TypeError(f"network(inputs, outputs, seed) gives a layer, not {type(made).__name__}")
            return made
        widths = np.atleast_1d(np.asarray(self.hidden_layer_sizes, np.int64)).tolist()
        if any(width < 1 for width in widths):
            raise ValueError(f"hidden_layer_sizes are whole numbers from 1, not {self.hidden_layer_sizes!r}")
        widths = [D, *widths, M]
        net = mlp(widths, self.activation, self.batch_norm, self.dropout, seed=seed, dtype=self._dtype)
        rng = np.random.default_rng(seed)
        for layer in net.layers:  # as scikit-learn begins, Glorot & Bengio 2010: smaller than mlp's own
            if isinstance(layer, Affine):
                layer.params["W"] = xavier_uniform(rng, layer.params["W"].shape).astype(self._dtype)
        return net

    def _train(
        self, x: Any, t: np.ndarray, weights: Any, held_out: Any, seed: int, incremental: bool
    ) -> None:
        n = len(t)
        if held_out is None:
            watch, validation = Watch("loss", self.tol, self.n_iter_no_change), None
        else:
            watch = Watch("validation_loss", self.tol, self.n_iter_no_change, keeps_best=True)
            validation = (self._prepared(held_out[0]), self._scaled(held_out[1], self._dtype))
        epochs = 1 if incremental else int(self.max_iter)
        goes_on = incremental and self.progress_ is not None
        trainer = Trainer(
            self.network_,
            self._loss(),
            self._optimiser(),
            seed=self._order_seed if goes_on else seed,
            penalty=l2(self.alpha / 2, "*W") if self.alpha else None,
            metrics={},
            callbacks=[*self.callbacks, *([] if incremental else [watch])],
            engine=self.engine,
            progress=bool(self.verbose),
        )
        self._order_seed: int = trainer.seed
        done = 0
        if incremental and self.progress_ is not None:
            trainer.progress, done = self.progress_, self.progress_.epoch
        batch_size = usual_batch(n) if self.batch_size == "auto" else min(int(self.batch_size), n)
        made = trainer.fit(
            self._prepared(x), self._scaled(t, self._dtype), done + epochs, batch_size,
            sample_weight=weights, validation=validation,
        )  # fmt: skip
        self.progress_ = trainer.progress if incremental else None
        if watch.best is not None:
            self.network_.load_parameters(watch.best[0])
            self.network_.load_states(watch.best[1])
        self._keep(made, incremental)
        if not incremental and not watch.ended and len(made) == epochs and epochs > 1:
            warnings.warn(
                f"the loss was still falling after max_iter={self.max_iter} epochs: give it more, or a "
                f"larger learning_rate_init",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _keep(self, made: History, incremental: bool) -> None:
        """The figures of the epochs, one after the other where a fit goes on."""
        is_more = incremental or self.warm_start
        self.history_ = History([*self.history_, *made]) if is_more else made
        self.loss_curve_ = self.history_["loss"].tolist()
        self.loss_ = self.loss_curve_[-1]
        self.best_loss_ = min(self.loss_curve_)
        self.n_iter_ = len(self.loss_curve_)
        self.validation_loss_curve_ = None
        if self.early_stopping:
            self.validation_loss_curve_ = self.history_["validation_loss"].tolist()
            self.best_loss_ = min(self.validation_loss_curve_)

    def _prepared(self, x: Any) -> Any:
        return inputs.prepared(self.preparation_, x, self._dtype)

    def _loss(self) -> Callable:
        if self.loss is None:
            return self._usual_loss()
        found = getattr(rules, self.loss, None) if isinstance(self.loss, str) else self.loss
        if not callable(found):
            raise ValueError(
                f"loss is a function (y, t), or the name of a rule, such as 'huber', not {self.loss!r}"
            )
        return found

    def _optimiser(self) -> optim.Optimiser:
        if isinstance(self.optimiser, str):
            return OPTIMISERS[self.optimiser](lr=self.learning_rate_init)
        return self.optimiser

    # Using what was learnt.

    def _outputs(self, X: Any) -> np.ndarray:
        """What the network gives, float64 (N, M)."""
        check_is_fitted(self, "network_")
        x, _ = inputs.read(self, X, reset=False)
        return np.asarray(predict(self.network_, self._prepared(x), engine=self.engine), np.float64)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.input_tags.allow_nan = bool(self.impute)
        tags.input_tags.categorical = tags.input_tags.string = True
        return tags


def usual_batch(n: int) -> int:
    """200, or where there are less, all; but one above 100 that leaves none over, where there is one.

    >>> usual_batch(426), usual_batch(100_000), usual_batch(70)
    (142, 200, 70)
    """
    most = min(200, n)
    return next((size for size in range(most, most // 2, -1) if n % size == 0), most)
