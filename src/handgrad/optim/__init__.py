"""Optimisers, schedules and clipping: an ``init`` and an ``update`` for one parameter each."""

from handgrad.optim.clipping import clip_by_norm, clip_by_value, norm
from handgrad.optim.combined import Average, ByName
from handgrad.optim.lbfgs import Minimum, lbfgs
from handgrad.optim.matrices import Adafactor, Muon
from handgrad.optim.optimisers import (
    SGD,
    AdaGrad,
    Adam,
    AdamW,
    Lion,
    Momentum,
    Nesterov,
    Optimiser,
    RAdam,
    RMSProp,
)
from handgrad.optim.schedules import Schedule, constant, cosine, step_decay, warm_up

__all__ = [
    "SGD", "AdaGrad", "Adafactor", "Adam", "AdamW", "Lion", "Momentum", "Muon", "Nesterov", "Optimiser",
    "RAdam", "RMSProp", "Average", "ByName", "Minimum", "lbfgs",
    "Schedule", "constant", "cosine", "step_decay", "warm_up",
    "clip_by_norm", "clip_by_value", "norm",
]  # fmt: skip
