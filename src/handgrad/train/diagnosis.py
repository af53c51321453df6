"""Which layer was the first to give a number that is not finite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.tape import Variable, backpropagate, variable
from handgrad.tree import leaves


class NonFiniteError(ArithmeticError):
    """A loss or a gradient became infinite or nan; the message says where first.

    Examples:
        >>> net, x, t = hg.layers.mlp([4, 3], seed=0), np.full((6, 4), np.nan, np.float32), np.zeros(6, int)
        >>> hg.Trainer(net, hg.softmax_cross_entropy, hg.optim.Adam()).fit(x, t, epochs=1)
        Traceback (most recent call last):
            ...
        handgrad.train.diagnosis.NonFiniteError: step 1: the loss is not finite...
    """


def statistics(x: Any) -> str:
    """Shape, range and number of non-finite elements of an array."""
    x = np.asarray(x)
    finite = x[np.isfinite(x)]
    spread = f"finite ones from {finite.min():.4g} to {finite.max():.4g}" if finite.size else "no finite one"
    return f"shape {x.shape}: {np.isnan(x).sum()} nan and {np.isinf(x).sum()} infinite of {x.size}, {spread}"


def is_finite(x: Any) -> bool:
    return bool(np.isfinite(x).all())


def first_not_finite(objective: Callable[[dict], Any], params: dict, x: Any) -> str:
    """One sentence: the first array in the step that is not finite, its layer, and its statistics.

    ``objective`` is the loss as a function of the parameters.
    """
    for name, array in {"the input x": x, **{f"the parameter {n}": p for n, p in params.items()}}.items():
        if not is_finite(array):
            return f"{name} is not finite before the step ({statistics(array)})"
    recorded = {name: variable(p, name) for name, p in params.items()}
    total = objective(recorded)
    for made in sorted(_ancestors(total), key=lambda v: v.node.order):
        if made.node.rule is not None and not is_finite(made.value):
            return f"the output of {_place(made)} is not finite ({statistics(made.value)})"
    for made, grad in backpropagate([(total, np.ones_like(total.value))]):
        if not is_finite(grad):
            what = f"the parameter {made.name}" if made.name else f"the output of {_place(made)}"
            return f"the gradient of {what} is not finite ({statistics(grad)})"
    return "no array of the step, run again, is beyond the finite"


def _place(made: Variable) -> str:
    scope, rule = made.node.scope, made.node.rule
    name = rule.name if rule else "input"
    return f"layer {scope} ({name})" if scope else name


def _ancestors(v: Variable) -> Iterator[Variable]:
    seen, waiting = {id(v)}, [v]
    while waiting:
        v = waiting.pop()
        yield v
        for x in leaves(v.node.inputs):
            if isinstance(x, Variable) and id(x) not in seen:
                seen.add(id(x))
                waiting.append(x)
