"""AArch64: NEON, which all have."""

from __future__ import annotations

from handgrad.engine.emit.ir import I64, Function, Module, Value, i64
from handgrad.engine.targets.target import Target

TRIPLE = "aarch64-unknown-linux-gnu"
FLUSH = 1 << 24  # flush to zero, in FPCR


class Arm(Target):
    def pause(self, module: Module) -> str:
        module.declare("llvm.aarch64.isb", "void", ["i32"])  # its hint to yield does nothing on most
        return "call void @llvm.aarch64.isb(i32 15)"

    def flush(self, f: Function) -> Value:
        saved = f.call("llvm.aarch64.get.fpcr", I64)
        f.module.declare("llvm.aarch64.set.fpcr", "void", ["i64"])
        f.do(f"call void @llvm.aarch64.set.fpcr(i64 {f.binary('or', saved, i64(FLUSH)).text})")
        return saved

    def restore(self, f: Function, saved: Value) -> None:
        f.do(f"call void @llvm.aarch64.set.fpcr(i64 {saved.text})")


LEVELS = [Arm("neon", "generic", "", vector_bytes=16, registers=32)]
