"""Optimisers around another: settings by the names of parameters, and averages of the weights."""

from __future__ import annotations

import dataclasses
import fnmatch
from collections.abc import Mapping
from typing import Any

from handgrad.arrays import cast, xp
from handgrad.optim.checks import checked_count, checked_number
from handgrad.optim.optimisers import Optimiser, State

AVERAGE = "average"


class Around(Optimiser):
    """An optimiser that leaves rate and update to another one, ``base``."""

    is_elementwise = True  # where ``base`` is

    def __init__(self, base: Optimiser):
        if not isinstance(base, Optimiser):
            raise TypeError(f"{type(self).__name__} is around an optimiser, such as Adam(), not {base!r}")
        self.base = base

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"

    @property
    def lr(self) -> Any:
        return self.base.lr

    def init(self, p: Any) -> State:
        return self.base.init(p)

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        return self.base.update(p, dp, state, lr, t)


class Scaled(Around):
    """``base`` at ``scale`` times the rate."""

    def __init__(self, base: Optimiser, scale: float):
        super().__init__(base)
        self.scale = scale

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        return self.base.update(p, dp, state, lr * self.scale, t)


class ByName(Around):
    """``base``, with other hyperparameters for parameters whose names match a pattern, the first that does.

        ByName(AdamW(cosine(1e-3, 1000)), {"*.b": {"weight_decay": 0}, "0.*": {"scale": 0.1}})

    ``scale`` is a factor of the learning rate; everything else is a hyperparameter of ``base``. ``*`` stands
    for anything, dots too.

    Raises:
        TypeError: ``base`` has no such hyperparameter.
        ValueError: one is out of its range.

    Examples:
        >>> optimiser = hg.optim.ByName(hg.optim.AdamW(), {"*.b": {"weight_decay": 0.0}})
        >>> p = np.array([1.0])
        >>> for name in ("0.W", "0.b"):
        ...     one = optimiser.of(name)
        ...     print(name, one.update(p, 0 * p, one.init(p), 0.1, 1)[0])
        0.W [0.999]
        0.b [1.]
    """

    def __init__(self, base: Optimiser, changes: Mapping[str, Mapping[str, float]]):
        super().__init__(base)
        self.changes = {pattern: dict(change) for pattern, change in changes.items()}
        self.made = {pattern: _changed(base, pattern, change) for pattern, change in self.changes.items()}

    def of(self, name: str) -> Optimiser:
        return next((made for pattern, made in self.made.items() if fnmatch.fnmatchcase(name, pattern)), self)


def _changed(base: Optimiser, pattern: str, change: Mapping[str, float]) -> Optimiser:
    others = {name: value for name, value in change.items() if name != "scale"}
    known = [field.name for field in dataclasses.fields(base) if field.name != "lr"]
    for name in others:
        if name not in known:
            raise TypeError(
                f"ByName: {type(base).__name__} has no {name!r} to change for {pattern!r}: it has "
                f"{', '.join(known) or 'nothing'}; the learning rate is changed by a factor, scale"
            )
    scale = checked_number(f"ByName: the scale of {pattern!r}", change.get("scale", 1.0))
    return Scaled(dataclasses.replace(base, **others) if others else base, scale)


class Average(Around):
    """``base``, and beside it an average of the weights that it gave, in the moment "average".

    a ← d·a + (1 - d)·p   with   d = min(decay, n / (n + 1)),   n = max(t - start - 1, 0) at step t

    So it is at first the mean of all weights since ``start``, then an exponential average (Polyak & Juditsky
    1992); ``decay=1`` keeps to the mean: stochastic weight averaging (Izmailov et al. 2018).
    ``Trainer.averaged()`` is the network with these weights.

    Raises:
        ValueError: ``decay`` is not in [0, 1], ``start`` below 0.

    Examples:
        >>> optimiser, p = hg.optim.Average(hg.optim.SGD(), decay=0.5), np.array([1.0])
        >>> sorted(optimiser.init(p))
        ['average']
    """

    def __init__(self, base: Optimiser, decay: float = 0.999, start: int = 0):
        super().__init__(base)
        if decay != 1:
            checked_number("Average: decay", decay, below=1)
        self.decay = decay
        self.start = checked_count("Average: start", start, least=0)

    def init(self, p: Any) -> State:
        return {**self.base.init(p), AVERAGE: p}

    def of(self, name: str) -> Optimiser:
        own = self.base.of(name)
        return self if own is self.base else Average(own, self.decay, self.start)

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        new, moments = self.base.update(p, dp, {k: m for k, m in state.items() if k != AVERAGE}, lr, t)
        n = xp.maximum(t - self.start - 1, 0)
        d = cast(xp.minimum(self.decay, n / (n + 1)), like=p)
        return new, {**moments, AVERAGE: d * state[AVERAGE] + (1 - d) * new}
