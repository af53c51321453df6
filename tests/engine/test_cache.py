"""Entries come back whole or are made again, whatever happens to the disk."""

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine.runtime import cache, native

PAYLOAD = bytes(range(256)) * 5


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "some" / "cache"))
    monkeypatch.setattr(cache, "TIDIED_EVERY", 0.0)
    return tmp_path / "some" / "cache"


class Maker:
    def __init__(self, payload: bytes = PAYLOAD):
        self.payload = payload
        self.times = 0

    def __call__(self) -> bytes:
        self.times += 1
        return self.payload


def files(place: Path) -> list[Path]:
    """What is there but the word of when it was tidied."""
    return [path for path in place.iterdir() if path.name != ".tidied"]


def only(place: Path) -> Path:
    """The one file there."""
    (entry,) = files(place)
    return entry


def test_made_once(place):
    make = Maker()
    assert [cache.cached(["ir", b"cpu"], make) for _ in range(3)] == [PAYLOAD] * 3
    assert make.times == 1
    assert only(place).suffix == ".code"


def test_an_empty_payload_is_one(place):
    make = Maker(b"")
    assert [cache.cached(["x"], make) for _ in range(2)] == [b"", b""]
    assert make.times == 1


def test_different_parts_are_different_entries(place):
    different = [
        [],
        [""],
        [b""],
        ["", ""],
        ["ab"],
        ["a", "b"],
        ["a", b"b"],
        [b"ab"],
        ["b", "a"],
        ["a:str:1:b"],
    ]
    for number, parts in enumerate(different):
        cache.cached(parts, lambda number=number: bytes([number]))
    make = Maker()
    assert [cache.cached(parts, make) for parts in different] == [bytes([n]) for n in range(len(different))]
    assert make.times == 0


def test_another_format_is_another_entry(place, monkeypatch):
    make = Maker()
    cache.cached(["x"], make)
    monkeypatch.setattr(cache, "FORMAT", cache.FORMAT + 1)
    cache.cached(["x"], make)
    assert make.times == 2


SIZE = 8 + 32 + len(PAYLOAD)


def check_repaired(place: Path, damaged: bytes):
    cache.cached(["x"], Maker())
    whole = only(place).read_bytes()
    assert len(whole) == SIZE
    only(place).write_bytes(damaged)
    make = Maker()
    assert [cache.cached(["x"], make) for _ in range(2)] == [PAYLOAD] * 2
    assert make.times == 1
    assert only(place).read_bytes() == whole


@pytest.fixture
def whole(place) -> bytes:
    cache.cached(["x"], Maker())
    return only(place).read_bytes()


def test_truncated_anywhere(place, whole):
    for length in [*range(0, 60), SIZE // 2, SIZE - 2, SIZE - 1]:
        check_repaired(place, whole[:length])


def test_a_byte_flipped_anywhere(place, whole):
    for at in [*range(0, 60), SIZE // 2, SIZE - 1]:
        for mask in (0x01, 0xFF):
            damaged = bytearray(whole)
            damaged[at] ^= mask
            check_repaired(place, bytes(damaged))


def test_other_damage(place, whole):
    for damaged in (whole + b"\0", b"\0" * SIZE, whole[8:], whole * 2):
        check_repaired(place, damaged)


def test_an_entry_under_another_name_is_damaged(place, whole):
    x = only(place)
    cache.cached(["y"], Maker(b"of y"))
    (y,) = (path for path in files(place) if path != x)
    y.write_bytes(whole)
    assert cache.cached(["y"], Maker(b"of y")) == b"of y"


def test_a_folder_in_the_place_of_an_entry(place, whole):
    name = only(place)
    name.unlink()
    name.mkdir()
    assert cache.cached(["x"], Maker()) == PAYLOAD
    assert only(place) == name


def test_what_make_raises_is_raised(place):
    def make():
        raise OSError("of make")

    with pytest.raises(OSError, match="of make"):
        cache.cached(["x"], make)
    assert not files(place)


HAMMER = """
import sys
from handgrad.engine.runtime import cache
cache.LIMIT, cache.TIDIED_EVERY = 60_000, 0.0
for turn in range(40):
    for number in range(8):
        payload = bytes([number]) * (10_000 + number)
        assert cache.cached([str(number)], lambda: payload) == payload
"""


def test_many_processes_at_once(place):
    """With a limit that makes them remove each other's entries."""
    running = [subprocess.Popen([sys.executable, "-c", HAMMER], stderr=subprocess.PIPE) for _ in range(8)]
    assert [(process.communicate()[1], process.returncode) for process in running] == [(b"", 0)] * 8
    assert {path.suffix for path in files(place)} == {".code"}
    assert sum(path.stat().st_size for path in files(place)) <= 60_000


def test_a_full_disk(place, monkeypatch):
    fdopen = os.fdopen

    class Full:
        def __init__(self, handle, mode):
            self.file = fdopen(handle, mode)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, data):
            self.file.write(data[:100])
            raise OSError(errno.ENOSPC, "no space left")

    monkeypatch.setattr(cache.os, "fdopen", Full)
    make = Maker()
    assert [cache.cached(["x"], make) for _ in range(2)] == [PAYLOAD] * 2
    assert make.times == 2
    assert not files(place)


def test_an_interrupted_write(place, monkeypatch):
    def interrupted(source, target):
        raise KeyboardInterrupt

    monkeypatch.setattr(cache.os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        cache.cached(["x"], Maker())
    assert not files(place)


def refuse(*_, **__):
    raise PermissionError(errno.EACCES, "refused")


@pytest.mark.parametrize("function", ["replace", "scandir", "utime", "unlink"])
def test_refusals(place, monkeypatch, function):
    monkeypatch.setattr(cache.os, function, refuse)
    for _ in range(2):
        assert cache.cached(["x"], Maker()) == PAYLOAD


def test_refused_temporaries_and_reads(place, monkeypatch, whole):
    monkeypatch.setattr(cache.tempfile, "mkstemp", refuse)
    assert cache.cached(["y"], Maker(b"y")) == b"y"
    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert cache.cached(["x"], Maker()) == PAYLOAD


@pytest.mark.skipif(os.name != "posix", reason="rights are POSIX's")
def test_a_read_only_folder(place, whole):
    """Root may write there all the same."""
    place.chmod(0o500)
    try:
        assert cache.cached(["y"], Maker(b"y")) == b"y"
        make = Maker()
        assert cache.cached(["x"], make) == PAYLOAD
        assert make.times == 0
    finally:
        place.chmod(0o700)


@pytest.mark.skipif(os.name != "posix", reason="rights are POSIX's")
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o720, 0o702, 0o775], ids=oct)
def test_a_folder_that_others_may_write(place, whole, mode):
    assert place.stat().st_mode & 0o777 == 0o700
    place.chmod(mode)
    assert cache.folder() is None
    assert cache.cached(["x"], Maker(b"made")) == b"made"


@pytest.mark.parametrize(
    ("name", "value", "same"), [("SPEED", 1, 1), ("TUNED", {"slp_vectorization": True}, 0)]
)
def test_code_made_with_other_settings_is_another_entry(place, monkeypatch, name, value, same):
    """The module that calls the kernels is not made at that speed, and is the same."""

    def compiled():
        hg.compile(lambda x: x * 3)(np.ones(5))
        return names_of(place) if place.exists() else set()

    with pytest.MonkeyPatch.context() as elsewhere:  # what a process builds once, for its threads
        elsewhere.setenv("HANDGRAD_CACHE", "off")
        assert not compiled()
    before = compiled()
    assert compiled() == before
    monkeypatch.setattr(native, name, value)
    assert len(compiled() - before) == len(before) - same > 0


@pytest.mark.skipif(os.name != "posix", reason="rights are POSIX's")
def test_someone_elses_folder(place, monkeypatch):
    monkeypatch.setattr(cache.os, "geteuid", lambda: 12345)
    assert cache.folder() is None


def test_a_file_where_the_folder_should_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    for name in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv("HANDGRAD_CACHE", str(name))
        assert cache.folder() is None
        assert cache.cached(["x"], Maker()) == PAYLOAD


@pytest.mark.parametrize("off", ["", "off"])
def test_no_cache(monkeypatch, off):
    monkeypatch.setenv("HANDGRAD_CACHE", off)
    make = Maker()
    assert cache.folder() is None
    assert [cache.cached(["x"], make) for _ in range(2)] == [PAYLOAD] * 2
    assert make.times == 2


@pytest.mark.parametrize(
    ("system", "variables", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "{home}/xdg"}, "xdg/handgrad"),
        ("linux", {"XDG_CACHE_HOME": "relative"}, ".cache/handgrad"),
        ("linux", {}, ".cache/handgrad"),
        ("darwin", {"XDG_CACHE_HOME": "{home}/xdg"}, "Library/Caches/handgrad"),
        ("win32", {"LOCALAPPDATA": "{home}/local"}, "local/handgrad"),
        ("win32", {}, "AppData/Local/handgrad"),
        ("linux", {"HANDGRAD_CACHE": "~/mine"}, "mine"),
    ],
)
def test_where_it_is(tmp_path, monkeypatch, system, variables, expected):
    for name in ("HANDGRAD_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(tmp_path))
    for name, value in variables.items():
        monkeypatch.setenv(name, value.format(home=tmp_path))
    monkeypatch.setattr(cache.sys, "platform", system)
    assert cache.folder() == tmp_path / expected
    assert (tmp_path / expected).is_dir()


def test_no_home(monkeypatch):
    def no_home():
        raise RuntimeError("could not determine home directory")

    for name in ("HANDGRAD_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    assert cache.folder() is None


def names_of(place: Path) -> set[str]:
    return {path.name for path in files(place)}


def test_the_longest_unused_go(place, monkeypatch):
    names = []
    now = time.time()
    for number in range(4):
        before = names_of(place) if place.exists() else set()
        cache.cached([str(number)], Maker())
        (new,) = names_of(place) - before
        names.append(new)
        os.utime(place / new, (now - 1000 + number, now - 1000 + number))
    cache.cached(["0"], Maker(b"not made"))  # a hit: now 1 is the longest unused
    monkeypatch.setattr(cache, "LIMIT", 3 * SIZE)
    cache.cached(["4"], Maker())
    left = names_of(place)
    assert names[0] in left
    assert not {names[1], names[2]} & left
    assert len(left) == 3


def test_an_entry_above_the_limit_is_not_kept(place, monkeypatch):
    monkeypatch.setattr(cache, "LIMIT", SIZE - 1)
    assert cache.cached(["x"], Maker()) == PAYLOAD
    assert not files(place)


def test_entries_are_looked_at_once_a_minute(place, monkeypatch):
    monkeypatch.setattr(cache, "TIDIED_EVERY", 60.0)
    scans = []
    scandir = os.scandir
    monkeypatch.setattr(cache.os, "scandir", lambda path: scans.append(path) or scandir(path))
    for number in range(20):
        cache.cached([str(number)], Maker())
    assert len(scans) == 1
    monkeypatch.setattr(cache, "LIMIT", 3 * SIZE)
    for now in (time.time() - 70, time.time() + 70):  # long ago; by a clock that was set back since
        os.utime(place / ".tidied", (now, now))
        cache.cached([str(now)], Maker())
        assert len(files(place)) == 3
        cache.cached([f"{now}, soon after"], Maker())
        assert len(files(place)) == 4
    assert len(scans) == 3


def test_stale_parts_go_and_other_files_stay(place, monkeypatch, whole):
    entry = only(place).name
    stale, fresh = place / f".{entry}.abc.part", place / f".{entry}.def.part"
    others = [place / name for name in ("notes.txt", "a.code", ".hidden.part", f"{entry}.bak")]
    for path in (stale, fresh, *others):
        path.write_bytes(b"?" * 1000)
    for path in (stale, *others):
        os.utime(path, (0, 0))
    monkeypatch.setattr(cache, "LIMIT", SIZE)
    cache.cached(["y"], Maker())
    assert not stale.exists()
    assert fresh.exists()
    assert all(path.exists() for path in others)
