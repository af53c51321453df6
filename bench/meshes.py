"""``python -m bench.meshes``: one training on eight virtual devices, laid out in four ways.

Losses of 100 steps beside one device's; what a step communicates and holds, by XLA's own analysis.
``--write`` puts the tables into MESHES.md.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["JAX_NUM_CPU_DEVICES"] = "8"
os.environ.setdefault("JAX_PLATFORMS", "cpu")

import jax
import numpy as np

import handgrad as hg
from handgrad.layers import mlp
from handgrad.models import GPT
from handgrad.train import Trainer
from handgrad.train.engines import steps_for
from handgrad.tree import tree_map

FILE = Path(__file__).with_name("MESHES.md")
STEPS = 100
WAYS: dict[str, tuple[dict[str, int], Any]] = {
    "one device": ({"data": 1}, None),
    "data 8": ({"data": 8}, None),
    "data 8, full": ({"data": 8}, "full"),
    "data 4 x model 2": ({"data": 4, "model": 2}, None),
}
COLLECTIVES = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "collective-permute")


def norm(dtype: str) -> tuple[Any, np.ndarray, np.ndarray, int]:
    """mlp-norm, on digits of MNIST."""
    data = hg.data.load("mnist-5k")
    x = (data.x[:4096] / 255).reshape(4096, -1).astype(dtype)
    net = mlp([784, 512, 512, 10], batch_norm=True, dropout=0.2, seed=0, dtype=dtype)
    return net, x, data.t[:4096], 128


def gpt(dtype: str) -> tuple[Any, np.ndarray, np.ndarray, int]:
    """A GPT of 2 blocks, 64 wide, on 64 symbols."""
    rng = np.random.default_rng(0)
    net = GPT(64, 32, 64, 4, 2, seed=0)
    net.load_parameters({name: p.astype(dtype) for name, p in net.parameters().items()})
    x = np.cumsum(rng.integers(4, size=(1024, 33)), axis=1) % 64
    return net, x[:, :-1], x[:, 1:], 32


NETWORKS = {"mlp-norm": norm, "GPT": gpt}
CASES = [(name, dtype, 1e-8) for name in NETWORKS for dtype in ("float32", "float64")]
CASES.insert(1, ("mlp-norm", "float32", 1e-5))  # what Adam divides by, at least


def prepared(
    network: Any, dtype: str, mesh: dict[str, int], sharding: Any, eps: float = 1e-8, ulp: int = 0
) -> tuple[Trainer, Any, int]:
    """A training, where it begins; ``ulp`` is the seed by which half of all weights are moved up by one."""
    net, x, t, batch = network(dtype)
    if ulp:
        rng, params = np.random.default_rng(ulp), net.parameters()
        up = {name: rng.random(p.shape) < 0.5 if p.ndim > 1 else False for name, p in params.items()}
        net.load_parameters({n: np.where(up[n], np.nextafter(p, p + 1), p) for n, p in params.items()})
    loss, optimiser = hg.softmax_cross_entropy, hg.optim.Adam(1e-3, eps=eps)
    trainer = Trainer(net, loss, optimiser, engine="jax", mesh=mesh, sharding=sharding, metrics={})
    made = steps_for(trainer, trainer.progress, x, t, batch, "jax", placement=trainer.placement())
    return trainer, made, batch


def losses(trainer: Trainer, made: Any, batch: int) -> np.ndarray:
    order = np.random.default_rng(1).permutation(len(made.t))
    found, before = [], 0.0
    for step in range(STEPS):
        _, trainer.progress, _ = made.run(trainer.progress, np.roll(order, -batch * step)[:batch], batch)
        total = trainer.progress.totals["loss"]
        found.append((total - before) / batch)
        before = total
    return np.array(found)


def compiled(trainer: Trainer, made: Any, batch: int) -> Any:
    with jax.enable_x64(True):
        arguments = made.arguments(trainer.progress, np.arange(batch), batch)
        return made.function(batch).lower(*arguments).compile()


def communicated(text: str) -> dict[str, tuple[int, int]]:
    """Of each kind of collective operation how many there are, and the bytes of their results."""
    sizes = {"f32": 4, "f64": 8, "s32": 4, "s64": 8, "u32": 4, "pred": 1, "bf16": 2}
    found = {}
    for kind in COLLECTIVES:
        lines = re.findall(rf"= ([^\n]*?) {kind}(?:-start)?\(", text)
        total = sum(
            sizes.get(dtype, 0) * math.prod(int(n) for n in dims.split(",") if n)
            for line in lines
            for dtype, dims in re.findall(r"(\w+)\[([\d,]*)\]", line)
        )
        found[kind] = (len(lines), total)
    return found


def same_losses() -> Iterator[str]:
    yield f"## {STEPS} steps, laid out in four ways\n"
    yield (
        "The largest difference of a loss from one device's, relative. Dropout and batch norm included. "
        "Beside them one device against itself, half of its weights moved by one unit in the last place, "
        "three times: what rounding alone does to this training.\n"
    )
    yield "| | " + " | ".join(list(WAYS)[1:]) + " | one device, moved |"
    yield "|---|" + "---:|" * len(WAYS)
    for name, dtype, eps in CASES:
        network = NETWORKS[name]
        found = [losses(*prepared(network, dtype, *way, eps)) for way in WAYS.values()]
        moved = [losses(*prepared(network, dtype, *WAYS["one device"], eps, ulp)) for ulp in (1, 2, 3)]
        apart = [f"{np.max(np.abs(each / found[0] - 1)):.1e}" for each in (*found[1:], *moved)]
        label = f"{name}, {dtype}" + (f", Adam's ε {eps:g}" if eps != 1e-8 else "")
        yield f"| {label} | " + " | ".join(apart[:3]) + f" | {', '.join(apart[3:])} |"
    yield (
        "\nIn float32 mlp-norm is apart by as much as rounding alone makes it: Adam divides each gradient by "
        "its own size, √v + ε, so one that is nothing but rounding moves its weight by a whole step. Where ε "
        "is above that rounding, or in float64, all ways agree."
    )


def same_accuracy() -> Iterator[str]:
    yield "\n## 10 epochs of mnist-5k\n"
    yield "784-50-10, Adam 1e-3, batches of 80, float32; 1,000 digits held out.\n"
    yield "| | loss of the last epoch | accuracy, held out |"
    yield "|---|---:|---:|"
    data = hg.data.load("mnist-5k")
    order = hg.data.permutation(len(data), 0, 0)
    x, t = (data.x[order] / 255).reshape(len(order), -1).astype(np.float32), data.t[order]
    for way, (mesh, sharding) in WAYS.items():
        net, loss, optimiser = mlp([784, 50, 10], seed=0), hg.softmax_cross_entropy, hg.optim.Adam(1e-3)
        trainer = Trainer(net, loss, optimiser, engine="jax", mesh=mesh, sharding=sharding)
        last = trainer.fit(x[1000:], t[1000:], epochs=10, batch_size=80)[-1]["loss"]
        yield f"| {way} | {last:.7f} | {100 * trainer.evaluate(x[:1000], t[:1000])['accuracy']:.1f} % |"


def analysed() -> Iterator[str]:
    yield "\n## What a step communicates and holds\n"
    yield (
        "Collective operations of the compiled loop, and the bytes of their results, KiB; parameters and "
        "moments of a device, as `Trainer.shardings` says, and all arguments and temporaries, as XLA does.\n"
    )
    yield "| | parameters, KiB | all-reduce | all-gather | others | state | arguments | temporaries |"
    yield "|---|---:|---:|---:|---:|---:|---:|---:|"
    for name, network in NETWORKS.items():
        for way, layout in WAYS.items():
            trainer, made, batch = prepared(network, "float32", *layout)
            code = compiled(trainer, made, batch)
            sent, memory = communicated(code.as_text()), code.memory_analysis()
            others = [sent[kind] for kind in COLLECTIVES[2:]]
            cells = [sent["all-reduce"], sent["all-gather"], tuple(map(sum, zip(*others, strict=True)))]
            own = sum(row.bytes_a_device for row in trainer.shardings())
            whole = sum(p.nbytes for p in trainer.progress.params.values())
            text = " | ".join(f"{count}: {size / 1024:.0f}" if count else "" for count, size in cells)
            yield (
                f"| {name}, {way} | {whole / 1024:.0f} | {text} | {own / 1024:.0f} | "
                f"{memory.argument_size_in_bytes / 1024:.0f} | {memory.temp_size_in_bytes / 1024:.0f} |"
            )


def hundred_million() -> Iterator[str]:
    """A network that is compiled and never made: parameters are shapes alone."""
    widths, batch = (4096, 8192, 8192, 1000), 64
    shapes = {f"{i}.W": (a, b) for i, (a, b) in enumerate(itertools.pairwise(widths))}
    total = sum(math.prod(s) for s in shapes.values())
    yield f"\n## {total / 1e6:.0f} million parameters, Adam, which no device holds whole\n"
    yield f"Widths {', '.join(map(str, widths))}, {batch} examples; peak bytes of a device, by XLA's plan.\n"
    yield "| | peak, MiB | of replicated |"
    yield "|---|---:|---:|"
    peaks = {
        name: peak(shapes, batch, sharding) for name, sharding in (("replicated", None), ("full", "full"))
    }
    for name, each in peaks.items():
        yield f"| {name} | {each / 2**20:,.0f} | {each / peaks['replicated']:.2f} |"


def peak(shapes: dict[str, tuple[int, ...]], batch: int, sharding: Any) -> float:
    from handgrad.train.placement import Placement

    like = {name: jax.ShapeDtypeStruct(own, np.float32) for name, own in shapes.items()}
    place, optimiser = Placement({"data": 8}, sharding, like), hg.optim.Adam(1e-3)

    def loss(params: Any, x: Any, t: Any) -> Any:
        for W in params.values():
            x = hg.tanh(x @ W)
        return hg.softmax_cross_entropy(x, t)

    def step(state: Any, x: Any, t: Any) -> Any:
        params, _, moments = state
        value, grads = hg.value_and_grad(loss)(params, place.along_data(x), place.along_data(t))
        moved = {
            name: optimiser.update(p, grads[name], moments[name], 1e-3, 1.0) for name, p in params.items()
        }
        return ({n: p for n, (p, _) in moved.items()}, {}, {n: m for n, (_, m) in moved.items()}), value

    state = (like, {}, {name: {"m": p, "v": p} for name, p in like.items()})
    shardings = place.of_state(state)
    laid = tree_map(lambda p, s: jax.ShapeDtypeStruct(p.shape, p.dtype, sharding=s), state, shardings)
    x = jax.ShapeDtypeStruct((batch, next(iter(shapes.values()))[0]), np.float32, sharding=place.whole)
    t = jax.ShapeDtypeStruct((batch,), np.int32, sharding=place.whole)
    made = jax.jit(step, donate_argnums=0, out_shardings=(shardings, place.whole))
    memory = made.lower(laid, x, t).compile().memory_analysis()
    return float(memory.argument_size_in_bytes + memory.temp_size_in_bytes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="into MESHES.md")
    args = parser.parse_args()
    lines = [f"# On eight virtual devices of one processor, JAX {jax.__version__}\n"]
    for part in (same_losses, same_accuracy, analysed, hundred_million):
        for line in part():
            print(line, flush=True)
            lines.append(line)
    if args.write:
        FILE.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
