"""What a check finds must not depend on how busy the machine is."""

import math

import pytest

from handgrad.checking.causes import repair
from handgrad.checking.trial import elements


@pytest.fixture(autouse=True)
def all_the_time_in_the_world(monkeypatch):
    monkeypatch.setattr(repair, "SECONDS", math.inf)
    monkeypatch.setattr(elements, "SECONDS", math.inf)
