"""What the machine can do: float32 multiplications and additions in matrix products on all cores."""

from __future__ import annotations

import functools
import importlib.util
import os
import time
from collections.abc import Callable

import numpy as np

from handgrad import engine

SIZE = 2048


@functools.cache
def peak(tries: int = 20) -> float:
    """Flops a second, the most of what is reached here; measured once a run.

    Either the best of ``tries`` large products by a library, or as many times as there are cores what one
    reaches in handgrad's products from its near cache.
    """
    libraries = [2 * SIZE**3 / min(_seconds(product) for _ in range(tries)) for product in _products()]
    return max(*libraries, (os.cpu_count() or 1) * engine.peak())


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
