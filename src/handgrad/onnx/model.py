"""A model of ONNX as a layer: its weights are parameters, its nodes rules."""

from __future__ import annotations

import dataclasses
import json
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from handgrad.arrays import is_array, shape
from handgrad.layers.layer import Layer
from handgrad.onnx.decoding import Decoder, text
from handgrad.onnx.graph import STATES, Graph, OnnxError
from handgrad.onnx.operators import CONSTANT

NAMED = 6  # inputs that an error names


@dataclasses.dataclass(frozen=True)
class Taken:
    """What an input is: its name, the dtype of its numbers, and its sizes, None where one is free."""

    name: str
    dtype: Any
    sizes: tuple[int | None, ...] | None

    def check(self, x: Any) -> None:
        """Raise an OnnxError where x is not of its shape or kind."""
        if not is_array(x) or self.dtype is None:
            return
        own, dtype = shape(x), x.dtype if hasattr(x, "dtype") else np.result_type(x)
        if self.sizes is not None and (
            len(own) != len(self.sizes)
            or any(n not in (None, m) for n, m in zip(self.sizes, own, strict=True))
        ):
            raise OnnxError(f"the input {self.name!r} is of shape {self.shape}, got {own}")
        if dtype.kind != self.dtype.kind and (dtype.kind in "fc" or self.dtype.kind != "f"):
            raise OnnxError(f"the input {self.name!r} is of {self.dtype}, got {dtype}")

    @property
    def shape(self) -> str:
        sizes = ["any" if n is None else str(n) for n in self.sizes or ()]
        return f"({', '.join(sizes)}{',' * (len(sizes) == 1)})"


class OnnxNetwork(Layer):
    """A model of ONNX: ``net(x, ...)``, of its inputs in their order or by name.

    What it gives is its output, or a tuple of them. ``params`` are its floating initialisers with at least
    one axis, by their names; the running statistics of batch norms are states, and all else is constant. It
    computes as it was exported, in training as in evaluation. ``inputs`` and ``outputs`` are their names.

    Examples:
        >>> net, x = hg.layers.mlp([4, 3, 2], seed=0), np.ones((1, 4), np.float32)
        >>> _ = hg.to_onnx(net, x, path="net.onnx")
        >>> again = hg.from_onnx("net.onnx")
        >>> type(again).__name__, sorted(again.parameters()) == sorted(net.parameters())
        ('OnnxNetwork', True)
    """

    def __init__(
        self,
        graph: Graph,
        taken: tuple[Taken, ...],
        title: str = "",
        dtype: Any = None,
        states: Collection[str] = (),
    ):
        self.graph, self.taken, self.title = graph, taken, title
        self.inputs = tuple(x.name for x in taken)
        self.outputs = graph.outputs
        statistics, constant = roles(graph)
        graphs = [graph, *graph.within()]
        uses = Counter(name for own in graphs for name in own.initial)
        for own in graphs:
            for name, x in own.initial.items():
                if x.dtype.kind != "f":
                    continue
                if dtype is not None:
                    x = own.initial[name] = x.astype(dtype)
                if name in statistics or name in states:
                    self.state[name] = x
                elif x.ndim and name not in constant and uses[name] == 1:
                    self.params[name] = x

    def forward(self, *xs: Any, **named: Any) -> Any:
        given = self.given(xs, named)
        outs = self.graph.run({**self.params, **self.state, **given})
        return outs[0] if len(outs) == 1 else tuple(outs)

    def given(self, xs: tuple, named: dict[str, Any]) -> dict[str, Any]:
        """Inputs by name.

        Raises:
            OnnxError: there are others, or one is of another shape or kind.
        """
        given = {**dict(zip(self.inputs, xs, strict=False)), **named}
        lacking = [x.name for x in self.taken if x.name not in given]
        strange = [name for name in named if name not in self.inputs]
        if len(xs) > len(self.inputs) or lacking or strange:
            wanted = ", ".join(f"{x.name} {x.shape}" for x in self.taken[:NAMED])
            raise OnnxError(
                f"it takes {len(self.inputs)} inputs, {wanted}, and got {len(xs)} in order"
                + f" and {', '.join(named)} by name" * bool(named)
            )
        for x in self.taken:
            x.check(given[x.name])
        return {name: np.asarray(x) if isinstance(x, (int, float)) else x for name, x in given.items()}

    def describe(self) -> str:
        return f"OnnxNetwork({self.title!r}, {len(self.graph.nodes)} nodes)"


def roles(graph: Graph) -> tuple[set[str], set[str]]:
    """The names of running statistics, and of what nodes take as no array of a network."""
    statistics: set[str] = set()
    constant: set[str] = set()
    for own in [graph, *graph.within()]:
        for node in own.nodes:
            found = {node.inputs[i] for i in CONSTANT.get(node.operator, ()) if i < len(node.inputs)}
            (statistics if node.operator == "BatchNormalization" else constant).update(found)
    return statistics, constant


def from_onnx(path: str | Path | bytes, dtype: Any = None) -> OnnxNetwork:
    """A model of ONNX as a layer, ``net(x, ...)``, whose weights are its parameters.

    So it is differentiated (``hg.grad`` of ``net.bind(params)(x)``), trained further (``Trainer``), checked,
    shown and compiled as any other; ``hg.to_onnx`` writes it again.

    Args:
        path: a file, or what is in one.
        dtype: what its floating weights are made, such as ``np.float64``.

    Raises:
        FileNotFoundError: there is no such file.
        OnnxError: it is damaged, or needs operators that handgrad does not have, all of which are named.
        ImportError: onnx is not installed: ``pip install "handgrad[onnx]"``.

    Examples:
        >>> net, x = hg.layers.mlp([4, 3, 2], seed=0), np.ones((1, 4), np.float32)
        >>> _ = hg.to_onnx(net, x, path="net.onnx")
        >>> bool(np.allclose(hg.from_onnx("net.onnx")(x), net(x), atol=1e-6))
        True
    """
    data = path if isinstance(path, bytes) else Path(path).read_bytes()
    title = "" if isinstance(path, bytes) else Path(path).name
    proto = read(data, title, None if isinstance(path, bytes) else Path(path).parent)
    try:
        opsets = {text(o.domain): o.version for o in proto.opset_import}
        decoder = Decoder(opsets, proto.functions)
        graph = decoder.graph(proto.graph)
        made = {name for node in graph.nodes for name in node.outputs} | {*graph.inputs, *graph.initial}
        taken = tuple(taken_as(x) for x in proto.graph.input if x.name not in graph.initial)
        unmade = [name for name in graph.outputs if name not in made]
        if unmade:
            raise OnnxError(f"nothing makes its output {unmade[0]!r}")
    except OnnxError as error:
        raise OnnxError(f"{title or 'the model'} is not sound: {error}") from None
    except RecursionError:
        raise OnnxError(f"{title or 'the model'} is not sound: graphs in graphs without an end") from None
    if decoder.missing:
        raise OnnxError(f"{title or 'the model'} needs what handgrad does not have: {decoder.told()}")
    said = {p.key: p.value for p in proto.metadata_props}.get(STATES, "[]")
    return OnnxNetwork(graph, taken, title, dtype, states_of(said))


def states_of(said: str) -> list[str]:
    """The names of states, as handgrad writes them into a model."""
    try:
        names = json.loads(said)
    except ValueError:
        return []
    return [name for name in names if isinstance(name, str)] if isinstance(names, list) else []


def read(data: bytes, title: str, folder: Path | None) -> Any:
    """The message of a file, with what lies in files beside it.

    Raises:
        OnnxError: it is none, or damaged.
    """
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError:
        raise OnnxError(f"{title or 'the model'} is no file of ONNX, or damaged") from None
    if not proto.graph.output:
        raise OnnxError(f"{title or 'the model'} is no file of ONNX, or damaged: its graph has no outputs")
    if folder is not None:
        try:
            onnx.load_external_data_for_model(proto, str(folder))
        except Exception as error:  # of whatever kind, it cannot be read
            what = " ".join(str(error).split())
            raise OnnxError(f"{title}: its arrays, in a file beside it, cannot be read: {what}") from None
    return proto


def taken_as(proto: Any) -> Taken:
    """What an input's message says of it."""
    kind = proto.type.tensor_type
    if not proto.type.HasField("tensor_type") or not kind.elem_type:
        return Taken(proto.name, None, None)
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(kind.elem_type)
    except (KeyError, ValueError):
        raise OnnxError(f"the input {proto.name!r} is of a kind {kind.elem_type} that is not known") from None
    if not kind.HasField("shape"):
        return Taken(proto.name, dtype, None)
    sizes = (d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    return Taken(proto.name, dtype, tuple(n if n is None or n > 0 else None for n in sizes))
