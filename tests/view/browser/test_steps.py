"""The arrow keys go through the forward and the backward, and each moment shows what is there by then."""

import pytest

from .expected import Expected
from .networks import graphs

STEPPED = ["apples", "batch", "residual", "gpt"]
MORE = [pytest.param(name, marks=pytest.mark.slow) for name in ("digit", "images", "names", "oddities")]


def assert_moment(window, expected, drawn, step):
    (moment,) = window.moments()
    assert moment["caption"] == expected.caption(step)
    state = expected.state(step, [node["id"] for node in drawn["nodes"]], drawn["edges"])
    assert {name: set(moment[name]) for name in state} == state
    node = expected.steps[step][1]
    assert moment["now"] == [node] * (node is not None)
    if node is not None:
        assert moment["chosen"] == [node]


def walk(window, graph):
    """From the end to the beginning by ←, and back by →, looking at each step both times."""
    (drawn,) = window.drawn()
    expected = Expected(graph, [node["id"] for node in drawn["nodes"]])
    last = len(expected.steps) - 1
    for step in reversed(range(last)):
        window.press("ArrowLeft")
        assert_moment(window, expected, drawn, step)
    window.press("ArrowLeft")
    assert_moment(window, expected, drawn, 0)
    for step in range(1, last + 1):
        window.press("ArrowRight")
        assert_moment(window, expected, drawn, step)
    window.press("ArrowRight")
    assert_moment(window, expected, drawn, last)


@pytest.mark.parametrize("name", [*STEPPED, *MORE])
def test_there_and_back(opened, name):
    window = opened(name)
    walk(window, graphs(name)[0])


def test_through_a_long_chain_and_one_of_its_runs(opened):
    """Its loop open, of whose fifty runs the third one is open, of which the first turn is."""
    window = opened("chain")
    (graph,) = graphs("chain")
    for number in (0, 2, 2):
        expected = Expected(graph, window.node_ids())
        window.act(expected.work[number])
    (drawn,) = window.drawn()
    expected = Expected(graph, [node["id"] for node in drawn["nodes"]])
    assert len(expected.work) == 99 + 49 + 2
    window.press("Home")
    assert_moment(window, expected, drawn, 0)
    for step in range(1, len(expected.steps)):
        window.press("ArrowRight")
        if step % 20 == 0 or step in (1, 2, 3, 4, 5, 52, 53, 149, 150, 151, 152, 298, 299):
            assert_moment(window, expected, drawn, step)


def test_the_ends_by_keys_and_buttons(opened):
    window = opened("digit")
    (drawn,) = window.drawn()
    expected = Expected(graphs("digit")[0], [node["id"] for node in drawn["nodes"]])
    last = len(expected.steps) - 1
    moves = [("to the beginning (Home)", 0), ("one step on (→)", 1), ("one step on (→)", 2)]
    moves += [("one step back (←)", 1), ("to the end (End)", last)]
    for label, step in moves:
        window.button(label)
        assert window.moments()[0]["caption"] == expected.caption(step)
    for key, step in (("Home", 0), ("End", last)):
        window.press(key)
        assert window.moments()[0]["caption"] == expected.caption(step)
    window.page.locator("#slider").fill("3")
    assert_moment(window, expected, drawn, 3)


def test_what_is_at_work_stays_in_sight(opened):
    """However deep: the node of each step lies within the window."""
    window = opened("residual")
    box = window.page.locator("svg.picture").bounding_box()
    window.press("Home")
    for _ in range(30):
        window.press("ArrowRight")
        window.views()
        now = window.page.locator(".node.now").bounding_box()
        assert box["x"] <= now["x"]
        assert now["x"] + now["width"] <= box["x"] + box["width"]
        assert box["y"] <= now["y"]
        assert now["y"] + now["height"] <= box["y"] + box["height"]
