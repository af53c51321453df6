"""``handgrad train --seeds 5`` and ``--folds 5``: a training several times, mean and deviation."""

from __future__ import annotations

import argparse
import statistics
import sys
from pathlib import Path
from typing import Any

from handgrad.cli.side_by_side import LOG, Job, cores, run as run_jobs
from handgrad.files import read_json, write_json

SUMMARY = "summary.json"


def run(args: argparse.Namespace, given: list[str]) -> int:
    """Train for each seed or fold; ``given`` are the options as they were typed."""
    for name in ("resume", "hosts", "fold"):
        if getattr(args, name) is not None:
            raise ValueError(f"--seeds and --folds make trainings of their own, and take no --{name}")
    if args.seeds and args.folds:
        raise ValueError("--seeds and --folds are given one at a time")
    if args.source is None:
        raise ValueError("name the data to train on, such as digits")
    folder = args.out or Path("runs") / Path(args.source).stem
    common = without(given, "--seeds", "--folds", "--out", "--overwrite")
    about = {"options": common}
    check_room(folder, common, args.overwrite)
    write_json(folder / SUMMARY, about)
    if args.seeds:
        parts = {f"seed-{s}": ["--seed", str(s)] for s in range(args.seed, args.seed + args.seeds)}
        common = without(common, "--seed")
    else:
        parts = {f"fold-{i}": ["--fold", f"{i}/{args.folds}"] for i in range(1, args.folds + 1)}
    jobs = [Job(folder / name, [*common, *own, "--quiet"], is_done) for name, own in parts.items()]
    wrong = run_jobs(jobs, cores(), tell)
    for where, why in wrong.items():
        print(f"{where}: {why}", file=sys.stderr)
    if wrong:
        log = next(iter(wrong)) / LOG
        raise ValueError(f"{len(wrong)} of {len(jobs)} trainings failed; {log} says why")
    found = summary([figures_of(job.folder) for job in jobs])
    write_json(folder / SUMMARY, about | found)
    print(f"{len(jobs)} {'seeds' if args.seeds else 'folds'}: {told_spread(found)}")
    return 0


def tell(job: Job) -> None:
    print(f"{job.folder.name}: {told(figures_of(job.folder))}", flush=True)


def check_room(folder: Path, options: list[str], overwrite: bool) -> None:
    """Trainings of the same options go on; others are not overwritten by accident.

    Raises:
        ValueError: there are others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        before = read_json(folder / SUMMARY)["options"]
    except FileNotFoundError:
        return
    if before == options:
        return
    if not overwrite:
        raise ValueError(
            f"{folder} holds trainings with the options {' '.join(before)}: --overwrite replaces them, --out "
            f"names another folder"
        )
    from handgrad.train.folder import clear

    for inner in folder.iterdir():
        if inner.is_dir() and inner.name.startswith(("seed-", "fold-")):
            clear(inner)


def without(given: list[str], *names: str) -> list[str]:
    """Options as they were typed, but for some and their values."""
    kept, skips = [], False
    for word in given:
        if skips:
            skips = False
            continue
        name, is_joined, _ = word.partition("=")
        if name in names:
            skips = not is_joined and name != "--overwrite"
            continue
        kept.append(word)
    return kept


def is_done(folder: Path) -> bool:
    from handgrad.train.folder import FIGURES

    return (folder / FIGURES).exists()


def figures_of(folder: Path) -> dict[str, float]:
    from handgrad.train.folder import FIGURES

    return read_json(folder / FIGURES)


def summary(found: list[dict[str, float]]) -> dict[str, Any]:
    """Mean and standard deviation (n - 1) of each figure."""
    return {
        name: {
            "mean": statistics.mean(each[name] for each in found),
            "deviation": statistics.stdev(each[name] for each in found) if len(found) > 1 else 0.0,
            "all": [each[name] for each in found],
        }
        for name in found[0]
    }


def told(figures: dict[str, float]) -> str:
    from handgrad.cli.figures import told

    return told(figures)


def told_spread(found: dict[str, Any]) -> str:
    def said(name: str, figure: dict[str, float]) -> str:
        mean, deviation = figure["mean"], figure["deviation"]
        if "accuracy" in name:
            return f"{name} {100 * mean:.2f} ± {100 * deviation:.2f} %"
        return f"{name} {mean:.4g} ± {deviation:.2g}"

    return ", ".join(said(name, figure) for name, figure in found.items())
