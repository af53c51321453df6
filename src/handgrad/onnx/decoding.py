"""From ONNX's messages to graphs that run; all that is missing is found before anything does."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from handgrad.onnx.graph import Graph, Node, OnnxError, parameters
from handgrad.onnx.operators import OPERATORS
from handgrad.onnx.operators.recurrent import unusual_activations

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
SAYS_NOTHING = frozenset({"consumed_inputs", "is_test"})
"""Attributes of the first versions that change nothing in evaluation."""
SHOWN = 3  # nodes that are named of an operator that is missing


class Decoder:
    """Decodes the graphs of one model, and notes what handgrad lacks for them."""

    def __init__(self, opsets: dict[str, int], functions: Iterable[Any] = ()):
        self.opset = opsets.get("", opsets.get("ai.onnx", 1))
        self.functions = {(text(f.domain), text(f.name)): f for f in functions}
        self.missing: dict[str, list[str]] = defaultdict(list)
        self.open: list[tuple[str, str]] = []  # functions of the model that are being decoded

    def graph(self, proto: Any, around: frozenset[str] = frozenset(), bound: Any = None) -> Graph:
        """A graph, which may read what is known around it.

        Raises:
            OnnxError: it is not sound.
        """
        initial = {text(t.name): array_of(t) for t in proto.initializer}
        if proto.sparse_initializer:
            self.missing["sparse initialisers"].append(proto.sparse_initializer[0].values.name)
        inputs = names_of(proto.input)
        nodes = self.nodes(proto.node, around | set(inputs) | set(initial), bound)
        weights = {node.outputs[0]: x for node in nodes if (x := weight_of(node)) is not None}
        rest = tuple(node for node in nodes if not node.outputs or node.outputs[0] not in weights)
        outputs = names_of(proto.output)
        return Graph(inputs, outputs, {**initial, **weights}, rest, self.opset)

    def nodes(self, protos: Any, around: Iterable[str], bound: Any = None) -> tuple[Node, ...]:
        known = frozenset(around)
        made = []
        for place, proto in enumerate(protos):
            node = self.node(proto, place, known, bound or {})
            unknown = [name for name in node.inputs if name and name not in known]
            if unknown:
                raise OnnxError(f"{node.label} reads {unknown[0]!r}, which nothing before it makes")
            known |= set(node.outputs)
            made.append(node)
        return tuple(made)

    def node(self, proto: Any, place: int, known: frozenset[str], bound: dict[str, Any]) -> Node:
        inputs, outputs = tuple(map(text, proto.input)), tuple(map(text, proto.output))
        name = text(proto.name) or (outputs[0] if outputs else str(place))
        domain, kind = text(proto.domain), text(proto.op_type)
        operator = f"{domain}:{kind}" if domain not in DOMAINS else kind
        label = f"{operator} {name!r}"
        own = [bound.get(a.ref_attr_name) if a.ref_attr_name else a for a in proto.attribute]
        names = names_of(proto.attribute)
        given = {name: a for name, a in zip(names, own, strict=True) if a is not None}
        key = (domain, kind)
        options: dict[str, Any]
        if key in self.functions:
            function, options = self.function(key, given), {}
        else:
            function = OPERATORS.get(operator, unknown)
            options = {k: self.value(a, known) for k, a in given.items() if k not in SAYS_NOTHING}
            lacking = self.lacking(operator, options)
            if lacking:
                self.missing[lacking].append(name)
        parents = tuple(text(proto.name).strip("/").split("/")[:-1])
        return Node(label, operator, function, inputs, outputs, options, parents)

    def lacking(self, operator: str, options: dict[str, Any]) -> str:
        """What handgrad lacks for an operator with these attributes, or nothing."""
        if operator not in OPERATORS:
            return operator
        taken = parameters(OPERATORS[operator])
        strange = [] if "**" in taken else [k for k in options if k not in taken]
        if strange:
            return f"{operator} with {', '.join(strange)}"
        odd = unusual_activations(operator, options.get("activations"))
        return f"{operator} with activations {', '.join(odd)}" if odd else ""

    def function(self, key: tuple[str, str], given: dict[str, Any]) -> Any:
        """One of the model's own functions, as one of arrays."""
        proto = self.functions[key]
        if key in self.open:
            raise OnnxError(f"the function {':'.join(key)} calls itself")
        usual = dict(zip(names_of(proto.attribute_proto), proto.attribute_proto, strict=True))
        self.open.append(key)
        inputs, outputs = tuple(map(text, proto.input)), tuple(map(text, proto.output))
        nodes = self.nodes(proto.node, inputs, {**usual, **given})
        self.open.pop()
        graph = Graph(inputs, outputs, {}, nodes, self.opset)

        def run(*inputs: Any) -> tuple:
            whole = [*inputs, *[None] * (len(graph.inputs) - len(inputs))]
            return tuple(graph.run(dict(zip(graph.inputs, whole, strict=False))))

        return run

    def value(self, attribute: Any, known: frozenset[str]) -> Any:
        kind = onnx.AttributeProto
        if attribute.type == kind.GRAPH:
            return self.graph(attribute.g, known)
        try:
            value = helper.get_attribute_value(attribute)
            if isinstance(value, bytes):
                return value.decode()
        except (ValueError, TypeError) as error:
            raise OnnxError(f"the attribute {attribute.name!r} cannot be read: {error}") from None
        if isinstance(value, float):
            return float(str(np.float32(value)))  # what was meant: 1e-05, which is no number of 32 bits
        if isinstance(value, onnx.TensorProto):
            return array_of(value)
        if isinstance(value, (list, tuple)) or hasattr(value, "__len__"):
            return [v.decode(errors="replace") if isinstance(v, bytes) else v for v in value]
        return value

    def told(self) -> str:
        """All that is missing, each with nodes that need it."""
        return "; ".join(
            f"{what} ({', '.join(nodes[:SHOWN])}{f' and {len(nodes) - SHOWN} more' * (len(nodes) > SHOWN)})"
            for what, nodes in sorted(self.missing.items())
        )


def text(name: Any) -> str:
    """A name, which a damaged file has as bytes.

    Raises:
        OnnxError: it is no text.
    """
    if not isinstance(name, str):
        raise OnnxError(f"a name is no text: {name[:20]!r}")
    return name


def names_of(messages: Any) -> tuple[str, ...]:
    return tuple(text(x.name) for x in messages)


def weight_of(node: Node) -> np.ndarray | None:
    """The array of a constant that may be a weight: some write all weights so."""
    x = node.options.get("value") if node.operator == "Constant" else None
    return x if isinstance(x, np.ndarray) and x.ndim and x.size > 1 and x.dtype.kind == "f" else None


def unknown(*inputs: Any, **options: Any) -> Any:
    raise OnnxError("there is no such operator here")


def array_of(tensor: Any) -> np.ndarray:
    """The array of a tensor, which is of its shape.

    Raises:
        OnnxError: it is damaged.
    """
    try:
        made = numpy_helper.to_array(tensor)
    except Exception as error:  # of whatever kind: the message is not what it says it is
        raise OnnxError(f"the array {tensor.name!r} cannot be read: {' '.join(str(error).split())}") from None
    if made.shape != tuple(tensor.dims):
        raise OnnxError(f"the array {tensor.name!r} has shape {made.shape}, and says {tuple(tensor.dims)}")
    return made
