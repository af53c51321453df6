"""Loops made shorter: what a step need not compute itself stands before or after the loop, as one operation.

- Products and sums that do not depend on the carry are computed for all steps before the loop, with what they
  are made of: xₜ W for all t is one product.
- A sum of products, which a loop carries on, is one product after it: Σₜ aₜᵀ bₜ over steps and rows. So is
  what a sequence alone needs, bₜ Wᵀ.
- What a loop has computed already is kept for a later one, which would compute it again for a gradient.
- What nobody asks for is neither carried nor returned.

Values are those of the loop up to rounding, since sums run in another order.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from typing import Any

from handgrad.arrays import shape
from handgrad.program.batching import Batch
from handgrad.program.draft import Draft, rewrite
from handgrad.program.inference import ELEMENTWISE
from handgrad.program.keys import Keys
from handgrad.program.program import Operation, Program, symbols
from handgrad.program.symbol import Symbol

CHEAP = frozenset(
    """
    getitem reshape permute_dims broadcast_to flip
    negative equal not_equal less less_equal greater greater_equal
    """.split()
)
"""Operations whose results are not worth keeping."""

LIGHT = ELEMENTWISE | CHEAP
MANY_ROWS = 32  # of a product that is as quick by itself as with those of other steps
CACHES = 1 << 23  # bytes


@dataclasses.dataclass
class Loop:
    """A scan, taken apart. Pairs and tuples are of what is outside, and what stands for it in the body."""

    weights: list[tuple[Any, Any]]
    carry: list[tuple[Any, Any, Any, Any]]  # first value; in the body; the body's next; last value
    xs: list[tuple[Any, Any]]
    ys: list[tuple[Any, Any]]  # in the body; all of them
    operation: Operation
    lines: list[Operation]

    @staticmethod
    def of(operation: Operation) -> Loop:
        weights, carry, xs = operation.args
        body = operation.options["body"]
        inside, after = body.inputs, body.outputs
        finals, ys = operation.outs[: len(carry)], operation.outs[len(carry) :]
        return Loop(
            list(zip(weights, inside[0], strict=True)),
            list(zip(carry, inside[1], after[0], finals, strict=True)),
            list(zip(xs, inside[2], strict=True)),
            list(zip(after[1], ys, strict=True)),
            operation,
            list(body.operations),
        )

    @property
    def length(self) -> int:
        return self.operation.options["length"]

    @property
    def sizes(self) -> tuple[int, ...]:
        return len(self.carry), len(self.weights), len(self.xs), len(self.ys)

    def scan(self) -> Operation:
        """As an operation again, without lines that nothing needs."""
        old = self.operation.options["body"]
        body = Program(old.outer)
        body.inputs = (
            [w for _, w in self.weights],
            [c for _, c, _, _ in self.carry],
            [x for _, x in self.xs],
        )
        body.outputs = ([after for _, _, after, _ in self.carry], [y for y, _ in self.ys])
        needed = _needed(self.lines, body.outputs)
        body.operations = [line for line in self.lines if not needed.isdisjoint(map(id, line.outs))]
        args = ([w for w, _ in self.weights], [c for c, _, _, _ in self.carry], [x for x, _ in self.xs])
        outs = (*(final for *_, final in self.carry), *(out for _, out in self.ys))
        options = {**self.operation.options, "body": body}
        return dataclasses.replace(self.operation, out=outs, args=args, options=options)

    def over_time(self, x: Any, draft: Draft) -> Any:
        """The values that something in the body has in all steps: a sequence, or one more that it writes."""
        for outside, inside in self.xs:
            if inside is x:
                return outside
        for inside, out in self.ys:
            if inside is x:
                return out
        out = Symbol(draft.program.fresh_name(), (self.length, *shape(x)), x.dtype, draft.program)
        self.ys.append((x, out))
        return out


def pruned(operation: Operation, alive: set[int]) -> Operation:
    """A scan without what is neither alive nor needed for it; the same where all of it is."""
    loop = Loop.of(operation)
    before = loop.sizes
    loop.ys = [pair for pair in loop.ys if id(pair[1]) in alive]
    wanted = {id(inside) for _, inside, _, final in loop.carry if id(final) in alive}
    while True:
        outputs = [after for _, inside, after, _ in loop.carry if id(inside) in wanted]
        needed = _needed(loop.lines, outputs + [y for y, _ in loop.ys])
        more = {id(inside) for _, inside, _, _ in loop.carry} & needed
        if more <= wanted:
            break
        wanted |= more
    loop.carry = [entry for entry in loop.carry if id(entry[1]) in wanted]
    loop.weights = [pair for pair in loop.weights if id(pair[1]) in needed]
    loop.xs = [pair for pair in loop.xs if id(pair[1]) in needed]
    if loop.sizes == before:
        return operation
    return loop.scan()


def _needed(lines: list[Operation], outputs: Any) -> set[int]:
    needed = set(map(id, symbols(outputs)))
    for line in reversed(lines):
        if not needed.isdisjoint(map(id, line.outs)):
            needed |= line.uses
    return needed


def hoisted(program: Program) -> Program:
    """What does not depend on the carry, and is better made at once, computed before the loop."""
    return rewrite(program, _hoisted, of="scan")


def _hoisted(draft: Draft, operation: Operation) -> Any:
    loop = Loop.of(operation)
    batch = Batch(draft, loop.length, dict_of(loop.weights), dict_of(loop.xs))
    outside = _better_outside(loop)
    lines = [line for line in loop.lines if not (id(line.out) in outside and batch.takes(line))]
    if len(lines) == len(loop.lines):
        return None
    inside = {id(x) for _, x in (*loop.weights, *loop.xs)}
    used = {id(x): x for line in lines for x in line.symbols}
    used |= {id(x): x for x in symbols([c[2] for c in loop.carry])}
    results: dict[int, Any] = {}
    for y, out in loop.ys:
        if id(y) in batch.each:
            results[id(out)] = batch.each[id(y)]
        else:
            used[id(y)] = y
    loop.ys = [(y, out) for y, out in loop.ys if id(out) not in results]
    for key, x in used.items():
        if key not in inside and key in batch.once:
            loop.weights.append((batch.once[key], x))
        if key not in inside and key in batch.each:
            loop.xs.append((batch.each[key], x))
    loop.lines = lines
    draft.keep(loop.scan())
    return tuple(results.get(id(out), out) for out in operation.outs)


def _better_outside(loop: Loop) -> set[int]:
    """What does not depend on the carry, and is better made for all steps at once: what has products or sums
    in it, what they are made of, what is the same in each step, and what the loop does not read.

    Anything else would be written to memory, and read again by the step that it can be a part of; so would a
    product of many rows in each step, which is as quick there, where it leaves the caches.
    """
    same = {id(inside) for _, inside in loop.weights}
    free = same | {id(inside) for _, inside in loop.xs}
    heavy: set[int] = set()
    read = set(map(id, symbols([after for _, _, after, _ in loop.carry])))
    lines = []
    for line in loop.lines:
        if line.name == "scan" or not line.uses <= free:
            read |= line.uses
            continue
        lines.append(line)
        free.add(id(line.out))
        if line.uses <= same:
            same.add(id(line.out))
        elif not (line.name in LIGHT or _is_far(loop, line, same)) or not line.uses.isdisjoint(heavy):
            heavy.add(id(line.out))
    for line in reversed(lines):
        if id(line.out) in heavy:
            heavy |= line.uses
        elif id(line.out) in read:
            read |= line.uses
    return heavy | same | (free - read)


def _is_far(loop: Loop, line: Operation, same: set[int]) -> bool:
    """Whether a line is a product of many rows with a weight, too large for the caches in all steps."""
    if line.name != "matmul" or len(shape(line.out)) != 2 or id(line.args[1]) not in same:
        return False
    rows, columns = shape(line.out)
    return rows >= MANY_ROWS and loop.length * rows * columns * line.out.dtype.itemsize > CACHES


def dict_of(pairs: list[tuple[Any, Any]]) -> dict[int, Any]:
    return {id(inside): outside for outside, inside in pairs}


def summed(program: Program) -> Program:
    """Sums over the steps, which a loop carries on, made after it."""
    return rewrite(program, _summed, of="scan")


def _summed(draft: Draft, operation: Operation) -> Any:
    loop = Loop.of(operation)
    makers = {id(line.out): line for line in loop.lines}
    uses = Counter(id(x) for line in loop.lines for x in line.symbols)
    uses.update(map(id, symbols([[c[2] for c in loop.carry], [y for y, _ in loop.ys]])))
    later: list[tuple[Any, Any, Callable]] = []
    for entry in list(loop.carry):
        start, inside, after, final = entry
        made = makers.get(id(after))
        if made is None or made.name != "add" or id(inside) not in made.uses:
            continue
        if uses[id(inside)] > 1 or uses[id(after)] > 1:
            continue  # something else looks at it
        term = next((x for x in made.args if x is not inside), None)
        total = _total(loop, draft, makers, term) if shape(term) == shape(inside) else None
        if total is not None and getattr(term, "dtype", None) == inside.dtype:
            loop.carry = [other for other in loop.carry if other is not entry]
            later.append((start, final, total))
    if not later:
        return None
    draft.keep(loop.scan())
    results = {}
    for start, final, total in later:
        value = total()
        results[id(final)] = value if draft.uniform(start) == 0 else draft.emit("add", start, value)
    return tuple(results.get(id(out), out) for out in operation.outs)


def sunk(program: Program) -> Program:
    """A product with what is the same in each step, which only a sequence needs, made after the loop."""
    return rewrite(program, _sunk, of="scan")


def _sunk(draft: Draft, operation: Operation) -> Any:
    loop = Loop.of(operation)
    makers = {id(line.out): line for line in loop.lines}
    uses = Counter(id(x) for line in loop.lines for x in line.symbols)
    uses.update(map(id, symbols([[c[2] for c in loop.carry], [y for y, _ in loop.ys]])))
    once = dict_of(loop.weights)
    later: list[tuple[Any, Operation, Any]] = []
    for y, out in list(loop.ys):
        made = makers.get(id(y))
        if made is None or made.name != "matmul" or uses[id(y)] != 1:
            continue
        moving = [x for x in made.args if isinstance(x, Symbol) and id(x) not in once]
        if len(moving) == 1 and all(len(shape(x)) == 2 for x in made.args):
            loop.ys = [pair for pair in loop.ys if pair[0] is not y]
            later.append((out, made, moving[0]))
    if not later:
        return None
    each = {id(x): loop.over_time(x, draft) for _, _, x in later}
    draft.keep(loop.scan())
    batch = Batch(draft, loop.length, once, each)
    results = {id(out): batch.each[id(made.out)] for out, made, _ in later if batch.takes(made)}
    return tuple(results.get(id(out), out) for out in operation.outs)


def _total(loop: Loop, draft: Draft, makers: dict[int, Operation], x: Any) -> Callable[[], Any] | None:
    """How Σₜ xₜ is made after the loop, of what it writes; None where it would have to write much more."""
    if any(inside is x for _, inside in loop.xs):
        return lambda: draft.emit("sum", loop.over_time(x, draft), axis=0)
    line = makers.get(id(x))
    if line is None:
        return None
    rest, options = line.args[1:], line.options
    if line.name in ("reshape", "permute_dims", "negative"):
        inner = _total(loop, draft, makers, line.args[0])
        return None if inner is None else lambda: draft.emit(line.name, inner(), *rest, **options)
    if line.name == "add" and all(shape(part) == shape(x) for part in line.args):
        one, other = (_total(loop, draft, makers, part) for part in line.args)
        return None if one is None or other is None else lambda: draft.emit("add", one(), other())
    if line.name == "sum":
        return _sum_of_sums(loop, draft, line)
    if line.name == "matmul" and all(_is_matrix_of_step(loop, part) for part in line.args):
        return _sum_of_products(loop, draft, makers, *line.args)
    return None


def _sum_of_sums(loop: Loop, draft: Draft, line: Operation) -> Callable[[], Any]:
    """Σₜ Σᵢ x_ti, over steps and axes at once."""
    x, axis = line.args[0], line.options.get("axis")
    ndim = len(shape(x))
    axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    written = loop.over_time(x, draft)
    whole = (0, *(a % ndim + 1 for a in axes))
    return lambda: draft.emit("reshape", draft.emit("sum", written, axis=whole), line.out.shape)


def _sum_of_products(loop: Loop, draft: Draft, makers: dict[int, Operation], a: Any, b: Any) -> Callable:
    """Σₜ aₜ bₜ, a product over steps and what is summed in each."""
    (a, turned), (b, also) = (_untransposed(makers, x) for x in (a, b))
    letters = f"t{'nd' if turned else 'dn'},t{'mn' if also else 'nm'}->dm"
    sequences = loop.over_time(a, draft), loop.over_time(b, draft)
    return lambda: draft.emit("einsum", letters, *sequences)


def _is_matrix_of_step(loop: Loop, x: Any) -> bool:
    return isinstance(x, Symbol) and len(x.shape) == 2 and all(inside is not x for _, inside in loop.weights)


def _untransposed(makers: dict[int, Operation], x: Any) -> tuple[Any, bool]:
    """A matrix, and whether it is the transpose of what was asked for."""
    line = makers.get(id(x))
    if line is not None and line.name == "permute_dims" and isinstance(line.args[0], Symbol):
        return line.args[0], True
    return x, False


def kept(program: Program) -> Program:
    """What a loop computes from what an earlier one has computed it from is kept by the earlier."""
    if sum(operation.name == "scan" for operation in program.operations) < 2:
        return program
    loops: dict[int, int] = {}  # by the id of a sequence that a loop writes: the loop's place
    operations = list(program.operations)
    for place, operation in enumerate(operations):
        if operation.name != "scan":
            continue
        loop = Loop.of(operation)
        earlier = Counter(loops[id(x)] for x, _ in loop.xs if id(x) in loops)
        for source, _ in earlier.most_common():
            first = Loop.of(operations[source])
            if first.length == loop.length and _shared(first, loop, program):
                operations[source], operations[place] = first.scan(), loop.scan()
                loop = Loop.of(operations[place])
        loops.update((id(out), place) for _, out in loop.ys)
        for source in earlier:
            loops.update((id(out), source) for _, out in Loop.of(operations[source]).ys)
    if all(a is b for a, b in zip(operations, program.operations, strict=True)):
        return program
    made = Program(program.outer)
    made.inputs, made.operations, made.outputs = program.inputs, operations, program.outputs
    return made


def _shared(first: Loop, second: Loop, program: Program) -> bool:
    """Let the second loop read what the first computes from the same values; whether there is such."""
    keys = Keys()
    same: dict[int, Any] = {}  # by the id of a symbol of the second's body: that of the first's
    written = {id(out): y for y, out in first.ys}
    inputs = {id(outside): inside for outside, inside in first.xs}
    weights = {id(outside): inside for outside, inside in first.weights}
    for outside, inside in second.xs:
        if id(outside) in written or id(outside) in inputs:
            same[id(inside)] = written.get(id(outside), inputs.get(id(outside)))
    for outside, inside in second.weights:
        if id(outside) in weights:
            same[id(inside)] = weights[id(outside)]

    def key(line: Operation) -> Any:
        return (line.name, keys.of(line.args), keys.of(line.options))

    known = {key(line): line.out for line in first.lines if line.name != "scan"}
    renamed = Draft(Program())
    renamed.became = same
    made: dict[int, Operation] = {}
    for line in second.lines:
        if line.name != "scan" and line.uses and line.uses <= same.keys():
            found = known.get(key(renamed.updated(line)))
            if found is not None:
                same[id(line.out)], made[id(line.out)] = found, line
    cheap = {k for k, line in made.items() if line.name in CHEAP}
    wanted = {
        x for line in second.lines if id(line.out) not in made or id(line.out) in cheap for x in line.uses
    }
    wanted |= set(map(id, symbols([[c[2] for c in second.carry], [y for y, _ in second.ys]])))
    read = [k for k in made if k in wanted and k not in cheap]
    if not read:
        return False
    there = {id(inside) for _, inside in first.ys}
    for k in read:
        source, line = same[k], made[k]
        if id(source) not in there:
            own = (first.length, *shape(source))
            name = f"{first.operation.outs[0].name}.{len(first.ys)}"
            first.ys.append((source, Symbol(name, own, source.dtype, program)))
            there.add(id(source))
        out = next(out for inside, out in first.ys if inside is source)
        second.xs.append((out, line.out))
    gone = set(read)
    second.lines = [line for line in second.lines if id(line.out) not in gone]
    return True
