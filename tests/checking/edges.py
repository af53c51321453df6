"""Draws from the edges of float64, over all rules."""

from __future__ import annotations

import zlib

import numpy as np

from handgrad.checking import numerics
from handgrad.tree import leaves, tree_map
from tests.rules.cases import CASES

FLOAT = np.finfo(np.float64)
EDGES = np.array(
    [0.0, -0.0, 5e-324, -5e-324, 3e-310, FLOAT.tiny, -FLOAT.tiny, 1e-300, 1e-150, -1e-150, 1e-20, 1e-8,
     1 - FLOAT.epsneg, 1 + FLOAT.eps, 1.0, -1.0, 0.5, 36.0, -36.0, 710.0, -745.0, 800.0, 1e8, 1e20, -1e20,
     1e150, -1e150, 1e200, 1e300, FLOAT.max, -FLOAT.max, np.inf, -np.inf, np.nan]
)  # fmt: skip
SHARES = (0.1, 0.4, 1.0)


def drawn(number):
    """A case of some rule, and its inputs with edges among their numbers.

    Picked by hashes, so that a new case takes the place of few others.
    """
    rng = np.random.default_rng([number, 2026])
    case = min(CASES, key=lambda case: zlib.crc32(f"{number} {case.id}".encode()))
    share = rng.choice(SHARES)

    def edged(x):
        if not (isinstance(x, float) or getattr(x, "dtype", np.dtype(int)).kind == "f"):
            return x
        some = rng.random(np.shape(x)) < share
        return np.where(some, rng.choice(EDGES, np.shape(x)), x)

    return case, tree_map(edged, list(case.inputs(number)))


def signed(dx, dout):
    return -dx


def doubled(dx, dout):
    return 2 * dx


def forgotten(dx, dout):
    return np.zeros_like(dx)


def half_of_it(dx, dout):
    """A path that some elements lack."""
    return np.where(np.arange(dx.size).reshape(dx.shape) < (dx.size + 1) // 2, 0.0, dx)


def without_dout(dx, dout):
    """As if dout were as large everywhere."""
    u = [np.abs(d).max(initial=0.0) for d in leaves(dout)]
    return dx / max([*u, 1e-3]) if max(u, default=0.0) > 0 else dx


MISTAKES = (signed, doubled, forgotten, half_of_it, without_dout)


def gradients(rule, inputs, options):
    """One gradient, or None, for each leaf of the inputs; and the size of outputs and inputs."""
    rng = np.random.default_rng(5)
    with np.errstate(all="ignore"):
        out, backward = rule.vjp(*inputs, **options)
        drawn = [np.where(np.isfinite(o), numerics.signed(rng, np.shape(o)), 0.0) for o in leaves(out)]
        size = sum(float(np.sum(np.abs(np.where(np.isfinite(o), o, 0.0)))) for o in leaves(out))
        floats = [np.asarray(x) for x in leaves(list(inputs)) if np.asarray(x).dtype.kind == "f"]
        size += max([float(np.max(np.abs(x[np.isfinite(x)]), initial=0.0)) for x in floats], default=0.0)
        dout = tuple(drawn) if isinstance(out, tuple) else drawn[0]
        grads = backward(dout)
    flat = []
    for x, dx in zip(inputs, grads, strict=True):
        flat += [None] * len(leaves(x)) if dx is None else leaves(dx)
    return flat, size


def is_seen(x, right, wrong, size, undefined):
    """Whether a mistake changes a derivative that exists, by more than rounding hides.

    ``size``: of the numbers that are rounded, the outputs and the inputs.
    """
    with np.errstate(all="ignore"):
        steps = numerics.sizes(np.asarray(x))
        counted = np.isfinite(right) & np.isfinite(wrong) & ~undefined
        apart = np.where(counted, np.abs(wrong - right) * steps, 0.0)
        whole = np.sum(np.where(counted, np.abs(right) * steps, 0.0)) + size
    return bool(np.any(apart > 1e-6 * whole)) and bool(np.isfinite(whole))
