"""What this computer has: threads that this process may use, and the vectors of its processor."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import llvmlite.binding as llvm
import numpy as np

from handgrad.engine.runtime import native

PROC = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True)
class Host:
    """What to compile for: its name and features as LLVM knows them, its vectors' width and their number."""

    cpu: str
    features: str
    vector_bytes: int
    registers: int
    triple: str = ""  # of another kind of computer than this one, as LLVM names it

    @property
    def kind(self) -> str:
        """``x86`` or ``arm``, whose own instructions the engine knows; empty for any other."""
        return KINDS.get((self.triple or llvm.get_process_triple()).split("-")[0], "")


KINDS = {"x86_64": "x86", "amd64": "x86", "aarch64": "arm", "arm64": "arm"}


@dataclass(frozen=True)
class _Level:
    needs: tuple[str, ...]
    vector_bytes: int
    registers: int


_AVX2 = ("avx2", "fma")
_AVX512 = (*_AVX2, "avx512f", "avx512vl", "avx512dq", "avx512bw")
_X86 = {"avx512": _Level(_AVX512, 64, 32), "avx2": _Level(_AVX2, 32, 16), "sse2": _Level((), 16, 16)}
_ARM = {"neon": _Level((), 16, 32)}
_OTHER = {"generic": _Level((), 16, 16)}


def _architecture() -> tuple[str, dict[str, _Level]]:
    """LLVM's name of the least processor of this kind, and its levels, best first."""
    kind = KINDS.get(llvm.get_process_triple().split("-")[0], "")
    return {"x86": ("x86-64", _X86), "arm": ("generic", _ARM)}.get(kind, ("generic", _OTHER))


@functools.cache
def _here() -> dict[str, _Level]:
    has = {feature[1:] for feature in native.host_cpu()[1].split(",") if feature.startswith("+")}
    return {name: level for name, level in _architecture()[1].items() if has.issuperset(level.needs)}


def levels() -> list[str]:
    """The levels that can run here, best first."""
    return list(_here())


@functools.cache
def at_level(name: str) -> Host:
    """This computer with the features of a level and no others, or ``native``: all that it has.

    Raises:
        ValueError: there is no such level, or it cannot run here.
    """
    here = _here()
    if name == "native":
        best = next(iter(here.values()))
        return Host(*native.host_cpu(), best.vector_bytes, best.registers)
    if name not in here:
        raise ValueError(f"this computer runs code for {', '.join(here)} or native, not for '{name}'")
    return _host(_architecture()[0], here[name])


def elsewhere(level: str) -> Host:
    """Some computer at that level, perhaps of another kind: code for it is made here, and runs there."""
    triple, cpu, levels = ("aarch64", "generic", _ARM) if level in _ARM else ("x86_64", "x86-64", _X86)
    return _host(cpu, levels[level], f"{triple}-unknown-linux-gnu")


def _host(cpu: str, level: _Level, triple: str = "") -> Host:
    features = ",".join(f"+{feature}" for feature in level.needs)
    return Host(cpu, features, level.vector_bytes, level.registers, triple)


def this_host() -> Host:
    """The processor to compile for: this one, or the level that ``HANDGRAD_CPU`` names.

    Raises:
        ValueError: ``HANDGRAD_CPU`` is no level that can run here.
    """
    name = os.environ.get("HANDGRAD_CPU", "").strip() or "native"
    try:
        return at_level(name)
    except ValueError as error:
        raise ValueError(f"HANDGRAD_CPU is '{name}': {error}") from None


def threads(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """How many threads to compute with: ``HANDGRAD_THREADS``, but no more than this process may use.

    Raises:
        ValueError: ``HANDGRAD_THREADS`` is not a whole number of at least 1.
    """
    usable = _usable(proc, cgroups)
    asked = os.environ.get("HANDGRAD_THREADS", "").strip()
    if not asked:
        return usable
    if not (asked.isascii() and asked.isdigit() and int(asked) >= 1):
        raise ValueError(f"HANDGRAD_THREADS should be a whole number of at least 1, not '{asked}'")
    return min(int(asked), usable)


def checked_threads(asked: int | None) -> int | None:
    """The number of threads that somebody asks for, or None where he does not.

    Raises:
        TypeError, ValueError: it is not a whole number of at least 1.
    """
    if asked is None:
        return None
    if isinstance(asked, bool) or not isinstance(asked, int | np.integer):
        raise TypeError(f"threads is a whole number of at least 1, not {asked!r}")
    if asked < 1:
        raise ValueError(f"threads is a whole number of at least 1, not {asked}")
    return int(asked)


def _usable(proc: Path, cgroups: Path) -> int:
    """The processors that this process may run on, or fewer where its cgroup's quota is fewer."""
    try:
        count = len(os.sched_getaffinity(0))
    except (AttributeError, OSError):  # not on macOS or Windows
        count = os.cpu_count() or 1
    return max(1, min([count, *quotas(proc, cgroups)]))


def quotas(proc: Path = PROC, cgroups: Path = CGROUPS) -> Iterator[int]:
    """The CPU quotas of this process' cgroup and of those around it, each in whole processors, rounded up."""
    for line in _lines(proc):
        number, controllers, path = [*line.split(":", 2), "", ""][:3]
        if number == "0" and not controllers:
            for folder in (cgroups, cgroups / "unified"):
                yield from _quotas_around(folder, path, _version_2)
        elif "cpu" in controllers.split(","):
            for folder in {cgroups / "cpu", cgroups / controllers}:
                yield from _quotas_around(folder, path, _version_1)


def _quotas_around(mount: Path, path: str, read: Callable[[Path], tuple[str, str]]) -> Iterator[int]:
    """From a cgroup up to the root of its mount; a path that is not below that is the root."""
    parts = PurePosixPath(path).parts[1:]
    if ".." in parts:
        parts = ()
    for depth in range(len(parts), -1, -1):
        quota, period = read(mount.joinpath(*parts[:depth]))
        if quota.isdigit() and period.isdigit() and int(period) > 0:
            yield max(1, -(-int(quota) // int(period)))


def _version_2(folder: Path) -> tuple[str, str]:
    quota, period = [*" ".join(_lines(folder / "cpu.max")).split(), "", ""][:2]
    return quota, period


def _version_1(folder: Path) -> tuple[str, str]:
    quota, period = ("".join(_lines(folder / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
    return quota, period


def _lines(path: Path) -> list[str]:
    """A file's lines; none where it cannot be read."""
    try:
        return path.read_text().splitlines()
    except (OSError, ValueError):
        return []
