"""Where the nodes of a graph go, in layers from left to right, and in rows where these are too many.

The steps are those of Sugiyama, Tagawa & Toda 1981 in the form of Gansner, Koutsofios, North & Vo 1993:
nodes get layers, long edges get places in each layer between, layers are ordered so that few edges cross,
cut into rows, and heights are chosen so that edges are straight. A box is laid out by itself and is then one
node of what it lies in, with a port at its border for each edge that goes in or out; so boxes never overlap,
and nothing foreign lies in one.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

from handgrad.view.layout.ordering import ordered
from handgrad.view.layout.places import Cell, Wire, layered
from handgrad.view.layout.rows import in_rows

Id = Hashable
Point = tuple[float, float]

WHOLE = -1  # what stands for the whole, where a box is asked for
ENDLESS = 1e9  # a width in which no row ends
REACH = 13.0  # how far from a node's middle edges meet it
LEVEL = 0.5  # what climbs less meets a node in its middle


@dataclass(frozen=True)
class Edge:
    """From one node to another, with room for a label. ``weight`` says how much it wants to be level."""

    source: Id
    target: Id
    width: float = 0.0
    height: float = 0.0
    weight: float = 1.0


@dataclass(frozen=True)
class Frame:
    """A box: what it lies in, the height of its title, the air around its members, and its least width."""

    parent: Id | None = None
    title: float = 22.0
    padding: float = 12.0
    width: float = 0.0


@dataclass(frozen=True)
class Rectangle:
    left: float
    top: float
    right: float
    bottom: float


@dataclass
class Layout:
    """Centres of nodes and labels, points of edges, rectangles of boxes; all from (0, 0) to (width, height).

    Where two points of an edge differ in height alone, it goes straight down; where they differ in both, in a
    curve that is level at both ends.
    """

    width: float
    height: float
    nodes: dict[Id, Point] = field(default_factory=dict)
    edges: list[list[Point]] = field(default_factory=list)
    labels: list[Point] = field(default_factory=list)
    boxes: dict[Id, Rectangle] = field(default_factory=dict)


def layout(
    nodes: Mapping[Id, tuple[float, float]],
    edges: Sequence[Edge],
    frames: Mapping[Id, Frame],
    within: Mapping[Id, Id],
    width: float = ENDLESS,
) -> Layout:
    """Lay a graph out.

    Args:
        nodes: width and height of each node.
        edges: the edges, which must not go in circles, also where each box is taken for one node.
        frames: the boxes, whose names are different from the nodes'.
        within: the box of each node that is in one.
        width: where rows end, if what stands in them allows it.

    Raises:
        ValueError: edges go in a circle.
    """
    plan = Plan(nodes, edges, frames, within, width)
    found = plan.carried_out()
    if all(len(room.exits) < 2 for room in plan.rooms.values()):
        return found
    arrivals = [wire.target.y + wire.target.port(wire.edge) for wire in plan.across]
    again = Plan(nodes, edges, frames, within, width)
    for room in again.rooms.values():
        room.exits.sort(key=lambda port: arrivals[port.edge])
    return again.carried_out()


@dataclass(eq=False)
class Room:
    """What lies directly in one box."""

    members: list[Cell] = field(default_factory=list)
    entries: list[Cell] = field(default_factory=list)  # ports at its left
    exits: list[Cell] = field(default_factory=list)  # ports at its right
    wires: list[Wire] = field(default_factory=list)

    def cells(self) -> list[Cell]:
        found = [*self.members, *self.entries, *self.exits]
        for wire in self.wires:
            found.extend(wire.places)
            for piece in wire.pieces:
                found.extend(piece.corners)
        return found

    def arrange(self, width: float) -> tuple[float, float]:
        """Place all from (0, 0) on; the width and height that it takes."""
        layers = layered(self.members, self.entries, self.exits, self.wires)
        pieces = [piece for wire in self.wires for piece in wire.pieces]
        return in_rows(ordered(layers, pieces), pieces, width)


@dataclass(eq=False)
class Stop:
    """A cell on the way of an edge, and how high it passes there."""

    wire: Wire
    number: int  # of the piece that comes to it, -1 at the wire's source
    cell: Cell
    y: float


class Plan:
    """Boxes are arranged from the inside out, and placed from the outside in."""

    def __init__(
        self,
        nodes: Mapping[Id, tuple[float, float]],
        edges: Sequence[Edge],
        frames: Mapping[Id, Frame],
        within: Mapping[Id, Id],
        width: float,
    ) -> None:
        self.nodes = nodes
        self.frames = frames
        self.width = width
        self.parents: dict[Id, Id | None] = {}
        self.cells: dict[Id, Cell] = {}
        self.rooms: dict[Id, Room] = {WHOLE: Room()}
        for node, (across, down) in nodes.items():
            self.parents[node] = within.get(node, None)
            self.cells[node] = Cell(across, down)
        for box, frame in frames.items():
            self.parents[box] = frame.parent
            self.cells[box] = Cell()
            self.rooms[box] = Room()
        for id, cell in self.cells.items():
            self.room_of(self.parents[id]).members.append(cell)
        self.across: list[Wire] = []
        self.threads = [self.thread(i, edge) for i, edge in enumerate(edges)]

    def room_of(self, box: Id | None) -> Room:
        return self.rooms[WHOLE if box is None else box]

    def around(self, id: Id) -> list[Id | None]:
        """What a node or box lies in, from the inside out; the last is None, the whole."""
        found = [self.parents[id]]
        while found[-1] is not None:
            found.append(self.parents[found[-1]])
        return found

    def thread(self, number: int, edge: Edge) -> list[Wire]:
        """An edge in parts: out of the boxes around its source, across, and into those around its target."""
        outward, inward = self.around(edge.source), self.around(edge.target)
        common = first_common(outward, inward)
        start, end = self.cells[edge.source], self.cells[edge.target]
        leaving: list[Wire] = []
        for box in outward[: outward.index(common)]:
            port = Cell(edge=number)
            self.room_of(box).exits.append(port)
            leaving.append(self.wire(box, Wire(number, start, port, edge.weight)))
            start = self.cells[box]
        entering: list[Wire] = []
        for box in inward[: inward.index(common)]:
            port = Cell(edge=number)
            self.room_of(box).entries.append(port)
            entering.append(self.wire(box, Wire(number, port, end, edge.weight)))
            end = self.cells[box]
        label = Cell(edge.width, edge.height) if edge.width > 0 and edge.height > 0 else None
        across = self.wire(common, Wire(number, start, end, edge.weight, label))
        self.across.append(across)
        entering.reverse()
        return [*leaving, across, *entering]

    def wire(self, box: Id | None, wire: Wire) -> Wire:
        self.room_of(box).wires.append(wire)
        return wire

    def carried_out(self) -> Layout:
        inside_out = sorted(self.frames, key=lambda box: -len(self.around(box)))
        for box in inside_out:
            self.fit(box)
        width, height = self.rooms[WHOLE].arrange(self.width)
        found = Layout(width, height)
        for box in reversed(inside_out):
            for cell in self.rooms[box].cells():
                cell.x += self.cells[box].x
                cell.y += self.cells[box].y
        for id, cell in self.cells.items():
            if id in self.frames:
                left, right = cell.x - cell.width / 2, cell.x + cell.width / 2
                found.boxes[id] = Rectangle(left, cell.top, right, cell.bottom)
            else:
                found.nodes[id] = (cell.x, cell.y)
        paths = [stops_of(thread) for thread in self.threads]
        fan(paths, True)
        fan(paths, False)
        for path, wire in zip(paths, self.across, strict=True):
            points = points_of(path)
            found.edges.append(points)
            label = wire.label
            found.labels.append(points[len(points) // 2] if label is None else (label.x, label.y))
        return found

    def fit(self, box: Id) -> None:
        """Arrange what is in a box, around (0, 0), and make it a node with ports."""
        frame, cell, room = self.frames[box], self.cells[box], self.rooms[box]
        around = 2 * frame.padding * len(self.around(box))
        width, height = room.arrange(max(self.width - around, frame.width))
        before = 0.0 if len(room.entries) > 0 else frame.padding
        after = 0.0 if len(room.exits) > 0 else frame.padding
        idle = max(frame.width - width - before - after, 0.0)
        cell.width = before + width + after + idle
        cell.height = frame.title + 2 * frame.padding + height
        for member in room.cells():
            member.x += before + idle / 2 - cell.width / 2
            member.y += frame.title + frame.padding - cell.height / 2
        for port in room.entries:
            port.x = -cell.width / 2
            cell.ports[port.edge] = port.y
        for port in room.exits:
            port.x = cell.width / 2
            cell.ports[port.edge] = port.y


def first_common(outward: list[Id | None], inward: list[Id | None]) -> Id | None:
    """The innermost box around both ends of an edge."""
    for box in outward:
        if box in inward:
            return box
    return None


def stops_of(thread: list[Wire]) -> list[Stop]:
    """An edge from stop to stop."""
    found: list[Stop] = []
    for wire in thread:
        for i, cell in enumerate([wire.source, *wire.places, wire.target]):
            found.append(Stop(wire, i - 1, cell, cell.y + cell.port(wire.edge)))
    return found


def points_of(path: list[Stop]) -> list[Point]:
    """Level across each layer, whatever else is in it; from layer to layer as it must."""
    points: list[Point] = []
    last = len(path) - 1
    before = path[0]
    for i, stop in enumerate(path):
        outer, inner, cell = stop.cell.lane / 2, stop.cell.width / 2, stop.cell
        corners = stop.wire.pieces[stop.number].corners if stop.number >= 0 else []
        if len(corners) > 0:
            down, back = corners
            points.extend([(down.x, before.y), (down.x, down.y), (back.x, back.y), (back.x, stop.y)])
        before = stop
        if cell is not stop.wire.source:
            points.append((cell.x - outer, stop.y))
        if i == last:
            points.append((cell.x - inner, stop.y))
        if i == 0:
            points.append((cell.x + inner, stop.y))
        if cell is not stop.wire.target:
            points.append((cell.x + outer, stop.y))
    return [point for i, point in enumerate(points) if i == 0 or differ(point, points[i - 1])]


def differ(a: Point, b: Point) -> bool:
    return a[0] != b[0] or a[1] != b[1]


def fan(paths: list[list[Stop]], at_source: bool) -> None:
    """Let the edges of a node meet it one above the other, in the order in which they come."""
    by_node: dict[Cell, list[list[Stop]]] = {}
    for path in paths:
        way = path if at_source else [*reversed(path)]
        by_node.setdefault(way[0].cell, []).append(way)
    for cell, ways in by_node.items():
        reach = min(REACH, 0.4 * cell.height)
        for sign in [-1, 1]:
            steep = [way for way in ways if sign * (climb_to(way, at_source) - cell.y) > LEVEL]
            steep.sort(key=lambda way: sign * (climb_to(way, at_source) - cell.y))
            for rank, way in enumerate(steep):
                way[0].y += sign * reach * (rank + 1) / (len(steep) + 0.5)


def climb_to(way: list[Stop], at_source: bool) -> float:
    """How high the next stop of an edge is; where it goes on in another row, that row lies far below."""
    piece = way[1].wire.pieces[way[1].number if at_source else way[0].number]
    if len(piece.corners) == 0:
        return way[1].y
    return way[0].cell.y
