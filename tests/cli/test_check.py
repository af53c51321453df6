import pytest

RULES = """
import numpy as np
from handgrad import rule

@rule
def right(x, W):
    def backward(dout):
        return dout @ W.T, x.T @ dout
    return x @ W, backward

@rule
def wrong(x):
    def backward(dout):
        return dout * x
    return x * x, backward

def plain(x, y):
    return x * y, lambda dout: (dout * y, dout * x)

number = 3
"""


@pytest.fixture
def rules(tmp_path):
    file = tmp_path / "rules.py"
    file.write_text(RULES)
    return file


def test_right(handgrad, rules):
    code, out, _ = handgrad("check", f"{rules}:right", "--inputs", "(3, 4), (4, 2)")
    assert code == 0
    assert out.splitlines()[0] == "right: right"
    assert "pass  W (4, 2): 8 elements" in out


def test_inputs_are_found(handgrad, rules):
    assert handgrad("check", f"{rules}:right")[0] == 0
    assert handgrad("check", f"{rules}:plain")[0] == 0


def test_wrong(handgrad, rules):
    code, out, _ = handgrad("check", f"{rules}:wrong", "--seed", 3)
    assert code == 1
    assert "FAIL  x (3, 4): 12 of 12 elements are wrong" in out


def test_by_module_name(handgrad):
    assert handgrad("check", "handgrad.rules:softplus")[0] == 0


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("rules", "write module:name"),
        ("{rules}:missing", "has no missing"),
        ("{rules}:number", "is a int, not a rule"),
        ("no_such_module:f", "cannot be imported: ModuleNotFoundError"),
        ("/no/such/file.py:f", "there is no file"),
        ("{broken}:f", "cannot be imported: SyntaxError"),
    ],
)
def test_what_cannot_be_checked(fails, rules, tmp_path, target, said):
    broken = tmp_path / "broken.py"
    broken.write_text("def f(:")
    assert said in fails("check", target.format(rules=rules, broken=broken))


def test_shapes_that_the_rule_does_not_take(fails, rules):
    assert "matmul" in fails("check", f"{rules}:right", "--inputs", "(3, 4), (3, 4)")
