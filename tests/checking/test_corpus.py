"""The corpus: every wrong backward is found, every right one is left alone, and most are named."""

from __future__ import annotations

import importlib.util

import pytest

from handgrad.checking import check
from tests.checking.mutants import corpus, named

MISSING = [name for name in ("torch", "jax") if importlib.util.find_spec(name) is None]
ENTRIES = corpus.load(*MISSING)
NEW = "python -m tests.checking.mutants.named writes the kinds as they are named now"
STORED = named.stored()
EVERY = 6  # of which one is run by make test, all by make test-all


def parameters(entries):
    return [
        pytest.param(entry, id=entry.name, marks=() if i % EVERY == 0 else pytest.mark.slow)
        for i, entry in enumerate(entries)
    ]


def examined(entry):
    return check(entry.fresh(), *entry.inputs(), **entry.options)


def test_the_corpus_is_large_and_varied():
    mutants = [entry for entry in ENTRIES if entry.causes]
    assert len(mutants) >= 150
    assert {cause for entry in mutants for cause in entry.causes} == set(corpus.CAUSES)
    for style in {"pair", "class", "torch", "jax"} - set(MISSING):
        assert sum(entry.style == style for entry in mutants) >= 20


@pytest.mark.parametrize("entry", parameters([e for e in ENTRIES if e.causes]))
def test_a_wrong_backward_is_found(entry):
    report = examined(entry)
    assert report.ok is False, str(report)
    assert report.causes
    assert report.causes[0].sentence in " ".join(str(report).split()) or report.parts
    if entry.name in STORED:
        assert named.kinds_of(entry, report) == STORED[entry.name], NEW


@pytest.mark.parametrize("entry", parameters([e for e in ENTRIES if not e.causes]))
def test_a_right_backward_is_left_alone(entry):
    report = examined(entry)
    assert report.ok is True, str(report)


@pytest.mark.slow
def test_most_are_named_and_of_those_held_out_too():
    mutants = [entry for entry in ENTRIES if entry.causes]
    right = {e.name: e.has_kinds(set(named.kinds_of(e, examined(e)).split(", "))) for e in mutants}
    held_out = [right[entry.name] for entry in mutants if "held_out" in entry.family]
    assert sum(right.values()) >= 0.95 * len(right)
    assert sum(held_out) >= 0.8 * len(held_out)
