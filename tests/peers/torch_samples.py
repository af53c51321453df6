"""PyTorch's differentiable operations on PyTorch's own sample inputs, as functions of float64 tensors.

PyTorch tests every operation with ``gradcheck`` on samples that come with it; these are the same samples,
prepared as PyTorch prepares them (its wrappers, its choice of outputs), so they are as many known right
backward passes as one could wish for.
"""

from __future__ import annotations

import random
import types
import unittest
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.utils._pytree import tree_flatten, tree_unflatten

PER_OPERATION = 3
# What PyTorch itself has wrong.
KNOWN_WRONG = {
    "nn_functional_hardsigmoid": "its float64 backward multiplies by float32(1/6) = 0.16666667163, which is "
    "off from the eighth digit on"
}
MOST = 400, 1000  # elements of all inputs and outputs: gradcheck builds the whole Jacobian


@dataclass(frozen=True)
class TorchCase:
    """An operation on one sample: ``f(*inputs)`` is a float tensor, or a tuple of them."""

    name: str
    f: Callable[..., Any]
    inputs: tuple[torch.Tensor, ...]
    nondeterminism: float = 0.0  # that PyTorch allows this operation

    @cached_property
    def right(self) -> bool:
        """Whether ``torch.autograd.gradcheck``, slow mode, default tolerances, accepts it."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                torch.manual_seed(0)
                return torch.autograd.gradcheck(
                    self.f, self.inputs, raise_exception=False, nondet_tol=self.nondeterminism
                )
            except Exception:  # whatever an operation raises, it is not known to be right
                return False


class LeftOut(Exception):
    """Why an operation or a sample is no case."""


def cases(
    skipped: Counter[str] | None = None, per_operation: int = PER_OPERATION, part: slice = slice(None)
) -> Iterator[TorchCase]:
    """The cases of a part of the operations; ``skipped`` counts what was left out, and why."""
    skipped = Counter() if skipped is None else skipped
    for operation in op_db[part]:
        try:
            _refuse(operation)
            fitting = list(samples(operation, skipped))
        except LeftOut as why:
            skipped[str(why)] += 1
            continue
        if len(fitting) > per_operation:
            skipped["samples: enough of the operation's are in"] += len(fitting) - per_operation
        stride = max(1, len(fitting) // per_operation)
        yield from fitting[::stride][:per_operation]


def _refuse(operation: Any) -> None:
    """Leave out the operations whose gradients PyTorch does not test in float64 on the CPU."""
    refuse_undifferentiable(operation)
    marks = operation.get_decorators("TestBwdGradients", "test_fn_grad", "cpu", torch.float64, {})
    if any(_is_a_skip(mark) for mark in marks):
        raise LeftOut("operations: PyTorch skips its own gradient test, or expects it to fail")


def refuse_undifferentiable(operation: Any) -> None:
    if not operation.supports_autograd:
        raise LeftOut("operations: not differentiable")
    if torch.float64 not in operation.supported_backward_dtypes("cpu"):
        raise LeftOut("operations: no backward in float64")


def _is_a_skip(mark: Any) -> bool:
    return mark is unittest.expectedFailure or getattr(mark, "__qualname__", "").startswith("skip.<locals>")


def samples(operation: Any, skipped: Counter[str], most: tuple[float, float] = MOST) -> Iterator[TorchCase]:
    """The operation on each sample with float64 inputs and outputs, and at most so many elements of them."""
    torch.manual_seed(0)
    random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, sample in enumerate(operation.sample_inputs("cpu", torch.float64, requires_grad=True)):
            try:
                yield _case(operation, sample, f"{operation.formatted_name}-{number}", most)
            except LeftOut as why:
                skipped[str(why)] += 1


def _case(operation: Any, sample: Any, name: str, most: tuple[float, float]) -> TorchCase:
    leaves, structure = tree_flatten((sample.input, sample.args, sample.kwargs))
    places = [i for i, leaf in enumerate(leaves) if _is_variable(leaf)]
    inputs = tuple(leaves[i] for i in places)

    def apply(*xs: torch.Tensor) -> list:
        moved = [x.clone() if isinstance(x, torch.Tensor) else x for x in leaves]  # what is written into
        for place, x in zip(places, xs, strict=True):
            moved[place] = x
        input, args, kwargs = tree_unflatten(moved, structure)
        out = operation.gradcheck_wrapper(called(operation), input, *args, **kwargs)
        return tree_flatten(sample.output_process_fn_grad(out))[0]

    _refuse_inputs(leaves, inputs, most[0])
    try:
        outs = apply(*inputs)
    except Exception as error:
        raise LeftOut(f"samples: the operation raises {type(error).__name__}") from error
    chosen = _differentiable(outs, most[1])
    return TorchCase(name, _only(apply, chosen), inputs, operation.gradcheck_nondet_tol)


def called(operation: Any) -> Callable[..., Any]:
    """The function; a method as it is called, by its name."""
    function = operation.get_op()
    if isinstance(function, (types.MethodDescriptorType, types.WrapperDescriptorType)):
        return lambda x, *args, **options: getattr(x, function.__name__)(*args, **options)
    return function


def _is_variable(leaf: Any) -> bool:
    return isinstance(leaf, torch.Tensor) and leaf.requires_grad


def _refuse_inputs(leaves: list, inputs: tuple[torch.Tensor, ...], most: float) -> None:
    if any(isinstance(leaf, torch.Tensor) and leaf.layout is not torch.strided for leaf in leaves):
        raise LeftOut("samples: sparse")
    if not inputs:
        raise LeftOut("samples: no input requires a gradient")
    if any(x.dtype is not torch.float64 for x in inputs):
        raise LeftOut("samples: an input is not float64")
    if sum(x.numel() for x in inputs) > most:
        raise LeftOut(f"samples: more than {most} input elements")


def _differentiable(outs: list, most: float) -> list[int]:
    """Which of the outputs hang on the inputs."""
    chosen = [i for i, out in enumerate(outs) if _is_variable(out)]
    if not chosen:
        raise LeftOut("samples: no output is differentiable")
    if any(outs[i].layout is not torch.strided for i in chosen):
        raise LeftOut("samples: sparse")
    if any(outs[i].is_complex() for i in chosen):
        raise LeftOut("samples: complex")
    if any(outs[i].dtype is not torch.float64 for i in chosen):
        raise LeftOut("samples: an output is not float64")
    if sum(outs[i].numel() for i in chosen) > most:
        raise LeftOut(f"samples: more than {most} output elements")
    return chosen


def _only(apply: Callable[..., list], chosen: list[int]) -> Callable[..., Any]:
    def f(*xs: torch.Tensor) -> Any:
        outs = apply(*xs)
        return outs[chosen[0]] if len(chosen) == 1 else tuple(outs[i] for i in chosen)

    return f
