"""``np.fft`` where real numbers give real ones: shifts, and the inverse of a real spectrum.

These transforms are linear, so out = x M with the transform M of the unit vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape
from handgrad.tape.functions.creation import gathered
from handgrad.tape.functions.shaping import moveaxis, moved
from handgrad.tape.refusals import unwritten


def of_real(transform: Callable) -> Callable:
    def function(a: Any, n: Any = None, axis: int = -1, norm: Any = None, out: Any = None) -> Any:
        unwritten(f"np.fft.{transform.__name__}", out)
        rows = moveaxis(gathered(a), axis, -1)
        of_units = transform(np.eye(shape(rows)[-1]), n, norm=norm)
        return moveaxis(rules.matmul(rows, of_units), -1, axis)

    return function


TABLE: dict[Any, Callable] = {
    np.fft.fftshift: moved(np.fft.fftshift),
    np.fft.ifftshift: moved(np.fft.ifftshift),
    np.fft.irfft: of_real(np.fft.irfft),
    np.fft.hfft: of_real(np.fft.hfft),
}
