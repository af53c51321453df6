"""What is repeated is drawn once, with its count."""

import itertools

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Affine, Layer
from handgrad.view.recording import record
from handgrad.view.scene import outline, scene


def recurrent(steps, h, Wx, Wh):
    for x in steps:
        h = hg.tanh(x @ Wx + h @ Wh)
    return hg.sum(h)


def of_recurrent(n):
    rng = np.random.default_rng(0)
    steps = [rng.normal(size=(2, 3)) for _ in range(n)]
    given = [*steps, *map(np.ones, [(2, 4), (3, 4), (4, 4)])]
    return record(lambda *xs: recurrent(xs[:n], *xs[n:]), *given)


def sketch(box):
    """Boxes by their names, with how many rules each holds itself."""
    return {(inner.name, inner.turns): (len(inner.ops), sketch(inner)) for inner in box.boxes}


def test_turns_of_a_loop_are_one_box_of_boxes():
    graph = of_recurrent(20)
    (loop,) = graph.root.boxes
    assert (loop.name, loop.turns, loop.told_size) == ("rules 1 to 80", 20, "× 20, 80 rules")
    assert loop.title == "for x in steps"
    assert [(turn.name, turn.title) for turn in loop.boxes[:2]] == [
        ("rules 1 to 4", "turn 1 of 20"),
        ("rules 5 to 8", "turn 2 of 20"),
    ]
    assert [[op.name for op in turn.ops] for turn in loop.boxes] == [["matmul", "matmul", "add", "tanh"]] * 20
    assert [op.name for op in graph.root.ops] == ["sum"]
    assert [op.number for op in graph.root.all_ops()] == list(range(81))
    assert outline(graph) == 0


def test_three_turns_stay_as_they_are():
    assert of_recurrent(3).boxes == []


def test_loops_in_a_loop():
    def f(x):
        for _ in range(5):
            for _ in range(6):
                x = hg.sin(x)
            x = x * 2.0
        return x

    root = record(f, 0.5).root
    inner = {f"rules {7 * i + 1} to {7 * i + 6}": 6 for i in range(5)}
    (outer,) = root.boxes
    assert (outer.turns, len(outer.boxes)) == (5, 5)
    assert {box.name: box.turns for turn in outer.boxes for box in turn.boxes} == inner


def test_what_only_looks_alike_is_no_loop():
    """The same rules on lines of their own."""

    def f(x):
        x = hg.exp(hg.sin(x))
        x = hg.exp(hg.sin(x))
        x = hg.exp(hg.sin(x))
        x = hg.exp(hg.sin(x))
        x = hg.exp(hg.sin(x))
        x = hg.exp(hg.sin(x))
        return hg.exp(hg.sin(x))

    assert record(f, 0.5).boxes == []


class Stack(Layer):
    def __init__(self, sizes, is_shared=False):
        made = [Affine(a, b, seed=i) for i, (a, b) in enumerate(itertools.pairwise(sizes))]
        self.layers = made[:1] * len(made) if is_shared else made

    def forward(self, x):
        for layer in self.layers:
            x = layer(x)
        return x


@pytest.mark.parametrize("is_shared", [False, True])
def test_layers_of_equal_structure_in_a_row(is_shared):
    graph = record(Stack([4] * 16, is_shared), np.ones((2, 4)))
    (run,) = graph.root.boxes
    assert run.name == ("layers.0, calls 1 to 15" if is_shared else "layers.0 to 14")
    assert run.turns == len(run.boxes) == 15
    assert all(box.label == "Affine(4, 4)" and not box.is_run for box in run.boxes)


def test_layers_of_other_sizes_are_not_gathered():
    graph = record(Stack(range(2, 17)), np.ones((2, 2)))
    assert [box.turns for box in graph.boxes] == [0] * 14


def test_many_arrays_from_one_closed_box_to_another_go_as_one():
    def f(x):
        ys = [hg.sin(x * float(i)) for i in range(30)]
        total = ys[0]
        for y in ys[1:]:
            total = total + y
        return total

    seen = scene(record(f, 0.5), depth=0)
    assert [arrow.count for arrow in seen.arrows] == [1, 30, 1]
