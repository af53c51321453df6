"""A step as a program: symbols in place of arrays, and a straight line of array operations out."""

from handgrad.program.passes import optimise
from handgrad.program.program import Operation, Program
from handgrad.program.repeating import repeated
from handgrad.program.symbol import Symbol, check_finite
from handgrad.program.tracing import Unstable, difference, stable_trace, trace

__all__ = [
    "Operation", "Program", "Symbol", "Unstable", "check_finite", "difference", "optimise", "repeated",
    "stable_trace", "trace",
]  # fmt: skip
