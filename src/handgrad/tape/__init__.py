"""Recording: Variable, the graph behind it, and derivatives on top."""

from handgrad.tape.derivatives import (
    grad,
    hessian,
    hvp,
    jacobian,
    value_and_grad,
    vjp,
    vjp_with_aux,
)
from handgrad.tape.variable import Node, Variable, backpropagate, scope, stripped, variable

__all__ = [
    "Node", "Variable", "backpropagate", "grad", "hessian", "hvp", "jacobian", "scope", "stripped",
    "value_and_grad", "variable", "vjp", "vjp_with_aux",
]  # fmt: skip
