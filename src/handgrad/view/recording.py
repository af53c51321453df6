"""From something that computes to the graph of its rules, with every value and gradient."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import is_array, shape, size, stripped
from handgrad.tape import Backpropagation, Node, Variable
from handgrad.tape.variable import lowered, ones
from handgrad.tree import leaves, unflatten
from handgrad.view.boxes import Boxes
from handgrad.view.checking import Checks
from handgrad.view.graph import CONSTANT, INPUT, VALUE, Array, Graph, Op, Use
from handgrad.view.rounding import noise_of
from handgrad.view.running import Run, places
from handgrad.view.summary import as_numpy

FIXED = ("reshape", "broadcast_to")  # whose option is the whole shape, so that one row does not fit
OPEN = 40  # rules up to which all boxes begin open


def record(
    target: Any,
    *inputs: Any,
    loss: Callable | None = None,
    t: Any = None,
    dout: Any = None,
    title: str | None = None,
    examples: Sequence[str] = (),
    check: float | Checks = 0.0,
) -> Graph:
    """Run a computation forward and backward, and keep all of it to be looked at.

    Args:
        target: a layer or network; a rule; a function of rules; an object with ``forward``; or a Variable
            (or several) that was recorded already, and then there are no inputs.
        inputs: numbers, arrays, or nested lists of them.
        loss: ``loss(out, t)``, whose gradient is wanted.
        t: what the loss compares with.
        dout: the gradient of the output. Without it, 1: the gradients are those of the output, or where it
            is no number, of the sum of its elements.
        title: of the picture; by default what the target is called.
        examples: names of the batch's rows, the first axis of the first input.
        check: seconds to spend on checking each rule's backward, once for each kind of input, on the first
            values that it saw; or the checks that pictures of one page share.

    Raises:
        TypeError: the target is none of these, nothing in it was computed by rules, or numbers are complex.
        ValueError: ``dout`` or ``examples`` does not fit.
    """
    run = Run(target, inputs, loss, t, has_batch=bool(examples))
    if not any(x.node.rule for x in run.outputs):
        raise TypeError(f"{run.name}: no rule computed anything from its inputs, so there is nothing to show")
    if examples and len(examples) != run.batch:
        rows = run.batch or "no"
        raise ValueError(f"{len(examples)} names in examples, and {rows} rows in the first input")
    drawn = Recording(run, dout)
    graph = drawn.graph(title or run.name, list(examples))
    if check:
        checks = check if isinstance(check, Checks) else Checks(check)
        for op in graph.ops:
            op.verdict = checks.verdict(op, op.given, op.options)
    return graph


class Traced(Backpropagation):
    """Backpropagation that keeps what each rule answered, and how long that took."""

    def __init__(self, seeds: list[tuple[Any, Any]]):
        self.answered: dict[int, tuple[list[Any], float]] = {}  # by a node's order
        super().__init__(seeds)

    def answers(self, node: Node, dout: Any) -> list[tuple[Any, Any]]:
        began = time.perf_counter()
        pairs = super().answers(node, dout)
        self.answered[node.order] = [dx for _, dx in pairs], time.perf_counter() - began
        return pairs


class Recording:
    """The graph under construction: arrays and rules by the variables and nodes that they come from."""

    def __init__(self, run: Run, dout: Any, is_shaken: bool = True):
        self.run = run
        self.level = max(x.level for x in run.outputs)
        outputs = [x for x in run.outputs if x.level == self.level]
        self.boxes = Boxes()
        self.arrays: list[Array] = []
        self.by_key: dict[Any, Array] = {}  # a node's order and output, or the id of a leaf
        self.ops: list[Op] = []
        douts = douts_of(outputs, dout)
        seeds = list(zip(outputs, douts, strict=True))
        traced = Traced(seeds)
        self.grads = {id(x): stripped(dx) for x, dx in traced.run()}
        self.answered = traced.answered
        self.noise: dict[int, list[float]] = {}
        self.moves: dict[int, float] = {}
        if is_shaken:  # of symbols there are no digits to shake
            self.noise, self.moves = noise_of(seeds, traced.answered, self.grads)
        for node in nodes_below(outputs, self.level):
            self.add(node)
        for i, (x, given) in enumerate(zip(outputs, douts, strict=True)):
            array = self.array(x)
            array.name = x.name or (run.end if len(outputs) == 1 else f"{run.end}[{i}]")
            array.dout = stripped(given)

    def graph(self, title: str, examples: list[str]) -> Graph:
        self.mark_batch()
        root, boxes = self.boxes.finished(self.arrays)
        return Graph(title, root, self.ops, self.arrays, boxes, examples, len(self.ops) > OPEN)

    def add(self, node: Node) -> None:
        """One use of a rule, with its arrays."""
        assert node.rule is not None
        op = Op(len(self.ops), node.rule, node.options, self.boxes.of(node.within), backward=node.backward)
        op.box.ops.append(op)
        op.places = [(code.co_filename, line) for code, line in node.callers]
        dxs, op.backward_seconds = self.answered.get(node.order, ([], 0.0))
        slots = zip(node.rule.inputs, node.inputs, strict=True)
        given = [pair for name, x in slots for pair in named(name, x)]
        for i, (name, x) in enumerate(given):
            op.inputs.append(use := self.use(name, x, op))
            if dxs and use.array is not None:
                noise = self.noise[node.order][i] if self.noise else 0.0
                use.is_answered, use.dx, use.noise = True, stripped(dxs[i]), noise
        inputs = tuple(bare(lowered(x, self.level)) for x in node.inputs)
        began = time.perf_counter()
        with np.errstate(all="ignore"):  # what is to be said of it, the first run has said
            outs = node.rule.pair(inputs, node.options)[0]
        op.seconds = time.perf_counter() - began
        op.given = inputs
        self.ops.append(op)
        self.add_outputs(node, op, outs)

    def use(self, name: str, x: Any, op: Op) -> Use:
        is_literal = not self.is_recorded(x) and id(x) not in self.run.known and size(stripped(x)) == 1
        if is_literal or not is_array(stripped(x)):
            return Use(name, None, spelled(x), op)
        used = Use(name, self.array(x, name), "", op)
        assert used.array is not None
        used.array.uses.append(used)
        return used

    def add_outputs(self, node: Node, op: Op, outs: Any) -> None:
        """The arrays that a rule made, of which only some may have been used."""
        several = isinstance(outs, tuple)
        for i, value in enumerate(outs if several else [outs]):
            name = f"{op.name}[{i}]" if several else op.name
            own = self.run.names.of.get((node.order, i), "")
            made = Array(len(self.arrays), own or name, VALUE, value, maker=op, index=i, own_name=own)
            self.arrays.append(made)
            op.outputs.append(made)
            self.by_key[node.order, i] = made

    def array(self, x: Any, name: str = "") -> Array:
        """The array of a variable, or of a constant."""
        key = (x.node.order, x.index) if self.is_recorded(x) and x.node.rule else id(x)
        if key not in self.by_key:
            known = (x.name if self.is_recorded(x) else None) or name
            called, role = self.run.known.get(id(x), (known, INPUT if self.is_recorded(x) else CONSTANT))
            self.by_key[key] = Array(len(self.arrays), called, role, stripped(x))
            self.arrays.append(self.by_key[key])
        found = self.by_key[key]
        if self.is_recorded(x):
            found.value = stripped(x.value)  # what was recorded, should an input have been changed since
            found.grad, found.noise = self.grads.get(id(x)), self.moves.get(id(x), 0.0)
            found.name = x.name or found.name
        return found

    def is_recorded(self, x: Any) -> bool:
        return isinstance(x, Variable) and x.level == self.level

    def mark_batch(self) -> None:
        """Which arrays have the batch as their first axis: made from an input's, and as long."""
        N = self.run.batch
        if N is None:
            return
        for array in self.arrays:
            is_given = array.maker is None and array.role == INPUT
            array.per_example = is_given and shape(array.value)[:1] == (N,)
        for op in self.ops:
            for out in rows_of(op, op.given, op.options, N):
                out.per_example = True


def rows_of(op: Op, inputs: tuple, options: dict, N: int) -> list[Array]:
    """The outputs whose rows come from the batch's, one from one: the first row alone gives the first row."""
    is_row = [use.array is not None and use.array.per_example for use in op.inputs]
    found = [out for out in op.outputs if shape(out.value)[:1] == (N,)]
    if not any(is_row) or not found:
        return []
    flat = [x[:1] if row else x for x, row in zip(leaves(list(inputs)), is_row, strict=True)]
    try:
        outs = op.rule.pair(tuple(unflatten(list(inputs), flat)), options)[0]
    except (ValueError, TypeError, IndexError, RuntimeError):  # RuntimeError is PyTorch's
        return found if op.name in FIXED else []
    alone = outs if isinstance(outs, tuple) else (outs,)
    return [out for out in found if same(as_numpy(alone[out.index]), as_numpy(out.value)[:1])]


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-3, atol=1e-6, equal_nan=True)


def nodes_below(outputs: list[Variable], level: int) -> list[Node]:
    """Every use of a rule that the outputs were computed by, the first one first."""
    met: dict[int, Node] = {}
    waiting: list[Any] = list(outputs)
    while waiting:
        x = waiting.pop()
        if isinstance(x, Variable) and x.level == level and x.node.order not in met and x.node.rule:
            met[x.node.order] = x.node
            waiting += leaves(list(x.node.inputs))
    return [met[order] for order in sorted(met)]


def douts_of(outputs: list[Variable], dout: Any) -> list[Any]:
    """The gradient of each output: as given, or ones.

    Raises:
        ValueError: it has not the outputs' shapes.
    """
    if dout is None:
        return [ones(x.value) for x in outputs]
    given = leaves(dout)
    if [shape(d) for d in given] != [shape(x) for x in outputs]:
        raise ValueError(
            f"dout has {', '.join(str(shape(d)) for d in given)}; the outputs have "
            f"{', '.join(str(shape(x)) for x in outputs)}"
        )
    return given


def named(name: str, x: Any) -> list[tuple[str, Any]]:
    """An input's arrays with their names, where it is nested one by one."""
    return list(zip(places(x, name), leaves(x), strict=True))


def bare(x: Any) -> Any:
    return unflatten(x, [stripped(leaf) for leaf in leaves(x)])


def spelled(x: Any) -> str:
    """A number, or whatever else a rule was given, as it is written in the picture."""
    x = stripped(x)
    if isinstance(x, slice):
        parts = ["" if part is None else str(part) for part in (x.start, x.stop, x.step)]
        return ":".join(parts if x.step is not None else parts[:2])
    return repr(x.item()) if hasattr(x, "item") and size(x) == 1 else repr(x)
