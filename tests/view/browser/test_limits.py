"""Arrays of every size, and pages that would be too large."""

import re

import numpy as np
import pytest

import handgrad as hg
from handgrad.view import show
from handgrad.view.pages import TooLarge

from .networks import graphs, picture


def leaf(window, name):
    number = next(a.number for a in graphs("oddities")[0].arrays if a.name == name)
    window.act(f"l{number}")


def test_a_million_numbers_are_kept_as_means_and_the_table_says_so(opened):
    window = opened("oddities")
    leaf(window, "big")
    window.open_table("big")
    notice = window.page.locator("dialog[open] .notice").text_content()
    kept = int(
        re.fullmatch(r"1,000,000 numbers, kept as ([\d,]+) means of blocks", notice)[1].replace(",", "")
    )
    assert 60_000 < kept <= 65_536
    big = next(a.value for a in graphs("oddities")[0].arrays if a.name == "big")
    side = round(kept**0.5)
    starts = np.arange(side) * 1000 // side
    block = big[: starts[1], : starts[1]].astype(float)
    assert float(window.cells()[0][0]) == pytest.approx(np.mean(block), rel=1e-6)


def test_the_histogram_of_means_ends_where_they_do(opened):
    window = opened("oddities")
    leaf(window, "big")
    window.open_table("big")
    window.bins()
    side = 256
    starts = np.arange(side) * 1000 // side
    big = next(a.value for a in graphs("oddities")[0].arrays if a.name == "big").astype(float)
    sums = np.add.reduceat(np.add.reduceat(big, starts), starts, axis=1)
    counts = np.diff(starts, append=1000)
    means = sums / np.outer(counts, counts)
    ends = [float(text) for text in window.page.locator("dialog[open] figure text").all_text_contents()]
    assert ends == pytest.approx([means.min(), means.max()], rel=1e-5)


def test_what_is_whole_has_no_notice(opened):
    window = opened("oddities")
    leaf(window, "weird")
    window.open_table("weird")
    assert window.page.locator("dialog[open] .notice").count() == 0


def test_one_element_of_many_axes(opened):
    window = opened("oddities")
    leaf(window, "one")
    window.open_table("one")
    assert window.cells() == [["1"]]
    assert "(1, 1, 1)" in window.page.locator("dialog[open] h2").text_content()
    assert window.bins() == [1, *[0] * 39]


def test_an_empty_array(opened):
    window = opened("oddities")
    leaf(window, "none")
    assert "0 × 3" in window.panel()
    window.open_table("none")
    assert window.cells() == []


def test_the_histogram_of_nothing(opened):
    window = opened("oddities")
    leaf(window, "none")
    window.open_table("none")
    assert sum(window.bins()) == 0
    assert window.complaints == []


def test_the_histogram_counts_what_is_finite(opened):
    window = opened("oddities")
    leaf(window, "weird")
    window.open_table("weird")
    assert window.bins() == [2, *[0] * 38, 1]


def test_integers(opened):
    window = opened("batch")
    graph = graphs("batch")[0]
    number = next(a.number for a in graph.arrays if a.name == "t")
    window.act(f"l{number}")
    window.open_table("t")
    assert [int(cell) for row in window.cells() for cell in row] == graph.arrays[number].value.tolist()
    assert "int" in window.page.locator("dialog[open] h2").text_content()


def test_a_page_that_would_be_too_large_says_by_how_much():
    with pytest.raises(TooLarge, match=r"the page would be 0\.\d MB, and its limit is 0\.0 MB: show a part"):
        picture("batch").html(limit=1_000)


def test_a_limit_reduces_arrays_before_it_refuses():
    whole = show(lambda x: hg.sum(hg.tanh(x)), np.random.default_rng(0).normal(size=(300, 300)), check=0)
    limit = 400_000
    assert len(whole.html()) > limit
    assert len(whole.html(limit=limit)) <= limit
