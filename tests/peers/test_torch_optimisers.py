"""Optimisers against PyTorch's: the same parameters after each of many steps."""

import numpy as np
import pytest

from handgrad.optim import SGD, Adafactor, AdaGrad, Adam, AdamW, Momentum, Muon, Nesterov, RAdam, RMSProp
from handgrad.optim.matrices import orthogonal

torch = pytest.importorskip("torch")

PAIRS = {
    "sgd": (SGD(0.1), "SGD", {"lr": 0.1}),
    "momentum": (Momentum(0.1), "SGD", {"lr": 0.1, "momentum": 0.9}),
    "nesterov": (Nesterov(0.1), "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True}),
    "adagrad": (AdaGrad(0.1), "Adagrad", {"lr": 0.1}),
    "rmsprop": (RMSProp(0.1), "RMSprop", {"lr": 0.1}),
    "adam": (Adam(0.1), "Adam", {"lr": 0.1}),
    "adamw": (AdamW(0.1, weight_decay=0.1), "AdamW", {"lr": 0.1, "weight_decay": 0.1}),
    "radam": (RAdam(0.1), "RAdam", {"lr": 0.1}),
    "adafactor": (Adafactor(0.1, weight_decay=0.1), "Adafactor", {"lr": 0.1, "weight_decay": 0.1}),
}


@pytest.mark.parametrize("shape", [(), (5,), (4, 6), (1, 3), (2, 3, 4)])
@pytest.mark.parametrize("name", PAIRS)
def test_the_same_steps(name, shape):
    ours, theirs, options = PAIRS[name]
    r = np.random.default_rng(0)
    p = np.asarray(r.normal(size=shape))
    state, tensor = ours.init(p), torch.tensor(p, requires_grad=True)
    optimiser = getattr(torch.optim, theirs)([tensor], **options)
    for t in range(1, 13):
        dp = np.asarray(r.normal(size=shape))
        tensor.grad = torch.tensor(dp)
        optimiser.step()
        p, state = ours.update(p, dp, state, ours.rate(t - 1), t)
        np.testing.assert_allclose(p, tensor.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("shape", [(4, 6), (7, 3), (5, 5), (1, 4), (3, 1)])
def test_muon_is_pytorchs_up_to_bfloat16(shape):
    r = np.random.default_rng(0)
    p = r.normal(size=shape)
    ours = Muon(0.02, weight_decay=0.1)
    state, tensor = ours.init(p), torch.tensor(p, dtype=torch.float32, requires_grad=True)
    optimiser = torch.optim.Muon([tensor], lr=0.02, weight_decay=0.1, adjust_lr_fn="original")
    for t in range(1, 6):
        dp = r.normal(size=shape)
        tensor.grad = torch.tensor(dp, dtype=torch.float32)
        optimiser.step()
        p, state = ours.update(p, dp, state, 0.02, t)
        np.testing.assert_allclose(p, tensor.detach().numpy(), atol=0.02 * t * 0.1)


@pytest.mark.parametrize("shape", [(4, 6), (7, 3), (5, 5), (1, 4)])
def test_all_directions_move_alike(shape):
    values = np.linalg.svd(orthogonal(np.random.default_rng(0).normal(size=shape)), compute_uv=False)
    assert 0.6 < values.min() <= values.max() < 1.25
