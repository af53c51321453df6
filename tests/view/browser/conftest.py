"""One browser for each worker, one context for each test; where there is none, tests skip, but not in CI."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from .networks import graphs, picture
from .window import Window

ROOT = Path(__file__).parents[3]
AXE = ROOT / ".venv/axe/node_modules/axe-core/axe.min.js"
NAMES = ("chromium", "chromium-browser", "google-chrome")
ARGS = ("--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")


def missing(what):
    """Skip, saying what is missing; where it has to be there, fail."""
    if os.environ.get("CI"):
        pytest.fail(f"{what}, and CI is set")
    pytest.skip(what)


def executable():
    """The browser that is driven, if there is one."""
    return os.environ.get("HANDGRAD_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@pytest.fixture(scope="session")
def browser():
    path = executable()
    if path is None:
        missing("no chromium is installed, and HANDGRAD_CHROMIUM names none")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def axe():
    """The source of axe-core, which `make` installs where there is npm."""
    if not AXE.exists():
        missing("axe-core is not installed: make installs it where there is npm")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="session")
def pages(tmp_path_factory):
    """The file of a page by its name, written once for all workers."""
    base = tmp_path_factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def file(name):
        path = folder / f"page-{name}.html"
        return path if path.exists() else picture(name).save(path)

    return file


@pytest.fixture
def opened(browser, pages):
    """Opens pages by name, and all boxes where these are few enough.

    However the test went, none may have complained or asked for anything.
    """
    contexts, windows = [], []

    def open_page(name, width=1280, height=800, as_it_opens=False, **options):
        contexts.append(browser.new_context(viewport={"width": width, "height": height}, **options))
        windows.append(Window(contexts[-1].new_page(), pages(name)))
        if not as_it_opens and not graphs(name)[0].folded:
            windows[-1].press("o")
        return windows[-1]

    yield open_page
    for context in contexts:
        context.close()
    for window in windows:
        assert window.complaints == []
        assert window.requests == [window.url]
