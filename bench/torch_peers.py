"""PyTorch, eager and through torch.compile, each in the form that was fastest here.

The data are a tensor, mini-batches gathered by ``index_select``; the loss leaves its tensor once, after the
last step. Eager: gradients set to None; Adam fused; SGD as a loop over the parameters, which beat fused and
foreach. Compiled: the whole step in one graph, gather, forward, backward and update, behind a C++ wrapper.
The usual way, compiling network and loss and calling ``backward`` and a fused optimiser, took up to three
times as long, and longer than eager.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from bench.networks import Network, with_parameters_of
from bench.workload import Order, Workload
from handgrad.optim import SGD, AdamW, Momentum


def network(workload: Workload, layout: torch.memory_format = torch.contiguous_format) -> nn.Module:
    if isinstance(workload, Network):
        made = with_parameters_of(workload.net(), workload.torch_model())
        if not workload.images:
            return made
        made[0].register_forward_hook(lambda module, x, out: out.contiguous(memory_format=layout))
        return made.to(memory_format=layout)
    weights = workload.weights()
    layers: list[nn.Module] = []
    for i, (W, b) in enumerate(weights):
        affine = nn.Linear(*W.shape)
        affine.weight.data, affine.bias.data = torch.from_numpy(W.T.copy()), torch.from_numpy(b)
        layers.append(affine)
        if i == len(weights) - 1:
            break
        layers += [nn.BatchNorm1d(len(b), eps=1e-5, momentum=0.1)] * workload.batch_norm
        layers.append({"relu": nn.ReLU, "tanh": nn.Tanh}[workload.activation]())
        layers += [nn.Dropout(workload.dropout)] * bool(workload.dropout)
    return nn.Sequential(*layers)


def optimiser_for(workload: Workload, net: nn.Module) -> torch.optim.Optimizer:
    ours = workload.optimiser
    if isinstance(ours, SGD):
        return torch.optim.SGD(net.parameters(), lr=ours.rate(0), foreach=False, fused=False)
    if isinstance(ours, Momentum):
        return torch.optim.SGD(net.parameters(), lr=ours.rate(0), momentum=ours.momentum, fused=True)
    settings: dict[str, Any] = {
        "lr": ours.rate(0),
        "betas": (ours.beta1, ours.beta2),
        "eps": ours.eps,
        "fused": True,
    }
    if isinstance(ours, AdamW):
        return torch.optim.AdamW(net.parameters(), weight_decay=ours.weight_decay, **settings)
    return torch.optim.Adam(net.parameters(), **settings)


class Update:
    """The optimiser's arithmetic in place, for one graph with the rest of the step."""

    def __init__(self, workload: Workload, params: list[torch.Tensor]):
        self.settings, self.params = workload.optimiser, params
        self.m, self.v = ([torch.zeros_like(p) for p in params] for _ in range(2))
        self.count = torch.zeros(())

    @torch.no_grad()
    def __call__(self, grads: tuple[torch.Tensor, ...]) -> None:
        if isinstance(self.settings, SGD):
            for p, dp in zip(self.params, grads, strict=True):
                p.sub_(self.settings.lr * dp)
        elif isinstance(self.settings, Momentum):
            for p, dp, v in zip(self.params, grads, self.v, strict=True):
                v.mul_(self.settings.momentum).add_(dp)
                p.sub_(self.settings.lr * v)
        else:
            self._adam(grads)

    def _adam(self, grads: tuple[torch.Tensor, ...]) -> None:
        ours = self.settings
        self.count.add_(1)
        m_scale = -ours.lr / torch.expm1(self.count * math.log(ours.beta1))  # 1 - β**t, exact in float32
        v_scale = (-torch.expm1(self.count * math.log(ours.beta2))).sqrt()
        for p, dp, m, v in zip(self.params, grads, self.m, self.v, strict=True):
            if isinstance(ours, AdamW):
                p.mul_(1 - ours.lr * ours.weight_decay)
            m.mul_(ours.beta1).add_((1 - ours.beta1) * dp)
            v.mul_(ours.beta2).add_((1 - ours.beta2) * dp * dp)
            p.sub_(m_scale * m / (v.sqrt() / v_scale + ours.eps))


def loss_function(workload: Workload, net: nn.Module) -> Callable[[torch.Tensor], torch.Tensor]:
    """The loss of the mini-batch of these rows."""
    torch.set_num_threads(os.cpu_count() or 1)
    x, t = map(torch.from_numpy, workload.examples())
    criterion = LOSSES[workload.loss]
    return lambda picked: criterion(net(x.index_select(0, picked)), t.index_select(0, picked))


def cross_entropy(y: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(y.flatten(0, -2), t.flatten())


def vae_loss(outputs: tuple[torch.Tensor, ...], x: torch.Tensor) -> torch.Tensor:
    logits, mean, log_variance = outputs
    likelihood = nn.functional.binary_cross_entropy_with_logits(logits, x, reduction="sum")
    divergence = (log_variance.exp() + mean * mean - 1 - log_variance).sum() / 2
    return (likelihood + divergence) / len(x)


LOSSES = {
    "softmax_cross_entropy": cross_entropy,
    "mean_squared_error": nn.functional.mse_loss,
    "vae_loss": vae_loss,
}
LAYOUTS = (torch.contiguous_format, torch.channels_last)


def in_the_better_layout(make: Callable, workload: Workload) -> Callable[[int], float]:
    """Of a network of images, the layout in which some steps take less."""
    if not isinstance(workload, Network) or not workload.images:
        return make(workload, LAYOUTS[0])

    def seconds(layout: torch.memory_format) -> float:
        steps = make(workload, layout)
        steps(2)
        began = time.perf_counter()
        steps(8)
        return time.perf_counter() - began

    return make(workload, min(LAYOUTS, key=seconds))


def eager(workload: Workload) -> Callable[[int], float]:
    return in_the_better_layout(eager_in, workload)


def compiled(workload: Workload) -> Callable[[int], float]:
    return in_the_better_layout(_compiled, workload)


def eager_in(workload: Workload, layout: torch.memory_format = LAYOUTS[0]) -> Callable[[int], float]:
    net = network(workload, layout)
    optimiser, loss_of = optimiser_for(workload, net), loss_function(workload, net)

    def step(picked: torch.Tensor) -> torch.Tensor:
        loss = loss_of(picked)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        return loss

    return _steps(workload, step)


def _compiled(workload: Workload, layout: torch.memory_format) -> Callable[[int], float]:
    torch._dynamo.reset()  # what was compiled for another workload is not looked through at each call
    torch._dynamo.config.trace_autograd_ops = True
    net = network(workload, layout)
    params = [p for p in net.parameters() if p.requires_grad]
    loss_of, update = loss_function(workload, net), Update(workload, params)

    @torch.compile(fullgraph=True, dynamic=False, options={"cpp_wrapper": True})
    def step(picked: torch.Tensor) -> torch.Tensor:
        loss = loss_of(picked)
        update(torch.autograd.grad(loss, params))
        return loss.detach()

    return _steps(workload, step)


def _steps(workload: Workload, step: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[int], float]:
    order = Order(workload)

    def steps(n: int) -> float:
        loss = torch.zeros(())
        for picked in torch.from_numpy(order.take(n)).unbind():
            loss = step(picked)
        return loss.item()

    return steps
