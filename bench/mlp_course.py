"""mlp-course: the course's network on all of mnist-5k, small enough that overhead is half of it."""

from bench.workload import Workload, digits
from handgrad.optim import SGD

WORKLOAD = Workload("mlp-course", (784, 50, 10), batch=100, optimiser=SGD(0.1), data=digits)
