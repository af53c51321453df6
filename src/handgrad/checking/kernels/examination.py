"""One check of a kernel under way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from handgrad.checking.findings import Cause, Explains
from handgrad.checking.kernels.arithmetic import ladder
from handgrad.checking.kernels.due import Due, Misfit, digits, own_gradient_is_right
from handgrad.checking.kernels.libraries import is_floating
from handgrad.checking.kernels.points import Extreme, others
from handgrad.checking.kernels.relations import Wrong, cause_of
from handgrad.checking.kernels.report import IMPRECISE, ArrayReport, KernelReport
from handgrad.checking.kernels.running import Caller, Ran, same
from handgrad.checking.kinds import Kind
from handgrad.checking.report import RIGHT, UNCLEAR, WRONG, Worst
from handgrad.checking.subject import counted, label
from handgrad.rules.rule import told
from handgrad.tree import unflatten

REPEATS = 2  # further calls with the same inputs
WORST = 3


class Examination:
    """A kernel at the given values, then elsewhere.

    Args:
        caller: the kernel.
        values: the inputs' leaves.
        inside: the name of the arithmetic that is asked for; "" for that of its dtype.
    """

    def __init__(self, caller: Caller, values: list[Any], inside: str):
        self.caller, self.values, self.form = caller, values, caller.form
        self.rungs = ladder(self.form)
        names = [arithmetic.name for arithmetic in self.rungs]
        if (inside or self.form.name) not in names:
            raise ValueError(f"inside a kernel of {self.form.name} is {', '.join(names)}, not {inside!r}")
        self.asked = names.index(inside or self.form.name)
        self.report = KernelReport(caller.kernel.name, label(caller.reference.f), self.form.name, RIGHT)
        self.before: list[np.ndarray] = []  # what was due at the first point
        self.has_gradients = True

    def run(self) -> KernelReport:
        first = self.caller.first(self.values)
        self.report.whose = self.caller.kernel.whose
        self.has_gradients = any(x is not None for x in first.seen[len(self.caller.outs) :])
        checked = self._well_formed(first)
        due = self._due(self.values, 0)
        if self._may_be_told(due):
            self._judge(checked, first, due)
        if self.report.verdict in (RIGHT, IMPRECISE):
            self._elsewhere(first, due)
        return self.report

    def _wrong(self, kind: Kind, sentence: str, name: str | None = None) -> None:
        self.report.causes.append(Cause(kind, sentence, name, Explains.DEED))
        self.report.verdict = WRONG

    def _doubt(self, said: str) -> None:
        self.report.doubts.append(said)
        self.report.verdict = UNCLEAR if self.report.verdict == RIGHT else self.report.verdict

    def _due(self, values: list[Any], number: int, is_near: bool = False) -> Due:
        douts = self.caller.douts(number) if self.has_gradients else None
        return Due(self.caller.reference, values, douts, self.form, [self.caller.seed, number, 5], is_near)

    def _well_formed(self, first: Ran) -> list[int]:
        """Which results there are to compare: those of the shapes that are due."""
        names, shapes, outs = self.caller.results, self.caller.shapes, len(self.caller.outs)
        if len(first.seen) != len(shapes):
            many = counted(len(first.seen) - len(shapes) + outs, "array")
            self._wrong(Kind.SHAPE, f"it returns {many}, and the reference {outs}")
            return []
        checked = []
        for k, (name, x) in enumerate(zip(names, first.seen, strict=True)):
            if x is None:
                if k >= outs and self.has_gradients:
                    self._wrong(
                        Kind.MISSING_GRADIENT, f"there is no {name}, and {name[1:]} is floating", name
                    )
            elif x.shape != shapes[k]:
                self._wrong(Kind.SHAPE, f"{name} has the shape {x.shape}, and due is {shapes[k]}", name)
            else:
                checked.append(k)
                self._tell_dtype(name, self.caller.library.dtype_of(first.native[k]))
        for name in first.written:
            self._wrong(Kind.MUTATES, f"it writes into {name}, which is its caller's")
        self.report.notes += first.shared
        return checked

    def _tell_dtype(self, name: str, dtype: str) -> None:
        said = f"{name} is of {dtype}, not of {self.form.name}"
        if dtype in ("float32", "float64") and dtype != self.form.name:
            self.report.notes.append(said)
        elif dtype != self.form.name:
            self._wrong(Kind.DTYPE, said, name)

    def _may_be_told(self, due: Due) -> bool:
        """Whether the reference is one by which anything can be told."""
        reference = self.report.reference
        if not due.is_seen:
            self._doubt(f"{reference} has a loop of its library's, whose steps are not seen: unroll it")
        elif self.has_gradients and not own_gradient_is_right(
            self.caller.reference, due, len(self.caller.outs), [self.caller.seed]
        ):
            self._doubt(f"the gradient of {reference} is not the derivative of its values")
        return not self.report.doubts

    # Judging.

    def _judge(self, checked: list[int], first: Ran, due: Due) -> None:
        for k in checked:
            array, cause = self._judged(k, first, due)
            self.report.arrays.append(array)
            self.report.causes += [] if cause is None else [cause]
        verdicts = {array.verdict for array in self.report.arrays}
        if WRONG in verdicts:
            self.report.verdict = WRONG
            self._in_float64()
        elif IMPRECISE in verdicts and self.report.verdict == RIGHT:
            self.report.verdict = IMPRECISE
        for k, array in zip(checked, self.report.arrays, strict=True):
            passing = self._passing(k, due) if array.verdict != WRONG else None
            if passing is not None:
                array.verdict = UNCLEAR
                left = f"so little does {self.form.name} leave of it"
                self._doubt(f"{array.name}: {passing} would pass as well, {left}")

    def _judged(self, k: int, ran: Ran, due: Due) -> tuple[ArrayReport, Cause | None]:
        """One result at one point, and what is wrong with it."""
        name, exact, got = self.caller.results[k], due.exact[k], ran.seen[k]
        assert got is not None
        got = got.astype(np.float64)
        limit = due.allowed(self.rungs[self.asked])[k].elements
        usable = np.isfinite(limit) & np.isfinite(exact)
        off = np.where(usable, got - exact, 0.0)
        due_digits = digits(np.where(usable, limit, 0.0), exact)
        made = ArrayReport(name, exact.shape, RIGHT, digits(off, exact), due_digits, elements=exact.size)
        missed = due.misfit(k, got, self.rungs[self.asked])
        tried = self.rungs[: self.asked + 1] if missed is None else self.rungs[self.asked + 1 :]
        reached = next((a for a in tried if due.misfit(k, got, a) is None), None)
        if missed is None:
            made.arithmetic = "" if reached is None else f"as good as {reached.said}"
            return made, None
        cause = cause_of(self._to_explain(k, got, due, missed))
        if reached is not None and cause.kind in (Kind.UNKNOWN, Kind.PART):
            made.verdict, made.arithmetic = IMPRECISE, f"no better than {reached.said}"
            made.rung = self.rungs.index(reached)
            said = f"{name} is no better than {reached.said}; if that is meant, say inside={reached.name!r}"
            return made, Cause(Kind.PRECISION, said, name)
        made.verdict, made.wrong = WRONG, int(missed.wrong.sum())
        made.worst = worst_of(got, exact, missed.wrong, limit)
        size = np.max(np.abs(exact[usable]), initial=0.0) or 1.0
        made.error = np.where(missed.wrong, np.where(np.isfinite(off), np.abs(off), np.inf) / size, 0.0)
        seen = f" (seen {missed.seen})" if missed.seen else ""
        return made, replace(cause, sentence=f"{cause.sentence}{seen}")

    def _to_explain(self, k: int, got: np.ndarray, due: Due, missed: Misfit) -> Wrong:
        asked, reference = self.rungs[self.asked], self.caller.reference
        undriven = None
        if k >= len(self.caller.outs):
            run, _ = reference.prepared(due.values, [np.ones(shape) for shape in self.caller.outs])
            undriven = run(None, np.random.default_rng(0))[k]
        given = {n: x for n, x in zip(self.caller.names, due.values, strict=True) if is_floating(x)}
        given |= {f"dout[{i}]" if i else "dout": d for i, d in enumerate(due.douts or [])}
        return Wrong(
            name=self.caller.results[k],
            got=got,
            exact=due.exact[k],
            wrong=missed.wrong,
            fits=lambda x: due.misfit(k, x, asked) is None,
            u=self.form.u,
            given=given,
            peers={
                n: x for n, x in zip(self.caller.results, due.exact, strict=False) if x is not due.exact[k]
            },
            before=self.before[k] if self.before else None,
            undriven=undriven,
        )

    def _passing(self, k: int, due: Due) -> str | None:
        """What would pass as well, though it is not what is due."""
        exact, asked = due.exact[k], self.rungs[self.asked]
        given = [x for x in (*due.values, *(due.douts or [])) if is_floating(x)]
        decoys = {"zeros": np.zeros(exact.shape), "a constant": np.full(exact.shape, np.mean(exact))}
        decoys |= {
            f"a copy of {i}": x.reshape(exact.shape) for i, x in enumerate(given) if x.size == exact.size
        }
        for said, decoy in decoys.items():
            near = 1e-9 * float(np.max(np.abs(exact), initial=0.0))
            is_due = np.allclose(decoy, exact, rtol=1e-9, atol=near, equal_nan=True)
            if exact.size > 1 and not is_due and due.misfit(k, decoy, asked) is None:
                return said.partition(" of ")[0] if said.startswith("a copy") else said
        return None

    def _in_float64(self) -> None:
        """What ``check`` says of the same code, where that runs in float64: the line, and a fix."""
        pair = self.caller.kernel.as_pair(self.caller.reference)
        if pair is None:
            return
        from handgrad.checking.checker import check

        given = [self.caller.library.made(x, "float64") for x in self.values]
        try:
            found = check(pair, *unflatten(self.caller.reference.tree, given), budget=5)
        except Exception:  # a kernel that takes no float64
            return
        for cause in found.causes:
            mine = next((c for c in self.report.causes if c.input == f"d{cause.input}"), None)
            if (
                mine is not None
                and mine.line is None
                and cause.line is not None
                and cause.explains <= Explains.NUMBERS
            ):
                mine.line, mine.fix = cause.line, cause.fix
                mine.sentence = f"{mine.sentence}; in float64: {cause.sentence}"

    # Elsewhere.

    def _elsewhere(self, first: Ran, due: Due) -> None:
        self.before = due.exact
        rng = np.random.default_rng([self.caller.seed, 11])
        for number, (said, values, extreme) in enumerate(others(self.values, self.form.name, rng), 1):
            if all(np.isfinite(o).all() for o in self.caller.reference.outputs(values)):
                if not self._is_as_good_at(said, values, number, extreme):
                    return
                self.report.points += 1
        for k, x in enumerate(first.native):
            if x is not None and not same(self.caller.library.seen(x), first.seen[k]):
                said = f"{self.caller.results[k]} of an earlier call is written over by a later one"
                self._wrong(Kind.STALE_CACHE, said, self.caller.results[k])
        self._again(first, due)
        self._apart(due)

    def _is_as_good_at(self, said: str, values: list[Any], number: int, extreme: Extreme) -> bool:
        try:
            ran = self.caller.ran(values, number)
        except Exception as error:
            self._wrong(Kind.RAISES, f"{said} it raises {type(error).__name__}: {told(error)}")
            return False
        due = self._due(values, number, is_near=extreme > Extreme.NO)
        for k in range(len(self.caller.outs), len(ran.seen)) if extreme == Extreme.YES else ():
            x = ran.seen[k]
            if x is not None and x.shape == due.exact[k].shape:
                ran.seen[k] = np.where(np.isfinite(x), due.exact[k], x)
        return self._is_as_good(ran, due, f"{said}: ")

    def _is_as_good(self, ran: Ran, due: Due, where: str, kind: Kind | None = None) -> bool:
        """Whether every result is right, or imprecise as before; what is wrong is put down to ``where``."""
        for i, array in enumerate(self.report.arrays):
            k = self.caller.results.index(array.name)
            got = ran.seen[k] if k < len(ran.seen) else None
            if got is None or got.shape != due.exact[k].shape:
                self._wrong(Kind.SHAPE, f"{where}{array.name} has another shape, or is left out", array.name)
                return False
            rung = array.rung if array.verdict == IMPRECISE else self.asked
            if due.misfit(k, got.astype(np.float64), self.rungs[rung]) is None:
                continue
            judged, cause = self._judged(k, ran, due)
            assert cause is not None
            if due.is_near and judged.verdict == IMPRECISE:
                self.report.notes.append(f"{where}{array.name} is {judged.arithmetic}")
                continue
            self.report.arrays[i] = judged
            said = replace(cause, kind=kind or cause.kind, sentence=f"{where}{cause.sentence}")
            self.report.causes = [c for c in self.report.causes if c.input != array.name] + [said]
            self.report.verdict = judged.verdict
            if judged.verdict == WRONG:
                return False
        return True

    def _again(self, first: Ran, due: Due) -> None:
        """The same call: is every bit the same?"""
        runs = [self.caller.ran(self.values, 0) for _ in range(REPEATS)]
        if not all(self._is_as_good(ran, due, "called again: ", Kind.CHANGES) for ran in runs):
            return
        for k, x in enumerate(first.seen):
            apart = [np.abs(ran.seen[k] - x) for ran in runs if x is not None and not same(ran.seen[k], x)]
            if apart:
                most = np.nanmax(apart, axis=0)
                units = float(np.nanmax(most / self.form.ulp(due.exact[k])))
                many = f"{int((most > 0).sum())} of {most.size} elements"
                self.report.notes.append(
                    f"{self.caller.results[k]} is not the same from run to run: on {many}, by up to "
                    f"{units:.2g} units in the last place, which is within what is due"
                )

    def _apart(self, due: Due) -> None:
        """Inputs whose elements do not lie side by side."""
        try:
            ran = self.caller.ran(self.values, 0, apart=True)
        except Exception as error:
            said = f"{type(error).__name__}: {told(error)}"
            self.report.notes.append(f"arrays that do not lie side by side it refuses with {said}")
            return
        self._is_as_good(ran, due, "of arrays that do not lie side by side: ", Kind.LAYOUT)


def worst_of(got: np.ndarray, exact: np.ndarray, wrong: np.ndarray, limit: np.ndarray) -> list[Worst]:
    """The elements that are furthest off, by how far each may be."""
    far = np.nan_to_num(np.abs(got - exact) / limit, nan=np.inf, posinf=np.inf)
    order = np.argsort(-np.where(wrong, far, -1.0), axis=None)[: min(WORST, int(wrong.sum()))]
    places = [tuple(int(i) for i in np.unravel_index(p, far.shape)) for p in order]
    return [Worst(place, float(exact[place]), float(got[place])) for place in places]
