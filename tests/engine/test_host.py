"""What this computer has, and what pretended ones would have."""

import os
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine.runtime import host, native


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.delenv("HANDGRAD_THREADS", raising=False)
    monkeypatch.delenv("HANDGRAD_CPU", raising=False)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(64)), raising=False)


def tree(tmp_path: Path, own: str, files: dict[str, str]) -> tuple[Path, Path]:
    """A /proc/self/cgroup and a /sys/fs/cgroup."""
    proc, cgroups = tmp_path / "proc", tmp_path / "cgroup"
    proc.write_text(own)
    for name, content in files.items():
        (cgroups / name).parent.mkdir(parents=True, exist_ok=True)
        (cgroups / name).write_text(content)
    return proc, cgroups


V1 = "9:memory:/a/b\n4:cpuset:/\n3:cpu,cpuacct:/a/b\n0::/\n"


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {}, 64),
        ("", {"cpu.max": "100000 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "max 100000\n"}, 64),
        ("0::/\n", {"cpu.max": "250000 100000\n"}, 3),
        ("0::/\n", {"cpu.max": "1000 100000\n"}, 1),
        ("0::/\n", {"cpu.max": "6400001 100000\n"}, 64),
        ("0::/a/b\n", {"a/b/cpu.max": "800000 100000\n", "a/cpu.max": "max 100000\n"}, 8),
        ("0::/a/b\n", {"a/b/cpu.max": "800000 100000\n", "a/cpu.max": "200000 50000\n"}, 4),
        ("0::/a/b\n", {"a/b/cpu.max": "max 100000\n", "cpu.max": "300000 100000\n"}, 3),
        ("0::/not/here\n", {"cpu.max": "300000 100000\n"}, 3),
        ("0::/../../elsewhere\n", {"cpu.max": "500000 100000\n"}, 5),
        ("0::/a:b\n", {"a:b/cpu.max": "500000 100000\n"}, 5),
        ("0::/\n", {"unified/cpu.max": "500000 100000\n"}, 5),
        ("0::/\n", {"cpu.max": ""}, 64),
        ("0::/\n", {"cpu.max": "500000\n"}, 64),
        ("0::/\n", {"cpu.max": "500000 0\n"}, 64),
        ("0::/\n", {"cpu.max": "a lot\n"}, 64),
        ("nonsense\n::\n0::\n", {"cpu.max": "200000 100000\n"}, 2),
        (V1, {"cpu/a/b/cpu.cfs_quota_us": "150000\n", "cpu/a/b/cpu.cfs_period_us": "100000\n"}, 2),
        (
            V1,
            {"cpu,cpuacct/a/cpu.cfs_quota_us": "700000\n", "cpu,cpuacct/a/cpu.cfs_period_us": "100000\n"},
            7,
        ),
        (V1, {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 64),
        (V1, {"cpu/cpu.cfs_quota_us": "100000\n"}, 64),
        (V1, {"cpuset/cpu.cfs_quota_us": "100000\n", "cpuset/cpu.cfs_period_us": "100000\n"}, 64),
    ],
)
def test_quotas(tmp_path, own, files, expected):
    assert host.threads(*tree(tmp_path, own, files)) == expected


def test_no_cgroups_at_all(tmp_path):
    assert host.threads(tmp_path / "none", tmp_path / "none") == 64


def test_affinity_is_less_than_the_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5}, raising=False)
    assert host.threads(*tree(tmp_path, "0::/\n", {"cpu.max": "800000 100000\n"})) == 2


@pytest.mark.parametrize(("count", "expected"), [(6, 6), (None, 1)])
def test_systems_without_affinity(tmp_path, monkeypatch, count, expected):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert host.threads(tmp_path / "none", tmp_path / "none") == expected


def test_threads_here():
    assert 1 <= host.threads() <= 64


@pytest.mark.parametrize(
    ("asked", "expected"), [("1", 1), (" 3 ", 3), ("4", 4), ("5", 4), ("1000", 4), ("", 4)]
)
def test_threads_asked_for(tmp_path, monkeypatch, asked, expected):
    monkeypatch.setenv("HANDGRAD_THREADS", asked)
    assert host.threads(*tree(tmp_path, "0::/\n", {"cpu.max": "400000 100000\n"})) == expected


@pytest.mark.parametrize("asked", ["0", "-1", "two", "1.5", "²", "1e1", "+2"])
def test_threads_that_cannot_be(monkeypatch, asked):
    monkeypatch.setenv("HANDGRAD_THREADS", asked)
    with pytest.raises(ValueError, match="HANDGRAD_THREADS should be a whole number of at least 1"):
        host.threads()


@pytest.fixture
def pretend(monkeypatch):
    """A computer of that kind, with those features."""

    def computer(triple: str, features: str):
        monkeypatch.setattr(host.llvm, "get_process_triple", lambda: triple)
        monkeypatch.setattr(native, "host_cpu", lambda: ("its-name", features))
        forget()

    def forget():
        host._here.cache_clear()
        host.at_level.cache_clear()

    yield computer
    forget()


FULL = "+avx2,+fma,+avx512f,+avx512vl,+avx512dq,+avx512bw"


@pytest.mark.parametrize(
    ("triple", "features", "levels", "vector_bytes", "registers"),
    [
        ("x86_64-unknown-linux-gnu", FULL, ["avx512", "avx2", "sse2"], 64, 32),
        ("x86_64-pc-windows-msvc", FULL.replace("+avx512dq", "-avx512dq"), ["avx2", "sse2"], 32, 16),
        ("x86_64-apple-darwin20", "+avx2,-fma", ["sse2"], 16, 16),
        ("x86_64-unknown-linux-gnu", "", ["sse2"], 16, 16),
        ("arm64-apple-darwin20", "+neon,+fp16", ["neon"], 16, 32),
        ("aarch64-unknown-linux-gnu", "", ["neon"], 16, 32),
        ("riscv64-unknown-linux-gnu", "+v", ["generic"], 16, 16),
    ],
)
def test_kinds_of_processors(pretend, triple, features, levels, vector_bytes, registers):
    pretend(triple, features)
    assert host.levels() == levels
    assert host.this_host() == host.Host("its-name", features, vector_bytes, registers)
    best = host.at_level(levels[0])
    assert (best.vector_bytes, best.registers) == (vector_bytes, registers)
    assert best.cpu in ("x86-64", "generic")


def test_levels_that_are_not_here(pretend, monkeypatch):
    pretend("x86_64-unknown-linux-gnu", "+avx2,+fma")
    assert host.at_level("avx2") == host.Host("x86-64", "+avx2,+fma", 32, 16)
    assert host.at_level("sse2") == host.Host("x86-64", "", 16, 16)
    for name in ("avx512", "mmx", "", "neon"):
        with pytest.raises(ValueError, match=f"runs code for avx2, sse2 or native, not for '{name}'"):
            host.at_level(name)
    monkeypatch.setenv("HANDGRAD_CPU", "avx512")
    with pytest.raises(ValueError, match="HANDGRAD_CPU is 'avx512': this computer runs"):
        host.this_host()


def test_the_host_by_name(monkeypatch):
    everything = host.this_host()
    for name in host.levels():
        monkeypatch.setenv("HANDGRAD_CPU", name)
        assert host.this_host() == host.at_level(name)
    for name in ("native", ""):
        monkeypatch.setenv("HANDGRAD_CPU", name)
        assert host.this_host() is everything


def test_an_error_in_the_environment_is_told_of_small_functions_too(monkeypatch):
    monkeypatch.setenv("HANDGRAD_THREADS", "abc")
    with pytest.raises(ValueError, match=r"HANDGRAD_THREADS should be .*, not 'abc'"):
        hg.compile(hg.sum)(np.ones(3))


def test_threads_that_compile_takes():
    for threads in (None, 1, np.int64(2)):
        assert hg.compile(hg.sum, threads=threads)(np.ones(3)) == 3


IR = """
define float @total(ptr %x) {
  %v = load <16 x float>, ptr %x, align 4
  %s = call reassoc float @llvm.vector.reduce.fadd.v16f32(float 0.0, <16 x float> %v)
  ret float %s
}
declare float @llvm.vector.reduce.fadd.v16f32(float, <16 x float>)
"""


def test_code_for_every_level_runs_here():
    import ctypes

    numbers = (ctypes.c_float * 16)(*range(16))
    for level in [*host.levels(), "native"]:
        here = host.at_level(level)
        code = native.object_code(IR, here.cpu, here.features)
        machine = native.Native(code, here.cpu, here.features)
        total = ctypes.CFUNCTYPE(ctypes.c_float, ctypes.c_void_p)(machine.address("total"))
        assert total(ctypes.addressof(numbers)) == 120.0
