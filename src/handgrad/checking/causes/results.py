"""What can have been done to the right gradient, or to the Jacobian behind it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from handgrad.checking.causes.evidence import Evidence, subsets
from handgrad.checking.causes.upstream import shifted
from handgrad.checking.findings import Cause, Explains
from handgrad.checking.kinds import Kind
from handgrad.checking.trial import InputTrial


def not_finite(e: Evidence) -> Iterator[Cause]:
    """nan or infinity where the derivative is finite."""
    bad = ~np.isfinite(e.got[0]) & ~e.rough
    if e.has_shape and bad.any() and e.is_whole and np.isfinite(e.expected[0]).all():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        count = f"{int(bad.sum())} of {bad.size} elements"
        said = f"{e.d} is {e.got[0][place]} on {count}, where the derivative is finite"
        where = f", first at {list(place)}, where {e.name} is {e.x[place]:.4g}" if place else ""
        advice = "write it in a form that has no 0/0 and does not overflow"
        yield e.cause(Kind.UNSTABLE, f"{said}{where}: {advice}", Explains.LAW, 4)


def missing(e: Evidence) -> Iterator[Cause]:
    """None or zeros where there is a gradient."""
    if all(g is None for g in e.result.got):
        said = f"there is no gradient of {e.name}, but the output depends on it"
        yield e.cause(Kind.MISSING_GRADIENT, said, Explains.LAW)
    elif any(np.any(g) for g in e.got):
        return
    elif np.max(np.abs(e.x), initial=0.0) > 1e30:
        large = f"{e.name} as large as {np.max(np.abs(e.x)):.1e}"
        said = f"{e.d} is zero where it should not be, for {large}: something overflows"
        yield e.cause(Kind.UNSTABLE, said, Explains.LAW, 4)
    else:
        yield e.cause(
            Kind.MISSING_GRADIENT,
            f"{e.d} is zero throughout, but the output depends on {e.name}",
            choices=2,
        )


def other_input(e: Evidence) -> Iterator[Cause]:
    """The gradient that is due to another input."""
    for j in e.others:
        if e.trial.values[j].shape != e.shape:
            continue
        other = next((r for r in e.trial.results if r.index == j), None)
        due_there = None if other is None else _due_to(e, other)
        if other is None or due_there is None:
            continue
        if all(e.near(g, d) for g, d in zip(e.got, due_there, strict=False)):
            name = e.trial.subject.names[j]
            is_wrong_too = other.wrong is not None and other.wrong.any()
            said = f"{e.d} is the gradient that is due to {name}: are the two swapped?"
            yield e.cause(Kind.SWAPPED, said, Explains.NUMBERS if is_wrong_too else Explains.SOME)


def _due_to(e: Evidence, other: InputTrial) -> list[np.ndarray] | None:
    """What is due to another input of the same shape: what it got, if it was found right at once."""
    if other.columns is None:
        return [np.zeros(e.shape) if g is None else g for g in other.got]
    if other.columns.elements.size == e.x.size:
        return [row.reshape(e.shape) for row in other.columns.by_dout]
    return None


def rearranged(e: Evidence) -> Iterator[Cause]:
    """The right numbers in other places."""
    if not e.is_whole or e.x.size < 2:
        return
    long = [a for a, n in enumerate(e.shape) if n > 1]
    for a, b in itertools.combinations(long, 2):
        if e.shape[a] == e.shape[b] and e.fits(lambda u, a=a, b=b: np.swapaxes(e.due(u), a, b)):
            said = f"{e.d} is the transpose of what is due (axes {a} and {b} swapped)"
            yield e.cause(Kind.TRANSPOSED, said, choices=12)
    yield from _other_axis(e, long)
    for axes in subsets(long):
        if e.fits(lambda u, axes=axes: np.flip(e.due(u), axes)):
            along = ", ".join(map(str, axes))
            if len(axes) > 1 and is_permutation(e):
                yield e.cause(
                    Kind.WRONG_AXIS,
                    f"{e.d} runs the wrong way along axes {along}: is another axis reversed?",
                    choices=100,
                )
                return
            yield e.cause(Kind.FLIPPED, f"{e.d} is what is due, reversed along axis {along}", choices=100)
            return
    yield from _shifted(e, long)
    if len(e.shape) == len(long) == 2 and e.fits(lambda u: e.due(u).T.reshape(e.shape)):
        yield e.cause(
            Kind.TRANSPOSED, f"{e.d} is what is due with a transpose in place of a reshape", Explains.SOME
        )


def _other_axis(e: Evidence, long: list[int]) -> Iterator[Cause]:
    """What is due where dout and the gradient both have two axes swapped."""
    shape = e.out_shape or ()
    for a, b in itertools.combinations(long, 2):
        if b >= len(shape) or shape[a] != shape[b] or e.shape[a] != e.shape[b]:
            continue

        def along(u: np.ndarray, a: int = a, b: int = b) -> np.ndarray:
            return np.swapaxes(e.due(np.swapaxes(u.reshape(shape), a, b).ravel()), a, b)

        if e.fits(along):
            yield e.cause(Kind.WRONG_AXIS, f"{e.d} is right for axis {a} taken for axis {b}", choices=100)
            return


def _shifted(e: Evidence, long: list[int]) -> Iterator[Cause]:
    for a in long:
        for by in (1, -1, 2, -2):
            said = f"{e.d} is what is due, shifted by {by:+d} along axis {a}"
            if abs(by) == 1 and e.fits(lambda u, a=a, by=by: shifted(e.due(u), by, a)):
                yield e.cause(Kind.OFF_BY_ONE, f"{said}, the first or last left out", choices=4)
                return
            if e.fits(lambda u, a=a, by=by: np.roll(e.due(u), by, a)):
                yield e.cause(Kind.OFF_BY_ONE, said, Explains.SOME)
                return


def averaged(e: Evidence) -> Iterator[Cause]:
    """Summed or averaged where every element has its own."""
    if not e.is_whole:
        return

    def repeated(u: np.ndarray, f: Callable, axis: int) -> np.ndarray:
        return np.broadcast_to(f(e.due(u), axis=axis, keepdims=True), e.shape)

    for axis, n in enumerate(e.shape):
        for f, said in ((np.sum, "sum"), (np.mean, "mean")):
            if n > 1 and e.fits(partial(repeated, f=f, axis=axis)):
                what = f"{e.d} is the {said} of what is due over axis {axis}, repeated"
                yield e.cause(
                    Kind.BROADCAST, f"{what}: that axis of {e.name} was not broadcast", Explains.SOME
                )


def jacobian(e: Evidence) -> Iterator[Cause]:
    """The Jacobian cut to its diagonal, not transposed, squared, or left out."""
    if not e.is_whole or e.J is None:
        return
    m, n = e.J.shape
    if m != n or n < 1:
        return
    if not e.is_diagonal:
        yield from _coupled(e, e.J)
    if e.fits(lambda u: u.reshape(e.shape)):
        yield _not_applied(e, e.J)
    if e.is_diagonal:
        yield from _local_derivative(e, np.diag(e.J).reshape(e.shape))


def _coupled(e: Evidence, J: np.ndarray) -> Iterator[Cause]:
    """A Jacobian of which each row has several elements."""
    diagonal = np.diag(J)
    if e.fits(lambda u: (u * diagonal).reshape(e.shape)):
        said = (
            f"{e.d} applies only the diagonal of the Jacobian: each output depends on other elements "
            f"of {e.name} too, and their terms are missing"
        )
        yield e.cause(Kind.DIAGONAL, said, choices=12)
    if e.fits(lambda u: (J @ u).reshape(e.shape)):
        said = f"{e.d} is J·dout, but Jᵀ·dout is due: the Jacobian is not transposed"
        yield e.cause(Kind.TRANSPOSED, said, choices=100)


POWERS = ((2, "applied twice"), (0.5, "square-rooted"), (-1, "divided by instead of multiplied by"))


def _local_derivative(e: Evidence, local: np.ndarray) -> Iterator[Cause]:
    """An elementwise operation: its derivative to another power, or without its sign."""
    for power, said in POWERS:
        with np.errstate(all="ignore"):
            raised = np.abs(local) ** power * np.sign(local) ** (1 if power != 2 else 2)
        if np.isfinite(raised).all() and e.fits(lambda u, r=raised: u.reshape(e.shape) * r):
            yield e.cause(Kind.LOCAL_DERIVATIVE, f"{e.d}: the local derivative is {said}", Explains.SOME, 10)
    if e.fits(lambda u: u.reshape(e.shape) * np.abs(local)):
        yield e.cause(
            Kind.MASK,
            f"{e.d} has the magnitude of the local derivative, without its sign",
            Explains.SOME,
            100,
        )


def _not_applied(e: Evidence, J: np.ndarray) -> Cause:
    """dout handed on as it came: what is left out is a derivative, a mask, or a change of places."""
    if _ones_and_zeros(J) and e.is_diagonal:
        return e.cause(Kind.MASK, f"{e.d} is dout itself: the mask is not applied", choices=12)
    if _ones_and_zeros(J) and np.all(J.sum(axis=0) > 0.5):
        said = f"{e.d} is dout itself in its own order: the change of places is not undone"
        return e.cause(Kind.TRANSPOSED, said, choices=12)
    return e.cause(
        Kind.LOCAL_DERIVATIVE,
        f"{e.d} is dout itself: the local derivative is not applied",
        choices=100,
    )


def _ones_and_zeros(J: np.ndarray) -> bool:
    return bool(np.all((np.abs(J) < 1e-9) | (np.abs(J - 1) < 1e-9)))


def one_of_several(e: Evidence) -> Iterator[Cause]:
    """Of an element that several outputs use, only one use counted."""
    if not e.is_whole or e.J is None or e.trial.f0.size < 2:
        return
    J, columns = e.J, np.arange(e.x.size)
    used = np.abs(J) > 1e-12 * np.max(np.abs(J), initial=0.0)
    if not (used.sum(axis=0) > 1).any():
        return
    last = np.where(used.any(axis=0), used.shape[0] - 1 - np.argmax(used[::-1], axis=0), 0)
    first = np.argmax(used, axis=0)
    often = int((used.sum(axis=0) > 1).sum())
    for rows, said in ((last, "last"), (first, "first")):
        if not e.fits(lambda u, j=rows: (u[j] * J[j, columns]).reshape(e.shape)):
            continue
        if said == "first" and _ones_and_zeros(J):
            counts = f"{e.d} counts only the first of the places where an element is repeated"
            yield e.cause(Kind.BROADCAST, f"{counts}: sum over all of them", choices=2)
        else:
            counts = (
                f"{e.d} counts only the {said} use of an element, and {often} of {e.x.size} elements are "
                f"used more than once"
            )
            how = "assigned (=) where it should be added up (+=, np.add.at)?"
            yield e.cause(Kind.ASSIGNED, f"{counts}: {how}", choices=12)
        return


def is_permutation(e: Evidence) -> bool:
    """Whether the operation only moves elements."""
    assert e.J is not None
    ones = np.abs(e.J - 1) < 1e-9
    return bool(
        np.all(ones | (np.abs(e.J) < 1e-9))
        and np.all(ones.sum(axis=0) == 1)
        and np.all(ones.sum(axis=1) == 1)
    )
