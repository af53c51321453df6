"""Operations that the engine has no code for: NumPy computes them, between native parts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.engine.kernels.kernel import Kernel, counters
from handgrad.engine.lowering import Lowering
from handgrad.engine.nodes import Node, Result, results_of
from handgrad.engine.runtime.memory import array_at
from handgrad.program.loops import meaning
from handgrad.program.program import Operation, Program
from handgrad.program.symbol import Symbol
from handgrad.tree import leaves, tree_map

if TYPE_CHECKING:
    from handgrad.engine.code import Code


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Fallback(Node):
    """NumPy's ``function(*given, **keywords)``, in whose arguments ``arrays`` stand."""

    arrays: tuple[Node, ...]
    function: str
    given: tuple
    keywords: dict[str, Any]
    why: str

    @property
    def args(self) -> tuple:
        return self.arrays

    @property
    def name(self) -> str:
        return self.function

    def with_args(self, args: tuple) -> Node:
        new = dict(zip(self.arrays, args, strict=True))

        def replaced(x: Any) -> Any:
            return new.get(x, x) if isinstance(x, Node) else x

        given, keywords = tree_map(replaced, (self.given, self.keywords))
        return dataclasses.replace(self, arrays=args, given=given, keywords=keywords)

    def kernel(self, lowering: Lowering) -> Kernel:
        values = [(x, lowering.lower(x, counters(x.shape))) for x in self.arrays]
        return FallbackKernel(self, self.shape, values, [self])


def of(build: Any, operation: Operation, why: str) -> Node | tuple[Node, ...]:
    """An operation for NumPy; symbols among its arguments become nodes."""

    def known(x: Any) -> Any:
        return build.known[id(x)] if isinstance(x, Symbol) else x

    given, keywords = tree_map(known, (operation.args, operation.options))
    arrays = tuple(dict.fromkeys(x for x in leaves((given, keywords)) if isinstance(x, Node)))
    out = operation.out
    where = f", in {operation.origin}" if operation.origin else ""
    made = arrays, operation.name, given, keywords, f"{operation.name}{where}: {why}"
    if not isinstance(out, tuple):
        return Fallback(out.shape, np.dtype(out.dtype), *made)
    return results_of(Fallback((0,), np.dtype(np.uint8), *made), out)


class FallbackKernel(Kernel):
    name = "fallback"
    is_native = False
    keeps_to_slices = False
    node: Fallback

    @property
    def whys(self) -> tuple[str, ...]:
        """Why it is NumPy's."""
        return (self.node.why,)

    def prepare(self, compiled: Callable[[Program, dict[int, int]], Code]) -> None:
        """Compile what is inside."""

    def compute(self, address_of: Callable[[Node], int]) -> bool:
        """By NumPy, on the arrays where they lie. Whether all that is checked is finite."""

        def array_of(x: Node) -> np.ndarray:
            return array_at(address_of(x), x.shape, x.dtype)

        held = {x: load.array for x, load in self.values}

        def array(x: Any) -> Any:
            return array_of(held[x]).reshape(x.shape) if isinstance(x, Node) else x

        given, keywords = tree_map(array, (self.node.given, self.node.keywords))
        with np.errstate(all="ignore"):
            made = meaning(self.node.function)(*given, **keywords)
        for node in self.stores:
            array_of(node)[...] = made[node.index] if isinstance(node, Result) else made
        return True
