"""The order in which an epoch meets its examples."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from handgrad.data.errors import DataError


def permutation(n: int, seed: int, epoch: int) -> np.ndarray:
    """A permutation of ``range(n)``, int64 (n,): a pure function of its arguments.

    So a run that is resumed at an epoch draws what the uninterrupted one drew. The stream is PCG64
    (O'Neill 2014) on NumPy's ``SeedSequence``, with the epoch as its spawn key.

    Examples:
        >>> sorted(hg.data.permutation(5, seed=0, epoch=0).tolist())
        [0, 1, 2, 3, 4]
    """
    if seed < 0 or epoch < 0:
        raise DataError(f"seed is {seed} and epoch is {epoch}: both are whole numbers from 0")
    sequence = np.random.SeedSequence(seed, spawn_key=(epoch,))
    return np.random.Generator(np.random.PCG64(sequence)).permutation(n)


def batches(n: int, batch_size: int, seed: int, epoch: int, drop_last: bool = False) -> Iterator[np.ndarray]:
    """The rows of each mini-batch, int64 (batch_size,), covering ``range(n)`` once in random order.

    The last batch is shorter where ``batch_size`` does not divide ``n``; ``drop_last`` leaves it out.

    Raises:
        DataError: ``batch_size`` or ``n`` is below 1, or ``drop_last`` leaves no batch. At once, not
            when the first batch is drawn.

    Examples:
        >>> [len(index) for index in hg.data.batches(10, 4, seed=0, epoch=0)]
        [4, 4, 2]
    """
    if batch_size < 1 or n < 1:
        raise DataError(f"batch_size is {batch_size} and n is {n}: both are whole numbers from 1")
    if drop_last and n < batch_size:
        raise DataError(f"drop_last leaves no batch: {n:,} examples are fewer than batch_size {batch_size:,}")
    order = permutation(n, seed, epoch)
    end = n - n % batch_size if drop_last else n
    return (order[start : start + batch_size] for start in range(0, end, batch_size))
