"""handgrad: backpropagation by hand, at machine speed.

Three levels, one idea, the rule ``(x, ...) -> (out, backward)``:

- by hand: ``AddLayer``, ``MulLayer``, ``SoftmaxWithLoss``, and ``multiply.vjp(x, y)`` of any rule;
- recorded: ``variable``, ``vjp``, ``grad``, ``jacobian``, ``hessian``, over rules and NumPy's functions;
- trained: ``handgrad.layers``, ``handgrad.optim``, ``handgrad.train``, and the ``handgrad`` command;
- compiled: ``compile`` makes native code of any function of rules;
- shown: ``show`` makes a page of every value, gradient, formula and line of a computation.
"""

import builtins as _builtins
from typing import TYPE_CHECKING as _TYPE_CHECKING

from handgrad import layers, rules
from handgrad.layers import AddLayer, MulLayer, SoftmaxWithLoss, cross_entropy_error
from handgrad.rules import *
from handgrad.rules import Rule, elementwise, rule
from handgrad.tape import Variable, grad, hessian, hvp, jacobian, value_and_grad, variable, vjp

__all__ = [
    "AddLayer", "MulLayer", "Rule", "SoftmaxWithLoss", "Variable", "check", "cross_entropy_error",
    "elementwise", "grad", "hessian", "hvp", "jacobian", "layers", "rule", "rules", "show",
    "value_and_grad", "variable", "vjp",
]  # fmt: skip
# `from handgrad import *` must not hide a builtin, so `sum`, `max`, `compile` and the like are handgrad.sum
# only.
__all__ += [name for name in rules.ALL if not hasattr(_builtins, name)]


if _TYPE_CHECKING:
    from handgrad.checking import check
    from handgrad.engine import compile as compile
    from handgrad.view import show


def __getattr__(name: str) -> object:
    if name == "check":  # takes longer than all the rest of the import
        from handgrad.checking import check

        return check
    if name == "compile":  # so that only those who compile load LLVM
        from handgrad.engine import compile

        return compile
    if name == "show":
        from handgrad.view import show

        return show
    if name == "__version__":
        from importlib.metadata import version  # takes long, too

        return version("handgrad")
    raise AttributeError(f"module 'handgrad' has no attribute {name!r}")


def _html(thing: Variable | layers.Layer) -> str:
    """What a notebook shows of a variable or a layer; here, since the arrows lead from view to them."""
    from handgrad.view import html_of

    return html_of(thing)


Variable._repr_html_ = layers.Layer._repr_html_ = _html
