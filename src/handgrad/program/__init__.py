"""A step as a program: symbols in place of arrays, and a straight line of array operations out."""

from handgrad.program.program import Operation, Program
from handgrad.program.symbol import Symbol, watch
from handgrad.program.tracing import trace

__all__ = ["Operation", "Program", "Symbol", "trace", "watch"]
