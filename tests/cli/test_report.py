"""``train --show``: the page tells what was recorded, of whatever was trained, and can lose nothing."""

import csv
import json
import re
from html import unescape
from html.parser import HTMLParser

import numpy as np
import pytest

from handgrad.cli import report as report_module
from handgrad.cli.heldout import HeldOut
from handgrad.cli.show import live_run
from handgrad.cli.train import data_parts
from handgrad.train import Trainer, load_run
from handgrad.view.live.following import NotLive

QUICK = ["--epochs", 3, "--hidden", 16, "--quiet", "--show"]
HOSTILE = "<i>\"Süd\" & 'co'</i>"


class Page(HTMLParser):
    """The text of a page, its tables and its addresses, without what is framed in it."""

    def __init__(self, html):
        super().__init__()
        self.addresses, self.framed, self.words, self.rows, self.facts = [], [], [], [], {}
        self.tag = ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tag = tag
        given = dict(attributes)
        self.addresses += [given[name] for name in ("src", "href", "action", "data") if name in given]
        self.framed += [given["srcdoc"]] if "srcdoc" in given else []
        if tag == "tr":
            self.rows.append([])

    def handle_data(self, words):
        self.words.append(words)
        if self.tag in ("td", "th"):
            self.rows[-1].append(words)
        if self.tag == "dt":
            self.name = words
        if self.tag == "dd":
            self.facts[self.name] = words
        self.tag = ""


@pytest.fixture(autouse=True)
def still(monkeypatch):
    """Without the page that trains, which takes a second to make, but where a test asks for it."""

    def refused(folder):
        raise NotLive("not in this test")

    monkeypatch.setattr(report_module, "live_run", refused)


@pytest.fixture
def live(still, monkeypatch):
    monkeypatch.setattr(report_module, "live_run", live_run)


def test_the_report_has_a_page_that_trains(live, trained):
    folder, page, _ = trained("digits", *QUICK)
    _, training = page.framed
    assert "wasm-unsafe-eval" in training
    assert f"handgrad show {folder} --live --out live.html" in page.words


def test_where_the_page_that_trains_is_too_large_the_report_says_so(live, trained, monkeypatch):
    monkeypatch.setattr(report_module, "LIVE", 100)
    folder, page, _ = trained("digits", *QUICK)
    assert len(page.framed) == 1
    assert any("its limit is" in words for words in page.words)
    assert f"handgrad show {folder} --live --out live.html" in page.words


def test_the_filters_of_a_convolution(trained):
    _, page, _ = trained("digits", "--model", "lenet", "--epochs", 1, "--quiet", "--show")
    assert page.facts["Network"] == "lenet, 1 x 8 x 8 → 10, 31,050 parameters"
    assert "What each filter adds up (orange) and takes away (blue)" in " ".join(page.words)


@pytest.fixture
def trained(handgrad, tmp_path):
    """Train with --show: the folder, the page, and what was printed."""

    def train(*arguments):
        folder = tmp_path / "run"
        code, out, err = handgrad("train", *arguments, "--out", folder)
        assert code == 0, err
        assert out.splitlines()[-1] == f"  {folder / 'report.html'}  all of it on one page"
        return folder, Page((folder / "report.html").read_text()), out

    return train


@pytest.fixture
def table(tmp_path):
    """A CSV with text, hostile names and a number to predict."""
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    file = tmp_path / "plants.csv"
    with file.open("w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(["height", HOSTILE, "year", "yield", "kind"])
        for _ in range(200):
            height, soil = rng.normal(50, 20), rng.choice([HOSTILE, "sand"])
            kind = HOSTILE if height > 50 else "short"
            size = 3 * height + 40 * (soil == "sand") + 0.5
            writer.writerow([f"{height:.3f}", soil, rng.integers(1900, 2000), f"{size:.3f}", kind])
    return file


def recorded(folder):
    lines = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def held_out(folder):
    run = load_run(folder)
    return HeldOut(run, data_parts(run.training)["test"])


def steady(folder):
    """The report without what differs from run to run: seconds, its own path, and times in the frame."""
    page = (folder / "report.html").read_text()
    page = re.sub(r"<dt>seconds</dt><dd>.*?</dd>", "", re.sub(r'srcdoc="[^"]*"', "", page))
    return page.replace(str(folder), "")


def test_the_page_tells_what_was_recorded(trained):
    folder, page, out = trained("digits", *QUICK)
    last = recorded(folder)[-1]
    assert page.facts["accuracy, held out"] == f"{100 * last['validation_accuracy']:.2f} %"
    assert float(page.facts["loss, held out"]) == pytest.approx(last["validation_loss"], rel=1e-3)
    assert page.facts["epochs"] == "3"
    assert page.facts["Data"] == "digits, 1,438 examples to train on, 359 held out"
    assert page.facts["Network"] == "64 → 16 → 10, relu, 1,210 parameters"
    assert f"test accuracy {page.facts['accuracy, held out']}" in out
    shown = {name: values for name, *values in page.rows if name[0].isdigit()}
    for name, values in shown.items():
        norms = [record[f"gradient_norm.{name}"] for record in recorded(folder)]
        told = [float(value) for value in values]
        assert told == pytest.approx([norms[0], norms[-1], min(norms), max(norms)], rel=5e-3)
    assert list(shown) == ["1.W", "1.b", "3.W", "3.b"]


def test_nothing_comes_from_elsewhere(trained):
    folder, page, _ = trained("digits", *QUICK)
    assert page.addresses
    assert all(address.startswith("data:image/png;base64,") for address in page.addresses)
    outer = re.sub(r'srcdoc="[^"]*"', "", (folder / "report.html").read_text())
    assert set(re.findall(r"https?://[^\"'<\s]*", outer)) == {"http://www.w3.org/2000/svg"}
    assert "<script" not in outer
    assert len(page.framed) == 1
    assert "Content-Security-Policy" in page.framed[0]


def test_the_worst_mistakes_are_the_worst(trained):
    folder, page, _ = trained("digits", *QUICK)
    held = held_out(folder)
    p = np.exp(held.outputs - held.outputs.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    losses = -np.log(p[np.arange(len(p)), held.part.t])
    assert losses.mean() == pytest.approx(recorded(folder)[-1]["validation_loss"], rel=1e-5)
    wrong = np.flatnonzero(p.argmax(axis=1) != held.part.t)
    worst = wrong[np.argsort(-losses[wrong])][:24]
    shown = [words for words in page.words if words.startswith("example ")]
    assert shown == [f"example {i}" for i in worst]
    assert any(f"Example {worst[0]} of the held-out part, the worst mistake" in words for words in page.words)
    assert [e.number for e in held.examples()] == list(worst)
    for e in held.examples():
        assert e.loss == pytest.approx(losses[e.number])
        assert e.probability == pytest.approx(p[e.number].max())
        assert (e.true, e.predicted) == (str(held.part.t[e.number]), str(p[e.number].argmax()))
        np.testing.assert_array_equal(e.image * 16, held.part.x[e.number])


def test_units_are_sorted_by_norm(trained):
    folder, page, _ = trained("digits", *QUICK)
    W = load_run(folder).net.parameters()["1.W"]
    wanted = [f"unit {j}" for j in np.argsort(-np.linalg.norm(W, axis=0))]
    assert [words for words in page.words if re.fullmatch(r"unit \d+", words)] == wanted


def test_regression(trained, table):
    folder, page, _ = trained(table, "--target", "yield", *QUICK)
    held = held_out(folder)
    predicted, true = held.in_units()
    error = np.abs(predicted - true)[:, 0]
    assert list(held.worst) == list(np.argsort(-error, kind="stable")[:24])
    assert {"R², held out", "RMSE, held out", "loss, held out"} <= set(page.facts)
    head = next(row for row in page.rows if row[0] == "example")
    assert head == ["example", "true", "predicted", "error", "loss", "height", HOSTILE, "year", "kind"]
    first = dict(zip(head, page.rows[page.rows.index(head) + 1], strict=True))
    assert int(first["example"]) == held.worst[0]
    assert float(first["true"].replace(",", "")) == pytest.approx(true[held.worst[0], 0], rel=1e-3)
    assert re.fullmatch(r"19\d\d", first["year"])
    assert page.facts["Data"].startswith("plants.csv, ")
    assert any("The loss is of targets that are standardised" in words for words in page.words)


def test_names_of_classes_columns_and_values_are_escaped(trained, table):
    folder, page, _ = trained(table, "--target", "kind", *QUICK)
    assert HOSTILE in page.words
    text = (folder / "report.html").read_text()
    assert "<i>" not in text
    assert HOSTILE in unescape(text)


@pytest.mark.parametrize("hidden", ["", "8", "6,5,4"])
@pytest.mark.parametrize(("classes", "outputs"), [(2, 0), (150, 0), (0, 1), (0, 5)])
def test_whatever_is_trained(trained, tmp_path, hidden, classes, outputs):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 7))
    t = rng.integers(classes, size=600) if classes else rng.standard_normal((600, outputs))
    np.savez(tmp_path / "data.npz", x=x, t=t)
    folder, page, _ = trained(tmp_path / "data.npz", *QUICK, "--hidden", hidden)
    layers = 1 + len([width for width in hidden.split(",") if width])
    assert sum(name.startswith("gradient_norm.") for name in recorded(folder)[0]) == 2 * layers
    assert "Weights of the first layer" in page.words
    assert len(page.framed) == 1


@pytest.mark.parametrize("shape", [(3, 12, 16), (12, 16, 3), (1, 9, 9), (6, 5)])
def test_images_of_every_shape(trained, tmp_path, shape):
    rng = np.random.default_rng(0)
    np.savez(
        tmp_path / "data.npz", x=rng.integers(256, size=(90, *shape), dtype=np.uint8), t=np.arange(90) % 2
    )
    _, page, _ = trained(tmp_path / "data.npz", *QUICK)
    assert len(page.addresses) > 17
    assert any(words.startswith("unit ") for words in page.words)


def test_no_mistake_is_said(trained, tmp_path):
    t = np.arange(200) % 2
    np.savez(
        tmp_path / "data.npz", x=np.random.default_rng(0).standard_normal((200, 3)) + 50 * t[:, None], t=t
    )
    _, page, _ = trained(tmp_path / "data.npz", *QUICK, "--epochs", 30)
    assert page.facts["mistakes, held out"] == "0 of 40"
    assert "There is no mistake among 40 held out; these come nearest to one." in page.words


def test_batch_norm_dropout_patience_and_numpy(trained):
    options = "--batch-norm --dropout 0.3 --patience 2 --engine numpy --schedule cosine --dtype float64"
    _, page, _ = trained("digits", *QUICK, *options.split())
    assert "144 to know when to stop" in page.facts["Data"]
    assert "batch norm, dropout 0.3" in page.facts["Network"]
    assert "learning rate 0.001, cosine" in page.facts["Training"]


def test_showing_changes_no_bit(handgrad, tmp_path):
    for name, show in (("a", ["--show"]), ("b", [])):
        assert handgrad("train", "digits", *QUICK[:-1], *show, "--out", tmp_path / name)[0] == 0
    assert (tmp_path / "a/model.safetensors").read_bytes() == (tmp_path / "b/model.safetensors").read_bytes()
    assert not (tmp_path / "b/report.html").exists()
    assert "gradient" not in (tmp_path / "b/metrics.jsonl").read_text()


@pytest.mark.parametrize("engine", ["native", "numpy"])
def test_an_interrupted_training_ends_with_the_same_report(handgrad, tmp_path, monkeypatch, engine):
    options = [*QUICK, "--epochs", 5, "--engine", engine]
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    handgrad("train", "digits", *options, "--out", whole)

    def stopping(trainer, record, *rest):
        if record["epoch"] == 3:
            raise KeyboardInterrupt
        finish(trainer, record, *rest)

    finish = Trainer._finish_epoch
    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_finish_epoch", stopping)
        assert handgrad("train", "digits", *options, "--out", parts)[0] == 130
    assert not (parts / "report.html").exists()
    assert handgrad("train", "--resume", parts, "--quiet")[0] == 0
    assert recorded(parts) == recorded(whole)
    assert (parts / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert steady(parts) == steady(whole)


def test_showing_is_a_saved_option(trained, handgrad, fails):
    folder, _, _ = trained("digits", *QUICK)
    assert handgrad("train", "--resume", folder, "--epochs", 5, "--quiet")[0] == 0
    assert Page((folder / "report.html").read_text()).facts["epochs"] == "5"
    assert "not --show" in fails("train", "--resume", folder, "--show")
    handgrad("train", "digits", *QUICK[:-1], "--out", folder, "--overwrite")
    assert not (folder / "report.html").exists()


def test_a_report_that_fails_loses_nothing(fails, handgrad, tmp_path, monkeypatch):
    def full(path, content):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(report_module, "write_atomically", full)
    said = fails("train", "digits", *QUICK, "--out", tmp_path / "run")
    assert f"the network is trained and saved in {tmp_path / 'run'}, but report.html is not written" in said
    assert "No space left on device" in said
    assert handgrad("evaluate", tmp_path / "run", "digits")[0] == 0


def test_a_recording_that_is_too_large_is_left_out(trained, monkeypatch):
    monkeypatch.setattr(report_module, "LIMIT", 100)
    _, page, _ = trained("digits", *QUICK)
    assert not page.framed
    assert any("its limit is" in words for words in page.words)
