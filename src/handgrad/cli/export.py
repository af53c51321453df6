"""``handgrad export``: a trained network, and a step of its training, for others to run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.cli.options import positive

HELP = "write a network as WebAssembly, as an object file for C, as a file of NumPy, or for ONNX"
DESCRIPTION = """Write the network of a finished training to files that run without handgrad:
  wasm    a WebAssembly module and loader.mjs, for browsers and node
  object  an object file and a header, for C
  source  one file of NumPy, forward, backward and update, which reads from top to bottom, and its
          numbers in an .npz; run by itself it makes 20 steps
  onnx    a model for onnxruntime and others (needs handgrad[onnx]), of any number of examples at once
What is written takes as many examples as --batch says: raw, as they are in the data, of a table the prepared
features. With --step it is a step of the training, on a mini-batch."""
EXAMPLE = """examples:
  handgrad export runs/digits --to wasm
  handgrad export runs/digits --to object --target neon -o digits.o
  handgrad export runs/digits --to source -o digits.py
  handgrad export runs/digits --to onnx"""
ENDINGS = {"wasm": ".wasm", "object": ".o", "source": ".py", "onnx": ".onnx"}
TARGETS = ("sse2", "avx2", "avx512", "neon")


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser(
        "export",
        help=HELP,
        usage="handgrad export RUN --to wasm|object|source|onnx [options]",
        description=DESCRIPTION,
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    option = made.add_argument
    option("folder", type=Path, metavar="RUN", help="the folder of a finished training")
    option("--to", choices=list(ENDINGS), required=True, help="what to write")
    option("--step", action="store_true", help="a step of the training, not the network (source has both)")
    option("--batch", type=positive, metavar="N", help="examples at once (default 1; of a step, as trained)")
    option(
        "--target", choices=TARGETS,
        help="of an object file: sse2 (any x86-64, the default), avx2, avx512, or neon (AArch64)",
    )  # fmt: skip
    option("--out", "-o", type=Path, metavar="FILE", help="where to (default: in RUN)")
    return made


def run(args: argparse.Namespace) -> int:
    from handgrad.engine.exporting import write
    from handgrad.engine.targets.here import elsewhere
    from handgrad.train import load_run
    from handgrad.train.exporting import prediction

    if args.target and args.to != "object":
        raise ValueError("--target is of an object file: write --to object")
    if args.to == "source" and args.step:
        raise ValueError("--to source has the step beside the network: leave --step out")
    if args.to == "onnx" and args.step:
        raise ValueError("--to onnx writes the network alone: leave --step out, or write --to source")
    ending = ENDINGS[args.to]
    if args.out is not None and args.out.suffix != ending:
        raise ValueError(f"--out {args.out}: the file of --to {args.to} ends in {ending}")
    if args.out is not None and not args.out.parent.is_dir():
        raise ValueError(f"--out: there is no folder {args.out.parent}")
    trained = load_run(args.folder)
    if args.to == "source":
        files = source_files(args, trained)
    elif args.to == "onnx":
        files = onnx_files(args, trained)
    else:
        made = trained_step(args, trained)[0] if args.step else prediction(trained, args.batch or 1)
        path = args.out or args.folder / f"{made.name}{ending}"
        files = write(made, path, elsewhere(args.target) if args.target else None)
    for file in files:
        print(f"{file.stat().st_size:>12,} bytes in {file}")
    return 0


def onnx_files(args: argparse.Namespace, trained: Any) -> list[Path]:
    from handgrad.files import write_atomically
    from handgrad.train.exporting import onnx_model

    path = args.out or args.folder / "predict.onnx"
    write_atomically(path, onnx_model(trained, args.batch))
    return [path]


def trained_step(args: argparse.Namespace, trained: Any) -> tuple[Any, Any, Any]:
    """A step of a run's training, which goes on from its network, and the first mini-batch."""
    from handgrad.cli.explain import trained_on
    from handgrad.cli.train import trainer_of
    from handgrad.train.exporting import step

    started, x, t = trained_on(args.folder)
    size = min(args.batch or trained.training["batch_size"], len(x))
    started.net.load_parameters(trained.net.parameters())
    started.net.load_states(trained.net.states())
    trainer = trainer_of(started, len(x))
    first = np.arange(size)
    x, t = trainer.cast(x[first]), trainer.cast(t[first])
    about = f"a step of {trainer.optimiser!r} on {size} x {trained.training['source']}, prepared"
    return step(trainer, trainer.progress, x, t, about), x, t


def source_files(args: argparse.Namespace, trained: Any) -> list[Path]:
    """The network and a step of its training as one file, and all their numbers as another."""
    from handgrad.cli.train import base_rate
    from handgrad.files import write_atomically
    from handgrad.train.exporting import prediction, source

    made, x, t = trained_step(args, trained)
    network = prediction(trained, len(x), brings_parameters=False)
    path = args.out or args.folder / "network.py"
    files = source(network, made, x, t, base_rate(trained.training), path)
    for file, content in files.items():
        write_atomically(file, content)
    return list(files)
