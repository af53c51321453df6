"""The table of docs/conventions.md, computed line by line, recorded, by vjp and natively."""

import re
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg

TABLE = Path(__file__).parents[2] / "docs" / "conventions.md"
NAMES = {"np": np, "hg": hg, "inf": np.inf, "nan": np.nan, "pi": np.pi}
ROWS = re.findall(
    r"^\| `(.+?)` \| `(.+?)` \| `(.+?)` \| `(.+?)` \|$", TABLE.read_text(encoding="utf-8"), re.M
)


def evaluated(text, **more):
    return eval(text, NAMES | more)


def array(x):
    return np.array(x, float) if isinstance(x, list) else x


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize(("code", "at", "value", "gradient"), ROWS, ids=lambda text: text)
def test_row(code, at, value, gradient):
    point = {name: array(x) for name, x in evaluated(f"dict({at})").items()}
    wanted = evaluated(f"[{gradient}]" if not gradient.startswith("[[") else gradient)
    f = evaluated(f"lambda {', '.join(point)}: {code}")
    for inputs in (list(point.values()), [np.asarray(x) for x in point.values()]):
        out, backward = hg.vjp(f, *inputs)
        np.testing.assert_allclose(out, evaluated(value), rtol=1e-15)
        grads = backward(np.ones_like(out))
        assert len(grads) == len(wanted)
        for got, right in zip(grads, wanted, strict=True):
            np.testing.assert_allclose(got, right, rtol=1e-15)


def test_the_table_is_read():
    assert len(ROWS) > 50
    assert len(ROWS) == sum(line.startswith("| `") for line in TABLE.read_text(encoding="utf-8").splitlines())


@pytest.mark.parametrize("rule", [hg.max, hg.min])
def test_extremes_of_nothing_are_refused_as_numpys(rule):
    with pytest.raises(ValueError, match="zero-size array"):
        rule(np.zeros((3, 0)), axis=1)
    assert rule(np.zeros((0, 3)), axis=1).shape == (0,)


def test_softmax_and_logsumexp_over_an_empty_axis():
    x = np.zeros((3, 0))
    np.testing.assert_array_equal(hg.logsumexp(x, axis=1), np.full(3, -np.inf))
    for rule in (hg.softmax, hg.log_softmax):
        out, backward = rule.vjp(x)
        assert out.shape == backward(out)[0].shape == (3, 0)


def test_masked_rows_among_others_leave_them_alone():
    """No warnings either, which are errors here."""
    x = np.array([[1.0, -np.inf, 2.0], [-np.inf] * 3, [0.5, 0.5, -np.inf]])
    dout = np.random.default_rng(0).normal(size=x.shape)
    for rule in (hg.softmax, hg.log_softmax):
        out, backward = rule.vjp(x)
        (dx,) = backward(dout)
        for row, keep in ((0, [0, 2]), (2, [0, 1])):
            alone, backward_alone = rule.vjp(x[row][keep])
            np.testing.assert_allclose(out[row][keep], alone)
            np.testing.assert_allclose(dx[row][keep], backward_alone(dout[row][keep])[0] if rule is hg.softmax
                                       else dout[row][keep] - np.exp(alone) * dout[row].sum())  # fmt: skip
        assert np.all(np.isfinite(dx))
    loss, backward = hg.softmax_cross_entropy.vjp(x, np.array([2, 0, 1]), reduction="none")
    np.testing.assert_allclose(loss, [np.log(1 + np.exp(-1.0)), np.inf, np.log(2)])
    assert np.all(np.isfinite(backward(np.ones(3))[0]))
