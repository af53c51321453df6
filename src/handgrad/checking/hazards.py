"""Beyond the number: what makes a backward that is right here wrong in a network.

Each hazard calls forward and backward in some way that a network does, and looks at what should not
have changed. Findings are errors where a correct caller gets a wrong answer, and notes where a careful
one need not.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.checking.equality import all_same, same
from handgrad.checking.findings import Explains, Findings
from handgrad.checking.kinds import Kind
from handgrad.checking.layouts import layouts, rounding_of_gradients
from handgrad.checking.quietly import quiet
from handgrad.checking.randomness import draws
from handgrad.checking.states import state
from handgrad.checking.subject import (
    BackwardFailed,
    Unfit,
    Values,
    copied,
    drawn,
    fixed_randomness,
    parted,
)
from handgrad.checking.trial import Trial
from handgrad.checking.trial.rounding import is_extreme, level_of_rounding


def look(trial: Trial, findings: Findings) -> None:
    """Every hazard but the forward's own randomness, at the point of a trial."""
    first: tuple[Callable[[Trial, Findings], None], ...] = (
        (what_was_returned, one_object)
        if first_use_stands(trial)
        else (nothing_is_mutated, backward_repeats, uses_are_apart)
    )
    for hazard in (*first, linear_in_dout, dtypes, state, layouts):
        if hazard is layouts and any(cause.kind == Kind.MUTATES for cause in findings.causes):
            continue  # a view that is written into shows the same mistake again
        trial.clock.look(hazard.__name__.replace("_", " "))
        with quiet():
            try:
                with findings.ours(f"whether {hazard.__name__.replace('_', ' ')} could not be looked at"):
                    hazard(trial, findings)
            except (BackwardFailed, Unfit) as error:
                said = hazard.__name__.replace("_", " ")
                findings.notes.append(
                    f"the backward fails when it is called again (to see whether {said}): {error}"
                )


def forward_repeats(trial: Trial, findings: Findings) -> None:
    with quiet():
        again = trial.subject.outputs(copied(trial.values))
    if same(trial.f0, again, 1e-9):
        return
    if trial.subject.style == "jax":
        findings.wrong(
            Kind.STALE_CACHE,
            "fwd returns another output than the function itself does",
            explains=Explains.SOME,
        )
        return
    findings.doubts.append(
        "the forward gives another output each time for the same inputs, so it has no derivative to "
        "compare with: draw its random numbers from a seed or a key that is an input, or from NumPy's "
        "global generator"
    )


def first_use_stands(trial: Trial) -> bool:
    """Whether the trial's first backward gives again what it gave, after all the forwards since and one at
    other values, and neither drew a number nor wrote into an array. Then no look at each of these is needed.
    """
    first, u = trial.first, trial.douts[0]
    try:
        with quiet():
            trial.subject.pair(copied(elsewhere(trial)))
            again, drew = _watched(lambda: trial.gradients_by(first.back, u))
    except Exception:  # which of the looks it fails in is told by each
        return False
    count = len(first.outs)
    names = [*trial.subject.names, *["out"] * count, *["dout"] * count]
    before = [*trial.values, *trial.outs, *parted(first.u, trial.outs)]
    after = [*first.values, *map(np.asarray, first.outs), *first.douts]
    return not drew and all_same(trial.raw[0], again) and not any(_changed(names, before, after))


def _watched(call: Callable[[], Any]) -> tuple[Any, bool]:
    """What a call returns, and whether it draws from a global generator."""
    with fixed_randomness():
        at_first = drawn()
    with fixed_randomness():
        return call(), drawn() != at_first


def what_was_returned(trial: Trial, findings: Findings) -> None:
    """The gradients as the backward returned them: their dtypes, and whose memory they are."""
    first = trial.first
    _tell_dtypes(trial, findings, first.grads)
    _tell_shared(trial.subject.names, findings, first.values, first.douts, first.grads)


def nothing_is_mutated(trial: Trial, findings: Findings) -> None:
    subject = trial.subject
    values = copied(trial.values)
    outs, back = subject.pair(values)
    for name in _changed(subject.names, trial.values, values):
        findings.wrong(
            Kind.MUTATES,
            f"the forward writes into {name}: its caller's array is not what it was",
            name,
            Explains.LITTLE,
        )
    kept = [np.array(o) for o in outs]
    before = copied(values)
    douts = parted(trial.douts[0], outs)
    given = [d.copy() for d in douts]
    grads, drew = _watched(lambda: back(given))
    several = len(douts) > 1
    names = [f"dout[{i}]" if several else "dout" for i in range(len(douts))]
    for name in _changed(names, douts, given):
        findings.wrong(
            Kind.MUTATES,
            f"the backward writes into {name}, which its caller may still need; copy it first",
            name,
            Explains.LITTLE,
        )
    for k, name in enumerate(subject.names):
        if isinstance(values[k], np.ndarray) and not same(before[k], values[k], 0):
            kind = Kind.UPDATED_WEIGHTS if k in subject.parameters else Kind.MUTATES
            explains = Explains.DEED if k in subject.parameters else Explains.LAW
            findings.wrong(kind, f"the backward writes into {name}", name, explains)
    for i, (old, new) in enumerate(zip(kept, outs, strict=True)):
        if not same(old, np.asarray(new), 0):
            findings.wrong(
                Kind.MUTATES,
                f"the backward writes into the output{f' {i}' if several else ''}",
                None,
                Explains.LITTLE,
            )
    if drew:
        findings.wrong(
            Kind.RANDOM,
            "the backward draws random numbers: the forward's are gone by then; save them",
            explains=Explains.DEED,
        )
    _tell_dtypes(trial, findings, grads)
    _tell_shared(trial.subject.names, findings, values, given, grads)


def _changed(names: list[str], before: Values, after: Values) -> Iterator[str]:
    for name, a, b in zip(names, before, after, strict=True):
        if isinstance(a, np.ndarray) and not same(a, b, 0):
            yield name


def backward_repeats(trial: Trial, findings: Findings) -> None:
    """Fresh forward, same dout: the same; the same backward again: still the same."""
    u = trial.douts[0]
    _, back = trial.subject.pair(copied(trial.values))
    first = trial.gradients_by(back, u)
    if not all_same(trial.raw[0], first):
        findings.wrong(
            Kind.RANDOM,
            "the backward gives another gradient each time for the same inputs and dout: are random "
            "numbers drawn again in it?",
            explains=Explains.DEED,
        )
        return
    try:
        second = trial.gradients_by(back, u)
        if all_same(first, second):
            return
        third = trial.gradients_by(back, u)
    except BackwardFailed as error:
        name = _saved_and_spoiled(trial)
        if name is None:
            raise
        findings.wrong(
            Kind.MUTATES,
            f"the backward writes into self.{name}, which the forward saved, so it can be called but once: a "
            f"second time it {error}",
            explains=Explains.NUMBERS,
        )
        return
    for name, a, b, c in zip(trial.subject.names, first, second, third, strict=True):
        if same(a, b):
            continue
        added = a is not None and b is not None and same(b - a, c - b, 1e-9) and np.shape(a) == np.shape(b)
        if added and same(b, 2 * a, 1e-9):
            findings.wrong(
                Kind.ACCUMULATES,
                f"a second backward gives twice the gradient of {name}: it adds to what the first left; "
                f"set it, do not add",
                name,
                Explains.SOME,
                100,
            )
        elif added:
            findings.wrong(
                Kind.ACCUMULATES,
                f"each backward adds to the gradient of {name} that it finds",
                name,
                Explains.SOME,
                100,
            )
        elif draws(trial.subject):
            findings.wrong(
                Kind.RANDOM,
                f"each backward gives another gradient of {name}: random numbers are drawn again",
                name,
                Explains.DEED,
            )
        else:
            findings.wrong(
                Kind.MUTATES,
                f"a second backward gives another gradient of {name}: the first overwrites what the "
                f"forward saved",
                name,
                Explains.LITTLE,
            )
        return


def _saved_and_spoiled(trial: Trial) -> str | None:
    """What a layer's forward saved, and its backward writes into."""
    if trial.subject.style != "layer" or trial.subject.reused is None:
        return None
    again = trial.subject.reused()
    _, back = again.pair(copied(trial.values))
    held = {name: x for name, x in vars(again.inner).items() if isinstance(x, np.ndarray)}
    before = {name: x.copy() for name, x in held.items()}
    trial.gradients_by(back, trial.douts[0])
    return next((name for name, x in held.items() if not same(before[name], x, 0)), None)


def elsewhere(trial: Trial) -> Values:
    """Other values near by, inside the same domain."""
    rng = np.random.default_rng([trial.seed, 11])
    values = [
        rng.permutation(x.ravel()).reshape(x.shape) * rng.uniform(0.8, 0.95, x.shape) if c else x
        for x, c in zip(trial.values, trial.subject.checked, strict=True)
    ]
    if not _is_taken(trial, values):
        values = [x * 0.95 if c else x for x, c in zip(trial.values, trial.subject.checked, strict=True)]
    if not _is_taken(trial, values):
        return copied(trial.values)
    for k, x in enumerate(values):
        if isinstance(x, int) and not isinstance(x, bool):  # a seed, if any number will do
            other = [*values[:k], x + 1, *values[k + 1 :]]
            values = other if _is_taken(trial, other) else values
    return values


def _is_taken(trial: Trial, values: Values) -> bool:
    """Whether the forward takes these values, for outputs of the same shape."""
    with contextlib.suppress(Exception):
        return trial.subject.outputs(copied(values)).shape == trial.f0.shape
    return False


def uses_are_apart(trial: Trial, findings: Findings) -> None:
    """Two forwards, then their backwards."""
    u, subject, alone = trial.douts[0], trial.subject, trial.raw[0]
    _, first = subject.pair(copied(trial.values))
    subject.pair(copied(elsewhere(trial)))
    if not all_same(alone, trial.gradients_by(first, u)):
        what = (
            "two layers of this class share a cache"
            if subject.style == "layer"
            else "the second overwrites it"
        )
        findings.wrong(
            Kind.STALE_CACHE,
            f"after two forwards, the first's backward gives the gradient of the second's values: {what}",
            explains=Explains.SOME,
            choices=10,
        )
        return
    one_object(trial, findings)


def one_object(trial: Trial, findings: Findings) -> None:
    """One layer object used twice: one use after the other must be right; two before a backward is noted.

    So must be a function that keeps something between calls; of others the uses are apart already.
    """
    subject = trial.subject
    if subject.reused is None or (subject.memory is not None and not subject.memory.objects):
        return
    u, alone, again, other = trial.douts[0], trial.raw[0], subject.reused(), elsewhere(trial)
    _, back = again.pair(copied(other))
    before = trial.gradients_by(back, u)
    before = [None if g is None else np.array(g) for g in before]
    outs, back = again.pair(copied(trial.values))
    second = trial.gradients_by(back, u)
    if not all_same(alone, second) and same(np.concatenate([np.ravel(o) for o in outs]), trial.f0, 1e-9):
        accumulated = [
            name
            for name, a, b, c in zip(trial.subject.names, alone, second, before, strict=True)
            if a is not None and c is not None and not same(a, b) and same(b, a + c, 1e-9)
        ]
        if accumulated:
            findings.wrong(
                Kind.ACCUMULATES,
                f"the gradient of {accumulated[0]} after a second step still holds the first's",
                explains=Explains.SOME,
                choices=100,
            )
        else:
            findings.wrong(
                Kind.STALE_CACHE,
                "the second time that the layer is used, its backward still answers the first forward",
                explains=Explains.SOME,
                choices=10,
            )
        return
    _, first = again.pair(copied(trial.values))
    _, second_back = again.pair(copied(other))
    trial.gradients_by(second_back, u)
    is_random = any(cause.kind == Kind.RANDOM for cause in findings.causes)
    if not is_random and not all_same(alone, trial.gradients_by(first, u)):
        findings.notes.append(
            "used twice before a backward, it answers the first use with what the second saved"
        )


SCALES = (1e4, 1e-4)
SMALL, LARGE = 1e-300, 1e300  # beyond these a product is rounded to a subnormal number, or overflows


def _checked(trial: Trial) -> list[int]:
    return [k for k, c in enumerate(trial.subject.checked) if c and trial.values[k].size]


def linear_in_dout(trial: Trial, findings: Findings) -> None:
    """A dout ten thousand times as large, or as small, has a gradient as many times as large."""
    if is_extreme(trial):
        return
    u = trial.douts[0]
    rounding = max(
        (float(np.max(level_of_rounding(trial, k), initial=0.0)) for k in _checked(trial)), default=0.0
    )
    for scale in SCALES:
        for name, a, b in zip(trial.subject.names, trial.gradients(scale * u), trial.raw[0], strict=True):
            if a is None or b is None or np.shape(a) != np.shape(b) or same(a, scale * b, 1e-6):
                continue
            if same(a, scale * b, 1e-6, scale * (rounding_of_gradients(trial) + rounding + SMALL)):
                continue
            if np.max(np.abs(b), initial=0.0) < LARGE / scale and not any(
                c.kind.startswith(("upstream", "updated")) for c in findings.causes
            ):
                said = (
                    "it is the same; is dout left out?"
                    if same(a, b)
                    else f"it is not {scale:g} times as large; is dout clipped or rounded?"
                )
                findings.wrong(
                    Kind.UPSTREAM_IGNORED,
                    f"the gradient of {name} is not linear in dout: "
                    f"for a dout {scale:g} times as large {said}",
                    name,
                    Explains.SOME,
                    100,
                )
            return


def _tell_dtypes(trial: Trial, findings: Findings, grads: list[Any]) -> None:
    own = _own_dtype(trial)
    if own is not None:
        findings.notes.append(
            f"it computes in {own} whatever it is given, so fewer digits can be proven; "
            f"check_kernel looks for what is due in {own}"
        )
    for name, x, dx in zip(trial.subject.names, trial.values, grads, strict=True):
        kind = getattr(dx, "dtype", np.asarray(dx).dtype if dx is not None else None)
        if kind is not None and kind == own:
            continue
        if kind is None or not isinstance(x, np.ndarray) or x.dtype.kind != "f" or kind == x.dtype:
            continue
        if kind.kind == "f" or isinstance(dx, np.ndarray):
            findings.wrong(
                Kind.DTYPE,
                f"the gradient of {name} is {kind}, but {name} is {x.dtype}",
                name,
                Explains.LITTLE,
                100,
            )
        else:
            findings.notes.append(f"the gradient of {name} is a Python {type(dx).__name__}, not {x.dtype}")


def _own_dtype(trial: Trial) -> np.dtype | None:
    """The dtype that the author's code casts to, where its outputs all have one below float64."""
    found = {o.dtype for o in trial.outs if o.dtype.kind == "f"}
    return found.pop() if len(found) == 1 and np.dtype(np.float64) not in found else None


def dtypes(trial: Trial, findings: Findings) -> None:
    """The inputs that came as float32, as such: a float32 output has float32 gradients."""
    if not trial.subject.narrow:
        return
    given = [
        x.astype(np.float32) if c else x for x, c in zip(trial.values, trial.subject.checked, strict=True)
    ]
    outs, back = trial.subject.pair(given)
    if any(np.asarray(o).dtype != np.float32 for o in outs):
        return
    grads = back([d.astype(np.float32) for d in parted(trial.douts[0], outs)])
    for k in trial.subject.narrow:
        dx, name = grads[k], trial.subject.names[k]
        if isinstance(dx, (np.ndarray, np.generic)) and dx.dtype != np.float32:
            findings.wrong(
                Kind.DTYPE,
                f"the gradient of {name} is {dx.dtype} where {name} and dout are float32",
                name,
                Explains.LITTLE,
                100,
            )


def _tell_shared(
    names: list[str], findings: Findings, values: Values, douts: list[Any], grads: list[Any]
) -> None:
    def shared(a: Any, b: Any) -> bool:
        return (
            isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.size > 0 and np.shares_memory(a, b)
        )

    for k, dx in enumerate(grads):
        if any(shared(dx, d) for d in douts):
            findings.notes.append(
                f"the gradient of {names[k]} is the caller's dout itself, or a view of it: whoever writes "
                f"into one writes into both"
            )
        elif any(shared(dx, x) for x in values):
            findings.notes.append(f"the gradient of {names[k]} shares memory with an input")
        for j in range(k):
            if shared(dx, grads[j]) and not any(shared(dx, d) for d in douts):
                findings.notes.append(f"the gradients of {names[j]} and {names[k]} share memory")
