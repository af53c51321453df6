"""What can have been done to the right gradient, or to the Jacobian behind it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from handgrad.check.causes.evidence import Evidence
from handgrad.check.causes.upstream import shifted
from handgrad.check.findings import Cause


def not_finite(e: Evidence) -> Iterator[Cause]:
    """nan or infinity where the derivative is finite."""
    bad = ~np.isfinite(e.got[0]) & ~e.rough
    if e.has_shape and bad.any() and e.is_whole and np.isfinite(e.expected[0]).all():
        place = tuple(int(i) for i in np.argwhere(bad)[0])
        said = f"{e.d} is {e.got[0][place]} on {int(bad.sum())} of {bad.size} elements, where the derivative is finite"
        where = f", first at {list(place)}, where {e.name} is {e.x[place]:.4g}" if place else ""
        yield e.cause(
            "unstable", f"{said}{where}: write it in a form that has no 0/0 and does not overflow", 1.5
        )


def missing(e: Evidence) -> Iterator[Cause]:
    """None or zeros where there is a gradient."""
    if all(g is None for g in e.result.got):
        yield e.cause(
            "missing-gradient", f"there is no gradient of {e.name}, but the output depends on it", 1
        )
    elif not any(np.any(g) for g in e.got) and np.max(np.abs(e.x), initial=0.0) > 1e30:
        yield e.cause("unstable", f"{e.d} is zero where it should not be, for {e.name} as large as "
                      f"{np.max(np.abs(e.x)):.1e}: something overflows", 1.6)  # fmt: skip
    elif not any(np.any(g) for g in e.got):
        yield e.cause("missing-gradient", f"{e.d} is zero throughout, but the output depends on {e.name}", 2)


def other_input(e: Evidence) -> Iterator[Cause]:
    """The gradient that is due to another input."""
    for j in e.others:
        if e.trial.values[j].shape != e.shape:
            continue
        other = next((r for r in e.trial.results if r.index == j), None)
        if other is None:
            continue
        if other.columns is None:
            due_there = [np.zeros(e.shape) if g is None else g for g in other.got]
        elif other.columns.elements.size == e.x.size:
            due_there = [row.reshape(e.shape) for row in other.columns.by_dout]
        else:
            continue
        if all(e.near(g, d) for g, d in zip(e.got, due_there, strict=False)):
            name = e.trial.subject.names[j]
            rank = 2 if other.wrong is not None and other.wrong.any() else 5.5
            yield e.cause(
                "swapped", f"{e.d} is the gradient that is due to {name}: are the two swapped?", rank
            )


def rearranged(e: Evidence) -> Iterator[Cause]:
    """The right numbers in other places."""
    if not e.is_whole or e.x.size < 2:
        return
    ndim = len(e.shape)
    for a, b in itertools.combinations(range(ndim), 2):
        if e.shape[a] == e.shape[b] > 1 and e.fits(lambda u, a=a, b=b: np.swapaxes(e.due(u), a, b)):
            yield e.cause(
                "transposed", f"{e.d} is the transpose of what is due (axes {a} and {b} swapped)", 3
            )
    long = [a for a in range(ndim) if e.shape[a] > 1]
    for count in range(1, len(long) + 1):
        for axes in itertools.combinations(long, count):
            if e.fits(lambda u, axes=axes: np.flip(e.due(u), axes)):
                said = ", ".join(map(str, axes))
                yield e.cause("flipped", f"{e.d} is what is due, reversed along axis {said}", 4)
                return
    for a in long:
        for by in (1, -1, 2, -2):
            if e.fits(lambda u, a=a, by=by: np.roll(e.due(u), by, a)) or (
                abs(by) == 1 and e.fits(lambda u, a=a, by=by: shifted(e.due(u), by, a))
            ):
                yield e.cause("off-by-one", f"{e.d} is what is due, shifted by {by:+d} along axis {a}", 5)
                return
    for a, b in itertools.permutations(long, 2):
        if a < b and ndim == 2 and e.fits(lambda u: e.due(u).T.reshape(e.shape)):
            yield e.cause("transposed", f"{e.d} is what is due with a transpose in place of a reshape", 5)
            return


def averaged(e: Evidence) -> Iterator[Cause]:
    """Summed or averaged where every element has its own."""
    if not e.is_whole:
        return
    for axis in range(len(e.shape)):
        if e.shape[axis] < 2:
            continue
        for f, said in ((np.sum, "sum"), (np.mean, "mean")):

            def repeated(u: np.ndarray, f=f, axis=axis) -> np.ndarray:  # type: ignore[no-untyped-def]
                return np.broadcast_to(f(e.due(u), axis=axis, keepdims=True), e.shape)

            if e.fits(repeated):
                yield e.cause(
                    "broadcast", f"{e.d} is the {said} of what is due over axis {axis}, repeated: that axis of "
                    f"{e.name} was not broadcast", 5,
                )  # fmt: skip


def jacobian(e: Evidence) -> Iterator[Cause]:
    """The Jacobian cut to its diagonal, not transposed, squared, or left out."""
    if not e.is_whole or e.J is None:
        return
    m, n = e.J.shape
    if m != n or n < 1:
        return
    diagonal = np.diag(e.J)
    is_diagonal = np.max(np.abs(e.J - np.diag(diagonal)), initial=0.0) <= 1e-9 * np.max(
        np.abs(e.J), initial=0.0
    )
    if not is_diagonal:
        if e.fits(lambda u: (u * diagonal).reshape(e.shape)):
            yield e.cause(
                "diagonal", f"{e.d} applies only the diagonal of the Jacobian: each output depends on other elements "
                f"of {e.name} too, and their terms are missing", 3,
            )  # fmt: skip
        if e.fits(lambda u: (e.J @ u).reshape(e.shape)):
            yield e.cause(
                "transposed", f"{e.d} is J·dout, but Jᵀ·dout is due: the Jacobian is not transposed", 4
            )
    if e.fits(lambda u: u.reshape(e.shape)):
        yield _not_applied(e, is_diagonal)
    if is_diagonal:
        local = diagonal.reshape(e.shape)
        for power, said in (
            (2, "applied twice"),
            (0.5, "square-rooted"),
            (-1, "divided by instead of multiplied by"),
        ):
            with np.errstate(all="ignore"):
                raised = np.abs(local) ** power * np.sign(local) ** (1 if power != 2 else 2)
            if np.isfinite(raised).all() and e.fits(lambda u, r=raised: u.reshape(e.shape) * r):
                yield e.cause("local-derivative", f"{e.d}: the local derivative is {said}", 6)
        if e.fits(lambda u: u.reshape(e.shape) * np.abs(local)):
            yield e.cause("mask", f"{e.d} has the magnitude of the local derivative, without its sign", 7)


def _not_applied(e: Evidence, is_diagonal: bool) -> Cause:
    """dout handed on as it came: what is left out is a derivative, a mask, or a change of places."""
    assert e.J is not None
    ones_and_zeros = bool(np.all((np.abs(e.J) < 1e-9) | (np.abs(e.J - 1) < 1e-9)))
    if ones_and_zeros and is_diagonal:
        return e.cause("mask", f"{e.d} is dout itself: the mask is not applied", 3)
    if ones_and_zeros and np.all(e.J.sum(axis=0) > 0.5):
        return e.cause(
            "transposed", f"{e.d} is dout itself in its own order: the change of places is not undone", 3
        )
    return e.cause("local-derivative", f"{e.d} is dout itself: the local derivative is not applied", 4)


def one_of_several(e: Evidence) -> Iterator[Cause]:
    """Of an element that several outputs use, only one use counted."""
    if not e.is_whole or e.J is None or e.trial.f0.size < 2:
        return
    used = np.abs(e.J) > 1e-12 * np.max(np.abs(e.J), initial=0.0)
    if not (used.sum(axis=0) > 1).any():
        return
    last = np.where(used.any(axis=0), used.shape[0] - 1 - np.argmax(used[::-1], axis=0), 0)
    first = np.argmax(used, axis=0)
    columns = np.arange(e.x.size)
    often = int((used.sum(axis=0) > 1).sum())
    for j, said in ((last, "last"), (first, "first")):
        if e.fits(lambda u, j=j: (u[j] * e.J[j, columns]).reshape(e.shape)):
            copies = bool(np.all((np.abs(e.J) < 1e-9) | (np.abs(e.J - 1) < 1e-9))) and said == "first"
            if copies:
                sentence = f"{e.d} counts only the first of the places where an element is repeated: sum over all of them"
                yield e.cause("broadcast", sentence, 2.1)
                return
            yield e.cause(
                "assigned", f"{e.d} counts only the {said} use of an element, and {often} of {e.x.size} elements are "
                f"used more than once: assigned (=) where it should be added up (+=, np.add.at)?", 3.2,
            )  # fmt: skip
            return
    yield from _one_index(e)


def _one_index(e: Evidence) -> Iterator[Cause]:
    """Rows met again by an index: only the last of them counted."""
    for j, index in enumerate(e.trial.values):
        if not isinstance(index, np.ndarray) or index.dtype.kind not in "iu" or index.size < 2:
            continue
        shape = e.out_shape
        if shape is None or shape[: index.ndim] != index.shape:
            continue
        flat = index.ravel()
        last = {int(i): p for p, i in enumerate(flat)}
        keep = np.zeros(index.size, bool)
        keep[list(last.values())] = True
        whole = np.broadcast_to(keep.reshape(index.shape + (1,) * (len(shape) - index.ndim)), shape).ravel()
        if e.fits(lambda u, w=whole: e.due(np.where(w, u, 0.0))):
            yield e.cause(
                "assigned", f"{e.d} counts only the last use of an index that {e.trial.subject.names[j]} holds "
                f"more than once: assigned where it should be added up (np.add.at)?", 3,
            )  # fmt: skip
