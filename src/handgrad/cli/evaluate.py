"""``handgrad evaluate``: how good is a trained network?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.train import Run

HELP = "measure a trained network on data with known answers"
DESCRIPTION = """Print loss and accuracy (for regression RMSE and R²). On the data that it was trained on,
only the part that was held out is used, unless --all is given."""


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser("evaluate", help=HELP, description=DESCRIPTION)
    made.add_argument("folder", type=Path, metavar="RUN", help="the folder of a finished training")
    made.add_argument("source", metavar="DATA", help="data of the same kind, with targets")
    made.add_argument("--target", metavar="COLUMN", help="the column with the answers (default: as trained)")
    made.add_argument("--all", action="store_true", help="use what it was trained on, too")
    return made


def run(args: argparse.Namespace) -> int:
    from handgrad.cli.figures import figures, told
    from handgrad.train import load_run

    trained = load_run(args.folder)
    data, which = _data(args, trained)
    outputs = trained.outputs(data.x, unseen="zeros")
    print(f"{len(data):,} {which} of {args.source}: {told(figures(outputs, data))}")
    if trained.classes is not None:
        _print_classes(outputs.argmax(axis=1), np.asarray(data.t), trained.classes)
    return 0


def _data(args: argparse.Namespace, trained: Run) -> tuple[Dataset, str]:
    from handgrad.data import load

    options = trained.training
    task = "classification" if trained.classes is not None else "regression"
    data = load(args.source, target=args.target or options["target"], classes=trained.classes, task=task)
    if data.t is None:
        raise ValueError(f"{args.source} has no targets; for a table name the column with --target")
    path = Path(args.source)
    source = str(path.resolve()) if path.exists() else args.source
    if source != options["source"] or args.all:
        return data, "examples"
    return data.split(options["test"], seed=options["seed"])[1], "held-out examples"


def _print_classes(predicted: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    width = max(len("class"), *(len(name) for name in classes))
    print(f"  {'class':<{width}}  examples  found  right when said")
    for i, name in enumerate(classes):
        true, said = labels == i, predicted == i
        print(f"  {name:<{width}}  {true.sum():8,}  {_percent(said[true])}  {_percent(true[said]):>15}")


def _percent(hits: np.ndarray) -> str:
    return f"{100 * hits.mean():4.0f}%" if hits.size else "    -"
