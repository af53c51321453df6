"""What each entry of a rule's outputs and gradients is made of, told once for all uses of one kind."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import is_floating, shape, size
from handgrad.program.tracing import trace
from handgrad.tree import leaves, unflatten
from handgrad.view.graph import Op
from handgrad.view.origins.computing import computed
from handgrad.view.origins.numbers import numbers
from handgrad.view.origins.terms import Terms, is_made, needed
from handgrad.view.summary import as_numpy

SIDE = 8  # of a matrix that is told of entry by entry
MOST = SIDE * SIDE
PARTS = 6_000  # of all entries of a kind
NAMES = {"inf": "Infinity", "-inf": "-Infinity", "nan": "NaN"}
CLOSE = 1e-5  # how far what is told may be from what was computed, for rounding, as a share of the largest


@dataclass(frozen=True)
class Kind:
    """A table of nodes; for each output, and for each input's gradient, the node of each entry.

    Entries are of inputs, then outputs, then outputs' gradients, numbered so.
    """

    nodes: tuple[tuple, ...]
    is_general: bool  # whether it holds for all numbers
    outputs: tuple[tuple[int, ...], ...]
    gradients: tuple[tuple[int, ...] | None, ...]

    def described(self) -> dict[str, Any]:
        """As plain data; numbers that are not finite by their JavaScript names."""
        nodes = [
            key if is_made(key) or len(key) > 1 or math.isfinite(key[0]) else [NAMES[str(key[0])]]
            for key in self.nodes
        ]
        return {"nodes": nodes, "outputs": self.outputs, "gradients": self.gradients}


class Kinds:
    """All kinds of a page, as they are met."""

    def __init__(self, most: int):
        self.most = most  # parts, of all kinds
        self.kinds: list[Kind] = []
        self.known: dict[Hashable, int] = {}

    def of(self, op: Op) -> int:
        """The number of a rule's kind; -1 where its numbers are too many, or cannot be told one by one."""
        if not is_small(op):
            return -1
        key = key_of(op)
        if key in self.known:
            return self.known[key]
        found = kind_of(op) if self.most > 0 else None
        if found is not None:
            self.kinds.append(found)
            self.most -= len(found.nodes)
        number = len(self.kinds) - 1 if found is not None else -1
        if found is None or found.is_general:
            self.known[key] = number
        return number


def is_small(op: Op) -> bool:
    arrays = [*op.outputs, *(use.array for use in op.inputs if use.array is not None)]
    return bool(op.outputs) and all(0 < size(array.value) <= MOST for array in arrays)


def key_of(op: Op) -> Hashable:
    """What an explanation hangs on: the rule, shapes, and of what has no gradient the numbers."""
    parts = [
        use.literal
        if use.array is None
        else (shape(use.array.value), fixed(op, i) and as_numpy(use.array.value).tobytes())
        for i, use in enumerate(op.inputs)
    ]
    options = tuple((name, repr(value)) for name, value in op.options.items())
    return op.rule, options, tuple(parts), tuple(shape(out.value) for out in op.outputs), op.has_gradient


def fixed(op: Op, place: int) -> bool:
    """Whether an input is what it is: labels and indices, which choose."""
    use = op.inputs[place]
    return use.array is None or (not is_floating(use.array.value) and use.dx is None)


def kind_of(op: Op) -> Kind | None:
    """By the rule's own body and backward; where these are not told number by number, by derivatives."""
    for way in (by_program, by_derivatives):
        try:
            found = way(op)
        except Exception:  # a rule may do anything; then its numbers are shown, and not explained
            continue
        if found is not None and is_true(found, op):
            return found
    return None


def is_true(kind: Kind, op: Op) -> bool:
    """Whether all that is told comes to what was computed."""
    arrays = [None if use.array is None else flat(use.array.value) for use in op.inputs]
    arrays += [flat(out.value) for out in op.outputs]
    arrays += [None if out.grad is None else flat(out.grad) for out in op.outputs]
    made = np.array(numbers(kind.nodes, arrays))
    scale = float(np.max(np.abs(made[np.isfinite(made)]), initial=0.0))
    outs = [(nodes, out.value) for nodes, out in zip(kind.outputs, op.outputs, strict=True) if nodes]
    dxs = [(nodes, use.dx) for nodes, use in zip(kind.gradients, op.inputs, strict=True) if nodes is not None]
    return all(is_close(made[list(nodes)], flat(x), scale) for nodes, x in outs + dxs)


def is_close(a: np.ndarray, b: np.ndarray, scale: float) -> bool:
    """Within rounding, which is of the largest number on the way."""
    finite = np.isfinite(b)
    return a.shape == b.shape and np.allclose(a[finite], b[finite], rtol=CLOSE, atol=CLOSE * scale)


def flat(x: Any) -> np.ndarray:
    return as_numpy(x).astype(float).reshape(-1)


def entries(terms: Terms, array: int, own: tuple[int, ...]) -> np.ndarray:
    """An array of its own entries."""
    made = np.empty(math.prod(own), object)
    made[:] = [terms.entry(array, i) for i in range(len(made))]
    return made.reshape(own)


def by_program(op: Op) -> Kind | None:
    """The rule's body and backward, traced, and run on entries.

    What the backward takes of the forward's output is told as the output's entries.
    """
    count = len(op.inputs)
    whole = leaves(list(op.given))
    is_symbol = [use.array is not None and not fixed(op, i) for i, use in enumerate(op.inputs)]
    xs = [np.asarray(as_numpy(x), float) for x, is_one in zip(whole, is_symbol, strict=True) if is_one]
    douts = [np.ones(shape(out.value)) for out in op.outputs] if op.has_gradient else []

    def both(xs: list, douts: list) -> tuple:
        given = iter(xs)
        inputs = unflatten(
            list(op.given), [next(given) if is_one else x for x, is_one in zip(whole, is_symbol, strict=True)]
        )
        made, backward = op.rule.pair(tuple(inputs), op.options)
        if not op.has_gradient:
            return made, [None] * count
        return made, answers(op, backward(tuple(douts) if isinstance(made, tuple) else douts[0]))

    program = trace(both, xs, douts)
    terms = Terms(PARTS)
    arrays = [
        entries(terms, i, shape(use.array.value))
        for i, use in enumerate(op.inputs)
        if is_symbol[i] and use.array
    ]
    outs = [entries(terms, count + i, shape(out.value)) for i, out in enumerate(op.outputs)]
    arrays += [entries(terms, count + len(outs) + i, shape(out.value)) for i, out in enumerate(op.outputs)][
        : len(douts)
    ]
    symbols = leaves(program.outputs[0])
    given = {id(x) for x in leaves(program.inputs)}
    stops = {id(x): out for x, out in zip(symbols, outs, strict=True) if id(x) not in given}
    made, dxs = computed(program, arrays, terms, stops)
    outputs = tuple(told(terms, np.asarray(x)) for x in leaves(made))
    gradients = tuple(
        None if dx is None or use.dx is None else told(terms, np.asarray(dx))
        for dx, use in zip(dxs, op.inputs, strict=True)
    )
    return pruned(terms, True, outputs, gradients)


def pruned(terms: Terms, is_general: bool, outputs: tuple, gradients: tuple) -> Kind:
    nodes, new = needed(terms.nodes, [node for group in (*outputs, *gradients) if group for node in group])
    moved: list[Any] = [
        None if group is None else tuple(new[node] for node in group) for group in (*outputs, *gradients)
    ]
    return Kind(nodes, is_general, tuple(moved[: len(outputs)]), tuple(moved[len(outputs) :]))


def told(terms: Terms, array: np.ndarray) -> tuple[int, ...]:
    return tuple(
        terms.node_of(x.item() if isinstance(x, np.ndarray) else x) for x in array.reshape(-1).tolist()
    )


def answers(op: Op, dxs: tuple) -> list[Any]:
    """What a backward gives for each array of the inputs; of nested ones that have none, for each none."""
    pairs = zip(op.given, dxs, strict=True)
    return [dx for x, own in pairs for dx in (leaves(own) if own is not None else [None] * len(leaves(x)))]


def by_derivatives(op: Op) -> Kind | None:
    """Of the gradients alone: each dout times the derivative there, which the backward gives for a single 1.

    A backward is linear in ``dout``, whatever else it is.
    """
    if not op.has_gradient:
        return None
    values = [as_numpy(out.value) for out in op.outputs]
    terms, first = Terms(PARTS), len(op.inputs) + len(values)
    douts = [terms.entry(first + k, j) for k, value in enumerate(values) for j in range(value.size)]
    rows = [answers(op, op.backward(one)) for one in units(values, len(values) > 1)]
    gradients: list[tuple[int, ...] | None] = []
    for i, use in enumerate(op.inputs):
        if use.dx is None:
            gradients.append(None)
            continue
        slopes = np.stack([flat(row[i]) for row in rows]).T.tolist()
        made = [
            terms.sum([terms.product([c, dout]) for dout, c in zip(douts, column, strict=True)])
            for column in slopes
        ]
        gradients.append(tuple(map(terms.node_of, made)))
    return pruned(terms, False, ((),) * len(values), tuple(gradients))


def units(values: list[np.ndarray], several: bool) -> Iterator[Any]:
    """Gradients of the outputs with a single 1, at each place."""
    for k, value in enumerate(values):
        for j in range(value.size):
            douts = [np.zeros(other.shape, other.dtype) for other in values]
            douts[k].reshape(-1)[j] = 1
            yield tuple(douts) if several else douts[0]
