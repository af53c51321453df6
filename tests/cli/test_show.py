"""``handgrad show``: pages, pictures and trees of runs and of files."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from handgrad.data import load
from handgrad.train import load_run
from tests.view.test_pages import content

FILE = """
import numpy as np
import handgrad as hg
from handgrad.layers import mlp

def apples(x1: float, x2: float, x3: float):
    return x1 * x2 + x3

def product(x, W):
    return hg.tanh(x @ W)

def net():
    return mlp([4, 3, 2], seed=0)

def given():
    return [np.ones((2, 3)), np.full((3, 2), 0.5)]

def error(y, t):
    return hg.mean_squared_error(y, t)

@hg.rule
def thrice(x):
    def backward(dout):
        return 3 * x * dout
    return x * x, backward

nothing = 3
loss = hg.sum(hg.variable([1.0, 2.0], name="weights") ** 2)
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("shown") / "shown.py"
    path.write_text(FILE)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from handgrad.cli import main

    folder = tmp_path_factory.mktemp("runs") / "first"
    options = ["--hidden", "8", "--epochs", "2", "--quiet", "--out", str(folder)]
    assert main(["train", "digits", *options]) == 0
    return folder


def test_a_tree_of_a_run(handgrad, run):
    code, out, err = handgrad("show", run, "--input", "7")
    assert (code, err) == (0, "")
    assert "softmax_cross_entropy" in out
    assert "Affine(64, 8)" in out


def test_a_page_of_a_run_has_the_numbers_of_its_own_data(handgrad, run, tmp_path):
    page = tmp_path / "page.html"
    assert handgrad("show", run, "--input", "7,3", "--out", page)[:2] == (0, f"{page}\n")
    description, numbers = content(page.read_text())
    [graph] = description["graphs"]
    assert graph["examples"] == ["7", "3"]
    arrays = {a["name"]: a for a in graph["arrays"]}
    _, test = load("digits").split(0.2, seed=0)
    trained = load_run(run)
    np.testing.assert_array_equal(
        numbers(graph["summaries"][arrays["x"]["value"]]), trained.prepared(test.x)[[7, 3]]
    )
    np.testing.assert_array_equal(numbers(graph["summaries"][arrays["t"]["value"]]), test.t[[7, 3]])
    W = numbers(graph["summaries"][arrays["1.W"]["value"]])
    np.testing.assert_array_equal(W, trained.net.parameters()["1.W"])


def test_before_and_after_training(handgrad, run, tmp_path):
    page = tmp_path / "both.html"
    assert handgrad("show", run, "--part", "train", "--before", "-o", page)[0] == 0
    description, _ = content(page.read_text())
    assert [graph["title"] for graph in description["graphs"]] == ["digits, before training", "digits"]
    assert description["differences"]


def test_a_training_that_kept_its_networks_has_a_slider(handgrad, tmp_path):
    folder, page = tmp_path / "kept", tmp_path / "page.html"
    options = ("--hidden", "4", "--epochs", "3", "--seed", "1", "--quiet", "--out", folder)
    assert handgrad("train", "digits", "--keep", "2", *options)[0] == 0
    assert sorted(file.name for file in folder.glob("kept-*")) == ["kept-0002.safetensors"]
    assert handgrad("show", folder, "--check", "0", "-o", page)[0] == 0
    description, numbers = content(page.read_text())
    assert description["positions"] == ["before training", "epoch 2", "trained"]
    weights = []
    for graph in description["graphs"]:
        (W,) = (a for a in graph["arrays"] if a["name"] == "1.W")
        weights.append(numbers(graph["summaries"][W["value"]]))
    before = load_run(folder, with_model=False).net.parameters()["1.W"]
    kept = load_run(folder, model="kept-0002.safetensors").net.parameters()["1.W"]
    wanted = [before, kept, load_run(folder).net.parameters()["1.W"]]
    for found, own in zip(weights, wanted, strict=True):
        np.testing.assert_array_equal(found, own)
    assert not np.array_equal(kept, before)
    assert handgrad("train", "digits", "--overwrite", *options)[0] == 0
    assert not list(folder.glob("kept-*"))


def test_text_keeps_no_networks(handgrad, tmp_path):
    text = tmp_path / "a.txt"
    text.write_text("abc " * 50)
    code, _, err = handgrad("train", text, "--model", "gpt", "--keep", "1", "--out", tmp_path / "run")
    assert code != 0
    assert "--keep is for pages of examples" in err


def test_a_still_picture_of_one_layer(handgrad, run, tmp_path):
    picture = tmp_path / "layer.svg"
    assert handgrad("show", run, "--of", "1", "-o", picture)[0] == 0
    text = picture.read_text()
    ElementTree.fromstring(text)
    assert ">affine<" in text
    assert ">softmax_cross_entropy<" not in text


def test_functions_and_networks_of_a_file(handgrad, file):
    assert "x1" in handgrad("show", f"{file}:apples")[1]
    assert "weights" in handgrad("show", f"{file}:loss")[1]
    assert "tanh" in handgrad("show", f"{file}:product", "--inputs", "(2, 3), (3, 4)")[1]
    assert "0.5" in handgrad("show", f"{file}:product", "--inputs", ":given")[1]
    code, out, _ = handgrad("show", f"{file}:net()", "--inputs", "(5, 4), (5, 2)", "--loss", "error")
    assert code == 0
    assert "mean_squared_error" in out
    loss = "softmax_cross_entropy"
    assert loss in handgrad("show", f"{file}:net()", "--inputs", "(5, 4), (5,) < 2", "--loss", loss)[1]


def test_a_wrong_backward_is_named(handgrad, file):
    asked = ("show", f"{file}:thrice", "--inputs", "(3,)", "--check")
    assert "wrong: dx is 1.5 times" in handgrad(*asked, "10")[1]
    assert "wrong" not in handgrad(*asked, "0")[1]


def test_wrong_input(fails, run, file, tmp_path):
    assert fails("show", run, "--input", "9999") == "handgrad: --input 9999: there are 359 examples, 0 to 358"
    assert "'-1' is not a whole number from 0" in fails("show", run, "--input=-1")
    assert "write module:name or file.py:name" in fails("show", tmp_path / "nowhere")
    assert "there is no run in" in fails("show", tmp_path)
    assert "ends in .html for a page or in .svg" in fails("show", run, "-o", tmp_path / "page.pdf")
    assert "there is no folder" in fails("show", run, "-o", tmp_path / "no" / "page.html")
    assert "--before is for pages" in fails("show", run, "--before", "-o", tmp_path / "x.svg")
    assert "'no such layer'" in fails("show", run, "--of", "no such layer", "-o", tmp_path / "x.svg")
    assert "has no missing" in fails("show", f"{file}:missing")
    assert "there is nothing to show in 3" in fails("show", f"{file}:nothing", "--inputs", "(3,)")
    assert not list(tmp_path.iterdir()), "nothing was written"


def test_no_option_is_ignored(fails, handgrad, run, file, tmp_path):
    sentence = "handgrad: --of is for still pictures: let the name of --out end in .svg"
    assert fails("show", run, "--of", "1") == sentence
    assert fails("show", run, "--of", "1", "-o", tmp_path / "page.html") == sentence
    for option in (["--input", 0], ["--part", "test"], ["--before"]):
        said = fails("show", f"{file}:apples", *option)
        assert said == f"handgrad: {option[0]} is for runs, and {file}:apples is no folder of a run"
    for option in (["--inputs", "(3,)"], ["--loss", "error"], ["--seed", 0]):
        said = fails("show", run, *option)
        assert said == f"handgrad: {option[0]} is for files, and {run} is a run"
        said = fails("show", f"{file}:loss", *option)
        assert said == f"handgrad: {option[0]} is for what is to be run, and loss is computed already"
    assert not list(tmp_path.iterdir()), "nothing was written"
    assert "before training" in handgrad("show", run, "--before")[1]


def test_a_run_trains_in_the_page(run, tmp_path):
    from handgrad.cli import main

    assert main(["show", str(run), "--live", "--out", str(tmp_path / "live.html")]) == 0
    told = content((tmp_path / "live.html").read_text(encoding="utf-8"))[0]["training"]
    assert told["classes"] == [str(digit) for digit in range(10)]
    assert told["whole"] == len(load("digits").x) - told["held"][0][2][0]
    assert told["optimiser"].startswith("Adam(")
    assert "forget db" in " ".join(words for words, _ in told["mistakes"])


def test_a_function_of_a_file_computes_in_the_page(file, tmp_path):
    from handgrad.cli import main

    options = ["--inputs", "(2, 3), (3, 2)", "--live", "--check", "0", "--out", str(tmp_path / "f.html")]
    assert main(["show", f"{file}:product", *options]) == 0
    assert len(content((tmp_path / "f.html").read_text(encoding="utf-8"))[0]["live"]["inputs"]) == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--live"], "--live is for pages: write it with --out to a name in .html"),
        (["--live", "--input", "3", "--out", "x.html"], "--input is not for --live"),
        (["--live", "--before", "--out", "x.html"], "--before is not for --live"),
    ],
)
def test_what_does_not_go_with_live_is_said(run, options, said, capsys):
    from handgrad.cli import main

    assert main(["show", str(run), *options]) == 2
    assert said in capsys.readouterr().err
