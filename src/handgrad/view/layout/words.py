"""The room that words take."""

from __future__ import annotations

BOLD = 1.1  # how much wider bold letters are
NARROW_LETTERS = "iIljtfr.,:;'|!()[] ·-⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
WIDE_LETTERS = "mwMWQ@%—…"
COMBINING = [(0x300, 0x36F), (0x1AB0, 0x1AFF), (0x20D0, 0x20FF), (0xFE20, 0xFE2F)]
SQUARE = [  # as wide as high: Chinese, Japanese, Korean, and pictures
    *((0x1100, 0x115F), (0x2E80, 0xA4CF), (0xAC00, 0xD7A3), (0xF900, 0xFAFF), (0xFE30, 0xFE6F)),
    *((0xFF01, 0xFF60), (0xFFE0, 0xFFE6), (0x1F300, 0x1FAFF), (0x20000, 0x3FFFD)),
]


def is_among(character: str, ranges: list[tuple[int, int]]) -> bool:
    code = ord(character)
    return any(first <= code and code <= last for first, last in ranges)


def ems(character: str) -> float:
    """The width of a letter, in its height."""
    if ord(character) < 0x300:
        if character in NARROW_LETTERS:
            return 0.4
        if character in WIDE_LETTERS:
            return 1.0
        return 0.75 if character.isupper() else 0.64
    if is_among(character, COMBINING):
        return 0.0
    if is_among(character, SQUARE) or character in WIDE_LETTERS:
        return 1.0
    if character in NARROW_LETTERS:
        return 0.4
    return 0.75 if character.isupper() else 0.64


def words_width(words: str, size: float) -> float:
    """Pixels that words take in the widest of the usual fonts; nobody tells us which it will be."""
    return size * sum([ems(character) for character in words])


def cut(words: str, room: float, size: float) -> str:
    """The words, or as many of their first letters as fit in ``room`` pixels, and an ellipsis."""
    if words_width(words, size) <= room:
        return words
    kept = words
    while len(kept) > 0 and words_width(kept + "…", size) > room:
        kept = kept[:-1]
    return kept + "…"
