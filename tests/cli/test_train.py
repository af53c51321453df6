"""train, predict and evaluate, as a user would, on real data and on wrong input."""

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import types
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from safetensors.numpy import load_file

QUICK = ["--epochs", 3, "--hidden", 16, "--quiet"]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A CSV with numbers, a category, a class that follows from them, and a number that does."""
    pytest.importorskip("pyarrow")
    rng = np.random.default_rng(0)
    file = tmp_path_factory.mktemp("tables") / "plants.csv"
    with file.open("w", newline="") as f:
        writer = csv.writer(f)
        writer.writerow(["height", "soil", "kind", "yield"])
        for _ in range(300):
            height, soil = rng.normal(50, 20), rng.choice(["clay", "sand"])
            kind = "tall" if height > 50 else "short"
            writer.writerow([f"{height:.3f}", soil, kind, f"{3 * height + 40 * (soil == 'clay'):.3f}"])
    return file


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network trained on digits by the command in a process of its own, and what it printed."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    command = [sys.executable, "-m", "handgrad", "train", "digits", "--epochs", "15", "--out", str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    return folder, ran.stdout


def test_training_ends_with_accuracy_and_files(trained):
    folder, printed = trained
    assert "Affine(64, 50)" in printed
    assert "epoch 15/15" in printed
    said = float(printed.split("test accuracy ")[1].split(" %")[0])
    assert said > 92
    for name in ("model.safetensors", "config.json", "metrics.jsonl", "curves.svg", "confusion.svg"):
        assert str(folder / name) in printed
        assert (folder / name).stat().st_size > 100
    for picture in ("curves.svg", "confusion.svg"):
        assert ET.parse(folder / picture).getroot().tag.endswith("svg")
    records = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert len(records) == 15
    assert records[-1]["validation_accuracy"] == pytest.approx(said / 100, abs=1e-4)
    assert {n: p.shape for n, p in load_file(folder / "model.safetensors").items()} == {
        "1.W": (64, 50), "1.b": (50,), "3.W": (50, 10), "3.b": (10,),
    }  # fmt: skip
    assert "pickle" not in (folder / "config.json").read_text()


def test_evaluate_finds_the_held_out_part(trained, handgrad):
    folder, printed = trained
    code, out, _ = handgrad("evaluate", folder, "digits")
    assert code == 0
    assert out.splitlines()[0].startswith("359 held-out examples of digits: test accuracy ")
    assert out.split("test accuracy ")[1].split(" %")[0] == printed.split("test accuracy ")[1].split(" %")[0]
    assert len(out.splitlines()) == 13
    assert handgrad("evaluate", folder, "digits", "--all")[1].startswith("1,797 examples of digits")


def test_predict_writes_probabilities(trained, handgrad, tmp_path):
    folder, _ = trained
    file = tmp_path / "p.csv"
    code, out, _ = handgrad("predict", folder, "digits", "--out", file)
    assert (code, out) == (0, f"1,797 predictions in {file}\n")
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert list(rows[0]) == ["row", "predicted", *(f"probability {d}" for d in range(10))]
    p = np.array([[float(row[f"probability {d}"]) for d in range(10)] for row in rows])
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-4)
    assert [row["predicted"] for row in rows] == [str(d) for d in p.argmax(axis=1)]
    from handgrad.data import load

    assert np.mean([int(row["predicted"]) == t for row, t in zip(rows, load("digits").t, strict=True)]) > 0.93
    assert handgrad("predict", folder, "digits", "-o", "-")[1] == file.read_text()


def test_classification_of_a_table(table, handgrad, tmp_path):
    run = tmp_path / "run"
    code, out, err = handgrad("train", table, "--target", "kind", "--epochs", 30, "--quiet", "--out", run)
    assert code == 0, err
    assert float(out.split("test accuracy ")[1].split(" %")[0]) > 90
    config = json.loads((run / "config.json").read_text())
    assert config["classes"] == ["short", "tall"]
    code, out, _ = handgrad("predict", run, table, "-o", "-")
    assert out.splitlines()[0] == "row,predicted,probability short,probability tall"
    assert len(out.splitlines()) == 301
    assert "held-out" in handgrad("evaluate", run, table)[1]


def test_regression_of_a_table(table, handgrad, tmp_path):
    run = tmp_path / "run"
    options = [
        "--target",
        "yield",
        "--epochs",
        60,
        "--lr",
        0.01,
        "--activation",
        "tanh",
        "--quiet",
        "--out",
        run,
    ]
    code, out, err = handgrad("train", table, *options)
    assert code == 0, err
    assert float(out.split("R² ")[1].split()[0]) > 0.95
    assert (run / "scatter.svg").exists()
    predicted = [
        float(line.split(",")[1]) for line in handgrad("predict", run, table, "-o", "-")[1].splitlines()[1:]
    ]
    wanted = [float(row["yield"]) for row in csv.DictReader(table.read_text().splitlines())]
    assert np.corrcoef(predicted, wanted)[0, 1] > 0.97
    assert abs(np.mean(predicted) - np.mean(wanted)) < 5


def test_npz(handgrad, tmp_path):
    rng = np.random.default_rng(0)
    t = rng.integers(2, size=100)
    np.savez(tmp_path / "points.npz", x=rng.standard_normal((100, 3)) + 3 * t[:, None], t=t)
    code, out, err = handgrad("train", tmp_path / "points.npz", *QUICK, "--out", tmp_path / "run")
    assert code == 0, err
    assert "test accuracy" in out


def test_predictions_of_standard_input(handgrad, tmp_path, monkeypatch):
    table = tmp_path / "table.csv"
    table.write_text("x,t\n" + "".join(f"{i},{2 * i}\n" for i in range(50)))
    run = tmp_path / "run"
    handgrad("train", table, "--target", "t", "--task", "regression", *QUICK, "--out", run)

    def given(content):
        monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(content)))
        return handgrad("predict", run, "-")

    assert given(b"x\n1\n2\n")[1].splitlines()[0] == "row,predicted"
    (tmp_path / "two.csv").write_text("x\n1\n2\n")
    assert given(b"x\n1\n2\n")[1] == handgrad("predict", run, tmp_path / "two.csv", "-o", "-")[1]
    assert "nothing came by standard input" in given(b"")[2]
    code, _, err = given(b"y\n1\n")
    assert (code, "handgrad: standard input: " in err, str(tmp_path) in err) == (2, True, False)
    assert "standard input: line 2" in given(b"x,y\n1\n")[2]


def test_several_targets(handgrad, tmp_path):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 3))
    rows = np.column_stack([x, x[:, 0] > 0, x[:, 1] > 0, 10 * x[:, 0], x[:, 2] - 5])
    np.savetxt(tmp_path / "t.csv", rows, "%.6g", ",", header="x,y,z,up,right,ten,less", comments="")
    labels, numbers = tmp_path / "labels", tmp_path / "numbers"
    quick = ["--epochs", 60, "--hidden", 16, "--lr", "0.02", "--quiet"]
    _, said, _ = handgrad(
        "train",
        tmp_path / "t.csv",
        "--target",
        "up,right",
        "--drop",
        "ten,less",
        *quick,
        "--show",
        "--out",
        labels,
    )
    assert float(re.search(r"accuracy of labels (\S+) %", said)[1]) > 90
    assert "false" in (labels / "confusion.svg").read_text()
    _, table, _ = handgrad("predict", labels, tmp_path / "t.csv", "-o", "-")
    found = np.array([row.split(",")[1:] for row in table.splitlines()[1:]], float)
    assert table.startswith("row,probability up,probability right\n")
    assert np.mean((found > 0.5) == rows[:, 3:5]) > 0.95
    assert "40 held-out examples" in handgrad("evaluate", labels, tmp_path / "t.csv")[1]

    _, said, _ = handgrad(
        "train", tmp_path / "t.csv", "--target", "ten,less", "--drop", "up,right", *quick, "--out", numbers
    )
    assert float(re.search(r"R² of ten (\S+),", said)[1]) > 0.9
    _, table, _ = handgrad("predict", numbers, tmp_path / "t.csv", "-o", "-")
    assert table.startswith("row,predicted ten,predicted less\n")
    found = np.array([row.split(",")[1:] for row in table.splitlines()[1:]], float)
    np.testing.assert_allclose(found.mean(axis=0), rows[:, 5:].mean(axis=0), atol=0.5)


def test_a_folder_that_says_what_is_held_out(handgrad, tmp_path):
    """Images of several sizes, in parts: the run keeps to what they were brought to."""
    image = pytest.importorskip("PIL.Image")
    for part, n in {"train": 8, "val": 3}.items():
        for name, level in {"dark": 10, "light": 200}.items():
            (tmp_path / part / name).mkdir(parents=True)
            for i in range(n):
                image.new("L", (6 + i, 8), level + i).save(tmp_path / part / name / f"{i}.png")
    run = tmp_path / "run"
    _, said, _ = handgrad("train", tmp_path, "--resize", "4x5", "--epochs", 40, "--out", run)
    assert "16 examples to train on" in said
    assert "6 held-out examples: loss" in said
    assert handgrad("predict", run, tmp_path / "val" / "dark", "--out", "-")[1].count(",dark,") == 3
    _, told, _ = handgrad("evaluate", run, tmp_path)
    assert "6 held-out examples" in told
    assert "16 examples" in told
    code, _, err = handgrad("train", tmp_path, "--resize", "4x5", "--fold", "1/2", "--out", tmp_path / "no")
    assert (code, "there is no --fold" in err) == (2, True)


def test_a_folder_of_images(handgrad, tmp_path):
    image = pytest.importorskip("PIL.Image")
    from handgrad.data import load

    data = load("digits")
    for i in range(120):
        folder = tmp_path / "pictures" / data.classes[data.t[i]]
        folder.mkdir(parents=True, exist_ok=True)
        image.fromarray(np.asarray(data.x[i] * 15, np.uint8)).save(folder / f"{i}.png")
    run = tmp_path / "run"
    code, _, err = handgrad("train", tmp_path / "pictures", *QUICK, "--out", run)
    assert code == 0, err
    rows = handgrad("predict", run, tmp_path / "pictures", "-o", "-")[1].splitlines()
    assert rows[0].startswith("file,predicted,probability 0,")
    assert len(rows) == 121
    assert all(row.split(",")[0].endswith(".png") for row in rows[1:])


@pytest.mark.parametrize("optimiser", ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw"])
def test_every_optimiser_and_every_option(handgrad, tmp_path, optimiser):
    options = "--batch-norm --dropout 0.1 --schedule cosine --warm-up 5 --clip-norm 5 --clip-value 1"
    network = f"--hidden 20,10 --dtype float64 --optimiser {optimiser}"
    run = tmp_path / "run"
    code, _, err = handgrad("train", "digits", *QUICK, *options.split(), *network.split(), "--out", run)
    assert code == 0, err
    losses = [json.loads(line)["loss"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert losses[-1] < losses[0]
    assert load_file(run / "model.safetensors")["1.W"].dtype == np.float64


def test_same_seed_same_bits(handgrad, tmp_path):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        assert handgrad("train", "digits", *QUICK, "--seed", seed, "--out", tmp_path / name)[0] == 0
    a, b, c = ((tmp_path / name / "model.safetensors").read_bytes() for name in "abc")
    assert a == b != c


def test_patience(handgrad, tmp_path):
    options = [
        "--epochs",
        400,
        "--hidden",
        8,
        "--lr",
        0.05,
        "--patience",
        3,
        "--quiet",
        "--out",
        tmp_path / "run",
    ]
    assert handgrad("train", "digits", *options)[0] == 0
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) < 400


def test_resume_longer_is_once(handgrad, tmp_path):
    part, whole = tmp_path / "part", tmp_path / "whole"
    handgrad("train", "digits", *QUICK, "--out", part)
    assert handgrad("train", "--resume", part, "--epochs", 6, "--quiet")[0] == 0
    handgrad("train", "digits", *QUICK, "--epochs", 6, "--out", whole)
    assert (part / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert len((part / "metrics.jsonl").read_text().splitlines()) == 6


def test_control_c_says_how_to_resume(tmp_path):
    run = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "handgrad",
        "train",
        "digits",
        "--epochs",
        "100000",
        "--quiet",
        "--out",
        str(run),
    ]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not (run / "metrics.jsonl").exists() or not (run / "metrics.jsonl").read_text():
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGINT)
    _, err = process.communicate()
    assert process.returncode == 130
    assert f"handgrad train --resume {run} goes on from there" in err
    assert "Traceback" not in err


def test_an_existing_run_is_not_overwritten_unasked(handgrad, fails, tmp_path):
    run = tmp_path / "run"
    handgrad("train", "digits", *QUICK, "--out", run)
    before = (run / "model.safetensors").read_bytes()
    (run / "notes.txt").write_text("mine")
    said = fails("train", "digits", *QUICK, "--out", run)
    assert "holds a training already" in said
    assert "--overwrite" in said
    assert (run / "model.safetensors").read_bytes() == before
    assert handgrad("train", "digits", *QUICK, "--out", run, "--overwrite")[0] == 0
    assert (run / "notes.txt").read_text() == "mine"


def test_overwriting_waits_until_all_is_well(handgrad, fails, tmp_path):
    run = tmp_path / "run"
    handgrad("train", "digits", *QUICK, "--out", run)
    before = {file.name: file.read_bytes() for file in run.iterdir()}
    fails("train", "nothing-here", "--out", run, "--overwrite")
    fails("train", "digits", "--activation", "swoosh", "--out", run, "--overwrite")
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before


def test_resuming_before_the_first_checkpoint_begins_anew(handgrad, tmp_path):
    run, whole = tmp_path / "run", tmp_path / "whole"
    handgrad("train", "digits", *QUICK, "--out", whole)
    run.mkdir()
    (run / "config.json").write_bytes((whole / "config.json").read_bytes())
    assert handgrad("train", "--resume", run, "--quiet")[0] == 0
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_resuming_takes_no_other_options(handgrad, fails, tmp_path):
    run = tmp_path / "run"
    handgrad("train", "digits", *QUICK, "--out", run)
    said = fails("train", "digits", "--resume", run, "--lr", 0.1, "--batch-norm")
    assert "only --epochs, --engine and devices may change, not DATA, --batch-norm, --lr" in said


def test_wrong_data(fails, table, tmp_path):
    assert "digits" in fails("train", "nothing-here")
    assert "name the data" in fails("train")
    assert "--target" in fails("train", table, "--out", tmp_path / "a")
    said = fails("train", table, "--target", "colour", "--out", tmp_path / "b")
    assert "colour" in said
    assert "height" in said
    assert not any((tmp_path / name).exists() for name in "ab")


def test_a_diverging_loss_names_the_layer(fails, tmp_path):
    options = ["--hidden", 8, "--optimiser", "sgd", "--lr", 1e30, "--quiet", "--out", tmp_path / "run"]
    said = fails("train", "digits", *options)
    assert "is not finite" in said
    assert "layer" in said
    assert (tmp_path / "run" / "checkpoint.json").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--epochs", "0"], "'0' is not a whole number from 1"),
        (["--test", "1.5"], "neither a share between 0 and 1 nor a number"),
        (["--dropout", "1"], "'1' is not in [0, 1)"),
        (["--lr", "-1"], "not a positive number"),
        (["--hidden", "5,x"], "'x' is not a whole number from 1"),
        (["--optimiser", "magic"], "invalid choice"),
        (["--activation", "swoosh"], "activation is one of sigmoid, tanh, relu"),
        (["--test", "100000"], ""),
    ],
)
def test_wrong_options(fails, tmp_path, arguments, said):
    assert said in fails("train", "digits", *arguments, "--out", tmp_path / "run")


def test_wrong_runs(fails, trained, tmp_path):
    folder, _ = trained
    assert "config.json is missing" in fails("predict", tmp_path, "digits")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "config.json").write_text((folder / "config.json").read_text())
    assert f"handgrad train --resume {copy}" in fails("evaluate", copy, "digits")
    (copy / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-40])
    assert "is damaged" in fails("evaluate", copy, "digits")
    (copy / "config.json").write_text("{")
    assert "is damaged" in fails("predict", copy, "digits")
    assert "damaged" in fails("train", "--resume", copy)


def test_inputs_of_another_shape(fails, trained, tmp_path):
    np.savez(tmp_path / "other.npz", x=np.zeros((3, 5)))
    said = fails("predict", trained[0], tmp_path / "other.npz")
    assert "(N, 8, 8)" in said
    assert "(3, 5)" in said


def test_debug_shows_the_traceback(handgrad):
    from handgrad.data import DataError

    with pytest.raises(DataError):
        handgrad("train", "nothing-here", "--debug")


def test_help_names_every_command(handgrad):
    code, out, _ = handgrad("--help")
    assert code == 0
    for command in ("train", "predict", "evaluate", "check"):
        assert f"\n    {command}" in out
        assert handgrad(command, "--help")[0] == 0
    assert handgrad("--version")[1].startswith("handgrad 0.")


# What is said of data, of options, and of faults.


def labelled(path, values, labels=("yes", "no"), header="a,b,label", mark=","):
    rows = [f"{value}{mark}{i / 7:.3f}{mark}{labels[i % len(labels)]}" for i, value in enumerate(values)]
    path.write_text("\n".join([header.replace(",", mark), *rows, ""]))
    return path


def test_what_columns_are_taken_for_is_printed(handgrad, tmp_path):
    rows = [f"{i},2020-01-{i % 28 + 1:02},true,{'AB'[i % 2]},{i % 3}" for i in range(60)]
    file = tmp_path / "a.csv"
    file.write_text("\n".join(["n,when,ok,city,label", *rows]))
    code, out, err = handgrad("train", file, "--target", "label", "--epochs", 1, "--out", tmp_path / "r")
    assert (code, err) == (0, "")
    lines = [line.split(maxsplit=1) for line in out.splitlines()[1:6]]
    assert lines == [
        ["n", "number"],
        ["when", "date, as days since 1970"],
        ["ok", "true or false, as 1 or 0"],
        ["city", "text, 2 levels: A, B"],
        ["label", "3 classes: 0, 1, 2  (to be predicted)"],
    ]
    options = ["--drop", "when,ok", "--epochs", 1, "--out", tmp_path / "s"]
    out = handgrad("train", file, "--target", "n", *options)[1]
    assert re.search(r"\n  n      number, \d to 59  \(to be predicted\)\n", out)
    assert "when" not in out
    assert "the loss is of targets scaled" in out


def test_many_columns_are_summed_up(handgrad, tmp_path):
    names = [f"c{i}" for i in range(30)]
    rows = [",".join("1" * 30) + f",{k}" for k in "ab" * 9]
    (tmp_path / "a.csv").write_text("\n".join([",".join([*names, "t"]), *rows]))
    out = handgrad("train", tmp_path / "a.csv", "--target", "t", "--epochs", 1, "--out", tmp_path / "r")[1]
    assert "  ... 22 more: 22 number\n" in out


def test_notes_are_lines_and_name_options(handgrad, fails, tmp_path):
    numbers = [f"{value:.2f}" for value in np.random.default_rng(0).normal(size=100)]
    file = labelled(tmp_path / "a.csv", [*numbers, "?"])
    code, _, err = handgrad("train", file, "--target", "label", *QUICK, "--out", tmp_path / "r")
    note, error = err.splitlines()
    assert code == 2
    assert (
        note
        == f"handgrad: note: {file}: column 'a': '?' in 1 row is taken for missing, as the others are numbers"
    )
    assert error == (
        f"handgrad: {file}: 1 row lacks values: a (1). Train with --impute to fill them, or remove these rows"
    )
    assert handgrad("train", file, "--target", "label", "--impute", *QUICK, "--out", tmp_path / "r")[0] == 0


def test_one_class_is_refused(fails, tmp_path):
    file = labelled(tmp_path / "a.csv", range(20), ["yes"])
    assert "one class, 'yes'" in fails("train", file, "--target", "label", "--out", tmp_path / "r")


def test_an_unseen_level_has_a_way_out(handgrad, fails, tmp_path):
    file = labelled(tmp_path / "a.csv", ["true", "maybe"] * 20)
    handgrad("train", file, "--target", "label", *QUICK, "--out", tmp_path / "r")
    new = labelled(tmp_path / "new.csv", ["blue", "true"])
    said = fails("predict", tmp_path / "r", new, "-o", "-")
    assert said.startswith(f"handgrad: {new}: column 'a' holds 'blue' in row 1")
    assert said.endswith("--unseen zeros")
    code, out, _ = handgrad("predict", tmp_path / "r", new, "--unseen", "zeros", "-o", "-")
    assert (code, len(out.splitlines())) == (0, 3)
    known = labelled(tmp_path / "known.csv", ["true", "true"])
    assert handgrad("predict", tmp_path / "r", known, "-o", "-")[0] == 0, "text in the model is text here"


def test_predictions_go_where_they_can(handgrad, fails, trained, tmp_path):
    folder, _ = trained
    said = fails("predict", folder, "digits", "-o", tmp_path / "nowhere" / "p.csv")
    assert said == f"handgrad: --out: there is no folder {tmp_path / 'nowhere'}"
    assert "Is a directory" in fails("predict", folder, "digits", "-o", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (["trian"], "train"),
        (["train", "digits", "--hiden", "5"], "--hidden"),
        (["train", "digits", "--hiden=5"], "--hidden"),
        (["train", "digits", "--optimiser", "adm"], "adam"),
        (["predict", "r", "digits", "--unsen", "zeros"], "--unseen"),
    ],
)
def test_what_was_meant(handgrad, arguments, meant):
    code, _, err = handgrad(*arguments)
    assert code == 2
    assert f"did you mean {meant}?" in err


def test_small_tables_are_trained_long_enough(handgrad, tmp_path):
    """As long as makes 1,000 steps; a network of little use after 20 epochs is good after these."""
    rng = np.random.default_rng(0)
    kinds = rng.integers(3, size=120)
    means = np.array([[5.0, 3.4, 1.5, 0.2], [5.9, 2.8, 4.3, 1.3], [6.6, 3.0, 5.5, 2.0]])
    x = means[kinds] + rng.normal(size=(120, 4)) * 0.3
    rows = [",".join(f"{v:.1f}" for v in row) + f",{'abc'[k]}" for row, k in zip(x, kinds, strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(["p,q,r,s,kind", *rows]))
    out = handgrad("train", tmp_path / "a.csv", "--target", "kind", "--out", tmp_path / "r")[1]
    assert "\n1,000 epochs of 1 step\n" in out
    assert out.count("\nepoch ") == 51, "and not a line for each"
    assert float(out.split("test accuracy ")[1].split(" %")[0]) > 90
    out = handgrad("train", tmp_path / "a.csv", "--target", "kind", "--epochs", 20, "--out", tmp_path / "s")[
        1
    ]
    assert f"the loss was still falling: handgrad train --resume {tmp_path / 's'} --epochs 40 goes on" in out


@pytest.mark.parametrize("scales", [None, ("a",), (np.ones(3),), ()])
def test_a_fault_of_handgrads_is_said_to_be_one(handgrad, tmp_path, monkeypatch, scales):
    """Whatever is raised in the middle of a computation: TypeErrors, NumPy's ValueErrors, StopIteration."""
    monkeypatch.setattr("handgrad.data.prepare.FULL_SCALES", scales)
    code, _, err = handgrad("train", "digits", *QUICK, "--out", tmp_path / "r")
    assert code == 3
    assert "Traceback" in err
    assert err.splitlines()[-1].startswith("handgrad: this is a fault of handgrad's, not yours")


def test_a_fault_in_a_users_file_names_its_line(tmp_path):
    from handgrad.cli.faults import is_ours, told
    from handgrad.cli.naming import Place, module_of

    (tmp_path / "mine.py").write_text("def f(x):\n    return {}['nothing']\n")
    with pytest.raises(KeyError) as caught:
        module_of(Place(str(tmp_path / "mine.py"), "f")).f(1)
    error = caught.value.with_traceback(caught.value.__traceback__.tb_next)  # without the line of this test
    assert not is_ours(error)
    assert told(error).endswith("mine.py, line 2: KeyError: 'nothing'")


COMMAND = "import sys; sys.argv[0] = '/bin/handgrad'; from handgrad.cli import main; sys.exit(main())"


@pytest.mark.parametrize("start", [["-m", "handgrad"], ["-c", COMMAND]])
def test_control_c_while_it_is_loaded_is_silent(tmp_path, start):
    """In the middle of the imports, wherever that is in time: a module that is imported sends the signal."""
    (tmp_path / "argparse.py").write_text(
        "import os, signal, time; os.kill(os.getpid(), signal.SIGINT); time.sleep(9)"
    )
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"}
    command = [sys.executable, *start, "train", "digits", "--out", str(tmp_path / "run")]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout, ran.stderr) == (130, "", "")


def test_control_c_while_a_program_loads_handgrad_is_its_own(tmp_path):
    code = "import os, signal, handgrad; os.kill(os.getpid(), signal.SIGINT)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in ran.stderr


@pytest.mark.parametrize(
    "name", ["checkpoint-1.safetensors", "metrics.jsonl", "model.safetensors", "curves.svg"]
)
def test_a_full_disk_is_said_with_the_file_and_the_way_on(handgrad, fails, tmp_path, monkeypatch, name):
    """Whichever file finds no room: nothing is lost, and the end is that of a training that had room."""
    run, whole = tmp_path / "run", tmp_path / "whole"
    arguments = ["train", "digits", *QUICK, "--checkpoint-seconds", 0, "--engine", "numpy"]
    handgrad(*arguments, "--out", whole)
    opened = open

    def full(file, mode="r", *rest, **more):
        if name in str(file) and mode == ("a" if name == "metrics.jsonl" else "xb"):
            raise OSError(28, "No space left on device")
        return opened(file, mode, *rest, **more)

    with monkeypatch.context() as patch:
        patch.setattr("builtins.open", full)
        patch.setattr("io.open", full)
        said = fails(*arguments, "--out", run)
    on = f"handgrad train --resume {run} goes on from the last checkpoint"
    assert said == f"handgrad: {run / name}: No space left on device ({on})"
    assert handgrad("train", "--resume", run, "--quiet")[0] == 0
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()


def test_a_model_by_its_name(handgrad, tmp_path):
    """Trained, stopped and resumed, told of, evaluated; and refused where it does not fit."""
    folder, whole = tmp_path / "run", tmp_path / "whole"
    given = ("train", "digits", "--model", "lenet", "--quiet")
    code, _, err = handgrad(*given, "--epochs", 1, "--out", folder)
    assert code == 0, err
    config = json.loads((folder / "config.json").read_text())
    network = {"model": "lenet", "image": [1, 8, 8], "outputs": 10, "dtype": "float32"}
    assert config["network"] == network
    assert handgrad("train", "--resume", folder, "--epochs", 3, "--quiet")[0] == 0
    assert handgrad(*given, "--epochs", 3, "--out", whole)[0] == 0
    ours, theirs = (load_file(f / "model.safetensors") for f in (folder, whole))
    assert ours["1.W"].shape == (16, 1, 5, 5)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)
    code, out, _ = handgrad("evaluate", folder, "digits")
    assert code == 0
    assert "accuracy" in out


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (
            ["--model", "alexnet"],
            "(or resnet8, resnet20, ...), not 'alexnet'",
        ),
        (["--model", "resnet9"], "a resnet has 6n + 2 layers, 8, 14, 20, ..., not 9"),
        (["--model", "lenet", "--hidden", "30"], "--hidden is of --model mlp, and lenet has none"),
        (["--model", "lenet", "--batch-norm"], "--batch-norm is of --model mlp, and lenet has none"),
    ],
)
def test_a_model_that_is_not_is_refused(handgrad, tmp_path, options, says):
    code, _, err = handgrad("train", "digits", *options, "--out", tmp_path / "run")
    assert code == 2
    assert says in err
    assert not (tmp_path / "run").exists()


def test_a_table_is_no_image(handgrad, tmp_path, table):
    given = ("--target", "kind", "--drop", "soil", "--model", "lenet", "--out", tmp_path / "run")
    code, _, err = handgrad("train", table, *given)
    assert code == 2
    assert "examples of shape (2,) are no images" in err
