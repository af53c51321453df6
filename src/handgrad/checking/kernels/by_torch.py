"""A reference made of PyTorch's functions: each operation that it dispatches, forward and backward."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch._decomp import core_aten_decompositions
from torch.utils._python_dispatch import TorchDispatchMode

from handgrad.checking.kernels.arithmetic import ARITHMETIC, Arithmetic, computed, either, twice
from handgrad.checking.kernels.by_program import Run, is_array
from handgrad.tree import leaves, unflatten

VIEWS = frozenset("view _unsafe_view reshape expand permute transpose t slice select detach alias as_strided "
                  "unsqueeze squeeze clone copy_ copy _to_copy lift_fresh unbind split".split())  # fmt: skip


class Rounding(TorchDispatchMode):
    """Inside, each operation of float64 tensors is rounded; those of many steps are taken apart first.

    Each is computed twice: ``twins`` has both. Autograd saves a tensor as another one in the same memory.
    """

    def __init__(self, arithmetic: Arithmetic, rng: np.random.Generator):
        super().__init__()
        self.arithmetic, self.rng = arithmetic, rng
        self.is_back = False
        self.twins: dict[tuple, tuple[Any, Any]] = {}  # by where the first lies

    def __torch_dispatch__(self, f: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if f in apart():
            with self:
                return apart()[f](*args, **kwargs)
        with self:
            made = f.decompose(*args, **kwargs)
        if made is not NotImplemented:
            return made
        name = f.overloadpacket.__name__
        if name.endswith("_"):
            return self._rounded(f, name, args, kwargs)
        mixed = self.is_back and name in ARITHMETIC
        first, second = (self._rounded(f, name, self._chosen(args, mixed, which), kwargs) for which in (0, 1))
        if _is_floating(first):
            self.twins[_where(first)] = (first, second)
        return first

    def _chosen(self, args: tuple, mixed: bool, which: int) -> tuple:
        """The first computation of each operand, the second, or of each element the one or the other."""

        def one(x: Any) -> Any:
            if isinstance(x, (list, tuple)):
                return type(x)(map(one, x))
            pair = self.twins.get(_where(x)) if _is_floating(x) else None
            if pair is None or not mixed:
                return x if pair is None else pair[which]
            return torch.from_numpy(either(_array(pair[0]), _array(pair[1]), self.rng))

        return tuple(map(one, args))

    def _rounded(self, f: Any, name: str, args: tuple, kwargs: dict) -> Any:
        places = [k for k, x in enumerate(args) if _is_floating(x)]
        if name in VIEWS or not places or kwargs.get("out") is not None:
            return f(*args, **kwargs)
        whole: list[Any] = []

        def on(*arrays: Any) -> np.ndarray:
            at = dict(zip(places, map(torch.from_numpy, arrays), strict=True))
            whole.append(f(*(at.get(k, x) for k, x in enumerate(args)), **kwargs))
            return _first(whole[-1]).numpy(force=True)

        if not _is_floating(_first(f(*args, **kwargs) if not name.endswith("_") else args[0])):
            return f(*args, **kwargs)
        arrays = [np.array(args[k].numpy(force=True)) for k in places]
        made = computed(name.strip("_"), on, arrays, self.arithmetic, self.is_back, self.rng)
        result = torch.from_numpy(np.ascontiguousarray(made).reshape(np.shape(made)))
        if name.endswith("_"):
            return args[0].copy_(result)
        return (result, *whole[-1][1:]) if isinstance(whole[-1], tuple) else result


@functools.cache
def apart() -> dict:
    """What PyTorch takes apart: softmax into its maximum, exp, sum and quotient."""
    return core_aten_decompositions()


def _first(made: Any) -> Any:
    return made[0] if isinstance(made, (tuple, list)) else made


def _where(x: torch.Tensor) -> tuple:
    return x.data_ptr(), x.shape, x.stride()


def _array(x: torch.Tensor) -> np.ndarray:
    return np.array(x.numpy(force=True))


def _is_floating(x: Any) -> bool:
    return isinstance(x, torch.Tensor) and x.dtype == torch.float64


def prepared(f: Callable, tree: list[Any], values: list[Any], douts: list[Any] | None) -> tuple[Run, bool]:
    """As ``by_program.prepared``, of a function of tensors."""

    def whole(given: list[Any], seeds: list[Any], mode: Any) -> list[np.ndarray]:
        tensors = [torch.tensor(x) if isinstance(x, np.ndarray) else x for x in given]
        floats = [x.requires_grad_() for x in tensors if _is_floating(x)]
        with torch.set_grad_enabled(bool(seeds)), mode:
            outs = leaves(f(*unflatten(tree, tensors)))
        grads: Any = ()
        if seeds:
            recorded = [(o, d) for o, d in zip(outs, seeds, strict=True) if o.requires_grad]
            if isinstance(mode, Rounding):
                mode.is_back = True
            with mode:
                grads = torch.autograd.grad(
                    [o for o, _ in recorded], floats, [torch.tensor(d) for _, d in recorded],
                    allow_unused=True, materialize_grads=True,
                )  # fmt: skip
        return [x.detach().numpy() for x in (*outs, *grads)]

    def run(arithmetic: Arithmetic | None, rng: np.random.Generator) -> list[np.ndarray]:
        if arithmetic is None:
            return whole(values, douts or [], contextlib.nullcontext())
        read = [twice(x, arithmetic, rng)[0] if is_array(x) else x for x in values]
        return whole(read, douts or [], Rounding(arithmetic, rng))

    return run, True
