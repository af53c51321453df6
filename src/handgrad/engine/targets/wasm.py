"""WebAssembly with vectors (simd128): one thread, pointers of 32 bits, no C library."""

from __future__ import annotations

from typing import ClassVar

from handgrad.engine.targets.target import Target

TRIPLE = "wasm32-unknown-unknown"


class Wasm(Target):
    pointer_bits: ClassVar[int] = 32
    relocation: ClassVar[str] = "static"
    has_library: ClassVar[bool] = False

    @property
    def has_fma(self) -> bool:
        """Its vectors have none that rounds once on every machine."""
        return False

    @property
    def has_long_products(self) -> bool:
        return False


FEATURES = "+simd128,+bulk-memory,+nontrapping-fptoint,+sign-ext"
LEVELS = [Wasm("wasm32", "generic", FEATURES, vector_bytes=16, registers=12, triple=TRIPLE)]
