"""The arrays of a checkpoint that several processes write, each the parts that lie on its devices.

Each process has a file of its own, ``checkpoint-<step>.<i>-of-<n>.safetensors``. A part is called by its
array and where in it the part lies: ``params/1.W[0:392,0:512]``; an array that all have is written by the
first, whole.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

PART = re.compile(r"(.*)\[([\d:,]*)\]")


def file_of(tensors: str, index: int, count: int) -> str:
    """The name of one process's file."""
    return tensors if count == 1 else tensors.replace(".safetensors", f".{index}-of-{count}.safetensors")


def parts_here(tensors: dict[str, Any], is_first: bool) -> dict[str, np.ndarray]:
    """The parts of arrays that this process writes: of each, those that no process before it has."""
    found = {}
    for name, x in tensors.items():
        if getattr(x, "is_fully_addressable", True) or x.is_fully_replicated:
            if is_first:
                found[name] = np.asarray(x, order="C")
            continue
        for shard in x.addressable_shards:
            if shard.replica_id == 0:
                found[f"{name}[{told(shard.index, x.shape)}]"] = np.asarray(shard.data, order="C")
    return found


def told(index: tuple[slice, ...], own: tuple[int, ...]) -> str:
    ranges = (part.indices(n)[:2] for part, n in zip(index, own, strict=True))
    return ",".join(f"{start}:{stop}" for start, stop in ranges)


def joined(files: list[dict[str, np.ndarray]], wanted: dict[str, Any]) -> dict[str, np.ndarray]:
    """Whole arrays of all parts, by name.

    Raises:
        ValueError: a part does not lie in its array, or parts of an array are missing.
    """
    whole: dict[str, np.ndarray] = {}
    counts: dict[str, int] = {}
    for file in files:
        for name, x in file.items():
            match = PART.fullmatch(name)
            if match is None:
                whole[name], counts[name] = x, x.size
                continue
            name, ranges = match[1], [tuple(map(int, r.split(":"))) for r in match[2].split(",")]
            if name not in wanted:
                raise ValueError(f"unknown {name}")
            out = whole.setdefault(name, np.zeros(np.shape(wanted[name]), x.dtype))
            place = tuple(slice(start, stop) for start, stop in ranges)
            if out[place].shape != x.shape or out.dtype != x.dtype:
                raise ValueError(
                    f"{name}[{match[2]}] is {x.dtype} {x.shape}, and lies in {out.dtype} {out.shape}"
                )
            out[place] = x
            counts[name] = counts.get(name, 0) + x.size
    short = [name for name, x in whole.items() if counts[name] != math.prod(x.shape)]
    if short:
        raise ValueError(f"of {', '.join(short)} not all parts are there")
    return whole
