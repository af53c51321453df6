"""Trainings on eight virtual devices, in a process of their own, since JAX counts its devices once.

python -m tests.train.on_devices '{"network": "gpt", "dtype": "float32", "steps": 9, "meshes": ...}'
"""

import json
import os
import re
import sys

os.environ["JAX_NUM_CPU_DEVICES"] = "8"
os.environ["JAX_PLATFORMS"] = "cpu"

import jax
import numpy as np

import handgrad as hg
from handgrad.layers import mlp
from handgrad.models import GPT
from handgrad.train import Trainer
from handgrad.train.costs import costs
from handgrad.train.engines import steps_for

COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")


def workload(network, dtype):
    """A network, its inputs and targets."""
    rng = np.random.default_rng(0)
    if network == "norm":
        net = mlp([24, 64, 32, 10], batch_norm=True, dropout=0.2, seed=0, dtype=dtype)
        return net, rng.standard_normal((160, 24)).astype(dtype), rng.integers(10, size=160)
    net = GPT(20, 12, 32, 4, 2, seed=0)
    net.load_parameters({name: p.astype(dtype) for name, p in net.parameters().items()})
    x = rng.integers(20, size=(80, 13))
    return net, x[:, :-1], x[:, 1:]


def losses(network, dtype, steps, mesh, sharding):
    """(of each step, operations that communicate, rows of where arrays lie)"""
    net, x, t = workload(network, dtype)
    if mesh is None:
        mesh, sharding = {"data": 8}, None
    trainer = Trainer(
        net, hg.softmax_cross_entropy, hg.optim.Adam(1e-3), engine="jax", mesh=mesh, sharding=sharding
    )
    made = steps_for(trainer, trainer.progress, x, t, 16, "jax", placement=trainer.placement())
    order, found = np.random.default_rng(1).permuted(np.arange(len(x))), []
    with jax.enable_x64(True):
        arguments = made.arguments(trainer.progress, order[:16], 16)
        text = made.function(16).lower(*arguments).compile().as_text()
    for step in range(steps):
        here = np.roll(order, -16 * step)[:16]
        before = trainer.progress.totals.get("loss", 0.0)
        _, trainer.progress, _ = made.run(trainer.progress, here, 16)
        found.append((trainer.progress.totals["loss"] - before) / 16)
    counts = {name: len(re.findall(rf"= [^\n]*\b{name}(?:-start)?\(", text)) for name in COLLECTIVES}
    return {
        "losses": found,
        "costs": compared(trainer, made, x, t, mesh, sharding),
        "communicates": counts,
        "lies": [list(map(str, row)) for row in trainer.shardings()],
    }


def compared(trainer, made, x, t, mesh, sharding):
    """Additions and multiplications of a device, bytes that it holds, and bytes of all gradients' sums: by
    our count, and by XLA's analysis of one step."""
    ours = costs(trainer, x, t, 16).on(mesh, sharding)
    place, p = made.placement, trainer.progress
    state = (p.params, p.states, p.moments)
    shardings = place.of_state(state)
    laid = jax.tree.map(lambda a, s: jax.ShapeDtypeStruct(a.shape, a.dtype, sharding=s), state, shardings)
    spread = jax.sharding.NamedSharding(place.mesh, jax.P("data"))
    batch = [jax.ShapeDtypeStruct(a[:16].shape, a.dtype, sharding=spread) for a in (made.x, made.t)]
    with jax.enable_x64(True):
        one = jax.jit(made.one, out_shardings=(shardings, place.whole, place.whole))
        code = one.lower(laid, *batch, 1e-3, 1.0).compile()
    given = sum(a.size * a.dtype.itemsize for a in batch) // place.sizes["data"] + 16
    summed = re.findall(r"= ([^\n]*?) all-reduce(?:-start)?\(", code.as_text())
    sizes = {"f32": 4, "f64": 8}
    numbers = [
        sizes[kind] * int(np.prod([int(n) for n in dims.split(",") if n]))
        for line in summed
        for kind, dims in re.findall(r"(f32|f64)\[([\d,]*)\]", line)
    ]
    return {
        "flops": [ours.flops, code.cost_analysis()["flops"]],
        "held": [ours.held, code.memory_analysis().argument_size_in_bytes - given],
        "summed": [sum(a.nbytes for a in p.params.values()), sum(numbers)],
    }


def main():
    order = json.loads(sys.argv[1])
    found = [losses(order["network"], order["dtype"], order["steps"], *each) for each in order["meshes"]]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
