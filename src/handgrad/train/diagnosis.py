"""Which layer was the first to give a number that is not finite."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


class NonFiniteError(ArithmeticError):
    """A loss or a gradient became infinite or nan; the message says where first.

    Examples:
        >>> net, x, t = hg.layers.mlp([4, 3], seed=0), np.full((6, 4), np.nan, np.float32), np.zeros(6, int)
        >>> hg.Trainer(net, hg.softmax_cross_entropy, hg.optim.Adam()).fit(x, t, epochs=1)
        Traceback (most recent call last):
            ...
        handgrad.train.diagnosis.NonFiniteError: step 1: the loss is not finite...
    """


def is_finite(x: Any) -> bool:
    return bool(np.all(np.isfinite(x)))


def first_not_finite(objective: Callable[[dict], Any], params: dict, x: Any) -> str:
    """What was the first in the step that is not finite: the data, a parameter, or what a layer made.

    ``objective`` is the loss as a function of the parameters.
    """
    from handgrad.checking.nonfinite import extremes, origin_of_nonfinite

    for name, array in {"the input x": x, **{f"the parameter {n}": p for n, p in params.items()}}.items():
        if not is_finite(array):
            return f"{name} is not finite before the step ({extremes(np.asarray(array))})"
    origin = origin_of_nonfinite(objective, params)
    if origin is None:
        return "no array of the step, run again, is beyond the finite"
    if not origin.rule:
        return str(origin)
    place = f"layer {origin.layer} ({origin.rule})" if origin.layer else origin.rule
    what = f"the output of {place}" if origin.way == "forward" else f"what the backward of {place} gives"
    return f"{what} is not finite ({origin.made})"
