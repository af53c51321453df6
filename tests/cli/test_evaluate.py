"""``evaluate`` tells rows that were trained on from others, however they come."""

import numpy as np
import pytest


@pytest.fixture(scope="module")
def noise(tmp_path_factory):
    """Noise learnt by heart: 50 % is honest. The header, the rows, the run, and what train said of it."""
    from handgrad.cli import main

    folder = tmp_path_factory.mktemp("noise")
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((200, 30)), rng.integers(2, size=200)
    np.savez(folder / "noise.npz", x=x, t=y)
    options = ["--epochs", "200", "--lr", "0.02", "--quiet", "--out", str(folder / "run")]
    assert main(["train", str(folder / "noise.npz"), *options]) == 0
    return folder / "run", x, y


def accuracy(line):
    return float(line.split("accuracy ")[1].split(" %")[0])


@pytest.mark.parametrize("order", ["as it was", "reversed"])
def test_the_held_out_part_is_found_by_content(noise, handgrad, tmp_path, order):
    run, x, y = noise
    step = -1 if order == "reversed" else 1
    np.savez(tmp_path / "elsewhere.npz", x=x[::step], t=y[::step])
    code, out, _ = handgrad("evaluate", run, tmp_path / "elsewhere.npz")
    first, second = out.splitlines()[:2]
    assert code == 0
    assert first.startswith("40 held-out examples of")
    assert second.startswith("  160 examples of")
    assert "that it was trained on: accuracy" in second
    assert accuracy(second) > 95 > 75 > accuracy(first)
    assert accuracy(first) == accuracy(handgrad("evaluate", run, run.parent / "noise.npz")[1].splitlines()[0])


def test_copies_and_new_rows(noise, handgrad, tmp_path):
    run, x, y = noise
    new = np.random.default_rng(1).standard_normal((10, 30))
    np.savez(tmp_path / "more.npz", x=np.concatenate([x, new, x]), t=np.concatenate([y, y[:10], y]))
    lines = handgrad("evaluate", run, tmp_path / "more.npz")[1].splitlines()
    assert lines[0].startswith("90 held-out examples")
    assert lines[1].startswith("  320 examples of")
    code, out, _ = handgrad("evaluate", run, tmp_path / "more.npz", "--all")
    assert (code, out.splitlines()[0].startswith("410 examples of")) == (0, True)


def test_when_all_were_trained_on_it_is_said(noise, handgrad, tmp_path):
    from handgrad.data import split_rows

    run, x, y = noise
    rows = split_rows(200, 0.2, 0)[0]
    np.savez(tmp_path / "train.npz", x=x[rows], t=y[rows])
    code, out, _ = handgrad("evaluate", run, tmp_path / "train.npz")
    assert code == 0
    assert out.splitlines()[0] == f"no held-out examples: all 160 of {tmp_path / 'train.npz'} were trained on"
    assert len(out.splitlines()) == 2


def test_rows_for_early_stopping_are_not_held_out(handgrad, tmp_path):
    options = ["--patience", 5, "--epochs", 3, "--hidden", 8, "--quiet", "--out", tmp_path / "run"]
    assert handgrad("train", "digits", *options)[0] == 0
    lines = handgrad("evaluate", tmp_path / "run", "digits")[1].splitlines()
    assert lines[0].startswith("359 held-out examples")
    assert lines[1].startswith("  1,438 examples of")


def test_equal_rows_on_both_sides_are_told(handgrad, tmp_path):
    x = np.random.default_rng(0).integers(3, size=(300, 2)).astype(float)
    x = np.vstack([x, [[50.0, 50.0]] * 1])
    np.savez(tmp_path / "few.npz", x=x, t=(x.sum(axis=1) > 2).astype(int))
    said = handgrad("train", tmp_path / "few.npz", "--epochs", 3, "--quiet", "--out", tmp_path / "run")[1]
    lines = handgrad("evaluate", tmp_path / "run", tmp_path / "few.npz")[1].splitlines()
    assert accuracy(lines[0]) == accuracy(said.splitlines()[0])
    assert "of these have the inputs of an example that was trained on" in lines[1]


def test_a_run_that_does_not_know(noise, handgrad, tmp_path):
    import shutil

    run = tmp_path / "run"
    shutil.copytree(noise[0], run)
    (run / "trained_on.safetensors").unlink()
    out = handgrad("evaluate", run, noise[0].parent / "noise.npz")[1]
    assert "does not tell which rows it was trained on" in out
    assert "200 examples of" in out
