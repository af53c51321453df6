"""Turns of a loop, and layers of equal structure in a row: one box with their count, that opens."""

from __future__ import annotations

from collections.abc import Hashable, Iterator

import numpy as np

from handgrad.view.graph import Box, Op
from handgrad.view.loops import loop_around

FEW = 12  # things in a box up to which nothing is gathered
LEAST = 4  # turns that are gathered
LONGEST = 200  # things in a turn

Thing = Op | Box


def gather(box: Box) -> None:
    """Put what is repeated in a box into a box for all turns, and one for each turn of more than one thing.

    A turn of rules is known by the lines that used them, a layer by what it is made of. Short turns are
    gathered first, so that a loop within a loop is a box within a box.
    """
    inside = in_order(box)
    if len(inside) <= FEW:
        return
    numbers: dict[Hashable, int] = {}
    known: dict[Thing, int] = {}
    for period in range(1, LONGEST + 1):
        if period * LEAST > len(inside):
            break
        kinds = np.array([kind_of(thing, numbers, known) for thing in inside])
        for start, count in reversed(list(repeats(kinds, period))):
            turns = [inside[i : i + period] for i in range(start, start + count * period, period)]
            inside[start : start + count * period] = [all_turns(turns, box)]
    box.ops = [thing for thing in inside if isinstance(thing, Op)]
    box.boxes = [thing for thing in inside if isinstance(thing, Box)]


def in_order(box: Box) -> list[Thing]:
    """The rules and boxes directly in a box, as the forward meets them."""
    things: list[Thing] = [*box.ops, *box.boxes]
    return sorted(things, key=first_number)


def kind_of(thing: Thing, numbers: dict[Hashable, int], known: dict[Thing, int]) -> int:
    """A number that is equal for things of equal structure."""
    if thing not in known:
        kind: Hashable
        if isinstance(thing, Op):
            kind = (thing.name, *thing.places)
        else:
            made_of = tuple((op.name, op.box is thing) for op in thing.all_ops())
            kind = (thing.label, thing.is_run, made_of)
        known[thing] = numbers.setdefault(kind, len(numbers))
    return known[thing]


def repeats(kinds: np.ndarray, period: int) -> Iterator[tuple[int, int]]:
    """Where turns of this length begin that follow one another, and how many they are."""
    is_same = np.concatenate([[False], kinds[:-period] == kinds[period:], [False]])
    changes = np.flatnonzero(is_same[1:] != is_same[:-1])
    free = 0
    for start, stop in zip(changes[::2].tolist(), changes[1::2].tolist(), strict=True):
        begin = max(start, free)
        count = (stop - begin) // period + 1
        if count >= LEAST:
            yield begin, count
            free = begin + count * period


def all_turns(turns: list[list[Thing]], parent: Box) -> Box:
    """A box for turns of a loop, called as that stands in the code, or for layers in a row."""
    layers = [[thing for thing in turn if isinstance(thing, Box) and not thing.is_run] for turn in turns]
    is_named = len(layers[0]) == 1
    name = named(layers[0][0], layers[-1][0]) if is_named else rules_from(turns[0], turns[-1])
    made = Box(-1, name, "" if is_named else loop_of(turns[0]), parent, is_run=True, turns=len(turns))
    for i, turn in enumerate(turns, 1):
        if len(turn) == 1:
            put(turn[0], made)
            continue
        one = Box(-1, rules_from(turn, turn), f"turn {i:,} of {len(turns):,}", made, is_run=True)
        made.boxes.append(one)
        for thing in turn:
            put(thing, one)
    return made


def loop_of(turn: list[Thing]) -> str:
    """The author's loop of which this is a turn, around those that are boxes in it already."""
    ops = [op for thing in turn for op in ([thing] if isinstance(thing, Op) else thing.all_ops())]
    inside = [box for thing in turn if isinstance(thing, Box) for box in within(thing)]
    return loop_around([op.places for op in ops], frozenset(box.label for box in inside if box.turns))


def within(box: Box) -> Iterator[Box]:
    """A box and all inside it."""
    yield box
    for inner in box.boxes:
        yield from within(inner)


def named(first: Box, last: Box) -> str:
    """blocks.0 to 11; of one layer that is called again and again, cell, calls 1 to 20."""
    (layer, _, call), (other, _, end) = (box.name.partition(" (call ") for box in (first, last))
    if call and layer == other:
        return f"{layer}, calls {call.rstrip(')')} to {end.rstrip(')')}"
    stem = first.name.rstrip("0123456789")
    return f"{first.name} to {last.name.removeprefix(stem)}"


def rules_from(first: list[Thing], last: list[Thing]) -> str:
    """By their numbers, as the page counts them."""
    return f"rules {first_number(first[0]) + 1:,} to {last_number(last[-1]) + 1:,}"


def put(thing: Thing, box: Box) -> None:
    if isinstance(thing, Op):
        thing.box = box
        box.ops.append(thing)
    else:
        thing.parent = box
        box.boxes.append(thing)


def first_number(thing: Thing) -> int:
    return thing.number if isinstance(thing, Op) else min(op.number for op in thing.all_ops())


def last_number(thing: Thing) -> int:
    return thing.number if isinstance(thing, Op) else max(op.number for op in thing.all_ops())
