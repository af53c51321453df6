"""What is worth saying of a rule's numbers, and the gradient's size layer by layer."""

from __future__ import annotations

import numpy as np

from handgrad.view.graph import Box, Graph, Op
from handgrad.view.summary import as_numpy, short

RECTIFIERS = ("relu",)
MOST = 400  # bars of the strip


def notes_of(op: Op) -> list[list[str]]:
    """Dead units, and where numbers stop being finite: what each is about, and the words."""
    notes = []
    for out in op.outputs:
        value = as_numpy(out.value)
        if op.name in RECTIFIERS and value.size > 1:
            notes.append(["value", dead(value, out.per_example)])
        told = {"value": out.told} | ({"gradient": out.told_grad} if out.grad is not None else {})
        for kind, found in told.items():
            if found.not_finite:
                notes.append([kind, f"of {found.size:,} {kind}s {found.not_finite}"])
    return notes


def dead(value: np.ndarray, per_example: bool) -> str:
    """How many outputs of a rectifier are zero; of a batch, how many units are for every example."""
    if per_example and len(value) > 1:
        units = value.reshape(len(value), -1)
        silent = int(np.sum(np.all(units == 0, axis=0)))
        return f"{silent:,} of {units.shape[1]:,} units are 0 for all {len(value):,} examples"
    zeros = int(np.sum(value == 0))
    return f"{zeros:,} of {value.size:,} outputs are 0"


def strip(graph: Graph) -> list[tuple[str, int, int, float, str]]:
    """For each layer in forward order: its name, box and last rule (-1: none), the norm of its gradient.

    The gradient is that of the layer's output. Without layers, each rule stands for itself.
    """
    layers = [box for box in graph.boxes if box.ops]
    if not layers:
        found = [(op.label, -1, op) for op in graph.ops]
    else:
        if len(layers) > MOST:
            layers = graph.root.boxes
        found = [(box.title, box.number, last_of(box)) for box in layers]
    if len(found) > MOST:
        found = found[:: -(-len(found) // MOST)]
    return [(name, box, op.number, *norm_of(op)) for name, box, op in found]


def last_of(box: Box) -> Op:
    return max(box.all_ops(), key=lambda op: op.number)


def norm_of(op: Op) -> tuple[float, str]:
    out = op.outputs[0]
    norm = out.told_grad.norm if out.grad is not None else 0.0
    return norm, short(norm)
