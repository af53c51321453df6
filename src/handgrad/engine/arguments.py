"""What a function is called with, told apart by what its code depends on.

Arrays are told apart by shape and dtype, Python floats not at all: code takes them as numbers. Everything
else is a part of the code, and so of its key, by type and value.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Hashable, Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Recorded, check_arithmetic, library_of
from handgrad.tree import leaves

VALUES = (bool, int, str, bytes, type(None), type(...))
DTYPES = (np.generic, bool, int, float, complex)


class NoKey(TypeError):
    """A part of an argument that cannot be told from another by its value."""


def key_of(tree: Any, by_value: bool = False) -> Hashable:
    """What code for arguments like these depends on; with ``by_value`` on the values of floats too.

    Raises:
        TypeError: there is something in it that cannot be told apart by its value.
    """
    if isinstance(tree, (np.ndarray, np.generic)):
        return (tree.shape, tree.dtype.newbyteorder("="))
    if isinstance(tree, (list, tuple)):
        return (type(tree), *[key_of(x, by_value) for x in tree])
    if isinstance(tree, dict):
        return (type(tree), *[(_value(key), key_of(x, by_value)) for key, x in tree.items()])
    return float if type(tree) is float and not by_value else _value(tree)


def _value(x: Any) -> Hashable:
    if type(x) in VALUES or isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, DTYPES)):
        return (type(x), x)
    if type(x) is float:
        return (float, x.hex())  # 0.0 and -0.0 are two, all nans one
    if type(x) is complex:
        return (complex, x.real.hex(), x.imag.hex())
    if isinstance(x, slice):
        return (slice, _value(x.start), _value(x.stop), _value(x.step))
    if isinstance(x, tuple):  # a dict's key
        return (type(x), *map(_value, x))
    raise NoKey(type(x).__name__)


def named_arguments(f: Callable, args: tuple, keywords: dict) -> Iterator[tuple[str, Any]]:
    """Each argument beside what its function calls it."""
    try:
        names = list(inspect.signature(f).parameters)
    except (TypeError, ValueError):  # it has no signature
        names = []
    for i, x in enumerate(args):
        yield names[i] if i < len(names) else f"number {i + 1}", x
    yield from keywords.items()


def checked(f: Callable, args: tuple, keywords: dict) -> None:
    """Name the argument that has no key, or whose arithmetic is not an array's.

    Raises:
        TypeError: there is one.
    """
    for name, given in named_arguments(f, args, keywords):
        for x in leaves(given):
            check_arithmetic(x, f"the argument {name}")
        try:
            key_of(given)
        except NoKey as error:
            raise TypeError(
                f"the argument {name} is or holds a {error}, and code cannot be kept for one by its value. "
                f"A compiled function takes arrays, numbers, strings, None, slices, dtypes, and lists, "
                f"tuples and dicts of them: pass the arrays (of a network, net.parameters()), or close over "
                f"what does not change"
            ) from None


def is_odd(x: Any) -> bool:
    """Whether x is of a class of arrays whose arithmetic may be another."""
    return isinstance(x, np.ndarray) and type(x) is not np.ndarray


def is_of_another_kind(x: Any) -> bool:
    """Whether x is recorded, traced, or another library's array: what a function itself is for."""
    if isinstance(x, (np.ndarray, np.generic, float, int, str)):
        return False
    return isinstance(x, Recorded) or library_of(x) is not None
