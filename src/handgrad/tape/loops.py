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

from handgrad.arrays import is_floating, loops, namespace_of, stripped, xp
from handgrad.tape.closures import Closure, replaced
from handgrad.tape.namespace import namespace
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

    Examples:
        >>> total, sums = hg.scan(lambda carry, x: (carry + x, carry + x), 0.0, np.array([1.0, 2.0, 3.0]))
        >>> print(total, sums)
        6.0 [1. 3. 6.]
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
        first, *_ = loops.order(n, reverse)

        def step(c: Any, x: Any) -> tuple[Any, Any]:
            return loops.result_of(f(c, x), carry, is_first=True)

        self.body = Closure(step, carry, loops.part(xs, first))
        self.f, self.xs, self.n, self.reverse = f, xs, n, reverse
        self.carry = loops.like(carry, self.body.made[0])

    def run(self) -> tuple[Any, Any]:
        if self.body.level >= 0:
            return self.recorded()
        bare = tree_map(stripped, (self.carry, self.xs))
        arrays = [*leaves(bare), *leaves(self.body.made)]
        library = next(n for n in map(namespace_of, arrays) if has_own_loops(n))
        return library.scan(self.f, *bare, self.n, self.reverse)

    def recorded(self) -> tuple[Any, Any]:
        """One node, of what the body closes over, the carry and the sequences."""
        carry, xs = self.body.lowered((self.carry, self.xs))
        out, kept = self.kept(carry, xs)
        floating = [i for i, x in enumerate(leaves(out)) if hasattr(x, "dtype") and is_floating(x)]
        first: Any = (out, kept)

        def rule_body(closed_over: list, start: list, sequences: list) -> tuple:
            nonlocal first
            self.body.require(closed_over)
            made = first or self.kept(unflatten(carry, start), unflatten(xs, sequences))
            first = None
            found = leaves(made[0])

            def backward(given: tuple) -> tuple:
                return self.backward(
                    start, sequences, leaves(made[1]), dict(zip(floating, given, strict=True))
                )

            return tuple(found[i] for i in floating), backward

        new = self.body.record(scan, rule_body, leaves(self.carry), leaves(self.xs))
        return replaced(out, floating, new)

    def kept(self, carry: Any, xs: Any) -> tuple[Any, Any]:
        """What comes out, and the carry before each step."""

        def keeping(c: Any, x: Any) -> tuple[Any, Any]:
            after, y = self.body.lowered(self.f(c, x))
            return after, (y, c)

        last, (ys, before) = scan(keeping, carry, xs, self.n, self.reverse)
        return (last, ys), before

    def backward(self, carry: list, xs: list, kept: list, douts: dict[int, Any]) -> tuple:
        """Gradients of what is closed over, of the first carry, and of the sequences."""
        n, weights = len(carry), self.body.closed_over
        moving = [i for i in douts if i < n]
        heard = [i for i in douts if i >= n]
        seen = [i for i, x in enumerate(xs) if hasattr(x, "dtype") and is_floating(x)]
        places = [*moving, *(n + i for i in seen)]

        def step(dcarry: tuple, at: tuple) -> tuple:
            (dc, dweights), (x, c, dys) = dcarry, at
            here = unflatten((self.carry, self.xs), [*c, *x])
            given = dict(zip([*moving, *heard], [*dc, *dys], strict=True))
            found, grads = self.body.way_back(here, places)(given)
            dw = [d if dx is None else d + dx for d, dx in zip(dweights, found, strict=True)]
            values = [[*c, *x][i] for i in places]
            filled = [xp.zeros_like(v) if dv is None else dv for v, dv in zip(values, grads, strict=True)]
            return (filled[: len(moving)], dw), filled[len(moving) :]

        zeros = [xp.zeros_like(w.value) for w in weights]
        start = ([douts[i] for i in moving], zeros)
        (dc, dweights), dxs = scan(
            step, start, (xs, kept, [douts[i] for i in heard]), self.n, not self.reverse
        )
        return dweights, spread(dc, moving, n), spread(dxs, seen, len(xs))


def spread(values: list, places: list[int], count: int) -> list:
    found = dict(zip(places, values, strict=True))
    return [found.get(i) for i in range(count)]


namespace.scan = scan
