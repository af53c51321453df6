"""Which of the targets this computer is, and the others."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Sequence

import llvmlite.binding as llvm

from handgrad.engine.runtime import native
from handgrad.engine.targets import arm, generic, wasm, x86
from handgrad.engine.targets.target import Target

Levels = Sequence[Target]
KINDS: dict[str, Levels] = {
    "x86_64": x86.LEVELS, "amd64": x86.LEVELS, "aarch64": arm.LEVELS, "arm64": arm.LEVELS,
}  # fmt: skip
ELSEWHERE: dict[str, Levels] = {x86.TRIPLE: x86.LEVELS, arm.TRIPLE: arm.LEVELS, wasm.TRIPLE: wasm.LEVELS}


@functools.cache
def _here() -> dict[str, Target]:
    has = set(native.host_cpu()[1].split(","))
    kind = KINDS.get(llvm.get_process_triple().split("-")[0], generic.LEVELS)
    return {level.name: level for level in kind if has.issuperset(filter(None, level.features.split(",")))}


def levels() -> list[str]:
    """The levels that can run here, best first."""
    return list(_here())


@functools.cache
def at_level(name: str) -> Target:
    """This computer with the features of a level and no others, or ``native``: all that it has.

    Raises:
        ValueError: there is no such level, or it cannot run here.
    """
    here = _here()
    if name == "native":
        best = next(iter(here.values()))
        cpu, features = native.host_cpu()
        return dataclasses.replace(best, name=name, cpu=cpu, features=features)
    if name not in here:
        raise ValueError(f"this computer runs code for {', '.join(here)} or native, not for '{name}'")
    return here[name]


def this_computer() -> Target:
    """What to compile for: all that this computer has, or the level that ``HANDGRAD_CPU`` names.

    Raises:
        ValueError: ``HANDGRAD_CPU`` is no level that can run here.
    """
    name = os.environ.get("HANDGRAD_CPU", "").strip() or "native"
    try:
        return at_level(name)
    except ValueError as error:
        raise ValueError(f"HANDGRAD_CPU is '{name}': {error}") from None


def elsewhere(name: str) -> Target:
    """Some computer at that level, perhaps of another kind: code for it is made here, and runs there.

    Raises:
        ValueError: there is no such level.
    """
    found = {
        level.name: dataclasses.replace(level, triple=triple)
        for triple, kind in ELSEWHERE.items()
        for level in kind
    }
    if name not in found:
        raise ValueError(f"code is made for {', '.join(found)}, not for '{name}'")
    return found[name]
