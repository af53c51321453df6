"""What a live page is told: its graph's description, and where each number lies in the module's memory."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from handgrad.arrays import shape, size
from handgrad.engine.wasm import Place, wasm_module
from handgrad.view.description import Describer
from handgrad.view.formulas.formula import formulas_for
from handgrad.view.graph import Array, Graph
from handgrad.view.images import channels_first, channels_last, is_image
from handgrad.view.live.following import Followed, compiling
from handgrad.view.live.forms import forms
from handgrad.view.rounding import LARGEST, is_rounding
from handgrad.view.store import Store, Stored, kind_of
from handgrad.view.summary import as_numpy

WHOLE = 2**31  # numbers up to which an array of a live page is kept whole: all
KINDS = {
    **{"float64": "f8", "float32": "f4", "int64": "i8", "int32": "i4", "int16": "i2", "int8": "i1"},
    **{"uint64": "u8", "uint32": "u4", "uint16": "u2", "uint8": "u1", "bool": "u1"},
}


class Unwritten(Store):
    """A store that keeps nothing: most of what is shown the page computes."""

    def __init__(self) -> None:
        super().__init__(WHOLE)

    def add(self, x: Any) -> Stored:
        array = as_numpy(x)
        return Stored(0, kind_of(array, array)[1:], array.shape, "")


def described(graph: Graph, followed: Followed, store: Store) -> tuple[dict[str, Any], dict[str, Any]]:
    """The graph's description, whose summaries say where their numbers lie; and the module with its inputs.

    Raises:
        NotLive: it cannot be compiled for WebAssembly, or its arrays are too large.
    """
    with compiling(), np.errstate(all="ignore"):
        module, layout = wasm_module(followed.program)
    describer = Describer(graph, Unwritten())
    said = describer.description()
    links = Links(said["summaries"], describer.held, layout.inputs, layout.outputs)
    for site, at in followed.places.items():
        links.put(said, site, at)
    links.finish(store, noises(graph, said), labels(graph, said))
    for op, told in zip(graph.ops, said["ops"], strict=True):
        told["live"] = {
            "name": op.name,
            "several": size(op.outputs[0].value) > 1,
            "perExample": op.outputs[0].per_example,
            "units": rows_of(op.outputs[0]),
            "forms": forms(op, formulas_for(op.rule, op.options)),
            "locals": [links.at(followed, ("local", op.number, i)) for i in range(len(op.inputs))],
            "answers": [
                [links.at(followed, (name, op.number, i)) for name in ("own", "chances", "label")]
                for i in range(len(told["answers"]))
            ],
        }
    given = zip(followed.inputs, layout.inputs, followed.given, followed.names, strict=True)
    return said, {
        "module": store.add_bytes(module),
        "pages": layout.pages,
        "inputs": [
            [number, placed(place), stored(store, x, place), role_of(graph, number), name]
            for number, place, x, name in given
        ],
        "batch": describer.batch,
    }


def role_of(graph: Graph, number: int) -> str:
    return graph.arrays[number].role if number >= 0 else ""


def rows_of(array: Array) -> int:
    """How many rows a batch has; 0 without one."""
    return shape(array.value)[0] if array.per_example else 0


class Links:
    """The summaries of a page, with where the numbers of each lie."""

    def __init__(self, summaries: list[dict], held: list[Any], inputs: tuple, outputs: tuple):
        self.summaries, self.held = summaries, held
        self.inputs, self.outputs = inputs, outputs
        self.met: dict[int, int] = {}  # by the number of a summary: what it is linked to

    def put(self, said: dict[str, Any], site: Any, at: int) -> None:
        """Link the summary of a place where something is shown; it is copied where it shows another array."""
        kind, number, *rest = site
        if kind in ("local", "own", "chances", "label"):
            return
        holder, key = (said["arrays"][number], kind)
        if kind == "partial":
            holder, key = holder["partial"], str(rest[0])
        elif kind == "dx":
            holder, key = said["ops"][number]["inputs"][rest[0]], "dx"
        summary = holder[key]
        if summary < 0:
            return
        if self.met.setdefault(summary, at) != at:
            self.summaries.append(dict(self.summaries[summary]))
            self.held.append(self.held[summary])
            holder[key] = summary = len(self.summaries) - 1
            self.met[summary] = at

    def place(self, at: int) -> Place:
        return self.outputs[at] if at >= 0 else self.inputs[-1 - at]

    def at(self, followed: Followed, site: Any) -> list | None:
        """Where the numbers of a site lie; None where they are always the same, or there is no such site."""
        at = followed.places.get(site)
        return None if at is None else placed(self.place(at))

    def finish(self, store: Store, noise: dict[int, float], are_labels: set[int]) -> None:
        """What each summary needs to be told anew; what is always the same is kept as it is."""
        for number, (said, x) in enumerate(zip(self.summaries, self.held, strict=True)):
            at = self.met.get(number)
            if at is None:
                kept = store.add(x)
                said["stored"] = [kept.offset, kept.kind, list(kept.shape), kept.reduction]
                continue
            place = self.place(at)
            live: dict[str, Any] = {"at": placed(place), "grid": grid_of(shape(x))}
            if number in noise:
                live["noise"] = noise[number]
            if number in are_labels:
                live["labels"] = 1
            if "examples" in said:
                live["examples"] = len(said["examples"])
            for name in ("lines", "words", "thumb", "examples", "pale", "largest", "zeros", "isFinite"):
                said.pop(name, None)
            said["stored"] = [0, KINDS[place.dtype], list(said["shape"]), ""]
            said["live"] = live


def noises(graph: Graph, said: dict[str, Any]) -> dict[int, float]:
    """By the summaries of gradients that are zero up to rounding: up to how large they are."""
    found: dict[int, float] = {}
    for array, told in zip(graph.arrays, said["arrays"], strict=True):
        if is_rounding(array.grad, array.noise):
            found[told["grad"]] = LARGEST * array.noise
    for op, of_op in zip(graph.ops, said["ops"], strict=True):
        for use, of_use in zip(op.inputs, of_op["inputs"], strict=True):
            if is_rounding(use.dx, use.noise):
                found[of_use["dx"]] = LARGEST * use.noise
    return {number: float(f"{noise:.3g}") for number, noise in found.items() if number >= 0 and noise > 0}


def labels(graph: Graph, said: dict[str, Any]) -> set[int]:
    return {
        told["value"] for array, told in zip(graph.arrays, said["arrays"], strict=True) if array.is_labels
    }


def grid_of(size: tuple[int, ...]) -> list[Any]:
    """How a picture is made of an array of this shape: rows, columns, numbers to average, is it an image.

    Numbers of one cell lie next to each other (channels last); of several images the page draws the first
    that is not all zero.
    """
    if len(size) < 2:
        return [1, math.prod(size), 1, False, 1]
    if len(size) == 2:
        return [*size, 1, False, 1]
    if channels_last(size[-3:]):
        height, width, channels = size[-3:]
        if channels_first(size[-3:]):
            return [*size[-2:], 1, is_image(size[-2:]), 1]
        return [height, width, min(channels, 3) if channels > 1 else 1, True, channels]
    return [*size[-2:], 1, is_image(size[-2:]), 1]


def placed(place: Place) -> list[Any]:
    """Where an array lies: its address, its kind, how many numbers it has."""
    return [place.address, KINDS[place.dtype], math.prod(place.shape)]


def stored(store: Store, x: Any, place: Place) -> list[Any]:
    """Where the numbers of an input are in the page."""
    kept = store.add(np.asarray(as_numpy(x), place.dtype))
    return [kept.offset, kept.kind, list(kept.shape)]
