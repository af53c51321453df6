"""What each array operation makes of shapes and dtypes, without computing a number.

Shapes follow from shapes; dtypes from NumPy itself, asked with one element, once for each combination.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import NUMPY, contraction, linear_algebra, shape, size, windowing
from handgrad.tree import leaves, tree_map

Shape = tuple[int, ...]

ELEMENTWISE = frozenset(
    """
    add subtract multiply divide negative pow power floor_divide remainder
    abs sign sqrt square exp expm1 log log1p sin cos tan asin acos atan sinh cosh tanh erf erfc floor
    exp2 log2 log10 logaddexp hypot atan2 asinh acosh atanh
    maximum minimum clip where equal not_equal less less_equal greater greater_equal
    logical_and logical_or logical_not isfinite zeros_like ones_like check_finite
    logaddexp2
    """.split()
)
REDUCTIONS = frozenset("sum prod max min any all".split())
PYTHON = frozenset("add subtract multiply divide negative pow power floor_divide remainder abs".split())
"""What Python's operators do: of Python's numbers alone, they give such a number again."""


def sample(x: Any) -> Any:
    """One element of the same dtype, with as many axes; Python numbers stay, since they take the dtype of
    their company.
    """
    return np.ones((1,) * len(x.shape), x.dtype) if hasattr(x, "dtype") else x


def _numpys_dtype(name: str, args: tuple, options: dict) -> np.dtype:
    return _dtype_of(name, tuple(map(_kind, args)), tuple((key, _kind(x)) for key, x in options.items()))


def _kind(x: Any) -> Any:
    """What a dtype hangs on: an array's own, and whether it has axes; anything else as it is."""
    return (ARRAY, x.dtype, len(x.shape) > 0) if _is_array(x) else (type(x), x, None)


def _is_array(x: Any) -> bool:
    return hasattr(x, "dtype") and not isinstance(x, type)


ARRAY = object()


@functools.lru_cache(maxsize=4096)
def _dtype_of(name: str, args: tuple, options: tuple) -> np.dtype:
    def example(kind: Any, given: Any, has_axes: Any) -> Any:
        return np.ones((1,) * has_axes, given) if kind is ARRAY else given

    keywords = {key: example(*kind) for key, kind in options}
    with np.errstate(all="ignore"):  # 1 is not in the domain of every function
        return np.result_type(getattr(NUMPY, name)(*(example(*kind) for kind in args), **keywords))


def _broadcast(*args: Any, **options: Any) -> Shape:
    shapes = {x.shape for x in (*args, *options.values()) if _is_array(x) and x.shape}
    return next(iter(shapes), ()) if len(shapes) <= 1 else np.broadcast_shapes(*shapes)


class Inferred(NamedTuple):
    """What an operation's output is, from its arguments."""

    shape: Callable[..., Shape]
    dtype: Callable[..., Any]


def result(name: str, args: tuple, options: dict) -> tuple[Shape, np.dtype]:
    """Shape and dtype of an operation's output.

    Raises:
        TypeError: the operation is not one of a program's.
        ValueError: the shapes do not fit together.
    """
    found = OPERATIONS.get(name)
    if found is None:
        return tried(name, args, options)
    return found.shape(*args, **options), np.dtype(found.dtype(*args, **options))


def by_numpy(name: str) -> Callable | None:
    """NumPy's function of a name that programs have no operation of their own for."""
    if name in OPERATIONS:
        return None
    function = getattr(np, name, None)
    return function if callable(function) and not isinstance(function, type) else None


def tried(name: str, args: tuple, options: dict) -> tuple[Shape, np.dtype]:
    """Shape and dtype as NumPy's function gives them for some numbers, which they must not hang on.

    Raises:
        TypeError: there is no such function; it fails; its shape hangs on values; or it gives no array.
    """
    function = by_numpy(name)
    if function is None:
        raise TypeError(f"{name} is not an operation of programs")
    found = set()
    for numbers in (np.zeros, np.ones, lambda n: np.arange(n) % 97):

        def example(x: Any, numbers: Callable = numbers) -> Any:
            return numbers(size(x)).astype(x.dtype).reshape(shape(x)) if hasattr(x, "program") else x

        try:
            with np.errstate(all="ignore"):
                out = function(*tree_map(example, args), **tree_map(example, options))
        except Exception as error:
            raise TypeError(f"{name} of {', '.join(str(shape(x)) for x in args)}: {error}") from error
        if not isinstance(out, (np.ndarray, np.generic)):
            raise TypeError(f"{name} gives {type(out).__name__}, and programs have arrays alone")
        found.add((out.shape, out.dtype))
    if len(found) > 1:
        raise TypeError(f"the shape of {name}'s result hangs on values, which a program does not know")
    return found.pop()


def _reduced(x: Any, axis: Any = None, keepdims: bool = False) -> Shape:
    ndim = len(shape(x))
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = {a % ndim for a in axes}
    if keepdims:
        return tuple(1 if i in gone else n for i, n in enumerate(shape(x)))
    return tuple(n for i, n in enumerate(shape(x)) if i not in gone)


def _reshape(x: Any, target: Shape) -> Shape:
    if -1 in target:
        known = math.prod(n for n in target if n != -1)
        target = tuple(size(x) // max(known, 1) if n == -1 else n for n in target)
    if math.prod(target) != size(x):
        raise ValueError(f"cannot reshape {shape(x)} to {target}")
    return target


def _matmul(x: Any, y: Any) -> Shape:
    a, b = shape(x), shape(y)
    rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()
    if not a or not b or a[-1] != b[-2 if len(b) > 1 else -1]:
        raise ValueError(f"a product of {a} and {b} does not fit")
    return (*np.broadcast_shapes(a[:-2], b[:-2]), *rows, *columns)


def _einsum(subscripts: str, x: Any, y: Any) -> Shape:
    inputs, target = contraction.spelled(subscripts, [shape(x), shape(y)])
    sizes = contraction.sizes_of(inputs, [shape(x), shape(y)])
    return tuple(sizes[i] for i in target)


def _concat(arrays: list, axis: int = 0) -> Shape:
    first = list(shape(arrays[0]))
    first[axis] = sum(shape(x)[axis] for x in arrays)
    return tuple(first)


def _stack(arrays: list, axis: int = 0) -> Shape:
    first = list(shape(arrays[0]))
    first.insert(axis % (len(first) + 1), len(arrays))
    return tuple(first)


def _getitem(x: Any, index: Any) -> Shape:
    """NumPy's own answer, on an array that takes no memory."""

    def example(i: Any) -> Any:
        if not hasattr(i, "dtype") or isinstance(i, np.ndarray):
            return i
        if i.dtype == bool:
            raise TypeError("the shape of x[mask] hangs on the mask's values; pick with where(mask, x, y)")
        return np.zeros(shape(i), i.dtype)

    ghost = np.broadcast_to(np.zeros((), bool), shape(x))
    return ghost[tree_map(example, index)].shape


def _take(x: Any, indices: Any, axis: int = 0) -> Shape:
    return (*shape(x)[:axis], *shape(indices), *shape(x)[axis + 1 :])


def _along(x: Any, indices: Any, axis: int = -1) -> Shape:
    axis %= len(shape(x))
    others = [tuple(1 if i == axis else n for i, n in enumerate(shape(a))) for a in (x, indices)]
    whole = list(np.broadcast_shapes(*others))
    whole[axis] = shape(indices)[axis]
    return tuple(whole)


def _own_dtype(x: Any, *args: Any, **options: Any) -> Any:
    return x.dtype


def _joint_dtype(arrays: list, **options: Any) -> Any:
    """That of all of them together; Python numbers take the dtype of the arrays."""
    return np.result_type(*(x.dtype if hasattr(x, "dtype") else x for x in leaves(arrays)))


def _elementwise(name: str) -> Inferred:
    return Inferred(_broadcast, lambda *args, **options: _numpys_dtype(name, args, options))


def _reduction(name: str) -> Inferred:
    kinds = functools.cache(lambda dtype: _numpys_dtype(name, (np.ones(1, dtype),), {}))
    return Inferred(_reduced, lambda x, axis=None, keepdims=False: kinds(x.dtype))


def _solve(A: Any, b: Any, lower: bool = False) -> Shape:
    lead = np.broadcast_shapes(shape(A)[:-2], shape(b)[:-2])
    return (*lead, *shape(b)[-2:])


def _factors(name: str, x: Any, *how: Any) -> Shape:
    lead = shape(x)[:-2]
    parts = linear_algebra.parts_of(name, shape(x))
    return (*lead, sum(math.prod(part[len(lead) :]) for part in parts))


def _floating_dtype(*args: Any) -> Any:
    """That of the arrays; of whole numbers float64."""
    found = _joint_dtype([x for x in args if _is_array(x)])
    return found if found.kind == "f" else np.float64


LINEAR_ALGEBRA: dict[str, Inferred] = {
    **{name: Inferred(shape, _floating_dtype) for name in ("inv", "cholesky", "expm")},
    "det": Inferred(lambda x: shape(x)[:-2], _floating_dtype),
    "pinv": Inferred(lambda x, rtol=None: (*shape(x)[:-2], *shape(x)[:-3:-1]), _floating_dtype),
    **{name: Inferred(_solve, _floating_dtype) for name in ("solve", "solve_triangular")},
    "factors": Inferred(_factors, _floating_dtype),
}


OPERATIONS: dict[str, Inferred] = {
    **{name: _elementwise(name) for name in ELEMENTWISE},
    **{name: _reduction(name) for name in REDUCTIONS},
    **LINEAR_ALGEBRA,
    "astype": Inferred(lambda x, dtype: shape(x), lambda x, dtype: dtype),
    "broadcast_to": Inferred(lambda x, target: np.broadcast_shapes(shape(x), target), _own_dtype),
    "concat": Inferred(_concat, _joint_dtype),
    "flip": Inferred(lambda x, axis=None: shape(x), _own_dtype),
    "einsum": Inferred(_einsum, lambda subscripts, x, y: _joint_dtype([x, y])),
    "fold_in": Inferred(lambda key, n: shape(key), _own_dtype),
    "getitem": Inferred(_getitem, _own_dtype),
    "matmul": Inferred(_matmul, lambda x, y: _joint_dtype([x, y])),
    "permute_dims": Inferred(lambda x, axes: tuple(shape(x)[i] for i in axes), _own_dtype),
    "random_uniform": Inferred(lambda x, key: shape(x), lambda x, key: np.float32),
    "reshape": Inferred(_reshape, _own_dtype),
    "scatter_add": Inferred(lambda x, index, target: tuple(target), _own_dtype),
    "stack": Inferred(_stack, _joint_dtype),
    "take": Inferred(_take, _own_dtype),
    "take_along_axis": Inferred(_along, _own_dtype),
    "unwindows": Inferred(lambda x, *how: windowing.of_windows(x, *how).shape, _own_dtype),
    "windows": Inferred(lambda x, *how: windowing.windowing(shape(x), *how).result, _own_dtype),
}
"""The operations of programs."""
