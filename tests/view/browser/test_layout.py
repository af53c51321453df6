"""Nothing lies on anything else: nodes, and what is written at edges, each have their own place."""

import itertools

import pytest

BOXES = """() => [...document.querySelectorAll("svg.picture")].map((picture) => {
  const boxOf = (element, name, kind) => {
    const { x, y, width, height } = element.getBBox();
    return { name, kind, x, y, width, height };
  };
  const nodes = [...picture.querySelectorAll(".node")].map((element) =>
    boxOf(element, element.dataset.node, "node"));
  const labels = [...picture.querySelectorAll(".edge .value, .edge .grad")].map((element) =>
    boxOf(element, `${element.classList[0]} of ${element.parentNode.dataset.edge}`, "label"));
  const frames = [...picture.querySelectorAll(".frame > rect")].map((element) =>
    boxOf(element, element.parentNode.dataset.box, "frame"));
  return { things: [...nodes, ...labels], frames };
})"""
TOUCHING = 1  # pixels by which two may overlap: fonts differ a little from their estimate


def overlap(a, b):
    """By how much two rectangles overlap, in the direction in which that is least."""
    across = min(a["x"] + a["width"], b["x"] + b["width"]) - max(a["x"], b["x"])
    down = min(a["y"] + a["height"], b["y"] + b["height"]) - max(a["y"], b["y"])
    return min(across, down)


def is_inside(a, frame):
    return (
        frame["x"] <= a["x"] + TOUCHING
        and frame["y"] <= a["y"] + TOUCHING
        and a["x"] + a["width"] <= frame["x"] + frame["width"] + TOUCHING
        and a["y"] + a["height"] <= frame["y"] + frame["height"] + TOUCHING
    )


def assert_apart(window):
    for drawn in window.page.evaluate(BOXES):
        things, frames = drawn["things"], drawn["frames"]
        assert things
        pairs = itertools.combinations(things, 2)
        assert not [(a["name"], b["name"]) for a, b in pairs if overlap(a, b) > TOUCHING]
        crossing = itertools.product(things, frames)
        assert not [
            (thing["name"], frame["name"])
            for thing, frame in crossing
            if overlap(thing, frame) > TOUCHING and not is_inside(thing, frame)
        ]


@pytest.mark.parametrize(
    "name", ["apples", "digit", "batch", "residual", "gpt", "images", "training", "names"]
)
def test_nothing_overlaps(opened, name):
    assert_apart(opened(name))


def test_nothing_overlaps_with_boxes_closed_or_some_open(opened):
    window = opened("residual")
    window.press("c")
    assert_apart(window)
    window.act(next(node for node in window.node_ids() if node[0] == "b"))
    assert_apart(window)


def test_nothing_overlaps_in_an_open_block(opened):
    window = opened("gpt")
    window.act("b1")
    assert_apart(window)


@pytest.mark.parametrize("name", ["batch", "images"])
def test_nothing_overlaps_for_one_example(opened, name):
    window = opened(name)
    window.page.select_option("#example", index=2)
    assert_apart(window)
