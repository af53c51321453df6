"""x86-64: SSE2, which all have; AVX2; AVX-512."""

from __future__ import annotations

from handgrad.engine.emit.ir import I64, Function, Module, Type, Value, i64
from handgrad.engine.targets.target import Target

TRIPLE = "x86_64-unknown-linux-gnu"
FLUSH = 0x8040  # flush to zero, and denormals are zero, in MXCSR
PAIRS = Type("bfloat", 32)


class X86(Target):
    # Addresses in full: what is relative to a table of addresses goes wrong where objects share one (MCJIT).
    relocation_here = "static"

    @property
    def has_fma(self) -> bool:
        return self.has("fma")

    @property
    def has_estimates(self) -> bool:
        return self.vector_bytes == 64

    @property
    def has_bf16(self) -> bool:
        return self.has("avx512bf16") and self.vector_bytes == 64

    def reciprocals(self, f: Function, x: Value, of_roots: bool = False) -> Value:
        name = f"llvm.x86.avx512.{'rsqrt14' if of_roots else 'rcp14'}.ps.512"
        f.module.declare(name, str(x.type), [str(x.type), str(x.type), "i16"])
        return f.put(f"call {x.type} @{name}({x.type} {x.text}, {x.type} zeroinitializer, i16 -1)", x.type)

    def multiply_pairs(self, f: Function, x: Value, y: Value, z: Value) -> Value:
        name = "llvm.x86.avx512bf16.dpbf16ps.512"
        f.module.declare(name, str(z.type), [str(z.type), str(PAIRS), str(PAIRS)])
        x, y = (f.put(f"bitcast {a.type} {a.text} to {PAIRS}", PAIRS) for a in (x, y))
        return f.put(f"call {z.type} @{name}({z.type} {z.text}, {PAIRS} {x.text}, {PAIRS} {y.text})", z.type)

    def pause(self, module: Module) -> str:
        module.declare("llvm.x86.sse2.pause", "void", [])
        return "call void @llvm.x86.sse2.pause()"

    def flush(self, f: Function) -> Value:
        for name in ("stmxcsr", "ldmxcsr"):
            f.module.declare(f"llvm.x86.sse.{name}", "void", ["ptr"])
        saved, changed = f.variable(I64), f.variable(I64)
        f.do(f"call void @llvm.x86.sse.stmxcsr(ptr {saved.text})")
        f.store(f.binary("or", f.load(saved, I64), i64(FLUSH)), changed)
        f.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {changed.text})")
        return saved

    def restore(self, f: Function, saved: Value) -> None:
        f.do(f"call void @llvm.x86.sse.ldmxcsr(ptr {saved.text})")


AVX2 = "+avx2,+fma"
AVX512 = f"{AVX2},+avx512f,+avx512vl,+avx512dq,+avx512bw"
LEVELS = [
    X86("avx512", "x86-64", AVX512, vector_bytes=64, registers=32),
    X86("avx2", "x86-64", AVX2, vector_bytes=32, registers=16),
    X86("sse2", "x86-64", "", vector_bytes=16, registers=12),
]
