"""A graph as plain data, from which the page is drawn: everything is said here, and only placed there."""

from __future__ import annotations

import base64
import dataclasses
import math
from typing import Any

import numpy as np

from handgrad.arrays import shape
from handgrad.view.answers import answers
from handgrad.view.checking import NOT_CHECKED, Verdict
from handgrad.view.closure import byte_count, kept
from handgrad.view.equations import (
    WITH,
    Product,
    fan_out,
    forward,
    local_derivatives,
    meanings,
    partial_sums,
    plugged,
    product,
)
from handgrad.view.formulas.formula import Formulas, formulas_for, mathml
from handgrad.view.graph import Array, Box, Graph, Op, Use
from handgrad.view.notes import notes_of, strip
from handgrad.view.origins.kinds import Kinds
from handgrad.view.rounding import is_rounding, told
from handgrad.view.scene import outline
from handgrad.view.sentences import Sentences, sentences_of
from handgrad.view.sources import line_at, source_of
from handgrad.view.store import Store
from handgrad.view.summary import Summary, as_numpy, cells, short, spelled_shape, summary

EXAMPLES = 12  # of a batch, that can be looked at one by one
LONGEST = 60  # letters of an option
ALL_PARTS = 60_000  # of which the entries of small arrays are told to be made
WHOLE_SUM = 200  # letters of a sum in the panel


class Describer:
    """One graph's description under construction, with tables of what is said more than once."""

    def __init__(self, graph: Graph, store: Store):
        self.graph, self.store = graph, store
        self.batch = next((shape(a.value)[0] for a in graph.arrays if a.per_example), 0)
        self.examples = self._example_names()
        self.summaries: list[dict] = []
        self.known: dict[Any, int] = {}  # summaries by the array's id
        self.held: list[Any] = []  # so that no id is used twice
        self.rules: list[dict] = []
        self.rule_numbers: dict[tuple, int] = {}
        self.verdicts: list[list[str]] = []
        self.verdict_numbers: dict[Verdict, int] = {}
        self.kinds = Kinds(ALL_PARTS)
        self.sentences: dict[Sentences, int] = {}

    def description(self) -> dict[str, Any]:
        graph = self.graph
        return {
            "title": graph.title,
            "examples": self.examples,
            "depth": outline(graph),
            "arrays": [self.array(a) for a in graph.arrays],
            "ops": [self.op(op) for op in graph.ops],
            "boxes": [self.box(box) for box in graph.boxes],
            "strip": [[name, box, op, _number(norm), text] for name, box, op, norm, text in strip(graph)],
            "summaries": self.summaries,
            "rules": self.rules,
            "verdicts": self.verdicts,
            "sentences": list(self.sentences),
            "kinds": [kind.described() for kind in self.kinds.kinds],
        }

    def _example_names(self) -> list[str]:
        if self.batch < 2:
            return list(self.graph.examples[: self.batch])
        names = self.graph.examples or [str(i) for i in range(self.batch)]
        return list(names[:EXAMPLES])

    def array(self, array: Array) -> dict[str, Any]:
        return {
            "name": array.name,
            "role": array.role,
            "gradName": array.grad_name,
            "value": self.summary(array.value, array.per_example, array.told),
            "grad": -1
            if array.grad is None
            else self.summary(array.grad, array.per_example, array.told_grad),
            "dout": self.gradient(array.dout, 0.0, array.per_example),
            "maker": -1 if array.maker is None else array.maker.number,
            "box": -1 if array.box is None else array.box.number,
            "sum": fan_out(array),
            "wholeSum": " ".join(fan_out(array, WHOLE_SUM)),
            "partial": {
                str(box): self.gradient(*sum_, array.per_example) for box, sum_ in partial_sums(array).items()
            },
            "isOutput": array.is_output,
        }

    def op(self, op: Op) -> dict[str, Any]:
        locals_ = local_derivatives(op)
        formulas = formulas_for(op.rule, op.options)
        told_answers = self.answers(op)
        return {
            "rule": self.rule(op, formulas),
            "label": op.label,
            "below": op.below,
            "box": op.box.number,
            "inputs": [self.use(op, i, use, locals_[i]) for i, use in enumerate(op.inputs)],
            "outputs": [out.number for out in op.outputs],
            "options": ", ".join(f"{k}={v!r}"[:LONGEST] for k, v in op.options.items()),
            "seconds": _seconds(op.seconds),
            "backwardSeconds": _seconds(op.backward_seconds),
            "kept": [[name, spelled_shape(shape(x)), byte_count(x)] for name, x in kept(op.backward)],
            "places": [list(line_at(file, line)) for file, line in op.places],
            "verdict": self.verdict(op.verdict or NOT_CHECKED),
            "plugged": plugged(op, formulas),
            "letters": ", ".join(meanings(op, formulas)),
            "says": forward(op),
            "rows": [forward(op, i, own) for i, own in enumerate(self.rows(op, told_answers))],
            "notes": notes_of(op),
            "isFinite": {
                "value": not any(o.told.not_finite for o in op.outputs),
                "gradient": not any(o.told_grad.not_finite for o in op.outputs if o.grad is not None),
            },
            "answers": told_answers,
            "kind": self.kinds.of(op),
            "sentence": self.sentence(op),
        }

    def use(self, op: Op, place: int, use: Use, local: Any) -> dict[str, Any]:
        if use.array is None:
            return {"name": use.name, "array": -1, "literal": use.literal[:LONGEST]}
        return {
            "name": use.name,
            "array": use.array.number,
            "dx": self.gradient(use.dx, use.noise, use.array.per_example),
            "chain": told_of(product(op, place, local)),
            "chains": [told_of(product(op, place, local, i)) for i in range(len(self.examples))]
            if local is not None and self.is_by_example and use.array.per_example
            else [],
        }

    def answers(self, op: Op) -> list[dict[str, Any]]:
        """What is told of each example; where one is chosen, its own number stands before that of all."""
        found = answers(op, min(self.batch, EXAMPLES))
        if found and self.is_by_example:
            out = op.outputs[0]
            said = self.summaries[self.summary(out.value, out.per_example, out.told)]
            said["examples"] = [{"lines": [one["own"], f"of all {said['lines'][0]}"]} for one in found]
        return found

    @property
    def is_by_example(self) -> bool:
        return len(self.examples) > 1

    def rows(self, op: Op, told_answers: list[dict[str, Any]]) -> list[str]:
        """For each example its own loss, or nothing where the outputs have rows; empty where nothing has."""
        arrays = [*op.outputs, *(use.array for use in op.inputs if use.array is not None)]
        if not self.is_by_example or not any(array.per_example for array in arrays):
            return []
        return [answer["own"] for answer in told_answers] or [""] * len(self.examples)

    def box(self, box: Box) -> dict[str, Any]:
        outer = box.parent.name if box.parent is not None else ""
        inner = box.name.removeprefix(f"{outer}.") if outer else box.name
        parent = box.parent.number if box.parent is not None else -1
        return {
            "name": box.name,
            "short": "" if box.is_run and box.label else inner,
            "label": box.label,
            "title": box.title,
            "size": box.told_size,
            "parent": parent,
            "isRun": box.is_run,
            "turns": box.turns,
            "sentence": self.sentence(box),
        }

    def gradient(self, dx: Any, noise: float, per_example: bool) -> int:
        """The number of a gradient's summary; -1 for none."""
        if dx is None:
            return -1
        key = (identity(dx), is_rounding(dx, noise), False)
        return self.known[key] if key in self.known else self.summary(dx, per_example, told(dx, noise))

    def summary(self, x: Any, per_example: bool, found: Summary) -> int:
        """The number of an array's summary, and of each example's where it has the batch."""
        key = (identity(x), found.is_rounding, found.is_labels)
        if key not in self.known:
            self.held.append(x)
            self.known[key] = len(self.summaries)
            self.summaries.append(said := self.said(x, found))
            if per_example and self.is_by_example:
                array, kind = as_numpy(x), (found.is_rounding, found.is_labels)
                said["examples"] = [self.of_example(array, i, *kind) for i in range(len(self.examples))]
        return self.known[key]

    def of_example(self, array: np.ndarray, i: int, is_rounding: bool, is_labels: bool) -> dict[str, Any]:
        """What is told of one row of a batch; its picture is of the same kind as the batch's."""
        whole = summary(array[i : i + 1], is_rounding, is_labels)
        own = dataclasses.replace(summary(array[i], is_rounding, is_labels), thumb=whole.thumb)
        said = self.words(array[i], own)
        if "cells" in said:
            said["cells"].append(i * array[i].size)
        return said

    def said(self, x: Any, told: Summary) -> dict[str, Any]:
        """All that is told of an array."""
        stored = self.store.add(x)
        return self.words(x, told) | {
            "shape": list(told.shape),
            "dtype": told.dtype,
            "largest": _largest(told),
            "words": told.words,
            "zeros": round(told.zeros, 4),
            "isFinite": not told.not_finite,
            "stored": [stored.offset, stored.kind, list(stored.shape), stored.reduction],
        }

    def words(self, x: Any, told: Summary) -> dict[str, Any]:
        """What is written at an edge, and its picture."""
        words: dict[str, Any] = {"lines": list(told.lines)}
        if found := cells(x, told, self.graph.most_cells):
            words["cells"] = list(found)
        if told.is_rounding:
            words["pale"] = 1
        if told.thumb is not None:
            height, width = told.thumb.levels.shape
            packed = base64.b64encode(told.thumb.levels.tobytes()).decode()
            words["thumb"] = [width, height, packed, int(told.thumb.is_image)]
        return words

    def rule(self, op: Op, formulas: Formulas) -> int:
        """The number of a rule's own description: its formulas and its source."""
        key = (id(op.rule), formulas)
        if key not in self.rule_numbers:
            self.rule_numbers[key] = len(self.rules)
            source = source_of(op.rule)
            self.rules.append(
                {
                    "name": op.name,
                    "forward": in_lines(formulas.forward) if formulas.forward else [],
                    "backward": [mathml(formula) for formula in formulas.backward],
                    "source": None
                    if source is None
                    else [source.file, source.first, source.lines, source.forward, source.backward],
                }
            )
        return self.rule_numbers[key]

    def sentence(self, thing: Op | Box) -> int:
        """The number of what is said in plain words of a step."""
        return self.sentences.setdefault(sentences_of(thing, self.graph.says), len(self.sentences))

    def verdict(self, verdict: Verdict) -> int:
        if verdict not in self.verdict_numbers:
            self.verdict_numbers[verdict] = len(self.verdicts)
            self.verdicts.append([verdict.kind, verdict.text])
        return self.verdict_numbers[verdict]


def identity(x: Any) -> Any:
    """By which the same array is known again; numbers are by what they are."""
    return id(x) if hasattr(x, "dtype") else (type(x), x)


def in_lines(formula: str) -> list[list]:
    """A formula, and below it what its letters are."""
    said, word, letters = formula.partition(WITH)
    return [mathml(said), *([mathml(word.strip() + " " + letters)] if letters else [])]


def told_of(found: Product | None) -> list[str] | None:
    """The place of an element and the product there."""
    return None if found is None else [found.at, found.words]


def _largest(told: Summary) -> list | None:
    """The size of the largest element, and how it is written; None where there is no number."""
    if "∞" in told.not_finite:
        return [None, "∞"]
    if math.isnan(told.low):
        return None
    value = max(told.low, told.high, key=abs)
    return [abs(value), short(value)]


def _number(value: float) -> float | None:
    """To six digits; None where JSON has no word for it."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _seconds(seconds: float) -> float:
    return float(f"{seconds:.3g}")
