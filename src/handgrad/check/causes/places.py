"""Where a gradient is wrong, when it is right elsewhere."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from handgrad.check.causes.evidence import Evidence
from handgrad.check.causes.factors import common_ratio
from handgrad.check.findings import Cause


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
            rows = wrong.any(tuple(a for a in range(wrong.ndim) if a != axis))
            if rows.any() and often.any() and np.array_equal(rows, rows & often):
                name = e.trial.subject.names[j]
                yield e.cause(
                    "assigned", f"{e.d} is wrong only where {name} holds an index more than once: assigned where it "
                    f"should be added up (np.add.at)?", 5.9,
                )  # fmt: skip
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
        yield e.cause(
            "mask", f"{e.d} is {_how(e, wrong)} only where {e.name} is 0: is a mask taken from zeros?", 2.1
        )
        return
    if tied.any() and not zeros and np.array_equal(wrong, wrong & tied):
        yield e.cause(
            "ties", f"{e.d} is {_how(e, wrong)} exactly where elements of {e.name} are equal: ties get too much or "
            f"too little", 4.2,
        )  # fmt: skip


def _repeats(x: np.ndarray, axis: int) -> np.ndarray:
    """Where an element occurs more than once along an axis."""
    order = np.moveaxis(x, axis, -1)
    same = (order[..., :, None] == order[..., None, :]).sum(-1) > 1
    return np.moveaxis(same, -1, axis)


def _groups(e: Evidence, wrong: np.ndarray) -> Iterator[Cause]:
    """Right in the first block along an axis, zero in all the others."""
    for axis, n in enumerate(e.shape):
        rows = wrong.any(tuple(a for a in range(wrong.ndim) if a != axis))
        right = int(np.argmax(rows))
        if right == 0 or n % right or n // right < 2 or not rows[right:].all():
            continue
        rest = np.moveaxis(e.got[0], axis, 0)[right:]
        is_zero = not np.any(rest)
        if n // right == 2 and right == 1 and n == 2 and not is_zero:
            continue
        if is_zero and right * 2 <= n and (right > 1 or n > 2 or e.x.ndim > 2):
            yield e.cause(
                "group", f"{e.d} is right for the first {right} of {n} along axis {axis}, and zero for the others: "
                f"only the first group gets a gradient", 2.1 if right * 2 < n or e.x.ndim > 2 else 5.5,
            )  # fmt: skip


def _slabs(e: Evidence, wrong: np.ndarray) -> Iterator[Cause]:
    """All wrong elements at one end of an axis, or along the border of some axes."""
    for axis, n in enumerate(e.shape):
        if n < 2:
            continue
        rows = np.flatnonzero(wrong.any(tuple(a for a in range(wrong.ndim) if a != axis)))
        if (rows.size <= max(n // 3, 1) and n > 2) or (rows.size == 1 and n == 2 and wrong.ndim > 1):
            at_end = (
                np.array_equal(rows, np.arange(rows.size)),
                np.array_equal(rows, np.arange(n - rows.size, n)),
            )
            if any(at_end):
                which = "first" if at_end[0] else "last"
                many = "" if rows.size == 1 else f" {rows.size}"
                yield e.cause(
                    "off-by-one", f"{e.d} is {_how(e, wrong)} only in the {which}{many} of {n} along axis {axis}, and "
                    f"right elsewhere: is an index or a bound off by one?", 5.2,
                )  # fmt: skip
                return
    for count in (2, 1):
        for axes in itertools.combinations(range(wrong.ndim), count):
            for width in (1, 2):
                if any(e.shape[a] < 2 * width + 2 for a in axes):
                    continue
                border = np.zeros(e.shape, bool)
                for a in axes:
                    ends = np.r_[0:width, e.shape[a] - width : e.shape[a]]
                    index: list = [slice(None)] * wrong.ndim
                    index[a] = ends
                    border[tuple(index)] = True
                if not border.all() and np.array_equal(wrong, wrong & border):
                    said = " and ".join(map(str, axes))
                    yield e.cause(
                        "off-by-one", f"{e.d} is {_how(e, wrong)} only at the border along axis {said}, and right "
                        f"inside: is padding handled in the backward?", 5.4,
                    )  # fmt: skip
                    return


def _periods(e: Evidence, wrong: np.ndarray) -> Iterator[Cause]:
    for axis, n in enumerate(e.shape):
        rows = wrong.any(tuple(a for a in range(wrong.ndim) if a != axis))
        for step in (2, 3):
            if n < 2 * step:
                continue
            full = wrong.all(tuple(a for a in range(wrong.ndim) if a != axis))
            for start in range(step):
                hit = np.arange(n) % step == start
                if np.array_equal(full, ~hit) and np.array_equal(rows, ~hit):
                    yield e.cause(
                        "stride", f"{e.d} is {_how(e, wrong)} on all but every {step}th element along axis {axis}: is "
                        f"the stride undone?", 5.6,
                    )  # fmt: skip
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
        if good.size == 0:
            continue
        said = _condition(name, bad, good)
        if said is not None:
            yield e.cause(
                "mask", f"{e.d} is {_how(e, wrong)} exactly where {said} ({bad.size} of {e.x.size} elements), and right "
                f"elsewhere: is a mask, a threshold or a branch wrong?", (2.7 if e.is_diagonal else 6) if bad.size + good.size > 4 else 9,
            )  # fmt: skip
            return


def _condition(name: str, bad: np.ndarray, good: np.ndarray) -> str | None:
    if np.all(bad == bad.flat[0]) and not np.any(good == bad.flat[0]):
        return f"{name} is {bad.flat[0]:.4g}"
    if bad.min() > good.max():
        return f"{name} > {_between(good.max(), bad.min())}"
    if bad.max() < good.min():
        return f"{name} < {_between(bad.max(), good.min())}"
    if np.abs(bad).min() > np.abs(good).max():
        return f"|{name}| > {_between(np.abs(good).max(), np.abs(bad).min())}"
    if np.abs(bad).max() < np.abs(good).min():
        return f"|{name}| < {_between(np.abs(bad).max(), np.abs(good).min())}"
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
        yield e.cause(
            "mask", f"{e.d} is not zero on {int(wrong.sum())} elements that the output does not depend on: is a mask "
            f"ignored or inverted?", 7,
        )  # fmt: skip
    elif due.any() and not due.all() and np.array_equal(got, ~due):
        yield e.cause(
            "mask", f"{e.d} is zero where it should not be, and not where it should: the mask is inverted", 3
        )
