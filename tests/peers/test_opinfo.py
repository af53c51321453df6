"""PyTorch's own operations on its own sample inputs, called on recorded tensors."""

from __future__ import annotations

import pytest

pytest.importorskip("torch")
pytest.importorskip("expecttest")

from tests.peers.opinfo import chosen, tell
from tests.peers.torch_samples import op_db

SOME = """
    add addmm amax cat cumsum div einsum gather index_put lgamma masked.sum masked_fill matmul median
    nn.functional.batch_norm nn.functional.cross_entropy nn.functional.embedding nn.functional.gelu
    nn.functional.avg_pool2d nn.functional.nll_loss nn.functional.pad quantile scatter scatter_add split
    squeeze take_along_dim topk unfold var where xlogy
""".split()
PARTS = 24
NOT_YET = """
    as_strided_scatter grid_sampler_2d grid_sampler_3d index_reduce_prod linalg_householder_product
    linalg_lstsq_grad_oriented nextafter nn_functional_grid_sample nn_functional_multi_head_attention_forward
    linalg_lstsq ormqr scatter_reduce_prod
""".split()


@pytest.mark.parametrize("name", SOME)
@pytest.mark.filterwarnings("ignore")
def test_values_and_gradients_are_pytorchs(name):
    told = [told for told in map(tell, chosen([name])) if not told.excluded]
    assert told
    assert not any(one.failures for one in told)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.filterwarnings("ignore")
def test_all_but_a_few_are_covered(part):
    told = [one for one in map(tell, op_db[part::PARTS]) if one.name not in NOT_YET]
    assert {one.name: one.failures for one in told if one.failures} == {}
