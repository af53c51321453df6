"""A rule as a function of JAX's, whose derivative is the rule's own backward."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.elsewhere.by_torch import check_rule
from handgrad.rules.rule import Rule
from handgrad.tree import tree_map


def to_jax(rule: Rule) -> Callable:
    """A rule as a function of JAX's arrays, which JAX differentiates by the rule's backward.

    ``f = hg.to_jax(hg.affine)``, then ``jax.grad(lambda x: f(x, W, b).sum())(x)``: a ``jax.custom_vjp``, with
    the rule's inputs and options, under ``jit``, ``vmap`` and ``grad`` of ``grad``. What a backward keeps
    does not pass between JAX's two traces, so it computes the forward again; under ``jit`` XLA sees both, and
    keeps one.

    Raises:
        TypeError: (at once) this is no rule.
        ImportError: (when called) JAX is not installed.

    Examples:
        >>> import jax
        >>> relu = hg.to_jax(hg.relu)
        >>> print(jax.jit(jax.grad(lambda x: relu(x).sum()))(jax.numpy.array([1.0, -2.0])))
        [1. 0.]
    """
    check_rule("to_jax", rule)

    @functools.wraps(rule.body)
    def call(*args: Any, **options: Any) -> Any:
        inputs, chosen = rule.bind(args, options)
        return _with_derivative(rule, chosen)(*inputs)

    return call


def _with_derivative(rule: Rule, options: dict) -> Callable:
    import jax
    import jax.numpy as jnp

    def run(*inputs: Any) -> Any:
        return tree_map(jnp.asarray, rule.run_body(inputs, options)[0])

    def forward(*inputs: Any) -> tuple[Any, tuple]:
        return run(*inputs), inputs

    def backward(inputs: tuple, dout: Any) -> tuple:
        grads = rule.pair(inputs, options)[1](dout)
        pairs = zip(inputs, grads, strict=True)
        return tuple(
            tree_map(answer, x, tree_map(lambda _: None, x) if dx is None else dx) for x, dx in pairs
        )

    def answer(x: Any, dx: Any) -> Any:
        """What JAX takes for an array that is not differentiated by is of its own kind."""
        if x is None:
            return None
        x = jnp.asarray(x)
        if not jnp.issubdtype(x.dtype, jnp.floating):
            return np.zeros(x.shape, jax.dtypes.float0)
        return jnp.zeros_like(x) if dx is None else jnp.asarray(dx, x.dtype)

    function = jax.custom_vjp(run)
    function.defvjp(forward, backward)
    return function
