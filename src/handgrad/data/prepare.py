"""Raw inputs -> what a network reads, fitted on the training part alone and kept with the model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike

from handgrad.data.bits import bits
from handgrad.data.dataset import Table
from handgrad.data.errors import DataError, listed
from handgrad.data.rows import Rows

FULL_SCALES = (1, 16, 255)  # masks, the 16 grey levels of digits, bytes
CHUNK = 1 << 22  # numbers that are taken out of a memory map at once


class Preparation:
    """What turns raw inputs into network inputs. ``fit`` it on the training part, then call it.

    An array of uint8 (or bool) is divided by its full scale: 255, or 16 where the training part has
    nothing above 16, or 1 where nothing above 1. Any other array is standardised, each feature by its
    own mean and standard deviation; one that is constant in the training part is 0 from then on, since
    nothing can be learnt of it. A ``Table`` has its numbers standardised and its text one-hot encoded,
    over the sorted levels of the training part.

    With ``impute``, missing values are filled: numbers by the median, text by the most frequent level
    of the training part, for prediction as well. Without it, they are an error.

    shape: of one prepared example.
    columns: the name of each prepared feature, in order.
    text_columns: of a table, the columns that are text, whatever they hold in another file.

    Examples:
        >>> preparation = hg.data.Preparation().fit(np.array([[1.0], [3.0]]))
        >>> print(preparation(np.array([[1.0], [2.0], [3.0]])).T)
        [[-1.  0.  1.]]
    """

    shape: tuple[int, ...]
    columns: tuple[str, ...]
    text_columns: tuple[str, ...] = ()

    @staticmethod
    def fit(x: np.ndarray | Rows | Table, impute: bool = False) -> Preparation:
        """The preparation for inputs like ``x``, an array (N, ...) or a ``Table`` of N rows.

        Raises:
            DataError: no examples; missing values without ``impute``, or nothing but missing ones;
                infinite numbers; more than 1,000 levels in a column of text.
        """
        if len(x) == 0:
            raise DataError("there are no examples to fit a preparation on")
        if isinstance(x, Table):
            from handgrad.data.tabular import Tabular

            return Tabular.fit_table(x, impute)
        if x.dtype.kind not in "biuf" or x.ndim < 2:
            raise DataError(f"x is {x.dtype} {x.shape}: inputs are numbers (N, ...), or a Table")
        return Scaled.fit_array(x) if x.dtype in (np.uint8, np.bool_) else Standardised.fit_array(x, impute)

    def __call__(
        self, x: np.ndarray | Table, dtype: DTypeLike = np.float32, unseen: str = "error"
    ) -> np.ndarray:
        """The network's inputs, ``dtype`` (N, *shape).

        unseen: what a level of text that the training part did not have is: ``'error'``, or
            ``'zeros'`` for a one-hot of zeros.

        Raises:
            DataError: another shape than the fitted one, a column that is absent, missing or infinite
                values, an unseen level.
        """
        if unseen not in ("error", "zeros"):
            raise DataError(f"unseen is {unseen!r}: it is 'error' or 'zeros'")
        return self.prepared(x, np.dtype(dtype), unseen)

    def prepared(self, x: Any, dtype: np.dtype, unseen: str) -> np.ndarray:
        raise NotImplementedError

    def words(self, x: Any) -> np.ndarray:
        """What is in the rows of ``x`` before any preparation, as ``bits``. uint64 (N, columns)"""
        return bits(checked(x, self.shape)).reshape(len(x), -1)

    def to_json(self) -> dict[str, Any]:
        """Plain lists, numbers and text, from which ``from_json`` makes the very same preparation."""
        raise NotImplementedError

    @staticmethod
    def from_json(d: dict[str, Any]) -> Preparation:
        from handgrad.data.tabular import Tabular

        kinds: dict[str, Any] = {"scaled": Scaled, "standardised": Standardised, "table": Tabular}
        try:
            return kinds[d["kind"]].read(d)
        except (KeyError, TypeError) as error:
            raise DataError(f"this is no preparation that to_json wrote: {error!r}") from error


@dataclass(frozen=True)
class Scaled(Preparation):
    """x / full_scale, for whole numbers from 0 to full_scale."""

    shape: tuple[int, ...]
    full_scale: int

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        return element_names(self.shape)

    @staticmethod
    def fit_array(x: np.ndarray | Rows) -> Scaled:
        return Scaled(x.shape[1:], next(scale for scale in FULL_SCALES if x.max() <= scale))

    def prepared(self, x: Any, dtype: np.dtype, unseen: str) -> np.ndarray:
        x = checked(x, self.shape)
        if x.dtype.kind not in "biu":
            raise DataError(
                f"x is {x.dtype}, but the training part was whole numbers from 0 to"
                f" {self.full_scale}: give these, as they are before any scaling"
            )
        if x.size and not 0 <= x.min() <= x.max() <= self.full_scale:
            raise DataError(
                f"x holds {x.min()} to {x.max()}, but the training part was from 0 to"
                f" {self.full_scale}: bring it to that scale"
            )
        return np.divide(x, self.full_scale, dtype=dtype)

    def to_json(self) -> dict[str, Any]:
        return {"kind": "scaled", "shape": list(self.shape), "full_scale": self.full_scale}

    @staticmethod
    def read(d: dict[str, Any]) -> Scaled:
        return Scaled(tuple(d["shape"]), d["full_scale"])


@dataclass(frozen=True, eq=False)
class Standardised(Preparation):
    """(x - mean) / std for each feature, 0 where std is 0. fill: what replaces NaN, or None."""

    mean: np.ndarray
    std: np.ndarray
    fill: np.ndarray | None

    @property
    def shape(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.mean.shape

    @property
    def columns(self) -> tuple[str, ...]:  # type: ignore[override]
        return element_names(self.shape)

    @staticmethod
    def fit_array(x: np.ndarray | Rows, impute: bool) -> Standardised:
        check_array(x, impute)
        fill = medians(x) if impute else None
        return Standardised(*moments(x, fill), fill)

    def prepared(self, x: Any, dtype: np.dtype, unseen: str) -> np.ndarray:
        x = checked(x, self.shape)
        check_array(x, self.fill is not None)
        out = np.empty(x.shape, dtype)
        for start, chunk in chunks(x):
            out[start : start + len(chunk)] = standardise(filled(chunk, self.fill), self.mean, self.std)
        return out

    def to_json(self) -> dict[str, Any]:
        fill = None if self.fill is None else self.fill.tolist()
        return {"kind": "standardised", "mean": self.mean.tolist(), "std": self.std.tolist(), "fill": fill}

    @staticmethod
    def read(d: dict[str, Any]) -> Standardised:
        fill = None if d["fill"] is None else np.array(d["fill"], np.float64)
        return Standardised(np.array(d["mean"], np.float64), np.array(d["std"], np.float64), fill)


@dataclass(frozen=True, eq=False)
class TargetScale:
    """Targets (N,) or (N, M) to mean 0 and standard deviation 1, and back to the units of the data.

    mean, std: float64 () or (M,), from the training part; std is 1 where a target is constant.

    Examples:
        >>> scale = hg.data.TargetScale.fit(np.array([1.0, 3.0]))
        >>> print(scale.scale(np.array([3.0])), scale.unscale(np.array([1.0])))
        [1.] [3.]
    """

    mean: np.ndarray
    std: np.ndarray

    @staticmethod
    def fit(t: np.ndarray) -> TargetScale:
        t = np.asarray(t, np.float64)
        if len(t) == 0 or not np.isfinite(t).all():
            raise DataError(f"targets of shape {t.shape}: give at least one, and finite numbers")
        mean, std = moments(t, None)
        return TargetScale(mean, np.where(std > 0, std, 1.0))

    def scale(self, t: np.ndarray, dtype: DTypeLike = np.float32) -> np.ndarray:
        """(t - mean) / std, of t's shape."""
        return ((np.asarray(t, np.float64) - self.mean) / self.std).astype(dtype)

    def unscale(self, y: np.ndarray) -> np.ndarray:
        """y · std + mean, float64 of y's shape: a network's outputs in the units of the data."""
        return np.asarray(y, np.float64) * self.std + self.mean

    def to_json(self) -> dict[str, Any]:
        return {"mean": self.mean.tolist(), "std": self.std.tolist()}

    @staticmethod
    def from_json(d: dict[str, Any]) -> TargetScale:
        return TargetScale(np.array(d["mean"], np.float64), np.array(d["std"], np.float64))


def chunks(x: np.ndarray | Rows) -> Iterator[tuple[int, np.ndarray]]:
    """``(first row, rows as float64)``, so that a memory map is never in memory whole."""
    rows = max(1, CHUNK * len(x) // max(1, x.size))
    for start in range(0, len(x), rows):
        yield start, np.asarray(x[start : start + rows], np.float64)


def filled(values: np.ndarray, fill: np.ndarray | None) -> np.ndarray:
    return values if fill is None else np.where(np.isnan(values), fill, values)


def moments(
    x: np.ndarray | Rows, fill: np.ndarray | None, weights: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over the first axis, in two passes; std is exactly 0 where constant.

    weights: how much each row counts, (N,), above 0.
    """
    shape = x.shape[1:]
    w = np.ones(len(x)) if weights is None else np.asarray(weights, np.float64)
    total, squares = np.zeros(shape), np.zeros(shape)
    low, high = np.full(shape, np.inf), np.full(shape, -np.inf)
    with np.errstate(over="ignore", invalid="ignore"):
        for start, chunk in chunks(x):
            chunk = filled(chunk, fill)
            total = total + weighed(chunk, w[start : start + len(chunk)]).sum(axis=0)
            low, high = np.minimum(low, chunk.min(axis=0)), np.maximum(high, chunk.max(axis=0))
        # A rounded mean would leave what is constant a tiny std, and blow the rounding error up to 1.
        mean = np.where(low == high, low, total / w.sum())
        for start, chunk in chunks(x):
            here = w[start : start + len(chunk)]
            squares = squares + weighed(np.square(filled(chunk, fill) - mean), here).sum(axis=0)
        std = np.sqrt(squares / w.sum())
    if not (np.isfinite(mean).all() and np.isfinite(std).all()):
        raise DataError(
            f"numbers up to {max(abs(low.min()), abs(high.max())):.3g} are too large to standardise"
        )
    return mean, std


def weighed(chunk: np.ndarray, w: np.ndarray) -> np.ndarray:
    return chunk * w.reshape(-1, *[1] * (chunk.ndim - 1))


def standardise(values: np.ndarray, mean: np.ndarray, std: np.ndarray) -> np.ndarray:
    return (values - mean) * np.divide(1.0, std, out=np.zeros_like(std), where=std > 0)


def medians(x: np.ndarray | Rows) -> np.ndarray:
    """The median of each feature, NaN left out. A feature at a time where ``x`` is a memory map."""
    flat = x.reshape(len(x), -1)
    out = np.empty(flat.shape[1])
    for i in range(flat.shape[1]):
        values = np.asarray(flat[:, i], np.float64)
        present = values[~np.isnan(values)]
        if len(present) == 0:
            raise DataError(f"{element_names(x.shape[1:])[i]} has no value in the training part: remove it")
        out[i] = np.median(present)
    return out.reshape(x.shape[1:])


def element_names(shape: Sequence[int]) -> tuple[str, ...]:
    return tuple(f"x[{', '.join(map(str, index))}]" for index in np.ndindex(*shape))


def checked(x: Any, shape: tuple[int, ...]) -> np.ndarray:
    if isinstance(x, Table):
        raise DataError(
            f"x is a table with the columns {listed(x.names)}; expected an array of shape {('N', *shape)}"
        )
    x = np.asanyarray(x)
    if x.dtype.kind not in "biuf" or x.shape[1:] != shape or x.ndim == 0:
        expected = f"(N, {', '.join(map(str, shape))})"
        raise DataError(f"x is {x.dtype} of shape {x.shape}; expected numbers of shape {expected}")
    return x


def check_array(x: np.ndarray | Rows, impute: bool) -> None:
    rows, counts = 0, np.zeros(x.shape[1:], np.int64)
    for start, chunk in chunks(x):
        if np.isfinite(chunk).all():
            continue
        infinite = np.argwhere(np.isinf(chunk))
        if len(infinite):
            row, *at = infinite[0].tolist()
            raise DataError(f"x{at} is infinite in row {start + row + 1:,}: give finite numbers")
        missing = np.isnan(chunk)
        rows += int(missing.reshape(len(chunk), -1).any(axis=1).sum())
        counts += missing.sum(axis=0)
    if rows and not impute:
        refuse_missing(rows, dict(zip(element_names(counts.shape), counts.ravel().tolist(), strict=True)))


def refuse_missing(rows: int, counts: dict[str, int]) -> NoReturn:
    columns = listed(f"{name} ({count:,})" for name, count in counts.items() if count)
    raise DataError(
        f"{rows:,} {'row lacks' if rows == 1 else 'rows lack'} values: {columns}.",
        "Fit with impute=True to fill them, or remove these rows",
        "Train with --impute to fill them, or remove these rows",
    )


def check_infinite(name: str, values: np.ndarray) -> None:
    infinite = np.flatnonzero(np.isinf(values))
    if len(infinite):
        raise DataError(f"column {name!r} is infinite in row {infinite[0] + 1:,}: give finite numbers")
