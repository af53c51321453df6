"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def natural(text: str) -> int:
    return _whole(text, 0)


def positive(text: str) -> int:
    return _whole(text, 1)


def _whole(text: str, least: int) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least}")
    return int(text)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None


def positive_number(text: str) -> float:
    number = _number(text)
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def not_negative(text: str) -> float:
    number = _number(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0")
    return number


def naturals(text: str) -> list[int]:
    """``7`` or ``7,8,9``."""
    return [natural(part.strip()) for part in text.split(",")]


def share(text: str) -> float:
    number = _number(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not in [0, 1)")
    return number


def held_out(text: str) -> float | int:
    """A share of the examples, or their number."""
    number = _number(text)
    if 0 < number < 1:
        return number
    if text.isdecimal() and number >= 1:
        return int(number)
    raise argparse.ArgumentTypeError(f"{text!r} is neither a share between 0 and 1 nor a number of examples")


def fold(text: str) -> str:
    """``2/5``."""
    i, _, k = text.partition("/")
    if not (i.isdecimal() and k.isdecimal() and 1 <= int(i) <= int(k) and int(k) >= 2):
        raise argparse.ArgumentTypeError(f"{text!r} is not I/K, as 2/5, the second of five parts")
    return text


def augment(text: str) -> str:
    """``flip,shift=2,noise=0.1``, checked."""
    checks: dict[str, Callable[[str], object]] = {"shift": positive, "noise": positive_number}
    for part in names(text):
        name, sign, value = part.partition("=")
        if part != "flip" and not (sign and name in checks):
            raise argparse.ArgumentTypeError(f"{part!r} is not flip, shift=PLACES or noise=DEVIATION")
        if sign:
            checks[name](value)
    return text


def image_size(text: str) -> str:
    """``64x48``, width and height, or ``64`` for both, checked."""
    width, _, height = text.partition("x")
    if not all(part.isdecimal() and int(part) > 0 for part in (width, height or width)):
        raise argparse.ArgumentTypeError(f"{text!r} is not WIDTHxHEIGHT, as 64x48, or one number for both")
    return text


def height_and_width(text: str | None) -> tuple[int, int] | None:
    """(H, W) of what ``image_size`` takes."""
    if text is None:
        return None
    width, _, height = text.partition("x")
    return int(height or width), int(width)


def names(text: str) -> list[str]:
    """``a,b``."""
    return [part.strip() for part in text.split(",") if part.strip()]


def widths(text: str) -> list[int]:
    """``50`` or ``256,128``; nothing for no hidden layer."""
    return [positive(part.strip()) for part in text.split(",") if part.strip()]
