"""Constant factors, and what they may be."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from handgrad.check.causes.evidence import Evidence
from handgrad.check.findings import Cause


def constant_factor(e: Evidence) -> Iterator[Cause]:
    """got = c·due, with one c for all elements and every dout."""
    ratio = common_ratio(e)
    if ratio is None or abs(ratio - 1) < 1e-7:
        return
    said, question = meaning(e, ratio)
    large = f"{ratio:.6g} times what it should be" if abs(ratio) > 1 else f"{1 / ratio:.6g}x too small"
    if ratio < 0 and abs(ratio + 1) < 1e-6:
        large = "the negative of what it should be"
    elif ratio < 0:
        large = f"{ratio:.6g} times what it should be"
    elements = f"on all {e.x.size} elements" if e.x.size > 1 else "on its one element"
    verb = "is" if question else "is, for every dout,"
    sentence = f"{e.d} {verb} {large} {elements}" + (f"; {said}: {question}" if question else "")
    yield e.cause(
        "factor", sentence, (2.05 if e.x.size > 1 else 5) if question else 5.5 if e.x.size > 3 else 30
    )


PLAIN = (
    ("2", 2.0),
    ("4", 4.0),
    ("3", 3.0),
    ("√2", 2**0.5),
    ("π", np.pi),
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


def meaning(e: Evidence, ratio: float) -> tuple[str, str]:
    """What a factor is, and a question about it."""
    size = abs(ratio)
    sign = "with the sign turned, " if ratio < 0 and abs(size - 1) > 1e-6 else ""

    def equal(value: float) -> bool:
        return value > 0 and abs(size - value) <= 2e-6 * value

    if ratio < 0 and equal(1):
        return "the sign is wrong", "is a minus missing, or one too many?"
    for name, value in named_numbers(e).items():
        if equal(value):
            return f"{sign}{value:.6g} is {name}", "is it missing, or applied twice?"
    sizes = [(n, name) for n, name in axis_sizes(e) if n > 1]
    for n, name in sizes:
        if equal(1 / n):
            return f"{sign}{n} is {name}", f"is 1/{n} applied twice, or a mean taken where a sum is due?"
        if equal(n):
            return f"{sign}{n} is {name}", f"is 1/{n} missing?"
    for said, value in PLAIN:
        if equal(value) or equal(1 / value):
            return (
                f"{sign}the factor is {said}",
                "is it missing, or one too many (of a square, of two equal paths)?",
            )
    for n, name in sizes:
        if equal(n / (n - 1)) or equal((n - 1) / n):
            return (
                f"{sign}the factor is of {n} and {n - 1}, and {n} is {name}",
                f"{n} for {n - 1}, or the reverse?",
            )
        for said, value in ((f"√{n}", n**0.5), (f"{n}²", float(n * n))):
            if equal(value) or equal(1 / value):
                return f"{sign}{said}, where {n} is {name}", "is it missing, or applied twice?"
    for (n, name), (m, other) in itertools.combinations(axis_sizes(e), 2):
        if n != m and (equal(n / m) or equal(m / n)):
            return (
                f"{sign}it is the ratio of {name} ({n}) and {other} ({m})",
                "is a mean taken over the wrong axis?",
            )
    return "", ""


def axis_sizes(e: Evidence) -> list[tuple[int, str]]:
    """Sizes that a mean may have divided by, with their names."""
    found: dict[int, str] = {}
    values = e.trial.values
    for j, x in enumerate(values):
        shape = np.shape(x)
        for axis, n in enumerate(shape):
            batch = axis == 0 and j == 0 and len(shape) > 1
            found.setdefault(
                n, "the batch size" if batch else f"the size of axis {axis} of {e.trial.subject.names[j]}"
            )
    for shape in e.out_shapes:
        for axis, n in enumerate(shape):
            found.setdefault(n, f"the size of axis {axis} of the output")
    for j, x in enumerate(values):
        shape = np.shape(x)
        if len(shape) > 1:
            found.setdefault(int(np.prod(shape)), f"the number of elements of {e.trial.subject.names[j]}")
        for a, b in itertools.combinations(range(len(shape)), 2):
            found.setdefault(
                shape[a] * shape[b], f"the size of axes {a} and {b} of {e.trial.subject.names[j]} together"
            )
    for shape in e.out_shapes:
        if len(shape) > 1:
            found.setdefault(int(np.prod(shape)), "the number of elements of the output")
    return list(found.items())


def named_numbers(e: Evidence) -> dict[str, float]:
    """The target's own numbers, and what is made of a rate."""
    found: dict[str, float] = {}
    given = dict(e.trial.subject.numbers)
    for j, x in enumerate(e.trial.values):
        if (
            np.size(x) == 1
            and not e.trial.subject.checked[j]
            and isinstance(x, (int, float, np.ndarray, np.number))
        ):
            given[e.trial.subject.names[j]] = float(np.reshape(x, ()))
    for name, value in given.items():
        for said, made in (
            (name, value),
            (f"1/{name}", 1 / value if value else 0.0),
            (f"1 - {name}", 1 - value),
            (f"1/(1 - {name})", 1 / (1 - value) if value != 1 else 0.0),
            (f"{name}/(1 - {name})", value / (1 - value) if value != 1 else 0.0),
            (f"(1 - {name})/{name}", (1 - value) / value if value else 0.0),
            (f"{name}²", value * value),
            (f"√{name}", value**0.5 if value > 0 else 0.0),
        ):
            if made > 0 and abs(made - 1) > 1e-6:
                found.setdefault(said, made)
    return found
