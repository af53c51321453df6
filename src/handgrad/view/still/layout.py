"""Where the nodes of a graph go, in layers from left to right.

The steps are those of Sugiyama, Tagawa & Toda 1981 in the form of Gansner, Koutsofios, North & Vo 1993:
nodes get layers, long edges get places in each layer between, layers are ordered so that few edges cross, and
heights are chosen so that edges are straight. A box is laid out by itself and is then one node of what it
lies in, with a port at its border for each edge that goes in or out; so boxes never overlap, and nothing
foreign lies in one.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from handgrad.view.still.heights import settle
from handgrad.view.still.ordering import order
from handgrad.view.still.places import Cell, Wire, layered

Id = Hashable
Point = tuple[float, float]

NARROW, WIDE = 24.0, 110.0  # between two layers
SLOPE = 0.3  # of the way that edges climb between two layers, how far these are apart
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
    title: float = 20.0
    padding: float = 14.0
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

    Where two points of an edge differ in height, it goes from one to the other in a curve that is level at
    both ends.
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
    frames: Mapping[Id, Frame] | None = None,
    within: Mapping[Id, Id] | None = None,
) -> Layout:
    """Lay a graph out.

    Args:
        nodes: width and height of each node.
        edges: the edges, which must not go in circles, also where each box is taken for one node.
        frames: the boxes, whose names are different from the nodes'.
        within: the box of each node that is in one.

    Raises:
        ValueError: edges go in a circle.
    """
    plan = _Plan(nodes, edges, frames or {}, within or {})
    found = plan.carried_out()
    if all(len(room.exits) < 2 for room in plan.rooms.values()):
        return found
    arrivals = [wire.target.y + wire.target.port(wire.edge) for wire in plan.across]
    return _Plan(nodes, edges, frames or {}, within or {}, arrivals).carried_out()


@dataclass
class _Room:
    """What lies directly in one box."""

    members: list[Cell] = field(default_factory=list)
    entries: list[Cell] = field(default_factory=list)  # ports at its left
    exits: list[Cell] = field(default_factory=list)  # ports at its right
    wires: list[Wire] = field(default_factory=list)

    def cells(self) -> Iterator[Cell]:
        yield from self.members
        yield from self.entries
        yield from self.exits
        for wire in self.wires:
            yield from wire.places

    def arrange(self) -> tuple[float, float]:
        """Place all from (0, 0) on; the width and height that it takes."""
        layers = layered(self.members, self.entries, self.exits, self.wires)
        pieces = [(a, b, weight, wire.edge) for wire in self.wires for a, b, weight in wire.pieces()]
        order(layers, [(a, b, a.share(edge), b.share(edge)) for a, b, _, edge in pieces])
        settle(layers, [(a, b, a.port(edge), b.port(edge), weight) for a, b, weight, edge in pieces])
        climbs = [0.0] * len(layers)
        for a, b, _, edge in pieces:
            climb = abs(a.y + a.port(edge) - b.y - b.port(edge))
            climbs[b.layer] = max(climbs[b.layer], climb)
        top = min((cell.top for cell in self.cells()), default=0.0)
        bottom = max((cell.bottom for cell in self.cells()), default=0.0)
        for cell in self.cells():
            cell.y -= top
        return _spread(layers, climbs), bottom - top


def _spread(layers: list[list[Cell]], climbs: list[float]) -> float:
    """Put layers side by side, further apart where edges are steep; the width of all."""
    left = right = 0.0
    for i, (layer, climb) in enumerate(zip(layers, climbs, strict=True)):
        left = right + (min(max(SLOPE * climb, NARROW), WIDE) if i else 0.0)
        right = left + max((cell.width for cell in layer), default=0.0)
        for cell in layer:
            cell.x = (left + right) / 2
            cell.lane = right - left
    return right


class _Plan:
    """Boxes are arranged from the inside out, and placed from the outside in.

    What leaves a box does so in the order of ``arrivals``, the heights at which edges were seen to come to
    what they lead to, be it a node or a box.
    """

    def __init__(
        self,
        nodes: Mapping[Id, tuple[float, float]],
        edges: Sequence[Edge],
        frames: Mapping[Id, Frame],
        within: Mapping[Id, Id],
        arrivals: Sequence[float] = (),
    ) -> None:
        self.nodes, self.frames = nodes, frames
        self.parents: dict[Id, Id | None] = {node: within.get(node) for node in nodes}
        self.parents |= {box: frame.parent for box, frame in frames.items()}
        self.cells = {node: Cell(*size) for node, size in nodes.items()} | {box: Cell() for box in frames}
        self.rooms: dict[Id | None, _Room] = {box: _Room() for box in (None, *frames)}
        for id, cell in self.cells.items():
            self.rooms[self.parents[id]].members.append(cell)
        self.across: list[Wire] = []
        self.threads = [self._thread(i, edge) for i, edge in enumerate(edges)]
        if arrivals:
            for room in self.rooms.values():
                room.exits.sort(key=lambda port: arrivals[port.edge])

    def _around(self, id: Id) -> list[Id | None]:
        """What a node or box lies in, from the inside out; the last is None, the whole."""
        found = [self.parents[id]]
        while found[-1] is not None:
            found.append(self.parents[found[-1]])
        return found

    def _thread(self, number: int, edge: Edge) -> list[Wire]:
        """An edge in parts: out of the boxes around its source, across, and into those around its target."""
        outward, inward = self._around(edge.source), self._around(edge.target)
        common = next(box for box in outward if box in inward)
        start, end = self.cells[edge.source], self.cells[edge.target]
        leaving: list[Wire] = []
        for box in outward[: outward.index(common)]:
            port = Cell(edge=number)
            self.rooms[box].exits.append(port)
            leaving.append(self._wire(box, Wire(number, start, port, edge.weight)))
            start = self.cells[box]
        entering: list[Wire] = []
        for box in inward[: inward.index(common)]:
            port = Cell(edge=number)
            self.rooms[box].entries.append(port)
            entering.append(self._wire(box, Wire(number, port, end, edge.weight)))
            end = self.cells[box]
        label = Cell(edge.width, edge.height) if edge.width and edge.height else None
        self.across.append(self._wire(common, Wire(number, start, end, edge.weight, label)))
        return [*leaving, self.across[-1], *reversed(entering)]

    def _wire(self, box: Id | None, wire: Wire) -> Wire:
        self.rooms[box].wires.append(wire)
        return wire

    def carried_out(self) -> Layout:
        inside_out = sorted(self.frames, key=lambda box: -len(self._around(box)))
        for box in inside_out:
            self._fit(box)
        found = Layout(*self.rooms[None].arrange())
        for box in reversed(inside_out):
            for cell in self.rooms[box].cells():
                cell.x += self.cells[box].x
                cell.y += self.cells[box].y
        for id, cell in self.cells.items():
            if id in self.nodes:
                found.nodes[id] = (cell.x, cell.y)
            else:
                right, bottom = cell.x + cell.width / 2, cell.bottom
                found.boxes[id] = Rectangle(cell.x - cell.width / 2, cell.top, right, bottom)
        paths = [_Path(thread) for thread in self.threads]
        _fan(paths, 0, 1)
        _fan(paths, -1, -2)
        for path, wire in zip(paths, self.across, strict=True):
            points = path.points()
            found.edges.append(points)
            label = wire.label
            found.labels.append((label.x, label.y) if label else points[len(points) // 2])
        return found

    def _fit(self, box: Id) -> None:
        """Arrange what is in a box, around (0, 0), and make it a node with ports."""
        frame, cell, room = self.frames[box], self.cells[box], self.rooms[box]
        width, height = room.arrange()
        before, after = (0.0 if ports else frame.padding for ports in (room.entries, room.exits))
        idle = max(frame.width - width - before - after, 0.0)
        cell.width = before + width + after + idle
        cell.height = frame.title + 2 * frame.padding + height
        for member in room.cells():
            member.x += before + idle / 2 - cell.width / 2
            member.y += frame.title + frame.padding - cell.height / 2
        for ports, side in ((room.entries, -1), (room.exits, 1)):
            for port in ports:
                port.x = side * cell.width / 2
        for wire in room.wires:
            for end in {wire.source, wire.target} & {*room.entries, *room.exits}:
                cell.ports[wire.edge] = end.y


class _Path:
    """An edge from stop to stop."""

    def __init__(self, thread: list[Wire]) -> None:
        self.stops = [(wire, cell) for wire in thread for cell in (wire.source, *wire.places, wire.target)]
        self.heights = [cell.y + cell.port(wire.edge) for wire, cell in self.stops]

    def points(self) -> list[Point]:
        """Level across each layer, whatever else is in it; from layer to layer as it must."""
        points: list[Point] = []
        last = len(self.stops) - 1
        for i, ((wire, cell), y) in enumerate(zip(self.stops, self.heights, strict=True)):
            outer, inner = cell.lane / 2, cell.width / 2
            if cell is not wire.source:
                points.append((cell.x - outer, y))
            if i == last:
                points.append((cell.x - inner, y))
            if i == 0:
                points.append((cell.x + inner, y))
            if cell is not wire.target:
                points.append((cell.x + outer, y))
        return [point for i, point in enumerate(points) if i == 0 or point != points[i - 1]]


def _fan(paths: list[_Path], end: int, next_to_it: int) -> None:
    """Let the edges of a node meet it one above the other, in the order in which they come."""
    by_node: dict[Cell, list[_Path]] = {}
    for path in paths:
        by_node.setdefault(path.stops[end][1], []).append(path)
    for cell, met in by_node.items():
        reach = min(REACH, 0.4 * cell.height)
        for sign in (-1, 1):
            climbs = [(sign * (path.heights[next_to_it] - cell.y), i) for i, path in enumerate(met)]
            steep = sorted(climb for climb in climbs if climb[0] > LEVEL)
            for rank, (_, i) in enumerate(steep, 1):
                met[i].heights[end] += sign * reach * rank / (len(steep) + 0.5)
