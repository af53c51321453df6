"""What the engine asks of a processor that it makes code for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from handgrad.engine.emit.ir import Function, Module, Value


@dataclass(frozen=True)
class Target:
    """A processor: its name and features as LLVM knows them, its vectors' length and their number.

    ``registers`` are those that a product's tile may fill: fewer than there are where each product needs one
    of its own before it is added. (12 of 16: a step at 22.8 Gflop/s and not 17.2 on SSE2, 18.4 and not 12.2
    in node.)

    As it stands it is any processor that LLVM knows. What a kind of processor has of its own is a subclass.
    """

    name: str  # of the level: ``avx2``, ``neon``, ...; ``native`` is all that this computer has
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    triple: str = ""  # of another kind of computer than this one, as LLVM names it

    pointer_bits: ClassVar[int] = 64
    has_library: ClassVar[bool] = True  # C's, of mathematical functions
    relocation: ClassVar[str] = "pic"  # LLVM's model of it
    relocation_here: ClassVar[str] = "pic"  # the same, of code for this process

    def has(self, feature: str) -> bool:
        return f"+{feature}" in self.features.split(",")

    @property
    def has_fma(self) -> bool:
        """Whether x·y + z is one instruction, which rounds once."""
        return True

    @property
    def has_long_products(self) -> bool:
        """Whether 64 by 64 bits are multiplied to 128."""
        return True

    @property
    def has_estimates(self) -> bool:
        """Whether there are instructions that estimate 16 reciprocals at once: ``reciprocals``."""
        return False

    @property
    def has_bf16(self) -> bool:
        """Whether there is an instruction that multiplies pairs of bfloat16: ``multiply_pairs``."""
        return False

    def reciprocals(self, f: Function, x: Value, of_roots: bool = False) -> Value:
        """1 / x, or 1 / √x, of 16 numbers in float32, to 14 bits."""
        raise NotImplementedError

    def multiply_pairs(self, f: Function, x: Value, y: Value, z: Value) -> Value:
        """z + x₀·y₀ + x₁·y₁ in each lane; x and y are pairs of bfloat16, z is in float32."""
        raise NotImplementedError

    def pause(self, module: Module) -> str:
        """An instruction for a thread that waits for another to write; empty where there is none."""
        return ""

    def flush(self, f: Function) -> Value | None:
        """Subnormal numbers are 0 in this thread from here on; what ``restore`` needs."""
        return None

    def restore(self, f: Function, saved: Value) -> None:
        """Undo ``flush``."""
