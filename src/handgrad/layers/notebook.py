"""The layers of the notebook that handgrad began with: wired by hand, printing exact numbers.

>>> mul, add = MulLayer(), AddLayer()
>>> add.forward(mul.forward(100, 2), 300)
500
>>> da, dx3 = add.backward(1)
>>> mul.backward(da), dx3
((2, 100), 1)

And the rest of their family, as books teach it: ``forward(x)``, then ``backward(dout)``, which gives dx and
leaves ``dW`` and ``db``. W and b are the caller's own arrays, so that an update of them in place is the
layer's. With

    from handgrad.layers.notebook import *

in place of a book's ``from common.layers import *`` (Saito 2016) its two-layer and its convolutional network
run. This project's own networks are of ``handgrad.layers``, whose classes hold their parameters themselves.
"""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import is_floating, shape, sum_to, xp
from handgrad.layers.history import History
from handgrad.rules.rule import Rule
from handgrad.tape import vjp

__all__ = [
    "AddLayer", "Affine", "BatchNormalization", "Convolution", "Dropout", "Embedding", "LSTM", "MulLayer",
    "Pooling", "ReLU", "Relu", "Sigmoid", "SoftmaxWithLoss", "cross_entropy_error",
]  # fmt: skip


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
    """out = x + y.   dx = dout, dy = dout

    Examples:
        >>> add = hg.AddLayer()
        >>> print(add.forward(200, 300), add.backward(1))
        500 (1, 1)
    """

    def forward(self, x: Any, y: Any) -> Any:
        """x + y of numbers, arrays or lists. Python numbers give a Python number."""
        return self._apply(rules.add, x, y)


class MulLayer(BinaryLayer):
    """out = x·y.   dx = dout·y, dy = dout·x

    Examples:
        >>> mul = hg.MulLayer()
        >>> print(mul.forward(100, 2), mul.backward(1))
        200 (2, 100)
    """

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

    Examples:
        >>> print(hg.cross_entropy_error(np.array([[0.5, 0.5]]), np.array([[1, 0]])).round(4))  # log 2
        0.6931
    """
    y, t = (np.asarray(a) if isinstance(a, (list, tuple)) else a for a in (y, t))
    return rules.cross_entropy(y, t, eps=eps)


class SoftmaxWithLoss:
    """Softmax and mean cross-entropy in one, loss = -Σ t·log(softmax(x) + 1e-7) / N.   dx = (y - t)·dout / N

    ``loss``, ``y`` (the softmax) and ``t`` are kept as attributes. The loss that is reported carries
    the notebook's 1e-7; the gradient is that of the exact loss, without it, which is what the short
    formula gives. ``handgrad.softmax_cross_entropy`` is exact in both.

    Examples:
        >>> layer = hg.SoftmaxWithLoss()
        >>> loss = layer.forward(np.array([[0.0, 0.0]]), np.array([[1, 0]]))
        >>> print(round(float(loss), 4), layer.backward())  # log 2, and softmax - t
        0.6931 [[-0.5  0.5]]
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


class ParameterLayer:
    """A layer with the parameters ``names``, whose gradients its backward leaves as ``dW``.

    Each forward is remembered until its backward, the last first, as far as a few; what was passed forward
    without a backward, to measure accuracy, is then forgotten.
    """

    names: tuple[str, ...] = ()
    douts: tuple[str, ...] = ("dout",)  # of each output

    def __init__(self, *params: Any) -> None:
        for name, array in zip(self.names, params, strict=True):
            setattr(self, name, np.asarray(array) if isinstance(array, (list, tuple)) else array)
            setattr(self, "d" + name, None)
        self.history = History(limit=8, warns=False)

    def _passed(self, compute: Any, *xs: Any) -> Any:
        """``compute`` of these inputs, arrays or lists, and the parameters; integers count as floats."""
        given = [x if is_floating(x) else np.asarray(x, np.float64) for x in map(_taken, xs)]
        out, backward = vjp(compute, *given, *(getattr(self, name) for name in self.names))
        self._remember(backward, out, given)
        return out

    def _remember(self, backward: Any, out: Any, given: list) -> None:
        shapes = [shape(o) for o in (out if len(self.douts) > 1 else (out,))]
        held = sum(getattr(x, "nbytes", 0) for x in given)
        self.history.push((backward, shapes), held, type(self).__name__)

    def _answered(self, *douts: Any) -> list[Any]:
        """The inputs' gradients of the last forward not yet answered; those of parameters are left."""
        backward, shapes = self.history.pop(type(self).__name__)
        given = [*map(_taken, douts)]
        for name, dout, wanted in zip(self.douts, given, shapes, strict=True):
            if shape(dout) != wanted:
                raise ValueError(
                    f"{type(self).__name__}: {name} has shape {shape(dout)}, the output {wanted}"
                )
        grads = backward(given[0] if len(given) == 1 else tuple(given))
        count = len(grads) - len(self.names)
        for name, grad in zip(self.names, grads[count:], strict=True):
            setattr(self, "d" + name, grad)
        return list(grads[:count])


class UnaryLayer(ParameterLayer):
    """A layer of one input and one output."""

    def compute(self, x: Any, *params: Any) -> Any:
        """The output, made of rules."""
        raise NotImplementedError

    def forward(self, x: Any) -> Any:
        """The output for x, an array or a list; integers count as floats."""
        return self._passed(self.compute, x)

    def backward(self, dout: Any) -> Any:
        """dx of the last forward not yet answered.

        Raises:
            ValueError: ``dout`` does not have the output's shape.
            RuntimeError: there was no forward.
        """
        (dx,) = self._answered(dout)
        return dx


class ReLU(UnaryLayer):
    """out = max(x, 0).   dx = dout where x > 0, else 0"""

    def compute(self, x: Any) -> Any:
        return rules.relu(x)


Relu = ReLU


class Sigmoid(UnaryLayer):
    """out = 1 / (1 + e⁻ˣ).   dx = out·(1 - out)·dout"""

    def compute(self, x: Any) -> Any:
        return rules.sigmoid(x)


def _rows(x: Any) -> Any:
    """(N, ...) -> (N, D); a vector is one example."""
    return rules.reshape(x, (shape(x)[0] if len(shape(x)) > 1 else 1, -1)) if len(shape(x)) != 2 else x


class Affine(UnaryLayer):
    """out = x W + b.   dx = dout Wᵀ, dW = xᵀ dout, db = Σ dout

    x (N, ...), made flat, W (D, M), b (M,) -> (N, M)
    """

    names = ("W", "b")

    def compute(self, x: Any, W: Any, b: Any) -> Any:
        return rules.affine(_rows(x), W, b)


class Dropout(UnaryLayer):
    """While training, a share of x is zeroed, by ``np.random``; else out = (1 - rate)·x, the mean of that.

    out = x where kept, else 0.   dx = dout where kept, else 0

    ``handgrad.dropout`` scales while training instead, and draws by a key.   Srivastava et al. 2014
    """

    def __init__(self, dropout_ratio: float = 0.5) -> None:
        super().__init__()
        self.dropout_ratio = dropout_ratio
        self.mask: Any = None

    def forward(self, x: Any, train_flg: bool = True) -> Any:
        """x where kept; of another share at each forward."""
        if not train_flg:
            return self._passed(lambda x: x * (1.0 - self.dropout_ratio), x)
        self.mask = mask = np.random.rand(*shape(x)) > self.dropout_ratio
        return self._passed(lambda x: x * mask, x)


class BatchNormalization(UnaryLayer):
    """out = γ·x̂ + β with x̂ = (x - mean) / √(var + 1e-6) over the batch; the running ones where not training.

    dx = (dx̂ - mean(dx̂) - x̂·mean(x̂·dx̂)) / √(var + 1e-6) with dx̂ = γ·dout, dγ = Σ x̂·dout, dβ = Σ dout

    x (N, ...), made flat, gamma (D,), beta (D,) -> of x's shape.   Ioffe & Szegedy 2015
    """

    names = ("gamma", "beta")
    eps = 1e-6

    def __init__(
        self,
        gamma: Any,
        beta: Any,
        momentum: float = 0.9,
        running_mean: Any = None,
        running_var: Any = None,
    ) -> None:
        super().__init__(gamma, beta)
        self.momentum, self.running_mean, self.running_var = momentum, running_mean, running_var

    def forward(self, x: Any, train_flg: bool = True) -> Any:
        """Normalised by the batch, which the running statistics follow; or by these."""
        rows = np.reshape(np.asarray(x, np.float64), (len(x), -1))
        if self.running_mean is None or self.running_var is None:
            self.running_mean, self.running_var = np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
        if not train_flg:
            mean, var = self.running_mean, self.running_var
            return self._passed(
                lambda x, gamma, beta: rules.reshape(
                    rules.batch_norm(_rows(x), mean, var, gamma, beta, eps=self.eps), shape(x)
                ),
                x,
            )
        share = 1 - self.momentum
        self.running_mean = self.momentum * self.running_mean + share * rows.mean(axis=0)
        self.running_var = self.momentum * self.running_var + share * rows.var(axis=0)
        return self._passed(self.compute, x)

    def compute(self, x: Any, gamma: Any, beta: Any) -> Any:
        x_hat = rules.layer_norm(_rows(x), axis=0, eps=self.eps)
        return rules.reshape(x_hat * gamma + beta, shape(x))


class Convolution(UnaryLayer):
    """out[i] = Σ W[j]·x[i·stride + j] + b.   ``handgrad.conv2d``'s gradients

    x (N, C, H, W), W (FN, C, FH, FW), b (FN,) -> (N, FN, OH, OW), OH = (H + 2·pad - FH) // stride + 1
    """

    names = ("W", "b")

    def __init__(self, W: Any, b: Any, stride: int = 1, pad: int = 0) -> None:
        super().__init__(W, b)
        self.stride, self.pad = stride, pad

    def compute(self, x: Any, W: Any, b: Any) -> Any:
        return rules.conv2d(x, W, b, stride=self.stride, padding=self.pad)


class Pooling(UnaryLayer):
    """The largest in each window, the first where some tie.   ``handgrad.max_pool2d``'s gradient

    x (N, C, H, W) -> (N, C, OH, OW), OH = (H + 2·pad - pool_h) // stride + 1
    """

    def __init__(self, pool_h: int, pool_w: int, stride: int = 1, pad: int = 0) -> None:
        super().__init__()
        self.size, self.stride, self.pad = (pool_h, pool_w), stride, pad

    def compute(self, x: Any) -> Any:
        return rules.max_pool2d(x, size=self.size, stride=self.stride, padding=self.pad)


class Embedding(UnaryLayer):
    """Rows of W, out = W[idx].   dW = Σ dout at idx; there is no dx

    idx (...) integers, W (V, D) -> (..., D)
    """

    names = ("W",)
    W: Any

    def forward(self, idx: Any) -> Any:
        """The rows of these indices."""
        idx = _taken(idx)
        out, backward = vjp(lambda W: rules.embedding(idx, W), self.W)
        self._remember(lambda dout: (None, *backward(dout)), out, [idx])
        return out


class LSTM(ParameterLayer):
    """A step of long short-term memory, with a book's gates: h and c after x, h and c before.

    ``handgrad.lstm_step``'s gradients: c = f·c + g·i, h = o·tanh c, [f g i o] of x Wx + h Wh + b.

    x (N, D), h and c (N, H), Wx (D, 4H), Wh (H, 4H), b (4H,) -> (N, H), (N, H).   Saito 2018
    """

    names = ("Wx", "Wh", "b")
    douts = ("dh_next", "dc_next")

    def forward(self, x: Any, h_prev: Any, c_prev: Any) -> Any:
        """(h, c) after this step."""
        return self._passed(self.compute, x, h_prev, c_prev)

    def compute(self, x: Any, h: Any, c: Any, Wx: Any, Wh: Any, b: Any) -> Any:
        W, U, b = map(_gates, (Wx, Wh, b))
        return rules.lstm_step(x, h, c, rules.transpose(W), rules.transpose(U), b)

    def backward(self, dh_next: Any, dc_next: Any) -> Any:
        """(dx, dh_prev, dc_prev) of the last forward not yet answered; ``dWx``, ``dWh`` and ``db`` are left.

        Raises:
            ValueError: ``dh_next`` or ``dc_next`` does not have the shape of h.
            RuntimeError: there was no forward.
        """
        return tuple(self._answered(dh_next, dc_next))


def _gates(W: Any) -> Any:
    """Columns of the gates f, g, i, o in the order i, f, g, o, which ``lstm_step`` has."""
    f, g, i, o = rules.split(W, 4, axis=-1)
    return rules.concatenate([i, f, g, o], axis=-1)
