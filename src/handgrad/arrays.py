"""Which array library am I holding, and the few functions that the standard lacks.

``xp`` is the one name that the rules need. ``xp.exp(x)`` looks at ``x`` and calls the ``exp`` of
the library that made it: NumPy, JAX, PyTorch, any other that follows the Python array API
standard, or handgrad's own recorded and symbolic arrays, which bring a namespace along.

The standard lacks a handful of functions that rules need; they are at the end of this file, each
with one small implementation per library, and look to a rule like all the others:

``scatter_add(dout, index, shape)``  zeros of ``shape`` with ``dout`` added at ``index``
``getitem(x, index)``                ``x[index]``, as a function
``erf(x)``, ``erfc(x)``              the error function and its complement
``exp2(x)``                          2 to the power of ``x``
``random_uniform(x, key)``           float32 in [0, 1), of the shape of ``x``
``fold_in(key, n)``                  a new key from a key and a number
``arange_like(x, n)``                0 .. n-1 on the device of ``x``
``stop_gradient(x)``                 ``x``, held constant
"""

from __future__ import annotations

import functools
import math
import sys
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from handgrad.tree import leaves, tree_map


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

NUMPY_TYPES = (np.ndarray, np.generic, float, int)


def namespace_of(*args: Any) -> Any:
    """The namespace for these arguments: recorded arrays first, then any library but NumPy, then NumPy."""
    top: Recorded | None = None
    other = None
    for arg in args:
        if isinstance(arg, NUMPY_TYPES):
            continue
        for x in leaves(arg) if isinstance(arg, (list, tuple)) else (arg,):
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
    return standard_library(x.__array_namespace__()) if found is STANDARD else found


STANDARD = object()  # arrays that follow the standard, of whatever library


@functools.cache
def _library_of_kind(kind: type) -> Any:
    root = kind.__module__.partition(".")[0]
    torch = sys.modules.get("torch")
    if torch is not None and issubclass(kind, torch.Tensor):
        return torch_library()
    if root in ("jax", "jaxlib") and hasattr(kind, "__array_namespace__"):
        return jax_library()
    if hasattr(kind, "namespace"):
        return kind.namespace
    is_foreign = hasattr(kind, "__array_namespace__") and not issubclass(kind, (*NUMPY_TYPES, Recorded))
    return STANDARD if is_foreign else None


def beside(x: Any, like: Any) -> Any:
    """A NumPy array in the library of ``like``, where that does not mix with NumPy's, as labels often are."""
    if not isinstance(x, np.ndarray):
        return x
    library = library_of(stripped(like))
    return library.taken(x, stripped(like)) if hasattr(library, "taken") else x


# What every array, Python numbers included, can be asked.


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
    if isinstance(x, np.ma.MaskedArray):
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


def stripped(x: Any) -> Any:
    """The value at the bottom of a recorded array, or of one that holds one."""
    while isinstance(x, Recorded):
        x = x.value
    return x


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


# The functions that the standard lacks.


def polynomial(coefficients: tuple[float, ...], x: Any) -> Any:
    """Horner's scheme, highest power first."""
    total: Any = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


# W. J. Cody, "Rational Chebyshev approximations for the error function", Math. Comp. 23 (1969).
# Numerators and denominators, highest power first: erf on [0, 1/2], erfc on [1/2, 4] and above 4.
ERF_NEAR = (
    (1.85777706184603153e-1, 3.16112374387056560e0, 1.13864154151050156e2, 3.77485237685302021e2,
     3.20937758913846947e3),
    (1.0, 2.36012909523441209e1, 2.44024637934444173e2, 1.28261652607737228e3, 2.84423683343917062e3),
)  # fmt: skip
ERFC_MIDDLE = (
    (2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e0, 6.61191906371416295e1,
     2.98635138197400131e2, 8.81952221241769090e2, 1.71204761263407058e3, 2.05107837782607147e3,
     1.23033935479799725e3),
    (1.0, 1.57449261107098347e1, 1.17693950891312499e2, 5.37181101862009858e2, 1.62138957456669019e3,
     3.29079923573345963e3, 4.36261909014324716e3, 3.43936767414372164e3, 1.23033935480374942e3),
)  # fmt: skip
ERFC_FAR = (
    (1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1, 1.25781726111229246e-1,
     1.60837851487422766e-2, 6.58749161529837803e-4),
    (1.0, 2.56852019228982242e0, 1.87295284992346725e0, 5.27905102951428412e-1, 6.05183413124413191e-2,
     2.33520497626869185e-3),
)  # fmt: skip


def _ratio(fraction: tuple, x: Any) -> Any:
    return polynomial(fraction[0], x) / polynomial(fraction[1], x)


def _erf_parts(x: Any) -> tuple[Any, Any, Any]:
    """Whether |x| <= 1/2, erf(x) there, and erfc(|x|) elsewhere."""
    ax = xp.abs(x)
    near = xp.where(ax < 0.5, x, xp.zeros_like(x))
    erf_near = near * _ratio(ERF_NEAR, near * near)
    middle = xp.clip(ax, 0.5, 4.0)
    far = xp.clip(ax, 4.0, 30.0)
    inverse = 1 / (far * far)
    tail = (1 / math.sqrt(math.pi) - inverse * _ratio(ERFC_FAR, inverse)) / far
    # exp(-x²) with x² split in two, so that the rounding of x² does not grow with x.
    capped = xp.clip(ax, 0.0, 30.0)
    coarse = xp.floor(capped * 16) / 16
    gauss = xp.exp(-coarse * coarse) * xp.exp(-(capped - coarse) * (capped + coarse))
    erfc_beyond = gauss * xp.where(ax <= 4, _ratio(ERFC_MIDDLE, middle), tail)
    return ax < 0.5, erf_near, erfc_beyond


def _erf(x: Any) -> Any:
    x = x * 1.0
    is_near, near, beyond = _erf_parts(x)
    return xp.where(is_near, near, xp.where(x < 0, beyond - 1, 1 - beyond))


def _erfc(x: Any) -> Any:
    x = x * 1.0
    is_near, near, beyond = _erf_parts(x)
    return xp.where(is_near, 1 - near, xp.where(x < 0, 2 - beyond, beyond))


def _getitem(x: Any, index: Any) -> Any:
    return x[index]


def _stop_gradient(x: Any) -> Any:
    return x


def _numpy_scatter_add(dout: Any, index: Any, shape: tuple[int, ...]) -> np.ndarray:
    out = np.zeros(shape, np.result_type(dout))
    parts = index if isinstance(index, tuple) else (index,)
    if all(type(part) in (int, slice, type(None), type(...)) for part in parts):
        out[index] = dout  # a basic index meets every place at most once
    else:
        np.add.at(out, index, dout)
    return out


def _numpy_random_uniform(x: Any, key: Any) -> np.ndarray:
    bits = np.random.Philox(key=int(key[0]) << 32 | int(key[1]))
    return np.random.Generator(bits).random(shape(x), dtype=np.float32)


def _numpy_fold_in(key: Any, n: int) -> np.ndarray:
    return np.random.SeedSequence([int(key[0]), int(key[1]), n]).generate_state(2)


def _numpy_power(x: Any, y: Any) -> Any:
    """xʸ as ``x ** y`` has it, whose dtype and ends are others than ``np.power``'s where y is one number."""
    return x**y if isinstance(x, np.ndarray | np.generic) else np.power(x, y)


ROWS = 256  # that are added one after the other


def _numpy_sum(x: Any, axis: Any = None, keepdims: bool = False, **options: Any) -> Any:
    """``np.sum``, which adds row after row where it sums over rows: here by blocks, so that long sums keep
    their digits. (Along a row, and of everything, NumPy does so itself.)
    """
    long = None if options else _long_axis(x, axis)
    if long is not None:
        count = x.shape[long] // ROWS
        first, rest = np.split(x, [count * ROWS], axis=long)
        blocks = first.reshape(*x.shape[:long], count, ROWS, *x.shape[long + 1 :])
        sums = [blocks.sum(axis=long + 1), rest.sum(axis=long, keepdims=True)]
        return _numpy_sum(np.concatenate(sums, axis=long), axis=axis, keepdims=keepdims)
    return np.sum(x, axis=axis, keepdims=keepdims, **options)


def _long_axis(x: Any, axis: Any) -> int | None:
    """The longest axis of a sum over many rows; None of any other sum."""
    if axis is None or not isinstance(x, np.ndarray) or x.dtype.kind != "f":
        return None
    axes = axis if isinstance(axis, tuple) else (axis,)
    if not all(-x.ndim <= a < x.ndim for a in axes) or len({a % x.ndim for a in axes}) < len(axes):
        return None  # an error, which NumPy words
    rows = [a % x.ndim for a in axes if a % x.ndim < x.ndim - 1]
    many = math.prod(x.shape[a] for a in rows) > ROWS and x.size > 0
    return max(rows, key=lambda a: x.shape[a]) if many else None


NUMPY = Library(
    np,
    power=_numpy_power,
    pow=_numpy_power,
    sum=_numpy_sum,
    watch=_stop_gradient,
    astype=lambda x, dtype: np.asarray(x).astype(dtype),
    scatter_add=_numpy_scatter_add,
    getitem=_getitem,
    erf=_erf,
    erfc=_erfc,
    random_uniform=_numpy_random_uniform,
    fold_in=_numpy_fold_in,
    arange_like=lambda x, n: np.arange(n),
    stop_gradient=_stop_gradient,
)


@functools.cache
def jax_library() -> Library:
    import jax
    import jax.numpy as jnp

    def typed(key: Any) -> Any:
        return jax.random.wrap_key_data(jnp.asarray(key, jnp.uint32))

    return Library(
        jnp,
        scatter_add=lambda dout, index, shape: jnp.zeros(shape, dout.dtype).at[index].add(dout),
        getitem=_getitem,
        erf=jax.scipy.special.erf,
        erfc=jax.scipy.special.erfc,
        random_uniform=lambda x, key: jax.random.uniform(typed(key), shape(x), jnp.float32),
        fold_in=lambda key, n: jax.random.key_data(jax.random.fold_in(typed(key), n)),
        arange_like=lambda x, n: jnp.arange(n),
        stop_gradient=jax.lax.stop_gradient,
    )


@functools.cache
def torch_library() -> Library:
    import array_api_compat.torch as compat
    import torch

    def getitem(x: Any, index: Any) -> Any:
        index, turned = _forwards(index, shape(x))
        return torch.flip(x[index], turned) if turned else x[index]

    def where_it_lands(index: Any, shape: tuple[int, ...], device: Any) -> Any:
        return getitem(torch.arange(math.prod(shape), device=device).reshape(shape), index)

    def scatter_add(dout: Any, index: Any, shape: tuple[int, ...]) -> Any:
        places = where_it_lands(index, shape, dout.device)
        flat = dout.new_zeros(math.prod(shape))
        added = flat.index_add(0, places.reshape(-1), dout.expand(places.shape).reshape(-1))
        return added.reshape(shape)

    def take(x: Any, indices: Any, axis: int) -> Any:
        return compat.take(x, torch.as_tensor(indices, device=x.device), axis=axis)

    def logaddexp2(x: Any, y: Any) -> Any:
        dtype = torch.result_type(x, y)
        return torch.logaddexp2(*(torch.as_tensor(v, dtype=dtype) for v in (x, y)))

    def random_uniform(x: Any, key: Any) -> Any:
        seed = int(key[0]) << 32 | int(key[1])
        generator = torch.Generator(device=x.device).manual_seed(seed)
        return torch.rand(x.shape, generator=generator, device=x.device, dtype=torch.float32)

    return Library(
        compat,
        taken=lambda x, like: torch.as_tensor(x, device=like.device),
        scatter_add=scatter_add,
        getitem=getitem,
        take=take,
        logaddexp2=logaddexp2,
        erf=torch.special.erf,
        erfc=torch.special.erfc,
        random_uniform=random_uniform,
        fold_in=_numpy_fold_in,
        arange_like=lambda x, n: torch.arange(n, device=x.device),
        stop_gradient=lambda x: x.detach(),
    )


def _forwards(index: Any, shape: tuple[int, ...]) -> tuple[Any, list[int]]:
    """An index of slices that go forwards, and the axes of the result to turn round for those that do not."""
    parts = index if isinstance(index, tuple) else (index,)
    if not any(isinstance(part, slice) and (part.step or 1) < 0 for part in parts):
        return index, []
    if any(not isinstance(part, (int, slice, type(None), type(...))) for part in parts):
        raise ValueError("PyTorch has no negative steps beside arrays of indices: flip the axis before")
    given: list[Any] = []
    turned: list[int] = []
    axis = made = 0
    for part in parts:
        if part is Ellipsis:
            skipped = len(shape) - sum(p is not None and p is not Ellipsis for p in parts)
            axis, made = axis + skipped, made + skipped
        elif isinstance(part, slice) and (part.step or 1) < 0:
            places = range(*part.indices(shape[axis]))
            part = slice(places[-1], places[0] + 1, -places.step) if places else slice(0, 0)
            turned.append(made)
        given.append(part)
        if part is not Ellipsis:
            axis += part is not None
            made += not isinstance(part, int)
    return tuple(given), turned


@functools.cache
def standard_library(standard: Any) -> Library:
    """Any namespace of the standard (array_api_strict, CuPy); what it lacks is computed by way of NumPy."""
    add: Any = getattr(standard, "add", None)

    # The standard has few kinds of index; all that NumPy has are had by way of it.
    def plain(index: Any) -> Any:
        return tree_map(lambda i: np.asarray(i) if hasattr(i, "dtype") else i, index)

    def scatter_add(dout: Any, index: Any, shape: tuple[int, ...]) -> Any:
        if not hasattr(add, "at"):
            return standard.asarray(_numpy_scatter_add(np.asarray(dout), plain(index), shape))
        out = standard.zeros(shape, dtype=dout.dtype)
        add.at(out, index, dout)
        return out

    def getitem(x: Any, index: Any) -> Any:
        return x[index] if hasattr(add, "at") else standard.asarray(np.asarray(x)[plain(index)])

    def taken(x: Any, like: Any = None) -> Any:
        return standard.asarray(x) if isinstance(x, np.ndarray) else x

    def take(x: Any, indices: Any, axis: int) -> Any:
        return standard.take(x, taken(indices), axis=axis)

    return Library(
        standard,
        taken=taken,
        exp2=lambda x: standard.pow(2.0, x),
        logaddexp2=lambda x, y: standard.logaddexp(x * math.log(2), y * math.log(2)) / math.log(2),
        scatter_add=scatter_add,
        getitem=getitem,
        take=take,
        erf=_erf,
        erfc=_erfc,
        random_uniform=lambda x, key: standard.asarray(_numpy_random_uniform(x, key)),
        fold_in=_numpy_fold_in,
        arange_like=lambda x, n: standard.arange(n),
        stop_gradient=_stop_gradient,
    )
