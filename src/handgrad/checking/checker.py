"""``check``: is this backward right, and if not, what is wrong with it?"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from handgrad.arrays import plain
from handgrad.checking import hazards, kinks, probes
from handgrad.checking.causes import causes_of, causes_of_two
from handgrad.checking.clock import Clock, OutOfTime
from handgrad.checking.domain import reaching
from handgrad.checking.findings import Cause, Explains, Findings
from handgrad.checking.kinds import Kind
from handgrad.checking.network import consequences, first_wrong, parts_of
from handgrad.checking.quietly import quiet
from handgrad.checking.report import KINK, RIGHT, UNCLEAR, UNDEFINED, WRONG, InputReport, Report, Worst
from handgrad.checking.source import Ran, line_of_error, line_of_gradient, lines_run
from handgrad.checking.subject import BackwardFailed, Subject, Unfit, at_place, copied, own_randomness
from handgrad.checking.targets import subject_of
from handgrad.checking.trial import InputTrial, Trial
from handgrad.checking.trial.rounding import is_extreme
from handgrad.tree import leaves, tree_map


def check(
    target: Any,
    *inputs: Any,
    options: dict[str, Any] | None = None,
    loss: Any = None,
    adapter: Callable | None = None,
    methods: tuple[str, str] | None = None,
    seed: int = 0,
    budget: float | None = None,
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Check a backward pass, and say what is wrong with it.

    The gradients that it returns, for several random ``dout``, are compared with derivatives of its
    forward's values in float64 (complex step where the forward takes complex numbers, else extrapolated
    differences with an error of their own), so there is no tolerance to set. Then what a network would
    do to it: two forwards before a backward, two backwards, other memory layouts, ties, zeros, large
    numbers. What is wrong is compared with what each known mistake would have given.

    Args:
        target: a rule; a function ``f(*inputs) -> (out, backward)`` or ``(loss, grads)``, or of rules;
            an object with ``forward`` and ``backward``, by these or other usual names (its float arrays that
            get a gradient, ``W`` with ``dW`` or in ``grads``, are checked too), a class of them, or a list of
            them; a network with ``loss(x, t)`` and ``gradient(x, t)``; a pair of functions
            ``(forward, backward)``; a class with ``forward(ctx, ...)``; a ``torch.autograd.Function``, an
            ``nn.Module``; a ``jax.custom_vjp`` function; any function of PyTorch's or JAX's arrays.
        inputs: arrays, numbers, or nested lists of them. Floating-point ones are checked, in float64;
            the others (labels, indices) are passed along.
        options: further named arguments for the forward.
        loss: for a network, ``loss(net(*xs), t)``, where t is the last of the inputs.
        adapter: for a pair of functions, ``adapter(forward, backward)`` gives
            ``f(*inputs) -> (out, backward)``.
        methods: the names of an object's forward and backward, where they are none of those that are known.
        seed: of the random douts and directions.
        budget: seconds after which it says what it knows by then.
        progress: called with a few words now and then.

    Returns:
        a ``Report``: ``ok`` (True right wherever there is a derivative, kinks aside; False wrong; None there
        is no derivative here, or it cannot tell), ``verdict``, ``causes`` (the best explanation first),
        ``digits``, and all of it in ``str(report)``.

    Raises:
        TypeError: the target is none of these.

    Examples:
        >>> report = hg.check(hg.affine, np.ones((3, 4)), np.ones((4, 5)), np.ones(5))
        >>> report.ok
        True
        >>> wrong = hg.check(lambda x: (x * x, lambda dout: x * dout), np.array([1.0, 2.0, 3.0]))
        >>> wrong.ok, wrong.inputs[0].wrong
        (False, 3)
    """
    for x in leaves(list(inputs)):
        if isinstance(x, np.ndarray):
            plain(x, "an input to check", kinds="fiub")
    with own_randomness(target), quiet():
        subject = subject_of(target, inputs, options, loss, adapter, methods)
        if not any(subject.checked):
            subject = subject_of(
                target, tuple(tree_map(_floated, list(inputs))), options, loss, adapter, methods
            )
            subject.notes.append("no input is floating-point, so the integers are taken as numbers")
        return examine(subject, seed, Clock(budget, progress))


def _floated(x: Any) -> Any:
    is_whole = isinstance(x, int) and not isinstance(x, bool)
    is_whole = is_whole or getattr(getattr(x, "dtype", None), "kind", None) in ("i", "u", "b")
    return np.asarray(x, float) if is_whole else x


def examine(subject: Subject, seed: int, clock: Clock, light: bool = False) -> Report:
    """A subject at its own values, and near them. ``light``: the numbers at its own values alone."""
    began = time.perf_counter()
    examination = Examination(subject, seed, clock, light)
    report = examination.run()
    report.seconds = time.perf_counter() - began
    return report


class Examination:
    """One check under way."""

    def __init__(self, subject: Subject, seed: int, clock: Clock, light: bool = False):
        self.subject, self.seed, self.clock, self.light = subject, seed, clock, light
        self.findings = Findings(notes=list(subject.notes))
        self.inputs: list[InputReport] = []
        self.kinks: list[kinks.Kink] = []
        self.points = 1
        self.ran: Ran | None = None
        self.is_looked_at = False  # the numbers at the point itself
        self.parts: list[Report] = []
        self.consequences: list[str] = []

    def run(self) -> Report:
        try:
            self._examine()
        except OutOfTime as late:
            said = f"the time budget was spent at: {late}"
            if self.is_looked_at:
                self.findings.notes.append(said)
            else:
                self.findings.doubts.append(f"{said}; allow more than {self.clock.budget:g} s")
        return self._report()

    def _examine(self) -> None:
        trial = self._trial(self.subject.values)
        if trial is None:
            return
        hazards.forward_repeats(trial, self.findings)
        if self.findings.doubts:
            return
        with self.findings.ours("the numbers could not be compared", is_needed=True):
            trial.run()
        if not self.light and trial.is_in_doubt:
            with self.findings.ours("its parts could not be looked at one by one"):
                self._find_first_wrong()
        if not self.parts:
            with self.findings.ours("the numbers could not be compared", is_needed=True):
                trial.resolve()
        for result in trial.results:
            self.inputs.append(described(result, trial))
            self._explain(trial, result, "")
        self._explain_by_two(trial)
        self.is_looked_at = True
        if not trial.results:
            self.findings.doubts.append("there is nothing to check: no input is floating-point")
        if self.parts:
            self._take_over()
            return
        if not np.isfinite(trial.f0).all() and trial.f0.size:
            many = int((~np.isfinite(trial.f0)).sum())
            self.findings.notes.append(f"{many} of {trial.f0.size} outputs are not finite at these inputs")
        if trial.steep.any():
            many = int(trial.steep.sum())
            said = f"{many} of {trial.f0.size} outputs have no finite slope at these inputs"
            self.findings.notes.append(said)
        if (trial.kinked | trial.steep).any():
            with self.findings.ours("its kinks could not be looked at"):
                self._at_kinks(trial, "")
        for result in trial.results:
            self._tell_nan(trial, result)
        if self.light:
            return
        hazards.look(trial, self.findings)
        if not self.findings.causes and not self._is_wrong() and not self.findings.doubts:
            with self.findings.ours("other points could not be looked at"):
                self._probe(trial)

    def _find_first_wrong(self) -> None:
        """In a network: which of its parts is wrong, each on the values that it really saw."""
        parts = parts_of(self.subject)
        if not parts:
            return
        self.parts = first_wrong(self.subject, self.seed, self.clock, examine, parts)
        if self.parts:
            self.consequences = consequences(self.subject, parts, self.parts)
        elif self.clock.left > 0:
            self.findings.notes.append(
                f"each of its {len(parts)} parts is right on the values that it saw: "
                f"what puts them together is wrong"
            )

    def _take_over(self) -> None:
        """The network is wrong because of its first wrong part, and so are the gradients behind it."""
        wrong = {i.name for i in self.inputs if i.verdict == WRONG}
        self.consequences = [name for name in self.consequences if name in wrong]
        first = self.parts[0]
        self.findings.causes = [
            replace(cause, sentence=f"{first.target}: {cause.sentence}", input=None) for cause in first.causes
        ]

    def _trial(self, values: list[Any]) -> Trial | None:
        try:
            return self._without_data(Trial(self.subject, values, self.seed, self.clock))
        except Unfit as error:
            self.findings.wrong(Kind.SHAPE, str(error), explains=Explains.LAW)
        except BackwardFailed as error:
            self.findings.wrong(*raised(str(error)))
            self.findings.causes[-1].line = line_of_error(error.__cause__, self._files())
        return None

    def _files(self) -> set[str]:
        """The author's."""
        codes = [getattr(f, "__code__", None) for f in (*self.subject.functions(), *self.subject.code)]
        return {code.co_filename for code in codes if code is not None}

    def _without_data(self, trial: Trial) -> Trial:
        """Inputs whose gradient is not asked for need none."""
        for k in trial.checked:
            if k in self.subject.data and all(grads[k] is None for grads in trial.raw):
                self.subject.checked[k] = False
                said = "does not ask needs_input_grad for it, and returns None: it is taken as data"
                self.findings.notes.append(f"{self.subject.names[k]}: the backward {said}")
        return trial

    def _is_wrong(self) -> bool:
        return any(i.verdict == WRONG for i in self.inputs)

    def _is_undefined(self) -> bool:
        """Whether there is no derivative by any element to compare with."""
        filled = [i.verdict for i in self.inputs if i.elements]
        return bool(filled) and all(verdict == UNDEFINED for verdict in filled)

    def _explain(self, trial: Trial, result: InputTrial, where: str) -> None:
        """The causes of one wrong input."""
        if result.columns is None or described(result, trial).verdict != WRONG:
            return
        found: list[Cause] = []
        with self.findings.ours(f"the cause of what is wrong with {result.name} could not be looked for"):
            found = causes_of(trial, result)
        if not found:
            found = [unexplained(result.name)]
        fixed = next((cause for cause in found if cause.fix), None)
        if fixed is not None:
            found[0].line, found[0].fix = fixed.line, fixed.fix
        self._add(found, result, where)

    def _explain_by_two(self, trial: Trial) -> None:
        """What no single mistake explains may be two."""
        for cause in [c for c in self.findings.causes if c.explains == Explains.NOTHING]:
            result = next((r for r in trial.results if r.name == cause.input and r.columns is not None), None)
            found = [] if result is None else causes_of_two(trial, result)
            if result is not None and found:
                self.findings.causes.remove(cause)
                self._add(found, result, "")

    def _add(self, found: list[Cause], result: InputTrial, where: str) -> None:
        for cause in found:
            cause.sentence = f"{where}{cause.sentence}"
            cause.line = cause.line or self._line(result.index)
        self.findings.causes += found

    def _tell_nan(self, trial: Trial, result: InputTrial) -> None:
        """A gradient that is not finite where there is no derivative: told; at a kink, wrong."""
        k, name = result.index, result.name
        bad = trial.not_finite(k) & trial.off[k]
        if result.is_off or not bad.any():
            return
        with self.findings.ours("nan could not be looked for"):
            raw = trial.gradients(np.ones(trial.f0.shape))[k]  # log at 0 has infinity, which is no nan
            bad &= np.isnan(raw) if np.shape(raw) == bad.shape else False
        if not bad.any():
            return
        place = at_place(name, tuple(int(i) for i in np.argwhere(bad)[0]))
        where = f"the gradient of {name} is nan at {place} = {result.x[bad][0]:.6g}"
        others = f" and {int(bad.sum()) - 1} more" if bad.sum() > 1 else ""
        no_slope = trial.steep | ~np.isfinite(trial.f0)
        if trial.kinked.any():
            with self.findings.ours("its kinks could not be looked at"):
                kink = bad & reaching(trial, k, trial.kinked) & ~reaching(trial, k, no_slope)
                if kink.any():
                    said = (
                        "where the slopes to the two sides are finite, and any between them would do: 0 / 0?"
                    )
                    self.findings.wrong(
                        Kind.UNSTABLE, f"{where}{others}, {said}", name, Explains.NUMBERS, 100
                    )
                    next(i for i in self.inputs if i.name == name).verdict = WRONG
                    return
        self.findings.notes.append(f"{where}{others}, where there is no derivative")

    def _line(self, k: int) -> Any:
        is_own = k in self.subject.parameters
        parameter = self.subject.names[k].rpartition(".")[2] if is_own else None
        return line_of_gradient(self.subject.code, k, parameter, self._returns())

    def _returns(self) -> Ran:
        """The lines on which the author's functions return, seen by running a backward once more."""
        if self.ran is None:
            self.ran = lines_run(self._run_once, self._files())
        return self.ran

    def _run_once(self) -> None:
        with quiet(), contextlib.suppress(Exception):
            outs, back = self.subject.pair(copied(self.subject.values))
            back([np.ones(np.shape(o)) for o in outs])

    def _at_kinks(self, trial: Trial, where: str) -> None:
        if is_extreme(trial, also_off=True):  # how steep a side is cannot be seen
            self.kinks = self.kinks if where else kinks.kinks_of(trial)
            if not where:
                self._make_unclear(kinks.leaning_on(trial, trial.kinked | trial.steep))
            return
        there = kinks.at_kinks(trial)
        wrong = [result for result in there.results if result.wrong is not None and result.wrong.any()]
        for result in wrong:
            self._replace(described(result, there))
            self._explain(there, result, where)
        if not where:
            self.kinks = kinks.kinks_of(trial)
            self._make_unclear([result.name for result in there.results if result.problem == "unseen"])
            self._make_unclear(kinks.leaning_on(trial, trial.unseen))
        if wrong:
            return
        beyond = kinks.outside(trial)
        if beyond is not None:
            name, said = beyond
            self.findings.wrong(Kind.TIES, f"{where}{said}", name, Explains.SOME, 100)
            next(i for i in self.inputs if i.name == name).verdict = WRONG
            self.findings.causes[-1].line = self._line(self.subject.names.index(name))

    def _make_unclear(self, names: list[str]) -> None:
        for part in self.inputs:
            if part.name in names and part.verdict == RIGHT:
                part.verdict = UNCLEAR

    def _replace(self, part: InputReport) -> None:
        self.inputs = [part if i.name == part.name else i for i in self.inputs]

    def _probe(self, trial: Trial) -> None:
        if self.subject.is_of_library:
            return  # right in whatever domain its rules have
        with quiet():
            overflow = probes.overflows(trial)
        if overflow is not None:
            self.findings.wrong(Kind.UNSTABLE, overflow, explains=Explains.LITTLE)
            return
        for where, values in probes.points(trial):
            self.clock.look(where)
            if not self._probe_at(where, values, trial):
                return

    def _probe_at(self, where: str, values: list[Any], base: Trial) -> bool:
        """Check at another point, if it is in the domain. False: it is wrong there."""
        try:
            there = Trial(self.subject, values, self.seed, self.clock, base.use_complex, many=1)
            if there.f0.shape == base.f0.shape and np.isfinite(there.f0).all() and there.is_plainly_right():
                self.points += 1
                return True
        except Exception:  # outside the domain, or wrong there
            pass
        with quiet():
            try:
                f0 = self.subject.outputs(copied(values))
            except Exception:
                return True
        if f0.shape != base.f0.shape or not np.isfinite(f0).all():
            return True
        try:
            there = Trial(self.subject, values, self.seed, self.clock)
        except (BackwardFailed, Unfit) as error:
            self.findings.notes.append(f"{where} the backward fails: {error}")
            return True
        there.run()
        for result in there.resolve():
            if all(g is None for g in result.got):
                continue  # said to be a constant, and at the first point it was one
            if described(result, there).verdict == WRONG:
                self._replace(described(result, there))
                self._explain(there, result, f"{where}: ")
        if (there.kinked | there.steep).any() and not self._is_wrong():
            self._at_kinks(there, f"{where}: ")
        if self._is_wrong() or self.findings.causes:
            return False
        self.points += 1
        return True

    def _report(self) -> Report:
        f = self.findings
        f.causes.sort(key=lambda cause: cause.rank)
        if f.causes or self._is_wrong():
            verdict = WRONG
        elif self._is_undefined() and not f.doubts:
            verdict = UNDEFINED
        elif f.doubts or any(i.verdict == UNCLEAR for i in self.inputs):
            verdict = UNCLEAR
        else:
            verdict = KINK if self.kinks else RIGHT
        if verdict == UNCLEAR and not f.doubts:
            names = ", ".join(i.name for i in self.inputs if i.verdict == UNCLEAR)
            f.doubts.append(
                f"round-off is too large to see the derivative by {names}; give inputs of moderate size, "
                f"away from points where the outputs nearly cancel or jump"
            )
        return Report(
            self.subject.name,
            verdict,
            self.inputs,
            f.causes,
            self.kinks,
            _once(f.notes),
            _once(f.doubts),
            self.points,
            self.parts,
            self.consequences,
            whose=self.subject.whose,
        )


def unexplained(name: str) -> Cause:
    """When no guess fits, the likeliest is a path that was forgotten."""
    return Cause(
        Kind.MISSING_PATH,
        f"the gradient of {name} is wrong in a way that no single known mistake explains; most often a "
        f"path through the forward, or a term of the chain rule, is missing",
        name,
        Explains.NOTHING,
        10,
    )


def _once(lines: list[str]) -> list[str]:
    return list(dict.fromkeys(lines))


def raised(message: str) -> tuple[Kind, str, None, Explains, int]:
    """A backward that failed: what kind of mistake that is, as far as the message says."""
    sentence = f"the backward {message}"
    if "modified by an inplace operation" in message:
        return (
            Kind.MUTATES,
            f"{sentence.splitlines()[0]}: what was saved for the backward is written into",
            None,
            Explains.NUMBERS,
            1,
        )
    if "shape" in message or "broadcast" in message or "size" in message:
        return Kind.SHAPE, sentence, None, Explains.LITTLE, 100
    return Kind.RAISES, sentence, None, Explains.LITTLE, 100


def described(result: InputTrial, trial: Trial) -> InputReport:
    """One input's part of the report."""
    x, c = result.x, result.columns
    part = InputReport(result.name, x.shape, RIGHT, result.digits, x.size)
    if result.off is not None and result.off.any():
        place = tuple(int(i) for i in np.argwhere(result.off)[0])
        part.undefined, part.first_off = result.off, f"{at_place(result.name, place)} = {x[place]:.6g}"
    if result.is_off and result.problem != "shape":
        part.verdict = UNDEFINED
        return part
    if result.problem in ("unclear", "unseen"):
        part.verdict = UNCLEAR
        return part
    if result.problem is None or (x.size == 0 and result.problem != "shape"):
        return part
    if c is None or result.problem == "shape":
        part.verdict = WRONG
        return part
    part.looked_at = int(c.elements.size)
    assert result.wrong is not None
    part.wrong = int(result.wrong.sum())
    part.verdict = WRONG if part.wrong else RIGHT
    if part.wrong:
        _show_worst(part, result, x)
    return part


def _show_worst(part: InputReport, result: InputTrial, x: np.ndarray) -> None:
    c = result.columns
    assert c is not None
    assert result.wrong is not None
    got = np.zeros(c.elements.size) if result.got[0] is None else np.ravel(result.got[0])[c.elements]
    due = c.by_dout[0]
    with np.errstate(all="ignore"):
        largest = max(float(np.max(np.abs(due), initial=0.0)), 1e-300)
        share = np.where(np.isfinite(got), np.abs(got - due) / largest, np.inf)
        share = np.where(c.rough, 0.0, share)
    order = np.argsort(-np.where(result.wrong, share, -1.0), kind="stable")[: min(3, part.wrong)]
    part.worst = [
        Worst(tuple(int(i) for i in np.unravel_index(c.elements[n], x.shape)), float(due[n]), float(got[n]))
        for n in order
    ]
    error = np.full(x.size, np.nan)
    error[c.elements] = np.minimum(share, 1e300)
    part.error = error.reshape(x.shape)
