"""Programs as native code: ``compile`` for functions, ``Code`` for programs."""

from handgrad.engine.code import Code, NotCompiledWarning, OutOfRange
from handgrad.engine.compiling import Compiled, compile
from handgrad.engine.explaining import explain, peak
from handgrad.engine.kernels.product.shapes import is_better_transposed
from handgrad.engine.runtime.memory import side_by_side
from handgrad.engine.wasm import wasm_module

__all__ = [
    "Code", "Compiled", "NotCompiledWarning", "OutOfRange", "compile", "explain", "is_better_transposed",
    "peak", "side_by_side", "wasm_module",
]  # fmt: skip
