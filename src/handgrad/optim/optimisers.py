"""Optimisers: how one parameter moves by its gradient.

Each is an ``init``, which gives the state of one parameter (a dict of arrays of its shape), and an
``update``, a pure function

    update(p, dp, state, lr, t) -> (p, state)

of the parameter, its gradient, its state, the learning rate, and the number of the step (from 1).
Nothing is written in place. The arithmetic is array code, so it runs on any array library.
"""

from __future__ import annotations

import dataclasses
import math
import typing
from typing import Any

from handgrad.arrays import cast, xp
from handgrad.optim.checks import checked_number
from handgrad.optim.schedules import Schedule

State = dict[str, Any]
Kind = typing.TypeVar("Kind")


def number(default: float, below: float = math.inf) -> Any:
    """A hyperparameter: a finite number from 0 on, and below a bound."""
    return dataclasses.field(default=default, metadata={"below": below})


@typing.dataclass_transform(frozen_default=True)
def hyperparameters(kind: type[Kind]) -> type[Kind]:
    """A class whose fields do not change; a user's class below it, if no dataclass, sets what it likes."""

    def set_attribute(self: Any, name: str, value: Any) -> None:
        if "__dataclass_fields__" in vars(type(self)):
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        object.__setattr__(self, name, value)

    made: Any = dataclasses.dataclass(frozen=True)(kind)
    made.__setattr__ = set_attribute
    return made


@hyperparameters
class Optimiser:
    """Base of all: ``lr`` is a number, or a schedule (step -> number).

    Raises:
        TypeError, ValueError: a hyperparameter is no number, or out of its range.

    Examples:
        >>> class Sign(hg.optim.Optimiser):
        ...     def update(self, p, dp, state, lr, t):
        ...         return p - lr * np.sign(dp), state
        >>> print(Sign().update(np.array([1.0]), np.array([7.0]), {}, 0.25, 1)[0])
        [0.75]
    """

    lr: float | Schedule = number(1e-3)
    is_elementwise: typing.ClassVar[bool] = False
    """Whether each element moves by its own gradient and state alone, whatever shape it stands in."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            is_schedule = field.name == "lr" and callable(value)
            if "below" in field.metadata and not is_schedule:
                checked_number(f"{type(self).__name__}: {field.name}", value, below=field.metadata["below"])

    def rate(self, step: int) -> float:
        """The learning rate of a step, counted from 0.

        Raises:
            TypeError, ValueError: the schedule gives what is no rate.
        """
        if not callable(self.lr):
            return self.lr
        return checked_number(f"{type(self).__name__}: lr({step}), the schedule's rate,", self.lr(step))

    def of(self, name: str) -> Optimiser:
        """The optimiser of the parameter of that name."""
        return self

    def init(self, p: Any) -> State:
        """The state of a parameter before the first step."""
        return {}

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        """The parameter and its state after a step."""
        raise TypeError(f"{type(self).__name__} has no update; write def update(self, p, dp, state, lr, t)")


@hyperparameters
class SGD(Optimiser):
    """p ← p - lr·dp.

    Examples:
        >>> optimiser, p = hg.optim.SGD(), np.array([1.0])
        >>> print(optimiser.update(p, np.array([2.0]), {}, 0.1, 1)[0])  # 1 - 0.1·2
        [0.8]
    """

    lr: float | Schedule = number(1e-2)
    is_elementwise = True

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        return p - cast(lr, like=p) * dp, state


@hyperparameters
class Momentum(Optimiser):
    """v ← momentum·v + dp,   p ← p - lr·v.   Polyak 1964

    Examples:
        >>> optimiser, p = hg.optim.Momentum(momentum=0.5), np.array([1.0])
        >>> p, state = optimiser.update(p, np.array([2.0]), optimiser.init(p), 0.1, 1)
        >>> p, state = optimiser.update(p, np.array([2.0]), state, 0.1, 2)
        >>> print(p.round(6), state["v"])  # 1 - 0.1·2 - 0.1·3
        [0.5] [3.]
    """

    lr: float | Schedule = number(1e-2)
    is_elementwise = True
    momentum: float = number(0.9, below=1)

    def init(self, p: Any) -> State:
        return {"v": xp.zeros_like(p)}

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        v = self.momentum * state["v"] + dp
        return p - cast(lr, like=p) * v, {"v": v}


@hyperparameters
class Nesterov(Momentum):
    """v ← momentum·v + dp,   p ← p - lr·(dp + momentum·v).   Nesterov 1983, Sutskever et al. 2013

    Examples:
        >>> optimiser, p = hg.optim.Nesterov(momentum=0.5), np.array([1.0])
        >>> p, state = optimiser.update(p, np.array([2.0]), optimiser.init(p), 0.1, 1)
        >>> print(p.round(6))  # 1 - 0.1·(2 + 0.5·2)
        [0.7]
    """

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        v = self.momentum * state["v"] + dp
        return p - cast(lr, like=p) * (dp + self.momentum * v), {"v": v}


@hyperparameters
class AdaGrad(Optimiser):
    """h ← h + dp²,   p ← p - lr·dp / (√h + eps).   Duchi et al. 2011

    Examples:
        >>> optimiser, p = hg.optim.AdaGrad(), np.array([1.0])
        >>> p, state = optimiser.update(p, np.array([2.0]), optimiser.init(p), 0.1, 1)
        >>> print(p.round(6), state["h"])  # the first step is of size lr
        [0.9] [4.]
    """

    lr: float | Schedule = number(1e-2)
    is_elementwise = True
    eps: float = number(1e-10)

    def init(self, p: Any) -> State:
        return {"h": xp.zeros_like(p)}

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        h = state["h"] + dp * dp
        return p - cast(lr, like=p) * dp / (xp.sqrt(h) + self.eps), {"h": h}


@hyperparameters
class RMSProp(Optimiser):
    """h ← decay·h + (1 - decay)·dp²,   p ← p - lr·dp / (√h + eps).   Tieleman & Hinton 2012

    Examples:
        >>> optimiser, p = hg.optim.RMSProp(decay=0.75), np.array([1.0])
        >>> p, state = optimiser.update(p, np.array([2.0]), optimiser.init(p), 0.1, 1)
        >>> print(p.round(6), state["h"])  # 1 - 0.1·2/√1
        [0.8] [1.]
    """

    lr: float | Schedule = number(1e-2)
    is_elementwise = True
    decay: float = number(0.99, below=1)
    eps: float = number(1e-8)

    def init(self, p: Any) -> State:
        return {"h": xp.zeros_like(p)}

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        h = self.decay * state["h"] + (1 - self.decay) * dp * dp
        return p - cast(lr, like=p) * dp / (xp.sqrt(h) + self.eps), {"h": h}


@hyperparameters
class Adam(Optimiser):
    """Moments of the gradient, corrected for their start at zero.   Kingma & Ba 2015

    m ← β₁m + (1 - β₁)dp,   v ← β₂v + (1 - β₂)dp²
    p ← p - lr·m̂ / (√v̂ + eps)   with   m̂ = m / (1 - β₁ᵗ),   v̂ = v / (1 - β₂ᵗ)

    Examples:
        >>> optimiser, p = hg.optim.Adam(), np.array([1.0])
        >>> p, state = optimiser.update(p, np.array([2.0]), optimiser.init(p), 0.1, 1)
        >>> print(p.round(6), state["m"].round(6), state["v"].round(6))  # the first step is of size lr
        [0.9] [0.2] [0.004]
    """

    beta1: float = number(0.9, below=1)
    beta2: float = number(0.999, below=1)
    eps: float = number(1e-8)
    is_elementwise = True

    def init(self, p: Any) -> State:
        return {"m": xp.zeros_like(p), "v": xp.zeros_like(p)}

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        m = self.beta1 * state["m"] + (1 - self.beta1) * dp
        v = self.beta2 * state["v"] + (1 - self.beta2) * dp * dp
        m_scale = cast(lr / (1 - self.beta1**t), like=p)
        v_scale = cast((1 - self.beta2**t) ** -0.5, like=p)
        return p - m_scale * m / (xp.sqrt(v) * v_scale + self.eps), {"m": m, "v": v}


@hyperparameters
class AdamW(Adam):
    """Adam, with weight decay apart from the gradient: p ← (1 - lr·weight_decay)·p first.

    Loshchilov & Hutter 2019

    Examples:
        >>> optimiser, p = hg.optim.AdamW(weight_decay=0.5), np.array([1.0])
        >>> p, state = optimiser.update(p, np.array([2.0]), optimiser.init(p), 0.1, 1)
        >>> print(p.round(6))  # (1 - 0.1·0.5)·1 - 0.1
        [0.85]
    """

    weight_decay: float = number(1e-2)

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        return super().update(p * cast(1 - lr * self.weight_decay, like=p), dp, state, lr, t)


@hyperparameters
class RAdam(Adam):
    """Adam whose √v̂ counts only when enough gradients were seen to know it.   Liu et al. 2020

    ρ∞ = 2 / (1 - β₂) - 1,   ρ = ρ∞ - 2t·β₂ᵗ / (1 - β₂ᵗ)
    p ← p - lr·r·m̂·√(1 - β₂ᵗ) / (√v + eps)   with   r² = (ρ - 4)(ρ - 2)·ρ∞ / ((ρ∞ - 4)(ρ∞ - 2)·ρ)
    where ρ > 5, else p ← p - lr·m̂

    Examples:
        >>> optimiser, p = hg.optim.RAdam(), np.array([1.0])
        >>> p, state = optimiser.update(p, np.array([2.0]), optimiser.init(p), 0.1, 1)
        >>> print(p.round(6))  # at first as SGD: 1 - 0.1·2
        [0.8]
    """

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        m = self.beta1 * state["m"] + (1 - self.beta1) * dp
        v = self.beta2 * state["v"] + (1 - self.beta2) * dp * dp
        power = self.beta2**t
        most = 2 / (1 - self.beta2) - 1
        seen = most - 2 * t * power / (1 - power)
        safe = xp.maximum(seen, 5.0)
        r = ((safe - 4) * (safe - 2) * most / ((most - 4) * (most - 2) * safe)) ** 0.5
        step = cast(lr / (1 - self.beta1**t), like=p)
        adaptive = cast(r * (1 - power) ** 0.5, like=p) / (xp.sqrt(v) + self.eps)
        return p - step * m * xp.where(seen > 5, adaptive, xp.ones_like(p)), {"m": m, "v": v}


@hyperparameters
class Lion(Optimiser):
    """Steps of one size, by the sign of the momentum.   Chen et al. 2023

    u = sign(β₁m + (1 - β₁)dp),   p ← (1 - lr·weight_decay)·p - lr·u,   m ← β₂m + (1 - β₂)dp

    Examples:
        >>> optimiser, p = hg.optim.Lion(), np.array([1.0, 1.0])
        >>> p, state = optimiser.update(p, np.array([2.0, -0.001]), optimiser.init(p), 0.1, 1)
        >>> print(p)  # by the sign alone
        [0.9 1.1]
    """

    lr: float | Schedule = number(1e-4)
    beta1: float = number(0.9, below=1)
    beta2: float = number(0.99, below=1)
    weight_decay: float = number(0.0)
    is_elementwise = True

    def init(self, p: Any) -> State:
        return {"m": xp.zeros_like(p)}

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        m = state["m"]
        u = xp.sign(self.beta1 * m + (1 - self.beta1) * dp)
        m = self.beta2 * m + (1 - self.beta2) * dp
        return p * cast(1 - lr * self.weight_decay, like=p) - cast(lr, like=p) * u, {"m": m}
