"""What a trainer is given: right, or refused in one sentence that names it, in either engine."""

import warnings

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Affine, Layer, Sequential, mlp
from handgrad.optim import SGD, Adam, Optimiser
from handgrad.train import Trainer, l1, l2, predict

ENGINES = pytest.mark.parametrize("engine", ["native", "numpy"])
RNG = np.random.default_rng(0)
X, T = RNG.random((60, 4)).astype("f"), RNG.integers(3, size=60)
CROSS_ENTROPY = hg.softmax_cross_entropy


def trainer(loss=CROSS_ENTROPY, optimiser=None, net=None, **options):
    return Trainer(net or mlp([4, 3], seed=0), loss, optimiser or SGD(0.1), **options)


# Trainer's arguments.


@pytest.mark.parametrize(
    ("args", "options", "error", "said"),
    [
        (("mlp", CROSS_ENTROPY, SGD()), {}, TypeError, "net is a layer, .* not 'mlp'"),
        ((Affine, CROSS_ENTROPY, SGD()), {}, TypeError, "net is a layer, .* not the class Affine"),
        (
            (mlp([4, 3]), SGD(), CROSS_ENTROPY),
            {},
            TypeError,
            r"loss .* not of type SGD; the order is Trainer\(",
        ),
        ((mlp([4, 3]), "mse", SGD()), {}, TypeError, r"loss is a function \(y, t\) -> scalar, .* not 'mse'"),
        ((mlp([4, 3]), CROSS_ENTROPY, "adam"), {}, TypeError, r"optimiser is .* Adam\(1e-3\), .* not 'adam'"),
        (
            (mlp([4, 3]), CROSS_ENTROPY, Adam),
            {},
            TypeError,
            r"optimiser is the class Adam; make one: Adam\(\)",
        ),
        ((mlp([4, 3]), CROSS_ENTROPY), {}, TypeError, "takes one optimiser"),
        ((mlp([4, 3]), CROSS_ENTROPY, SGD()), {"optimizer": SGD()}, TypeError, "takes one optimiser"),
        (None, {"metrics": ["accuracy"]}, TypeError, "metrics is a dict of functions .* not of type list"),
        (None, {"metrics": {"loss": abs}}, ValueError, "a metric cannot be called 'loss'"),
        (None, {"metrics": {"m": 3}}, TypeError, r"the metric m is a function \(y, t\) -> \(N,\), not 3"),
        (None, {"clip_norm": 0}, ValueError, "clip_norm is a finite number, more than 0, not 0"),
        (None, {"clip_value": "1"}, TypeError, "clip_value is a number, not '1'"),
        (None, {"seed": 1.5}, TypeError, "seed is a whole number, not 1.5"),
        (None, {"seed": -1}, ValueError, "seed is 0 or more, not -1"),
        (None, {"penalty": 1e-4}, TypeError, r"penalty is a function \(params\) -> scalar, not 0.0001"),
        (None, {"observe": 3}, TypeError, "observe is a function"),
        (None, {"engine": "torch"}, ValueError, "engine is 'native', 'numpy' or 'jax', not 'torch'"),
        (None, {"out": 3}, TypeError, "out is the path of a folder, not 3"),
        (None, {"checkpoint_seconds": -1}, ValueError, "checkpoint_seconds is"),
        ((hg.layers.ReLU(), CROSS_ENTROPY, SGD()), {}, ValueError, "ReLU has no parameters to train"),
    ],
)
def test_what_no_trainer_can_be_made_of(args, options, error, said):
    with pytest.raises(error, match=said):
        Trainer(*(args or (mlp([4, 3]), CROSS_ENTROPY, SGD())), **options)


def test_optimizer_is_taken_and_repr_says_what_it_is():
    one = Trainer(mlp([4, 3]), CROSS_ENTROPY, optimizer=Adam(0.5))
    assert one.optimiser == Adam(0.5)
    assert repr(one) == (
        "Trainer(Sequential of 15 parameters, softmax_cross_entropy, Adam(lr=0.5, beta1=0.9, beta2=0.999, "
        "eps=1e-08); 0 epochs done)"
    )


class Untrained(Layer):
    def __init__(self):
        self.W = np.ones((4, 4), np.float32)

    def forward(self, x):
        return x @ self.W


def test_arrays_that_are_not_trained_are_told():
    with pytest.warns(UserWarning, match=r"Untrained at '0': self\.W \(4, 4\) is not trained"):
        trainer(net=Sequential(Untrained(), Affine(4, 3, seed=0)))


# fit's.


@pytest.mark.parametrize(
    ("change", "error", "said"),
    [
        (
            {"x": (X, X)},
            ValueError,
            r"x has 2 inputs and t 60 targets: .* x is 2 arrays: a network takes one",
        ),
        ({"t": T[:5]}, ValueError, "x has 60 inputs and t 5 targets"),
        ({"x": X[:1], "t": T[:2]}, ValueError, "x has 1 input and t 2 targets"),
        ({"x": X[:0], "t": T[:0]}, ValueError, "there are no examples in x and t"),
        ({"x": []}, ValueError, "x has 0 inputs and t 60 targets"),
        ({"x": 3.0}, TypeError, "x is one number"),
        ({"x": None}, TypeError, r"x is an array \(N, ...\), or an object .* not None"),
        ({"x": [[1.0], [1.0, 2.0]]}, TypeError, "x cannot be made one array"),
        ({"t": np.array(["a", "b"] * 30)}, TypeError, r"t has to be numbers, and is text; .* np\.unique"),
        ({"t": None}, TypeError, "t has to be numbers"),
        ({"epochs": 1.5}, TypeError, "epochs is a whole number, not 1.5"),
        ({"batch_size": 0}, ValueError, "batch_size is 1 or more, not 0"),
        ({"batch_size": "9"}, TypeError, "batch_size is a whole number"),
        ({"validation": X}, TypeError, r"validation is a pair \(x, t\), not of type ndarray"),
        ({"validation": (X[:5], T[:6])}, ValueError, "validation x has 5 inputs and validation t 6 targets"),
        ({"validation": (X[:0], T[:0])}, ValueError, "no examples in validation x"),
        ({"validation": (X, T), "patience": 0}, ValueError, "patience is 1 or more"),
    ],
)
def test_what_cannot_be_fitted(change, error, said):
    with pytest.raises(error, match=said):
        trainer().fit(**{"x": X, "t": T, "epochs": 1, **change})


@ENGINES
def test_lists_frames_and_large_batches_train_as_arrays_do(engine):
    class Frame:
        """As pandas has them: a length, columns by name, and to_numpy."""

        def __init__(self, x):
            self.x = x

        def __len__(self):
            return len(self.x)

        def __getitem__(self, name):
            raise KeyError(name)

        def __array__(self, dtype=None, copy=None):
            return self.x

        def to_numpy(self):
            return self.x

    expected = trainer(engine=engine).fit(X, T, epochs=2, batch_size=1000)
    for x, t in [(X.tolist(), T.tolist()), (Frame(X), Frame(T)), (list(X), tuple(T)), (X.astype(">f4"), T)]:
        record = trainer(engine=engine).fit(x, t, epochs=2, batch_size=1000, validation=(x, t))[-1]
        assert record["loss"] == pytest.approx(expected[-1]["loss"], rel=1e-6)
        assert record["accuracy"] == expected[-1]["accuracy"]


def test_frames_of_pandas():
    pandas = pytest.importorskip("pandas")
    x, t = pandas.DataFrame(X, columns=list("abcd")), pandas.Series(T)
    one = trainer()
    assert one.fit(x, t, epochs=2)[-1]["loss"] == trainer().fit(X, T, epochs=2)[-1]["loss"]
    assert one.evaluate(x, t) == one.evaluate(X, T)
    np.testing.assert_array_equal(one.predict(x), one.predict(X))
    with pytest.raises(TypeError, match="x has to be numbers"):
        one.fit(x.assign(name="a"), t, epochs=4)


def test_no_examples():
    one = trainer()
    assert one.predict(X[:0]).shape == (0, 3)
    assert predict(mlp([4, 5, 2], batch_norm=True, seed=0), np.zeros((0, 4))).shape == (0, 2)
    with pytest.raises(ValueError, match="no examples"):
        one.evaluate(X[:0], T[:0])


def test_a_second_fit_says_what_is_done():
    one = trainer()
    assert len(one.fit(X, T, epochs=2)) == 2
    with pytest.warns(UserWarning, match=r"2 of 2 epochs are done, .* fit\(..., epochs=4\) makes 2 more"):
        assert one.fit(X, T, epochs=2) == []
    assert len(one.fit(X, T, epochs=3)) == 1


def test_observe_may_give_nothing_but_no_other_thing_than_figures():
    seen = []
    record = trainer(observe=seen.append).fit(X, T, epochs=1)[0]
    assert len(seen) == 1
    assert "accuracy" in record
    with pytest.raises(TypeError, match="observe gives a dict of figures by name, or None, not float"):
        trainer(observe=lambda net: 1.0).fit(X, T, epochs=1)


# Losses and metrics.


@ENGINES
@pytest.mark.parametrize(
    ("loss", "error", "said"),
    [
        (
            lambda y, t: hg.softmax_cross_entropy(y, t, reduction="none"),
            ValueError,
            r"of shape \(20,\): .* mean",
        ),
        (lambda y, t: None, TypeError, "the loss gives NoneType, not a number: does it lack a return"),
        (lambda y, t: [y], TypeError, "the loss gives list"),
    ],
)
def test_a_loss_is_one_number(loss, error, said, engine):
    with pytest.raises(error, match=said):
        trainer(loss, engine=engine).fit(X, T, epochs=1, batch_size=20)


@ENGINES
@pytest.mark.parametrize(
    ("metric", "shape"),
    [
        (lambda y, t: float(np.mean(np.argmax(y, 1) == t)), r"\(\)"),
        (lambda y, t: hg.mean(y), r"\(\)"),
        (lambda y, t: y, r"\(20, 3\)"),
        (lambda y, t: y[:7, 0], r"\(7,\)"),
    ],
)
def test_a_metric_is_one_number_for_each_example(metric, shape, engine):
    one = trainer(metrics={"acc": metric}, engine=engine)
    said = rf"the metric acc gives an array of shape {shape} for a mini-batch of 20 .* shape \(20,\)"
    with pytest.raises(ValueError, match=said):
        one.fit(X, T, epochs=1, batch_size=20)
    with pytest.raises(ValueError, match="the metric acc gives an array"):
        one.evaluate(X, T, batch_size=20)


@ENGINES
@pytest.mark.filterwarnings("ignore:runs on NumPy")
def test_metrics_that_symbols_cannot_be_given_are_right(engine):
    metrics = {"acc": lambda y, t: np.argmax(y, 1) == t, "last": lambda y, t: y[:, -1]}
    one = trainer(optimiser=SGD(0.0), metrics=metrics, engine=engine)
    record = one.fit(X, T, epochs=1, batch_size=7)[0]
    y = one.predict(X)
    assert record["acc"] == np.mean(np.argmax(y, 1) == T)
    assert record["last"] == pytest.approx(np.mean(y[:, -1]), rel=1e-5)


class TwoOutputs(Layer):
    def __init__(self):
        self.a, self.b = Affine(4, 3, seed=0), Affine(4, 2, seed=1)

    def forward(self, x):
        return self.a(x), self.b(x)


@ENGINES
def test_several_outputs(engine):
    def loss(y, t):
        return hg.softmax_cross_entropy(y[0], t) + hg.mean(y[1] * y[1])

    one = trainer(loss, net=TwoOutputs(), engine=engine)
    records = one.fit(X, T, epochs=5, batch_size=20)
    assert records[-1]["loss"] < records[0]["loss"]
    assert "accuracy" not in records[0]
    first, second = one.predict(X, batch_size=7)
    assert (first.shape, second.shape) == ((60, 3), (60, 2))
    assert one.evaluate(X, T)["loss"] == pytest.approx(float(loss((first, second), T)), rel=1e-6)


# Penalties, and losses that read the network.


def by_hand(p, dp, lr, weights):
    """SGD with an L2 penalty on W, worked out."""
    return {name: a - lr * (dp[name] + 2 * weights.get(name, 0.0) * a) for name, a in p.items()}


@ENGINES
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_penalty_is_in_the_loss_and_in_its_gradient(engine, dtype):
    def net():
        return mlp([4, 5, 3], "tanh", seed=0, dtype=dtype)

    x = X.astype(dtype)
    params = {k: np.asarray(v, np.float64) for k, v in net().parameters().items()}

    def loss(p):
        return CROSS_ENTROPY(net().bind(p)(np.asarray(x, np.float64)), T)

    expected = by_hand(params, hg.grad(loss)(params), 0.5, {"1.W": 0.01, "3.W": 0.01})
    one = trainer(net=net(), optimiser=SGD(0.5), penalty=l2(0.01, "*.W"), engine=engine)
    record = one.fit(x, T, epochs=1, batch_size=60)[0]
    tolerance = 1e-5 if dtype == np.float32 else 1e-12
    for name, p in one.net.parameters().items():
        assert p.dtype == dtype
        np.testing.assert_allclose(p, expected[name], rtol=tolerance, atol=tolerance)
    penalty = 0.01 * sum(np.sum(params[name] ** 2) for name in ("1.W", "3.W"))
    assert record["loss"] == pytest.approx(float(loss(params)) + penalty, rel=tolerance)
    assert one.evaluate(x, T)["loss"] == pytest.approx(float(CROSS_ENTROPY(one.net(x), T)), rel=tolerance)


def test_penalties_by_pattern():
    params = {"1.W": np.array([3.0, -4.0]), "1.b": np.array([2.0])}
    assert l2(0.5)(params) == 0.5 * 29
    assert l2(0.5, "*.W")(params) == 0.5 * 25
    assert l1(0.5, "1.?")(params) == 0.5 * 9
    assert hg.grad(l1(0.5, "*.W"))(params)["1.W"].tolist() == [0.5, -0.5]
    assert hg.grad(l2(0.5, "*.W"))(params)["1.b"].tolist() == [0.0]
    assert repr(l2(1e-4, "*.W")) == "l2(weight=0.0001, pattern='*.W')"
    with pytest.raises(ValueError, match=r"l2\(.*\): no parameter has such a name; there are 1\.W, 1\.b"):
        l2(1.0, "W")(params)
    with pytest.raises(ValueError, match="l1: weight is a finite number"):
        l1(-1.0)


def reads_attribute(net):
    class Aliased(Layer):
        def __init__(self):
            self.params = {"W": np.eye(4, 3, dtype=np.float32)}
            self.W = self.params["W"]

        def forward(self, x):
            return x @ self.W + 0 * hg.sum(self.params["W"])

    return Aliased(), CROSS_ENTROPY


def reads_by_name(net):
    return net, lambda y, t: CROSS_ENTROPY(y, t) + 1e-6 * sum(hg.sum(p**2) for p in net.parameters().values())


def reads_numbers(net):
    kept = list(net.parameters().values())
    return net, lambda y, t: CROSS_ENTROPY(y, t) + 1e-4 * float(sum(np.abs(p).sum() for p in kept))


def reads_and_draws(net):
    def loss(y, t):
        noise = np.random.standard_normal(y.shape)
        return CROSS_ENTROPY(y + noise, t) + hg.sum(net.parameters()["1.W"] ** 2)

    return net, loss


def reads_an_array(net):
    W = net.parameters()["1.W"]
    return net, lambda y, t: CROSS_ENTROPY(y @ hg.transpose(W) @ W, t)


@ENGINES
@pytest.mark.parametrize(
    "reads", [reads_attribute, reads_by_name, reads_numbers, reads_and_draws, reads_an_array]
)
def test_a_loss_that_reads_the_network_past_the_step_is_refused(reads, engine):
    net, loss = reads(mlp([4, 3], seed=0))
    one = trainer(loss, net=net, engine=engine)
    before = {name: p.copy() for name, p in net.parameters().items()}
    with pytest.raises(ValueError, match=r"reads (1\.)?W.* from the network itself, .* penalty=f"):
        one.fit(X, T, epochs=1, batch_size=20)
    for name, p in net.parameters().items():
        np.testing.assert_array_equal(p, before[name])


def test_a_loss_may_keep_what_the_network_was():
    net = mlp([4, 3], seed=0)
    start = {name: p.copy() for name, p in net.parameters().items()}

    def penalty(params):
        return sum(hg.sum((p - start[name]) ** 2) for name, p in params.items())

    near, free = trainer(net=net, penalty=penalty), trainer()
    near.fit(X, T, epochs=20)
    free.fit(X, T, epochs=20)

    def moved(one):
        return sum(np.sum((p - start[name]) ** 2) for name, p in one.net.parameters().items())

    assert moved(near) < moved(free) / 2


def test_the_first_look_draws_no_number_of_the_users():
    np.random.seed(3)
    expected = np.random.random(3)
    np.random.seed(3)

    def loss(y, t):
        np.random.random()
        return CROSS_ENTROPY(y, t)

    one = trainer(loss, engine="numpy", optimiser=SGD(0.0))
    one.fit(X, T, epochs=1, batch_size=60)
    np.random.seed(3)
    one.fit(X, T, epochs=2, batch_size=60)  # one step, so one number
    assert np.random.random() == expected[1]


class Bare:
    """Not below Optimiser, but one all the same."""

    def init(self, p):
        return {"n": np.zeros((), np.float32)}

    def rate(self, step):
        return 0.1

    def update(self, p, dp, state, lr, t):
        return p - lr * dp, {"n": state["n"] + 1}


class Plain(Optimiser):
    def __init__(self, lr):
        self.lr = lr

    def update(self, p, dp, state, lr, t):
        return p - lr * dp, state


@ENGINES
@pytest.mark.parametrize("optimiser", [Bare(), Plain(0.1)])
def test_optimisers_that_anyone_writes_train_and_resume(tmp_path, optimiser, engine):
    whole = trainer(optimiser=optimiser, engine=engine)
    whole.fit(X, T, epochs=4)
    trainer(optimiser=optimiser, engine=engine, out=tmp_path).fit(X, T, epochs=2)
    second = trainer(optimiser=optimiser, engine=engine, out=tmp_path)
    second.fit(X, T, epochs=4, resume=True)
    for name, p in whole.net.parameters().items():
        np.testing.assert_array_equal(second.net.parameters()[name], p)
    sgd = trainer(optimiser=SGD(0.1), engine=engine)
    sgd.fit(X, T, epochs=4)
    for name, p in sgd.net.parameters().items():
        np.testing.assert_allclose(whole.net.parameters()[name], p, rtol=1e-6)


def test_no_warning_comes_before_an_error_that_is_the_users():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(TypeError, match="class indices are integers"):
            trainer().fit(X, T.astype(float), epochs=1)
