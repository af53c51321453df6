"""Wrong backward passes, planted: the factory must object to each."""

import numpy as np
import pytest

from handgrad.arrays import xp
from handgrad.rules import elementwise, rule

from . import test_every_rule as factory
from .cases import Case
from .draws import normal


@elementwise
def ignores_dout(x):
    return x * x, lambda dout: 2 * x


@elementwise
def doubled(x):
    return x * x * x, lambda dout: 6 * x * x * dout


@elementwise
def slightly_off(x):
    return xp.sin(x), lambda dout: dout * xp.cos(x) * (1 + 1e-7)


@rule
def diagonal_softmax(x):
    e = xp.exp(x)
    out = e / xp.sum(e, axis=-1, keepdims=True)
    return out, lambda dout: out * (1 - out) * dout


@elementwise
def second_derivative_missing(x):
    return xp.sin(x), lambda dout: dout * xp.cos(xp.stop_gradient(x))


@elementwise
def overwrites_dout(x):
    def backward(dout):
        dout *= 2 * x
        return dout

    return x * x, backward


@elementwise
def returns_what_it_keeps(x):
    kept = 2 * x
    return x * x, lambda dout: kept if np.all(dout == 1) else np.multiply(kept, dout, out=kept)


@rule
def rows_lost(x, b):
    return x + b, lambda dout: (dout, dout[0])


@pytest.mark.parametrize(
    ("planted", "checks"),
    [
        (ignores_dout, "gradient_is_that_of_differences backward_is_linear_in_dout"),
        (doubled, "gradient_is_that_of_differences"),
        (slightly_off, "gradient_is_that_of_differences"),
        (diagonal_softmax, "gradient_is_that_of_differences"),
        (second_derivative_missing, "second_derivative_is_that_of_differences"),
        (overwrites_dout, "nothing_is_mutated_and_answers_repeat"),
        (
            returns_what_it_keeps,
            "a_gradient_is_fresh_or_a_view_of_dout nothing_is_mutated_and_answers_repeat",
        ),
        (rows_lost, "gradient_is_that_of_differences"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_factory_objects_to(planted, checks):
    draws = {"x": (3, 4), "b": (4,)}
    case = Case(planted, "planted", lambda r: tuple(normal(r, *draws[name]) for name in planted.inputs))
    for check in checks.split():
        with pytest.raises(AssertionError):
            getattr(factory, f"test_{check}").of_case(case)
