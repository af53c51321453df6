"""Derivatives of values against mpmath's to fifty digits, and their own estimate of how far they are off."""

from __future__ import annotations

import warnings

import mpmath
import numpy as np
import pytest

from handgrad.checking import numerics
from handgrad.checking.quietly import quiet

FUNCTIONS = {
    "sin": (np.sin, mpmath.sin),
    "exp": (np.exp, mpmath.exp),
    "tanh": (np.tanh, mpmath.tanh),
    "arctan": (np.arctan, mpmath.atan),
    "cube": (lambda x: x**3, lambda x: x**3),
    "bump": (lambda x: np.exp(-x * x) * np.cos(3 * x), lambda x: mpmath.exp(-x * x) * mpmath.cos(3 * x)),
    "inverse": (lambda x: 1 / (x + 3), lambda x: 1 / (x + 3)),
}


def line(f, x):
    """f along the direction that scales each element by its own size."""
    v = numerics.sizes(x)
    return (lambda t: f(x + t * v)), v


@pytest.mark.parametrize("name", FUNCTIONS)
def test_differences_are_within_their_own_error(name):
    f, exact = FUNCTIONS[name]
    x = np.random.default_rng(0).standard_normal(40)
    phi, v = line(f, x)
    estimate = numerics.derivative(phi, f(x), numerics.noise_of(phi)[0])
    with mpmath.workdps(50):
        due = np.array([float(mpmath.diff(exact, float(a)) * float(b)) for a, b in zip(x, v, strict=True)])
    assert not estimate.rough.any()
    assert np.all(np.abs(estimate.value - due) <= 4 * estimate.error + 1e-15 * np.abs(due))
    assert np.max(estimate.error / (np.abs(due) + 1e-2 * np.max(np.abs(due)))) < 1e-8


@pytest.mark.parametrize("name", FUNCTIONS)
def test_complex_steps_have_all_digits(name):
    f, exact = FUNCTIONS[name]
    x = np.random.default_rng(1).standard_normal(40)
    phi, v = line(f, x)
    with mpmath.workdps(50):
        due = np.array([float(mpmath.diff(exact, float(a)) * float(b)) for a, b in zip(x, v, strict=True)])
    np.testing.assert_allclose(numerics.complex_step(phi), due, rtol=1e-13, atol=1e-15)


def test_what_does_not_carry_complex_numbers():
    with pytest.raises(TypeError, match="not complex"):
        numerics.complex_step(lambda t: np.abs(np.array([1.0, 2.0]) + t))


@pytest.mark.parametrize("x", [0.0, 1e-3, -0.7])
def test_a_kink_is_seen_where_it_is(x):
    xs = np.array([x, 2.0])

    def phi(t):
        return np.abs(xs + t)

    estimate = numerics.derivative(phi, np.abs(xs), numerics.noise_of(phi)[0])
    assert estimate.kink.tolist() == [x == 0.0, False]
    if x == 0.0:
        assert estimate.left[0] == pytest.approx(-1)
        assert estimate.right[0] == pytest.approx(1)
    else:
        assert estimate.value[0] == pytest.approx(np.sign(x), rel=1e-6)


@pytest.mark.parametrize("f", [np.sqrt, np.floor], ids=["root", "floor"])
def test_no_finite_slope(f):
    def phi(t):
        return f(np.array([0.0, 2.5]) + t)

    with np.errstate(invalid="ignore"):
        estimate = numerics.derivative(phi, phi(0.0), numerics.noise_of(phi)[0])
    assert estimate.kink.tolist() == [True, False]


def test_noise_is_that_of_the_arithmetic():
    x = np.random.default_rng(2).standard_normal(200)
    for dtype, level in ((np.float64, 2.2e-16), (np.float32, 6e-8)):

        def phi(t, dtype=dtype):
            return np.sin((x + t).astype(dtype)).astype(np.float64)

        share = np.median(numerics.noise_of(phi)[0] / np.abs(np.sin(x)))
        assert 0.1 * level < share < 10 * level


def test_noise_in_stairs_is_seen():
    x = np.linspace(1.0, 2.0, 9)

    def phi(t):
        return (x * (1 + t) + 1e12) - 1e12

    assert np.all(numerics.noise_of(phi)[0] > 1e-5)


def test_an_oscillation_faster_than_the_steps_is_not_believed():
    x = np.random.default_rng(3).standard_normal(20) * 1e5
    phi, v = line(np.sin, x)
    estimate = numerics.derivative(phi, np.sin(x), numerics.noise_of(phi)[0])
    off = np.abs(estimate.value - np.cos(x) * v)
    assert np.all((off <= 10 * estimate.error) | (off <= 1e-3 * np.abs(v)))


@pytest.mark.parametrize("scale", [1e-200, 1e-6, 1.0, 1e150])
def test_sizes_follow_the_scale(scale):
    x = scale * np.array([0.0, 1.0, -2.0])
    assert np.all(numerics.sizes(x) > 0)
    np.testing.assert_allclose(numerics.sizes(x) / scale, numerics.sizes(np.array([0.0, 1.0, -2.0])))
    np.testing.assert_allclose(numerics.lengths(np.stack([x, 0 * x])), [np.sqrt(5) * scale, 0])


@pytest.mark.parametrize("scale", [1e-300, 1e-200, 1.0, 1e200, 1e300])
def test_noise_is_measured_at_every_scale(scale):
    def smooth(t):
        return scale * np.array([np.sin(1.0 + t), 2.0])

    def chance(t):
        return scale * np.modf(1e12 * np.array([1.0 + t, 3.0 - t]))[0]

    noise, is_noise = numerics.noise_of(smooth)
    assert np.all(noise < 1e-15 * scale)
    assert not is_noise.any()
    noise, is_noise = numerics.noise_of(chance)
    assert np.all(noise > 1e-2 * scale)
    assert is_noise.all()


@pytest.mark.parametrize(
    "f", [lambda x: np.minimum(x, 0.0), lambda x: np.sign(x) * np.maximum(np.abs(x) - 2e-20, 0.0)]
)
@pytest.mark.parametrize("noise", [0.0, 8e-24, 8e-23, 8e-22])
def test_a_kink_nearer_than_the_steps_is_not_believed(f, noise):
    """Though the noise hides what the finest steps would show."""

    def phi(t):
        return f(np.array([1e-20]) + 1e-17 * t)

    estimate = numerics.derivative(phi, phi(0.0), np.array([noise]))
    assert abs(estimate.value[0]) <= 10 * estimate.error[0]


def test_quiet_in_quiet_is_quiet_and_leaves_no_trace():
    before = list(warnings.filters)
    with quiet():
        with quiet():
            np.log(np.zeros(1))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with quiet():
                np.log(np.zeros(1))
                warnings.warn("a target's", stacklevel=1)
        warnings.warn("a target's", stacklevel=1)
        with pytest.raises(np.exceptions.ComplexWarning):
            np.zeros(1)[:] = np.ones(1) * 1j
    assert warnings.filters == before
