"""Which single edit of the author's backward makes it right?

The derivative of the values is known, so a changed backward can be judged. Small edits, each taking back
a mistake that people make, are tried on the source of the backward: the one that makes the gradient right
says what is wrong, in which line, and how that line would read.
"""

from __future__ import annotations

import ast
import contextlib
import inspect
import itertools
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad.checking.causes.edits import Edit, Scope, Slot, anew, edits, is_array
from handgrad.checking.causes.evidence import Evidence
from handgrad.checking.equality import same
from handgrad.checking.findings import Cause
from handgrad.checking.following.rebinding import Rebinder, is_foreign
from handgrad.checking.memory import enclosed, names_of
from handgrad.checking.quietly import quiet
from handgrad.checking.source import Line, parsed
from handgrad.checking.subject import Subject, copied, joined, parted
from handgrad.checking.watching import watching
from handgrad.checking.work import work_of

# The edits tried in one check, for all its inputs together: fewer where one is much work.
TRIES, TRIES_BY_JAX = 4000, 400
WORK, WORK_OF_COMPILING = 100_000_000, 2_000
LIKELY = 8  # choices: such edits of all functions are tried before any others
PAIRS, FIRSTS, ALIVE, ALIKE = 5000, 3, 120, 2  # of two edits: tries; firsts; those that change anything
FORBIDDEN = ("open", "exec", "eval", "input", "system", "remove", "unlink", "rmtree", "print", "__import__")


@dataclass
class Unit:
    """One function of the author's that takes part in the backward."""

    function: types.FunctionType
    is_helper: bool


class Source:
    """A function's syntax tree, and how to make the function anew from it."""

    def __init__(self, unit: Unit):
        f = unit.function
        lines, self.first = inspect.getsourcelines(f)
        self.file = inspect.getsourcefile(f) or ""
        self.unit = unit
        module = ast.parse(textwrap.dedent("".join(lines)))
        node = module.body[0]
        if not isinstance(node, ast.FunctionDef):
            raise OSError("not a plain function")
        self.definition = node
        node.decorator_list = []
        node.returns = None
        node.args.defaults = [ast.Constant(None) for _ in node.args.defaults]
        node.args.kw_defaults = [None if d is None else ast.Constant(None) for d in node.args.kw_defaults]
        for argument in [*node.args.args, *node.args.posonlyargs, *node.args.kwonlyargs]:
            argument.annotation = None
        ast.fix_missing_locations(node)
        if any(isinstance(n, ast.While) for n in ast.walk(node)):
            raise OSError("a while loop might not end")
        called = {
            n.func.id if isinstance(n.func, ast.Name) else getattr(n.func, "attr", "")
            for n in ast.walk(node)
            if isinstance(n, ast.Call)
        }
        if called & set(FORBIDDEN):
            raise OSError("it reaches outside")

    def parts(self) -> Sequence[ast.AST]:
        """The functions in it that may be the backward: those inside it first, and itself."""
        inner = [
            n
            for n in ast.walk(self.definition)
            if isinstance(n, (ast.FunctionDef, ast.Lambda)) and n is not self.definition
        ]
        own = [n for n in inner if isinstance(n, ast.Lambda) or n.name != "forward"]
        return [*own, self.definition]

    def made(self, namespace: dict) -> types.FunctionType:
        """The function as the tree now has it."""
        f = self.unit.function
        free = f.__code__.co_freevars
        outer = ast.parse(f"def __outer__({', '.join(free)}):\n    pass").body[0]
        assert isinstance(outer, ast.FunctionDef)
        outer.body = [self.definition]
        whole = compile(ast.Module([outer], []), self.file, "exec")
        outer_code = next(c for c in whole.co_consts if isinstance(c, types.CodeType))
        code = next(c for c in outer_code.co_consts if isinstance(c, types.CodeType))
        cells = dict(zip(free, f.__closure__ or (), strict=True))
        closure = tuple(cells[name] for name in code.co_freevars)
        code = code.replace(co_firstlineno=f.__code__.co_firstlineno)  # so that its source is found
        made = types.FunctionType(code, namespace, f.__name__, f.__defaults__, closure)
        made.__kwdefaults__ = f.__kwdefaults__
        made.__module__ = f.__module__
        return made

    def line(self, number: int, text: str) -> Line:
        return Line(self.file, self.first + number - 1, text)


def units(subject: Subject) -> list[Unit]:
    """The author's functions, the backward first, then what it calls."""
    found: dict[int, Unit] = {}
    queue: list[tuple[Any, int]] = [(f, 0) for f in subject.functions()]
    while queue:
        f, depth = queue.pop(0)
        if not isinstance(f, types.FunctionType) or id(f) in found or is_foreign(f) or depth > 2:
            continue
        found[id(f)] = Unit(f, depth > 0)
        named = [f.__globals__.get(name) for name in names_of(f.__code__)]
        queue += [(held, depth + 1) for held in (*named, *enclosed(f))]
    return list(found.values())


def sources(found: Iterable[Unit]) -> Iterator[Source]:
    """Those of the functions whose source can be had and may be edited."""
    for unit in found:
        with contextlib.suppress(OSError, TypeError, SyntaxError):
            yield Source(unit)


def repaired(e: Evidence) -> Iterator[Cause]:
    """The edits that make this gradient right."""
    if e.trial.subject.functions is not None and e.is_whole:
        yield from Repair(e).search()


def repaired_twice(e: Evidence) -> Iterator[Cause]:
    """The pairs of edits that make this gradient right: one that repairs another gradient first."""
    if e.trial.subject.functions is not None and e.is_whole:
        yield from Repair(e).search_pairs()


def saved(e: Evidence) -> Iterator[Cause]:
    """What the forward writes in place: right if what was saved stays as it was?"""
    subject = e.trial.subject
    is_cut = all(np.array_equal(g, np.round(g)) for g in e.got)  # written into integers
    if subject.rebuilt is None or not e.is_whole or is_cut:
        return
    repair = Repair(e)
    for source in sources(Unit(f, False) for f in forwards(subject)):
        for edit in anew(source.definition):
            cause = repair.tried((source, edit)) if repair.may_try() else None
            if cause is not None:
                yield cause


def forwards(subject: Subject) -> Sequence[Any]:
    """The author's functions that run forward; where one function has both, that one."""
    if subject.style == "layer":
        return [getattr(type(subject.inner), name) for name in subject.forwards]
    return [f for f in subject.code if f not in subject.functions()] or subject.code


Placed = tuple[Source, Edit]
Right = tuple[Edit, Cause]
Changed = tuple[float, Placed]  # an edit, and the share of the error that it leaves


@dataclass
class Tries:
    """What the searches of one check share: the edits of each function, and those that repair."""

    edits: list[list[Placed]] = field(default_factory=list)
    rest: Iterator[list[Placed]] | None = None  # of the functions that were not looked at so far
    right: list[Placed] = field(default_factory=list)
    pairs: list[tuple[Placed, Placed]] = field(default_factory=list)  # that repair


class Repair:
    """The search for an edit."""

    def __init__(self, e: Evidence):
        self.e, self.subject = e, e.trial.subject
        self.clock = e.trial.clock
        work = WORK_OF_COMPILING + work_of(lambda: e.trial.gradients(e.douts[0]), e.trial.size)
        self.most = min(TRIES_BY_JAX if self.subject.style == "jax" else TRIES, WORK // work)
        self.due = e.expected
        self.sizes = tuple(
            dict.fromkeys(
                n for x in [*e.trial.values, *e.trial.outs] for n in (*np.shape(x), int(np.size(x))) if n > 1
            )
        )
        self.changes: dict[bytes, list[Changed]] = {}  # by the gradient that they give, the likeliest edits

    def may_try(self) -> bool:
        """Whether one more edit may be tried; it is counted."""
        return self.clock.allows_repair(self.most)

    @property
    def tries(self) -> Tries:
        """Kept with the trial: the places of two edits are in one tree."""
        return vars(self.e.trial).setdefault("_tries", Tries())

    def edits(self) -> Iterator[list[Placed]]:
        """Of each of the author's functions that take part, the likeliest first."""
        tries = self.tries
        yield from tries.edits
        tries.rest = tries.rest or self.found_edits()
        for placed in tries.rest:
            tries.edits.append(placed)
            yield placed

    def found_edits(self) -> Iterator[list[Placed]]:
        for source in sources(units(self.subject)):
            *inner, whole = source.parts()
            for part in (*inner, whole):
                found = [
                    (source, edit)
                    for edit in edits(part, self.scope(source, part))
                    if part is not whole or not set(edit.slot.path) & set(inner)
                ]
                yield sorted(found, key=lambda placed: placed[1].choices)

    def search(self) -> list[Cause]:
        """The best of all single edits, those of the backward first; see ``Edit.is_given``."""
        known = {id(edit): (source, edit) for source, edit in self.tries.right}
        tried = [(edit, self.tried((source, edit))) for source, edit in known.values()]
        found = [(edit, cause) for edit, cause in tried if cause is not None]
        for is_likely in (True, False):
            for function in self.edits():
                placed = [each for each in function if (each[1].choices <= LIKELY) == is_likely]
                found = self.those_right(placed, found)
                if any(not edit.is_given for edit, _ in found):
                    break
            if found:
                break
        return [cause for _, cause in sorted(found, key=lambda pair: pair[0].choices)][:4]

    def those_right(self, placed: list[Placed], found: list[Right]) -> list[Right]:
        """What was found, and those of these edits that are no less likely."""
        least = min((edit.choices for edit, _ in found), default=None)
        for source, edit in placed:
            if (least is not None and edit.choices >= least) or not self.may_try():
                break
            cause = self.tried((source, edit))
            if cause is not None:
                self.tries.right.append((source, edit))
                found = [*found, (edit, cause)]
                least = min(2 * edit.choices + 1, least or 10**9)
        return found

    def search_pairs(self) -> list[Cause]:
        """The first pair that repairs; what repairs another input's gradient is tried first."""
        for pair in self.pairs():
            cause = self.tried(*pair) if self.may_pair() else None
            if cause is not None:
                self.tries.pairs.append(pair)
                return [cause]
        return []

    def pairs(self) -> Iterator[tuple[Placed, Placed]]:
        """The likeliest first: of few choices, and one of them brings the gradient nearer to what is due."""
        yield from list(self.tries.pairs)
        singles = [placed for function in self.edits() for placed in function]
        singles.sort(key=lambda placed: placed[1].choices)
        firsts = {id(edit): (source, edit) for source, edit in self.tries.right}
        yield from itertools.product(list(firsts.values())[:FIRSTS], singles)

        def unlikely(two: tuple[Changed, Changed]) -> float:
            (left, (_, first)), (other_left, (_, second)) = two
            return min(left, other_left, 1.0) * first.choices * second.choices

        for one, two in sorted(itertools.combinations(self.alive(singles), 2), key=unlikely):
            yield one[1], two[1]

    def may_pair(self, share: float = 1.0) -> bool:
        """Whether one more pair may be tried, or an edit that may be one of two: within a share of them."""
        return self.clock.allows_repair(self.most * (1 + share * PAIRS / TRIES))

    def alive(self, singles: list[Placed]) -> list[Changed]:
        """The edits that change this gradient, of those that give the same the likeliest two."""
        for placed in singles:
            if not self.may_pair(0.5):
                break
            self.tried(placed)
        return [changed for same in self.changes.values() for changed in same[:ALIKE]][:ALIVE]

    def tried(self, *placed: Placed) -> Cause | None:
        """The cause if these edits together make the gradient right."""
        undo: list[tuple[Slot, Any]] = []
        before, fixes = [], []
        try:
            for _, edit in placed:
                before.append(edit.slot.get())
                for each in edit.all():
                    held = each.slot.get()
                    undo.append((each.slot, held))
                    each.slot.put(_located(each.node, held))
            functions = {source.unit.function: source for source, _ in placed}
            made = {id(f): source.made(f.__globals__) for f, source in functions.items()}
            if not self.is_right(made, any(source.unit.is_helper for source, _ in placed), placed):
                return None
            for (_, edit), old in zip(placed, before, strict=True):
                after = _one_line(edit.node if isinstance(old, ast.stmt) else edit.slot.statement)
                after = "(without this line)" if after == "pass" else after
                fixes.append(edit.shown[1] if edit.shown else after)
        except Exception:  # most edits make no sense
            return None
        finally:
            for slot, old in reversed(undo):
                slot.put(old)
        causes = [self.named(*each, *told) for each, *told in zip(placed, before, fixes, strict=True)]
        return causes[0] if len(causes) == 1 else self.both(*causes)

    def named(self, source: Source, edit: Edit, old: Any, fix: str) -> Cause:
        """An edit as a cause: the line that it changes, and how that reads then."""
        where = f"in {source.definition.name}, " if source.unit.is_helper else ""
        said = f"{self.e.d} is right with one change: {where}{edit.said}"
        cause = self.e.cause(edit.kind, said, choices=edit.choices)
        statement = edit.shown[0] if edit.shown else old if isinstance(old, ast.stmt) else edit.slot.statement
        cause.line, cause.fix = source.line(statement.lineno, _one_line(statement)), fix
        return cause

    def both(self, first: Cause, second: Cause) -> Cause:
        """Two mistakes at once."""
        one, other = (cause.sentence.partition(": ")[2] for cause in (first, second))
        also = f"{other} ({second.line}, right as: {second.fix})"
        first.sentence = f"{self.e.d} is right with two changes: {one}; and {also}"
        first.choices, first.second = 10 * first.choices * second.choices, second
        return first

    def is_right(self, made: dict[int, Any], deep: bool, placed: Sequence[Placed]) -> bool:
        """Whether the gradient is what is due, and the output and what was right are still what they were."""
        subject = self.subject.rebuilt(Rebinder(made, deep=deep))
        with quiet():
            for k, (u, due, got) in enumerate(zip(self.e.douts, self.due, self.e.got, strict=True)):
                outs, back = subject.pair(copied(self.e.trial.values))
                if not same(joined(outs), self.e.trial.f0, 1e-9):
                    return False
                grads = back(parted(u, self.e.trial.outs))
                g = grads[self.e.index]
                g = None if g is None else self.subject.fit(self.e.index, np.asarray(g))
                if g is None or not self.e.near(g, due):
                    if len(placed) == 1 and g is not None and g.shape == due.shape and np.isfinite(g).all():
                        self._keep(g, got, due, placed[0])
                    return False
                if not self.leaves_right(grads, k):
                    return False
        return True

    def leaves_right(self, grads: Sequence[Any], k: int) -> bool:
        """Whether the gradients by other inputs, for this dout, are as they were where they were right."""
        for result in self.e.trial.results:
            if result.index == self.e.index or result.problem is not None:
                continue
            g = grads[result.index]
            g = None if g is None else self.subject.fit(result.index, np.asarray(g))
            if not same(g, result.got[k], 1e-6):
                return False
        return True

    def _keep(self, g: np.ndarray, got: np.ndarray, due: np.ndarray, placed: Placed) -> None:
        """An edit that changes the gradient, if not to what is due."""
        if not self.e.near(g, got):
            left = float(np.sum(np.abs(g - due)) / np.sum(np.abs(got - due)))
            self.changes.setdefault(np.round(g, 9).tobytes(), []).append((left, placed))

    def scope(self, source: Source, part: ast.AST) -> Scope:
        """What the names held, seen by running it once."""
        name = part.name if isinstance(part, ast.FunctionDef) else "<lambda>"
        frames = locals_of(self.run_once, source, name)
        values: dict[str, Any] = {}
        for held in frames:
            for key, value in held.items():
                values.setdefault(key, value)
                if key in ("self", "ctx") and hasattr(value, "__dict__"):
                    of_class = {k: getattr(type(value), k, None) for k in dir(type(value))}
                    of_class = {k: v for k, v in of_class.items() if isinstance(v, (int, float))}
                    for attribute, inner in (of_class | vars(value)).items():
                        values.setdefault(f"{key}.{attribute}", inner)
        for key in free_globals(source.unit.function):
            value = source.unit.function.__globals__.get(key)
            if is_array(value) or isinstance(value, (int, float)):
                values.setdefault(key, value)
        values = {k: v for k, v in values.items() if not k.startswith("__")}
        called = {k: source.unit.function.__globals__.get(k) for k in free_globals(source.unit.function)}
        values |= {k: f for k, f in called.items() if isinstance(f, types.FunctionType)}
        values |= {repr(c): c for c in literals(self.subject) if repr(c) not in values}
        raw, inputs = self.e.trial.raw[0], frozenset(self.subject.names)
        douts = frozenset(k for k, v in values.items() if _holds(v, self.e.douts[0]))
        grads = frozenset(
            k for k, v in values.items() if any(_holds(v, np.ravel(g)) for g in raw if g is not None)
        )
        return Scope(values, douts, inputs, grads, self.sizes)

    def run_once(self) -> None:
        """A forward and a backward by the author's own code, not by what was compiled of it."""
        with quiet():
            _, back = self.subject.rebuilt(Rebinder({}, deep=False)).pair(copied(self.e.trial.values))
            back(parted(self.e.douts[0], self.e.trial.outs))


def literals(subject: Subject) -> set[float]:
    """The numbers with a point in the author's source, the forward's among them: a factor may be missing."""
    found: set[float] = set()
    for code in subject.code:
        source = parsed(code)
        for node in ast.walk(source.tree) if source is not None else ():
            if isinstance(node, ast.Constant) and isinstance(node.value, float):
                found.add(node.value)
    return found


def _holds(value: Any, flat: np.ndarray) -> bool:
    """Whether this is an array with these numbers."""
    if not is_array(value) or np.size(value) != flat.size:
        return False
    try:
        held = np.ravel(np.asarray(value)) if not hasattr(value, "detach") else value.detach().numpy().ravel()
    except Exception:  # a tracer has no values
        return False
    return bool(np.array_equal(held, flat))


def free_globals(f: types.FunctionType) -> set[str]:
    return set(names_of(f.__code__))


def locals_of(run: Callable, source: Source, name: str) -> list[dict[str, Any]]:
    """The local names of the function (innermost first) whenever it returned."""
    inner: list[dict[str, Any]] = []
    outer: list[dict[str, Any]] = []
    file = source.unit.function.__code__.co_filename

    def watch(frame: Any, event: str, result: Any) -> None:
        if event != "return" or frame.f_code.co_filename != file:
            return
        if frame.f_code.co_name == name and source.first <= frame.f_lineno:
            inner.append(dict(frame.f_locals))
        elif frame.f_code is source.unit.function.__code__:
            outer.append(dict(frame.f_locals))

    try:
        with watching(watch):
            run()
    except Exception:
        return []
    return inner[-1:] + outer[-1:]


def _located(node: Any, held: Any) -> Any:
    """What takes the place of a node or of statements, with places in the file throughout."""
    if isinstance(held, list):
        ast.fix_missing_locations(ast.Module(node, []))
        return node
    return ast.fix_missing_locations(ast.copy_location(node, held))


def _one_line(node: ast.AST) -> str:
    text = ast.unparse(node)
    return text if "\n" not in text else text.splitlines()[0]
