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
    from handgrad.cli.train import trainer_of
    from handgrad.engine import explain
    from handgrad.train.engines import NativeSteps

    made, x, t = trained_on(args.folder)
    size = min(made.training["batch_size"], len(x))
    trainer = trainer_of(made, len(x))
    steps = NativeSteps(trainer, trainer.progress, x, t, size, timed=True)
    order = np.resize(np.arange(len(x)), size * args.steps)
    progress = trainer.progress
    for some in np.split(order, range(size * steps.most, len(order), size * steps.most)):
        progress = steps.run(progress, some, size)[1]
    print(explain(steps.code(size), args.ir))
    return 0


def trained_on(folder: Path) -> tuple[Any, Any, Any]:
    """A run, as before training, and the inputs and targets that it is trained on."""
    from handgrad.cli.text import text_parts
    from handgrad.cli.train import data_parts
    from handgrad.cli.train_options import training_of
    from handgrad.train.text import is_of_text, load_text_run

    made: Any
    if is_of_text(folder):
        made = training_of(folder, load_text_run)
        return made, *text_parts(made.training, made.alphabet)["train"]
    made = training_of(folder)
    train = data_parts(made.training)["train"]
    return made, made.prepared(train.x, "zeros"), made.targets(train)
