"""What each entry is said to be made of comes to the entry, for every rule, and for other numbers too."""

import math

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import shape
from handgrad.view.origins.kinds import Kinds, flat, is_small, key_of, kind_of
from handgrad.view.origins.numbers import numbers
from handgrad.view.recording import record
from tests.rules.cases import CASES

PARTS = 10**6
RANDOM = ("gumbel_softmax",)  # divides noise by a temperature: its own entries are not told


def recorded(case, seed):
    """A case's rule with a random gradient of its output."""
    rng = np.random.default_rng(seed)
    xs = case.inputs(seed)
    with np.errstate(all="ignore"):
        outs = case.rule(*xs, **case.options)
        several = isinstance(outs, tuple)
        douts = [rng.standard_normal(shape(out)) for out in (outs if several else [outs])]
        graph = record(lambda *xs: case.rule(*xs, **case.options), *xs, dout=douts if several else douts[0])
    return graph.ops[-1]


def found_and_wanted(kind, op):
    arrays = [None if use.array is None else flat(use.array.value) for use in op.inputs]
    arrays += [flat(out.value) for out in op.outputs]
    arrays += [None if out.grad is None else flat(out.grad) for out in op.outputs]
    made = np.array(numbers(kind.nodes, arrays))
    for nodes, out in zip(kind.outputs, op.outputs, strict=True):
        if nodes:
            yield made[list(nodes)], flat(out.value), 0.0
    for nodes, use in zip(kind.gradients, op.inputs, strict=True):
        assert (nodes is None) == (use.dx is None)
        if nodes is not None:
            yield made[list(nodes)], flat(use.dx), use.noise


def assert_equal(found, wanted, noise):
    finite = np.isfinite(wanted)
    scale = np.max(np.abs(wanted[finite]), initial=0.0)
    np.testing.assert_allclose(found[finite], wanted[finite], rtol=2e-5, atol=2e-5 * scale + 20 * noise)


def recordable():
    """A case for each rule, and three at most."""
    met = {}
    for case in CASES:
        met.setdefault(case.rule.name, []).append(case)
    return [case for cases in met.values() for case in cases[:: max(len(cases) // 3, 1)][:3]]


def test_every_entry_of_every_rule_is_what_it_is_said_to_be_made_of():
    told = whole = 0
    for case in recordable():
        try:
            op = recorded(case, 0)
        except (TypeError, ValueError):  # no gradient, or nothing but integers
            continue
        if not is_small(op):
            continue
        whole += 1
        kind = kind_of(op)
        assert kind is not None or case.rule.name in RANDOM, case.id
        if kind is None:
            continue
        told += all(kind.outputs)
        for pair in found_and_wanted(kind, op):
            assert_equal(*pair)
        other = recorded(case, 1)
        if kind.is_general and key_of(other) == key_of(op):
            for pair in found_and_wanted(kind, other):
                assert_equal(*pair)
    assert whole > 300
    assert told / whole > 0.85  # the rest, of which linear algebra is most, by its derivatives alone


def test_a_product_is_a_sum_of_products():
    x, W = np.array([[2.0, 4.0, 6.0]]), np.array([[2.0], [6.0], [10.0]])
    op = record(lambda x, W: x @ W, x, W).ops[0]
    kind = kind_of(op)
    root = kind.nodes[kind.outputs[0][0]]
    assert root[0] == "+"
    assert [[kind.nodes[i] for i in kind.nodes[part][1:]] for part in root[1:]] == [
        [(0, i), (1, i)] for i in range(3)
    ]


def test_a_kind_is_told_once_and_large_arrays_are_not():
    def chain(x):
        for _ in range(50):
            x = hg.tanh(x * 2.0)
        return x

    kinds = Kinds(PARTS)
    assert {kinds.of(op) for op in record(chain, 0.5).ops} == {0, 1}
    assert len(kinds.kinds) == 2
    (op,) = record(hg.tanh, np.zeros((9, 9))).ops
    assert kinds.of(op) == -1


def test_what_has_no_program_is_told_by_its_derivatives():
    @hg.rule
    def swapped(x):
        def backward(dout):
            return np.asarray(dout)[::-1] * 2.0

        return np.asarray(x)[::-1] * 2.0, backward

    op = record(swapped, np.array([1.0, 2.0, 5.0]), dout=np.array([1.0, 10.0, 100.0])).ops[0]
    kind = kind_of(op)
    for pair in found_and_wanted(kind, op):
        assert_equal(*pair)


def test_a_wrong_account_is_not_given():
    """Of a rule that answers differently each time, nothing is said."""
    count = iter(range(1, 10**6))

    @hg.rule
    def restless(x):
        n = next(count)

        def backward(dout):
            return dout * next(count)

        return x * math.sqrt(n), backward

    op = record(restless, np.array([1.0, 2.0, 5.0])).ops[0]
    assert kind_of(op) is None


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_conditions_are_those_of_the_numbers(dtype):
    op = record(hg.relu, np.array([[-1.0, 2.0]], dtype), dout=np.array([[3.0, 5.0]], dtype)).ops[0]
    for pair in found_and_wanted(kind_of(op), op):
        assert_equal(*pair)
