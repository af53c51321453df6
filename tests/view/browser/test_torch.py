"""What a page shows is what PyTorch computes from the same weights, value and gradient of every array."""

import re

import numpy as np
import pytest

from handgrad.view.summary import is_spelled

from .expected import Expected
from .networks import graphs

torch = pytest.importorskip("torch")
EPS = 1e-5
NUMBER = re.compile(r"−?[\d.]+(?:×10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?")
SMALL = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


class Run:
    """PyTorch's arrays: leaves by name, and what is computed from them in order, all keeping gradients."""

    def __init__(self, graph):
        self.leaves = {a.name: torch.tensor(np.asarray(a.value)) for a in graph.arrays if a.maker is None}
        for x in self.leaves.values():
            x.requires_grad_(x.dtype.is_floating_point)
        self.made = []

    def __getitem__(self, name):
        return self.leaves[name]

    def keep(self, x):
        x.retain_grad()
        self.made.append(x)
        return x

    def relu(self, x):
        return self.keep(torch.relu(x))

    def affine(self, name, x):
        return self.keep(x @ self[f"{name}.W"] + self[f"{name}.b"])

    def batch_norm(self, name, x):
        """With the mean and the variance, reshaped or not, that handgrad's layer computes on the way."""
        mean, var = self.keep(x.mean(0)), self.keep(x.var(0, correction=0))
        flat = [self.keep(a.reshape(-1)) for a in (mean, var, self[f"{name}.gamma"], self[f"{name}.beta"])]
        mean, var, gamma, beta = flat
        return self.keep((x - mean) / torch.sqrt(var + EPS) * gamma + beta)

    def loss(self, x):
        self.keep(torch.nn.functional.cross_entropy(x, self["t"])).backward()


def perceptron(run):
    x = run.keep(run["x"].reshape(len(run["x"]), -1))
    run.loss(run.affine("3", run.relu(run.affine("1", x))))


def residual(run):
    x = run.relu(run.affine("first", run["x"]))
    for i in range(3):
        inner = run.relu(run.affine(f"blocks.{i}.inner", run.batch_norm(f"blocks.{i}.norm", x)))
        x = run.keep(x + run.affine("blocks.0.shared", inner))
    run.loss(run.affine("head", x))


def by_torch(graph):
    """For each array of the graph PyTorch's own."""
    run = Run(graph)
    (residual if "first.W" in run.leaves else perceptron)(run)
    made = iter(run.made)
    return {a.number: run[a.name] if a.maker is None else next(made) for a in graph.arrays}


def number(text):
    """A number as it is written, and half of its last digit."""
    digits, _, power = text.replace("−", "-").partition("×10")
    scale = 10.0 ** int(power.translate(SMALL) or 0)
    return float(digits) * scale, 0.5 * scale / 10 ** len(digits.partition(".")[2])


def assert_told(words, wanted, size):
    """Each number in some words is the wanted one, to the digits that are shown."""
    shown = NUMBER.findall(words)
    assert len(shown) == len(wanted), (words, wanted)
    for text, theirs in zip(shown, wanted, strict=True):
        ours, rounding = number(text)
        assert ours == pytest.approx(theirs, abs=1.01 * rounding + 1e-6 * size, rel=0), words


def assert_edge(lines, array):
    """An array's numbers where they are few, else its range and mean; its shape may stand before these."""
    is_floating, array = array.dtype.is_floating_point, array.detach().numpy().astype(float)
    size = np.max(np.abs(array))
    if not is_floating:
        assert_told(lines[-1], array.ravel()[:5], size)
    elif is_spelled(array.shape):
        assert_told(lines[0], array.ravel(), size)
    elif array.min() == array.max():
        assert_told(lines[-1], [array.min()], size)
    else:
        assert_told(" ".join(lines[-2:]), [array.min(), array.max(), array.mean()], size)


@pytest.mark.parametrize("name", ["digit", "batch", "residual-whole"])
def test_every_edge_is_what_pytorch_computes(opened, name):
    window = opened(name)
    (graph,), (drawn,) = graphs(name), window.drawn()
    expected = Expected(graph, [node["id"] for node in drawn["nodes"]])
    found, values, grads = by_torch(graph), set(), set()
    for edge, words in drawn["edges"].items():
        array, uses = expected.array(edge), expected.uses(edge)
        if words["value"]:
            assert_edge(words["value"], found[array.number])
            values.add(array.number)
        if words["grad"] and len(uses) in (0, len(array.uses)):
            assert_edge(words["grad"], found[array.number].grad)
            grads.add(array.number)
    assert values == {a.number for a in graph.arrays}
    assert grads >= {a.number for a in graph.arrays if a.grad is not None and len(a.uses) < 2}


@pytest.mark.parametrize("name", ["digit", "batch", "residual-whole"])
def test_every_panel_is_what_pytorch_computes(opened, name):
    """The gradient of each rule's output, also where several uses give it and an edge shows but one."""
    window = opened(name)
    (graph,) = graphs(name)
    found = by_torch(graph)
    for op in graph.ops:
        window.act(f"o{op.number}")
        said = window.page.locator("#panel .facts.grad .numbers").all_text_contents()[-1]
        grad = found[op.outputs[0].number].grad.numpy().astype(float)
        wanted = (
            [grad.min(), grad.max(), grad.mean(), np.linalg.norm(grad)] if grad.size > 1 else [grad.item()]
        )
        assert_told(said.partition("from")[2] or said, wanted, np.max(np.abs(grad)))
