"""Where the numbers of a test are drawn from: functions ``(rng, *shape) -> array``."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

Draw = Callable[..., Any]


def normal(r: Any, *shape: int) -> Any:
    return np.asarray(r.normal(size=shape))


def within(low: float, high: float) -> Draw:
    return lambda r, *shape: np.asarray(r.uniform(low, high, size=shape))


def away(low: float, high: float) -> Draw:
    """Of both signs, and at least ``low`` from 0."""
    return lambda r, *shape: np.asarray(r.choice([-1.0, 1.0], size=shape) * r.uniform(low, high, size=shape))


def apart(r: Any, *shape: int) -> Any:
    """No two elements closer than 0.2."""
    n = math.prod(shape)
    return np.asarray((r.permutation(n) - n / 2) * 0.4 + r.uniform(-0.1, 0.1, size=n)).reshape(shape)


def integers(high: int) -> Draw:
    return lambda r, *shape: r.integers(high, size=shape)


def probabilities(r: Any, *shape: int) -> Any:
    p = r.uniform(0.2, 1.0, size=shape)
    return p / p.sum(axis=-1, keepdims=True)


def one_hot(r: Any, n: int, C: int) -> Any:
    return np.eye(C)[r.integers(C, size=n)]
