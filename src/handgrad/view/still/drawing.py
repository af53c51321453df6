"""A recorded computation as a picture for papers and slides: values forward, gradients backward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from handgrad.view.equations import fan_out
from handgrad.view.graph import CONSTANT, INPUT, PARAMETER, Array, Box, Graph, Op
from handgrad.view.layout.paths import head_of, path_of, shaft
from handgrad.view.layout.plan import Edge, Frame, Point, Rectangle, layout
from handgrad.view.layout.sizes import (
    AIR,
    LEADING,
    NAME,
    VALUE,
    Tag,
    cell_width,
    label_height,
    label_width,
    met,
    title_width,
)
from handgrad.view.layout.words import BOLD
from handgrad.view.rounding import told
from handgrad.view.scene import Arrow, Reference, Scene, Thing, scene
from handgrad.view.still import shapes
from handgrad.view.still.shapes import shape_of
from handgrad.view.summary import LEVELS, Summary, Thumb, cells, summary
from handgrad.view.svg import (
    MARGIN,
    Markup,
    document,
    element,
    heading,
    shortened,
    text,
    tooltip,
    words_width,
)
from handgrad.view.thumbnails import data_uri

LEAST, ROOM = 480, 860  # pixels of the narrowest picture, and where its rows end
TOP, FOOT, LINE, SWATCH = 62, 30, 20, 24  # room for the title, above the legend, of its lines and signs
PALE = 0.3  # how much is seen of a thumbnail of what is zero up to rounding
LEVEL = {INPUT: 6.0, PARAMETER: 1.0, CONSTANT: 1.0}  # how much arrows want to be level, by their leaf
FLOW = 8.0  # the same of values, along which a picture is read


def svg(graph: Graph, depth: int | None = None, of: str | None = None) -> str:
    """The picture of a graph.

    The value is written above each arrow, and below it, in another colour, the gradient that comes back.

    Args:
        depth: how many levels of boxes are open. None: all, or of a folded graph, as many as are clear.
        of: the name of a layer to draw alone.

    Returns:
        A standalone SVG document.

    Raises:
        ValueError: no layer has that name, or there is more to draw than a picture holds.
    """
    seen = scene(graph, depth, of)
    outlines = {thing: shape_of(thing, sums(thing, seen)) for thing in seen.things}
    labels = [Label.of(arrow, graph.most_cells) for arrow in seen.arrows]
    found = layout(
        {thing: (shape.width, shape.height) for thing, shape in outlines.items()},
        [
            Edge(arrow.source, arrow.target, *label.size, LEVEL.get(arrow.array.role, FLOW))
            for arrow, label in zip(seen.arrows, labels, strict=True)
        ],
        {box: framed(box, seen) for box in seen.boxes},
        {thing: box for thing, box in seen.things.items() if box is not None},
        ROOM,
    )
    title = graph.title if of is None else f"{graph.title}, {of}"
    width = max(found.width + 2 * MARGIN, LEAST)
    left, bottom = (width - found.width) / 2, TOP + found.height
    key = legend(seen, labels, bottom + FOOT, width - 2 * MARGIN)
    drawn = [heading(title, width)]
    for box in seen.boxes:
        drawn += frame(box.title, found.boxes[box], left, TOP)
    for arrow, points in zip(seen.arrows, found.edges, strict=True):
        source, target = arrow.source, arrow.target
        ends = met(points, found.nodes[source], outlines[source], found.nodes[target], outlines[target])
        drawn += arrowed([(left + x, TOP + y) for x, y in ends])
    for thing, outline in outlines.items():
        x, y = found.nodes[thing]
        drawn += shapes.drawn(outline, left + x, TOP + y)
    for label, (x, y) in zip(labels, found.labels, strict=True):
        drawn += label.drawn(left + x, TOP + y)
    height = bottom + FOOT + key.height
    return document(width, height, title, described(graph, seen), *drawn, *key.drawn)


def sums(thing: Thing, seen: Scene) -> tuple[str, ...]:
    """Where gradients that come back to a thing are added: the sums."""
    if isinstance(thing, Reference):
        return ()
    arrays = {arrow.array: None for arrow in seen.arrows if arrow.source is thing}
    return tuple(line for array in arrays for line in fan_out(array))


def described(graph: Graph, seen: Scene) -> str:
    """The picture in words."""
    rules = sum(isinstance(thing, Op) for thing in seen.things)
    boxes = sum(isinstance(thing, Box) for thing in seen.things)
    ends = [f"{array.name} {', '.join(summary(array.value).lines)}" for array in graph.outputs]
    closed = f" and {boxes:,} closed boxes" if boxes else ""
    return f"{rules:,} rules{closed}, with values and gradients; output: {'; '.join(ends)}"


# What is written at arrows.


def said_of(x: Any, told: Summary, lines: tuple[str, ...], kind: str, most: int) -> Said:
    """An array in small: its numbers where these are few, else words and a thumbnail."""
    if found := cells(x, told, most):
        rows, columns, texts = found
        return Said(Tag([], rows, columns, cell_width(texts)), None, kind, tuple(texts))
    rows, columns = (0, 0) if told.thumb is None else told.thumb.levels.shape
    return Said(Tag(list(lines), rows, columns), told.thumb, kind)


def matrix(tag: Tag, texts: tuple[str, ...], kind: str, left: float, top: float) -> list[Markup]:
    """The numbers of an array in rows, with a thin outline."""
    place = {"x": left, "y": top, "width": tag.picture_width, "height": tag.picture_height}
    found = [element("rect", **place, fill="none", class_="frame-line", stroke_width=0.75)]
    for i, words in enumerate(texts):
        row, column = divmod(i, round(tag.columns))
        at = (left + tag.cell * (column + 1) - 4, top + LEADING * (row + 0.78))
        found.append(text(*at, words, size=VALUE, class_=kind, text_anchor="end"))
    return found


def tagged(said: Said, x: float, top: float) -> list[Markup]:
    """An array in small, centred at ``x``, from ``top`` on."""
    tag, thumb, kind = said.tag, said.thumb, said.kind
    if said.texts:
        return matrix(tag, said.texts, kind, x - tag.width / 2, top)
    found = []
    left, middle = x - tag.width / 2, top + tag.height / 2
    if thumb is not None:
        width, height = tag.picture_width, tag.picture_height
        opacity = PALE if kind == "muted" else None
        found += picture(thumb, left, middle - height / 2, width, height, opacity)
        left += width + 6
    first = middle - LEADING * (len(tag.lines) / 2 - 0.78)
    for i, line in enumerate(tag.lines):
        found.append(text(left, first + LEADING * i, line, size=VALUE, class_=kind))
    return found


def picture(
    thumb: Thumb, x: float, y: float, width: float, height: float, opacity: float | None = None
) -> list[Markup]:
    """A thumbnail whose pixels stay sharp, with a thin outline."""
    place = {"x": x, "y": y, "width": width, "height": height, "opacity": opacity}
    sharp = {"preserveAspectRatio": "none", "style": "image-rendering:pixelated"}
    return [
        element("image", href=data_uri(thumb), class_=None if thumb.is_image else "heat", **place, **sharp),
        element("rect", **place, fill="none", class_="frame-line", stroke_width=0.75),
    ]


@dataclass(frozen=True)
class Said:
    """An array that is told of at an arrow."""

    tag: Tag
    thumb: Thumb | None
    kind: str  # its class in the style sheet
    texts: tuple[str, ...] = ()  # its numbers, where these are written out


@dataclass(frozen=True)
class Label:
    """The value above an arrow, and the gradient below; of a reference that alone."""

    said: tuple[Said, ...]

    @classmethod
    def of(cls, arrow: Arrow, most: int) -> Label:
        """What is told at an arrow; matrices of up to ``most`` numbers are written out."""
        if arrow.count > 1:
            return cls((Said(Tag([f"{arrow.count:,} arrays"]), None, "forward"),))
        value = arrow.array.told
        above = said_of(arrow.array.value, value, value.lines, "forward", most)
        dx, noise = arrow.gradient
        if dx is None:
            return cls((above,))
        gradient = told(dx, noise)
        kind = "muted" if gradient.is_rounding else "backward"
        lines = gradient.lines[1:] or gradient.lines
        below = said_of(dx, gradient, lines, kind, most)
        return cls((below,) if isinstance(arrow.source, Reference) else (above, below))

    @property
    def size(self) -> tuple[float, float]:
        tags = [said.tag for said in self.said]
        return label_width(tags), label_height(tags)

    def drawn(self, x: float, y: float) -> list[Markup]:
        return [
            part
            for said in self.said
            for part in tagged(said, x, y - AIR - said.tag.height if said.kind == "forward" else y + AIR)
        ]


# Arrows and boxes.


def arrowed(points: list[Point]) -> list[Markup]:
    return [
        element("path", d=path_of(shaft(points)), fill="none", class_="arrow", stroke_width=1.4),
        element("polygon", points=head_of(points), class_="arrowhead"),
    ]


def framed(box: Box, seen: Scene) -> Frame:
    parent = box.parent if box.parent in seen.boxes else None
    return Frame(parent, width=title_width(box.title))


def frame(words: str, place: Rectangle, left: float, top: float) -> list[Markup]:
    """An open box with its title."""
    x, y, width = left + place.left, top + place.top, place.right - place.left
    outline = element(
        "rect",
        x=x,
        y=y,
        width=width,
        height=place.bottom - place.top,
        rx=10,
        class_="frame frame-line",
    )
    short = shortened(words, (width - 24) / BOLD, NAME)
    title = [short, *tooltip(short, words)]
    return [outline, text(x + 12, y + 19, *title, size=NAME, class_="muted", font_weight=600)]


# The legend.


@dataclass(frozen=True)
class Sign:
    """One entry of the legend: a small picture, perhaps none, and words."""

    words: str
    kind: str = "muted"
    look: str = ""  # a leaf's role, or "colours"

    @property
    def width(self) -> float:
        return words_width(self.words, VALUE) + (SWATCH + 6 if self.look else 0)

    def drawn(self, x: float, y: float) -> list[Markup]:
        after = x + SWATCH + 6 if self.look else x
        words = text(after, y + 4, self.words, size=VALUE, class_=self.kind)
        if not self.look:
            return [words]
        if self.look == "colours":
            levels = np.linspace(-LEVELS, LEVELS, 29).astype(np.int8)[None]
            return [*picture(Thumb(levels, False), x, y - 5, SWATCH, 10), words]
        return [shapes.swatch(self.look, x, y, SWATCH), words]


@dataclass
class Legend:
    drawn: list[Markup]
    height: float


def legend(seen: Scene, labels: list[Label], top: float, room: float) -> Legend:
    """What is above and below, and what the shapes and colours are, in as many lines as it takes."""
    roles = {thing.role for thing in seen.things if isinstance(thing, Array)}
    signs = [Sign("value above the arrow", "forward"), Sign("gradient below", "backward")]
    signs += [Sign(role, look=role) for role in (INPUT, PARAMETER, CONSTANT) if role in roles]
    if any(said.thumb for label in labels for said in label.said):
        signs.append(Sign("negative, zero, positive", look="colours"))
    found: list[Markup] = []
    x, y = 0.0, top
    for sign in signs:
        if x and x + sign.width > room:
            x, y = 0.0, y + LINE
        found += sign.drawn(MARGIN + x, y)
        x += sign.width + 22
    return Legend(found, y - top + LINE)
