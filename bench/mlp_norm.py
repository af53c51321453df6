"""mlp-norm: mlp-wide with batch norm, dropout and AdamW, so with much to do between the products.

Each library draws its masks from random numbers of its own; losses are compared without dropout. A bias
before a batch norm has the gradient 0, which comes out as rounding errors that Adam blows up to steps of
its own size: those biases differ between all, and the losses do not see it.
"""

from bench.workload import Workload, digits
from handgrad.optim import AdamW

WORKLOAD = Workload(
    "mlp-norm",
    (784, 512, 512, 10),
    batch=128,
    optimiser=AdamW(1e-3, weight_decay=1e-2),
    data=digits,
    batch_norm=True,
    dropout=0.2,
)
