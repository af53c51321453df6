"""Schedules: functions from the number of a step, counted from 0, to its learning rate."""

from __future__ import annotations

import math
from collections.abc import Callable

from handgrad.optim.checks import checked_count, checked_number

Schedule = Callable[[int], float]


def constant(lr: float) -> Schedule:
    """The same rate throughout.

    Examples:
        >>> hg.optim.constant(0.1)(5)
        0.1
    """
    checked_number("constant: lr", lr)
    return lambda step: lr


def step_decay(lr: float, every: int, factor: float = 0.1) -> Schedule:
    """The rate times ``factor`` after each ``every`` steps.

    Examples:
        >>> schedule = hg.optim.step_decay(1.0, every=3, factor=0.5)
        >>> [schedule(step) for step in range(7)]
        [1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]
    """
    checked_number("step_decay: lr", lr)
    checked_number("step_decay: factor", factor)
    checked_count("step_decay: every", every)
    return lambda step: lr * factor ** (step // every)


def cosine(lr: float, steps: int, final: float = 0.0) -> Schedule:
    """From ``lr`` down to ``final`` along half a cosine in that many steps.   Loshchilov & Hutter 2017

    Examples:
        >>> schedule = hg.optim.cosine(0.1, steps=10)
        >>> [round(schedule(step), 6) for step in (0, 5, 10)]
        [0.1, 0.05, 0.0]
    """
    checked_number("cosine: lr", lr)
    checked_number("cosine: final", final)
    checked_count("cosine: steps", steps)

    def rate(step: int) -> float:
        done = min(step / steps, 1.0)
        return final + (lr - final) * (1 + math.cos(math.pi * done)) / 2

    return rate


def warm_up(schedule: Schedule | float, steps: int) -> Schedule:
    """Linear from near 0 over the first steps, then ``schedule`` (or a fixed rate), from its beginning.

    Examples:
        >>> schedule = hg.optim.warm_up(hg.optim.constant(1.0), steps=4)
        >>> [schedule(step) for step in range(6)]
        [0.2, 0.4, 0.6, 0.8, 1.0, 1.0]
    """
    checked_count("warm_up: steps", steps, least=0)
    after = schedule if callable(schedule) else constant(schedule)
    return lambda step: after(0) * (step + 1) / (steps + 1) if step < steps else after(step - steps)
