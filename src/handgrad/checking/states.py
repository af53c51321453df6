"""What a forward leaves changed in a layer, or in what a function keeps between calls."""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from handgrad.checking.equality import same
from handgrad.checking.findings import Explains, Findings
from handgrad.checking.kinds import Kind
from handgrad.checking.layers import places
from handgrad.checking.randomness import draws
from handgrad.checking.subject import Subject, Values, copied, fixed_randomness, independent
from handgrad.checking.trial import Trial
from handgrad.tree import leaves

MODE_NAMES = ("train_flg", "training", "train", "is_training", "train_mode")


class Forward:
    """The author's forward, called on an object with the checker's arrays."""

    def __init__(self, subject: Subject):
        (self.name,) = subject.forwards
        self.given, self.own = subject.given, subject.own

    def __call__(self, layer: Any, inputs: Values, options: dict) -> Any:
        return getattr(layer, self.name)(*[self.given(x) for x in copied(inputs)[: self.own]], **options)


def state(trial: Trial, findings: Findings) -> None:
    """What a forward leaves changed in a layer object."""
    if trial.subject.style == "torch" and trial.subject.inner is not None:
        _torch_state(trial, findings)
    memory = trial.subject.memory
    if memory is not None and memory.objects:
        _function_state(trial, findings)
    if trial.subject.style != "layer":
        return
    layer = trial.subject.inner
    count = len(trial.values) - len(trial.subject.parameters)
    inputs = trial.values[:count]
    forward = Forward(trial.subject)
    accepted = inspect.signature(getattr(layer, forward.name)).parameters
    mode = next((name for name in MODE_NAMES if name in accepted), None)
    held = next((name for name in MODE_NAMES if isinstance(vars(layer).get(name), bool)), None)
    evaluating = mode is not None or held is not None
    names = list(accepted)
    options = {mode: False} if mode is not None and names.index(mode) >= len(inputs) else {}
    if mode is not None and not options:
        inputs = [False if names[i] == mode else x for i, x in enumerate(inputs)]
    changed = _state_changes(layer, forward, inputs, options, held)
    if _drifts(layer, forward, inputs, trial.subject):
        findings.wrong(
            Kind.STATE,
            f"a second forward of the same inputs gives another output: the first changes "
            f"self.{changed[0] if changed else '...'}",
            explains=Explains.NUMBERS,
        )
    elif changed and evaluating and _drifts(layer, forward, inputs, trial.subject, options, held):
        how = f"forward(..., {mode}=False)" if mode else f"a forward with {held} = False"
        findings.wrong(
            Kind.STATE,
            f"{how} changes self.{changed[0]}: evaluation must leave the layer as it is",
            explains=Explains.SOME,
            choices=100,
        )
    elif changed:
        findings.notes.append(f"each forward changes self.{', self.'.join(changed)}")


def _drifts(
    layer: Any,
    forward: Forward,
    inputs: Values,
    subject: Subject,
    options: dict | None = None,
    held: str | None = None,
) -> bool:
    """Whether what a forward leaves behind changes the next one's output, without chance being in it.

    What is changed and not read again is a cache.
    """
    made = independent(layer)
    kept = [type(x).__module__ for x in vars(layer).values()]
    if made is layer or draws(subject) or any(m.startswith(("numpy.random", "random")) for m in kept):
        return False
    if held is not None:
        setattr(made, held, False)
    outs = []
    try:
        for _ in range(2):
            with fixed_randomness():
                seen = [np.asarray(subject.seen(o)) for o in leaves(forward(made, inputs, options or {}))]
                outs.append([o for o in seen if o.dtype.kind != "O"])  # of a cache, what can be compared
    except Exception:
        return False
    return not all(same(a, b, 1e-12) for a, b in zip(*outs, strict=True))


def _function_state(trial: Trial, findings: Findings) -> None:
    """A function that keeps something in globals: running statistics, say."""
    memory, subject = trial.subject.memory, trial.subject
    assert memory is not None
    assert subject.reused is not None
    subject.pair(copied(trial.values))
    at_first = memory.changed()
    subject.pair(copied(trial.values))
    outs, _ = subject.reused().pair(copied(trial.values))
    drifts = not same(np.concatenate([np.ravel(o) for o in outs]), trial.f0, 1e-12)
    memory.restore()
    parameters = inspect.signature(subject.code[0]).parameters if subject.code else {}
    modes = [name for name in parameters if name in MODE_NAMES]
    flags = dict(zip(subject.names, trial.values, strict=True))
    in_training = [flags.get(name, parameters[name].default) for name in modes]
    if drifts and not (modes and in_training[0] is True):
        findings.wrong(
            Kind.STATE,
            "a second forward gives another output: the first changes what the function keeps",
            explains=Explains.NUMBERS,
        )
    elif at_first and modes and in_training[0] is False:
        findings.wrong(
            Kind.STATE,
            f"with {modes[0]} = False the forward changes what the function keeps",
            explains=Explains.SOME,
            choices=100,
        )


def _state_changes(
    layer: Any, forward: Forward, inputs: Values, options: dict, held: str | None
) -> list[str]:
    """Arrays that were there before a forward, and are others after it."""
    made = independent(layer)
    if made is layer:
        return []
    if held is not None:
        setattr(made, held, False)
    paths = {p.path for p in places(made)}
    before = {p.path: np.array(p.get()) for p in places(made)}
    try:
        with fixed_randomness():
            forward(made, inputs, options)
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
        findings.wrong(
            Kind.STATE, f"a forward in evaluation changes {changed[0]}", explains=Explains.SOME, choices=100
        )
    elif changed:
        findings.notes.append(f"each forward changes {', '.join(changed)}")
