"""``handgrad train FILE.txt --model gpt``, and ``evaluate``: networks that say which symbol comes next."""

from __future__ import annotations

import argparse
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.cli.faults import about
from handgrad.cli.hosts import folder_for
from handgrad.cli.train_options import NOT_OPTIONS, check_nothing_else_changes, training_of
from handgrad.data.errors import counted
from handgrad.train.text import TextRun, build_text, load_text_run

OF_OTHERS = "target task drop impute resize fit hidden activation batch_norm show patience".split()
Parts = dict[str, tuple[np.ndarray, np.ndarray]]


def train(args: argparse.Namespace, folder: Path) -> int:
    """Train anew, into a folder of which it is known that there is room."""
    from handgrad.cli.train import check_devices, resumable, usual_epochs
    from handgrad.data.text import Alphabet, read_text
    from handgrad.train.folder import clear

    check_options(args)
    text = read_text(args.source)
    with about(args.source):
        alphabet = Alphabet.of(text, args.symbols)
        parts = text_parts(vars(args), alphabet)
    args.epochs = args.epochs or usual_epochs(len(parts["train"][0]), args.batch_size)
    network = {
        "model": args.model,
        "symbols": len(alphabet),
        "length": args.length,
        "dropout": args.dropout,
        "dtype": args.dtype,
    }
    options = {key: value for key, value in vars(args).items() if key not in NOT_OPTIONS}
    if Path(args.source).exists():
        options["source"] = str(Path(args.source).resolve())
    started = TextRun(network, alphabet, options, build_text(network, args.seed))
    check_devices(started, len(parts["train"][0]), args)
    with folder_for(args, folder) as is_ours, resumable(folder):
        if is_ours:
            clear(folder)
            started.save_config(folder)
        return _train(started, parts, folder, args, resume=False)


def resume(args: argparse.Namespace) -> int:
    """Go on with a training on text."""
    from handgrad.cli.train import changed, resumable
    from handgrad.train.folder import CHECKPOINT

    check_nothing_else_changes(args)
    folder = args.resume
    with folder_for(args, folder) as is_ours, resumable(folder):
        started: Any = changed(training_of(folder, load_text_run), args)
        with about(started.training["source"]):
            parts = text_parts(started.training, started.alphabet)
        if is_ours:
            started.save_config(folder)
        return _train(started, parts, folder, args, resume=(folder / CHECKPOINT).exists())


def check_options(args: argparse.Namespace) -> None:
    """Refuse options that mean nothing for text.

    Raises:
        ValueError: there is one.
    """
    from handgrad.cli import parser

    usual = vars(parser().parse_args(["train"]))
    for name in OF_OTHERS:
        if getattr(args, name) != usual[name]:
            raise ValueError(f"--{name.replace('_', '-')} means nothing for text, which {args.model} is of")


def text_parts(options: dict[str, Any], alphabet: Any) -> Parts:
    """Blocks of the text, and what comes after each place: to train on, and from its end held out."""
    from handgrad.data.text import blocks, read_text, split_text

    numbers = alphabet.encode(read_text(options["source"]))
    parts = split_text(numbers, options["test"], options["length"])
    return {n: blocks(part, options["length"]) for n, part in zip(("train", "test"), parts, strict=True)}


def evaluate(args: argparse.Namespace) -> int:
    """Print how well a network foresees a text; of the one that it was trained on, what was held out."""
    from handgrad.cli.train import trainer_of
    from handgrad.data.text import blocks, read_text, split_text

    trained = load_text_run(args.folder)
    options, length = trained.training, trained.network["length"]
    is_own = str(args.source) == options["source"] or str(Path(args.source).resolve()) == options["source"]
    with about(args.source):
        if args.target is not None:
            raise ValueError("--target means nothing for text")
        numbers = trained.alphabet.encode(read_text(args.source))
        if is_own and not args.all:
            numbers = split_text(numbers, options["test"], length)[1]
        if len(numbers) <= length:
            raise ValueError(f"{len(numbers):,} symbols are too few: a block is of {length:,} and one after")
    x, t = blocks(numbers, length)
    figures = trainer_of(trained, len(x)).evaluate(x, t)
    print(_told(x.size, " held-out" * (is_own and not args.all), f" of {args.source}", figures))
    return 0


def _told(symbols: int, which: str, of: str, figures: dict[str, float]) -> str:
    loss, accuracy = figures["loss"], figures["accuracy"]
    told = f"loss {loss:.4f}, {loss / math.log(2):.3f} bits each, {100 * accuracy:.1f} % foreseen"
    return f"{symbols:,}{which} symbols{of}: {told}"


def _train(started: TextRun, parts: Parts, folder: Path, args: argparse.Namespace, resume: bool) -> int:
    from handgrad import view
    from handgrad.cli.train import trainer_of
    from handgrad.files import write_atomically
    from handgrad.train import Interrupted

    options = started.training
    trainer = trainer_of(
        started, len(parts["train"][0]), out=folder, checkpoint_seconds=args.checkpoint_seconds,
        progress=not args.quiet, mesh=args.mesh, sharding=args.sharding,
    )  # fmt: skip
    if not args.quiet:
        _introduce(started, parts)
    args.joined.wait("the folder is ready")
    try:
        records = trainer.fit(
            *parts["train"],
            epochs=options["epochs"],
            batch_size=options["batch_size"],
            validation=parts["test"],
            resume=resume,
        )
    except Interrupted:
        raise KeyboardInterrupt(
            f"stopped after step {trainer.progress.step}; handgrad train --resume {folder} goes on from there"
        ) from None
    if not args.joined.is_first:
        return 0
    started.save_model(folder)
    title = f"{Path(options['source']).name}: {counted(len(records), 'epoch')}"
    write_atomically(folder / "curves.svg", view.curves(records, title))
    _tell(started, records[-1], parts, folder)
    return 0


def _introduce(started: TextRun, parts: Parts) -> None:
    from handgrad.train.trainer import batch_count

    options, characters = started.training, started.alphabet.characters
    sizes = {name: x.size for name, (x, _) in parts.items()}
    print(
        f"{options['source']}: {sizes['train']:,} symbols to train on, {sizes['test']:,} held out at its end"
    )
    kinds = "the 256 bytes" if characters is None else f"{len(characters)} characters: {characters!r}"
    steps = batch_count(len(parts["train"][0]), options["batch_size"])
    print(
        f"  {kinds}\n\n{started.net}\n\n{counted(options['epochs'], 'epoch')} of {counted(steps, 'step')}\n"
    )


def _tell(finished: TextRun, record: dict[str, Any], parts: Parts, folder: Path) -> None:
    figures = {name: record[f"validation_{name}"] for name in ("loss", "accuracy")}
    print(_told(parts["test"][0].size, " held-out", "", figures))
    prompt = parts["test"][0][0]
    written = itertools.islice(finished.numbers(prompt, temperature=0.8), 200)
    print("\n" + "".join(finished.alphabet.decode([*prompt, *written])).strip() + "\n")
    for file, what in {
        "model.safetensors": "the network",
        "config.json": "how it was made",
        "metrics.jsonl": "figures of each epoch",
        "curves.svg": "loss and accuracy",
    }.items():
        print(f"  {folder / file}  {what}")
    print(f'handgrad sample {folder} --prompt "..." writes more')
