"""One step of the chain rule left out, taken twice, of the wrong sign, given another array, transposed."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.checking.causes.by_steps.error import Error, Predicted
from handgrad.checking.causes.edits import nearly
from handgrad.checking.causes.factors import meaning
from handgrad.checking.following.trace import Step
from handgrad.checking.kinds import Kind
from handgrad.rules.rule import is_repeated

Changed = tuple[Kind, str, int, np.ndarray]  # kind, sentence, choices, and the Jacobian put there


def one_step(error: Error) -> Iterator[Predicted]:
    """Each input of each step, with the mistakes that can be made in its backward."""
    chain = error.chain
    for step in chain.steps:
        d = chain.at(step, chain.up)
        for i, slot in enumerate(step.inputs):
            if d is not None and slot in chain.down:
                yield from one_edge(error, step, i, d, chain.down[slot])


def one_edge(error: Error, step: Step, i: int, d: np.ndarray, down: np.ndarray) -> Iterator[Predicted]:
    J = step.jacobian(i)
    twins = [k for k, slot in enumerate(step.inputs) if slot == step.inputs[i] and k != i]
    if twins and min(twins) > i:  # x·x: both operands are one path
        yield from scaled(error, step, i, (d @ sum(step.jacobian(k) for k in (i, *twins))) @ down)
    yield from scaled(error, step, i, (d @ J) @ down)
    for kind, sentence, choices, other in changed(error, step, i, J):
        if other.shape == J.shape:
            yield Predicted(kind, sentence, choices, (d @ (other - J)) @ down)


def scaled(error: Error, step: Step, i: int, through: np.ndarray) -> Iterator[Predicted]:
    """The path's share, times c: missing (0), twice (2), of the wrong sign (-1), ..."""
    t = through[:, error.keep]
    weight = float(np.sum(t * t))
    c = float(np.sum(t * error.off)) / weight if weight else 0.0
    if abs(c) < 1e-6 or np.max(np.abs(error.off - c * t)) > error.tolerance:
        return
    ratio, several = 1 + c, error.chain.uses.get(step.inputs[i], 1) > 1
    path, d, off = f"the path through {step.said(i)}", error.e.d, c * through
    if abs(ratio) < 1e-5:
        yield Predicted(statistic(error, step), f"{d} lacks {path}", 12 if several else 40, off)
    elif abs(ratio - 2) < 1e-5:
        yield Predicted(Kind.DOUBLE_PATH if several else Kind.FACTOR, f"{d} counts {path} twice", 12, off)
    elif abs(ratio + 1) < 1e-5:
        yield Predicted(Kind.FACTOR, f"{d} has the wrong sign for {path}", 40, off)
    else:
        what, question = meaning(error.e, ratio)
        if question:
            sentence = f"{d} has {path} {ratio:.6g} times; {what}: {question}"
            yield Predicted(Kind.FACTOR, sentence, 1000, off)


def statistic(error: Error, step: Step) -> Kind:
    """The kind of a missing path: the term of a mean or a variance has a name of its own."""
    statistics = [s for s in error.chain.steps if s.name in ("mean", "var", "std")]
    squares = ("power", "square", "multiply")
    if step.name in ("var", "std"):
        return Kind.VARIANCE_TERM
    by = next((s for s in error.chain.steps if set(s.outputs) & set(step.inputs)), None)
    feeds = next((s for s in error.chain.steps if set(step.outputs) & set(s.inputs)), None)
    if step.name == "mean" and by is not None and by.name in squares:
        return Kind.VARIANCE_TERM if len(statistics) > 1 else Kind.STATISTICS_CONSTANT
    if step.name in squares and feeds is not None and feeds.name == "mean":
        return Kind.VARIANCE_TERM if len(statistics) > 1 else Kind.STATISTICS_CONSTANT
    return Kind.MEAN_TERM if step.name == "mean" and len(statistics) > 1 else Kind.MISSING_PATH


def changed(error: Error, step: Step, i: int, J: np.ndarray) -> Iterator[Changed]:
    """Other Jacobians that a mistake would put in this one's place."""
    if J.shape[0] == J.shape[1]:
        if np.any(J - np.diag(np.diag(J))):
            yield from coupled(error, step, i, J)
        else:
            yield from elementwise(error, step, i, J)
    yield from repeated(error, step, i, J)
    yield from other_arrays(error, step, i)


def repeated(error: Error, step: Step, i: int, J: np.ndarray) -> Iterator[Changed]:
    """Of a value that was broadcast: only one of the places where it was repeated, or their mean."""
    if len(step.outs) != 1:
        return
    wide, small = step.outs[0].shape, step.values[i].shape
    lead = len(wide) - len(small)
    if (
        lead < 0
        or not is_repeated(small, wide)
        or wide == small
        or len(step.values) + len(step.constants) < 2
    ):
        return
    for axis, n in enumerate(wide):
        if n < 2 or (axis >= lead and small[axis - lead] != 1):
            continue
        place = np.arange(J.shape[0]).reshape(wide)
        for which, word in ((0, "first"), (n - 1, "last")):
            only = np.zeros(J.shape[0], bool)
            only[np.take(place, which, axis)] = True
            here = f"the {word} of the {n} places to which {step.said(i)} is broadcast"
            sentence = f"{error.e.d} counts only {here}"
            yield Kind.BROADCAST, sentence, 40, np.where(only[:, None], J, 0.0)


def elementwise(error: Error, step: Step, i: int, J: np.ndarray) -> Iterator[Changed]:
    here, d = step.said(i), error.e.d
    local, eye = np.diag(J), np.eye(len(J))
    levels = set(np.round(local, 7))
    if not np.allclose(J, eye, atol=1e-7):
        if len(levels) == 1:
            factor = f"{local[0]:.6g}, the constant derivative of"
            yield Kind.FACTOR, f"{d} leaves out the factor {factor} {here}", 40, eye
        else:
            kind = Kind.MASK if levels <= {0.0, 1.0} else Kind.LOCAL_DERIVATIVE
            yield kind, f"{d} leaves out the local derivative of {here}", 40, eye
    kind = Kind.LOCAL_DERIVATIVE
    yield kind, f"{d} applies the local derivative of {here} twice", 40, J * J
    with np.errstate(all="ignore"):
        root, inverse = np.sqrt(np.abs(J)), np.diag(np.where(local != 0, 1 / local, 0))
    yield kind, f"{d} takes the root of the local derivative of {here}", 100, root
    yield kind, f"{d} divides by the local derivative of {here}", 100, inverse
    if levels == {0.0, 1.0}:
        yield Kind.MASK, f"{d} inverts the mask of {here}", 100, eye - J


def coupled(error: Error, step: Step, i: int, J: np.ndarray) -> Iterator[Changed]:
    here, d = step.said(i), error.e.d
    if step.name in ("transpose", "getitem", "reshape", "flip", "swapaxes"):
        yield Kind.TRANSPOSED, f"{d} does not undo {here}", 40, np.eye(len(J))
    diagonal = np.diag(np.diag(J))
    yield Kind.DIAGONAL, f"{d} applies only the diagonal of the Jacobian of {here}", 40, diagonal
    yield Kind.TRANSPOSED, f"{d} does not transpose in the backward of {here}", 40, J.T


def other_arrays(error: Error, step: Step, i: int) -> Iterator[Changed]:
    here, d = step.said(i), error.e.d
    for j, value in enumerate(step.values):
        if value.ndim >= 2 and value.shape[-1] == value.shape[-2] > 1:
            args = [np.swapaxes(v, -1, -2) if k == j else v for k, v in enumerate(step.values)]
            try:
                J = step.jacobian_at(i, args)
            except Exception:  # whatever a step raises that is given another array
                continue
            yield Kind.TRANSPOSED, f"{d} transposes an operand of {here}", 40, J
    if step.values[i].size > 120:
        return
    for j, value in enumerate(step.values):
        for name, other in same_shape(error, value):
            args = [other if k == j else v for k, v in enumerate(step.values)]
            try:
                with np.errstate(all="ignore"):
                    J = step.jacobian_at(i, args)
            except Exception:
                continue
            if np.isfinite(J).all():
                kind = Kind.WRONG_ARRAY
                if nearly(other, value):
                    off = np.ravel(value - other)
                    kind = Kind.EPSILON if np.ptp(off) <= 1e-3 * abs(off.mean()) else Kind.PRECISION
                yield kind, f"the backward of {here} is given {name} in {d}", 100, J


def same_shape(error: Error, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Other arrays of the forward that could be taken for this one."""
    seen: list[np.ndarray] = [value]

    def is_new(x: np.ndarray) -> bool:
        return x.shape == value.shape and not any(np.array_equal(x, s) for s in seen)

    for k, x in enumerate(error.e.trial.values):
        if isinstance(x, np.ndarray) and x.dtype.kind == "f" and is_new(x):
            seen.append(x)
            yield error.e.trial.subject.names[k], x
    for number, step in enumerate(error.chain.tape.steps):
        is_last = step.outputs[0] in error.chain.ends
        for out in step.outs:
            if len(seen) < 24 and is_new(out):
                seen.append(out)
                yield "the output" if is_last else f"the result of {step.name} (step {number + 1})", out
