"""Normalisations, with a gain and a shift that are learnt."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import cast, shape, xp
from handgrad.layers.layer import Layer


class BatchNorm(Layer):
    """Normalise each feature, out = γ·(x - mean) / √(var + eps) + β.   Ioffe & Szegedy 2015

    x (N, D), or (N, D, ...) where the statistics are over all axes but the second. While training they
    are the batch's, and the running ones move towards them by ``momentum`` (the variance's towards the
    unbiased one); in evaluation the running ones are used.

    Examples:
        >>> layer = hg.layers.BatchNorm(1).train()
        >>> print(layer(np.array([[1.0], [3.0]], np.float32)).round(3).T)
        [[-1.  1.]]
        >>> print(layer.evaluate()(np.array([[1.0], [3.0]], np.float32)).round(3).T)  # by running averages
        [[0.763 2.67 ]]
    """

    def __init__(self, D: int, momentum: float = 0.1, eps: float = 1e-5, dtype: Any = np.float32):
        self.momentum, self.eps = momentum, eps
        self.params = {"gamma": np.ones(D, dtype), "beta": np.zeros(D, dtype)}
        self.state = {"running_mean": np.zeros(D, dtype), "running_var": np.ones(D, dtype)}

    def forward(self, x: Any) -> Any:
        gamma, beta = self.params.get("gamma", 1.0), self.params.get("beta", 0.0)
        D = shape(self.state["running_mean"])[0]
        if len(shape(x)) < 2 or shape(x)[1] != D:
            raise ValueError(f"{self.label} takes x of shape (N, {D}) or (N, {D}, ...), got {shape(x)}")
        mean, var = self._batch_statistics(x) if self.is_training() else self._running_statistics()
        along = (D,) + (1,) * (len(shape(x)) - 2)
        arrays = (mean, var, gamma, beta)
        mean, var, gamma, beta = (rules.reshape(a, along) if shape(a) else a for a in arrays)
        return rules.batch_norm(x, mean, var, gamma, beta, eps=self.eps)

    def _running_statistics(self) -> tuple[Any, Any]:
        return self.state["running_mean"], self.state["running_var"]

    def _batch_statistics(self, x: Any) -> tuple[Any, Any]:
        axes = tuple(i for i in range(len(shape(x))) if i != 1)
        n = math.prod(shape(x)[i] for i in axes)
        if n < 2:
            raise ValueError(f"{self.label} needs two examples to train on, got x of shape {shape(x)}")
        mean, var = rules.mean(x, axis=axes), rules.var(x, axis=axes)
        self._move("running_mean", mean)
        self._move("running_var", var * (n / (n - 1)))
        return mean, var

    def _move(self, name: str, towards: Any) -> None:
        old = self.state[name]
        new = (1 - self.momentum) * old + self.momentum * xp.stop_gradient(towards)
        self.state[name] = cast(new, like=old)

    def describe(self) -> str:
        return f"BatchNorm({shape(self.state['running_mean'])[0]})"


class LayerNorm(Layer):
    """Normalise each example over its last axes, out = γ·(x - mean) / √(var + eps) + β.   Ba et al. 2016

    x (..., *widths), of which ``widths`` is one number or several; γ and β have these axes.

    Examples:
        >>> print(hg.layers.LayerNorm(2)(np.array([[1.0, 3.0]], np.float32)).round(3))
        [[-1.  1.]]
    """

    def __init__(self, widths: int | tuple[int, ...], eps: float = 1e-5, dtype: Any = np.float32):
        self.eps = eps
        self.params = {"gamma": np.ones(widths, dtype), "beta": np.zeros(widths, dtype)}
        self.widths = shape(self.params["gamma"])

    def forward(self, x: Any) -> Any:
        axes = tuple(range(-len(self.widths), 0))
        return rules.layer_norm(x, self.params.get("gamma"), self.params.get("beta"), axis=axes, eps=self.eps)

    def describe(self) -> str:
        return f"LayerNorm({', '.join(map(str, self.widths))})"


class RMSNorm(Layer):
    """Divide each example by its root mean square, out = γ·x / √(mean(x²) + eps).   Zhang & Sennrich 2019

    x (..., *widths), of which ``widths`` is one number or several; γ has these axes.

    Examples:
        >>> print(hg.layers.RMSNorm(2)(np.array([[1.0, 7.0]], np.float32)).round(3))
        [[0.2 1.4]]
    """

    def __init__(self, widths: int | tuple[int, ...], eps: float = 1e-5, dtype: Any = np.float32):
        self.eps = eps
        self.params = {"gamma": np.ones(widths, dtype)}

    def forward(self, x: Any) -> Any:
        return rules.rms_norm(x, self.params["gamma"], eps=self.eps)

    def describe(self) -> str:
        return f"RMSNorm({', '.join(map(str, shape(self.params['gamma'])))})"


class GroupNorm(Layer):
    """Normalise groups of channels of each example, out = γ·(x - mean) / √(var + eps) + β.   Wu & He 2018

    x (N, C, ...), γ and β (C,); ``groups`` divides C.

    Examples:
        >>> hg.layers.GroupNorm(2, 4)(np.ones((3, 4, 5, 5), np.float32)).shape
        (3, 4, 5, 5)
    """

    def __init__(self, groups: int, C: int, eps: float = 1e-5, dtype: Any = np.float32):
        if groups < 1 or C % groups:
            raise ValueError(f"{type(self).__name__}: {C} channels do not divide into {groups} groups")
        self.groups, self.eps = groups, eps
        self.params = {"gamma": np.ones(C, dtype), "beta": np.zeros(C, dtype)}

    def forward(self, x: Any) -> Any:
        gamma, beta = self.params["gamma"], self.params["beta"]
        return rules.group_norm(x, gamma, beta, groups=self.groups, eps=self.eps)

    def describe(self) -> str:
        return f"GroupNorm({self.groups}, {shape(self.params['gamma'])[0]})"


class InstanceNorm(GroupNorm):
    """Normalise each channel of each example: ``GroupNorm`` of as many groups.   Ulyanov et al. 2016

    Examples:
        >>> hg.layers.InstanceNorm(4)(np.ones((3, 4, 5, 5), np.float32)).shape
        (3, 4, 5, 5)
    """

    def __init__(self, C: int, eps: float = 1e-5, dtype: Any = np.float32):
        super().__init__(C, C, eps, dtype)

    def describe(self) -> str:
        return f"InstanceNorm({self.groups})"
