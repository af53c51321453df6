"""The trainer against PyTorch: the same weights, the same mini-batches, float64, one hundred steps."""

import numpy as np
import pytest

import handgrad as hg
from handgrad import optim
from handgrad.data import load, permutation
from handgrad.layers import mlp
from handgrad.train import Trainer

torch = pytest.importorskip("torch")

PAIRS = {
    "sgd": (optim.SGD(0.1), lambda p: torch.optim.SGD(p, lr=0.1)),
    "momentum": (optim.Momentum(0.05), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9)),
    "nesterov": (optim.Nesterov(0.05), lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, nesterov=True)),
    "adagrad": (optim.AdaGrad(0.02), lambda p: torch.optim.Adagrad(p, lr=0.02)),
    "rmsprop": (optim.RMSProp(1e-3), lambda p: torch.optim.RMSprop(p, lr=1e-3)),
    "adam": (optim.Adam(1e-3), lambda p: torch.optim.Adam(p, lr=1e-3)),
    "adamw": (optim.AdamW(1e-3), lambda p: torch.optim.AdamW(p, lr=1e-3, weight_decay=0.01)),
}


def torch_twin(net):
    """The same network in PyTorch, with the same numbers in it."""
    made = []
    for layer in net.layers:
        kind = type(layer).__name__
        if kind == "Affine":
            D, M = layer.params["W"].shape
            twin = torch.nn.Linear(D, M, dtype=torch.float64)
            twin.weight.data = torch.tensor(layer.params["W"].T.copy())
            twin.bias.data = torch.tensor(layer.params["b"].copy())
        elif kind == "BatchNorm":
            twin = torch.nn.BatchNorm1d(layer.params["gamma"].shape[0], dtype=torch.float64)
        else:
            twin = getattr(torch.nn, kind)()
        made.append(twin)
    return torch.nn.Sequential(*made)


def digits():
    data = load("digits")
    return np.asarray(data.x, np.float64) / 16, data.t


@pytest.mark.parametrize("name", PAIRS)
@pytest.mark.parametrize("batch_norm", [False, True], ids=["plain", "batch-norm"])
def test_losses_equal_pytorch_s(name, batch_norm):
    ours, theirs = PAIRS[name]
    x, t = digits()
    net = mlp([64, 32, 24, 10], "tanh", batch_norm=batch_norm, seed=0, dtype=np.float64)
    twin = torch_twin(net).train()
    optimiser = theirs(twin.parameters())
    trainer = Trainer(net, hg.softmax_cross_entropy, ours, metrics={})
    progress = trainer.progress
    for step in range(100):
        picked = permutation(len(x), 0, step)[:50]
        progress, loss, _ = trainer.step(progress, x[picked], t[picked])
        optimiser.zero_grad()
        expected = torch.nn.functional.cross_entropy(twin(torch.tensor(x[picked])), torch.tensor(t[picked]))
        expected.backward()
        optimiser.step()
        assert loss == pytest.approx(expected.item(), rel=1e-10)
    if batch_norm:
        running = next(layer for layer in twin if isinstance(layer, torch.nn.BatchNorm1d))
        np.testing.assert_allclose(progress.states["2.running_var"], running.running_var, rtol=1e-8)
        # The bias before a batch norm has a gradient of pure rounding, which the adaptive optimisers
        # blow up to a full step; the running mean shows it, though no loss does.
        if name in ("sgd", "momentum", "nesterov"):
            np.testing.assert_allclose(progress.states["2.running_mean"], running.running_mean, rtol=1e-8)


def test_clipping_is_pytorch_s():
    grads = {"W": np.random.default_rng(0).standard_normal((4, 5)), "b": np.arange(5.0)}
    parameters = [torch.nn.Parameter(torch.zeros(g.shape, dtype=torch.float64)) for g in grads.values()]
    for p, g in zip(parameters, grads.values(), strict=True):
        p.grad = torch.tensor(g.copy())
    torch.nn.utils.clip_grad_norm_(parameters, 0.7)
    for p, g in zip(parameters, optim.clip_by_norm(grads, 0.7).values(), strict=True):
        np.testing.assert_allclose(p.grad, g, rtol=1e-12)
