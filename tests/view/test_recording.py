"""What is recorded to be looked at: rules, arrays, gradients by path, boxes, verdicts."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Affine, BatchNorm, Dropout, Layer, MulLayer, ReLU, Sequential, mlp
from handgrad.tape import scope
from handgrad.view.boxes import MOST
from handgrad.view.graph import CONSTANT, INPUT, PARAMETER
from handgrad.view.recording import record
from tests.view.graphs import apples

rng = np.random.default_rng(0)


def named(graph):
    return {array.name: array for array in graph.arrays}


def test_the_notebooks_numbers():
    graph = record(apples, 100, 2, 300)
    assert [(op.name, op.label) for op in graph.ops] == [("multiply", "×"), ("add", "+")]
    assert {a.name: (a.value, a.grad) for a in graph.arrays} == {
        "x1": (100, 2),
        "x2": (2, 100),
        "x3": (300, 1),
        "multiply": (200, 1),
        "out": (500, 1),
    }


@pytest.mark.parametrize("seed", range(8))
def test_every_gradient_is_the_one_of_vjp(seed):
    rng = np.random.default_rng(seed)
    net = mlp([5, 7, 4, 3], activation="tanh", seed=seed, dtype=np.float64)
    x, t = rng.standard_normal((6, 5)), rng.integers(3, size=6)
    graph = record(net, x, loss=hg.softmax_cross_entropy, t=t)

    def loss(params, x):
        return hg.softmax_cross_entropy(net.bind(params)(x), t)

    value, (grads, dx) = hg.value_and_grad(loss, argnums=(0, 1))(net.parameters(), x)
    found = named(graph)
    np.testing.assert_array_equal(found["x"].grad, dx)
    assert found["loss"].value == value
    assert grads.keys() == {a.name for a in graph.arrays if a.role == PARAMETER}
    for name, grad in grads.items():
        np.testing.assert_array_equal(found[name].grad, grad)


def test_paths_add_up_to_the_whole():
    def f(x, W):
        h = hg.tanh(x @ W)
        return hg.sum(h * h + hg.exp(h) - x)

    graph = record(f, rng.standard_normal((3, 3)), rng.standard_normal((3, 3)))
    several = [a for a in graph.arrays if len([u for u in a.uses if u.dx is not None]) > 1]
    assert {a.name for a in several} == {"x", "h"}
    for array in graph.arrays:
        dxs = [use.dx for use in array.uses if use.dx is not None]
        if dxs:
            np.testing.assert_allclose(sum(dxs), array.grad, rtol=1e-14)


def test_an_array_that_does_not_matter_has_no_gradient():
    graph = record(lambda x, y: (x + 1.0, hg.sum(y))[0], 1.5, 2.5)
    assert {a.name for a in graph.arrays} == {"x", "out"}, "what the output does not come from is not drawn"
    compared = record(lambda x, y: x * (y > 2.0), 1.5, 2.5)
    assert named(compared)["x"].grad == 1


def test_a_variable_that_was_recorded():
    x = hg.variable([[1.0, 2.0], [3.0, 4.0]], name="x")
    y = np.sum(np.tanh(x) * x**2)
    graph = record(y)
    assert [op.label for op in graph.ops] == ["tanh", "power 2", "×", "sum"]
    y.backward()
    np.testing.assert_array_equal(named(graph)["x"].grad, x.grad)
    assert named(graph)["x"].role == INPUT


def test_a_dout_of_its_own():
    x, dout = rng.standard_normal(4), rng.standard_normal(4)
    graph = record(hg.sin, x, dout=dout)
    np.testing.assert_allclose(named(graph)["x"].grad, np.cos(x) * dout, rtol=1e-15)
    with pytest.raises(ValueError, match=r"dout has \(3,\); the outputs have \(4,\)"):
        record(hg.sin, x, dout=dout[:3])


def test_several_outputs_and_nested_inputs():
    graph = record(lambda x: hg.split(x, 2), rng.standard_normal((4, 3)))
    assert [a.name for a in graph.outputs] == ["out[0]", "out[1]"]
    joined = record(hg.concatenate, [np.ones(2), np.zeros(3)])
    assert [use.name for use in joined.ops[0].inputs] == ["arrays[0]", "arrays[1]"]
    assert [a.name for a in joined.arrays if a.maker is None] == ["arrays[0]", "arrays[1]"]


def test_a_layer_by_hand_is_recorded_through_its_forward():
    graph = record(MulLayer(), 100, 2)
    assert [op.name for op in graph.ops] == ["multiply"]
    assert [a.grad for a in graph.arrays if a.maker is None] == [2, 100]


def test_integers_are_numbers_only_where_nothing_else_is():
    alone = record(apples, np.array([100, 101]), np.array([2, 3]), np.array([300, 301]))
    np.testing.assert_array_equal(named(alone)["x1"].grad, [2, 3])
    beside = record(lambda x, i: hg.take(x, i), rng.standard_normal(5), np.array([1, 1]))
    assert named(beside)["i"].grad is None
    np.testing.assert_array_equal(named(beside)["x"].grad, [0, 2, 0, 0, 0])


def test_roles_names_and_the_batch():
    net = mlp([4, 3, 2], seed=0)
    graph = record(
        net, rng.standard_normal((5, 4)), loss=hg.softmax_cross_entropy, t=np.array([0, 1, 1, 0, 1])
    )
    roles = {a.name: a.role for a in graph.arrays if a.maker is None}
    assert roles == {"x": INPUT, "t": INPUT, **dict.fromkeys(net.parameters(), PARAMETER)}
    assert {a.name for a in graph.arrays if a.per_example} == {"x", "t", "reshape", "affine", "relu"}
    masked = record(lambda x: x * np.arange(3.0) + np.float64(2), rng.standard_normal((5, 3)))
    assert [a.role for a in masked.arrays if a.maker is None] == [INPUT, CONSTANT]
    assert masked.ops[1].label == "+ 2.0"


class Twice(Layer):
    """A layer that is called twice, inside another."""

    def __init__(self):
        self.inner = Sequential(Affine(3, 3, seed=0), ReLU())

    def forward(self, x):
        return self.inner(self.inner(x))


def test_boxes_are_the_calls_of_layers():
    graph = record(Twice(), rng.standard_normal((2, 3)))
    assert [(box.name, box.label) for box in graph.boxes] == [
        ("inner (call 1)", "Sequential"),
        ("inner.0 (call 1)", "Affine(3, 3)"),
        ("inner.1 (call 1)", "ReLU"),
        ("inner (call 2)", "Sequential"),
        ("inner.0 (call 2)", "Affine(3, 3)"),
        ("inner.1 (call 2)", "ReLU"),
    ]
    assert graph.boxes[1].parent is graph.boxes[0]
    assert graph.boxes[0].parent is graph.root
    assert {a.name for a in graph.root.leaves} == {"x", "inner.0.W", "inner.0.b"}, "shared by both calls"
    assert [op.number for op in graph.boxes[3].all_ops()] == [2, 3]


def test_a_scope_is_a_box():
    def f(x):
        with scope("first half"):
            y = hg.sin(x)
        with scope("second half"), scope("of it"):
            return hg.cos(y)

    graph = record(f, 1.0)
    assert [(box.name, box.parent.name) for box in graph.boxes] == [
        ("first half", ""),
        ("second half", ""),
        ("of it", "second half"),
    ]


@pytest.mark.parametrize("n", [MOST, MOST + 1, 5000])
def test_long_runs_are_folded(n):
    def f(x):
        for _ in range(n):
            x = hg.sin(x)
        return x

    graph = record(f, 0.5)
    assert [op.number for op in graph.root.all_ops()] == list(range(n))
    for box in (graph.root, *graph.boxes):
        assert len(box.ops) + len(box.boxes) <= 1.3 * MOST
        numbers = [op.number for op in box.all_ops()]
        assert numbers == list(range(numbers[0], numbers[-1] + 1)), "what follows one another"
    assert [(box.turns, box.is_run) for box in graph.root.boxes] == [(n, True)]
    assert (len(graph.boxes) > 1) == (n > MOST)


def test_a_chain_of_many_rules_is_no_recursion():
    def f(x):
        for _ in range(30_000):
            x = x + 1.0
        return x

    graph = record(f, 0.5)
    assert len(graph.ops) == 30_000
    assert named(graph)["x"].grad == 1.0


def test_the_lines_that_used_a_rule():
    def f(x):
        y = hg.sin(x)
        return np.exp(y)

    graph = record(f, 0.5)
    first = f.__code__.co_firstlineno
    assert [op.places for op in graph.ops] == [[(__file__, first + 1)], [(__file__, first + 2)]]
    net = record(Twice(), rng.standard_normal((2, 3)))
    [own, users] = net.ops[0].places
    assert own[0].endswith("layers/standard.py")
    assert users == (__file__, Twice.forward.__wrapped__.__code__.co_firstlineno + 1)


def test_states_stay_as_they_are():
    net = Sequential(Affine(3, 3, seed=0), BatchNorm(3), Dropout(0.5, seed=1)).train()
    before = {name: np.array(x) for name, x in net.states().items()}
    record(net, rng.standard_normal((4, 3)))
    for name, x in net.states().items():
        np.testing.assert_array_equal(x, before[name])


def test_a_network_without_a_mode_says_so():
    with pytest.raises(RuntimeError, match="call train\\(\\) or evaluate\\(\\) first"):
        record(Sequential(Dropout(0.5)), rng.standard_normal((4, 3)))


def test_nothing_to_show():
    with pytest.raises(TypeError, match=r"there is nothing to show in 3: give a network"):
        record(3, 4)
    with pytest.raises(TypeError, match="no rule computed anything from its inputs"):
        record(lambda x: x, 1.0)
    with pytest.raises(TypeError, match="no rule computed anything from its inputs"):
        record(lambda x: 2.0, 1.0)


def test_verdicts_of_the_checker():
    @hg.rule
    def half(x):
        def backward(dout):
            return dout

        return x / 2, backward

    graph = record(lambda x: hg.sin(half(x)), rng.standard_normal(5), check=20.0)
    wrong, right = (op.verdict for op in graph.ops)
    assert wrong.kind == "wrong"
    assert wrong.text.startswith("wrong: dx is 2 times what it should be on all 5 elements")
    assert right.kind == "right"
    assert right.text.startswith("proven to 1")
    assert all(op.verdict is None for op in record(hg.sin, 0.5).ops)
    late = record(lambda x: hg.exp(hg.sin(x)), rng.standard_normal(5), check=1e-9).ops[-1].verdict
    assert (late.kind, late.text) == ("unchecked", "not checked")


def test_rules_on_arrays_of_other_libraries():
    torch = pytest.importorskip("torch")
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    graph = record(lambda x: hg.sum(hg.tanh(x)), x)
    np.testing.assert_allclose(named(graph)["x"].grad.numpy(), 1 - np.tanh(x.numpy()) ** 2, rtol=1e-14)
