"""The corpus put to the other checkers, and handgrad's answers beside theirs."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bench.check.common import count, fresh_entries, median_ms, one_line, progress, silence, some, table
from bench.check.ours import Judged, judge_entry
from bench.check.peers import PEERS, Peer
from bench.check.plain import BackwardFailed, CannotTake, is_float
from tests.checking.mutants.corpus import Entry

ABOUT_THE_GRADIENT = re.compile(r"gradient|cotangent|jacobian|backward|\bvjp|\bbwd", re.IGNORECASE)
ABOUT_ITSELF = re.compile(r"only supports|no vjp defined", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """What a peer said: accepts, objects or cannot take."""

    entry: Entry
    said: str
    why: str
    seconds: float


def put(peer: Peer, entry: Entry) -> Answer:
    """Ask a peer about an entry; what prepares the question does not count as its time."""
    began = time.perf_counter()
    try:
        _refuse(peer, entry)
        with silence():
            ask = peer.ask[entry.style](entry)
            np.random.seed(0)
            began = time.perf_counter()
            said, why = "objects" if ask() is False else "accepts", ""
    except CannotTake as error:
        said, why = "cannot take", str(error)
    except (BackwardFailed, AssertionError) as error:
        said, why = "objects", one_line(error)
    except Exception as error:
        about = ABOUT_THE_GRADIENT.search(str(error)) and not ABOUT_ITSELF.search(str(error))
        said, why = "objects" if about else "cannot take", one_line(error)
    return Answer(entry, said, why, time.perf_counter() - began)


def _refuse(peer: Peer, entry: Entry) -> None:
    if entry.causes and all(cause in peer.impossible for cause in entry.causes):
        raise CannotTake(peer.impossible[entry.causes[0]])
    if "dtype" in entry.causes and any(is_float(x) and np.asarray(x).dtype != float for x in entry.inputs()):
        raise CannotTake("asked in float64, as it wants to be, the mistake is not there")


def beside(limit: int | None) -> Iterator[str]:
    ours = {entry.name: judge_entry(entry) for entry in progress(_entries(limit), "handgrad for the peers")}
    answers = [
        (peer, [put(peer, entry) for entry in progress(_entries(limit, peer), peer.name)]) for peer in PEERS
    ]
    yield "\n## The same entries put to other checkers\n"
    yield (
        "Each in its default settings, in float64, gradients of first order in reverse. Counts of entries "
        "that the checker can take; *by handgrad*: how many of the same ones handgrad's calls wrong. "
        "An exception counts as detected where the backward raised it or its message is about the gradient. "
        "Among the right ones are some at a kink (a ReLU at 0, the maximum of equal elements). "
        "Times are medians.\n"
    )
    heads = "checker|mutants|detected|missed|by handgrad|right ones|false alarms|by handgrad|ms|handgrad's ms"
    yield from table(heads.split("|"), *(_row(name, found, ours) for name, found in answers))
    for peer, found in answers:
        taken = [answer for answer in found if answer.said != "cannot take"]
        missed = Counter(a.entry.causes[0] for a in taken if a.entry.causes and a.said == "accepts")
        yield f"\n**{peer.name}** missed, by cause: {_counted(missed)}."
        false = [f"`{a.entry.name}`" for a in taken if not a.entry.causes and a.said == "objects"]
        yield f"\nIts false alarms: {', '.join(false) or 'none'}."
        refused = Counter(answer.why for answer in found if answer.said == "cannot take")
        yield f"\nCannot take {refused.total()} of the corpus' entries in its styles: {_counted(refused)}."


def _entries(limit: int | None, peer: Peer | None = None) -> list[Entry]:
    entries = some(fresh_entries(), limit)
    return [entry for entry in entries if peer is None or entry.style in peer.ask]


def _row(peer: Peer, answers: list[Answer], ours: dict[str, Judged]) -> list:
    taken = [answer for answer in answers if answer.said != "cannot take"]
    wrong = [answer for answer in taken if answer.entry.causes]
    right = [answer for answer in taken if not answer.entry.causes]

    def objections(those: list[Answer]) -> tuple[int, int]:
        by_ours = count(those, lambda a: ours[a.entry.name].verdict == "wrong")
        return count(those, lambda a: a.said == "objects"), by_ours

    detected, we_detect = objections(wrong)
    alarms, our_alarms = objections(right)
    times = median_ms(a.seconds for a in taken), median_ms(ours[a.entry.name].seconds for a in taken)
    return [peer.name, len(wrong), detected, len(wrong) - detected, we_detect,
            len(right), alarms, our_alarms, *times]  # fmt: skip


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{what} {number}" for what, number in found.most_common()) or "none"
