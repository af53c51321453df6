"""``check``: its verdicts and what it says. Which mistakes it names is in the corpus, ``mutants/``."""

from __future__ import annotations

import cProfile
from types import SimpleNamespace

import numpy as np
import pytest

import handgrad as hg
from handgrad.checking import Cause, Kind, Report, check, clock
from handgrad.checking.report import KINK, RIGHT, UNCLEAR, WRONG

from .counting import Calls


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def part(report, name):
    """What the report says of one input."""
    return next(i for i in report.inputs if i.name == name)


def kinds(report):
    return [cause.kind for cause in report.causes]


# Right.


def test_a_right_rule(rng):
    report = check(hg.affine, *map(rng.standard_normal, [(3, 4), (4, 6), (6,)]))
    assert isinstance(report, Report)
    assert (report.ok, report.verdict, report.causes) == (True, RIGHT, [])
    assert report
    assert [(i.name, i.shape, i.verdict) for i in report.inputs] == [
        ("x", (3, 4), RIGHT),
        ("W", (4, 6), RIGHT),
        ("b", (6,), RIGHT),
    ]
    assert report.digits > 9
    assert f"{report.digits:.0f} digits" in str(report)
    assert report.points > 1, "at other points too"


def test_hg_check_is_the_function():
    assert hg.check is check


@pytest.mark.parametrize("dtype", [object, str, "datetime64[s]", bool, np.int8, np.complex128])
def test_gradients_that_are_no_floats_are_wrong_and_no_error(dtype, rng):
    @hg.rule
    def doubled(x):
        return 2 * x, lambda dout: np.ones(3).astype(np.int64).astype(dtype)

    assert check(doubled.body, rng.standard_normal(3)).ok is False


# Each kind of target, right and wrong.


@hg.rule
def product(x, W):
    return x @ W, lambda dout: (dout @ W.T, x.T @ dout)


@hg.rule
def tripled(x):
    return 3 * x, lambda dout: dout


def pair(x, W):
    return x @ W, lambda dout: (dout @ W.T, x.T @ dout)


def wrong_pair(x, W):
    return x @ W, lambda dout: (dout @ W.T, x.T @ dout * 7)


class Layer:
    """With its parameters on itself."""

    factor = 1.0

    def __init__(self):
        rng = np.random.default_rng(1)
        self.W, self.b = rng.standard_normal((4, 2)), np.zeros(2)
        self.dW = self.db = None

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.factor * self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class WrongLayer(Layer):
    factor = 7.0


class LayerWithDicts:
    """With params and grads."""

    def __init__(self):
        self.params = {"scale": np.array([1.0, -2.0, 0.5, 3.0])}
        self.grads = {}

    def forward(self, x):
        self.x = x
        return x * self.params["scale"]

    def backward(self, dout):
        self.grads["scale"] = np.sum(dout * self.x, axis=0)
        return dout * self.params["scale"]


def of_rules(x):
    return hg.sum(hg.tanh(x) * x)


def of_wrong_rules(x):
    return hg.sum(tripled(x) * x)


def forward(x):
    return np.tanh(x)


def backward(dout, x):
    return dout * (1 - np.tanh(x) ** 2)


def wrong_backward(dout, x):
    return dout * (1 - np.tanh(x))


@pytest.mark.parametrize(
    ("target", "shapes"),
    [
        (product, [(3, 4), (4, 5)]),
        (pair, [(3, 4), (4, 5)]),
        (Layer(), [(3, 4)]),
        (Layer, [(3, 4)]),
        (LayerWithDicts(), [(3, 4)]),
        ([Layer()], [(3, 4)]),
        (of_rules, [(3, 4)]),
        ((forward, backward), [(3, 4)]),
        (lambda x: hg.sum(x * x), [(3,)]),
    ],
)
def test_right_targets(target, shapes, rng):
    report = check(target, *map(rng.standard_normal, shapes))
    assert report.ok, report


@pytest.mark.parametrize(
    ("target", "shapes", "name"),
    [
        (tripled, [(3, 4)], "x"),
        (wrong_pair, [(3, 4), (4, 5)], "W"),
        (WrongLayer(), [(3, 4)], "self.W"),
        ((forward, wrong_backward), [(3, 4)], "x"),
    ],
)
def test_wrong_targets(target, shapes, name, rng):
    report = check(target, *map(rng.standard_normal, shapes))
    assert (report.ok, report.verdict) == (False, WRONG)
    assert not report
    assert [i.name for i in report.inputs if i.verdict == WRONG] == [name]
    assert report.causes[0].kind in Kind
    assert " ".join(report.causes[0].sentence.split()) in " ".join(str(report).split())  # it is wrapped


def test_a_wrong_rule_inside_a_function(rng):
    report = check(of_wrong_rules, rng.standard_normal((3, 4)))
    assert report.ok is False
    assert "tripled" in str(report), "the first wrong part"


def test_a_network_with_its_loss(rng):
    net = hg.layers.mlp([4, 3, 2], activation="tanh", seed=0)
    report = check(net, rng.standard_normal((5, 4)), np.array([0, 1, 1, 0, 1]), loss=hg.softmax_cross_entropy)
    assert report.ok
    assert len(report.inputs) == 5, "x, two matrices, two vectors"


def test_an_adapter(rng):
    def forward_only(x, scale):
        return x * scale, {"scale": scale}

    def with_the_cache_first(cache, upstream, unused):
        return upstream * cache["scale"]

    def joined(forward, backward):
        def f(x):
            out, cache = forward(x, 3.0)
            return out, lambda dout: backward(cache, dout, None)

        return f

    assert check((forward_only, with_the_cache_first), rng.standard_normal((3, 4)), adapter=joined).ok


def test_pairs_with_a_cache(rng):
    def forward(x, w):
        return x * w, (x, w)

    def backward(dout, cache):
        x, w = cache
        return dout * w, dout * x

    assert check((forward, backward), rng.standard_normal(5), rng.standard_normal(5)).ok


@pytest.mark.parametrize("target", [3, None, "tanh", [1, 2], int, object()])
def test_what_is_no_target(target):
    with pytest.raises(TypeError, match="can be checked"):
        check(target, np.ones(3))


def test_what_returns_no_pair():
    with pytest.raises(TypeError, match=r"returned"):
        check(lambda x: np.ones(3), np.ones(3))


# PyTorch and JAX.


def test_torch(rng):
    torch = pytest.importorskip("torch")

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx, dout):
            (x,) = ctx.saved_tensors
            return 3 * dout * x * x

    class Wrong(Cube):
        @staticmethod
        def backward(ctx, dout):
            (x,) = ctx.saved_tensors
            return dout * x * x

    x = rng.standard_normal((3, 5))
    assert check(Cube, x).ok
    assert check(Cube, torch.tensor(x, dtype=torch.float32)).digits > 8, "in float64"
    report = check(Wrong, x)
    assert kinds(report)[0] == "factor"
    assert "return dout * x * x" in str(report)
    module = torch.nn.Sequential(torch.nn.Linear(5, 4), torch.nn.Tanh())
    assert [i.name for i in check(module, x).inputs][1:] == ["0.weight", "0.bias"]
    loss = torch.nn.functional.cross_entropy
    assert check(module, x, np.array([0, 3, 1]), loss=loss).ok
    assert check(lambda x: torch.tanh(x).sum(), torch.tensor(x)).ok


def test_a_backward_that_draws_from_torch():
    torch = pytest.importorskip("torch")

    class Unused(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return 3 * x

        @staticmethod
        def backward(ctx, dout):
            torch.rand(2)
            return 3 * dout

    report = check(Unused, np.linspace(-1.0, 2.0, 5))
    assert report.ok is False
    assert report.causes[0].kind == "random"


def test_jax(rng):
    jax = pytest.importorskip("jax")

    @jax.custom_vjp
    def f(x, y):
        return jax.numpy.sin(x) * y

    def f_bwd(saved, dout):
        x, y = saved
        return dout * jax.numpy.cos(x) * y, dout * jax.numpy.sin(x)

    f.defvjp(lambda x, y: (f(x, y), (x, y)), f_bwd)
    x, y = rng.standard_normal((2, 3, 4))
    assert check(f, x, y).digits > 8

    @jax.custom_vjp
    def g(x):
        return jax.numpy.sin(x)

    g.defvjp(lambda x: (g(x), x), lambda x, dout: (2 * dout * jax.numpy.cos(x),))
    report = check(g, x)
    assert report.ok is False
    assert kinds(report)[0] == "factor"


# What the causes say.


def batch_mean_twice(x, W, b):
    def backward(dout):
        return dout @ W.T, x.T @ dout, np.sum(dout, axis=0) / len(x)

    return x @ W + b, backward


def test_a_factor_is_named_with_its_evidence(rng):
    report = check(batch_mean_twice, *map(rng.standard_normal, [(64, 4), (4, 5), (5,)]))
    (cause,) = [cause for cause in report.causes if cause.input == "b"][:1]
    assert isinstance(cause, Cause)
    assert cause.kind == "factor"
    assert "64" in cause.sentence
    assert "np.sum(dout, axis=0) / len(x)" in str(cause.line)
    assert "test_check.py" in str(cause.line)
    b = part(report, "b")
    assert (b.wrong, b.looked_at) == (5, 5)
    assert all(w.ratio == pytest.approx(1 / 64) for w in b.worst)
    assert part(report, "W").verdict == RIGHT


def unsummed(x, b):
    return x + b, lambda dout: (dout, dout)


def not_transposed(W, x):
    return W @ x, lambda dout: (np.outer(dout, x), W @ dout)


def without_dout(x):
    return np.exp(x), lambda dout: np.exp(x)


def softmax_diagonal(x):
    y = np.exp(x) / np.exp(x).sum(axis=-1, keepdims=True)
    return y, lambda dout: dout * y * (1 - y)


def first_path_only(x):
    return x * np.tanh(x), lambda dout: dout * np.tanh(x)


def assigned(x, index):
    def backward(dout):
        dx = np.zeros_like(x)
        dx[index] = dout
        return dx, None

    return x[index], backward


def missing(x, y):
    return x * y, lambda dout: (dout * y, None)


def negated(x):
    return np.cos(x), lambda dout: np.sin(x) * dout


@pytest.mark.parametrize(
    ("target", "inputs", "kind", "name"),
    [
        (unsummed, [(3, 4), (4,)], "broadcast", "b"),
        (not_transposed, [(4, 4), (4,)], "transposed", "x"),
        (without_dout, [(3, 4)], "upstream-ignored", "x"),
        (softmax_diagonal, [(3, 4)], "diagonal", "x"),
        (first_path_only, [(3, 4)], "missing-path", "x"),
        (assigned, [(5, 3), np.array([0, 2, 2, 4])], "assigned", "x"),
        (missing, [(3,), (3,)], "missing-gradient", "y"),
        (negated, [(3, 4)], "factor", "x"),
    ],
)
def test_the_kind_of_a_mistake(target, inputs, kind, name, rng):
    report = check(target, *[x if isinstance(x, np.ndarray) else rng.standard_normal(x) for x in inputs])
    assert kinds(report)[0] == kind, report
    assert report.causes[0].input == name
    assert part(report, name).verdict == WRONG
    assert [i.name for i in report.inputs if i.verdict == WRONG] == [name]


def test_what_no_known_mistake_explains(rng):
    odd = rng.standard_normal((3, 4))
    report = check(lambda x: (x * x, lambda dout: dout * np.sin(7 * x) ** odd.astype(int)), odd)
    assert report.ok is False
    assert report.causes


def test_one_wrong_element_of_many(rng):
    def off(x):
        def backward(dout):
            dx = 2 * x * dout
            dx[2, 3] *= 1 + 1e-4
            return dx

        return x * x, backward

    report = check(off, rng.standard_normal((5, 6)))
    (x,) = report.inputs
    assert (x.wrong, x.worst[0].place) == (1, (2, 3))
    assert "[2, 3]" in str(report)


def test_shapes_and_counts(rng):
    one_for_two = check(lambda x, y: (x * y, lambda dout: (dout * y,)), *rng.standard_normal((2, 3)))
    assert kinds(one_for_two) == ["shape"]
    assert "1 gradient for 2 inputs" in str(one_for_two)
    flat = check(lambda x: (x * 2, lambda dout: 2 * dout.ravel()), rng.standard_normal((3, 4)))
    assert kinds(flat)[0] == "shape"
    assert "(12,)" in str(flat)


def test_a_backward_that_raises(rng):
    def raises(x):
        def backward(dout):
            raise KeyError("nothing saved")

        return x * 1.0, backward

    report = check(raises, rng.standard_normal(3))
    assert kinds(report) == ["raises"]
    assert "nothing saved" in str(report)


def test_a_gradient_that_is_not_finite(rng):
    report = check(lambda x: (x * 1.0, lambda dout: dout * np.nan), rng.standard_normal(3))
    assert report.ok is False
    assert "nan" in str(report)


# Kinks, doubts.


def test_a_kink_is_named_and_forgiven():
    report = check(hg.relu, np.array([1.0, 0.0, -2.0]))
    assert (report.ok, report.verdict) == (True, KINK)
    ((name, place),) = [(kink.name, kink.place) for kink in report.kinks]
    assert (name, place) == ("x", (1,))
    assert "x[1]" in str(report)


def test_a_mistake_beside_a_kink_is_found():
    report = check(lambda x: (np.maximum(x, 0), lambda dout: dout * (x > 0) * 2), np.array([1.0, 0.0, -2.0]))
    assert report.ok is False


def test_what_cannot_be_told():
    report = check(lambda x: (x * np.random.default_rng().standard_normal(), lambda dout: dout), 2.0)
    assert (report.ok, report.verdict) == (None, UNCLEAR)
    assert report.doubts
    assert "seed" in str(report), "what to do"


def test_nothing_finite():
    report = check(hg.log, np.array([-1.0, -2.0]))
    assert report.ok is not True


# Hazards.


def test_what_a_mutating_backward_does(rng):
    def spoils(x):
        def backward(dout):
            dout *= 2 * x
            return dout

        return x * x, backward

    report = check(spoils, rng.standard_normal(4))
    assert "mutates" in kinds(report)
    assert "dout" in str(report)


def test_a_shared_cache_is_noted(rng):
    """The notebook's way: fine when used once, wrong when used twice."""
    report = check(Layer(), rng.standard_normal((3, 4)))
    assert report.ok
    assert any("second" in note for note in report.notes)
    assert "note: " in str(report)


def test_overflow_is_found_where_the_values_are_large(rng):
    def sigmoid(x):
        e = np.exp(x)
        return 1 / (1 + np.exp(-x)), lambda dout: dout * e / (1 + e) ** 2

    report = check(sigmoid, rng.standard_normal((3, 4)))
    assert kinds(report) == ["unstable"]


def test_inputs_are_left_as_they_were(rng):
    x, W = rng.standard_normal((3, 4)), rng.standard_normal((4, 5))
    kept = x.copy(), W.copy()
    layer = Layer()
    check(pair, x, W)
    check(layer, x)
    np.testing.assert_array_equal(x, kept[0])
    np.testing.assert_array_equal(W, kept[1])
    assert layer.dW is None


# Inputs of all sorts.


def test_labels_pass_through(rng):
    report = check(hg.softmax_cross_entropy, rng.standard_normal((4, 3)), np.array([0, 2, 1, 1]))
    assert report.ok
    assert [i.name for i in report.inputs] == ["x"]


def test_nested_inputs(rng):
    report = check(hg.concatenate, [rng.standard_normal((2, 3)), rng.standard_normal((1, 3))])
    assert report.ok
    assert [i.name for i in report.inputs] == ["arrays[0]", "arrays[1]"]


def halves(x):
    return (x[:2], x[2:] * 3), lambda dout: np.concatenate([dout[0], 3 * dout[1]])


def wrong_halves(x):
    return (x[:2], x[2:] * 3), lambda dout: np.concatenate([dout[0], dout[1]])


def test_several_outputs(rng):
    x = rng.standard_normal(5)
    assert check(halves, x).ok
    report = check(wrong_halves, x)
    assert part(report, "x").wrong == 3


def test_float32_is_checked_in_float64(rng):
    report = check(hg.tanh, rng.standard_normal((3, 4)).astype(np.float32))
    assert report.digits > 9


def test_numbers():
    report = check(hg.multiply, 2.0, -3.0)
    assert report.ok
    assert [i.elements for i in report.inputs] == [1, 1]


def test_empty_inputs():
    report = check(hg.tanh, np.zeros((0, 3)))
    assert report.ok
    assert "empty" in str(report)


def test_options(rng):
    x = rng.standard_normal((3, 4))
    assert check(hg.sum, x, options={"axis": 1, "keepdims": True}).ok
    assert check(hg.reshape, x, options={"shape": (4, 3)}).ok


def test_a_large_input_is_checked_by_directions(rng):
    many, few = Calls(), Calls()
    assert check(many.of(hg.affine.body), *map(rng.standard_normal, [(8, 300), (300, 400), (400,)])).ok
    assert check(few.of(hg.affine.body), *map(rng.standard_normal, [(4, 3), (3, 2), (2,)])).ok
    assert 0 < many.number <= 2 * few.number, "as many evaluations for 122,800 elements as for 20"


# Budget, progress, seeds.


def squared(x):
    return x * x, lambda dout: 2 * x * dout


def test_the_budget_is_kept(rng, monkeypatch):
    """By a clock that moves by the forward alone: 0.01 seconds each time."""
    x, few, many = rng.standard_normal((20, 20)), Calls(), Calls()
    monkeypatch.setattr(clock, "time", SimpleNamespace(perf_counter=lambda: 0.01 * few.number))
    assert "budget" in str(check(few.of(squared), x, budget=0.2))
    assert "budget" not in str(check(many.of(squared), x, budget=1e9))
    assert 20 <= few.number < many.number - 20, "it ends when the time is spent"


def test_progress(rng):
    heard = []
    check(hg.tanh, rng.standard_normal(3), progress=heard.append)
    assert heard
    assert all(isinstance(words, str) for words in heard)


def test_the_seed_decides(rng):
    x = rng.standard_normal((3, 4))
    assert str(check(tripled, x, seed=5)) == str(check(tripled, x, seed=5))


# As HTML.


def test_html(rng):
    report = check(batch_mean_twice, *map(rng.standard_normal, [(8, 4), (4, 5), (5,)]))
    page = report._repr_html_()
    assert "WRONG" in page
    assert "<table" in page, "the map of errors"
    assert "db" in page
    assert "np.sum(dout, axis=0)" in page


def less_than(x):
    return x * 1.0, lambda dout: dout * (x < 100) * 2


def test_html_is_escaped(rng):
    page = check(less_than, rng.standard_normal(3))._repr_html_()
    assert "x &lt; 100" in page
    assert "x < 100" not in page


def test_another_global_generator_is_taken_and_left_as_it_was():
    before = np.random.get_bit_generator()
    try:
        np.random.set_bit_generator(np.random.PCG64(3))
        due = np.random.RandomState(np.random.PCG64(3)).random_sample(2)
        assert check(lambda x: (x * x, lambda dout: 2 * x * dout), np.arange(3.0)).ok is True
        assert np.array_equal(np.random.random_sample(2), due)
    finally:
        np.random.set_bit_generator(before)


def test_under_a_profiler():
    def square(x):
        return x**2, lambda dout: 3 * x * dout

    def afterwards():
        return report.ok

    with cProfile.Profile() as profile:
        report = check(square, np.array([1.0, 2.0]))
        assert afterwards() is False
    assert "2 * x" in str(report)
    assert afterwards.__code__ in {entry.code for entry in profile.getstats()}
