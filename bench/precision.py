"""How far each rule is from float64 in float32, float16 and bfloat16: ``python -m bench.precision``.

Every case of ``tests/rules/cases`` is run in the dtype and in float64 on the same numbers, inputs and a
random dout that are rounded to the dtype first. The error of an array is its largest difference beside its
largest number, in units of the dtype's eps; that of a rule is the worst of its cases. It is stated as the
next power of two, in ``docs/precision.md``, which this writes and a test holds.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import is_floating
from handgrad.tree import leaves, tree_map
from tests.rules.cases import CASES, Case
from tests.rules.elsewhere import converted
from tests.rules.numerics import random_like

FILE = Path(__file__).parent.parent / "docs" / "precision.md"
EPS = {"float32": 2.0**-23, "float16": 2.0**-10, "bfloat16": 2.0**-7}
Errors = dict[str, tuple[float, float]]

HEAD = """# Precision

How far the values and the gradients of each rule are from those of float64: the largest difference beside
the largest number of its array, in units of the dtype's eps (float32 2⁻²³, float16 2⁻¹⁰, bfloat16 2⁻⁷), as
the next power of two, the worst of all cases that the rule is tested on. Inputs and dout are rounded to the
dtype before, so this is what computing in it costs: one rounding errs by half an eps at most, and
ill-conditioned cases (matrices that are nearly singular, differences of large numbers) have theirs in it.
float32 and float16 are NumPy's arrays, bfloat16 PyTorch's; a dash stands where PyTorch has not what the
rule needs. `python -m bench.precision` makes this page, and a test holds it.

|  | float32 |  | float16 |  | bfloat16 |  |
|---|---:|---:|---:|---:|---:|---:|
|  | out | dx | out | dx | out | dx |
"""


def is_array(x: Any) -> bool:
    return isinstance(x, np.ndarray | np.generic)


def to(name: str, tree: Any) -> Any:
    """The tree with its arrays of floating numbers in the dtype, in a library that has it."""
    if name != "bfloat16":
        return tree_map(lambda x: x.astype(name) if is_array(x) and is_floating(x) else x, tree)
    import torch

    def one(x: np.ndarray) -> Any:
        return torch.tensor(x).to(torch.bfloat16) if is_floating(x) else torch.tensor(x)

    return converted(tree, one)


def back(tree: Any) -> Any:
    """The tree in NumPy's arrays, floating numbers in float64."""

    def one(x: Any) -> Any:
        if hasattr(x, "numpy"):
            x = (x.double() if x.is_floating_point() else x).numpy()
        return x.astype(np.float64) if is_array(x) and x.dtype.kind == "f" else x

    return tree_map(one, tree)


def error(got: Any, wanted: Any) -> float:
    """The largest difference of two trees, each beside the largest number of its array."""
    worst = 0.0
    for a, b in zip(leaves(got), leaves(wanted), strict=True):
        if b is None or not is_floating(b):
            continue
        a, b = np.asarray(a), np.asarray(b)
        finite = np.isfinite(b)
        if not np.array_equal(np.isfinite(a), finite):
            return math.inf
        difference = np.max(np.abs(a - b), where=finite, initial=0.0)
        if difference:
            worst = max(worst, float(difference / np.max(np.abs(b), where=finite, initial=0.0)))
    return worst


def errors_of(case: Case, name: str) -> tuple[float, float]:
    """Of its values and of its gradients, in eps."""
    inputs, options = to(name, case.inputs()), to(name, case.options)
    wanted, exact_backward = case.rule.vjp(*back(inputs), **back(options))
    dout = to(name, random_like(np.random.default_rng(7), wanted))
    out, backward = case.rule.vjp(*inputs, **options)
    pairs = (out, wanted), (backward(dout), exact_backward(back(dout)))
    values, gradients = (error(back(got), right) / EPS[name] for got, right in pairs)
    return values, gradients


def cases_in(name: str) -> Iterator[Case]:
    """Those of arrays of floating numbers, that the dtype's library has."""
    for case in CASES:
        has_arrays = any(is_array(x) and is_floating(x) for x in leaves(case.inputs()))
        if has_arrays and not (name == "bfloat16" and "torch" in case.cannot):
            yield case


def measured(name: str) -> Errors:
    """The errors of each rule in the dtype, in eps."""
    worst: Errors = {}
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        for case in cases_in(name):
            before = worst.get(case.rule.name, (0.0, 0.0))
            values, gradients = errors_of(case, name)
            worst[case.rule.name] = max(before[0], values), max(before[1], gradients)
    return worst


def stated(error: float) -> str:
    """The next power of two, 1 at least."""
    return "0" if not error else str(2 ** max(0, math.ceil(math.log2(error))))


def page() -> str:
    of_dtype = [measured(name) for name in EPS]
    rows = []
    for rule in sorted(set().union(*of_dtype)):
        pairs = [map(stated, found[rule]) if rule in found else ("—", "—") for found in of_dtype]
        rows.append(f"| `{rule}` | {' | '.join(text for pair in pairs for text in pair)} |\n")
    return HEAD + "".join(rows)


def main() -> None:
    FILE.write_text(page())


if __name__ == "__main__":
    main()
