"""The most memory that a fresh process holds while it trains, one process a contestant."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from bench.contestants import OURS, PEERS, makers
from bench.tables import table
from bench.workload import named

NAMES = ("mlp-tiny", "mlp-course", "mlp-wide", "mlp-norm", "tabular", "lenet", "lstm-char", "gpt-nano")
STEPS = 200
UNCACHED = f"{OURS}, its code not on disk"
NOBODY = "nobody: Python, NumPy, handgrad, the data"


def peak_bytes() -> int:
    """Of this process. Not ``ru_maxrss`` where it can be helped: in a child that includes its parent's."""
    status = Path("/proc/self/status")
    if status.exists():
        held = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(held.split()[1]) * 1024
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def forget_peak() -> None:
    """Count from here, where Linux allows it: reading the data took more than some trainings take."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def train(workload_name: str, contestant: str, engine: str) -> None:
    """Whole epochs: of a perceptron at least ``STEPS`` steps, of a slower network one."""
    workload = named(workload_name)
    workload.data()  # which keeps it
    forget_peak()
    if contestant == NOBODY:
        return
    per_epoch = workload.epoch_steps()
    epochs = -(-STEPS // per_epoch) if workload.widths else 1
    makers(workload, engine)[contestant](workload)(epochs * per_epoch)


def measured(workload_name: str, contestant: str, engine: str) -> str:
    """MiB, in a process of its own; a dash for one that cannot train this."""
    if contestant not in (NOBODY, UNCACHED) and contestant not in makers(named(workload_name), engine):
        return "–"
    env = dict(os.environ)
    if contestant == UNCACHED:
        contestant, env["HANDGRAD_CACHE"] = OURS, "off"
    command = [sys.executable, "-m", "bench.memory", workload_name, contestant, engine]
    ran = subprocess.run(command, capture_output=True, text=True, env=env)
    return f"{int(ran.stdout.split()[-1]) / 2**20:.0f}" if ran.returncode == 0 else "failed"


def report(engine: str, names: tuple[str, ...] = NAMES) -> Iterator[str]:
    yield "\n## Peak memory of a process that trains, MiB\n"
    yield f"Perceptrons make {STEPS} steps, other networks an epoch. Compilers that run as processes of their"
    yield "own are not counted.\n"
    yield from table(
        ("", *names),
        (
            (contestant, *(measured(name, contestant, engine) for name in names))
            for contestant in (NOBODY, OURS, UNCACHED, *PEERS)
        ),
    )


if __name__ == "__main__":
    train(*sys.argv[1:])
    print(peak_bytes())
