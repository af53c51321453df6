"""What has no derivative: PyTorch's own function of the values."""

from __future__ import annotations

from collections.abc import Callable

from handgrad.arrays import stripped
from handgrad.tree import tree_map

NAMES = """
    gt lt ge le eq ne greater less greater_equal less_equal not_equal equal allclose isclose
    isnan isinf isfinite isposinf isneginf isreal signbit heaviside
    logical_and logical_or logical_not logical_xor all any argmax argmin argsort
    floor ceil round trunc fix floor_divide zeros_like ones_like empty_like full_like rand_like randn_like
    count_nonzero nonzero argwhere numel size dim stride is_contiguous new_zeros new_ones new_full new_empty
    is_tensor is_floating_point is_complex element_size get_device
    bitwise_and bitwise_or bitwise_not searchsorted bucketize unique isin
""".split()
ATTRIBUTES = (
    "device layout is_cuda is_cpu is_sparse is_quantized is_nested is_mps is_meta is_mkldnn names".split()
)


def on_values(function: Callable) -> Callable:
    return lambda *args, **options: function(*tree_map(stripped, args), **tree_map(stripped, options))
