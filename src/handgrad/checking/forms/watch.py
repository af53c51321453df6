"""Which backwards a forward leaves unheard: those that stand beside what it calls, and that nobody will call.

A function that calls ``layer.forward(x)`` and returns the output alone would have handgrad's own derivative
checked, while the layer's backward, which is the author's, never runs. So one run is watched.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

LIBRARIES = ("handgrad", "torch", "jax", "numpy", "autograd", "scipy")
FORWARDS = (
    *(("forward", "backward"), ("forward_prop", "back_prop"), ("forward_pass", "backward_pass")),
    *(("forward_propagation", "backward_propagation"), ("forward_propagate", "backward_propagate")),
    *(("fprop", "bprop"), ("feedforward", "backprop"), ("feed_forward", "back_prop"), ("fwd", "bwd")),
    *(("forward_prop", "backward_prop"), ("forwardprop", "backprop"), ("forward", "backprop")),
    *(("forward", "back"), ("forward", "bwd"), ("compute", "gradient"), ("forward", "gradient")),
    *(("__call__", "backward"), ("__call__", "gradient"), ("__call__", "derivative"), ("__call__", "grad")),
)


@dataclass
class Watched:
    """What one run of a function called."""

    unheard: list[str] = field(default_factory=list)  # backwards of the author's, by name
    functions: list[Any] = field(
        default_factory=list
    )  # torch.autograd.Functions, by the contexts that they got


def watched(run: Callable[[], Any]) -> tuple[Any, Watched]:
    """What ``run()`` returns, and what it called."""
    seen = Watched()

    def watch(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            _look(frame, seen)

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        made = run()
    finally:
        sys.setprofile(before)
    seen.unheard = list(dict.fromkeys(seen.unheard))
    return made, seen


def _look(frame: FrameType, seen: Watched) -> None:
    code = frame.f_code
    if not any(code.co_name == forward or re.search("forward|fwd", code.co_name) for forward, _ in FORWARDS):
        return
    if str(frame.f_globals.get("__name__", "")).partition(".")[0] in LIBRARIES:
        return
    first = frame.f_locals.get(code.co_varnames[0]) if code.co_argcount else None
    if is_torch_context(first):
        seen.functions.append(first)
        return
    held = getattr(type(first), code.co_name, None)
    if getattr(held, "__code__", None) is code:
        back = next((b for f, b in FORWARDS if f == code.co_name and callable(getattr(first, b, None))), None)
        if back is not None and not _is_librarys(getattr(type(first), back, None)):
            seen.unheard.append(f"{type(first).__name__}.{back}")
        return
    name = sibling(code.co_name, frame.f_globals)
    if name is not None and frame.f_globals.get(code.co_name) is not None:
        seen.unheard.append(name)


def _is_librarys(f: Any) -> bool:
    return (getattr(f, "__module__", "") or "").partition(".")[0] in LIBRARIES


def is_torch_context(x: Any) -> bool:
    """Whether this is what PyTorch hands to a Function's forward."""
    base = getattr(getattr(sys.modules.get("torch"), "autograd", None), "function", None)
    return base is not None and isinstance(x, base.FunctionCtx)


HALVES = (("forward", "backward"), ("fwd", "bwd"), ("forward", "back"), ("forward", "grad"))


def sibling(name: str, beside: dict[str, Any]) -> str | None:
    """The backward that stands beside a forward: ``affine_backward`` beside ``affine_forward``."""
    for forward, backward in HALVES:
        other = name.replace(forward, backward)
        if forward in name and other != name and callable(beside.get(other)):
            return other
    return None
