"""Every rule, forward and backward, traced into a program that NumPy runs to the same numbers."""

import numpy as np

from handgrad.program import trace
from handgrad.tree import leaves, tree_map
from tests.rules.cases import CASES, every


def splits(case):
    """The case's inputs: those that become symbols, and how to put them back among the rest."""
    inputs = case.inputs()
    last = len(inputs) - 1 if case.rule.name in ("getitem", "scatter_add") else len(inputs)
    constant = inputs[last:]  # an index is part of the program, as axes are
    return inputs[:last], constant


@every(CASES)
def test_program_gives_the_rule_s_numbers(case):
    inputs, constant = splits(case)
    arrays = tree_map(lambda x: np.asarray(x) if isinstance(x, (int, float)) else x, inputs)
    out = case.rule(*arrays, *constant, **case.options)
    rng = np.random.default_rng(0)
    dout = tree_map(lambda o: rng.standard_normal(np.shape(o)).astype(np.result_type(o)), out)

    def step(inputs, dout):
        out, backward = case.rule.vjp(*inputs, *constant, **case.options)
        return out, backward(dout)

    program = trace(step, arrays, dout)
    expected = step(arrays, dout)
    for got, wanted in zip(leaves(program(arrays, dout)), leaves(expected), strict=True):
        if wanted is None:
            assert got is None
            continue
        assert np.shape(got) == np.shape(wanted)
        assert np.result_type(got) == np.result_type(wanted)
        assert_same(case, got, wanted)


def assert_same(case, got, wanted):
    """To the last bit; but sums of windows are made place by place where NumPy is called at once."""
    ulps = 4 if "avg_pool" in case.rule.name else 0
    np.testing.assert_allclose(got, wanted, rtol=ulps * 2**-52, atol=ulps * 2**-52)


@every(CASES[::7])
def test_program_runs_on_other_values(case):
    """What was traced on some numbers holds for others: no value was looked at."""
    inputs, constant = splits(case)
    arrays = tree_map(lambda x: np.asarray(x) if isinstance(x, (int, float)) else x, inputs)
    program = trace(lambda *xs: case.rule(*xs, *constant, **case.options), *arrays)
    others = tree_map(lambda x: x * 0.5 if hasattr(x, "dtype") and x.dtype.kind == "f" else x, arrays)
    wanted = case.rule(*others, *constant, **case.options)
    for got, want in zip(leaves(program(*others)), leaves(wanted), strict=True):
        assert_same(case, got, want)
