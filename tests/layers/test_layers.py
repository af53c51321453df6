import copy
import pickle

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import (
    ACTIVATIONS,
    Affine,
    BatchNorm,
    Dropout,
    Flatten,
    Layer,
    ReLU,
    Sequential,
    Tanh,
    history,
    mlp,
)
from handgrad.layers.untrained import check_parameters, untrained
from handgrad.program import trace

F8 = np.float64


@pytest.fixture
def rng():
    return np.random.default_rng(3)


def numeric(f, x, dout, h=1e-6):
    grad = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[place] += h
        down[place] -= h
        grad[place] = np.sum(dout * (f(up) - f(down))) / (2 * h)
    return grad


def assert_backward_is_right(net, x, rng):
    """dx and every entry of grads, by hand, against differences."""
    states = net.states()
    y = net.forward(x)
    dout = rng.standard_normal(y.shape)
    dx = net.backward(dout)
    np.testing.assert_allclose(
        dx, numeric(lambda x: net.bind(states=states)(x), x, dout), rtol=1e-6, atol=1e-8
    )
    for name, p in net.parameters().items():

        def of_one(p, name=name):
            return net.bind({**net.parameters(), name: p}, states)(x)

        np.testing.assert_allclose(net.grads[name], numeric(of_one, p, dout), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_networks_by_hand(activation, rng):
    net = mlp([6, 5, 4, 3], activation, batch_norm=True, dropout=0.3, seed=1, dtype=F8).train()
    assert_backward_is_right(net, rng.standard_normal((4, 2, 3)), rng)


class Residual(Layer):
    def __init__(self, D, seed):
        self.inner = Affine(D, D, seed=seed, dtype=F8)
        self.params = {"scale": np.full(D, 0.7)}

    def forward(self, x):
        return x + self.params["scale"] * hg.tanh(self.inner(x))


def test_a_layer_of_one_s_own(rng):
    net = Sequential(Residual(3, 0), Residual(3, 1))
    assert list(net.parameters()) == [
        "0.scale",
        "0.inner.W",
        "0.inner.b",
        "1.scale",
        "1.inner.W",
        "1.inner.b",
    ]
    assert_backward_is_right(net, rng.standard_normal((5, 3)), rng)
    assert list(net[0].grads) == ["scale", "inner.W", "inner.b"]
    np.testing.assert_array_equal(net[0].inner.grads["W"], net.grads["0.inner.W"])


class Inherits(Residual):
    def forward(self, x):
        return 2 * super().forward(x)


def test_super_forward(rng):
    assert_backward_is_right(Inherits(3, 0), rng.standard_normal((2, 3)), rng)


class TwoWays(Layer):
    """Lists and dicts of layers, two inputs, two uses of one layer."""

    def __init__(self):
        self.shared = Affine(3, 3, seed=5, dtype=F8)
        self.parts = [self.shared, Tanh()]
        self.named = {"out": Affine(3, 2, seed=6, dtype=F8)}

    def forward(self, x, y):
        for part in self.parts:
            x = part(x)
        return self.named["out"](self.shared(x) + y)


def test_shared_layers_and_several_inputs(rng):
    net = TwoWays()
    assert list(net.parameters()) == ["shared.W", "shared.b", "named.out.W", "named.out.b"]
    x, y, dout = rng.standard_normal((4, 3)), rng.standard_normal((4, 3)), rng.standard_normal((4, 2))
    net.forward(x, y)
    dx, dy = net.backward(dout)
    np.testing.assert_allclose(dx, numeric(lambda x: net(x, y), x, dout), rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(dy, numeric(lambda y: net(x, y), y, dout), rtol=1e-6, atol=1e-9)
    W = net.parameters()["shared.W"]
    moved = numeric(lambda W: net.bind({**net.parameters(), "shared.W": W})(x, y), W, dout)
    np.testing.assert_allclose(net.grads["shared.W"], moved, rtol=1e-6, atol=1e-9)


def test_one_layer_used_twice_answers_last_first(rng):
    layer = Affine(3, 2, seed=0, dtype=F8)
    x1, x2, d = rng.standard_normal((4, 3)), rng.standard_normal((5, 3)), rng.standard_normal
    layer.forward(x1)
    layer.forward(x2)
    d2, d1 = d((5, 2)), d((4, 2))
    layer.backward(d2)
    np.testing.assert_allclose(layer.grads["W"], x2.T @ d2)
    layer.backward(d1)
    np.testing.assert_allclose(layer.grads["W"], x1.T @ d1)


def test_calling_remembers_nothing(rng):
    layer = Affine(3, 2, seed=0)
    layer(rng.standard_normal((4, 3)))
    with pytest.raises(RuntimeError, match="Affine: backward before any forward"):
        layer.backward(np.ones((4, 2)))


def test_dout_of_another_shape(rng):
    layer = Affine(3, 2, seed=0)
    layer.forward(rng.standard_normal((4, 3)))
    with pytest.raises(ValueError, match=r"dout has shape \(4, 3\), but the output has \(4, 2\)"):
        layer.backward(np.ones((4, 3)))


def test_bind_is_pure(rng):
    net = mlp([4, 6, 3], batch_norm=True, dropout=0.5, seed=0).train()
    params, states = net.parameters(), {k: v.copy() for k, v in net.states().items()}
    bound = net.bind({name: p * 2 for name, p in params.items()})
    bound(rng.standard_normal((8, 4)))
    assert all(net.parameters()[name] is p for name, p in params.items())
    assert all(np.array_equal(net.states()[name], s) for name, s in states.items())
    assert not np.array_equal(bound.states()["2.running_mean"], states["2.running_mean"])


def test_gradients_through_bind_agree_with_backward(rng):
    net = mlp([4, 6, 3], "tanh", seed=0, dtype=F8)
    x, t = rng.standard_normal((8, 4)), rng.integers(3, size=8)

    def loss(params):
        return hg.softmax_cross_entropy(net.bind(params)(x), t)

    by_grad = hg.grad(loss)(net.parameters())
    y = net.forward(x)
    net.backward(hg.softmax_cross_entropy.vjp(y, t)[1](1.0)[0])
    for name, dp in by_grad.items():
        np.testing.assert_allclose(dp, net.grads[name], rtol=1e-12)


def test_networks_trace(rng):
    net = mlp([4, 6, 3], batch_norm=True, dropout=0.5, seed=0, dtype=F8).train()
    x, t = rng.standard_normal((8, 4)), rng.integers(3, size=8)

    def step(params, states, x, t):
        def loss(params):
            bound = net.bind(params, states)
            return hg.softmax_cross_entropy(bound(x), t), bound.states()

        return hg.value_and_grad(loss, has_aux=True)(params)

    hg.grad(hg.sum)(x)
    from handgrad.tree import leaves

    args = (net.parameters(), net.states(), x, t)
    for got, want in zip(leaves(trace(step, *args)(*args)), leaves(step(*args)), strict=True):
        np.testing.assert_array_equal(got, want)


def test_batch_norm_statistics(rng):
    layer = BatchNorm(3, momentum=0.25, dtype=F8).train()
    x = rng.standard_normal((10, 3, 4)) * 3 + 5
    y = layer(x)
    np.testing.assert_allclose(y.mean(axis=(0, 2)), 0, atol=1e-12)
    np.testing.assert_allclose(y.std(axis=(0, 2)), 1, rtol=1e-5)
    np.testing.assert_allclose(layer.state["running_mean"], 0.25 * x.mean(axis=(0, 2)))
    np.testing.assert_allclose(layer.state["running_var"], 0.75 + 0.25 * x.var(axis=(0, 2), ddof=1))
    before = {k: v.copy() for k, v in layer.state.items()}
    layer.evaluate()
    expected = (x - before["running_mean"][:, None]) / np.sqrt(before["running_var"][:, None] + 1e-5)
    np.testing.assert_allclose(layer(x), expected)
    assert all(np.array_equal(layer.state[k], v) for k, v in before.items())


def test_dropout(rng):
    layer = Dropout(0.25, seed=0).train()
    x = np.ones((200, 300))
    y = layer.forward(x)
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    assert abs((y == 0).mean() - 0.25) < 0.01
    np.testing.assert_array_equal(layer.backward(x), y)
    assert not np.array_equal(layer(x), y)
    assert Dropout(0.25, seed=0).train()(x).tolist() == y.tolist()
    assert layer.evaluate()(x) is x


@pytest.mark.parametrize("layer", [Dropout(0.5), BatchNorm(3)])
def test_the_mode_must_be_said(layer):
    with pytest.raises(RuntimeError, match=r"call train\(\) or evaluate\(\) first"):
        layer(np.ones((4, 3)))


def test_one_example_cannot_train_batch_norm():
    with pytest.raises(
        ValueError, match=r"BatchNorm needs two examples to train on, got x of shape \(1, 3\)"
    ):
        BatchNorm(3).train()(np.ones((1, 3)))


def test_shapes_that_do_not_fit_name_the_layer_and_both_shapes():
    net = mlp([4, 6, 3], seed=0)
    with pytest.raises(
        ValueError, match=r"Affine at '1' takes x of shape \(\.\.\., 4\) for W \(4, 6\), got \(2, 5\)"
    ):
        net(np.ones((2, 5)))
    with pytest.raises(
        ValueError, match=r"BatchNorm takes x of shape \(N, 3\) or \(N, 3, \.\.\.\), got \(2, 5\)"
    ):
        BatchNorm(3).train()(np.ones((2, 5)))


def test_errors_in_one_s_own_layer_carry_its_name():
    class Wrong(Layer):
        def forward(self, x):
            return hg.matmul(x, np.ones((7, 7)))

    with pytest.raises(ValueError, match=r"matmul\(x \(2, 3\), y \(7, 7\)\)") as caught:
        Sequential(ReLU(), Wrong())(np.ones((2, 3)))
    assert "in Wrong at '1'" in caught.value.__notes__


def test_repr_is_a_table():
    assert repr(mlp([784, 50, 10], seed=0)).splitlines() == [
        "layer  kind             parameters             count",
        "·      Sequential",
        "0      Flatten",
        "1      Affine(784, 50)  W (784, 50), b (50,)  39,250",
        "2      ReLU",
        "3      Affine(50, 10)   W (50, 10), b (10,)      510",
        "total                                         39,760",
    ]


def test_loading_checks_names_and_shapes():
    net = mlp([4, 3], seed=0)
    params = net.parameters()
    with pytest.raises(ValueError, match=r"missing 1\.b"):
        net.load_parameters({"1.W": params["1.W"]})
    with pytest.raises(ValueError, match="unknown extra"):
        net.load_parameters({**params, "extra": np.ones(3)})
    with pytest.raises(ValueError, match=r"1\.W has shape \(3, 4\), the network's has \(4, 3\)"):
        net.load_parameters({**params, "1.W": params["1.W"].T})


def test_a_chain_of_layers_in_any_leading_shape(rng):
    assert Affine(3, 2, seed=0)(rng.standard_normal(3)).shape == (2,)
    assert Affine(3, 2, seed=0)(rng.standard_normal((4, 5, 3))).shape == (4, 5, 2)
    assert Flatten()(rng.standard_normal((0, 2, 3))).shape == (0, 6)


def test_dtypes_and_seeds():
    assert Affine(3, 2, seed=0).params["W"].dtype == np.float32
    a, b = mlp([5, 4, 3], seed=7), mlp([5, 4, 3], seed=7)
    assert all(np.array_equal(p, b.parameters()[name]) for name, p in a.parameters().items())
    assert not np.array_equal(mlp([5, 4, 3], seed=8).parameters()["1.W"], a.parameters()["1.W"])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: mlp([3]), "at least two"),
        (lambda: mlp([3, 2, 1], "swoosh"), "activation is one of"),
        (lambda: Dropout(1.0), r"in \[0, 1\)"),
    ],
)
def test_arguments_that_make_no_network(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_only_layers_make_a_sequential():
    with pytest.raises(TypeError, match="Sequential is of layers, not function"):
        Sequential(lambda x: x)


class Nested(Layer):
    """Layers in every kind of nesting."""

    def __init__(self):
        made = [Affine(2, 2, seed=i, dtype=F8) for i in range(6)]
        self.blocks = [[made[0], [made[1]]], (made[2],)]
        self.named = {"a": {"b": [made[3]]}, "c": (made[4], [made[5], made[0]])}

    def layers(self):
        return [
            self.blocks[0][0], self.blocks[0][1][0], self.blocks[1][0],
            self.named["a"]["b"][0], self.named["c"][0], self.named["c"][1][0], self.named["c"][1][1],
        ]  # fmt: skip

    def forward(self, x):
        for layer in self.layers():
            x = hg.tanh(layer(x))
        return x


def test_layers_in_any_nesting_are_found_bound_differentiated_and_shown(rng):
    net = Nested()
    paths = ["blocks.0.0", "blocks.0.1.0", "blocks.1.0", "named.a.b.0", "named.c.0", "named.c.1.0"]
    assert list(net.parameters()) == [f"{path}.{key}" for path in paths for key in "Wb"]
    assert_backward_is_right(net, rng.standard_normal((3, 2)), rng)
    assert all(path in repr(net) for path in paths)
    bound = net.bind({name: 0 * p for name, p in net.parameters().items()})
    np.testing.assert_array_equal(bound(rng.standard_normal((3, 2))), np.zeros((3, 2)))
    assert bound.layers()[0] is bound.layers()[-1]
    assert net.train().layers()[1].training


class Tower(Sequential):
    def __init__(self):
        super().__init__(Affine(3, 3, seed=0, dtype=F8))
        self.head = Affine(3, 2, seed=1, dtype=F8)

    def forward(self, x):
        return self.head(super().forward(x))


def test_a_sequential_with_more_layers_beside(rng):
    assert list(Tower().parameters()) == ["0.W", "0.b", "head.W", "head.b"]
    assert_backward_is_right(Tower(), rng.standard_normal((4, 3)), rng)


class Masked(Layer):
    def __init__(self):
        self.inner = Affine(3, 3, seed=0, dtype=F8)

    def forward(self, x, *, mask=None, scale=1.0):
        y = self.inner(x)
        return scale * (y if mask is None else y * mask)


class Calls(Layer):
    def __init__(self):
        self.masked = Masked()

    def forward(self, x, y, mask):
        return self.masked(x, mask=mask) + self.masked(y, scale=3.0)


def test_calls_take_keywords(rng):
    layer, x, dout = Masked(), rng.standard_normal((4, 3)), rng.standard_normal((4, 3))
    mask = np.array([1.0, 0.0, 2.0])
    expected = 2.0 * layer.inner(x) * mask
    np.testing.assert_allclose(layer(x, mask=mask, scale=2.0), expected)
    np.testing.assert_allclose(layer.bind()(x, mask=mask, scale=2.0), expected)
    np.testing.assert_allclose(layer.forward(x, mask=mask, scale=2.0), expected)
    dx = layer.backward(dout)
    np.testing.assert_allclose(dx, (2 * dout * mask) @ layer.inner.params["W"].T)
    np.testing.assert_allclose(layer.grads["inner.W"], x.T @ (2 * dout * mask))
    with pytest.raises(TypeError, match="unexpected keyword argument 'msk'"):
        layer(x, msk=mask)


def test_inputs_given_by_keyword_have_their_gradients(rng):
    x, y, dout = (rng.standard_normal((4, 3)) for _ in range(3))
    mask = np.array([1.0, 0.0, 2.0])
    by_place, by_name = Calls(), Calls()
    by_place.forward(x, y, mask)
    by_name.forward(x, mask=mask, y=y)
    for a, b in zip(by_place.backward(dout), by_name.backward(dout), strict=True):
        np.testing.assert_array_equal(a, b)


def test_unanswered_forwards_do_not_fill_the_memory(rng, monkeypatch):
    monkeypatch.setattr(history, "MOST_BYTES", 100_000)
    net, x = mlp([20, 50, 10], seed=0), rng.standard_normal((100, 20)).astype("f")
    net.forward(x)
    assert 40_000 < net.history.held < 80_000
    with pytest.warns(UserWarning, match=r"Sequential: 2 forwards wait .* only the last 1 are kept"):
        net.forward(x)
    for _ in range(5):
        net.forward(x)
    assert len(net.history.kept) == 1
    net.backward(np.ones((100, 10), "f"))
    assert net.history.held == 0
    with pytest.raises(RuntimeError, match="since 6 waited too long"):
        net.backward(np.ones((100, 10), "f"))


def test_copies_and_pickles_of_a_layer_after_a_forward(rng):
    net, x = mlp([4, 3], seed=0), rng.standard_normal((2, 4))
    net.forward(x)
    for copied in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        np.testing.assert_array_equal(copied(x), net(x))
        with pytest.raises(RuntimeError, match="before any forward"):
            copied.backward(np.ones((2, 3)))


def test_eval_is_evaluate():
    assert mlp([4, 3, 2], dropout=0.5, seed=0).train().eval()[3].training is False


class OneHidden(Layer):
    layer_of_the_class = Affine(2, 2, seed=0)

    def __init__(self):
        self.W = np.ones((2, 3))
        self.deep = [{"b": np.ones(3)}]
        self.count, self.name, self.labels = np.arange(3), "x", np.float32(3.0)
        self.params = {"V": np.ones(2)}
        self.same = self.params["V"]
        self.hidden = {Affine(2, 2, seed=0)}


def test_what_looks_like_a_parameter_and_is_none_is_told():
    told = untrained(Sequential(OneHidden()))
    assert [sentence.split(",")[0] for sentence in told] == [
        "OneHidden at '0': self.W (2",
        "OneHidden at '0': self.deep.0.b (3",
        "OneHidden at '0': the layers in self.hidden are not found",
        "OneHidden at '0': the layers in the class",
    ]
    assert untrained(mlp([4, 3, 2], batch_norm=True, dropout=0.5, seed=0)) == []


def test_a_network_without_parameters_is_told():
    class Bare(Layer):
        def __init__(self):
            self.W = np.ones(2)

    with pytest.raises(
        ValueError, match=r"Bare has no parameters to train: .* self\.W \(2,\) is not trained"
    ):
        check_parameters(Bare())
    check_parameters(mlp([4, 3]))


def test_a_slice_of_a_sequential_is_one_of_the_same_layers(rng):
    net, x = mlp([4, 3, 2], seed=0, dtype=F8), rng.standard_normal((5, 4))
    assert isinstance(net[1:], Sequential)
    assert net[1:][0] is net[1]
    np.testing.assert_array_equal(net[2:](net[:2](x)), net(x))
