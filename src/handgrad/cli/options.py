"""Options that several commands share, and the types of their values."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def positive_number(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a positive number")
    return number


def share(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not in [0, 1)")
    return number


def held_out(text: str) -> float | int:
    """A share of the examples, or their number."""
    number = float(text)
    if 0 < number < 1:
        return number
    if number >= 1 and number == int(number):
        return int(number)
    raise argparse.ArgumentTypeError(f"{text} is neither a share between 0 and 1 nor a number of examples")


def widths(text: str) -> list[int]:
    """``50`` or ``256,128``; nothing for no hidden layer."""
    return [positive(part) for part in text.split(",") if part.strip()]
