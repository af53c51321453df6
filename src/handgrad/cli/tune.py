"""``handgrad tune``: which options train best? Random search, with successive halving."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.cli.options import natural, positive
from handgrad.cli.several import without
from handgrad.cli.side_by_side import Job, cores, run as run_jobs
from handgrad.data.errors import counted
from handgrad.files import read_json, read_jsonl, write_json

HELP = "search for good options of a training"
DESCRIPTION = """Draw options at random, train with each, and tell which is best by the loss of a validation
part, which is held out of the training part; the test part is not looked at. One process a core. All options
of handgrad train may be given as well. A search that was stopped goes on by the same command.

--vary NAME=LOW..HIGH draws a number, by its logarithm where HIGH is ten times LOW or more;
--vary NAME=A|B|C one of these; NAME= and nothing before a | stands for an empty value.
With --halving 3 all train for a ninth of the epochs, the better third goes on to a third of them, and the
better third of these to the end."""
EXAMPLES = """examples:
  handgrad tune digits --vary lr=1e-4..1e-1 --vary "hidden=32|64|64,64" --trials 12
  handgrad tune houses.csv --target price --vary lr=1e-4..1e-2 --vary dropout=0..0.5 --halving 3"""
PLAN = "plan.json"


def add(commands: Any) -> argparse.ArgumentParser:
    made = commands.add_parser(
        "tune",
        help=HELP,
        usage="handgrad tune DATA --vary NAME=VALUES [options] [options of handgrad train]",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    made.add_argument("source", metavar="DATA", help="what handgrad train takes")
    made.add_argument("--vary", action="append", metavar="NAME=VALUES", required=True, help="what is drawn")
    made.add_argument("--trials", type=positive, default=16, metavar="N", help="how many (default 16)")
    made.add_argument("--halving", type=positive, default=1, metavar="K", help="keep one of K, twice")
    made.add_argument("--epochs", type=positive, default=27, metavar="N", help="of the last (default 27)")
    made.add_argument("--draw-seed", type=natural, default=0, metavar="N", help="of what is drawn")
    made.add_argument("--out", type=Path, metavar="FOLDER", help="(default runs/ and the data's name -tuned)")
    made.set_defaults(takes_rest=True)
    return made


def run(args: argparse.Namespace) -> int:
    folder = args.out or Path("runs") / f"{Path(args.source).stem}-tuned"
    drawn = draws(args.vary, args.trials, args.draw_seed)
    rest = args.rest if "--validation" in args.rest else [*args.rest, "--validation", "0.2"]
    check_rest(args, rest, drawn[0])
    asked = {"source": args.source, "rest": rest, "epochs": args.epochs, "halving": args.halving}
    keep_plan(folder, asked | {"drawn": drawn})
    left = list(range(len(drawn)))
    for epochs in rungs(args.epochs, args.halving):
        jobs = {i: job(folder, i, drawn[i], args.source, rest, epochs) for i in left}
        print(f"{counted(len(left), 'trial')} to epoch {epochs}")

        def tell(done: Job, epochs: int = epochs) -> None:
            print(f"  {told(done.folder, epochs, drawn)}", flush=True)

        wrong = run_jobs(list(jobs.values()), cores(), tell)
        for where, why in wrong.items():
            print(f"  {where.name}: {why}", file=sys.stderr)
        finished = [i for i in left if jobs[i].folder not in wrong]
        if not finished:
            raise ValueError(f"no trial could be trained; {jobs[left[0]].folder / 'log.txt'} says why")
        left = sorted(finished, key=lambda i: loss_of(trial(folder, i), epochs))
        if epochs < args.epochs:
            left = left[: max(1, len(left) // args.halving)]
    best = trial(folder, left[0])
    print(f"best: {told(best, args.epochs, drawn)}")
    print(f"  {best}  handgrad evaluate, predict and show take it")
    options = " ".join(f"--{name} '{value}'" for name, value in drawn[left[0]].items())
    print(f"  handgrad train {args.source} {' '.join(args.rest)} {options} --epochs {args.epochs}")
    return 0


def check_rest(args: argparse.Namespace, rest: list[str], drawn: dict[str, str]) -> None:
    """Let the command say at once what it does not take."""
    from handgrad.cli import parsed

    own = ("--out", "--resume", "--epochs", "--overwrite", "--seeds", "--folds", "--quiet")
    for word in rest:
        if word.partition("=")[0] in own:
            raise ValueError(f"{word} is the search's own: a trial has none")
    made = parsed(["train", args.source, *rest, *spelled(drawn)])
    if args.halving > 1 and made.schedule != "constant":
        raise ValueError("--halving trains on for longer, so the schedule is constant")


def draws(vary: list[str], trials: int, seed: int) -> list[dict[str, str]]:
    """What each trial has, by the name of the option.

    Raises:
        ValueError: a range that is none.
    """
    rng = np.random.default_rng(seed)
    wanted = dict(name_and_values(text) for text in vary)
    return [{name: drawn(values, rng) for name, values in wanted.items()} for _ in range(trials)]


def name_and_values(text: str) -> tuple[str, str]:
    name, sign, values = text.removeprefix("--").partition("=")
    if not sign or not name:
        raise ValueError(f"--vary is NAME=LOW..HIGH or NAME=A|B|C, not {text!r}")
    return name, values


def drawn(values: str, rng: np.random.Generator) -> str:
    low_text, is_range, high_text = values.partition("..")
    if not is_range:
        choices = values.split("|")
        return choices[int(rng.integers(len(choices)))]
    try:
        low, high = float(low_text), float(high_text)
    except ValueError:
        raise ValueError(f"--vary: {values!r} is no range of numbers, such as 1e-4..1e-1") from None
    if not low < high:
        raise ValueError(f"--vary: {values!r} begins where it should end")
    whole = low_text.isdecimal() and high_text.isdecimal()
    if low > 0 and high >= 10 * low:
        number = math.exp(rng.uniform(math.log(low), math.log(high)))
    else:
        number = rng.uniform(low, high)
    return str(round(number)) if whole and high - low > 1 else f"{number:.4g}"


def spelled(options: dict[str, str]) -> list[str]:
    """Options for a command line; ``yes`` and ``no`` of those without a value."""
    words = []
    for name, value in options.items():
        if value != "no":
            words += [f"--{name}"] if value == "yes" else [f"--{name}", value]
    return words


def rungs(epochs: int, halving: int) -> list[int]:
    """At which epochs the trials are compared."""
    if halving == 1:
        return [epochs]
    return sorted({max(1, epochs // halving**2), max(1, epochs // halving), epochs})


def keep_plan(folder: Path, plan: dict[str, Any]) -> None:
    """Write the plan down, or compare it with that of a search that is there.

    Raises:
        ValueError: another search is.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        before = read_json(folder / PLAN)
    except FileNotFoundError:
        write_json(folder / PLAN, plan)
        return
    if before != plan:
        raise ValueError(f"{folder} holds another search: name another folder with --out")


def trial(folder: Path, i: int) -> Path:
    return folder / f"trial-{i:03}"


def job(folder: Path, i: int, options: dict[str, str], source: str, rest: list[str], epochs: int) -> Job:
    count = ["--epochs", str(epochs)]
    return Job(
        trial(folder, i),
        [source, *without(rest, *(f"--{name}" for name in options)), *spelled(options), *count, "--quiet"],
        lambda where: is_trained(where, epochs),
        [*count, "--quiet"],
    )


def is_trained(folder: Path, epochs: int) -> bool:
    """Whether it has its model, and so many epochs, or stopped early."""
    from handgrad.train.folder import CHECKPOINT, MODEL

    try:
        saved = read_json(folder / CHECKPOINT)
        return (folder / MODEL).exists() and (saved["epoch"] >= epochs or saved["finished"])
    except (OSError, ValueError, KeyError):
        return False


def loss_of(folder: Path, epochs: int) -> float:
    """The least loss of the validation part in so many epochs."""
    from handgrad.train.folder import METRICS

    losses = [record.get("validation_loss") for record in read_jsonl(folder / METRICS)[:epochs]]
    return min((loss for loss in losses if loss is not None and math.isfinite(loss)), default=math.inf)


def told(folder: Path, epochs: int, drawn: list[dict[str, str]]) -> str:
    options = drawn[int(folder.name.removeprefix("trial-"))]
    return f"{folder.name}  validation loss {loss_of(folder, epochs):.4g}  " + "  ".join(
        f"{name} {value}" for name, value in options.items()
    )
