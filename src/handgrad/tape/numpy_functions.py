"""NumPy's own functions on recorded arrays: ``np.exp(v)``, ``np.sum(v, axis=0)``, ``v.sum()``.

Where NumPy's name and arguments are those of a rule, the rule is called. The rest is here: the
arguments that NumPy calls otherwise, and functions that are compositions of rules.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import Recorded, shape
from handgrad.tape.namespace import namespace

REDUCTIONS = {"add": "sum", "multiply": "prod", "maximum": "max", "minimum": "min"}


def call_ufunc(ufunc: Any, method: str, inputs: tuple, options: dict) -> Any:
    """``Variable.__array_ufunc__``.

    Raises:
        TypeError: there is no rule for the function, or it would write into an array.
    """
    if options.get("out") is not None:
        raise TypeError(
            f"np.{ufunc.__name__} cannot write a recorded array into a NumPy array; "
            f"write x = x + v in place of x += v, and leave out= away"
        )
    if method == "reduce" and ufunc.__name__ in REDUCTIONS:
        return function_by_name(REDUCTIONS[ufunc.__name__])(*inputs, **{"axis": 0, **options})
    if method != "__call__":
        raise TypeError(f"np.{ufunc.__name__}.{method} has no rule for recorded arrays")
    return function_by_name(ufunc.__name__)(*inputs, **options)


def call_function(function: Any, args: tuple, options: dict) -> Any:
    """``Variable.__array_function__``.

    Raises:
        TypeError: there is no rule for the function.
    """
    return function_by_name(function.__name__)(*args, **options)


def function_by_name(name: str) -> Callable:
    """What NumPy's function of this name is for recorded arrays."""
    if name in ADAPTED:
        return ADAPTED[name]
    try:
        return getattr(namespace, name)
    except AttributeError as error:
        raise TypeError(str(error)) from None


def clip(x: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Any:
    """The rule where the bounds are constants; bounds that are recorded have gradients of their own."""
    low, high = (a_min if min is None else min), (a_max if max is None else max)
    bounds = [bound for bound in (low, high) if bound is not None]
    grows = np.broadcast_shapes(shape(x), *map(shape, bounds)) != shape(x)
    if not grows and not any(isinstance(bound, Recorded) for bound in bounds):
        return rules.clip(x, low, high)
    out = x if low is None else rules.maximum(x, low)
    return out if high is None else rules.minimum(out, high)


def _moment(rule: Callable) -> Callable:
    def function(x: Any, axis: Any = None, ddof: int = 0, correction: int = 0, keepdims: bool = False) -> Any:
        return rule(x, axis=axis, correction=ddof or correction, keepdims=keepdims)

    return function


def dot(x: Any, y: Any) -> Any:
    if shape(x) == () or shape(y) == ():
        return rules.multiply(x, y)
    if len(shape(y)) > 2:
        raise TypeError(f"np.dot of shapes {shape(x)} and {shape(y)} has no rule; matmul batches")
    return rules.matmul(x, y)


def outer(x: Any, y: Any) -> Any:
    return rules.multiply(rules.reshape(x, (-1, 1)), rules.reshape(y, (1, -1)))


def moveaxis(x: Any, source: Any, destination: Any) -> Any:
    order = np.moveaxis(np.empty(tuple(range(len(shape(x))))), source, destination).shape
    return rules.transpose(x, order)


def swapaxes(x: Any, axis1: int, axis2: int) -> Any:
    order = list(range(len(shape(x))))
    order[axis1], order[axis2] = order[axis2], order[axis1]
    return rules.transpose(x, tuple(order))


def _picked(numpy_function: Callable) -> Callable:
    """A NumPy function that only moves elements, by moving their places."""

    def function(x: Any, *args: Any, **options: Any) -> Any:
        places = np.arange(math.prod(shape(x))).reshape(shape(x))
        return rules.take(x, numpy_function(places, *args, **options))

    return function


def diag(x: Any, k: int = 0) -> Any:
    if len(shape(x)) != 1:
        return _picked(np.diagonal)(x, k)
    n = len(x) + np.abs(k)
    rows, columns = np.diag_indices(len(x))
    return rules.scatter_add(x, (rows - np.minimum(k, 0), columns + np.maximum(k, 0)), (n, n))


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    along = (slice(None),) * (axis % len(shape(x)))
    for _ in range(n):
        x = x[(*along, slice(1, None))] - x[(*along, slice(None, -1))]
    return x


def norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Any:
    one_axis = isinstance(axis, int) or (axis is None and len(shape(x)) == 1)
    if not (ord is None or (ord == 2 and one_axis) or (ord == "fro" and not one_axis)):
        raise TypeError(f"np.linalg.norm with ord={ord!r} has no rule for recorded arrays")
    return rules.sqrt(rules.sum(rules.square(x), axis=axis, keepdims=keepdims))


def _at_least(ndim: int) -> Callable:
    def function(x: Any) -> Any:
        have = shape(x)
        return x if len(have) >= ndim else rules.reshape(x, (1,) * (ndim - len(have)) + have)

    return function


def vstack(arrays: Any) -> Any:
    return rules.concatenate([_at_least(2)(x) for x in arrays], axis=0)


def hstack(arrays: Any) -> Any:
    arrays = [_at_least(1)(x) for x in arrays]
    return rules.concatenate(arrays, axis=0 if len(shape(arrays[0])) == 1 else 1)


def pad(x: Any, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Any:
    if np.size(constant_values) != 1:
        raise TypeError("np.pad of a recorded array takes one constant value; pad axis by axis for more")
    return rules.pad(x, pad_width, mode=mode, value=constant_values)


ADAPTED: dict[str, Callable] = {
    "absolute": rules.abs,
    "fabs": rules.abs,
    "amax": rules.max,
    "amin": rules.min,
    "atleast_1d": _at_least(1),
    "atleast_2d": _at_least(2),
    "clip": clip,
    "copy": lambda x, **options: x,
    "diag": diag,
    "diagonal": _picked(np.diagonal),
    "diff": diff,
    "dot": dot,
    "exp2": lambda x: rules.exp(x * math.log(2)),
    "expand_dims": lambda a, axis: rules.expand_dims(a, axis),
    "float_power": rules.power,
    "hstack": hstack,
    "hypot": lambda x, y: rules.sqrt(rules.square(x) + rules.square(y)),
    "inner": lambda x, y: dot(x, y) if len(shape(y)) < 2 else dot(x, rules.transpose(y)),
    "log10": lambda x: rules.log(x) / math.log(10),
    "log2": lambda x: rules.log(x) / math.log(2),
    "logaddexp": lambda x, y: rules.maximum(x, y) + rules.log1p(rules.exp(-rules.abs(x - y))),
    "moveaxis": moveaxis,
    "norm": norm,
    "outer": outer,
    "pad": pad,
    "positive": lambda x: x,
    "ravel": lambda x: rules.reshape(x, (-1,)),
    "reciprocal": lambda x: rules.divide(1.0, x),
    "repeat": _picked(np.repeat),
    "roll": _picked(np.roll),
    "rot90": _picked(np.rot90),
    "split": lambda x, indices_or_sections, axis=0: rules.split(x, indices_or_sections, axis=axis),
    "std": _moment(rules.std),
    "swapaxes": swapaxes,
    "take": lambda x, indices, axis=None: rules.take(x, np.asarray(indices), axis=axis),
    "tile": _picked(np.tile),
    "trace": lambda x, offset=0: rules.sum(_picked(np.diagonal)(x, offset), axis=-1),
    "true_divide": rules.divide,
    "var": _moment(rules.var),
    "vdot": lambda x, y: rules.matmul(rules.reshape(x, (-1,)), rules.reshape(y, (-1,))),
    "vstack": vstack,
}
