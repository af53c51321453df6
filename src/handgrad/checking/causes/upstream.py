"""What can have been done to dout: ignored, applied twice, cut, reordered."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from handgrad.checking import numerics
from handgrad.checking.causes.evidence import Evidence, subsets
from handgrad.checking.findings import Cause, Explains
from handgrad.checking.kinds import Kind


def not_linear(e: Evidence) -> Iterator[Cause]:
    """The backward must be linear in dout."""
    u, g = e.douts[0], e.got[0]
    if e.trial.f0.size == 0 or not np.isfinite(g).all():
        return
    if all(e.near(other, g) for other in e.got[1:]) and len(e.got) > 1:
        sentence = f"{e.d} is the same for every dout: dout is ignored"
        if e.is_whole and e.near(g, e.due(np.ones_like(u))):
            sentence += "; it is right for dout = 1 alone"
        yield e.cause(Kind.UPSTREAM_IGNORED, sentence, Explains.LAW)
    elif np.any(g):
        double = e.backward(2 * u)
        if e.near(double, 2 * g):
            yield from _partly_ignored(e, u, g)
        else:
            yield _not_doubled(e, u, g, double)


def _not_doubled(e: Evidence, u: np.ndarray, g: np.ndarray, double: np.ndarray) -> Cause:
    """What a gradient has in it that is not twice as large for twice dout."""
    if e.near(double, 4 * g):
        said = f"doubling dout makes {e.d} four times as large: dout is applied twice"
        return e.cause(Kind.UPSTREAM_TWICE, said, Explains.LAW)
    if e.is_whole:
        small, atol = e.backward(1e-6 * u) * 1e6, 1e-4 * np.max(np.abs(e.expected[0]))
        if np.allclose(small, e.expected[0], rtol=1e-3, atol=atol):
            said = (
                f"{e.d} is right for a small dout, and not linear in it: it uses something that dout has "
                f"changed by then; are weights updated first?"
            )
            return e.cause(Kind.UPDATED_WEIGHTS, said, Explains.LAW)
    largest = np.abs(e.backward(1e9 * u))
    if np.isfinite(largest).all() and np.ptp(largest) == 0 and np.any(largest):
        bound = largest.flat[0]
        said = f"{e.d} is ±{bound:.4g} for every large dout: is dout cut off, where a mask is due?"
        return e.cause(Kind.MASK, said, Explains.LAW, 2)
    if np.any(e.backward(np.zeros_like(u))):
        said = f"{e.d} is not 0 for dout = 0: a part of it does not depend on dout"
        return e.cause(Kind.UPSTREAM_IGNORED, said)
    said = f"{e.d} is not linear in dout: doubling dout does not double it"
    return e.cause(Kind.UPSTREAM_IGNORED, said, choices=12)


def _partly_ignored(e: Evidence, u: np.ndarray, g: np.ndarray) -> Iterator[Cause]:
    """Another dout of the same sum or first element gives the same: only that is used."""
    if u.size < 2:
        return
    rng = np.random.default_rng(5)
    if np.sum(u) != 0:
        shuffled = rng.permutation(u)
        other = numerics.signed(rng, u.shape)
        other += (np.sum(u) - np.sum(other)) / u.size
        if e.near(e.backward(other), g) and e.near(e.backward(shuffled), g) and not _is_summed(e):
            said = f"{e.d} depends on the sum of dout alone, not on its elements"
            yield e.cause(Kind.UPSTREAM_IGNORED, said, Explains.LAW)
            return
    for kept, said in _firsts(e):
        other = np.where(kept, u, numerics.signed(rng, u.shape))
        uses_more = e.J is not None and np.any(e.J[~kept])
        if uses_more and e.near(e.backward(other), g) and not e.near(e.expected[0], g):
            one = int(kept.sum()) == 1
            said = f"{e.d} depends on the first {said} alone"
            if one:
                yield e.cause(Kind.UPSTREAM_IGNORED, said, Explains.LAW)
            else:
                yield e.cause(Kind.UPSTREAM_IGNORED, said, choices=100)
            return


def _firsts(e: Evidence) -> Iterator[tuple[np.ndarray, str]]:
    """The first element of dout, and the first along each axis."""
    place = np.arange(e.trial.f0.size)
    yield place == 0, "element of dout"
    shape = e.out_shape if e.out_shape is not None and len(e.out_shape) > 1 else ()
    for axis in range(len(shape)):
        yield np.isin(place, np.take(place.reshape(shape), 0, axis)), f"of dout along axis {axis}"


def other_dout(e: Evidence) -> Iterator[Cause]:
    """The right gradient, for a dout that was changed on the way."""
    if not e.is_whole:
        return
    if len(e.out_shapes) > 1:
        yield from _left_out(e)
        yield from _exchanged(e)
        return
    shape = e.out_shape
    if shape is None or e.trial.f0.size < 2:
        return
    yield from _slices(e, shape)
    yield from _reordered(e, shape)
    out = e.out.ravel()
    if e.fits(lambda u: e.due(u * out)):
        said = f"{e.d} is what dout·out would give: dout is multiplied by the output"
        yield e.cause(Kind.LOCAL_DERIVATIVE, said, Explains.LITTLE)
    for axis in range(len(shape)):
        for f, said in ((np.mean, "mean"), (np.sum, "sum")):
            if _fits_dout(e, shape, partial(_repeated, f=f, axis=axis)):
                what = f"{e.d} is what the {said} of dout over axis {axis} would give"
                yield e.cause(Kind.WRONG_AXIS, what, Explains.SOME, 100)


def _fits_dout(e: Evidence, shape: tuple[int, ...], change: Callable[..., np.ndarray]) -> bool:
    """Whether the gradient is right for a dout of this shape after a change."""
    return e.fits(lambda u: e.due(np.ravel(change(u.reshape(shape)))))


def _repeated(d: np.ndarray, f: Callable, axis: int) -> np.ndarray:
    """A mean or a sum over an axis, at each place along it."""
    return np.broadcast_to(f(d, axis=axis, keepdims=True), d.shape)


def _is_summed(e: Evidence) -> bool:
    """Whether the right gradient, summed over all of the input, is what was returned."""
    return e.is_whole and e.fits(lambda u: np.broadcast_to(np.sum(e.due(u)), e.shape))


def _exchanged(e: Evidence) -> Iterator[Cause]:
    """The douts of two outputs of one shape, the one for the other."""
    for i, j in itertools.combinations(range(len(e.out_shapes)), 2):
        if e.out_shapes[i] != e.out_shapes[j]:
            continue

        def other_way(u: np.ndarray, i: int = i, j: int = j) -> np.ndarray:
            one, two = e.part(u, i)[0], e.part(u, j)[0]
            turned = u.copy()
            turned[one], turned[two] = u[two], u[one]
            return e.due(turned)

        if e.fits(other_way):
            yield e.cause(
                Kind.SWAPPED,
                f"{e.d} takes the dout of output {i} for that of output {j}, and the reverse",
                choices=4,
            )


def _left_out(e: Evidence) -> Iterator[Cause]:
    for i in range(len(e.out_shapes)):

        def without(u: np.ndarray, i: int = i) -> np.ndarray:
            u = u.copy()
            u[e.part(u, i)[0]] = 0
            return e.due(u)

        if e.fits(without):
            yield e.cause(Kind.MISSING_PATH, f"{e.d} leaves out output {i}: its dout is ignored", choices=4)


CUTS: dict[str, Callable[[int], np.ndarray]] = {
    "only the first": lambda n: np.arange(n) == 0,
    "only the last": lambda n: np.arange(n) == n - 1,
    "all but the first": lambda n: np.arange(n) > 0,
    "all but the last": lambda n: np.arange(n) < n - 1,
    "every other": lambda n: np.arange(n) % 2 == 0,
}


def _slices(e: Evidence, shape: tuple[int, ...]) -> Iterator[Cause]:
    """Only the first, or the last, or all but them, along some axes of dout."""
    long = [a for a, n in enumerate(shape) if n > 1]
    for said, keep in CUTS.items():
        for axes in subsets(long):
            if len(axes) > 1 and not said.startswith("only"):
                continue
            mask = np.ones(shape, bool)
            for a in axes:
                mask &= keep(shape[a]).reshape((-1,) + (1,) * (len(shape) - 1 - a))
            if _fits_dout(e, shape, lambda d, m=mask: np.where(m, d, 0.0)):
                yield _sliced(e, said, axes, shape)
                return


def _sliced(e: Evidence, said: str, axes: tuple[int, ...], shape: tuple[int, ...]) -> Cause:
    along = " and ".join(f"axis {a} (of {shape[a]})" for a in axes)
    is_only = said.startswith("only")
    is_repeated = is_only and _is_broadcast_along(e, axes)
    sentence = f"{e.d} counts {said} along {along} of dout"
    if is_repeated:
        return e.cause(
            Kind.BROADCAST,
            f"{sentence}: {e.name} was broadcast there, so all of them are summed",
            choices=12,
        )
    if is_only and e.shape == shape:
        return e.cause(Kind.UPSTREAM_IGNORED, f"{sentence}: the others are ignored", choices=12)
    if said == "only the last":
        return e.cause(
            Kind.ASSIGNED,
            f"{sentence}: is it assigned in a loop where it should be added up?",
            choices=100,
        )
    kind = Kind.STRIDE if said == "every other" else Kind.OFF_BY_ONE
    return e.cause(kind, f"{sentence}: does a loop or a slice leave the rest out?", choices=100)


def _is_broadcast_along(e: Evidence, axes: tuple[int, ...]) -> bool:
    """Whether the output's axes are ones along which this input was repeated."""
    shape = e.out_shape or ()
    lead = len(shape) - len(e.shape)
    if lead < 0:
        return False
    if lead > 0 and all(a < lead for a in axes) and not _is_contracted(e):
        return True
    fits = all(n in (1, shape[lead + i]) for i, n in enumerate(e.shape))
    return fits and all(a < lead or e.shape[a - lead] == 1 for a in axes)


def _is_contracted(e: Evidence) -> bool:
    """Whether the input is a matrix whose gradient sums over examples anyway."""
    return len(e.shape) == 2 and len(e.out_shape or ()) == 2


def _reordered(e: Evidence, shape: tuple[int, ...]) -> Iterator[Cause]:
    long = [a for a, n in enumerate(shape) if n > 1]
    for a in long:
        if _fits_dout(e, shape, partial(np.flip, axis=a)):
            yield e.cause(
                Kind.FLIPPED, f"{e.d} is right for a dout reversed along axis {a}", Explains.SOME, 10
            )
        for by in (1, -1):
            said = f"{e.d} is right for a dout shifted by {by:+d} along axis {a}"
            if _fits_dout(e, shape, partial(np.roll, shift=by, axis=a)):
                yield e.cause(Kind.OFF_BY_ONE, said, Explains.SOME, 10)
            if _fits_dout(e, shape, partial(shifted, by=by, axis=a)):
                yield e.cause(Kind.OFF_BY_ONE, said, Explains.SOME, 10)
    for a, b in itertools.combinations(long, 2):
        if shape[a] == shape[b] and _fits_dout(e, shape, partial(np.swapaxes, axis1=a, axis2=b)):
            yield e.cause(
                Kind.TRANSPOSED, f"{e.d} is right for a dout with axes {a} and {b} swapped", Explains.SOME, 10
            )


def shifted(d: np.ndarray, by: int, axis: int) -> np.ndarray:
    """Moved along an axis, zeros coming in."""
    moved = np.roll(d, by, axis)
    index: list = [slice(None)] * d.ndim
    index[axis] = 0 if by > 0 else -1
    moved[tuple(index)] = 0
    return moved
