"""Several steps taken as one: a part of the forward between two values, or all calls of one kind."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.checking.causes.by_steps.error import Error, Predicted
from handgrad.checking.following.chain import Change
from handgrad.checking.kinds import Kind


def composites(error: Error) -> Iterator[Predicted]:
    """Between two values of one size, as in a softmax: the Jacobian cut, left out, turned."""
    chain = error.chain
    ends = [slot for step in chain.steps for slot in step.outputs if slot in chain.up]
    for a in [chain.start, *ends][:30]:
        size = chain.tape.values[a].size
        if not 2 <= size <= 200:
            continue
        reach = chain.from_value(a)
        for b in ends:
            if b in reach and b != a and reach[b].shape == (size, size):
                yield from composite(error, a, b, reach[b])


def composite(error: Error, a: int, b: int, J: np.ndarray) -> Iterator[Predicted]:
    down, d = error.chain.down[a], error.chain.up[b]
    diagonal = np.diag(np.diag(J))
    here = f"the part of the forward from {value_name(error, a)} to {value_name(error, b)}"
    options = [(Kind.LOCAL_DERIVATIVE, "leaves out the derivative of", 100, np.eye(len(J)))]
    if np.any(J - diagonal):
        options += [
            (Kind.DIAGONAL, "applies only the diagonal of the Jacobian of", 40, diagonal),
            (Kind.TRANSPOSED, "does not transpose the Jacobian of", 100, J.T),
        ]
    for kind, what, choices, other in options:
        yield Predicted(kind, f"{error.e.d} {what} {here}", choices, (d @ (other - J)) @ down)


def value_name(error: Error, slot: int) -> str:
    if slot == error.chain.start:
        return error.e.name
    if slot in error.chain.ends:
        return "the output"
    step = next(s for s in error.chain.tape.steps if slot in s.outputs)
    return f"the result of {step.name} {error.chain.tape.values[slot].shape}"


# Several steps of one kind: a time step's, of which each has its own.


def alike(error: Error) -> Iterator[Predicted]:
    """All calls of one function on the same shapes."""
    kinds: dict[tuple, list[tuple[int, int]]] = {}
    for number, step in enumerate(error.chain.steps):
        for i, slot in enumerate(step.inputs):
            if slot in error.chain.reach:
                key = (step.name, i, step.values[i].shape, step.outs[0].shape, len(step.inputs))
                kinds.setdefault(key, []).append((number, i))
    for members in kinds.values():
        if len(members) > 1:
            yield from group(error, members)


def group(error: Error, members: list[tuple[int, int]]) -> Iterator[Predicted]:
    number, i = members[0]
    step, d = error.chain.steps[number], error.e.d
    here = f"{step.said(i)}, in all of its {len(members)} uses"
    Js = {at: error.chain.steps[at[0]].jacobian(at[1]) for at in members}
    zero = {at: 0 * J for at, J in Js.items()}
    is_statistic = step.name in ("mean", "var", "std")
    kind, choices = (Kind.STATISTICS_CONSTANT, 12) if is_statistic else (Kind.MISSING_PATH, 40)
    yield error.by(kind, f"{d} lacks the paths through {here}", choices, zero)
    for kept, word in ((members[0], "first"), (members[-1], "last")):
        rest = {at: J for at, J in zero.items() if at != kept}
        counts = f"{d} counts only the {word} of {here}: is it assigned, not added up?"
        yield error.by(Kind.ASSIGNED, counts, 40, rest)
    if all(J.shape[0] == J.shape[1] for J in Js.values()):
        yield from changed(error, Js, here)
    if all(error.chain.steps[n].values[j].ndim == 2 for n, _ in members for j in range(len(step.values))):
        for j in range(len(step.values)):
            yield from turned(error, members, j, here)


def changed(error: Error, Js: Change, here: str) -> Iterator[Predicted]:
    """The Jacobians of all members left out, or not transposed."""
    d = error.e.d
    if not any(np.any(J - np.diag(np.diag(J))) for J in Js.values()):
        eye = {at: np.eye(len(J)) for at, J in Js.items()}
        kind = Kind.LOCAL_DERIVATIVE
        yield error.by(kind, f"{d} leaves out the local derivative of {here}", 40, eye)
    other = {at: J.T for at, J in Js.items()}
    yield error.by(Kind.TRANSPOSED, f"{d} does not transpose in the backward of {here}", 100, other)


def turned(error: Error, members: list[tuple[int, int]], j: int, here: str) -> Iterator[Predicted]:
    """An operand of all members transposed, where it is square."""
    change: Change = {}
    for number, i in members:
        step = error.chain.steps[number]
        if step.values[j].shape[0] != step.values[j].shape[1]:
            return
        change[number, i] = step.jacobian_at(i, [v.T if k == j else v for k, v in enumerate(step.values)])
    yield error.by(Kind.TRANSPOSED, f"{error.e.d} transposes an operand of {here}", 100, change)
