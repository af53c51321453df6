"""Machine code on the disk, named by what it was made from. A disk that fails costs time, never an answer."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

FORMAT = 1  # of an entry, and of what its name is made from
LIMIT = 256 * 2**20  # bytes of all entries, when they were last looked at
TIDIED_EVERY = 60.0  # seconds: to look at each of ten thousand entries takes longer than to write one
STALE = 3600.0  # seconds after which a part is nobody's any more

_MAGIC = b"handgrad"
_DIGEST = 32
_ENTRY = re.compile(r"[0-9a-f]{40}\.code")
_TIDIED = ".tidied"  # when it was done last, by any process
_PART = re.compile(r"\.[0-9a-f]{40}\.code\..*\.part")


def cached(parts: list[str | bytes], make: Callable[[], bytes]) -> bytes:
    """What ``make`` gives, from the disk where it was made from the same ``parts`` before."""
    payload = read(parts)
    if payload is None:
        payload = make()
        write([(parts, payload)])
    return payload


def read(parts: list[str | bytes]) -> bytes | None:
    """What was written for the same parts; None where there is nothing, or nothing sound."""
    return named(name(parts))


def name(parts: list[str | bytes]) -> str:
    """What the entry for those parts is called."""
    return _key(parts).hex()


def named(name: str) -> bytes | None:
    """The entry of that name, as ``read``."""
    place = folder()
    return None if place is None else _read(place / f"{name}.code", bytes.fromhex(name))


def write(entries: list[tuple[list[str | bytes], bytes]]) -> None:
    """Keep payloads, each under its parts, and no more than the limit of all."""
    place = folder()
    if place is None or not entries:
        return
    with contextlib.suppress(OSError):
        for parts, payload in entries:
            key = _key(parts)
            _write(place / f"{key.hex()}.code", _MAGIC + _digest(payload, key) + payload)
        if _is_due(place / _TIDIED):
            _tidy(place)


def folder() -> Path | None:
    """Where entries are: ``HANDGRAD_CACHE``, or the user's folder for caches; None for no cache.

    None too where the folder cannot be made, or where others, its group among them, could put their code into
    it.
    """
    named = os.environ.get("HANDGRAD_CACHE")
    if named in ("", "off"):
        return None
    try:
        place = Path(named).expanduser() if named else _users_caches() / "handgrad"
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        return place if _is_ours(place) else None
    except (OSError, RuntimeError, ValueError):  # no home, no rights, no such name
        return None


def _users_caches() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    named = os.environ.get("XDG_CACHE_HOME", "")
    return Path(named) if os.path.isabs(named) else Path.home() / ".cache"


def _is_ours(place: Path) -> bool:
    """Code from here will run with this user's rights."""
    if os.name != "posix":
        return True
    status = place.stat()
    return status.st_uid == os.geteuid() and not status.st_mode & 0o022


def _key(parts: list[str | bytes]) -> bytes:
    """A name for the parts: their kinds and lengths too, so that no two lists run together."""
    state = blake2b(f"{FORMAT}:{len(parts)}".encode(), digest_size=20)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        state.update(f":{type(part).__name__}:{len(data)}:".encode())
        state.update(data)
    return state.digest()


def _digest(payload: bytes, key: bytes) -> bytes:
    """Of the payload under its name, so that a renamed entry is a damaged one."""
    return blake2b(payload, digest_size=_DIGEST, key=key).digest()


def _read(path: Path, key: bytes) -> bytes | None:
    """An entry's payload; None where it is missing, cannot be read or is damaged."""
    try:
        data = path.read_bytes()
    except OSError:
        return None
    head, payload = data[: len(_MAGIC) + _DIGEST], data[len(_MAGIC) + _DIGEST :]
    if head != _MAGIC + _digest(payload, key):
        return None
    with contextlib.suppress(OSError):
        os.utime(path)  # it was of use
    return payload


def _write(path: Path, data: bytes) -> None:
    """Write beside ``path``, then take its name. Not waiting for the disk: a torn entry is a damaged one."""
    handle, part = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.replace(part, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(part)
        raise


def _is_due(stamp: Path) -> bool:
    """Whether to tidy, and if so, tells the others that it is being done."""
    with contextlib.suppress(FileNotFoundError):
        if abs(time.time() - stamp.stat().st_mtime) < TIDIED_EVERY:  # abs: a clock may have been set back
            return False
    stamp.touch(mode=0o600)
    return True


def _tidy(place: Path) -> None:
    """Remove entries down to the limit, the longest unused first, and the parts that killed writers left."""
    entries = []
    with os.scandir(place) as found:
        for file in found:
            with contextlib.suppress(OSError):  # another process may have removed it
                status = file.stat(follow_symlinks=False)
                if _ENTRY.fullmatch(file.name):
                    entries.append((status.st_mtime, status.st_size, file.path))
                elif _PART.fullmatch(file.name) and time.time() - status.st_mtime > STALE:
                    os.unlink(file.path)
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= LIMIT:
            return
        with contextlib.suppress(OSError):
            os.unlink(path)
        total -= size
