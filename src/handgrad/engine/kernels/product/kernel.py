"""Contractions: sums over some loops of the product of two arrays."""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Hashable
from typing import Any

import numpy as np

from handgrad.arrays.contraction import sizes_of, spelled
from handgrad.engine.access import ZERO, Coordinates, affine, counter
from handgrad.engine.kernels.kernel import Kernel, Setting, Site, rebased
from handgrad.engine.kernels.product.among_zeros import (
    Factor,
    Phase,
    Reading,
    congruences,
    factor,
    phases,
    viewed,
    whole,
)
from handgrad.engine.kernels.product.contraction import LONG, Operand
from handgrad.engine.kernels.product.plan import NEAR
from handgrad.engine.kernels.product.product import Product
from handgrad.engine.kernels.product.shapes import in_panels, is_wider
from handgrad.engine.kernels.reduce import Reduce
from handgrad.engine.lowering import Load, Lowering, Made, NotAffine, loads, signature, storage
from handgrad.engine.nodes import Elementwise, Node, NotCompiled, Reshape, Transpose, cast
from handgrad.engine.schedule.division import are_cut_at_vectors
from handgrad.once import once

FILLED = 16  # elements that fill a vector
SOME_TURNS = 8  # of a loop that threads divide: fewer are shared unevenly
SOME_ROWS, MANY_ROWS = 4, 32  # that read panels from a near cache, and from a far one

# Products of few elements are made of parts of their sums.
FEW = 2**12
PARTS = range(64, 3, -1)  # how many, the best first
TERMS = 256  # of a part, at least


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Contract(Node):
    """Σ x[...]·y[...] over loops of ``sizes``, of which the first are the axes of the result.

    ``of_x`` and ``of_y`` say which loop each axis of a factor runs along; -1, where it is of size one and
    repeated. ``has_panels``: y is a matrix (K, N) that lies in panels, as ``Panels`` makes them.
    """

    x: Node
    y: Node
    of_x: tuple[int, ...]
    of_y: tuple[int, ...]
    sizes: tuple[int, ...]
    has_panels: bool = False

    @property
    def args(self) -> tuple:
        return (self.x, self.y)

    @property
    def name(self) -> str:
        return "product"

    @property
    def is_of_matrices(self) -> bool:
        """Whether it is x y, over the last two axes of each, and no other contraction."""
        i, j, k = (len(self.shape) + n for n in (-2, -1, 0))
        if len(self.sizes) != k + 1 or (self.of_x[-2:], self.of_y[-2:]) != ((i, k), (k, j)):
            return False
        return all(loop < i for loop in (*self.of_x[:-2], *self.of_y[:-2]))

    def with_args(self, args: tuple) -> Node:
        return dataclasses.replace(self, x=args[0], y=args[1])

    @once
    def phases(self) -> list[Phase]:
        """All loops; or, of a factor that lies by steps among zeros, those that run by the same steps."""
        if self.among_zeros is None:
            return [whole(self.sizes)]
        return self.among_zeros[0]

    @once
    def among_zeros(self) -> tuple[list[Phase], int, Factor] | None:
        """Phases, and the factor among zeros that are not stored."""
        outputs = len(self.shape)
        if self.has_panels:
            return None
        for n, (a, loops) in enumerate(((self.x, self.of_x), (self.y, self.of_y))):
            here = self.coordinates(loops)
            some = phases(self.sizes, outputs, list(congruences(a, here)))
            found = factor(a, here, some, outputs) if some else None
            if some and found:
                return some, n, found
        return None

    @property
    def stored(self) -> list[Node]:
        """What must be stored."""
        read = [viewed(a) for a in self.args]
        if self.among_zeros is not None:
            _, n, found = self.among_zeros
            read[n] = found.node
        return read

    @property
    def passed(self) -> list[Node]:
        """Arrays and the zeros around them of which this reads the arrays alone."""
        return [] if self.among_zeros is None else self.among_zeros[2].passed

    def kernel(self, lowering: Lowering) -> Kernel:
        made: list[list[Operand]] = []
        for phase in range(len(self.phases)):
            made.append([self.operand(lowering, n, phase) for n in range(2)])
        return ContractKernel(self, [(x, y) for x, y in made])

    def operand(self, lowering: Lowering, n: int, phase: int) -> Operand:
        """A factor as a phase reads it."""
        a, loops = ((self.x, self.of_x), (self.y, self.of_y))[n]
        if self.has_panels and n == 1:
            return Operand(self.panels(lowering))
        move = self.phases[phase].moved
        reading = Reading(a, tuple(map(move, self.coordinates(loops))))
        if self.among_zeros is not None and self.among_zeros[1] == n:
            reading = self.among_zeros[2].readings[phase]
        made = lowering.lower(reading.node, reading.coordinates)
        if not isinstance(made, Load) or made.gathers:
            raise NotAffine(reading.node)
        return Operand(made, reading.guards)

    def panels(self, lowering: Lowering) -> Load:
        """The panels of y as if it lay in order: which loops move it counts, not how far."""
        array = storage(self.y, lowering.stored)
        if array is None:
            raise NotAffine(self.y)
        return lowering.load(array, self.of_loops(self.of_y), self.coordinates(self.of_y))

    def of_loops(self, loops: tuple[int, ...]) -> tuple[int, ...]:
        """The shape of an array whose axes run along loops."""
        return tuple(1 if loop < 0 else self.sizes[loop] for loop in loops)

    def coordinates(self, loops: tuple[int, ...]) -> Coordinates:
        return tuple(ZERO if loop < 0 else counter(loop, self.sizes[loop]) for loop in loops)

    def check(self) -> None:
        if self.shape != self.sizes[: len(self.shape)]:
            raise ValueError(f"{self}: its loops are {self.sizes}")
        for a, loops in ((self.x, self.of_x), (self.y, self.of_y)):
            shape = self.of_loops(loops)
            if a.shape != (in_panels(*shape) if self.has_panels and a is self.y else shape):
                raise ValueError(f"{self}: {a} does not fit its loops")


def _matmul(build: Any, out: Any, x: Any, y: Any) -> Node:
    x, y = build.array(x), build.array(y)
    x = Reshape((1, *x.shape), x.dtype, x) if len(x.shape) == 1 else x
    y = Reshape((*y.shape, 1), y.dtype, y) if len(y.shape) == 1 else y
    dtype = np.dtype(out.dtype)
    x, y = (a if a.dtype == dtype else cast(a, dtype) for a in (x, y))
    made = matmul(x, y)
    return made if made.shape == out.shape else Reshape(out.shape, dtype, made)


def _einsum(build: Any, out: Any, subscripts: str, x: Any, y: Any) -> Node:
    """Each letter is a loop, those of the result first."""
    (of_x, of_y), target = spelled(subscripts, [x.shape, y.shape])
    dtype = np.dtype(out.dtype)
    if dtype.kind != "f":
        raise NotCompiled(f"an einsum of {dtype}")
    sizes = sizes_of([of_x, of_y], [x.shape, y.shape])
    stored = innermost_long(target, of_x, of_y, sizes)
    loops = stored + "".join(i for i in of_x if i not in target)
    x, y = (a if a.dtype == dtype else cast(a, dtype) for a in (build.array(x), build.array(y)))
    here, there = (tuple(map(loops.index, letters)) for letters in (of_x, of_y))
    shape = tuple(sizes[i] for i in stored)
    made = Contract(shape, dtype, x, y, here, there, tuple(sizes[i] for i in loops))
    order = tuple(map(stored.index, target))
    return made if stored == target else Transpose(out.shape, dtype, made, order)


def innermost_long(target: str, of_x: str, of_y: str, sizes: dict[str, int]) -> str:
    """The result's letters as they are stored: the last is one along which vectors are filled.

    A convolution's gradient by W (O, C, 3, 3) is made nine times as fast where O lies innermost.
    """
    here = [of for of in (of_x, of_y) if target[-1:] in of]
    apart = [i for i in target if (i in of_x) != (i in of_y) and (len(here) > 1 or i not in here[0])]
    last = max(apart, key=lambda i: sizes[i], default="")
    if not last or sizes[target[-1]] >= min(FILLED, sizes[last]):
        return target
    return target.replace(last, "") + last


OPERATIONS: dict[str, Callable[..., Node]] = {"matmul": _matmul, "einsum": _einsum}


def matmul(x: Node, y: Node) -> Node:
    """A product of matrices of one dtype, perhaps many at once; of a thin one a sum of products."""
    lead = np.broadcast_shapes(x.shape[:-2], y.shape[:-2])
    M, K, N = x.shape[-2], x.shape[-1], y.shape[-1]
    if x.dtype.kind != "f" or K <= 1 or (N == 1 and K > LONG):  # a long sum keeps its digits as one
        return product_by_sum(x, y, (*lead, M, N))
    i, j, k = (len(lead) + n for n in range(3))

    def loops(a: Node, *last: int) -> tuple[int, ...]:
        outer = range(len(lead) - len(a.shape) + 2, len(lead))
        return (*(d if lead[d] == n else -1 for d, n in zip(outer, a.shape[:-2], strict=True)), *last)

    return Contract((*lead, M, N), x.dtype, x, y, loops(x, i, k), loops(y, k, j), (*lead, M, N, K))


def product_by_sum(x: Node, y: Node, shape: tuple) -> Node:
    """A product of a thin matrix, Σₖ x_ik·y_kj, as a sum of elementwise products."""
    *lead, M, N = shape
    K = x.shape[-1]
    order = (*range(len(y.shape) - 2), len(y.shape) - 1, len(y.shape) - 2)
    yT = Transpose(tuple(y.shape[a] for a in order), y.dtype, y, order)
    rows = Reshape((*x.shape[:-1], 1, K), x.dtype, x)
    columns = Reshape((*yT.shape[:-2], 1, N, K), y.dtype, yT)
    terms = Elementwise((*lead, M, N, K), x.dtype, "multiply", (rows, columns), x.dtype)
    return Reduce(shape, x.dtype, terms, "sum", (len(lead) + 2,))


def in_parts(node: Node, uses: object) -> Node | None:
    """A product of few elements, each a long sum, as products of parts of the sums, which threads divide, and
    the sum of these: a filter's gradient over many images.

    The parts follow from the shape alone, so that no number of threads changes the order of a sum.
    """
    if not isinstance(node, Contract) or node.has_panels or node.size > FEW:
        return None
    summed = range(len(node.shape), len(node.sizes))
    most = math.prod(node.sizes[loop] for loop in summed) // TERMS
    counts = ((loop, n) for loop in summed for n in PARTS if n <= most and node.sizes[loop] % n == 0)
    loop, count = next(counts, (0, 0))
    if not count:
        return None
    length = node.sizes[loop] // count

    def cut(x: Node, of: tuple[int, ...]) -> tuple[Node, tuple[int, ...]]:
        sizes = [(count, length) if a == loop else (n,) for a, n in zip(of, x.shape, strict=True)]
        loops = [(0, loop + 1) if a == loop else (a + 1 if a >= 0 else a,) for a in of]
        shape = tuple(itertools.chain(*sizes))
        return (x if shape == x.shape else Reshape(shape, x.dtype, x)), tuple(itertools.chain(*loops))

    (x, of_x), (y, of_y) = cut(node.x, node.of_x), cut(node.y, node.of_y)
    sizes = (count, *node.sizes[:loop], length, *node.sizes[loop + 1 :])
    parts = Contract((count, *node.shape), node.dtype, x, y, of_x, of_y, sizes)
    return Reduce(node.shape, node.dtype, parts, "sum", (0,))


class ContractKernel(Kernel):
    """A contraction, and what follows from each element of it."""

    name = "product"
    node: Contract

    def __init__(self, node: Contract, operands: list[tuple[Operand, Operand]]):
        super().__init__(node, node.sizes, [(node, Made(node, node.dtype))])
        self.operands = operands  # of each phase
        self.planned: tuple[Setting, Product] | None = None

    @once
    def reads(self) -> list[Load]:
        return [*loads(self.expressions), *(touched(o) for o in self.operands[0])]

    @property
    def output_space(self) -> tuple:
        return self.node.shape

    @property
    def has_epilogue(self) -> bool:
        """Not where its places are made in phases: they lie apart, and so would what is read beside them."""
        return len(self.node.phases) == 1

    @property
    def divisible(self) -> list[int]:
        """All loops over what it makes, but those of a stride's phases; not one over panels that threads
        would cut elsewhere than at vectors.
        """
        steps = self.node.phases[0].loops
        loops = [i for i, n in enumerate(self.output_space) if n > 1 and steps[i].stride(i) == 1]
        if self.node.has_panels and not are_cut_at_vectors(self.space[loops[-1]]):
            loops.pop()
        return loops

    def preferred_division(self) -> int | None:
        """The rows, so that a thread goes on with its own examples; or the columns where the second factor
        is the larger by far, so that each thread reads (and copies) only its part of that. Of those the
        outermost loop that has some turns for each thread.
        """
        x, _ = self.operands[0]
        rows = [i for i in self.divisible if x.load.offset.stride(i)]
        columns = [i for i in self.divisible if i not in rows]
        down, across = (math.prod(self.space[i] for i in loops) for loops in (rows, columns))
        depth = math.prod(self.space[len(self.output_space) :])
        is_better_apart = is_wider(down, across, depth, self.node.dtype)
        if self.node.has_panels:  # near ones cost nothing to read, far ones little where it is for many rows
            is_near = across * depth * self.node.dtype.itemsize <= NEAR
            is_better_apart &= down < (SOME_ROWS if is_near else MANY_ROWS)
        loops = columns if is_better_apart else rows or columns
        many = (i for i in loops if self.space[i] >= SOME_TURNS)
        return next(many, max(loops, key=lambda i: self.space[i], default=None))

    @property
    def product_flops(self) -> int:
        return sum(2 * math.prod(phase.space) for phase in self.node.phases)

    def rebase(self, starts: Callable[[Node], int]) -> None:
        super().rebase(starts)
        change = rebased(starts)
        self.operands = [
            (x._replace(load=change(x.load)), y._replace(load=change(y.load))) for x, y in self.operands
        ]

    def details(self) -> Hashable:
        guards = [[operand.guards for operand in both] for both in self.operands]
        return (self.node.shape, self.node.has_panels, repr((guards, self.node.phases)))

    def signature(self, place: Callable[[Node], int]) -> Hashable:
        read = [operand.load for both in self.operands for operand in both]
        return (super().signature(place), signature(read, place, {}))

    def product(self, setting: Setting) -> Product:
        """Its plan, made once for a setting."""
        if self.planned is None or self.planned[0] is not setting:
            self.planned = (setting, Product(self, setting.parts, setting.target, setting.bfloat16))
        return self.planned[1]

    def describe(self, setting: Setting) -> str:
        return self.product(setting).describe()

    def scratch(self, setting: Setting) -> int:
        return self.product(setting).scratch_bytes

    def emit(self, site: Site) -> None:
        self.product(site).emit(site.f, site.pointers, site.scratch, site.part, site.finite)


def touched(operand: Operand) -> Load:
    """A load of the last place that an operand may be read at; of one that is guarded, that of the axis."""
    load = operand.load
    start, strides = load.offset.start, dict(load.offset.strides)
    for offset, size in operand.guards:
        mine = dict(offset.strides)
        apart = next(strides.get(loop, 0) // stride for loop, stride in offset.strides)
        start += apart * (size - 1 - offset.start)
        strides = {loop: stride - apart * mine.get(loop, 0) for loop, stride in strides.items()}
    return Load(load.array, affine(start, strides), load.gathers, load.dtype)
