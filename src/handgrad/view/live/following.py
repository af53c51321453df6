"""All that a page shows of a graph, as outputs of one program of its inputs, its parameters and its targets.

The target is recorded a second time, on symbols. So the graph of the page and the program are made by the
same code, and are compared rule by rule; what branches on a value, or is computed outside of rules, is
refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.arrays import Recorded, is_array, is_floating, shape, stripped
from handgrad.layers import Layer
from handgrad.program import Program, stable_trace
from handgrad.program.symbol import Symbol
from handgrad.program.tracing import Unstable
from handgrad.tape.variable import ones
from handgrad.tree import leaves, unflatten
from handgrad.view.answers import PROBABILITIES, answers
from handgrad.view.description import EXAMPLES
from handgrad.view.equations import local_derivatives, partial_sums, returned
from handgrad.view.graph import Graph, Op
from handgrad.view.modules import is_module
from handgrad.view.recording import Recording
from handgrad.view.running import Run, is_recorded

Site = tuple[Hashable, ...]
"""Where something is shown: ("value", array), ("dx", op, slot), ("partial", array, box), ..."""


class NotLive(ValueError):
    """What cannot be recomputed in a page."""


@dataclass(frozen=True)
class Followed:
    """A program of all that a graph shows.

    Attributes:
        program: of ``inputs``, with an output for each of ``outputs``.
        inputs: the number of the graph's array that each of its inputs is; -1 for one that is not drawn.
        names: of its inputs those that are parameters and states of a network; "" for others.
        given: what each of its inputs is at first.
        places: by site the number of the program's output, or -1 - n for its input n.
    """

    program: Program
    inputs: list[int]
    names: list[str]
    given: list[Any]
    places: dict[Site, int]


@dataclass(frozen=True)
class Called:
    """What is recorded, twice: once on numbers, once on symbols."""

    target: Any
    inputs: tuple
    loss: Callable | None
    t: Any
    dout: Any
    with_states: bool = False  # whether a network's states may change too

    def __post_init__(self) -> None:
        if is_recorded(self.target):
            raise NotLive(
                "live=True computes again what is shown, and a result that was computed already cannot be: "
                "give the function and its inputs"
            )
        if is_module(self.target):
            raise NotLive("live=True is for rules and layers of handgrad: PyTorch's own cannot be in a page")

    def floating(self) -> Called:
        """With inputs that can be moved a little: whole numbers as floats, if there is no float among them.

        Of a network whole numbers stay, and say which.
        """
        numbers = [x for x in leaves(list(self.inputs)) if is_array(x) and not isinstance(x, Recorded)]
        if isinstance(self.target, Layer) or any(map(is_floating, numbers)):
            return self
        moved = [float(x) if shape(x) == () else np.asarray(x, float) for x in numbers]
        waiting = iter(moved)
        flat = [next(waiting) if is_array(x) else x for x in leaves(list(self.inputs))]
        return Called(self.target, tuple(unflatten(list(self.inputs), flat)), self.loss, self.t, self.dout)

    def parameters(self) -> dict[str, Any]:
        return self.target.parameters() if isinstance(self.target, Layer) else {}

    def states(self) -> dict[str, Any]:
        return self.target.states() if self.with_states else {}

    def recorded(self, params: Any, states: Any, inputs: tuple, t: Any, has_batch: bool) -> Recording:
        """The graph of symbols."""
        target = self.target
        if isinstance(target, Layer):
            target = target.bind(params, states) if self.with_states else target.bind(params)
        return Recording(Run(target, inputs, self.loss, t, has_batch), self.dout, is_shaken=False)


def followed(called: Called, graph: Graph) -> Followed:
    """The program of all that a graph shows.

    Raises:
        NotLive: it branches on a value, draws random numbers without a key, or computes some of what rules
            are given outside of them.
    """
    found: dict[str, Any] = {}
    t_is_input = is_array(called.t)

    def shown(params: Any, states: Any, inputs: tuple, t: Any) -> list[Any]:
        drawn = called.recorded(params, states, inputs, t if t_is_input else called.t, bool(graph.examples))
        check_same(graph, drawn)
        given = leaves((params, states, inputs, t))
        symbols = Symbols(given)
        drawn_as = {id(array.value): array.number for array in drawn.arrays}
        found["inputs"] = [drawn_as.get(id(x), -1) for x in given if isinstance(x, Symbol)]
        found["places"] = {site: symbols.place(x) for site, x in sites(graph, drawn)}
        return symbols.outputs

    own = {**called.parameters(), **called.states()}
    given = (called.parameters(), called.states(), called.inputs, called.t if t_is_input else None)
    try:
        with np.errstate(all="ignore"):
            program = stable_trace(shown, *given)
    except Unstable as error:
        raise NotLive(f"live=True needs a computation that is the same each time: {error}") from None
    except (TypeError, ValueError) as error:
        if isinstance(error, NotLive):
            raise
        raise NotLive(f"live=True cannot follow this computation: {error}") from error
    numbers = [x for x in leaves(given) if is_array(x)]
    places = {site: at for site, at in found["places"].items() if at is not None}
    names = [*own, *[""] * (len(numbers) - len(own))]
    return Followed(program, found["inputs"], names, numbers, places)


class Symbols:
    """What a program is to give, each once; what it is given needs no output."""

    def __init__(self, inputs: list[Any]):
        self.known = {id(x): -1 - n for n, x in enumerate(x for x in inputs if isinstance(x, Symbol))}
        self.outputs: list[Symbol] = []

    def place(self, x: Any) -> int | None:
        """The number of an output, -1 - n for an input n, None for what is always the same."""
        x = stripped(x)
        if not isinstance(x, Symbol):
            return None
        if id(x) not in self.known:
            self.known[id(x)] = len(self.outputs)
            self.outputs.append(x)
        return self.known[id(x)]


def check_same(graph: Graph, drawn: Recording) -> None:
    """That both recordings have the same rules, between the same arrays.

    Raises:
        NotLive: they differ.
    """
    if len(graph.ops) != len(drawn.ops):
        raise NotLive(
            f"live=True cannot follow this computation: it used {len(graph.ops)} rules on numbers and "
            f"{len(drawn.ops)} on symbols"
        )
    for op, again in zip(graph.ops, drawn.ops, strict=True):
        arrays = [[use.array.number if use.array else -1 for use in each.inputs] for each in (op, again)]
        given = again.given
        is_hidden = any(
            use.array is None and isinstance(stripped(x), Symbol)
            for use, x in zip(again.inputs, leaves(list(given)), strict=True)
        )
        if op.rule is not again.rule or arrays[0] != arrays[1] or is_hidden:
            raise NotLive(
                f"live=True cannot follow this computation: what {op.name} (rule {op.number + 1}) is given "
                f"was computed outside of rules, from values; write that with rules too"
            )


def sites(graph: Graph, drawn: Recording) -> Iterator[tuple[Site, Any]]:
    """Each place where something is shown, with what is shown there: of both graphs in the same order."""
    for array, again in zip(graph.arrays, drawn.arrays, strict=True):
        yield ("value", array.number), again.value
        if array.grad is not None:
            yield ("grad", array.number), again.grad
        if array.dout is not None:
            yield ("dout", array.number), again.dout
        for box in partial_sums(array):
            uses = [use for use in array.uses if any(above.number == box for above in use.op.box.above())]
            pairs = [(use.op.number, use.op.inputs.index(use)) for use in uses]
            yield ("partial", array.number, box), returned([drawn.ops[o].inputs[i] for o, i in pairs])[0]
    for op, same in zip(graph.ops, drawn.ops, strict=True):
        for slot, (use, used) in enumerate(zip(op.inputs, same.inputs, strict=True)):
            if use.dx is not None:
                yield ("dx", op.number, slot), used.dx
        yield from locals_of(op, same)
        yield from answers_of(op, (same.given, same.options))


def locals_of(op: Op, again: Op) -> Iterator[tuple[Site, Any]]:
    """Derivatives of the output by an input, where they have the input's shape."""
    wanted = [slot for slot, local in enumerate(local_derivatives(op)) if local is not None]
    if wanted:
        dxs = again.backward(ones(again.outputs[0].value))
        for slot in wanted:
            yield ("local", op.number, slot), dxs[slot]


def answers_of(op: Op, given: tuple[tuple, dict]) -> Iterator[tuple[Site, Any]]:
    """What is told of each example at a loss: its own loss, and the probabilities."""
    count = next((shape(use.array.value)[0] for use in op.inputs if use.array and use.array.per_example), 0)
    inputs, options = given
    for i, found in enumerate(answers(op, min(count, EXAMPLES))):
        rows = [use.array is not None and use.array.per_example for use in op.inputs]
        row = tuple(x[i : i + 1] if has_row else x for x, has_row in zip(inputs, rows, strict=True))
        yield ("own", op.number, i), op.rule.pair(row, options)[0]
        if "chances" in found:
            yield ("chances", op.number, i), PROBABILITIES[op.rule](row[0])
            yield ("label", op.number, i), row[1]


@contextlib.contextmanager
def compiling() -> Iterator[None]:
    """With errors of the engine said in a sentence.

    Raises:
        NotLive: there is no engine, an operation is not of WebAssembly, or the arrays are too large.
    """
    try:
        from handgrad.engine.nodes import NotCompiled
    except ImportError as error:
        raise NotLive(f"live=True needs the engine, which is not installed: {error}") from error
    try:
        yield
    except NotCompiled as error:
        raise NotLive(f"live=True cannot put this computation into a page: {error}") from error
    except MemoryError as error:
        raise NotLive(f"live=True cannot put this computation into a page: {error}") from error
