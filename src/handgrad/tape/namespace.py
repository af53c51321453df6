"""The array namespace of recorded arrays: rules, NumPy's functions made of them, functions of values."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import convolution as convolutions, windowing
from handgrad.rules import ALL
from handgrad.tape.functions import TABLE
from handgrad.tape.functions.values import STANDARD, on_values

BY_NAME = {name: TABLE[found] for name, found in vars(np).items() if callable(found) and found in TABLE}
"""NumPy's names, read before any recording replaces what they stand for."""


class RecordedNamespace:
    """``namespace.exp`` is the rule; ``namespace.argmax`` works on values and returns a plain array."""

    convolution = staticmethod(convolutions.convolution)
    convolution_dx = staticmethod(convolutions.convolution_dx)
    convolution_dW = staticmethod(convolutions.convolution_dW)
    sum_of_windows = staticmethod(windowing.sum_of_windows)

    def __getattr__(self, name: str) -> Any:
        if name in ALL:
            found: Any = ALL[name]
        elif name in STANDARD:
            found = on_values(name)
        elif name in BY_NAME:
            found = BY_NAME[name]
        else:
            raise AttributeError(
                f"there is no rule for {name}: write it with rules, or add one with @rule "
                f"(where no gradient is to flow, pass .value)"
            )
        setattr(self, name, found)
        return found


namespace: Any = RecordedNamespace()
