"""The networks of ``bench/`` compute what those of the peers beside them do: one training is raced."""

import dataclasses

import numpy as np
import pytest

from bench.workload import NAMES, named

torch = pytest.importorskip("torch")
jax = pytest.importorskip("jax")
torch_peers = pytest.importorskip("bench.torch_peers")
jax_peers = pytest.importorskip("bench.jax_peers")

NETWORKS = [name for name in NAMES if not named(name).widths]


@pytest.mark.parametrize("name", NETWORKS)
def test_peers_have_our_losses(name):
    workload = dataclasses.replace(named(name), batch=2, rows=2)
    x, t = workload.examples()
    ours = workload.criterion()(workload.net().train()(x), t)

    theirs = torch_peers.loss_function(workload, torch_peers.network(workload))(torch.arange(2))
    np.testing.assert_allclose(theirs.detach(), ours, rtol=1e-5)

    beginning = jax_peers.beginning(workload)
    args = beginning["params"], beginning["running"], beginning["key"], x
    outputs, moved = jax.jit(jax_peers.forward, static_argnums=0)(workload, *args)
    np.testing.assert_allclose(jax_peers.loss_of(workload, outputs, t), ours, rtol=1e-5)
    assert moved.keys() == beginning["running"].keys()
