"""The page as a file: what is in it, without a browser."""

import base64
import hashlib
import json
import re
import struct
import zlib

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Affine, Layer, mlp
from handgrad.view import Picture, TooLarge, show
from handgrad.view.compare import comparison
from handgrad.view.equations import enclosed, local_derivatives
from handgrad.view.pages import page
from handgrad.view.recording import record
from handgrad.view.summary import short, summary
from tests.view.graphs import EACH, apples, of_training

rng = np.random.default_rng(0)


def content(html):
    """The description in a page, and a function that gives the numbers of a summary."""
    [packed] = re.findall(r'<script type="text/plain" id="data">([^<]*)</script>', html)
    block = zlib.decompress(base64.b64decode(packed))
    [length] = struct.unpack_from("<I", block)
    start = 8 + -(-length // 8) * 8

    def numbers(summary):
        offset, kind, shape, _ = summary["stored"]
        return np.frombuffer(block, f"<{kind}", int(np.prod(shape)), start + offset).reshape(shape)

    return json.loads(block[8 : 8 + length]), numbers


@pytest.mark.parametrize("of", EACH)
def test_the_numbers_in_the_page_are_those_recorded(of):
    graph = of()
    description, numbers = content(page(graph))
    [found] = description["graphs"]
    for array, said in zip(graph.arrays, found["arrays"], strict=True):
        assert said["name"] == array.name
        for kind, x in (("value", array.value), ("grad", array.grad)):
            if x is None:
                assert said[kind] == -1
                continue
            summary = found["summaries"][said[kind]]
            np.testing.assert_array_equal(numbers(summary), x)
            assert summary["shape"] == list(np.shape(x))
    for op, said in zip(graph.ops, found["ops"], strict=True):
        for use, told in zip(op.inputs, said["inputs"], strict=True):
            if use.dx is not None:
                np.testing.assert_array_equal(numbers(found["summaries"][told["dx"]]), use.dx)


def test_upstream_times_local_is_downstream():
    [found] = content(page(record(apples, 100, 2, 300)))[0]["graphs"]
    products = ["1 × 2 = 2", "1 × 100 = 100", "1 × 1 = 1", "1 × 1 = 1"]
    assert [use["chain"] for op in found["ops"] for use in op["inputs"]] == [
        ["", words] for words in products
    ]
    assert [op["says"] for op in found["ops"]] == ["100 × 2 = 200", "200 + 300 = 500"]


@pytest.mark.parametrize("rule", [hg.tanh, hg.exp, hg.gelu, hg.relu, hg.square])
def test_local_derivatives_of_what_goes_by_element(rule):
    x, dout = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))
    graph = record(rule, x, dout=dout)
    [local] = local_derivatives(graph.ops[0])
    np.testing.assert_allclose(dout * local, graph.ops[0].inputs[0].dx, rtol=1e-14)
    [found] = content(page(graph))[0]["graphs"]
    place, words = found["ops"][0]["inputs"][0]["chain"]
    at = np.unravel_index(np.argmax(np.abs(dout * local)), dout.shape)
    assert place == f"[{at[0]}, {at[1]}]"
    factors = [enclosed(short(float(factor[at]))) for factor in (dout, local)]
    assert words == f"{' × '.join(factors)} = {short(float((dout * local)[at]))}"


def test_no_derivative_where_it_is_a_matrix():
    product = record(hg.matmul, rng.standard_normal((2, 3)), rng.standard_normal((3, 2)))
    assert local_derivatives(product.ops[0]) == [None, None]
    spread = record(hg.add, rng.standard_normal((2, 3)), rng.standard_normal(3))
    assert local_derivatives(spread.ops[0])[1] is None, "it is summed over the rows"


def test_the_formula_with_its_numbers():
    [found] = content(page(record(lambda x: hg.tanh(-1.5 * x), 0.5)))[0]["graphs"]
    times, tanh = (op["plugged"] for op in found["ops"])
    assert [flat(tree) for tree in times["forward"]] == ["out=−1.5·0.5=−0.75"]
    by_number, by_x = times["backward"]
    assert by_number is None, "nobody asks for the gradient by -1.5"
    assert flat(by_x) == "dy=−1.5·0.5966=−0.8949"
    assert [flat(tree) for tree in tanh["forward"]] == ["out=tanh\u2009(−0.75)=−0.6351"]
    assert content(page(record(hg.tanh, np.ones(3))))[0]["graphs"][0]["ops"][0]["plugged"]["forward"] == []


def flat(tree):
    return "".join(child if isinstance(child, str) else flat(child) for child in tree[1:])


def test_fan_outs_add():
    [found] = content(page(record(lambda x: x * x + hg.sin(x), 0.5)))[0]["graphs"]
    [x] = [a for a in found["arrays"] if a["name"] == "x"]
    assert x["sum"] == ["0.5 + 0.5 + 0.8776 = 1.878"]


def test_gradients_of_some_uses_in_a_box():
    class Square(Layer):
        def forward(self, x):
            return x * x

    class Outer(Layer):
        def __init__(self):
            self.inner = Square()

        def forward(self, x):
            return hg.sum(self.inner(x) + hg.sin(x))

    x = rng.standard_normal((2, 3))
    description, numbers = content(page(record(Outer(), x)))
    [found] = description["graphs"]
    [array] = [a for a in found["arrays"] if a["name"] == "x"]
    [partial] = array["partial"].values()
    np.testing.assert_allclose(numbers(found["summaries"][partial]), 2 * x)


def test_what_a_backward_keeps():
    [found] = content(page(record(hg.affine, np.ones((5, 4)), np.ones((4, 3)), np.ones(3))))[0]["graphs"]
    kept = found["ops"][0]["kept"]
    assert {name: (shape, size) for name, shape, size in kept} == {"x": ("5 × 4", 160), "W": ("4 × 3", 96)}


def test_the_source_and_the_lines_at_work():
    [found] = content(page(record(hg.affine, np.ones((5, 4)), np.ones((4, 3)), np.ones(3))))[0]["graphs"]
    file, _, lines, forward, backward = found["rules"][0]["source"]
    assert file == "handgrad/rules/linear.py"
    assert lines[0] == "@rule"
    assert [lines[i].strip() for i in forward] == ["return x @ W + b, backward"]
    assert "db = xp.sum(rows, axis=0)" in [lines[i].strip() for i in backward]


def test_dead_units_and_what_is_not_finite():
    x = np.array([[-1.0, 2.0, -3.0], [-1.0, -2.0, 0.5]])
    [found] = content(page(record(hg.relu, x, examples=["first", "second"])))[0]["graphs"]
    assert found["ops"][0]["notes"] == [["value", "1 of 3 units are 0 for all 2 examples"]]
    with np.errstate(all="ignore"):
        graph = record(lambda x: hg.sum(hg.log(x)), np.array([1.0, -1.0, 0.0]))
        [found] = content(page(graph))[0]["graphs"]
    assert found["ops"][0]["notes"] == [["value", "of 3 values 1 is −∞, 1 is nan"]]


def test_examples_of_a_batch():
    net = mlp([4, 3, 2], seed=0)
    x = rng.standard_normal((3, 4))
    graph = record(net, x, examples=["7", "8", "<9>"])
    [found] = content(page(graph))[0]["graphs"]
    assert found["examples"] == ["7", "8", "<9>"]
    said = {a["name"]: found["summaries"][a["value"]] for a in found["arrays"]}
    for array in graph.arrays:
        if array.per_example:
            told = [list(summary(row, is_labels=array.is_labels).lines) for row in array.value]
            assert [example["lines"] for example in said[array.name]["examples"]] == told
    assert "examples" not in said["1.W"]


def test_names_are_text():
    nasty = "</script><script>alert(1)</script>"
    x = hg.variable(np.ones(3), name=nasty)
    html = page(record(hg.sum(x * 2.0), title=nasty))
    assert "alert(1)" not in html.replace("&lt;script&gt;alert(1)", "")
    assert content(html)[0]["graphs"][0]["title"] == nasty
    assert html.count("<script") == 2


def test_nothing_is_asked_of_the_network():
    html = page(of_training())
    assert "default-src 'none'" in html
    assert not re.findall(r'(?:src|href)="?(?:https?:)?//', html)
    script = re.findall(r"<script>(.*)</script>", html, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in html


def test_a_page_that_would_be_too_large():
    graph = record(Affine(200, 200, seed=0), rng.standard_normal((200, 200)))
    whole = page(graph)
    small = page(graph, limit=100_000)
    assert len(small) < len(whole)
    [found] = content(small)[0]["graphs"]
    assert any("means of blocks" in s["stored"][3] for s in found["summaries"])
    with pytest.raises(TooLarge, match=r"the page would be 0\.\d MB, and its limit is 0\.0 MB: show a part"):
        page(graph, limit=1000)


def test_two_recordings_are_matched_by_name():
    net, other = mlp([4, 3, 2], seed=0), mlp([4, 3, 2], seed=0)
    other.layers[3].params["b"] = other.layers[3].params["b"] + np.float32(1)
    x = rng.standard_normal((5, 4))
    first, second = record(net, x), record(other, x)
    found = comparison(first, second)
    assert found["matched"] == {key: key for key in found["matched"]}
    assert len(found["matched"]) == len(first.ops) + 5 + 1 + len(first.boxes)
    named = {f"l{a.number}": a.name for a in first.arrays} | {f"o{op.number}": op.name for op in first.ops}
    assert {named[key] for key in found["differences"]} == {"3.b", "affine"}
    assert ["Δ value 100 %"] in found["differences"].values()
    assert comparison(first, first)["differences"] == {}


def test_what_has_no_partner_is_left_alone():
    x = rng.standard_normal((5, 4))
    found = comparison(record(mlp([4, 3, 2], seed=0), x), record(mlp([4, 3, 3, 2], seed=1), x))
    assert found["matched"]["o0"] == "o0"
    assert found["differences"]["l2"][0].startswith("Δ value")
    other = comparison(record(hg.sin, 0.5), record(mlp([4, 2], seed=0), x))
    assert set(other["matched"]) == {"l0", "s1"}


def test_a_wrong_rule_beside_the_right_one():
    def sine(slope):
        @hg.rule
        def sine(x):
            def backward(dout):
                return slope(x) * dout

            return hg.sin(x), backward

        return sine

    x = rng.standard_normal(4)
    right, wrong = (show(sine(slope), x) for slope in (hg.cos, hg.sin))
    found, _ = content(right.beside(wrong, "right and wrong").html())
    assert list(found["differences"]) == ["o0", "l0"]
    assert found["differences"]["o0"][0].startswith("Δ gradient")
    assert [graph["verdicts"][0][0] for graph in found["graphs"]] == ["right", "wrong"]


def test_a_picture(tmp_path, capsys):
    picture = show(apples, 100, 2, 300, out=tmp_path / "page.html")
    assert isinstance(picture, Picture)
    assert (tmp_path / "page.html").read_text() == picture.html()
    assert picture.svg(tmp_path / "still.svg") == (tmp_path / "still.svg").read_text()
    picture.save(tmp_path / "also.svg")
    assert (tmp_path / "also.svg").read_text() == picture.svg()
    print(picture)
    printed = capsys.readouterr().out
    assert "x1" in printed
    assert "\x1b" not in printed, "no colours where there is no terminal"
    assert repr(picture) == str(picture)
    assert '<iframe title="handgrad" srcdoc="&lt;!doctype html' in picture._repr_html_()


def test_what_notebooks_show():
    x = hg.variable(rng.standard_normal((4, 6)), name="x<b>")
    y = hg.sum(hg.tanh(x))
    y.backward()
    assert "x&lt;b&gt;" in x._repr_html_()
    assert "gradient" in x._repr_html_()
    assert "<svg" in y._repr_html_()
    assert "<script" not in y._repr_html_()
    net = mlp([64, 32, 10], batch_norm=True, seed=0)
    html = net._repr_html_()
    assert f"{sum(p.size for p in net.parameters().values()):,} parameters" in html
    for name in (*net.parameters(), *net.states()):
        assert name.rpartition(".")[2] in html
    z = x
    for _ in range(200):
        z = hg.sin(z)
    assert "200 rules: handgrad.show(...)" in z._repr_html_()
