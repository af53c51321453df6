"""JAX: the whole step jitted, its buffers donated, one call a step or, by ``lax.scan``, many steps in one."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from bench.networks import Network, jax_parameters
from bench.workload import Order, Workload
from handgrad.optim import SGD, AdamW, Momentum

MOMENTUM, EPS = 0.1, 1e-5


def forward(workload: Workload, params: Any, running: Any, key: Any, x: Any) -> tuple[Any, Any]:
    """The outputs, and the new running statistics."""
    if isinstance(workload, Network):
        found: dict[str, Any] = {}
        return workload.jax_model({**params, **running}, found, x), found
    activation = {"relu": jax.nn.relu, "tanh": jnp.tanh}[workload.activation]
    moved = []
    for i, layer in enumerate(params):
        x = x @ layer["W"] + layer["b"]
        if i == len(params) - 1:
            break
        if workload.batch_norm:
            mean, var = x.mean(axis=0), x.var(axis=0)
            n = x.shape[0]
            moved.append(
                [r + MOMENTUM * (s - r) for r, s in zip(running[i], (mean, var * n / (n - 1)), strict=True)]
            )
            x = (x - mean) * (layer["gamma"] * jax.lax.rsqrt(var + EPS)) + layer["beta"]
        x = activation(x)
        if workload.dropout:
            keep = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - workload.dropout, x.shape)
            x = jnp.where(keep, x / (1 - workload.dropout), 0)
    return x, moved


def loss_of(workload: Workload, y: Any, t: Any) -> Any:
    if workload.loss == "mean_squared_error":
        return jnp.mean((y - t) ** 2)
    if workload.loss == "vae_loss":
        logits, mean, log_variance = y
        likelihood = jnp.sum(jax.nn.softplus(logits) - logits * t)
        divergence = jnp.sum(jnp.exp(log_variance) + mean * mean - 1 - log_variance) / 2
        return (likelihood + divergence) / len(t)
    hit = jnp.arange(y.shape[-1]) == t[..., None]  # its backward is faster than that of a gather
    return -jnp.mean(jnp.sum(jnp.where(hit, jax.nn.log_softmax(y), 0), axis=-1))


def updated(workload: Workload, params: Any, grads: Any, moments: Any, count: Any) -> tuple[Any, Any]:
    ours = workload.optimiser
    lr = ours.rate(0)
    tree = jax.tree.map
    if isinstance(ours, SGD):
        return tree(lambda p, dp: p - lr * dp, params, grads), moments
    if isinstance(ours, Momentum):
        v = tree(lambda v, dp: ours.momentum * v + dp, moments["v"], grads)
        return tree(lambda p, v: p - lr * v, params, v), {"v": v}
    m = tree(lambda m, dp: ours.beta1 * m + (1 - ours.beta1) * dp, moments["m"], grads)
    v = tree(lambda v, dp: ours.beta2 * v + (1 - ours.beta2) * dp * dp, moments["v"], grads)
    m_scale = -lr / jnp.expm1(count * math.log(ours.beta1))  # 1 - β**t, exact in float32
    v_scale = jnp.sqrt(-jnp.expm1(count * math.log(ours.beta2)))
    kept = 1 - lr * ours.weight_decay if isinstance(ours, AdamW) else 1
    params = tree(lambda p, m, v: kept * p - m_scale * m / (jnp.sqrt(v) / v_scale + ours.eps), params, m, v)
    return params, {"m": m, "v": v}


def beginning(workload: Workload) -> dict[str, Any]:
    """The state of a training: everything that a step replaces."""
    params: Any = []
    running: Any = []
    if isinstance(workload, Network):
        net = workload.net()
        params, states = jax_parameters(net), net.states().items()
        running = {name: jnp.asarray(x) for name, x in states if x.dtype.kind == "f"}  # not keys
    for W, b in workload.weights() if workload.widths else ():
        params.append({"W": jnp.asarray(W), "b": jnp.asarray(b)})
        if workload.batch_norm and len(params) < len(workload.widths) - 1:
            params[-1] |= {"gamma": jnp.ones(b.shape), "beta": jnp.zeros(b.shape)}
            running.append([jnp.zeros(b.shape), jnp.ones(b.shape)])
    zeros = functools.partial(jax.tree.map, jnp.zeros_like)
    kept = {SGD: "", Momentum: "v"}.get(type(workload.optimiser), "mv")
    moments = {name: zeros(params) for name in kept}
    return {
        "params": params,
        "running": running,
        "moments": moments,
        "key": jax.random.key(0),
        "count": jnp.int32(0),
    }


def step(workload: Workload, state: dict[str, Any], x: Any, t: Any) -> tuple[dict[str, Any], Any]:
    """The next state, and the loss."""
    count = state["count"] + 1
    key = jax.random.fold_in(state["key"], count)

    def of(params: Any) -> tuple[Any, Any]:
        y, running = forward(workload, params, state["running"], key, x)
        return loss_of(workload, y, t), running

    (loss, running), grads = jax.value_and_grad(of, has_aux=True)(state["params"])
    params, moments = updated(workload, state["params"], grads, state["moments"], count)
    return {**state, "params": params, "running": running, "moments": moments, "count": count}, loss


def jit(workload: Workload) -> Callable[[int], float]:
    """A call a step; the epoch's order lies on the device, and the step finds its rows by its number."""
    x, t = map(jnp.asarray, workload.examples())
    held = {"state": beginning(workload), "at": 0}
    order = Order(workload)
    per_epoch = workload.epoch_steps()

    @functools.partial(jax.jit, donate_argnums=0)
    def one(state: Any, x: Any, t: Any, order: Any) -> Any:
        picked = order[state["count"] % per_epoch]
        return step(workload, state, x[picked], t[picked])

    def steps(n: int) -> float:
        loss = 0.0
        for _ in range(n):
            if held["at"] % per_epoch == 0:
                held["order"] = jnp.asarray(order.take(per_epoch), jnp.int32)
            held["state"], loss = one(held["state"], x, t, held["order"])
            held["at"] += 1
        return float(loss)

    return steps


def scan(workload: Workload) -> Callable[[int], float]:
    """One call for all n steps; it is compiled once for each n."""
    x, t = map(jnp.asarray, workload.examples())
    held = {"state": beginning(workload)}
    order = Order(workload)

    @functools.partial(jax.jit, donate_argnums=0)
    def many(state: Any, x: Any, t: Any, order: Any) -> Any:
        return jax.lax.scan(lambda s, rows: step(workload, s, x[rows], t[rows]), state, order, unroll=4)

    def steps(n: int) -> float:
        held["state"], losses = many(held["state"], x, t, jnp.asarray(order.take(n), jnp.int32))
        return float(losses[-1])

    return steps
