"""handgrad: backpropagation by hand, at machine speed.

One idea, the rule ``(x, ...) -> (out, backward)``, at several levels:

- by hand: ``AddLayer``, ``MulLayer``, ``SoftmaxWithLoss``, and ``multiply.vjp(x, y)`` of any rule;
- recorded: ``variable``, ``vjp``, ``grad``, ``jacobian``, ``hessian``, over rules and NumPy's functions;
- trained: ``layers``, ``optim``, ``Trainer``, and the ``handgrad`` command;
- compiled: ``compile`` makes native code of any function of rules;
- checked: ``check`` says whether a backward is right, and if not, what is wrong with it;
- shown: ``show`` makes a page of every value, gradient, formula and line of a computation.
"""

import handgrad.interrupts as _interrupts  # noqa: F401, before what takes long

# isort: split

import builtins as _builtins
import typing as _typing

from handgrad import layers as layers, rules as rules
from handgrad.layers import (
    AddLayer as AddLayer,
    MulLayer as MulLayer,
    SoftmaxWithLoss as SoftmaxWithLoss,
    cross_entropy_error as cross_entropy_error,
    load as load,
    load_torch_state as load_torch_state,
    save as save,
    to_torch_state as to_torch_state,
)
from handgrad.rules import *
from handgrad.rules import Rule as Rule, elementwise as elementwise, rule as rule
from handgrad.tape import (
    NoGradientWarning as NoGradientWarning,
    Variable as Variable,
    checkpoint as checkpoint,
    fixed_point as fixed_point,
    grad as grad,
    hessian as hessian,
    hvp as hvp,
    jacobian as jacobian,
    jvp as jvp,
    odeint as odeint,
    scan as scan,
    stop_gradient as stop_gradient,
    value_and_grad as value_and_grad,
    variable as variable,
    vjp as vjp,
)

# What is imported when it is first asked for, so that only those who compile load LLVM, and so on.
_MODULES = "checking data engine models onnx optim program tape testing train view".split()
_FUNCTIONS = {
    "Trainer": "train",
    "check": "checking",
    "check_kernel": "checking",
    "compile": "engine",
    "from_onnx": "onnx",
    "from_torch": "layers.from_torch",
    "to_onnx": "onnx",
    "origin_of_nonfinite": "checking.nonfinite",
    "show": "view",
    "to_jax": "elsewhere",
    "to_torch": "elsewhere",
    "show_training": "view",
}

if _typing.TYPE_CHECKING:
    from handgrad import (
        checking as checking,
        data as data,
        engine as engine,
        models as models,
        onnx as onnx,
        optim as optim,
        program as program,
        tape as tape,
        testing as testing,
        train as train,
        view as view,
    )
    from handgrad.checking import check as check, check_kernel as check_kernel
    from handgrad.checking.nonfinite import origin_of_nonfinite as origin_of_nonfinite
    from handgrad.elsewhere import to_jax as to_jax, to_torch as to_torch
    from handgrad.engine import compile as compile
    from handgrad.layers.from_torch import from_torch as from_torch
    from handgrad.onnx import from_onnx as from_onnx, to_onnx as to_onnx
    from handgrad.train import Trainer as Trainer
    from handgrad.view import show as show, show_training as show_training

    __version__: str
else:
    # Type checkers read the imports above. `from handgrad import *` must not hide a builtin, so `sum`, `max`,
    # `compile` and the like are handgrad.sum only; nor may it need an extra, as `from_onnx` does.
    __all__ = [
        "AddLayer", "MulLayer", "NoGradientWarning", "Rule", "SoftmaxWithLoss", "Trainer", "Variable",
        "check", "check_kernel", "checkpoint", "cross_entropy_error", "elementwise", "fixed_point",
        "grad", "hessian", "hvp", "jacobian", "jvp", "layers", "load", "odeint", "rule", "rules",
        "save", "scan", "show", "show_training", "stop_gradient", "value_and_grad", "variable", "vjp",
        "from_torch", "load_torch_state", "origin_of_nonfinite", "to_jax", "to_torch", "to_torch_state",
    ]  # fmt: skip
    __all__ += [name for name in rules.ALL if not hasattr(_builtins, name)]

    def __getattr__(name):
        from importlib import import_module

        if name in _MODULES:
            return import_module(f"handgrad.{name}")
        if name in _FUNCTIONS:
            return getattr(import_module(f"handgrad.{_FUNCTIONS[name]}"), name)
        if name == "__version__":
            from importlib.metadata import version

            return version("handgrad")
        raise AttributeError(f"module 'handgrad' has no attribute {name!r}")

    def __dir__():
        return sorted({*__all__, *rules.ALL, *_MODULES, *_FUNCTIONS, "__version__", "__all__", "__doc__"})


def _html(thing: Variable | layers.Layer) -> str:
    """What a notebook shows of a variable or a layer; here, since the arrows lead from view to them."""
    from handgrad.view import html_of

    return html_of(thing)


Variable._repr_html_ = layers.Layer._repr_html_ = _html
