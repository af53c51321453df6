"""The engine's thresholds, drawn anew: what it does to large arrays, it does to small ones.

Where sums are cut, what is copied, in which blocks: all that hangs on sizes that random programs do not have.
"""

import contextlib
import sys
from unittest import mock

PRODUCT = "handgrad.engine.kernels.product."
KERNELS = "handgrad.engine.kernels."
CHOICES = {
    PRODUCT: {
        "LONG": (4, 24, 100),  # terms of a sum that is cut
        "CHAIN": (2, 5, 12, 40),
        "MOST_TURNS": (1, 3),
        "FEW_TURNS": (1, 2),
        "WORTH_COPYING": (1, 2),
        "WORTH_COPYING_X": (1, 12),
        "WORTH_COPYING_DEEP_X": (1, 12),
        "MOST_COPIED": (256, 4096),
        "NEAR": (64, 1024),
        "FAR": (64, 1024),
        "AHEAD": (1, 4),
        "MOST_DEPTH_OF_DOTS": (8, 40),
        "LEAST_DEPTH_OF_DOTS": (2, 8),
        "MANY_LANES": (1, 8),
        "STRETCH": (2, 5),
        "MOST_STRETCHES": (2, 6),
        "MOST_ROWS_OF_DOTS": (1, 4),
        "LARGE_FACTOR": (64, 512),
        "SOME_TURNS": (1, 2),
        "FEW": (1, 64),
        "TERMS": (2, 8),
        "SOME_ROWS": (1,),
        "MANY_ROWS": (2,),
        "LARGE": (1,),
    },
    KERNELS + "reduce": {"LONG": (3, 20), "MANY": (32, 300), "ABOUT": (3, 17)},
    KERNELS + "scatter": {"WIDE": (4, 20), "SHORT": (1, 3), "SPARE": (1, 2)},
    KERNELS + "scan": {"SOME_STEPS": (1,)},
    KERNELS + "concatenate": {"MOST": (2,)},
    "handgrad.engine.schedule.rounds": {"NEAR": (64, 1024), "NARROW": (1,), "WORTH": (0, 4)},
    "handgrad.engine.fusion": {"WORTH_STORING": (1, 100), "DEEPEST": (3,), "MOST_VALUES": (2, 5)},
}


@contextlib.contextmanager
def having(values):
    """Thresholds by where they are and name, set in every module there that has them."""
    with contextlib.ExitStack() as stack:
        for where, some in values.items():
            modules = [m for name, m in sorted(sys.modules.items()) if name.startswith(where)]
            for name, value in some.items():
                having_it = [module for module in modules if hasattr(module, name)]
                assert having_it, f"no module in {where} has {name}"
                for module in having_it:
                    stack.enter_context(mock.patch.object(module, name, value))
        yield


def drawn(pick):
    """Each threshold as it is, or one of its choices."""
    values = {
        where: {name: pick((None, None, *some)) for name, some in choices.items()}
        for where, choices in CHOICES.items()
    }
    return having({w: {n: v for n, v in some.items() if v is not None} for w, some in values.items()})
