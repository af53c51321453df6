"""ONNX's operators as functions of handgrad's rules.

Each file has the operators of a family in a ``TABLE``, by ONNX's names: functions of a node's inputs (None
where one is left out), with its attributes as keywords. What has no derivative is NumPy's own. A function
that asks for ``opset`` or ``outputs`` is told the version of the operators, and how many outputs are wanted.
"""

from __future__ import annotations

from collections.abc import Callable

from handgrad.onnx.operators import (
    attention,
    classical,
    control,
    elementwise,
    indexing,
    layers,
    losses,
    quantised,
    recurrent,
    reductions,
    resizing,
    shaping,
)

FAMILIES = (
    elementwise,
    reductions,
    shaping,
    indexing,
    layers,
    resizing,
    losses,
    recurrent,
    attention,
    classical,
    quantised,
    control,
)
OPERATORS: dict[str, Callable] = {name: f for family in FAMILIES for name, f in family.TABLE.items()}
HALVES_AS_THEY_ARE = frozenset(quantised.TABLE.values()) | frozenset(control.TABLE.values())
"""Those that are given bfloat16 as it is, which others compute in float32."""

CONSTANT = {
    "BatchNormalization": {3, 4},
    "Clip": {1, 2},
    "DequantizeLinear": {1},
    "Dropout": {1},
    "NegativeLogLikelihoodLoss": {2},
    "OneHot": {0, 1, 2},
    "Pad": {2},
    "QuantizeLinear": {1},
    "Range": {0, 1, 2},
    "Resize": {1, 2},
    "SoftmaxCrossEntropyLoss": {2},
    "Upsample": {1},
}
"""Floating inputs that are no parameters, whoever they come from."""
