"""A model of ONNX as a layer: differentiated, trained, checked, shown, compiled; what is said of others."""

from __future__ import annotations

import copy

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Affine, BatchNorm, Conv2d, Flatten, ReLU, Sequential
from handgrad.optim import Adam
from handgrad.train import Trainer

pytest.importorskip("onnx")

import onnx
from onnx import TensorProto, helper, numpy_helper

from handgrad.onnx import OnnxError

r = np.random.default_rng(0)
FLOATS = TensorProto.FLOAT


def model(nodes, inputs, outputs, initial=None, **more):
    """The file of a graph."""
    described = [
        [helper.make_tensor_value_info(name, FLOATS, own) for name, own in given.items()]
        for given in (inputs, outputs)
    ]
    weights = [numpy_helper.from_array(x, name) for name, x in (initial or {}).items()]
    graph = helper.make_graph(nodes, "test", *described, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], **more).SerializeToString()


W, B, SCALE, MEAN = (
    r.normal(size=(2, 1, 3, 3)).astype("f"),
    r.normal(size=2).astype("f"),
    np.ones(2, "f"),
    np.full(2, 0.25, "f"),
)
U, C = r.normal(size=(3, 18)).astype("f"), r.normal(size=3).astype("f")


@pytest.fixture(scope="module")
def small():
    """Conv, BatchNormalization, Relu, Flatten, Gemm."""
    node = helper.make_node
    return model(
        [
            node("Conv", ["x", "W", "b"], ["h"], name="/body/conv/Conv"),
            node("BatchNormalization", ["h", "scale", "shift", "mean", "var"], ["n"], name="/body/norm/BN"),
            node("Relu", ["n"], ["a"], name="/body/Relu"),
            node("Flatten", ["a"], ["f"]),
            node("Gemm", ["f", "U", "c"], ["y"], transB=1),
        ],
        {"x": ["N", 1, 5, 5]},
        {"y": ["N", 3]},
        {"W": W, "b": B, "scale": SCALE, "shift": B, "mean": MEAN, "var": SCALE, "U": U, "c": C},
    )


def by_hand():
    net = Sequential(Conv2d(1, 2, 3), BatchNorm(2), ReLU(), Flatten(), Affine(18, 3)).evaluate()
    net.load_parameters({"0.W": W, "0.b": B, "1.gamma": SCALE, "1.beta": B, "4.W": U.T.copy(), "4.b": C})
    net.load_states({"1.running_mean": MEAN.astype("d"), "1.running_var": SCALE.astype("d")})
    return net


def test_its_weights_are_parameters_by_their_names(small):
    net = hg.from_onnx(small)
    assert list(net.parameters()) == ["W", "b", "scale", "shift", "U", "c"]
    assert list(net.states()) == ["mean", "var"]
    assert (net.inputs, net.outputs) == (("x",), ("y",))
    x = r.normal(size=(4, 1, 5, 5)).astype("f")
    np.testing.assert_allclose(net(x), by_hand()(x), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(net(x=x), net(x))


def test_it_is_differentiated(small):
    net, ours = hg.from_onnx(small, dtype=np.float64), by_hand()
    x, t = r.normal(size=(4, 1, 5, 5)), np.array([0, 2, 1, 0])

    def loss(net):
        return lambda p: hg.softmax_cross_entropy(net.bind(p)(x), t)

    got = hg.grad(loss(net))(net.parameters())
    wanted = hg.grad(loss(ours))({k: p.astype("d") for k, p in ours.parameters().items()})
    pairs = {"W": "0.W", "b": "0.b", "scale": "1.gamma", "shift": "1.beta", "c": "4.b"}
    for own, their in pairs.items():
        np.testing.assert_allclose(got[own], wanted[their], rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(got["U"].T, wanted["4.W"], rtol=1e-10, atol=1e-12)


def test_it_is_compiled_and_shown(small, recwarn):
    net = hg.from_onnx(small)
    x = r.normal(size=(4, 1, 5, 5)).astype("f")
    np.testing.assert_allclose(hg.compile(net.bind())(x), net(x), rtol=1e-5, atol=1e-6)
    assert not recwarn.list  # all of it is native code
    picture = str(hg.show(net, x))
    assert "body.conv" in picture
    assert "W: parameter" in picture


def test_it_is_checked():
    gemm, tanh = (
        helper.make_node("Gemm", ["x", "U", "c"], ["h"], transB=1),
        helper.make_node("Tanh", ["h"], ["y"]),
    )
    data = model([gemm, tanh], {"x": ["N", 18]}, {"y": ["N", 3]}, {"U": U, "c": C})
    report = hg.check(hg.from_onnx(data, np.float64), r.normal(size=(2, 18)))
    assert report.ok
    assert "U (3, 18): right" in str(report)


@pytest.mark.parametrize("engine", ["numpy", "native"])
def test_it_is_trained_further(small, engine):
    net = hg.from_onnx(small)
    before = {k: p.copy() for k, p in net.parameters().items()}
    x, t = r.normal(size=(40, 1, 5, 5)).astype("f"), r.integers(3, size=40)
    trainer = Trainer(net, hg.softmax_cross_entropy, Adam(0.02), engine=engine)
    records = trainer.fit(x, t, epochs=20, batch_size=10)
    assert records[-1]["loss"] < 0.5 * records[0]["loss"]
    assert all((before[k] != p).any() for k, p in net.parameters().items())


def test_it_is_saved_copied_and_loaded(small, tmp_path):
    net, other = hg.from_onnx(small), hg.from_onnx(small)
    net.load_parameters({k: p + 1 for k, p in net.parameters().items()})
    hg.save(net, tmp_path / "net.safetensors")
    hg.load(other, tmp_path / "net.safetensors")
    x = np.ones((1, 1, 5, 5), "f")
    np.testing.assert_array_equal(other(x), net(x))
    np.testing.assert_array_equal(copy.deepcopy(net)(x), net(x))


def test_weights_in_constants_and_in_graphs_inside_are_parameters():
    node, tensor = helper.make_node, numpy_helper.from_array
    branch = lambda w, name: helper.make_graph(  # noqa: E731
        [node("Mul", ["x", name], [f"{name}_out"])],
        name,
        [],
        [helper.make_tensor_value_info(f"{name}_out", FLOATS, [2])],
        [tensor(np.array(w, "f"), name)],
    )
    up, down = branch([1, 2], "up"), branch([3, 4], "down")
    data = model(
        [
            node("Constant", [], ["shift"], value=tensor(np.array([5, 7], "f"))),
            node("Constant", [], ["half"], value=tensor(np.array(0.5, "f"))),
            node("ReduceSum", ["x"], ["total"], keepdims=0),
            node("Greater", ["total", "half"], ["is_large"]),
            node(
                "If",
                ["is_large"],
                ["made"],
                then_branch=up,
                else_branch=down,
            ),
            node("Add", ["made", "shift"], ["y"]),
        ],
        {"x": [2]},
        {"y": [2]},
    )
    net = hg.from_onnx(data)
    assert sorted(net.parameters()) == ["down", "shift", "up"]
    np.testing.assert_array_equal(net(np.array([1, 1], "f")), [6, 9])
    np.testing.assert_array_equal(net(np.array([-1, -1], "f")), [2, 3])
    net.load_parameters({**net.parameters(), "up": np.array([10, 20], "f")})
    np.testing.assert_array_equal(net(np.array([1, 1], "f")), [15, 27])


def test_functions_of_the_model_are_its_own_operators():
    node = helper.make_node
    slope = onnx.AttributeProto()
    slope.name, slope.ref_attr_name, slope.type = "alpha", "slope", onnx.AttributeProto.FLOAT
    leaky = node("LeakyRelu", ["a"], ["b"])
    leaky.attribute.append(slope)
    own = helper.make_function("mine", "Twice", ["a"], ["c"], [leaky, node("Add", ["b", "b"], ["c"])],
                               [helper.make_opsetid("", 18)], ["slope"])  # fmt: skip
    use = node("Twice", ["x"], ["y"], domain="mine", slope=0.25)
    net = hg.from_onnx(model([use], {"x": [2]}, {"y": [2]}, functions=[own]))
    np.testing.assert_array_equal(net(np.array([-4, 3], "f")), [-2, 6])


def test_all_that_is_missing_is_named_at_once():
    node = helper.make_node
    data = model(
        [
            node("NonMaxSuppression", ["x", "x"], ["a"], name="boxes"),
            node("Fancy", ["x"], ["b"], domain="com.example", name="one"),
            node("Fancy", ["x"], ["c"], domain="com.example", name="two"),
            node("Relu", ["x"], ["d"], name="rectified", alpha=3.0),
            node("RNN", ["x", "x", "x"], ["e"], name="loop", hidden_size=1, activations=["Affine"]),
            node("Relu", ["x"], ["y"]),
        ],
        {"x": [2]},
        {"y": [2]},
    )
    with pytest.raises(OnnxError) as caught:
        hg.from_onnx(data)
    for said in ("NonMaxSuppression (boxes)", "com.example:Fancy (one, two)", "Relu with alpha (rectified)",
                 "RNN with activations Affine (loop)"):  # fmt: skip
        assert said in str(caught.value)


@pytest.mark.parametrize(
    ("xs", "named", "said"),
    [
        ((), {}, r"it takes 1 inputs, x \(any, 1, 5, 5\), and got 0 in order"),
        ((1, 2), {}, "got 2 in order"),
        ((np.ones((1, 1, 5, 5), "f"),), {"z": 1}, "and z by name"),
        ((np.ones((1, 1, 5), "f"),), {}, r"'x' is of shape \(any, 1, 5, 5\), got \(1, 1, 5\)"),
        ((np.ones((1, 2, 5, 5), "f"),), {}, r"got \(1, 2, 5, 5\)"),
        ((np.ones((1, 1, 5, 5), complex),), {}, "is of float32, got complex128"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(small, xs, named, said):
    with pytest.raises(OnnxError, match=said):
        hg.from_onnx(small)(*xs, **named)


def test_a_node_that_cannot_be_computed_is_named():
    product = helper.make_node("MatMul", ["x", "w"], ["y"], name="product")
    data = model([product], {"x": ["N", "D"]}, {"y": ["N", 2]}, {"w": np.ones((3, 2), "f")})
    with pytest.raises(OnnxError, match=r"MatMul 'product' of \(4, 5\), \(3, 2\): "):
        hg.from_onnx(data)(np.ones((4, 5), "f"))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "its graph has no outputs"),
        (b"no such thing", "is no file of ONNX, or damaged"),
        (
            model([helper.make_node("Relu", ["z"], ["y"])], {"x": [1]}, {"y": [1]}),
            "reads 'z', which nothing before",
        ),
        (
            model([helper.make_node("Relu", ["x"], ["z"])], {"x": [1]}, {"y": [1]}),
            "nothing makes its output 'y'",
        ),
    ],
)
def test_what_is_not_sound_is_said(data, said, tmp_path):
    with pytest.raises(OnnxError, match=said):
        hg.from_onnx(data)
    (tmp_path / "bad.onnx").write_bytes(data)
    with pytest.raises(OnnxError, match=f"bad.onnx.*{said}"):
        hg.from_onnx(tmp_path / "bad.onnx")


def test_a_file_that_is_not_there():
    with pytest.raises(FileNotFoundError):
        hg.from_onnx("no/such/file.onnx")


def test_arrays_in_a_file_beside_it(small, tmp_path):
    proto = onnx.ModelProto.FromString(small)
    onnx.save_model(
        proto, str(tmp_path / "m.onnx"), save_as_external_data=True, location="m.data", size_threshold=0
    )
    x = np.ones((1, 1, 5, 5), "f")
    np.testing.assert_array_equal(hg.from_onnx(tmp_path / "m.onnx")(x), hg.from_onnx(small)(x))
    (tmp_path / "m.data").unlink()
    with pytest.raises(OnnxError, match="in a file beside it, cannot be read"):
        hg.from_onnx(tmp_path / "m.onnx")
