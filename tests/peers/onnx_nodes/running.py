"""One node test: does the graph give the outputs that come with it?"""

from __future__ import annotations

import functools
import warnings
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx.backend.test.case.node import collect_testcases

import handgrad as hg
from handgrad.arrays import stripped
from handgrad.onnx.decoding import Decoder, array_of
from handgrad.onnx.operators import CONSTANT, OPERATORS, quantised

STEP = 1e-6
WITHOUT = frozenset(quantised.TABLE) | frozenset("DFT STFT Sign Unique".split())
"""Operators whose gradient is not looked at: there is none, or it is NumPy that computes them."""


class Missing(Exception):
    """A node whose operator is not mapped, or not with these attributes."""


def run(graph: Any, given: dict[str, Any], opset: int) -> list[Any]:
    """The outputs of a graph, of its inputs by name."""
    decoder = Decoder({"": opset})
    made = decoder.graph(graph)
    if decoder.missing:
        raise Missing(decoder.told())
    return made.run({name: value_of(x) for name, x in given.items()})


def value_of(x: Any) -> Any:
    return array_of(x) if isinstance(x, onnx.TensorProto) else x


@dataclass(frozen=True)
class Told:
    """What came of a test; ``why`` says why it did not pass, and whether anything was run."""

    name: str
    operator: str
    why: str = ""
    is_mapped: bool = True

    @property
    def is_expanded(self) -> bool:
        return "_expanded" in self.name


@functools.cache
def all_cases() -> tuple:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return tuple(collect_testcases(None))


def cases(operators: list[str] | None = None) -> Iterator[Any]:
    """The tests, or those of these operators alone."""
    for case in all_cases():
        is_one = case.model.graph.node[0].op_type in (operators or []) and "_expanded" not in case.name
        if is_one or not operators:
            yield case


def tell(case: Any) -> Told:
    graph = case.model.graph
    operator = graph.node[0].op_type
    for inputs, wanted in case.data_sets:
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                names = [x.name for x in graph.input]
                made = run(graph, dict(zip(names, inputs, strict=False)), opset_of(case))
        except Missing as error:
            return Told(case.name, operator, f"no operator {error}", is_mapped=False)
        except Exception as error:  # whatever it is, the operator does not work
            return Told(case.name, operator, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        for got, expected in zip(made, map(value_of, wanted), strict=False):
            why = difference(got, expected, case.rtol, case.atol)
            if why:
                return Told(case.name, operator, why)
    return Told(case.name, operator)


def gradient(case: Any) -> str:
    """The gradient by the floating inputs against differences along one direction: "right", or what it is."""
    ((inputs, _),) = case.data_sets
    names = [x.name for x in case.model.graph.input]
    given = {name: value_of(x) for name, x in zip(names, inputs, strict=False)}
    node = case.model.graph.node[0]
    constant = {node.input[i] for i in CONSTANT.get(node.op_type, ()) if i < len(node.input)}
    moving = [name for name, x in given.items() if name not in constant and dtype_of(x).kind == "f"]
    if not moving or node.op_type in WITHOUT:
        return "none"
    xs = [np.asarray(given[name], np.float64) for name in moving]

    def f(*xs: Any) -> tuple:
        made = run(case.model.graph, given | dict(zip(moving, xs, strict=True)), opset_of(case))
        return tuple(y for y in made if dtype_of(stripped(y)).kind == "f")

    def along(h: float) -> float:
        made = f(*(x + h * v for x, v in zip(xs, vs, strict=True)))
        return sum(np.sum(y * d) for y, d in zip(made, douts, strict=True))

    r = np.random.default_rng(0)
    outs, backward = hg.vjp(f, *xs)
    douts = tuple(r.uniform(0.3, 1.0, np.shape(y)) for y in outs)
    vs = [r.uniform(-1, 1, x.shape) for x in xs]
    found = sum(np.sum(dx * v) for dx, v in zip(backward(douts), vs, strict=True))
    before, here, after = (along(h) for h in (-STEP, 0.0, STEP))
    wanted = (after - before) / (2 * STEP)
    scale = max(abs(wanted), 1e-2)
    if not np.isfinite([found, wanted]).all():
        return "not finite"
    if abs((after - here) - (here - before)) > STEP * 1e-3 * scale:
        return "at a kink"
    return "right" if abs(found - wanted) <= 1e-4 * scale else f"wrong: {found}, not {wanted}"


def dtype_of(x: Any) -> np.dtype:
    return getattr(x, "dtype", np.dtype(object))


def gradient_told(case: Any) -> str:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            return gradient(case)
        except Exception as error:  # whatever it is, there is no gradient
            return f"refused: {type(error).__name__}: {' '.join(str(error).split())[:160]}"


def opset_of(case: Any) -> int:
    return next((o.version for o in case.model.opset_import if o.domain in ("", "ai.onnx")), 1)


def difference(got: Any, wanted: Any, rtol: float, atol: float) -> str:
    """What is not as expected, or nothing."""
    if isinstance(wanted, (list, tuple)):
        if len(got) != len(wanted):
            return f"{len(got)} elements, not {len(wanted)}"
        return next(
            filter(None, (difference(a, b, rtol, atol) for a, b in zip(got, wanted, strict=True))), ""
        )
    if wanted is None:
        return "" if got is None else "something, not nothing"
    got, wanted = np.asarray(got), np.asarray(wanted)
    if got.shape != wanted.shape:
        return f"shape {got.shape}, not {wanted.shape}"
    if got.dtype != wanted.dtype and wanted.dtype.kind not in "OUS":
        return f"{got.dtype}, not {wanted.dtype}"
    if wanted.dtype.kind in "OUSb":
        return "" if np.array_equal(got, wanted) else f"{got.ravel()[:5]}, not {wanted.ravel()[:5]}"
    a, b = (x if x.dtype.kind == "c" else x.astype(np.float64) for x in (got, wanted))
    if np.allclose(a, b, rtol=rtol, atol=atol, equal_nan=True):
        return ""
    where = ~np.isclose(a, b, rtol=rtol, atol=atol, equal_nan=True)
    return f"{a[where][:4]}, not {b[where][:4]}"


def report(told: list[Told]) -> str:
    plain = [t for t in told if not t.is_expanded]
    expanded = [t for t in told if t.is_expanded]
    lines = [
        f"{len(OPERATORS)} operators mapped",
        f"{sum(not t.why for t in plain)} tests passed, of {sum(t.is_mapped for t in plain)} of mapped "
        f"operators and {len(plain)} in all",
        f"{sum(not t.why for t in expanded)} passed of {len(expanded)} that are others as graphs",
    ]
    missing = defaultdict(list)
    for t in plain:
        if not t.is_mapped:
            missing[t.why].append(t.name)
    lines += [""] + [
        f"{len(names):4} {why}" for why, names in sorted(missing.items(), key=lambda i: -len(i[1]))
    ]
    lines += [""] + [f"{t.name}: {t.why[:150]}" for t in told if t.why and t.is_mapped]
    return "\n".join(lines)
