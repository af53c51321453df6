"""``handgrad train``: from a data set to a trained network, from one command."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.cli.faults import about
from handgrad.cli.hosts import folder_for, together
from handgrad.cli.options import height_and_width
from handgrad.cli.train_options import (
    NOT_OPTIONS,
    add as add,
    check_model_alone,
    check_not_of_text,
    check_nothing_else_changes,
    training_of,
)
from handgrad.data.errors import counted

if TYPE_CHECKING:
    from handgrad.data import Dataset
    from handgrad.layers import Layer
    from handgrad.train import Run, Trainer
    from handgrad.train.text import TextRun

LEAST_EPOCHS, LEAST_STEPS = 20, 1000


def run(args: argparse.Namespace) -> int:
    if args.seeds or args.folds:
        from handgrad.cli import several

        return several.run(args, args.given)
    with together(args):
        return _run(args)


def _run(args: argparse.Namespace) -> int:
    from handgrad.cli import text
    from handgrad.models import OF_TEXT
    from handgrad.train.folder import clear
    from handgrad.train.text import is_of_text

    if args.resume is not None:
        if is_of_text(args.resume):
            return text.resume(args)
        return _resumed(args)
    if args.source is None:
        raise ValueError("name the data to train on, such as digits, or a training to --resume")
    folder = args.out or Path("runs") / Path(args.source).stem
    _check_room(folder, args.overwrite)
    if args.model in OF_TEXT:
        if args.keep:
            raise ValueError(f"--keep is for pages of examples, and --model {args.model} is of text")
        return text.train(args, folder)
    check_not_of_text(args)
    parts = data_parts(vars(args))
    args.epochs = args.epochs or usual_epochs(len(parts["train"]), args.batch_size)
    started = _prepared(args, parts)
    ready = _ready(started, parts)
    check_devices(started, len(parts["train"]), args)
    # Only now: nothing is lost to an option or a file that is wrong.
    with folder_for(args, folder) as is_ours, resumable(folder):
        if is_ours:
            _check_room(folder, args.overwrite)
            clear(folder)
            started.save_config(folder)
        return _train(started, parts, ready, folder, args, resume=False)


def _resumed(args: argparse.Namespace) -> int:
    from handgrad.train.folder import CHECKPOINT

    check_nothing_else_changes(args)
    folder = args.resume
    training_of(folder)  # else a folder would be made for the lock
    with folder_for(args, folder) as is_ours, resumable(folder):
        started = changed(training_of(folder), args)
        parts = data_parts(started.training)
        ready = _ready(started, parts)
        if is_ours:
            started.save_config(folder)
        return _train(started, parts, ready, folder, args, resume=(folder / CHECKPOINT).exists())


def changed(started: Any, args: argparse.Namespace) -> Any:
    """A run with what may change when it is resumed."""
    for name in ("epochs", "engine"):
        if getattr(args, name) is not None:
            started.training[name] = getattr(args, name)
    return started


@contextlib.contextmanager
def resumable(folder: Path) -> Iterator[None]:
    """Say of a full disk, and the like, that what was reached is not lost."""
    from handgrad.train.folder import CHECKPOINT

    try:
        yield
    except OSError as error:
        if (folder / CHECKPOINT).exists():
            error.add_note(f"handgrad train --resume {folder} goes on from the last checkpoint")
        raise


def usual_epochs(examples: int, batch_size: int) -> int:
    """Enough for small data as well, of which a pass is a few steps."""
    from handgrad.train.trainer import batch_count

    return max(LEAST_EPOCHS, -(-LEAST_STEPS // batch_count(examples, batch_size)))


def _check_room(folder: Path, overwrite: bool) -> None:
    from handgrad.train.folder import holds_training

    if holds_training(folder) and not overwrite:
        raise ValueError(
            f"{folder} holds a training already: --resume {folder} goes on with it, --overwrite replaces it, "
            f"--out names another folder"
        )


def data_parts(options: dict[str, Any]) -> dict[str, Dataset]:
    """The data, split: train and test, and with patience a validation part taken from train."""
    from handgrad.cli.taken import without_targets
    from handgrad.data import load

    source = options["source"]
    data = load(
        source, target=options["target"], task=options["task"], drop=options["drop"], group=options["group"],
        resize=height_and_width(options["resize"]), fit=options["fit"],
    )  # fmt: skip
    if data.t is None:
        raise ValueError(without_targets(data))
    if data.classes is not None and len(data.classes) == 1:
        raise ValueError(
            f"{source}: all examples are of one class, {data.classes[0]!r}: nothing is to be learnt"
        )
    if options["class_weight"] is not None and data.classes is None:
        raise ValueError(f"{source}: --class-weight is of classes, and the target was taken for numbers")
    divided = (*held_out(data, options), None) if data.parts is None else as_it_says(data, options)
    train, test, validation = divided
    share = options["validation"] or (0.1 if options["patience"] else None)
    if validation is None and share is not None:
        train, validation = train.split(share, options["seed"] + 1, options["stratify"])
    return {"train": train, "test": test, "validation": test if validation is None else validation}


def as_it_says(data: Dataset, options: dict[str, Any]) -> tuple[Dataset, Dataset, Dataset | None]:
    """The parts of data that say themselves which they are: train, test and validation.

    Where there is no test part, what is measured after each epoch is what is held out.
    """
    asked = [name for name in ("fold", "group") if options[name] is not None]
    if asked:
        raise ValueError(
            f"{data.name} says itself what is held out, by the names of its folders, so there is no "
            f"--{asked[0]}: for one, train on a folder of classes, such as {data.name}/train"
        )
    train, validation, test = map(data.part, ("train", "validation", "test"))
    test = validation if test is None else test
    assert train is not None, data.parts
    assert test is not None, data.parts
    return train, test, validation


def held_out(data: Dataset, options: dict[str, Any]) -> tuple[Dataset, Dataset]:
    """What is trained on, and what is held out. Folds are those of seed 0, whatever is trained."""
    if options["fold"] is None:
        return data.split(options["test"], options["seed"], options["stratify"])
    i, k = map(int, options["fold"].split("/"))
    return data.folds(k, 0, options["stratify"])[i - 1]


def _prepared(args: argparse.Namespace, parts: dict[str, Dataset]) -> Run:
    """What is to be trained, fitted to the training part alone."""
    from handgrad.data import Preparation, TargetScale
    from handgrad.train import Run
    from handgrad.train.run import build

    train = parts["train"]
    with about(args.source):
        preparation = Preparation.fit(train.x, impute=args.impute)
    if train.classes is not None:
        scale, outputs = None, len(train.classes)
    elif train.task == "multi-label":
        scale, outputs = None, np.asarray(train.t).shape[1]
    else:
        targets = np.asarray(train.t).reshape(len(train), -1)
        scale, outputs = TargetScale.fit(targets), targets.shape[1]
    network = network_of(args, preparation.shape, outputs)
    if args.augment:
        check_augmented(args.augment, preparation.shape)
        network["augment"] = args.augment
    options = {key: value for key, value in vars(args).items() if key not in NOT_OPTIONS}
    if Path(args.source).exists():
        options["source"] = str(Path(args.source).resolve())
    return Run(network, preparation, train.classes, scale, options, build(network, args.seed), train.targets)


def check_augmented(asked: str, shape: tuple[int, ...]) -> None:
    """Only images are mirrored and moved.

    Raises:
        ValueError: the examples are none.
    """
    if len(shape) < 2 and ("flip" in asked or "shift" in asked):
        raise ValueError(f"--augment flip and shift are of images, and an example has the shape {shape}")


def network_of(args: argparse.Namespace, shape: tuple[int, ...], outputs: int) -> dict[str, Any]:
    """What the network is made of: the options of a multi-layer perceptron, or a model's name and images.

    Raises:
        ValueError: options of another network, or examples that the model does not take.
    """
    if args.model == "mlp":
        return {
            "widths": [int(np.prod(shape)), *args.hidden, outputs],
            "activation": args.activation,
            "batch_norm": args.batch_norm,
            "dropout": args.dropout,
            "dtype": args.dtype,
        }
    from handgrad.models import image_of

    check_model_alone(args)
    image = image_of(tuple(shape))
    return {"model": args.model, "image": list(image), "outputs": outputs, "dtype": args.dtype}


def _ready(started: Run, parts: dict[str, Dataset]) -> dict[str, tuple[Any, np.ndarray]]:
    """Inputs and targets of each part, as the network takes them."""
    with about(started.training["source"]):
        return {n: (started.prepared(part.x, "zeros"), started.targets(part)) for n, part in parts.items()}


def _train(
    started: Run,
    parts: dict[str, Dataset],
    ready: dict[str, tuple[Any, np.ndarray]],
    folder: Path,
    args: argparse.Namespace,
    resume: bool,
) -> int:
    from handgrad.files import write_json
    from handgrad.train import Interrupted
    from handgrad.train.folder import FIGURES, TRAINED_ON

    options = started.training
    if args.joined.is_first and not (folder / TRAINED_ON).exists():
        seen = ("train",) if parts["validation"] is parts["test"] else ("train", "validation")
        started.save_known(folder, [parts[name] for name in seen], parts["test"])
    trainer = trainer_of(
        started,
        len(parts["train"]),
        out=folder,
        checkpoint_seconds=args.checkpoint_seconds,
        progress=not args.quiet,
        mesh=args.mesh,
        sharding=args.sharding,
        observe=_observer(started, *ready["train"]),
    )
    if options.get("keep") and args.joined.is_first:
        trainer.observe = Keeping(started, trainer, folder, options["keep"], trainer.observe)
    if not args.quiet:
        _introduce(started, parts["train"])
    args.joined.wait("the folder is ready")
    try:
        records = trainer.fit(
            *ready["train"],
            epochs=options["epochs"],
            batch_size=options["batch_size"],
            class_weight=options["class_weight"],
            validation=ready["validation"],
            patience=options["patience"],
            resume=resume,
        )
    except Interrupted:
        step = trainer.progress.step
        raise KeyboardInterrupt(
            f"stopped after step {step}; handgrad train --resume {folder} goes on from there"
        ) from None
    if not args.joined.is_first:
        return 0
    started.save_model(folder)
    found = _tell(started, trainer, records, parts["test"], ready["test"], folder)
    write_json(folder / FIGURES, found)
    if options.get("show"):
        from handgrad.cli.report import written

        print(f"  {written(started, parts, records, found, folder)}  all of it on one page")
    return 0


def _introduce(started: Run, train: Dataset) -> None:
    """Print what the data was taken for, the network, and how long it is to be trained."""
    from handgrad.cli.taken import taken_for
    from handgrad.train.trainer import batch_count

    options = started.training
    print(f"{train.name}: {len(train):,} examples to train on")
    for line in taken_for(train, started.preparation, options["target"]):
        print(f"  {line}")
    steps = batch_count(len(train), options["batch_size"])
    print(f"\n{started.net}\n\n{counted(options['epochs'], 'epoch')} of {counted(steps, 'step')}\n")


def _is_falling(records: list[dict]) -> bool:
    """Whether the validation loss still fell in the last tenth of a training, by more than 2 % of itself."""
    losses = np.array([record.get("validation_loss") for record in records], np.float64)  # None is nan
    k = max(1, len(losses) // 10)
    return len(losses) >= 5 and bool(losses[-k:].mean() < 0.98 * losses[-2 * k : -k].mean())


class Keeping:
    """After each so many epochs, the network is kept in a file of its own."""

    def __init__(self, started: Run, trainer: Trainer, folder: Path, every: int, observe: Callable | None):
        self.started, self.trainer, self.folder, self.every = started, trainer, folder, every
        self.observe = observe

    def __call__(self, net: Layer) -> dict[str, float] | None:
        from handgrad.train.folder import kept_name

        epoch = self.trainer.progress.epoch + 1
        if epoch % self.every == 0:
            self.started.save_as(self.folder / kept_name(epoch), net)
        return None if self.observe is None else self.observe(net)


def _observer(started: Run, x: Any, t: Any) -> Callable | None:
    """What measures gradients for the report, where there is to be one."""
    if not started.training.get("show"):
        return None
    from handgrad.cli.report import observer

    return observer(started, x, t)


def check_devices(started: Run | TextRun, examples: int, args: argparse.Namespace) -> None:
    """That the mesh is of these devices and divides the batch, and the sharding fits the parameters.

    Raises:
        ImportError, ValueError: what does not.
    """
    if started.training.get("engine") == "jax":
        placement = trainer_of(started, examples, mesh=args.mesh, sharding=args.sharding).placement()
        placement.check_batch(started.training["batch_size"])


def trainer_of(started: Run | TextRun, examples: int, **rest: Any) -> Trainer:
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
    return options["lr"] or _optimiser_class(options)().lr


def _optimiser_class(options: dict[str, Any]) -> Any:
    from handgrad import optim

    return next(getattr(optim, name) for name in optim.__all__ if name.lower() == options["optimiser"])


def _optimiser(options: dict[str, Any], n: int) -> Any:
    from handgrad import optim
    from handgrad.train.trainer import batch_count

    lr = base_rate(options)
    steps = options["epochs"] * batch_count(n, options["batch_size"]) - options["warm_up"]
    schedule = {
        "constant": lambda: optim.constant(lr),
        "cosine": lambda: optim.cosine(lr, max(steps, 1)),
        "step": lambda: optim.step_decay(lr, max(steps // 3, 1)),
    }[options["schedule"]]()
    rate = optim.warm_up(schedule, options["warm_up"]) if options["warm_up"] else schedule
    return _optimiser_class(options)(lr=rate)


def _tell(
    finished: Run, trainer: Trainer, records: list[dict], test: Dataset, ready: tuple, folder: Path
) -> dict[str, float]:
    """Write the pictures; print the figures on the part held out, which are returned, and where all is."""
    from handgrad import view
    from handgrad.cli.figures import figures, taken_for_what, told
    from handgrad.files import write_atomically

    outputs = finished.outputs(test.x, unseen="zeros")
    title = f"{test.name}: {len(records)} epochs"
    write_atomically(folder / "curves.svg", view.curves(records, title))
    if finished.scale is None:
        counts, names = taken_for_what(finished, outputs - 0.5, np.asarray(test.t))
        picture, name = view.confusion(counts, names, test.name), "confusion.svg"
    else:
        picture, name = (
            view.scatter(outputs, np.asarray(test.t).reshape(outputs.shape), test.name),
            "scatter.svg",
        )
    write_atomically(folder / name, picture)
    found = {
        "loss": trainer.evaluate(*ready)["loss"],
        **figures(outputs, np.asarray(test.t), test.classes, test.targets),
    }
    scaled = "" if finished.scale is None else " (the loss is of targets scaled to a standard deviation of 1)"
    print(f"{counted(len(test), 'held-out example')}: {told(found)}{scaled}")
    if not trainer.progress.finished and _is_falling(records):
        on = f"handgrad train --resume {folder} --epochs {2 * len(records)}"
        print(f"  the loss was still falling: {on} goes on")
    for file, what in {
        "model.safetensors": "the network",
        "config.json": "how it was made",
        "metrics.jsonl": "figures of each epoch",
        "curves.svg": "loss and accuracy" if finished.classes is not None else "loss",
        name: "predicted against true",
    }.items():
        print(f"  {folder / file}  {what}")
    return found
