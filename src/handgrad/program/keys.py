"""When two arguments are the same, to the last bit."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np

from handgrad.arrays import shape
from handgrad.program.program import Program
from handgrad.program.symbol import Symbol
from handgrad.tree import leaves

PLAIN = (int, float, np.generic, str, type, np.dtype, type(None), type(...))


class Keys:
    """Keys that are equal for equal arguments: 1, 1.0 and True are three, 0.0 and -0.0 two, all nans one.

    The bytes of a large array are read once, however often it is an argument.
    """

    def __init__(self) -> None:
        self.arrays: dict[int, Any] = {}

    def of(self, x: Any) -> Any:
        if isinstance(x, Symbol):
            return ("symbol", id(x))
        if isinstance(x, np.ndarray):
            return self.of_array(x)
        if isinstance(x, (list, tuple)):
            return (type(x), *map(self.of, x))
        if isinstance(x, dict):
            return (dict, *((name, self.of(x[name])) for name in sorted(x)))
        if isinstance(x, slice):
            return (slice, *map(self.of, (x.start, x.stop, x.step)))
        if isinstance(x, Program):
            return self.of_body(x)
        if isinstance(x, PLAIN):
            return (type(x), repr(x))
        return ("object", id(x))

    def of_body(self, body: Program) -> Any:
        """Of a program: its lines, their symbols by where they were made."""
        inside = self.inside(body)
        inside.arrays = self.arrays
        taken = [(x.shape, x.dtype.str, x.weak) for x in leaves(body.inputs) if isinstance(x, Symbol)]
        lines = [inside.of((o.name, o.args, o.options)) for o in body.operations]
        return (Program, *taken, *lines, inside.of(body.outputs))

    def inside(self, body: Program) -> Keys:
        return Numbered(body)

    def of_array(self, x: np.ndarray) -> Any:
        if id(x) not in self.arrays:
            data = np.ascontiguousarray(x).reshape(-1).view(np.uint8).data
            self.arrays[id(x)] = (x.dtype.str, shape(x), hashlib.sha256(data).digest())
        return self.arrays[id(x)]


class Numbered(Keys):
    """Keys by which symbols of two programs are the same where they are made at the same place."""

    def __init__(self, program: Program):
        super().__init__()
        made = [*leaves(program.inputs), *(out for o in program.operations for out in o.outs)]
        self.places = {id(x): place for place, x in enumerate(made) if isinstance(x, Symbol)}

    def of(self, x: Any) -> Any:
        if isinstance(x, Symbol):
            return ("symbol", self.places.get(id(x)))
        found = super().of(x)
        return (found[0], type(x)) if found[0] == "object" else found


def is_same(x: Any, y: Any) -> bool:
    """Whether two arguments are one symbol, one array, or the same number."""
    if x is y:
        return True
    if any(isinstance(a, Symbol) or shape(a) for a in (x, y)):
        return False
    keys = Keys()
    return keys.of(x) == keys.of(y)
