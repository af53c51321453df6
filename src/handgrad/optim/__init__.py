"""Optimisers, schedules and clipping: an ``init`` and an ``update`` for one parameter each."""

from handgrad.optim.clipping import clip_by_norm, clip_by_value, norm
from handgrad.optim.optimisers import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, Optimiser, RMSProp
from handgrad.optim.schedules import Schedule, constant, cosine, step_decay, warm_up

__all__ = [
    "SGD", "AdaGrad", "Adam", "AdamW", "Momentum", "Nesterov", "Optimiser", "RMSProp",
    "Schedule", "constant", "cosine", "step_decay", "warm_up",
    "clip_by_norm", "clip_by_value", "norm",
]  # fmt: skip
