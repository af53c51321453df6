"""The layout in the page is that of the still picture: it is the same one, translated."""

import json

import pytest
from hypothesis import given, settings

from handgrad.view.layout import sizes, words
from handgrad.view.layout.paths import head_of, path_of, shaft
from handgrad.view.layout.plan import layout
from handgrad.view.scripts import joined, module
from tests.view.layout.test_plan import WIDTHS, graphs

LAID_OUT = """([nodes, edges, frames, within, width]) => {
  const { layout, Edge, Frame, path_of, shaft, head_of } = of_layout;
  const found = layout(new Map(nodes), edges.map((edge) => new Edge(...edge)),
    new Map(frames.map(([box, frame]) => [box, new Frame(...frame)])), new Map(within), width);
  return { width: found.width, height: found.height, nodes: [...found.nodes], labels: found.labels,
    boxes: [...found.boxes].map(([box, at]) => [box, [at.left, at.top, at.right, at.bottom]]),
    paths: found.edges.map((points) => [path_of(shaft(points)), head_of(points)]) };
}"""
WORDS = [
    "x1",
    "softmax_cross_entropy",
    "層 字 🙂",
    "e\u0301",
    "−0.5 … 1.25×10⁻³",
    "AffinE(64, 32)",
    "",
    "ÄÖß—%",
]


@pytest.fixture(scope="module")
def page(browser):
    """An empty page that has the layout."""
    context = browser.new_context()
    page = context.new_page()
    script = "\n".join(joined(name, module(name)) for name in ("builtins", "layout"))
    page.add_script_tag(content=f"{script}\nwindow.of_layout = of_layout;")
    yield page
    context.close()


@settings(max_examples=60, deadline=None)
@given(graphs(), WIDTHS)
def test_the_page_lays_out_as_the_still_picture_does(page, graph, width):
    nodes, edges, frames, within = graph
    found = layout(*graph, width)
    given_edges = [[e.source, e.target, e.width, e.height, e.weight] for e in edges]
    given_frames = [[box, [f.parent, f.title, f.padding, f.width]] for box, f in frames.items()]
    asked = [list(nodes.items()), given_edges, given_frames, list(within.items()), width]
    theirs = page.evaluate(LAID_OUT, json.loads(json.dumps(asked)))
    assert [theirs["width"], theirs["height"]] == pytest.approx([found.width, found.height])
    assert dict(map(tuple, theirs["nodes"])) == {id: pytest.approx(at) for id, at in found.nodes.items()}
    assert theirs["labels"] == [pytest.approx(list(at)) for at in found.labels]
    boxes = {box: pytest.approx([at.left, at.top, at.right, at.bottom]) for box, at in found.boxes.items()}
    assert dict(map(tuple, theirs["boxes"])) == boxes
    assert theirs["paths"] == [[path_of(shaft(points)), head_of(points)] for points in found.edges]


def test_words_take_the_same_room(page):
    found = page.evaluate("(all) => all.map((words) => of_layout.words_width(words, 13))", WORDS)
    assert found == pytest.approx([words.words_width(each, 13) for each in WORDS])
    cut = page.evaluate("(all) => all.map((words) => of_layout.cut(words, 60, 13))", WORDS[:2])
    assert cut == [words.cut(each, 60, 13) for each in WORDS[:2]]


@pytest.mark.parametrize("is_round", [False, True])
@pytest.mark.parametrize("name", ["×", "matmul"])
def test_nodes_are_as_large(page, name, is_round):
    ours = sizes.Shape(name, "axis=0", ["sum of 3 gradients:", "1.2"], "operation", is_round, True)
    found = page.evaluate(
        """([name, isRound]) => {
          const { Shape, Tag } = of_layout;
          const shape = new Shape(name, "axis=0", ["sum of 3 gradients:", "1.2"], "operation", isRound, true);
          const tag = new Tag(["4 × 3", "0 … 1"], 4, 3);
          return [shape.width, shape.height, shape.side(5), shape.radius, tag.width, tag.height];
        }""",
        [name, is_round],
    )
    tag = sizes.Tag(["4 × 3", "0 … 1"], 4, 3)
    wanted = [ours.width, ours.height, ours.side(5), ours.radius, tag.width, tag.height]
    assert found == pytest.approx(wanted)
