"""Graphs as text."""

import re
import unicodedata

import pytest

import handgrad as hg
from handgrad.view.checking import WRONG, Verdict
from handgrad.view.recording import record
from handgrad.view.summary import summary
from handgrad.view.tree import BACKWARD, FORWARD, columns, fitted, tree
from tests.view import graphs


def test_apples():
    assert tree(graphs.of_apples(), colour=False).splitlines() == [
        "apples                          value  gradient",
        "├ x1: input          number     100    2",
        "├ x2: input          number     2      100",
        "├ multiply(x1, x2)   -> number  200    1",
        "├ x3: input          number     300    1",
        "└ add(multiply, x3)  -> number  500    1",
    ]


def test_boxes_are_headings():
    lines = tree(graphs.of_network(), colour=False).splitlines()
    at = lines.index("├ 1 Affine(4, 3)")
    assert lines[at + 1].startswith("│ ├ W: parameter")
    assert lines[at + 2].startswith("│ ├ b: parameter")
    assert lines[at + 3].startswith("│ └ affine(reshape, W, b)")


def test_the_numbers_are_those_of_the_arrays():
    graph = graphs.of_network()
    written = tree(graph, colour=False)
    for array in graph.arrays:
        assert summary(array.value, is_labels=array.is_labels).text in written


def test_sums_are_noted_below_what_is_used_several_times():
    lines = tree(graphs.of_fan_out(), colour=False).splitlines()
    assert lines[1].startswith("├ x: input")
    assert lines[2] == "│ └ 0.3 + 0.3 + 0.5646 + (−0.5) = 0.6646"
    assert "power(sin, 2)" in "\n".join(lines)


def test_leaves_are_told_once():
    written = tree(graphs.of_residual(), colour=False)
    assert written.count("inner.W: parameter") == 1
    assert written.count("x: input") == 1


@pytest.mark.parametrize("graph", graphs.EACH)
@pytest.mark.parametrize("width", [60, 80, 100])
def test_it_fits_and_its_columns_are_aligned(graph, width):
    lines = tree(graph(), colour=False, width=width).splitlines()
    assert all(columns(line) <= width for line in lines)
    at = lines[0].index("value")
    valued = [line for line in lines[1:] if "input" in line or "->" in line]
    assert all(line[at - 1] == " " and line[at] != " " for line in valued)


@pytest.mark.parametrize("graph", graphs.EACH)
def test_colours_only_where_asked_and_nothing_else_changes(graph):
    plain, coloured = tree(graph(), colour=False), tree(graph(), colour=True)
    assert "\x1b" not in plain
    assert f"\x1b[{FORWARD}m" in coloured
    assert f"\x1b[{BACKWARD}m" in coloured
    assert re.sub(r"\x1b\[[\d;]*m", "", coloured) == plain


def test_long_graphs_are_folded():
    lines = tree(graphs.of_many(400), colour=False).splitlines()
    assert len(lines) < 62
    assert re.match(r"  ├ rules 21 to 40 \(20 rules\) +-> number +0\.\d+ +0\.\d+$", lines[3])


def test_verdicts_are_told():
    graph = graphs.of_apples()
    graph.ops[0].verdict = Verdict(WRONG, "wrong: dx and dy are swapped")
    assert "wrong: dx and dy are swapped" in tree(graph, colour=False)
    assert "\x1b[1;31mwrong" in tree(graph, colour=True)
    assert all(columns(line) <= 60 for line in tree(graph, colour=False, width=60).splitlines())


def test_wide_letters_keep_the_columns_aligned():
    x, y = hg.variable(2.0, name="入力データ"), hg.variable(3.0, name="é")
    lines = tree(record(x * y), colour=False).splitlines()
    starts = {columns(line[: line.index("number")]) for line in lines[1:3]}
    assert len(starts) == 1


def test_names_cannot_steer_the_terminal():
    x = hg.variable(2.0, name="\x1b[31mred\n<script>")
    written = tree(record(hg.sin(x)), colour=False)
    assert "\x1b" not in written
    assert len(written.splitlines()) == 3


def test_words_are_cut_by_columns():
    assert fitted("abcdef", 4) == "abc…"
    assert fitted("ab", 4) == "ab  "
    assert fitted("入力データ", 5) == "入力…"
    assert fitted("abc", 0) == ""
    assert columns(unicodedata.normalize("NFD", "é")) == 1
