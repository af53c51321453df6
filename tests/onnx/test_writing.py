"""What is written for ONNX, run by onnxruntime: the numbers of handgrad, of any number of examples."""

from __future__ import annotations

import re

import numpy as np
import pytest

import handgrad as hg
from handgrad import models
from handgrad.layers import Affine, BatchNorm, Conv2d, Dropout, Layer, Sequential
from handgrad.tree import leaves, tree_map
from tests.program.test_every_rule import splits
from tests.rules.cases import BEYOND_SOME, CASES

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnxruntime

from handgrad.onnx import OnnxError

r = np.random.default_rng(0)
IMAGE = r.normal(size=(2, 1, 8, 8)).astype("f")
SYMBOLS = r.integers(11, size=(2, 5))
MODELS = {
    "mlp": (lambda: models.mlp([64, 5, 3], batch_norm=True, dropout=0.2, seed=0), IMAGE),
    "lenet": (lambda: models.lenet((1, 8, 8), seed=0), IMAGE),
    "resnet": (lambda: models.ResNet((1, 8, 8), seed=0), IMAGE),
    "mixer": (lambda: models.Mixer((1, 8, 8), blocks=1, seed=0), IMAGE),
    "vae": (lambda: models.VAE(seed=0), r.random((2, 784), "f")),
    "unet": (lambda: models.UNet(width=8, levels=1, seed=0), IMAGE),
    "gpt": (lambda: models.GPT(11, 8, 16, 2, 1, dropout=0.1, seed=0), SYMBOLS),
    "char_lstm": (lambda: models.char_lstm(11, 5, 6, 7, seed=0), SYMBOLS),
}
NOT_THERE = """
inv slogdet svd cholesky eigh expm solve solve_triangular qr pinv random_uniform
""".split()  # operations of programs that ONNX has no operators for


def run(model, *xs):
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    return session.run(None, dict(zip([i.name for i in session.get_inputs()], xs, strict=True)))


def same(got, wanted, tolerance=1e-5):
    for a, b in zip(got, map(np.asarray, wanted), strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def moved(net):
    """Statistics as after some training."""
    states = {
        name: np.abs(r.normal(size=s.shape)).astype(s.dtype) + 0.5 if s.dtype.kind == "f" else s
        for name, s in net.states().items()
    }
    net.load_states(states)
    return net


@pytest.mark.parametrize("name", MODELS)
def test_each_model_is_what_onnxruntime_computes(name):
    make, x = MODELS[name]
    net = moved(make())
    model = hg.to_onnx(net, x, batch="N")
    for examples in (x, np.resize(x, (5, *x.shape[1:])), x[:1]):
        out = net.bind().evaluate()(examples)
        same(run(model, examples), out if isinstance(out, tuple) else (out,))
    names = {t.name for t in model.graph.initializer}
    assert set(net.parameters()) <= names


@pytest.mark.parametrize("name", ["mlp", "lenet", "gpt", "char_lstm"])
def test_what_is_written_is_read_again(name):
    make, x = MODELS[name]
    net = moved(make())
    again = hg.from_onnx(hg.to_onnx(net, x).SerializeToString())
    same([again(x)], [net.bind().evaluate()(x)])
    assert {k: p.shape for k, p in again.parameters().items()} == {
        k: p.shape for k, p in net.parameters().items()
    }
    assert set(again.states()) <= set(net.states())


SOME = [case for case in CASES if case.id not in BEYOND_SOME]


@pytest.mark.parametrize("case", SOME[::2], ids=lambda case: case.id)
def test_some_rules(case):
    check_rule(case, with_gradients=False)


@pytest.mark.parametrize("case", SOME[::8], ids=lambda case: case.id)
def test_some_rules_and_their_gradients(case):
    check_rule(case, with_gradients=True)


@pytest.mark.slow
@pytest.mark.parametrize("with_gradients", [False, True], ids=["forward", "gradients"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_each_rule(case, with_gradients):
    check_rule(case, with_gradients)


@pytest.mark.filterwarnings("ignore")
def check_rule(case, with_gradients):
    inputs, constant = splits(case)
    arrays, constant = (tree_map(in_float32, part) for part in (inputs, constant))

    def forward(*xs):
        return case.rule(*xs, *constant, **case.options)

    def both(xs, dout):
        out, backward = case.rule.vjp(*xs, *constant, **case.options)
        return out, backward(dout)

    with np.errstate(all="ignore"):
        wanted = forward(*arrays)
        given = tuple(arrays)
        if with_gradients:
            dout = tree_map(lambda o: r.standard_normal(np.shape(o)).astype(np.result_type(o)), wanted)
            given = (tuple(arrays), dout)
            wanted = both(*given)
    try:
        model = hg.to_onnx(both if with_gradients else forward, *given, batch=None)
    except OnnxError as error:
        if re.match(f"ONNX has no operators for ({'|'.join(NOT_THERE)})", str(error)):
            return
        raise
    xs = [x for x in leaves(given) if hasattr(x, "dtype")]
    same(run(model, *xs), [x for x in leaves(wanted) if x is not None])


def in_float32(x):
    if isinstance(x, (int, float)) and not isinstance(x, bool):
        x = np.asarray(x)
    return x.astype("f") if getattr(x, "dtype", np.dtype(int)).kind == "f" else x


def test_a_step_of_training_is_a_model_too():
    net = Sequential(Affine(4, 5, seed=0), Affine(5, 3, seed=1))
    x, t = r.normal(size=(6, 4)).astype("f"), r.integers(3, size=6)

    def step(params, x, t):
        return hg.value_and_grad(lambda p: hg.softmax_cross_entropy(net.bind(p)(x), t))(params)

    params = net.parameters()
    model = hg.to_onnx(step, params, x, t, batch=None)
    same(run(model, *leaves(params), x, t), leaves(step(params, x, t)), 1e-5)


class Grown(Layer):
    """What hangs on the number of examples."""

    def forward(self, x):
        return x * np.arange(x.shape[0], dtype="f")[:, None]


def test_what_holds_for_one_number_of_examples_says_so():
    x = np.ones((3, 2), "f")
    model = hg.to_onnx(Grown(), x)
    assert [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim] == [3, 2]
    same(run(model, x), [Grown()(x)])
    with pytest.raises(OnnxError, match=r"its batch is not free: a constant of shape .* number of examples"):
        hg.to_onnx(Grown(), x, batch="N")


def test_sizes_that_follow_the_batch_need_not_be_first():
    def f(x):  # (N, 2, 3) -> (3, 2·N)
        turned = hg.transpose(hg.reshape(x, (x.shape[0] * 2, 3)))
        return hg.concatenate([turned, hg.broadcast_to(np.ones((3, 1), "f"), (3, x.shape[0]))], axis=1)

    x = r.normal(size=(4, 2, 3)).astype("f")
    model = hg.to_onnx(f, x, batch="N")
    same(run(model, x[:3]), [f(x[:3])])
    assert [d.dim_param or d.dim_value for d in model.graph.output[0].type.tensor_type.shape.dim] == [
        3,
        "3*N",
    ]


def test_convolutions_and_pooling_are_nodes_of_that_name():
    model = hg.to_onnx(models.lenet((1, 8, 8), seed=0), IMAGE)
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("Conv") == 2
    assert kinds.count("MaxPool") == 2
    assert "Gather" not in kinds


def test_all_that_is_missing_is_named_at_once():
    def f(A):
        return hg.cholesky(A) + hg.inv(A) + hg.expm(A)

    with pytest.raises(OnnxError) as caught:
        hg.to_onnx(f, np.eye(3, dtype="f"), batch=None)
    for what in ("cholesky (in cholesky)", "inv (in inv)", "expm (in expm)"):
        assert what in str(caught.value)


def test_a_file_and_names(tmp_path):
    net = Sequential(Conv2d(1, 2, 3, seed=0), BatchNorm(2), Dropout(0.5))
    x = IMAGE[:, :, :5, :5]
    model = hg.to_onnx(net, x, path=tmp_path / "net.onnx", inputs=["images"], outputs=["features"])
    assert (tmp_path / "net.onnx").read_bytes() == model.SerializeToString()
    assert (model.graph.input[0].name, model.graph.output[0].name) == ("images", "features")
    assert net.training is None  # the layer itself is as it was


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda net, x: hg.to_onnx(net), "needs an example"),
        (lambda net, x: hg.to_onnx(net, x, batch=7), 'batch is "auto", "N" or None'),
        (lambda net, x: hg.to_onnx(net, x, inputs=["a", "b"]), "each of 1 arrays once"),
        (lambda net, x: hg.to_onnx(net, x, outputs=[]), "each of 1 arrays once"),
        (lambda net, x: hg.to_onnx(lambda x: x if x[0, 0] > 0 else -x, x), "no value to branch on"),
    ],
)
def test_what_cannot_be_is_said(call, said):
    with pytest.raises((TypeError, ValueError), match=said):
        call(Affine(2, 3), np.ones((4, 2), "f"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_in_both_dtypes(dtype):
    net = models.mlp([3, 4, 2], "gelu" if dtype is np.float32 else "relu", seed=0, dtype=dtype)
    x = r.normal(size=(2, 3)).astype(dtype)
    same(run(hg.to_onnx(net, x), x), [net(x)], 1e-6)
