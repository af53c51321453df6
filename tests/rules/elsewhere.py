"""A case carried over to another array library: the same body there, against the same body on NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from handgrad.tree import leaves, tree_map

from .cases import BEYOND_SOME, CASES, Case
from .numerics import assert_close, random_like


def cases_for(*libraries: str, labels: tuple[str, ...] = ()) -> list:
    """The cases that hold an array, each marked with the reason where a library cannot do it.

    With ``labels``, of the cases that differ in their layout alone only these, and of each rule a few.
    """
    found = []
    for case in CASES:
        if not any(isinstance(x, np.ndarray) for x in leaves(case.inputs())):
            continue
        reasons = [case.cannot[name] for name in libraries if name in case.cannot]
        marks = [pytest.mark.skip(reason=reasons[0])] if reasons else []
        is_another_layout = case.label.removeprefix("tanh-") in LAYOUTS_AND_PAIRS - set(labels)
        if labels and (is_another_layout or case.id in BEYOND_SOME):
            marks.append(pytest.mark.slow)
        found.append(pytest.param(case, id=case.id, marks=marks))
    return found


LAYOUTS_AND_PAIRS = {case.label for case in CASES if case.rule.name in ("exp", "add")} - {"integers"}


def converted(tree: Any, array: Callable) -> Any:
    """The tree with its NumPy arrays made arrays of another library."""
    return tree_map(lambda x: array(np.array(x)) if isinstance(x, (np.ndarray, np.generic)) else x, tree)


def assert_same_as_numpy(case: Case, array: Callable, kind: type, relative: float = 1e-12) -> None:
    """Values and gradients equal NumPy's; ``array`` makes the library's own array, of type ``kind``."""
    wanted, backward = case.rule.vjp(*case.inputs(), **case.options)
    dout = random_like(np.random.default_rng(7), wanted)
    inputs, options = converted(case.inputs(), array), converted(case.options, array)
    out, own_backward = case.rule.vjp(*inputs, **options)
    assert all(isinstance(x, kind) for x in leaves(out))
    grads = own_backward(converted(dout, array))
    assert_close(out, wanted, relative)
    assert_close(grads, backward(dout), relative)
