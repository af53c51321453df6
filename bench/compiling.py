"""From a function to native code that can be called: its time, and how much there is to compile.

``python -m bench.compiling`` prints the table, and writes it to COMPILING.md. Each line is a process of its
own: the first finds nothing on the disk, the second what the first has left there.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import handgrad as hg
from bench.levels import processor
from bench.tables import table
from handgrad.engine import Code
from handgrad.layers import mlp
from handgrad.program import trace
from handgrad.tree import leaves, tree_map, unflatten

OUT = Path(__file__).with_name("COMPILING.md")
LIMITS = {"3 layers": (0.6, 0.15), "12 layers": (0.9, 0.2), "40 layers": (1.5, 0.4), "12 blocks": (4.0, 0.6)}
Step = tuple[Callable, tuple]


def layers(n: int, width: int = 64, batch: int = 64) -> Step:
    """A multilayer perceptron's loss and gradients."""
    net = mlp([width] * n + [10], seed=0)

    def loss(params: Any, x: Any, t: Any) -> Any:
        return hg.softmax_cross_entropy(net.bind(params, {})(x), t)

    x, t = np.zeros((batch, width), np.float32), np.zeros(batch, int)
    return hg.value_and_grad(loss), (net.parameters(), x, t)


def blocks(n: int, D: int = 128, H: int = 4, T: int = 64, N: int = 12, V: int = 65) -> Step:
    """A step by Adam of a language model: embeddings, blocks of causal attention and two layers, a head."""

    def zeros(**shapes: tuple[int, ...]) -> dict[str, np.ndarray]:
        return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}

    block = {
        "g": (D,), "b": (D,), "QKV": (D, 3 * D), "qkv": (3 * D,), "O": (D, D), "o": (D,),
        "h": (D,), "c": (D,), "U": (D, 4 * D), "u": (4 * D,), "V": (4 * D, D), "v": (D,),
    }  # fmt: skip
    params = {
        "blocks": [zeros(**block) for _ in range(n)],
        **zeros(E=(V, D), P=(T, D), g=(D,), b=(D,), W=(D, V), w=(V,)),
    }
    past = np.tril(np.ones((T, T), bool))

    def norm(x: Any, g: Any, b: Any) -> Any:
        return hg.batch_norm(x, hg.mean(x, axis=-1, keepdims=True), hg.var(x, axis=-1, keepdims=True), g, b)

    def heads(x: Any) -> Any:
        return hg.transpose(hg.reshape(x, (N, T, H, D // H)), (0, 2, 1, 3))

    def attention(p: dict, x: Any) -> Any:
        q, k, v = map(heads, hg.split(hg.affine(norm(x, p["g"], p["b"]), p["QKV"], p["qkv"]), 3, axis=2))
        scores = q @ hg.transpose(k, (0, 1, 3, 2)) * np.float32((D // H) ** -0.5)
        y = hg.softmax(hg.where(past, scores, np.float32(-1e9))) @ v
        return hg.affine(hg.reshape(hg.transpose(y, (0, 2, 1, 3)), (N, T, D)), p["O"], p["o"])

    def loss(params: dict, ids: Any, t: Any) -> Any:
        x = hg.take(params["E"], ids, axis=0) + params["P"]
        for p in params["blocks"]:
            x = x + attention(p, x)
            x = x + hg.affine(hg.gelu(hg.affine(norm(x, p["h"], p["c"]), p["U"], p["u"])), p["V"], p["v"])
        y = hg.affine(norm(x, params["g"], params["b"]), params["W"], params["w"])
        return hg.softmax_cross_entropy(hg.reshape(y, (N * T, V)), hg.reshape(t, (N * T,)))

    def step(params: dict, first: dict, second: dict, number: Any, ids: Any, t: Any) -> Any:
        value, grads = hg.value_and_grad(loss)(params, ids, t)
        moved = [
            adam(*each, number) for each in zip(*map(leaves, (params, grads, first, second)), strict=True)
        ]
        return [unflatten(params, list(each)) for each in zip(*moved, strict=True)], value

    ids = np.zeros((N, T), int)
    return step, (params, tree_map(np.zeros_like, params), tree_map(np.zeros_like, params), 1.0, ids, ids)


def adam(p: Any, dp: Any, m: Any, v: Any, number: Any, lr: float = 1e-3) -> tuple:
    m, v = 0.9 * m + 0.1 * dp, 0.999 * v + 0.001 * dp * dp
    return p - lr * (m / (1 - 0.9**number)) / (hg.sqrt(v / (1 - 0.999**number)) + 1e-8), m, v


def step(name: str) -> Step:
    count, kind = name.split()
    return {"layers": layers, "blocks": blocks}[kind](int(count))


# One process.


def measured(name: str, counts: bool) -> dict[str, float]:
    """Seconds of all cores, on two idle ones and by the clock, from the function to code; and of what."""
    f, args = step(name)
    cpu, clock, own = time.process_time(), time.perf_counter(), time.thread_time()
    program = trace(f, *args)
    traced = time.process_time() - cpu
    held = len(leaves(args[:3])) if name.endswith("blocks") else 0
    code = Code(program, {i: i for i in range(held)})
    own = time.thread_time() - own
    cpu = time.process_time() - cpu
    found = {
        "cpu": cpu,
        "clock": time.perf_counter() - clock,
        "two": own + (cpu - own) / 2,  # this thread plans, and waits for those that compile
        "trace": traced,
    }
    if counts:
        assembly = code.assembly
        found["kernels"] = len(code.schedule.kernels)
        found["distinct"] = len(assembly.modules)
        found["lines"] = sum(text.count("\n") for text in assembly.texts())
    return found


def by_kind(name: str) -> str:
    """Which kinds of kernel the lines of IR are of."""
    f, args = step(name)
    assembly = Code(trace(f, *args)).assembly
    lines: collections.Counter[str] = collections.Counter()
    number: collections.Counter[str] = collections.Counter()
    for function, module in assembly.modules.items():
        kind = function.split(".")[0]
        number[kind] += 1
        lines[kind] += str(module).count("\n")
    rows = [(kind, number[kind], n, n // number[kind]) for kind, n in lines.most_common()]
    return "\n".join(table(("kind", "distinct", "lines of IR", "each"), (map(str, row) for row in rows)))


def in_a_process(name: str, folder: str, counts: bool = False) -> dict[str, float]:
    command = [sys.executable, "-m", "bench.compiling", "--one", name, *(["--counts"] * counts)]
    environment = os.environ | {"HANDGRAD_CACHE": folder}
    said = subprocess.run(command, capture_output=True, text=True, env=environment)
    if said.returncode:
        raise RuntimeError(said.stderr)
    return json.loads(said.stdout.splitlines()[-1])


# All of them.


def row(name: str, times: int) -> list[str]:
    cold, warm = [], []
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            cold.append(in_a_process(name, folder))
            warm.append(in_a_process(name, folder))
            counts = in_a_process(name, folder, counts=True)

    def told(runs: list, what: str) -> str:
        return f"{statistics.median(run[what] for run in runs):.2f}"

    cells = [" / ".join(told(runs, what) for what in ("cpu", "two", "clock")) for runs in (cold, warm)]
    limits = " and ".join(f"{limit:g}" for limit in LIMITS[name])
    numbers = [str(counts[what]) for what in ("kernels", "distinct", "lines")]
    return [name, *numbers, told(cold, "trace"), *cells, limits]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--one", metavar="NAME")
    parser.add_argument("--counts", action="store_true")
    parser.add_argument("--kinds", metavar="NAME", help="which kinds of kernel the lines of IR are of")
    parser.add_argument("--times", type=int, default=3)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one, options.counts)))
        return
    if options.kinds:
        print(by_kind(options.kinds))
        return
    head = ["", "kernels", "distinct", "lines of IR", "tracing", "cold", "warm", "limits"]
    rows = [row(name, options.times) for name in LIMITS]
    text = f"""# From a function to native code

`python -m bench.compiling` on {processor()}, {os.cpu_count()} cores.
Seconds of all cores / on two cores that do nothing else: of the thread that plans, and half of those
that compile / by the clock, here, while {os.getloadavg()[0]:.0f} processes wanted to run.
Medians of {options.times}; tracing is a part of each. Cold finds nothing on the
disk; warm finds the program. Layers are of 64 units with a batch of 64, loss and gradients; blocks are
a language model's (width 128, 4 heads, 12 sequences of 64), with the update by Adam.
The limits are for two idle cores.

"""
    text += "\n".join(table(head, rows)) + "\n"
    print(text)
    OUT.write_text(text)


if __name__ == "__main__":
    main()
