import math

import numpy as np
import pytest

from handgrad import optim
from handgrad.optim import SGD, AdaGrad, Adam, AdamW, Momentum, Nesterov, RMSProp

ALL = [SGD(0.1), Momentum(0.1), Nesterov(0.1), AdaGrad(0.5), RMSProp(0.1), Adam(0.3), AdamW(0.3)]


def by_name(optimiser):
    return type(optimiser).__name__


@pytest.mark.parametrize("optimiser", ALL, ids=by_name)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_descends_and_keeps_dtype_and_arguments(optimiser, dtype):
    p = np.array([[3.0, -2.0]], dtype)
    state = optimiser.init(p)
    for t in range(1, 201):
        dp, old = p * np.array([1, 4], dtype), (p.copy(), {k: v.copy() for k, v in state.items()})
        new_p, new_state = optimiser.update(p, dp, state, optimiser.rate(t - 1), t)
        assert np.array_equal(p, old[0])
        assert all(np.array_equal(state[k], v) for k, v in old[1].items())
        assert new_p.dtype == dtype
        assert all(v.dtype == dtype and v.shape == p.shape for v in new_state.values())
        p, state = new_p, new_state
    assert np.abs(p).max() < 0.3


def test_the_first_step_of_adam_is_the_learning_rate():
    p, dp = np.array([1.0, 1.0]), np.array([1e-3, -50.0])
    moved, _ = Adam(0.01).update(p, dp, Adam().init(p), 0.01, 1)
    np.testing.assert_allclose(moved, p - 0.01 * np.sign(dp), rtol=1e-6)


def test_adamw_decays_without_a_gradient():
    p = np.array([2.0])
    moved, _ = AdamW(0.1, weight_decay=0.5).update(p, np.zeros(1), AdamW().init(p), 0.1, 1)
    np.testing.assert_allclose(moved, 2.0 * (1 - 0.05))


def test_schedules():
    assert [optim.constant(0.3)(s) for s in (0, 999)] == [0.3, 0.3]
    step = optim.step_decay(1.0, every=10, factor=0.5)
    assert [step(s) for s in (0, 9, 10, 25)] == [1.0, 1.0, 0.5, 0.25]
    cosine = optim.cosine(1.0, steps=100, final=0.2)
    np.testing.assert_allclose([cosine(s) for s in (0, 50, 100, 500)], [1.0, 0.6, 0.2, 0.2])
    warm = optim.warm_up(optim.cosine(1.0, 100), steps=4)
    np.testing.assert_allclose([warm(s) for s in range(5)], [0.2, 0.4, 0.6, 0.8, 1.0])
    assert warm(54) == pytest.approx(0.5)
    assert optim.warm_up(0.5, 1)(0) == 0.25
    assert SGD(lr=step).rate(12) == 0.5


def test_clipping_by_norm():
    rng = np.random.default_rng(0)
    grads = {
        "W": rng.standard_normal((3, 4)).astype(np.float32),
        "b": rng.standard_normal(3).astype(np.float32),
    }
    whole = np.concatenate([g.ravel() for g in grads.values()])
    assert optim.norm(grads) == pytest.approx(np.linalg.norm(whole), rel=1e-6)
    clipped = optim.clip_by_norm(grads, 0.5)
    assert optim.norm(clipped) == pytest.approx(0.5, rel=1e-5)
    assert clipped["W"].dtype == np.float32
    np.testing.assert_allclose(clipped["W"] / grads["W"], clipped["b"][0] / grads["b"][0], rtol=1e-5)
    same = optim.clip_by_norm(grads, 1e6)
    assert all(np.array_equal(same[k], g) for k, g in grads.items())
    zero = optim.clip_by_norm({"W": np.zeros(3)}, 1.0)
    assert zero["W"].tolist() == [0, 0, 0]


def test_clipping_by_value():
    clipped = optim.clip_by_value({"W": np.array([-3.0, 0.5, 9.0])}, 1.0)
    assert clipped["W"].tolist() == [-1.0, 0.5, 1.0]


def test_an_optimiser_without_update_says_so():
    with pytest.raises(TypeError, match="write def update"):
        optim.Optimiser().update(0, 0, {}, 0.1, 1)


def test_defaults_are_those_of_the_papers():
    assert (Adam().beta1, Adam().beta2, Adam().eps, Adam().rate(0)) == (0.9, 0.999, 1e-8, 1e-3)
    assert math.isclose(AdamW().weight_decay, 0.01)
