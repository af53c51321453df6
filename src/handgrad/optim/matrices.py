"""Optimisers that know rows from columns."""

from __future__ import annotations

import math
from typing import Any

from handgrad.arrays import cast, shape, size, xp
from handgrad.optim.optimisers import Adam, AdamW, Optimiser, State, hyperparameters, number
from handgrad.optim.schedules import Schedule

TINY = {"float16": 9.8e-4, "float32": 1.2e-7, "float64": 2.3e-16}  # the spacing of numbers at 1


def root_mean_square(x: Any) -> Any:
    return xp.sqrt(xp.sum(x * x) / max(size(x), 1))


@hyperparameters
class Adafactor(Optimiser):
    """Of a matrix's squared gradients only the means of rows and columns are kept.   Shazeer & Stern 2018

    r ← β₂r + (1 - β₂)·mean of dp² over columns,   c ← β₂c + (1 - β₂)·mean over rows,   v = r c / mean r
    u = dp / √v,   p ← (1 - lr·weight_decay)·p - α·u / max(1, RMS(u)/clip)
    β₂ = 1 - tᵈᵉᶜᵃʸ,   α = max(eps, RMS(p))·min(lr, 1/√t)

    Of a vector v itself is kept; of what has more axes, rows and columns are the last two. Defaults and
    details are PyTorch's.

    Examples:
        >>> optimiser, p = hg.optim.Adafactor(), np.ones((3, 4))
        >>> {name: s.shape for name, s in optimiser.init(p).items()}  # rows and columns, not elements
        {'row': (3, 1), 'column': (1, 4)}
    """

    lr: float | Schedule = number(1e-2)
    beta2_decay: float = -0.8
    eps: float = number(1e-3)
    clip: float = number(1.0)
    weight_decay: float = number(0.0)

    def init(self, p: Any) -> State:
        if len(shape(p)) < 2:
            return {"v": xp.zeros_like(p)}
        return {"row": xp.zeros_like(p[..., :1]), "column": xp.zeros_like(p[..., :1, :])}

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        least = TINY[str(p.dtype).rpartition(".")[2]]
        decay = cast(1 - t**self.beta2_decay, like=p)
        rate = cast(xp.minimum(lr, t**-0.5), like=p) * xp.maximum(root_mean_square(p), self.eps)
        squares = dp * dp
        if "v" in state:
            new = {"v": decay * state["v"] + (1 - decay) * squares}
            v = new["v"]
        else:
            row, column = (xp.sum(squares, axis=a, keepdims=True) / shape(p)[a] for a in (-1, -2))
            row = decay * state["row"] + (1 - decay) * row
            column = decay * state["column"] + (1 - decay) * column
            new = {"row": row, "column": column}
            v = row * column / xp.maximum(xp.sum(row, axis=-2, keepdims=True) / shape(p)[-2], least)
        u = dp / xp.sqrt(xp.maximum(v, least * least))
        rate = rate / xp.maximum(root_mean_square(u) / self.clip, 1.0)
        return p * cast(1 - lr * self.weight_decay, like=p) - rate * u, new


@hyperparameters
class Muon(Optimiser):
    """Momentum whose matrix is made orthogonal, so that all directions move alike.   Jordan et al. 2024

    v ← momentum·v + (1 - momentum)·dp,   u = (1 - momentum)·dp + momentum·v
    p ← (1 - lr·weight_decay)·p - lr·√max(1, rows/columns)·U Vᵀ   where u = U S Vᵀ

    U Vᵀ comes of five steps of Newton and Schulz, X ← aX + (bA + cA²) X with A = X Xᵀ, which bring the
    singular values to between 0.7 and 1.2. What is no matrix (biases) moves as ``AdamW``'s at ``other_rate``
    times the rate.

    Examples:
        >>> optimiser, p = hg.optim.Muon(weight_decay=0.0), np.zeros((2, 2))
        >>> p, state = optimiser.update(p, np.array([[3.0, 0.0], [0.0, 0.1]]), optimiser.init(p), 0.1, 1)
        >>> print(np.sign(p).tolist())  # both directions move about as far
        [[-1.0, 0.0], [0.0, -1.0]]
    """

    lr: float | Schedule = number(2e-2)
    momentum: float = number(0.95, below=1)
    weight_decay: float = number(0.1)
    other_rate: float = number(0.05)

    def init(self, p: Any) -> State:
        return {"v": xp.zeros_like(p)} if len(shape(p)) == 2 else Adam().init(p)

    def update(self, p: Any, dp: Any, state: State, lr: float, t: int) -> tuple[Any, State]:
        if len(shape(p)) != 2:
            return AdamW(weight_decay=self.weight_decay).update(p, dp, state, lr * self.other_rate, t)
        v = self.momentum * state["v"] + (1 - self.momentum) * dp
        u = orthogonal((1 - self.momentum) * dp + self.momentum * v)
        rows, columns = shape(p)
        scale = math.sqrt(max(1.0, rows / max(columns, 1)))
        return p * cast(1 - lr * self.weight_decay, like=p) - cast(lr * scale, like=p) * u, {"v": v}


def orthogonal(x: Any, steps: int = 5) -> Any:
    """Nearly U Vᵀ of a matrix U S Vᵀ."""
    a, b, c = 3.4445, -4.775, 2.0315
    rows, columns = shape(x)
    x = x.T if rows > columns else x
    x = x / xp.maximum(xp.sqrt(xp.sum(x * x)), 1e-7)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x.T if rows > columns else x
