"""Where a gradient is wrong, when it is right elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from handgrad.checking.causes.evidence import Evidence
from handgrad.checking.causes.factors import common_ratio
from handgrad.checking.findings import Cause, Explains
from handgrad.checking.kinds import Kind


def places(e: Evidence) -> Iterator[Cause]:
    """Wrong on some elements, right on others: what do the wrong ones have in common?"""
    if e.result.wrong is None or not e.has_shape or e.columns.elements.size != e.x.size:
        return
    wrong = e.wrong
    if not wrong.any() or common_ratio(e) is not None:
        return
    if wrong.all():
        yield from _extra(e)
        return
    yield from _repeated_index(e, wrong)
    yield from _equal_elements(e, wrong)
    yield from _groups(e, wrong)
    yield from _slabs(e, wrong)
    yield from _periods(e, wrong)
    yield from _by_value(e, wrong)
    yield from _extra(e)


def _how(e: Evidence, wrong: np.ndarray) -> str:
    """What stands at the wrong places."""
    got, due = e.got[0][wrong], e.expected[0][wrong] if e.is_whole else np.ones(1)
    if not np.any(got):
        return "zero"
    if not np.any(due):
        return "not zero, as it should be"
    with np.errstate(all="ignore"):
        ratio = got / due
    if np.all(np.abs(ratio - ratio.flat[0]) < 1e-5 * abs(ratio.flat[0])):
        return f"{ratio.flat[0]:.4g} times what is due"
    return "wrong"


def _repeated_index(e: Evidence, wrong: np.ndarray) -> Iterator[Cause]:
    for j, index in enumerate(e.trial.values):
        if not isinstance(index, np.ndarray) or index.dtype.kind not in "iu" or index.size < 2:
            continue
        for axis, n in enumerate(e.shape):
            inside = index[(index >= -n) & (index < n)] % max(n, 1)
            often = np.bincount(inside.ravel(), minlength=n) > 1
            rows = _along(wrong, axis)
            if rows.any() and often.any() and np.array_equal(rows, rows & often):
                said = (
                    f"{e.d} is wrong only where {e.trial.subject.names[j]} holds an index more than once: "
                    f"assigned where it should be added up (np.add.at)?"
                )
                yield e.cause(Kind.ASSIGNED, said, Explains.SOME)
                return


def _equal_elements(e: Evidence, wrong: np.ndarray) -> Iterator[Cause]:
    """Wrong exactly at ties: within an axis, or with another input."""
    tied = np.zeros(e.shape, bool)
    for axis in range(wrong.ndim):
        tied |= _repeats(e.x, axis)
    for j in e.others:
        other = e.trial.values[j]
        try:
            tied |= np.broadcast_to(other, e.shape) == e.x
        except ValueError:
            continue
    zeros = bool(np.all(e.x[wrong] == 0))
    if zeros and not (e.x[~wrong] == 0).all():
        said = f"{e.d} is {_how(e, wrong)} only where {e.name} is 0: is a mask taken from zeros?"
        yield e.cause(Kind.MASK, said, choices=2)
        return
    if tied.any() and not zeros and np.array_equal(wrong, wrong & tied):
        said = (
            f"{e.d} is {_how(e, wrong)} exactly where elements of {e.name} are equal: ties get too much or "
            f"too little"
        )
        yield e.cause(Kind.TIES, said, choices=100)


def _repeats(x: np.ndarray, axis: int) -> np.ndarray:
    """Where an element occurs more than once along an axis."""
    order = np.moveaxis(x, axis, -1)
    same = (order[..., :, None] == order[..., None, :]).sum(-1) > 1
    return np.moveaxis(same, -1, axis)


def _groups(e: Evidence, wrong: np.ndarray) -> Iterator[Cause]:
    """Right in the first block along an axis, zero in all the others."""
    for axis, n in enumerate(e.shape):
        rows = _along(wrong, axis)
        right = int(np.argmax(rows))
        if right == 0 or n % right or n // right < 2 or not rows[right:].all():
            continue
        is_zero = not np.any(np.moveaxis(e.got[0], axis, 0)[right:])
        if is_zero and (right > 1 or n > 2 or e.x.ndim > 2):
            said = (
                f"{e.d} is right for the first {right} of {n} along axis {axis}, and zero for the others: "
                f"only the first group gets a gradient"
            )
            yield e.cause(
                Kind.GROUP, said, Explains.NUMBERS if right * 2 < n or e.x.ndim > 2 else Explains.SOME
            )


def _slabs(e: Evidence, wrong: np.ndarray) -> Iterator[Cause]:
    """All wrong elements at one end of an axis, or along the border of some axes."""
    yield from itertools.islice(itertools.chain(_at_end(e, wrong), _at_border(e, wrong)), 1)


def _at_end(e: Evidence, wrong: np.ndarray) -> Iterator[Cause]:
    for axis, n in enumerate(e.shape):
        rows = np.flatnonzero(_along(wrong, axis))
        is_few = rows.size <= max(n // 3, 1) if n > 2 else n == 2 and rows.size == 1 and wrong.ndim > 1
        at_start = np.array_equal(rows, np.arange(rows.size))
        if is_few and (at_start or np.array_equal(rows, np.arange(n - rows.size, n))):
            which = "first" if at_start else "last"
            many = "" if rows.size == 1 else f" {rows.size}"
            said = (
                f"{e.d} is {_how(e, wrong)} only in the {which}{many} of {n} along axis {axis}, and "
                f"right elsewhere: is an index or a bound off by one?"
            )
            yield e.cause(Kind.OFF_BY_ONE, said, Explains.SOME)


def _at_border(e: Evidence, wrong: np.ndarray) -> Iterator[Cause]:
    pairs = itertools.combinations(range(wrong.ndim), 2)
    for axes in (*pairs, *itertools.combinations(range(wrong.ndim), 1)):
        for width in (1, 2):
            if any(e.shape[a] < 2 * width + 2 for a in axes):
                continue
            border = _border(e.shape, axes, width)
            if not border.all() and np.array_equal(wrong, wrong & border):
                along = " and ".join(map(str, axes))
                said = (
                    f"{e.d} is {_how(e, wrong)} only at the border along axis {along}, and right "
                    f"inside: is padding handled in the backward?"
                )
                yield e.cause(Kind.OFF_BY_ONE, said, Explains.SOME)


def _border(shape: tuple[int, ...], axes: tuple[int, ...], width: int) -> np.ndarray:
    """True at both ends of some axes."""
    border = np.zeros(shape, bool)
    for a in axes:
        border[(slice(None),) * a + (np.r_[0:width, shape[a] - width : shape[a]],)] = True
    return border


def _along(mask: np.ndarray, axis: int) -> np.ndarray:
    """For each place along an axis, whether anything there is in the mask."""
    return np.asarray(mask.any(tuple(a for a in range(mask.ndim) if a != axis)))


def _periods(e: Evidence, wrong: np.ndarray) -> Iterator[Cause]:
    """Right at every second or third place along an axis, wrong at all others."""
    for axis, n in enumerate(e.shape):
        some, right = _along(wrong, axis), _along(~wrong, axis)
        for step, start in ((2, 0), (2, 1), (3, 0), (3, 1), (3, 2)):
            hit = np.arange(n) % step == start
            if n >= 2 * step and np.array_equal(some, ~hit) and np.array_equal(right, hit):
                said = (
                    f"{e.d} is {_how(e, wrong)} on all but every {step}th element along axis {axis}: is "
                    f"the stride undone?"
                )
                yield e.cause(Kind.STRIDE, said, Explains.SOME, 5 * e.x.ndim)
                return


def _by_value(e: Evidence, wrong: np.ndarray) -> Iterator[Cause]:
    """The wrong elements are those above, below, or between some values."""
    arrays = [(e.name, e.x)]
    if e.out_shape == e.shape:
        arrays.append(("the output", e.out))
    for j in e.others:
        if np.shape(e.trial.values[j]) == e.shape:
            arrays.append((f"{e.name} - {e.trial.subject.names[j]}", e.x - e.trial.values[j]))
    clear = ~e.rough
    for name, z in arrays:
        bad, good = z[wrong], z[~wrong & clear]
        where = _condition(name, bad, good) if good.size else None
        if where is not None:
            said = (
                f"{e.d} is {_how(e, wrong)} exactly where {where} ({bad.size} of {e.x.size} elements), "
                f"and right elsewhere: is a mask, a threshold or a branch wrong?"
            )
            # A few numbers can always be told apart by their values.
            is_few, known = bad.size + good.size <= 4, Explains.NUMBERS if e.is_diagonal else Explains.SOME
            yield e.cause(Kind.MASK, said, Explains.LITTLE if is_few else known, 8)
            return


def _condition(name: str, bad: np.ndarray, good: np.ndarray) -> str | None:
    """What holds of the bad values and of none of the good ones."""
    if np.all(bad == bad.flat[0]) and not np.any(good == bad.flat[0]):
        return f"{name} is {bad.flat[0]:.4g}"
    for said, b, g in ((name, bad, good), (f"|{name}|", np.abs(bad), np.abs(good))):
        if b.min() > g.max():
            return f"{said} > {_between(g.max(), b.min())}"
        if b.max() < g.min():
            return f"{said} < {_between(b.max(), g.min())}"
    inside = good[(good > bad.min()) & (good < bad.max())]
    if inside.size == 0 and bad.size > 2:
        return f"{_between(-np.inf, bad.min())} <= {name} <= {_between(bad.max(), np.inf)}"
    return None


def _between(low: float, high: float) -> str:
    """The roundest number between two."""
    if not np.isfinite(low) or not np.isfinite(high):
        return f"{high if np.isfinite(high) else low:.3g}"
    if low <= 0 <= high:
        return "0"
    for digits in range(6):
        for end in (low, high):
            rounded = round(float(end), digits)
            if low <= rounded <= high:
                return f"{rounded:g}"
    return f"{(low + high) / 2:.4g}"


def _extra(e: Evidence) -> Iterator[Cause]:
    """A gradient where nothing depends on the element, or dout handed through a mask."""
    if not e.is_whole or e.J is None:
        return
    due = np.abs(e.J).max(axis=0).reshape(e.shape) > 0
    got = np.any([g != 0 for g in e.got], axis=0)
    wrong = e.wrong
    if wrong.any() and not due[wrong].any() and due.any():
        said = (
            f"{e.d} is not zero on {int(wrong.sum())} elements that the output does not depend on: is a mask "
            f"ignored or inverted?"
        )
        yield e.cause(Kind.MASK, said, Explains.SOME, 100)
    elif due.any() and not due.all() and np.array_equal(got, ~due):
        said = f"{e.d} is zero where it should not be, and not where it should: the mask is inverted"
        yield e.cause(Kind.MASK, said, choices=12)
