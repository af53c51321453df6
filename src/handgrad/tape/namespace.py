"""The array namespace of recorded arrays: the rules, and what has no derivative, on bare values."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad.arrays import stripped, xp
from handgrad.rules import ALL
from handgrad.tree import tree_map

NOT_DIFFERENTIABLE = frozenset(
    """
    equal not_equal less less_equal greater greater_equal isclose allclose array_equal array_equiv
    logical_and logical_not logical_or logical_xor all any isfinite isinf isnan isneginf isposinf signbit
    argmax argmin argsort count_nonzero nonzero searchsorted digitize unique
    ceil fix floor floor_divide rint round around trunc
    ndim shape size result_type isdtype can_cast iscomplexobj isrealobj finfo iinfo
    arange arange_like asarray empty empty_like eye full full_like linspace ones ones_like zeros zeros_like
    random_uniform stop_gradient
    e pi inf nan newaxis
    bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64
    """.split()
)


class RecordedNamespace:
    """``namespace.exp`` is the rule; ``namespace.argmax`` works on values and returns a plain array."""

    def __getattr__(self, name: str) -> Any:
        if name in ALL:
            found: Any = ALL[name]
        elif name in NOT_DIFFERENTIABLE:
            found = _on_values(name)
        else:
            raise AttributeError(
                f"there is no rule for {name}: write it with rules, add one with @rule, or pass .value "
                f"where no gradient is wanted"
            )
        setattr(self, name, found)
        return found


def _on_values(name: str) -> Any:
    own = getattr(np, name, None)
    if isinstance(own, (type, float, type(None))) and hasattr(np, name):
        return own  # dtypes and constants

    def function(*args: Any, **options: Any) -> Any:
        return getattr(xp, name)(*tree_map(stripped, args), **options)

    return function


namespace: Any = RecordedNamespace()
