"""What the machine can do: float32 multiply-adds of a large matrix product on all cores."""

from __future__ import annotations

import functools
import importlib.util
import os
import time
from collections.abc import Callable

import numpy as np

SIZE = 2048


@functools.cache
def peak(tries: int = 20) -> float:
    """Flops a second, of the best of ``tries`` products by the best library here; measured once a run.

    THE place for a better measurement: a library's product may not reach what the cores can do.
    """
    return max(2 * SIZE**3 / min(_seconds(product) for _ in range(tries)) for product in _products())


def _seconds(product: Callable[[], object]) -> float:
    began = time.perf_counter()
    product()
    return time.perf_counter() - began


def _products() -> list[Callable[[], object]]:
    rng = np.random.default_rng(0)
    a, b, out = (rng.random((SIZE, SIZE), np.float32) for _ in range(3))
    products: list[Callable[[], object]] = [lambda: np.matmul(a, b, out=out)]
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(os.cpu_count() or 1)
        c, d, result = map(torch.from_numpy, (a, b, out))
        products.append(lambda: torch.mm(c, d, out=result))
    return products
