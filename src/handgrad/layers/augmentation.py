"""Layers at the beginning of a network that change each example a little, in training alone.

What they draw is a function of a key and of how many forwards in training went before, as ``Dropout``'s masks
are, so that a resumed training sees the same; with native code they ride in the compiled step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad import rules
from handgrad.arrays import cast, shape, xp
from handgrad.layers.layer import Layer

if TYPE_CHECKING:
    Seed = int | np.random.Generator | None


class Augmentation(Layer):
    """Base: ``changed(x, key)`` in training, x in evaluation."""

    def __init__(self, seed: Seed = None):
        self.state = {"key": np.random.default_rng(seed).integers(2**32, size=2, dtype=np.uint32)}

    def forward(self, x: Any) -> Any:
        if not self.is_training():
            return x
        key = self.state["key"]
        self.state["key"] = xp.fold_in(key, 1)
        return self.changed(x, key)

    def changed(self, x: Any, key: Any) -> Any:
        raise NotImplementedError


def of_each(x: Any, key: Any) -> Any:
    """A number in [0, 1) for each example, (N, 1, ..., 1)."""
    first = x[(slice(None), *[slice(0, 1)] * (len(shape(x)) - 1))]
    return xp.random_uniform(first, key)


class RandomFlip(Augmentation):
    """Mirrors each example along ``axis``, the width, with a chance of ½.   x (N, ..., W)

    Examples:
        >>> x = np.arange(12.0).reshape(2, 2, 3)
        >>> y = hg.layers.RandomFlip(seed=0).train()(x)
        >>> all((a == b).all() or (a == b[:, ::-1]).all() for a, b in zip(y, x))
        True
    """

    def __init__(self, axis: int = -1, seed: Seed = None):
        super().__init__(seed)
        self.axis = axis

    def changed(self, x: Any, key: Any) -> Any:
        return rules.where(of_each(x, key) < 0.5, rules.flip(x, axis=self.axis), x)


class RandomShift(Augmentation):
    """Moves each example by -most to most places down and across; what comes in is 0.   x (N, ..., H, W)

    Examples:
        >>> layer = hg.layers.RandomShift(1, seed=0)
        >>> layer.train()(np.ones((2, 4, 4))).shape, bool((layer.evaluate()(np.ones((2, 4, 4))) == 1).all())
        ((2, 4, 4), True)
    """

    def __init__(self, most: int = 2, seed: Seed = None):
        super().__init__(seed)
        if most < 0:
            raise ValueError(f"RandomShift: most is a number of places from 0, not {most}")
        self.most = most

    def changed(self, x: Any, key: Any) -> Any:
        for i, axis in enumerate((-2, -1)):
            x = self.moved(x, axis, of_each(x, xp.fold_in(key, i + 2)))
        return x

    def moved(self, x: Any, axis: int, chance: Any) -> Any:
        """x moved along an axis by floor(chance·(2·most + 1)) - most, a number for each example."""
        size, ones = shape(x)[axis], [1] * len(shape(x))
        ones[axis] = size
        places = np.arange(size).reshape(ones)
        by = xp.astype(xp.floor(chance * (2 * self.most + 1)), np.int64) - self.most
        source = places - by
        inside = (source >= 0) & (source < size)
        index = xp.where(inside, source, 0) + xp.zeros_like(xp.astype(x, np.int64))
        return rules.where(inside, rules.take_along_axis(x, index, axis=axis), 0.0)

    def describe(self) -> str:
        return f"RandomShift({self.most})"


class Noise(Augmentation):
    """out = x + std·z with z from the normal distribution, by Box and Muller's formula.

    Examples:
        >>> z = hg.layers.Noise(0.5, seed=0).train()(np.zeros((100, 100)))
        >>> round(float(z.std()), 1)
        0.5
    """

    def __init__(self, std: float = 0.1, seed: Seed = None):
        super().__init__(seed)
        if not 0 <= std < math.inf:
            raise ValueError(f"Noise: std is a number from 0, not {std}")
        self.std = std

    def changed(self, x: Any, key: Any) -> Any:
        radius = xp.sqrt(-2 * xp.log(1 - xp.random_uniform(x, key)))
        angle = 2 * math.pi * xp.random_uniform(x, xp.fold_in(key, 2))
        return x + cast(self.std * radius * xp.cos(angle), like=x)

    def describe(self) -> str:
        return f"Noise({self.std})"
