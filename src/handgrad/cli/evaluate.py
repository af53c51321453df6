"""``handgrad evaluate``: how good is a trained network?"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.cli.faults import about
from handgrad.cli.figures import figures, told
from handgrad.data.errors import counted

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.train import Run

HELP = "measure a trained network on data with known answers"
DESCRIPTION = """Print the accuracy (for regression RMSE and R²). Rows that it was trained on, whatever their
order and their file, are told from the others and measured apart, unless --all is given. Of a network of
text, how well it foresees one: of the one that it was trained on, the end that was held out."""


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser("evaluate", aliases=["eval"], help=HELP, description=DESCRIPTION)
    made.add_argument("folder", type=Path, metavar="RUN", help="the folder of a finished training")
    made.add_argument("source", metavar="DATA", help="data of the same kind, with targets")
    made.add_argument("--target", metavar="COLUMN", help="the column with the answers (default: as trained)")
    made.add_argument("--all", action="store_true", help="measure all rows as one, known or not")
    return made


def run(args: argparse.Namespace) -> int:
    from handgrad.cli import text
    from handgrad.train import load_run
    from handgrad.train.text import is_of_text

    if is_of_text(args.folder):
        return text.evaluate(args)
    trained = load_run(args.folder)
    data = _data(args, trained)
    with about(args.source):
        measured = Measured(args.source, data, trained.outputs(data.x, unseen="zeros"))
    known = None if args.all else _known(args.folder, trained, data)
    rows = np.ones(len(data), bool) if known is None else ~known[0]
    if known is None:
        measured.tell(rows, "example")
    else:
        measured.tell_apart(*known)
    if trained.classes is not None and rows.any():
        _print_classes(measured.outputs[rows].argmax(axis=1), np.asarray(data.t)[rows], trained.classes)
    return 0


def _data(args: argparse.Namespace, trained: Run) -> Dataset:
    from handgrad.cli.taken import without_targets
    from handgrad.data import load

    target = args.target or trained.training["target"]
    data = load(
        args.source,
        target=target,
        classes=trained.classes,
        task=trained.task,
        **trained.as_trained(args.source),
    )
    if data.t is None:
        raise ValueError(without_targets(data))
    return data


def _known(folder: Path, trained: Run, data: Dataset) -> tuple[np.ndarray, np.ndarray] | None:
    """Which rows were trained on, and which have the inputs of one that was."""
    from handgrad.train.run import load_known

    rows = load_known(folder)
    if rows is None:
        print(f"{folder} does not tell which rows it was trained on: some of these may be among them")
        return None
    return rows.known(data, trained.preparation)


@dataclass(frozen=True)
class Measured:
    """The outputs of a network for data with answers."""

    source: str
    data: Dataset
    outputs: np.ndarray

    def tell_apart(self, trained_on: np.ndarray, alike: np.ndarray) -> None:
        """Print the figures of what was held out, and of what was trained on.

        trained_on: bool (N,); alike: bool (N,), the rows that have the inputs of one that was trained on.
        """
        held_out, copies = ~trained_on, alike & ~trained_on
        if held_out.any():
            self.tell(held_out, "held-out example")
        else:
            print(f"no held-out examples: all {len(self.data):,} of {self.source} were trained on")
        if copies.any():
            rest = "" if alike.all() else "; without them:"
            print(f"  {copies.sum():,} of these have the inputs of an example that was trained on{rest}")
            self.tell(~alike, "example", "  ")
        self.tell(trained_on, "example", "  ", " that it was trained on", "accuracy")

    def tell(
        self, rows: np.ndarray, what: str, before: str = "", after: str = "", accuracy: str = "test accuracy"
    ) -> None:
        if rows.any():
            found = told(
                figures(
                    self.outputs[rows], np.asarray(self.data.t)[rows], self.data.classes, self.data.targets
                )
            )
            found = found.replace("test accuracy", accuracy)
            print(f"{before}{counted(int(rows.sum()), what)} of {self.source}{after}: {found}")


def _print_classes(predicted: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> None:
    width = max(len("class"), *(len(name) for name in classes))
    print(f"  {'class':<{width}}  examples  found  right when said")
    for i, name in enumerate(classes):
        true, said = labels == i, predicted == i
        print(f"  {name:<{width}}  {true.sum():8,}  {_percent(said[true])}  {_percent(true[said]):>15}")


def _percent(hits: np.ndarray) -> str:
    return f"{100 * hits.mean():4.0f}%" if hits.size else "    -"
