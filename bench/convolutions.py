"""``python -m bench.convolutions``: convolutions alone, forward and by weights and inputs, beside PyTorch.

Ours are programs of the rules, of arrays with the channels last: padding, windows and einsum, and their
gradients. PyTorch's are in the better of its two layouts.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

import handgrad as hg
from bench.levels import parser_for, report, tell
from bench.products import register_peak, seconds
from bench.tables import table
from handgrad.engine import Code
from handgrad.program import optimise, trace

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


class Arrays(NamedTuple):
    """x (N, H, H, C), W (R, R, C, K), dout (N, OH, OH, K)"""

    x: np.ndarray
    W: np.ndarray
    dout: np.ndarray

    @staticmethod
    def of(shape: Shape) -> Arrays:
        rng = np.random.default_rng(0)
        N, C, K, H, R, _ = shape
        sizes = ((N, H, H, C), (R, R, C, K), (N, shape.out, shape.out, K))
        return Arrays(*(rng.standard_normal(size).astype(np.float32) for size in sizes))


def made_by(shape: Shape, kind: str) -> Callable[..., np.ndarray]:
    """The function of x, W and dout that gives a result."""

    def convolution(x, W):
        """y[n, h, w, k] = Σ x[n, h·stride + r - pad, w·stride + s - pad, c]·W[r, s, c, k]"""
        around = [(0, 0), *[(shape.pad, shape.pad)] * 2, (0, 0)]
        windows = hg.windows(hg.pad(x, around), (shape.R, shape.R), shape.stride, axes=(1, 2))
        return hg.einsum("nhwcrs,rsck->nhwk", windows, W)

    def run(x, W, dout):
        if kind == "forward":
            return convolution(x, W)
        if kind == "dW":
            return hg.vjp(lambda W: convolution(x, W), W)[1](dout)[0]
        return hg.vjp(lambda x: convolution(x, W), x)[1](dout)[0]

    return run


def our_steps(shape: Shape, kind: str, arrays: Arrays, threads: int) -> tuple[Steps, np.ndarray]:
    """What makes it, and its result."""
    program = optimise(trace(made_by(shape, kind), *arrays))
    code = Code(program, workers=threads, small=0)
    out = np.zeros(program.outputs.shape, np.float32)

    def run(n: int) -> None:
        for _ in range(n):
            code([*arrays], [out])

    run(1)
    return run, out


def torch_steps(
    shape: Shape, kind: str, arrays: Arrays, last: bool, threads: int
) -> tuple[Steps, np.ndarray]:
    """PyTorch's, with the channels last or not."""
    import torch

    torch.set_num_threads(threads)
    layout = torch.channels_last if last else torch.contiguous_format
    pad = shape.pad

    def tensor(x: np.ndarray, axes: tuple) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(x.transpose(axes))).contiguous(memory_format=layout)

    x, dout = (tensor(a, (0, 3, 1, 2)) for a in (arrays.x, arrays.dout))
    W = tensor(arrays.W, (3, 2, 0, 1))
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
        arrays = Arrays.of(shape)
        for kind in KINDS:
            runs, results = {}, {}
            runs["ours"], results["ours"] = our_steps(shape, kind, arrays, threads)
            for last in (False, True):
                name = "channels last" if last else "channels first"
                runs[name], results[name] = torch_steps(shape, kind, arrays, last, threads)
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


def main() -> None:
    asked = parser_for("convolutions", __doc__, rounds=25).parse_args()
    if asked.as_json:
        tell(register_peak(), (r for n in asked.threads for r in measured(n, asked.rounds)))
    else:
        report("convolutions", "Convolutions alone", asked, section)


if __name__ == "__main__":
    main()
