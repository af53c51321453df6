"""What every kind of kernel answers, so that fusion, schedule, assembly and ``explain`` switch on nothing.

A kernel is loops over a space, and what is computed for each of its points. A kind is a class here below,
in a file of its own, beside the nodes that it makes and the function that makes those of an operation.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Hashable, Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from handgrad.engine.access import Affine, Coordinates, counter, row_major
from handgrad.engine.costs import COSTS
from handgrad.engine.emit.ir import Function, Value, i64
from handgrad.engine.lowering import Load, Lowering, NotAffine, loads, mapped, signature, walk
from handgrad.engine.nodes import Constant, Node
from handgrad.engine.targets.target import Target
from handgrad.once import once

if TYPE_CHECKING:
    from handgrad.engine.assembly import Assembly, Run
    from handgrad.engine.schedule import Schedule

Bounds = tuple[Value, Value]


class Called(Protocol):
    """A call of a kernel."""

    def emit(self, run: Run, where: dict[Node, Value], part: Value) -> None:
        """The instructions of it; ``where`` arrays are, and which ``part`` of the divided loop it takes."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a kernel is written for.

    ``parts`` say where each part of the divided loop begins and ends, one or more in a row for each thread;
    none, where it is not divided.
    """

    target: Target
    parts: list[tuple[int, int]]
    bfloat16: bool


@dataclasses.dataclass(frozen=True)
class Site(Setting):
    """Where a kernel is written: its function, and what that is given."""

    f: Function
    pointers: dict[Node, Value]
    part: Value  # which of the parts
    scratch: Value
    finite: Value  # where it is noted that a value that is checked is not finite

    @once
    def bounds(self) -> Bounds | None:
        """Where this part of the divided loop begins and ends."""
        if not self.parts:
            return None
        share, n = i64(self.parts[0][1]), i64(self.parts[-1][1])
        start = self.f.intrinsic("umin", self.f.binary("mul", self.part, share), n)
        return start, self.f.intrinsic("umin", self.f.binary("add", start, share), n)


class Kernel:
    """Loops over a ``space``, and ``values``: nodes with their expressions, in order.

    ``node`` is what the kernel is there for; ``stores`` are the nodes that it writes to memory.
    """

    name: ClassVar[str]
    is_native: ClassVar[bool] = True  # whether it is code, or computed by NumPy
    keeps_to_slices: ClassVar[bool] = True  # whether each thread makes a slice, or the first one all
    writes_in_order: ClassVar[bool] = True  # each element at the point that it is made for

    def __init__(
        self, node: Node, space: tuple, values: list[tuple[Node, Any]], stores: Iterable[Node] | None = None
    ):
        self.node = node
        self.space = space
        self.values = values
        self.stores = {n for n, _ in values} if stores is None else set(stores)
        self.phase = 0  # the threads meet between phases
        self.partition: int | None = None  # the loop that is divided among threads
        self.rounds = 1  # in how many parts each thread makes its slice
        self.is_dynamic = False  # whether a thread takes any part that is left, not those of its own slice
        self.is_private = False  # whether each thread calls it for itself

    def __repr__(self) -> str:
        return f"<{self.name} {'x'.join(map(str, self.told_space)) or 1}: {self.node}>"

    # What it reads and makes.

    @property
    def expressions(self) -> list[Any]:
        return [e for _, e in self.values]

    @once
    def reads(self) -> list[Load]:
        return loads(self.expressions)

    @once
    def arrays(self) -> dict[Node, None]:
        """All arrays that are read, in order."""
        return dict.fromkeys(load.array for load in self.reads)

    @property
    def makes(self) -> list[Node]:
        """The nodes that it computes, stored or not."""
        return [node for node, _ in self.values]

    @property
    def output_space(self) -> tuple:
        """The loops over what it makes."""
        return self.space

    @property
    def told_space(self) -> tuple:
        """The space as ``explain`` tells it."""
        return self.space

    # What may be joined to it.

    @property
    def has_epilogue(self) -> bool:
        """Whether elementwise values can be computed of what it makes."""
        return False

    def may_join(self, host: Kernel) -> bool:
        """Whether its values can be computed in another kernel's loops, after that one's own."""
        return False

    def lowered_in(self, host: Kernel, stored: set[Node]) -> list[tuple[Node, Any]]:
        """Its values as expressions in another kernel's loops.

        Raises:
            NotAffine: they need an array that is not stored.
        """
        raise NotImplementedError

    def made_before(self, host: Kernel) -> set[Node]:
        """What it must not read from memory if it joins: the host has not written it by then."""
        return host.stores

    def add(self, other: Kernel, values: list[tuple[Node, Any]]) -> None:
        """Compute another's values in the same loops."""
        self.values += values
        self.stores |= other.stores
        self.__dict__.pop("reads", None)
        self.__dict__.pop("arrays", None)

    # How it is divided.

    def arrange(self, threads: int) -> None:
        """What a kernel of kernels does to its own."""

    @property
    def divisible(self) -> list[int]:
        """The loops that threads may divide, the outermost first."""
        return []

    def preferred_division(self) -> int | None:
        """The loop to divide whatever other kernels do."""
        return None

    @property
    def block(self) -> int:
        """How far apart in what it stores the turns of its divided loop lie."""
        return math.prod(self.output_space[(self.partition or 0) + 1 :])

    @property
    def scales(self) -> bool:
        """Whether a part of its divided loop takes a part of its time."""
        return True

    def may_write_over(self, node: Node, array: Node) -> bool:
        """Whether it may write a node over an array: it reads that only at the place that it writes, and
        before it writes there.
        """
        own = [load for load in self.reads if load.array is array]
        if not own or not array.size:
            return True
        here = Lowering({array}, {}).lower(array, counters(array.shape))
        return self.writes_in_order and all(load.offset == here.offset and not load.gathers for load in own)

    # What it costs.

    @property
    def product_flops(self) -> int:
        """Two for each multiplication and addition of a product."""
        return 0

    @property
    def turns(self) -> int:
        """How often its values are computed."""
        return math.prod(self.output_space)

    @property
    def joined(self) -> int:
        """How many values each turn adds, or joins otherwise, to what earlier ones gave."""
        return 0

    def work(self) -> tuple[float, float]:
        """Floating-point operations (a function counts as its cost in additions); bytes read and written."""
        each = self.joined + sum(COSTS.get(e.op, 1) for e in walk(self.expressions) if hasattr(e, "op"))
        moved = sum(node.nbytes for node in {*self.arrays, *self.stores})
        return each * self.turns + self.product_flops, moved

    def scratch(self, setting: Setting) -> int:
        """Bytes that each thread needs beside the arrays."""
        return 0

    # What is said of it.

    @property
    def inside(self) -> Schedule | None:
        """What it consists of, where that are kernels."""
        return None

    def describe(self, setting: Setting) -> str:
        """How it is computed, in a few words, where there was a choice."""
        return ""

    # How it is written.

    @property
    def constants(self) -> list[Node]:
        """The constants that it reads."""
        return [array for array in self.arrays if isinstance(array, Constant)]

    def prepared(self, assembly: Assembly) -> Called:
        """Its code, written, and how it is called."""
        return assembly.call(self)

    def emit(self, site: Site) -> None:
        raise NotImplementedError

    def rebase(self, starts: Callable[[Node], int]) -> None:
        """Read each array from a byte that the pointer points to."""
        self.values = list(zip(self.makes, mapped(self.expressions, rebased(starts)), strict=True))
        self.__dict__.pop("reads", None)

    def signature(self, place: Callable[[Node], int]) -> Hashable:
        """The same for kernels whose code is the same, up to what their pointers point to."""
        made = {node: n for n, node in enumerate(self.makes)}
        stored = tuple((n.dtype, n.shape, place(n) if n in self.stores else -1) for n in self.makes)
        own = (self.node.shape, self.node.dtype, [place(n) for n in self._others()])
        return (
            self.name, self.space, self.partition, self.rounds, self.is_private, stored, repr(own),
            self.details(), signature(self.expressions, place, made),
        )  # fmt: skip

    def _others(self) -> list[Node]:
        """What it stores without a value of its own."""
        return sorted(self.stores.difference(self.makes), key=lambda node: node.number)

    def details(self) -> Hashable:
        """What its code depends on beside its space and its values."""
        return ()


class AddingKernel(Kernel):
    """Adds an array x to places of its result: its space are the loops over that, and more over x."""

    node: Any  # which has that x

    @property
    def output_space(self) -> tuple:
        return self.node.shape

    @property
    def told_space(self) -> tuple:
        return self.node.x.shape

    @property
    def turns(self) -> int:
        return self.node.x.size

    @property
    def joined(self) -> int:
        return 1


def innermost(kernels: Iterable[Kernel]) -> list[Kernel]:
    """The kernels that are called: those inside of others in their place."""
    return [
        k for kernel in kernels for k in (innermost(kernel.inside.kernels) if kernel.inside else [kernel])
    ]


def counters(space: tuple) -> Coordinates:
    return tuple(counter(i, n) for i, n in enumerate(space))


def as_it_lies(x: Node, lowering: Lowering) -> Load:
    """Where an array lies in one piece.

    Raises:
        NotAffine: it does not.
    """
    made = lowering.lower(x, counters(x.shape))
    if isinstance(made, Load) and not made.gathers:
        here = {i: step for i, (n, step) in enumerate(zip(x.shape, row_major(x.shape), strict=True)) if n > 1}
        if dict(made.offset.strides) == here or not x.size:
            return made
    raise NotAffine(x)


def rebased(starts: Callable[[Node], int]) -> Callable[[Load], Load]:
    """A load counted from another byte of its array."""

    def change(load: Load) -> Load:
        start = load.offset.start - starts(load.array) // load.dtype.itemsize
        return Load(load.array, Affine(start, load.offset.strides), load.gathers, load.dtype)

    return change
