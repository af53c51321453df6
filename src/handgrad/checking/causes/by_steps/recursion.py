"""A backward that calls those of the values before it at once, so that paths are counted more than once."""

from __future__ import annotations

from collections.abc import Iterator

from handgrad.checking.causes.by_steps.error import Error, Predicted
from handgrad.checking.kinds import Kind


def recursion(error: Error) -> Iterator[Predicted]:
    """In place of going through the steps in reverse order, each once, when all that it gets is there."""
    if max(error.chain.uses.values(), default=0) < 2:
        return
    found = error.chain.recursed()
    if found is not None:
        said = (
            f"{error.e.d} counts paths more than once: each time that a value is reached, it sends on all "
            f"that it has got so far; go through the steps in reverse order, each once"
        )
        yield Predicted(Kind.DOUBLE_PATH, said, 2, found - error.due)
