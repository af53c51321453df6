"""One point, checked: what the backward gives there against what the values say.

First by random directions: for a direction v of one input and a random dout u, uᵀ(J v) by the values
must be ⟨g, v⟩ by the backward. That is a handful of evaluations whatever the size, and J v is a vector,
so every dout is compared with the same evaluations. Only an input that fails is then taken element by
element, which gives its Jacobian J, and with it what any other dout should have given.
"""

from __future__ import annotations

import contextlib
import copy
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from handgrad.checking import domain, numerics
from handgrad.checking.clock import Clock, OutOfTime
from handgrad.checking.numerics import Estimate
from handgrad.checking.quietly import quiet
from handgrad.checking.subject import BackwardFailed, Subject, Unfit, Values, copied, joined, parted
from handgrad.rules.rule import told

DIRECTIONS = 2
DOUTS = 3
MOST_LOOKS = 3  # at what is left when elements without a derivative are left out
MANY = 8  # inputs, from which on each is looked at by one evaluation a direction, if that is enough
SAFETY = 10.0
FLOOR = 2e-10  # relative: below this, rounding of the backward itself is met
LARGEST_JACOBIAN = 4_000_000
EXTREME = 1e-100
HUGE = 1e8  # from which on what it absorbs is looked at
SECONDS = 8.0  # for the elements of one input
MOST_ELEMENTS = 3_000
DOUBTS = ("shape", "mismatch", "not finite", "missing")


@dataclass
class Columns:
    """Columns of J for some elements of one input. ``J`` is None where it would not fit in memory."""

    elements: np.ndarray  # flat places in the input
    by_dout: np.ndarray  # (douts, elements): uᵀJ
    error: np.ndarray  # (douts, elements)
    size: np.ndarray  # (douts, elements): Σ|u·J|
    J: np.ndarray | None  # (outputs, elements)
    rough: np.ndarray  # elements with a kink in some output that counts


@dataclass
class InputTrial:
    """What came of one input at this point."""

    index: int
    name: str
    x: np.ndarray
    got: list[np.ndarray | None]  # one for each dout
    problem: str | None = None  # None, shape, missing, mismatch, not finite, unclear, unseen
    digits: float = 0.0
    columns: Columns | None = None
    wrong: np.ndarray | None = None  # (elements,) of columns
    off: np.ndarray | None = None  # elements without a derivative to compare with

    @property
    def is_off(self) -> bool:
        """Whether there is nothing to compare with."""
        return self.off is not None and self.off.size > 0 and bool(self.off.all())


class Trial:
    """A subject at one point: forward, backwards for several douts, and the derivatives of the values."""

    def __init__(
        self, subject: Subject, values: Values, seed: int, clock: Clock, use_complex: bool | None = None
    ):
        self.subject, self.values, self.clock = subject, values, clock
        self.rng = np.random.default_rng([seed, 7])
        self.seed = seed
        with quiet():
            self.outs, back = subject.pair(copied(values))
            self.outs = [np.array(o) for o in self.outs]
            self.f0 = joined(self.outs)
            self.douts = [numerics.signed(self.rng, self.f0.shape) for _ in range(DOUTS)]
            self.smooth = np.isfinite(self.f0)
            self.douts = [np.where(self.smooth, u, 0.0) for u in self.douts]
            self.raw = self._all_gradients(back)
            self.f0_again = subject.outputs(copied(values))
        self.noise = np.zeros_like(self.f0)
        self.is_noise = np.zeros(self.f0.shape, bool)  # outputs that change by chance at any step
        self.use_complex = use_complex  # None: not known yet; True: proven at another point
        self.kinked = np.zeros(self.f0.shape, bool)  # outputs with two slopes
        self.steep = np.zeros(self.f0.shape, bool)  # outputs without a finite slope
        self.unseen = np.zeros(self.f0.shape, bool)  # of these: all noise, finer than any step
        self.off = {k: ~np.isfinite(values[k]) for k in self.checked}
        self.is_at_kinks = False
        self.results: list[InputTrial] = []

    @property
    def checked(self) -> list[int]:
        return [k for k, is_checked in enumerate(self.subject.checked) if is_checked]

    def _all_gradients(self, back: Callable) -> list[list[Any]]:
        """For every dout; by a forward of its own each, where a backward can be called but once."""
        found = [self.gradients_by(back, self.douts[0])]
        try:
            return found + [self.gradients_by(back, u) for u in self.douts[1:]]
        except BackwardFailed:
            return found + [self.gradients(u) for u in self.douts[1:]]

    def gradients_by(self, back: Callable, u: np.ndarray) -> list[Any]:
        try:
            grads = back(parted(u, self.outs))
        except (Unfit, OutOfTime):
            raise
        except Exception as error:
            raise BackwardFailed(f"raises {type(error).__name__}: {told(error)}") from error
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
        v[place] = numerics.sizes(self.values[k])[place]
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
        """Whether complex steps alone, one evaluation a direction, agree with every gradient.

        They do not see a kink, so a disagreement means nothing yet.
        """
        if not self.use_complex or not self.f0.size:
            return False
        for k in self.checked:
            lines = []
            for _ in range(DIRECTIONS if self.values[k].size else 0):
                v = self._direction(k)
                try:
                    lines.append(
                        (v, numerics.exact(numerics.complex_step(self.phi({k: v})), self.f0, self.smooth))
                    )
                except Exception:  # not carried through here
                    return False
            if self._by_directions(k, lines).problem is not None:
                return False
        return True

    def run(self) -> list[InputTrial]:
        """Each checked input, by directions."""
        self.lines: dict[int, list[tuple[np.ndarray, Estimate]]] = {}
        if self.f0.size:
            self.measure_noise()
            quick = len(self.checked) > MANY and self._complex_is_enough(self.checked)
            self._look_along(quick)
            known = np.zeros_like(self.steep)
            for _ in range(MOST_LOOKS):
                new, known = self.steep & ~known, self.steep.copy()
                if not self._leave_out_elements(new):
                    break
                self.measure_noise()
                self._look_along(quick)
        return self._by_lines()

    def _look_along(self, quick: bool) -> None:
        """Random directions of each input, and the outputs that have a kink along one."""
        for k in self.checked:
            self.clock.look(f"directions of {self.subject.names[k]}")
            many = 0 if self.off[k].all() else DIRECTIONS
            self.lines[k] = [self._line(k, quick) for _ in range(many)]
        estimates = [e for found in self.lines.values() for _, e in found]
        unseen = self.smooth & self.is_noise & ~self._is_seen()
        self.unseen |= unseen
        for e in estimates:
            e.error, e.steep = np.where(unseen, np.inf, e.error), e.steep | unseen
        self._leave_out_kinks(estimates)

    def _is_seen(self) -> np.ndarray:
        """Outputs whose slope along some input is above rounding; not what moves by more than its size."""
        seen = np.zeros(self.f0.shape, bool)
        for k, found in self.lines.items():
            for _, e in found if not _is_too_small(self.values[k]).any() else ():
                with np.errstate(all="ignore"):
                    seen |= np.abs(e.value) > SAFETY * e.error
        return seen

    def _by_lines(self) -> list[InputTrial]:
        self.results = [self._by_directions(k, self.lines.get(k, [])) for k in self.checked]
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
                    self.by_elements(result)
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
        moves = {k: numerics.sizes(self.values[k]) for k in todo}
        moves = {k: size * numerics.signed(self.rng, size.shape) for k, size in moves.items()}
        estimate = self.refined(moves, self.along(moves))
        return self.use_complex is True and not (estimate.rough & self.smooth).any()

    def _direction(self, k: int) -> np.ndarray:
        v = numerics.sizes(self.values[k]) * numerics.signed(self.rng, self.values[k].shape)
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

    def _by_directions(self, k: int, lines: list[tuple[np.ndarray, Estimate]]) -> InputTrial:
        x = self.values[k]
        got = [grads[k] for grads in self.raw]
        result = InputTrial(k, self.subject.names[k], x, got, off=self.off[k])
        if any(g is not None and g.shape != x.shape for g in got):
            result.problem = "shape"
            return result
        shares = []
        with np.errstate(all="ignore"):
            for v, e in lines:
                for u, g in zip(self.douts, got, strict=True):
                    gv = np.zeros(1) if g is None else np.where(v == 0, 0.0, g * v).ravel()
                    terms = np.where(self.smooth, u * e.value, 0.0)
                    expected, actual = float(np.sum(terms)), float(np.sum(gv))
                    error = float(np.sum(np.where(self.smooth, np.abs(u) * e.error, 0.0)))
                    scale = numerics.length(gv) + abs(expected)
                    apart = abs(actual - expected)
                    if not np.isfinite(actual):
                        result.problem = "not finite"
                        return result
                    tiny = 1e-13 * float(np.sum(np.abs(terms))) + numerics.UNDERFLOW * float(
                        np.sum(np.abs(v))
                    )
                    if not np.isfinite(expected):
                        result.problem, shares = "unclear", [1.0]
                        break
                    if apart > SAFETY * error + FLOOR * scale + tiny:
                        result.problem = "missing" if g is None else "mismatch"
                        if self._is_beyond(gv, e, u):
                            result.problem, shares = "unclear", [1.0]
                            break
                    if scale <= SAFETY * error:  # a gradient of zeros, as far as can be seen
                        scale = float(np.sum(np.abs(u * self.f0)[self.smooth])) + 1.0
                    shares.append((apart + error) / scale)
        result.digits = digits_of(max(shares, default=0.0))
        if result.problem is None and result.digits < 2 and lines:
            result.problem = "unclear"
        return result

    def _is_beyond(self, gv: np.ndarray, e: Estimate, u: np.ndarray) -> bool:
        """Whether the smallest step alone would take an output through all of its range, as of sin(1e20)."""
        is_noise = self.smooth & (self.f0 != 0) & (self.noise > 1e-2 * np.abs(self.f0))
        is_noise &= np.abs(e.value) <= SAFETY * e.error
        whole = float(np.sum(np.where(is_noise, np.abs(u) * (self.noise + np.abs(self.f0)), 0.0)))
        return bool(is_noise.any()) and numerics.MORE_STEPS[-1] * float(np.sum(np.abs(gv))) > whole

    # Element by element.

    def chosen(self, k: int) -> np.ndarray:
        """The elements of an input to look at: all; of a large one, both ends of each axis, a sample, and
        where directions find it wrong."""
        n, shape = self.values[k].size, self.values[k].shape
        v = np.zeros(shape)
        v.flat[0] = 1.0
        began = time.perf_counter()
        with quiet():
            self.along({k: v}, trusted=True)
        seconds = max(time.perf_counter() - began, 1e-6)
        most = int(min(MOST_ELEMENTS, max(40, min(SECONDS, self.clock.left / 4) / seconds)))
        if n <= most:
            return np.arange(n)
        rng = np.random.default_rng([self.seed, k])
        per_axis = max(int((most // 2) ** (1 / len(shape))), 3)
        grid = [
            np.unique(np.r_[0, 1, size - 1, rng.integers(0, size, max(per_axis - 3, 1))]) % size
            for size in shape
        ]
        picked = np.ravel_multi_index(np.meshgrid(*grid, indexing="ij"), shape).ravel()
        picked = picked if picked.size <= most else rng.choice(picked, most, replace=False)
        return np.unique(np.concatenate([picked, self.located(k)]))

    def located(self, k: int) -> np.ndarray:
        """A few wrong elements of a large input, by halving: on to the half that disagrees more."""
        low, high = 0, self.values[k].size
        size = numerics.sizes(self.values[k]).ravel()
        gradients = [None if grads[k] is None else np.ravel(grads[k]) for grads in self.raw]
        while high - low > 16:
            middle = (low + high) // 2
            apart = [self._disagreement(k, part, size, gradients) for part in ((low, middle), (middle, high))]
            self.clock.look(f"looking for the wrong elements of {self.subject.names[k]}")
            low, high = (low, middle) if apart[0] >= apart[1] else (middle, high)
        return np.arange(low, high)

    def _disagreement(self, k: int, part: tuple[int, int], size: np.ndarray, gradients: list) -> float:
        """How far backward and values are apart along a direction inside a part, over what may be."""
        v = np.zeros(size.size)
        v[slice(*part)] = (size * numerics.signed(self.rng, size.shape))[slice(*part)]
        with np.errstate(all="ignore"):
            e = self.along({k: v.reshape(self.values[k].shape)}, trusted=True)
            worst = 0.0
            for u, g in zip(self.douts, gradients, strict=True):
                expected = float(np.sum(np.where(self.smooth, u * e.value, 0.0)))
                allowed = float(np.sum(np.where(self.smooth, np.abs(u) * e.error, 0.0))) + 1e-300
                got = 0.0 if g is None else float(np.sum(g * v))
                worst = max(worst, abs(got - expected) / allowed if np.isfinite(got) else np.inf)
        return worst

    def columns(self, k: int, elements: np.ndarray) -> Columns:
        """Derivatives by these elements of one input."""
        x = self.values[k]
        size = numerics.sizes(x).ravel()
        n, m = elements.size, self.f0.size
        keep = n * m <= LARGEST_JACOBIAN
        U = np.stack(self.douts)
        J = np.zeros((m, n)) if keep else None
        by_dout, error, magnitude = (np.zeros((len(U), n)) for _ in range(3))
        rough = np.zeros(n, bool)
        off = self.off[k].ravel()
        for column, i in enumerate(elements):
            if off[i]:
                rough[column] = True
                continue
            if column % 16 == 0:
                self.clock.look(f"{self.subject.names[k]}: element {column} of {n}")
            v = np.zeros(x.size)
            v[i] = size[i]
            e = self.along({k: v.reshape(x.shape)}, trusted=not self.kinked.any())
            with np.errstate(all="ignore"):
                bad = e.rough | ~self.smooth
                slope = np.where(bad, 0.0, e.value) / size[i]
                uncertain = np.where(bad, 0.0, e.error) / size[i]
            rough[column] = bool((e.rough & self.smooth).any())
            with np.errstate(all="ignore"):
                found = U @ slope, np.abs(U) @ uncertain, np.abs(U) @ np.abs(slope)
            if not np.isfinite(found).all():
                rough[column] = True
                continue
            by_dout[:, column], error[:, column], magnitude[:, column] = found
            if J is not None:
                J[:, column] = slope
        return Columns(elements, by_dout, error, magnitude, J, rough)

    def by_elements(self, result: InputTrial) -> None:
        """Which elements are wrong. May find that none is: then the directions saw a kink or rounding."""
        k = result.index
        result.columns = c = self.columns(k, self.chosen(k))
        if result.problem == "shape":
            return
        noise = self.noise_of_gradient(k)[:, c.elements]
        with np.errstate(all="ignore"):
            got = np.stack(
                [np.zeros(c.elements.size) if g is None else g.ravel()[c.elements] for g in result.got]
            )
            largest = np.max(np.abs(c.by_dout), axis=1, keepdims=True, initial=0.0)
            tolerance = SAFETY * (c.error + noise) + 1e-9 * c.size + 1e-13 * largest
            tolerance += self.rounding(k)[c.elements] + numerics.UNDERFLOW
            apart = np.abs(got - c.by_dout)
            if self.is_at_kinks:
                c.rough |= ~np.isfinite(got).all(axis=0)  # no choice was made
            doubtful = ~(apart <= tolerance) & ~c.rough
            wrong = doubtful & ~(apart <= tolerance + self._absorbed()) & ~self._may_overflow(k, got, c)
            apart = np.where(c.rough, 0.0, apart)
        result.wrong = wrong.any(axis=0)
        if result.wrong.any():
            return
        if doubtful.any():
            result.problem = "unseen"
            return
        worst = np.max(apart / np.maximum(np.abs(c.by_dout), largest * 1e-3 + 1e-300), initial=0.0)
        result.digits = min(result.digits, digits_of(worst)) if not c.rough.all() else 0.0
        sampled = c.elements.size < result.x.size
        result.problem = "unclear" if sampled or digits_of(worst) < 2 else None

    def rounding(self, k: int) -> np.ndarray:
        """The rounding of the outputs, over the size of each element: no derivative below it can be seen."""
        f0 = np.abs(self.f0[self.smooth])
        level = (
            4 * numerics.EPS * float(np.max(f0, initial=0.0)) * float(np.max(np.abs(self.douts), initial=0.0))
        )
        with np.errstate(all="ignore"):
            return level / numerics.sizes(self.values[k]).ravel()

    def _magnitudes(self, also_off: bool = False) -> np.ndarray:
        """Of the numbers in the inputs that are neither zero nor infinite, and have a derivative."""
        flat = np.concatenate([np.abs(self.values[k][also_off | ~self.off[k]]) for k in self.checked])
        return flat[np.isfinite(flat) & (flat > 0)]

    def is_extreme(self, also_off: bool = False) -> bool:
        """Whether numbers so far apart meet that products overflow in one order, and not in another."""
        moves = [numerics.sizes(self.values[k])[also_off | ~self.off[k]] for k in self.checked]
        found = np.concatenate([self._magnitudes(also_off), *moves])
        found = found[found > 0]
        return bool(found.size) and bool(np.max(found) * EXTREME > np.min(found))

    def _absorbed(self) -> float:
        """What is lost of a gradient where much larger numbers are added and taken away again."""
        found = self._magnitudes()
        largest = float(np.max(found, initial=0.0))
        steps = 8 * numerics.EPS * float(np.max(np.abs(self.douts), initial=0.0))
        return steps * largest if found.size and largest > HUGE * max(float(np.min(found)), 1.0) else 0.0

    def _may_overflow(self, k: int, got: np.ndarray, c: Columns) -> np.ndarray:
        """Elements that cannot be called wrong at such numbers.

        Those too small to be moved by their own size; and, where products of the numbers overflow or are
        rounded to zero, those whose gradient is of quite another size than what is seen.
        """
        x = self.values[k].ravel()[c.elements]
        due, found = np.abs(c.by_dout), np.abs(got)
        is_far = ~((found > 1e-6 * due) & (found < 1e6 * due)).all(axis=0)
        return (is_far & self.is_extreme(also_off=True)) | _is_too_small(x)

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

    def noise_of_gradient(self, k: int) -> np.ndarray:
        """How far rounding of the inputs moves the gradient: what it may be off without being wrong.

        Without bound where it leads out of the domain, as from a matrix that is hardly positive definite.
        """
        base, size = self.raw, self.values[k].size
        moved = []
        for _ in range(2):
            values = [
                x * (1 + 4 * numerics.EPS * self.rng.choice([-1.0, 1.0], x.shape)) if c else x
                for x, c in zip(self.values, self.subject.checked, strict=True)
            ]
            try:
                moved.append([self.gradients(u, values) for u in self.douts])
            except (Unfit, OutOfTime):
                raise
            except Exception:
                return np.full((len(self.douts), size), np.inf)

        def flat(g: Any) -> np.ndarray:
            return np.zeros(size) if g is None or np.size(g) != size else np.ravel(g).astype(np.float64)

        with np.errstate(all="ignore"):
            apart = [
                np.stack([np.abs(flat(a[k]) - flat(b[k])) for a, b in zip(base, other, strict=True)])
                for other in moved
            ]
            noise = np.maximum(*apart)
            return np.where(np.isfinite(noise), noise, 0.0)


def _is_too_small(x: np.ndarray) -> np.ndarray:
    """Where elements cannot be moved by their own size."""
    return (x != 0) & (np.abs(x) < numerics.SMALLEST)


def _is_tiny(moves: dict[int, np.ndarray]) -> bool:
    """Whether a complex step along these would not be a normal number."""
    sizes = [np.abs(v[v != 0]) for v in moves.values()]
    return min((float(np.min(s)) for s in sizes if s.size), default=1.0) < numerics.LEAST_COMPLEX


def _numbers(g: np.ndarray) -> np.ndarray:
    """As floats where they are objects, and the real part: what a gradient was is told of as its dtype.

    Raises:
        BackwardFailed: the gradient holds no numbers.
    """
    failed = BackwardFailed(f"returns an array of {g.dtype}, which holds no numbers")
    try:
        g = g.astype(np.float64) if g.dtype.kind == "O" else g
    except (TypeError, ValueError):
        raise failed from None
    if g.dtype.kind not in "biufc":
        raise failed
    return g.real if np.iscomplexobj(g) else g


def digits_of(share: float) -> float:
    """How many digits a relative error leaves."""
    return float(np.clip(-np.log10(max(share, 1e-16)), 0.0, 15.0)) if np.isfinite(share) else 0.0
