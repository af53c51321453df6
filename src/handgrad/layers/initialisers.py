"""How weights begin: functions ``(rng, shape) -> float64 array``, for W of shape (D, M).

The layers draw with them from the generator that their ``seed`` makes. D is the number of inputs
(fan-in) and M the number of outputs (fan-out); what is left of a longer shape, (..., D, M), counts
with both, as the places of a convolution do.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

Initialiser = Callable[["np.random.Generator", tuple[int, ...]], np.ndarray]


def _fans(shape: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) < 2:
        raise ValueError(f"fan-in and fan-out are of weights (..., D, M), not of shape {shape}")
    places = math.prod(shape[:-2])
    return max(shape[-2] * places, 1), max(shape[-1] * places, 1)


def _uniform(rng: np.random.Generator, shape: tuple[int, ...], std: float) -> np.ndarray:
    bound = math.sqrt(3) * std
    return rng.uniform(-bound, bound, shape)


def he_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal, std √(2/D): keeps variance through rectifiers.   He et al. 2015

    Examples:
        >>> W = hg.layers.initialisers.he_normal(np.random.default_rng(0), (2000, 50))
        >>> print(W.std().round(3))  # √(2 / 2000) = 0.032
        0.032
    """
    return rng.standard_normal(shape) * math.sqrt(2 / _fans(shape)[0])


def he_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform, std √(2/D).   He et al. 2015

    Examples:
        >>> W = hg.layers.initialisers.he_uniform(np.random.default_rng(0), (600, 50))
        >>> print(abs(W).max().round(2))  # √(6 / 600)
        0.1
    """
    return _uniform(rng, shape, math.sqrt(2 / _fans(shape)[0]))


def xavier_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal, std √(2/(D + M)): keeps variance both ways through tanh.   Glorot & Bengio 2010

    Examples:
        >>> W = hg.layers.initialisers.xavier_normal(np.random.default_rng(0), (150, 50))
        >>> print(W.std().round(2))  # √(2 / 200)
        0.1
    """
    return rng.standard_normal(shape) * math.sqrt(2 / sum(_fans(shape)))


def xavier_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform within ±√(6/(D + M)).   Glorot & Bengio 2010

    Examples:
        >>> W = hg.layers.initialisers.xavier_uniform(np.random.default_rng(0), (500, 100))
        >>> print(abs(W).max().round(2))  # √(6 / 600)
        0.1
    """
    return _uniform(rng, shape, math.sqrt(2 / sum(_fans(shape))))


def lecun_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Normal, std √(1/D).   LeCun et al. 1998

    Examples:
        >>> W = hg.layers.initialisers.lecun_normal(np.random.default_rng(0), (100, 50))
        >>> print(W.std().round(2))  # √(1 / 100)
        0.1
    """
    return rng.standard_normal(shape) * math.sqrt(1 / _fans(shape)[0])


def lecun_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Uniform, std √(1/D).   LeCun et al. 1998

    Examples:
        >>> W = hg.layers.initialisers.lecun_uniform(np.random.default_rng(0), (300, 50))
        >>> print(abs(W).max().round(2))  # √(3 / 300)
        0.1
    """
    return _uniform(rng, shape, math.sqrt(1 / _fans(shape)[0]))


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Orthonormal rows or columns, whichever are fewer.   Saxe et al. 2014

    Examples:
        >>> W = hg.layers.initialisers.orthogonal(np.random.default_rng(0), (3, 3))
        >>> bool(np.allclose(W.T @ W, np.eye(3)))
        True
    """
    rows, columns = math.prod(shape[:-1]), shape[-1]
    tall = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(tall)
    q = q * np.where(np.diag(r) < 0, -1.0, 1.0)  # without this, q would not be uniform
    return (q if rows >= columns else q.T).reshape(shape)


def zeros(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """All zero, as biases begin.

    Examples:
        >>> hg.layers.initialisers.zeros(np.random.default_rng(0), (2, 3)).tolist()
        [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    return np.zeros(shape)


def normal(std: float) -> Initialiser:
    """Normal with this standard deviation.

    Examples:
        >>> W = hg.layers.initialisers.normal(0.02)(np.random.default_rng(0), (100, 100))
        >>> print(W.std().round(3))
        0.02
    """

    def initialise(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return rng.standard_normal(shape) * std

    return initialise


glorot_normal, glorot_uniform = xavier_normal, xavier_uniform
