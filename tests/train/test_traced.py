"""Few steps are NumPy's, in a straight line: the bits of those that go rule by rule, and their errors."""

import numpy as np
import pytest

import handgrad as hg
from handgrad import layers, optim
from handgrad.layers import mlp
from handgrad.train import NonFiniteError, Trainer, l2
from handgrad.train.engines.traced import FEW

rng = np.random.default_rng(0)
N, SIZE = 56, 10  # the last mini-batch has 6
X, T = rng.standard_normal((N, 6)), rng.integers(3, size=N)
EPOCHS = FEW + 3  # so that both sizes are traced

OPTIMISERS = {
    "SGD": optim.SGD(0.1),
    "momentum": optim.Momentum(0.1),
    "Adam": optim.Adam(0.01),
    "a schedule": optim.AdamW(optim.cosine(0.1, 100)),
    "RAdam": optim.RAdam(0.01),
    "averages": optim.Average(optim.Lion(1e-3)),
}


def fitted(
    engine, net, loss=hg.softmax_cross_entropy, optimiser=None, t=T, weights=None, epochs=EPOCHS, **more
):
    one = Trainer(net, loss, optimiser or optim.Adam(0.01), engine=engine, **more)
    one.fit(X, t, epochs, SIZE, sample_weight=weights)
    return one


def kinds_of_steps():
    for name, optimiser in OPTIMISERS.items():
        yield name, {"optimiser": optimiser}
    yield "all that a step may have", {
        "net": lambda dtype: mlp([6, 8, 3], "tanh", batch_norm=True, dropout=0.3, seed=0, dtype=dtype),
        "clip_norm": 0.5, "clip_value": 0.1, "penalty": l2(1e-3, "*W"), "accumulate": 3,
        "weights": rng.random(N), "metrics": None,
    }  # fmt: skip
    yield "a vector for each", {"loss": hg.mean_squared_error, "t": rng.standard_normal((N, 3))}


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("asked", [pytest.param(asked, id=name) for name, asked in kinds_of_steps()])
def test_the_bits_of_steps_rule_by_rule(asked, dtype):
    asked = {"metrics": {}, **asked}
    made = asked.pop("net", lambda dtype: mlp([6, 8, 3], seed=0, dtype=dtype))
    line, rules = (fitted(engine, made(dtype), **asked) for engine in (None, "numpy"))
    assert type(line.steps).__name__ == "TracedSteps"
    assert [f is not None for f in line.steps.functions.values()] == [True, True]
    for part in ("params", "states"):
        theirs = getattr(rules.progress, part)
        for name, p in getattr(line.progress, part).items():
            assert (p.dtype, p.tobytes()) == (theirs[name].dtype, theirs[name].tobytes()), name
    assert line.history["loss"].tolist() == rules.history["loss"].tolist()


def test_it_is_resumed_rule_by_rule_to_the_same_bits(tmp_path):
    whole = fitted(None, mlp([6, 8, 3], seed=0))
    fitted(None, mlp([6, 8, 3], seed=0), epochs=EPOCHS - 2, out=tmp_path)
    more = Trainer(mlp([6, 8, 3], seed=0), hg.softmax_cross_entropy, optim.Adam(0.01), out=tmp_path)
    more.fit(X, T, EPOCHS, SIZE, resume=True)
    assert [type(each.steps).__name__ for each in (whole, more)] == ["TracedSteps", "NumpySteps"]
    for name, p in whole.progress.params.items():
        assert p.tobytes() == more.progress.params[name].tobytes()


def test_what_is_not_finite_is_named():
    net = layers.Sequential(layers.Affine(6, 3, seed=0, dtype=np.float64))
    with pytest.raises(NonFiniteError, match=r"the output of .*mean_squared_error is not finite") as found:
        fitted(None, net, hg.mean_squared_error, optim.SGD(30.0), t=rng.standard_normal((N, 3)), epochs=200)
    assert int(str(found.value).split()[1].strip(":")) > FEW


def test_a_label_that_is_out_of_range_is_found_before_the_first_step():
    with pytest.raises(ValueError, match="label 3 is out of range"):
        fitted(None, mlp([6, 8, 3], seed=0), t=np.where(np.arange(N) == N - 1, 3, T))


def test_what_somebody_may_change_goes_rule_by_rule():
    class Own(layers.Layer):
        def forward(self, x):
            return hg.tanh(x)

    net = layers.Sequential(layers.Affine(6, 3, seed=0), Own())
    assert type(fitted(None, net, epochs=2).steps).__name__ == "NumpySteps"
