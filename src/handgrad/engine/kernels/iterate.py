"""As many steps as the caller says, each of which writes what it carries over what it was given.

All threads meet after a step: then each sees whether a value was not finite, or an index out of range, and
makes no step more. What a step flags is noted in two places by turns, since a thread that is ahead may flag
the next step before another has looked.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from handgrad.engine.emit.ir import I64, Value, i64
from handgrad.engine.fusion import kernels_of
from handgrad.engine.kernels.kernel import Kernel, as_it_lies
from handgrad.engine.kernels.looped import Looped, goes_on_from
from handgrad.engine.kernels.scan import BYTES, Body, Held, Scan, ScanKernel, Steps
from handgrad.engine.lowering import Lowering
from handgrad.engine.nodes import Node, results_of
from handgrad.engine.rewrite import rewritten

if TYPE_CHECKING:
    from handgrad.engine.assembly import Assembly, Run


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Iterate(Scan):
    """A loop of at most ``length`` steps, ``count`` of them: what it carries, how many steps went well, and
    the sequences that it writes.
    """

    count: Node

    @property
    def args(self) -> tuple:
        return (*self.given, self.count)

    def with_args(self, args: tuple) -> Node:
        return dataclasses.replace(self, given=args[:-1], count=args[-1])

    def kernel(self, lowering: Lowering) -> Kernel:
        return IterateKernel(self, [(x, as_it_lies(x, lowering)) for x in self.args])


def _iterate(
    build: Any, out: tuple, weights: list, carry: list, xs: list, count: Any, body: Any, length: int
) -> tuple[Node, ...]:
    given = tuple(build.array(x) for x in (*weights, *carry, *xs))
    graph = rewritten(build.inside(body))
    made = Body(graph, tuple(kernels_of(graph)), len(weights), len(carry))
    if made.whys:
        given = (*given, build.array(count))
        return results_of(Looped((0,), BYTES, given, body, length, False, True, made.whys), out)
    return results_of(Iterate((0,), BYTES, given, made, length, False, build.array(count)), out)


OPERATIONS = {"iterate": _iterate}


class IterateKernel(ScanKernel):
    """A scan's, in place."""

    name = "iterate"
    node: Iterate

    @property
    def steps(self) -> int:
        return 1

    @property
    def told_space(self) -> tuple:
        return ("steps",)

    @property
    def are_steps_apart(self) -> bool:
        return False

    @property
    def waits(self) -> bool:
        return True

    @property
    def in_place(self) -> dict[Node, Node]:
        return dict(zip(self.node.body.after, self.node.body.carry, strict=True))

    @property
    def sizes(self) -> list[int]:
        carried = self.node.body.carried
        sizes = super().sizes
        return [*sizes[:carried], I64.bits // 8, *sizes[carried:]]

    def may_write_over(self, node: Node, array: Node) -> bool:
        return goes_on_from(self, node, array, self.node.body.weights, self.node.body.carried)

    def prepared(self, assembly: Assembly) -> Steps:
        assembly.donated |= self.inner.donated
        return Iteration(**vars(super().prepared(assembly)))


class Iteration(Steps):
    def emit(self, run: Run, where: dict[Node, Value], part: Value) -> None:
        f, kernel, status, taken = run.f, self.kernel, run.status, run.taken
        held = Held(self, run, where)
        body = held.body
        self.copy(run, held)
        asked = f.load(held.sequences[-1], I64)
        done = f.variable(I64, i64(0))
        still = held.still | dict(zip(body.carry, held.results, strict=False))
        with (
            f.loop(i64(0), f.intrinsic("umin", asked, i64(kernel.node.length))) as step,
            f.when(f.compare("icmp eq", f.load(done, I64), step)),
        ):
            turn = f.binary("and", step, i64(1))
            run.status = f.offset(status, f.binary("shl", turn, i64(1)), "i64")
            run.calls(self.calls, {**still, **held.parts(step)})
            run.wait()
            with f.when(run.is_fine()):
                f.store(f.binary("add", step, i64(1)), done)
        run.status, run.taken = status, max(taken, run.taken)  # where there was no step, no thread has waited
        with f.when(run.is_first()):
            f.store(f.load(done, I64), held.results[body.carried])

    def copy(self, run: Run, held: Held) -> None:
        """What is to be carried, where it is not written over what was given."""
        f, kernel = run.f, self.kernel
        given = self.given[held.body.weights :]
        copied = [
            (i, x)
            for i, x in enumerate(held.body.carry)
            if i not in kernel.results or run.assembly.memory(kernel.results[i]) is not given[i][0]
        ]
        if not copied:
            return
        with f.when(run.is_first()):
            for i, x in copied:
                f.copy(held.starts[i], held.results[i], x.nbytes)
        run.wait()
