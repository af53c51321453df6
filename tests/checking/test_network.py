"""The first wrong part of a network, each part seen on its own values."""

from collections import OrderedDict

import numpy as np
import pytest

import handgrad as hg
from handgrad import rule
from handgrad.checking.checker import examine
from handgrad.checking.clock import Clock
from handgrad.checking.network import consequences, first_wrong, parts_of
from handgrad.checking.targets import subject_of
from handgrad.layers import Affine, Layer, Sequential, Tanh


def found(target, *inputs, loss=None):
    """The subject, its parts, the names of the wrong ones."""
    subject = subject_of(target, inputs, loss=loss)
    parts = parts_of(subject)
    return subject, parts, first_wrong(subject, 0, Clock(), examine, parts)


def names(reports):
    return [report.target for report in reports]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


# Functions of rules, and handgrad's layers.


@rule
def half_tanh(x):
    """out = tanh x, its backward forgets a square."""
    y = np.tanh(x)
    return y, lambda dout: dout * (1 - y)


@rule
def meaned_affine(x, W, b):
    """out = x W + b, dW divided once too often."""
    return x @ W + b, lambda dout: (dout @ W.T, x.T @ dout / x.shape[0], np.sum(dout, axis=0))


class HalfTanh(Layer):
    def forward(self, x):
        return half_tanh(x)


class MeanedAffine(Affine):
    def forward(self, x):
        return meaned_affine(x, self.params["W"], self.params["b"])


def fifty_layers(wrong=None, width=4):
    """25 times affine and tanh, one of the fifty wrong."""
    kinds = [MeanedAffine if i == wrong else Affine for i in range(0, 50, 2)]
    pairs = [(kind(width, width, seed=n), Tanh()) for n, kind in enumerate(kinds)]
    layers = [layer for pair in pairs for layer in pair]
    if wrong is not None and wrong % 2:
        layers[wrong] = HalfTanh()
    return Sequential(*layers)


def squared(y, t):
    return hg.mean((y - t) ** 2)


PLACES = [0, 1, 2, 5, 8, 11, 12, 15, 18, 21, 24, 25, 28, 31, 34, 37, 40, 43, 48, 49]


@pytest.mark.parametrize("place", PLACES)
def test_one_wrong_layer_of_fifty(place, rng):
    x, t = rng.standard_normal((2, 3, 4))
    subject, parts, wrong = found(fifty_layers(place), x, t, loss=squared)
    kind = "half_tanh" if place % 2 else "meaned_affine"
    assert names(wrong) == [f"{kind} in layer {place} (step {place + 1} of 53)"]
    assert wrong[0].causes
    before = ["x", *(f"{i}.{key}" for i in range(0, place, 2) for key in "Wb")]
    assert consequences(subject, parts, wrong) == (before if place % 2 else [f"{place}.W"])


def test_a_right_network_has_no_wrong_part(rng):
    x, t = rng.standard_normal((2, 3, 4))
    _, parts, wrong = found(fifty_layers(), x, t, loss=squared)
    assert [part.order for part in parts] == list(range(1, 54))
    assert wrong == []


def test_parts_see_what_they_saw(rng):
    x, W = rng.standard_normal((3, 4)), rng.standard_normal((4, 5))
    subject = subject_of(lambda x, W: hg.tanh(x @ W), (x, W))
    first, second = parts_of(subject)
    assert [part.name for part in (first, second)] == ["matmul (step 1 of 2)", "tanh (step 2 of 2)"]
    np.testing.assert_array_equal(first.subject.values[1], W)
    np.testing.assert_array_equal(second.subject.values[0], x @ W)
    assert first.sources == [{0}, {1}]
    assert second.sources == [{0, 1}]


def test_fan_out_and_a_shared_layer(rng):
    class Net(Layer):
        def __init__(self):
            self.shared, self.head = Affine(4, 4, seed=0), Affine(4, 2, seed=1)
            self.act = HalfTanh()

        def forward(self, x):
            y = self.shared(x)
            z = self.act(self.shared(y)) + y
            return self.head(z)

    subject, parts, wrong = found(Net(), rng.standard_normal((3, 4)))
    assert [part.name for part in parts] == [
        "affine in shared (step 1 of 5)",
        "affine in shared (step 2 of 5)",
        "half_tanh in act (step 3 of 5)",
        "add (step 4 of 5)",
        "affine in head (step 5 of 5)",
    ]
    assert names(wrong) == ["half_tanh in act (step 3 of 5)"]
    assert consequences(subject, parts, wrong) == ["x", "shared.W", "shared.b"]


def test_all_uses_of_a_wrong_rule_and_the_first_in_full(rng):
    _, _, wrong = found(lambda x: half_tanh(half_tanh(half_tanh(x))), rng.standard_normal(5))
    assert names(wrong) == [f"half_tanh (step {i} of 3)" for i in (1, 2, 3)]
    assert wrong[0].causes
    assert not wrong[1].causes


def test_nested_inputs_several_outputs_and_constants(rng):
    def f(arrays, scale):
        joined = hg.concatenate([arrays["a"], half_tanh(arrays["b"])], axis=0)
        top, bottom = hg.split(joined, 2)
        return {"top": top**2.0, "bottom": bottom * scale}

    arrays = {"a": rng.standard_normal((2, 3)), "b": rng.standard_normal((2, 3))}
    subject, parts, wrong = found(f, arrays, 3)
    assert [part.name.split(" ")[0] for part in parts][:3] == ["half_tanh", "concatenate", "split"]
    assert names(wrong) == [parts[0].name]
    power = next(part for part in parts if part.name.startswith("power"))
    assert power.subject.checked == [True, False]
    assert consequences(subject, parts, wrong) == ["arrays[1]"]


def test_the_same_rule_on_the_same_values_is_examined_once(rng):
    looked = []

    def counting(subject, *args, **options):
        looked.append(subject.name)
        return examine(subject, *args, **options)

    subject = subject_of(lambda x: half_tanh(x) + half_tanh(x), (rng.standard_normal(4),))
    wrong = first_wrong(subject, 0, Clock(), counting)
    assert names(wrong) == ["half_tanh (step 1 of 3)", "half_tanh (step 2 of 3)"]
    assert looked.count("half_tanh") == 1


def test_a_million_parameters(rng):
    layers = [Affine(784, 800, seed=0), Tanh(), Affine(800, 500, seed=1), HalfTanh(), Affine(500, 10, seed=2)]
    inputs = rng.standard_normal((4, 784)), rng.integers(0, 10, 4)
    _, _, wrong = found(Sequential(*layers), *inputs, loss=hg.softmax_cross_entropy)
    assert names(wrong) == ["half_tanh in layer 3 (step 4 of 6)"]


def test_no_time_no_parts(rng):
    subject = subject_of(fifty_layers(3), (rng.standard_normal((3, 4)),))
    assert first_wrong(subject, 0, Clock(budget=0.0), examine) == []


def test_a_rule_has_no_parts(rng):
    assert parts_of(subject_of(hg.tanh, (rng.standard_normal(3),))) == []


# Layer objects.


class BookAffine:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, np.sum(dout, axis=0)
        return dout @ self.W.T


class HalfBias(BookAffine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = self.db / 2
        return dx


class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return 2 * self.x * dout


class DoubledSquare(Square):
    def backward(self, dout):
        return 2 * super().backward(dout)


class SquaredLoss:
    def forward(self, y, t):
        self.y, self.t = y, t
        return np.sum((y - t) ** 2)

    def backward(self, dout=1):
        return 2 * (self.y - self.t) * dout


class TwoLayerNet:
    """The book's: parameters in a dict, layers in an OrderedDict that share them."""

    def __init__(self, first=BookAffine, square=Square, forgets=False):
        rng = np.random.default_rng(1)
        sizes = {"W1": (4, 5), "b1": 5, "W2": (5, 3), "b2": 3}
        self.params = {key: rng.standard_normal(size) for key, size in sizes.items()}
        p = self.params
        self.layers = OrderedDict()
        self.layers["Affine1"] = first(p["W1"], p["b1"])
        self.layers["Square1"] = square()
        self.layers["Affine2"] = BookAffine(p["W2"], p["b2"])
        self.last = SquaredLoss()
        self.forgets = forgets

    def forward(self, x, t):
        for layer in self.layers.values():
            x = layer.forward(x)
        return self.last.forward(x, t)

    def backward(self, dout=1):
        dout = self.last.backward(dout)
        for name, layer in reversed(self.layers.items()):
            dout = layer.backward(dout)
            if self.forgets and name == "Square1":
                dout = -dout
        return dout


@pytest.fixture
def data(rng):
    return rng.standard_normal((6, 4)), rng.standard_normal((6, 3))


def test_the_books_network(data):
    subject, parts, wrong = found(TwoLayerNet(), *data)
    assert [part.name for part in parts] == [
        "layers[Affine1] (BookAffine)",
        "layers[Square1] (Square)",
        "layers[Affine2] (BookAffine)",
        "last (SquaredLoss)",
    ]
    np.testing.assert_array_equal(parts[1].subject.values[0], data[0] @ subject.values[2] + subject.values[3])
    assert wrong == []


def test_a_wrong_layer_in_the_books_network(data):
    subject, parts, wrong = found(TwoLayerNet(first=HalfBias), *data)
    assert names(wrong) == ["layers[Affine1] (HalfBias)"]
    assert consequences(subject, parts, wrong) == ["self.b1"]
    subject, parts, wrong = found(TwoLayerNet(square=DoubledSquare), *data)
    assert names(wrong) == ["layers[Square1] (DoubledSquare)"]
    assert {"x", "self.W1", "self.b1"} <= set(consequences(subject, parts, wrong))
    assert "self.W2" not in consequences(subject, parts, wrong)


def test_the_classes_are_as_they_were(data):
    forward = BookAffine.forward
    found(TwoLayerNet(first=HalfBias), *data)
    assert BookAffine.forward is forward
    assert "forward" not in vars(HalfBias)


def test_right_parts_wrongly_put_together(data):
    subject, _, wrong = found(TwoLayerNet(forgets=True), *data)
    assert not examine(subject, 0, Clock()).ok
    assert wrong == []


def test_a_layer_of_layers_that_is_wrong_itself(rng):
    class Block:
        def __init__(self, sign):
            self.inner, self.sign = Square(), sign

        def forward(self, x):
            return x + self.inner.forward(x)

        def backward(self, dout):
            return dout + self.sign * self.inner.backward(dout)

    x, t = rng.standard_normal((2, 4, 3))
    _, parts, wrong = found([Block(1), Block(-1)], x, t, loss=SquaredLoss)
    assert [part.name for part in parts] == [
        "net.layers[0].inner (Square)",
        "net.layers[0] (Block)",
        "net.layers[1].inner (Square)",
        "net.layers[1] (Block)",
        "net (Chain)",
        "loss (SquaredLoss)",
    ]
    assert names(wrong) == ["net.layers[1] (Block)"]


def test_only_the_wrong_leaf_is_blamed_not_what_holds_it(rng):
    x, t = rng.standard_normal((2, 4, 3))
    _, _, wrong = found([Square(), DoubledSquare()], x, t, loss=SquaredLoss)
    assert names(wrong) == ["net.layers[1] (DoubledSquare)"]


def test_an_object_used_twice_that_keeps_one_cache(rng):
    square = Square()
    layers = [square, BookAffine(rng.standard_normal((3, 3)), np.zeros(3)), square]
    _, _, wrong = found(layers, rng.standard_normal((4, 3)))
    assert names(wrong) == ["layers[0] (Square), call 1"]
    assert [cause.kind for cause in wrong[0].causes] == ["stale-cache"]


def test_an_object_used_twice_that_assigns_its_gradient(rng):
    class Stacked:
        """A scale that keeps its inputs in a stack, but only the last gradient."""

        def __init__(self):
            self.a, self.kept = np.array([1.5, 0.5, 2.0]), []

        def forward(self, x):
            self.kept.append(x)
            return self.a * x

        def backward(self, dout):
            self.da = np.sum(self.kept.pop() * dout, axis=0)
            return self.a * dout

    scale = Stacked()
    _, _, wrong = found([scale, Square(), scale], rng.standard_normal((4, 3)))
    assert names(wrong) == ["layers[0] (Stacked), call 1"]
    assert [(cause.kind, cause.input) for cause in wrong[0].causes] == [("assigned", "self.a")]


def test_a_layer_that_writes_into_what_is_not_its_own(rng):
    class InPlace(Square):
        def forward(self, x):
            self.x = x.copy()
            x *= x
            return x

    _, _, wrong = found([Square(), InPlace()], rng.standard_normal((4, 3)))
    assert names(wrong) == ["layers[1] (InPlace)"]
    assert "mutates" in [cause.kind for cause in wrong[0].causes]


# PyTorch.


@pytest.fixture
def torch():
    return pytest.importorskip("torch")


@pytest.fixture
def half(torch):
    class Half(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = torch.tanh(x)
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * (1 - y)

    return Half


def test_a_wrong_function_in_a_module(torch, half):
    taken = half.apply  # as users keep it

    class Act(torch.nn.Module):
        def forward(self, x):
            return taken(x)

    torch.manual_seed(0)
    nn = torch.nn
    net = nn.Sequential(nn.Linear(4, 5), nn.Sequential(nn.ReLU(), nn.Linear(5, 5), Act()), nn.Linear(5, 3))
    x, t = torch.randn(3, 4), torch.tensor([0, 2, 1])
    subject, parts, wrong = found(net, x, t, loss=nn.functional.cross_entropy)
    assert [part.name for part in parts] == [
        "net.0 (Linear)", "net.1.0 (ReLU)", "net.1.1 (Linear)", "net.1.2 (Half)", "net.2 (Linear)",
    ]  # fmt: skip
    assert names(wrong) == ["net.1.2 (Half)"]
    assert consequences(subject, parts, wrong) == ["x", "0.weight", "0.bias", "1.1.weight", "1.1.bias"]


def test_modules_that_are_right_and_used_twice(torch):
    torch.manual_seed(0)
    linear = torch.nn.Linear(4, 4)
    net = torch.nn.Sequential(linear, torch.nn.Tanh(), linear)
    _, parts, wrong = found(net, torch.randn(3, 4))
    assert [part.name for part in parts] == ["0 (Linear), call 1", "1 (Tanh)", "0 (Linear), call 2"]
    assert wrong == []


def test_functions_in_a_function_and_what_is_not_differentiated(torch, half):
    def f(x):
        return half.apply(x) * half.apply(torch.ones(3, dtype=x.dtype))

    _, parts, wrong = found(f, torch.randn(2, 3))
    assert names(wrong) == [part.name for part in parts] == ["Half"]


def test_a_function_alone_has_no_parts(torch, half):
    assert parts_of(subject_of(half, (torch.randn(3),))) == []


def test_pytorch_is_as_it_was(torch, half):
    call = torch.nn.Module.__call__
    found(torch.nn.Sequential(torch.nn.Linear(2, 2)), torch.randn(2, 2))
    assert torch.nn.Module.__call__ is call
    assert "apply" not in vars(torch.autograd.function._SingleLevelFunction)


# JAX.


@pytest.fixture
def jax():
    return pytest.importorskip("jax")


def custom_tanh(jax, wrong):
    def name(x):
        return jax.numpy.tanh(x)

    def fwd(x):
        y = jax.numpy.tanh(x)
        return y, y

    def bwd(y, g):
        return (g * (1 - y if wrong else 1 - y * y),)

    name.__name__ = "half_tanh" if wrong else "right_tanh"
    made = jax.custom_vjp(name)
    made.defvjp(fwd, bwd)
    return made


def test_a_wrong_function_among_equations(jax, rng):
    right, wrong_one = custom_tanh(jax, False), custom_tanh(jax, True)
    jitted = jax.jit(lambda x, W: right(x @ W))

    def f(params, x):
        y = jitted(x, params["W"])
        y = jax.nn.relu(wrong_one(y)) + right(jax.numpy.ones(4))  # a constant, which has no gradient
        y = jax.lax.scan(lambda c, _: (right(c), None), y, None, length=2)[0]
        return jax.numpy.sum(y * params["last"])

    make = jax.numpy.asarray
    params = {"W": make(rng.standard_normal((3, 4))), "last": make(rng.standard_normal(4))}
    subject, parts, wrong = found(f, params, make(rng.standard_normal((2, 3))))
    assert [part.name for part in parts] == [
        "right_tanh (call 1 of 4)", "half_tanh (call 2 of 4)",
        "right_tanh (call 3 of 4)", "right_tanh (call 4 of 4)",
    ]  # fmt: skip
    assert names(wrong) == ["half_tanh (call 2 of 4)"]
    assert consequences(subject, parts, wrong) == [subject.names[0], subject.names[2]]


def test_inside_vmap_and_checkpoint(jax, rng):
    right, wrong_one = custom_tanh(jax, False), custom_tanh(jax, True)

    def f(x):
        return jax.vmap(wrong_one)(jax.checkpoint(lambda x: right(x) * 2)(x))

    x = jax.numpy.asarray(rng.standard_normal((2, 3)))
    _, parts, wrong = found(f, x)
    np.testing.assert_allclose(parts[1].subject.values[0], 2 * np.tanh(np.float64(x)), rtol=1e-6)
    assert names(wrong) == ["half_tanh (call 2 of 2)"]


def test_options_that_are_not_differentiated(jax, rng):
    @jax.custom_vjp
    def inner(x):
        return x**2

    inner.defvjp(lambda x: (x**2, x), lambda x, g: (2 * x * g,))
    power = jax.custom_vjp(lambda tree, n: tree["b"] ** n + inner(tree["a"]), nondiff_argnums=(1,))
    power.defvjp(
        lambda tree, n: (tree["b"] ** n + inner(tree["a"]), tree),
        lambda n, tree, g: ({"a": 2 * tree["a"] * g, "b": g * tree["b"] ** (n - 1)},),
    )
    x = jax.numpy.asarray(rng.uniform(1, 2, 3))
    _, parts, wrong = found(lambda x: power({"b": x, "a": 2 * x}, 3), x)
    assert len(parts) == 1  # what one calls in its forward is its own affair
    assert names(wrong) == [parts[0].name]
    assert [i.name for i in wrong[0].inputs if i.verdict == "WRONG" or i.wrong] == ["tree[1]"]


def test_a_custom_vjp_alone_has_no_parts(jax, rng):
    assert parts_of(subject_of(custom_tanh(jax, True), (jax.numpy.ones(3),))) == []


def test_a_right_jax_function(jax, rng):
    right = custom_tanh(jax, False)
    _, parts, wrong = found(lambda x: right(right(x)), jax.numpy.asarray(rng.standard_normal(3)))
    assert len(parts) == 2
    assert wrong == []
