"""Programs for others to run: WebAssembly for browsers, an object file for C, a file of NumPy.

    exported = Exported("layer", trace(f, x, W), ["x", "W"])
    write(exported, Path("layer.wasm"))

A WebAssembly module describes itself: its section ``handgrad`` is JSON with each array's name, shape, dtype
and address, which ``loader.mjs`` reads. An object file has a C header beside it, a file of NumPy perhaps an
``.npz`` with its larger constants.
"""

from __future__ import annotations

import dataclasses
import io
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.engine.objects import header, object_file
from handgrad.engine.targets.target import Target
from handgrad.engine.wasm import wasm_module
from handgrad.files import write_atomically
from handgrad.program import Program
from handgrad.program.source import numpy_source
from handgrad.tree import named_leaves

LOADER = Path(__file__).with_name("loader.mjs")


@dataclasses.dataclass(frozen=True)
class Exported:
    """A program, and what its arrays are called.

    Attributes:
        name: of the function.
        inputs: a name for each argument; arrays nested in one are called by it and their keys: ``params.W``.
        about: what it computes, in a sentence.
        donated: for an output (by number) the input (by number) that it is written over.
        values: what inputs (by number) hold at the beginning, where the file is to bring it.
    """

    name: str
    program: Program
    inputs: Sequence[str]
    about: str = ""
    donated: dict[int, int] = dataclasses.field(default_factory=dict)
    values: dict[int, np.ndarray] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z_]\w*", self.name, re.ASCII):
            raise ValueError(f"{self.name!r} is no name of a function in Python, C and JavaScript")

    @property
    def taken(self) -> dict[str, Any]:
        """The symbols that it takes, by name."""
        return dict(
            pair
            for name, tree in zip(self.inputs, self.program.inputs, strict=True)
            for pair in named(tree, name)
        )

    @property
    def given(self) -> dict[str, Any]:
        """The symbols that it gives, by name."""
        return dict(named(self.program.outputs, "out"))


def named(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The arrays of a tree, by the name of the whole and their keys."""
    return ((key, x) for key, x in named_leaves(tree, name) if hasattr(x, "dtype"))


def write(exported: Exported, path: Path, target: Target | None = None) -> list[Path]:
    """Write a function to a file of the kind that its ending says: ``.wasm``, ``.o`` or ``.py``.

    Args:
        target: of an object file, whose instructions to use.

    Returns:
        The files that were written.

    Raises:
        ValueError: another ending.
        NotCompiled: an operation needs NumPy or, in WebAssembly, the C library.
        OSError: a file cannot be written.
    """
    kinds = {".wasm": wasm_files, ".o": object_files, ".py": numpy_files}
    if path.suffix not in kinds:
        raise ValueError(f"{path} ends in none of .wasm, .o and .py, which say what to write")
    if target is not None and path.suffix != ".o":
        raise ValueError(f"a target is of an object file, .o, not of {path}")
    files = kinds[path.suffix](exported, path, *([target] if target is not None else []))
    for file, content in files.items():
        write_atomically(file, content)
    return list(files)


def wasm_files(exported: Exported, path: Path) -> dict[Path, bytes | str]:
    module, layout = wasm_module(exported.program, exported.donated, exported.values)
    places = dataclasses.asdict(layout)
    for kind, names in (("inputs", exported.taken), ("outputs", exported.given)):
        places[kind] = dict(zip(names, places[kind], strict=True))
    about = {"name": exported.name, "about": exported.about, **places}
    del about["constants"]
    return {
        path: module + custom_section("handgrad", json.dumps(about).encode()),
        path.with_name(LOADER.name): LOADER.read_text("utf-8"),
    }


def object_files(exported: Exported, path: Path, target: Target | None = None) -> dict[Path, bytes | str]:
    code, scratch = object_file(exported.name, exported.program, exported.donated, target)
    arrays = [(exported.taken, True), (exported.given, False)]
    text = header(exported.name, exported.about, arrays, exported.donated, scratch)
    return {path: code, path.with_suffix(".h"): text}


def numpy_files(exported: Exported, path: Path) -> dict[Path, bytes | str]:
    functions = {exported.name: (exported.program, exported.inputs)}
    text, constants = numpy_source(functions, exported.about, reads_constants=True)
    if not constants:
        return {path: text}
    stored = io.BytesIO()
    np.savez(stored, allow_pickle=False, **constants)
    return {path: text, path.with_suffix(".npz"): stored.getvalue()}


def custom_section(name: str, content: bytes) -> bytes:
    """A section of a module that nobody runs."""
    from handgrad.engine.runtime import wasm

    body = wasm.named(name) + content
    return bytes([wasm.CUSTOM]) + wasm.number(len(body)) + body
