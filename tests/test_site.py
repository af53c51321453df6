"""The site, as `make docs` builds it: strict, whole, without the network, and found by its search.

The tests skip where the extra `docs` is not installed, or `make lessons` has not run.
"""

import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest

pytest.importorskip("mkdocs")
pytest.importorskip("mkdocstrings")

ROOT = Path(__file__).parent.parent
FETCHED = re.compile(r"<(?:script|img|iframe|link)[^>]*?(?:src|href)=\"?(https?:[^\" >]*)")
OUTWARDS = re.compile(r"<a [^>]*href=\"?(https?:[^\" >]*)")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    if not any((ROOT / "build" / "lessons").glob("en/*.md")):
        pytest.skip("make lessons has not run")
    folder = tmp_path_factory.mktemp("site")
    built = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", folder],
        cwd=ROOT,
        env=os.environ | {"NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site):
    return {file.relative_to(site).as_posix(): file.read_text("utf-8") for file in site.rglob("*.html")}


@pytest.fixture
def browser():
    api = pytest.importorskip("playwright.sync_api")
    with api.sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path="/usr/bin/chromium")
        except api.Error:
            pytest.skip("there is no chromium")
        yield opened
        opened.close()


def test_every_public_name_has_its_place(pages):
    reference = loaded_reference()
    for page in reference.pages():
        for at in (page, *page.of_each):
            html = pages[at.file.removesuffix(".md") + ".html"]
            for entry in at.entries:
                assert f'id="{entry.path}"' in html, entry.shown
                assert f'#{entry.path}"' in pages["reference/index.html"], entry.shown


def test_nothing_is_fetched_and_links_outwards_are_links(pages):
    for name, html in pages.items():
        if "-cell-" in name:
            continue  # a page of handgrad's own, which has tests
        assert FETCHED.findall(re.sub(r'<link rel="?canonical[^>]*>', "", html)) == [], name
        for link in OUTWARDS.findall(html):
            parts = urlsplit(link)
            assert parts.scheme in ("http", "https"), (name, link)
            assert re.fullmatch(r"[\w.-]+\.\w+", parts.hostname), (name, link)


def test_both_languages_have_every_lesson(pages):
    english, chinese = (
        {n.rpartition("/")[2] for n in pages if f"learn/{lang}/" in n} for lang in ("en", "zh")
    )
    assert english == chinese
    assert "1-by-hand.html" in english
    assert "<math" in pages["learn/zh/3-cross-entropy.html"]
    assert "$$" not in pages["learn/zh/3-cross-entropy.html"]


@pytest.mark.parametrize("width", [1280, 390])
def test_the_search_finds_a_rule_by_its_words(site, browser, width):
    page = browser.new_page(viewport={"width": width, "height": 800})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"file://{site}/index.html")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.evaluate("document.querySelector('#__search').click()")
    page.evaluate("document.querySelector('input.md-search__input').focus()")
    page.keyboard.type("cross entropy")
    page.wait_for_selector(".md-search-result__item h1", timeout=20_000)
    page.wait_for_timeout(500)  # the results are listed anew while one types
    found = [title.inner_text() for title in page.locator(".md-search-result__item h1").all()]
    assert "softmax_cross_entropy" in found[:4]
    assert all(url.startswith(("file:", "data:", "blob:")) for url in asked)


def loaded_reference():
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    try:
        import reference
    finally:
        sys.path.pop(0)
    return reference
