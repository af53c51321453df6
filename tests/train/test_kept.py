"""What a step gives for parameters, states and moments has the shape and dtype that they began with."""

import copy

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.layers import Affine, Layer, Sequential, mlp
from handgrad.optim import SGD, Optimiser
from handgrad.train import Trainer

rng = np.random.default_rng(0)
X, T = rng.standard_normal((60, 8)).astype(np.float32), rng.integers(3, size=60)


def trained(engine, net=None, optimiser=None, x=X, t=T, **options):
    net = copy.deepcopy(net) or mlp([8, 4, 3], seed=0)
    trainer = Trainer(net, hg.softmax_cross_entropy, optimiser or SGD(0.1), engine=engine, **options)
    record = trainer.fit(x, t, epochs=2, batch_size=20)[-1]
    return record["loss"], trainer.progress


def same_in_both(tolerance=1e-5, **options):
    """Both engines come to the same; the progress of one of them."""
    (loss, progress), (wanted, other) = trained("native", **options), trained("numpy", **options)
    assert loss == pytest.approx(wanted, rel=tolerance)
    moments = {f"{n}/{k}": m for p in (progress,) for n, each in p.moments.items() for k, m in each.items()}
    theirs = {f"{n}/{k}": m for p in (other,) for n, each in p.moments.items() for k, m in each.items()}
    for mine, its in (
        (progress.params, other.params),
        (progress.states, other.states),
        (moments, theirs),
    ):
        assert mine.keys() == its.keys()
        for name, a in mine.items():
            assert (a.dtype, a.shape) == (its[name].dtype, its[name].shape), name
            np.testing.assert_allclose(a, its[name], rtol=1e-3, atol=1e-5, err_msg=name)
    return progress


# Optimisers.


def optimiser(update, **first):
    """One made of an update, and of what each parameter's state begins with."""

    class Mine(Optimiser):
        def init(self, p):
            return {key: value(p) if callable(value) else value for key, value in first.items()}

    Mine.update = lambda self, p, dp, state, lr, t: update(p, dp, state, lr, t)
    return Mine(0.1)


FINE = {
    "the formula": optimiser(lambda p, dp, state, lr, t: (p - lr * dp, state)),
    "a step that shrinks": optimiser(lambda p, dp, state, lr, t: (p - lr / t**0.5 * dp, state)),
    "float64 numbers": optimiser(lambda p, dp, state, lr, t: (p - np.float64(0.01) * dp, state)),
    "float64 arrays": optimiser(
        lambda p, dp, state, lr, t: (p - np.array(0.01) * dp + np.zeros(p.shape), state)
    ),
    "a root of NumPy's": optimiser(lambda p, dp, state, lr, t: (p - np.sqrt(lr) * dp, state)),
    "a moment of float64": optimiser(
        lambda p, dp, s, lr, t: (p - s["v"], {"v": s["v"] * np.float64(0.9) + lr * dp}), v=np.zeros_like
    ),
    "a counter": optimiser(lambda p, dp, s, lr, t: (p - lr / (1 + s["n"]) * dp, {"n": s["n"] + 1}), n=0),
    "a number": optimiser(lambda p, dp, s, lr, t: (p - s["r"] * dp, {"r": s["r"] * 0.9}), r=0.1),
    "two that change places": optimiser(
        lambda p, dp, s, lr, t: (p - lr * dp, {"a": s["b"] + dp, "b": s["a"]}),
        a=np.zeros_like,
        b=np.ones_like,
    ),
    "in another order": optimiser(
        lambda p, dp, s, lr, t: (p - lr * s["a"], {"b": dp * 2, "a": dp}), a=np.zeros_like, b=np.zeros_like
    ),
    "big-endian": optimiser(
        lambda p, dp, s, lr, t: (p - lr * dp, {"v": dp + s["v"]}), v=lambda p: np.zeros(p.shape, ">f4")
    ),
    "one array twice": optimiser(
        lambda p, dp, s, lr, t: (p - lr * dp, {"a": dp, "b": dp}), a=np.zeros_like, b=np.zeros_like
    ),
}


@pytest.mark.parametrize("name", FINE)
def test_an_optimiser_of_one_s_own(name):
    progress = same_in_both(optimiser=FINE[name])
    assert {p.dtype for p in progress.params.values()} == {np.dtype(np.float32)}


REFUSED = {
    "a scalar that grows": (
        optimiser(lambda p, dp, s, lr, t: (p, {"v": 0.9 * s["v"] + dp}), v=0.0),
        r"Mine's 'v' for the parameter '1.W' .* shape \(8, 4\); it began with shape \(\)",
    ),
    "a moment of another shape": (
        optimiser(lambda p, dp, s, lr, t: (p, {"v": xp.sum(dp)}), v=np.zeros_like),
        r"Mine's 'v' for the parameter '1.W' .* shape \(\)",
    ),
    "a parameter of another shape": (
        optimiser(lambda p, dp, s, lr, t: (xp.sum(p), s)),
        r"the parameter '1.W', as Mine.update gives it, .* shape \(\)",
    ),
    "a new moment": (optimiser(lambda p, dp, s, lr, t: (p, {"v": dp})), "Mine's 'v' .* is new"),
    "a moment lost": (
        optimiser(lambda p, dp, s, lr, t: (p, {}), v=np.zeros_like),
        "'v' .* not given any more",
    ),
    "no pair": (optimiser(lambda p, dp, s, lr, t: p), r"expected the pair \(p, state\)"),
    "nothing": (optimiser(lambda p, dp, s, lr, t: None), "Mine.update returned None"),
    "a state that is none": (optimiser(lambda p, dp, s, lr, t: (p, None)), "expected the pair"),
    "a parameter that is none": (optimiser(lambda p, dp, s, lr, t: (None, s)), "is None"),
    "a list": (optimiser(lambda p, dp, s, lr, t: (p, {"v": [1.0]}), v=np.zeros(1)), "is list"),
    "a float for a counter": (
        optimiser(lambda p, dp, s, lr, t: (p, {"n": s["n"] + 0.5}), n=0),
        "has become float64; it began as int64",
    ),
}


@pytest.mark.parametrize("engine", ["native", "numpy"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_an_optimiser_may_not_give(name, engine):
    given, said = REFUSED[name]
    with pytest.raises(ValueError, match=said):
        trained(engine, optimiser=given)


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ({"v": None}, "Mine's 'v' for the parameter '1.W' has to be numbers"),
        ({"v": "a"}, "has to be numbers"),
        ({"v": [0.0]}, "is a list"),
        ({"v": np.ma.zeros(3)}, "masked"),
        ({"v": {"w": 1.0}}, "has to be numbers"),
    ],
)
def test_what_a_moment_may_not_begin_with(first, said):
    with pytest.raises(TypeError, match=said):
        trained("native", optimiser=optimiser(lambda p, dp, s, lr, t: (p, s), **first))


def test_an_init_that_gives_no_dict():
    made = type("Mine", (Optimiser,), {"init": lambda self, p: np.zeros_like(p)})()
    with pytest.raises(TypeError, match=r"Mine.init returned an array"):
        trained("native", optimiser=made)


@pytest.mark.parametrize("engine", ["native", "numpy"])
@pytest.mark.parametrize("rate", [lambda step: "0.1", lambda step: np.ones(2), lambda step: None])
def test_a_schedule_gives_a_number(rate, engine):
    with pytest.raises(TypeError, match="schedule's rate"):
        trained(engine, optimiser=SGD(rate))


def test_a_schedule_by_numpy_s_numbers():
    same_in_both(optimiser=optimiser(lambda p, dp, s, lr, t: (p - lr * dp, s)))
    same_in_both(optimiser=SGD(lambda step: np.float64(0.1) * np.abs(np.cos(step))))


# Layers.


class Running(Layer):
    def __init__(self, start, update):
        self.state = {"m": start}
        self.updated = update

    def forward(self, x):
        if self.is_training():
            self.state["m"] = self.updated(self.state["m"], x)
        return x


def with_state(start, update):
    return Sequential(Affine(8, 4, seed=0), Running(start, update), Affine(4, 3, seed=1))


STATES = {
    "float64 arithmetic": (
        np.zeros(4, np.float32),
        lambda m, x: np.float64(0.9) * m + 0.1 * hg.mean(x, axis=0),
    ),
    "a state of float64": (np.zeros(4), lambda m, x: 0.9 * m + 0.1 * hg.mean(x, axis=0)),
    "a state of float16": (np.zeros(4, np.float16), lambda m, x: 0.9 * m + 0.1 * hg.mean(x, axis=0)),
    "a number": (0.0, lambda m, x: 0.9 * m + 0.1 * hg.mean(x)),
    "a counter": (0, lambda m, x: m + 1),
    "a counter of one byte": (np.array(250, np.uint8), lambda m, x: m + np.uint8(3)),
    "a switch": (False, lambda m, x: True),
    "a constant": (np.zeros(3, np.float32), lambda m, x: np.arange(3)),
    "a view": (np.zeros(8, np.float32)[::2], lambda m, x: x[0]),
    "big-endian": (np.zeros(4, ">f4"), lambda m, x: m + x[0]),
}


@pytest.mark.parametrize("name", STATES)
@pytest.mark.filterwarnings("ignore:.*float16")
def test_a_state_of_one_s_own(name):
    same_in_both(net=with_state(*STATES[name]), tolerance=1e-4)


@pytest.mark.parametrize("engine", ["native", "numpy"])
@pytest.mark.parametrize(
    ("start", "update", "said"),
    [
        (
            0.0,
            lambda m, x: 0.9 * m + hg.mean(x, axis=0),
            r"the state '1.m' .* shape \(4,\); it began with .*\(\)",
        ),
        (np.zeros(4), lambda m, x: x[:2], r"shape \(2, 4\)"),
        (0, lambda m, x: m + hg.mean(x), "has become float64; it began as int64"),
        (np.zeros(4), lambda m, x: None, "is None"),
        (np.zeros(2), lambda m, x: [1.0, 2.0], "is list"),
    ],
)
def test_what_a_state_may_not_become(start, update, said, engine):
    with pytest.raises(ValueError, match=said):
        trained(engine, net=with_state(start, update))


class Scale(Layer):
    def __init__(self, s):
        self.params = {"s": s}

    def forward(self, x):
        return x * self.params["s"]


def with_scale(s):
    return Sequential(Affine(8, 4, seed=0), Scale(s), Affine(4, 3, seed=1))


@pytest.mark.parametrize("s", [np.ones(4), 1.0, np.ones(4, ">f4"), np.ones((4, 2), np.float32)[:, 0]])
def test_a_parameter_of_one_s_own(s):
    same_in_both(net=with_scale(s))


@pytest.mark.parametrize("engine", ["native", "numpy"])
@pytest.mark.parametrize(
    ("s", "said"),
    [
        (np.ones(4, int), "the parameter '1.s' is of int64, and gradients are for floats"),
        (np.ones(4, bool), "is of bool"),
        (2, "is of int64"),
        ([1.0] * 4, "is a list"),
        (np.ones(4, complex), "complex128"),
        (np.ones(4, object), "Python objects"),
        (np.ma.ones(4), "masked array"),
        (np.ones((1, 4)).view(np.matrix), "matrix"),
    ],
)
def test_what_is_no_parameter(s, said, engine):
    with pytest.raises(TypeError, match=said):
        trained(engine, net=with_scale(s))


@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_a_state_that_is_new(engine):
    class New(Layer):
        def forward(self, x):
            self.state["m"] = hg.mean(x, axis=0)
            return x

    with pytest.raises(ValueError, match=r"the state '1.m' is new"):
        trained(engine, net=Sequential(Affine(8, 4, seed=0), New(), Affine(4, 3, seed=1)))


# Data.


class Data:
    """Rows, as ``give`` makes them of those that were asked for."""

    def __init__(self, give):
        self.give = give

    def __len__(self):
        return len(X)

    def __getitem__(self, places):
        return self.give(X[places])


@pytest.mark.parametrize("engine", ["native", "numpy"])
@pytest.mark.parametrize(
    "give",
    [
        lambda x: x[: max(1, len(x) // 2)].copy(),
        lambda x: x[:-1].copy() if len(x) > 1 else x,
        lambda x: np.concatenate([x, x]),
        lambda x: x[0],
        lambda x: x[:, :7].copy() if len(x) > 1 else x,
        lambda x: np.float32(0),
    ],
)
def test_rows_are_looked_at_in_every_mini_batch(give, engine):
    with pytest.raises(ValueError, match=r"place|rows|x of shape"):
        trained(engine, x=Data(give))


def test_rows_of_another_dtype_than_the_first():
    def give(x):
        return (x * 10).astype(np.int16 if len(x) == 1 else np.int64)

    with pytest.raises(ValueError, match=r"\(8,\), int64, where the first had shape \(8,\), int16"):
        trained("native", x=Data(give))


@pytest.mark.parametrize(
    "give",
    [
        lambda x: x.astype(np.float64),
        lambda x: x.tolist(),
        lambda x: (x * 10).astype(">i4"),
        lambda x: x.astype(np.float16),
        lambda x: x[:, ::-1],
        np.asfortranarray,
    ],
)
def test_rows_of_any_kind(give):
    same_in_both(x=Data(give))
    same_in_both(x=np.asarray(give(X)))


@pytest.mark.parametrize("dtype", [">i8", ">i4", ">i2", "u1", ">u2", "i1"])
def test_labels_of_any_integer(dtype):
    assert trained("native", t=T.astype(dtype))[0] == trained("native")[0]


@pytest.mark.parametrize("engine", ["native", "numpy"])
@pytest.mark.parametrize(
    "x", [np.ma.masked_greater(X, 0.5), X.view(np.matrix), X.astype(complex), X.astype(object), X.astype(str)]
)
def test_what_is_no_data(x, engine):
    with pytest.raises(TypeError, match=r"masked|matrix|has to be numbers"):
        trained(engine, x=x)


class Table(Layer):
    """Rows of a table, at places that are data."""

    def __init__(self):
        self.params = {"rows": np.eye(5, dtype=np.float32)}

    def forward(self, x):
        return hg.take(self.params["rows"], x, axis=0)


@pytest.mark.parametrize("bad", [5, -6])
def test_an_index_out_of_range_is_named_as_numpy_names_it(bad):
    """With the rule, the index and the axis; what was learnt before is kept."""
    x = np.arange(40) % 5
    x[hg.data.permutation(40, 0, 0)[20]] = bad
    said, steps = [], []
    for engine in ("native", "numpy"):
        one = Trainer(Table(), hg.softmax_cross_entropy, SGD(0.1), engine=engine)
        with pytest.raises(IndexError) as caught:
            one.fit(x, np.arange(40) % 5, epochs=1, batch_size=8)
        said.append(str(caught.value))
        steps.append(one.progress.step)
    assert said[0] == said[1]
    assert f"index {bad} is out of bounds for axis 0 with size 5" in said[0]
    assert any("take" in note for note in caught.value.__notes__)
    assert steps == [2, 2]
