"""Data that come by standard input."""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from handgrad.data import DataError, DataWarning

NAME = "standard input"
KINDS = {b"PK\x03\x04": ".npz", b"PAR1": ".parquet"}  # by how they begin; all else is a table of text


@contextmanager
def as_file() -> Iterator[Path]:
    """A file of what comes, of the kind that it is, which messages call standard input.

    Raises:
        DataError: nothing comes.
    """
    content = sys.stdin.buffer.read()
    if not content:
        raise DataError("nothing came by standard input: give a table with a line of names, or a .npz")
    kind = next((ending for start, ending in KINDS.items() if content.startswith(start)), ".csv")
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        path = Path(folder) / f"input{kind}"
        path.write_bytes(content)
        try:
            yield path
        except DataError as error:
            raise DataError(error.for_command.replace(str(path), NAME)) from None
    for each in caught:
        if isinstance(each.message, DataWarning):
            warnings.warn(DataWarning(each.message.for_command.replace(str(path), NAME)), stacklevel=2)
        else:
            warnings.warn_explicit(each.message, each.category, each.filename, each.lineno)
