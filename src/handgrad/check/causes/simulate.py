"""What if one step of the chain rule had been left out?

The forward's steps give its Jacobian as a product. So it can be said, for each step, what the gradient
would be if its backward were missing, counted twice, had the wrong sign, were given another array, or
its transpose: and one of these is what was returned, or it is not. The line of the forward is named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.check.causes.edits import nearly
from handgrad.check.causes.evidence import CLOSE, Evidence
from handgrad.check.causes.factors import meaning
from handgrad.check.causes.trace import Recording, Step, Untraceable, replayed
from handgrad.check.causes.tracing import traced
from handgrad.check.findings import Cause

LARGEST = 1500  # elements of a value that takes part


class Chain:
    """The steps of a forward with what flows into and out of each, for the input that is looked at."""

    def __init__(self, e: Evidence, tape: Recording, start: int, ends: list[int]):
        self.e, self.tape, self.start, self.ends = e, tape, start, ends
        self.U = np.stack(e.douts)
        self.n = e.x.size
        reach = {start}
        self.steps: list[Step] = []
        for step in tape.steps:
            if reach & set(step.inputs):
                reach |= set(step.outputs)
                self.steps.append(step)
        if any(np.size(v) > LARGEST for s in self.steps for v in [*s.values, *s.outs]):
            raise Untraceable("too large")
        self.reach = reach
        self.uses: dict[int, int] = {}
        for step in self.steps:
            for slot in step.inputs:
                self.uses[slot] = self.uses.get(slot, 0) + 1
        self.down = self._downstream()
        self.up = self._upstream()
        if self._leave_out_shifts():
            self.down, self.up = self._downstream(), self._upstream()

    def _leave_out_shifts(self) -> bool:
        """A maximum through which nothing flows in the end only shifts: softmax(x) = softmax(x - max x)."""
        shifts = [s for s in self.steps if s.name in ("max", "amax") and s.outputs[0] in self.up]
        gone = False
        for step in shifts:
            d = self.up[step.outputs[0]]
            whole = max((float(np.max(np.abs(g), initial=0.0)) for g in self.up.values()), default=0.0)
            if np.max(np.abs(d), initial=0.0) <= 1e-9 * whole:
                gone = True
                for i in range(len(step.inputs)):
                    step.without(i)
        return gone

    def _downstream(self) -> dict[int, np.ndarray]:
        """d value / d x for every value that depends on x."""
        found = {self.start: np.eye(self.n)}
        for step in self.steps:
            total = sum(step.jacobian(i) @ found[s] for i, s in enumerate(step.inputs) if s in found)
            at = 0
            for slot, out in zip(step.outputs, step.outs, strict=True):
                found[slot] = total[at : at + out.size]
                at += out.size
        return found

    def seeds(self) -> dict[int, np.ndarray]:
        """The douts, at the values that are the outputs."""
        at, found = 0, {}
        for slot in self.ends:
            size = self.tape.values[slot].size
            found[slot] = found.get(slot, 0) + self.U[:, at : at + size]
            at += size
        return found

    def _upstream(self, change: dict[tuple[int, int], np.ndarray] | None = None) -> dict[int, np.ndarray]:
        """The gradient at every value, (douts, size). ``change`` replaces Jacobians by step and input."""
        found: dict[int, Any] = self.seeds()
        change = change or {}
        for number in range(len(self.steps) - 1, -1, -1):
            step = self.steps[number]
            d = self.at(step, found)
            if d is None:
                continue
            for i, slot in enumerate(step.inputs):
                if slot in self.reach:
                    J = change.get((number, i))
                    found[slot] = found.get(slot, 0) + d @ (step.jacobian(i) if J is None else J)
        return found

    def at(self, step: Step, found: dict[int, Any]) -> np.ndarray | None:
        if not any(slot in found for slot in step.outputs):
            return None
        zeros = [np.zeros((len(self.U), out.size)) for out in step.outs]
        return np.concatenate([found.get(s, z) for s, z in zip(step.outputs, zeros, strict=True)], axis=1)

    def gradient(self, change: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
        found = self._upstream(change)
        return np.asarray(found.get(self.start, np.zeros((len(self.U), self.n))))


def simulated(e: Evidence) -> Iterator[Cause]:
    """The steps of the forward, each with the mistakes that can be made in its backward."""
    if not e.is_whole or not e.has_shape or e.x.size > LARGEST:
        return
    try:
        tape, starts, ends = traced(e.trial.subject, e.trial.values)
        chain = Chain(e, tape, starts[e.index], ends)
    except Exception:  # a forward that cannot be followed: other guesses have to do
        return
    due = np.stack([d.ravel() for d in e.expected])
    got = np.stack([g.ravel() for g in e.got])
    truth = np.asarray(chain.up.get(chain.start, np.zeros_like(due)))
    keep = ~e.rough.ravel()
    size = max(float(np.max(np.abs(got))), float(np.max(np.abs(due))), 1e-300)
    if np.max(np.abs(truth - due)[:, keep], initial=0.0) > 1e-5 * size:
        return
    yield from Simulation(chain, due, got, keep).run()


class Simulation:
    """Compares what each mistake gives with what was returned."""

    def __init__(self, chain: Chain, due: np.ndarray, got: np.ndarray, keep: np.ndarray):
        self.chain, self.e, self.due, self.got, self.keep = chain, chain.e, due, got, keep
        self.off = (got - due)[:, keep]
        self.size = float(np.max(np.abs(self.off)))
        self.tolerance = max(20 * CLOSE * self.size, 1e-9 * float(np.max(np.abs(due))))
        self.found: list[Cause] = []

    def hits(self, off: np.ndarray) -> bool:
        return bool(np.max(np.abs(off[:, self.keep] - self.off), initial=0.0) <= self.tolerance)

    def add(self, kind: str, sentence: str, rank: float) -> None:
        self.found.append(self.e.cause(kind, sentence, rank))

    def run(self) -> list[Cause]:
        if self.tolerance > 0.1 * self.size:
            return []  # too small an error to tell anything from
        self.left_out()
        if self.found:
            return self.found
        for number, step in enumerate(self.chain.steps):
            d = self.chain.at(step, self.chain.up)
            if d is None:
                continue
            for i, slot in enumerate(step.inputs):
                if slot in self.chain.down:
                    self.one_edge(number, step, i, d, self.chain.down[slot])
            if any(cause.rank <= 3.1 for cause in self.found):
                break
        for search in (self.composites, self.groups, self.epsilons):
            if not self.found:
                search()
        return self.found

    # One step.

    def one_edge(self, number: int, step: Step, i: int, d: np.ndarray, down: np.ndarray) -> None:
        J = step.jacobian(i)
        through = (d @ J) @ down
        twins = [k for k, slot in enumerate(step.inputs) if slot == step.inputs[i] and k != i]
        if twins and min(twins) > i:  # x·x: both operands are one path
            self.scaled(step, i, (d @ sum(step.jacobian(k) for k in (i, *twins))) @ down)
        self.scaled(step, i, through)
        for kind, sentence, rank, other in self.changed(step, i, J):
            if other.shape == J.shape and self.hits((d @ (other - J)) @ down):
                self.add(kind, sentence, rank)

    def scaled(self, step: Step, i: int, through: np.ndarray) -> None:
        """The path's share, times c: missing (0), twice (2), of the wrong sign (-1), ..."""
        t = through[:, self.keep]
        weight = float(np.sum(t * t))
        if weight == 0:
            return
        c = float(np.sum(t * self.off)) / weight
        if abs(c) < 1e-6 or np.max(np.abs(self.off - c * t)) > self.tolerance:
            return
        ratio, several = 1 + c, self.chain.uses.get(step.inputs[i], 1) > 1
        path = f"the path through {said(step, i)}"
        if abs(ratio) < 1e-5:
            self.add(self.statistic(step), f"{self.e.d} lacks {path}", 3 if several else 3.4)
        elif abs(ratio - 2) < 1e-5:
            self.add("double-path" if several else "factor", f"{self.e.d} counts {path} twice", 3.2)
        elif abs(ratio + 1) < 1e-5:
            self.add("factor", f"{self.e.d} has the wrong sign for {path}", 3.4)
        else:
            what, question = meaning(self.e, ratio)
            if question:
                self.add("factor", f"{self.e.d} has {path} {ratio:.6g} times; {what}: {question}", 5.5)

    def statistic(self, step: Step) -> str:
        """The kind of a missing path: the term of a mean or a variance has a name of its own."""
        statistics = [s for s in self.chain.steps if s.name in ("mean", "var", "std")]
        squares = ("power", "square", "multiply")
        if step.name in ("var", "std"):
            return "variance-term"
        by = next((s for s in self.chain.steps if set(s.outputs) & set(step.inputs)), None)
        feeds = next((s for s in self.chain.steps if set(step.outputs) & set(s.inputs)), None)
        if step.name == "mean" and by is not None and by.name in squares:
            return "variance-term" if len(statistics) > 1 else "statistics-constant"
        if step.name in squares and feeds is not None and feeds.name == "mean":
            return "variance-term" if len(statistics) > 1 else "statistics-constant"
        return "mean-term" if step.name == "mean" and len(statistics) > 1 else "missing-path"

    def changed(self, step: Step, i: int, J: np.ndarray) -> Iterator[tuple[str, str, float, np.ndarray]]:
        """Other Jacobians that a mistake would put in this one's place."""
        here, d = said(step, i), self.e.d
        m, n = J.shape
        if m == n:
            diagonal = np.diag(J)
            is_diagonal = not np.any(J - np.diag(diagonal))
            if not np.allclose(J, np.eye(n), atol=1e-7):
                kind = (
                    "mask" if is_diagonal and set(np.round(diagonal, 7)) <= {0.0, 1.0} else "local-derivative"
                )
                if is_diagonal:
                    yield kind, f"{d} leaves out the local derivative of {here}", 3.5, np.eye(n)
                elif step.name in ("transpose", "getitem", "reshape", "flip", "swapaxes"):
                    yield "transposed", f"{d} does not undo {here}", 3.6, np.eye(n)
            if is_diagonal:
                yield "local-derivative", f"{d} applies the local derivative of {here} twice", 3.6, J * J
                with np.errstate(all="ignore"):
                    yield (
                        "local-derivative",
                        f"{d} takes the root of the local derivative of {here}",
                        4.5,
                        np.sqrt(np.abs(J)),
                    )
                    inverse = np.diag(np.where(diagonal != 0, 1 / diagonal, 0))
                    yield "local-derivative", f"{d} divides by the local derivative of {here}", 4.5, inverse
                if set(np.round(diagonal, 7)) == {0.0, 1.0}:
                    yield "mask", f"{d} inverts the mask of {here}", 4, np.eye(n) - J
            else:
                yield (
                    "diagonal",
                    f"{d} applies only the diagonal of the Jacobian of {here}",
                    3.6,
                    np.diag(diagonal),
                )
                yield "transposed", f"{d} does not transpose in the backward of {here}", 3.7, J.T
        yield from self.other_arrays(step, i)

    def other_arrays(self, step: Step, i: int) -> Iterator[tuple[str, str, float, np.ndarray]]:
        here, d = said(step, i), self.e.d
        for j, value in enumerate(step.values):
            if value.ndim >= 2 and value.shape[-1] == value.shape[-2] > 1:
                args = [np.swapaxes(v, -1, -2) if k == j else v for k, v in enumerate(step.values)]
                yield "transposed", f"{d} transposes an operand of {here}", 3.8, step.jacobian_at(i, args)
        if step.values[i].size > 120:
            return
        for j, value in enumerate(step.values):
            for name, other in self.same_shape(value):
                args = [other if k == j else v for k, v in enumerate(step.values)]
                try:
                    with np.errstate(all="ignore"):
                        J = step.jacobian_at(i, args)
                except Exception:
                    continue
                if np.isfinite(J).all():
                    kind = "wrong-array"
                    if nearly(other, value):
                        off = np.ravel(value - other)
                        kind = "epsilon" if np.ptp(off) <= 1e-3 * abs(off.mean()) else "precision"
                    yield kind, f"the backward of {here} is given {name} in {d}", 4.1, J

    def same_shape(self, value: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
        """Other arrays of the forward that could be taken for this one."""
        seen: list[np.ndarray] = [value]
        for k, x in enumerate(self.e.trial.values):
            if isinstance(x, np.ndarray) and x.dtype.kind == "f" and x.shape == value.shape:
                if not any(np.array_equal(x, s) for s in seen):
                    seen.append(x)
                    yield self.e.trial.subject.names[k], x
        for number, step in enumerate(self.chain.tape.steps):
            for out in step.outs:
                if (
                    out.shape == value.shape
                    and len(seen) < 24
                    and not any(np.array_equal(out, s) for s in seen)
                ):
                    seen.append(out)
                    is_last = step.outputs[0] in self.chain.ends
                    yield ("the output" if is_last else f"the result of {step.name} (step {number + 1})"), out

    # Several steps as one: a softmax is an exponential, a sum and a quotient.

    def composites(self) -> None:
        """From one value to another of its size: the Jacobian between them cut to its diagonal, left out, turned."""
        chain = self.chain
        ends = [slot for step in chain.steps for slot in step.outputs if slot in chain.up]
        starts = [chain.start, *ends]
        for a in starts[:30]:
            size = chain.tape.values[a].size
            if size < 2 or size > 200:
                continue
            reach = self.from_value(a)
            for b in ends:
                if b in reach and b != a and reach[b].shape == (size, size):
                    self.composite(a, b, reach[b])
                if self.found:
                    return

    def from_value(self, a: int) -> dict[int, np.ndarray]:
        """d value / d a for every value after it."""
        found = {a: np.eye(self.chain.tape.values[a].size)}
        for step in self.chain.steps:
            if not any(s in found for s in step.inputs):
                continue
            total: Any = sum(step.jacobian(i) @ found[s] for i, s in enumerate(step.inputs) if s in found)
            at = 0
            for slot, out in zip(step.outputs, step.outs, strict=True):
                if slot != a:
                    found[slot] = total[at : at + out.size]
                at += out.size
        return found

    def composite(self, a: int, b: int, J: np.ndarray) -> None:
        down, d = self.chain.down[a], self.chain.up[b]
        diagonal = np.diag(np.diag(J))
        here = f"the part of the forward from {self.value_name(a)} to {self.value_name(b)}"
        options = [("local-derivative", "leaves out the derivative of", 4.2, np.eye(len(J)))]
        if np.any(J - diagonal):
            options += [
                ("diagonal", "applies only the diagonal of the Jacobian of", 3.9, diagonal),
                ("transposed", "does not transpose the Jacobian of", 4.2, J.T),
            ]
        for kind, what, rank, other in options:
            if self.hits((d @ (other - J)) @ down):
                self.add(kind, f"{self.e.d} {what} {here}", rank)

    def value_name(self, slot: int) -> str:
        if slot == self.chain.start:
            return self.e.name
        if slot in self.chain.ends:
            return "the output"
        step = next(s for s in self.chain.tape.steps if slot in s.outputs)
        return f"the result of {step.name} {self.chain.tape.values[slot].shape}"

    # Several steps of one kind: a time step's, of which each has its own.

    def groups(self) -> None:
        kinds: dict[tuple, list[tuple[int, int]]] = {}
        for number, step in enumerate(self.chain.steps):
            for i, slot in enumerate(step.inputs):
                if slot in self.chain.reach:
                    key = (step.name, i, step.values[i].shape, step.outs[0].shape, len(step.inputs))
                    kinds.setdefault(key, []).append((number, i))
        for members in kinds.values():
            if len(members) > 1:
                self.group(members)
            if self.found:
                return

    def group(self, members: list[tuple[int, int]]) -> None:
        steps = self.chain.steps
        Js = {at: steps[at[0]].jacobian(at[1]) for at in members}
        here = f"{said(steps[members[0][0]], members[0][1])}, in all of its {len(members)} uses"
        zero = {at: 0 * J for at, J in Js.items()}
        kind = (
            "statistics-constant" if steps[members[0][0]].name in ("mean", "var", "std") else "missing-path"
        )
        self.try_group(
            kind, f"{self.e.d} lacks the paths through {here}", 3 if kind != "missing-path" else 3.6, zero
        )
        for kept, word in ((members[0], "first"), (members[-1], "last")):
            rest = {at: J for at, J in zero.items() if at != kept}
            self.try_group(
                "assigned",
                f"{self.e.d} counts only the {word} of {here}: is it assigned, not added up?",
                3.7,
                rest,
            )
        for left in (members[0], members[-1]):
            word = "first" if left == members[0] else "last"
            self.try_group(
                "off-by-one", f"{self.e.d} leaves out the {word} of {here}", 3.8, {left: zero[left]}
            )
        if all(J.shape[0] == J.shape[1] for J in Js.values()):
            eye = {at: np.eye(len(J)) for at, J in Js.items()}
            diagonal = all(not np.any(J - np.diag(np.diag(J))) for J in Js.values())
            if diagonal:
                self.try_group(
                    "local-derivative", f"{self.e.d} leaves out the local derivative of {here}", 3.7, eye
                )
                self.try_group(
                    "local-derivative",
                    f"{self.e.d} applies the local derivative twice of {here}",
                    3.9,
                    {a: J * J for a, J in Js.items()},
                )
            self.try_group(
                "transposed",
                f"{self.e.d} does not transpose in the backward of {here}",
                3.9,
                {a: J.T for a, J in Js.items()},
            )
        if all(steps[a[0]].values[j].ndim == 2 for a in members for j in range(len(steps[a[0]].values))):
            for j in range(len(steps[members[0][0]].values)):
                self.try_transposed(members, j, here)

    def try_transposed(self, members: list[tuple[int, int]], j: int, here: str) -> None:
        change = {}
        for number, i in members:
            step = self.chain.steps[number]
            if step.values[j].shape[0] != step.values[j].shape[1]:
                return
            change[number, i] = step.jacobian_at(i, [v.T if k == j else v for k, v in enumerate(step.values)])
        self.try_group("transposed", f"{self.e.d} transposes an operand of {here}", 3.9, change)

    def try_group(self, kind: str, sentence: str, rank: float, change: dict) -> None:
        if not self.found and self.hits(self.chain.gradient(change) - self.due):
            self.add(kind, sentence, rank)

    # An epsilon.

    def epsilons(self) -> None:
        """A small constant in the forward that the backward does without, or the reverse."""
        small = [s for s in self.chain.steps if any(0 < abs(float(c)) < 2e-2 for c in s.constants)]
        for number, step in enumerate(self.chain.steps):
            if step.name not in ("sqrt", "divide", "log", "power", "true_divide", "reciprocal", "norm"):
                continue
            for i, slot in enumerate(step.inputs):
                if slot not in self.chain.down:
                    continue
                d = self.chain.at(step, self.chain.up)
                if d is None:
                    continue
                self.shifted(step, i, d, self.chain.down[slot], small)
                if self.found:
                    return

    def left_out(self) -> None:
        """The whole forward again without one small constant: is that what the backward belongs to?"""
        tape = self.chain.tape
        for number, step in enumerate(tape.steps):
            for i, c in enumerate(step.constants):
                if not 0 < abs(c) < 2e-2:
                    continue
                without = [0.0 if j == i else k for j, k in enumerate(step.constants)]
                try:
                    with np.errstate(all="ignore"):
                        other = Chain(
                            self.e, replayed(tape, number, without), self.chain.start, self.chain.ends
                        )
                        guess = other.gradient({})
                except Exception:
                    continue
                if np.isfinite(guess).all() and self.hits(guess - self.due):
                    self.add(
                        "epsilon", f"{self.e.d} is that of the forward without its {c:g} (in {step.name}): the backward "
                        f"leaves it out", 2.2,
                    )  # fmt: skip
                    return

    def shifted(self, step: Step, i: int, d: np.ndarray, down: np.ndarray, small: list[Step]) -> None:
        sizes = {abs(float(c)) for s in small for c in s.constants if 0 < abs(float(c)) < 2e-2}
        for j in range(len(step.values)):
            for eps in [*sizes, *(-s for s in sizes), *(10.0**-k for k in range(3, 13))]:
                args = [v + eps if k == j else v for k, v in enumerate(step.values)]
                with np.errstate(all="ignore"):
                    off = (d @ (step.jacobian_at(i, args) - step.jacobian(i))) @ down
                t = off[:, self.keep]
                if np.isfinite(t).all() and np.max(np.abs(t - self.off)) <= 0.02 * self.size:
                    where = (
                        "the forward has it and the backward does not"
                        if eps < 0
                        else "is it in one of them only?"
                    )
                    self.add(
                        "epsilon",
                        f"{self.e.d} is what an epsilon of {abs(eps):g} at {said(step, i)} makes of it: {where}",
                        4,
                    )
                    return


def said(step: Step, i: int) -> str:
    """A step in words: its function, and the shapes."""
    shapes = ", ".join(str(v.shape) for v in step.values)
    which = f" (operand {i + 1})" if len(step.values) > 1 else ""
    return f"{step.name} of {shapes}{which}"


Guess = Callable[[Evidence], Iterator[Cause]]
