"""``kill -9`` at random moments: every resume ends where the uninterrupted run ends, to the last bit."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

COMMAND = [sys.executable, "-m", "handgrad", "train"]
OPTIONS = (
    "digits --hidden 24 --batch-norm --dropout 0.2 --epochs 80 --batch-size 60 --schedule cosine --quiet"
)
FAST = ["--checkpoint-seconds", "0"]


def start(*arguments):
    return subprocess.Popen(
        [*COMMAND, *map(str, arguments)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finished(folder):
    return (folder / "model.safetensors").exists()


def result(folder):
    """The model's bytes, and the figures of each epoch but for their times."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return (folder / "model.safetensors").read_bytes(), [{**line, "seconds": None} for line in lines]


def step_in(folder):
    """The step of the last checkpoint; 0 before there is one."""
    try:
        return json.loads((folder / "checkpoint.json").read_text())["step"]
    except FileNotFoundError:
        return 0


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Its result, and its number of steps."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    process = start(*OPTIONS.split(), "--out", folder, *FAST)
    _, said = process.communicate()
    assert process.returncode == 0, said.decode()
    return result(folder), step_in(folder)


def kill_until_finished(folder, rng, most, steps):
    """Start, kill when a random step is reached, resume, ...; how many kills hit a training under way."""
    kills = 0
    arguments = [*OPTIONS.split(), "--out", folder, *FAST]
    while not finished(folder):
        begun = (folder / "checkpoint.json").exists()
        process = start(*(["--resume", folder, *FAST] if begun else [*arguments, "--overwrite"]))
        if kills < most and step_in(folder) < steps:  # else only its model is to be written yet
            until = rng.randrange(step_in(folder), steps)
            while process.poll() is None and step_in(folder) <= until:
                time.sleep(rng.uniform(0, 0.01))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += step_in(folder) < steps
        _, said = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), said.decode()
    return kills


def kill_and_compare(tmp_path, uninterrupted, kills, seed):
    """On a busy machine a training may end before the kill: then another is begun."""
    rng = random.Random(seed)
    whole, steps = uninterrupted
    done, runs = 0, 0
    while done < kills:
        runs += 1
        assert runs <= 20 * kills, f"only {done} kills hit a training under way"
        folder = tmp_path / f"run{runs}"
        done += kill_until_finished(folder, rng, most=min(5, kills - done), steps=steps)
        assert result(folder) == whole


def test_a_few_kills(tmp_path, uninterrupted):
    kill_and_compare(tmp_path, uninterrupted, kills=3, seed=0)


@pytest.mark.slow
def test_two_hundred_kills(tmp_path, uninterrupted):
    kill_and_compare(tmp_path, uninterrupted, kills=200, seed=1)
