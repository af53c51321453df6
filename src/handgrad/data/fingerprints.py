"""Which rows are known: by what is in them, whatever their order, their file, or its format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from handgrad.data.bits import bits, of_rows
from handgrad.data.dataset import Dataset, Table
from handgrad.data.prepare import Preparation

CHUNK = 1 << 20  # numbers at once


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """What a training has seen: 64 bits of each row's inputs, and of its inputs with its target.

    Inputs are those that a preparation reads, as float64 or text before it: so a row is the same in a CSV
    and in a Parquet file, with columns in another order, and with others beside them.

    inputs, examples: of the rows that were trained on, sorted. uint64 (N,)
    shared: of the rows held out, the inputs of those that equal one that was trained on, sorted. uint64 (M,)

    Examples:
        >>> data = hg.data.load("digits")
        >>> train, test = data.split(test=0.2, seed=0)
        >>> preparation = hg.data.Preparation().fit(train.x)
        >>> seen = hg.data.Fingerprints.of([train], test, preparation)
        >>> known, _ = seen.known(data, preparation)
        >>> int(known.sum()), len(train)
        (1438, 1438)
    """

    inputs: np.ndarray
    examples: np.ndarray
    shared: np.ndarray

    @staticmethod
    def of(trained_on: Sequence[Dataset], held_out: Dataset, preparation: Preparation) -> Fingerprints:
        inputs, examples = map(
            np.concatenate, zip(*(hashes(d, preparation) for d in trained_on), strict=True)
        )
        others, _ = hashes(held_out, preparation)
        return Fingerprints(np.sort(inputs), np.sort(examples), np.sort(others[np.isin(others, inputs)]))

    def known(self, data: Dataset, preparation: Preparation) -> tuple[np.ndarray, np.ndarray]:
        """Which rows were trained on, and which have the inputs of one that was. bool (N,), bool (N,)

        Of rows that are equal, as many were as in the training, first those with the same target; then as
        many were held out as were then. All further copies count as trained on.
        """
        inputs, examples = hashes(data, preparation)
        whole = place(examples, np.arange(len(data))) < count(examples, self.examples)
        at, trained, held_out = place(inputs, ~whole), count(inputs, self.inputs), count(inputs, self.shared)
        return (trained > 0) & ((at < trained) | (at >= trained + held_out)), trained > 0


def place(values: np.ndarray, rank: np.ndarray) -> np.ndarray:
    """How many equal values there are of lesser rank, or of the same and before. int64 (N,)"""
    order = np.lexsort((rank, values))
    ordered = values[order]
    out = np.empty(len(values), np.int64)
    out[order] = np.arange(len(values)) - np.searchsorted(ordered, ordered)
    return out


def count(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """How often each value is in the sorted ``known``. int64 (N,)"""
    return np.searchsorted(known, values, "right") - np.searchsorted(known, values)


def hashes(data: Dataset, preparation: Preparation) -> tuple[np.ndarray, np.ndarray]:
    """Of each row's inputs, and of its inputs with its target. uint64 (N,), uint64 (N,)"""
    if data.t is None:
        raise ValueError(f"{data.name} has no targets")
    t = bits(np.asarray(data.t).reshape(len(data), -1))
    width = int(np.prod(preparation.shape))
    step = max(1, CHUNK // width)
    inputs, examples = np.empty(len(data), "<u8"), np.empty(len(data), "<u8")
    for start in range(0, len(data), step):
        rows = slice(start, min(start + step, len(data)))
        x = data.x.take(rows) if isinstance(data.x, Table) else data.x[rows]
        words = preparation.words(x)
        inputs[rows], examples[rows] = of_rows(words), of_rows(np.hstack([words, t[rows]]))
    return inputs, examples
