"""How the forward of each style of target is followed."""

from __future__ import annotations

import numpy as np

from handgrad.checking.following.rebinding import Rebinder
from handgrad.checking.following.trace import Recording, Shim, Traced, Untraceable
from handgrad.checking.subject import Subject, Values, fixed_randomness
from handgrad.tree import leaves


def traced(subject: Subject, values: Values) -> tuple[Recording, list[int], list[int]]:
    """The steps, the slot of each input (-1 where it is not followed), and those of the outputs.

    Raises:
        Untraceable: the forward cannot be followed.
    """
    if subject.follow is None:
        raise Untraceable(f"a forward of the style {subject.style} is not followed")
    tape = Recording()
    starts, given = [], []
    for x, is_checked in zip(values, subject.checked, strict=True):
        starts.append(tape.new(x) if is_checked else -1)
        given.append(Traced(tape, np.array(x), starts[-1]) if is_checked else x)
    with fixed_randomness():
        outs = leaves(subject.follow(given, Rebinder({id(np): Shim(tape)})))
    floating = [o for o in outs if isinstance(o, Traced) or np.asarray(o).dtype.kind == "f"]
    if not all(isinstance(o, Traced) for o in floating):
        raise Untraceable("an output is not followed")
    return tape, starts, [o.slot for o in floating]
