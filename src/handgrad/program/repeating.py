"""Many steps as one program: ``iterate``, a loop that makes as many as it is told.

    c, ..., made, ys, ... = iterate([w, ...], [c, ...], [x, ...], steps, body, length=T)
    body = program([w, ...], [c, ...], [x, ...]) -> ([c, ...], [y, ...])

Native code makes no step after one in which a value that is checked is not finite, or an index out of range;
``made`` steps went well, and so many parts of the sequences are written.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import shape
from handgrad.program.program import Operation, Program, symbols
from handgrad.program.symbol import Symbol
from handgrad.tree import leaves


def repeated(step: Program, carried: int, moving: int = 0, length: int = 1 << 16) -> Program:
    """Steps, each of which goes on from the one before.

    Args:
        step: its first ``carried`` inputs and outputs are what goes on from step to step.
        moving: how many of its last inputs have a part of their own for each step.
        length: how many steps there are at most.

    Returns:
        A program of the same inputs, those that move with an axis in front, and of the number of steps. It
        gives what is carried in the end, the number of steps that went well, and the other outputs of all
        steps, each with an axis in front.
    """
    inputs, outputs = symbols(step.inputs), [x for x in leaves(step.outputs) if hasattr(x, "dtype")]
    still = len(inputs) - moving
    made = Program()
    body = Program(made)
    body.inputs = (inputs[carried:still], inputs[:carried], inputs[still:])
    body.operations, body.outputs = step.operations, (outputs[:carried], outputs[carried:])

    def symbol(name: str, own: tuple, dtype: Any) -> Symbol:
        return Symbol(name, own, np.dtype(dtype), made)

    given = [
        symbol(f"a{i}", x.shape if i < still else (length, *x.shape), x.dtype) for i, x in enumerate(inputs)
    ]
    count = symbol("steps", (), np.int64)
    after = [symbol(f"t.{i}", shape(x), x.dtype) for i, x in enumerate(outputs[:carried])]
    went_well = symbol("made", (), np.int64)
    told = [symbol(f"y.{i}", (length, *shape(x)), x.dtype) for i, x in enumerate(outputs[carried:])]
    args = (given[carried:still], given[:carried], given[still:], count)
    made.inputs, made.outputs = (given, count), (after, went_well, told)
    made.operations = [
        Operation((*after, went_well, *told), "iterate", args, {"body": body, "length": length})
    ]
    made.check()
    return made
