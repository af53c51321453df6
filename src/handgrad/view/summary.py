"""An array in a few words and a small picture: what is written at an edge, wherever it is drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import stripped
from handgrad.view.images import channels_last, is_image, upright
from handgrad.view.svg import figure, signed

DIGITS, ROUGH = 4, 3  # of a number, and of the two ends of a range
WHOLE = 10**6  # up to which whole numbers are written out
SPELLED = 3  # elements that are written out
LISTED = 5  # labels that are
ROUNDING = "0 up to rounding"
SIDE_OF_CELLS = 8  # of a matrix whose numbers are written out
SIDE = 28  # of a thumbnail, at most
LEVELS = 127  # of a thumbnail, to each side of zero


@dataclass(frozen=True)
class Thumb:
    """A picture of an array in levels, ±127 at the largest magnitude; -128 where it is not finite."""

    levels: np.ndarray  # (height, width) int8
    is_image: bool  # of numbers that are all positive and in the shape of an image: drawn in grey


@dataclass(frozen=True)
class Summary:
    """What is told of an array."""

    shape: tuple[int, ...]
    dtype: str
    text: str  # the number, the few numbers, or the range
    low: float
    mean: float
    high: float
    norm: float
    zeros: float  # their share
    not_finite: str  # how many are what: 8 are ∞
    thumb: Thumb | None
    is_rounding: bool = False  # whether it is zero up to rounding
    is_labels: bool = False  # whether it says which, not how much

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def is_spelled(self) -> bool:
        """Whether the text is all there is."""
        return is_spelled(self.shape)

    @property
    def lines(self) -> tuple[str, ...]:
        """What fits at an edge: the numbers, or shape, range and mean."""
        if self.is_spelled:
            return (self.text,)
        if self.is_rounding or self.is_labels or not self.low < self.high:
            return (spelled_shape(self.shape), self.text)
        more = f"else {ranged(self.low, self.high)}" if self.not_finite else f"mean {short(self.mean, ROUGH)}"
        return (spelled_shape(self.shape), self.text, more)

    @property
    def words(self) -> str:
        """All that is told of it in a line: shape, range, mean and norm."""
        if self.is_spelled or not self.size:
            return ", ".join(self.lines)
        parts = [" × ".join(map(str, self.shape))]
        if self.is_labels:
            return f"{parts[0]}, {self.text}"
        if self.is_rounding:
            parts.append(ROUNDING)
        if self.not_finite:
            parts.append(self.not_finite)
        if not math.isnan(self.low):
            lead = "else from" if self.not_finite else "from"
            parts.append(f"{lead} {short(self.low)} to {short(self.high)}, mean {short(self.mean)}")
        if not self.not_finite:
            parts.append(f"norm {short(self.norm)}")
        return ", ".join(parts)


def as_numpy(x: Any) -> np.ndarray:
    """The bare array of real numbers, brought from wherever it is."""
    if type(x) is np.ndarray and x.dtype.kind in "fiub":
        return x
    x = stripped(x)
    if type(x).__module__.startswith("torch"):
        x = x.detach().cpu()
        x = x.float() if str(x.dtype) == "torch.bfloat16" else x
    array = np.asarray(x)
    if array.dtype.kind == "c":
        raise TypeError(f"pictures are of real numbers, and one of the arrays is {array.dtype}")
    return array if array.dtype.kind in "fiub" else array.astype(np.float32)


def short(value: float, digits: int = DIGITS) -> str:
    """A number to at least so many digits, without idle zeros: 100, 0.3132, −1.2×10⁻⁵, 12,346."""
    if math.isnan(value):
        return "nan"
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if 10**digits <= abs(value) < WHOLE or (value == int(value) and abs(value) < WHOLE):
        return signed(f"{round(value):,}")
    words = figure(value, digits)
    head, times, tail = words.partition("×")
    return (head.rstrip("0").rstrip(".") if "." in head else head) + times + tail


def is_spelled(shape: tuple[int, ...]) -> bool:
    """Whether an array of this shape is written out."""
    size = math.prod(shape)
    return size == 1 or (len(shape) <= 1 and 0 < size <= SPELLED)


def spelled(x: Any) -> str:
    """The numbers of an array that is written out."""
    array = as_numpy(x)
    words = [short(float(v)) for v in array.reshape(-1)]
    return words[0] if array.size == 1 else f"[{', '.join(words)}]"


def spelled_shape(shape: tuple[int, ...]) -> str:
    if not shape:
        return "number"
    return f"{shape[0]:,} numbers" if len(shape) == 1 else " × ".join(map(str, shape))


def ranged(low: float, high: float) -> str:
    """Both ends, with as many digits as tell them apart; one number where none does."""
    for digits in (ROUGH, DIGITS):
        if (first := short(low, digits)) != (last := short(high, digits)):
            return f"{first} … {last}"
    return short(low)


def counted(array: np.ndarray) -> str:
    """How many are not finite, and what they are: 8 are ∞, 1 is nan; nothing where all are."""
    kinds = {"∞": array == np.inf, "−∞": array == -np.inf, "nan": np.isnan(array)}
    counts = {name: int(np.sum(are_so)) for name, are_so in kinds.items()}
    return ", ".join(f"{n:,} {'is' if n == 1 else 'are'} {name}" for name, n in counts.items() if n)


def mean_of(numbers: np.ndarray) -> float:
    with np.errstate(over="ignore"):
        mean = float(numbers.mean())
    return mean if math.isfinite(mean) else float((numbers / numbers.size).sum())


def norm_of(numbers: np.ndarray) -> float:
    """√Σ x², which overflows only where it is itself too large."""
    with np.errstate(over="ignore"):
        norm = math.sqrt(np.vdot(numbers, numbers))
    if 1e-150 < norm < math.inf:
        return norm
    scale = float(np.max(np.abs(numbers), initial=0.0))
    if scale == 0 or not math.isfinite(scale):
        return scale
    return scale * float(np.sqrt(np.sum((numbers / scale) ** 2)))


def summary(x: Any, is_rounding: bool = False, is_labels: bool = False) -> Summary:
    """The numbers that are told of an array, and its picture; of labels, the first ones.

    Args:
        x: the array.
        is_rounding: whether it is a gradient that is zero up to rounding.
        is_labels: whether it says which, not how much.
    """
    array = as_numpy(x)
    numbers = array.astype(float)
    are_finite = np.isfinite(numbers)
    finite = numbers if are_finite.all() else numbers[are_finite]
    low = mean = high = math.nan
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        mean = mean_of(finite) if finite.size > 1 else low
        if abs(mean) < rounding(array) * max(-low, high):
            mean = 0.0
    not_finite = counted(numbers) if finite.size < numbers.size else ""
    is_labels = is_labels and not is_spelled(array.shape) and not is_image(array.shape[-2:])
    return Summary(
        shape=array.shape,
        dtype=str(x.dtype).removeprefix("torch.") if hasattr(x, "dtype") else type(x).__name__,
        text=listed(array) if is_labels else ROUNDING if is_rounding else _text(array, low, high, not_finite),
        low=low,
        mean=mean,
        high=high,
        norm=norm_of(numbers),
        zeros=1.0 - np.count_nonzero(numbers) / numbers.size if numbers.size else 0.0,
        not_finite=not_finite,
        thumb=thumb(numbers) if numbers.size > 1 and not is_labels else None,
        is_rounding=is_rounding,
        is_labels=is_labels,
    )


def cells(x: Any, told: Summary, most: int) -> tuple[int, int, list[str]] | None:
    """Rows, columns and numbers of a matrix that is written out, if it is one of at most so many numbers."""
    rows, columns = (
        told.shape if len(told.shape) == 2 else (1, *told.shape) if len(told.shape) == 1 else (0, 0)
    )
    if not 0 < rows * columns == told.size <= most or max(rows, columns) > SIDE_OF_CELLS:
        return None
    if (
        told.is_spelled
        or told.is_rounding
        or told.is_labels
        or (told.thumb is not None and told.thumb.is_image)
    ):
        return None
    return rows, columns, [short(float(v), ROUGH) for v in as_numpy(x).reshape(-1)]


def rounding(array: np.ndarray) -> float:
    """What a type cannot tell of a number, as a share: a mean below that, of the largest element, is none."""
    return float(np.finfo(array.dtype).eps) if array.dtype.kind == "f" else 0.0


def _text(array: np.ndarray, low: float, high: float, not_finite: str) -> str:
    if array.size == 0:
        return "empty"
    if is_spelled(array.shape):
        return spelled(array)
    return not_finite or ranged(low, high)


def listed(array: np.ndarray) -> str:
    """The first labels of all."""
    words = [f"{v:,}" for v in array.reshape(-1)[:LISTED].tolist()]
    return ", ".join(words) + (", …" if array.size > LISTED else "")


def thumb(numbers: np.ndarray) -> Thumb:
    """A heat map around zero, reduced to means of blocks; of many matrices the first that is not all zero."""
    grid, is_image = as_grid(numbers)
    scale = np.max(np.abs(grid), initial=0.0, where=np.isfinite(grid))
    grid = reduced(reduced(grid, SIDE).T, SIDE).T
    with np.errstate(invalid="ignore"):
        levels = np.where(np.isfinite(grid), np.rint(grid / (scale or 1.0) * LEVELS), -LEVELS - 1)
    return Thumb(levels.astype(np.int8), is_image and bool(np.min(grid) >= 0 < np.max(grid)))


def as_grid(numbers: np.ndarray) -> tuple[np.ndarray, bool]:
    """Two axes to draw, and whether they are those of an image: (..., H, W), (H, W, channels)."""
    if numbers.ndim < 2:
        return numbers.reshape(1, -1), False
    if numbers.ndim == 2:
        return numbers, False
    if channels_last(numbers.shape[-3:]):
        one = upright(first_filled(numbers.reshape(-1, *numbers.shape[-3:])))
        return one if one.ndim == 2 else one.mean(axis=-1), True
    return first_filled(numbers.reshape(-1, *numbers.shape[-2:])), is_image(numbers.shape[-2:])


def first_filled(stack: np.ndarray) -> np.ndarray:
    """The first of many that has something in it: of a gradient by one step's input, that of this step."""
    is_filled = stack.reshape(len(stack), -1).any(axis=1)
    return stack[np.argmax(is_filled)]


def reduced(grid: np.ndarray, most: int) -> np.ndarray:
    """At most so many rows, each the mean of as many as it stands for."""
    n = len(grid)
    if n <= most:
        return grid
    starts = np.arange(most) * n // most
    with np.errstate(invalid="ignore", over="ignore"):
        return np.add.reduceat(grid, starts, axis=0) / np.diff(starts, append=n)[:, None]
