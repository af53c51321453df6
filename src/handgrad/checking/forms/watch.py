"""Which backwards a forward leaves unheard: those that stand beside what it calls, and that nobody will call.

A function that calls ``layer.forward(x)`` and returns the output alone would have handgrad's own derivative
checked, while the layer's backward, which is the author's, never runs. So one run is watched.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from handgrad.checking.forms.names import methods_of
from handgrad.checking.watching import watching

LIBRARIES = ("handgrad", "torch", "jax", "numpy", "autograd", "scipy")


@dataclass
class Watched:
    """What one run of a function called."""

    unheard: list[str] = field(default_factory=list)  # backwards of the author's, by name
    libraries: set[str] = field(default_factory=set)  # whose code ran; of handgrad's, its rules


def watched(run: Callable[[], Any]) -> tuple[Any, Watched]:
    """What ``run()`` returns, and what it called."""
    seen = Watched()

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            with contextlib.suppress(Exception):  # objects may do anything when they are asked for a name
                _look(frame, seen)

    with watching(watch):
        made = run()
    seen.unheard = list(dict.fromkeys(seen.unheard))
    return made, seen


def _look(frame: FrameType, seen: Watched) -> None:
    module = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    if module in LIBRARIES:
        if module != "handgrad" or frame.f_globals["__name__"].startswith("handgrad.rules"):
            seen.libraries.add(module)
        return
    code = frame.f_code
    first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    if is_torch_context(first):
        seen.libraries.add("torch")
        return
    names = methods_of(first) if hasattr(first, "__dict__") and not isinstance(first, type) else None
    if names is not None and getattr(getattr(type(first), names[0], None), "__code__", None) is code:
        if not _is_librarys(getattr(type(first), names[1], None)):
            seen.unheard.append(f"{type(first).__name__}.{names[1]}")
        return
    name = sibling(code.co_name, frame.f_globals)
    if name is not None and getattr(frame.f_globals.get(code.co_name), "__code__", None) is code:
        seen.unheard.append(name)


def _is_librarys(f: Any) -> bool:
    return (getattr(f, "__module__", "") or "").partition(".")[0] in LIBRARIES


def is_torch_context(x: Any) -> bool:
    """Whether this is what PyTorch hands to a Function's forward."""
    base = getattr(getattr(sys.modules.get("torch"), "autograd", None), "function", None)
    return base is not None and isinstance(x, base.FunctionCtx)


HALVES = (("forward", "backward"), ("fwd", "bwd"), ("forward", "back"), ("forward", "grad"))
ADDED = ("{}_backward", "{}_bwd", "{}_backprop", "{}_vjp", "{}_pullback", "backward_{}", "backprop_{}")


def sibling(name: str, beside: dict[str, Any]) -> str | None:
    """The backward beside a forward: ``affine_backward`` beside ``affine_forward``, or beside ``affine``."""
    halves = [name.replace(forward, backward) for forward, backward in HALVES if forward in name]
    names = [*halves, *(added.format(name) for added in ADDED)]
    return next((other for other in names if other != name and callable(beside.get(other))), None)
