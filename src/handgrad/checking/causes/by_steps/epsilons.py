"""An epsilon in the forward that the backward leaves out, or the reverse."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np

from handgrad.checking.causes.by_steps.error import Error, Predicted
from handgrad.checking.following.chain import Chain
from handgrad.checking.following.trace import replayed
from handgrad.checking.kinds import Kind

SMALL = 2e-2  # what an epsilon is at most
SINGULAR = ("sqrt", "divide", "log", "power", "true_divide", "reciprocal", "norm")  # where it keeps from 0


def left_out(error: Error) -> Iterator[Predicted]:
    """The whole forward again without one small constant: is that what the backward belongs to?"""
    chain = error.chain
    for number, step in enumerate(chain.tape.steps):
        for i, c in enumerate(step.constants):
            if not 0 < abs(c) < SMALL:
                continue
            without = [0.0 if j == i else k for j, k in enumerate(step.constants)]
            try:
                with np.errstate(all="ignore"):
                    tape = replayed(chain.tape, number, without)
                    guess = Chain(error.e.douts, tape, chain.start, chain.ends).gradient({})
            except Exception:  # a forward that cannot do without it
                continue
            which = f"the forward without its {c:g} (in {step.name})"
            sentence = f"{error.e.d} is that of {which}: the backward leaves it out"
            yield Predicted(Kind.EPSILON, sentence, 2, guess - error.due)


def moved(error: Error) -> Iterator[Predicted]:
    """One at an input of a step, by what it makes of the gradient."""
    chain = error.chain
    constants = [abs(float(c)) for step in chain.steps for c in step.constants]
    sizes = {c for c in constants if 0 < c < SMALL}
    candidates = [*sizes, *(-s for s in sizes), *(10.0**-k for k in range(3, 13))]
    for step in chain.steps:
        d = chain.at(step, chain.up) if step.name in SINGULAR else None
        for i, slot in enumerate(step.inputs):
            if d is None or slot not in chain.down:
                continue
            for j, eps in itertools.product(range(len(step.values)), candidates):
                args = [v + eps if k == j else v for k, v in enumerate(step.values)]
                with np.errstate(all="ignore"):
                    off = (d @ (step.jacobian_at(i, args) - step.jacobian(i))) @ chain.down[slot]
                one_way = "the forward has it and the backward does not"
                where = one_way if eps < 0 else "is it in one of them only?"
                makes = f"what an epsilon of {abs(eps):g} at {step.said(i)} makes of it"
                yield Predicted(Kind.EPSILON, f"{error.e.d} is {makes}: {where}", 100, off, roughly=True)
