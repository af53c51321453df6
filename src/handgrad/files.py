"""Files that are either the old ones or the new ones, whole, whenever the process or the machine stops."""

from __future__ import annotations

import json
import math
import os
import secrets
import stat
from pathlib import Path
from typing import Any


def write_atomically(path: Path, content: bytes | str) -> None:
    """Write beside ``path``, to the disk, and only then take its name.

    A new file has the mode that the umask leaves it, one that is replaced keeps its own. A link stays a link,
    to the new content; what is no file, such as ``/dev/stdout``, is written to as it is.

    Raises:
        OSError: the content could not be written; what was at ``path`` is still there.
    """
    data = content.encode() if isinstance(content, str) else content
    if path.exists() and not path.is_file():
        path.write_bytes(data)
        return
    real = Path(os.path.realpath(path))
    temporary = real.with_name(f".{real.name}.{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            if real.exists() and os.name == "posix":
                os.fchmod(file.fileno(), stat.S_IMODE(real.stat().st_mode))
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, real)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError):
            name_file(error, path)
        raise
    _sync_folder(real.parent)


def name_file(error: OSError, path: Path) -> None:
    """Let an error name the file that the caller asked for, not one of our own, or none."""
    error.filename, error.filename2 = str(path), None


def _sync_folder(folder: Path) -> None:
    """Without this a crash of the machine may forget the new name."""
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_parts(folder: Path, *names: str) -> None:
    """Remove what killed writers of these files (names or patterns) left behind."""
    for name in names:
        for part in folder.glob(f".{name}.*.part"):
            part.unlink(missing_ok=True)


def write_json(path: Path, content: Any) -> None:
    write_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        ValueError: the file is not JSON.
        FileNotFoundError: there is no such file.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # of JSON, or of UTF-8
        raise ValueError(f"{path} is not JSON: {error}") from None


def read_jsonl(path: Path) -> list[dict]:
    """One object a line; a last line that was cut off is left out.

    Raises:
        ValueError: another line is no JSON object.
    """
    if not path.exists():
        return []
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not UTF-8 text: {error}") from None
    return [_object(line, f"line {i} of {path}") for i, line in enumerate(lines[:-1], 1) if line]


def _object(line: str, where: str) -> dict:
    try:
        read = json.loads(line)
    except ValueError as error:
        raise ValueError(f"{where} is not JSON: {error}") from None
    if not isinstance(read, dict):
        raise ValueError(f"{where} is {type(read).__name__}, not an object of figures")
    return read


def json_line(content: dict[str, Any]) -> str:
    """Figures as a line of JSON, which has no inf and no nan: those are null."""
    written = {name: None if _is_not_finite(value) else value for name, value in content.items()}
    return json.dumps(written, ensure_ascii=False, allow_nan=False) + "\n"


def _is_not_finite(value: Any) -> bool:
    return isinstance(value, float) and not math.isfinite(value)


def append_line(path: Path, content: dict[str, Any]) -> None:
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(json_line(content))
    except OSError as error:
        name_file(error, path)
        raise
