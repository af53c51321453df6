"""Whether the steps that are ahead are worth the time that compiling takes.

By counting, never by the clock: the same training chooses the same again, and so comes to the same bits.
"""

from __future__ import annotations

import math

from handgrad.arrays import shape, size
from handgrad.arrays.contraction import sizes_of, spelled
from handgrad.program import Program

PER_OPERATION = 7e-6  # seconds that NumPy takes for one in a step, beside its arithmetic
PER_NUMBER = 2e-10  # and for each sum of two products, or each number of another operation
COMPILING = 0.1  # seconds for a program, and for each of its operations
COMPILING_AN_OPERATION = 5e-3


def could_pay_off(parameters: int, numbers: int, calls: int) -> bool:
    """Whether so many calls may be worth compiling, if each multiplies all parameters with all numbers."""
    return 2 * parameters * numbers * calls * PER_NUMBER > COMPILING


def pays_off(program: Program, steps: int, programs: int = 1) -> bool:
    """Whether so many steps take NumPy longer than compiling takes.

    Args:
        programs: how many are compiled: one for each size of a mini-batch.
    """
    operations = len(program.operations)
    by_numpy = steps * (PER_OPERATION * operations + PER_NUMBER * arithmetic(program))
    return by_numpy > programs * (COMPILING + COMPILING_AN_OPERATION * operations)


def arithmetic(program: Program) -> int:
    """How much a step computes: 2·M·K·N for a product, and for others as many as there are results."""
    total = 0
    for operation in program.operations:
        if operation.name == "matmul":
            total += 2 * size(operation.out) * shape(operation.args[0])[-1]
        elif operation.name == "einsum":
            subscripts, x, y = operation.args
            inputs, _ = spelled(subscripts, [shape(x), shape(y)])
            total += 2 * math.prod(sizes_of(inputs, [shape(x), shape(y)]).values())
        elif operation.name == "scan":
            total += operation.options["length"] * arithmetic(operation.options["body"])
        else:
            total += size(operation.out)
    return total
