"""What is known about one wrong gradient, in the form in which guesses about it are tested.

A guess says what the gradient would be for a dout u if a certain mistake had been made. It is taken up
when it gives the gradients that were returned for every dout, to six digits, and not the right ones.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from handgrad.checking.findings import Cause, Explains
from handgrad.checking.following.chain import LARGEST, Chain
from handgrad.checking.kinds import Kind
from handgrad.checking.quietly import quiet
from handgrad.checking.trial import InputTrial, Trial
from handgrad.once import once

CLOSE = 2e-6
Guess = Callable[..., np.ndarray]  # of dout, and of what a loop has bound to further parameters


class Evidence:
    """One input's gradients: returned, and due."""

    def __init__(self, trial: Trial, result: InputTrial):
        assert result.columns is not None
        self.trial, self.result, self.columns = trial, result, result.columns
        self.index, self.name, self.x, self.shape = result.index, result.name, result.x, result.x.shape
        self.douts = [u for u in trial.douts if np.any(u)]
        self.J = self.columns.J
        self.is_whole = self.J is not None and self.columns.elements.size == self.x.size and self.x.size > 0
        self.got = [np.zeros(self.shape) if g is None else g for g in result.got][: len(self.douts)]
        self.has_shape = all(np.shape(g) == self.shape for g in self.got)
        self.close = self._closeness()

    def due(self, u: np.ndarray) -> np.ndarray:
        """uᵀJ in the shape of the input."""
        assert self.J is not None
        return (u @ self.J).reshape(self.shape)

    @once
    def expected(self) -> list[np.ndarray]:
        return [self.due(u) for u in self.douts]

    @once
    def wrong(self) -> np.ndarray:
        """Which elements are wrong."""
        mask = np.zeros(self.x.size, bool)
        if self.result.wrong is not None:
            mask[self.columns.elements] = self.result.wrong
        return mask.reshape(self.shape)

    @once
    def rough(self) -> np.ndarray:
        mask = np.zeros(self.x.size, bool)
        mask[self.columns.elements] = self.columns.rough
        return mask.reshape(self.shape)

    def backward(self, u: np.ndarray) -> np.ndarray:
        """What the backward returns for another dout."""
        found = self.trial.gradients(u)[self.index]
        return np.zeros(self.shape) if found is None else found

    def fits(self, guess: Guess) -> bool:
        """Whether a guess gives what was returned, for every dout."""
        with quiet():
            return all(self.near(g, guess(u)) for u, g in zip(self.douts, self.got, strict=True))

    def near(self, got: np.ndarray, guess: Any) -> bool:
        guess = np.asarray(guess)
        if guess.shape != np.shape(got):
            return False
        if guess.shape == self.shape:
            got, guess = np.where(self.rough, 0.0, got), np.where(self.rough, 0.0, guess)
        if not (np.isfinite(guess).all() and np.isfinite(got).all()):
            return False
        largest = max(np.max(np.abs(got), initial=0.0), np.max(np.abs(guess), initial=0.0))
        return bool(largest > 0 and np.max(np.abs(got - guess), initial=0.0) <= self.close * largest)

    def _closeness(self) -> float:
        """How near a guess must come: six digits, or far nearer than the error that it explains."""
        if not self.has_shape:
            return CLOSE
        c, share = self.columns, CLOSE
        for g, due in zip(self.got, c.by_dout, strict=False):
            largest = float(np.max(np.abs(due), initial=0.0))
            off = np.abs(np.ravel(g)[c.elements] - due)[~c.rough]
            if largest > 0 and off.size and np.isfinite(off).all() and off.max() > 0:
                share = min(share, 0.02 * float(off.max()) / largest)
        return max(share, 1e-12)

    @once
    def chain(self) -> Chain | None:
        """The forward's steps; None where it cannot be followed, or they give another gradient."""
        if not self.is_whole or not self.has_shape or self.x.size > LARGEST:
            return None
        try:
            tape, starts, ends = self.trial.steps
            chain = Chain(self.douts, tape, starts[self.index], ends)
        except Exception:  # whatever an author's code does that is run on other arrays than its own
            return None
        due = self.flat(self.expected)
        truth = np.asarray(chain.up.get(chain.start, np.zeros_like(due)))
        size = max(float(np.max(np.abs(self.flat(self.got)))), float(np.max(np.abs(due))), 1e-300)
        is_right = np.max(np.abs(truth - due)[:, ~self.rough.ravel()], initial=0.0) <= 1e-5 * size
        return chain if is_right else None

    def flat(self, grads: list[np.ndarray]) -> np.ndarray:
        """(douts, elements)"""
        return np.stack([g.ravel() for g in grads])

    # Shapes of the outputs.

    @once
    def out_shapes(self) -> list[tuple[int, ...]]:
        return [np.shape(o) for o in self.trial.outs if np.asarray(o).dtype.kind == "f"]

    @property
    def out_shape(self) -> tuple[int, ...] | None:
        """The output's shape, if there is one output."""
        return self.out_shapes[0] if len(self.out_shapes) == 1 else None

    @once
    def out(self) -> np.ndarray:
        """The output, if there is one."""
        return next(np.asarray(o) for o in self.trial.outs if np.asarray(o).dtype.kind == "f")

    def part(self, u: np.ndarray, i: int) -> tuple[slice, tuple[int, ...]]:
        """Where output i lies in a dout, and its shape."""
        start = sum(int(np.prod(s)) for s in self.out_shapes[:i])
        return slice(start, start + int(np.prod(self.out_shapes[i]))), self.out_shapes[i]

    @once
    def is_diagonal(self) -> bool:
        """Whether each output depends on the one element in its place: an elementwise operation."""
        if self.J is None or self.J.shape[0] != self.J.shape[1] or not self.is_whole:
            return False
        off = np.max(np.abs(self.J - np.diag(np.diag(self.J))), initial=0.0)
        return bool(off <= 1e-9 * np.max(np.abs(self.J), initial=0.0))

    @once
    def others(self) -> list[int]:
        """The other inputs that are differentiated by."""
        return [j for j, c in enumerate(self.trial.subject.checked) if c and j != self.index]

    # Words.

    def cause(
        self, kind: Kind, sentence: str, explains: Explains = Explains.NUMBERS, choices: int = 1
    ) -> Cause:
        return Cause(kind, sentence, self.name, explains, choices)

    @property
    def d(self) -> str:
        return gradient_name(self.name)

    def where(self, mask: np.ndarray) -> str:
        n, total = int(mask.sum()), mask.size
        return f"on all {total} elements" if n == total > 1 else f"on {n} of {total} elements"


def subsets(axes: Iterable[int]) -> Iterator[tuple[int, ...]]:
    """Every choice of some axes, the smallest first."""
    axes = list(axes)
    return (s for count in range(1, len(axes) + 1) for s in itertools.combinations(axes, count))


def gradient_name(name: str) -> str:
    """dx for x, dW for self.W."""
    bare = name.removeprefix("self.")
    return f"d{bare}" if bare.isidentifier() else f"the gradient of {name}"
