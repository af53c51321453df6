import numpy as np
import pytest

import handgrad as hg
from handgrad.check import check, found_by_trying, from_shapes, numerical_gradient


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def test_a_right_rule(rng):
    report = check(hg.affine, *from_shapes("(3, 4), (4, 5), (5,)"))
    assert report.ok
    lines = str(report).splitlines()
    assert lines[0] == "affine: right"
    assert [line.split(":")[0] for line in lines[1:]] == [
        "  pass  x (3, 4)",
        "  pass  W (4, 5)",
        "  pass  b (5,)",
    ]


def wrong_factor(x, W):
    return x @ W, lambda dout: (dout @ W.T, 2 * x.T @ dout)


def ignores_dout(x):
    y = np.exp(x) / np.sum(np.exp(x))
    return y, lambda dout: y * (1 - y)


def not_summed(x, b):
    return x + b, lambda dout: (dout, dout)


def missing_gradient(x, y):
    return x * y, lambda dout: (dout * y, None)


def one_for_two(x, y):
    return x * y, lambda dout: (dout * y,)


def not_finite(x):
    return x * 1.0, lambda dout: (dout * np.nan,)


@pytest.mark.parametrize(
    ("target", "shapes", "said"),
    [
        (wrong_factor, "(3, 4), (4, 5)", "FAIL  input 1 (4, 5): 20 of 20 elements are wrong, the worst at ["),
        (ignores_dout, "5", "FAIL  input 0 (5,): 5 of 5 elements are wrong"),
        (not_summed, "(3, 4), (4,)", "FAIL  input 1 (4,): its gradient has shape (3, 4)"),
        (missing_gradient, "3, 3", "FAIL  input 1 (3,): there is no gradient, but the output depends on it"),
        (one_for_two, "3, 3", "FAIL  backward (): 1 gradients for 2 inputs"),
        (not_finite, "3", "FAIL  input 0 (3,): 3 of 3 elements are wrong"),
    ],
)
def test_wrong_backwards(target, shapes, said):
    report = check(target, *from_shapes(shapes))
    assert not report.ok
    assert said in str(report)
    assert "WRONG" in str(report)


def test_one_wrong_element_of_many_is_found(rng):
    def off_by_one(x):
        def backward(dout):
            dx = 2 * x * dout
            dx[2, 3] *= 1 + 1e-4
            return (dx,)

        return x * x, backward

    report = check(off_by_one, rng.standard_normal((5, 6)))
    assert "1 of 30 elements are wrong, the worst at [2, 3]" in str(report)


def test_a_rule_s_own_error_is_the_report():
    @hg.rule
    def not_summed(x, b):
        return x + b, lambda dout: (dout, dout)

    report = check(not_summed, *from_shapes("(3, 4), (4,)"))
    assert not report.ok
    assert "the gradient of b has shape (3, 4), but b has (4,)" in str(report)


def test_labels_pass_through(rng):
    report = check(hg.softmax_cross_entropy, rng.standard_normal((4, 3)), np.array([0, 2, 1, 1]))
    assert report.ok
    assert [r.name for r in report.results] == ["x"]


def test_nested_inputs_and_several_outputs(rng):
    report = check(hg.concatenate, [rng.standard_normal((2, 3)), rng.standard_normal((1, 3))])
    assert report.ok
    assert [r.name for r in report.results] == ["arrays[0]", "arrays[1]"]

    def halves(x):
        return (x[:2], x[2:] * 3), lambda dout: (np.concatenate([dout[0], 3 * dout[1]]),)

    assert check(halves, rng.standard_normal(4)).ok


def test_float32_is_checked_in_float64(rng):
    report = check(hg.tanh, rng.standard_normal((3, 4)).astype(np.float32))
    assert report.ok
    assert report.results[0].error < 1e-10


def test_numbers():
    report = check(hg.multiply, 2.0, -3.0)
    assert report.ok
    assert [r.elements for r in report.results] == [1, 1]


def test_what_is_no_pair():
    with pytest.raises(TypeError, match=r"exp returned \(3,\): a rule returns the pair"):
        check(np.exp, np.ones(3))


def test_inputs_found_by_trying():
    assert [x.shape for x in found_by_trying(hg.matmul, 2)] == [(3, 4), (4, 5)]
    assert [x.shape for x in found_by_trying(hg.affine, 3)][:2] == [(3, 4), (4, 5)]

    @hg.rule
    def picky(x):
        if x.shape != (17,):
            raise ValueError("no")
        return x, lambda dout: dout

    with pytest.raises(ValueError, match="none of the shapes that were tried"):
        found_by_trying(picky, 1)


@pytest.mark.parametrize("text", ["(3, 4", "a", "(3, -1)", "(1.5,)", "'x'"])
def test_shapes_that_are_none(text):
    with pytest.raises(ValueError, match=r"shapes are written like \(3, 4\)"):
        from_shapes(text)


def test_the_differences_themselves(rng):
    x = rng.standard_normal((2, 3))
    np.testing.assert_allclose(
        numerical_gradient(lambda x: float(np.sum(np.sin(x))), x), np.cos(x), rtol=1e-10
    )


@pytest.mark.parametrize("name", ["add", "matmul", "exp", "softmax", "sum", "logsumexp", "gelu", "huber"])
def test_rules_by_name_alone(name):
    target = hg.rules.ALL[name]
    assert check(target, *found_by_trying(target, len(target.inputs))).ok
