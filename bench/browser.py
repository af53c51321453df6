"""``python -m bench.browser``: a step in WebAssembly against TensorFlow.js, in node; prints the table.

Times are of the CPU, the median of five rounds, so that what else runs here counts for less.

TensorFlow.js comes from npm, into a folder that is thrown away; HANDGRAD_TFJS names one that has it.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from bench.tables import table, time_of
from bench.workload import Workload, named
from handgrad.engine.wasm import wasm_module
from handgrad.train import Trainer
from handgrad.tree import leaves
from handgrad.view.live.describing import placed
from handgrad.view.live.training import Training

PACKAGES = ("@tensorflow/tfjs@4.22.0", "@tensorflow/tfjs-backend-wasm@4.22.0")
MEASURED = ("mlp-tiny", "mlp-course")
SCRIPT = Path(__file__).with_suffix(".mjs")
ROUNDS = 5


def given(task: Workload, folder: Path) -> dict:
    """The module of a step, its weights and its data, as files; where they lie, as JSON has it."""
    x, t = task.examples()
    trainer = Trainer(task.net(), task.criterion(), task.optimiser, seed=0)
    training = Training(trainer, x, t, task.batch)
    carried = leaves(training.carried())
    module, layout = wasm_module(training.step(), {i: i for i in range(len(carried))})
    (folder / "step.wasm").write_bytes(module)
    (folder / "x.bin").write_bytes(np.ascontiguousarray(x, np.float32).tobytes())
    (folder / "t.bin").write_bytes(np.ascontiguousarray(t, np.int32).tobytes())
    (folder / "weights.bin").write_bytes(b"".join(np.asarray(p, np.float32).tobytes() for p in carried))
    return {
        "folder": str(folder),
        "batch": task.batch,
        "widths": list(task.widths),
        "classes": task.widths[-1],
        "rows": len(x),
        "rate": trainer.optimiser.rate(0),
        "pages": layout.pages,
        "carried": len(carried),
        "inputs": [placed(place) for place in layout.inputs],
        "outputs": [placed(place) for place in layout.outputs],
        "rounds": ROUNDS,
    }


def measured(task: Workload, packages: Path) -> dict[str, dict]:
    """Seconds of CPU a step of each contestant, and the loss that it came to."""
    with tempfile.TemporaryDirectory() as folder:
        told = given(task, Path(folder)) | {"packages": str(packages)}
        ran = subprocess.run(
            ["node", str(SCRIPT), json.dumps(told)], check=True, capture_output=True, text=True, timeout=600
        )
    return json.loads(ran.stdout.splitlines()[-1])


def rows(packages: Path) -> Iterator[list[str]]:
    for name in MEASURED:
        found = measured(named(name), packages)
        losses = [each["loss"] for each in found.values()]
        assert max(losses) - min(losses) < 1e-3, f"{name}: the losses differ: {losses}"
        ours = found.pop("handgrad")["seconds"]
        best = min(each["seconds"] for each in found.values())
        theirs = [time_of(each["seconds"]) for each in found.values()]
        yield [name, time_of(ours), *theirs, f"{best / ours:.1f}"]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        packages = Path(os.environ.get("HANDGRAD_TFJS", folder))
        if not (packages / "node_modules").exists():
            install = ["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", str(packages)]
            subprocess.run([*install, *PACKAGES], check=True)
        heads = ("a step of", "handgrad", "TensorFlow.js wasm", "TensorFlow.js cpu", "the better over ours")
        for line in table(heads, list(rows(packages))):
            print(line, flush=True)


if __name__ == "__main__":
    main()
