"""What a step costs a device of a mesh, on paper: from its program and from where its arrays lie.

    step = costs(trainer, x, t, batch_size=128)
    step.on({"data": 8}, "full")                       # of a device: operations, bytes held, bytes sent
    print(step.table(Device(flops=1e14, link=5e10, memory=8e10)))     # to 10,000 devices

Nothing is placed on a device, and JAX is not needed.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import shape, size
from handgrad.optim.checks import checked_number
from handgrad.program import Program, trace
from handgrad.train.choosing import arithmetic
from handgrad.train.sharding import Sharding, specs
from handgrad.tree import leaves, tree_map

COUNTS = (1, 8, 64, 512, 4096, 10_000)  # of devices, in the table
WITHIN = 8  # of them in a host, over which matrices are divided in the table's tensor parallel
PRODUCTS = ("matmul", "einsum")


class Device(NamedTuple):
    """Figures of a device, as its maker says or as they were measured.

    Args:
        flops: additions and multiplications a second.
        link: bytes a second that it sends to others.
        memory: bytes.
    """

    flops: float
    link: float
    memory: float


class Cost(NamedTuple):
    """Of a step and a device: additions and multiplications, bytes of parameters, states and moments, bytes
    sent.
    """

    flops: float
    held: float
    sent: float

    def seconds(self, device: Device) -> float:
        """If sending hides behind nothing."""
        return self.flops / device.flops + self.sent / device.link


@dataclasses.dataclass(frozen=True)
class StepCosts:
    """A step's program in numbers; ``examples`` are those that it was traced for.

    Args:
        gradients, update: additions and multiplications, those of the mini-batch and those of the optimiser.
        arrays: of each parameter its shape, its bytes, and those of its moments.
        inputs: of each matrix the bytes of what it is multiplied with.
    """

    examples: int
    gradients: float
    update: float
    arrays: dict[str, tuple[tuple[int, ...], int, int]]
    inputs: dict[str, int]
    states: int

    def on(
        self, mesh: Mapping[str, int], sharding: Sharding | None = None, examples: int | None = None
    ) -> Cost:
        """The cost on a mesh, of a mini-batch of ``examples`` in all.

        Data parallel sends each gradient's sum, 2·(n - 1)/n of its bytes. Fully sharded gathers each array
        for forward and backward, and sums its gradient where it lies: 3·(n - 1)/n. A matrix that lies along
        ``model`` has its input gathered, and that one's gradient summed: 3·(m - 1)/m of these bytes.
        """
        n, m = mesh.get("data", 1), mesh.get("model", 1)
        share = (examples or self.examples) / self.examples / n
        lie = specs(
            {name: own for name, (own, _, _) in self.arrays.items()}, {"data": n, "model": m}, sharding
        )
        held, sent, own_share = float(self.states), 0.0, 0.0
        whole = sum(p for _, p, _ in self.arrays.values())
        for name, (_, p, moments) in self.arrays.items():
            along = [axis for axis in lie[name] if axis]
            parts = math.prod({"data": n, "model": m}[axis] for axis in along)
            held += (p + moments) / parts
            own_share += p / parts / whole
            here = p / (m if "model" in along else 1)
            sent += (3 if "data" in along else 2) * here * (n - 1) / n
            if "model" in along:
                sent += 3 * share * self.inputs.get(name, 0) * (m - 1) / m
        return Cost(share * self.gradients / m + own_share * self.update, held, sent)

    def table(self, device: Device, each: int | None = None, counts: Sequence[int] = COUNTS) -> str:
        """Milliseconds a step for numbers of devices and ways to lay it out, ``each`` examples a device.

        A star is at the fastest that fits into a device's memory; "-" where nothing does.

        Raises:
            ValueError: a figure of the device is not above 0.
        """
        for name, value in device._asdict().items():
            checked_number(f"the device's {name}", value, above=0)
        return "\n".join(self._lines(device, each or self.examples, counts))

    def _lines(self, device: Device, each: int, counts: Sequence[int]) -> Iterator[str]:
        yield f"{'devices':>8}" + "".join(f"{name:>28}" for name in ("data", "fully sharded", "tensor, data"))
        for count in counts:
            m = math.gcd(count, WITHIN)
            ways: list[tuple[dict[str, int], str]] = [
                ({"data": count}, "replicated"),
                ({"data": count}, "full"),
                ({"data": count // m, "model": m}, "replicated"),
            ]
            found = [self.on(*way, each * count) for way in ways]
            fits = [cost.seconds(device) if cost.held <= device.memory else math.inf for cost in found]
            best = min(fits)
            cells = [
                f"{1e3 * cost.seconds(device):.3g} ms, {cost.held / 2**30:.3g} GiB"
                + " *"[t == best < math.inf]
                if t < math.inf
                else "-"
                for cost, t in zip(found, fits, strict=True)
            ]
            yield f"{count:>8,}" + "".join(f"{cell:>28}" for cell in cells)


def costs(trainer: Any, x: Any, t: Any, batch_size: int) -> StepCosts:
    """What a step of ``trainer`` on the first ``batch_size`` examples costs.

    Additions and multiplications of products are counted as 2·M·K·N, others as one for each number that comes
    out.

    Raises:
        TypeError, AttributeError: the step cannot be traced.
    """
    p, x, t = trainer.progress, trainer.cast(x[:batch_size]), trainer.cast(t[:batch_size])
    state = (p.params, p.states, p.moments)
    params, states, moments = tree_map(lambda a: np.zeros(shape(a), a.dtype), state)  # of any library
    forward = trace(lambda params: trainer.objective(params, states, x, t)[0], params)
    gradients = trace(lambda params: trainer.gradients(params, states, x, t)[0::2], params)
    update = trace(lambda *state: trainer.update(*state, 1e-3, 1.0), params, params, moments)
    arrays = {
        name: (shape(a), a.nbytes, sum(m.nbytes for m in moments[name].values()))
        for name, a in params.items()
    }
    return StepCosts(
        examples=len(t),
        gradients=arithmetic(gradients),
        update=arithmetic(update),
        arrays=arrays,
        inputs=multiplied(forward, list(params)),
        states=sum(s.nbytes for s in states.values()),
    )


def multiplied(forward: Program, names: list[str]) -> dict[str, int]:
    """Of each parameter the bytes of what it is multiplied with, wherever it is."""
    of = {id(symbol): name for name, symbol in zip(names, leaves(forward.inputs), strict=True)}
    found: dict[str, int] = {}
    for operation in forward.operations:
        if operation.name not in PRODUCTS:
            continue
        arrays = [a for a in operation.args if hasattr(a, "dtype")]
        for a, b in (arrays, arrays[::-1]):
            if id(a) in of:
                found[of[id(a)]] = found.get(of[id(a)], 0) + size(b) * b.dtype.itemsize
    return found
