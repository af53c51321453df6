"""What of a graph is seen with some of its boxes closed: things, and the arrows between them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from handgrad.view.equations import returned
from handgrad.view.graph import Array, Box, Graph, Op, Use

FEW = 10  # things up to which the page opens boxes by itself
CLEAR = 60  # the same of a folded graph in a still picture
BUNDLE = 6  # arrays that go the same way, up to which each has an arrow of its own
MOST = 500  # things that a picture holds


@dataclass(frozen=True)
class Port:
    """An array that comes from outside of what is shown, or goes there."""

    array: Array
    is_exit: bool


@dataclass(frozen=True)
class Reference:
    """An array that stands elsewhere, named again beside one of the turns that share it."""

    array: Array
    turn: Op | Box


Thing = Op | Box | Array | Port | Reference
"""A rule, a closed box, a leaf, a port, or a reference."""


@dataclass(frozen=True)
class Arrow:
    """An array on its way to some of its uses, and where it is an output, out of the whole."""

    source: Thing
    target: Thing
    array: Array
    uses: tuple[Use, ...]
    is_end: bool = False
    count: int = 1  # of arrays that go this way, of which one stands for all

    @property
    def gradient(self) -> tuple[Any, float]:
        """What comes back this way, and how far rounding moves it."""
        return returned(self.uses, self.array.dout if self.is_end else None)


@dataclass
class Scene:
    """Things, each with the open box that it lies in (None: the whole); open boxes; arrows."""

    things: dict[Thing, Box | None] = field(default_factory=dict)
    boxes: list[Box] = field(default_factory=list)
    arrows: list[Arrow] = field(default_factory=list)


def scene(graph: Graph, depth: int | None = None, of: str | None = None) -> Scene:
    """What is seen of a graph.

    Args:
        depth: how many levels of boxes are open. None: all, or of a folded graph, as many as are clear.
        of: the name of the box that is shown alone.

    Raises:
        ValueError: there is no such box, or more to be seen than a picture holds.
    """
    if depth is not None and depth < 0:
        raise ValueError(f"depth is how many levels of boxes are open, 0 or more, not {depth}")
    root = graph.root if of is None else named(graph, of)
    if depth is None and graph.folded:
        found = clear(graph, root)
    else:
        found = _Seen(graph, root, depth).scene
    if len(found.things) > MOST:
        raise ValueError(
            f"{len(found.things):,} nodes are too many for one picture, which holds {MOST}: close boxes with "
            "depth=, or show one of them with of="
        )
    return found


def clear(graph: Graph, root: Box) -> Scene:
    """As many levels of boxes open as are clear."""
    each = (_Seen(graph, root, depth).scene for depth in range(deepest(graph, root), -1, -1))
    return next((found for found in each if len(found.things) <= CLEAR), _Seen(graph, root, 0).scene)


def outline(graph: Graph) -> int:
    """How many levels are open where one begins to look: as many as stay few, more than one layer."""
    seen = [_Seen(graph, graph.root, depth).scene for depth in range(deepest(graph, graph.root) + 1)]
    few = [depth for depth, found in enumerate(seen) if len(found.things) <= FEW]
    several = [depth for depth, found in enumerate(seen) if not is_a_layer(found)]
    return max(few[-1:] + several[:1], default=0)


def is_a_layer(seen: Scene) -> bool:
    """Whether all that is seen beside arrays is one layer's box."""
    work = [thing for thing in seen.things if isinstance(thing, (Op, Box))]
    return len(work) == 1 and isinstance(work[0], Box) and not work[0].is_run


def deepest(graph: Graph, root: Box) -> int:
    return max((level(box, root) for box in graph.boxes if root in box.above()), default=0)


def named(graph: Graph, name: str) -> Box:
    """The box of that name."""
    for box in graph.boxes:
        if box.name == name:
            return box
    names = ", ".join(repr(box.name) for box in graph.boxes) or "none"
    raise ValueError(f"no layer is called {name!r}; there are {names}")


def level(box: Box, root: Box) -> int:
    """How deep a box lies in another: 0 is that one itself."""
    return list(box.above()).index(root)


class _Seen:
    """The scene under construction."""

    def __init__(self, graph: Graph, root: Box, depth: int | None):
        self.root, self.depth, self.scene = root, depth, Scene()
        self.arrows: dict[Any, Arrow] = {}
        self.closed: dict[Box, Box | None] = {}
        self.first: dict[tuple[Array, Box], Op | Box] = {}  # of the turns of a box, the first to use an array
        inside = [box for box in graph.boxes if box is not root and root in box.above()]
        self.scene.boxes = [box for box in inside if self._closed(box) is None]
        for op in graph.ops:
            for use in op.inputs:
                if use.array is not None:
                    source = self._reference(use.array, op) or self._of_array(use.array)
                    self._connect(use.array, source, self._of_op(op), (use,))
        for array in graph.outputs:
            self._connect(array, self._of_array(array), None, ())
        self.scene.arrows = bundled(list(self.arrows.values()))

    def _closed(self, box: Box) -> Box | None:
        """The outermost closed box around (or at) a box."""
        if box not in self.closed:
            deep = 0 if self.depth is None else level(box, self.root) - self.depth
            self.closed[box] = list(box.above())[deep - 1] if deep > 0 else None
        return self.closed[box]

    def _thing(self, thing: Op | Array, box: Box) -> Thing | None:
        """What stands for a thing in this box, if it is seen at all."""
        return (self._closed(box) or thing) if self.root in box.above() else None

    def _reference(self, array: Array, op: Op) -> Reference | None:
        """What stands for an array from outside in each turn that shares it but the first: no long arrow."""
        home = array.box if array.maker is None else array.maker.box
        around = [] if home is None else list(home.above())
        turn: Op | Box = op
        for box in op.box.above():
            is_outside = turn not in around and (array.maker is None or box not in around)
            if box.turns > 0 and is_outside and box in self.scene.boxes:
                is_first = self.first.setdefault((array, box), turn) is turn
                return None if is_first else Reference(array, turn)
            turn = box
        return None

    def _of_op(self, op: Op) -> Thing | None:
        return self._thing(op, op.box)

    def _of_array(self, array: Array) -> Thing | None:
        if array.maker is not None:
            return self._of_op(array.maker)
        return self._thing(array, array.box) if array.box else array

    def _connect(
        self, array: Array, source: Thing | None, target: Thing | None, uses: tuple[Use, ...]
    ) -> None:
        """An arrow, from or to a port where one end is outside."""
        if source is target:
            return
        arrow = Arrow(source or Port(array, False), target or Port(array, True), array, uses, not uses)
        self._add(arrow.source)
        self._add(arrow.target)
        which = len(self.arrows) if isinstance(arrow.target, Op) else -1
        key = (arrow.source, arrow.target, array, which)
        if key in self.arrows:  # into a closed box, or out of what is shown, an array goes by one arrow
            known = self.arrows[key]
            arrow = dataclasses.replace(arrow, uses=known.uses + uses, is_end=known.is_end or arrow.is_end)
        self.arrows[key] = arrow

    def _add(self, thing: Thing) -> None:
        if thing not in self.scene.things:
            box = self._home(thing)
            self.scene.things[thing] = None if box is self.root else box

    def _home(self, thing: Thing) -> Box | None:
        """The open box that it lies in."""
        if isinstance(thing, Port):
            return None
        if isinstance(thing, Reference):
            return thing.turn if thing.turn in self.scene.boxes else self._home(thing.turn)
        return thing.parent if isinstance(thing, Box) else thing.box


def bundled(arrows: list[Arrow]) -> list[Arrow]:
    """With one arrow for all arrays that go from one closed box to another, where these are many."""
    ways: dict[tuple[Thing, Thing], list[Arrow]] = {}
    for arrow in arrows:
        ways.setdefault((arrow.source, arrow.target), []).append(arrow)
    found = []
    for (source, target), way in ways.items():
        is_bundle = len(way) > BUNDLE and (isinstance(source, Box) or isinstance(target, Box))
        found += [dataclasses.replace(way[0], count=len(way))] if is_bundle else way
    return found
