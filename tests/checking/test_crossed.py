"""Right cases raise no alarm: every rule in every form."""

from __future__ import annotations

import pytest

from handgrad.checking.report import KINK
from tests.checking.crossed import FORMS, crossed, verdict


def alarms(pairs):
    said = {f"{form} {case.id}": verdict(form, case) for form, case in pairs}
    return {name: each for name, each in said.items() if each not in ("right", KINK)}


def test_rules_in_some_form_are_right():
    pairs = list(crossed(5000))[::125]
    assert {form for form, _ in pairs} == set(FORMS)
    assert alarms(pairs) == {}


@pytest.mark.slow
def test_none_of_5000_right_cases_raises_an_alarm():
    assert alarms(crossed(5000)) == {}
