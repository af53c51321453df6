"""How many threads there are, here and on pretended computers."""

import os
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine.runtime.threads import threads


@pytest.fixture(autouse=True)
def plain(monkeypatch):
    monkeypatch.delenv("HANDGRAD_THREADS", raising=False)
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
    assert threads(*tree(tmp_path, own, files)) == expected


def test_no_cgroups_at_all(tmp_path):
    assert threads(tmp_path / "none", tmp_path / "none") == 64


def test_affinity_is_less_than_the_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {3, 5}, raising=False)
    assert threads(*tree(tmp_path, "0::/\n", {"cpu.max": "800000 100000\n"})) == 2


@pytest.mark.parametrize(("count", "expected"), [(6, 6), (None, 1)])
def test_systems_without_affinity(tmp_path, monkeypatch, count, expected):
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: count)
    assert threads(tmp_path / "none", tmp_path / "none") == expected


def test_threads_here():
    assert 1 <= threads() <= 64


@pytest.mark.parametrize(
    ("asked", "expected"), [("1", 1), (" 3 ", 3), ("4", 4), ("5", 4), ("1000", 4), ("", 4)]
)
def test_threads_asked_for(tmp_path, monkeypatch, asked, expected):
    monkeypatch.setenv("HANDGRAD_THREADS", asked)
    assert threads(*tree(tmp_path, "0::/\n", {"cpu.max": "400000 100000\n"})) == expected


@pytest.mark.parametrize("asked", ["0", "-1", "two", "1.5", "²", "1e1", "+2"])
def test_threads_that_cannot_be(monkeypatch, asked):
    monkeypatch.setenv("HANDGRAD_THREADS", asked)
    with pytest.raises(ValueError, match="HANDGRAD_THREADS should be a whole number of at least 1"):
        threads()


def test_an_error_in_the_environment_is_told_of_small_functions_too(monkeypatch):
    monkeypatch.setenv("HANDGRAD_THREADS", "abc")
    with pytest.raises(ValueError, match=r"HANDGRAD_THREADS should be .*, not 'abc'"):
        hg.compile(hg.sum)(np.ones(3))


def test_threads_that_compile_takes():
    for asked in (None, 1, np.int64(2)):
        assert hg.compile(hg.sum, threads=asked)(np.ones(3)) == 3
