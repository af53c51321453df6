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


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """Its result, and the seconds from its first checkpoint to its end: when a kill finds it at work.

    The second time, when the code for its steps is on the disk, as for those that are killed.
    """
    start(*OPTIONS.split(), "--out", tmp_path_factory.mktemp("first") / "run").communicate()
    folder = tmp_path_factory.mktemp("whole") / "run"
    process = start(*OPTIONS.split(), "--out", folder, *FAST)
    await_checkpoint(process, folder)
    began = time.perf_counter()
    _, said = process.communicate()
    assert process.returncode == 0, said.decode()
    return result(folder), time.perf_counter() - began


def await_checkpoint(process, folder):
    while process.poll() is None and not (folder / "checkpoint.json").exists():
        time.sleep(0.005)


def kill_until_finished(folder, rng, most, seconds):
    """Start, kill after a random time, resume, kill again, ...; how many kills hit a training under way."""
    kills = 0
    arguments = [*OPTIONS.split(), "--out", folder, *FAST]
    while not finished(folder):
        begun = (folder / "checkpoint.json").exists()
        process = start(*(["--resume", folder, *FAST] if begun else [*arguments, "--overwrite"]))
        if kills < most:
            await_checkpoint(process, folder)
            time.sleep(rng.uniform(0, seconds))
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                kills += 1
        _, said = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), said.decode()
    return kills


def kill_and_compare(tmp_path, uninterrupted, kills, seed):
    rng = random.Random(seed)
    whole, seconds = uninterrupted
    done = 0
    for run in range(kills):
        folder = tmp_path / f"run{run}"
        done += kill_until_finished(folder, rng, most=min(5, kills - done), seconds=seconds)
        assert result(folder) == whole
        if done >= kills:
            return
    raise AssertionError(f"only {done} kills hit a training under way")


def test_a_few_kills(tmp_path, uninterrupted):
    kill_and_compare(tmp_path, uninterrupted, kills=3, seed=0)


@pytest.mark.slow
def test_two_hundred_kills(tmp_path, uninterrupted):
    kill_and_compare(tmp_path, uninterrupted, kills=200, seed=1)
