"""A user's program under a type checker: what is right passes, and what is wrong is named."""

import re

import mypy.api
import pytest

PROGRAM = """
from typing import Any

import numpy as np
import handgrad as hg
from handgrad import check, elementwise
from handgrad.layers import Affine, Layer, Sequential, mlp
from handgrad.optim import Adam
from handgrad.train import Trainer

@elementwise
def cube(x: Any) -> Any:
    def backward(dout: Any) -> Any:
        return 3 * x * x * dout
    return x * x * x, backward

def f(x: Any) -> Any:
    return hg.sum(hg.exp(-x * x))

class Scaled(Layer):
    def __init__(self) -> None:
        self.inner = Affine(3, 3)
        self.params = {"s": np.ones(3)}
    def forward(self, x: Any) -> Any:
        return hg.relu(self.inner(x)) * self.params["s"]

g = hg.grad(f)(np.ones(3))
v = hg.variable([1.0, 2.0])
y = np.sum(np.tanh(v) * v**2)
y.backward()
np.exp(v).backward()
z = hg.sum(v * 2 + 1)
z.backward()
a, b = v
net: Sequential = mlp([4, 3], seed=0)
trainer = Trainer(net, hg.softmax_cross_entropy, Adam(1e-3))
trainer.fit(np.ones((4, 4)), np.array([0, 1, 2, 0]), epochs=1)
p = trainer.predict(np.ones((4, 4)))
print(p.shape, check(cube, np.ones(3)).ok, hg.check(cube, np.ones(3)).causes)
step = hg.compile(hg.value_and_grad(f))
hg.show(f, np.ones(3)).save("x.html")
out, back = cube.vjp(np.ones(3))
hg.optim.Adam(1e-3), hg.train.Trainer, hg.Trainer, hg.data.load("digits"), hg.__version__
hg.softmax_cross_entropy(np.ones((2, 3)), np.array([0, 1]), wieght=None)  # wrong: call-arg
hg.relu()  # wrong: call-arg
hg.nosuch(3)  # wrong: attr-defined
cube(1.0, 2.0)  # wrong: call-arg
Affine("a", 3)  # wrong: arg-type
"""


def test_a_users_program_passes_mypy_strict(tmp_path):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    said, failed, _ = mypy.api.run(
        ["--strict", "--config-file=", f"--cache-dir={tmp_path}", "--no-error-summary", str(file)]
    )
    found = re.findall(r"program\.py:(\d+): error: .*\[(.*)\]", said)
    lines = PROGRAM.splitlines()
    wanted = [(str(n), line.split("# wrong: ")[1]) for n, line in enumerate(lines, 1) if "# wrong: " in line]
    assert found == wanted, said or failed


@pytest.mark.parametrize(
    "name", ["check", "compile", "show", "optim", "train", "data", "Trainer", "sum", "exp"]
)
def test_names_are_found(name):
    import handgrad

    assert name in dir(handgrad)
    assert getattr(handgrad, name) is not None
