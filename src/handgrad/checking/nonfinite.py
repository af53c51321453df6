"""Where a number stopped being finite: the first rule, forward or backward, that made it so."""

from __future__ import annotations

import linecache
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any

import numpy as np

from handgrad.arrays import is_array, stripped
from handgrad.rules.rule import Rule, watching
from handgrad.tape import vjp
from handgrad.tape.graph import USERS, _scope, whose
from handgrad.tree import leaves, tree_map

ADVICE = {
    ("log", "forward"): "the log of 0 or less: bound it, hg.log(hg.maximum(x, 1e-12)); of probabilities take "
    "hg.log_softmax, or hg.softmax_cross_entropy of the logits",
    ("log", "backward"): "1 / x at 0: bound x before the log; of probabilities take hg.log_softmax",
    ("exp", "forward"): "eˣ is beyond the largest number (x is over 88 in float32, 709 in float64): take "
    "hg.softmax, hg.logsumexp or hg.softplus, which subtract the largest first",
    ("divide", "forward"): "a division by 0: x / hg.where(y == 0, 1.0, y), or y + 1e-12",
    ("divide", "backward"): "1 / y² at y near 0: bound y away from 0, inside of any hg.where",
    ("sqrt", "forward"): "the root of a number below 0: hg.sqrt(hg.maximum(x, 0.0))",
    ("sqrt", "backward"): "√x has no slope at 0: hg.sqrt(x + 1e-12); of a sum of squares hg.norm",
    ("power", "forward"): "a power of 0 or of a negative number: bound the base, hg.maximum(x, 1e-12) ** p",
    ("power", "backward"): "xᵖ has no slope at x = 0 where p < 1: bound x away from 0",
    ("arccos", "backward"): "no slope at -1 and 1: hg.clip(x, -1 + 1e-7, 1 - 1e-7)",
    ("arcsin", "backward"): "no slope at -1 and 1: hg.clip(x, -1 + 1e-7, 1 - 1e-7)",
    ("arctanh", "forward"): "its ends are -1 and 1: hg.clip(x, -1 + 1e-7, 1 - 1e-7)",
}
TOO_LARGE = (
    "its inputs are too large for its dtype: a smaller learning rate, smaller weights, a norm before it, "
    "or float64"
)
OTHERWISE = "look at its inputs: what is 0, or too large, for it"
BY_HG_WHERE = "; a where around it does not help, its backward still has 0·∞: put the where inside"


@dataclass(frozen=True)
class Origin:
    """Where it began.

    Attributes:
        rule: its name; "" where what came in was not finite already.
        way: "forward" or "backward".
        layer: the layer that it was used in, or "".
        line: the user's line that used it, ``file:number: text``, or "".
        inputs: of each array that it was given its name and its extremes, in words.
        made: its result's extremes, in words.
        advice: what to write instead.
    """

    rule: str
    way: str
    layer: str
    line: str
    inputs: tuple[tuple[str, str], ...]
    made: str
    advice: str

    def __str__(self) -> str:
        if not self.rule:
            name, told = self.inputs[0]
            return f"{name} is not finite before anything is computed: {told}"
        where = f" of layer {self.layer}" * bool(self.layer)
        what = self.rule if self.way == "forward" else f"the backward of {self.rule}"
        lines = [f"{what}{where} made numbers that are not finite: {self.made}"]
        lines += [f"  {name}: {told}" for name, told in self.inputs]
        lines += [f"  at {self.line}"] * bool(self.line)
        return "\n".join([*lines, f"  {self.advice}"])


class Watch:
    """Notes who made numbers that are not finite, and what these then went into."""

    def __init__(self) -> None:
        self.origins: list[Origin] = []
        self.by_array: dict[int, tuple[Any, Origin]] = {}  # the array is kept, so that its id stays its own
        self.has_gone_back = False

    def begin(self) -> int:
        return len(self.origins)

    def place(self) -> tuple[str, str]:
        return _scope.get().name, users_line()

    def forward(self, began: int, rule: Rule, inputs: tuple, made: tuple) -> tuple:
        given = [(n, x) for n, tree in zip(rule.inputs, inputs, strict=True) for x in leaves(tree)]
        self.look(began, rule, "forward", given, made[0], None)
        return made

    def backward(
        self, began: int, rule: Rule, inputs: tuple, dout: Any, grads: Any, place: tuple[str, str] | None
    ) -> None:
        self.has_gone_back = True
        given = [(n, x) for n, tree in zip(rule.inputs, inputs, strict=True) for x in leaves(tree)]
        given += [("dout", d) for d in leaves(dout)]
        self.look(began, rule, "backward", given, grads, place)

    def look(
        self, began: int, rule: Rule, way: str, given: list[tuple[str, Any]], made: Any, place: Any
    ) -> None:
        """One use of a rule; what was found inside it, in rules that it is made of, is its own."""
        outs = [x for x in map(plain, leaves(made)) if x is not None]
        lost = [x for x in outs if not is_finite(x)]
        if not lost:
            del self.origins[began:]
            return
        arrays = [(name, x) for name, x in ((name, plain(x)) for name, x in given) if x is not None]
        bad = [x for _, x in arrays if not is_finite(x)]
        known = [self.by_array[id(x)][1] for x in bad if id(x) in self.by_array]
        is_new = not bad or (not known and any(map(has_nan, lost)) and not any(map(has_nan, bad)))
        if is_new:
            del self.origins[began:]
            layer, line = place or self.place()
            told = tuple((name, extremes(x)) for name, x in arrays)
            self.origins.append(
                Origin(rule.name, way, layer, line, told, extremes(lost[0]), advice(rule.name, way, lost))
            )
            found = self.origins[-1]
        elif known or self.origins:
            found = known[0] if known else self.origins[0]
        else:
            name, x = next((name, x) for name, x in arrays if not is_finite(x))
            layer, line = place or self.place()
            told = ((f"{name} of {rule.name}, at {line}", extremes(x)),)
            found = Origin("", way, layer, line, told, "", "")
        for x in lost:
            self.by_array[id(x)] = (x, found)

    def of(self, results: Any) -> Origin | None:
        """The origin of what is not finite among results; None if all are."""
        lost = [x for x in map(plain, leaves(results)) if x is not None and not is_finite(x)]
        for x in lost:
            if id(x) in self.by_array:
                return self.by_array[id(x)][1]
        return self.origins[0] if lost and self.origins else None


def origin_of_nonfinite(f: Callable, *xs: Any) -> Origin | None:
    """The first rule, forward or backward, that made finite numbers others; None where all are finite.

    ``f`` is any function of rules, such as a loss of parameters, or a derivative of one, compiled or not: it
    is run rule by rule on ``xs``, and where it is no derivative itself, backward too, by a dout of ones.
    Printed, an origin says which rule, in which layer and line, of inputs of which extremes, and what to
    write instead. What only passes through, as the -inf of a mask, is no origin.

    Examples:
        >>> origin = hg.origin_of_nonfinite(lambda x: hg.sum(hg.log(x)), np.array([0.0, 1.0]))
        >>> origin.rule, origin.way, origin.inputs
        ('log', 'forward', (('x', 'float64 (2,), from 0 to 1'),))
        >>> hg.origin_of_nonfinite(hg.tanh, np.array([0.0, 1.0])) is None
        True
    """
    for i, x in enumerate(leaves(xs)):
        value = plain(x)
        if value is not None and not is_finite(value):
            return Origin("", "forward", "", "", ((f"argument {i}", extremes(value)),), "", "")
    watch = Watch()
    before = watching.set(watch)
    try:
        with np.errstate(all="ignore"):
            out, backward = vjp(getattr(f, "f", f) if type(f).__name__ == "Compiled" else f, *xs)
            found = watch.of(out)
            if found is not None or watch.has_gone_back:
                return found
            return watch.of(backward(tree_map(ones_like, out)))
    finally:
        watching.reset(before)


def ones_like(x: Any) -> Any:
    return np.ones(np.shape(x), np.result_type(x)) if is_array(x) else x


def plain(x: Any) -> np.ndarray | None:
    """The floating values of an array, or None."""
    x = stripped(x)
    if isinstance(x, (np.ndarray, np.generic, float)):
        x = x if isinstance(x, np.ndarray) else np.asarray(x)
        return x if x.dtype.kind == "f" else None
    return None


def is_finite(x: Any) -> bool:
    return bool(np.all(np.isfinite(x)))


def has_nan(x: Any) -> bool:
    return bool(np.any(np.isnan(x)))


def extremes(x: np.ndarray) -> str:
    """Shape, range and number of non-finite elements, in words."""
    finite = x[np.isfinite(x)]
    spread = f"from {finite.min():.4g} to {finite.max():.4g}" if finite.size else "no finite number"
    odd = [f"{n} {kind}" for kind, n in (("nan", np.isnan(x).sum()), ("infinite", np.isinf(x).sum())) if n]
    return f"{x.dtype} {x.shape}, {spread}" + f", {' and '.join(odd)} of {x.size}" * bool(odd)


def advice(rule: str, way: str, lost: list[Any]) -> str:
    found = ADVICE.get((rule, way))
    if found is None:
        return OTHERWISE if any(map(has_nan, lost)) else TOO_LARGE
    return found + BY_HG_WHERE * (way == "backward")


def users_line() -> str:
    """The line outside of handgrad that is being run."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if whose(name) == USERS and "importlib" not in name and "contextlib" not in name:
            text = linecache.getline(name, frame.f_lineno).strip()
            return f"{name}:{frame.f_lineno}" + f": {text}" * bool(text)
        frame = frame.f_back
    return ""
