"""PyTorch's ways of saying which axes and which sizes."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import shape


def axes(dim: Any) -> Any:
    """The dim of a reduction; none at all are all."""
    return tuple(dim) if isinstance(dim, (tuple, list)) and len(dim) else None if dim in ((), []) else dim


def numbers(given: tuple, keyword: Any = None) -> tuple:
    """Sizes or axes, given one by one or as one tuple."""
    given = given if len(given) else (() if keyword is None else keyword,)
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], (tuple, list)) else tuple(given)


def along(axis: int, ndim: int, index: Any) -> tuple:
    """The index of a part along one axis, which may be counted from the end."""
    return (slice(None),) * (axis % ndim) + (index,)


def of_numbers(function: Callable) -> Callable:
    """A tensor without axes counts as one of one element, so that it has a dim 0."""

    @functools.wraps(function)
    def lifted(input: Any, *args: Any, **options: Any) -> Any:
        if shape(input) != ():
            return function(input, *args, **options)
        args = tuple(_lifted(x) for x in args)
        options = {name: _lifted(x) for name, x in options.items()}
        made = function(rules.reshape(input, (1,)), *args, **options)
        if isinstance(made, tuple):
            return type(made)(*map(_number, made)) if hasattr(made, "_fields") else tuple(map(_number, made))
        return _number(made)

    return lifted


def _lifted(x: Any) -> Any:
    return rules.reshape(x, (1,)) if hasattr(x, "dtype") and shape(x) == () else x


def _number(x: Any) -> Any:
    return rules.reshape(x, ()) if shape(x) == (1,) else x
