"""``scipy.special`` on recorded arrays: SciPy's values, and derivatives that are those of differences."""

import numpy as np
import pytest
import scipy.special as s

import handgrad as hg
from handgrad.program import trace
from handgrad.tape.functions.special import DERIVATIVES, OURS, WITHOUT_DERIVATIVE

from ..rules.draws import normal, within
from ..rules.numerics import assert_gradient, element_directions

above, inside, few = within(1.2, 3.0), within(0.2, 0.8), within(0.5, 2.0)
N = np.array([0, 1, 3, 2])
CALLS = {
    **{name: (getattr(s, name), [above]) for name in "gammaln loggamma gamma rgamma psi digamma".split()},
    **{name: (getattr(s, name), [above]) for name in "j0 j1 y0 y1 i0 i1 i0e i1e k0 k1 entr".split()},
    **{name: (getattr(s, name), [normal]) for name in "ndtr log_ndtr log_expit erf erfc erfcx expit".split()},
    **{name: (getattr(s, name), [inside]) for name in "erfinv erfcinv ndtri logit".split()},
    **{name: (getattr(s, name), [few, few]) for name in "beta betaln xlogy xlog1py rel_entr".split()},
    "gamma-of-negative": (lambda x: s.gamma(-x), [within(0.2, 0.8)]),
    "zeta": (lambda x: s.zeta(2.5, x), [above]),
    "jv": (lambda x: s.jv(N, x), [above]),
    "jn": (lambda x: s.jn(2, x), [above]),
    "yn": (lambda x: s.yn(N, x), [above]),
    "yv": (lambda x: s.yv(1.5, x), [above]),
    "iv": (lambda x: s.iv(N, x), [above]),
    "ive": (lambda x: s.ive(N, -x), [above]),
    "stdtr": (lambda x: s.stdtr(3.5, x), [normal]),
    "kv": (lambda x: s.kv(0.5, x), [above]),
    "gammainc": (lambda x: s.gammainc(2.5, x), [above]),
    "gammaincc": (lambda x: s.gammaincc(2.5, x), [above]),
    "betainc": (lambda x: s.betainc(1.5, 2.5, x), [inside]),
    "exp2": (s.exp2, [normal]),
    "expm1": (s.expm1, [normal]),
    "log1p": (s.log1p, [above]),
}


@pytest.mark.parametrize("name", CALLS)
def test_value_and_derivatives(name):
    function, draws = CALLS[name]
    r = np.random.default_rng([*name.encode()])
    xs = [np.asarray(draw(r, 4)) for draw in draws]
    out, backward = hg.vjp(function, *xs)
    np.testing.assert_allclose(out, function(*xs), rtol=1e-14)
    dout = r.normal(size=4)
    assert_gradient(lambda xs: function(*xs), xs, dout, list(backward(dout)), element_directions(xs), 3e-9)

    def first(*xs):
        return hg.vjp(function, *xs)[1](dout)[0]

    second = hg.vjp(first, *xs)[1](np.ones(4))
    assert_gradient(lambda xs: first(*xs), xs, np.ones(4), list(second), element_directions(xs), 1e-7)


def test_derivatives_at_zero_and_in_the_tails():
    def derivative(f, *xs):
        return hg.vjp(f, *map(np.asarray, xs))[1](np.ones(np.shape(xs[0])))

    zeros = np.zeros(2)
    np.testing.assert_array_equal(derivative(s.i1, zeros)[0], 0.5)
    np.testing.assert_array_equal(derivative(s.i1e, zeros)[0], 0.5)
    with np.errstate(invalid="ignore"):  # dy = x / y is 0 / 0 at the first
        dx, dy = derivative(s.xlogy, zeros, np.array([0.0, 2.0]))
    np.testing.assert_allclose(dx, [0, np.log(2)])
    assert dy[1] == 0
    x = np.array([-1e10, -40.0, 40.0])  # the derivative of log Φ is -x far below, and 0 far above
    np.testing.assert_allclose(derivative(s.log_ndtr, x)[0], [1e10, 40.02496884, 0], rtol=1e-9, atol=1e-300)


def test_every_function_is_called():
    names = {name.removeprefix("_") for name in DERIVATIVES.keys() | OURS.keys()}
    assert names - CALLS.keys() == set()


def test_what_has_no_derivative():
    x = np.array([1.5, -0.5])
    for name in WITHOUT_DERIVATIVE:
        made = getattr(s, name)(hg.variable(x))
        assert type(made) is np.ndarray
        np.testing.assert_array_equal(made, getattr(s, name)(x))


def test_an_argument_without_a_formula_is_refused():
    for call in (lambda v: s.gammainc(v, 1.0), lambda v: s.jv(v, 2.0), lambda v: s.betainc(1.0, v, 0.5)):
        with pytest.raises(TypeError, match=r"derivative of .* by its argument"):
            hg.grad(call)(1.5)


def test_programs_have_no_code_for_them():
    with pytest.raises(TypeError, match="SciPy's gammaln has no code in programs"):
        trace(s.gammaln, np.ones(3))
