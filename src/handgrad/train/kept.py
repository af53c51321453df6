"""What a training keeps from step to step: arrays whose shapes and dtypes stay as they are at its beginning.

Both engines pass what a step gives through here, so that they take and refuse the same; native code writes it
into memory that was measured for what was there before.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import plain, shape, xp
from handgrad.layers import Layer
from handgrad.optim import Optimiser

Arrays = dict[str, Any]
NUMBERS = (bool, int, float)


def beginning(net: Layer, optimiser: Optimiser) -> tuple[Arrays, Arrays, dict[str, Arrays]]:
    """A network's parameters and states, and the optimiser's moments for them, as arrays.

    Raises:
        TypeError: one that cannot be trained, or kept, naming it.
    """
    params = {name: _parameter(p, name) for name, p in net.parameters().items()}
    states = {name: _array(state, f"the state {name!r}") for name, state in net.states().items()}
    return params, states, {name: _moments(optimiser, p, name) for name, p in params.items()}


def _parameter(p: Any, name: str) -> np.ndarray:
    found = _array(p, f"the parameter {name!r}")
    if found.dtype.kind != "f":
        raise TypeError(
            f"the parameter {name!r} is of {found.dtype}, and gradients are for floats: make it one, as by "
            f"np.ones(3, np.float32), or keep it in the layer's state if it is not trained"
        )
    return found


def _array(x: Any, what: str) -> np.ndarray:
    if isinstance(x, (list, tuple)):
        raise TypeError(f"{what} is a {type(x).__name__}: make it an array, np.array(...)")
    return plain(x, what)


def _moments(optimiser: Optimiser, p: np.ndarray, name: str) -> Arrays:
    optimiser = own(optimiser, name)
    made = optimiser.init(p)
    if not isinstance(made, dict):
        raise TypeError(
            f"{type(optimiser).__name__}.init returned {_described(made)} for {name!r}: expected a dict of "
            f"arrays, as {{'v': np.zeros_like(p)}} or {{}}"
        )
    return {key: _array(moment, _moment(optimiser, key, name)) for key, moment in made.items()}


def own(optimiser: Optimiser, name: str) -> Optimiser:
    """The optimiser of a parameter; one that is not below ``Optimiser`` is that of all."""
    return optimiser.of(name) if hasattr(optimiser, "of") else optimiser


def updated(
    optimiser: Optimiser, name: str, p: Any, dp: Any, state: Arrays, lr: Any, t: Any
) -> tuple[Any, Arrays]:
    """The optimiser's update of one parameter, of the shapes and dtypes that went in.

    Raises:
        ValueError: the optimiser gives something else.
    """
    optimiser = own(optimiser, name)
    made = optimiser.update(p, dp, state, lr, t)
    who = f"{type(optimiser).__name__}.update"
    if not isinstance(made, tuple) or len(made) != 2 or not isinstance(made[1], dict):
        raise ValueError(f"{who} returned {_described(made)} for {name!r}: expected the pair (p, state)")
    new, moments = made
    named = _same_names(moments, state, lambda key: _moment(optimiser, key, name), "init")
    return (
        like(new, p, f"the parameter {name!r}, as {who} gives it,"),
        {key: like(m, state[key], _moment(optimiser, key, name)) for key, m in named.items()},
    )


def states_kept(new: Arrays, old: Arrays) -> Arrays:
    """What a forward made of the states, of the shapes and dtypes that they had.

    Raises:
        ValueError: a state has another shape, or is new.
    """
    named = _same_names(new, old, lambda name: f"the state {name!r}", "__init__")
    return {name: like(state, old[name], f"the state {name!r}") for name, state in named.items()}


def like(new: Any, old: Any, what: str) -> Any:
    """``new`` in the dtype of ``old``, whose place it takes.

    Raises:
        ValueError: it is no array, has another shape, or a dtype that does not go into the other.
    """
    if not isinstance(new, NUMBERS) and not hasattr(new, "dtype"):
        raise ValueError(f"{what} is {_described(new)}: expected an array of shape {shape(old)}, {old.dtype}")
    if shape(new) != shape(old):
        raise ValueError(
            f"{what} has become an array of shape {shape(new)}; it began with shape {shape(old)}, which it "
            f"must keep: begin with the shape that it will have, or sum or pick what comes new"
        )
    new = as_array(new)
    if new.dtype == old.dtype:
        return new
    if not np.can_cast(new.dtype, old.dtype, "same_kind"):
        raise ValueError(f"{what} has become {new.dtype}; it began as {old.dtype}, which cannot hold that")
    return xp.astype(new, old.dtype)


def as_array(x: Any) -> Any:
    """A Python number as an array; an array of any library as it is."""
    return x if hasattr(x, "dtype") else np.asarray(x)


def _same_names(new: Arrays, old: Arrays, named: Any, where: str) -> Arrays:
    """``new`` in the order of ``old``."""
    for key in new:
        if key not in old:
            raise ValueError(
                f"{named(key)} is new: make it in {where}, so that it is there from the first step"
            )
    for key in old:
        if key not in new:
            raise ValueError(f"{named(key)} was there before the step and is not given any more")
    return {key: new[key] for key in old}


def _moment(optimiser: Optimiser, key: str, name: str) -> str:
    return f"{type(optimiser).__name__}'s {key!r} for the parameter {name!r}"


def _described(x: Any) -> str:
    """What came, for an error."""
    if isinstance(x, tuple):
        return f"a tuple of {len(x)}" if len(x) != 2 else f"({_described(x[0])}, {_described(x[1])})"
    return (
        f"an array of shape {shape(x)}" if hasattr(x, "dtype") else "None" if x is None else type(x).__name__
    )
