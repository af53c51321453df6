"""The corpus: wrong backward passes with the mistake that was planted, and right ones beside them.

Each file of this folder holds one family of operations: a correct one first, its mutants below it,
each a small readable mutation. ``@mutant(cause, inputs)`` enters a wrong one, ``@correct(inputs)`` a
right one. What is decorated is handed to the checker as it stands; of a class, an instance.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator], tuple]

# The mistake that was made, as its author would name it.
CAUSES = {
    "factor": "a constant factor: 1/N missing or twice, 2, -1, 1/(1-p), the size of an axis",
    "broadcast": "what broadcasting repeated is not summed, or half-summed, or a slice is taken of it",
    "transposed": "a transpose is missing or too many; the Jacobian is applied in place of its transpose",
    "swapped": "two operands, or the gradients of two inputs, are swapped",
    "upstream-ignored": "dout is not used, or only its sum or one of its elements is",
    "upstream-twice": "dout is applied twice",
    "carry": "what flows back from a later step of a recurrence is left out, or a part of it",
    "missing-path": "one path of a fan-out (or one term of a product or quotient rule) is missing",
    "double-path": "one path of a fan-out is counted twice",
    "diagonal": "only the diagonal of a Jacobian is applied",
    "mean-term": "a normalisation's backward lacks the term through the mean",
    "variance-term": "a normalisation's backward lacks the term through the variance",
    "statistics-constant": "a normalisation's backward takes mean and variance for constants",
    "wrong-axis": "a sum or mean over the wrong axis",
    "off-by-one": "first or last row, column, example, step or border left out or shifted by one",
    "flipped": "a kernel or an axis the wrong way round",
    "stride": "stride or dilation ignored or misapplied",
    "group": "only the first group or head gets a gradient, or groups are mixed",
    "ties": "equal elements get too much or too little",
    "mask": "the wrong branch of a mask: inverted, ignored, the wrong threshold or clamp side",
    "assigned": "assigned, not accumulated, where an element is used several times",
    "wrong-array": "the formula is given another array: x for out, input for output, W for dW",
    "local-derivative": "the local derivative is missing, or applied twice, or its square root taken",
    "stale-cache": "what was saved is not what this forward saw: overwritten by a second use, by the first "
    "use, by the forward itself in place",
    "updated-weights": "parameters are updated before the gradient that needs them is computed",
    "random": "random numbers are drawn again in the backward",
    "epsilon": "an epsilon in the forward and not in the backward, or the reverse",
    "precision": "float32 (or half) inside a float64 computation",
    "integer": "an integer intermediate: truncated or zero",
    "unstable": "right for small inputs; nan, inf or 0 for large ones where the forward is finite",
    "mutates": "the backward or forward writes into dout or an input",
    "accumulates": "a second backward adds to what the first left",
    "state": "evaluation changes running statistics",
    "layout": "right for contiguous arrays only",
    "shape": "a gradient of the wrong shape, not by broadcasting",
    "dtype": "a gradient of another dtype than its input's",
    "missing-gradient": "None or zeros for an input that the output depends on",
}


@dataclass(frozen=True)
class Entry:
    """One target. ``causes`` is empty for a right one; several where no number can tell them apart."""

    name: str
    family: str  # the file
    target: Any
    causes: tuple[str, ...]
    draw: Draw
    options: dict[str, Any]  # handed to check
    slips: int = 1  # of two, both are to be named

    @property
    def style(self) -> str:
        """pair, class, torch or jax."""
        if self.family.startswith(("torch", "jax")):
            return self.family.partition("_")[0]
        return "class" if inspect.isclass(self.target) else "pair"

    def fresh(self) -> Any:
        """What is handed to the checker: an instance of a layer class, else the target itself."""
        return self.target() if self.style == "class" else self.target

    def has_kinds(self, kinds: set[str]) -> bool:
        """Whether this is the mistake that was planted; of two at once, whether both are there."""
        return set(self.causes) <= kinds if self.slips > 1 else bool(kinds & set(self.causes))

    def inputs(self, seed: int = 0) -> tuple:
        return self.draw(np.random.default_rng([seed, *self.name.encode()]))


ENTRIES: list[Entry] = []


def mutant(cause: str | tuple[str, ...], inputs: Draw, **options: Any) -> Callable[[Any], Any]:
    """Enter a wrong backward with its true cause."""
    causes = (cause,) if isinstance(cause, str) else cause
    assert set(causes) <= set(CAUSES), causes
    return _entered(causes, inputs, options)


def slips(first: str, second: str, inputs: Draw, **options: Any) -> Callable[[Any], Any]:
    """Enter a backward that is wrong in two places."""
    assert {first, second} <= set(CAUSES), (first, second)
    return _entered((first, second), inputs, options, slips=2)


def correct(inputs: Draw, **options: Any) -> Callable[[Any], Any]:
    """Enter a right backward: the checker must not object."""
    return _entered((), inputs, options)


def _entered(causes: tuple[str, ...], inputs: Draw, options: dict, slips: int = 1) -> Callable[[Any], Any]:
    def enter(target: Any) -> Any:
        family = target.__module__.rpartition(".")[2]
        name = f"{family}.{target.__name__}"
        assert name not in {entry.name for entry in ENTRIES}, f"{name} is there already"
        ENTRIES.append(Entry(name, family, target, causes, inputs, options, slips))
        return target

    return enter


def load(*skipped: str) -> list[Entry]:
    """All entries, of every file but those whose name begins with one of ``skipped``."""
    for module in pkgutil.iter_modules(__import__(__package__, fromlist=["_"]).__path__):
        if module.name not in ("corpus", "named") and not module.name.startswith(skipped or ("\0",)):
            importlib.import_module(f"{__package__}.{module.name}")
    return [entry for entry in ENTRIES if not entry.family.startswith(skipped or ("\0",))]
