"""Small errors: narrow arithmetic, integers, and an epsilon on one side only."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.checking.causes.evidence import Evidence
from handgrad.checking.findings import Cause, Explains
from handgrad.checking.kinds import Kind

FORMATS = (("float32", np.float32, 6e-8), ("float16", np.float16, 5e-4))


def narrow(e: Evidence) -> Iterator[Cause]:
    """Off by little, everywhere."""
    if not e.has_shape:
        return
    got = np.concatenate([np.ravel(g)[e.columns.elements] for g in e.got])
    due = np.concatenate([row for row, u in zip(e.columns.by_dout, e.trial.douts, strict=True) if np.any(u)])
    largest = np.max(np.abs(due), initial=0.0)
    if largest == 0 or not np.isfinite(got).all():
        return
    yield from _integers(e, got, due)
    apart = np.abs(got - due)
    share = float(np.max(apart) / largest)
    for name, kind, rounding in FORMATS:
        with np.errstate(over="ignore"):
            kept = bool(np.all(got == got.astype(kind).astype(np.float64)))
            rounded = bool(np.all(np.abs(got.astype(kind).astype(float) - due) <= 4 * rounding * np.abs(due)))
        if share < 200 * rounding and kept and rounded:
            said = f"every element of {e.d} is a {name} number, off by {share:.1e}: {name} is used inside"
            yield e.cause(Kind.PRECISION, said)
            return
    if share < 3e-2:
        yield from _systematic(e, got, due, share)


def _integers(e: Evidence, got: np.ndarray, due: np.ndarray) -> Iterator[Cause]:
    whole = np.all(got == np.round(got))
    if whole and np.any(got != 0) and not np.all(due == np.round(due)):
        said = f"every element of {e.d} is a whole number: is it computed or kept as integers?"
        yield e.cause(Kind.INTEGER, said)
    elif not np.any(got) and np.all(np.abs(due) < 1):
        said = f"{e.d} is zero, and what is due lies between -1 and 1: cut off as integers?"
        yield e.cause(Kind.INTEGER, said, Explains.SOME, 100)


def _systematic(e: Evidence, got: np.ndarray, due: np.ndarray, share: float) -> Iterator[Cause]:
    """Rounding goes both ways; an epsilon goes one way, and the same for every dout."""
    clear = np.abs(due) > 1e-6 * np.max(np.abs(due))
    off = got[clear] / due[clear] - 1
    k = len(e.got)
    steady = False
    if k > 1 and clear.all():
        rows = off.reshape(k, -1)
        steady = bool(np.max(np.abs(rows - rows[0])) < 0.02 * np.max(np.abs(rows)))
    one_way = bool(np.all(off > -0.05 * np.max(np.abs(off))) or np.all(off < 0.05 * np.max(np.abs(off))))
    level = f"{np.max(np.abs(off)):.1e}"
    if 2e-9 < share < 5e-6 and not steady and not one_way:
        said = (
            f"{e.d} is off by {level} relative, both ways, which is the rounding of float32: is there a "
            f"float32 intermediate?"
        )
        yield e.cause(Kind.PRECISION, said, Explains.LITTLE)
    elif share < 2e-2 and np.max(np.abs(off)) < 2e-2:
        choices = 1 if steady or one_way else 100
        said = (
            f"{e.d} is off by at most {level} relative, {'one way, ' if one_way else ''}not at random: an "
            f"epsilon in the forward that the backward leaves out, or the reverse?"
        )
        yield e.cause(Kind.EPSILON, said, Explains.LITTLE, choices)
        if 2e-9 < share < 5e-6:
            said = f"{e.d} is off by {level} relative: perhaps a float32 intermediate"
            yield e.cause(Kind.PRECISION, said, Explains.LITTLE, 10 * choices)
