"""Mistakes in a backward, to be switched on in a page: training fails, and the checker says why."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from handgrad import rules
from handgrad.arrays import xp
from handgrad.rules import Rule
from handgrad.rules.rule import watching
from handgrad.tape.variable import ones
from handgrad.view.checking import WRONG, checked
from handgrad.view.graph import Graph

SECONDS = 1.0  # for the checker, a mistake

Gradients = list[Any]
Wrong = Callable[[tuple, Any, Any, Callable], Gradients]
"""(inputs, out, dout, backward) -> the gradients, one of them wrong."""


@dataclass(frozen=True)
class Mistake:
    """One mistake: what it is called, in which rules it is made, and what their backward gives then."""

    words: str
    rules: tuple[Rule, ...]
    wrong: Wrong


def ignoring_dout(inputs: tuple, out: Any, dout: Any, backward: Callable) -> Gradients:
    return list(backward(ones(out)))


def without_mask(inputs: tuple, out: Any, dout: Any, backward: Callable) -> Gradients:
    return [dout, *backward(dout)[1:]]


def of_out(slope: Callable[[Any], Any]) -> Wrong:
    def wrong(inputs: tuple, out: Any, dout: Any, backward: Callable) -> Gradients:
        return [dout * slope(out)]

    return wrong


def times_rows(power: int) -> Wrong:
    """The first gradient times N, or divided by it once more, with N the examples of the batch."""

    def wrong(inputs: tuple, out: Any, dout: Any, backward: Callable) -> Gradients:
        dx, *others = backward(dout)
        return [dx * float(len(inputs[0])) ** power, *others]

    return wrong


def turned_round(inputs: tuple, out: Any, dout: Any, backward: Callable) -> Gradients:
    dx, *others = backward(dout)
    return [-dx, *others]


def mean_of_bias(inputs: tuple, out: Any, dout: Any, backward: Callable) -> Gradients:
    *others, db = backward(dout)
    return [*others, None if db is None else db / float(len(inputs[0]))]


def without_bias(inputs: tuple, out: Any, dout: Any, backward: Callable) -> Gradients:
    *others, db = backward(dout)
    return [*others, None if db is None else db * 0.0]


def without_mean(inputs: tuple, out: Any, dout: Any, backward: Callable) -> Gradients:
    """Of batch_norm, whose mean is an input: nothing comes back to it."""
    dx, dmean, *others = backward(dout)
    return [dx, dmean * 0.0, *others]


def centred_only(inputs: tuple, out: Any, dout: Any, backward: Callable) -> Gradients:
    """Of layer_norm: with mean(dx̂) added back, which the right gradient takes away."""
    x, gamma, *_ = inputs
    dx, *others = backward(dout)
    dx_hat = dout if gamma is None else dout * gamma
    scale = 1 / xp.sqrt(mean((x - mean(x)) ** 2) + 1e-5)
    return [dx + mean(dx_hat) * scale, *others]


def mean(x: Any) -> Any:
    """Over the last axis, which stays."""
    return xp.sum(x, axis=-1, keepdims=True) / x.shape[-1]


SMOOTH = (rules.tanh, rules.sigmoid, rules.gelu, rules.silu, rules.elu, rules.softplus)
LOSSES = (rules.softmax_cross_entropy, rules.mean_squared_error, rules.binary_cross_entropy_with_logits)
MISTAKES = (
    Mistake("ignore dout", (rules.relu, rules.leaky_relu, *SMOOTH), ignoring_dout),
    Mistake("forget where x < 0", (rules.relu,), without_mask),
    Mistake("forget the square: 1 − out", (rules.tanh,), of_out(lambda out: 1 - out)),
    Mistake("forget 1 − out", (rules.sigmoid,), of_out(lambda out: out)),
    Mistake("forget 1/N", LOSSES, times_rows(1)),
    Mistake("divide by N twice", LOSSES, times_rows(-1)),
    Mistake("turn the sign round", LOSSES, turned_round),
    Mistake("take the mean for db, not the sum", (rules.affine,), mean_of_bias),
    Mistake("forget db", (rules.affine,), without_bias),
    Mistake("drop the mean's term", (rules.batch_norm,), without_mean),
    Mistake("drop the mean's term", (rules.layer_norm,), centred_only),
)


@dataclass(frozen=True)
class Planted:
    """A mistake in one rule of a network."""

    rule: Rule
    mistake: Mistake

    @property
    def words(self) -> str:
        return f"{self.rule.name}: {self.mistake.words}"

    def spoiled(self) -> Rule:
        """The rule with its mistake."""

        def body(*inputs: Any, **options: Any) -> tuple[Any, Callable]:
            return spoiled(inputs, self.rule.body(*inputs, **options), [(self.mistake, None)])

        body.__name__ = self.rule.name
        vars(body)["__signature__"] = inspect.signature(self.rule.body)
        return Rule(body, self.rule.broadcasts)


def possible(graph: Graph) -> list[Planted]:
    """The mistakes that can be made in the rules of a graph."""
    met = {op.rule: op for op in graph.ops if op.has_gradient}
    return [Planted(rule, mistake) for mistake in MISTAKES for rule in mistake.rules if rule in met]


def named(graph: Graph) -> list[tuple[Planted, str]]:
    """Each mistake that the checker finds where the graph uses the rule, with its sentence.

    Args:
        graph: a network on a few examples.
    """
    found = []
    for planted in possible(graph):
        op = next(op for op in graph.ops if op.rule is planted.rule)
        verdict = checked(planted.spoiled(), op.given, op.options, SECONDS)
        if verdict.kind == WRONG:
            found.append((planted, f"{op.name} is {verdict.text}"))
    return found


def spoiled(inputs: tuple, made: tuple, mistakes: Sequence[tuple[Mistake, Any]]) -> tuple[Any, Callable]:
    """A rule's (out, backward), of which backward makes the mistakes whose flag is not 0 or not given."""
    out, backward = made

    def right(dout: Any) -> tuple:
        grads = backward(dout)
        return grads if isinstance(grads, tuple) else (grads,)

    def wrong(dout: Any) -> tuple:
        grads = list(right(dout))
        for mistake, flag in mistakes:
            others = mistake.wrong(inputs, out, dout, right)
            grads = [picked(flag, b, a) for a, b in zip(grads, others, strict=True)]
        return tuple(grads)

    return out, wrong


def picked(flag: Any, wrong: Any, right: Any) -> Any:
    if flag is None or wrong is right:
        return wrong
    return xp.where(flag != 0, wrong, right)


class Planting:
    """Watches rules at work, and gives those that are planted with mistakes their wrong backward."""

    def __init__(self, all_planted: Sequence[Planted], flags: Any):
        self.by_rule: dict[Rule, list[tuple[Mistake, Any]]] = {}
        for i, planted in enumerate(all_planted):
            self.by_rule.setdefault(planted.rule, []).append((planted.mistake, flags[i]))

    def begin(self) -> None: ...

    def place(self) -> None: ...

    def forward(self, began: None, rule: Rule, inputs: tuple, made: tuple) -> tuple:
        mistakes = self.by_rule.get(rule)
        return spoiled(inputs, made, mistakes) if mistakes else made

    def backward(self, *noticed: Any) -> None: ...


@contextlib.contextmanager
def planting(all_planted: Sequence[Planted], flags: Any) -> Iterator[None]:
    """While this lasts, here and in no other thread, rules make the mistakes whose flag is not 0.

    flags (len(all_planted),)
    """
    before = watching.set(Planting(all_planted, flags))
    try:
        yield
    finally:
        watching.reset(before)
