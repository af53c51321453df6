"""Rules checked as they run on JAX's arrays."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.checking.on_jax import on_jax
from handgrad.cli import main

jax = pytest.importorskip("jax")

RULES = """
import handgrad as hg

@hg.rule
def cube(x):
    return x**3, lambda dout: FACTOR * x**2 * dout
"""


@pytest.mark.parametrize(("factor", "code", "verdict"), [(3, 0, "right"), (2, 1, "WRONG")])
def test_a_rule_is_checked_on_the_device_that_jax_has(tmp_path, capsys, factor, code, verdict):
    file = tmp_path / f"rules{factor}.py"
    file.write_text(RULES.replace("FACTOR", str(factor)))
    assert main(["check", f"{file}:cube", "--inputs", "(4,)", "--arrays", "jax"]) == code
    assert f"cube on {jax.devices()[0].device_kind} by JAX: {verdict}" in capsys.readouterr().out


def test_it_is_jax_that_computes():
    seen = []

    def seeing(x):
        seen.append(type(getattr(x, "value", x)))
        return hg.tanh(x)

    out, backward = on_jax(seeing)(np.ones((2, 3)))
    assert issubclass(seen[0], jax.Array)
    assert out.dtype == np.float64
    np.testing.assert_allclose(backward(out)[0], out * (1 - np.tanh(1) ** 2), rtol=1e-14)


def test_what_cannot_be_run_is_said():
    with pytest.raises(TypeError, match="a rule, or a function of rules, is run on JAX's arrays, not int"):
        on_jax(3)
