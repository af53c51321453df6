"""Pictures of graphs, read back."""

import base64
import itertools
import struct
import zlib

import numpy as np
import pytest

import handgrad as hg
from handgrad.view.recording import record
from handgrad.view.scene import Reference, scene
from handgrad.view.still.drawing import svg
from handgrad.view.summary import LEVELS, Thumb, cells, summary, thumb
from handgrad.view.thumbnails import DIVERGING, GREY, NOT_FINITE, data_uri
from tests.view import graphs
from tests.view.reading import SVG as NAMESPACE, at, boxes, every, parsed, said, words


def of_class(root, kind):
    return [words(e) for e in every(root, "text", class_=kind)]


def read_png(data):
    """The pixels (height, width, 3) of a picture with a palette."""
    assert data.startswith(b"\x89PNG\r\n\x1a\n")
    chunks, at = {}, 8
    while at < len(data):
        (length,), kind = struct.unpack(">I", data[at : at + 4]), data[at + 4 : at + 8]
        body = data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        chunks[kind], at = body, at + 12 + length
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    rows = np.frombuffer(zlib.decompress(chunks[b"IDAT"]), np.uint8).reshape(height, width + 1)
    assert not rows[:, 0].any()
    return np.frombuffer(chunks[b"PLTE"], np.uint8).reshape(-1, 3)[rows[:, 1:]]


@pytest.mark.parametrize("graph", graphs.EACH)
def test_nothing_overlaps_and_nothing_is_cut_off(graph):
    root = parsed(svg(graph()))
    _, _, width, height = map(float, root.get("viewBox").split())
    texts = []
    for e, (left, top, right, bottom) in boxes(root):
        assert min(left, top) >= 0
        assert right <= width + 0.01
        assert bottom <= height + 0.01
        if e.tag == NAMESPACE + "text":
            texts.append((words(e), (left, top, right, bottom)))
    for (a, first), (b, second) in itertools.combinations(texts, 2):
        across = min(first[2], second[2]) - max(first[0], second[0])
        down = min(first[3], second[3]) - max(first[1], second[1])
        assert across <= 0.01 or down <= 0.01, f"{a!r} overlaps {b!r}"


def test_values_are_above_and_gradients_below():
    root = parsed(svg(graphs.of_apples()))
    assert of_class(root, "forward")[:-1] == ["100", "2", "200", "300", "500"]
    assert of_class(root, "backward")[:-1] == ["2", "100", "1", "1", "1"]
    above, below = (every(root, "text", class_=kind)[:-1] for kind in ("forward", "backward"))
    assert all(at(a, "y")[0] < at(b, "y")[0] for a, b in zip(above, below, strict=True))
    assert {"×", "+", "x1", "x2", "x3", "out"} <= set(said(root))
    assert not every(root, "image")


def test_the_numbers_are_those_of_the_arrays():
    graph = graphs.of_network()
    root = parsed(svg(graph))
    written = of_class(root, "forward")
    for array in graph.arrays:
        told = summary(array.value, is_labels=array.is_labels)
        found = cells(array.value, told, graph.most_cells)
        assert set(found[2] if found else [told.text]) <= set(written), array.name


def test_gradients_are_those_of_each_way_and_their_sum_is_at_the_source():
    root = parsed(svg(graphs.of_fan_out()))
    written = of_class(root, "backward")
    assert "0.3 + 0.3 + … + (−0.5) = 0.6646" in written
    assert written.count("0.3") == 2
    assert {"0.5646", "−0.5"} <= set(written)


def test_numbers_are_written_into_rules():
    x = hg.variable(2.0, name="x")
    root = parsed(svg(record((1 - x) * (x**3) / 4)))
    assert {"1 −", "power 3", "÷ 4"} <= set(said(root))


def test_layers_are_boxes_and_names_in_them_are_short():
    root = parsed(svg(graphs.of_network()))
    assert {"1 Affine(4, 3)", "2 ReLU", "W", "b"} <= set(said(root))
    assert len(every(root, "rect", class_="frame frame-line")) == 4
    assert len(every(root, "rect", class_="parameter parameter-line")) == 4 + 1  # and in the legend


def test_names_are_escaped():
    x = hg.variable(2.0, name="<script>alert(1)</script>\x1b")
    picture = svg(record(hg.sin(x), title="<b>&"))
    assert "<script" not in picture
    assert "<b>" not in picture
    assert "\x1b" not in picture
    assert any(line.startswith("<script>") for line in said(parsed(picture)))


def test_boxes_close_from_the_inside():
    graph = graphs.of_training()
    root = parsed(svg(graph, depth=0))
    assert "2 BatchNorm(20)" in said(root)
    assert "7 rules" in said(root)
    assert "var" not in said(root)
    assert said(parsed(svg(graph, depth=1))) == said(parsed(svg(graph)))


def test_one_layer_alone():
    root = parsed(svg(graphs.of_training(), of="2"))
    assert {"mean", "var", "batch_norm", "gamma"} <= set(said(root))
    assert "relu" not in said(root)
    with pytest.raises(ValueError, match=r"no layer is called 'two'; there are '0', '1', '2'"):
        svg(graphs.of_training(), of="two")
    with pytest.raises(ValueError, match=r"no layer is called '0'; there are none"):
        svg(graphs.of_apples(), of="0")


def test_large_graphs_are_folded_or_refused():
    graph = graphs.of_many(600)
    assert len(every(parsed(svg(graph)), "polygon")) <= 60
    with pytest.raises(ValueError, match=r"602 nodes .* 500: close boxes with depth=, or show one .* of="):
        svg(graph, depth=9)
    with pytest.raises(ValueError, match="0 or more, not -1"):
        svg(graph, depth=-1)
    assert "sin" in said(parsed(svg(graph, of=graph.boxes[1].name)))


def test_the_picture_is_the_same_each_time():
    graph = graphs.of_residual()
    assert svg(graph) == svg(graph)


def test_thumbnails_are_blue_white_orange_around_zero():
    picture = data_uri(thumb(np.array([[-2.0, 0.0], [np.nan, 2.0]])))
    pixels = read_png(base64.b64decode(picture.removeprefix("data:image/png;base64,")))
    assert (pixels[0, 0] == DIVERGING[1]).all()
    assert (pixels[0, 1] == 255).all()
    assert (pixels[1, 0] == NOT_FINITE).all()
    assert (pixels[1, 1] == DIVERGING[-1]).all()
    blue, orange = DIVERGING[1], DIVERGING[-1]
    assert blue[2] > blue[0]
    assert orange[0] > orange[2]


def test_images_are_grey():
    levels = np.array([[0, LEVELS]], np.int8)
    pixels = read_png(base64.b64decode(data_uri(Thumb(levels, True)).removeprefix("data:image/png;base64,")))
    assert pixels.tolist() == [[[0, 0, 0], [255, 255, 255]]]
    assert len(GREY) == len(DIVERGING) == 256


def test_an_array_that_turns_share_stands_once_and_is_named_again_in_each():
    def f(xs, W):
        h = xs[0]
        for x in xs:
            h = hg.tanh(h @ W + x)
        return hg.sum(h)

    graph = record(f, np.ones((6, 2, 2)), np.eye(2))
    seen = scene(graph)
    (W,) = (a for a in graph.arrays if a.name == "W")
    named = [t for t in seen.things if isinstance(t, Reference) and t.array is W]
    (loop,) = (box for box in graph.boxes if box.turns)
    assert [t.turn for t in named] == loop.boxes[1:]
    assert [seen.things[t] for t in named] == loop.boxes[1:]
    sources = [a.source for a in seen.arrows if a.array is W]
    assert sources == [W, *named]
    assert svg(graph).count("reference-line") > 5
    closed = scene(graph, depth=0)
    assert not any(isinstance(t, Reference) for t in closed.things)
