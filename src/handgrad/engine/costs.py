"""What operations cost, in additions."""

from handgrad.engine.emit.arithmetic import LIBRARY

COSTS = {
    **dict.fromkeys("divide sqrt remainder floor_divide quotient_by_root".split(), 8),
    **dict.fromkeys("logistic exp expm1 log log1p tanh erf erfc".split(), 20),
    **dict.fromkeys((*LIBRARY, "logaddexp", "power"), 60),
}
