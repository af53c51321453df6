"""mlp-wide: two layers of 512 units and Adam, where products and the update of the weights are the time."""

from bench.workload import Workload, digits
from handgrad.optim import Adam

WORKLOAD = Workload("mlp-wide", (784, 512, 512, 10), batch=128, optimiser=Adam(1e-3), data=digits)
