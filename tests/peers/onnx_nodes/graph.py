"""Running a graph of ONNX's nodes."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import helper, numpy_helper

from tests.peers.onnx_nodes import (
    attention,
    elementwise,
    indexing,
    layers,
    losses,
    numbers,
    quantised,
    recurrent,
    reductions,
    resizing,
    shaping,
)

FAMILIES = (
    elementwise,
    reductions,
    shaping,
    indexing,
    layers,
    resizing,
    losses,
    recurrent,
    attention,
    quantised,
    numbers,
)
OPERATORS: dict[str, Callable] = {name: f for family in FAMILIES for name, f in family.TABLE.items()}


AS_THEY_ARE = frozenset(quantised.TABLE.values()) | frozenset(numbers.TABLE.values())
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
HALF = np.dtype(ml_dtypes.bfloat16)


class NoOperator(Exception):
    """A node whose operator is not mapped, or not with these attributes."""


def run(graph: Any, given: dict[str, Any], opset: int) -> list[Any]:
    """The outputs of a graph, of its inputs by name; those of a graph around it are seen too."""
    known = {name: array_of(x) for name, x in given.items()}
    known.update({t.name: numpy_helper.to_array(t) for t in graph.initializer})
    for node in graph.node:
        if node.op_type not in OPERATORS or node.domain not in DOMAINS:
            raise NoOperator(f"{node.domain}{':' if node.domain else ''}{node.op_type}")
        inputs = [known[name] if name else None for name in node.input]
        outs = call(OPERATORS[node.op_type], inputs, attributes(node, known, opset), len(node.output), opset)
        known.update(zip(node.output, outs, strict=False))
    return [known[output.name] for output in graph.output]


def call(function: Callable, inputs: list, options: dict, outputs: int, opset: int) -> tuple:
    """The operator's outputs; numbers of bfloat16, which NumPy does not know, are float32 meanwhile."""
    is_half = function not in AS_THEY_ARE and any(getattr(x, "dtype", None) == HALF for x in inputs)
    if is_half:
        inputs = [x.astype(np.float32) if getattr(x, "dtype", None) == HALF else x for x in inputs]
    about = {"outputs": outputs, "opset": opset}
    wanted = {name: value for name, value in about.items() if name in parameters(function)}
    out = function(*inputs, **options, **wanted)
    outs = out if isinstance(out, tuple) else (out,)
    return tuple(x.astype(HALF) if x.dtype == np.float32 else x for x in outs) if is_half else outs


def array_of(x: Any) -> Any:
    return numpy_helper.to_array(x) if isinstance(x, onnx.TensorProto) else x


@functools.cache
def parameters(function: Callable) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def attributes(node: Any, known: dict, opset: int) -> dict[str, Any]:
    return {a.name: value_of(a, known, opset) for a in node.attribute}


def value_of(attribute: Any, known: dict, opset: int) -> Any:
    value = helper.get_attribute_value(attribute)
    if isinstance(value, onnx.GraphProto):
        return body(value, known, opset)
    if isinstance(value, onnx.TensorProto):
        return numpy_helper.to_array(value)
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, (list, tuple)) or hasattr(value, "__len__"):
        return [v.decode() if isinstance(v, bytes) else v for v in value]
    return value


def body(graph: Any, known: dict, opset: int) -> Callable:
    """A graph inside a node, as a function of its inputs."""

    def function(*inputs: Any) -> list[Any]:
        names = (x.name for x in graph.input)
        return run(graph, known | dict(zip(names, inputs, strict=False)), opset)

    return function
