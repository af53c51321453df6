"""Networks of text from the command: train, resume, sample, and what does not fit."""

import json
import random

import pytest

from handgrad.train.text import load_text_run


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    r = random.Random(0)
    words = ["the", "cat", "sat", "on", "a", "mat"]
    path = tmp_path_factory.mktemp("text") / "cats.txt"
    path.write_text("".join(" ".join(r.choices(words, k=5)) + ".\n" for _ in range(30)))
    return path


SHORT = ("--length", "8", "--batch-size", "16", "--quiet")


@pytest.mark.parametrize(
    ("model", "symbols"),
    [
        ("gpt", "characters"),
        ("char_lstm", "bytes"),
        pytest.param("gpt", "bytes", marks=pytest.mark.slow),
        pytest.param("char_lstm", "characters", marks=pytest.mark.slow),
    ],
)
def test_train_resume_and_sample(handgrad, file, tmp_path, model, symbols):
    run = tmp_path / "run"
    options = ("--model", model, "--symbols", symbols, "--engine", "numpy", *SHORT)
    code, out, err = handgrad("train", file, *options, "--epochs", 1, "--out", run)
    assert (code, err) == (0, "")
    assert "held-out symbols: loss" in out
    assert "bits each" in out
    assert "<svg" in (run / "curves.svg").read_text()
    code, out, _ = handgrad("train", "--resume", run, "--epochs", 2, "--quiet")
    assert code == 0
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert [record["epoch"] for record in records] == [1, 2]
    assert records[1]["validation_loss"] < records[0]["validation_loss"]
    assert 0 < records[1]["accuracy"] < 1

    sample = ("sample", run, "--prompt", "the ", "--count", "30", "--top-k", "4")
    code, first, _ = handgrad(*sample)
    assert code == 0
    assert first.startswith("the ")
    assert symbols == "bytes" or len(first) == len("the ") + 30 + 1
    assert handgrad(*sample)[1] == first
    assert handgrad(*sample, "--seed", 1)[1] != first
    cold = handgrad(*sample, "--temperature", 0)[1]
    assert cold == handgrad(*sample, "--temperature", 0, "--seed", 5)[1]
    if symbols == "bytes":
        assert handgrad("sample", run, "--prompt", "é", "--count", 1)[0] == 0


def test_natively_as_by_numpy(handgrad, file, tmp_path):
    losses = []
    for engine in ("native", "numpy"):
        out = ("--engine", engine, "--dtype", "float64", "--epochs", 1, "--out", tmp_path / engine)
        code, _, err = handgrad("train", file, "--model", "gpt", *SHORT, *out)
        assert (code, err) == (0, "")
        losses.append(json.loads((tmp_path / engine / "metrics.jsonl").read_text())["validation_loss"])
    assert losses[0] == pytest.approx(losses[1], rel=1e-9)


def test_a_text_is_evaluated(handgrad, fails, file, tmp_path):
    """The held-out end as after training; all of it; and a text that is not known to be the same."""
    run, losses = tmp_path / "run", []
    options = ("--model", "gpt", *SHORT, "--epochs", 1, "--engine", "numpy", "--out", run)
    told = handgrad("train", file, *options)[1].splitlines()[0]
    code, out, err = handgrad("evaluate", run, file)
    assert (code, err) == (0, "")
    assert out == told.replace("symbols:", f"symbols of {file}:") + "\n"
    other = tmp_path / "other.txt"
    other.write_text(file.read_text())
    for arguments in ((file, "--all"), (other,)):
        out = handgrad("evaluate", run, *arguments)[1]
        assert "held-out" not in out
        losses.append(out.partition(": loss ")[2])
    assert losses[0] == losses[1] != told.partition(": loss ")[2] + "\n"
    other.write_text("the cat")
    assert "7 symbols are too few: a block is of 8 and one after" in fails("evaluate", run, other)
    assert "--target means nothing for text" in fails("evaluate", run, file, "--target", "x")


def test_the_step_is_explained(handgrad, file, tmp_path):
    run = tmp_path / "run"
    handgrad("train", file, "--model", "char_lstm", *SHORT, "--epochs", 1, "--engine", "numpy", "--out", run)
    code, out, err = handgrad("explain", run, "--steps", 2)
    assert (code, err) == (0, "")
    assert "scan" in out


def test_wrong_input_is_told(fails, handgrad, file, tmp_path):
    run = tmp_path / "run"
    handgrad("train", file, "--model", "char_lstm", *SHORT, "--epochs", 1, "--engine", "numpy", "--out", run)
    assert "'é' is not among the" in fails("sample", run, "--prompt", "é")
    assert "--prompt is of one character at least" in fails("sample", run, "--prompt", "")
    assert "was trained on text: handgrad sample" in fails("predict", run, file)
    assert "there is no training on text in" in fails("sample", tmp_path)
    assert "holds a training already" in fails("train", file, "--model", "gpt", "--out", run)
    out = ("--out", tmp_path / "other")
    assert "--hidden means nothing for text" in fails("train", file, "--model", "gpt", "--hidden", "3", *out)
    assert "--length is of text" in fails("train", file, "--length", "3", *out)
    assert "each needs 5,001 for a block of 5,000" in fails(
        "train", file, "--model", "gpt", "--length", 5000, *out
    )
    (tmp_path / "no.txt").write_bytes(b"abc\xff")
    told = fails("train", tmp_path / "no.txt", "--model", "gpt", *out)
    assert "no.txt: byte 3 is not of text in UTF-8. --symbols bytes takes any file" in told
    assert "there is no file" in fails("train", tmp_path / "none.txt", "--model", "gpt", *out)
    said = fails("train", "--resume", run, "--length", 5)
    assert "only --epochs, --engine and devices may change, not --length" in said


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("network", {"model": "gpt"}, "network has no 'symbols'"),
        ("alphabet", "ab", "and an alphabet of 2"),
        ("format", 7, "its format is 7"),
    ],
)
def test_a_damaged_run_is_told(fails, handgrad, file, tmp_path, field, value, said):
    run = tmp_path / "run"
    handgrad("train", file, "--model", "char_lstm", *SHORT, "--epochs", 1, "--engine", "numpy", "--out", run)
    load_text_run(run)
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, field: value}))
    assert said in fails("sample", run)
