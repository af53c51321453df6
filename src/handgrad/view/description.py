"""A graph as plain data, from which the page is drawn: everything is said here, and only placed there."""

from __future__ import annotations

import base64
import dataclasses
import math
from typing import Any

import numpy as np

from handgrad.arrays import shape
from handgrad.view.checking import NOT_CHECKED, Verdict
from handgrad.view.closure import byte_count, kept
from handgrad.view.equations import chain, fan_out, forward, local_derivatives, partial_sums, plugged
from handgrad.view.formulas.formula import formulas_of, mathml
from handgrad.view.graph import Array, Box, Graph, Op, Use
from handgrad.view.notes import notes_of, strip
from handgrad.view.sources import line_at, source_of
from handgrad.view.store import Store
from handgrad.view.summary import Summary, as_numpy, short, spelled_shape, summary

EXAMPLES = 12  # of a batch, that can be looked at one by one
LONGEST = 60  # letters of an option


class Describer:
    """One graph's description under construction, with tables of what is said more than once."""

    def __init__(self, graph: Graph, store: Store):
        self.graph, self.store = graph, store
        self.examples = self._example_names()
        self.summaries: list[dict] = []
        self.known: dict[Any, int] = {}  # summaries by the array's id
        self.held: list[Any] = []  # so that no id is used twice
        self.rules: list[dict] = []
        self.rule_numbers: dict[int, int] = {}
        self.verdicts: list[list[str]] = []
        self.verdict_numbers: dict[Verdict, int] = {}

    def description(self) -> dict[str, Any]:
        graph = self.graph
        return {
            "title": graph.title,
            "examples": self.examples,
            "folded": graph.folded,
            "arrays": [self.array(a) for a in graph.arrays],
            "ops": [self.op(op) for op in graph.ops],
            "boxes": [self.box(box) for box in graph.boxes],
            "strip": [[name, box, op, _number(norm), text] for name, box, op, norm, text in strip(graph)],
            "summaries": self.summaries,
            "rules": self.rules,
            "verdicts": self.verdicts,
        }

    def _example_names(self) -> list[str]:
        counts = [shape(a.value)[0] for a in self.graph.arrays if a.per_example]
        if not counts or counts[0] < 2:
            return list(self.graph.examples[:1]) if counts else []
        names = self.graph.examples or [str(i) for i in range(counts[0])]
        return list(names[:EXAMPLES])

    def array(self, array: Array) -> dict[str, Any]:
        return {
            "name": array.name,
            "role": array.role,
            "value": self.summary(array.value, array.per_example),
            "grad": self.summary(array.grad, array.per_example),
            "dout": self.summary(array.dout, array.per_example),
            "maker": -1 if array.maker is None else array.maker.number,
            "box": -1 if array.box is None else array.box.number,
            "sum": fan_out(array),
            "partial": {str(n): self.summary(dx, array.per_example) for n, dx in partial_sums(array).items()},
            "isOutput": array.is_output,
        }

    def op(self, op: Op) -> dict[str, Any]:
        locals_ = local_derivatives(op)
        return {
            "rule": self.rule(op),
            "label": op.label,
            "box": op.box.number,
            "inputs": [self.use(op, i, use, locals_[i]) for i, use in enumerate(op.inputs)],
            "outputs": [out.number for out in op.outputs],
            "options": ", ".join(f"{k}={v!r}"[:LONGEST] for k, v in op.options.items()),
            "seconds": _seconds(op.seconds),
            "backwardSeconds": _seconds(op.backward_seconds),
            "kept": [[name, spelled_shape(shape(x)), byte_count(x)] for name, x in kept(op.backward)],
            "places": [list(line_at(file, line)) for file, line in op.places],
            "verdict": self.verdict(op.verdict or NOT_CHECKED),
            "plugged": plugged(op, formulas_of(op.rule.__doc__)),
            "says": forward(op),
            "notes": notes_of(op),
        }

    def use(self, op: Op, place: int, use: Use, local: Any) -> dict[str, Any]:
        if use.array is None:
            return {"name": use.name, "array": -1, "literal": use.literal[:LONGEST]}
        return {
            "name": use.name,
            "array": use.array.number,
            "dx": self.summary(use.dx, use.array.per_example),
            "local": self.summary(local, use.array.per_example, is_stored=False),
            "chain": chain(op, place, local),
        }

    def box(self, box: Box) -> dict[str, Any]:
        outer = box.parent.name if box.parent is not None else ""
        inner = box.name.removeprefix(f"{outer}.") if outer else box.name
        parent = box.parent.number if box.parent is not None else -1
        return {"name": box.name, "short": inner, "label": box.label, "parent": parent, "isRun": box.is_run}

    def summary(self, x: Any, per_example: bool, is_stored: bool = True) -> int:
        """The number of an array's summary; -1 for none. What is not stored is told of in words alone."""
        if x is None:
            return -1
        key = (id(x) if hasattr(x, "dtype") else (type(x), x), is_stored)
        if key not in self.known:
            self.held.append(x)
            self.known[key] = len(self.summaries)
            self.summaries.append(said := self.said(x, is_stored))
            if per_example and len(self.examples) > 1:
                said["examples"] = [self.of_example(as_numpy(x), i) for i in range(len(self.examples))]
        return self.known[key]

    def of_example(self, array: np.ndarray, i: int) -> dict[str, Any]:
        """What is told of one row of a batch; its picture is of the same kind as the batch's."""
        row = dataclasses.replace(summary(array[i]), thumb=summary(array[i : i + 1]).thumb)
        return self.words(row)

    def said(self, x: Any, is_stored: bool) -> dict[str, Any]:
        """All that is told of an array."""
        told = summary(x)
        stored = self.store.add(x) if is_stored else None
        return self.words(told) | {
            "shape": list(told.shape),
            "dtype": told.dtype,
            "numbers": [_number(v) for v in (told.low, told.mean, told.high, told.norm)],
            "stats": [short(v) for v in (told.low, told.mean, told.high, told.norm)],
            "zeros": round(told.zeros, 4),
            "notFinite": told.not_finite,
            "stored": stored and [stored.offset, stored.kind, list(stored.shape), stored.reduction],
        }

    def words(self, told: Summary) -> dict[str, Any]:
        """What is written at an edge, and its picture."""
        words: dict[str, Any] = {"lines": list(told.lines)}
        if told.thumb is not None:
            height, width = told.thumb.levels.shape
            packed = base64.b64encode(told.thumb.levels.tobytes()).decode()
            words["thumb"] = [width, height, packed, int(told.thumb.is_image)]
        return words

    def rule(self, op: Op) -> int:
        """The number of a rule's own description: its formulas and its source."""
        if id(op.rule) not in self.rule_numbers:
            self.rule_numbers[id(op.rule)] = len(self.rules)
            doc = op.rule.__doc__
            formulas, source = formulas_of(doc), source_of(op.rule)
            self.rules.append(
                {
                    "name": op.name,
                    "doc": (doc or "").strip(),
                    "forward": [mathml(formulas.forward)] if formulas.forward else [],
                    "backward": [mathml(formula) for formula in formulas.backward],
                    "source": None
                    if source is None
                    else [source.file, source.first, source.lines, source.forward, source.backward],
                }
            )
        return self.rule_numbers[id(op.rule)]

    def verdict(self, verdict: Verdict) -> int:
        if verdict not in self.verdict_numbers:
            self.verdict_numbers[verdict] = len(self.verdicts)
            self.verdicts.append([verdict.kind, verdict.text])
        return self.verdict_numbers[verdict]


def _number(value: float) -> float | None:
    """To six digits; None where JSON has no word for it."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _seconds(seconds: float) -> float:
    return float(f"{seconds:.3g}")
