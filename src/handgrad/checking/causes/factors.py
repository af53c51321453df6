"""Constant factors, and what they may be."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from handgrad.checking.causes.evidence import Evidence
from handgrad.checking.findings import Cause, Explains
from handgrad.checking.kinds import Kind


def constant_factor(e: Evidence) -> Iterator[Cause]:
    """got = c·due, with one c for all elements and every dout."""
    ratio = common_ratio(e)
    if ratio is None or abs(ratio - 1) < 1e-7:
        return
    said, question = meaning(e, ratio)
    if abs(ratio + 1) < 1e-6:
        large = "the negative of what it should be"
    elif 0 < ratio <= 1:
        large = f"{1 / ratio:.6g}x too small"
    else:
        large = f"{ratio:.6g} times what it should be"
    elements = f"on all {e.x.size} elements" if e.x.size > 1 else "on its one element"
    if question:
        explains = Explains.NUMBERS if e.x.size > 1 else Explains.SOME
        yield e.cause(Kind.FACTOR, f"{e.d} is {large} {elements}; {said}: {question}", explains)
    else:
        # A few numbers have a common factor by chance.
        explains = Explains.SOME if e.x.size > 3 else Explains.NOTHING
        yield e.cause(Kind.FACTOR, f"{e.d} is, for every dout, {large} {elements}", explains, 2)


PLAIN = (
    ("2", 2.0),
    ("4", 4.0),
    ("3", 3.0),
    ("√2", 2**0.5),
    ("π", np.pi),
    ("√(2π)", (2 * np.pi) ** 0.5),
    ("log 2", np.log(2)),
    ("log 10", np.log(10)),
)


def common_ratio(e: Evidence) -> float | None:
    """c, if got = c·due throughout."""
    got = np.concatenate([np.ravel(g)[e.columns.elements] for g in e.got])
    due = np.concatenate([row for row, u in zip(e.columns.by_dout, e.trial.douts, strict=True) if np.any(u)])
    size = np.max(np.abs(due), initial=0.0)
    rough = np.tile(e.columns.rough, len(e.got))
    clear = (np.abs(due) > 1e-3 * size) & ~rough
    if size == 0 or not clear.any() or not np.isfinite(got).all():
        return None
    ratio = float(np.median(got[clear] / due[clear]))
    if ratio == 0 or np.max(np.abs(got - ratio * due)[~rough]) > 2e-6 * abs(ratio) * size:
        return None
    return ratio


Said = tuple[str, str]  # what a factor is, and a question about it
NOTHING: Said = "", ""


def meaning(e: Evidence, ratio: float) -> Said:
    """What a factor is, and a question about it; empty where it is nothing known."""
    equal = partial(_equal, abs(ratio))
    if ratio < 0 and equal(1):
        return "the sign is wrong", "is a minus missing, or one too many?"
    sign = "with the sign turned, " if ratio < 0 and abs(abs(ratio) - 1) > 1e-6 else ""
    sizes = axis_sizes(e)
    large = [(n, name) for n, name in sizes if n > 1]
    said, question = (
        _own_number(e, equal)
        or _one_size(large, equal)
        or _plain(equal)
        or _made_of_size(large, equal)
        or _two_sizes(sizes, equal)
        or NOTHING
    )
    return (f"{sign}{said}", question) if question else NOTHING


Equal = Callable[[float], bool]


def _equal(size: float, value: float) -> bool:
    return value > 0 and abs(size - value) <= 2e-6 * value


def _own_number(e: Evidence, equal: Equal) -> Said | None:
    for name, value in named_numbers(e).items():
        if equal(value):
            return f"{value:.6g} is {name}", "is it missing, or applied twice?"
    return None


def _one_size(sizes: list[tuple[int, str]], equal: Equal) -> Said | None:
    for n, name in sizes:
        if equal(1 / n):
            return f"{n} is {name}", f"is 1/{n} applied twice, or a mean taken where a sum is due?"
        if equal(n):
            return f"{n} is {name}", f"is 1/{n} missing?"
    return None


def _plain(equal: Equal) -> Said | None:
    for said, value in PLAIN:
        if equal(value) or equal(1 / value):
            return (
                f"the factor is {said}",
                "is it missing, or one too many (of a square, of two equal paths)?",
            )
    return None


def _made_of_size(sizes: list[tuple[int, str]], equal: Equal) -> Said | None:
    """N and N - 1, √N, N²."""
    for n, name in sizes:
        for power, said in ((1, "of"), (0.5, "the root of")):
            if equal((n / (n - 1)) ** power) or equal(((n - 1) / n) ** power):
                question = f"{n} for {n - 1}, or the reverse?"
                return f"the factor is {said} {n} and {n - 1}, and {n} is {name}", question
        for said, value in ((f"√{n}", n**0.5), (f"{n}²", float(n * n))):
            if equal(value) or equal(1 / value):
                return f"{said}, where {n} is {name}", "is it missing, or applied twice?"
    return None


def _two_sizes(sizes: list[tuple[int, str]], equal: Equal) -> Said | None:
    for (n, name), (m, other) in itertools.combinations(sizes, 2):
        if n != m and (equal(n / m) or equal(m / n)):
            return (
                f"it is the ratio of {name} ({n}) and {other} ({m})",
                "is a mean taken over the wrong axis?",
            )
    return None


def axis_sizes(e: Evidence) -> list[tuple[int, str]]:
    """Sizes that a mean may have divided by, with their names: the first of a size names it."""
    inputs = list(zip(e.trial.subject.names, map(np.shape, e.trial.values), strict=True))
    found: dict[int, str] = {}
    for j, (name, shape) in enumerate(inputs):
        for axis, n in enumerate(shape):
            is_batch = axis == 0 and j == 0 and len(shape) > 1
            found.setdefault(n, "the batch size" if is_batch else f"the size of axis {axis} of {name}")
    for shape in e.out_shapes:
        for axis, n in enumerate(shape):
            found.setdefault(n, f"the size of axis {axis} of the output")
    for name, shape in inputs:
        if len(shape) > 1:
            found.setdefault(int(np.prod(shape)), f"the number of elements of {name}")
        for a, b in itertools.combinations(range(len(shape)), 2):
            found.setdefault(shape[a] * shape[b], f"the size of axes {a} and {b} of {name} together")
    for shape in e.out_shapes:
        if len(shape) > 1:
            found.setdefault(int(np.prod(shape)), "the number of elements of the output")
    return list(found.items())


def named_numbers(e: Evidence) -> dict[str, float]:
    """The target's own numbers, and what is made of a rate."""
    found: dict[str, float] = {}
    given = dict(e.trial.subject.numbers)
    for name, x, is_checked in zip(
        e.trial.subject.names, e.trial.values, e.trial.subject.checked, strict=True
    ):
        is_number = isinstance(x, (int, float, np.ndarray, np.number)) and np.size(x) == 1
        if is_number and not is_checked:
            given[name] = float(np.reshape(x, ()))
    for name, value in given.items():
        for said, made in (
            (name, value),
            (f"1/{name}", _quotient(1, value)),
            (f"1 - {name}", 1 - value),
            (f"1/(1 - {name})", _quotient(1, 1 - value)),
            (f"{name}/(1 - {name})", _quotient(value, 1 - value)),
            (f"(1 - {name})/{name}", _quotient(1 - value, value)),
            (f"{name}²", value * value),
            (f"√{name}", value**0.5 if value > 0 else 0.0),
        ):
            if made > 0 and abs(made - 1) > 1e-6:
                found.setdefault(said, made)
    return found


def _quotient(a: float, b: float) -> float:
    return a / b if b else 0.0
