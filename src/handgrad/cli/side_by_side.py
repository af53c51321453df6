"""Trainings as processes of their own, one a core, each in its folder: those that are done stay so."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

LOG = "log.txt"


@dataclass(frozen=True)
class Job:
    """One training: the options of ``handgrad train`` for it, and those that go on with it."""

    folder: Path
    options: list[str]
    is_done: Callable[[Path], bool]
    more: list[str] = field(default_factory=list)  # beside --resume

    def command(self) -> list[str]:
        from handgrad.train.folder import CHECKPOINT

        train = [sys.executable, "-m", "handgrad", "train"]
        if (self.folder / CHECKPOINT).exists():
            return [*train, "--resume", str(self.folder), *self.more]
        return [*train, *self.options, "--out", str(self.folder), "--overwrite"]


def cores() -> int:
    from handgrad.engine.runtime.threads import threads

    return threads()


def run(jobs: Sequence[Job], at_once: int, tell: Callable[[Job], None]) -> dict[Path, str]:
    """Run what is not done yet; ``tell`` each that is. Gives what went wrong, by folder.

    Ctrl-C goes to all: each keeps a checkpoint, and the same command goes on.
    """
    wrong: dict[Path, str] = {}
    stopping = threading.Event()
    running: list[subprocess.Popen] = []

    def one(job: Job) -> None:
        if not job.is_done(job.folder) and not stopping.is_set():
            job.folder.mkdir(parents=True, exist_ok=True)
            environment = os.environ | ({"HANDGRAD_THREADS": "1"} if at_once > 1 else {})
            with (job.folder / LOG).open("w") as log:
                process = subprocess.Popen(job.command(), stdout=log, stderr=log, env=environment)
                running.append(process)
                process.wait()
            running.remove(process)
            if process.returncode:
                lines = (job.folder / LOG).read_text().strip().splitlines()
                wrong[job.folder] = lines[-1] if lines else f"it ended with {process.returncode}"
        if job.folder not in wrong and not stopping.is_set():
            tell(job)

    with ThreadPoolExecutor(at_once) as pool:
        try:
            list(pool.map(one, jobs))
        except KeyboardInterrupt:
            stopping.set()
            for process in list(running):
                process.terminate()
            raise KeyboardInterrupt("stopped; the same command goes on with what is not done") from None
    return wrong
