"""How a report reads: in the terminal, in a notebook, and which line it names."""

import numpy as np

import handgrad as hg
from handgrad.checking.findings import Cause
from handgrad.checking.heatmap import heat_html, heat_text
from handgrad.checking.report import WIDTH, WRONG, InputReport, Report
from handgrad.checking.source import line_of_gradient, lines_run
from tests.checking.notebook_layers import SoftmaxWithLoss


def report_of(sentence, notes=()):
    part = InputReport("x", (3,), WRONG, 0.0, 3)
    return Report("f", WRONG, [part], [Cause("factor", sentence, "x")], notes=list(notes))


def test_long_sentences_are_wrapped_with_an_indent():
    sentence = "dx is wrong, " + "and it is wrong, " * 20
    inner = report_of(sentence, ["and so on " * 20])
    whole = Report("net", WRONG, parts=[inner])
    lines = str(whole).splitlines()
    assert max(map(len, lines)) <= WIDTH
    first = next(i for i, line in enumerate(lines) if "dx is wrong" in line)
    assert lines[first + 1].startswith(" " * 8)
    assert lines[first + 1][8] != " "
    assert " ".join(sentence.split()) in " ".join(str(whole).split())


def test_what_is_off_by_rounding_is_drawn_as_nothing():
    error = np.array([[1e-16, 1e-10], [1e-3, np.nan]])
    assert heat_text(error)[1:] == ["|··|", "|▒?|"]
    shown = heat_html(error)
    assert shown.count("rgba(127,127,127,0.15)") == 3 + 1  # that of the key
    assert "<td>none</td>" in shown


def test_kinks_and_notes_are_muted_in_html():
    shown = report_of("dx is wrong", ["<beware>"])._repr_html_()
    assert '<div style="color:#6e7781">note: &lt;beware&gt;</div>' in shown
    assert '<div style="padding-left:1.5em"><div><b>dx is wrong</b>' in shown


def two_returns(x, few):
    def backward(dout):
        if few:
            dx = 2 * dout
            return (
                dx,
                None,
            )
        return 3 * dout, None

    return 2 * x, backward


def test_the_return_that_ran_is_named():
    first = two_returns.__code__.co_firstlineno
    assert line_of_gradient([two_returns], 0).number == first + 8
    for few, line in ((True, 3), (False, 8)):
        _, back = two_returns(np.ones(3), few)
        ran = lines_run(lambda back=back: back(np.ones(3)), [__file__])
        assert line_of_gradient([two_returns], 0, ran=ran).number == first + line


class Scale:
    def __init__(self):
        self.W = np.array([1.0, 2.0])

    def forward(self, x):
        self.x = x
        return x * self.W

    def backward(self, dout):
        self.dW = np.sum(dout * self.x, axis=0)
        return dout * self.W


def test_networks_and_their_parameters_are_named_as_the_caller_sees_them():
    x, t = np.random.default_rng(0).standard_normal((3, 2)), np.array([0, 1, 1])
    chain = hg.check([Scale(), Scale()], x)
    assert chain.target == "Scale -> Scale"
    assert [i.name for i in chain.inputs][1:] == ["layers[0].W", "layers[1].W"]
    one = hg.check(Scale(), x, t, loss=SoftmaxWithLoss)
    assert one.target == "Scale with SoftmaxWithLoss"
    assert [i.name for i in one.inputs][-1] == "W"
    several = hg.check([Scale(), Scale()], x, t, loss=hg.softmax_cross_entropy)
    assert several.target == "Scale -> Scale with softmax_cross_entropy"
    assert [i.name for i in several.inputs][-2:] == ["layers[0].W", "layers[1].W"]
