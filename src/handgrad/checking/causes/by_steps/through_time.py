"""What a recurrence carries from step to step, left out of the backward, cut short, or taken of another step.

The loop's turns are found in the forward's steps, with the places where one turn takes what an earlier one
made. So it can be said what the gradient would be if nothing flowed back there, or not by all of the ways;
and sequences of one step and of two are run, to say from which length on it is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np

from handgrad.checking.causes.by_steps.error import Error, Predicted
from handgrad.checking.causes.evidence import Evidence
from handgrad.checking.following.chain import Change
from handgrad.checking.following.rounds import Edge, Rounds, rounds
from handgrad.checking.kinds import Kind
from handgrad.checking.quietly import quiet
from handgrad.checking.subject import Values
from handgrad.checking.trial import Trial


def through_time(error: Error) -> Iterator[Predicted]:
    """The hypotheses about the turns of a loop; the one that holds says at which lengths it shows."""
    turns = rounds(error.chain)
    for h in hypotheses(error, turns) if turns is not None else ():
        if turns is not None and error.is_of(h):
            h.sentence += lengths(error.e, turns.count)
        yield h


def hypotheses(error: Error, turns: Rounds) -> Iterator[Predicted]:
    nothing = f"{error.e.d} is what is due if nothing flows back from a step to the one before"
    yield error.by(Kind.CARRY, nothing, 1, turns.cut(turns.all_carried()))
    if len(turns.carried) > 1:
        yield from one_way(error, turns)
    for back in range(1, turns.count - 1):
        sentence = f"{error.e.d} is what is due if it flows back over {back} step{'s' * (back > 1)} only"
        yield Predicted(Kind.CARRY, sentence, turns.count, shortened(turns, back) - error.due)
    yield from last_dout(error, turns)
    for edges in turns.alike:
        yield from of_another_step(error, turns, edges)


def one_way(error: Error, turns: Rounds) -> Iterator[Predicted]:
    """Of several things that are handed on, one is left out, or all but one."""
    for edges in turns.carried:
        n, i = edges[0]
        way = turns.chain.steps[n].said(i)
        rest = [edge for other in turns.carried if other is not edges for edge in other]
        sentence = f"{error.e.d} lacks what flows back through time by {way}"
        yield error.by(Kind.CARRY, sentence, len(turns.carried), turns.cut(edges))
        sentence = f"in {error.e.d} only {way} leads back through time, and the other ways are left out"
        yield error.by(Kind.CARRY, sentence, 2 * len(turns.carried), turns.cut(rest))


def made_in(turns: Rounds) -> np.ndarray:
    """For each element of dout, the turn that made this output."""
    chain = turns.chain
    turn = {slot: turns.of_step[n] for n, step in enumerate(chain.steps) for slot in step.outputs}
    whole = np.zeros(chain.U.shape[1], int)
    at = 0
    for slot in chain.ends:
        size = chain.tape.values[slot].size
        whole[at : at + size] = turn.get(slot, turns.count - 1)
        at += size
    if len(chain.ends) == 1 and whole.size % turns.count == 0 and turns.count > 1:
        return stacked(turns, whole)
    return whole


def stacked(turns: Rounds, whole: np.ndarray) -> np.ndarray:
    """An output that was put together of what the turns made: by the turn that it depends on last."""
    chain = turns.chain
    found = np.zeros(whole.size, int)
    for n, _ in turns.alike[0]:
        slot = chain.steps[n].outputs[0]
        J = chain.from_value(slot).get(chain.ends[0])
        if J is not None:
            found[np.any(J != 0, axis=1)] = turns.of_step[n]
    return found


def shortened(turns: Rounds, back: int) -> np.ndarray:
    """The gradient if each step's dout flows back over so many steps only."""
    chain, turn = turns.chain, made_in(turns)
    total: np.ndarray = np.zeros((len(chain.U), chain.n))
    for last in range(turns.count):
        far = [(n, i) for n, i in turns.all_carried() if turns.of_step[n] <= last - back]
        total = total + chain.gradient(turns.cut(far), np.where(turn == last, chain.U, 0.0))
    return total


def last_dout(error: Error, turns: Rounds) -> Iterator[Predicted]:
    """What flows back is there, but the dout of the steps on the way is not added to it."""
    turn = made_in(turns)
    if len(set(turn.tolist())) > 1:
        only = turns.chain.gradient({}, np.where(turn == turns.count - 1, turns.chain.U, 0.0))
        sentence = f"{error.e.d} counts the last step's dout only: that of each other step is not added"
        yield Predicted(Kind.CARRY, sentence, 2, only - error.due)


def of_another_step(error: Error, turns: Rounds, edges: list[Edge]) -> Iterator[Predicted]:
    """The backward of each step is given what the step after it saw, or the one before, or the first."""
    chain = turns.chain
    Js = [chain.steps[n].jacobian(i) for n, i in edges]
    if all(np.array_equal(J, Js[0]) for J in Js) or len({J.shape for J in Js}) > 1:
        return
    n, i = edges[0]
    here, many = chain.steps[n].said(i), 4 * len(turns.alike)
    after = beyond(turns, edges)
    options: list[tuple[str, list[np.ndarray]]] = [("the first step's", [Js[0]] * len(Js))]
    if after is not None:
        options.append(("those of the step after", [*Js[1:], after]))
    options.append(("those of the step before", [Js[0], *Js[:-1]]))
    options.append(("the last step's", [Js[-1]] * len(Js)))
    for what, others in options:
        change: Change = dict(zip(edges, others, strict=True))
        sentence = f"{error.e.d} takes {what} values in the backward of {here}, in each step"
        kind = Kind.OFF_BY_ONE if "of the step" in what else Kind.WRONG_ARRAY
        yield error.by(kind, sentence, many, change)


def beyond(turns: Rounds, edges: list[Edge]) -> np.ndarray | None:
    """The Jacobian of the last step, given what it handed on itself: that of a step after it."""
    chain = turns.chain
    made = {slot: k for k, step in enumerate(chain.steps) for slot in step.outputs}
    n, i = edges[-1]
    step = chain.steps[n]
    values = list(step.values)
    for j, slot in enumerate(step.inputs):
        source = made.get(slot)
        if j != i and source is not None and turns.of_step[source] < turns.of_step[n]:
            site = chain.steps[source].site
            last = [
                other
                for other in chain.steps
                if other.site == site and other.name == chain.steps[source].name
            ]
            values[j] = last[-1].outs[0]
    if all(a is b for a, b in zip(values, step.values, strict=True)):
        return None
    with quiet():
        return step.jacobian_at(i, values)


def lengths(e: Evidence, count: int) -> str:
    """From which length on a sequence is wrong, by running short ones."""
    right = [is_right_of(e, count, length) for length in (1, 2)]
    if right == [True, False]:
        return ": a sequence of one step is right, one of two is not"
    if right[0] is False:
        return ": a sequence of one step is wrong already"
    return ""


def is_right_of(e: Evidence, count: int, length: int) -> bool | None:
    """Whether this gradient is right for a sequence of so many steps; None where it cannot be shortened."""
    trial = e.trial
    for values in shorter(trial.values, count, length):
        with suppress(Exception):  # the author's code may take no shorter ones
            short = Trial(trial.subject, values, trial.seed, trial.clock)
            short.run()
            return next(r.problem is None for r in short.results if r.index == e.index)
    return None


def shorter(values: Values, count: int, length: int) -> Iterator[Values]:
    """The inputs with an axis of as many as there are steps cut: of one of them, or of all that have it."""
    for axis in (0, 1):
        long = [k for k, x in enumerate(values) if np.ndim(x) > axis and np.shape(x)[axis] == count]
        for cut in (*([k] for k in long), *([long] if len(long) > 1 else ())):
            yield [np.take(x, range(length), axis) if k in cut else x for k, x in enumerate(values)]
