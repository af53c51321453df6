"""Beyond the number: what makes a backward that is right here wrong in a network.

Each hazard calls forward and backward in some way that a network does, and looks at what should not
have changed. Findings are errors where a correct caller gets a wrong answer, and notes where a careful
one need not.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from handgrad.check import numerics
from handgrad.check.findings import Findings
from handgrad.check.layers import places
from handgrad.check.subject import Subject, Unfit, Values, copied, parted
from handgrad.check.trial import BackwardFailed, Trial, quiet

SAME = 1e-11


def same(a: Any, b: Any, relative: float = SAME, floor: float = 0.0) -> bool:
    """Two gradients equal up to the rounding of another order of summation, or to ``floor``."""
    if a is None or b is None:
        return a is None and b is None
    a, b = np.asarray(a), np.asarray(b)
    if a.shape != b.shape:
        return False
    if a.dtype.kind not in "fc" or b.dtype.kind not in "fc":
        return bool(np.array_equal(a, b))
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(np.where(np.isfinite(b), b, 0)), initial=0.0)
        close = np.abs(a - b) <= relative * largest + floor
    return bool(np.all(close | (a == b) | (np.isnan(a) & np.isnan(b))))


def all_same(first: list[Any], second: list[Any]) -> bool:
    return all(map(same, first, second))


def look(trial: Trial, findings: Findings) -> None:
    """Every hazard but the forward's own randomness, at the point of a trial."""
    for hazard in (
        nothing_is_mutated,
        backward_repeats,
        uses_are_apart,
        dtypes,
        aliasing,
        state,
        layouts,
    ):
        if hazard is layouts and any(cause.kind == "mutates" for cause in findings.causes):
            continue  # a view that is written into shows the same mistake again
        trial.clock.look(hazard.__name__.replace("_", " "))
        with quiet():
            try:
                hazard(trial, findings)
            except (BackwardFailed, Unfit) as error:
                said = hazard.__name__.replace("_", " ")
                findings.notes.append(
                    f"the backward fails when it is called again (to see whether {said}): {error}"
                )


def forward_repeats(trial: Trial, findings: Findings) -> None:
    if same(trial.f0, trial.f0_again, 1e-9):
        return
    if trial.subject.style == "jax":
        findings.wrong("stale-cache", "fwd returns another output than the function itself does", rank=5)
        return
    findings.doubts.append(
        "the forward gives another output each time for the same inputs, so it has no derivative to compare "
        "with: draw its random numbers from a seed or a key that is an input, or from NumPy's global generator"
    )


def nothing_is_mutated(trial: Trial, findings: Findings) -> None:
    subject = trial.subject
    values = copied(trial.values)
    outs, back = subject.pair(values)
    for name in _changed(subject.names, trial.values, values):
        findings.wrong(
            "mutates", f"the forward writes into {name}: its caller's array is not what it was", name, 12
        )
    kept = [np.array(o) for o in outs]
    before = copied(values)
    douts = parted(trial.douts[0], outs)
    given = [d.copy() for d in douts]
    generators = _generator_states(subject)
    back(given)
    drew = generators != _generator_states(subject)
    several = len(douts) > 1
    names = [f"dout[{i}]" if several else "dout" for i in range(len(douts))]
    for name in _changed(names, douts, given):
        findings.wrong(
            "mutates",
            f"the backward writes into {name}, which its caller may still need; copy it first",
            name,
            10,
        )
    for k, name in enumerate(subject.names):
        if isinstance(values[k], np.ndarray) and not same(before[k], values[k], 0):
            kind = "updated-weights" if k in subject.parameters else "mutates"
            findings.wrong(
                kind, f"the backward writes into {name}", name, 9 if k in subject.parameters else 12
            )
    for i, (old, new) in enumerate(zip(kept, outs, strict=True)):
        if not same(old, np.asarray(new), 0):
            findings.wrong(
                "mutates", f"the backward writes into the output{f' {i}' if several else ''}", None, 12
            )
    if drew:
        findings.wrong(
            "random", "the backward draws random numbers: the forward's are gone by then; save them", rank=0.6
        )


def _changed(names: list[str], before: Values, after: Values) -> Iterator[str]:
    for name, a, b in zip(names, before, after, strict=True):
        if isinstance(a, np.ndarray) and not same(a, b, 0):
            yield name


def _generator_states(subject: Subject) -> Any:
    return str(np.random.get_state()[1][:8]), np.random.get_state()[2], hash(random.getstate())  # type: ignore[index]


def backward_repeats(trial: Trial, findings: Findings) -> None:
    """Fresh forward, same dout: the same; the same backward again: still the same."""
    u = trial.douts[0]
    fresh, other = trial.gradients(u), trial.gradients(u)
    if not all_same(fresh, other):
        findings.wrong(
            "random", "the backward gives another gradient each time for the same inputs and dout: "
            "are random numbers drawn again in it?", rank=0.6,
        )  # fmt: skip
        return
    _, back = trial.subject.pair(copied(trial.values))
    first, second, third = (trial._gradients(back, u) for _ in range(3))
    for name, a, b, c in zip(trial.subject.names, first, second, third, strict=True):
        if same(a, b):
            continue
        added = a is not None and b is not None and same(b - a, c - b, 1e-9) and np.shape(a) == np.shape(b)
        if added and same(b, 2 * a, 1e-9):
            findings.wrong(
                "accumulates", f"a second backward gives twice the gradient of {name}: it adds to what the "
                f"first left; set it, do not add", name, 8,
            )  # fmt: skip
        elif added:
            findings.wrong(
                "accumulates", f"each backward adds to the gradient of {name} that it finds", name, 8
            )
        elif draws(trial.subject):
            findings.wrong(
                "random",
                f"each backward gives another gradient of {name}: random numbers are drawn again",
                name,
                0.6,
            )
        else:
            findings.wrong(
                "mutates", f"a second backward gives another gradient of {name}: the first overwrites what the "
                f"forward saved", name, 11,
            )  # fmt: skip
        return


RANDOM = frozenset(
    "random rng default_rng randn rand standard_normal uniform permutation shuffle bernoulli binomial choice "
    "rand_like randn_like normal normal_ uniform_ bernoulli_ dropout integers".split()
)


def draws(subject: Subject) -> bool:
    """Whether the backward's code names something random."""
    return any(RANDOM & _names(f.__code__) for f in subject.functions() if hasattr(f, "__code__"))


def _names(code: Any) -> set[str]:
    """The names in a function's code, those of functions inside it too, but of its backward alone if it has one."""
    inner = [c for c in code.co_consts if hasattr(c, "co_names")]
    back = [c for c in inner if "back" in c.co_name] or inner
    own = set() if inner else set(code.co_names) | set(code.co_varnames) | set(code.co_freevars)
    return own.union(*map(_names, back)) if back else own


def elsewhere(trial: Trial) -> Values:
    """Other values near by, inside the same domain."""
    rng = np.random.default_rng([trial.seed, 11])
    values = [
        rng.permutation(x.ravel()).reshape(x.shape) * rng.uniform(0.8, 0.95, x.shape) if c else x
        for x, c in zip(trial.values, trial.subject.checked, strict=True)
    ]
    for k, x in enumerate(values):
        if isinstance(x, int) and not isinstance(x, bool):  # a seed, if any number will do
            other = [*values[:k], x + 1, *values[k + 1 :]]
            with contextlib.suppress(Exception):
                if trial.subject.outputs(copied(other)).shape == trial.f0.shape:
                    values = other
    return values


def uses_are_apart(trial: Trial, findings: Findings) -> None:
    """Two forwards, then their backwards."""
    u, subject = trial.douts[0], trial.subject
    alone = trial.gradients(u)
    _, first = subject.pair(copied(trial.values))
    subject.pair(copied(elsewhere(trial)))
    if not all_same(alone, trial._gradients(first, u)):
        what = (
            "two layers of this class share a cache"
            if subject.style == "layer"
            else "the second overwrites it"
        )
        findings.wrong(
            "stale-cache", f"after two forwards, the backward of the first gives the gradient of the second's "
            f"values: {what}", rank=6,
        )  # fmt: skip
        return
    if subject.reused is not None:
        _same_object(trial, findings, alone)


def _same_object(trial: Trial, findings: Findings, alone: list[Any]) -> None:
    """One layer object used twice: one use after the other must be right; two before a backward is noted."""
    u, again = trial.douts[0], trial.subject.reused()  # type: ignore[misc]
    _, back = again.pair(copied(elsewhere(trial)))
    before = trial._gradients(back, u)
    before = [None if g is None else np.array(g) for g in before]
    outs, back = again.pair(copied(trial.values))
    second = trial._gradients(back, u)
    if not all_same(alone, second) and same(np.concatenate([np.ravel(o) for o in outs]), trial.f0, 1e-9):
        accumulated = [
            n for n, a, b in zip(trial.subject.names, alone, second, strict=True) if not same(a, b)
        ]
        if all(name.startswith("self.") for name in accumulated):
            findings.wrong(
                "accumulates", f"the gradient of {accumulated[0]} after a second step still holds the first's", rank=8
            )  # fmt: skip
        else:
            findings.wrong(
                "stale-cache", "the second time that the layer is used, its backward still answers the first forward",
                rank=6,
            )  # fmt: skip
        return
    _, first = again.pair(copied(trial.values))
    _, second_back = again.pair(copied(elsewhere(trial)))
    trial._gradients(second_back, u)
    is_random = any(cause.kind == "random" for cause in findings.causes)
    if not is_random and not all_same(alone, trial._gradients(first, u)):
        findings.notes.append(
            "used twice before a backward, it answers the first use with what the second saved"
        )


def dtypes(trial: Trial, findings: Findings) -> None:
    if trial.subject.narrow:
        _narrow_dtypes(trial, findings)
    _, back = trial.subject.pair(copied(trial.values))
    for name, x, dx in zip(
        trial.subject.names, trial.values, back(parted(trial.douts[0], trial.outs)), strict=True
    ):
        kind = getattr(dx, "dtype", np.asarray(dx).dtype if dx is not None else None)
        if kind is None or not isinstance(x, np.ndarray) or x.dtype.kind != "f" or kind == x.dtype:
            continue
        if kind.kind == "f" or isinstance(dx, np.ndarray):
            findings.wrong("dtype", f"the gradient of {name} is {kind}, but {name} is {x.dtype}", name, 30)
        else:
            findings.notes.append(f"the gradient of {name} is a Python {type(dx).__name__}, not {x.dtype}")


def _narrow_dtypes(trial: Trial, findings: Findings) -> None:
    """The inputs that came as float32, as such: a float32 output has float32 gradients."""
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
                "dtype", f"the gradient of {name} is {dx.dtype} where {name} and dout are float32", name, 30
            )


def aliasing(trial: Trial, findings: Findings) -> None:
    values = copied(trial.values)
    outs, back = trial.subject.pair(values)
    douts = parted(trial.douts[0], trial.outs)
    grads = back(douts)
    names = trial.subject.names

    def shared(a: Any, b: Any) -> bool:
        return (
            isinstance(a, np.ndarray) and isinstance(b, np.ndarray) and a.size > 0 and np.shares_memory(a, b)
        )

    for k, dx in enumerate(grads):
        if any(shared(dx, d) for d in douts):
            findings.notes.append(
                f"the gradient of {names[k]} is the caller's dout itself, or a view of it: whoever writes into one "
                f"writes into both"
            )
        elif any(shared(dx, x) for x in values):
            findings.notes.append(f"the gradient of {names[k]} shares memory with an input")
        for j in range(k):
            if shared(dx, grads[j]) and not any(shared(dx, d) for d in douts):
                findings.notes.append(f"the gradients of {names[j]} and {names[k]} share memory")


MODE_NAMES = ("train_flg", "training", "train", "is_training", "train_mode")


def state(trial: Trial, findings: Findings) -> None:
    """What a forward leaves changed in a layer object."""
    if trial.subject.style == "torch" and trial.subject.inner is not None:
        _torch_state(trial, findings)
    memory = trial.subject.memory
    if memory is not None and memory.objects:
        _function_state(trial, findings)
    if trial.subject.style != "layer":
        return
    import inspect

    layer = trial.subject.inner
    count = len(trial.values) - len(trial.subject.parameters)
    inputs = trial.values[:count]
    accepted = inspect.signature(layer.forward).parameters
    mode = next((name for name in MODE_NAMES if name in accepted), None)
    held = next((name for name in MODE_NAMES if isinstance(vars(layer).get(name), bool)), None)
    evaluating = mode is not None or held is not None
    names = list(accepted)
    if mode is not None and names.index(mode) < len(inputs):
        inputs = [False if names[i] == mode else x for i, x in enumerate(inputs)]
        changed = _state_changes(layer, inputs, {}, held)
    else:
        changed = _state_changes(layer, inputs, {mode: False} if mode else {}, held)
    if _drifts(layer, inputs, trial.subject):
        findings.wrong(
            "state", f"a second forward of the same inputs gives another output: the first changes "
            f"self.{changed[0] if changed else '...'}", rank=8,
        )  # fmt: skip
    elif changed and evaluating:
        how = f"forward(..., {mode}=False)" if mode else f"a forward with {held} = False"
        findings.wrong(
            "state", f"{how} changes self.{changed[0]}: evaluation must leave the layer as it is", rank=8
        )
    elif changed:
        findings.notes.append(f"each forward changes self.{', self.'.join(changed)}")


def _drifts(layer: Any, inputs: Values, subject: Subject) -> bool:
    """Whether what a forward leaves behind changes the next one's output, without chance being in it."""
    from handgrad.check.subject import fixed_randomness, independent
    from handgrad.tree import leaves

    made = independent(layer)
    held = [type(x).__module__ for x in vars(layer).values()]
    if made is layer or draws(subject) or any(m.startswith(("numpy.random", "random")) for m in held):
        return False
    outs = []
    try:
        for _ in range(2):
            with fixed_randomness():
                outs.append(leaves(made.forward(*copied(inputs))))
    except Exception:
        return False
    return not all(same(a, b, 1e-12) for a, b in zip(*outs, strict=True))


def _function_state(trial: Trial, findings: Findings) -> None:
    """A function that keeps something in globals: running statistics, say."""
    import inspect

    memory, subject = trial.subject.memory, trial.subject
    assert memory is not None
    subject.pair(copied(trial.values))
    at_first = memory.changed()
    subject.pair(copied(trial.values))
    outs, _ = subject.reused().pair(copied(trial.values))  # type: ignore[misc]
    drifts = not same(np.concatenate([np.ravel(o) for o in outs]), trial.f0, 1e-12)
    memory.restore()
    parameters = inspect.signature(subject.code[0]).parameters if subject.code else {}
    modes = [name for name in parameters if name in MODE_NAMES]
    flags = dict(zip(subject.names, trial.values, strict=True))
    in_training = [flags.get(name, parameters[name].default) for name in modes]
    if drifts and not (modes and in_training[0] is True):
        findings.wrong(
            "state",
            "a second forward gives another output: the first changes what the function keeps",
            rank=8,
        )
    elif at_first and modes and in_training[0] is False:
        findings.wrong(
            "state", f"with {modes[0]} = False the forward changes what the function keeps", rank=8
        )


def _state_changes(layer: Any, inputs: Values, options: dict, held: str | None) -> list[str]:
    """Arrays that were there before a second forward, and are others after it. Caches are met in the first."""
    from handgrad.check.subject import fixed_randomness, independent

    made = independent(layer)
    if made is layer:
        return []
    if held is not None:
        setattr(made, held, False)
    paths = {p.path for p in places(made)}
    before = {p.path: np.array(p.get()) for p in places(made)}
    try:
        with fixed_randomness():
            made.forward(*copied(inputs), **options)
    except Exception:
        return []
    return [p.path for p in places(made) if p.path in paths and not same(before[p.path], p.get(), 0)]


def _torch_state(trial: Trial, findings: Findings) -> None:
    import copy

    import torch

    module = copy.deepcopy(trial.subject.inner).double()
    before = {name: b.clone() for name, b in module.named_buffers()}
    count = len(trial.values) - len(trial.subject.parameters)
    with torch.no_grad():
        module(*[torch.from_numpy(np.array(x)) for x in trial.values[:count]])
    changed = [name for name, b in module.named_buffers() if not torch.equal(b, before[name])]
    if changed and not module.training:
        findings.wrong("state", f"a forward in evaluation changes {changed[0]}", rank=8)
    elif changed:
        findings.notes.append(f"each forward changes {', '.join(changed)}")


# Memory layouts.


def fortran(x: np.ndarray) -> np.ndarray:
    return np.asfortranarray(x)


def strided(x: np.ndarray) -> np.ndarray:
    """Every other element of a larger array, whose other elements are nan."""
    if x.ndim == 0:
        return x
    wide = np.full((*x.shape[:-1], 2 * x.shape[-1]), np.nan)
    wide[..., ::2] = x
    return wide[..., ::2]


def reversed_view(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(x[::-1])[::-1] if x.ndim else x


def overlapping(x: np.ndarray) -> np.ndarray:
    """All rows the first row, as one row in memory."""
    if x.ndim == 0 or x.shape[0] < 2:
        return x
    return np.lib.stride_tricks.as_strided(x[:1].copy(), x.shape, (0, *x[:1].strides[1:]), writeable=True)


LAYOUTS: dict[str, Callable] = {
    "in Fortran order": fortran,
    "a view of every other element": strided,
    "a reversed view": reversed_view,
    "an overlapping view (one row repeated)": overlapping,
}


def layouts(trial: Trial, findings: Findings) -> None:
    """The same numbers in another layout of memory."""
    if trial.f0.size == 0:
        return
    for said, lay in LAYOUTS.items():
        if trial.subject.style == "torch" and lay is reversed_view:
            continue  # PyTorch has no negative strides
        for found in (_input_layout(trial, said, lay), _dout_layout(trial, said, lay)):
            if found is not None:
                findings.wrong("layout", found, rank=15)
                return


def _floor(trial: Trial) -> float:
    """What rounding leaves of a gradient that cancels, or that rounding of the inputs moves."""
    noises = [
        float(np.max(trial._noise_of_gradient(k), initial=0.0))
        for k, c in enumerate(trial.subject.checked)
        if c and trial.values[k].size
    ]
    return max(_cancelled(trial), 64 * max(noises, default=0.0))


def _cancelled(trial: Trial) -> float:
    sizes = [
        float(np.max(np.abs(g), initial=0.0)) for g in trial.raw[0] if g is not None and g.dtype.kind == "f"
    ]
    finite = [s for s in sizes if np.isfinite(s)]
    return 1e-11 * max(finite, default=0.0)


def _input_layout(trial: Trial, said: str, lay: Callable) -> str | None:
    if lay is overlapping and trial.subject.style == "torch" and not trial.subject.code:
        return None  # equal rows are ties, for which a library may choose by layout
    count = len(trial.values)
    laid = [lay(x) if trial.subject.checked[k] else x for k, x in enumerate(trial.values)]
    moved = [k for k in range(count) if laid[k] is not trial.values[k]]
    plain = [np.array(x, order="C") if isinstance(x, np.ndarray) else x for x in laid]
    if not moved:
        return None
    try:
        outs, back = trial.subject.pair(plain)
        wanted = trial._gradients(back, trial.douts[0])
        before = np.concatenate([np.ravel(o) for o in outs]) if outs else trial.f0
    except Exception:
        return None  # these values are outside the domain
    try:
        outs, back = trial.subject.pair(laid)
    except Exception:
        return None  # refused with an error, which is safe
    noise = 64 * float(np.max(trial.noise, initial=0.0))
    if not same(np.concatenate([np.ravel(o) for o in outs]), before, 1e-9, noise):
        return f"the output is another where an input is {said}"
    try:
        got = trial._gradients(back, trial.douts[0])
    except Exception as error:
        return f"the backward fails where an input is {said}: {error}"
    for name, a, b in zip(trial.subject.names, wanted, got, strict=True):
        if not same(a, b, 1e-9) and not same(a, b, 1e-9, _floor(trial)):
            return f"the gradient of {name} is another where an input is {said}, with the same numbers in it"
    return None


def _dout_layout(trial: Trial, said: str, lay: Callable) -> str | None:
    douts = parted(trial.douts[0], trial.outs)
    laid = [lay(d) for d in douts]
    plain = [np.array(d, order="C") for d in laid]
    try:
        wanted = trial.subject.pair(copied(trial.values))[1](plain)
    except Exception:
        return None
    try:
        got = trial.subject.pair(copied(trial.values))[1](laid)
    except Exception as error:
        return f"the backward fails where dout is {said}: {error}"
    for name, a, b in zip(trial.subject.names, wanted, got, strict=True):
        if not same(a, b, 1e-9) and not same(a, b, 1e-9, _floor(trial)):
            return f"the gradient of {name} is another where dout is {said}, with the same numbers in it"
    return None


def is_linear(trial: Trial) -> bool:
    """Whether the gradients are linear in dout: g(a·u + b·v) = a·g(u) + b·g(v)."""
    u, v = trial.douts[0], trial.douts[1]
    mixed = trial.gradients(0.7 * u - 1.3 * v)
    for a, b, c in zip(trial.raw[0], trial.raw[1], mixed, strict=True):
        if (
            a is not None
            and b is not None
            and np.shape(a) == np.shape(b)
            and not same(c, 0.7 * a - 1.3 * b, 1e-7)
        ):
            return False
    return True


__all__ = ["elsewhere", "is_linear", "look", "numerics", "same"]
