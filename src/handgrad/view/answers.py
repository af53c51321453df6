"""What a network says of each example: its own loss, and the probabilities of the classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import size
from handgrad.rules import Rule
from handgrad.view.graph import Op
from handgrad.view.summary import as_numpy, short

PROBABILITIES: dict[Rule, Callable] = {
    rules.softmax_cross_entropy: rules.softmax,
    rules.cross_entropy: lambda y: y,
    rules.binary_cross_entropy_with_logits: rules.sigmoid,
}
"""By the loss: what makes probabilities of its outputs."""

CLASSES = 12  # that are told of one by one; of more, the likeliest


def answers(op: Op, count: int) -> list[dict[str, Any]]:
    """What is told of each of the first examples, where one number is made of a whole batch; else nothing."""
    if len(op.outputs) != 1 or size(op.outputs[0].value) != 1 or op.outputs[0].per_example:
        return []
    arrays = [(use.array.value, use.array.per_example) for use in op.inputs if use.array is not None]
    if not len(arrays) == len(op.inputs) == len(op.rule.inputs) or not arrays[0][1]:
        return []
    try:
        rows = [
            tuple(value[i : i + 1] if has_rows else value for value, has_rows in arrays) for i in range(count)
        ]
        return [answer(op, row) for row in rows]
    except (ValueError, TypeError, IndexError):  # one row is too few for this rule
        return []


def answer(op: Op, row: tuple) -> dict[str, Any]:
    """Of one example, a batch by itself: what the rule makes of it, and what that means."""
    with np.errstate(all="ignore"):
        own = as_numpy(op.rule.pair(row, op.options)[0])
    found: dict[str, Any] = {"own": short(float(own.reshape(())))}
    if op.rule not in PROBABILITIES or len(row) != 2:
        return found
    outputs, t = (as_numpy(x)[0] for x in row)
    with np.errstate(all="ignore"):
        chances = as_numpy(PROBABILITIES[op.rule](outputs))
    if chances.ndim > 1:
        return found
    if chances.size == 1:  # of one class against the other
        chance, label = float(chances.reshape(())), float(t.reshape(()))
        both = [[0, short(1 - chance)], [1, short(chance)]]
        return found | {"predicted": int(chance > 0.5), "label": int(label > 0.5), "chances": both}
    label = int(t) if t.ndim == 0 else int(np.argmax(t))
    likeliest = np.argsort(-chances, kind="stable")[:CLASSES].tolist()
    told = [[k, short(float(chances[k]))] for k in sorted({*likeliest, label}) if 0 <= k < len(chances)]
    return found | {"predicted": likeliest[0], "label": label, "chances": told}
