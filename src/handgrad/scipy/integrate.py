"""``scipy.integrate``: odeint by recorded steps; all else is SciPy's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import scipy.integrate as own

from handgrad import tape
from handgrad.tape.functions.creation import gathered


def odeint(
    func: Callable,
    y0: Any,
    t: Any,
    args: tuple = (),
    *,
    rtol: float = 1.49012e-8,
    atol: float = 1.49012e-8,
    mxstep: int = 100_000,
    tfirst: bool = False,
) -> Any:
    """y (T, D) at the times t (T,) with dy/dt = func(y, t, *args), from y0 (D,) at the first: ``hg.odeint``.

    The steps are Dormand and Prince's, where SciPy's LSODA changes to others for stiff equations; ``mxstep``
    bounds how many there are in all. With ``tfirst`` it is func(t, y, *args). There are gradients for y0, t,
    ``args`` and what ``func`` closes over.
    """

    def slope(y: Any, t: Any) -> Any:
        return gathered(func(t, y, *args) if tfirst else func(y, t, *args))

    start = gathered(y0)
    return tape.odeint(slope, start * 1.0, gathered(t) * 1.0, rtol=rtol, atol=atol, max_steps=mxstep)


def __getattr__(name: str) -> Any:
    return getattr(own, name)
