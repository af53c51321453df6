"""A function that returns its output and the way back, in whatever order and company: ``(out, backward)``,
``[out, backward]``, ``(out, cache, backward)``; or a loss and its gradients, ``(loss, grads)``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np

from handgrad.arrays import sum_to
from handgrad.checking.forms.arrays import NUMPY, Arrays, asked_for, kept_tree
from handgrad.checking.forms.calling import CACHES, Plan, plan, returned_names, wanted_by
from handgrad.checking.forms.form import Asked, CannotCall, Form
from handgrad.checking.forms.gradients import (
    aligned,
    are_like_an_input,
    by_return,
    gradient_names,
    in_dict,
    placed,
    times,
)
from handgrad.checking.memory import Memory
from handgrad.checking.subject import (
    Back,
    Subject,
    Unfit,
    Values,
    counted,
    douts_like,
    fixed_randomness,
    flat_names,
    label,
    narrow_of,
    numbers_of,
    parameter_names,
)
from handgrad.rules.rule import Rule, describe, is_repeated
from handgrad.tree import leaves

Apart = Callable[[Any], tuple[Any, Callable[[Any], Any]]]  # what f returned -> out, and dout -> gradients


def is_backward(x: Any) -> bool:
    """Whether something that a function returned is a way back."""
    return callable(x) and not hasattr(x, "shape") and not isinstance(x, type)


def holds_backward(made: Any) -> bool:
    return any(map(is_backward, leaves(made)))


def taken_apart(made: Any, name: str, inputs: list[str]) -> tuple[Any, Callable[[Any], Any]]:
    """The output, and the backward as a function of dout, from what a function returned.

    Raises:
        CannotCall: there is no one backward, or it takes what is not known.
    """
    items = list(made) if isinstance(made, (tuple, list)) else [made]
    backs = [x for x in items if is_backward(x)]
    rest = [x for x in items if not is_backward(x)]
    if len(backs) != 1 or not rest or holds_backward(rest):
        held = sum(map(is_backward, leaves(made)))
        raise CannotCall(
            f"{name} returned {describe(made)} with {counted(held, 'function')} in it: which of these is "
            f"its backward "
            f"cannot be told; return the pair (out, backward)"
        )
    (backward,) = backs
    wanted = wanted_by(backward)
    if wanted is None or len(wanted) < 2:
        return rest[0], backward  # what stands between them is a cache
    parts = list(rest[0]) if len(rest) == 1 and isinstance(rest[0], (tuple, list)) else rest
    is_each = len(wanted) == len(parts) and not any(w.lower() in CACHES for w in wanted)
    found = Plan(_each_dout(wanted), tuple(range(len(parts)))) if is_each else None
    found = found or plan(wanted, inputs, parts, [])
    if found is None or any(kind in ("input", "node") for kind, _ in found.takes):
        raise CannotCall(
            f"the backward that {name} returned takes ({', '.join(wanted)}), and what to give it beside "
            f"dout cannot "
            f"be told: after {counted(len(parts), 'output')} it takes as many douts, or one"
        )
    return found.out(parts), lambda dout: backward(*found.arguments(dout, (), parts))


def _each_dout(wanted: list[str]) -> tuple[tuple[str, int], ...]:
    return tuple(("dout", i) for i in range(len(wanted)))


def of_pair(
    f: Callable,
    inputs: tuple,
    options: dict,
    name: str | None = None,
    names: list[str] | None = None,
    memory: Memory | None = None,
    arrays: Arrays = NUMPY,
    apart: Apart | None = None,
) -> Subject:
    """``f(*inputs) -> (out, backward)``. Each evaluation starts from what f remembered at first.

    Args:
        f: the function.
        inputs: as its caller gave them.
        options: further named arguments of f.
        name: how a report names it.
        names: of its inputs.
        memory: what f keeps between calls.
        arrays: of the library that f takes.
        apart: how what f returns is taken apart, if not by ``taken_apart``.
    """
    memory = memory or Memory(f)
    name = name or label(f)
    names = names or parameter_names(f, len(inputs))
    apart = apart or partial(taken_apart, name=name, inputs=names)
    tree = kept_tree(arrays, inputs)
    forward, pair = _runs(f, tree, options, names, memory, arrays, apart)
    flat = leaves(tree)

    def follow(given: list[Any], rebinder: Any) -> Any:
        return apart(rebinder.function(f)(*arrays.handed(tree, given), **options))[0]

    made = Subject(
        name=name,
        style="pair",
        names=flat_names(names, inputs),
        values=flat,
        checked=asked_for(inputs),
        forward=forward,
        pair=pair,
        code=[f],
        follow=follow,
        functions=lambda: [f],
        rebuilt=lambda rebinder: of_pair(
            rebinder.function(f), inputs, options, name, names, memory, arrays, apart
        ),
        numbers=numbers_of(f) | {k: float(v) for k, v in options.items() if isinstance(v, (int, float))},
        narrow=narrow_of(inputs),
        memory=memory,
        whose=f"the backward that {name} returns",
    )
    return replace(made, reused=lambda: replace(made, pair=partial(pair, fresh=False)))


def _runs(
    f: Callable,
    tree: list[Any],
    options: dict,
    names: list[str],
    memory: Memory,
    arrays: Arrays,
    apart: Apart,
) -> tuple[Callable[[Values], list[Any]], Callable[..., tuple[list[Any], Back]]]:
    """``forward(values)``, and ``pair(values, fresh=True)``: not fresh, f goes on remembering."""

    def run(values: Values) -> tuple[Any, Callable]:
        with fixed_randomness(), arrays.precise():
            return apart(f(*arrays.handed(tree, list(values)), **options))

    def forward(values: Values) -> list[Any]:
        with memory.kept():
            return [arrays.seen(o) for o in leaves(run(values)[0])]

    def pair(values: Values, fresh: bool = True) -> tuple[list[Any], Back]:
        if fresh:
            memory.restore()
        out, backward = run(values)

        def back(douts: list[Any]) -> list[Any]:
            with arrays.precise():
                grads = backward(douts_like(out, [arrays.given(d) for d in douts]))
            return [arrays.seen(g) for g in aligned(by_return(grads, backward, names, tree), tree, names)]

        return [arrays.seen(o) for o in leaves(out)], back

    return forward, pair


# A rule.


class RuleForm(Form):
    """One of handgrad's rules, or of its user's."""

    @classmethod
    def of(cls, target: Any, asked: Asked) -> Self | None:
        return cls(target, asked) if isinstance(target, Rule) else None

    @property
    def author(self) -> Callable:
        return self.target.body

    def subject(self, inputs: tuple, options: dict) -> Subject:
        return of_rule(self.target, inputs, options)


def of_rule(rule: Rule, inputs: tuple, options: dict) -> Subject:
    """A rule's body, its gradients as they are before the rule repairs or refuses them."""
    inputs, options = rule.bind(inputs, options)  # with those that may be left out
    made = of_pair(rule.body, inputs, options, rule.name, list(rule.inputs))

    def fit(k: int, dx: Any) -> Any:
        wanted = np.shape(made.values[k])
        if rule.broadcasts and np.shape(dx) != wanted and is_repeated(wanted, np.shape(dx)):
            return sum_to(dx, wanted)
        return dx

    return replace(made, style="rule", fit=fit, whose=f"the backward of the rule {rule.name}")


# A loss and its gradients.

GRADIENTS = ("grads", "gradients", "grad", "gradient", "dparams", "d", "g", "jac")


def returns_gradients(f: Callable, made: Any, names: list[str], tree: list[Any], is_plain: bool) -> bool:
    """Whether what f returned is a loss and its gradients: a number, and what is called so.

    ``is_plain``: no rule took part, so what has no name may be them as well, if it is like an input.
    """
    if not isinstance(made, (tuple, list)) or len(made) != 2 or np.shape(made[0]) != () or callable(made[1]):
        return False
    called = returned_names(f)
    first, second = called if len(called) == 2 else (None, None)
    if second is None and is_plain and are_like_an_input(made[1], tree):
        return True
    if isinstance(made[1], dict):
        keys = [*names, *(str(key) for x in tree if isinstance(x, dict) for key in x)]
        return any(in_dict(made[1], key) is not None for key in keys)
    return second in GRADIENTS or any(second in gradient_names(name) for name in (*names, first or ""))


def of_loss_and_gradients(
    f: Callable,
    inputs: tuple,
    options: dict,
    arrays: Arrays,
    name: str | None = None,
    names: list[str] | None = None,
) -> Subject:
    """``f(*inputs) -> (loss, grads)``: the gradients are those of the loss itself, dout = 1."""
    names = names or parameter_names(f, len(inputs))
    tree = kept_tree(arrays, inputs)
    called = returned_names(f)
    own = next((k for k, n in enumerate(names) if len(called) == 2 and called[1] in gradient_names(n)), None)

    def spread(grads: Any) -> Any:
        if own is not None:
            return tuple(grads if k == own else None for k in range(len(tree)))
        return unflat(placed(grads, tree, names))

    def unflat(flat: list[Any]) -> Any:
        given = iter(flat)
        return tuple([next(given) for _ in leaves(x)] if _is_nested(x) else next(given) for x in tree)

    def apart(made: Any) -> tuple[Any, Callable[[Any], Any]]:
        loss, grads = made
        return loss, lambda dout: times(dout, spread(grads))

    made = of_pair(f, inputs, options, name, names, arrays=arrays, apart=apart)
    return with_answered(made, f"the gradients that {made.name} returns beside its loss")


def _is_nested(x: Any) -> bool:
    return isinstance(x, (list, tuple, dict))


def with_answered(made: Subject, whose: str) -> Subject:
    """The subject with those inputs alone checked that get a gradient; the others are data."""
    outs, back = made.pair([x.copy() if isinstance(x, np.ndarray) else x for x in made.values])
    try:
        grads = back([np.ones(np.shape(o)) for o in outs])
    except Unfit as error:
        raise CannotCall(f"{made.name}: {error}") from None
    answered = [g is not None for g in grads]
    left = [n for n, c, a in zip(made.names, made.checked, answered, strict=True) if c and not a]
    notes = [f"there is no gradient for {', '.join(left)}: taken as data, not checked"] if left else []
    checked = [c and a for c, a in zip(made.checked, answered, strict=True)]
    known = replace(made, checked=checked, notes=[*made.notes, *notes], whose=whose)
    return replace(known, reused=None)
