"""What programs were built into, on the disk: a program that was built before needs only to be loaded.

The key is the program as it was traced, and all else that decides what becomes of it. An entry that is not
there, not sound or not understood, or whose objects are gone, costs the time to build anew.
"""

from __future__ import annotations

import base64
import dataclasses
import json
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.engine.building import Built, Stages
from handgrad.engine.runtime import cache, native
from handgrad.program import Program
from handgrad.program.keys import Keys, Numbered
from handgrad.program.symbol import Symbol

EMBEDDED = 2**20  # bytes of constants that are not the program's own, at most
PLAIN = (int, bool, str, type(None), type(...))  # whose repr is all there is to them


def digest(root: Path) -> str | None:
    """A digest of the files that say what becomes of a program; None where there are none to read.

    Of what is in them, a few hundred kB: times and sizes tell an edited file from a checked out or an
    installed one too rarely. Read when this module is imported, as they are.
    """
    state = blake2b(digest_size=20)
    try:
        files = sorted(
            file for part in ("arrays", "engine", "program") for file in (root / part).rglob("*.py")
        )
        for file in files:
            data = file.read_bytes()
            state.update(f"{file.relative_to(root).as_posix()}:{len(data)}:".encode())
            state.update(data)
    except OSError:
        return None
    return state.hexdigest() if files else None


SOURCES = digest(Path(__file__).parents[1])


class NoKey(TypeError):
    """An argument of an operation that may be the same by its name and be another thing."""


class Exact(Numbered):
    """Keys that are the same text for equal programs, in any process; the arrays by what is in them.

    Raises:
        NoKey: the program contains something that says too little of itself.
    """

    def __init__(self, program: Program):
        super().__init__(program)
        self.constants: dict[Any, np.ndarray] = {}  # those that were met, in order

    def of(self, x: Any) -> Any:
        if type(x) is float:
            return ("float", x.hex())
        if type(x) in PLAIN:
            return (type(x).__name__, repr(x))
        if isinstance(x, np.generic) and not x.dtype.hasobject:
            return (x.dtype.str, x.tobytes())
        if isinstance(x, np.dtype) and x.isbuiltin == 1:
            return ("dtype", x.str)
        if isinstance(x, type) and issubclass(x, np.generic | bool | int | float | complex):
            return ("dtype", np.dtype(x).str)
        if isinstance(x, dict):
            return ("dict", *((self.of(name), self.of(value)) for name, value in x.items()))
        if type(x) in (list, tuple, slice) or isinstance(x, (np.ndarray, Program)):
            return super().of(x)
        if isinstance(x, Symbol) and id(x) in self.places:
            return ("symbol", self.places[id(x)])
        raise NoKey(f"{type(x)}")

    def of_array(self, x: np.ndarray) -> Any:
        if x.dtype.hasobject or type(x) is not np.ndarray:
            raise NoKey(f"{type(x)} of {x.dtype}")
        found = super().of_array(x)
        self.constants.setdefault(found, x)
        return found

    def inside(self, body: Program) -> Keys:
        made = Exact(body)
        made.constants = self.constants
        return made


class Manifest:
    """The entry of a program, there or not; without a cache ``load`` and ``keep`` do nothing."""

    def __init__(self, stages: Stages):
        self.keys = Exact(stages.program)
        self.parts: list[str | bytes] = []
        if SOURCES is None or cache.folder() is None:
            return
        try:
            program = self.keys.of(stages.program)
        except NoKey:
            return
        target = stages.target
        threads = stages.workers or (stages.usable, stages.small)
        given = (sorted(stages.donated.items()), threads, stages.timed, stages.bfloat16)
        host = (type(target).__name__, repr(target), *native.key(target, native.SPEED), np.__version__)
        self.parts = ["manifest", SOURCES, repr(host), repr(given), repr(program)]

    def load(self) -> Built | None:
        """What was kept."""
        data = cache.read(self.parts) if self.parts else None
        if data is None:
            return None
        try:
            found = json.loads(data)
            found["constants"] = [self._constant(x) for x in found["constants"]]
            objects = [x for name in found["entries"] if (x := cache.named(name)) is not None]
            return Built(**found, objects=objects) if len(objects) == len(found["entries"]) else None
        except (ValueError, TypeError, LookupError):
            return None

    def keep(self, built: Built) -> None:
        """Keep what a program was built into; where NumPy must take part it is not worth it."""
        if not self.parts or built.fallbacks:
            return
        constants = list(map(self._told, built.constants))
        if sum(len(told[-1]) for told in constants if isinstance(told, list)) > EMBEDDED:
            return
        found = {f.name: getattr(built, f.name) for f in dataclasses.fields(built)}
        del found["objects"], found["fallbacks"]
        cache.write([(self.parts, json.dumps(found | {"constants": constants}).encode())])

    def _told(self, x: np.ndarray) -> Any:
        """Where in the program a constant is, or, where it was computed from it, the constant itself."""
        places = {key: n for n, key in enumerate(self.keys.constants)}
        key = Keys().of_array(x)
        return (
            places[key] if key in places else [x.dtype.str, x.shape, base64.b64encode(x.tobytes()).decode()]
        )

    def _constant(self, told: Any) -> np.ndarray:
        if isinstance(told, int):
            return np.ascontiguousarray(list(self.keys.constants.values())[told])
        dtype, shape, data = told
        return np.frombuffer(base64.b64decode(data), dtype).reshape(shape)
