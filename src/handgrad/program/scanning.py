"""``xp.scan`` of symbols: the body traced once, into a program of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import Recorded, is_array, loops, shape
from handgrad.program.loops import inferred
from handgrad.program.program import Operation, Program, symbols
from handgrad.program.symbol import Symbol, inside, tracing
from handgrad.rules.rule import at_work
from handgrad.tree import leaves, tree_map, unflatten


def scan(
    f: Callable, carry: Any, xs: Any = None, length: int | None = None, reverse: bool = False
) -> tuple[Any, Any]:
    """A loop as one operation. What the body closes over, symbols of the programs around it, it is given.

    Raises:
        TypeError: the body closes over a recorded array, or its carry changes its shape or dtype.
    """
    n = loops.steps_of(xs, length)
    carry, xs = tree_map(_as_array, carry), tree_map(_as_array, xs)
    programs = {x.program for x in symbols((carry, xs))} | {tracing.get()}
    outer = max((p for p in programs if p is not None), key=lambda p: p.depth)
    body = Program(outer)
    taken = [_symbol(f"c{i}", x, shape(x), body) for i, x in enumerate(leaves(carry))]
    parts = [_symbol(f"x{i}", x, shape(x)[1:], body) for i, x in enumerate(leaves(xs))]
    before = tracing.set(body)
    try:
        after, y = loops.result_of(f(unflatten(carry, taken), unflatten(xs, parts)), unflatten(carry, taken))
    finally:
        tracing.reset(before)
    if any(isinstance(x, Recorded) for x in leaves((after, y))):
        raise TypeError("the body closes over a recorded array: handgrad.scan has its gradient, xp.scan not")

    def within(program: Program, tree: Any) -> list:
        return [inside(program, _as_array(x), "scan") for x in leaves(tree) if is_array(x)]

    body.outputs = (within(body, after), within(body, y))
    outside, here = zip(*body.captured.values(), strict=True) if body.captured else ((), ())
    body.inputs = (list(here), symbols(taken), symbols(parts))
    weights, start, sequences = (within(outer, tree) for tree in (outside, carry, xs))
    kinds = inferred(weights, start, sequences, body, n, reverse)
    name = outer.fresh_name()
    outs = tuple(Symbol(f"{name}.{i}", own, dtype, outer) for i, (own, dtype) in enumerate(kinds))
    options = {"body": body, "length": n, "reverse": reverse}
    outer.operations.append(Operation(outs, "scan", (weights, start, sequences), options, at_work.get()))
    ys = iter(outs[len(start) :])
    return unflatten(carry, list(outs[: len(start)])), tree_map(lambda v: next(ys) if is_array(v) else v, y)


def _as_array(x: Any) -> Any:
    return np.asarray(x) if is_array(x) and not hasattr(x, "dtype") else x


def _symbol(name: str, x: Any, own: tuple, body: Program) -> Any:
    return Symbol(name, own, x.dtype, body) if hasattr(x, "dtype") else x
