"""What stands between the layers of networks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import shape, stripped, xp
from handgrad.tape.torch_functions.arguments import of_numbers

RULES = "sigmoid relu relu6 silu mish selu celu elu softsign hardsigmoid hardswish logsigmoid".split()


def typed(input: Any, dtype: Any) -> Any:
    return input if dtype is None else rules.astype(input, dtype)


def _along(rule: Callable) -> Callable:
    @of_numbers
    def function(input: Any, dim: Any = -1, dtype: Any = None) -> Any:
        return rule(typed(input, dtype), axis=-1 if dim is None else dim)

    return function


def gelu(input: Any, *, approximate: str = "none") -> Any:
    return rules.gelu(input, approximate=approximate)


def leaky_relu(input: Any, negative_slope: float = 0.01) -> Any:
    return rules.leaky_relu(input, negative_slope=negative_slope)


def rrelu(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False) -> Any:
    """In training PyTorch draws a slope for each element below 0, in evaluation it is the middle one."""
    import torch

    if training:
        x = stripped(input)
        drawn = torch.nn.functional.rrelu(x, lower, upper, training)
        return input * xp.where(x < 0, drawn / x, 1.0)
    return rules.leaky_relu(input, negative_slope=(lower + upper) / 2)


def prelu(input: Any, weight: Any) -> Any:
    """One slope, or one for each channel, which is the second axis."""
    several = shape(weight) != () and shape(weight)[0] != 1 and len(shape(input)) > 1
    slope = rules.reshape(weight, (-1,) + (1,) * (len(shape(input)) - 2) if several else ())
    return rules.prelu(input, slope if several or shape(weight) == () else rules.reshape(weight, ()))


def softplus(input: Any, beta: Any = 1, threshold: Any = 20) -> Any:
    """PyTorch's is x itself beyond its threshold."""
    return rules.where(stripped(input) * beta > threshold, input, rules.softplus(input * beta) / beta)


def tanhshrink(input: Any) -> Any:
    return input - rules.tanh(input)


def safe_softmax(self: Any, dim: int, dtype: Any = None) -> Any:
    """Where all of a row are -inf it is 0."""
    x = typed(self, dtype)
    lost = xp.all(stripped(x) == -float("inf"), axis=dim, keepdims=True)
    return rules.where(lost, 0.0, rules.softmax(rules.where(lost, 0.0, x), axis=dim))


def softmax_gradient(grad_output: Any, output: Any, dim: int, input_dtype: Any) -> Any:
    product = grad_output * output
    return typed(product - output * rules.sum(product, axis=dim, keepdims=True), input_dtype)


TABLE: dict[str, Callable] = {
    **{name: getattr(rules, name) for name in RULES},
    "aten._safe_softmax.default": safe_softmax,
    "aten._softmax_backward_data": softmax_gradient,
    "gelu": gelu,
    "glu": lambda input, dim=-1: rules.glu(input, axis=dim),
    "hardshrink": lambda input, lambd=0.5: rules.hardshrink(input, lambd=lambd),
    "hardtanh": lambda input, min_val=-1.0, max_val=1.0: rules.hardtanh(input, min_val, max_val),
    "leaky_relu": leaky_relu,
    "log_softmax": _along(rules.log_softmax),
    "prelu": prelu,
    "rrelu": rrelu,
    "softmax": _along(rules.softmax),
    "softmin": _along(rules.softmin),
    "softplus": softplus,
    "softshrink": lambda input, lambd=0.5: rules.softshrink(input, lambd=lambd),
    "tanhshrink": tanhshrink,
    "threshold": lambda input, threshold, value: rules.threshold(input, threshold, value),
}
