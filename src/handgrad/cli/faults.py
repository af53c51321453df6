"""Whose fault an error is: the user's, his file's, his machine's, or ours."""

from __future__ import annotations

import contextlib
import dis
import os
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import CodeType, TracebackType

import handgrad
from handgrad.data import DataError

MACHINE = (OSError, ImportError, MemoryError)  # no room, no rights, a package that is missing
MEANT = (ValueError, TypeError, ArithmeticError, RuntimeError)  # what handgrad raises as a sentence
RAISE = dis.opmap["RAISE_VARARGS"]
OURS = str(Path(handgrad.__file__).parent)
LIBRARIES = tuple({os.path.realpath(path) for path in sysconfig.get_paths().values()})


def is_ours(error: BaseException) -> bool:
    """Whether nobody but handgrad can do something about it.

    An error is meant to be read by the user where a ``raise`` of handgrad's made it. One that came up in the
    middle of a computation, from Python or NumPy, is a fault, unless it came up in a file of the user's.
    """
    if isinstance(error, MACHINE) or place_in_users_code(error):
        return False
    calls = list(traceback.walk_tb(error.__traceback__))
    return not (isinstance(error, MEANT) and calls and is_raise(error.__traceback__))


def is_raise(trace: TracebackType | None) -> bool:
    """Whether what ended at the innermost call is a ``raise`` statement of handgrad's."""
    assert trace is not None
    while trace.tb_next is not None:
        trace = trace.tb_next
    code = trace.tb_frame.f_code
    return in_handgrad(code) and code.co_code[trace.tb_lasti] == RAISE


def in_handgrad(code: CodeType) -> bool:
    return code.co_filename.startswith(OURS + os.sep)


def place_in_users_code(error: BaseException) -> str:
    """``nets.py, line 12``, the innermost line of the user's own that the error came through, or nothing."""
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = os.path.realpath(frame.f_code.co_filename)
        if os.path.isfile(file) and not in_handgrad(frame.f_code) and not file.startswith(LIBRARIES):
            return f"{os.path.relpath(file)}, line {line}"
    return ""


def sentence(error: BaseException) -> str:
    """An error on one line."""
    text = getattr(error, "for_command", None) or str(error)
    text = " ".join(text.split()) or type(error).__name__
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    notes = ", ".join(getattr(error, "__notes__", [])[:2])
    return f"{text} ({notes})" if notes else text


@contextlib.contextmanager
def about(source: str) -> Iterator[None]:
    """Name the user's file in what is said of its content."""
    try:
        yield
    except DataError as error:
        error.for_command = f"{source}: {error.for_command}"
        raise


def told(error: BaseException) -> str:
    """What a user reads of an error: a sentence, or of a fault of ours, all that a report of it needs."""
    if not is_ours(error):
        place = "" if isinstance(error, MACHINE) else place_in_users_code(error)
        kind = f"{type(error).__name__}: " if place else ""
        return f"handgrad: {f'{place}: ' if place else ''}{kind}{sentence(error)}"
    trace = "".join(traceback.format_exception(error))
    return f"{trace}handgrad: this is a fault of handgrad's, not yours; please report it with the lines above"
