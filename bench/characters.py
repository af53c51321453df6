"""Text to learn from, and what networks of it are made of in JAX."""

from __future__ import annotations

import functools
from typing import Any

from bench.workload import Data
from handgrad.data.text import Alphabet, blocks, shakespeare

SYMBOLS = 64
CHARACTERS = 50_000  # which have that many different ones


@functools.cache
def plays(length: int) -> Data:
    """The beginning of Shakespeare's plays: blocks (N, T) of symbols, and what comes after each."""
    text = shakespeare()[:CHARACTERS].encode()
    alphabet = Alphabet.of(text)
    assert len(alphabet) == SYMBOLS
    return blocks(alphabet.encode(text), length)


def embedded(W: Any, x: Any) -> Any:
    """The rows of W, as a product, whose backward is faster than that of a gather."""
    import jax

    return jax.nn.one_hot(x, len(W), dtype=W.dtype) @ W
