"""The checkers of PyTorch, JAX and HIPS autograd, in their default settings, on the entries they can take.

An entry of NumPy code becomes an operation of the peer's own (``torch.autograd.Function``,
``jax.custom_vjp``, ``autograd.primitive``) that runs the NumPy code and its way back as they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import torch
from autograd.extend import defvjp_argnums, primitive
from autograd.test_util import check_grads as hips_check_grads
from jax.test_util import check_grads as jax_check_grads

from bench.check.plain import CannotTake, is_float, plain
from tests.checking.mutants.corpus import Entry

Ask = Callable[[], Any]  # False, or an exception about the gradient: the checker objects


@dataclass(frozen=True)
class Peer:
    """A checker: how it is asked about an entry of each style, and the mistakes that cannot be made there."""

    name: str
    ask: dict[str, Callable[[Entry], Ask]]
    impossible: dict[str, str]


# PyTorch


def numpy_to_torch(entry: Entry, fast: bool) -> Ask:
    target = plain(entry)

    class Bridge(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *xs: torch.Tensor) -> Any:
            outs, ctx.way_back = target.run(*(x.detach().numpy() for x in xs))
            tensors = tuple(torch.from_numpy(_floating(out)) for out in outs)
            return tensors if len(tensors) > 1 else tensors[0]

        @staticmethod
        def backward(ctx: Any, *douts: torch.Tensor) -> tuple:
            grads = ctx.way_back([dout.numpy() for dout in douts])
            return tuple(None if g is None else torch.from_numpy(np.array(g)) for g in grads)

    inputs = tuple(_shared(x).requires_grad_() for x in target.inputs)

    def ask() -> bool:
        accepted = gradcheck(Bridge.apply, inputs, fast)
        if accepted and target.unlike:
            raise CannotTake("PyTorch itself sums a gradient to the shape of its input")
        return accepted

    return ask


def torch_natively(entry: Entry, fast: bool) -> Ask:
    target, inputs = entry.target, [_to_tensor(x) for x in entry.inputs()]
    if inspect.isclass(target) and issubclass(target, torch.nn.Module):
        target = target()
    if isinstance(target, torch.nn.Module):
        target, inputs = _functional(target.double(), inputs)
    f = target.apply if inspect.isclass(target) else target
    places = [i for i, x in enumerate(inputs) if isinstance(x, torch.Tensor) and x.is_floating_point()]
    variables = tuple(inputs[i].requires_grad_() for i in places)
    return lambda: gradcheck(_closed_over(f, inputs, places), variables, fast)


def gradcheck(f: Callable, inputs: tuple, fast: bool) -> bool:
    torch.manual_seed(0)
    return torch.autograd.gradcheck(f, inputs, raise_exception=False, fast_mode=fast)


def _functional(module: torch.nn.Module, inputs: list) -> tuple[Callable, list]:
    names = [name for name, _ in module.named_parameters()]
    values = [value.detach().clone() for value in module.parameters()]

    def f(*xs: torch.Tensor) -> Any:
        parameters = dict(zip(names, xs[len(inputs) :], strict=True))
        return torch.func.functional_call(module, parameters, xs[: len(inputs)])

    return f, [*inputs, *values]


def _to_tensor(x: Any) -> Any:
    if is_float(x):
        return torch.from_numpy(np.array(x, np.float64))
    if isinstance(x, np.ndarray):
        return torch.from_numpy(x)
    return x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x


def _shared(x: np.ndarray) -> torch.Tensor:
    """A tensor of the same memory, where a tensor can have these strides."""
    if x.size == 0:
        return torch.empty(x.shape, dtype=torch.float64)  # NumPy's strides are 0, which gradcheck refuses
    return torch.from_numpy(x.copy() if min(x.strides, default=1) <= 0 else x)


# JAX


def numpy_to_jax(entry: Entry) -> Ask:
    target = plain(entry)
    ways_back: list[Callable] = []  # a residual is an array: the number of the way back

    def outputs(*xs: Any) -> tuple[Any, Callable]:
        outs, way_back = target.run(*(np.array(x) for x in xs))
        arrays = tuple(jax.numpy.asarray(_floating(out)) for out in outs)
        return arrays if len(arrays) > 1 else arrays[0], way_back

    @jax.custom_vjp
    def f(*xs: Any) -> Any:
        return outputs(*xs)[0]

    def forward(*xs: Any) -> tuple:
        out, way_back = outputs(*xs)
        ways_back.append(way_back)
        return out, len(ways_back) - 1

    def backward(number: Any, dout: Any) -> tuple:
        douts = [np.array(d) for d in (dout if isinstance(dout, tuple) else (dout,))]
        grads = ways_back[int(number)](douts)
        return tuple(None if g is None else jax.numpy.asarray(g) for g in grads)

    f.defvjp(forward, backward)
    return lambda: _check_with_jax(f, target.inputs)


def jax_natively(entry: Entry) -> Ask:
    inputs = list(entry.inputs())
    static = getattr(entry.target, "nondiff_argnums", ())
    places = [i for i, x in enumerate(inputs) if i not in static and (is_float(x) or _is_float_of_jax(x))]
    variables = [np.array(inputs[i], np.float64) for i in places]
    return lambda: _check_with_jax(_closed_over(entry.target, inputs, places), variables)


def _is_float_of_jax(x: Any) -> bool:
    return isinstance(x, jax.Array) and jax.numpy.issubdtype(x.dtype, jax.numpy.floating)


def _check_with_jax(f: Callable, inputs: list[np.ndarray]) -> None:
    with jax.enable_x64(True):
        jax_check_grads(f, [jax.numpy.asarray(x) for x in inputs], order=1, modes=("rev",))


# HIPS autograd


def numpy_to_hips(entry: Entry) -> Ask:
    target = plain(entry)
    latest: list[Callable] = []  # of the forward that was called last, which is the one recorded

    @primitive
    def f(*xs: np.ndarray) -> Any:
        outs, way_back = target.run(*xs)
        latest[:] = [way_back]
        outs = [_floating(out) for out in outs]
        return tuple(outs) if len(outs) > 1 else outs[0]

    def vjps(argnums: Sequence[int], out: Any, xs: tuple, options: dict) -> Callable:
        way_back = latest[0]

        def vjp(dout: Any) -> list:
            grads = way_back([np.asarray(d) for d in (dout if isinstance(dout, (tuple, list)) else (dout,))])
            return [np.zeros_like(xs[i]) if grads[i] is None else np.asarray(grads[i]) for i in argnums]

        return vjp

    defvjp_argnums(f, vjps)

    def ask() -> None:
        for place in range(len(target.inputs)):  # each alone: together, it broadcasts a misshapen gradient
            try:
                hips_check_grads(f, place, modes=["rev"], order=1)(*target.inputs)
            except (TypeError, ValueError) as error:
                if target.unlike:  # it met the gradient before it came to compare
                    raise AssertionError("a gradient is not like its input") from error
                raise

    return ask


# All of them


def _floating(out: Any) -> np.ndarray:
    """An output as an array of its own; a whole number counts as a float."""
    out = np.array(out)
    return out if out.dtype.kind == "f" else out.astype(np.float64)


def _closed_over(f: Callable, inputs: list, places: list[int]) -> Callable:
    """``f`` as a function of the inputs at ``places`` only."""

    def of_floats(*xs: Any) -> Any:
        moved = list(inputs)
        for place, x in zip(places, xs, strict=True):
            moved[place] = x
        return f(*moved)

    return of_floats


def _gradcheck(fast: bool) -> dict[str, Callable[[Entry], Ask]]:
    def numpy(entry: Entry) -> Ask:
        return numpy_to_torch(entry, fast)

    return {"pair": numpy, "class": numpy, "torch": lambda entry: torch_natively(entry, fast)}


TORCH = {"dtype": "PyTorch itself casts a gradient to the dtype of its input"}
JAX = {
    "mutates": "JAX's arrays cannot be written into",
    "layout": "JAX's arrays have no strides",
    "state": "JAX's functions have no state",
    "accumulates": "JAX's functions have no state",
}
PEERS = [
    Peer("torch.autograd.gradcheck, slow", _gradcheck(fast=False), TORCH),
    Peer("torch.autograd.gradcheck, fast", _gradcheck(fast=True), TORCH),
    Peer(
        "jax.test_util.check_grads", {"pair": numpy_to_jax, "class": numpy_to_jax, "jax": jax_natively}, JAX
    ),
    Peer("autograd.test_util.check_grads", {"pair": numpy_to_hips, "class": numpy_to_hips}, {}),
]
