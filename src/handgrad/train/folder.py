"""The folder of a training: which files in it are ours, and that one process at a time trains into it."""

from __future__ import annotations

import contextlib
import os
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from handgrad.files import read_json, remove_parts

CONFIG, MODEL, METRICS, CHECKPOINT = "config.json", "model.safetensors", "metrics.jsonl", "checkpoint.json"
TRAINED_ON, FIGURES = "trained_on.safetensors", "figures.json"  # of what was held out
PICTURES = ("curves.svg", "confusion.svg", "scatter.svg", "report.html")
OURS = (CONFIG, MODEL, METRICS, CHECKPOINT, TRAINED_ON, FIGURES, *PICTURES)
LOCK = ".lock"
_TENSORS = re.compile(r"checkpoint-\d+(\.\d+-of-\d+)?\.safetensors")
_KEPT = re.compile(r"kept-(\d+)\.safetensors")

_held: dict[Path, int] = {}  # by folder, the thread of this process that trains into it
_guard = threading.Lock()


class FolderError(ValueError):
    """A folder that cannot be trained into.

    Examples:
        >>> from pathlib import Path
        >>> from threading import Thread
        >>> from handgrad.train.folder import training_into
        >>> def second():
        ...     try:
        ...         training_into(Path("run")).__enter__()
        ...     except hg.train.FolderError as error:
        ...         print(type(error).__name__)
        >>> with training_into(Path("run")):
        ...     other = Thread(target=second)
        ...     other.start()
        ...     other.join()
        FolderError
    """


def is_tensor_file(name: str) -> bool:
    """Whether this is the name of a checkpoint's tensors, in the folder itself."""
    return _TENSORS.fullmatch(name) is not None


def tensor_files(folder: Path) -> list[Path]:
    """The tensors of checkpoints, whichever of them ``checkpoint.json`` names."""
    return [file for file in folder.glob("checkpoint-*.safetensors") if is_tensor_file(file.name)]


def kept_name(epoch: int) -> str:
    """The file of the network as it was after an epoch."""
    return f"kept-{epoch:04d}.safetensors"


def kept_files(folder: Path) -> dict[int, Path]:
    """The networks that were kept on the way, by the epochs that they had had."""
    found = {file: _KEPT.fullmatch(file.name) for file in folder.glob("kept-*.safetensors")}
    return dict(sorted((int(match[1]), file) for file, match in found.items() if match))


def holds_training(folder: Path) -> bool:
    """Whether there is a training in the folder.

    Raises:
        FolderError: it is a file, or holds a ``config.json`` of something else.
    """
    if folder.exists() and not folder.is_dir():
        raise FolderError(f"{folder} is a file; name a folder with --out")
    if not (folder / CONFIG).exists():
        return any((folder / name).exists() for name in OURS)
    if not any((folder / name).exists() for name in (CHECKPOINT, METRICS, MODEL)) and not _is_config(folder):
        raise FolderError(f"{folder / CONFIG} is not of a training; name another folder with --out")
    return True


def _is_config(folder: Path) -> bool:
    try:
        config = read_json(folder / CONFIG)
    except ValueError:
        return False
    return isinstance(config, dict) and {"network", "training"} <= set(config)


def clear(folder: Path) -> None:
    """Remove the training in a folder, and nothing else that lies there."""
    for file in [*(folder / name for name in OURS), *tensor_files(folder), *kept_files(folder).values()]:
        file.unlink(missing_ok=True)
    remove_parts(folder, *OURS, "checkpoint-*", "kept-*")


@contextlib.contextmanager
def training_into(folder: Path) -> Iterator[None]:
    """Keep every other training out of a folder, which is made if it is not there.

    The system frees the lock when the process ends, however it ends. The thread that holds it may take it
    again.

    Raises:
        FolderError: another process or thread trains into it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    real, thread = folder.resolve(), threading.get_ident()
    with _guard:
        holder = _held.get(real)
        if holder is None:
            _held[real] = thread
    if holder == thread:
        yield
        return
    if holder is not None:
        raise FolderError(_busy(folder, f"{os.getpid()}, this one"))
    try:
        with _locked(folder):
            yield
    finally:
        del _held[real]


def _busy(folder: Path, process: str) -> str:
    return f"{folder} is being trained by process {process}: wait for its end, or name another folder"


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    path = folder / LOCK
    while True:
        file = path.open("a+", encoding="utf-8")
        if not _take(file):
            file.seek(0)
            process = file.read().strip() or "unknown"
            file.close()
            raise FolderError(_busy(folder, process))
        if path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()):
            break
        file.close()  # whoever held it removed it, and the next comer made another
    try:
        with contextlib.suppress(OSError):  # on a full disk it is a lock without a name
            file.truncate(0)
            os.write(file.fileno(), f"{os.getpid()}\n".encode())
        yield
    finally:
        if sys.platform != "win32":  # which removes no file that is open
            path.unlink(missing_ok=True)
        file.close()


def _take(file: IO[str]) -> bool:
    """Whether the lock of this file could be had; where the file system has none, it always can."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(1 << 20)  # the bytes in front stay readable
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
