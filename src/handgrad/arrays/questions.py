"""What every array, Python numbers included, can be asked, and be made."""

from __future__ import annotations

import math
import sys
from typing import Any

import numpy as np

from handgrad.arrays.dispatch import NUMPY_TYPES, beside, library_of, namespace_of, stripped, xp
from handgrad.tree import leaves


def is_array(x: Any) -> bool:
    """Whether ``x`` is an array or a number, and not a slice, a name, a truth value."""
    return hasattr(x, "dtype") or (isinstance(x, (int, float)) and not isinstance(x, bool))


def shape(x: Any) -> tuple[int, ...]:
    """The shape of an array; () for a number."""
    found = getattr(x, "shape", ())
    return found if type(found) is tuple else tuple(found)


def size(x: Any) -> int:
    return math.prod(shape(x))


def plain(x: Any, what: str = "this", kinds: str = "fiub") -> np.ndarray:
    """``x`` as a plain NumPy array in the byte order of this machine; ``what`` is how an error names it.

    Raises:
        TypeError: x is a masked array or a matrix, whose arithmetic is another, or not of a dtype of these
            ``kinds``, which are floats, integers and booleans.
    """
    check_arithmetic(x, what)
    x = np.asarray(x)
    if x.dtype.kind not in kinds:
        told = "Python objects" if x.dtype.kind == "O" else str(x.dtype)
        raise TypeError(
            f"{what} has to be numbers, and is of {told}: give an array of floats, integers or booleans"
        )
    return x if x.dtype.isnative else x.astype(x.dtype.newbyteorder("="))


def check_arithmetic(x: Any, what: str) -> None:
    """Refuse arrays whose operators mean something else than an array's.

    Raises:
        TypeError: x is a masked array or a matrix.
    """
    masked = sys.modules.get("numpy.ma")  # which NumPy imports when it is first wanted: it takes long
    if masked is not None and isinstance(x, masked.MaskedArray):
        raise TypeError(f"{what} is a masked array, whose mask would be lost: fill it first, x.filled(0.0)")
    if isinstance(x, np.matrix):
        raise TypeError(f"{what} is a matrix, whose * is a matrix product: pass np.asarray(x)")


def is_plain(x: Any) -> bool:
    """Whether x is what ``check_numbers`` meets nearly always, and has nothing to say of."""
    return type(x) is np.ndarray and x.dtype.kind in "fiub"


def check_numbers(x: Any, what: str) -> None:
    """Refuse NumPy arrays that are not of numbers, or whose operators mean something else, also nested ones.

    Raises:
        TypeError: x is, or holds, a masked array, a matrix, or an array of text, dates, objects or records.
    """
    if type(x) is np.ndarray:
        if x.dtype.kind not in "fiubc":
            raise TypeError(f"{what} is an array of {x.dtype}, and rules are for numbers")
    elif isinstance(x, np.ndarray):
        check_arithmetic(x, what)
    elif isinstance(x, (list, tuple, dict)):
        for leaf in leaves(x):
            if isinstance(leaf, np.ndarray):
                check_numbers(leaf, what)


def is_floating(x: Any) -> bool:
    """Whether ``x`` holds floating-point numbers."""
    if not hasattr(x, "dtype"):
        return isinstance(x, float)
    return bool(namespace_of(stripped(x)).isdtype(x.dtype, "real floating"))


def is_half(x: Any) -> bool:
    """Whether ``x`` holds numbers of 16 bits."""
    return str(getattr(x, "dtype", "")).endswith("float16")


def is_integer(x: Any) -> bool:
    """Whether ``x`` holds integers (booleans are not)."""
    if not hasattr(x, "dtype"):
        return isinstance(x, int) and not isinstance(x, bool)
    return bool(namespace_of(stripped(x)).isdtype(x.dtype, "integral"))


def cast(x: Any, like: Any) -> Any:
    """``x`` in the dtype of ``like``; Python numbers have none and stay or leave things as they are."""
    if type(x) is not type(like):
        if isinstance(like, np.ndarray) and hasattr(library_of(stripped(x)), "taken"):
            return x  # a gradient in its own library, of an array of NumPy's
        x = beside(x, like)
    wanted = getattr(like, "dtype", None)
    if wanted is None or getattr(x, "dtype", wanted) == wanted:
        return x
    return xp.astype(x, wanted)


def sum_to(g: Any, target: tuple[int, ...]) -> Any:
    """Undo broadcasting: ``g`` summed over the axes along which ``target`` was repeated."""
    have = shape(g)
    if have == target:
        return g
    lead = len(have) - len(target)
    repeated = tuple(range(lead)) + tuple(
        lead + i for i, n in enumerate(target) if n == 1 and have[lead + i] != 1
    )
    return xp.reshape(xp.sum(g, axis=repeated), target)


def as_numpys(x: Any, *others: Any) -> Any:
    """``x``, or NumPy's number for a Python one among nothing but those: 1 / 0 is inf, (-2)**0.5 is nan."""
    if hasattr(x, "dtype") or any(hasattr(y, "dtype") for y in others):
        return x
    return np.float64(x)


def values_are_known(x: Any) -> bool:
    """Whether looking at the values is possible and cheap: not for symbols, tracers, or a GPU's memory."""
    return isinstance(x, NUMPY_TYPES) or type(x).__module__.startswith("array_api_strict")


def is_symbolic(x: Any) -> bool:
    """Whether x is an array of a program that is being traced: it has no values, and means nothing later."""
    return not isinstance(x, NUMPY_TYPES) and hasattr(type(x), "namespace")
