"""``np.array([v[0], 1.0])`` while something is recorded.

NumPy asks no argument's opinion before it makes an array of a list, so ``np.array`` and its like are replaced
while a recording is open: NumPy's own is tried first, and only where it meets a recorded array, which says
so by an error, the recorded version is made. Plain calls cost one more call of a function.
"""

from __future__ import annotations

import functools
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

import numpy as np

from handgrad.tape.functions import TABLE, creation
from handgrad.tape.refusals import HistoryLost

RECORDED: dict[str, Callable] = {
    "array": creation.array,
    "asarray": creation.asarray,
    "asanyarray": creation.asarray,
    "ascontiguousarray": creation.asarray,
    "full": creation.full,
    "full_like": creation.full_like,
    "concatenate": creation.concatenate,
    "stack": creation.stack,
    "vstack": creation.vstack,
    "hstack": creation.hstack,
    "append": creation.append,
    **{name: TABLE[getattr(np, name)] for name in "sum prod max min mean std var median dot".split()},
}
"""What is given lists of recorded numbers, as in ``np.mean([v[0], v[1]])``."""
JOINERS: dict[str, Callable] = {"r_": creation.r_, "c_": creation.c_}


class Joiner:
    """``np.r_`` or ``np.c_``, which takes recorded arrays too."""

    def __init__(self, original: Any, recorded: Callable):
        self.original, self.recorded = original, recorded

    def __getitem__(self, key: Any) -> Any:
        try:
            return self.original[key]
        except HistoryLost:
            return self.recorded(key)

    def __len__(self) -> int:
        return len(self.original)


def _replacement(original: Any, recorded: Callable) -> Callable:
    @functools.wraps(original)
    def function(*args: Any, **options: Any) -> Any:
        try:
            return original(*args, **options)
        except HistoryLost:
            if _is_a_librarys(sys._getframe(1)):
                raise
            return recorded(*args, **options)

    return function


def _is_a_librarys(caller: FrameType) -> bool:
    """Whether NumPy or handgrad asks, which mean to work on in plain arrays; but operators take lists."""
    name = caller.f_globals.get("__name__", "")
    return name.partition(".")[0] in ("numpy", "handgrad") and name != "handgrad.arrays.dispatch"


NUMPY = vars(np)
NAMES = (*RECORDED, *JOINERS)


class Interception:
    """``with numpy_takes_recorded:`` NumPy makes arrays of recorded numbers, nested or in many threads.

    Kept are how many recordings are open, what stood in NumPy before the first, and what stands there then.
    """

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.open = 0
        self.before: dict[str, Any] = {}
        self.meanwhile: dict[str, Any] = {}

    def __enter__(self) -> None:
        with self.lock:
            self.open += 1
            if self.open == 1:
                if any(NUMPY[name] is not self.before.get(name) for name in NAMES):
                    self.replace({name: NUMPY[name] for name in NAMES})
                NUMPY.update(self.meanwhile)

    def __exit__(self, *_: object) -> None:
        with self.lock:
            self.open -= 1
            if not self.open:
                NUMPY.update(self.before)

    def replace(self, found: dict[str, Any]) -> None:
        """Make what stands in for NumPy's own, once."""
        self.before = found
        self.meanwhile = {name: _replacement(found[name], f) for name, f in RECORDED.items()}
        self.meanwhile |= {name: Joiner(found[name], f) for name, f in JOINERS.items()}


numpy_takes_recorded = Interception()


@functools.cache
def numpy_takes_recorded_from_now_on() -> None:
    """For variables that the user made, whose recording has no end."""
    numpy_takes_recorded.__enter__()
