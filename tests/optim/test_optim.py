import dataclasses
import math

import numpy as np
import pytest

from handgrad import optim
from handgrad.optim import (
    SGD,
    Adafactor,
    AdaGrad,
    Adam,
    AdamW,
    Lion,
    Momentum,
    Muon,
    Nesterov,
    RAdam,
    RMSProp,
)

ALL = [SGD(0.1), Momentum(0.1), Nesterov(0.1), AdaGrad(0.5), RMSProp(0.1), Adam(0.3), AdamW(0.3),
       RAdam(0.3), Lion(0.02, beta2=0.9), Adafactor(0.1), Muon(0.05)]  # fmt: skip


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
        assert all(v.dtype == dtype and v.shape == state[k].shape for k, v in new_state.items())
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


@pytest.mark.parametrize("kind", [type(optimiser) for optimiser in ALL])
@pytest.mark.parametrize(
    ("lr", "error"),
    [
        (-1.0, ValueError),
        (math.nan, ValueError),
        (math.inf, ValueError),
        ("0.1", TypeError),
        (None, TypeError),
    ],
)
def test_learning_rates_are_numbers_from_0_on(kind, lr, error):
    with pytest.raises(error, match=rf"{kind.__name__}: lr is a .*number.*, not "):
        kind(lr)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Momentum(momentum=1.0), "Momentum: momentum is a finite number, 0 or more and less than 1"),
        (lambda: RMSProp(decay=-0.1), "RMSProp: decay is"),
        (lambda: Adam(beta2=1.5), "Adam: beta2 is"),
        (lambda: Adam(eps=math.nan), "Adam: eps is"),
        (lambda: AdamW(weight_decay=-1), "AdamW: weight_decay is"),
        (lambda: optim.constant(-1), "constant: lr is"),
        (lambda: optim.step_decay(0.1, every=0), "step_decay: every is 1 or more, not 0"),
        (lambda: optim.cosine(0.1, steps=0), "cosine: steps is 1 or more"),
        (lambda: optim.warm_up(0.1, steps=-1), "warm_up: steps is 0 or more"),
        (
            lambda: SGD(lambda step: math.nan).rate(7),
            r"SGD: lr\(7\), the schedule's rate, is a finite number",
        ),
    ],
)
def test_numbers_out_of_range(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_counts_are_whole_numbers():
    for steps in (2.5, "3", True, None):
        with pytest.raises(TypeError, match="cosine: steps is a whole number"):
            optim.cosine(0.1, steps)
    with pytest.raises(TypeError, match=r"lr\(0\), the schedule's rate, is a number, not None"):
        SGD(lambda step: None).rate(0)


def test_numpy_s_numbers_are_numbers():
    assert Adam(np.float32(0.5)).rate(0) == 0.5
    assert Adam(np.asarray(0.25)).rate(0) == 0.25
    assert optim.cosine(1.0, np.int64(4))(2) == pytest.approx(0.5)


class WithoutDataclass(Adam):
    def __init__(self, lr, power):
        self.lr = lr
        self.power = power


@dataclasses.dataclass(frozen=True)
class WithDataclass(optim.Optimiser):
    decay: float = 5.0  # in no range of ours


def test_optimisers_of_one_s_own_have_what_attributes_they_like():
    own = WithoutDataclass(0.5, 3)
    assert (own.rate(0), own.power, own.beta1) == (0.5, 3, 0.9)
    assert WithDataclass(0.1, decay=7.0).decay == 7.0
    assert dataclasses.replace(Adam(0.1), lr=0.2) == Adam(0.2)
    for fixed in (Adam(0.1), WithDataclass(0.1)):
        with pytest.raises(dataclasses.FrozenInstanceError, match="cannot assign to field 'lr'"):
            fixed.lr = 0.2
    with pytest.raises(ValueError, match="WithDataclass: lr is"):
        WithDataclass(-1.0)
