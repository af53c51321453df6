"""handgrad: backpropagation by hand, at machine speed."""

from handgrad import rules
from handgrad.rules import *
from handgrad.tape import Variable, grad, hessian, hvp, jacobian, value_and_grad, variable, vjp
