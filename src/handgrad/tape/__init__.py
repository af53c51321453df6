"""Recording: Variable, the graph behind it, and derivatives on top."""

from handgrad.arrays import stripped
from handgrad.tape.derivatives import (
    grad,
    hessian,
    hvp,
    jacobian,
    value_and_grad,
    vjp,
    vjp_with_aux,
)
from handgrad.tape.graph import Node, backpropagate, scope
from handgrad.tape.variable import Variable, variable

__all__ = [
    "Node", "Variable", "backpropagate", "grad", "hessian", "hvp", "jacobian", "scope", "stripped",
    "value_and_grad", "variable", "vjp", "vjp_with_aux",
]  # fmt: skip
