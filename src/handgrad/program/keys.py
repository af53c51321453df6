"""When two arguments are the same, to the last bit."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from handgrad.arrays import shape
from handgrad.program.symbol import Symbol

PLAIN = (int, float, np.generic, str, type, np.dtype, type(None), type(...))


class Keys:
    """Keys that are equal for equal arguments: 1, 1.0 and True are three, 0.0 and -0.0 two, all nans one.

    The bytes of a large array are read once, however often it is an argument.
    """

    def __init__(self) -> None:
        self.arrays: dict[int, Any] = {}

    def of(self, x: Any) -> Any:
        if isinstance(x, Symbol):
            return ("symbol", id(x))
        if isinstance(x, np.ndarray):
            return self.of_array(x)
        if isinstance(x, (list, tuple)):
            return (type(x), *map(self.of, x))
        if isinstance(x, dict):
            return (dict, *((name, self.of(x[name])) for name in sorted(x)))
        if isinstance(x, slice):
            return (slice, *map(self.of, (x.start, x.stop, x.step)))
        if isinstance(x, PLAIN):
            return (type(x), repr(x))
        return ("object", id(x))

    def of_array(self, x: np.ndarray) -> Any:
        if id(x) not in self.arrays:
            data = np.ascontiguousarray(x).reshape(-1).view(np.uint8).data
            self.arrays[id(x)] = (x.dtype.str, shape(x), hashlib.sha256(data).digest())
        return self.arrays[id(x)]


def is_same(x: Any, y: Any) -> bool:
    """Whether two arguments are one symbol, one array, or the same number."""
    if x is y:
        return True
    if any(isinstance(a, Symbol) or shape(a) for a in (x, y)):
        return False
    keys = Keys()
    return keys.of(x) == keys.of(y)
