"""Code for less than this computer has: every level that can run here."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine.targets import here
from handgrad.layers import mlp
from handgrad.optim import Adam
from handgrad.program import trace
from tests.engine.support import arrays_in, assert_close, compiled, interpreted, over_levels, run, same_bits
from tests.engine.test_every_rule import Use
from tests.rules.cases import CASES

SOME = """
    add-row multiply-integers divide-column-row power-three-axes maximum-one-matrix sqrt-odd where-broadcast
    exp-strided expm1-odd log1p-odd tanh-odd sin-odd erf-tails erfc-tails sigmoid-transposed gelu-odd
    gelu-tanh-odd dropout-rate-0.3 sum-pair-gone mean-last-kept max-first-gone prod-one-zero var-every-gone
    logsumexp-strided pad-wrap split-places concatenate-last getitem-array-apart getitem-backwards take-middle
    scatter_add-arrays take_along_axis-three-axes matmul-batched matmul-strided affine-rows softmax-middle
    softmax_cross_entropy-full-index-mean binary_cross_entropy_with_logits-mean
    einsum-heads einsum-strided einsum-convolution windows-overlapping unwindows-images
""".split()
CHOSEN = {case.id: case for case in CASES}
LEVELS = pytest.mark.parametrize("level", here.levels())


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize(("name", "level"), [*over_levels(SOME)])
def test_rules(name, dtype, level):
    use = Use(CHOSEN[name], dtype)
    assert_close(run(compiled(use.program, target=here.at_level(level)), use.arrays), use.wanted, use.own)


@LEVELS
@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
def test_a_whole_step_of_training(dtype, level):
    """Batch norm, dropout and Adam, with two threads, on sizes that are no multiple of any vector."""
    net = mlp([11, 37, 5], "gelu", batch_norm=True, dropout=0.3, seed=0, dtype=dtype).train()
    optimiser = Adam()

    def train(params, states, moments, x, t, lr, n):
        def loss(params):
            bound = net.bind(params, states)
            return hg.softmax_cross_entropy(bound(x), t), bound.states()

        (value, states), grads = hg.value_and_grad(loss, has_aux=True)(params)
        grads.pop("1.b")  # before a batch norm it does nothing, and its gradient is rounding
        moved = {name: optimiser.update(params[name], dp, moments[name], lr, n) for name, dp in grads.items()}
        return value, states, moved

    rng = np.random.default_rng(0)
    params = net.parameters()
    moments = {name: optimiser.init(p) for name, p in params.items()}
    x, t = rng.standard_normal((13, 11)).astype(dtype), rng.integers(5, size=13)
    args = [params, net.states(), moments, x, t, np.float64(0.01), np.float64(1)]
    program = trace(train, *args)
    code = compiled(program, 2, target=here.at_level(level))
    got = run(code, arrays_in(args))
    wanted = interpreted(program, args)
    assert_close(got, wanted, ulps=dict.fromkeys([np.dtype(np.float64), np.dtype(np.float32)], 1e4))
    assert same_bits(run(compiled(program, 1, target=here.at_level(level)), arrays_in(args)), got)
