"""The parts of a PyTorch module or function: its autograd Functions, and its modules that hold no others."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.autograd import function as autograd

from handgrad.checking.forms.torch_own import is_function_class, of_torch
from handgrad.checking.network.calls import Call, Calls, patched
from handgrad.checking.network.part import Part, numbered, only, so_far
from handgrad.checking.subject import Subject, copied, label
from handgrad.tree import leaves, tree_map


def parts(subject: Subject) -> list[Part]:
    """One part for each call, in the order of the forward. A Function alone has none."""
    ended = [call for call in Forward(subject).run() if is_part(call)]
    if len(ended) == 1 and label(ended[0].owner) == subject.name:
        return []
    found: list[Part] = []
    before = so_far(subject)
    for name, call in zip(numbered(call.name for call in ended), ended, strict=True):
        found.append(part_of(name, len(found), call, frozenset(before)))
        before |= set(call.own.values())
    return found


def is_part(call: Call) -> bool:
    """Whether this is what its author wrote a backward for, or a module that stands for one operation."""
    if is_function_class(call.owner):
        return _needs_gradient(call)
    return not call.inside and _needs_gradient(call)


def _needs_gradient(call: Call) -> bool:
    given = leaves([call.args, call.options])
    return bool(call.own) or any(isinstance(x, torch.Tensor) and x.requires_grad for x in given)


def part_of(name: str, order: int, call: Call, before: frozenset[int]) -> Part:
    """A call as a subject: only what a gradient was asked for is checked."""
    flat = leaves(list(call.args))
    made = of_torch(call.owner, tree_map(_bare, call.args), tree_map(_bare, call.options))
    wanted = [isinstance(x, torch.Tensor) and x.requires_grad for x in flat]
    wanted += [True] * (len(made.values) - len(flat))
    made = only(made, wanted)
    flows = [frozenset([call.own[n]]) if n in call.own else before for n in made.names]
    if not is_function_class(call.owner):
        return Part(name, order, made, flows, type(call.owner))
    return Part(name, order, made, flows, call.owner, call.options)


def _bare(x: Any) -> Any:
    return x.detach() if isinstance(x, torch.Tensor) else x


class Forward:
    """One recorded forward, with the calls of modules and of autograd Functions noted."""

    def __init__(self, subject: Subject):
        self.subject = subject
        self.calls = Calls()
        self.open: list[tuple[str, dict[str, int]]] = []  # the modules under way: paths and parameters
        self.paths: dict[int, str] = {}
        is_module = isinstance(subject.inner, torch.nn.Module)
        self.originals = dict(subject.inner.named_modules()) if is_module else {}

    def run(self) -> list[Call]:
        """The calls, in the order in which they ended."""
        with (
            patched(torch.nn.Module, "__call__", self.noting_modules),
            # apply of all Functions, also where it was taken from its class before, ends in this one
            patched(autograd._SingleLevelFunction, "apply", self.noting_functions),
        ):
            self.subject.pair(copied(self.subject.values))
        return self.calls.ended

    def noting_modules(self, original: Callable) -> Callable:
        """A module's ``__call__`` that notes its calls."""

        def call(module: Any, *args: Any, **options: Any) -> Any:
            if not self.paths:
                self.paths = {id(held): path for path, held in module.named_modules()}
            path = self.paths.get(id(module), "")
            owner = self.originals.get(path, module) if id(module) in self.paths else module
            own = self.parameters_of(path) if id(module) in self.paths else {}
            noted = Call(_named(path, owner), owner, _kept(args), _kept(options), own=own)
            with self.calls.note(noted), self.within(path, own):
                return original(module, *args, **options)

        return call

    def noting_functions(self, original: Callable) -> classmethod:
        """``apply`` that notes its calls; what a Function calls in its forward is its own affair."""
        forward = self
        of_base = vars(torch._C._FunctionBase)["apply"]  # not yet bound to a class

        def apply(kind: Any, *args: Any) -> Any:
            base = of_base.__get__(None, kind)
            current = forward.calls.current
            is_inner = current is not None and is_function_class(current.owner)
            if is_inner or kind.__module__.startswith("torch."):
                return base(*args)
            path, own = forward.open[-1] if forward.open else ("", {})
            with forward.calls.note(Call(_named(path, kind), kind, _kept(args), {}, own=dict(own))):
                return base(*args)

        return classmethod(apply)

    @contextlib.contextmanager
    def within(self, path: str, own: dict[str, int]) -> Iterator[None]:
        self.open.append((path, own))
        try:
            yield
        finally:
            self.open.pop()

    def parameters_of(self, path: str) -> dict[str, int]:
        """The network's numbers of the parameters below a module, by their names in it."""
        names = [name for name, _ in self.subject.inner.named_parameters()] if self.originals else []
        first = len(self.subject.values) - len(names)
        prefix = f"{path}." if path else ""
        return {n.removeprefix(prefix): first + i for i, n in enumerate(names) if n.startswith(prefix)}


def _named(path: str, owner: Any) -> str:
    kind = owner if isinstance(owner, type) else type(owner)
    return f"{path} ({kind.__name__})" if path else kind.__name__


def _kept(args: Any) -> Any:
    """Copies, which the forward cannot write into, and which know whether a gradient was asked for."""

    def kept(x: Any) -> Any:
        if not isinstance(x, torch.Tensor):
            return x
        return x.detach().clone().requires_grad_(x.requires_grad)

    return tree_map(kept, args)
