"""A network in evaluation, batch by batch: rule by rule, or as native code where that takes less time."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.arrays import plain, size
from handgrad.layers import Layer
from handgrad.optim.checks import checked_count
from handgrad.program import Symbol, stable_trace
from handgrad.train.arguments import inputs
from handgrad.train.choosing import could_pay_off, pays_off
from handgrad.train.training import fingerprint
from handgrad.tree import leaves, tree_map

MOST = 250  # examples in a batch
PASSES = 20  # that are counted on, however many epochs there are: a resumed training chooses as a whole one


class Repeated:
    """What is called again and again, each time perhaps with another function: the code of the last is kept.

    Args:
        engine: "numpy", or None for native code where that takes less time, compiling included.
    """

    def __init__(self, engine: str | None = None):
        self.engine = engine
        self.printed = ""
        self.code: Callable | None = None

    def made(self, f: Callable, args: tuple, calls: int) -> Callable:
        """``f`` for arguments like these, parameters first: native code if so many calls are worth compiling.

        It is traced each time, so that what it reads may have changed since.
        """
        params, others = (sum(map(size, leaves(part))) for part in (args[0], args[1:]))
        if self.engine == "numpy" or not could_pay_off(params, others, calls) or not _has_code(args):
            return f
        try:
            program = stable_trace(f, *args)
        except Exception:  # whatever a user's function raises for symbols; NumPy runs it then
            return f
        results = leaves(program.outputs)
        if not all(isinstance(y, Symbol) for y in results) or not pays_off(program, calls):
            return f
        printed = fingerprint(program)
        if printed != self.printed:
            from handgrad.engine import compile

            self.printed, self.code = printed, compile(f)
        assert self.code is not None
        return self.code


def _has_code(args: Any) -> bool:
    """Whether there may be native code for such arguments."""
    return importlib.util.find_spec("llvmlite") is not None and all(
        x.dtype in (np.float32, np.float64) for x in leaves(args) if x.dtype.kind == "f"
    )


class Forward:
    """The outputs of a network in evaluation.

    Args:
        engine: as ``Repeated`` takes it.
        passes: over the data that are counted on.
    """

    def __init__(self, engine: str | None = None, passes: int = 1):
        self.repeated, self.passes = Repeated(engine), passes

    def outputs(self, net: Layer, x: Any, batch_size: int = MOST) -> Iterator[tuple[slice, Any]]:
        """For each batch its rows and the outputs for them; the few that are left over are NumPy's."""
        params, states = net.parameters(), net.states()

        def forward(params: Any, states: Any, x: Any) -> Any:
            return net.bind(params, states).evaluate()(x)

        picked = parts(len(x), batch_size)
        whole = len(x) // (picked[0].stop or 1)
        run = forward
        for i, rows in enumerate(picked):
            given = cast_to(next((p.dtype for p in params.values()), None), x[rows])
            if i == 0:
                run = self.repeated.made(forward, (params, states, given), whole * self.passes)
            yield rows, (run if i < whole else forward)(params, states, given)


def parts(n: int, most: int) -> list[slice]:
    """Batches of one size, at most ``most``, and a smaller last one: of the sizes above half of it the one
    that leaves the fewest over, since code is for one size.

    >>> parts(9, 5)
    [slice(0, 3, None), slice(3, 6, None), slice(6, 9, None)]
    """
    sizes = range(min(n, most), most // 2, -1)
    batch = min(sizes, key=lambda size: n % size, default=n)
    return [slice(i, min(i + batch, n)) for i in range(0, n, max(batch, 1))] or [slice(0, 0)]


def cast_to(dtype: Any, x: Any) -> Any:
    """Floating-point arrays in the network's dtype; class indices stay integers."""
    x = plain(x, "what the network is trained on")
    return x.astype(dtype, copy=False) if dtype is not None and x.dtype.kind == "f" else x


def predict(net: Layer, x: Any, batch_size: int = MOST, engine: str | None = None) -> Any:
    """A network's outputs in evaluation, batch by batch.   x (N, ...) -> (N, M)

    Of a network with several outputs they are in a tuple, list or dict, as it gives them.

    Args:
        batch_size: how many examples go through it at once, at most.
        engine: "numpy", rule by rule; if not said, native code where that takes less time.

    Raises:
        TypeError: x is no array of numbers.

    Examples:
        >>> net = hg.layers.mlp([4, 3], seed=0)
        >>> hg.train.predict(net, np.ones((7, 4), np.float32), engine="numpy").shape
        (7, 3)
    """
    checked_count("batch_size", batch_size)
    outs = [y for _, y in Forward(engine).outputs(net.bind(), inputs(x), batch_size)]
    return tree_map(lambda *parts: np.concatenate(parts), *outs)
