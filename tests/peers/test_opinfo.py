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


@pytest.mark.parametrize("name", SOME)
@pytest.mark.filterwarnings("ignore")
def test_values_and_gradients_are_pytorchs(name):
    told = [told for told in map(tell, chosen([name])) if not told.excluded]
    assert told
    assert not any(one.failures for one in told)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.filterwarnings("ignore")
def test_all_that_have_a_rule(part):
    for told in map(tell, op_db[part::PARTS]):
        said = [why for why in told.failures.values() if "of a recorded array" not in why]
        assert not said, told.name
