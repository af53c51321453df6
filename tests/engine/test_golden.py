"""What ``explain`` says of three steps, to the letter: a change of a plan is seen in the change of a file.

Where a change is meant, ``python -m tests.engine.test_golden`` writes the files anew.
"""

import difflib
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine.building import Stages
from handgrad.engine.explaining import plan
from handgrad.engine.targets.here import elsewhere
from handgrad.layers import mlp
from handgrad.program import trace
from handgrad.tree import leaves, tree_map
from tests.engine.test_growth import blocks

FOLDER = Path(__file__).with_name("golden")


def zeros(*shape, dtype=np.float32):
    return np.zeros(shape, dtype)


def course():
    """A step of the course's network by gradient descent."""
    net = mlp([784, 50, 10], seed=0)

    def step(params, x, t):
        loss, grads = hg.value_and_grad(lambda params: hg.softmax_cross_entropy(net.bind(params, {})(x), t))(
            params
        )
        return {name: p - np.float32(0.1) * grads[name] for name, p in params.items()}, loss

    return step, net.parameters(), zeros(100, 784), zeros(100, dtype=int)


def norm():
    """A step of a network with batch norm, by Adam."""
    sizes = [(784, 512), (512, 512), (512, 10)]
    params = [{"W": zeros(D, M), "b": zeros(M), "gamma": zeros(M), "beta": zeros(M)} for D, M in sizes]

    def loss(params, x, t):
        for n, p in enumerate(params):
            x = hg.affine(x, p["W"], p["b"])
            if n < len(params) - 1:
                mean, var = hg.mean(x, axis=0), hg.var(x, axis=0)
                x = hg.relu(hg.batch_norm(x, mean, var, p["gamma"], p["beta"]))
        return hg.softmax_cross_entropy(x, t)

    def step(params, moments, x, t):
        value, grads = hg.value_and_grad(loss)(params, x, t)
        moved = [
            {k: adam(p[k], g[k], *m[k]) for k in p} for p, g, m in zip(params, grads, moments, strict=True)
        ]
        new = [{k: p for k, (p, *_) in layer.items()} for layer in moved]
        kept = [{k: tuple(m) for k, (_, *m) in layer.items()} for layer in moved]
        return new, kept, value

    moments = [{k: (p, p) for k, p in layer.items()} for layer in params]
    return step, params, moments, zeros(128, 784), zeros(128, dtype=int)


def adam(p, dp, m, v):
    m, v = m * np.float32(0.9) + dp * np.float32(0.1), v * np.float32(0.99) + dp * dp * np.float32(0.01)
    return p - np.float32(1e-3) * m / (hg.sqrt(v) + np.float32(1e-8)), m, v


def block():
    """A block of attention and two layers, with its gradients."""
    loss, params, _, x = blocks(1, T=64, D=128, H=4, N=12)
    return hg.value_and_grad(loss), *tree_map(np.float32, (params, x))


STEPS = {"course": course, "norm": norm, "block": block}


def explained(make):
    """For a processor and a number of threads that need not be this computer's."""
    f, *args = make()
    program = trace(f, *args)
    held = len(leaves(args)) - 2 if make is not block else 0  # all but x and t: written over
    return plan(Stages(program, {i: i for i in range(held)}, elsewhere("avx2"), 2, 2e6)) + "\n"


@pytest.mark.parametrize("name", STEPS)
def test_it_is_explained_as_before(name):
    before = (FOLDER / f"{name}.txt").read_text()
    now = explained(STEPS[name])
    change = list(difflib.unified_diff(before.splitlines(), now.splitlines(), "before", "now", "", "", 1, ""))
    if change:
        told = "\n".join(change[:80])
        pytest.fail(f"if this is meant, run python -m tests.engine.test_golden\n{told}", pytrace=False)


if __name__ == "__main__":
    for name, make in STEPS.items():
        (FOLDER / f"{name}.txt").write_text(explained(make))
