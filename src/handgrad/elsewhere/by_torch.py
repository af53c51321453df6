"""A rule as a function of PyTorch's autograd, whose backward is the rule's own."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

from handgrad.rules.rule import Rule
from handgrad.tree import leaves, unflatten


def to_torch(rule: Rule) -> Callable:
    """A rule as a function of tensors, which PyTorch differentiates by the rule's backward.

    ``f = hg.to_torch(hg.affine)``, then ``f(x, W, b).sum().backward()``: a ``torch.autograd.Function``, with
    the rule's inputs and options. ``torch.autograd.gradcheck`` holds for it, and so do second derivatives
    (``create_graph=True``, ``gradgradcheck``): then the rule runs again, and PyTorch differentiates what its
    body and its backward compute, which must be operations of PyTorch's that have derivatives.

    Raises:
        TypeError: (at once) this is no rule.
        ImportError: PyTorch is not installed.

    Examples:
        >>> import torch
        >>> x = torch.tensor([1.0, -2.0], requires_grad=True)
        >>> hg.to_torch(hg.relu)(x).sum().backward()
        >>> x.grad
        tensor([1., 0.])
    """
    check_rule("to_torch", rule)
    function = _function(rule)

    @functools.wraps(rule.body)
    def call(*args: Any, **options: Any) -> Any:
        inputs, chosen = rule.bind(args, options)
        made: list[Any] = []
        outs = function.apply(rule, inputs, chosen, made, *leaves(inputs))
        return unflatten(made[0], list(outs)) if isinstance(made[0], tuple) else outs

    return call


@functools.cache
def _function(rule: Rule) -> Any:
    """The class for a rule, by its name, which graphs of PyTorch's show."""
    import torch

    def forward(ctx: Any, rule: Rule, inputs: tuple, options: dict, made: list, *xs: Any) -> Any:
        out, backward = rule.pair(unflatten(inputs, list(xs)), options)
        made.append(out)
        ctx.rule, ctx.inputs, ctx.options, ctx.backward = rule, inputs, options, backward
        ctx.others = [None if isinstance(x, torch.Tensor) else x for x in xs]
        ctx.places = [i for i, x in enumerate(xs) if isinstance(x, torch.Tensor)]
        ctx.save_for_backward(*(xs[i] for i in ctx.places))
        outs = tuple(map(own, out if isinstance(out, tuple) else (out,)))
        return outs if isinstance(out, tuple) else outs[0]

    def backward(ctx: Any, *douts: Any) -> Any:
        backward, is_one = ctx.backward, len(douts) == 1
        if torch.is_grad_enabled():  # its own derivative is asked for
            xs = list(ctx.others)
            for i, x in zip(ctx.places, ctx.saved_tensors, strict=True):
                xs[i] = x
            out, backward = ctx.rule.pair(unflatten(ctx.inputs, xs), ctx.options)
            is_one = not isinstance(out, tuple)
        grads = backward(douts[0] if is_one else douts)
        pairs = zip(ctx.inputs, grads, strict=True)
        return (*(None,) * 4, *(dx for x, given in pairs for dx in flat(x, given)))

    def own(out: Any) -> Any:
        """An output that is no view of an input, which autograd asks for."""
        return torch.as_tensor(out).clone()

    parts = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return types.new_class(rule.name, (torch.autograd.Function,), exec_body=lambda own: own.update(parts))


def flat(x: Any, dx: Any) -> list[Any]:
    """The gradients of the arrays of an input, one after the other."""
    return [None] * len(leaves(x)) if dx is None else leaves(dx)


def check_rule(caller: str, rule: Any) -> None:
    if not isinstance(rule, Rule):
        raise TypeError(f"{caller} takes a rule, such as hg.relu or a function that @rule made, not {rule!r}")
