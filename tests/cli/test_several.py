"""Several trainings side by side: seeds, folds, and the search for options."""

import json

import numpy as np
import pytest

from handgrad.cli import main
from handgrad.cli.tune import draws, rungs

SMALL = ["--epochs", "1", "--hidden", "4", "--batch-size", "400"]


def figure(folder):
    return json.loads((folder / "figures.json").read_text())


def test_seeds_and_their_deviation(tmp_path, capsys):
    out = tmp_path / "runs"
    command = ["train", "digits", *SMALL, "--seeds", "2", "--out", str(out)]
    assert main(command) == 0
    each = [figure(out / f"seed-{i}")["test accuracy"] for i in range(2)]
    found = json.loads((out / "summary.json").read_text())["test accuracy"]
    assert found["mean"] == pytest.approx(np.mean(each))
    assert found["deviation"] == pytest.approx(np.std(each, ddof=1))
    assert "2 seeds: loss" in capsys.readouterr().out
    alone = tmp_path / "alone"
    assert main(["train", "digits", *SMALL, "--seed", "1", "--quiet", "--out", str(alone)]) == 0
    assert figure(alone) == figure(out / "seed-1")
    written = (out / "seed-1" / "figures.json").stat().st_mtime_ns
    assert main(command) == 0  # goes on: nothing is left to do
    assert (out / "seed-1" / "figures.json").stat().st_mtime_ns == written
    capsys.readouterr()
    assert main(["train", "digits", "--epochs", "2", "--seeds", "2", "--out", str(out)]) == 2
    assert "holds trainings with the options digits --epochs 1" in capsys.readouterr().err


def test_folds_hold_out_all_once(tmp_path):
    out = tmp_path / "runs"
    assert main(["train", "digits", *SMALL, "--folds", "2", "--stratify", "--out", str(out)]) == 0
    configs = [json.loads((out / f"fold-{i}" / "config.json").read_text())["training"] for i in (1, 2)]
    assert [config["fold"] for config in configs] == ["1/2", "2/2"]


def test_a_search_goes_on_where_it_stopped(tmp_path, capsys):
    out = tmp_path / "found"
    asked = "--hidden 4 --batch-size 400 --vary lr=1e-4..1e-1 --trials 3 --halving 2 --epochs 4"
    command = ["tune", "digits", *asked.split(), "--out", str(out)]
    assert main(command) == 0
    first = capsys.readouterr().out
    assert "3 trials to epoch 1" in first
    assert "1 trial to epoch 2" in first
    assert "1 trial to epoch 4" in first
    (out / "trial-002" / "checkpoint.json").unlink()
    assert main(command) == 0
    assert sorted(capsys.readouterr().out.splitlines()) == sorted(first.splitlines())
    assert main([*command[:-2], "--out", str(out), "--trials", "4"]) == 2
    assert "holds another search" in capsys.readouterr().err


def test_what_is_drawn():
    vary = ["lr=1e-4..1e-1", "hidden=8|16,16|", "dropout=0..0.5", "batch-size=10..200"]
    drawn = draws(vary, 200, seed=0)
    lr = np.log10([float(one["lr"]) for one in drawn])
    assert -4 <= lr.min() < -3.9
    assert abs(lr.mean() + 2.5) < 0.2
    assert {one["hidden"] for one in drawn} == {"8", "16,16", ""}
    assert abs(np.mean([float(one["dropout"]) for one in drawn]) - 0.25) < 0.05
    assert all(10 <= int(one["batch-size"]) <= 200 for one in drawn)
    assert drawn == draws(vary, 200, seed=0)
    assert rungs(27, 3) == [3, 9, 27]
    assert rungs(1, 3) == [1]


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        ("lr", "NAME=LOW..HIGH or NAME=A|B|C"),
        ("lr=1..x", "no range of numbers"),
        ("lr=2..1", "begins where it should end"),
        ("lrr=1..2", "did you mean --lr"),
    ],
)
def test_misuse(vary, said, capsys, tmp_path):
    command = ["tune", "digits", "--vary", vary, "--out", str(tmp_path / "t")]
    try:
        code = main(command)
    except SystemExit as stop:
        code = stop.code
    assert code == 2
    assert said in capsys.readouterr().err


def test_classes_weigh_the_same(tmp_path, capsys):
    table = tmp_path / "t.csv"
    rng = np.random.default_rng(0)
    x = rng.standard_normal(300)
    rows = [f"{a:.4f},{'yes' if a + rng.standard_normal() > 2 else 'no'}" for a in x]
    table.write_text("x,label\n" + "\n".join(rows))
    said = {}
    for how in ([], ["--class-weight", "balanced"]):
        out = tmp_path / f"r{len(how)}"
        assert (
            main(["train", str(table), "--target", "label", "--stratify", "--quiet", "--out", str(out), *how])
            == 0
        )
        assert main(["predict", str(out), str(table), "-o", "-"]) == 0
        text = capsys.readouterr().out
        said[len(how)] = text.count(",yes,")
    assert said[2] > 2 * said[0]
    assert (
        main(
            ["train", str(table), "--target", "x", "--class-weight", "balanced", "--out", str(tmp_path / "n")]
        )
        == 2
    )
    assert "--class-weight is of classes" in capsys.readouterr().err


def test_images_are_changed_in_training_alone(tmp_path, capsys):
    out = tmp_path / "run"
    command = ["train", "digits", *SMALL, "--quiet", "--out", str(out)]
    assert main([*command, "--augment", "flip,shift=1,noise=0.05"]) == 0
    assert json.loads((out / "config.json").read_text())["network"]["augment"] == "flip,shift=1,noise=0.05"
    assert main(["train", "--resume", str(out), "--epochs", "2", "--quiet"]) == 0
    capsys.readouterr()
    for _ in range(2):
        assert main(["evaluate", str(out), "digits"]) == 0
    first, second = capsys.readouterr().out.split("held-out examples")[1:]
    assert first.splitlines()[0] == second.splitlines()[0]
    with pytest.raises(SystemExit):
        main([*command, "--augment", "shift"])
    assert "is not flip, shift=PLACES or noise=DEVIATION" in capsys.readouterr().err
