"""Rules that PyTorch has too, in float64: values and gradients, at kinks and in tails as well."""

import itertools

import numpy as np
import pytest

import handgrad as hg
from tests.rules.draws import apart, away, integers, normal, probabilities, within

torch = pytest.importorskip("torch")
F = torch.nn.functional


def assert_same(rule, options, theirs, inputs, rtol=1e-12):
    """Values, and gradients by all floating inputs, for a random dout."""
    out, backward = rule.vjp(*inputs, **options)
    dout = np.asarray(np.random.default_rng(3).normal(size=np.shape(out)))
    grads = backward(dout)
    tensors = [torch.tensor(x, requires_grad=dx is not None) for x, dx in zip(inputs, grads, strict=True)]
    wanted = theirs(*tensors)
    np.testing.assert_allclose(out, wanted.detach().numpy(), rtol=rtol, atol=rtol)
    wanted.backward(torch.tensor(dout))
    for dx, x in zip(grads, tensors, strict=True):
        if dx is not None:
            scale = float(x.grad.abs().max()) if x.grad.numel() else 0
            np.testing.assert_allclose(dx, x.grad.numpy(), rtol=rtol, atol=rtol * scale)


# Elementwise.

ELEMENTWISE = {
    "celu": {"alpha": 0.7},
    "elu": {"alpha": 0.7},
    "hardshrink": {"lambd": 0.4},
    "hardsigmoid": {},
    "hardswish": {},
    "hardtanh": {"min_val": -1.0, "max_val": 0.5},
    "leaky_relu": {"negative_slope": 0.2},
    "logsigmoid": {},
    "mish": {},
    "relu6": {},
    "selu": {},
    "silu": {},
    "softplus": {},
    "softshrink": {"lambd": 0.4},
    "softsign": {},
    "threshold": {"threshold": 0.5, "value": -2.0},
}
TOLERANCES = {"celu": 1e-6, "hardsigmoid": 1e-6, "softplus": 2e-9}
"""PyTorch keeps constants of the first two in float32, and takes the last for x above 20."""
PLACES = [-700.0, -40.0, -6.0, -3.0, -1.0, -0.5, -0.4, 0.0, 0.4, 0.5, 1.0, 3.0, 6.0, 19.0, 40.0]
"""Kinks, ends and tails among them."""


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise(name):
    x = np.concatenate([PLACES, np.random.default_rng(0).normal(size=20)])
    rule, options = hg.rules.ALL[name], ELEMENTWISE[name]
    assert_same(rule, options, lambda x: getattr(F, name)(x, **options), (x,), TOLERANCES.get(name, 1e-12))


@pytest.mark.parametrize("shape", [(3,), (4, 3), (2, 3, 4, 5)])
def test_prelu(shape):
    """PyTorch's slopes lie along axis 1; ours broadcast."""
    r = np.random.default_rng(0)
    x, a = normal(r, *shape), normal(r, shape[1] if len(shape) > 1 else 1)
    spread = (1,) * (len(shape) > 1) + (-1,) + (1,) * (len(shape) - 2)
    assert_same(hg.prelu, {}, lambda x, a: F.prelu(x, a.reshape(-1)), (x, a.reshape(spread)))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_glu(axis):
    x = normal(np.random.default_rng(0), 4, 6, 2)
    assert_same(hg.glu, {"axis": axis}, lambda x: F.glu(x, dim=axis), (x,))


# Losses.

REDUCTIONS = ("mean", "sum", "none")


@pytest.mark.parametrize(
    ("weight", "ignored", "reduction"),
    [*itertools.product((None, [0.5, 2.0, 0.0, 0.7]), (None, 1), REDUCTIONS)],
)
def test_nll(weight, ignored, reduction):
    r = np.random.default_rng(0)
    x, t = np.log(probabilities(r, 7, 4)), np.array([0, 1, 3, 1, 2, 0, 3])
    w = None if weight is None else np.array(weight)
    options = {"weight": w, "ignore_index": ignored, "reduction": reduction}
    theirs = {
        "weight": None if w is None else torch.tensor(w), "reduction": reduction,
        "ignore_index": -100 if ignored is None else ignored,
    }  # fmt: skip
    assert_same(hg.nll, options, lambda x, t: F.nll_loss(x, t, **theirs), (x, t))


def unit_numbers(r, *shape):
    return r.uniform(size=shape)


def signs(r, *shape):
    return r.choice([-1.0, 1.0], size=shape)


PAIRS = {  # our rule's name: PyTorch's, the draws, options
    "binary_cross_entropy": ("binary_cross_entropy", (unit_numbers, unit_numbers), [{}]),
    "gaussian_nll": ("gaussian_nll_loss", (normal, normal, unit_numbers), [{}, {"full": True}]),
    "hinge_embedding": ("hinge_embedding_loss", (unit_numbers, signs), [{}, {"margin": 0.4}]),
    "huber": ("huber_loss", (normal, normal), [{}, {"delta": 0.3}]),
    "kl_divergence": ("kl_div", (normal, within(0, 1)), [{}, {"log_target": True}]),
    "margin_ranking": ("margin_ranking_loss", (normal, normal, signs), [{}, {"margin": 0.4}]),
    "mean_absolute_error": ("l1_loss", (normal, normal), [{}]),
    "mean_squared_error": ("mse_loss", (normal, normal), [{}]),
    "poisson_nll": (
        "poisson_nll_loss", (within(0.1, 3), within(0, 4)),
        [{}, {"full": True}, {"log_input": False}, {"log_input": False, "full": True}],
    ),
    "soft_margin": ("soft_margin_loss", (away(0.1, 30), signs), [{}]),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
@pytest.mark.parametrize(
    ("name", "options", "reduction", "shape"),
    [
        (name, options, reduction, shape)
        for name, (_, _, every) in PAIRS.items()
        for options, reduction, shape in itertools.product(every, REDUCTIONS, [(), (5,), (3, 4)])
        if not (name == "kl_divergence" and shape == ())
    ],
)
def test_losses_of_pairs(name, options, reduction, shape):
    theirs, draws, _ = PAIRS[name]
    r = np.random.default_rng(1)
    inputs = tuple(np.asarray(draw(r, *shape)) for draw in draws)
    options = options | {"reduction": reduction}
    assert_same(hg.rules.ALL[name], options, lambda *xs: getattr(F, theirs)(*xs, **options), inputs)


@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides:UserWarning")
def test_kl_divergence_of_batches_and_zeros():
    r = np.random.default_rng(0)
    x, t = np.log(probabilities(r, 3, 4)), probabilities(r, 3, 4)
    t[0, 1] = t[2] = 0
    for reduction in (*REDUCTIONS, "batchmean"):
        options = {"reduction": reduction}
        tx = torch.tensor(x, requires_grad=True)
        loss, backward = hg.kl_divergence.vjp(x, t, **options)
        wanted = F.kl_div(tx, torch.tensor(t), **options)
        np.testing.assert_allclose(loss, wanted.detach(), rtol=1e-12, atol=1e-15)
        dout = np.asarray(r.normal(size=np.shape(loss)))
        wanted.backward(torch.tensor(dout))
        dx, dt = backward(dout)
        np.testing.assert_allclose(dx, tx.grad, rtol=1e-12)
        assert np.isfinite(dt).all()


def test_binary_cross_entropy_at_its_ends():
    """Whose logarithms PyTorch cuts at -100."""
    y, t = np.array([0.0, 0.0, 1.0, 1.0, 1e-300]), np.array([0.0, 1.0, 0.0, 1.0, 1.0])
    theirs = lambda y, t: F.binary_cross_entropy(y, t, reduction="none")  # noqa: E731
    tensor = torch.tensor(y, requires_grad=True)
    wanted = theirs(tensor, torch.tensor(t))
    loss, backward = hg.binary_cross_entropy.vjp(y, t, reduction="none")
    np.testing.assert_allclose(loss, wanted.detach())
    wanted.sum().backward()
    np.testing.assert_allclose(backward(np.ones(5))[0], tensor.grad)


@pytest.mark.parametrize(
    ("p", "margin", "weight", "reduction"),
    [*itertools.product((1, 2), (1.0, 0.2), (None, [0.5, 2.0, 0.0, 0.7]), REDUCTIONS)],
)
def test_multi_margin(p, margin, weight, reduction):
    r = np.random.default_rng(0)
    options = {"p": p, "margin": margin, "reduction": reduction}
    w = None if weight is None else np.array(weight)
    theirs = options | {"weight": None if w is None else torch.tensor(w)}
    inputs = normal(r, 5, 4), integers(4)(r, 5)
    ours = options | {"weight": w}
    assert_same(hg.multi_margin, ours, lambda x, t: F.multi_margin_loss(x, t, **theirs), inputs)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("margin", [0.0, 0.3])
def test_cosine_embedding(margin, reduction):
    r = np.random.default_rng(0)
    options = {"margin": margin, "reduction": reduction}
    inputs = normal(r, 8, 3), normal(r, 8, 3), signs(r, 8)
    ours = lambda x, y, t: F.cosine_embedding_loss(x, y, t, **options)  # noqa: E731
    assert_same(hg.cosine_embedding, options, ours, inputs)


@pytest.mark.parametrize(
    ("p", "swap", "reduction"), [*itertools.product((1.0, 2.0, 3.5), (False, True), REDUCTIONS)]
)
def test_triplet_margin(p, swap, reduction):
    r = np.random.default_rng(0)
    options = {"p": p, "swap": swap, "reduction": reduction, "margin": 0.7}
    theirs = lambda *xs: F.triplet_margin_loss(*xs, **options)  # noqa: E731
    assert_same(hg.triplet_margin, options, theirs, tuple(normal(r, 9, 4) for _ in range(3)))


@pytest.mark.parametrize("p", [1.0, 2.0, 3.5])
def test_distances(p):
    r = np.random.default_rng(0)
    x, y = normal(r, 5, 4), normal(r, 5, 4)
    assert_same(hg.pairwise_distance, {"p": p}, lambda x, y: F.pairwise_distance(x, y, p=p), (x, y))
    assert_same(hg.pairwise_distance, {"p": p}, lambda x, y: F.pairwise_distance(x, y, p=p), (x, x.copy()))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_cosine_similarity(axis):
    r = np.random.default_rng(0)
    x, y = normal(r, 3, 4, 2), normal(r, 3, 4, 2)
    assert_same(
        hg.cosine_similarity, {"axis": axis}, lambda x, y: F.cosine_similarity(x, y, dim=axis), (x, y)
    )


def test_lengths_that_overflow_when_squared():
    x = np.array([[1e200, -2e200], [1e-200, 3e-200]])
    out, backward = hg.cosine_similarity.vjp(x, x[:, ::-1].copy())
    np.testing.assert_allclose(out[0], -0.8)
    assert all(np.isfinite(dx).all() for dx in backward(np.ones(2)))


def test_info_nce_is_a_cross_entropy_of_a_product():
    r = np.random.default_rng(0)
    theirs = lambda x, y: F.cross_entropy(x @ y.T / 0.3, torch.arange(6))  # noqa: E731
    assert_same(hg.info_nce, {"temperature": 0.3}, theirs, (normal(r, 6, 4), normal(r, 6, 4)))


@pytest.mark.parametrize("alpha", [0.25, None])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal(alpha, gamma):
    """As torchvision writes it, which PyTorch itself lacks."""

    def theirs(x, t):
        p, c = torch.sigmoid(x), F.binary_cross_entropy_with_logits(x, t, reduction="none")
        t = t
        loss = c * (1 - (p * t + (1 - p) * (1 - t))) ** gamma
        return loss.mean() if alpha is None else ((alpha * t + (1 - alpha) * (1 - t)) * loss).mean()

    r = np.random.default_rng(0)
    inputs = normal(r, 5, 3), r.integers(2, size=(5, 3)).astype(float)
    assert_same(hg.focal, {"alpha": alpha, "gamma": gamma}, theirs, inputs)


def test_hinge_of_one_class_is_the_multi_margin_of_two():
    y, t = apart(np.random.default_rng(0), 6) / 2, np.array([1, -1, 1, 1, -1, -1])
    pair = np.stack([np.zeros(6), y], axis=1)
    loss, _ = hg.multi_margin.vjp(pair, (t > 0).astype(int), reduction="sum")
    assert np.isclose(2 * loss, hg.hinge(y, t, reduction="sum"))
