"""The engine's code for WebAssembly, run by node: every rule, forward and backward, and other programs.

    python -m tests.engine.wasm

The others are those that arm.py runs, and some of the fuzz test's.

Each module is held to what its program means on NumPy. Programs that need NumPy or the C library are refused,
and named in the end.
"""

import collections
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from handgrad.engine import wasm_module
from handgrad.engine.nodes import NotCompiled
from tests.engine import arm, fuzz
from tests.engine.support import arrays_in, assert_right
from tests.engine.test_every_rule import Use
from tests.rules.cases import CASES

NODE = "node"
RANDOM = 500  # programs of the fuzz test
DRIVER = Path(__file__).with_name("wasm_driver.mjs")


def programs():
    """(name, program, arguments)"""
    for case in CASES:
        for dtype in (np.float32, np.float64):
            use = Use(case, dtype)
            yield f"{case.rule.name}: {case.id}, {np.dtype(dtype)}", use.program, use.arrays
    yield from arm.programs()
    for number in range(RANDOM):
        program, args, *_ = fuzz.program_of(number)
        yield f"random program {number}", program, args


def run_in_node(folder, made):
    """(whether nothing was flagged, outputs) of modules; ``made`` are (module, layout, arrays)."""
    folder, orders = Path(folder), []
    for number, (module, layout, arrays) in enumerate(made):
        files = {name: str(folder / f"{number}.{name}") for name in ("module", "inputs", "outputs")}
        Path(files["module"]).write_bytes(module)
        Path(files["inputs"]).write_bytes(b"".join(a.tobytes() for a in arrays))
        orders.append({**files, "layout": told(layout)})
    (folder / "orders.json").write_text(json.dumps(orders))
    subprocess.run([NODE, DRIVER, folder / "orders.json"], check=True)
    return [results(Path(order["outputs"]).read_bytes(), x[1]) for order, x in zip(orders, made, strict=True)]


def told(layout):
    """A layout with the bytes of each array."""
    sized = {
        name: [{"address": place.address, "nbytes": place.nbytes} for place in getattr(layout, name)]
        for name in ("inputs", "outputs")
    }
    return {**dataclasses.asdict(layout), **sized}


def results(data, layout):
    found, start = [], 4
    for place in layout.outputs:
        part = data[start : start + place.nbytes]
        found.append(np.frombuffer(part, place.dtype).reshape(place.shape))
        start += place.nbytes
    return int.from_bytes(data[:4], "little"), found


def main():
    if shutil.which(NODE) is None:
        sys.exit("node: not found. On Debian: apt install nodejs")
    cases, made, refused = [], [], collections.defaultdict(set)
    for name, program, args in programs():
        try:
            module, layout = wasm_module(program)
        except NotCompiled as error:
            refused[str(error)].add(re.split("[:,]", name)[0])
            continue
        cases.append((name, program, args))
        made.append((module, layout, arrays_in(args)))
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        for (name, program, args), (fine, got) in zip(cases, run_in_node(folder, made), strict=True):
            try:
                assert fine, "it was flagged"
                assert_right(got, program, args)
            except AssertionError as error:
                failed += 1
                print(f"{name}: {error}\n", flush=True)
    for why, names in sorted(refused.items()):
        print(f"refused: {', '.join(sorted(names))}: {why}")
    print(f"{len(cases)} programs as WebAssembly: {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
