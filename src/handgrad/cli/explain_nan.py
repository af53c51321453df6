"""``handgrad explain-nan``: where a training's numbers stopped being finite."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

HELP = "say which rule made the numbers of a training infinite or nan"
DESCRIPTION = """Take the next mini-batch of a training from its checkpoint, as the step that failed
did, and run it rule by rule: the first rule, forward or backward, that made numbers that are not finite, with
the extremes of its inputs, the layer, the line, and what to write instead. Ends with 1 where there is one,
with 0 where all numbers of the step are finite."""


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser(
        "explain-nan", help=HELP, usage="handgrad explain-nan FOLDER", description=DESCRIPTION
    )
    made.add_argument("folder", type=Path, metavar="FOLDER", help="a run, as handgrad train makes it")
    return made


def run(args: argparse.Namespace) -> int:
    from handgrad.checking.nonfinite import origin_of_nonfinite
    from handgrad.cli.explain import trained_on
    from handgrad.cli.train import trainer_of
    from handgrad.data import permutation
    from handgrad.train.engines.base import picked
    from handgrad.train.trainer import batch_count

    started, x, t = trained_on(args.folder)
    trainer = trainer_of(started, len(x))
    size = started.training["batch_size"]
    steps = batch_count(len(x), size)
    progress = reached(args.folder, trainer.progress, steps)
    rows = picked(permutation(len(x), trainer.seed, progress.epoch), progress.batch, size, steps)
    batch, targets = trainer.cast(x[rows]), trainer.cast(t[rows])
    found = origin_of_nonfinite(
        lambda params: trainer.objective(params, progress.states, batch, targets)[0], progress.params
    )
    if found is None:
        print(f"step {progress.step + 1}, of {len(rows)} examples: every number is finite")
        return 0
    print(f"step {progress.step + 1}, of {len(rows)} examples:\n{found}")
    return 1


def reached(folder: Path, beginning: Any, steps: int) -> Any:
    """What a run's last checkpoint holds, whatever training it says that it is of."""
    from handgrad.files import read_json
    from handgrad.train import CheckpointError
    from handgrad.train.folder import CHECKPOINT
    from handgrad.train.progress import load_checkpoint

    try:
        saved = read_json(folder / CHECKPOINT)
    except (FileNotFoundError, ValueError):
        saved = None
    if not isinstance(saved, dict) or not {"training", "host"} <= saved.keys():
        raise CheckpointError(f"there is no checkpoint in {folder}, or a damaged one")
    return load_checkpoint(folder, saved["training"], saved["host"], beginning, steps)
