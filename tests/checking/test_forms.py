"""Every form of target: its backward is called, and by no way is one that never ran called right."""

import importlib
import importlib.util

import pytest

from handgrad.checking import check
from tests.checking.forms import FORMS


def right(x, dout):
    return 2 * x * dout


def wrong(x, dout):
    return 3 * x * dout


def raising(x, dout):
    raise RuntimeError("it is called")


def checked(name, slope):
    entry = FORMS[name]
    inputs = entry.inputs[0]() if callable(entry.inputs[0]) else entry.inputs
    return check(entry.make(slope), *inputs, **entry.named)


# Their gradients come with the loss, or with the forward.
AT_ONCE = {"network_of_loss_and_gradients", "loss_and_gradient", "loss_and_gradients_in_dicts"}


def of(is_refused):
    names = [name for name, entry in FORMS.items() if entry.refused == is_refused]
    missing = {n for n in ("torch", "jax", "autograd") if importlib.util.find_spec(n) is None}
    return [
        pytest.param(n, marks=pytest.mark.skipif(FORMS[n].needs in missing, reason="not installed"))
        for n in names
    ]


@pytest.fixture(autouse=True)
def library(request):
    name = request.node.callspec.params["name"]
    if FORMS[name].needs:
        importlib.import_module(FORMS[name].needs)


@pytest.mark.parametrize("name", of(False))
def test_a_right_one_is_right(name):
    report = checked(name, right)
    assert report.ok is True, str(report)
    assert report.whose


@pytest.mark.parametrize("name", of(False))
def test_a_wrong_one_is_wrong(name):
    report = checked(name, wrong)
    assert report.ok is False, str(report)
    assert report.causes


@pytest.mark.parametrize("name", of(False))
def test_one_that_raises_is_never_right(name):
    """Which is how it shows that it is called at all."""
    if name in AT_ONCE:
        with pytest.raises(RuntimeError, match="it is called"):
            checked(name, raising)
        return
    report = checked(name, raising)
    assert report.ok is not True, str(report)
    assert "it is called" in str(report)


@pytest.mark.parametrize("name", of(True))
@pytest.mark.parametrize("slope", [right, wrong, raising])
def test_what_would_not_be_called_is_refused_by_name(name, slope):
    with pytest.raises(TypeError, match="backward"):
        checked(name, slope)
