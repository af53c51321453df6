"""What has no derivative: computed from the values, to a plain result."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import shape, size, stripped, xp
from handgrad.tree import tree_map

NAMES = """
    equal not_equal less less_equal greater greater_equal isclose allclose array_equal array_equiv
    logical_and logical_not logical_or logical_xor all any isfinite isinf isnan isneginf isposinf signbit
    bitwise_and bitwise_or bitwise_xor bitwise_invert bitwise_left_shift bitwise_right_shift
    argmax argmin nanargmax nanargmin argsort argpartition count_nonzero nonzero flatnonzero argwhere
    searchsorted digitize bitwise_count isin
    ceil fix floor floor_divide rint round around trunc
    ndim shape size result_type can_cast iscomplexobj isrealobj iscomplex isreal broadcast_shapes
    zeros_like ones_like empty_like shares_memory may_share_memory
    array_repr array_str array2string
    angle spacing gcd lcm lexsort ix_ isfortran min_scalar_type
    diag_indices_from tril_indices_from triu_indices_from
""".split()

STANDARD = frozenset(NAMES) | frozenset(
    """
    isdtype finfo iinfo arange arange_like asarray empty eye full ones zeros
    random_uniform stop_gradient max_of_windows
    e pi inf nan newaxis
    bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float32 float64
    """.split()
)
"""What of an array namespace works on values alone."""


def on_values(name: str) -> Any:
    """The function of that name in the library of the values; a dtype or a constant as it is."""
    own = getattr(np, name, None)
    if isinstance(own, (type, float, type(None))) and hasattr(np, name):
        return own

    def function(*args: Any, **options: Any) -> Any:
        return getattr(xp, name)(*tree_map(stripped, args), **tree_map(stripped, options))

    function.__name__ = name
    return function


TABLE: dict[Any, Callable] = {getattr(np, name): on_values(name) for name in NAMES if hasattr(np, name)}
TABLE[np.ndim] = lambda a: len(shape(a))  # of symbols, too
TABLE[np.size] = lambda a, axis=None: size(a) if axis is None else shape(a)[axis]
