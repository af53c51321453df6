import functools

import pytest

import handgrad.engine


@pytest.fixture
def use_threads(monkeypatch):
    """Says with how many threads a training's steps are made, however small they are."""
    code = handgrad.engine.Code

    def use(count):
        monkeypatch.setattr(handgrad.engine, "Code", functools.partial(code, workers=count))

    return use
