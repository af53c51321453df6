"""One training a folder, and nothing of the user's is removed from it."""

import json
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import mlp
from handgrad.optim import SGD
from handgrad.train import Trainer
from handgrad.train.folder import LOCK, OURS, FolderError, clear, holds_training, training_into

HOLD = """
import sys, time
from pathlib import Path
from handgrad.train.folder import training_into
with training_into(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(100)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that trains into the folder."""
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_one_process_at_a_time(tmp_path, holder):
    with (
        pytest.raises(FolderError, match=f"is being trained by process {holder.pid}"),
        training_into(tmp_path),
    ):
        pass
    trainer = Trainer(mlp([2, 2], seed=0), hg.softmax_cross_entropy, SGD(0.1), out=tmp_path, engine="numpy")
    with pytest.raises(FolderError, match="is being trained"):
        trainer.fit(np.ones((4, 2)), np.zeros(4, int), epochs=1)
    assert [file.name for file in tmp_path.iterdir()] == [LOCK]


def test_a_killed_process_frees_it(tmp_path, holder):
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with training_into(tmp_path), training_into(tmp_path / "." / "../" / tmp_path.name):
        assert (tmp_path / LOCK).read_text() == f"{os.getpid()}\n"
    assert not (tmp_path / LOCK).exists()


def test_one_thread_at_a_time(tmp_path):
    def other():
        try:
            with training_into(tmp_path):
                pass
        except FolderError as error:
            said.append(str(error))

    said = []
    with training_into(tmp_path):
        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
    assert len(said) == 1
    assert f"process {os.getpid()}, this one" in said[0]


def test_many_that_come_and_go_never_meet(tmp_path):
    """The lock's file is removed at each end, while others wait to open it."""
    code = f"""
import os, sys, time
from pathlib import Path
from handgrad.train.folder import FolderError, training_into
inside, done = Path({str(tmp_path / "inside")!r}), 0
while done < 30:
    try:
        with training_into(Path({str(tmp_path / "run")!r})):
            os.close(os.open(inside, os.O_CREAT | os.O_EXCL))
            time.sleep(0.001)
            inside.unlink()
            done += 1
    except FolderError:
        time.sleep(0.0005)
"""
    processes = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(3)]
    assert [process.communicate()[1] for process in processes] == [b""] * 3


def test_clearing_removes_what_handgrad_writes_and_nothing_else(tmp_path):
    ours = [*OURS, "checkpoint-12.safetensors", ".config.json.12345678.part"]
    others = [
        "my-own-drawing.svg",
        "checkpoints_i_like.txt",
        "checkpoint-best.safetensors",
        "predictions.csv",
    ]
    for name in ours + others:
        (tmp_path / name).write_text("")
    clear(tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(others)


def test_what_a_folder_holds(tmp_path):
    assert not holds_training(tmp_path)
    assert not holds_training(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text('{"port": 80}')
    with pytest.raises(FolderError, match=r"config\.json is not of a training"):
        holds_training(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"network": {}, "training": {}}))
    assert holds_training(tmp_path)
    (tmp_path / "config.json").write_text("{")
    (tmp_path / "checkpoint.json").write_text("{}")
    assert holds_training(tmp_path), "a damaged one"
    with pytest.raises(FolderError, match="is a file"):
        holds_training(tmp_path / "config.json")


def test_two_overwrites_at_once(tmp_path):
    """One is refused, and what is there is all of one training."""
    run = tmp_path / "run"
    command = [
        sys.executable,
        "-m",
        "handgrad",
        "train",
        "digits",
        "--quiet",
        "--overwrite",
        "--out",
        str(run),
    ]
    options = ["--epochs", "100000", "--checkpoint-seconds", "0.01"]
    first = subprocess.Popen([*command, *options, "--seed", "1"], stderr=subprocess.PIPE, text=True)
    try:
        while not (run / "checkpoint.json").exists():
            time.sleep(0.02)
            assert first.poll() is None
        second = subprocess.run([*command, "--seed", "2"], capture_output=True, text=True, check=False)
        assert second.returncode == 2
        assert f"is being trained by process {first.pid}" in second.stderr
        os.kill(first.pid, signal.SIGINT)
        assert first.communicate()[1].count("goes on from there") == 1
    finally:
        first.kill()
    seeds = [
        json.loads((run / name).read_text())["training"]["seed"]
        for name in ("config.json", "checkpoint.json")
    ]
    assert seeds == [1, 1]


# Damaged and mixed files.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    from handgrad.cli import main

    folder = tmp_path_factory.mktemp("runs") / "digits"
    assert main(["train", "digits", "--epochs", "1", "--hidden", "4", "--quiet", "--out", str(folder)]) == 0
    return folder


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("", [], "it is a list, not an object"),
        ("", {}, "it has no 'format'"),
        ("format", 9, "its format is 9, and this handgrad reads 1"),
        ("classes", None, "one of the two"),
        ("classes", ["a"], "a network of 64 inputs and 10 outputs does not fit"),
        ("classes", 3, "'classes' = 3"),
        ("preparation", {}, "no preparation"),
        ("network", None, "'network' = None"),
        ("network.widths", [64], "widths are two or more whole numbers"),
        ("network.widths", [64, -1, 10], "widths are two or more whole numbers"),
        ("network.widths", [3, 4, 10], "a network of 3 inputs and 10 outputs does not fit"),
        ("network.dtype", "int32", "dtype is float32 or float64"),
        ("network.activation", "eval", "activation is one of"),
        ("network.depth", 3, "network has 'depth', which is unknown"),
        ("network.model", "lenet", "network has no 'image'"),
        ("training.seed", "a", "training has 'seed' = a"),
        ("training.source", None, "'source' = None"),
    ],
)
def test_a_damaged_config_is_named_with_its_field(run, tmp_path, path, value, says):
    from handgrad.train import RunError, load_run

    config = json.loads((run / "config.json").read_text())
    *outer, last = path.split(".")
    inner = config
    for name in outer:
        inner = inner[name]
    inner[last] = value
    (tmp_path / "config.json").write_text(json.dumps(config if path else value))
    with pytest.raises(RunError, match=r"config\.json: .*Put the file back") as said:
        load_run(tmp_path)
    assert says in str(said.value)


@pytest.mark.parametrize(
    ("option", "value"), [("batch_size", 0), ("lr", "x"), ("hidden", [5.5]), ("impute", 3)]
)
def test_a_damaged_option_is_named(run, tmp_path, option, value):
    from handgrad.cli.train_options import training_of
    from handgrad.train import RunError

    config = json.loads((run / "config.json").read_text())
    config["training"][option] = value
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(RunError, match=rf"config\.json: training: {option}: "):
        training_of(tmp_path)


def test_options_of_earlier_versions_are_as_they_are_today(run, tmp_path):
    from handgrad.cli.train_options import training_of

    config = json.loads((run / "config.json").read_text())
    del config["training"]["drop"], config["training"]["engine"]
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert training_of(tmp_path).training == training_of(run).training


def test_a_model_and_a_config_of_two_trainings_are_told(run, tmp_path):
    from handgrad.cli import main
    from handgrad.train import RunError, load_run

    other = tmp_path / "other"
    options = ["--epochs", "1", "--hidden", "4", "--seed", "1", "--quiet", "--out", str(other)]
    assert main(["train", "digits", *options]) == 0
    load_run(other)
    (other / "config.json").write_bytes((run / "config.json").read_bytes())
    with pytest.raises(RunError, match=r"is of a training with another config\.json"):
        load_run(other)
