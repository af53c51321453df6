"""PyTorch's functions on recorded tensors, by PyTorch's own meaning: ``torch.var(v)`` divides by n - 1.

What a function is is looked up by the function itself. Nothing is taken for NumPy's of the same name; a
function that is not here is refused.
"""

from __future__ import annotations

import functools
import math
from collections import namedtuple
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped, xp
from handgrad.rules.reduction import axes_of
from handgrad.tape.functions.products import einsum
from handgrad.tape.functions.shaping import moveaxis, swapaxes
from handgrad.tape.numpy_functions import understood
from handgrad.tape.refusals import IN_PLACE, HistoryLost
from handgrad.tree import tree_map

Extreme = namedtuple("Extreme", "values indices")

RULES = """
    exp expm1 log log1p sin cos tan asin acos atan arcsin arccos arctan sinh cosh tanh asinh acosh atanh
    arcsinh arccosh arctanh atan2 arctan2 sqrt square sign abs absolute negative neg sigmoid relu erf erfc
    maximum minimum multiply mul pow matmul mm bmm mv dot remainder silu
""".split()
OTHERWISE = {
    "absolute": "abs", "neg": "negative", "mul": "multiply", "mm": "matmul", "bmm": "matmul", "mv": "matmul",
    "dot": "matmul",
}  # fmt: skip
"""What handgrad calls otherwise."""
ON_VALUES = """
    gt lt ge le eq ne greater less greater_equal less_equal not_equal equal allclose isclose
    isnan isinf isfinite logical_and logical_or logical_not logical_xor all any argmax argmin argsort
    floor ceil round trunc floor_divide zeros_like ones_like empty_like count_nonzero nonzero numel
    is_tensor is_floating_point bitwise_and bitwise_or bitwise_not searchsorted bucketize
""".split()


def add(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    return rules.add(input, other if alpha == 1 else alpha * other)


def sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    return rules.subtract(input, other if alpha == 1 else alpha * other)


def addmm(input: Any, mat1: Any, mat2: Any) -> Any:
    return input + mat1 @ mat2


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    out = input @ rules.transpose(weight)
    return out if bias is None else out + bias


def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    out = (
        input
        if min is None
        else rules.maximum(input, min)
        if hasattr(min, "dtype")
        else rules.clip(input, min)
    )
    return (
        out
        if max is None
        else rules.minimum(out, max)
        if hasattr(max, "dtype")
        else rules.clip(out, None, max)
    )


def _axis(dim: Any) -> Any:
    """PyTorch's dim of a reduction; none at all are all."""
    return tuple(dim) if isinstance(dim, (tuple, list)) and len(dim) else None if dim in ((), []) else dim


def _over(rule: Callable) -> Callable:
    def function(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
        input = input if dtype is None else rules.astype(input, dtype)
        return rule(input, axis=_axis(dim), keepdims=keepdim)

    return function


def _extreme(rule: Callable, elementwise: Callable, pick: str) -> Callable:
    """``max(x)`` is a number, ``max(x, y)`` elementwise, ``max(x, dim)`` values with their indices."""

    def function(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if dim is None:
            return rule(input)
        if hasattr(dim, "dtype"):
            return elementwise(input, dim)
        indices = getattr(xp, pick)(stripped(input), axis=dim, keepdims=True)
        values = rules.take_along_axis(input, indices, axis=dim)
        if keepdim:
            return Extreme(values, indices)
        return Extreme(rules.squeeze(values, axis=dim), xp.squeeze(indices, axis=dim))

    return function


def _moment(rule: Callable) -> Callable:
    def function(
        input: Any, dim: Any = None, unbiased: Any = True, keepdim: bool = False, *, correction: Any = None
    ) -> Any:
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        less = correction if correction is not None else int(unbiased)
        return rule(input, axis=_axis(dim), correction=less, keepdims=keepdim)

    return function


def _along(rule: Callable) -> Callable:
    return lambda input, dim=-1, dtype=None: rule(input, axis=dim)


def _numbers(given: tuple, keyword: Any = None) -> tuple:
    """Sizes or axes, given one by one or as one tuple."""
    given = given or (keyword,)
    return tuple(given[0]) if len(given) == 1 and isinstance(given[0], (tuple, list)) else tuple(given)


def reshape(input: Any, *shape: Any) -> Any:
    return rules.reshape(input, _numbers(shape))


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    have = shape(input)
    first, last = start_dim % max(len(have), 1), end_dim % max(len(have), 1)
    return rules.reshape(input, (*have[:first], math.prod(have[first : last + 1]), *have[last + 1 :]))


def transpose(input: Any, dim0: int, dim1: int) -> Any:
    return swapaxes(input, dim0, dim1)


def t(input: Any) -> Any:
    return rules.transpose(input)


def permute(input: Any, *dims: Any) -> Any:
    return rules.transpose(input, _numbers(dims))


def squeeze(input: Any, dim: Any = None) -> Any:
    """A dim that has another size than one stays."""
    axes = axes_of(dim, len(shape(input)))
    return rules.squeeze(input, axis=tuple(i for i in axes if shape(input)[i] == 1))


def expand(input: Any, *sizes: Any) -> Any:
    sizes = _numbers(sizes)
    have = (1,) * (len(sizes) - len(shape(input))) + shape(input)
    return rules.broadcast_to(input, tuple(m if n == -1 else n for n, m in zip(sizes, have, strict=True)))


def repeat(input: Any, *sizes: Any) -> Any:
    return rules.tile(input, _numbers(sizes))


def repeat_interleave(input: Any, repeats: Any, dim: Any = None) -> Any:
    return rules.repeat(input, np.asarray(stripped(repeats)), axis=dim)


def flip(input: Any, *dims: Any) -> Any:
    return rules.flip(input, axis=_numbers(dims))


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    return rules.roll(input, shifts, axis=dims)


def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> tuple:
    """Into parts of a size, or of these sizes."""
    n, sizes = shape(tensor)[dim], split_size_or_sections
    places = range(sizes, n, sizes) if isinstance(sizes, int) else np.cumsum(sizes)[:-1]
    return rules.split(tensor, [int(i) for i in places], axis=dim)


def chunk(input: Any, chunks: int, dim: int = 0) -> tuple:
    return split(input, -(-shape(input)[dim] // chunks), dim)


def unbind(input: Any, dim: int = 0) -> tuple:
    rows = moveaxis(input, dim, 0)
    return tuple(rows[i] for i in range(shape(rows)[0]))


def sort(input: Any, dim: int = -1, descending: bool = False, *, stable: bool = False) -> Extreme:
    indices = xp.argsort(stripped(input), axis=dim, descending=descending)
    return Extreme(rules.take_along_axis(input, indices, axis=dim), indices)


def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Extreme:
    values, indices = sort(input, dim, largest)
    first = (slice(None),) * (dim % len(shape(input))) + (slice(None, k),)
    return Extreme(values[first], indices[first])


def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    parts = [x for x in (prepend, input, append) if x is not None]
    return rules.diff(rules.concatenate(parts, axis=dim) if len(parts) > 1 else input, n, dim)


def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: Any = None) -> Any:
    return rules.cdist(x1, x2, p)


def gather(input: Any, dim: int, index: Any) -> Any:
    return rules.take_along_axis(input, stripped(index), axis=dim)


def _loss(rule: Callable) -> Callable:
    return lambda input, target, *, reduction="mean": rule(input, target, reduction=reduction)


def cross_entropy(
    input: Any,
    target: Any,
    *,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
    ignore_index: Any = -100,
) -> Any:
    return rules.softmax_cross_entropy(
        input, target, reduction=reduction, label_smoothing=label_smoothing, ignore_index=ignore_index
    )


FUNCTIONS: dict[str, Callable] = {
    **{name: getattr(rules, OTHERWISE.get(name, name)) for name in RULES},
    "add": add,
    "addmm": addmm,
    "amax": _over(rules.max),
    "amin": _over(rules.min),
    "broadcast_to": expand,
    "cat": lambda tensors, dim=0: rules.concatenate(list(tensors), axis=dim),
    "chunk": chunk,
    "clamp": clamp,
    "clone": lambda input: input,
    "cross_entropy": cross_entropy,
    "conj": lambda input: input,
    "cumprod": lambda input, dim: rules.cumprod(input, axis=dim),
    "cumsum": lambda input, dim: rules.cumsum(input, axis=dim),
    "cdist": cdist,
    "diag": lambda input, diagonal=0: rules.diag(input, diagonal),
    "diagonal": lambda input, offset=0, dim1=0, dim2=1: rules.diagonal(input, offset, dim1, dim2),
    "diff": diff,
    "div": rules.divide,
    "einsum": lambda equation, *operands: einsum(equation, *operands),
    "elu": lambda input, alpha=1.0: rules.elu(input, alpha=alpha),
    "expand": expand,
    "flatten": flatten,
    "flip": flip,
    "gather": gather,
    "gelu": lambda input, *, approximate="none": rules.gelu(input, approximate=approximate),
    "index_select": lambda input, dim, index: rules.take(input, stripped(index), axis=dim),
    "inner": lambda input, other: rules.inner(input, other),
    "kron": lambda input, other: rules.kron(input, other),
    "l1_loss": _loss(rules.mean_absolute_error),
    "leaky_relu": lambda input, negative_slope=0.01: rules.leaky_relu(input, negative_slope=negative_slope),
    "linear": linear,
    "log_softmax": _along(rules.log_softmax),
    "logcumsumexp": lambda input, dim: rules.logcumsumexp(input, axis=dim),
    "logsumexp": _over(rules.logsumexp),
    "max": _extreme(rules.max, rules.maximum, "argmax"),
    "mean": _over(rules.mean),
    "min": _extreme(rules.min, rules.minimum, "argmin"),
    "movedim": lambda input, source, destination: moveaxis(input, source, destination),
    "mse_loss": _loss(rules.mean_squared_error),
    "outer": lambda input, vec2: rules.outer(input, vec2),
    "permute": permute,
    "prod": _over(rules.prod),
    "reciprocal": lambda input: 1.0 / input,
    "repeat": repeat,
    "repeat_interleave": repeat_interleave,
    "reshape": reshape,
    "roll": roll,
    "rsqrt": lambda input: 1.0 / rules.sqrt(input),
    "rsub": lambda input, other: rules.subtract(other, input),
    "softmax": _along(rules.softmax),
    "sort": sort,
    "split": split,
    "squeeze": squeeze,
    "stack": lambda tensors, dim=0: rules.stack(list(tensors), axis=dim),
    "std": _moment(rules.std),
    "sub": sub,
    "sum": _over(rules.sum),
    "t": t,
    "tensordot": lambda a, b, dims=2: rules.tensordot(a, b, dims),
    "tile": repeat,
    "topk": topk,
    "trace": lambda input: rules.trace(input),
    "transpose": transpose,
    "tril": lambda input, diagonal=0: rules.tril(input, diagonal),
    "triu": lambda input, diagonal=0: rules.triu(input, diagonal),
    "unbind": unbind,
    "unsqueeze": lambda input, dim: rules.expand_dims(input, axis=dim),
    "var": _moment(rules.var),
    "where": rules.where,
}
SYNONYMS = {
    "clip": "clamp", "concat": "cat", "concatenate": "cat", "divide": "div", "moveaxis": "movedim",
    "ravel": "flatten", "subtract": "sub", "swapaxes": "transpose", "swapdims": "transpose",
    "true_divide": "div", "view": "reshape", "__rsub__": "rsub",
}  # fmt: skip
NUMPYS = {"axis": "dim", "keepdims": "keepdim"}
"""Keywords that PyTorch takes too."""
METHODS_APART = frozenset({"where"})
"""Whose arguments stand in another order when they are methods."""


@functools.cache
def table() -> dict[Any, Callable]:
    """From PyTorch's function, the object itself, to what it is for recorded tensors."""
    import torch

    found: dict[Any, Callable] = {}
    named = FUNCTIONS | {new: FUNCTIONS[old] for new, old in SYNONYMS.items() if old in FUNCTIONS}
    for name, function in named.items():
        homes = (torch, torch.nn.functional) + (() if name in METHODS_APART else (torch.Tensor,))
        found.update({getattr(home, name): function for home in homes if hasattr(home, name)})
    for name in ON_VALUES:
        for own in {getattr(home, name) for home in (torch, torch.Tensor) if hasattr(home, name)}:
            found[own] = _on_values(own)
    return found


def _on_values(function: Callable) -> Callable:
    return lambda *args, **options: function(*tree_map(stripped, args), **tree_map(stripped, options))


def call_torch(function: Any, args: tuple, options: dict) -> Any:
    """``Variable.__torch_function__``.

    Raises:
        TypeError: there is no rule for the function, or for one of its keywords.
    """
    name = getattr(function, "__name__", str(function))
    if (name.endswith("_") and not name.startswith("_")) or name == "__setitem__":
        raise HistoryLost(IN_PLACE)
    implementation = table().get(function)
    if implementation is None:
        raise TypeError(
            f"PyTorch's {name} of a recorded array has no rule: write it with handgrad's rules, "
            f"or add one with @rule (where no gradient is to flow, pass .value)"
        )
    said = {NUMPYS.get(k, k): v for k, v in options.items() if k != "_stacklevel"}
    return implementation(*args, **understood(implementation, f"PyTorch's {name}", said))


def call_method(name: str, args: tuple, options: dict) -> Any:
    """A method of a variable that holds a tensor."""
    import torch

    return call_torch(getattr(torch.Tensor, name), args, options)


def is_tensor(x: Any) -> bool:
    """Whether it is PyTorch's, or a recorded array of PyTorch's."""
    return type(stripped(x)).__module__.partition(".")[0] == "torch"
