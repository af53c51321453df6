"""Errors inside a rule: their type and message stay as they are, and notes say which rule and shapes."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.rules import rule
from handgrad.rules.rule import told


class OutOfMemory(RuntimeError):
    """An error whose type says what to do, as PyTorch's and JAX's do."""

    def __init__(self, asked, free):
        super().__init__(f"asked for {asked} bytes of {free}")
        self.asked = asked


@rule
def fails(x, kind=OutOfMemory, in_backward=False):
    def fail():
        raise kind(3, 2)

    def backward(dout):
        fail()

    return x if in_backward else fail(), backward


@pytest.mark.parametrize("kind", [ValueError, TypeError, IndexError, KeyError, RuntimeError, OutOfMemory])
def test_an_error_of_a_body_keeps_its_type_and_is_noted(kind):
    x = np.ones((2, 3))
    for call in (fails, fails.vjp, lambda x, **o: hg.vjp(lambda x: fails(x, **o), x)):
        with pytest.raises(kind) as raised:
            call(x, kind=kind)
        assert type(raised.value) is kind
        assert raised.value.args == kind(3, 2).args
        assert raised.value.__notes__[0].startswith("in fails(x (2, 3))")


def test_an_error_of_a_backward_keeps_its_type_and_is_noted():
    with pytest.raises(OutOfMemory) as raised:
        hg.grad(lambda x: hg.sum(fails(x, in_backward=True)))(np.ones(4))
    assert raised.value.asked == 3
    assert raised.value.__notes__ == ["in the backward of fails(x (4,))"]


def test_nested_recordings_note_a_place_once():
    with pytest.raises(ValueError, match="broadcast") as raised:
        hg.hessian(lambda x: hg.sum(x + np.ones(3)))(np.ones(2))
    assert raised.value.__notes__ == ["in add(x (2,), y (3,))"]


def test_other_libraries_errors_stay_what_they_are():
    @rule
    def branches(x):
        return (x if x > 0 else -x), lambda dout: dout

    jax, torch = map(pytest.importorskip, ("jax", "torch"))
    with pytest.raises(jax.errors.TracerBoolConversionError) as raised:
        jax.jit(branches)(1.0)
    assert raised.value.__notes__[0].startswith("in branches(x ()")
    with pytest.raises(RuntimeError) as raised:
        hg.matmul(torch.ones(2, 3), torch.ones(2, 3))
    assert raised.value.__notes__ == ["in matmul(x (2, 3), y (2, 3))"]


def test_an_error_told_in_one_line():
    with pytest.raises(ValueError) as raised:
        hg.reshape(np.ones(3), (2, 2))
    assert told(raised.value) == "cannot reshape array of size 3 into shape (2,2) (in reshape(x (3,)))"
    assert told(KeyError()) == "KeyError"


@pytest.mark.parametrize("rule", [hg.mean, hg.exp, hg.relu, hg.prod, hg.reshape, hg.logsumexp])
@pytest.mark.parametrize("join", [list, tuple])
def test_a_list_where_an_array_is_wanted_is_told_before_anything_is_computed(rule, join):
    options = {"shape": (2, 1)} if rule is hg.reshape else {}
    said = rf"{rule.name}: x is a {join.__name__} of 2 arrays where one array is wanted: join them first"
    with pytest.raises(TypeError, match=said):
        hg.grad(lambda v, w: hg.sum(rule(join((v, w)), **options)))(1.0, 2.0)
    with pytest.raises(TypeError, match="matmul: y is a"):
        hg.grad(lambda v, w: hg.sum(hg.matmul(np.ones((2, 2)), join((v, w)))))(1.0, 2.0)
    assert hg.grad(lambda v: hg.sum(rule(np.array(join((v, 2.0))), **options)))(0.0) is not None
