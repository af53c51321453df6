"""What if one step of the chain rule had been left out?

The forward's steps give its Jacobian as a product. So it can be said, for each step, what the gradient
would be if its backward were missing, counted twice, had the wrong sign, were given another array, or
its transpose: and one of these is what was returned, or it is not. The line of the forward is named.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from handgrad.checking.causes.chain import LARGEST, Chain, Change
from handgrad.checking.causes.edits import nearly
from handgrad.checking.causes.evidence import CLOSE, Evidence
from handgrad.checking.causes.factors import meaning
from handgrad.checking.causes.trace import Step, replayed
from handgrad.checking.causes.tracing import traced
from handgrad.checking.findings import Cause
from handgrad.rules.rule import is_repeated

SMALL = 2e-2  # what an epsilon is at most
SINGULAR = ("sqrt", "divide", "log", "power", "true_divide", "reciprocal", "norm")  # where it keeps from 0
Changed = tuple[str, str, float, np.ndarray]  # kind, sentence, rank, and the Jacobian that it would put there


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

    def changed(self, step: Step, i: int, J: np.ndarray) -> Iterator[Changed]:
        """Other Jacobians that a mistake would put in this one's place."""
        if J.shape[0] == J.shape[1]:
            if np.any(J - np.diag(np.diag(J))):
                yield from self.coupled(step, i, J)
            else:
                yield from self.elementwise(step, i, J)
        yield from self.repeated(step, i, J)
        yield from self.other_arrays(step, i)

    def repeated(self, step: Step, i: int, J: np.ndarray) -> Iterator[Changed]:
        """Of a value that was broadcast: only one of the places where it was repeated, or their mean."""
        if len(step.outs) != 1:
            return
        wide, small = step.outs[0].shape, step.values[i].shape
        lead = len(wide) - len(small)
        if (
            lead < 0
            or not is_repeated(small, wide)
            or wide == small
            or len(step.values) + len(step.constants) < 2
        ):
            return
        for axis, n in enumerate(wide):
            if n < 2 or (axis >= lead and small[axis - lead] != 1):
                continue
            place = np.arange(J.shape[0]).reshape(wide)
            for which, word in ((0, "first"), (n - 1, "last")):
                only = np.zeros(J.shape[0], bool)
                only[np.take(place, which, axis)] = True
                here = f"the {word} of the {n} places to which {said(step, i)} is broadcast"
                sentence = f"{self.e.d} counts only {here}"
                yield "broadcast", sentence, 3.3, np.where(only[:, None], J, 0.0)

    def elementwise(self, step: Step, i: int, J: np.ndarray) -> Iterator[Changed]:
        here, d = said(step, i), self.e.d
        local, eye = np.diag(J), np.eye(len(J))
        levels = set(np.round(local, 7))
        if not np.allclose(J, eye, atol=1e-7):
            kind = "mask" if levels <= {0.0, 1.0} else "local-derivative"
            yield kind, f"{d} leaves out the local derivative of {here}", 3.5, eye
        kind = "local-derivative"
        yield kind, f"{d} applies the local derivative of {here} twice", 3.6, J * J
        with np.errstate(all="ignore"):
            root, inverse = np.sqrt(np.abs(J)), np.diag(np.where(local != 0, 1 / local, 0))
        yield kind, f"{d} takes the root of the local derivative of {here}", 4.5, root
        yield kind, f"{d} divides by the local derivative of {here}", 4.5, inverse
        if levels == {0.0, 1.0}:
            yield "mask", f"{d} inverts the mask of {here}", 4, eye - J

    def coupled(self, step: Step, i: int, J: np.ndarray) -> Iterator[Changed]:
        here, d = said(step, i), self.e.d
        if step.name in ("transpose", "getitem", "reshape", "flip", "swapaxes"):
            yield "transposed", f"{d} does not undo {here}", 3.6, np.eye(len(J))
        diagonal = np.diag(np.diag(J))
        yield "diagonal", f"{d} applies only the diagonal of the Jacobian of {here}", 3.6, diagonal
        yield "transposed", f"{d} does not transpose in the backward of {here}", 3.7, J.T

    def other_arrays(self, step: Step, i: int) -> Iterator[Changed]:
        here, d = said(step, i), self.e.d
        for j, value in enumerate(step.values):
            if value.ndim >= 2 and value.shape[-1] == value.shape[-2] > 1:
                args = [np.swapaxes(v, -1, -2) if k == j else v for k, v in enumerate(step.values)]
                try:
                    J = step.jacobian_at(i, args)
                except Exception:  # whatever a step raises that is given another array
                    continue
                yield "transposed", f"{d} transposes an operand of {here}", 3.8, J
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

        def is_new(x: np.ndarray) -> bool:
            return x.shape == value.shape and not any(np.array_equal(x, s) for s in seen)

        for k, x in enumerate(self.e.trial.values):
            if isinstance(x, np.ndarray) and x.dtype.kind == "f" and is_new(x):
                seen.append(x)
                yield self.e.trial.subject.names[k], x
        for number, step in enumerate(self.chain.tape.steps):
            is_last = step.outputs[0] in self.chain.ends
            for out in step.outs:
                if len(seen) < 24 and is_new(out):
                    seen.append(out)
                    yield "the output" if is_last else f"the result of {step.name} (step {number + 1})", out

    # Several steps as one: a softmax is an exponential, a sum and a quotient.

    def composites(self) -> None:
        """From one value to another of its size: the Jacobian between them cut, left out, turned."""
        chain = self.chain
        ends = [slot for step in chain.steps for slot in step.outputs if slot in chain.up]
        starts = [chain.start, *ends]
        for a in starts[:30]:
            size = chain.tape.values[a].size
            if size < 2 or size > 200:
                continue
            reach = chain.from_value(a)
            for b in ends:
                if b in reach and b != a and reach[b].shape == (size, size):
                    self.composite(a, b, reach[b])
                if self.found:
                    return

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
        number, i = members[0]
        step, d = self.chain.steps[number], self.e.d
        here = f"{said(step, i)}, in all of its {len(members)} uses"
        Js = {at: self.chain.steps[at[0]].jacobian(at[1]) for at in members}
        zero = {at: 0 * J for at, J in Js.items()}
        is_statistic = step.name in ("mean", "var", "std")
        kind, rank = ("statistics-constant", 3.0) if is_statistic else ("missing-path", 3.6)
        self.try_group(kind, f"{d} lacks the paths through {here}", rank, zero)
        for kept, word in ((members[0], "first"), (members[-1], "last")):
            rest = {at: J for at, J in zero.items() if at != kept}
            counts = f"{d} counts only the {word} of {here}: is it assigned, not added up?"
            self.try_group("assigned", counts, 3.7, rest)
        for left, word in ((members[0], "first"), (members[-1], "last")):
            one = {left: zero[left]}
            self.try_group("off-by-one", f"{d} leaves out the {word} of {here}", 3.8, one)
        if all(J.shape[0] == J.shape[1] for J in Js.values()):
            self.changed_group(Js, here)
        if all(self.chain.steps[n].values[j].ndim == 2 for n, _ in members for j in range(len(step.values))):
            for j in range(len(step.values)):
                self.try_transposed(members, j, here)

    def changed_group(self, Js: Change, here: str) -> None:
        """The Jacobians of all members left out, squared, not transposed."""
        d = self.e.d
        if not any(np.any(J - np.diag(np.diag(J))) for J in Js.values()):
            eye = {at: np.eye(len(J)) for at, J in Js.items()}
            kind = "local-derivative"
            self.try_group(kind, f"{d} leaves out the local derivative of {here}", 3.7, eye)
            squares = {at: J * J for at, J in Js.items()}
            self.try_group(kind, f"{d} applies the local derivative twice of {here}", 3.9, squares)
        turned = {at: J.T for at, J in Js.items()}
        self.try_group("transposed", f"{d} does not transpose in the backward of {here}", 3.9, turned)

    def try_transposed(self, members: list[tuple[int, int]], j: int, here: str) -> None:
        change: Change = {}
        for number, i in members:
            step = self.chain.steps[number]
            if step.values[j].shape[0] != step.values[j].shape[1]:
                return
            change[number, i] = step.jacobian_at(i, [v.T if k == j else v for k, v in enumerate(step.values)])
        self.try_group("transposed", f"{self.e.d} transposes an operand of {here}", 3.9, change)

    def try_group(self, kind: str, sentence: str, rank: float, change: Change) -> None:
        if not self.found and self.hits(self.chain.gradient(change) - self.due):
            self.add(kind, sentence, rank)

    # An epsilon.

    def left_out(self) -> None:
        """The whole forward again without one small constant: is that what the backward belongs to?"""
        chain = self.chain
        for number, step in enumerate(chain.tape.steps):
            for i, c in enumerate(step.constants):
                if not 0 < abs(c) < SMALL:
                    continue
                without = [0.0 if j == i else k for j, k in enumerate(step.constants)]
                try:
                    with np.errstate(all="ignore"):
                        other = Chain(self.e, replayed(chain.tape, number, without), chain.start, chain.ends)
                        guess = other.gradient({})
                except Exception:  # a forward that cannot do without it
                    continue
                if np.isfinite(guess).all() and self.hits(guess - self.due):
                    which = f"the forward without its {c:g} (in {step.name})"
                    self.add("epsilon", f"{self.e.d} is that of {which}: the backward leaves it out", 2.2)
                    return

    def epsilons(self) -> None:
        """A small constant in the forward that the backward does without, or the reverse."""
        constants = [abs(float(c)) for step in self.chain.steps for c in step.constants]
        sizes = {c for c in constants if 0 < c < SMALL}
        candidates = [*sizes, *(-s for s in sizes), *(10.0**-k for k in range(3, 13))]
        for step in self.chain.steps:
            d = self.chain.at(step, self.chain.up) if step.name in SINGULAR else None
            if d is None:
                continue
            for i, slot in enumerate(step.inputs):
                if slot in self.chain.down and not self.found:
                    self.shifted(step, i, d, self.chain.down[slot], candidates)

    def shifted(self, step: Step, i: int, d: np.ndarray, down: np.ndarray, candidates: list[float]) -> None:
        """An epsilon at one of a step's inputs."""
        for j, eps in itertools.product(range(len(step.values)), candidates):
            args = [v + eps if k == j else v for k, v in enumerate(step.values)]
            with np.errstate(all="ignore"):
                off = (d @ (step.jacobian_at(i, args) - step.jacobian(i))) @ down
            t = off[:, self.keep]
            if np.isfinite(t).all() and np.max(np.abs(t - self.off)) <= 0.02 * self.size:
                one_way = "the forward has it and the backward does not"
                where = one_way if eps < 0 else "is it in one of them only?"
                makes = f"what an epsilon of {abs(eps):g} at {said(step, i)} makes of it"
                self.add("epsilon", f"{self.e.d} is {makes}: {where}", 4)
                return


def said(step: Step, i: int) -> str:
    """A step in words: its function, and the shapes."""
    shapes = ", ".join(str(v.shape) for v in step.values)
    which = f" (operand {i + 1})" if len(step.values) > 1 else ""
    return f"{step.name} of {shapes}{which}"
