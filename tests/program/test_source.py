"""Programs as NumPy's text: the same bits as their interpreter, with nothing of handgrad's."""

import subprocess
import sys

import numpy as np
import pytest

import handgrad as hg
from handgrad.program import trace
from handgrad.program.source import numpy_source
from handgrad.tree import tree_map
from tests.engine.support import same_bits
from tests.engine.test_every_rule import Use, present
from tests.rules.cases import CASES

FIRST = {case.rule.name: case.id for case in reversed(CASES)}  # of each rule


def made(program, names):
    """The function that the text defines."""
    text, constants = numpy_source({"f": (program, names)}, "A function.")
    space = {}
    exec(compile(text, "f.py", "exec"), space)
    space.setdefault("constants", {}).update(constants)
    return space["f"], text


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(case, id=case.id, marks=[] if case.id == FIRST[case.rule.name] else [pytest.mark.slow])
        for case in CASES
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_a_rule_s_text_gives_its_bits(case, dtype):
    use = Use(case, dtype)
    f, _ = made(use.program, ["inputs", "dout"])
    arrays = iter(use.arrays)
    given = tree_map(lambda x: next(arrays) if hasattr(x, "program") else x, use.program.inputs)
    got = present(f(*given))
    assert same_bits(list(map(np.asarray, got)), list(map(np.asarray, use.own)))


X = np.random.default_rng(0).standard_normal((5, 3))
W = np.random.default_rng(1).standard_normal((3, 3))


def rnn(x, W):
    _, hs = hg.scan(lambda h, x: (hg.tanh(h @ W + x),) * 2, np.zeros(3), x)
    return hg.mean(hs**2)


@pytest.mark.parametrize(
    ("f", "args"),
    [
        (hg.value_and_grad(rnn, argnums=(0, 1)), (X, W)),
        (lambda x: (x @ np.arange(60.0).reshape(3, 20), x - (x - 1), x - x - 1, -(x**2), (-x) ** 2), (X,)),
        (lambda x: (x[1:, None, ::2], x[..., 0], x > -np.inf, ~(x > 0) & (x < 1)), (X,)),
        (lambda x, lr: x * lr - lr, (X.astype(np.float32), 0.1)),
        (lambda x: hg.sum(hg.expand_dims(x, 0) * np.ones((400, 1, 1), np.float32), axis=0), (X,)),
    ],
    ids=["a loop", "brackets", "indices", "a number", "a long sum"],
)
def test_a_program_s_text_gives_its_bits(f, args):
    program = trace(f, *args)
    function, _ = made(program, ["x", "y"][: len(args)])
    results = (list(map(np.asarray, present(g(*args)))) for g in (function, program))
    assert same_bits(*results)


def test_what_is_used_once_stands_where_it_is_used():
    def layer(x, W, b):
        return hg.tanh(hg.affine(x, W, b))

    _, text = made(trace(layer, X, W, W[0]), ["x", "W", "b"])
    assert text.endswith(
        "def f(x, W, b):\n"
        "    # affine\n"
        "    affine_1 = x @ W + b  # (5, 3)\n"
        "    # tanh\n"
        "    tanh_1 = np.tanh(affine_1)  # (5, 3)\n"
        "    return tanh_1\n"
    )


def test_parameters_are_called_by_their_names():
    net = hg.layers.mlp([3, 4, 2], seed=0).evaluate()
    _, text = made(trace(lambda params, x: net.bind(params)(x), net.parameters(), X), ["params", "x"])
    assert '    W_1 = params["1.W"]\n' in text
    assert "x @ W_1 + b_1" in text


def test_what_numpy_lacks_is_copied_and_nothing_of_handgrad_is_imported(tmp_path):
    args = (X, np.arange(3))
    program = trace(lambda x, i: (hg.erf(x), hg.logsumexp(hg.take(x, i, axis=0), axis=0)), *args)
    text, _ = numpy_source({"f": (program, ["x", "i"])}, "A function.")
    assert "def erf(" in text
    file = tmp_path / "alone.py"
    file.write_text(
        f"{text}\nimport sys\nf(np.ones((5, 3)), np.arange(3))\nassert 'handgrad' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-I", "-W", "error", file], check=True)


def test_a_function_of_others_is_refused_by_name():
    with pytest.raises(TypeError, match="erf of float16 is computed in float32: convert it first"):
        made(trace(lambda x: hg.erf(x), X.astype(np.float16)), ["x"])
