"""One factory: what every rule owes, asked of every case in the table."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

import handgrad as hg
from handgrad.rules import ALL
from handgrad.tree import leaves, tree_map

from .cases import CASES, Case, every
from .numerics import (
    assert_close,
    assert_gradient,
    element_directions,
    is_differentiable,
    random_direction,
    random_like,
)

every_case = every(CASES)
every_derivative = every(case for case in CASES if case.is_derivative)


class Use:
    """A case carried out once: inputs, a random dout, output and gradients."""

    def __init__(self, case: Case, inputs: tuple | None = None):
        self.case = case
        self.random = np.random.default_rng([*case.id.encode()])
        self.inputs = case.inputs() if inputs is None else inputs
        self.out, self.backward = case.rule.vjp(*self.inputs, **case.options)
        self.dout = random_like(self.random, self.out)
        self.grads = self.backward(self.dout)

    def forward(self, inputs: tuple) -> Any:
        return self.case.rule(*inputs, **self.case.options)

    def gradient(self, inputs: tuple, dout: Any) -> tuple:
        return self.case.rule.vjp(*inputs, **self.case.options)[1](dout)


def test_every_rule_has_a_case():
    assert {rule.name for rule in ALL.values()} == {case.rule.name for case in CASES}


def test_no_two_cases_share_a_name():
    assert len({case.id for case in CASES}) == len(CASES)


@every_derivative
def test_gradient_is_that_of_differences(case):
    use = Use(case)
    directions = [random_direction(use.random, use.inputs) for _ in range(2)]
    elements = element_directions(use.inputs)
    if len(elements) <= 24:
        directions += elements
    assert_gradient(use.forward, use.inputs, use.dout, use.grads, directions, tolerance=3e-9)


@every_derivative
def test_second_derivative_is_that_of_differences(case):
    """The gradient is a function of inputs and dout; its own vjp, against differences of it."""
    use = Use(case)

    def gradient(arguments: Any) -> Any:
        grads = use.gradient(*arguments)
        exist = [any(map(is_differentiable, leaves(x))) for x in use.inputs]
        return tuple(dx if exists else None for dx, exists in zip(grads, exist, strict=True))

    def only_floats(arguments: Any, floats: list) -> Any:
        drawn = iter(floats)
        return tree_map(lambda x: next(drawn) if is_differentiable(x) else x, arguments)

    arguments = (use.inputs, use.dout)
    floats = [x for x in leaves(arguments) if is_differentiable(x)]
    grads, backward = hg.vjp(lambda *xs: gradient(only_floats(arguments, list(xs))), *floats)
    cotangent = tree_map(lambda g: None if g is None else random_like(use.random, g), grads)
    second = only_floats(tree_map(lambda x: None, arguments), []) and iter(backward(cotangent))
    second = tree_map(lambda x: next(second) if is_differentiable(x) else None, arguments)
    directions = [random_direction(use.random, arguments) for _ in range(2)]
    assert_gradient(gradient, arguments, cotangent, second, directions, tolerance=1e-8)


@every_case
def test_shapes_and_dtypes_of_gradients_are_the_inputs(case):
    use = Use(case)
    assert len(use.grads) == len(use.inputs)
    for given, dx in zip(use.inputs, use.grads, strict=True):
        if dx is None:
            assert not any(map(is_differentiable, leaves(given)))
            continue
        for x, d in zip(leaves(given), leaves(dx), strict=True):
            assert np.shape(d) == np.shape(x)
            if is_differentiable(x):
                assert np.asarray(d).dtype == np.asarray(x).dtype


@every_derivative
def test_backward_is_linear_in_dout(case):
    use = Use(case)
    other = random_like(use.random, use.out)
    mixed = tree_map(lambda a, b: 0.7 * a - 1.3 * b, use.dout, other)
    apart = tree_map(lambda a, b: None if a is None else 0.7 * a - 1.3 * b, use.grads, use.backward(other))
    assert_close(use.backward(mixed), apart, 1e-13)


@every_case
def test_nothing_is_mutated_and_answers_repeat(case):
    inputs = case.inputs()
    use = Use(case, inputs)
    dout, grads = copy.deepcopy(use.dout), copy.deepcopy(use.grads)
    again = use.backward(use.dout)
    for before, after in ((case.inputs(), inputs), (dout, use.dout), (grads, again), (grads, use.grads)):
        for a, b in zip(leaves(before), leaves(after), strict=True):
            np.testing.assert_array_equal(a, b)
    for option, value in case.options.items():
        fresh = next(other for other in CASES if other.id == case.id).options[option]
        np.testing.assert_array_equal(fresh, value)


@every_case
def test_a_second_use_leaves_the_first_alone(case):
    first, second = case.inputs(seed=1), case.inputs(seed=2)
    alone = Use(case, first)
    out, backward = case.rule.vjp(*first, **case.options)
    other = Use(case, second)
    assert_close(backward(alone.dout), alone.grads, 0)
    assert_close(other.backward(other.dout), other.grads, 0)
    assert_close(out, alone.out, 0)


@every_case
def test_a_gradient_is_fresh_or_a_view_of_dout(case):
    """Whoever writes into a gradient can spoil dout (add hands it on), but no input and no later backward."""
    use = Use(case)
    remembered = [x for x in leaves((use.inputs, case.options, use.out)) if isinstance(x, np.ndarray)]
    wanted = copy.deepcopy(use.grads)
    own_dout = copy.deepcopy(use.dout)
    for d in leaves(use.grads):
        if isinstance(d, np.ndarray):
            assert not any(np.shares_memory(d, x) for x in remembered)
            if d.flags.writeable:
                d[...] = np.nan
    assert_close(use.backward(own_dout), wanted, 0)


@every_case
def test_float32_is_float64_rounded(case):
    narrow = tree_map(lambda x: x.astype(np.float32) if is_differentiable(x) and hasattr(x, "dtype") else x,
                      case.inputs())  # fmt: skip
    options = {
        k: v.astype(np.float32) if getattr(v, "dtype", None) == np.float64 else v
        for k, v in case.options.items()
    }
    if case.rule is hg.astype:
        options = {"dtype": "float32"}
    case = Case(case.rule, case.label, case.make, options)
    wide = tree_map(lambda x: x.astype(np.float64) if getattr(x, "dtype", None) == np.float32 else x, narrow)
    got, wanted = Use(case, narrow), Use(Case(case.rule, case.label, case.make, case.options), wide)
    has_float32 = any(getattr(x, "dtype", None) == np.float32 for x in leaves(narrow))
    if has_float32 and case.label != "integers":  # NumPy makes float64 of int64 and float32
        assert all(a.dtype == np.float32 for a in leaves(got.out))
    tolerance = 200 * np.finfo(np.float32).eps
    assert_close(got.out, wanted.out, tolerance)
    assert_close(got.backward(tree_map(np.float32, wanted.dout)), wanted.grads, tolerance)


@every_case
def test_variables_and_vjp_give_the_same(case):
    use = Use(case)
    if not any(map(is_differentiable, leaves(use.inputs))):
        return  # there is nothing to record
    recorded = tree_map(lambda x: hg.variable(x) if is_differentiable(x) else x, use.inputs)
    result = case.rule(*recorded, **case.options)
    assert_close(tree_map(lambda v: v.value, result), use.out, 0)
    if isinstance(result, tuple):
        total = sum(hg.sum(v * d) for v, d in zip(result, use.dout, strict=True))
        total.backward()
    else:
        result.backward(use.dout)
    by_variables = tree_map(lambda v: v.grad if isinstance(v, hg.Variable) else None, recorded)

    floats = [x for x in leaves(use.inputs) if is_differentiable(x)]

    def of_floats(*xs: Any) -> Any:
        drawn = iter(xs)
        return use.forward(tree_map(lambda x: next(drawn) if is_differentiable(x) else x, use.inputs))

    out, backward = hg.vjp(of_floats, *floats)
    assert_close(out, use.out, 0)
    by_rule = [
        d
        for given, dx in zip(use.inputs, use.grads, strict=True)
        for x, d in zip(
            leaves(given), leaves(dx) if dx is not None else [None] * len(leaves(given)), strict=True
        )
        if is_differentiable(x)
    ]
    assert_close([g for g in leaves(by_variables) if g is not None], by_rule, 0)
    assert_close(list(backward(use.dout)), by_rule, 0)
