"""From a function of rules to its program.

>>> print(trace(lambda x, W: x @ W, np.zeros((2, 3)), np.zeros((3, 4))))
program(a0: float64[2,3], a1: float64[3,4])
  t0: float64[2,4] = matmul(a0, a1)
return t0
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import is_array, shape
from handgrad.program.program import Program
from handgrad.program.symbol import Symbol
from handgrad.tree import tree_map


def trace(f: Callable, *args: Any) -> Program:
    """The program of ``f(*args)``: run once on symbols in place of the arrays in ``args``.

    ``args`` may be nested; of arrays and numbers only shape and dtype matter, and anything else
    (slices, names) stays what it is. Whatever ``f`` does with rules, its
    derivatives included, is written down; arrays that it closes over become constants.

    Raises:
        TypeError: ``f`` branches on a value.
    """
    program = Program()
    names = (f"a{i}" for i in itertools.count())

    def in_place_of(x: Any) -> Any:
        return Symbol(next(names), shape(x), np.result_type(x), program) if is_array(x) else x

    program.inputs = tree_map(in_place_of, args)
    program.outputs = f(*program.inputs)
    program.check()
    return program
