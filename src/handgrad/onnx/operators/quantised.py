"""Numbers of few bits, which have no derivative: NumPy's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from handgrad.onnx.operators.layers import conv

FEW_BITS = ("float8", "float4")
LOWEST = {"uint8": (0, 255), "int8": (-128, 127), "uint16": (0, 65535), "int16": (-32768, 32767),
          "int4": (-8, 7), "uint4": (0, 15), "int2": (-2, 1), "uint2": (0, 3)}  # fmt: skip


def dtype_of(number: int) -> Any:
    return onnx.helper.tensor_dtype_to_np_dtype(number)


def spread(v: Any, x: Any, axis: int, block_size: int) -> Any:
    """Scales of an axis, or of blocks along it, for each element."""
    if np.ndim(v) == 0 or np.size(v) == 1:
        return v
    if block_size:
        return np.repeat(v, block_size, axis=axis)[tuple(slice(0, n) for n in x.shape)]
    return np.reshape(v, [-1 if i == axis % x.ndim else 1 for i in range(x.ndim)])


def quantize(
    x: Any,
    scale: Any,
    zero: Any = None,
    *,
    axis: int = 1,
    block_size: int = 0,
    output_dtype: int = 0,
    precision: int = 0,
    saturate: int = 1,
) -> Any:
    dtype = zero.dtype if zero is not None else dtype_of(output_dtype) if output_dtype else np.dtype(np.uint8)
    scaled = x / spread(scale, x, axis, block_size)
    shift = 0 if zero is None else spread(zero.astype(np.float32), x, axis, block_size)
    if dtype.name in LOWEST:
        return np.clip(np.rint(scaled) + shift, *LOWEST[dtype.name]).astype(dtype)
    return cast_to(scaled + shift, dtype, saturate)


def dequantize(
    x: Any, scale: Any, zero: Any = None, *, axis: int = 1, block_size: int = 0, output_dtype: int = 0
) -> Any:
    dtype = dtype_of(output_dtype) if output_dtype else scale.dtype
    shift = 0 if zero is None else spread(zero.astype(np.float32), x, axis, block_size)
    return ((x.astype(np.float32) - shift) * spread(scale, x, axis, block_size)).astype(dtype)


def dynamic_quantize(x: Any) -> tuple:
    low, high = min(0, x.min()), max(0, x.max())
    scale = np.float32((high - low) / 255)
    zero = np.clip(np.rint(-low / scale), 0, 255).astype(np.uint8)
    return np.clip(np.rint(x / scale) + zero, 0, 255).astype(np.uint8), scale, zero


def shifted(x: Any, zero: Any, is_row: bool = False) -> Any:
    zero = 0 if zero is None else zero.astype(np.int32)
    return x.astype(np.int32) - (np.reshape(zero, (-1, 1)) if is_row and np.ndim(zero) == 1 else zero)


def matmul_integer(A: Any, B: Any, A_zero: Any = None, B_zero: Any = None) -> Any:
    return (shifted(A, A_zero, is_row=True) @ shifted(B, B_zero)).astype(np.int32)


def qlinear_matmul(
    A: Any, A_scale: Any, A_zero: Any, B: Any, B_scale: Any, B_zero: Any, scale: Any, zero: Any
) -> Any:
    out = (shifted(A, A_zero) @ shifted(B, B_zero)) * (A_scale.astype(np.float64) * B_scale / scale)
    return np.clip(np.rint(out) + zero, *LOWEST[zero.dtype.name]).astype(zero.dtype)


def conv_integer(x: Any, W: Any, x_zero: Any = None, W_zero: Any = None, **options: Any) -> Any:
    W_zero = np.reshape(W_zero, (-1,) + (1,) * (W.ndim - 1)) if np.ndim(W_zero) == 1 else W_zero
    parts = (shifted(x, x_zero).astype(np.float64), shifted(W, W_zero).astype(np.float64))
    return conv(*parts, **options).astype(np.int32)


def qlinear_conv(
    x: Any,
    x_scale: Any,
    x_zero: Any,
    W: Any,
    W_scale: Any,
    W_zero: Any,
    scale: Any,
    zero: Any,
    b: Any = None,
    **options: Any,
) -> Any:
    out = conv_integer(x, W, x_zero, W_zero.reshape(-1), **options)
    out = out if b is None else out + b.reshape(1, -1, 1, 1)
    real = out * (x_scale * W_scale.reshape(1, -1, 1, 1) / scale)
    return np.clip(np.rint(real) + zero, *LOWEST[zero.dtype.name]).astype(zero.dtype)


def cast_to(x: Any, dtype: Any, saturate: int = 1) -> Any:
    """In another dtype; beyond the numbers of 8 bits the largest, if ``saturate``."""
    name = np.dtype(dtype).name
    if name == "object" or name.startswith("str"):
        values = x.astype(np.float32) if x.dtype.kind == "V" else x
        return np.array([str(v) for v in values.reshape(-1)], object).reshape(x.shape)
    if x.dtype.kind in "OUS":
        return x.astype(str).astype(np.float64).astype(dtype)
    if name.startswith(FEW_BITS) and (saturate or "float4" in name):
        return onnx.numpy_helper.saturate_cast(x.astype(np.float32), np.dtype(dtype))
    return x.astype(np.float32).astype(dtype) if x.dtype.name.startswith(FEW_BITS) else x.astype(dtype)


def cast(x: Any, *, to: int, saturate: int = 1, round_mode: str = "up") -> Any:
    return cast_to(x, dtype_of(to), saturate)


def cast_like(x: Any, like: Any, *, saturate: int = 1, round_mode: str = "up") -> Any:
    return cast_to(x, like.dtype, saturate)


TABLE: dict[str, Callable] = {
    "BitCast": lambda x, *, to: x.view(dtype_of(to)),
    "Cast": cast,
    "CastLike": cast_like,
    "ConvInteger": conv_integer,
    "DequantizeLinear": dequantize,
    "DynamicQuantizeLinear": dynamic_quantize,
    "MatMulInteger": matmul_integer,
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
    "QuantizeLinear": quantize,
}
