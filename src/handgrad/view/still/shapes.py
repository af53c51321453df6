"""The nodes of a picture: rules, leaves, ends and closed boxes, each with its words and its outline."""

from __future__ import annotations

from handgrad.view.graph import CONSTANT, INPUT, PARAMETER, Box, Op
from handgrad.view.layout.sizes import BELOW, LEADING, LONGEST, SMALL, Shape
from handgrad.view.scene import Port, Reference, Thing
from handgrad.view.svg import Markup, element, shortened, text, tooltip

LEAVES = {INPUT: "input", PARAMETER: "parameter", CONSTANT: "constant"}


def shape_of(thing: Thing, notes: tuple[str, ...]) -> Shape:
    """Inputs are round, parameters square, constants dashed; a closed box is a stack."""
    lines = list(notes)
    if isinstance(thing, Op):
        return Shape(thing.label, thing.below, lines, "operation")
    if isinstance(thing, Box):
        return Shape(thing.title, thing.told_size, lines, "operation", is_stacked=True)
    if isinstance(thing, Port):
        return Shape(thing.array.name, "", lines, "output" if thing.is_exit else "input", is_round=True)
    if isinstance(thing, Reference):
        return Shape(thing.array.name, "", lines, "reference", is_round=True)
    return leaf(thing.role, thing.short_name, lines)


def leaf(role: str, words: str, notes: list[str]) -> Shape:
    return Shape(words, "", notes, LEAVES.get(role, "input"), is_round=role != PARAMETER)


def swatch(role: str, x: float, y: float, width: float) -> Markup:
    """A leaf in the legend."""
    return outline(leaf(role, "", []), x + width / 2, y, width, 13)


def drawn(shape: Shape, x: float, y: float) -> list[Markup]:
    """A node around a point."""
    width, height = shape.inner_width, shape.inner_height
    found = []
    if shape.is_stacked:
        found.append(outline(shape, x + shape.behind, y + shape.behind, width, height))
    found.append(outline(shape, x, y, width, height))
    short = shortened(shape.words, LONGEST, shape.size)
    middle = y + 0.35 * shape.size - (6 if shape.below else 0)
    weight = 600 if shape.kind == "operation" else None
    tip = tooltip(short, shape.words)
    found.append(text(x, middle, short, *tip, size=shape.size, text_anchor="middle", font_weight=weight))
    if shape.below:
        small = shortened(shape.below, LONGEST, SMALL)
        found.append(text(x, y + 13, small, size=SMALL, text_anchor="middle", class_="muted"))
    for i, note in enumerate(shape.notes):
        down = y + height / 2 + shape.behind + BELOW + LEADING * i
        found.append(text(x, down, note, size=SMALL, text_anchor="middle", class_="backward"))
    return found


def outline(shape: Shape, x: float, y: float, width: float, height: float) -> Markup:
    return element(
        "rect",
        x=x - width / 2,
        y=y - height / 2,
        width=width,
        height=height,
        rx=min(shape.radius, height / 2),
        class_=f"{shape.kind} {shape.kind}-line",
        stroke_width=2.25 if shape.kind == "output" else 1.25,
        stroke_dasharray={"constant": "4 3", "reference": "2 2"}.get(shape.kind),
    )
