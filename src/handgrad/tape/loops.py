"""``scan`` of rules: a loop with a gradient, which is a loop the other way.

On plain arrays, and on recorded ones, it is a loop of Python's, whose steps record themselves. Where an array
library has loops of its own (JAX, programs), the body is run once for all steps. Then a scan is one node:

    forward    cₜ, yₜ = f(cₜ₋₁, xₜ), and each cₜ₋₁ is kept
    backward   the vjp of f at cₜ₋₁ and xₜ, from the last step to the first; the gradients of what f closes
               over are a part of what that loop carries

Both are scans of plain functions, one level of recording lower, and so derivatives of derivatives are too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad.arrays import Recorded, cast, is_floating, loops, namespace_of, stripped, xp
from handgrad.rules.rule import rule
from handgrad.tape.graph import Backpropagation, Node, next_order
from handgrad.tape.namespace import namespace
from handgrad.tape.variable import Variable
from handgrad.tree import leaves, tree_map, unflatten


def scan(
    f: Callable, carry: Any, xs: Any = None, length: int | None = None, reverse: bool = False
) -> tuple[Any, Any]:
    """A loop: ``f(carry, x) -> (carry, y)`` along the first axis of xs; the result is (carry, ys).

    cₜ, yₜ = f(cₜ₋₁, xₜ).   dcₜ₋₁, dxₜ by the vjp of f, from the last step to the first

    ``carry`` and ``xs`` are arrays or nested lists, tuples and dicts of them; the carry keeps its shapes and
    dtypes. Without xs there are ``length`` steps; with ``reverse`` they go from the last to the first. What f
    closes over has its gradient too. A loop of Python's on NumPy and PyTorch, ``lax.scan`` on JAX, and one
    operation in a program.

    Raises:
        TypeError: f does not return a pair, or its carry is of another structure, shape or dtype.
        ValueError: the sequences are not of one length.
    """
    n = loops.steps_of(xs, length)
    if n and has_loops((carry, xs)):
        return _Scan(f, carry, xs, n, reverse).run()
    if n < 2:
        return loops.scan(f, carry, xs, n, reverse)
    first, *_ = loops.order(n, reverse)
    made = loops.result_of(f(carry, loops.part(xs, first)), carry, is_first=True)
    if has_loops(made):  # by what f closes over
        return _Scan(f, carry, xs, n, reverse).run()
    rest = tree_map(lambda x: (x[:-1] if reverse else x[1:]) if hasattr(x, "dtype") else x, xs)
    last, ys = loops.scan(f, made[0], rest, n - 1, reverse)
    return last, tree_map(lambda y, ys: _joined(y, ys, reverse), made[1], ys)


def _joined(y: Any, ys: Any, reverse: bool) -> Any:
    if y is None:
        return None
    first = xp.stack([y])
    return xp.concat([ys, first] if reverse else [first, ys], axis=0)


def has_loops(tree: Any) -> bool:
    """Whether these are arrays of a library that has loops of its own."""
    return any(has_own_loops(namespace_of(stripped(x))) for x in leaves(tree))


def has_own_loops(library: Any) -> bool:
    return getattr(library, "has_loops", False) is True


class _Scan:
    """A scan in a library that has loops. Its first step is made once, to see what the body closes over."""

    def __init__(self, f: Callable, carry: Any, xs: Any, n: int, reverse: bool):
        before = next_order()
        alone = tree_map(lambda x: Variable(x.value, x.level) if isinstance(x, Recorded) else x, (carry, xs))
        first, *_ = loops.order(n, reverse)
        made = loops.result_of(f(alone[0], loops.part(alone[1], first)), carry, is_first=True)
        self.f, self.xs, self.n, self.reverse = f, xs, n, reverse
        self.carry = loops.like(carry, made[0])
        self.made = leaves(made)
        self.level = max((x.level for x in self.made if isinstance(x, Recorded)), default=-1)
        self.closed_over = list(outside(self.made, self.level, before).values())

    def run(self) -> tuple[Any, Any]:
        if self.level >= 0:
            return self.recorded()
        bare = tree_map(stripped, (self.carry, self.xs))
        library = next(n for n in map(namespace_of, [*leaves(bare), *self.made]) if has_own_loops(n))
        return library.scan(self.f, *bare, self.n, self.reverse)

    def lowered(self, tree: Any) -> Any:
        return tree_map(lambda x: x.value if self.is_ours(x) else x, tree)

    def is_ours(self, x: Any) -> bool:
        return isinstance(x, Recorded) and x.level == self.level

    def recorded(self) -> tuple[Any, Any]:
        """One node, of what the body closes over, the carry and the sequences."""
        carry, xs = self.lowered(self.carry), self.lowered(self.xs)

        def keeping(c: Any, x: Any) -> tuple[Any, Any]:
            after, y = self.lowered(self.f(c, x))
            return after, (y, c)

        last, (ys, kept) = scan(keeping, carry, xs, self.n, self.reverse)
        outs = leaves((last, ys))
        floating = [i for i, x in enumerate(outs) if hasattr(x, "dtype") and is_floating(x)]

        def backward(given: tuple) -> tuple:
            douts = dict(zip(floating, given, strict=True))
            return self.backward(leaves(carry), leaves(xs), leaves(kept), douts)

        inputs = (self.closed_over, leaves(self.carry), leaves(self.xs))
        node = Node(SCAN, inputs, {}, backward, tuple(outs[i] for i in floating))
        for place, i in enumerate(floating):
            outs[i] = Variable(outs[i], self.level, node, place)
        return unflatten((last, ys), outs)

    def backward(self, carry: list, xs: list, kept: list, douts: dict[int, Any]) -> tuple:
        """Gradients of what is closed over, of the first carry, and of the sequences."""
        moving = [i for i in douts if i < len(carry)]
        heard = [i for i in douts if i >= len(carry)]
        seen = [i for i, x in enumerate(xs) if hasattr(x, "dtype") and is_floating(x)]

        def step(dcarry: tuple, at: tuple) -> tuple:
            (dc, dweights), (x, c, dys) = dcarry, at
            before = next_order()
            c = [Variable(v, self.level) if i in moving else v for i, v in enumerate(c)]
            x = [Variable(v, self.level) if i in seen else v for i, v in enumerate(x)]
            made = leaves(self.f(unflatten(self.carry, c), unflatten(self.xs, x)))
            given = dict(zip([*moving, *heard], [*dc, *dys], strict=True))
            seeds = [(made[i], dout) for i, dout in given.items() if self.is_ours(made[i])]
            grads = {id(v): dv for v, dv in Backpropagation(seeds, before).run()}

            def of(v: Any) -> Any:
                return cast(grads[id(v)], like=v.value) if id(v) in grads else xp.zeros_like(v.value)

            dw = [d + of(w) if id(w) in grads else d for w, d in zip(self.closed_over, dweights, strict=True)]
            return ([of(c[i]) for i in moving], dw), [of(x[i]) for i in seen]

        zeros = [xp.zeros_like(w.value) for w in self.closed_over]
        start = ([douts[i] for i in moving], zeros)
        (dc, dweights), dxs = scan(
            step, start, (xs, kept, [douts[i] for i in heard]), self.n, not self.reverse
        )
        return dweights, spread(dc, moving, len(carry)), spread(dxs, seen, len(xs))


def spread(values: list, places: list[int], count: int) -> list:
    found = dict(zip(places, values, strict=True))
    return [found.get(i) for i in range(count)]


def outside(outs: list, level: int, before: int) -> dict[int, Variable]:
    """Variables of that level that were made earlier, and that these are computed from."""
    found: dict[int, Variable] = {}
    met: set[int] = set()
    waiting = [x for x in outs if isinstance(x, Recorded) and x.level == level]
    while waiting:
        x: Any = waiting.pop()
        if x.node.order < before:
            found[id(x)] = x
        elif x.node.order not in met:
            met.add(x.node.order)
            waiting += [y for y in leaves(x.node.inputs) if isinstance(y, Recorded) and y.level == level]
    return found


@rule
def SCAN(closed_over, carry, xs):
    raise NotImplementedError


SCAN.name = "scan"
namespace.scan = scan
