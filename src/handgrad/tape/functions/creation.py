"""Arrays made of recorded numbers, ``np.array([v[0], 1.0])``, and joined of recorded arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped, xp
from handgrad.tape.refusals import unwritten
from handgrad.tree import leaves


def gathered(x: Any) -> Any:
    """A recorded array of a nested list that holds some; anything else as NumPy makes an array of it."""
    if _is_not_numpys(x):
        return x
    if isinstance(x, np.ndarray) and x.dtype == object:
        x = x.tolist()
    if isinstance(x, (list, tuple)) and any(map(_is_not_numpys, leaves(x))):
        return rules.stack([gathered(e) for e in x])
    return np.asarray(x)


def _is_not_numpys(x: Any) -> bool:
    """Whether it is a recorded array, a symbol, or another library's."""
    return hasattr(x, "dtype") and not isinstance(x, (np.ndarray, np.generic))


def array(
    object: Any,
    dtype: Any = None,
    *,
    copy: Any = True,
    order: Any = "K",
    subok: bool = False,
    ndmin: int = 0,
    like: Any = None,
) -> Any:
    out = gathered(object)
    out = out if dtype is None else out.astype(dtype)
    lead = ndmin - len(shape(out))
    return rules.reshape(out, (1,) * lead + shape(out)) if lead > 0 else out


def asarray(a: Any, dtype: Any = None, order: Any = None, **options: Any) -> Any:
    return array(a, dtype)


def full(shape: Any, fill_value: Any, dtype: Any = None, order: Any = "C", **options: Any) -> Any:
    target = (shape,) if np.ndim(shape) == 0 else tuple(shape)
    return rules.broadcast_to(array(fill_value, dtype), target)


def full_like(
    a: Any, fill_value: Any, dtype: Any = None, order: Any = "K", subok: bool = True, shape: Any = None
) -> Any:
    a = gathered(a)
    return full(a.shape if shape is None else shape, fill_value, a.dtype if dtype is None else dtype)


def linspace(
    start: Any,
    stop: Any,
    num: int = 50,
    endpoint: bool = True,
    retstep: bool = False,
    dtype: Any = None,
    axis: int = 0,
) -> Any:
    """start + i·(stop - start) / (num - 1), and ``stop`` itself at the end."""
    start, stop = gathered(start), gathered(stop)
    joint = np.broadcast_shapes(shape(start), shape(stop))
    i = np.arange(num).reshape((num,) + (1,) * len(joint))
    divisor = num - 1 if endpoint else num
    out = start + i * ((stop - start) / (divisor or 1))
    if endpoint and num > 1:
        out = rules.where(i == num - 1, stop, out)
    out = out if axis == 0 else rules.transpose(out, np.moveaxis(np.empty(range(out.ndim)), 0, axis).shape)
    out = out if dtype is None else out.astype(dtype)
    return (out, (stop - start) / (divisor or float("nan"))) if retstep else out


def geomspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, dtype: Any = None) -> Any:
    """Steps of one factor, of numbers of one sign; ``start`` and ``stop`` themselves at the ends."""
    start, stop = gathered(start), gathered(stop)
    sign = xp.sign(stripped(start))
    out = logspace(rules.log10(start * sign), rules.log10(stop * sign), num, endpoint) * sign
    i = np.arange(num).reshape((num,) + (1,) * (len(shape(out)) - 1))
    out = rules.where(i == 0, start, out)
    out = rules.where(i == num - 1, stop, out) if endpoint and num > 1 else out
    return out if dtype is None else out.astype(dtype)


def logspace(start: Any, stop: Any, num: int = 50, endpoint: bool = True, base: Any = 10.0) -> Any:
    return rules.power(base, linspace(start, stop, num, endpoint))


def concatenate(
    arrays: Any, axis: Any = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    unwritten("np.concatenate", out)
    parts = [gathered(x) for x in (arrays if isinstance(arrays, (list, tuple)) else list(arrays))]
    if axis is None:
        parts, axis = [rules.reshape(x, (-1,)) for x in parts], 0
    joined = rules.concatenate(parts, axis=axis)
    return joined if dtype is None else joined.astype(dtype)


def stack(
    arrays: Any, axis: int = 0, out: Any = None, *, dtype: Any = None, casting: Any = "same_kind"
) -> Any:
    unwritten("np.stack", out)
    made = rules.stack([gathered(x) for x in arrays], axis=axis)
    return made if dtype is None else made.astype(dtype)


def at_least(ndim: int) -> Callable:
    def one(x: Any) -> Any:
        x = gathered(x)
        have = shape(x)
        if len(have) >= ndim:
            return x
        if ndim == 3:
            return rules.reshape(x, {0: (1, 1, 1), 1: (1, *have, 1), 2: (*have, 1)}[len(have)])
        return rules.reshape(x, (1,) * (ndim - len(have)) + have)

    def function(*arrays: Any) -> Any:
        return one(arrays[0]) if len(arrays) == 1 else tuple(map(one, arrays))

    return function


def vstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    return concatenate([at_least(2)(x) for x in tup], 0, dtype=dtype)


def hstack(tup: Any, *, dtype: Any = None, casting: Any = "same_kind") -> Any:
    parts = [at_least(1)(x) for x in tup]
    return concatenate(parts, 0 if len(shape(parts[0])) == 1 else 1, dtype=dtype)


def dstack(tup: Any) -> Any:
    return concatenate([at_least(3)(x) for x in tup], 2)


def column_stack(tup: Any) -> Any:
    columns = [x if len(shape(x)) > 1 else rules.reshape(x, (-1, 1)) for x in map(gathered, tup)]
    return concatenate(columns, 1)


def append(arr: Any, values: Any, axis: Any = None) -> Any:
    return concatenate([arr, values], axis)


def block(arrays: Any) -> Any:
    depth = _depth(arrays)
    ndim = max(depth, *(len(shape(gathered(x))) for x in leaves(arrays)))

    def joined(x: Any, level: int) -> Any:
        if isinstance(x, list):
            return concatenate([joined(e, level + 1) for e in x], level - depth)
        x = gathered(x)
        return rules.reshape(x, (1,) * (ndim - len(shape(x))) + shape(x))

    return joined(arrays, 0)


def _depth(x: Any) -> int:
    return 1 + max(map(_depth, x)) if isinstance(x, list) else 0


def r_(key: Any) -> Any:
    """``np.r_[v, 1.0]``: joined end to end."""
    return concatenate([at_least(1)(x) for x in _parts("np.r_", key, ROWS)])


def c_(key: Any) -> Any:
    """``np.c_[v, w]``: side by side, vectors as columns."""
    return concatenate([_as_columns(x) for x in _parts("np.c_", key, COLUMNS)], -1)


def _as_columns(x: Any) -> Any:
    x = gathered(x)
    return x if len(shape(x)) > 1 else rules.reshape(x, (-1, 1))


ROWS, COLUMNS = np.r_, np.c_  # NumPy's own


def _parts(name: str, key: Any, joiner: Any) -> list:
    """What is joined; a slice is the numbers that NumPy makes of it."""
    parts = key if isinstance(key, tuple) else (key,)
    if any(isinstance(part, str) for part in parts):
        raise TypeError(f"{name} of recorded arrays joins arrays, and takes no strings: use np.concatenate")
    return [joiner[part] if isinstance(part, slice) else part for part in parts]


TABLE: dict[Any, Callable] = {
    np.copy: lambda a, **options: a,
    np.full_like: full_like,
    np.linspace: linspace,
    np.geomspace: geomspace,
    np.logspace: logspace,
    np.concatenate: concatenate,
    np.stack: stack,
    np.vstack: vstack,
    np.hstack: hstack,
    np.dstack: dstack,
    np.column_stack: column_stack,
    np.append: append,
    np.block: block,
    np.atleast_1d: at_least(1),
    np.atleast_2d: at_least(2),
    np.atleast_3d: at_least(3),
    np.asanyarray: asarray,
    np.ascontiguousarray: asarray,
    np.asarray: asarray,
    np.array: array,
    np.full: full,
}
if hasattr(np, "row_stack"):  # which NumPy will drop
    TABLE[np.row_stack] = vstack
