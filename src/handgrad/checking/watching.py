"""Calls and returns of a run, told to a function; a profiler that runs goes on afterwards."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

Watch = Callable[[FrameType, str, Any], object]


@contextlib.contextmanager
def watching(watch: Watch) -> Iterator[None]:
    """``watch(frame, event, result)`` for each call and return, as ``sys.setprofile`` has it."""
    before: Any = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield
    finally:
        if before is None or callable(before):
            sys.setprofile(before)
        else:  # cProfile's, before Python 3.12: an object, which sets itself
            sys.setprofile(None)
            before.enable()
