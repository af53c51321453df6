"""Calling a kernel at a point, with what surrounds it watched: memory, inputs, shapes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.checking.forms.form import CannotCall
from handgrad.checking.kernels.arithmetic import Format
from handgrad.checking.kernels.calls import Kernel
from handgrad.checking.kernels.due import Reference
from handgrad.checking.kernels.libraries import Library, is_floating, rounded_to
from handgrad.rules.rule import told
from handgrad.tree import leaves, unflatten


@dataclass
class Ran:
    """One call of a kernel: outputs, then gradients of the floating inputs; None where it gives none.

    Attributes:
        native: what it returned, in its own arrays.
        seen: copies of these, in float64.
        written: which of its caller's arrays it has written into.
        shared: which results lie in an input's memory.
    """

    native: list[Any]
    seen: list[np.ndarray | None]
    written: list[str]
    shared: list[str]


class Caller:
    """A kernel, called at any point with douts of its own.

    Args:
        kernel: how it is called.
        reference: what it is to compute.
        values: the inputs' leaves, in float64.
        names: of these.
        form: the format to which arrays are rounded.
        seed: of the douts.
    """

    def __init__(
        self,
        kernel: Kernel,
        reference: Reference,
        values: list[Any],
        names: list[str],
        form: Format,
        seed: int,
    ):
        self.kernel, self.reference, self.names, self.form, self.seed = kernel, reference, names, form, seed
        self.library: Library = kernel.library
        self.floats = [k for k, x in enumerate(values) if is_floating(x)]
        self.outs = [o.shape for o in reference.outputs(values)]
        self.shapes = [*self.outs, *(values[k].shape for k in self.floats)]
        said = ["out"] if len(self.outs) == 1 else [f"out[{i}]" for i in range(len(self.outs))]
        self.results = said + [f"d{names[k]}" for k in self.floats]

    def douts(self, number: int) -> list[np.ndarray]:
        rng = np.random.default_rng([self.seed, number, 3])
        return [rounded_to(rng.standard_normal(shape), self.form.name) for shape in self.outs]

    def ran(self, values: list[Any], number: int, apart: bool = False) -> Ran:
        """The kernel at these values; ``apart``: in arrays whose elements do not lie side by side."""

        def native(x: Any) -> Any:
            made = self.library.made(x, self.form.name)
            return self.library.apart(made) if apart else made

        outs = [native(rounded_to(o, self.form.name)) for o in self.reference.outputs(values)]
        xs, douts = list(map(native, values)), list(map(native, self.douts(number)))
        self.library.poison(self.shapes, self.form.name)
        given = [*zip(self.names, xs, strict=True), *(("dout", d) for d in douts)]
        given = [(name, x) for name, x in given if hasattr(x, "dtype")]
        before = [self.library.seen(x) for _, x in given]
        out, grads = self._called(xs, douts, outs)
        whole = leaves(out) if out is not None else [None] * len(outs)
        whole += [None] * len(self.floats) if grads is None else [grads[k] for k in self.floats]
        return Ran(
            native=whole,
            seen=[None if x is None else self.library.seen(x) for x in whole],
            written=[
                name
                for (name, x), old in zip(given, before, strict=True)
                if not same(self.library.seen(x), old)
            ],
            shared=[
                f"{said} lies in the memory of {name}"
                for said, x in zip(self.results, whole, strict=False)
                for name, own in given
                if x is not None and overlap(self.library.span(x), self.library.span(own))
            ],
        )

    def _called(self, xs: list[Any], douts: list[Any], outs: list[Any]) -> tuple[Any, list[Any] | None]:
        """Its outputs as it returns them, and the gradients of all inputs."""
        out, back = self.kernel.run(unflatten(self.reference.tree, xs), _bare(outs))
        if back is None:
            return out, None
        nested = isinstance(out, (list, tuple, dict)) and len(leaves(out)) == len(douts)
        return out, back(unflatten(out, douts) if nested else _bare(douts))

    def first(self, values: list[Any]) -> Ran:
        """The first call.

        Raises:
            CannotCall: it raises, so it cannot be called at these inputs.
        """
        try:
            return self.ran(values, 0)
        except CannotCall:
            raise
        except Exception as error:  # the author's code may raise anything
            said = f"{type(error).__name__} at these inputs: {told(error)}"
            given = f"it was given arrays of {self.library.name}; for others say arrays="
            raise CannotCall(f"{self.kernel.name} raises {said} ({given})") from error


def _bare(xs: list[Any]) -> Any:
    return xs[0] if len(xs) == 1 else tuple(xs)


def same(a: np.ndarray | None, b: np.ndarray | None) -> bool:
    """To the last bit."""
    if a is None or b is None:
        return a is b
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def overlap(a: tuple[int, int], b: tuple[int, int]) -> bool:
    return max(a[0], b[0]) < min(a[1], b[1])
