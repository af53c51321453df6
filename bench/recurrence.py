"""``python -m bench.recurrence``: an LSTM alone, forward and with all gradients, beside PyTorch's layer.

``most`` is the ratio of a scan that does nothing but its products, at the peak of the cores. On a machine
that others use too only the quickest of many short runs says what one takes; they take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import handgrad as hg
from bench.levels import parser_for, report, tell
from bench.products import by_python, register_peak, seconds
from bench.tables import table
from handgrad.engine import Code
from handgrad.program import trace
from handgrad.tree import leaves

RESULTS = Path(__file__).parent / "RECURRENCE.md"
Steps = Callable[[int], object]


class Shape(NamedTuple):
    """T steps of B examples of D numbers; H units."""

    T: int
    B: int
    D: int
    H: int

    @property
    def flops(self) -> int:
        """Of the products forward; gradients are twice as many."""
        return 2 * self.T * self.B * 4 * self.H * (self.D + self.H)

    def __str__(self) -> str:
        return f"T {self.T}, B {self.B}, D {self.D}, H {self.H}"


SHAPES = [Shape(64, 32, 64, 128), Shape(64, 32, 32, 32), Shape(64, 64, 256, 256)]


def lstm(W: Any, U: Any, b: Any, xs: Any) -> Any:
    """The outputs of all steps."""

    def step(carry: Any, x: Any) -> Any:
        h, c = carry
        i, f, g, o = hg.split(x @ W + h @ U + b, 4, axis=1)
        c = hg.sigmoid(f) * c + hg.sigmoid(i) * hg.tanh(g)
        h = hg.sigmoid(o) * hg.tanh(c)
        return (h, c), h

    start = np.zeros((xs.shape[1], U.shape[0]), np.float32)
    return hg.scan(step, (start, start), xs)[1]


def gradients(dout: Any, *args: Any) -> Any:
    out, backward = hg.vjp(lstm, *args)
    return out, backward(dout)


class Arrays:
    """Weights, a mini-batch and dout of a shape."""

    def __init__(self, shape: Shape):
        rng = np.random.default_rng(0)
        T, B, D, H = shape

        def numbers(*sizes: int) -> np.ndarray:
            return (rng.standard_normal(sizes) / 8).astype(np.float32)

        self.W, self.U, self.b = numbers(D, 4 * H), numbers(H, 4 * H), numbers(4 * H)
        self.xs, self.dout = numbers(T, B, D), numbers(T, B, H)

    @property
    def given(self) -> tuple[np.ndarray, ...]:
        return self.W, self.U, self.b, self.xs


def ours(arrays: Arrays, threads: int) -> dict[str, tuple[Steps, list[np.ndarray]]]:
    """What runs each kind, and its results: outputs, and the gradients by W, U, b and xs."""
    found = {}
    for kind, f, args in (
        ("forward", lstm, arrays.given),
        ("with gradients", gradients, (arrays.dout, *arrays.given)),
    ):
        code = Code(trace(f, *args), workers=threads)
        outs = [np.zeros(x.shape, x.dtype) for x in leaves(code.program.outputs)]
        found[kind] = (by_python(lambda code=code, args=args, outs=outs: code(args, outs)), outs)
    return found


def torchs(arrays: Arrays, threads: int) -> dict[str, tuple[Steps, list[np.ndarray]]]:
    import torch

    torch.set_num_threads(threads)
    D, H = arrays.W.shape[0], arrays.U.shape[0]
    layer = torch.nn.LSTM(D, H)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.from_numpy(arrays.W.T.copy()))
        layer.weight_hh_l0.copy_(torch.from_numpy(arrays.U.T.copy()))
        layer.bias_ih_l0.copy_(torch.from_numpy(arrays.b))
        layer.bias_hh_l0.zero_()
    layer.bias_hh_l0.requires_grad_(False)
    xs, dout = torch.from_numpy(arrays.xs), torch.from_numpy(arrays.dout)

    def forward() -> Any:
        with torch.no_grad():
            return layer(xs)[0]

    def both() -> list[Any]:
        layer.zero_grad(set_to_none=True)
        x = xs.detach().requires_grad_(True)
        out = layer(x)[0]
        out.backward(dout)
        found = layer.weight_ih_l0.grad, layer.weight_hh_l0.grad, layer.bias_ih_l0.grad
        return [out.detach(), *(dx.T if dx.ndim == 2 else dx for dx in found), x.grad]

    return {
        "forward": (by_python(forward), [forward().numpy()]),
        "with gradients": (by_python(both), [x.numpy() for x in both()]),
    }


def measured(threads: int, rounds: int) -> Iterator[dict]:
    for shape in SHAPES:
        arrays = Arrays(shape)
        own, theirs = ours(arrays, threads), torchs(arrays, threads)
        for kind, (run, outs) in own.items():
            run(1)
            for got, wanted in zip(outs, theirs[kind][1], strict=True):
                assert np.abs(got - wanted).max() < 1e-4 * np.abs(wanted).max(), (shape, kind)
            found = seconds({"ours": run, "PyTorch": theirs[kind][0]}, rounds, threads)
            yield {"shape": shape, "kind": kind, "threads": threads, "seconds": found}


def section(level: str, threads: int, peak: float, found: list[dict]) -> Iterator[str]:
    yield f"\n## {level}, {'one core' if threads == 1 else f'{threads} cores'}\n"
    yield f"A loop that only multiplies and adds in registers: {peak / 1e9:.0f} Gflop/s a core.\n"
    rows = []
    for result in found:
        shape, own, theirs = Shape(*result["shape"]), *result["seconds"].values()
        least = shape.flops * (1 if result["kind"] == "forward" else 3) / (peak * threads)
        texts = (f"{1e3 * own:.2f} ms", f"{1e3 * theirs:.2f} ms", f"{theirs / own:.2f}")
        rows.append(
            (str(shape), result["kind"], *texts, f"{theirs / least:.2f}", f"{100 * least / own:.0f} %")
        )
    yield from table(("LSTM", "", "ours", "PyTorch", "ratio", "most", "of the peak"), rows)


def main() -> None:
    asked = parser_for("recurrence", __doc__, rounds=60).parse_args()
    if asked.as_json:
        tell(register_peak(), (r for n in asked.threads for r in measured(n, asked.rounds)))
    else:
        report("recurrence", "Recurrence alone", asked, section)


if __name__ == "__main__":
    main()
