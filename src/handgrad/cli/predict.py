"""``handgrad predict``: a trained network on new data."""

from __future__ import annotations

import argparse
import contextlib
import csv
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.cli import standard_input
from handgrad.cli.faults import about
from handgrad.data.errors import counted

if TYPE_CHECKING:
    from handgrad.train import Run

HELP = "predict with a trained network"
DESCRIPTION = """Write one line for each example: for classes the likeliest and the probability of each, for
numbers the number, in the units that it was trained on; of standard input, to standard output."""


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser("predict", help=HELP, description=DESCRIPTION)
    made.add_argument("folder", type=Path, metavar="RUN", help="the folder of a finished training")
    made.add_argument("source", metavar="INPUT", help="data of the kind that it was trained on, or -")
    made.add_argument(
        "--unseen",
        choices=["error", "zeros"],
        default="error",
        metavar="WHAT",
        help="text that was not trained on: error, or zeros to count it as none of what was (default error)",
    )
    made.add_argument("--out", "-o", metavar="FILE", help="a CSV file, or - for standard output")
    return made


def run(args: argparse.Namespace) -> int:
    from handgrad.data import load
    from handgrad.files import write_atomically
    from handgrad.train import load_run

    if args.out not in (None, "-") and not Path(args.out).parent.is_dir():
        raise ValueError(f"--out: there is no folder {Path(args.out).parent}")
    trained = load_run(args.folder)
    with source_of(args.source) as source:
        data = load(source, **trained.as_trained(source))
        with about(standard_input.NAME if args.source == "-" else args.source):
            outputs = trained.outputs(data.x, args.unseen)
    text = table(outputs, trained, data.examples)
    if args.out == "-" or (args.out is None and args.source == "-"):
        sys.stdout.write(text)
        return 0
    file = Path(args.out) if args.out else args.folder / f"predictions-{Path(args.source).stem}.csv"
    write_atomically(file, text)
    print(f"{counted(len(data), 'prediction')} in {file}")
    return 0


def source_of(name: str) -> contextlib.AbstractContextManager[str | Path]:
    """What is read, which may come by standard input."""
    return standard_input.as_file() if name == "-" else contextlib.nullcontext(name)


def table(outputs: np.ndarray, run: Run, examples: tuple[str, ...] | None = None) -> str:
    """The CSV: (N, C) probabilities with their classes, or (N, M) numbers or probabilities of labels; by
    file, or by row from 0.
    """
    first = "row" if examples is None else "file"
    labels = range(len(outputs)) if examples is None else examples
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if run.task == "classification":
        classes = run.names
        writer.writerow([first, "predicted", *(f"probability {name}" for name in classes)])
        for label, row in zip(labels, outputs, strict=True):
            writer.writerow([label, classes[int(row.argmax())], *(f"{p:.6g}" for p in row)])
    else:
        what = "predicted" if run.task == "regression" else "probability"
        names = [what] if len(run.names) == 1 else [f"{what} {name}" for name in run.names]
        writer.writerow([first, *names])
        rows = zip(labels, outputs, strict=True)
        writer.writerows([label, *(f"{value:.8g}" for value in row)] for label, row in rows)
    return text.getvalue()
