"""One point, checked: what the backward gives there against what the values say.

First by random directions: for a direction v of one input and a random dout u, uᵀ(J v) by the values
must be ⟨g, v⟩ by the backward. That is a handful of evaluations whatever the size, and J v is a vector,
so every dout is compared with the same evaluations. Only an input that fails is then taken element by
element, which gives its Jacobian J, and with it what any other dout should have given.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from handgrad.checking import domain, numerics
from handgrad.checking.clock import Clock, OutOfTime
from handgrad.checking.following.trace import Recording
from handgrad.checking.following.tracing import traced
from handgrad.checking.numerics import Estimate
from handgrad.checking.quietly import quiet
from handgrad.checking.subject import Back, BackwardFailed, Subject, Unfit, Values, copied, joined, parted
from handgrad.checking.trial import directions, elements, rounding
from handgrad.checking.trial.directions import SAFETY
from handgrad.checking.trial.results import InputTrial
from handgrad.once import once
from handgrad.rules.rule import told

DIRECTIONS = 2
DOUTS = 3
MOST_LOOKS = 3  # at what is left when elements without a derivative are left out
LEAST = 1e-9  # of a gradient that is brought to the size of the others
DOUBTS = ("shape", "mismatch", "not finite", "missing")


@dataclass
class Use:
    """One forward and its backward: the arrays that they were given and gave, themselves and no copies."""

    values: Values
    outs: list[Any]
    back: Back
    u: np.ndarray = field(default_factory=lambda: np.zeros(0))
    douts: list[Any] = field(default_factory=list)  # u, as it was given
    grads: list[Any] = field(default_factory=list)


class Trial:
    """A subject at one point: forward, backwards for several douts, and the derivatives of the values."""

    def __init__(
        self,
        subject: Subject,
        values: Values,
        seed: int,
        clock: Clock,
        use_complex: bool | None = None,
        many: int = DOUTS,
    ):
        self.subject, self.values, self.clock = subject, values, clock
        self.rng = np.random.default_rng([seed, 7])
        self.seed = seed
        with quiet():
            given = copied(values)
            self.first = Use(given, *subject.pair(given))
            self.outs = [np.array(o) for o in self.first.outs]
            self.f0 = joined(self.outs)
            self.douts = [numerics.signed(self.rng, self.f0.shape) for _ in range(many)]
            self.smooth = np.isfinite(self.f0)
            self.douts = [np.where(self.smooth, u, 0.0) for u in self.douts]
            self.raw = self._all_gradients(self.first)
        self.noise = np.zeros_like(self.f0)
        self.is_noise = np.zeros(self.f0.shape, bool)  # outputs that change by chance at any step
        self.use_complex = use_complex  # None: not known yet; True: proven at another point
        self.kinked = np.zeros(self.f0.shape, bool)  # outputs with two slopes
        self.steep = np.zeros(self.f0.shape, bool)  # outputs without a finite slope
        self.unseen = np.zeros(self.f0.shape, bool)  # of these: all noise, finer than any step
        self.off = {k: ~np.isfinite(values[k]) for k in self.checked}
        self.is_at_kinks = False
        self.results: list[InputTrial] = []

    @once
    def steps(self) -> tuple[Recording, list[int], list[int]]:
        """The forward as the line of calls that it makes; see ``traced``."""
        return traced(self.subject, self.values)

    @once
    def sizes(self) -> dict[int, np.ndarray]:
        """By how much each element of an input may be said to vary."""
        return {k: numerics.sizes(self.values[k]) for k in self.checked}

    @property
    def size(self) -> int:
        """The elements of all inputs and outputs."""
        return self.f0.size + sum(np.size(x) for x in self.values if isinstance(x, np.ndarray))

    @property
    def checked(self) -> list[int]:
        return [k for k, is_checked in enumerate(self.subject.checked) if is_checked]

    def _all_gradients(self, first: Use) -> list[list[Any]]:
        """For every dout; by a forward of its own each, where a backward can be called but once."""
        first.u, first.douts = self.douts[0], parted(self.douts[0], self.outs)
        first.grads = self._answer(first.back, first.douts)
        found = [self.fitted(first.grads)]
        try:
            return found + [self.gradients_by(first.back, u) for u in self.douts[1:]]
        except BackwardFailed:
            return found + [self.gradients(u) for u in self.douts[1:]]

    def gradients_by(self, back: Back, u: np.ndarray) -> list[Any]:
        return self.fitted(self._answer(back, parted(u, self.outs)))

    def _answer(self, back: Back, douts: list[Any]) -> list[Any]:
        try:
            return back(douts)
        except (Unfit, OutOfTime):
            raise
        except Exception as error:
            raise BackwardFailed(f"raises {type(error).__name__}: {told(error)}") from error

    def fitted(self, grads: list[Any]) -> list[Any]:
        """One array for each input.

        Raises:
            Unfit: there are more or fewer.
            BackwardFailed: one holds no numbers.
        """
        if len(grads) != len(self.values):
            raise Unfit(f"backward returned {len(grads)} gradients for {len(self.values)} inputs")
        return [
            None if g is None else self.subject.fit(k, _numbers(np.array(g))) for k, g in enumerate(grads)
        ]

    def gradients(self, u: np.ndarray, values: Values | None = None) -> list[Any]:
        """The gradients that a fresh forward and backward give for a dout."""
        with quiet():
            _, back = self.subject.pair(copied(self.values if values is None else values))
            return self.gradients_by(back, u)

    # Along lines.

    def phi(self, moves: dict[int, np.ndarray]) -> Callable[[complex], np.ndarray]:
        """The outputs at x + t·v, for directions by input."""

        def at(t: complex) -> np.ndarray:
            moved = [
                x + t * moves[k] if k in moves else (x.copy() if isinstance(x, np.ndarray) else x)
                for k, x in enumerate(self.values)
            ]
            with quiet():
                try:
                    return self.subject.outputs(moved)
                except Exception:
                    if np.iscomplexobj(t):
                        raise
                    return np.full(self.f0.shape, np.nan)  # refused: outside the domain

        return at

    def along(self, moves: dict[int, np.ndarray], trusted: bool = False) -> Estimate:
        """J v. ``trusted``: by complex step alone, where that has proven itself."""
        phi = self.phi(moves)
        if trusted and self.use_complex and not _is_tiny(moves):
            with contextlib.suppress(Exception):  # this input alone is not carried through, or moves nothing
                estimate = numerics.exact(numerics.complex_step(phi), self.f0, self.smooth)
                if np.isfinite(estimate.value[self.smooth]).all():
                    return estimate
        return numerics.derivative(phi, self.f0, self.noise)

    def move(self, k: int, place: Any) -> dict[int, np.ndarray]:
        """One element, by its size."""
        v = np.zeros(self.values[k].shape)
        v[place] = self.sizes[k][place]
        return {k: v}

    def measure_noise(self) -> None:
        moves = {k: self._direction(k) for k in self.checked}
        with np.errstate(all="ignore"):
            if moves:
                least = min(max(float(np.max(np.abs(v), initial=0.0)) for v in moves.values()), 1.0)
                self.noise, self.is_noise = numerics.noise_of(
                    self.phi(moves), self.smooth, numerics.EPS * least
                )

    def refined(self, moves: dict[int, np.ndarray], estimate: Estimate) -> Estimate:
        """By complex step, if the function carries complex numbers and agrees with the differences."""
        if self.use_complex is False or _is_tiny(moves):
            return estimate
        try:
            with quiet():
                better = numerics.exact(numerics.complex_step(self.phi(moves)), self.f0, self.smooth)
        except Exception:  # whatever a function does that was not written for complex numbers
            self.use_complex = False
            return estimate
        if better.value.shape != estimate.value.shape:
            self.use_complex = False
            return estimate
        with np.errstate(all="ignore"):
            clear = self.smooth & ~estimate.rough & np.isfinite(better.value)
            largest = np.max(np.abs(estimate.value[clear]), initial=0.0)
            allowed = SAFETY * estimate.error + 1e-9 * (np.abs(estimate.value) + 1e-3 * largest)
            apart = clear & (np.abs(better.value - estimate.value) > allowed)
            is_seen = np.abs(estimate.value) > SAFETY * estimate.error
            is_noise = ~is_seen & (self.noise > 1e-2 * np.abs(self.f0))
        if (apart & ~is_noise).any():
            self.use_complex = False
            return estimate
        # sin(1e300): neither can be trusted.
        unresolved = is_noise & self.smooth & (apart | ~np.isfinite(better.value))
        estimate = replace(estimate, error=np.where(unresolved, np.inf, estimate.error))
        estimate.steep |= unresolved
        if not self.use_complex and not (clear & is_seen).any():
            return estimate  # both see nothing, which proves nothing
        self.use_complex = True
        pick = clear & ~unresolved & (better.error < estimate.error)
        return replace(
            estimate,
            value=np.where(pick, better.value, estimate.value),
            error=np.where(pick, better.error, estimate.error),
        )

    # The check.

    def is_plainly_right(self) -> bool:
        """Whether one complex step, along all inputs at once, agrees with the gradients.

        It does not see a kink, so a disagreement means nothing yet. Each input counts as much as another,
        however small its gradient.
        """
        if not self.use_complex or not self.f0.size:
            return False
        moves = {k: self._direction(k) for k in self.checked if self.values[k].size}
        for grads in self.raw:
            if any(grads[k] is not None and grads[k].shape != self.values[k].shape for k in self.checked):
                return False
        if not moves:
            return False
        v = np.concatenate([v.ravel() for v in moves.values()])
        gv = np.stack([directions.products(self._joined(grads, moves), v) for grads in self.raw])
        starts = np.cumsum([0, *(v.size for v in moves.values())])
        size = np.maximum.reduceat(np.abs(gv).max(axis=0), starts[:-1])
        weight = np.where((size > LEAST) & (size < 1 / LEAST), 1 / size, 1.0)
        moves = {k: w * v for w, (k, v) in zip(weight, moves.items(), strict=True)}
        try:
            e = numerics.exact(numerics.complex_step(self.phi(moves)), self.f0, self.smooth)
        except Exception:  # not carried through here
            return False
        each = np.repeat(weight, np.diff(starts))
        return directions.Line(self, e, each * gv, each * v).is_right

    def _joined(self, grads: list[Any], moves: dict[int, np.ndarray]) -> np.ndarray:
        """The gradients of some inputs as one vector; of no gradient, zeros."""
        parts = [np.zeros(v.size) if grads[k] is None else grads[k].ravel() for k, v in moves.items()]
        return np.concatenate(parts)

    def run(self) -> list[InputTrial]:
        """Each checked input, by directions."""
        self.lines: dict[int, list[tuple[np.ndarray, Estimate]]] = {}
        if not self.f0.size:
            return self._by_lines()
        self.measure_noise()
        quick = len(self.checked) > 1 and self._complex_is_enough(self.checked)
        if any(r.problem is not None for r in self._look_along(quick)) and quick:
            quick = False
            self._look_along(quick)
        known = np.zeros_like(self.steep)
        for _ in range(MOST_LOOKS):
            new, known = self.steep & ~known, self.steep.copy()
            if not self._leave_out_elements(new):
                break
            self.measure_noise()
            self._look_along(quick)
        return self.results

    def _look_along(self, quick: bool) -> list[InputTrial]:
        """Random directions of each input; outputs that have a kink along one are left out."""
        for k in self.checked:
            self.clock.look(f"directions of {self.subject.names[k]}")
            many = 0 if self.off[k].all() else 1 if quick else DIRECTIONS
            found: list[tuple[np.ndarray, Estimate]] = []
            self.lines[k] = found
            for _ in range(many):
                is_known = quick or any(self._is_exact(e) for _, e in found)
                found.append(self._line(k, is_known))
            if quick and found and not self._is_exact(found[0][1], self.all_at_once.error):
                found[:] = [self._line(k)]
        estimates = [e for found in self.lines.values() for _, e in found]
        unseen = self.smooth & self.is_noise & ~self._is_seen()
        self.unseen |= unseen
        for e in estimates:
            e.error, e.steep = np.where(unseen, np.inf, e.error), e.steep | unseen
        self._leave_out_kinks(estimates)
        return self._by_lines()

    def _is_exact(self, e: Estimate, error: Any = 0.0) -> bool:
        """Whether the complex step has proven itself along a direction: another needs no differences.

        ``error``: of the differences that it was compared with, if they were taken along another.
        """
        is_flat = not (np.abs(e.value) > SAFETY * (e.error + error))[self.smooth].any()
        return self.use_complex is True and not is_flat and not (e.rough & self.smooth).any()

    def _is_seen(self) -> np.ndarray:
        """Outputs whose slope along some input is above rounding; not what moves by more than its size."""
        seen = np.zeros(self.f0.shape, bool)
        for k, found in self.lines.items():
            for _, e in found if not rounding.is_too_small(self.values[k]).any() else ():
                with np.errstate(all="ignore"):
                    seen |= np.abs(e.value) > SAFETY * e.error
        return seen

    def _by_lines(self) -> list[InputTrial]:
        self.results = [directions.by_directions(self, k, self.lines.get(k, [])) for k in self.checked]
        return self.results

    @property
    def is_in_doubt(self) -> bool:
        """Whether some input has to be looked at element by element."""
        return any(result.problem in DOUBTS for result in self.results)

    def resolve(self) -> list[InputTrial]:
        """What directions disagree about, element by element."""
        for _ in range(2):
            for result in self.results:
                if result.problem in DOUBTS:
                    elements.by_elements(self, result)
            crooked = self._not_additive(self.lines)
            if not crooked.any():
                break
            self.kinked |= crooked
            self._leave_out_kinks([])
            if self._leave_out_elements(self.steep):
                self._look_along(False)
            self._by_lines()
        return self.results

    def _not_additive(self, lines: dict) -> np.ndarray:
        """Outputs whose slope along a direction is not the sum of those by its elements: they have none."""
        crooked = np.zeros(self.f0.shape, bool)
        for result in self.results:
            c = result.columns
            if c is None or c.J is None or c.elements.size != result.x.size or result.problem == "shape":
                continue
            with np.errstate(all="ignore"):
                for v, e in lines.get(result.index, []):
                    terms = c.J * v.ravel()
                    size = np.abs(terms).sum(axis=1) + np.abs(e.value)
                    crooked |= np.abs(terms.sum(axis=1) - e.value) > 1e-4 * size + 1e3 * e.error
        return crooked & self.smooth

    def _complex_is_enough(self, todo: list[int]) -> bool:
        """Whether complex steps agree with differences when all inputs move at once, without a kink."""
        moves = {k: self.sizes[k] for k in todo}
        moves = {k: size * numerics.signed(self.rng, size.shape) for k, size in moves.items()}
        self.all_at_once = self.along(moves)
        estimate = self.refined(moves, self.all_at_once)
        return self.use_complex is True and not (estimate.rough & self.smooth).any()

    def _direction(self, k: int) -> np.ndarray:
        v = self.sizes[k] * numerics.signed(self.rng, self.values[k].shape)
        return np.where(self.off[k], 0.0, v)

    def _line(self, k: int, quick: bool = False) -> tuple[np.ndarray, Estimate]:
        v = self._direction(k)
        if quick:
            return v, self.along({k: v}, trusted=True)
        tiny = (v != 0) & (np.abs(v) < numerics.LEAST_COMPLEX)
        with np.errstate(all="ignore"):
            if not tiny.any() or tiny.all():
                return v, self.refined({k: v}, self.along({k: v}))
            most = {k: np.where(tiny, 0.0, v)}
            least = self.along({k: np.where(tiny, v, 0.0)})
            return v, self.refined(most, self.along(most)).plus(least)

    def _leave_out_kinks(self, estimates: list[Estimate]) -> None:
        """Outputs without a derivative get dout = 0, and the gradients are taken again."""
        for e in estimates:
            self.steep |= e.rough & e.steep & self.smooth
            self.kinked |= e.rough & self.smooth
        self.kinked &= ~self.steep
        rough = self.kinked | self.steep
        if (rough & self.smooth).any():
            self.smooth &= ~rough
            self.douts = [np.where(self.smooth, u, 0.0) for u in self.douts]
            self.raw = [self.gradients(u) for u in self.douts]

    def _leave_out_elements(self, steep: np.ndarray) -> bool:
        """Elements on which an output without a derivative depends have nothing to be compared with.

        With dout = 0 there, a right backward still gives 0·∞. Returns whether there are any.
        """
        before = sum(int(off.sum()) for off in self.off.values())
        unclear = self.kinked | self.steep | domain.with_infinite_inputs(self) | domain.never_finite(self)
        without_slope = domain.without_slope(self, steep)
        for k in self.checked:
            self.off[k] = self.off[k] | domain.reaching(self, k, ~np.isfinite(self.f0)) | without_slope[k]
            no_choice = self.not_finite(k) & ~self.off[k]
            if no_choice.any():
                self.off[k] = self.off[k] | (no_choice & domain.reaching(self, k, unclear))
        return sum(int(off.sum()) for off in self.off.values()) > before

    def not_finite(self, k: int) -> np.ndarray:
        """The elements of an input whose gradient is not finite."""
        found = np.zeros(self.values[k].shape, bool)
        for g in (grads[k] for grads in self.raw):
            if g is not None and g.shape == found.shape:
                found |= ~np.isfinite(g)
        return found

    def at_kinks(self) -> Trial:
        """The same point, looking only at the outputs that have a kink, or no slope, somewhere."""
        other = copy.copy(self)
        other.smooth = (self.kinked | self.steep) & ~self.unseen
        other.douts = [
            np.where(other.smooth, numerics.signed(self.rng, self.f0.shape), 0.0) for _ in range(2)
        ]
        other.raw = [other.gradients(u) for u in other.douts]
        other.kinked, other.steep = np.zeros_like(self.kinked), np.zeros_like(self.steep)
        other.results = []
        other.is_at_kinks = True
        other.use_complex = False  # a complex step goes past a kink without seeing it
        return other


def _is_tiny(moves: dict[int, np.ndarray]) -> bool:
    """Whether a complex step along these would not be a normal number."""
    sizes = [np.abs(v[v != 0]) for v in moves.values()]
    return min((float(np.min(s)) for s in sizes if s.size), default=1.0) < numerics.LEAST_COMPLEX


def _numbers(g: np.ndarray) -> np.ndarray:
    """As floats where they are objects, and the real part: what a gradient was is told of as its dtype.

    Raises:
        BackwardFailed: the gradient holds no numbers.
    """
    try:
        numbers = g.astype(np.float64) if g.dtype.kind == "O" else g
    except (TypeError, ValueError):
        numbers = None
    if numbers is None or numbers.dtype.kind not in "biufc":
        raise BackwardFailed(f"returns an array of {g.dtype}, which holds no numbers")
    return numbers.real if numbers.dtype.kind == "c" else numbers
