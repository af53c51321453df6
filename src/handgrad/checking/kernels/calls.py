"""How a kernel is called: a forward, a backward, or both, as its author wrote them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad.checking.forms.calling import is_dout, planned, wanted_by
from handgrad.checking.forms.form import CannotCall
from handgrad.checking.forms.function import holds_backward, taken_apart
from handgrad.checking.forms.gradients import aligned
from handgrad.checking.kernels.due import Reference
from handgrad.checking.kernels.libraries import Library
from handgrad.checking.subject import label
from handgrad.tree import leaves, unflatten


class Kernel:
    """``run(xs, out) -> (outputs or None, backward or None)``, and whose they are.

    Args:
        target: a function of arrays that returns outputs, or these and a backward; a backward alone, whose
            first or last parameter is called dout; a pair (forward, backward), of which the forward may be
            None; an object with these; a ``torch.autograd.Function``, a module, a function of PyTorch's or
            JAX's arrays that they differentiate.
        reference: the function that it is to compute.
        tree: inputs in float64, nested as the reference takes them.
        names: of the reference's inputs.
        library: of the arrays that it takes.
    """

    def __init__(self, target: Any, reference: Callable, tree: list[Any], names: list[str], library: Library):
        self.target, self.reference, self.names, self.library = target, reference, names, library
        self.kept = tree  # which of the inputs are floating, if their own dtype does not say
        self.name = label(target if not isinstance(target, (tuple, list)) else target[0] or target[1])
        self.forward, self.backward = _two(target)
        if self.forward is None:
            self.name = label(self.backward)
        self.whose = self._whose()
        self.is_library_s = False  # the backward, and no author's

    def _whose(self) -> str:
        if self.forward is None:
            return f"the gradients that {self.name} returns"
        if self.backward is not None:
            return f"the outputs of {label(self.forward)} and the gradients of {label(self.backward)}"
        return f"the outputs of {self.name}"

    def run(self, tree: list[Any], out: Any) -> tuple[Any, Callable[[Any], list[Any]] | None]:
        """What it returns for inputs, and ``back(dout) -> gradients``, one for each leaf of the inputs.

        Args:
            tree: inputs, nested as the reference takes them.
            out: what the reference returns, for a backward alone.

        Raises:
            CannotCall: it cannot be told how it is called.
        """
        if self.forward is None or self.backward is not None:
            return self._by_two(tree, out)
        made, back = self._differentiable(tree)
        if holds_backward(made):
            out, back = taken_apart(made, self.name, self.names)
            self.whose = f"the outputs of {self.name} and the gradients of the backward that it returns"
            return out, lambda dout: aligned(back(dout), self.kept, self.names)
        return made, back

    def as_pair(self, reference: Reference) -> Any:
        """The same code as the checker of float64 takes it; None where none of it is a backward by hand."""
        if self.forward is None:
            return (reference.f, self.backward) if reference.library == self.library.name else None
        return None if self.is_library_s else self.target

    def _by_two(self, tree: list[Any], out: Any) -> tuple[Any, Callable[[Any], list[Any]]]:
        forward = self.forward or self.reference
        made = out if self.forward is None else self.forward(*tree)
        plan = planned(forward, self.backward, self.names, made, label(self.backward), {})

        def back(dout: Any) -> list[Any]:
            return aligned(self.backward(*plan.arguments(dout, tuple(tree), made)), self.kept, self.names)

        return (None if self.forward is None else plan.out(made)), back

    def _differentiable(self, tree: list[Any]) -> tuple[Any, Callable | None]:
        """What a forward returns, and the way back that its library has for it."""
        if self.library.name == "torch":
            return self._by_torch(tree)
        if self.library.name == "jax":
            return self._by_jax(tree)
        return self.forward(*tree), None

    def _by_torch(self, tree: list[Any]) -> tuple[Any, Callable | None]:
        import torch

        flat = leaves(tree)
        floats = [x for x in flat if isinstance(x, torch.Tensor) and x.is_floating_point()]
        asked = {id(x): x.detach().requires_grad_() for x in floats}
        # A view of each leaf: a forward that writes into its inputs is to be seen doing it, not stopped.
        given = unflatten(tree, [asked[id(x)].view_as(x) if id(x) in asked else x for x in flat])
        try:
            with torch.enable_grad():
                made = self.forward(*given)
        except RuntimeError:  # NumPy of what requires a gradient: a forward that has none
            return self.forward(*tree), None
        outs = leaves(made)
        recorded = [o for o in outs if isinstance(o, torch.Tensor) and o.requires_grad]
        if not recorded:
            return made, None
        if isinstance(self.target, type):
            self.whose = f"the outputs and gradients of {self.name}, forward and backward"
        else:
            self.whose = f"the outputs of {self.name} and the gradients that PyTorch has of it"
            self.is_library_s = True

        def back(dout: Any) -> list[Any]:
            seeds = [d for o, d in zip(outs, leaves(dout), strict=True) if any(o is r for r in recorded)]
            wanted = list(asked.values())
            found = iter(torch.autograd.grad(recorded, wanted, seeds, retain_graph=True, allow_unused=True))
            return [next(found) if id(x) in asked else None for x in flat]

        return made, back

    def _by_jax(self, tree: list[Any]) -> tuple[Any, Callable | None]:
        import jax

        flat = leaves(tree)
        chosen = [
            k for k, x in enumerate(flat) if getattr(x, "dtype", None) is not None and x.dtype.kind in "fV"
        ]

        def f(*xs: Any) -> Any:
            at = dict(zip(chosen, xs, strict=True))
            return self.forward(*unflatten(tree, [at.get(k, x) for k, x in enumerate(flat)]))

        try:
            made, vjp = jax.vjp(f, *(flat[k] for k in chosen))
        except Exception:  # a forward that JAX cannot differentiate, or that returns a backward
            return self.forward(*tree), None
        self.whose = f"the outputs of {self.name} and the gradients that JAX has of it"
        self.is_library_s = True

        def back(dout: Any) -> list[Any]:
            found = iter(vjp(dout))
            return [next(found) if k in chosen else None for k in range(len(flat))]

        return made, back


def _two(target: Any) -> tuple[Any, Any]:
    """The forward and the backward of a target; None for the one that it has not, or returns."""
    if isinstance(target, (tuple, list)):
        if len(target) == 2 and callable(target[1]) and (target[0] is None or callable(target[0])):
            return target[0], target[1]
        raise CannotCall(f"a kernel is a function, or a pair (forward, backward), not {len(target)} of them")
    if isinstance(target, type) and hasattr(target, "apply"):
        return target.apply, None
    if not callable(target) and all(callable(getattr(target, n, None)) for n in ("forward", "backward")):
        return target.forward, target.backward
    if not callable(target):
        raise CannotCall(f"{label(target)} is a {type(target).__name__}: a kernel is a function of arrays")
    wanted = wanted_by(target) or [""]
    return (
        (None, target)
        if len(wanted) > 1 and any(is_dout(w, []) for w in (wanted[0], wanted[-1]))
        else (target, None)
    )
