"""A program, run on arrays of terms in place of numbers: what each number of its results is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import loops
from handgrad.program.inference import ELEMENTWISE
from handgrad.program.loops import meaning
from handgrad.program.program import Operation, Program
from handgrad.tree import leaves, tree_map
from handgrad.view.origins.terms import LARGEST, LEAST, PRODUCT, SUM, Term, Terms

REDUCED = {
    "sum": SUM,
    "prod": PRODUCT,
    "max": LARGEST,
    "min": LEAST,
    "any": "logical_or",
    "all": "logical_and",
}
OF_A_SHAPE = ("random_uniform", "arange_like")
AS_IT_IS = ("stop_gradient", "astype")


class Opaque(TypeError):
    """An operation whose numbers cannot be told one by one."""


def computed(program: Program, given: list[np.ndarray], terms: Terms, stops: dict[int, np.ndarray]) -> list:
    """The program's outputs, nested as they are, as arrays of terms.

    Args:
        program: what is run.
        given: what its inputs are, arrays of objects.
        terms: where new terms are kept.
        stops: by a symbol's id what stands for it from where it is computed: its own entries.

    Raises:
        Opaque: an operation is not of those that work on any numbers.
    """
    symbols = [x for x in leaves(program.inputs) if hasattr(x, "program")]
    known = {id(x): array for x, array in zip(symbols, given, strict=True)}
    made: dict[int, np.ndarray] = dict(known)

    def resolve(tree: Any) -> Any:
        return tree_map(lambda x: known.get(id(x), x), tree)

    for operation in program.operations:
        results = run(operation, resolve(operation.args), resolve(operation.options), terms)
        for out, result in zip(operation.outs, results, strict=True):
            made[id(out)] = known[id(out)] = result
            if id(out) in stops:
                known[id(out)] = stops[id(out)]
    return tree_map(lambda x: made.get(id(x), x), program.outputs)


def run(operation: Operation, args: tuple, options: dict, terms: Terms) -> list[Any]:
    """The results of one operation."""
    name = operation.name
    if not any(is_terms(x) for x in leaves((args, options))):
        with np.errstate(all="ignore"):
            found = meaning(name)(*args, **options)
    elif name in ELEMENTWISE:
        found = elementwise(name, terms, *args, **options)
    elif name in REDUCED:
        found = reduced(REDUCED[name], terms, *args, **options)
    elif name == "scan":
        found = scanned(terms, *args, **options)
    elif name in OF_A_SHAPE:
        found = meaning(name)(np.zeros(np.shape(args[0])), *args[1:], **options)
    elif name in AS_IT_IS:
        found = args[0]
    else:
        found = by_numpy(name, args, options)
    return list(found) if operation.out is operation.outs else [found]


def scanned(
    terms: Terms, weights: list, carry: list, xs: list, body: Program, length: int, reverse: bool = False
) -> tuple:
    """A loop, turn by turn."""
    ys: list[list] = []
    for t in loops.order(length, reverse):
        carry, y = computed(
            body, [np.asarray(x, object) for x in (*weights, *carry, *(x[t] for x in xs))], terms, {}
        )
        ys.append(y)
    ys = ys[::-1] if reverse else ys
    return (*carry, *(np.stack([np.asarray(x, object) for x in column]) for column in zip(*ys, strict=True)))


def is_terms(x: Any) -> bool:
    return isinstance(x, np.ndarray) and x.dtype == object


def elementwise(name: str, terms: Terms, *args: Any, **options: Any) -> np.ndarray:
    if options and name == "clip":
        low, high = options.get("min"), options.get("max")
        found = args[0] if low is None else elementwise("maximum", terms, args[0], low)
        return found if high is None else elementwise("minimum", terms, found, high)
    if options:
        raise Opaque(f"{name} with {', '.join(options)}")
    if name == "clip":
        return elementwise(name, terms, args[0], **dict(zip(("min", "max"), args[1:], strict=False)))
    return np.asarray(np.frompyfunc(lambda *xs: terms.apply(name, *xs), len(args), 1)(*args), object)


def reduced(
    name: str, terms: Terms, x: np.ndarray, axis: Any = None, keepdims: bool = False, **more: Any
) -> np.ndarray:
    """One term of all numbers along the axes."""
    if any(value is not None for value in more.values()):
        raise Opaque(f"a reduction with {', '.join(more)}")
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    gone = sorted(a % x.ndim for a in axes)
    kept = [a for a in range(x.ndim) if a not in gone]
    shape = tuple(x.shape[a] for a in kept)
    rows = np.transpose(x, (*kept, *gone)).reshape(int(np.prod(shape)), -1)
    of: dict[str, Callable] = {
        SUM: terms.sum,
        PRODUCT: terms.product,
        LARGEST: terms.largest,
        LEAST: terms.least,
    }
    whole = of.get(name, lambda parts: _folded(name, terms, parts))
    found = np.empty(len(rows), object)
    found[:] = [whole(list(row)) for row in rows]
    return found.reshape([1 if a in gone else n for a, n in enumerate(x.shape)] if keepdims else shape)


def _folded(name: str, terms: Terms, parts: list[Any]) -> Any:
    found = parts[0]
    for x in parts[1:]:
        found = terms.apply(name, found, x)
    return found


def by_numpy(name: str, args: tuple, options: dict) -> Any:
    """What only moves numbers, multiplies and adds them, does so with any."""
    try:
        found = meaning(name)(*args, **options)
    except Exception as error:
        raise Opaque(f"{name}: {error}") from error
    if not all(is_terms(x) or isinstance(x, Term) for x in leaves(found)):
        raise Opaque(f"{name} looks at numbers")
    return tree_map(lambda x: np.asarray(x, object), found)
