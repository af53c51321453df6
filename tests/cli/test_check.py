"""``handgrad check``: what it prints, and its exit codes."""

from __future__ import annotations

import re
import subprocess
import sys
from types import SimpleNamespace

import pytest

from handgrad.cli import check as cli

FILE = """
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

def unsummed(x, b):
    return x + b, lambda dout: (dout, dout)

def noisy(x):
    return x * np.random.default_rng().standard_normal(), lambda dout: dout

def corner(x):
    return abs(x), lambda dout: dout * np.sign(x)

def fails(x):
    raise KeyError("nothing fits")

def no_pair(x):
    return 3

class Affine:
    def __init__(self, n, m):
        self.W, self.b = np.random.default_rng(0).standard_normal((n, m)), np.zeros(m)
    def forward(self, x):
        self.x = x
        return x @ self.W + self.b
    def backward(self, dout):
        self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
        return dout @ self.W.T

class Halved(Affine):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.dW / 2
        return dx

class Relu:
    def forward(self, x):
        self.mask = x > 0
        return x * self.mask
    def backward(self, dout):
        return dout * self.mask

class Box:
    relu = Relu()

def make_net():
    return [Affine(6, 5), Relu(), Affine(5, 3)]

inputs = (np.array([[1.0, -2.0, 3.0]]), np.array([[2.0], [0.5], [3.0]]))
number = 3

def draw():
    return np.array([0.0, 1.0, -2.0])
"""


@pytest.fixture
def file(tmp_path):
    made = tmp_path / "nets.py"
    made.write_text(FILE)
    return made


def test_right(handgrad, file):
    code, out, _ = handgrad("check", f"{file}:right", "--inputs", "(3, 5), (5, 2)")
    assert code == 0
    assert out.startswith("right: right")
    assert "digits" in out
    assert "W (5, 2)" in out


def test_wrong(handgrad, file):
    code, out, _ = handgrad("check", f"{file}:wrong", "--seed", 3)
    assert code == 1
    assert out.startswith("wrong: WRONG")
    assert "return dout * x" in out, "the line"
    assert "--inputs" in out, "that the inputs were made up"
    assert "--inputs" not in handgrad("check", f"{file}:wrong", "--inputs", "(3,)")[1]


@pytest.mark.parametrize(
    "name", ["right", "plain", "Affine(7, 3)", "Relu", "Relu()", "Box.relu", "make_net()", "corner"]
)
def test_inputs_are_found(handgrad, file, name):
    code, out, err = handgrad("check", f"{file}:{name}")
    assert (code, err) == (0, "")
    assert "more shape" in out, "edge shapes too"


def test_the_first_wrong_shape_is_shown(handgrad, file):
    """A bias that is not summed is right for a batch of one only."""
    code, out, _ = handgrad("check", f"{file}:unsummed", "--inputs", "(N, D), (D,)")
    assert code == 1
    assert "WRONG" in out
    assert "N=5" in out


def test_a_wrong_layer(handgrad, file):
    code, out, _ = handgrad("check", f"{file}:Halved(7, 3)")
    assert code == 1
    assert "self.W (7, 3): WRONG" in out
    assert "2" in out.split("WRONG")[2]


@pytest.mark.parametrize(("name", "shape"), [("plain", "(1, 3)"), ("Relu", "(3,)")])
def test_inputs_of_the_same_file(handgrad, file, name, shape):
    code, out, _ = handgrad("check", f"{file}:{name}", "--inputs", ":inputs" if name == "plain" else ":draw")
    assert code in (0, 1)
    assert f"x {shape}" in out


def test_a_kink_is_no_mistake(handgrad, file):
    code, out, _ = handgrad("check", f"{file}:corner", "--inputs", ":draw")
    assert code == 0
    assert "x[0]" in out


def test_what_cannot_be_told(handgrad, file):
    code, out, _ = handgrad("check", f"{file}:noisy", "--inputs", "()")
    assert code == 2
    assert "cannot tell" in out


def test_a_loss(handgrad, file):
    for name in ("softmax_cross_entropy", "mean_squared_error"):
        code, out, _ = handgrad("check", f"{file}:make_net()", "--loss", name)
        assert code == 0, out
    assert handgrad("check", f"{file}:make_net()", "--loss", "softmax_cross_entropy", "--inputs",
                    "(N, 6), (N,) < 3")[0] == 0  # fmt: skip


def test_by_module_name(handgrad, file, monkeypatch):
    monkeypatch.chdir(file.parent)
    assert handgrad("check", "handgrad.rules:softplus")[0] == 0
    assert handgrad("check", "nets:plain")[0] == 0
    sys.modules.pop("nets")


def test_a_file_finds_its_neighbours(handgrad, file):
    beside = file.parent / "uses_nets.py"
    beside.write_text("from nets import plain\n")
    assert handgrad("check", f"{beside}:plain")[0] == 0
    sys.modules.pop("nets")


def test_a_file_named_like_a_module(handgrad, file):
    taken = file.parent / "json.py"
    taken.write_text(FILE)
    assert handgrad("check", f"{taken}:plain")[0] == 0
    import json

    assert json.dumps(1) == "1"


def test_a_page(handgrad, file, tmp_path):
    page = tmp_path / "report.html"
    assert handgrad("check", f"{file}:wrong", "--html", page)[0] == 1
    text = page.read_text()
    assert text.startswith("<!doctype html>")
    assert "WRONG" in text
    assert [p.name for p in tmp_path.glob("*report*")] == ["report.html"], "nothing is left beside it"


def test_budget(handgrad, file):
    code, out, _ = handgrad("check", f"{file}:right", "--budget", "0.000001")
    assert code in (0, 2)
    assert "budget" in out


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("nets", "write module:name"),
        (":plain", "write module:name"),
        ("{file}:", "write module:name"),
        ("{file}:missing", "has no missing"),
        ("{file}:plian", "did you mean plain?"),
        ("{file}:Box.rely", "Box has no rely; did you mean relu?"),
        ("{file}:1 + 1", "a call that makes it"),
        ("{file}:number", "what can be checked is a rule"),
        ("{file}:Affine", "Affine needs arguments"),
        ("{file}:Affine(3)", "Affine(3) fails: TypeError"),
        ("{file}:make_net", "call it: make_net()"),
        ("{file}:fails", "KeyError: 'nothing fits'"),
        ("{file}:no_pair", "a rule returns the pair"),
        ("handgrad.rules:reshape", "has to be given shape"),
        ("no_such_module:f", "cannot be imported: ModuleNotFoundError"),
        ("/no/such/file.py:f", "there is no file"),
        ("{broken}:f", "cannot be imported: SyntaxError"),
        ("{ends}:f", "cannot be imported: it ends the program"),
    ],
)
def test_what_cannot_be_checked(fails, file, tmp_path, target, said):
    broken, ends = tmp_path / "broken.py", tmp_path / "ends.py"
    broken.write_text("def f(:")
    ends.write_text("import sys\nsys.exit('done')")
    assert said in fails("check", target.format(file=file, broken=broken, ends=ends))


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--inputs", "(3, 4), (3, 4)", "cannot be checked with (3, 4), (3, 4): ValueError: matmul"),
        ("--inputs", "(3, 4", "shapes are written like"),
        ("--inputs", ":inputz", "has no inputz; did you mean inputs?"),
        ("--inputs", "(3, 4)", "right takes 2 inputs (x, W), not 1"),
        ("--loss", "nothing", "has no nothing"),
        ("--budget", "0", "not a positive number"),
        ("--budget", "soon", "not a number"),
        ("--seed", "x", "not a whole number"),
        ("--html", "/no/such/folder/report.html", "there is no folder /no/such/folder"),
    ],
)
def test_wrong_options(fails, file, option, value, said):
    assert said in fails("check", f"{file}:right", option, value)


def test_inputs_that_do_not_fit_by_name(fails, file):
    assert "right needs W too" in fails("check", f"{file}:right", "--inputs", ":draw")


# PyTorch and JAX: in a process of its own, as a user runs it.

TORCH = """
import torch
from torch import nn

class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 3 * dout * x * x

class Wrong(Cube):
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 3 * dout * x

class Net(nn.Module):
    def __init__(self, width=5):
        super().__init__()
        self.a, self.b = nn.Linear(6, width), nn.Linear(width, 3)
    def forward(self, x):
        return self.b(torch.tanh(self.a(x)))

class Sized(nn.Module):
    def __init__(self, width):
        super().__init__()
"""


def test_torch(handgrad, fails, tmp_path):
    pytest.importorskip("torch")
    file = tmp_path / "with_torch.py"
    file.write_text(TORCH)
    code, out, _ = handgrad("check", f"{file}:Cube")
    assert code == 0
    assert "digits" in out
    code, out, _ = handgrad("check", f"{file}:Wrong")
    assert code == 1
    assert "with_torch.py" in out
    assert "return 3 * dout * x" in out
    assert handgrad("check", f"{file}:Net")[0] == 0
    assert handgrad("check", f"{file}:Net(4)", "--loss", "cross_entropy")[0] == 0
    assert handgrad("check", f"{file}:Net(4)", "--loss", "MSELoss")[0] == 0
    assert "Sized needs arguments" in fails("check", f"{file}:Sized")


def test_jax(handgrad, tmp_path):
    pytest.importorskip("jax")
    file = tmp_path / "with_jax.py"
    file.write_text(
        "import jax, jax.numpy as jnp\n"
        "@jax.custom_vjp\n"
        "def f(x): return jnp.sin(x)\n"
        "f.defvjp(lambda x: (f(x), x), lambda x, dout: (dout * jnp.cos(x),))\n"
        "@jax.custom_vjp\n"
        "def g(x): return jnp.sin(x)\n"
        "g.defvjp(lambda x: (g(x), x), lambda x, dout: (-dout * jnp.cos(x),))\n"
    )
    assert handgrad("check", f"{file}:f")[0] == 0
    code, out, _ = handgrad("check", f"{file}:g", "--inputs", "(3, 5)")
    assert code == 1
    assert "-1" in out or "sign" in out


def test_as_a_program(file):
    command = [sys.executable, "-m", "handgrad", "check", f"{file}:wrong"]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert all(line.startswith("... ") for line in ran.stderr.splitlines()), "what a slow machine tells"
    assert "WRONG" in ran.stdout


def test_what_takes_long_is_told_in_plain_lines(file, handgrad, monkeypatch):
    """By a clock that goes on by a second at each look."""
    looks = iter(range(10**9))
    monkeypatch.setattr(cli, "time", SimpleNamespace(perf_counter=lambda: float(next(looks))))
    code, _, told = handgrad("check", f"{file}:right", "--inputs", "(3, 4), (4, 2)")
    lines = told.splitlines()
    assert code == 0
    assert len(lines) >= 2, "one every five seconds"
    assert all(re.fullmatch(r"\.\.\. \S.* \(\d+ s\)", line) for line in lines)


def test_where_there_is_no_derivative(handgrad, tmp_path):
    made = tmp_path / "edges.py"
    made.write_text(
        "import numpy as np\nfrom handgrad import log\n"
        "nowhere = (np.zeros(3),)\nsomewhere = (np.array([0.0, 1.0]),)\n"
    )
    code, out, _ = handgrad("check", f"{made}:log", "--inputs", ":nowhere")
    assert (code, out.splitlines()[0]) == (2, "log: no derivative here")
    code, out, _ = handgrad("check", f"{made}:log", "--inputs", ":somewhere")
    assert code == 0
    assert "no derivative at 1 of 2 elements, first at x[0] = 0" in out


KERNELS = """
import numpy as np

def softmax(x):
    e = np.exp(x - np.max(x, axis=-1, keepdims=True))
    return e / np.sum(e, axis=-1, keepdims=True)

def right(x):
    z = x.astype(np.float32)
    e = np.exp(z - z.max(-1, keepdims=True))
    return (e / e.sum(-1, keepdims=True)).astype(x.dtype)

def zeros(x):
    return np.zeros_like(x)

def fails(x):
    raise KeyError("x")

def narrow(x):
    return right(x.astype(np.float16)).astype(x.dtype)
"""


@pytest.mark.parametrize(
    ("name", "more", "code", "said"),
    [
        ("right", ("--inputs", "(N, D)"), 0, "right for 3 more shapes"),
        ("right", ("--dtype", "float16", "--inside", "float32", "--inputs", "(3, 5)"), 0, "float32 inside"),
        ("zeros", ("--inputs", "(N, D)"), 1, "out is all zeros"),
        ("narrow", ("--inputs", "(3, 5)"), 1, "no better than each step rounded to float16"),
        ("fails", ("--inputs", "(3, 5)"), 2, "raises KeyError at these inputs"),
        ("right", ("--inside", "fp8", "--inputs", "(3, 5)"), 2, "inside a kernel of float32 is float32"),
    ],
)
def test_a_kernel(handgrad, tmp_path, name, more, code, said):
    file = tmp_path / "kernels.py"
    file.write_text(KERNELS)
    found, out, err = handgrad("check", f"{file}:{name}", "--reference", "softmax", *more)
    assert found == code, out + err
    assert said in out + err


def test_a_kernel_needs_a_reference(handgrad, tmp_path):
    file = tmp_path / "kernels.py"
    file.write_text(KERNELS)
    other = tmp_path / "readable.py"
    other.write_text(KERNELS)
    assert handgrad("check", f"{file}:right", "--reference", f"{other}:softmax", "--inputs", "(3, 5)")[0] == 0
    code, _, err = handgrad("check", f"{file}:right", "--dtype", "float16")
    assert (code, "needs --reference" in err) == (2, True)
