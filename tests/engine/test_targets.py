"""Which targets this computer is, and what pretended ones would be."""

import ctypes

import pytest

from handgrad.engine.runtime import native
from handgrad.engine.targets import arm, here, x86
from handgrad.engine.targets.target import Target


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.delenv("HANDGRAD_CPU", raising=False)


@pytest.fixture
def pretend(monkeypatch):
    """A computer of that kind, with those features."""

    def computer(triple: str, features: str):
        monkeypatch.setattr(here.llvm, "get_process_triple", lambda: triple)
        monkeypatch.setattr(native, "host_cpu", lambda: ("its-name", features))
        forget()

    def forget():
        here._here.cache_clear()
        here.at_level.cache_clear()

    yield computer
    forget()


FULL = "+avx2,+fma,+avx512f,+avx512vl,+avx512dq,+avx512bw"


@pytest.mark.parametrize(
    ("triple", "features", "kind", "levels", "vector_bytes", "registers"),
    [
        ("x86_64-unknown-linux-gnu", FULL, x86.X86, ["avx512", "avx2", "sse2"], 64, 32),
        ("x86_64-pc-windows-msvc", FULL.replace("+avx512dq", "-avx512dq"), x86.X86, ["avx2", "sse2"], 32, 16),
        ("x86_64-apple-darwin20", "+avx2,-fma", x86.X86, ["sse2"], 16, 12),
        ("x86_64-unknown-linux-gnu", "", x86.X86, ["sse2"], 16, 12),
        ("arm64-apple-darwin20", "+neon,+fp16", arm.Arm, ["neon"], 16, 32),
        ("aarch64-unknown-linux-gnu", "", arm.Arm, ["neon"], 16, 32),
        ("riscv64-unknown-linux-gnu", "+v", Target, ["generic"], 16, 16),
    ],
)
def test_kinds_of_processors(pretend, triple, features, kind, levels, vector_bytes, registers):
    pretend(triple, features)
    assert here.levels() == levels
    assert here.this_computer() == kind("native", "its-name", features, vector_bytes, registers)
    best = here.at_level(levels[0])
    assert (best.vector_bytes, best.registers) == (vector_bytes, registers)
    assert best.cpu in ("x86-64", "generic")


def test_levels_that_are_not_here(pretend, monkeypatch):
    pretend("x86_64-unknown-linux-gnu", "+avx2,+fma")
    assert here.at_level("avx2") == x86.X86("avx2", "x86-64", "+avx2,+fma", 32, 16)
    assert here.at_level("sse2") == x86.X86("sse2", "x86-64", "", 16, 12)
    for name in ("avx512", "mmx", "", "neon"):
        with pytest.raises(ValueError, match=f"runs code for avx2, sse2 or native, not for '{name}'"):
            here.at_level(name)
    monkeypatch.setenv("HANDGRAD_CPU", "avx512")
    with pytest.raises(ValueError, match="HANDGRAD_CPU is 'avx512': this computer runs"):
        here.this_computer()


def test_this_computer_by_name(monkeypatch):
    everything = here.this_computer()
    for name in here.levels():
        monkeypatch.setenv("HANDGRAD_CPU", name)
        assert here.this_computer() == here.at_level(name)
    for name in ("native", ""):
        monkeypatch.setenv("HANDGRAD_CPU", name)
        assert here.this_computer() is everything


IR = """
define float @total(ptr %x) {
  %v = load <16 x float>, ptr %x, align 4
  %s = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %v)
  ret float %s
}
declare float @llvm.vector.reduce.fadd.v16f32(float, <16 x float>)
"""


def test_code_for_every_level_runs_here():
    numbers = (ctypes.c_float * 16)(*range(16))
    for level in [*here.levels(), "native"]:
        target = here.at_level(level)
        machine = native.Native([native.object_code(IR, target)], target)
        total = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_void_p)(machine.address("total"))
        assert total(ctypes.addressof(numbers)) == 120.0
