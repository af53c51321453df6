"""softmax_cross_entropy against torch.nn.functional.cross_entropy: every combination of its options."""

import itertools

import numpy as np
import pytest

import handgrad as hg

from ..rules.numerics import assert_close

torch = pytest.importorskip("torch")

N, C = 6, 4
WEIGHT = np.array([0.5, 2.0, 0.0, 0.7])
COMBINATIONS = [
    combination
    for combination in itertools.product(
        ("indices", "one-hot", "soft"), (None, WEIGHT), (0.0, 0.15), (None, -100, 1), ("mean", "sum", "none")
    )
    if combination[0] == "indices" or combination[3] is None  # soft labels have none to ignore
]


def draw(labels, shape=(N,)):
    r = np.random.default_rng(5)
    x = r.normal(size=(*shape, C)) * 2
    indices = r.integers(C, size=shape)
    if labels == "indices":
        return r, x, indices
    return r, x, np.eye(C)[indices] if labels == "one-hot" else hg.softmax(r.normal(size=(*shape, C)))


@pytest.mark.parametrize(("labels", "weight", "smoothing", "ignored", "reduction"), COMBINATIONS)
def test_every_combination(labels, weight, smoothing, ignored, reduction):
    r, x, t = draw(labels)
    if labels == "indices" and ignored is not None:
        t[[0, 3]] = ignored
    tx, tt = torch.tensor(x, requires_grad=True), torch.tensor(t, requires_grad=labels != "indices")
    wanted = torch.nn.functional.cross_entropy(
        tx, tt, None if weight is None else torch.tensor(weight), reduction=reduction,
        label_smoothing=smoothing, ignore_index=-100 if ignored is None else ignored,
    )  # fmt: skip
    loss, backward = hg.softmax_cross_entropy.vjp(
        x, t, weight=weight, label_smoothing=smoothing, ignore_index=ignored, reduction=reduction
    )
    assert_close(loss, wanted.detach())
    dout = r.normal(size=loss.shape)
    dx, dt = backward(dout)
    wanted.backward(torch.tensor(dout))
    assert_close(dx, tx.grad)
    if labels != "indices":
        assert_close(dt, tt.grad)


def test_more_axes():
    """Classes lie along the last axis here, along the second in PyTorch."""
    _, x, t = draw("indices", (2, 3))
    tx = torch.tensor(np.moveaxis(x, -1, 1), requires_grad=True)
    wanted = torch.nn.functional.cross_entropy(tx, torch.tensor(t))
    loss, backward = hg.softmax_cross_entropy.vjp(x, t)
    assert_close(loss, wanted.detach())
    (wanted * 1.7).backward()
    assert_close(backward(1.7)[0], np.moveaxis(tx.grad.numpy(), 1, -1))
