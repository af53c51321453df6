"""Any function of rules as a model of ONNX: its program, operation by operation."""

from __future__ import annotations

import inspect
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import checker, helper, numpy_helper

from handgrad.arrays import is_array, shape
from handgrad.files import write_atomically
from handgrad.layers.layer import Layer
from handgrad.onnx.graph import STATES, OnnxError
from handgrad.onnx.writing import elementwise, shaping, windows
from handgrad.onnx.writing.loops import scan
from handgrad.onnx.writing.sizes import Alike, Fixed, of_any_batch
from handgrad.onnx.writing.writer import NotInOnnx, Writer, described
from handgrad.program import Program, stable_trace
from handgrad.program.passes import common_subexpressions, constants, dead_code
from handgrad.program.program import Operation, symbols
from handgrad.tree import leaves, named_leaves

OPSET, IR_VERSION = 18, 8
TABLE: dict[str, Callable] = {**elementwise.TABLE, **shaping.TABLE, **windows.TABLE}
"""A function for each operation of programs: it writes the nodes, and gives the name of what they make."""


def to_onnx(
    f: Callable,
    *examples: Any,
    path: str | Path | None = None,
    inputs: Sequence[str] | None = None,
    outputs: Sequence[str] | None = None,
    batch: str | None = "auto",
) -> Any:
    """A layer, or any function of rules, as a model of ONNX (opset 18), which is also written to ``path``.

    A layer is as in evaluation, its parameters and states initialisers by their names. What is computed is
    the program of ``f(*examples)``, of which shapes and dtypes count. Where the program allows, the first
    axis of all inputs is free, N; what does not allow it is said by ``batch="N"``.

    Args:
        examples: arrays, or nested lists, tuples and dicts of them.
        inputs, outputs: names; by default those of the function's parameters, and ``out``.
        batch: "auto"; "N", the first axis must be free; or None, it is as in the examples.

    Raises:
        OnnxError: ONNX has no operators for some operations, all of which are named, each with its rule; or
            ``batch="N"``, and the program holds for one number of examples alone.
        TypeError: ``f`` branches on a value, or computes something else at each call.
        ImportError: onnx is not installed: ``pip install "handgrad[onnx]"``.

    Examples:
        >>> net, x = hg.layers.mlp([4, 3, 2], seed=0), np.ones((1, 4), np.float32)
        >>> [node.op_type for node in hg.to_onnx(net, x).graph.node]
        ['Shape', 'Reshape', 'MatMul', 'Add', 'Max', 'MatMul', 'Add', 'Identity']
    """
    if batch not in ("auto", "N", None):
        raise ValueError(f'batch is "auto", "N" or None, not {batch!r}')
    if not examples:
        raise TypeError("to_onnx(f, x) needs an example of each input")
    title = type(f).__name__ if isinstance(f, Layer) else getattr(f, "__name__", type(f).__name__)
    given = argument_names(f, examples, inputs)
    proto = model_of(*taken_apart(f), examples, title, given, outputs, batch)
    if path is not None:
        write_atomically(Path(path), proto.SerializeToString())
    return proto


def model_of(
    f: Callable,
    held: tuple[dict[str, Any], ...],
    examples: tuple,
    title: str,
    inputs: Sequence[str],
    outputs: Sequence[str] | None = None,
    batch: str | None = "auto",
) -> Any:
    """``f(*held, *examples)`` as a model, in which arrays that are held are initialisers by their names."""
    if batch is not None:
        try:
            return Model(of_any_batch(f, simplified, held, examples), held, inputs, outputs, title).proto()
        except (Fixed, OnnxError) as error:
            if batch == "N":
                raise OnnxError(f"its batch is not free: {error}") from error
    program = simplified(stable_trace(f, *held, *examples))
    return Model(program, held, inputs, outputs, title).proto()


def taken_apart(f: Callable) -> tuple[Callable, tuple[dict[str, Any], ...]]:
    """The function with what it holds as arguments, and these by name."""
    if not isinstance(f, Layer):
        return f, ()
    bound = f.bind().evaluate()

    def run(params: dict, states: dict, *xs: Any) -> Any:
        return bound.bind(params, states)(*xs)

    return run, (f.parameters(), f.states())


def simplified(program: Program) -> Program:
    """Without what nobody reads, or what was computed before; contractions of windows left as they are."""
    with np.errstate(all="ignore"):
        return dead_code(constants(common_subexpressions(dead_code(program))))


def argument_names(f: Callable, examples: tuple, given: Sequence[str] | None) -> list[str]:
    """A name for each array of the examples, in their order."""
    count = sum(map(is_array, leaves(examples)))
    if given is not None:
        if len(given) != count or len(set(given)) != count:
            raise ValueError(f"inputs names each of {count} arrays once, not {list(given)}")
        return list(given)
    try:
        parameters = inspect.signature(f.forward if isinstance(f, Layer) else f).parameters.values()
        own = [p.name for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        own = []
    if isinstance(f, Layer) and hasattr(f, "inputs"):
        own = list(f.inputs)
    own += [f"x{i}" for i in range(len(own), len(examples))]
    pairs = (pair for name, tree in zip(own, examples, strict=False) for pair in named_leaves(tree, name))
    return [name for name, x in pairs if is_array(x)]


class Model:
    """A program that is written: its graph, of held arrays as initialisers."""

    def __init__(
        self,
        program: Program,
        held: tuple[dict[str, Any], ...],
        inputs: Sequence[str],
        outputs: Sequence[str] | None,
        title: str,
    ):
        self.program, self.title, self.held = program, title, held
        self.problems: dict[str, list[str]] = defaultdict(list)
        self.w = Writer()
        arrays = [pair for tree in held for pair in tree.items()]
        taken = symbols(program.inputs)
        self.inputs = taken[len(arrays) :]
        for (name, x), symbol in zip(arrays, taken, strict=False):
            self.w.names[id(symbol)] = self.w.fresh(name)
            self.w.initial[self.w.names[id(symbol)]] = np.asarray(x)
        for name, symbol in zip(inputs, self.inputs, strict=True):
            self.w.names[id(symbol)] = self.w.fresh(name)
        self.w.taken.update(outputs or ())
        if any(hasattr(n, "slope") for x in self.inputs for n in x.shape):
            self.w.batch = self.batch()
        self.outs = self.output_names(outputs)
        self.write(self.w, program)
        if self.problems:
            raise OnnxError(f"ONNX has no operators for {self.told()}")
        self.given = []
        for name, x in self.outs.items():
            made = self.w.value(x)
            self.w.nodes.append(helper.make_node("Identity", [made], [name], name=name))
            self.given.append(described(name, x.dtype, shape(x)))

    def batch(self) -> str:
        """The number of examples, which the first axis of an input is."""
        first = next(x for x in self.inputs if x.shape and hasattr(x.shape[0], "slope"))
        return self.w.node("Shape", self.w.names[id(first)], start=0, end=1)

    def output_names(self, given: Sequence[str] | None) -> dict[str, Any]:
        found = {name: x for name, x in named_leaves(self.program.outputs, "out") if is_array(x)}
        arrays = [x if hasattr(x, "dtype") else np.asarray(x) for x in found.values()]
        if given is not None and (len(given) != len(arrays) or len(set(given)) != len(given)):
            raise ValueError(f"outputs names each of {len(arrays)} arrays once, not {list(given)}")
        return dict(zip(given or map(self.w.fresh, found), arrays, strict=True))

    def write(self, w: Writer, program: Program) -> None:
        """All operations of a program; what ONNX lacks is noted."""
        makers = {id(out): o for o in program.operations for out in o.outs}
        uses = Counter(id(x) for o in program.operations for x in o.symbols)
        uses.update(map(id, symbols(program.outputs)))
        folded: set[int] = set()
        later = {
            id(o): maker for o in program.operations if (maker := self.joined(o, makers, uses)) is not None
        }
        folded = {id(maker) for maker in later.values()}
        for o in program.operations:
            if id(o) in folded:
                continue
            try:
                made = self.operation(w, o, later.get(id(o)))
            except NotInOnnx as error:
                self.problems[str(error)].append(o.origin)
                made = ["?"] * len(o.outs)
            w.names.update(zip(map(id, o.outs), made, strict=True))

    def joined(self, o: Operation, makers: dict[int, Operation], uses: Counter[int]) -> Operation | None:
        """What made an argument, if both may be one node: windows of a convolution or of pooling."""
        if o.name not in windows.WAYS:
            return None
        for x in o.symbols:
            maker = makers.get(id(x))
            if (
                maker is not None
                and uses[id(x)] == 1
                and maker.name == ("einsum" if o.name == "unwindows" else "windows")
            ):
                trial = Writer(self.w)
                trial.names = _Any()
                if windows.WAYS[o.name](trial, o, maker) is not None:
                    return maker
        return None

    def operation(self, w: Writer, o: Operation, maker: Operation | None) -> list[str]:
        is_sum = o.name in ("einsum", "matmul", "sum", "unwindows", "scatter_add")
        if all(0 in out.shape for out in o.outs) or (is_sum and any(0 in x.shape for x in o.symbols)):
            return [w.value(Alike(out.dtype.type(0), out.shape)) for out in o.outs]
        if o.name == "scan":
            return scan(w, o, self.write)
        if maker is not None:
            made = windows.WAYS[o.name](w, o, maker)
            assert made is not None
            return [made]
        if o.name not in TABLE:
            raise NotInOnnx(o.args[0] if o.name == "factors" else o.name)
        return [TABLE[o.name](w, o)]

    def told(self) -> str:
        said = []
        for what, origins in self.problems.items():
            rules = ", ".join(dict.fromkeys(filter(None, origins)))
            said.append(f"{what} (in {rules})" if rules else what)
        return "; ".join(said)

    def proto(self) -> Any:
        """The model, which ONNX's checker has looked at."""
        read = set(reads(self.w.nodes))
        initial = [
            numpy_helper.from_array(np.asarray(x, order="C"), name)
            for name, x in self.w.initial.items()
            if name in read
        ]
        taken = [described(self.w.names[id(x)], x.dtype, x.shape) for x in self.inputs]
        graph = helper.make_graph(self.w.nodes, self.title, taken, self.given, initial)
        made = helper.make_model(
            graph,
            producer_name="handgrad",
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=IR_VERSION,
        )
        states = [name for tree in self.held[1:] for name in tree]
        if states:
            helper.set_model_props(made, {STATES: json.dumps(states)})
        checker.check_model(made)
        return made


def reads(nodes: Iterable[Any]) -> Iterator[str]:
    """The names that nodes read, and those of the graphs inside them."""
    for node in nodes:
        yield from node.input
        for attribute in node.attribute:
            yield from reads(attribute.g.node)


class _Any(dict):
    """Names while it is only tried whether something can be written."""

    def __missing__(self, key: int) -> str:
        return "?"
