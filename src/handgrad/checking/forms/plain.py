"""Any function: what it returns, or what stands beside it, says in which form it is written."""

from __future__ import annotations

from typing import Any, Self

from handgrad.arrays import is_floating
from handgrad.checking.forms.arrays import NUMPY, Arrays, JaxArrays, TorchArrays, arrays_of, kept_tree
from handgrad.checking.forms.form import Asked, CannotCall, Form
from handgrad.checking.forms.function import (
    holds_backward,
    of_loss_and_gradients,
    of_pair,
    returns_gradients,
)
from handgrad.checking.forms.recorded import of_function
from handgrad.checking.forms.two import of_two
from handgrad.checking.forms.values import is_value, of_values
from handgrad.checking.forms.watch import Watched, sibling, watched
from handgrad.checking.memory import Memory
from handgrad.checking.subject import Subject, fixed_randomness, label, parameter_names
from handgrad.rules.rule import describe
from handgrad.tape.refusals import HistoryLost
from handgrad.tree import leaves, tree_map

PEERS = {"handgrad", "torch", "jax", "autograd"}  # who differentiates


class PlainFunction(Form):
    """``f(*inputs)``: (out, backward), (loss, grads), or a function of rules, of PyTorch or of JAX."""

    @classmethod
    def of(cls, target: Any, asked: Asked) -> Self | None:
        return cls(target, asked) if callable(target) and not isinstance(target, type) else None

    def subject(self, inputs: tuple, options: dict) -> Subject:
        f = self.target
        if any(map(is_value, leaves(list(inputs)))):
            return of_values(f, inputs, options)
        arrays = arrays_of(list(inputs))
        names = parameter_names(f, len(inputs))
        tree = kept_tree(arrays, inputs)
        memory = Memory(f)

        given = arrays.handed(tree, leaves(tree))
        with fixed_randomness(), memory.kept(), arrays.precise():
            made, seen = watched(lambda: f(*given, **options))
        arrays = self._arrays(arrays, made, seen)
        if holds_backward(made):
            return of_pair(f, inputs, options, names=names, memory=memory, arrays=arrays)
        if returns_gradients(f, made, names, tree, is_plain=not seen.libraries & PEERS):
            return of_loss_and_gradients(f, inputs, options, arrays)
        beside = sibling(label(f), getattr(f, "__globals__", {}))
        if beside is not None:
            return of_two(f, f.__globals__[beside], inputs, options, self.asked.adapter)
        if seen.unheard:
            raise CannotCall(self._unheard(seen))
        return self._differentiated(made, arrays, inputs, options)

    def _without_backward(self, made: Any, error: Exception) -> str:
        name = label(self.target)
        return (
            f"{name} returned {describe(made)} and no backward, and as a function of rules, which needs none,"
            f" it cannot be recorded ({error}). If its backward is another function, give both: "
            f"check(({name}, its_backward), ...); else return (out, backward), or (loss, grads)"
        )

    def _arrays(self, given: Arrays, made: Any, seen: Watched) -> Arrays:
        """Those of the inputs, or of the library that NumPy's were handed to."""
        if given is not NUMPY:
            return given
        found = arrays_of([x for x in leaves(made) if not callable(x)])
        if found is not NUMPY:
            return found
        is_peer = "torch" in seen.libraries and not holds_backward(made)
        return TorchArrays() if is_peer else JaxArrays() if "jax" in seen.libraries else NUMPY

    def _unheard(self, seen: Watched) -> str:
        name, backward = label(self.target), seen.unheard[0]
        return (
            f"{name} returns no backward, so {backward}, which stands beside a forward that it calls, "
            f"would never "
            f"be called: give what it belongs to, the object or the pair of functions, or return (out, "
            f"backward)"
        )

    def _differentiated(self, made: Any, arrays: Arrays, inputs: tuple, options: dict) -> Subject:
        """A function without a backward of its own: the library's that computes it."""
        if isinstance(arrays, TorchArrays):
            from handgrad.checking.forms.torch_own import of_torch

            given = tree_map(lambda x: _tensor(x, TorchArrays()), list(inputs))
            return of_torch(self.target, tuple(given), options)
        if isinstance(arrays, JaxArrays):
            from handgrad.checking.forms.jax_own import of_jax

            return of_jax(self.target, inputs, options)
        if any(is_floating(x) for x in leaves(made)):
            try:
                return of_function(self.target, inputs, options)
            except (HistoryLost, AttributeError) as error:
                raise CannotCall(self._without_backward(made, error)) from error
        raise TypeError(
            f"{label(self.target)} returned {describe(made)}: a rule returns the pair (out, backward), and "
            f"any other function is made of rules"
        )


def _tensor(x: Any, arrays: Arrays) -> Any:
    return arrays.given(arrays.kept(x)) if is_floating(x) and not isinstance(x, float) else x
