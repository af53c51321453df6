"""Numbers that are checked when they are given, not when they are used."""

from __future__ import annotations

import math
import numbers
from typing import Any


def checked_number(name: str, value: Any, below: float = math.inf, above: float | None = None) -> Any:
    """``value``, if it is a finite number from 0 on (or above ``above``) and below ``below``.

    Raises:
        TypeError: it is no number.
        ValueError: it is out of range.
    """
    plain: Any = value.item() if getattr(value, "shape", None) == () else value  # NumPy's
    if isinstance(plain, bool) or not isinstance(plain, numbers.Real):
        raise TypeError(f"{name} is a number, not {value!r}")
    size = float(plain)
    low = size >= 0 if above is None else size > above
    if not math.isfinite(size) or not low or size >= below:
        least = "0 or more" if above is None else f"more than {above}"
        most = f" and less than {below}" if math.isfinite(below) else ""
        raise ValueError(f"{name} is a finite number, {least}{most}, not {value!r}")
    return value


def checked_count(name: str, value: Any, least: int = 1) -> int:
    """``value``, if it is a whole number from ``least`` on.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is too small.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{name} is a whole number, not {value!r}")
    if value < least:
        raise ValueError(f"{name} is {least} or more, not {value!r}")
    return int(value)
