"""Who makes the steps of a training: NumPy one at a time, native code or JAX many in one call.

An engine goes from one ``Progress`` to a later one: ``advance(progress, order, batch_size, steps)`` makes at
least one step and at most the ``steps`` that are left of the epoch, whose examples are in the order
``order``.
"""

from __future__ import annotations

import importlib.util
import warnings
from typing import Any

import numpy as np

from handgrad.rules.rule import told
from handgrad.train.choosing import pays_off
from handgrad.train.engines.base import TURN, ManySteps, check_rows, picked
from handgrad.train.engines.by_numpy import NumpySteps
from handgrad.train.engines.native import NativeSteps
from handgrad.train.engines.traced import TracedSteps
from handgrad.train.progress import Progress
from handgrad.train.step import Step
from handgrad.train.weights import count

__all__ = [
    "ENGINES", "TURN", "ManySteps", "NativeSteps", "NumpySteps", "TracedSteps", "check_rows", "picked",
    "steps_for",
]  # fmt: skip


ENGINES = ("native", "numpy", "jax")


def steps_for(
    train_step: Step,
    start: Progress,
    x: Any,
    t: Any,
    batch_size: int,
    engine: str | None = None,
    ahead: int | None = None,
    placement: Any = None,
    is_fixed: bool = False,
) -> NumpySteps | ManySteps:
    """The engine that was asked for; NumPy, with a warning, where there is no native code.

    Args:
        start: where the training stands; its arrays keep their shapes.
        engine: of ``ENGINES``; if not said, native where that is possible, and worth it.
        ahead: how many steps are left. Where no engine was asked for, they are made by NumPy if they take
            less time than compiling; any number, if not said, is worth it.
        placement: for JAX, where on the devices arrays lie.
        is_fixed: whether nothing can change what a step computes, so that NumPy need not look at each.
    """
    if engine not in (None, *ENGINES):
        raise ValueError(f"engine is {' or '.join(map(repr, ENGINES))}, not {engine!r}")
    if engine == "jax":
        from handgrad.train.engines.by_jax import JaxSteps

        made = JaxSteps(train_step, start, x, t, batch_size, placement)
        made.check_targets()
        return made
    has_llvm = importlib.util.find_spec("llvmlite") is not None
    if engine == "native" and not has_llvm:
        raise ImportError("engine='native' needs llvmlite: pip install llvmlite")
    if engine == "numpy" or not has_llvm:
        return NumpySteps(train_step, x, t)
    from handgrad.engine import NotCompiledWarning

    native = NativeSteps(train_step, start, x, t, batch_size)
    try:
        odd = [p.dtype for p in start.params.values() if p.dtype not in (np.float32, np.float64)]
        if odd:
            raise TypeError(f"there is no native code for parameters of {odd[0]}")
        program = native.program(min(batch_size, count(t)))
    except (TypeError, AttributeError) as error:
        message = f"this training runs on NumPy, uncompiled: {told(error)}"
        warnings.warn(message, NotCompiledWarning, stacklevel=3)
        return NumpySteps(train_step, x, t)
    n = count(t)
    programs = 1 + (n % batch_size > 0 and n > batch_size)
    if engine is None and ahead is not None and not pays_off(program, ahead, programs):
        if not is_fixed or native.like.dtype.kind != "f":  # rules look at each index
            return NumpySteps(train_step, x, t)
        native.check_targets()
        return TracedSteps(train_step, x, t)
    native.check_targets()
    return native
