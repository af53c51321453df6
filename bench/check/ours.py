"""handgrad's checker: over the mutants, and over everything that is right."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch

from bench.check.common import (
    count,
    fresh_entries,
    listed,
    median_ms,
    one_line,
    progress,
    silence,
    some,
    table,
)
from handgrad.checking import check
from tests.checking.crossed import RIGHT
from tests.checking.mutants.corpus import Entry
from tests.peers import torch_samples
from tests.rules.cases import Case


@dataclass(frozen=True)
class Judged:
    """What the checker said of one target; of its causes, the kinds, best first."""

    name: str
    verdict: str  # right, wrong, cannot tell or raised
    kinds: tuple[str, ...]
    said: str
    seconds: float


def judge(name: str, target: Any, inputs: Sequence, options: dict[str, Any] | None = None) -> Judged:
    began = time.perf_counter()
    try:
        with silence():
            report = check(target, *inputs, **(options or {}))
    except Exception as error:
        return Judged(name, "raised", (), one_line(error), time.perf_counter() - began)
    seconds = time.perf_counter() - began
    verdict = {True: "right", False: "wrong", None: "cannot tell"}[report.ok]
    said = " ".join(str([*report.causes, *report.doubts, report.verdict][0]).split())
    return Judged(name, verdict, tuple(cause.kind for cause in report.causes), said, seconds)


ANSWERS: dict[str, Judged] = {}  # of the corpus, by name: each entry is judged once


def judge_entry(entry: Entry) -> Judged:
    if entry.name not in ANSWERS:
        ANSWERS[entry.name] = judge(entry.name, entry.fresh(), entry.inputs(), entry.options)
    return ANSWERS[entry.name]


# The mutants.


def mutants(limit: int | None) -> Iterator[str]:
    entries = some([entry for entry in fresh_entries() if entry.causes], limit)
    shares = os.cpu_count() or 1
    with ProcessPoolExecutor(shares, multiprocessing.get_context("spawn")) as pool:
        for part in pool.map(_share_of_mutants, range(shares), [shares] * shares, [limit] * shares):
            ANSWERS.update(part)
    judged = [(entry, ANSWERS[entry.name]) for entry in entries]
    yield "\n## Wrong backward passes: handgrad over the corpus\n"
    yield (
        "Counts of mutants. *Detected*: the verdict is wrong. *Named right*: the first cause given is the "
        "mistake that was planted. *Cannot tell* and *raised* (an exception in place of a report) are not "
        "detected.\n"
    )
    styles = {entry.style: None for entry in entries}
    rows = [_row(style, [(e, j) for e, j in judged if e.style == style]) for style in styles]
    heads = "written as|mutants|detected|named right|named wrong|missed|cannot tell|raised|median ms".split(
        "|"
    )
    held_out = [(e, j) for e, j in judged if "held_out" in e.family]
    tuned_on = [(e, j) for e, j in judged if "held_out" not in e.family]
    parts = [_row("in total", judged), _row("of these: looked at while writing it", tuned_on)]
    if held_out:
        parts.append(_row("of these: held out, written by one who had not seen it", held_out))
    yield from table(heads, *rows, *parts)
    yield f"\n{sum(j.seconds for _, j in judged):.1f} seconds in total."
    yield from listed("Not detected", [f"{_planted(e)}: {j.verdict}{_why(j)}" for e, j in judged
                                       if j.verdict != "wrong"])  # fmt: skip
    yield from listed("Detected, and named wrong", [f"{_planted(e)}: {', '.join(j.kinds) or 'no cause'}"
                                                    for e, j in judged if _named_wrong(e, j)])  # fmt: skip


def _share_of_mutants(number: int, shares: int, limit: int | None) -> dict[str, Judged]:
    torch.set_num_threads(1)
    entries = some([entry for entry in fresh_entries() if entry.causes], limit)[slice(number, None, shares)]
    return {entry.name: judge_entry(entry) for entry in progress(entries, "mutants")}


def _row(name: str, judged: Sequence[tuple[Entry, Judged]]) -> list:
    verdicts = Counter(j.verdict for _, j in judged)
    detected = verdicts["wrong"]
    misnamed = count(judged, lambda pair: _named_wrong(*pair))
    others = [verdicts[verdict] for verdict in ("right", "cannot tell", "raised")]
    return [
        name,
        len(judged),
        detected,
        detected - misnamed,
        misnamed,
        *others,
        median_ms(j.seconds for _, j in judged),
    ]


def _named_wrong(entry: Entry, judged: Judged) -> bool:
    return judged.verdict == "wrong" and not (judged.kinds and judged.kinds[0] in entry.causes)


def _planted(entry: Entry) -> str:
    return f"`{entry.name}` ({' or '.join(entry.causes)})"


def _why(judged: Judged) -> str:
    return f", {judged.said}" if judged.verdict == "raised" else ""


# Right ones.

ENTRIES, RULES, TORCH = "right ones of the corpus", "handgrad's rules", "PyTorch's operations"


def right(limit: int | None) -> Iterator[str]:
    """Judged by as many processes as there are cores, each a share."""
    shares = os.cpu_count() or 1
    with ProcessPoolExecutor(shares, multiprocessing.get_context("spawn")) as pool:
        parts = list(pool.map(_share, range(shares), [shares] * shares, [limit] * shares))
    groups = {
        name: [judged for part, _ in parts for judged in part[name]] for name in (ENTRIES, RULES, TORCH)
    }
    ANSWERS.update({judged.name: judged for judged in groups[ENTRIES]})
    skipped = sum((skipped for _, skipped in parts), Counter())
    operations = {judged.name.rpartition("-")[0] for judged in groups[TORCH]}
    groups["in total"] = [judged for group in list(groups.values()) for judged in group]
    yield "\n## Right backward passes: false alarms of handgrad\n"
    yield f"Counts of cases. *False alarm*: the verdict is wrong. Seconds with {shares} checks at a time.\n"
    heads = "|cases|right|false alarms|cannot tell|raised|median ms|seconds".split("|")
    yield from table(heads, *(_right_row(name, group) for name, group in groups.items()))
    for title, verdict in {"False alarms": "wrong", "Cannot tell": "cannot tell", "Raised": "raised"}.items():
        yield from listed(
            title, [f"`{j.name}`: {j.said}" for j in groups["in total"] if j.verdict == verdict]
        )
    yield (
        f"\nPyTorch's are {len(operations)} operations of its own test database on its own samples, at most "
        f"{torch_samples.PER_OPERATION} each, all accepted by `gradcheck` (slow mode). Left out, "
        "with counts:\n"
    )
    yield from table(("", "count"), *sorted(skipped.items()))
    for name, why in torch_samples.KNOWN_WRONG.items():
        yield f"\nWrong indeed: `{name}`, found on the way: {why}."


def _share(number: int, shares: int, limit: int | None) -> tuple[dict[str, list[Judged]], Counter[str]]:
    """Every so many-th right case, judged, and why some of PyTorch's are not among them."""
    torch.set_num_threads(1)
    share = slice(number, None, shares)
    entries = some([entry for entry in fresh_entries() if not entry.causes], limit)[share]
    judged = {
        ENTRIES: [judge_entry(entry) for entry in progress(entries, ENTRIES)],
        RULES: [_judge_rule(case) for case in progress(some(RIGHT, limit)[share], RULES)],
    }
    skipped: Counter[str] = Counter()
    cases = some(list(torch_samples.cases(skipped, part=share)), limit and limit // shares)
    known = [case for case in cases if case.name.rpartition("-")[0] in torch_samples.KNOWN_WRONG]
    skipped["samples: wrong indeed, though gradcheck's tolerance accepts them"] = len(known)
    cases = [case for case in cases if case not in known]
    accepted = [case for case in progress(cases, "gradcheck") if case.right]
    skipped["samples: gradcheck does not accept them"] = len(cases) - len(accepted)
    judged[TORCH] = [judge(case.name, case.f, case.inputs) for case in progress(accepted, TORCH)]
    return judged, skipped


def _judge_rule(case: Case) -> Judged:
    def target(*xs: Any) -> tuple:
        return case.rule.vjp(*xs, **case.options)

    return judge(case.id, target if case.options else case.rule, case.inputs())


def _right_row(name: str, group: Sequence[Judged]) -> list:
    verdicts = Counter(judged.verdict for judged in group)
    counts = [verdicts[verdict] for verdict in ("right", "wrong", "cannot tell", "raised")]
    seconds = [judged.seconds for judged in group]
    return [name, len(group), *counts, median_ms(seconds), f"{sum(seconds):.0f}"]
