"""The code of the author himself: what arrays are called there, q, k, scores, and his functions."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import sysconfig
from collections.abc import Callable
from types import FrameType
from typing import Any

from handgrad.layers import Layer
from handgrad.tape import Variable
from handgrad.tape.graph import USERS, entered, left, whose

INSTALLED = f"{os.sep}site-packages{os.sep}"
PYTHONS = sysconfig.get_paths()["stdlib"] + os.sep


@functools.cache
def is_authors(file: str) -> bool:
    """Whether a file is of whoever computes, and of no library."""
    return whose(file) == USERS and INSTALLED not in file and not file.startswith(("<frozen", PYTHONS))


def function_name(frame: FrameType) -> str:
    """What a function is called, a method with its class; nothing for what is no step of its own."""
    code = frame.f_code
    name = code.co_qualname.rpartition("<locals>.")[2].removesuffix(".__call__")
    is_layers = isinstance(frame.f_locals.get("self"), Layer) and name.endswith(".forward")  # has a scope
    is_lambda = name.endswith((">", "__"))  # or a comprehension, or what Python calls by itself
    if is_layers or is_lambda or code.co_flags & inspect.CO_GENERATOR:
        return ""
    return name.removesuffix(".forward")


class Names:
    """As a context: the names that lines of the author's give to what rules make, by node and output.

    An array that a function makes and its caller gives another name has the caller's. What rules make in a
    function that is called by another of the author's is in a scope of that function's name. Where something
    else follows the lines already, as a debugger does, nothing is named.
    """

    def __init__(self) -> None:
        self.of: dict[tuple[int, int], str] = {}
        self.is_on = False
        self.depth = 0  # of the author's functions

    def __enter__(self) -> Names:
        self.is_on = sys.gettrace() is None
        if self.is_on:
            sys.settrace(self.follow)
        return self

    def __exit__(self, *error: Any) -> None:
        if self.is_on:
            sys.settrace(None)

    def follow(self, frame: FrameType, event: str, arg: Any) -> Callable | None:
        """Of each frame of the author's what its lines name; what it was given has a name already."""
        if not is_authors(frame.f_code.co_filename):
            return None
        met = {id(x) for x in frame.f_locals.values() if isinstance(x, Variable)}
        name = function_name(frame) if self.depth > 0 else ""
        inside = entered(name) if name else None
        self.depth += 1

        def line(frame: FrameType, event: str, arg: Any) -> Callable:
            self.note(frame.f_locals, met)
            if event == "return":
                self.depth -= 1
                if inside is not None:
                    left(inside)
            return line

        return line

    def note(self, variables: dict[str, Any], met: set[int]) -> None:
        for name, x in variables.items():
            if isinstance(x, Variable) and id(x) not in met:
                met.add(id(x))
                if x.node.rule is not None and not name.startswith((".", "_")):
                    self.of[x.node.order, x.index] = name

    def around(self) -> None:
        """The names of arrays where the author asks for the picture."""
        frame: FrameType | None = sys._getframe(1)
        while frame is not None and not is_authors(frame.f_code.co_filename):
            frame = frame.f_back
        if frame is not None:
            self.note(dict(frame.f_locals), set())
