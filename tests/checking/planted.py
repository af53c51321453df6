"""Rules with a mistake planted in their gradients."""

from __future__ import annotations

import inspect

import numpy as np

from handgrad.rules import Rule
from handgrad.tree import tree_map


def planted(rule, mistake, only=None):
    """The rule, each of its gradients (or that of one input alone) spoiled: ``mistake(dx, dout)``."""

    def spoiled(*inputs, **options):
        out, backward = rule.body(*inputs, **options)

        def wrong(dout):
            grads = backward(dout)
            each = list(grads) if isinstance(grads, tuple) else [grads]
            for k, dx in enumerate(each):
                if dx is not None and only in (None, k):
                    each[k] = tree_map(lambda g: None if g is None else mistake(np.asarray(g), dout), dx)
            return tuple(each) if isinstance(grads, tuple) else each[0]

        return out, wrong

    spoiled.__name__, spoiled.__signature__ = rule.name, inspect.signature(rule.body)
    return Rule(spoiled, rule.broadcasts)
