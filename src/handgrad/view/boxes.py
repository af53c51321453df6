"""Boxes that open and close: calls of layers and functions, and runs of rules too many to draw."""

from __future__ import annotations

import math
from collections import Counter

from handgrad.tape import Scope
from handgrad.view.graph import INPUT, Array, Box, Op
from handgrad.view.repeats import gather, in_order, put, rules_from

LEAST = 3  # rules of a function that is a box
MOST = 120  # things that are drawn side by side in one box
INPUTS = 40  # that stand outside; of more, each stands where it is used


class Boxes:
    """The boxes of a graph, made as its rules are met."""

    def __init__(self) -> None:
        self.root = Box(-1, "", "", None)
        self.by_scope: dict[Scope, Box] = {}

    def of(self, scope: Scope) -> Box:
        """The box of a layer's call."""
        if scope.outer is None:
            return self.root
        if scope not in self.by_scope:
            outer = self.of(scope.outer)
            self.by_scope[scope] = Box(-1, scope.name, scope.label, outer, is_function=scope.is_function)
            outer.boxes.append(self.by_scope[scope])
        return self.by_scope[scope]

    def finished(self, arrays: list[Array]) -> tuple[Box, list[Box]]:
        """The root and the other boxes, with every leaf in its place, and no box too full to be drawn."""
        unwrap(self.root)
        for box in reversed(below(self.root)):
            if box.is_function and (len(list(box.all_ops())) < LEAST or is_alone(box)):
                dissolve(box)
        tell_calls_apart(self.root)
        for box in below(self.root):
            gather(box)
        fold(self.root)
        place_leaves(self.root, arrays)
        boxes = [box for box in below(self.root) if box is not self.root]
        for number, box in enumerate(boxes):
            box.number = number
        return self.root, boxes


def below(box: Box) -> list[Box]:
    """A box and all inside it, each before those that it holds."""
    found, waiting = [], [box]
    while waiting:
        found.append(waiting.pop())
        waiting += reversed(found[-1].boxes)
    return found


def unwrap(root: Box) -> None:
    """The network itself is no box of its own, where there is only one."""
    whole = [box for box in root.boxes if not box.name]
    if len(whole) != 1:
        for box in whole:
            box.name = box.label
        return
    dissolve(whole[0])


def is_alone(box: Box) -> bool:
    """Whether there is nothing beside it."""
    return box.parent is not None and in_order(box.parent) == [box]


def dissolve(box: Box) -> None:
    """Put what is in a box into the one around it."""
    assert box.parent is not None
    box.parent.boxes.remove(box)
    for thing in in_order(box):
        put(thing, box.parent)


def tell_calls_apart(root: Box) -> None:
    """A layer that is used several times has a box for each, numbered."""
    boxes = below(root)
    count, met = Counter(box.name for box in boxes), Counter[str]()
    for box in boxes:
        met[box.name] += 1
        if count[box.name] > 1:
            box.name = f"{box.name} (call {met[box.name]})"


def fold(root: Box) -> None:
    """Put runs of rules and boxes into boxes of their own, so that none holds more than ``MOST``."""
    for box in below(root):
        inside = in_order(box)
        if len(inside) <= MOST:
            continue
        levels = math.ceil(math.log(len(inside), MOST))
        length = rounded(len(inside) ** ((levels - 1) / levels))
        box.ops, box.boxes = [], [run_of(inside[i : i + length], box) for i in range(0, len(inside), length)]
        for made in box.boxes:
            fold(made)


def run_of(inside: list[Op | Box], parent: Box) -> Box:
    """A box for things that follow one another."""
    box = Box(-1, rules_from(inside, inside), "", parent, is_run=True)
    for thing in inside:
        put(thing, box)
    return box


def rounded(length: float) -> int:
    """To one of 10, 20, 50, 100, ..., as people count."""
    power = 10 ** math.floor(math.log10(length))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= 0.8 * length)


def place_leaves(root: Box, arrays: list[Array]) -> None:
    """Inputs stand outside; parameters and constants in the innermost box that holds all their uses."""
    leaves = [array for array in arrays if array.maker is None]
    is_outside = sum(array.role == INPUT for array in leaves) <= INPUTS
    for array in arrays:
        if array.maker is None:
            is_ours = is_outside and array.role == INPUT
            array.box = root if is_ours else common([use.op.box for use in array.uses], root)
            array.box.leaves.append(array)


def common(boxes: list[Box], root: Box) -> Box:
    """The innermost box around all of these."""
    first, *others = [list(box.above()) for box in boxes] or [[root]]
    return next(box for box in first if all(box in other for other in others))
