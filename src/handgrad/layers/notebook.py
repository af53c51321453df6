"""The layers of the notebook that handgrad began with: wired by hand, printing exact numbers.

>>> mul, add = MulLayer(), AddLayer()
>>> add.forward(mul.forward(100, 2), 300)
500
>>> da, dx3 = add.backward(1)
>>> mul.backward(da), dx3
((2, 100), 1)
"""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, sum_to, xp
from handgrad.layers.history import History
from handgrad.rules.rule import Rule


def _taken(x: Any) -> Any:
    """Lists as arrays; arrays as copies, since the caller may write into his before the backward.

    Raises:
        TypeError: neither a number nor an array of numbers.
    """
    x = np.array(x) if isinstance(x, (list, tuple, np.ndarray)) else x
    is_text = isinstance(x, np.ndarray) and x.dtype.kind not in "biufcO"
    if is_text or not (hasattr(x, "dtype") or isinstance(x, Number)):
        raise TypeError(f"these layers take numbers, arrays and lists of numbers, not {x!r}")
    return x


class BinaryLayer:
    """A layer of two inputs, which may broadcast."""

    def __init__(self) -> None:
        self.x: Any = None
        self.y: Any = None
        self.history = History()

    def _apply(self, rule: Rule, x: Any, y: Any) -> Any:
        self.x, self.y = _taken(x), _taken(y)
        out, backward = rule.body(self.x, self.y)
        held = getattr(self.x, "nbytes", 0) + getattr(self.y, "nbytes", 0)
        remembered = (backward, shape(out), shape(self.x), shape(self.y))
        self.history.push(remembered, held, type(self).__name__)
        return out

    def backward(self, dout: Any) -> tuple[Any, Any]:
        """(dx, dy) of the last forward not yet answered, each of its input's shape.

        A number for ``dout`` counts for each element of the output; it stays a number where no
        input is needed to say more.

        Raises:
            ValueError: ``dout`` does not fit the output.
            RuntimeError: there was no forward.
        """
        backward, out_shape, *shapes = self.history.pop(type(self).__name__)
        dout = _taken(dout)
        plain = shape(dout) == () and all(s == out_shape for s in shapes)
        if not plain and shape(dout) not in (out_shape, ()):
            raise ValueError(f"{type(self).__name__}: dout has shape {shape(dout)}, the output {out_shape}")
        if plain:
            dx, dy = backward(dout)
        else:
            full = dout if shape(dout) == out_shape else xp.broadcast_to(dout, out_shape)
            dx, dy = (sum_to(g, s) for g, s in zip(backward(full), shapes, strict=True))
        return +dx, +dy  # + copies an array, so that the caller may write into each


class AddLayer(BinaryLayer):
    """out = x + y.   dx = dout, dy = dout"""

    def forward(self, x: Any, y: Any) -> Any:
        """x + y of numbers, arrays or lists. Python numbers give a Python number."""
        return self._apply(rules.add, x, y)


class MulLayer(BinaryLayer):
    """out = x·y.   dx = dout·y, dy = dout·x"""

    def forward(self, x: Any, y: Any) -> Any:
        """x·y of numbers, arrays or lists. Python numbers give a Python number."""
        return self._apply(rules.multiply, x, y)


def cross_entropy_error(y: Any, t: Any, eps: float = 1e-7) -> Any:
    """Mean cross-entropy of probabilities y (N, C) or (C,), loss = -Σ t·log(y + eps) / N.

    ``t`` holds class indices (N,) or one weight for each class (N, C). ``eps`` keeps the logarithm
    from -∞; it also shifts the loss by about eps/y.

    Raises:
        ValueError: labels of another shape, or out of range.
        TypeError: class indices that are not integers.
    """
    y, t = (np.asarray(a) if isinstance(a, (list, tuple)) else a for a in (y, t))
    return rules.cross_entropy(y, t, eps=eps)


class SoftmaxWithLoss:
    """Softmax and mean cross-entropy in one, loss = -Σ t·log(softmax(x) + 1e-7) / N.   dx = (y - t)·dout / N

    ``loss``, ``y`` (the softmax) and ``t`` are kept as attributes. The loss that is reported carries
    the notebook's 1e-7; the gradient is that of the exact loss, without it, which is what the short
    formula gives. ``handgrad.softmax_cross_entropy`` is exact in both.
    """

    def __init__(self) -> None:
        self.loss: Any = None
        self.y: Any = None
        self.t: Any = None
        self.history = History()

    def forward(self, x: Any, t: Any) -> Any:
        """The loss of outputs x (N, C) or (C,) against class indices, one-hot or soft labels t.

        Raises:
            ValueError: labels of another shape, or out of range.
            TypeError: class indices that are not integers.
        """
        x, t = _taken(x), _taken(t)
        _, backward = rules.softmax_cross_entropy.vjp(x, t)
        self.t = t
        self.y = rules.softmax(x)
        self.loss = cross_entropy_error(self.y, t)
        self.history.push(backward, getattr(x, "nbytes", 0), "SoftmaxWithLoss")
        return self.loss

    def backward(self, dout: Any = 1) -> Any:
        """dx of the last forward not yet answered.

        Raises:
            RuntimeError: there was no forward.
        """
        dx, _ = self.history.pop("SoftmaxWithLoss")(dout)
        return dx
