"""Arrays are called what the author calls them, and by no other name."""

import contextlib
import sys

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Layer, mlp
from handgrad.tape import scope
from handgrad.view.recording import record


def named(graph):
    return [op.below for op in graph.ops]


def test_what_a_line_assigns_is_called_so():
    def attention(x, Wq, Wk):
        q, k = x @ Wq, x @ Wk
        scores = q @ k.T / 2.0
        return hg.softmax(scores)

    rng = np.random.default_rng(0)
    graph = record(attention, *(rng.standard_normal((2, 2)) for _ in range(3)))
    assert [out.own_name for op in graph.ops for out in op.outputs] == ["q", "k", "", "", "scores", ""]
    assert [use.array.name for use in graph.ops[-1].inputs] == ["scores"]
    assert named(graph)[:2] == ["→ q", "→ k"]


def helper(inside):
    made = inside * 2.0
    return made


def test_the_callers_name_is_the_last_and_arguments_keep_theirs():
    def f(x):
        h = x + 1.0
        doubled = helper(h)
        return hg.tanh(doubled)

    assert [op.outputs[0].own_name for op in record(f, 1.0).ops] == ["h", "doubled", ""]


def test_a_name_that_is_used_again_is_each_ones():
    def f(x):
        for _ in range(3):
            x = hg.tanh(x)
        return x

    assert [op.outputs[0].own_name for op in record(f, 1.0).ops] == ["x", "x", "x"]


def test_layers_and_several_outputs():
    class Net(Layer):
        def forward(self, x):
            left, right = hg.split(x, 2, axis=1)
            return left * right

    (split, _) = record(Net(), np.ones((1, 4))).ops
    assert [out.own_name for out in split.outputs] == ["left", "right"]
    assert all(
        "x" not in name for name in named(record(mlp([2, 2], seed=0), np.ones((1, 2))))
    )  # ours names nothing


def test_of_what_is_recorded_already_the_names_around():
    x = hg.variable(2.0, name="x")
    squared = x * x
    out = squared + 1.0
    assert [op.outputs[0].own_name for op in record(out).ops] == ["squared", "out"]


def test_who_follows_the_lines_goes_on_undisturbed():
    seen = []

    def f(x):
        h = x * 2.0
        return h + 1.0

    def trace(frame, event, arg):
        seen.append(event)

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        graph = record(f, 1.0)
        assert sys.gettrace() is trace
    finally:
        sys.settrace(before)
    assert seen
    assert [op.outputs[0].own_name for op in graph.ops] == ["", ""]
    record(f, 1.0)
    assert sys.gettrace() is before


def test_an_error_ends_the_following():
    def f(x):
        raise ValueError("no")

    before = sys.gettrace()
    with pytest.raises(ValueError, match="no"):
        record(f, 1.0)
    assert sys.gettrace() is before


def normed(x):
    centred = x - hg.mean(x)
    return centred / hg.sqrt(hg.mean(hg.square(centred)))


class Block:
    def forward(self, x):
        return normed(x) * hg.tanh(helper(x))


@contextlib.contextmanager
def called(name):
    with scope(name):
        yield


def test_functions_that_use_several_rules_are_boxes():
    def f(x):
        with called("own"):
            y = Block().forward(x)
        return normed(y) + 1.0

    graph = record(f, np.array([1.0, 2.0]))
    found = [(box.name, box.parent.name, len(list(box.all_ops()))) for box in graph.boxes]
    inner = [("own", "", 9), ("normed (call 1)", "own", 6), ("normed (call 2)", "", 6)]
    assert found == inner  # helper has one rule, Block is all of its scope, f is all there is
    assert hg.tanh(hg.variable(1.0)).node.scope == ""


def test_a_function_called_again_and_again_is_drawn_once():
    def f(x):
        for _ in range(20):
            x = normed(x)
        return x

    (whole, *turns) = record(f, np.array([1.0, 2.0])).boxes
    assert (whole.title, whole.told_size) == ("normed, calls 1 to 20", "× 20, 120 rules")
    assert len(turns) == 20


def test_functions_that_raise_are_left():
    def wrong(x):
        raise ValueError("no")

    def f(x):
        try:
            return wrong(x)
        except ValueError:
            return hg.tanh(x) * hg.sin(x)

    assert record(f, 1.0).boxes == []
