"""``handgrad explain``: what a training's step was compiled to."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.cli.options import positive

HELP = "show the native code of a training"
DESCRIPTION = """Compile the step of a training, run it for a moment on its data, and show what it was
made into: the program, the kernels it was fused into with their flops, bytes, share of the time and of the
processor's peak, and where arrays lie in memory. The training itself is left as it is."""


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser(
        "explain", help=HELP, usage="handgrad explain FOLDER [options]", description=DESCRIPTION
    )
    made.add_argument("folder", type=Path, metavar="FOLDER", help="a run, as handgrad train makes it")
    made.add_argument("--ir", action="store_true", help="the LLVM IR as well")
    made.add_argument(
        "--steps", type=positive, default=200, metavar="N", help="to run for the times (default 200)"
    )
    return made


def run(args: argparse.Namespace) -> int:
    from handgrad.cli.train import data_parts, trainer_of, training_of
    from handgrad.engine import explain
    from handgrad.train.engines import NativeSteps

    made = training_of(args.folder)
    train = data_parts(made.training)["train"]
    size = min(made.training["batch_size"], len(train))
    x, t = made.prepared(train.x, "zeros"), made.targets(train)
    steps = NativeSteps(trainer_of(made, len(train)), x, t, size, timed=True)
    order = np.resize(np.arange(len(train)), size * args.steps)
    progress = steps.trainer.progress
    for some in np.split(order, range(size * steps.most, len(order), size * steps.most)):
        _, progress = steps.run(progress, some, size)
    print(explain(steps.code(size), args.ir))
    return 0
