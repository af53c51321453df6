"""``assert_gradients``, as a function and as pytest's fixture."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import handgrad as hg
from handgrad.testing import assert_gradients as asserted


def halved(x, W):
    """x W.   x (N, D), W (D, M) -> (N, M)"""
    return x @ W, lambda dout: (dout @ W.T, x.T @ dout / 2)


def noisy(x):
    return x * np.random.default_rng().standard_normal(), lambda dout: dout


def test_right(rng):
    report = asserted(hg.matmul, rng.standard_normal((3, 5)), rng.standard_normal((5, 2)))
    assert report.ok
    assert report.digits > 8


def test_inputs_are_made():
    assert asserted(hg.affine).ok
    assert asserted(hg.affine, spec="(N, D), (D, 7), (7,)").inputs[1].shape[1] == 7
    assert asserted(hg.softmax_cross_entropy, spec="(N, C), (N,) < C", options={"label_smoothing": 0.1}).ok


def test_the_whole_diagnosis_is_the_message():
    with pytest.raises(AssertionError) as error:
        asserted(halved)
    said = str(error.value)
    assert "W (" in said
    assert "WRONG" in said
    assert "test_testing.py" in said, "the line"
    assert "x.T @ dout / 2" in said
    assert "0.5" in said


def test_an_edge_is_enough():
    """Right wherever the batch is larger than one."""

    def off(x):
        return x * 1.0, lambda dout: dout * (2 if len(x) == 1 else 1)

    with pytest.raises(AssertionError, match="batch of one"):
        asserted(off, spec="(N, D)")


def test_what_cannot_be_told():
    with pytest.raises(AssertionError, match="cannot tell"):
        asserted(noisy, 2.0)


def test_wrong_calls(rng):
    with pytest.raises(TypeError, match="not both"):
        asserted(hg.exp, rng.standard_normal(3), spec="(3,)")
    with pytest.raises(ValueError, match="shapes are written"):
        asserted(hg.exp, spec="(3")
    with pytest.raises(TypeError, match="what can be checked"):
        asserted(3)
    with pytest.raises(ValueError, match="matmul"):
        asserted(hg.matmul, rng.standard_normal((3, 5)), rng.standard_normal((3, 5)))


def test_the_fixture(assert_gradients):
    assert assert_gradients(hg.tanh).ok


def test_a_loss(rng):
    net = hg.layers.mlp([6, 4, 3], activation="tanh", seed=0)
    assert asserted(net, loss=hg.softmax_cross_entropy).ok


@pytest.fixture
def rng():
    return np.random.default_rng(0)


TESTS = """
import numpy as np

def wrong(x):
    return x * x, lambda dout: dout * x

def test_right(assert_gradients):
    assert_gradients(lambda x: (x * x, lambda dout: 2 * dout * x), np.array([1.0, 3.0]))

def test_wrong(assert_gradients):
    assert_gradients(wrong, spec="(3, 5)")
"""


def run(code, *arguments, folder):
    return subprocess.run(
        [sys.executable, *code, *arguments], cwd=folder, capture_output=True, text=True, check=False
    )


def test_in_a_project_of_someone_else(tmp_path):
    (tmp_path / "test_mine.py").write_text(TESTS)
    ran = run(["-m", "pytest", "-p", "no:cacheprovider"], "test_mine.py", folder=tmp_path)
    assert "1 failed, 1 passed" in ran.stdout
    assert "WRONG" in ran.stdout
    assert "test_mine.py:5: " in ran.stdout, "the line of the backward"
    assert "several.py" not in ran.stdout, "handgrad's own frames are left out"
    assert "testing.py" not in ran.stdout.replace("test_testing.py", "")


def test_the_plugin_imports_nothing_heavy(tmp_path):
    code = (
        "import sys, handgrad.pytest_plugin; print({'torch', 'jax', 'handgrad.testing'} & set(sys.modules))"
    )
    assert run(["-c"], code, folder=tmp_path).stdout.strip() == "set()"
