"""How many threads this process may use."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import numpy as np

PROC = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")


def threads(proc: Path = PROC, cgroups: Path = CGROUPS) -> int:
    """How many threads to compute with: ``HANDGRAD_THREADS``, but no more than this process may use.

    Where that is not said, ``OMP_NUM_THREADS``, by which pools of processes share the processors.

    Raises:
        ValueError: ``HANDGRAD_THREADS`` is not a whole number of at least 1.
    """
    usable = _usable(proc, cgroups)
    asked = os.environ.get("HANDGRAD_THREADS", "").strip()
    if not asked:
        shared = os.environ.get("OMP_NUM_THREADS", "").strip()
        return min(int(shared), usable) if shared.isascii() and shared.isdigit() and int(shared) else usable
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
