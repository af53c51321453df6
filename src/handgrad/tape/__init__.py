"""Recording: Variable, the graph behind it, and derivatives on top."""

from handgrad.arrays import stripped
from handgrad.tape.derivatives import (
    NoGradientWarning,
    grad,
    hessian,
    hvp,
    jacobian,
    jvp,
    stop_gradient,
    value_and_grad,
    vjp,
    vjp_with_aux,
)
from handgrad.tape.graph import Backpropagation, Node, Scope, backpropagate, paired, scope
from handgrad.tape.implicit import fixed_point
from handgrad.tape.loops import scan
from handgrad.tape.memory import checkpoint
from handgrad.tape.odes import odeint
from handgrad.tape.refusals import HistoryLost
from handgrad.tape.variable import Variable, variable

__all__ = [
    "Backpropagation", "HistoryLost", "NoGradientWarning", "Node", "Scope", "Variable", "backpropagate",
    "checkpoint", "fixed_point", "grad", "hessian", "hvp", "jacobian", "jvp", "odeint", "paired", "scan",
    "scope", "stop_gradient", "stripped",
    "value_and_grad", "variable", "vjp", "vjp_with_aux",
]  # fmt: skip
