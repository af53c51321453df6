"""What can have been done to dout: ignored, applied twice, cut, reordered."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from handgrad.check import numerics
from handgrad.check.causes.evidence import Evidence
from handgrad.check.findings import Cause


def not_linear(e: Evidence) -> Iterator[Cause]:
    """The backward must be linear in dout."""
    u, g = e.douts[0], e.got[0]
    if e.trial.f0.size == 0 or not np.isfinite(g).all():
        return
    if all(e.near(other, g) for other in e.got[1:]) and len(e.got) > 1:
        sentence = f"{e.d} is the same for every dout: dout is ignored"
        if e.is_whole and e.near(g, e.due(np.ones_like(u))):
            sentence += "; it is right for dout = 1 alone"
        yield e.cause("upstream-ignored", sentence, 1)
        return
    if not np.any(g):
        return
    double = e.backward(2 * u)
    if e.near(double, 4 * g):
        yield e.cause(
            "upstream-twice", f"doubling dout makes {e.d} four times as large: dout is applied twice", 1
        )
        return
    if (
        not e.near(double, 2 * g)
        and e.is_whole
        and np.allclose(
            e.backward(1e-6 * u) * 1e6, e.expected[0], rtol=1e-3, atol=1e-4 * np.max(np.abs(e.expected[0]))
        )
    ):
        yield e.cause(
            "updated-weights", f"{e.d} is right for a small dout, and not linear in it: it uses something that dout has "
            f"changed by then; are weights updated first?", 1,
        )  # fmt: skip
        return
    if not e.near(double, 2 * g):
        nothing = e.backward(np.zeros_like(u))
        if np.any(nothing):
            yield e.cause(
                "upstream-ignored", f"{e.d} is not 0 for dout = 0: a part of it does not depend on dout", 2
            )
        else:
            yield e.cause(
                "upstream-ignored", f"{e.d} is not linear in dout: doubling dout does not double it", 3
            )
        return
    flipped = e.backward(-u)
    if e.near(flipped, g):
        yield e.cause("upstream-ignored", f"{e.d} ignores the sign of dout", 1)
        return
    rng = np.random.default_rng(5)
    if u.size > 1:
        if np.sum(u) != 0:
            shuffled = rng.permutation(u)
            other = numerics.signed(rng, u.shape)
            other += (np.sum(u) - np.sum(other)) / u.size
            if e.near(e.backward(other), g) and e.near(e.backward(shuffled), g):
                yield e.cause(
                    "upstream-ignored", f"{e.d} depends on the sum of dout alone, not on its elements", 1
                )
                return
        other = numerics.signed(rng, u.shape)
        other[0] = u[0]
        if e.near(e.backward(other), g) and not e.near(e.expected[0], g) and _uses_more(e):
            yield e.cause("upstream-ignored", f"{e.d} depends on the first element of dout alone", 1)


def _uses_more(e: Evidence) -> bool:
    """Whether the right gradient looks at more of dout than its first element."""
    return e.J is not None and np.any(e.J[1:])


def other_dout(e: Evidence) -> Iterator[Cause]:
    """The right gradient, for a dout that was changed on the way."""
    if not e.is_whole:
        return
    if len(e.out_shapes) > 1:
        yield from _left_out(e)
        return
    shape = e.out_shape
    if shape is None or e.trial.f0.size < 2:
        return
    yield from _slices(e, shape)
    yield from _reordered(e, shape)
    out = e.out.ravel()
    if e.fits(lambda u: e.due(u * out)):
        yield e.cause(
            "local-derivative", f"{e.d} is what dout·out would give: dout is multiplied by the output", 12
        )
    for axis in range(len(shape)):
        if e.fits(
            lambda u, a=axis: e.due(
                _each(u, shape, lambda d: np.broadcast_to(d.mean(a, keepdims=True), shape))
            )
        ):
            yield e.cause("wrong-axis", f"{e.d} is what the mean of dout over axis {axis} would give", 9)
        if e.fits(
            lambda u, a=axis: e.due(
                _each(u, shape, lambda d: np.broadcast_to(d.sum(a, keepdims=True), shape))
            )
        ):
            yield e.cause("wrong-axis", f"{e.d} is what the sum of dout over axis {axis} would give", 9)


def _left_out(e: Evidence) -> Iterator[Cause]:
    for i in range(len(e.out_shapes)):

        def without(u: np.ndarray, i: int = i) -> np.ndarray:
            u = u.copy()
            u[e.part(u, i)[0]] = 0
            return e.due(u)

        if e.fits(without):
            yield e.cause("missing-path", f"{e.d} leaves out output {i}: its dout is ignored", 2.5)


def _each(u, shape, f):  # type: ignore[no-untyped-def]
    return np.ravel(f(u.reshape(shape)))


def _slices(e: Evidence, shape: tuple[int, ...]) -> Iterator[Cause]:
    """Only the first, or the last, or all but them, along some axes of dout."""
    cuts = {
        "only the first": lambda n: np.arange(n) == 0,
        "only the last": lambda n: np.arange(n) == n - 1,
        "all but the first": lambda n: np.arange(n) > 0,
        "all but the last": lambda n: np.arange(n) < n - 1,
        "every other": lambda n: np.arange(n) % 2 == 0,
    }
    long = [a for a, n in enumerate(shape) if n > 1]
    for said, keep in cuts.items():
        for count in range(1, len(long) + 1):
            for axes in itertools.combinations(long, count):
                if said not in ("only the first", "only the last") and count > 1:
                    continue
                mask = np.ones(shape, bool)
                for a in axes:
                    mask &= np.expand_dims(keep(shape[a]), tuple(i for i in range(len(shape)) if i != a))
                flat = mask.ravel()
                if e.fits(lambda u, m=flat: e.due(np.where(m, u, 0.0))):
                    yield _sliced(e, said, axes, shape)
                    return


def _sliced(e: Evidence, said: str, axes: tuple[int, ...], shape: tuple[int, ...]) -> Cause:
    along = " and ".join(f"axis {a} (of {shape[a]})" for a in axes)
    is_only = said.startswith("only")
    is_repeated = is_only and _is_broadcast_along(e, axes)
    sentence = f"{e.d} counts {said} along {along} of dout"
    if is_repeated:
        return e.cause("broadcast", f"{sentence}: {e.name} was broadcast there, so all of them are summed", 3)
    if is_only and e.shape == shape:
        return e.cause("upstream-ignored", f"{sentence}: the others are ignored", 3)
    if said == "only the last":
        return e.cause("assigned", f"{sentence}: is it assigned in a loop where it should be added up?", 4)
    kind = "stride" if said == "every other" else "off-by-one"
    return e.cause(kind, f"{sentence}: does a loop or a slice leave the rest out?", 4)


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
    for a in range(len(shape)):
        if shape[a] < 2:
            continue
        if e.fits(lambda u, a=a: e.due(_each(u, shape, lambda d: np.flip(d, a)))):
            yield e.cause("flipped", f"{e.d} is right for a dout reversed along axis {a}", 6)
        for by in (1, -1):
            if e.fits(lambda u, a=a, by=by: e.due(_each(u, shape, lambda d: np.roll(d, by, a)))):
                yield e.cause("off-by-one", f"{e.d} is right for a dout shifted by {by:+d} along axis {a}", 6)
            if e.fits(lambda u, a=a, by=by: e.due(_each(u, shape, lambda d: shifted(d, by, a)))):
                yield e.cause("off-by-one", f"{e.d} is right for a dout shifted by {by:+d} along axis {a}", 6)
    for a, b in itertools.combinations(range(len(shape)), 2):
        if shape[a] == shape[b] > 1 and e.fits(
            lambda u, a=a, b=b: e.due(_each(u, shape, lambda d: np.swapaxes(d, a, b)))
        ):
            yield e.cause("transposed", f"{e.d} is right for a dout with axes {a} and {b} swapped", 6)


def shifted(d: np.ndarray, by: int, axis: int) -> np.ndarray:
    """Moved along an axis, zeros coming in."""
    moved = np.roll(d, by, axis)
    index: list = [slice(None)] * d.ndim
    index[axis] = 0 if by > 0 else -1
    moved[tuple(index)] = 0
    return moved
