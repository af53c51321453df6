"""``handgrad explain-nan``: of a training that ran away, and of one that did not."""

from __future__ import annotations

from handgrad.cli import main


def test_a_training_that_ran_away(tmp_path, capsys):
    run = str(tmp_path / "run")
    command = [
        "train",
        "digits",
        "--hidden",
        "8",
        "--epochs",
        "3",
        "--lr",
        "1e30",
        "--optimiser",
        "sgd",
        "--out",
        run,
    ]
    assert main(command) != 0
    assert f"handgrad explain-nan {run} says more" in capsys.readouterr().err
    assert main(["explain-nan", run]) == 1
    out = capsys.readouterr().out
    assert "made numbers that are not finite" in out
    assert "of layer" in out


def test_one_that_did_not(tmp_path, capsys):
    run = str(tmp_path / "run")
    assert main(["train", "digits", "--hidden", "4", "--epochs", "1", "--out", run]) == 0
    assert main(["explain-nan", run]) == 0
    assert "every number is finite" in capsys.readouterr().out


def test_no_run(tmp_path, capsys):
    assert main(["explain-nan", str(tmp_path)]) == 2
    assert str(tmp_path) in capsys.readouterr().err
