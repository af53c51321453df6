"""Every number on a page is the recorded one: at the edges, in the panel, in the table, to the last bit."""

import numpy as np
import pytest

from handgrad.view.equations import forward
from handgrad.view.summary import as_numpy, short, spelled, summary

from .expected import Expected
from .networks import PAGES, graphs

BINS = 40


def told(x):
    """What the panel says of an array."""
    array, of = as_numpy(x), summary(x)
    if of.is_spelled:
        return spelled(array)
    low, mean, high, norm = map(short, (of.low, of.mean, of.high, of.norm))
    return f"{' × '.join(map(str, array.shape))}, from {low} to {high}, mean {mean}, norm {norm}"


def bits(array):
    array = np.ascontiguousarray(array)
    return array.view(f"u{array.itemsize}").tolist()


def parsed(rows, like):
    return np.array([[like.dtype.type(cell) for cell in row] for row in rows], like.dtype)


@pytest.mark.parametrize("name", PAGES)
def test_every_edge_says_what_was_recorded(opened, name):
    window = opened(name)
    for graph, drawn in zip(graphs(name), window.drawn(), strict=True):
        expected = Expected(graph, [node["id"] for node in drawn["nodes"]])
        labelled = {edge: words for edge, words in drawn["edges"].items() if words["value"]}
        assert len(labelled) >= len(expected.work)
        for edge, words in labelled.items():
            assert words == expected.words(edge), edge


def test_edges_into_opened_and_closed_boxes(opened):
    """Fan-out across boxes: the sums of gradients by box."""
    window = opened("gpt")
    window.node("b1").press("Enter")
    (drawn,), (graph,) = window.drawn(), graphs("gpt")
    expected = Expected(graph, [node["id"] for node in drawn["nodes"]])
    for edge, words in drawn["edges"].items():
        if words["value"]:
            assert words == expected.words(edge), edge
    inputs = {edge.split(":")[1].split("-")[0] for edge in drawn["edges"]}
    assert inputs & {node["id"] for node in drawn["nodes"]}


@pytest.mark.parametrize("name", ["apples", "batch", pytest.param("residual", marks=pytest.mark.slow)])
def test_the_panel_of_every_rule(opened, name):
    window = opened(name)
    (graph,) = graphs(name)
    for op in graph.ops:
        window.act(f"o{op.number}")
        assert window.heading() == op.name
        panel = window.panel()
        assert f"rule {op.number + 1} of {len(graph.ops)}" in panel
        assert forward(op).rpartition(" = ")[2] in panel.replace("\n=\n", " = ")
        arrays = [use.array for use in op.inputs if use.array is not None] + op.outputs
        assert window.page.locator("#panel .facts.value .numbers").all_text_contents() == [
            array.told.words for array in arrays
        ]
        uses = [(f"d{use.name}", use.dx) for use in op.inputs if use.dx is not None]
        grads = uses + [("dout", out.grad) for out in op.outputs if out.grad is not None]
        assert window.page.locator("#panel .facts.grad .numbers").all_text_contents() == [
            f"{d}: {told(grad)}" for d, grad in grads
        ]
        dtypes = window.page.locator("#panel .facts.value .muted").all_text_contents()
        for said, array in zip(dtypes, arrays, strict=True):
            assert said.startswith(summary(array.value).dtype)


def test_the_chain_rule_with_its_numbers(opened):
    """Upstream times local is downstream, for 100 · 2 + 300."""
    window = opened("apples")
    window.act("o0")
    assert window.page.locator("#panel .chain .numbers").all_text_contents() == ["1 × 2 = 2", "1 × 100 = 100"]
    window.act("o1")
    assert window.page.locator("#panel .chain .numbers").all_text_contents() == ["1 × 1 = 1", "1 × 1 = 1"]


@pytest.mark.parametrize(
    ("name", "node", "label", "which"),
    [
        ("batch", "o1", "x", lambda op: op.inputs[0].array.value),
        ("batch", "o1", "b", lambda op: op.inputs[2].array.value),
        ("batch", "o1", "db", lambda op: op.inputs[2].dx),
        ("batch", "o3", "W", lambda op: op.inputs[1].array.value),
        ("batch", "o4", "t", lambda op: op.inputs[1].array.value),
        ("apples", "o0", "dx", lambda op: op.inputs[0].dx),
    ],
)
def test_the_table_holds_every_bit(opened, name, node, label, which):
    window = opened(name)
    window.act(node)
    window.open_table(label)
    array = np.atleast_2d(as_numpy(which(graphs(name)[0].ops[int(node[1:])])))
    found = parsed(window.matrix(), array)
    assert found.shape == array.shape
    assert bits(found) == bits(array)


@pytest.mark.parametrize("node", ["o0", "o3", "o17"])
def test_slices_of_arrays_of_four_axes(opened, node):
    """Every third matrix of them."""
    window = opened("images")
    op = graphs("images")[0].ops[int(node[1:])]
    out = as_numpy(op.outputs[0].value)
    assert out.ndim == 4
    window.act(node)
    window.open_table(op.outputs[0].name, -1)
    for at in list(np.ndindex(out.shape[:-2]))[::3]:
        window.lead(at)
        assert bits(parsed(window.matrix(), out)) == bits(out[at])


def test_negative_zero_and_what_is_not_finite(opened):
    window = opened("oddities")
    window.page.locator(".node.leaf").filter(has_text="weird").press("Enter")
    array = next(a.value for a in graphs("oddities")[0].arrays if a.name == "weird")
    window.open_table("weird")
    cells = window.matrix()
    assert cells[0][1:] == ["NaN", "Infinity"]
    found = parsed(cells, array)
    np.testing.assert_array_equal(found, array)
    np.testing.assert_array_equal(np.signbit(found), np.signbit(array))


def test_copied_is_what_is_shown(opened):
    window = opened("batch", permissions=["clipboard-read", "clipboard-write"])
    window.act("o0")
    window.open_table("x")
    window.page.get_by_role("button", name="copy").click()
    cells = window.cells()
    assert len(cells) == 3
    window.page.wait_for_function("navigator.clipboard.readText().then((text) => text.includes('\\t'))")
    text = window.page.evaluate("navigator.clipboard.readText()")
    assert [line.split("\t") for line in text.splitlines()] == cells


@pytest.mark.parametrize("label", ["x", "W", "dW", "db"])
def test_the_histogram_counts(opened, label):
    window = opened("batch")
    op = graphs("batch")[0].ops[1]
    use = next(use for use in op.inputs if use.name == label.removeprefix("d"))
    window.act("o1")
    window.open_table(label)
    numbers = as_numpy(use.dx if label[0] == "d" else use.array.value).astype(float).ravel()
    low, high = numbers.min(), numbers.max()
    places = np.minimum(np.floor((numbers - low) / (high - low) * BINS), BINS - 1).astype(int)
    assert window.bins() == np.bincount(places, minlength=BINS).tolist()


def test_what_is_not_finite_is_not_multiplied(opened):
    """A count of such numbers is no factor: upstream → downstream is all that is said."""
    window = opened("oddities")
    exp = next(op for op in graphs("oddities")[0].ops if op.name == "exp")
    window.act(f"o{exp.number}")
    said = window.page.locator("#panel .chain .numbers").text_content()
    assert said == "1 × 2.718 = 2.718"
    assert "at its largest finite" in window.panel()
