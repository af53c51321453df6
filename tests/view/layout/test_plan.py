"""Layouts of graphs: everything in its place, whatever the graph."""

import itertools

import pytest
from hypothesis import given, settings, strategies as st

from handgrad.view.layout.plan import ENDLESS, Edge, Frame, layout

WIDTHS = st.sampled_from([ENDLESS, 700, 300])


def rectangle(centre, size):
    (x, y), (width, height) = centre, size
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def bounds(box):
    return box.left, box.top, box.right, box.bottom


def overlap(a, b):
    return min(a[2], b[2]) - max(a[0], b[0]) > 1e-6 and min(a[3], b[3]) - max(a[1], b[1]) > 1e-6


def holds(outer, inner):
    return all(a <= b + 1e-6 for a, b in zip(outer[:2], inner[:2], strict=True)) and all(
        a >= b - 1e-6 for a, b in zip(outer[2:], inner[2:], strict=True)
    )


@st.composite
def graphs(draw):
    """Nodes in a row, boxes of runs of them, also nested, and edges forward: as a computation has them."""
    count = draw(st.integers(1, 14))
    sizes = st.tuples(st.integers(20, 120), st.integers(20, 60))
    nodes = {i: draw(sizes) for i in range(count)}
    frames, within = {}, {}

    def divide(start, end, parent, depth):
        while start < end:
            stop = draw(st.integers(start + 1, end))
            if depth < 3 and draw(st.booleans()):
                box = f"box {len(frames)}"
                frames[box] = Frame(parent, width=draw(st.integers(0, 150)))
                divide(start, stop, box, depth + 1)
            elif parent is not None:
                within.update(dict.fromkeys(range(start, stop), parent))
            start = stop

    divide(0, count, None, 0)
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).filter(lambda p: p[0] < p[1])
    chosen = draw(st.lists(pairs, max_size=20)) if count > 1 else []
    labels = st.sampled_from([(0, 0), (60, 30), (110, 64)])
    edges = [Edge(*pair, *draw(labels), draw(st.sampled_from([1.0, 6.0, 8.0]))) for pair in chosen]
    return nodes, edges, frames, within


def around(id, frames, within):
    box = frames[id].parent if id in frames else within.get(id)
    while box is not None:
        yield box
        box = frames[box].parent


@settings(max_examples=150, deadline=None)
@given(graphs(), WIDTHS)
def test_everything_has_room_of_its_own(graph, width):
    nodes, edges, frames, within = graph
    found = layout(*graph, width)
    things = {id: rectangle(found.nodes[id], size) for id, size in nodes.items()}
    for i, (edge, at) in enumerate(zip(edges, found.labels, strict=True)):
        if edge.width:
            things["label", i] = rectangle(at, (edge.width, edge.height))
    for (a, first), (b, second) in itertools.combinations(things.items(), 2):
        assert not overlap(first, second), f"{a} {first} overlaps {b} {second}"
    for a, b in itertools.combinations(frames, 2):
        is_nested = a in around(b, frames, within) or b in around(a, frames, within)
        assert is_nested or not overlap(bounds(found.boxes[a]), bounds(found.boxes[b]))
    for id in [*nodes, *frames]:
        mine = things[id] if id in nodes else bounds(found.boxes[id])
        boxes = set(around(id, frames, within))
        assert all(holds(bounds(found.boxes[box]), mine) for box in boxes)
        if id in nodes:
            assert not any(overlap(bounds(found.boxes[box]), mine) for box in set(frames) - boxes)
        assert holds((0, 0, found.width, found.height), mine)


@settings(max_examples=150, deadline=None)
@given(graphs(), WIDTHS)
def test_edges_go_from_source_to_target_clear_of_nodes_and_labels(graph, width):
    nodes, edges, _, _ = graph
    found = layout(*graph, width)
    sizes = [(edge.width, edge.height) for edge in edges]
    labels = [rectangle(*pair) for pair in zip(found.labels, sizes, strict=True)]
    for i, (edge, points, label) in enumerate(zip(edges, found.edges, found.labels, strict=True)):
        source, target = (rectangle(found.nodes[id], nodes[id]) for id in (edge.source, edge.target))
        assert points[0][0] == pytest.approx(source[2])
        assert points[-1][0] == pytest.approx(target[0])
        assert source[1] < points[0][1] < source[3]
        assert target[1] < points[-1][1] < target[3]
        others = [rectangle(found.nodes[id], nodes[id]) for id in set(nodes) - {edge.source, edge.target}]
        others += [other for j, other in enumerate(labels) if j != i and edges[j].width]
        for (x1, y1), (x2, y2) in itertools.pairwise(points):
            piece = (min(x1, x2), min(y1, y2) - 1e-3, max(x1, x2), max(y1, y2) + 1e-3)
            assert not [other for other in others if overlap(piece, other)]
            if width == ENDLESS:
                assert x1 <= x2 + 1e-6
        if edge.width:
            assert any(y1 == y2 == label[1] and x1 <= label[0] <= x2 for (x1, y1), (x2, y2) in pieces(points))


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_rows_end_where_they_should(graph):
    """No wider than the room, but where a single layer or the title of a box is."""
    nodes, edges, frames, _ = graph
    found = layout(*graph, 900)
    widest = max([size[0] for size in nodes.values()] + [frame.width for frame in frames.values()])
    assert found.width <= max(900, widest + 60 * len(frames) + 40 * len(edges))


def pieces(points):
    level = {}
    for x, y in points:
        left, right = level.get(y, (x, x))
        level[y] = min(left, x), max(right, x)
    return [((left, y), (right, y)) for y, (left, right) in level.items()]


@settings(max_examples=30, deadline=None)
@given(graphs())
def test_the_same_graph_is_laid_out_the_same(graph):
    assert layout(*graph) == layout(*graph)


def test_a_chain_is_straight_through_boxes_too():
    nodes = {i: (40 + 10 * i, 30) for i in range(6)}
    edges = [Edge(i, i + 1, 60, 40) for i in range(5)]
    frames = {"a": Frame(), "b": Frame("a"), "c": Frame(title=40)}
    found = layout(nodes, edges, frames, {1: "a", 2: "b", 4: "c"})
    assert len({y for _, y in found.nodes.values()}) == 1
    assert len({y for points in found.edges for _, y in points}) == 1


def test_leaves_stand_next_to_what_first_uses_them():
    nodes = dict.fromkeys(["x", "a", "b", "c", "W"], (40, 30))
    edges = [Edge(*pair) for pair in [("x", "a"), ("a", "b"), ("b", "c"), ("W", "c")]]
    found = layout(nodes, edges, {}, {})
    assert found.nodes["W"][0] == found.nodes["b"][0]


def test_what_leaves_a_node_is_ordered_so_that_it_does_not_cross():
    nodes = dict.fromkeys(["s", "a", "b", "c", "x", "y", "z"], (40, 30))
    edges = [Edge("s", "c"), Edge("s", "a"), Edge("s", "b")]
    edges += [Edge("a", "x", weight=8), Edge("b", "y", weight=8), Edge("c", "z", weight=8)]
    found = layout(nodes, edges, {}, {})
    starts = [(found.edges[i][0][1], found.edges[i][-1][1]) for i in range(3)]
    assert [end for _, end in sorted(starts)] == sorted(end for _, end in starts)


def test_edges_in_a_circle_are_refused():
    nodes = dict.fromkeys("abc", (40, 30))
    with pytest.raises(ValueError, match="circle"):
        layout(nodes, [Edge("a", "b"), Edge("b", "a")], {}, {})
    with pytest.raises(ValueError, match="each box is taken for one node"):
        layout(nodes, [Edge("a", "b"), Edge("b", "c")], {"box": Frame()}, {"a": "box", "c": "box"})


def test_nothing_takes_no_room():
    found = layout({}, [], {}, {})
    assert (found.width, found.height) == (0, 0)


def test_a_long_chain_goes_on_below_and_reads_from_left_to_right():
    nodes = dict.fromkeys(range(12), (80, 30))
    found = layout(nodes, [Edge(i, i + 1) for i in range(11)], {}, {}, 500)
    rows = [list(row) for _, row in itertools.groupby(nodes, key=lambda i: found.nodes[i][1])]
    assert len(rows) == 3
    assert [i for row in rows for i in row] == list(nodes)
    for row in rows:
        assert found.nodes[row[0]][0] < found.nodes[row[-1]][0]
    assert found.width <= 500
