"""Which array library am I holding: operators, namespaces, and ``xp``, which looks at what it is given."""

from __future__ import annotations

import functools
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from handgrad.tree import leaves


def _operators(name: str) -> tuple[Any, Any]:
    """``x ∘ y`` with self on the left, and on the right."""

    def operator(self: Any, other: Any) -> Any:
        return self.combine(name, other)

    def swapped(self: Any, other: Any) -> Any:
        return self.combine(name, other, swapped=True)

    return operator, swapped


# A type checker takes a recorded array for any type, since it stands wherever NumPy's stubs ask for theirs.
if TYPE_CHECKING:
    _Anything: TypeAlias = Any
else:
    _Anything = object


class Operators(_Anything):
    """The operators of an array, each the function of that name in its namespace."""

    __slots__ = ()

    def __array_namespace__(self, api_version: str | None = None) -> Any:
        raise NotImplementedError

    def meets(self, other: Any) -> bool:
        """Whether this array knows what to do with an operand; if not, the operand is asked."""
        return True

    def combine(self, name: str, other: Any, swapped: bool = False) -> Any:
        if not self.meets(other):
            return NotImplemented
        other = np.asarray(other) if isinstance(other, (list, tuple)) else other
        pair = (other, self) if swapped else (self, other)
        return getattr(self.__array_namespace__(), name)(*pair)

    __add__, __radd__ = _operators("add")
    __sub__, __rsub__ = _operators("subtract")
    __mul__, __rmul__ = _operators("multiply")
    __truediv__, __rtruediv__ = _operators("divide")
    __pow__, __rpow__ = _operators("power")
    __matmul__, __rmatmul__ = _operators("matmul")
    __mod__, __rmod__ = _operators("remainder")
    __floordiv__, __rfloordiv__ = _operators("floor_divide")
    __and__, __rand__ = _operators("bitwise_and")
    __or__, __ror__ = _operators("bitwise_or")
    __xor__, __rxor__ = _operators("bitwise_xor")
    __lt__, __gt__ = _operators("less")[0], _operators("greater")[0]
    __le__, __ge__ = _operators("less_equal")[0], _operators("greater_equal")[0]
    __eq__, __ne__ = _operators("equal")[0], _operators("not_equal")[0]
    __hash__ = object.__hash__

    def __neg__(self) -> Any:
        return self.__array_namespace__().negative(self)

    def __abs__(self) -> Any:
        return self.__array_namespace__().abs(self)

    def __invert__(self) -> Any:
        return self.__array_namespace__().bitwise_invert(self)

    def __getitem__(self, index: Any) -> Any:
        return self.__array_namespace__().getitem(self, index)


class Recorded(Operators):
    """An array that notes which rules are applied to it (``tape.Variable``).

    ``level`` tells nested recordings apart: the highest level among a rule's inputs records first.
    """

    __slots__ = ()
    level: int
    value: Any

    def record(self, rule: Any, inputs: tuple, options: dict) -> Any:
        raise NotImplementedError


class Library:
    """An array library's own namespace with the functions that the standard lacks beside it."""

    def __init__(self, base: Any, **lacking: Any):
        self.base = base
        self.__dict__.update(lacking)

    def __getattr__(self, name: str) -> Any:
        function = getattr(self.base, name)
        setattr(self, name, function)
        return function


class Dispatcher:
    """``xp``: every function, sent to the library of its arguments."""

    def __getattr__(self, name: str) -> Any:
        def function(*args: Any, **options: Any) -> Any:
            return getattr(namespace_of(*args), name)(*args, **options)

        function.__name__ = name
        setattr(self, name, function)
        return function


xp: Any = Dispatcher()

NUMPY = Library(np)
"""NumPy's own; what it lacks stands in ``numpy_library``."""

NUMPY_TYPES = (np.ndarray, np.generic, float, int)


def namespace_of(*args: Any) -> Any:
    """The namespace for these arguments: recorded arrays first, then any library but NumPy, then NumPy."""
    top: Recorded | None = None
    other = None
    for arg in args:
        if isinstance(arg, NUMPY_TYPES):
            continue
        for x in leaves(arg) if isinstance(arg, (list, tuple, dict)) else (arg,):
            if isinstance(x, Recorded):
                top = x if top is None or x.level > top.level else top
            elif not isinstance(x, NUMPY_TYPES):
                other = library_of(x) or other
    if top is not None:
        return top.__array_namespace__()
    return other or NUMPY


def library_of(x: Any) -> Any:
    """The namespace of an array that is not NumPy's; None for NumPy's, and what is no array."""
    kind: Any = type(x)
    found = _library_of_kind(kind)
    if found is not STANDARD:
        return found
    from handgrad.arrays.standard_library import standard_library

    return standard_library(x.__array_namespace__())


STANDARD = object()  # arrays that follow the standard, of whatever library


@functools.cache
def _library_of_kind(kind: type) -> Any:
    root = kind.__module__.partition(".")[0]
    torch = sys.modules.get("torch")
    if torch is not None and issubclass(kind, torch.Tensor):
        from handgrad.arrays.torch_library import torch_library

        return torch_library()
    if root in ("jax", "jaxlib") and hasattr(kind, "__array_namespace__"):
        from handgrad.arrays.jax_library import jax_library

        return jax_library()
    if hasattr(kind, "namespace"):
        return kind.namespace
    is_foreign = hasattr(kind, "__array_namespace__") and not issubclass(kind, (*NUMPY_TYPES, Recorded))
    return STANDARD if is_foreign else None


def stripped(x: Any) -> Any:
    """The value at the bottom of a recorded array, or of one that holds one."""
    while isinstance(x, Recorded):
        x = x.value
    return x


def beside(x: Any, like: Any) -> Any:
    """A NumPy array in the library of ``like``, where that does not mix with NumPy's, as labels often are."""
    if not isinstance(x, np.ndarray):
        return x
    library = library_of(stripped(like))
    return library.taken(x, stripped(like)) if hasattr(library, "taken") else x
