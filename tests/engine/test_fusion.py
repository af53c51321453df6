"""Which kernels a program becomes, and what each of them makes."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.engine import Code
from handgrad.layers import mlp
from handgrad.optim import Adam
from handgrad.program import trace
from handgrad.train import Trainer
from handgrad.train.engines import NativeSteps
from tests.engine.support import assert_means

rng = np.random.default_rng(0)
X, W, B = rng.standard_normal((8, 20)), rng.standard_normal((20, 9)), rng.standard_normal(9)


def kernels(f, *args):
    """The kernels as (kind, what is made), of code that gives the right numbers."""
    code = Code(trace(f, *args))
    assert_means(code, args)
    return made(code.schedule)


def made(schedule):
    return [(k.name, [node.name for node in k.makes]) for k in schedule.kernels]


def test_bias_and_activation_are_in_the_product():
    code = Code(trace(lambda x, W, b: hg.relu(hg.affine(x, W, b)), X, W, B))
    assert made(code.schedule) == [("product", ["product", "maximum"])]
    assert [node.name for node in code.schedule.kernels[0].stores] == ["maximum"]
    assert code.schedule.size == 0


@pytest.mark.parametrize(
    "f",
    [
        lambda x: hg.tanh(x) * 2 + 1,
        lambda x: hg.gelu(x),
        lambda x: hg.grad(lambda x: hg.sum(hg.softplus(x) * x))(x),
        lambda x: (x + 1, x * 2, x - 3),
        lambda x: hg.relu(hg.transpose(x)),
        lambda x: hg.reshape(x, (4, 40))[::-1, 3:] * 2,
    ],
)
def test_elementwise_chains_and_views_are_one_loop(f):
    assert [kind for kind, _ in kernels(f, X)] == ["loop"]


def test_what_is_summed_is_not_stored():
    assert kernels(lambda x, b: hg.sum(hg.square(x[:, :9] - b), axis=1), X, B) == [("reduce", ["sum"])]


def test_sums_over_the_same_are_one_kernel():
    assert kernels(lambda x: (hg.sum(x, axis=0), hg.sum(x * x, axis=0)), X) == [("reduce", ["sum"] * 2)]


def test_a_sum_that_needs_another_waits_for_it():
    found = kernels(lambda x: hg.var(x, axis=1), X)
    assert [kind for kind, _ in found].count("reduce") == 2


def test_what_is_costly_is_computed_once():
    """The exponentials of a softmax are stored, since their sum is needed before them."""
    ops = [op for _, ops in kernels(hg.softmax, X) for op in ops]
    assert ops.count("exp") == 1


def test_a_small_array_is_computed_before_it_is_repeated():
    found = kernels(lambda x, b: x[:, :9] * hg.tanh(b), X, B)
    assert found == [("loop", ["tanh"]), ("loop", ["multiply"])]


def test_what_reaches_no_output_is_not_made():
    assert kernels(lambda x: hg.vjp(hg.exp, x)[0], X) == [("loop", ["exp"])]


def test_a_factor_that_is_computed_is_stored_first():
    found = kernels(lambda x, W: hg.exp(x) @ W, X, W)
    assert found == [("loop", ["exp"]), ("product", ["product"])]


def test_a_factor_is_read_as_it_lies():
    """Turned, reversed, with gaps: the product reads it, or copies a panel for itself."""
    assert kernels(lambda x, W: hg.transpose(x) @ W, X.T.copy(), W) == [("product", ["product"])]
    for rows in (3, 300):
        x = rng.standard_normal((rows, 20))
        assert kernels(lambda x, W: x @ hg.transpose(W), x, W.T.copy()) == [("product", ["product"])]
        assert kernels(lambda x, W: x @ W[::-1, ::-2], x, W) == [("product", ["product"])]


def test_a_factor_whose_places_are_values_is_packed():
    found = kernels(lambda x, W, i: x @ W[i], X, W, np.arange(20)[::-1].copy())
    assert found == [("loop", ["gather"]), ("product", ["product"])]


def test_products_of_depth_one_are_loops():
    assert [kind for kind, _ in kernels(lambda x, y: x @ y, X, np.ones(20))] == ["product"]
    assert [kind for kind, _ in kernels(lambda x, y: x @ y, X[:, :1], np.ones((1, 5)))] in (
        ["reduce"],
        ["loop"],
    )


def test_long_chains_are_cut():
    def f(x):
        for _ in range(200):
            x = xp.add(x, xp.multiply(x, 0.01))
        return x

    assert len(kernels(f, X)) >= 2


def steps(widths, batch_size, optimiser):
    t = np.zeros(4 * batch_size, int)
    x = np.zeros((len(t), widths[0]), np.float32)
    trainer = Trainer(mlp(widths, seed=0), hg.softmax_cross_entropy, optimiser)
    (loop,) = NativeSteps(trainer, trainer.progress, x, t, batch_size).code(batch_size).schedule.kernels
    return loop.inside


def test_the_update_is_in_the_product_that_makes_the_gradient():
    schedule = steps([20, 9, 4], 8, Adam())
    updates = [ops for kind, ops in made(schedule) if kind == "product" and len(ops) == 4]
    assert updates == [["product", "add", "add", "subtract"]] * 2
    for kernel in schedule.kernels:
        if kernel.name == "product" and len(kernel.values) == 4:
            assert kernel.node not in kernel.stores  # the gradient itself is never in memory


def test_slices_of_what_is_looked_up_are_found():
    """Whose places are values cannot be sliced again before it is stored."""

    def f(x, i):
        picked = x[:, 2:0:-1, i]
        return hg.take_along_axis(picked, np.zeros((8, 1, 3), int), axis=1), hg.flip(picked)[i]

    assert kernels(f, rng.standard_normal((8, 3, 4)), np.array([3, 0, 1]))


BY_NUMPY = {
    "an input": lambda x: np.sort(x, axis=0),
    "an input's other shape": lambda x: np.sort(np.reshape(x, (-1,))),
    "another shape of what is made": lambda x: np.sort(np.reshape(x * 2, (2, 6)), axis=1),
    "transposed, in another shape": lambda x: np.sort(np.reshape(x.T, (-1,))),
    "flipped": lambda x: np.flip(np.sort(np.flip(np.reshape(x, (12,))))),
    "a part": lambda x: np.sort(np.reshape(x[1:, ::2], (-1,))) + np.sum(x),
}


@pytest.mark.filterwarnings("ignore:runs on NumPy")
@pytest.mark.parametrize("what", BY_NUMPY)
def test_views_for_what_numpy_computes(what):
    """Their memory is what they are a view of, or is made: fusion comes to an end."""
    f, x = BY_NUMPY[what], np.arange(12.0).reshape(3, 4)
    np.testing.assert_array_equal(hg.compile(f)(x), f(x))


def most_read(f, *args):
    return max(len(kernel.arrays) for kernel in Code(trace(f, *args)).schedule.kernels)


def test_a_sum_that_grows_and_is_read_on_the_way_is_stored():
    """Each layer of a residual network reads what the one before left, not all that was ever added."""

    def f(x, Ws):
        for W in Ws:
            x = x + (x - hg.mean(x, axis=1, keepdims=True)) @ W + hg.std(x, axis=1, keepdims=True)
        return x

    x = rng.standard_normal((8, 6))
    few, many = ([rng.standard_normal((6, 6)) for _ in range(n)] for n in (3, 9))
    assert most_read(f, x, few) == most_read(f, x, many) <= 4


def test_what_follows_a_product_is_stored_in_its_place():
    def f(dy, W, x, y, dz):
        dx = (dy @ W) * (x > 0)
        return hg.sum(dx, axis=0), hg.sum(dx * y, axis=0), dx * dz

    A = rng.standard_normal((6, 6))
    (first, *_) = Code(trace(f, A, A, A, A, A)).schedule.kernels
    assert first.name == "product"
    assert "product" not in [node.name for node in first.stores]
