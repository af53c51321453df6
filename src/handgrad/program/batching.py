"""Operations of one step, done for all steps at once: each with an axis more, in front."""

from __future__ import annotations

from typing import Any

from handgrad.arrays import shape
from handgrad.arrays.contraction import LETTERS
from handgrad.program.draft import Draft
from handgrad.program.inference import ELEMENTWISE, REDUCTIONS, Shape, result
from handgrad.program.program import Operation
from handgrad.program.views import axis_order
from handgrad.tree import leaves, tree_map


class Batch:
    """Lines of a body that were taken out of it, by their results: computed once, or for each of n steps."""

    def __init__(self, draft: Draft, n: int, once: dict[int, Any], each: dict[int, Any]):
        self.draft, self.n, self.once, self.each = draft, n, once, each

    def takes(self, line: Operation) -> bool:
        """Whether a line can be computed outside; if so it is."""
        if line.name == "scan" or not line.uses <= self.once.keys() | self.each.keys():
            return False
        if line.uses.isdisjoint(self.each):
            if line.symbols:
                args, options = self.now(line.args), self.now(line.options)
                self.once[id(line.out)] = self.draft.emit(line.name, *args, **options)
            return bool(line.symbols)
        made = self.of_each(line.name, line, *line.args, **line.options)
        if made is None or shape(made) != (self.n, *line.out.shape) or made.dtype != line.out.dtype:
            return False
        self.each[id(line.out)] = made
        return True

    def now(self, tree: Any) -> Any:
        return tree_map(lambda x: self.once.get(id(x), x), tree)

    def seen(self, x: Any, ndim: int) -> Any:
        """An argument that broadcasts to that many axes of a step's result."""
        if id(x) not in self.each:
            return self.now(x)
        own = shape(x)
        return self.reshaped(self.each[id(x)], (self.n, *(1,) * (ndim - len(own)), *own))

    def whole(self, x: Any) -> Any:
        """An argument with the axis in front, repeated along it where it is the same in each step."""
        if id(x) in self.each:
            return self.each[id(x)]
        return self.draft.emit("broadcast_to", self.now(x), (self.n, *shape(x)))

    def reshaped(self, x: Any, target: Shape) -> Any:
        return x if shape(x) == target else self.draft.emit("reshape", x, target)

    def of_each(self, name: str, line: Operation, *args: Any, **options: Any) -> Any:
        """The line for all steps; None where it is of no kind that is known here."""
        emit, own = self.draft.emit, line.out.shape
        ndim = len(own)
        if name in ELEMENTWISE and not options:
            made = emit(name, *(self.seen(x, ndim) for x in args))
            return made if shape(made) == (self.n, *own) else emit("broadcast_to", made, (self.n, *own))
        if name == "matmul":
            return self.matmul(line, *args)
        if name == "einsum":
            return self.einsum(*args)
        if any(id(x) in self.each for x in leaves((args[1:], options))):
            return None
        x = args[0]
        if name in ("concat", "stack"):
            axis = args[1] if len(args) > 1 else options.get("axis", 0)
            return emit(name, [self.whole(part) for part in x], axis=axis % ndim + 1)
        if id(x) not in self.each:
            return None
        all_steps, source = self.each[id(x)], len(shape(x))
        if name == "astype":
            return emit(name, all_steps, args[1])
        if name in REDUCTIONS:
            axis = options.pop("axis", None)
            axes = range(source) if axis is None else axis if isinstance(axis, tuple) else (axis,)
            return emit(name, all_steps, axis=tuple(a % source + 1 for a in axes), **options)
        if name == "reshape":
            return self.reshaped(all_steps, (self.n, *own))
        if name == "broadcast_to":
            return emit(name, self.seen(x, ndim), (self.n, *own))
        if name == "permute_dims":
            return emit(name, all_steps, (0, *(a + 1 for a in axis_order(line))))
        if name == "flip":
            axis = options.get("axis")
            axes = range(ndim) if axis is None else axis if isinstance(axis, tuple) else (axis,)
            return emit(name, all_steps, axis=tuple(a % ndim + 1 for a in axes))
        if name == "getitem" and is_basic(args[1]):
            return emit(name, all_steps, (slice(None), *parts(args[1])))
        if name == "scatter_add" and is_basic(args[1]):
            landed, _ = result("getitem", (line.out, args[1]), {})
            if landed == shape(x):
                return emit(name, all_steps, (slice(None), *parts(args[1])), (self.n, *own))
        if name == "windows":
            return emit(name, all_steps, *args[1:4], tuple(a + 1 for a in args[4]))
        if name == "unwindows":
            return emit(name, all_steps, (self.n, *own), *args[2:4], tuple(a + 1 for a in args[4]))
        return None

    def matmul(self, line: Operation, x: Any, y: Any) -> Any:
        """xₜ W of all steps is one product, of all rows."""
        emit, own = self.draft.emit, line.out.shape
        if min(len(shape(x)), len(shape(y))) < 2:
            return None
        if id(y) not in self.each and len(shape(x)) == len(shape(y)) == 2:
            rows = self.reshaped(self.each[id(x)], (self.n * shape(x)[0], shape(x)[1]))
            return self.reshaped(emit("matmul", rows, self.now(y)), (self.n, *own))
        return emit("matmul", self.seen(x, len(own)), self.seen(y, len(own)))

    def einsum(self, subscripts: str, x: Any, y: Any) -> Any:
        letter = next(i for i in LETTERS if i not in subscripts)
        left, _, target = subscripts.partition("->")
        a, b = left.split(",")
        a, b = (letter + i if id(v) in self.each else i for i, v in ((a, x), (b, y)))
        values = (self.each.get(id(v), self.now(v)) for v in (x, y))
        return self.draft.emit("einsum", f"{a},{b}->{letter}{target}", *values)


def parts(index: Any) -> tuple:
    return index if isinstance(index, tuple) else (index,)


def is_basic(index: Any) -> bool:
    """Whether an index has nothing but slices and integers in it."""
    return all(
        part is None or part is ... or isinstance(part, slice) or type(part) is int for part in parts(index)
    )
