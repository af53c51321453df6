"""Two recordings on one page: the same moment in both, partners marked, differences told."""

import numpy as np
import pytest

from handgrad.view.compare import difference
from handgrad.view.summary import short

from .expected import Expected
from .networks import graphs, picture


def share(words, a, b):
    return f"Δ {words} {short(100 * difference(a, b), 2)} %"


def test_both_step_together(opened):
    """Forward and back, each picture is as its own graph wants it at that moment."""
    window = opened("training")
    drawn = window.drawn()
    expected = [
        Expected(g, [n["id"] for n in d["nodes"]]) for g, d in zip(graphs("training"), drawn, strict=True)
    ]
    assert expected[0].steps == expected[1].steps
    window.press("Home")
    for step in range(len(expected[0].steps)):
        for moment, own, d in zip(window.moments(), expected, drawn, strict=True):
            state = own.state(step, [n["id"] for n in d["nodes"]], d["edges"])
            assert {name: set(moment[name]) for name in state} == state
            node = own.steps[step][1]
            assert moment["now"] == [node] * (node is not None)
        window.press("ArrowRight")


def test_partners_are_highlighted_in_both(opened):
    window = opened("training")
    for number, node in ((0, "o1"), (1, "o3"), (1, "l0"), (0, "l2")):
        window.node(node, number).press(" ")
        assert [moment["chosen"] for moment in window.moments()] == [[node], [node]]


def test_boxes_open_and_close_in_both(opened):
    window = opened("training")
    window.press("c")
    closed = [window.node_ids(i) for i in (0, 1)]
    box = next(f"b{box.number}" for box in graphs("training")[0].boxes if box.leaves)
    assert all(box in nodes for nodes in closed)
    window.act(box, picture=1)
    assert all(box not in window.node_ids(i) for i in (0, 1))
    window.close_box(int(box[1:]))
    assert [window.node_ids(i) for i in (0, 1)] == closed


def test_differences_are_told_at_both(opened):
    """Of parameters, the share by which they differ; of the digits, which do not, only their gradient."""
    window = opened("training")
    a, b = graphs("training")
    for number in (0, 1):
        marks = {node["id"]: node["marks"] for node in window.drawn()[number]["nodes"]}
        for x, y in zip(a.arrays, b.arrays, strict=True):
            if x.maker is not None:
                continue
            wanted = [share("value", x.value, y.value)] if np.any(x.value != y.value) else []
            wanted += [share("gradient", x.grad, y.grad)] if x.grad is not None else []
            assert marks[f"l{x.number}"] == wanted, x.name


def test_titles_stand_above_each(opened):
    window = opened("training")
    assert window.page.locator(".canvas h2").all_text_contents() == ["before", "after"]
    assert window.page.locator("h1").text_content() == picture("training").title


def test_a_wrong_backward_is_named(opened):
    """In the wrong one alone, with its cause; what differs is the gradient, not the value."""
    window = opened("rules")
    right, wrong = ({n["id"]: n["marks"] for n in drawn["nodes"]} for drawn in window.drawn())
    (number,) = {op.number for op in graphs("rules")[1].ops if op.name == "halved"}
    assert right[f"o{number}"] == ["Δ gradient 75 %"]
    assert wrong[f"o{number}"] == ["✗ wrong backward", "Δ gradient 75 %"]
    verdict = window.page.locator("#panel .verdict")
    window.act(f"o{number}", picture=0)
    assert verdict.text_content().startswith("backward: proven to")
    window.act(f"o{number}", picture=1)
    told = graphs("rules")[1].ops[number].verdict.text
    assert told.startswith("wrong: ")
    assert verdict.text_content() == f"backward: {told}"


def test_what_has_no_partner_stays_by_itself(opened):
    """Two that have nothing in common: no differences, and steps through the first to its end."""
    window = opened("mismatch")
    first = Expected(graphs("mismatch")[0], window.node_ids())
    assert not [n for drawn in window.drawn() for n in drawn["nodes"] if n["marks"]]
    window.press("Home", *["ArrowRight"] * 20)
    assert window.caption() == first.caption(len(first.steps) - 1)
    window.act("o1", picture=1)
    assert window.heading() == graphs("mismatch")[1].ops[1].name
    assert window.moments()[1]["chosen"] == ["o1"]


def number_of(graph, name):
    return next(f"o{op.number}" for op in graph.ops if op.name == name)


def test_what_only_the_second_has_is_like_nothing_in_the_first(opened):
    """No difference is told at it, and nothing is highlighted in the first picture when it is chosen."""
    window = opened("partial")
    first, second = graphs("partial")
    exp = number_of(second, "exp")
    marks = {node["id"]: node["marks"] for node in window.drawn()[1]["nodes"]}
    assert marks[exp] == []
    assert marks[number_of(second, "tanh")] != []
    window.act(exp, picture=1)
    assert [moment["chosen"] for moment in window.moments()] == [[], [exp]]
    window.act(number_of(second, "tanh"), picture=1)
    assert [m["chosen"] for m in window.moments()] == [[number_of(g, "tanh")] for g in (first, second)]


@pytest.mark.parametrize("number", [0, 1])
def test_an_edge_is_highlighted_where_it_was_chosen(opened, number):
    window = opened("partial")
    pictures = window.page.locator("svg.picture")
    pictures.nth(number).locator(".edge[role=button]").first.press("Enter")
    assert pictures.nth(number).locator(".edge.chosen").count() > 0
    assert pictures.nth(1 - number).locator(".chosen").count() == 0


def test_what_is_chosen_in_the_second_stays_when_all_is_drawn_anew(opened):
    window = opened("partial")
    exp = number_of(graphs("partial")[1], "exp")
    window.act(exp, picture=1)
    panel = window.panel()
    window.press("o")
    assert window.panel() == panel
    assert [moment["chosen"] for moment in window.moments()] == [[], [exp]]


def test_what_boxes_of_the_second_hide_can_be_gone_to(opened):
    """Though the first has no such boxes."""
    window = opened("mismatch")
    window.press("c")
    graph = graphs("mismatch")[1]
    leaf = next(a for a in graph.arrays if a.name == "x")
    window.act(f"l{leaf.number}", picture=1)
    window.page.locator("#panel section", has_text="Used by").locator("button").first.click()
    op = leaf.uses[0].op
    assert window.heading() == op.name
    assert window.moments()[1]["chosen"] == [f"o{op.number}"]
