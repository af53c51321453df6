"""Finding, opening and moving about."""

import numpy as np
import pytest

from handgrad.view.summary import as_numpy, short, summary

from .expected import Expected, without_shape
from .networks import MNIST, graphs


def largest(array):
    return np.max(np.abs(as_numpy(array.grad)))


def own_losses(graph):
    """-log softmax(x) at the label, of each row that came into the loss."""
    x, t = (use.array.value for use in graph.ops[-1].inputs)
    x = x.astype(float)
    return np.log(np.sum(np.exp(x), axis=1)) - x[np.arange(len(x)), t]


def test_search_goes_to_rules_arrays_and_boxes(opened):
    window = opened("batch")
    for words, heading, node in (
        ("softmax", "softmax_cross_entropy", "o4"),
        ("1.W", "1.W", "l2"),
    ):
        window.search(words)
        assert window.heading() == heading
        assert window.moments()[0]["chosen"] == [node]
    window.search("no such thing")
    assert window.caption() == "nothing is called no such thing"


def test_search_opens_what_hides_it(opened):
    """A rule deep in a closed layer of the network."""
    window = opened("gpt")
    graph = graphs("gpt")[0]
    op = next(op for op in graph.ops if op.name == "gelu" and op.box.name.startswith("blocks.7"))
    assert f"o{op.number}" not in window.node_ids()
    window.search(f"{op.number + 1} ")
    assert window.moments()[0]["chosen"] == [f"o{op.number}"]
    assert window.heading() == "gelu"
    window.search("blocks.11 Transformer")
    assert window.heading() == "blocks.11 Transformer"


def test_what_can_be_found(opened):
    window = opened("batch")
    graph = graphs("batch")[0]
    graded = sorted((a for a in graph.arrays if a.grad is not None and not a.is_output), key=largest)
    for what, array in (("largest gradient", graded[-1]), ("smallest gradient", graded[0])):
        window.find(what)
        assert window.caption().endswith(f"of {array.name}")
        assert short(float(largest(array))) in window.caption()
    window.find("dead ReLUs")
    relu = next(op for op in graph.ops if op.name == "relu")
    assert window.moments()[0]["chosen"] == [f"o{relu.number}"]
    silent = np.sum(np.all(as_numpy(relu.outputs[0].value) == 0, axis=0))
    assert window.caption().endswith(f"{silent} of 50 units are 0 for all 3 examples")
    window.find("first not finite")
    assert window.caption() == "all values and gradients are finite"
    window.find("wrong backward")
    assert window.caption() == "the checker found no wrong backward"


def test_the_first_that_is_not_finite(opened):
    window = opened("oddities")
    window.find("first not finite")
    assert window.caption() == "the first value that is not finite comes from exp"
    assert window.heading() == "exp"
    assert "of 6 values 1 is ∞, 1 is nan" in window.panel()
    window.find("dead ReLUs")
    assert window.caption() == "there is no relu"


def test_examples_of_a_batch(opened):
    """One example at a time: its value and gradient at every edge that has the batch."""
    window = opened("batch")
    graph = graphs("batch")[0]
    expected = Expected(graph, window.node_ids())
    labels = window.page.locator("#example option").all_text_contents()
    assert labels[0] == "whole batch"
    assert [label.split()[-1] for label in labels[1:]] == [str(row) for row in MNIST]
    for i in range(len(MNIST)):
        window.page.select_option("#example", index=i + 1)
        edges = window.drawn()[0]["edges"]
        told = {e: expected.array(e) for e, words in edges.items() if words["value"]}
        assert sum(array.per_example for array in told.values()) >= 5
        for edge, array in told.items():
            value = array.value[i] if array.per_example else array.value
            wanted = list(summary(value, is_labels=array.is_labels).lines)
            if array.is_output:
                wanted = [short(float(own_losses(graph)[i])), f"of all {short(float(array.value))}"]
            assert edges[edge]["value"] == wanted
            if array.per_example and array.grad is not None:
                assert edges[edge]["grad"] == without_shape(summary(array.grad[i]))
    window.page.select_option("#example", label="whole batch")
    edges = window.drawn()[0]["edges"]
    assert all(edges[edge]["value"] == expected.value_lines(edge) for edge in told)


def test_all_boxes_open_and_close(opened):
    window = opened("residual")
    graph = graphs("residual")[0]
    window.press("c")
    closed = window.node_ids()
    outer = [box for box in graph.boxes if box.parent is graph.root]
    assert {n for n in closed if n[0] == "b"} == {f"b{box.number}" for box in outer}
    window.press("o")
    assert {n for n in window.node_ids() if n[0] == "o"} == {f"o{op.number}" for op in graph.ops}
    window.button("close every box (c)")
    assert window.node_ids() == closed
    window.button("open every box (o)")
    assert not [n for n in window.node_ids() if n[0] == "b"]


def test_too_many_rules_do_not_open_at_once(opened):
    window = opened("chain")
    nodes = window.node_ids()
    window.press("o")
    assert window.caption().startswith("10,000 rules are too many to be drawn at once")
    assert window.node_ids() == nodes


@pytest.mark.parametrize("phase", ["forward", "backward"])
def test_a_box_opens_and_closes_and_the_moment_stays(opened, phase):
    window = opened("residual")
    graph = graphs("residual")[0]
    window.press("c")
    expected = Expected(graph, window.node_ids())
    step = next(i for i, (p, n) in enumerate(expected.steps) if p == phase and "blocks.1" in expected.name(n))
    window.page.locator("#slider").fill(str(step))
    node = expected.steps[step][1]
    before = window.moments()[0]
    done = expected.done(step)
    window.act(node)
    (drawn,) = window.drawn()
    opened_now = Expected(graph, [n["id"] for n in drawn["nodes"]])
    assert node not in opened_now.work
    assert len(opened_now.work) > len(expected.work)
    there = opened_now.steps.index((phase, opened_now.last_in(expected.ops[node], phase)))
    assert opened_now.done(there) == done
    after = window.moments()[0]
    state = opened_now.state(there, [n["id"] for n in drawn["nodes"]], drawn["edges"])
    assert {name: set(after[name]) for name in state} == state
    window.close_box(int(node[1:]))
    after = window.moments()[0]
    assert {name: after[name] for name in (*state, "caption", "chosen")} == {
        name: before[name] for name in (*state, "caption", "chosen")
    }


def test_zoom_fit_and_pan(opened):
    window = opened("residual")
    (first,) = window.views()
    window.press("+")
    (larger,) = window.views()
    assert larger["scale"] == pytest.approx(first["scale"] * 1.25)
    window.button("smaller")
    assert window.views()[0] == pytest.approx(first)
    window.press("Shift+ArrowLeft", "Shift+ArrowUp")
    assert window.views()[0] == pytest.approx({**first, "x": first["x"] + 80, "y": first["y"] + 60})
    window.press("0")
    (whole,) = window.views()
    outer = window.page.locator("svg.picture").bounding_box()
    scene = window.page.locator("svg.picture > g").bounding_box()
    assert scene["width"] <= outer["width"] + 1
    assert scene["height"] <= outer["height"] + 1
    assert scene["x"] >= outer["x"] - 1
    assert whole["scale"] < first["scale"]


def test_dragging_and_the_wheel(opened):
    window = opened("gpt")
    (first,) = window.views()
    box = window.page.locator("svg.picture").bounding_box()
    x, y = box["x"] + 5, box["y"] + box["height"] - 5
    window.page.mouse.move(x, y)
    window.page.mouse.down()
    window.page.mouse.move(x + 60, y - 30, steps=4)
    window.page.mouse.up()
    moved = {**first, "x": first["x"] + 60, "y": first["y"] - 30}
    assert window.views()[0] == pytest.approx(moved)
    window.page.mouse.move(x + 90, y - 50)
    assert window.views()[0] == pytest.approx(moved)
    window.page.mouse.wheel(10, 20)
    assert window.views()[0] == pytest.approx({**moved, "x": moved["x"] - 10, "y": moved["y"] - 20})
    window.page.keyboard.down("Control")
    window.page.mouse.wheel(0, -300)
    window.page.keyboard.up("Control")
    assert window.views()[0]["scale"] == pytest.approx(first["scale"] * np.e)


def test_a_click_chooses_a_node_or_an_edge_and_a_double_click_opens(opened):
    window = opened("residual")
    window.press("c", "0")
    window.views()
    (box,) = [n["id"] for n in window.drawn()[0]["nodes"] if n["texts"][:1] == ["blocks.1 Block"]]
    window.node(box).click()
    assert window.heading() == "blocks.1 Block"
    window.page.locator(".edge text").first.click()
    assert window.page.locator("#panel h3", has_text="Used by").count() == 1
    window.node(box).dblclick()
    assert box not in window.node_ids()


def test_the_strip_leads_to_layers(opened):
    window = opened("residual")
    bars = window.page.locator("#strip .bar")
    graph = graphs("residual")[0]
    layers = [box for box in graph.boxes if box.ops]
    assert bars.count() == len(layers)
    for i, box in list(enumerate(layers))[::4]:
        last = max(box.all_ops(), key=lambda op: op.number)
        norm = short(float(np.linalg.norm(as_numpy(last.outputs[0].grad).astype(float))))
        name = f"{box.name} {box.label}"
        assert bars.nth(i).get_attribute("aria-label") == f"{name}: norm of the gradient {norm}"
        bars.nth(i).click()
        assert window.heading() == name


def test_what_is_typed_waits_for_enter(opened):
    window = opened("batch")
    heading = window.heading()
    window.page.fill("#search", "1.W")
    window.press("Tab")
    assert window.heading() == heading
    assert window.page.evaluate("document.activeElement.textContent") == "find …"


def test_what_is_picked_from_the_names_is_gone_to(opened):
    window = opened("batch")
    window.page.evaluate("""() => {
      const search = document.getElementById("search");
      search.value = "1.W";
      search.dispatchEvent(new InputEvent("input", { inputType: "insertReplacementText" }));
    }""")
    assert window.heading() == "1.W"


def test_an_edge_or_an_open_box_stays_chosen_for_another_example(opened):
    window = opened("residual")
    box = next(box for box in graphs("residual")[0].boxes if box.leaves)
    edge = window.page.locator(".edge[role=button]", has=window.page.locator(".grad image")).first
    for choose in (lambda: edge.press("Enter"), lambda: window.search(f"{box.name} {box.label}")):
        choose()
        heading, numbers = window.heading(), window.page.locator("#panel .facts .numbers").all_text_contents()
        marked = window.page.locator(".edge.chosen").count()
        window.page.select_option("#example", index=1)
        assert window.heading() == heading
        assert window.page.locator("#panel .facts .numbers").all_text_contents() != numbers
        assert window.page.locator(".edge.chosen").count() == marked
        window.page.select_option("#example", index=0)
        assert window.page.locator("#panel .facts .numbers").all_text_contents() == numbers
