"""``python -m bench.convolutions``: convolutions alone, forward and by weights and inputs, beside PyTorch.

Ours are contractions of arrays with the channels last, x and dout in padded buffers; nothing is unrolled.
With a stride of two the gradient by the inputs is four contractions, one for each phase, whose results lie
apart. PyTorch's are in the better of its two layouts.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tests.engine.alone import Alone

from bench.products import LEVELS, processor, register_peak, seconds
from bench.tables import table
from bench.timing import Others

RESULTS = Path(__file__).parent / "CONVOLUTIONS.md"


class Shape(NamedTuple):
    """N examples of H x H pixels and C channels, K filters of R x R."""

    N: int
    C: int
    K: int
    H: int
    R: int
    stride: int

    @property
    def pad(self) -> int:
        return self.R // 2 if self.R == 3 else 0

    @property
    def out(self) -> int:
        return (self.H + 2 * self.pad - self.R) // self.stride + 1

    @property
    def flops(self) -> int:
        return 2 * self.N * self.out**2 * self.K * self.C * self.R**2

    def __str__(self) -> str:
        pixels, window = f"{self.H} x {self.H}", f"{self.R} x {self.R}"
        return f"{self.N} of {pixels}, {self.C} to {self.K}, {window}, stride {self.stride}"


SHAPES = [
    Shape(64, 3, 16, 32, 3, 1),
    Shape(64, 16, 16, 32, 3, 1),
    Shape(64, 16, 32, 32, 3, 2),
    Shape(64, 32, 32, 16, 3, 1),
    Shape(64, 64, 64, 8, 3, 1),
    Shape(64, 64, 64, 28, 3, 1),
    Shape(100, 1, 16, 28, 5, 1),
    Shape(100, 16, 32, 14, 5, 1),
]
KINDS = ("forward", "dW", "dx")
Steps = Callable[[int], object]


class Ours:
    """The arrays of a shape, and its three contractions."""

    def __init__(self, shape: Shape, threads: int):
        self.shape, self.threads = shape, threads
        rng = np.random.default_rng(0)
        N, C, K, H, R, _ = shape
        self.x = padded(rng.standard_normal((N, H, H, C)), shape.pad)
        self.W = rng.standard_normal((R, R, C, K)).astype(np.float32)
        self.margin = R - 1 - shape.pad if shape.stride == 1 else (R - 1) // shape.stride + 1
        self.dout = padded(rng.standard_normal((N, shape.out, shape.out, K)), self.margin)

    def inner(self, array: np.ndarray, margin: int) -> np.ndarray:
        return array[:, margin : array.shape[1] - margin, margin : array.shape[2] - margin]

    def made(self, shape: tuple, sums: tuple, x: tuple, y: tuple) -> Alone:
        apart = max(range(len(shape)), key=lambda i: (shape[i] % self.threads == 0, shape[i] >= 16, -i))
        return Alone(shape, sums, x, y, threads=self.threads, apart=apart)

    def forward(self) -> tuple[list[Alone], list[tuple]]:
        """y[n, h, w, k] = Σ x[n, h·stride + r, w·stride + s, c]·W[r, s, c, k]"""
        N, C, K, _, R, step = self.shape
        n, h, w, c = strides(self.x)
        r, s, d, _ = strides(self.W)
        x = (0, {0: n, 1: h * step, 2: w * step, 4: h, 5: w, 6: c})
        y = (0, {4: r, 5: s, 6: d, 3: 1})
        shape = (N, self.shape.out, self.shape.out, K)
        return [self.made(shape, (R, R, C), x, y)], [(self.x, self.W, np.zeros(shape, np.float32))]

    def dW(self) -> tuple[list[Alone], list[tuple]]:
        """dW[r, s, c, k] = Σ x[n, h·stride + r, w·stride + s, c]·dout[n, h, w, k]"""
        N, C, K, _, R, step = self.shape
        n, h, w, c = strides(self.x)
        dn, dh, dw, _ = strides(self.dout)
        start = self.margin * (dh + dw)
        x = (0, {0: h, 1: w, 2: c, 4: n, 5: h * step, 6: w * step})
        y = (start, {4: dn, 5: dh, 6: dw, 3: 1})
        made = self.made((R, R, C, K), (N, self.shape.out, self.shape.out), x, y)
        return [made], [(self.x, self.dout, np.zeros((R, R, C, K), np.float32))]

    def dx(self) -> tuple[list[Alone], list[tuple]]:
        """dx[n, h, w, c] = Σ dout[n, (h + pad - r) / stride, (w + pad - s) / stride, k]·W[r, s, c, k]"""
        N, C, K, H, R, step = self.shape
        dn, dh, dw, _ = strides(self.dout)
        wr, ws, wc, _ = strides(self.W)
        made, given = [], []
        for p in range(step):
            for q in range(step):
                r0, s0 = (p + self.shape.pad) % step, (q + self.shape.pad) % step
                top = self.margin + (p + self.shape.pad - r0) // step
                left = self.margin + (q + self.shape.pad - s0) // step
                taps = [len(range(first, R, step)) for first in (r0, s0)]
                x = (top * dh + left * dw, {0: dn, 1: dh, 2: dw, 4: -dh, 5: -dw, 6: 1})
                y = (r0 * wr + s0 * ws, {4: step * wr, 5: step * ws, 6: 1, 3: wc})
                shape = (N, len(range(p, H, step)), len(range(q, H, step)), C)
                made.append(self.made(shape, (*taps, K), x, y))
                given.append((self.dout, self.W, np.zeros(shape, np.float32)))
        return made, given

    def steps(self, kind: str) -> tuple[Steps, np.ndarray]:
        """What makes it, and its result."""
        made, given = getattr(self, kind)()

        def run(n: int) -> None:
            for _ in range(n):
                for each, arrays in zip(made, given, strict=True):
                    each(*arrays)

        run(1)
        if kind != "dx":
            return run, given[0][2]
        step, N, H, C = self.shape.stride, self.shape.N, self.shape.H, self.shape.C
        whole = np.zeros((N, H, H, C), np.float32)
        for phase, arrays in enumerate(given):
            whole[:, phase // step :: step, phase % step :: step] = arrays[2]
        return run, whole


def strides(x: np.ndarray) -> tuple[int, ...]:
    return tuple(step // x.itemsize for step in x.strides)


def padded(x: np.ndarray, n: int) -> np.ndarray:
    return np.pad(x, ((0, 0), (n, n), (n, n), (0, 0))).astype(np.float32)


def torch_steps(ours: Ours, kind: str, last: bool) -> tuple[Steps, np.ndarray]:
    """PyTorch's, with the channels last or not."""
    import torch

    torch.set_num_threads(ours.threads)
    layout = torch.channels_last if last else torch.contiguous_format
    shape, pad = ours.shape, ours.shape.pad

    def tensor(x: np.ndarray, axes: tuple) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x.transpose(axes))).contiguous(memory_format=layout)

    x = tensor(ours.inner(ours.x, pad) if pad else ours.x, (0, 3, 1, 2))
    W = tensor(ours.W, (3, 2, 0, 1))
    dout = tensor(ours.inner(ours.dout, ours.margin) if ours.margin else ours.dout, (0, 3, 1, 2))
    step, rest = (shape.stride,) * 2, ((1, 1), False, (0, 0), 1)
    backward = torch.ops.aten.convolution_backward

    def call() -> torch.Tensor:
        if kind == "forward":
            return torch.conv2d(x, W, None, step, pad)
        masks = (kind == "dx", kind == "dW", False)
        return backward(dout, x, W, None, step, (pad, pad), *rest, masks)[0 if kind == "dx" else 1]

    def run(n: int) -> None:
        for _ in range(n):
            call()

    axes = (2, 3, 1, 0) if kind == "dW" else (0, 2, 3, 1)
    return run, call().numpy().transpose(axes)


def measured(threads: int, rounds: int) -> Iterator[dict]:
    for shape in SHAPES:
        ours = Ours(shape, threads)
        for kind in KINDS:
            runs, results = {}, {}
            runs["ours"], results["ours"] = ours.steps(kind)
            for last in (False, True):
                name = "channels last" if last else "channels first"
                runs[name], results[name] = torch_steps(ours, kind, last)
                scale = np.abs(results[name]).max()
                assert np.abs(results[name] - results["ours"]).max() < 1e-4 * scale, (shape, kind)
            yield {
                "shape": shape,
                "kind": kind,
                "threads": threads,
                "seconds": seconds(runs, rounds, threads),
            }


def section(level: str, threads: int, peak: float, found: list[dict]) -> Iterator[str]:
    cores = "one core" if threads == 1 else f"{threads} cores"
    yield f"\n## {level}, {cores}\n"
    rows, ratios = [], []
    for result in found:
        shape, times = Shape(*result["shape"]), result["seconds"]
        own, theirs = times["ours"], min(times["channels first"], times["channels last"])
        ratios.append(theirs / own)
        texts = [f"{1e6 * times[name]:.0f} µs" for name in ("ours", "channels first", "channels last")]
        share = f"{100 * shape.flops / own / (peak * threads):.0f} %"
        rows.append((str(shape), result["kind"], *texts, f"{theirs / own:.2f}", share))
    middle, least = statistics.median(ratios), min(ratios)
    yield (
        f"A loop that only multiplies and adds in registers: {peak / 1e9:.0f} Gflop/s a core. PyTorch's "
        f"better time over ours: {middle:.2f} at the median, {least:.2f} at the least.\n"
    )
    heads = ("shape", "", "ours", "PyTorch, channels first", "channels last", "ratio", "of the peak")
    yield from table(heads, rows)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.convolutions", description=__doc__)
    parser.add_argument("--level", nargs="+", choices=LEVELS, default=list(LEVELS))
    parser.add_argument("--threads", nargs="+", type=int, default=[1, os.cpu_count() or 1])
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--write", action="store_true", help="into CONVOLUTIONS.md")
    parser.add_argument("--as-json", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    asked = options()
    if asked.as_json:
        print(json.dumps(register_peak()), flush=True)
        for threads in asked.threads:
            for result in measured(threads, asked.rounds):
                print(json.dumps(result), flush=True)
        return
    others, lines = Others(), []
    for level in asked.level:
        given = ["--rounds", str(asked.rounds), "--threads", *map(str, asked.threads)]
        ran = subprocess.run(
            [sys.executable, "-m", "bench.convolutions", "--as-json", *given],
            env={**os.environ, **LEVELS[level]},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        peak, *found = map(json.loads, ran.stdout.splitlines())
        for threads in asked.threads:
            lines += section(level, threads, peak, [r for r in found if r["threads"] == threads])
    print("\n".join(lines))
    if asked.write:
        what = f"{processor()}; float32, the best of {asked.rounds} runs. {others}"
        RESULTS.write_text("\n".join([f"# Convolutions alone\n\n{what}", *lines]) + "\n", "utf-8")


if __name__ == "__main__":
    main()
