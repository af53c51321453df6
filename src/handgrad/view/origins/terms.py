"""What single numbers are made of: sums, products and functions of entries of arrays, each kept once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from handgrad.arrays import NUMPY

SUM, PRODUCT, QUOTIENT, MINUS = "+", "·", "/", "−"
LARGEST, LEAST = "max", "min"
FLAT = (SUM, PRODUCT, LARGEST, LEAST)  # of as many parts as there are
CONSTANT = {"zeros_like": 0.0, "ones_like": 1.0}
SAME = ("positive", "check_finite")  # nothing happens to a number in these
CALLED = {"maximum": LARGEST, "minimum": LEAST, "add": SUM, "multiply": PRODUCT, "negative": MINUS}


class TooMany(ValueError):
    """More parts than a page holds."""


class Term:
    """A number that is computed: a node of the table that it is in."""

    __slots__ = ("node", "terms")

    def __init__(self, terms: Terms, node: int):
        self.terms, self.node = terms, node

    def __add__(self, other: Any) -> Any:
        return self.terms.sum([self, other])

    def __radd__(self, other: Any) -> Any:
        return self.terms.sum([other, self])

    def __mul__(self, other: Any) -> Any:
        return self.terms.product([self, other])

    def __rmul__(self, other: Any) -> Any:
        return self.terms.product([other, self])

    def __sub__(self, other: Any) -> Any:
        return self.terms.sum([self, self.terms.minus(other)])

    def __neg__(self) -> Any:
        return self.terms.minus(self)

    def __truediv__(self, other: Any) -> Any:
        return self.terms.quotient(self, other)


class Terms:
    """Numbers by what they are made of.

    A node is ``(array, place)``, an entry; ``(number,)``; or ``(function, node, ...)``.
    """

    def __init__(self, most: int):
        self.most = most
        self.nodes: list[tuple] = []
        self.known: dict[tuple, int] = {}

    def entry(self, array: int, place: int) -> Term:
        return self._made((array, place))

    def _made(self, key: tuple) -> Term:
        if key not in self.known:
            if len(self.nodes) >= self.most:
                raise TooMany(f"more than {self.most:,} parts")
            self.known[key] = len(self.nodes)
            self.nodes.append(key)
        return Term(self, self.known[key])

    def node_of(self, x: Any) -> int:
        """The node of a term, or of a plain number."""
        return x.node if isinstance(x, Term) else self._made((plain(x),)).node

    def parts(self, x: Any, name: str) -> list[Any]:
        """The parts of a sum or product of that name; of anything else itself."""
        if isinstance(x, Term) and self.nodes[x.node][0] == name:
            return [self.back(node) for node in self.nodes[x.node][1:]]
        return [x]

    def back(self, node: int) -> Any:
        """A node as it was given: a number, or a term."""
        key = self.nodes[node]
        return key[0] if len(key) == 1 else Term(self, node)

    def of(self, name: str, parts: Iterable[Any]) -> Term:
        return self._made((name, *(self.node_of(x) for x in parts)))

    def apply(self, name: str, *xs: Any) -> Any:
        """An elementwise function of the arrays' vocabulary; of plain numbers a plain number."""
        name = CALLED.get(name, name)
        if name in CONSTANT:
            return CONSTANT[name]
        if name in SAME:
            return xs[0]
        if name == "subtract":
            return self.sum([xs[0], self.minus(xs[1])])
        simple = {SUM: self.sum, PRODUCT: self.product, LARGEST: self.largest, LEAST: self.least}
        if name in simple:
            return simple[name](list(xs))
        if name == MINUS:
            return self.minus(xs[0])
        if name == "divide":
            return self.quotient(*xs)
        if name == "where" and not isinstance(xs[0], Term):
            return xs[1] if xs[0] else xs[2]
        if name == "square":
            return self.apply("pow", xs[0], 2.0)
        if not any(isinstance(x, Term) for x in xs):
            with np.errstate(all="ignore"):
                return plain(getattr(NUMPY, name)(*map(np.asarray, xs)))
        if name in ("pow", "power"):
            return xs[0] if xs[1] == 1 else self.of("pow", xs)
        return self.of(name, xs)

    def sum(self, parts: Sequence[Any]) -> Any:
        flat = [x for part in parts for x in self.parts(part, SUM)]
        number = sum(x for x in flat if not isinstance(x, Term))
        terms = [x for x in flat if isinstance(x, Term)]
        if not terms:
            return number
        terms = [*terms, number] if number else terms
        return terms[0] if len(terms) == 1 else self.of(SUM, terms)

    def product(self, parts: Sequence[Any]) -> Any:
        flat = [x for part in parts for x in self.parts(part, PRODUCT)]
        number = math.prod(x for x in flat if not isinstance(x, Term))
        terms = [x for x in flat if isinstance(x, Term)]
        if not terms or number == 0:
            return number
        if number < 0:
            return self.minus(self.product([-number, *terms]))
        for i, x in enumerate(terms):
            if self.nodes[x.node][0] == MINUS:
                return self.minus(
                    self.product([number, *terms[:i], self.back(self.nodes[x.node][1]), *terms[i + 1 :]])
                )
        for i, x in enumerate(terms):
            key = self.nodes[x.node]
            if key[0] == QUOTIENT and self.back(key[1]) == 1.0:
                rest = [*terms[:i], *terms[i + 1 :]]
                return self.quotient(self.product([number, *rest]), self.back(key[2]))
        terms = [number, *terms] if number != 1 else terms
        return terms[0] if len(terms) == 1 else self.of(PRODUCT, terms)

    def minus(self, x: Any) -> Any:
        if not isinstance(x, Term):
            return -plain(x)
        name, *inner = self.nodes[x.node]
        if name == MINUS:
            return self.back(inner[0])
        return self.of(MINUS, [x])

    def quotient(self, x: Any, y: Any) -> Any:
        if not isinstance(y, Term):
            if y == 1:
                return x
            if not isinstance(x, Term):
                with np.errstate(all="ignore"):
                    return plain(np.float64(x) / np.float64(y))
        if not isinstance(x, Term) and x == 0:
            return 0.0
        if isinstance(x, Term) and self.nodes[x.node][0] == MINUS:
            return self.minus(self.quotient(self.back(self.nodes[x.node][1]), y))
        return self.of(QUOTIENT, [x, y])

    def largest(self, parts: Sequence[Any]) -> Any:
        return self._extreme(LARGEST, parts, max)

    def least(self, parts: Sequence[Any]) -> Any:
        return self._extreme(LEAST, parts, min)

    def _extreme(self, name: str, parts: Sequence[Any], of: Any) -> Any:
        flat = [x for part in parts for x in self.parts(part, name)]
        if not any(isinstance(x, Term) for x in flat):
            return of(flat)
        kept: dict[Any, Any] = {(x.node if isinstance(x, Term) else ("number", x)): x for x in flat}
        return next(iter(kept.values())) if len(kept) == 1 else self.of(name, kept.values())


def plain(x: Any) -> float:
    """A number as Python has it; what is true is 1."""
    return float(x)


def needed(nodes: Sequence[tuple], wanted: Iterable[int]) -> tuple[tuple[tuple, ...], dict[int, int]]:
    """Only what is asked for and what that is made of, and which node has become which."""
    met: set[int] = set()
    waiting = list(wanted)
    while waiting:
        node = waiting.pop()
        if node not in met:
            met.add(node)
            waiting += parts_of(nodes[node])
    new = {node: i for i, node in enumerate(sorted(met))}
    kept = [nodes[node] for node in sorted(met)]
    return tuple((key[0], *(new[part] for part in key[1:])) if is_made(key) else key for key in kept), new


def is_made(key: tuple) -> bool:
    """Whether a node is computed of others."""
    return isinstance(key[0], str)


def parts_of(key: tuple) -> tuple[int, ...]:
    return key[1:] if is_made(key) else ()
