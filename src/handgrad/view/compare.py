"""Two recordings beside each other: what is the same thing in both, and where they differ."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from handgrad.view.graph import Array, Graph, Op
from handgrad.view.summary import as_numpy, short

SAME = 1e-6  # relative differences up to this are rounding


def comparison(a: Graph, b: Graph) -> dict[str, Any]:
    """Which node of one is which of the other, and in how far each pair differs, in words.

    Nodes are named as the page names them: o3 is a rule, l2 a leaf, b1 a box, s7 an output. Rules are matched
    by the layer that they are in, their name, and which of several it is; arrays and boxes by their names.
    """
    ops, leaves, outputs = (_paired(of(a), of(b)) for of in (_ops, _leaves, _ends))
    boxes = _paired({box.name: box for box in a.boxes}, {box.name: box for box in b.boxes})
    matched = {f"o{x.number}": f"o{y.number}" for x, y in ops}
    matched |= {f"l{x.number}": f"l{y.number}" for x, y in leaves}
    matched |= {f"s{x.number}": f"s{y.number}" for x, y in outputs}
    matched |= {f"b{x.number}": f"b{y.number}" for x, y in boxes}
    found = {f"o{x.number}": _of_ops(x, y) for x, y in ops}
    found |= {f"l{x.number}": _of_arrays(x, y) for x, y in leaves}
    return {"matched": matched, "differences": {key: words for key, words in found.items() if words}}


def _paired(first: dict, second: dict) -> list[tuple[Any, Any]]:
    return [(first[key], second[key]) for key in first if key in second]


def _ops(graph: Graph) -> dict[tuple, Op]:
    """Rules by layer, name, and number among those of the same name there."""
    met: Counter[tuple] = Counter()
    found = {}
    for op in graph.ops:
        key = (op.box.name if not op.box.is_run else "", op.name)
        found[*key, met[key]] = op
        met[key] += 1
    return found


def _leaves(graph: Graph) -> dict[str, Array]:
    return {array.name: array for array in graph.arrays if array.maker is None}


def _ends(graph: Graph) -> dict[str, Array]:
    return {array.name: array for array in graph.outputs}


def _of_ops(a: Op, b: Op) -> list[str]:
    values = [difference(x.value, y.value) for x, y in zip(a.outputs, b.outputs, strict=False)]
    grads = [difference(x.dx, y.dx) for x, y in zip(a.inputs, b.inputs, strict=False)]
    return _words(max(values, default=0.0), max(grads, default=0.0))


def _of_arrays(a: Array, b: Array) -> list[str]:
    return _words(difference(a.value, b.value), difference(a.grad, b.grad))


def _words(value: float, grad: float) -> list[str]:
    shares = {"value": value, "gradient": grad}
    return [f"Δ {name} {short(100 * share, 2)} %" for name, share in shares.items() if share > SAME]


def difference(a: Any, b: Any) -> float:
    """The largest difference of two arrays as a share of the largest element.

    1 where shapes differ, or only one of two elements is finite.
    """
    if a is None or b is None:
        return 0.0 if a is b else 1.0
    x, y = as_numpy(a).astype(float), as_numpy(b).astype(float)
    if x.shape != y.shape:
        return 1.0
    is_same = (x == y) | (np.isnan(x) & np.isnan(y))
    if not np.all(np.isfinite(x[~is_same])) or not np.all(np.isfinite(y[~is_same])):
        return 1.0
    x, y = np.where(np.isfinite(x), x, 0.0), np.where(np.isfinite(y), y, 0.0)
    scale = max(np.max(np.abs(x), initial=0.0), np.max(np.abs(y), initial=0.0))
    return float(np.max(np.abs(x - y), initial=0.0) / scale) if scale else 0.0
