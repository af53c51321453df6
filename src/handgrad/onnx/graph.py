"""ONNX's graphs as they run: nodes as functions of rules, in order."""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import ml_dtypes
import numpy as np

from handgrad.onnx.operators import HALVES_AS_THEY_ARE
from handgrad.rules.rule import describe, note
from handgrad.tape import scope

STATES = "handgrad_states"
"""Where a model that handgrad wrote says which initialisers are states, as JSON."""
HALF = np.dtype(ml_dtypes.bfloat16)
FAULTS = (ArithmeticError, AttributeError, LookupError, MemoryError, OverflowError, TypeError, ValueError)
"""What a node raises whose attributes or inputs do not fit."""


class OnnxError(ValueError):
    """A model that cannot be read, is not sound, or needs what is not here; the message says where.

    Examples:
        >>> hg.from_onnx(b"no model")
        Traceback (most recent call last):
            ...
        handgrad.onnx.graph.OnnxError: the model is no file of ONNX, or damaged
    """


@dataclasses.dataclass(frozen=True)
class Node:
    """One use of an operator: names of arrays in and out ("" where one is left out), and its attributes."""

    label: str
    operator: str
    function: Callable
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    options: dict[str, Any]
    parents: tuple[str, ...] = ()  # the parts that its name says it is in

    def __call__(self, inputs: list, opset: int, known: Mapping[str, Any]) -> tuple:
        """Its outputs; numbers of bfloat16, which NumPy does not know, are float32 meanwhile."""
        is_half = self.function not in HALVES_AS_THEY_ARE and any(map(_is_half, inputs))
        if is_half:
            inputs = [x.astype(np.float32) if _is_half(x) else x for x in inputs]
        options = {k: v.inside(known) if isinstance(v, Graph) else v for k, v in self.options.items()}
        about = {"outputs": len(self.outputs), "opset": opset}
        options |= {name: value for name, value in about.items() if name in parameters(self.function)}
        out = self.function(*inputs, **options)
        outs = out if isinstance(out, tuple) else (out,)
        return tuple(x.astype(HALF) if x.dtype == np.float32 else x for x in outs) if is_half else outs


@dataclasses.dataclass(frozen=True)
class Graph:
    """Nodes in the order in which they run, of inputs and initialisers by name."""

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    initial: dict[str, Any]
    nodes: tuple[Node, ...]
    opset: int

    def run(self, given: Mapping[str, Any]) -> list[Any]:
        """The outputs, of arrays by name: inputs, and what stands in the place of initialisers.

        Raises:
            OnnxError: a node cannot be computed; the message names it.
        """
        known = {**self.initial, **given}
        with Boxes() as boxes:
            for node in self.nodes:
                boxes.enter(node.parents)
                known.update(self.made(node, known))
        missing = [name for name in self.outputs if name not in known]
        if missing:
            raise OnnxError(f"the outputs {', '.join(missing)} were not made")
        return [known[name] for name in self.outputs]

    def made(self, node: Node, known: Mapping[str, Any]) -> dict[str, Any]:
        """What a node gives, by name."""
        inputs = [known[name] if name else None for name in node.inputs]
        try:
            outs = node(inputs, self.opset, known)
        except OnnxError:
            raise
        except FAULTS as error:
            if not all(isinstance(x, np.ndarray | np.generic | list | dict | None) for x in inputs):
                note(error, f"in {node.label}")
                raise
            what = " ".join(str(error).split()) or type(error).__name__
            shapes = ", ".join(map(describe, inputs))
            raise OnnxError(f"{node.label} of {shapes or 'nothing'}: {what}") from error
        return {name: out for name, out in zip(node.outputs, outs, strict=False) if name}

    def inside(self, known: Mapping[str, Any]) -> Callable[..., list[Any]]:
        """This graph inside a node, as a function of its inputs, which sees what is known around it."""

        def function(*inputs: Any) -> list[Any]:
            return self.run({**known, **dict(zip(self.inputs, inputs, strict=False))})

        return function

    def within(self) -> Iterator[Graph]:
        """The graphs inside its nodes, and inside those."""
        for node in self.nodes:
            for value in node.options.values():
                if isinstance(value, Graph):
                    yield value
                    yield from value.within()


class Boxes:
    """Nodes in parts of a network, as their names have it: ``/encoder/0/Conv`` is in 0 of encoder."""

    def __init__(self) -> None:
        self.open: list[tuple[str, Any]] = []

    def __enter__(self) -> Boxes:
        return self

    def __exit__(self, *error: Any) -> None:
        self.enter(())

    def enter(self, parents: tuple[str, ...]) -> None:
        """Leave the boxes that are none of these, and open those that are new."""
        names = tuple(name for name, _ in self.open)
        same = next((i for i, (a, b) in enumerate(zip(names, parents, strict=False)) if a != b), None)
        same = min(len(names), len(parents)) if same is None else same
        while len(self.open) > same:
            self.open.pop()[1].__exit__(None, None, None)
        for depth in range(same, len(parents)):
            box = scope(".".join(parents[: depth + 1]), parents[depth])
            box.__enter__()
            self.open.append((parents[depth], box))


def _is_half(x: Any) -> bool:
    return getattr(x, "dtype", None) == HALF


@functools.cache
def parameters(function: Callable) -> frozenset[str]:
    """The names that a function can be given by keyword; "**" is among them if it takes any."""
    found = inspect.signature(function).parameters.values()
    return frozenset("**" if p.kind is p.VAR_KEYWORD else p.name for p in found)
