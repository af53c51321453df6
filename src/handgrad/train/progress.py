"""Where a training stands, and its checkpoints.

A checkpoint is ``checkpoint-<step>.safetensors`` with every array, and ``checkpoint.json`` with all
other numbers and the name of the first. The JSON is replaced last, in one stroke, so there is always
a whole checkpoint: the old or the new.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.files import read_json, remove_parts, write_atomically, write_json
from handgrad.layers.saving import differences as array_differences
from handgrad.train.folder import CHECKPOINT, OURS, is_tensor_file, tensor_files
from handgrad.train.hosts import Hosts
from handgrad.train.shards import file_of, joined, parts_here
from handgrad.train.training import differences

Arrays = dict[str, np.ndarray]
State = tuple[Arrays, Arrays, dict[str, Arrays]]  # parameters, states, moments
FORMAT = 2
ALONE = Hosts()
NUMBERS = ("step", "epoch", "batch", "totals", "best", "finished")  # fields that JSON keeps


class ResumedElsewhereWarning(UserWarning):
    """A training goes on with another engine, processor or version than it was begun with."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or belongs to another training.

    Examples:
        >>> net, x, t = hg.layers.mlp([4, 3], seed=0), np.ones((6, 4), np.float32), np.zeros(6, int)
        >>> trainer = hg.Trainer(net, hg.softmax_cross_entropy, hg.optim.Adam(), out="empty")
        >>> trainer.fit(x, t, epochs=1, resume=True)
        Traceback (most recent call last):
            ...
        handgrad.train.progress.CheckpointError: there is no checkpoint in empty: checkpoint.json is missing
    """


@dataclasses.dataclass(frozen=True)
class Progress:
    """All that a training needs to go on as if it had never stopped. Replaced at each step, never changed.

    ``epoch`` and ``batch`` count what is done: the next mini-batch is number ``batch`` of epoch
    ``epoch``. ``totals`` are sums over the examples of the epoch so far.

    Examples:
        >>> progress = hg.train.Progress(params={"W": np.ones(2)}, states={}, moments={}, step=3, epoch=1)
        >>> progress.step, progress.epoch, progress.finished
        (3, 1, False)
    """

    params: Arrays
    states: Arrays
    moments: dict[str, Arrays]
    step: int = 0
    epoch: int = 0
    batch: int = 0
    totals: dict[str, float] = dataclasses.field(default_factory=dict)
    best: dict[str, Any] | None = None  # {"epoch", "loss"}, and below its arrays
    best_arrays: Arrays = dataclasses.field(default_factory=dict)
    finished: bool = False

    def stepped(self, state: State, count: int, totals: dict[str, float]) -> Progress:
        """So many mini-batches later: with these parameters, states and moments, and sums over the epoch."""
        params, states, moments = state
        return dataclasses.replace(
            self,
            params=params,
            states=states,
            moments=moments,
            step=self.step + count,
            batch=self.batch + count,
            totals=totals,
        )


def save_checkpoint(
    folder: Path, progress: Progress, training: dict[str, Any], host: dict[str, str], hosts: Hosts = ALONE
) -> None:
    """Write a checkpoint of ``progress``; ``training`` describes which training it belongs to, and ``host``
    where its steps were made. Several processes each write what lies on their devices.

    Raises:
        OSError: it could not be written; the last checkpoint is still whole.
    """
    from safetensors.numpy import save

    file = f"checkpoint-{progress.step}.safetensors"
    own = file_of(file, hosts.index, hosts.count)
    write_atomically(folder / own, save(parts_here(_tensors(progress), hosts.is_first)))
    hosts.wait(file)
    if not hosts.is_first:
        return
    numbers = {k: getattr(progress, k) for k in NUMBERS}
    content = {
        "format": FORMAT,
        "tensors": file,
        "parts": hosts.count,
        **numbers,
        "training": training,
        "host": host,
    }
    write_json(folder / CHECKPOINT, content)
    for old in tensor_files(folder):
        if old.name not in {file_of(file, i, hosts.count) for i in range(hosts.count)}:
            old.unlink(missing_ok=True)
    remove_parts(folder, *OURS, "checkpoint-*")


def _tensors(progress: Progress) -> Arrays:
    """All arrays of a progress by the names that they have in a file."""
    parts = {"params": progress.params, "states": progress.states, "best": progress.best_arrays}
    tensors = {f"{part}/{name}": x for part, arrays in parts.items() for name, x in arrays.items()}
    for name, moments in progress.moments.items():
        tensors |= {f"moments/{name}/{key}": m for key, m in moments.items()}
    return tensors


def engine_of(folder: Path | None) -> str | None:
    """The engine of the training whose checkpoint is in a folder; None where there is none that says it."""
    try:
        saved = read_json((folder or Path()) / CHECKPOINT)
        engine = saved["host"]["engine"]
    except (OSError, ValueError, KeyError, TypeError):
        return None  # loading it says what is wrong
    return engine if engine in ("native", "numpy", "jax") else None


def load_checkpoint(
    folder: Path, training: dict[str, Any], host: dict[str, str], beginning: Progress, steps: int
) -> Progress:
    """The progress that was saved last, of the training that ``training`` describes.

    ``beginning`` is how that training begins, and ``steps`` how many an epoch has: both must fit.

    Raises:
        CheckpointError: there is none, it is damaged, or it belongs to another training; the message says
            what differs.
    """
    try:
        saved = read_json(folder / CHECKPOINT)
    except FileNotFoundError:
        raise CheckpointError(f"there is no checkpoint in {folder}: {CHECKPOINT} is missing") from None
    except ValueError as error:
        raise _damaged(folder, error) from None
    fault = _fault(saved)
    if fault:
        raise _damaged(folder, f"{CHECKPOINT}: {fault}")
    differ = differences(saved["training"], training)
    if differ:
        raise CheckpointError(
            f"the checkpoint in {folder} is of another training: {'; '.join(differ)}" + _versions(saved, host)
        )
    if (saved["batch"] > 0) != ("examples" in saved["totals"]):
        raise _damaged(folder, f"{CHECKPOINT}: 'totals' is {saved['totals']} at batch {saved['batch']}")
    if saved["step"] != saved["epoch"] * steps + saved["batch"] or saved["batch"] > steps:
        raise _damaged(
            folder,
            f"{CHECKPOINT}: step {saved['step']} is not batch {saved['batch']} of epoch {saved['epoch']}, "
            f"where an epoch has {steps} steps",
        )
    _say_where(folder, saved["host"], host)
    numbers = {k: saved[k] for k in NUMBERS}
    best = {} if saved["best"] is None else {**beginning.params, **beginning.states}
    files = [file_of(saved["tensors"], i, saved.get("parts", 1)) for i in range(saved.get("parts", 1))]
    return _filled(folder, files, dataclasses.replace(beginning, **numbers, best_arrays=best))


def _damaged(folder: Path, why: object) -> CheckpointError:
    return CheckpointError(f"the checkpoint in {folder} is damaged: {why}")


def _is_count(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool) and x >= 0


def _is_number(x: Any) -> bool:
    return isinstance(x, (int, float)) and not isinstance(x, bool)


def _is_best(x: Any) -> bool:
    return x is None or (isinstance(x, dict) and _is_count(x.get("epoch")) and _is_number(x.get("loss")))


FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "tensors": (
        lambda x: isinstance(x, str) and is_tensor_file(x),
        "the name of a file checkpoint-N.safetensors",
    ),
    "step": (_is_count, "a whole number"),
    "epoch": (_is_count, "a whole number"),
    "batch": (_is_count, "a whole number"),
    "totals": (lambda x: isinstance(x, dict) and all(map(_is_number, x.values())), "numbers by name"),
    "best": (_is_best, "null, or an epoch and its loss"),
    "finished": (lambda x: isinstance(x, bool), "true or false"),
    "training": (lambda x: isinstance(x, dict), "a description"),
    "host": (lambda x: isinstance(x, dict), "a description"),
}


def _fault(saved: Any) -> str:
    """What keeps the content of a checkpoint's JSON from being one; "" if nothing does."""
    if not isinstance(saved, dict):
        return f"it holds {type(saved).__name__}, not an object"
    if saved.get("format") != FORMAT:
        return f"its format is {saved.get('format')!r}, and this handgrad reads {FORMAT}"
    for name, (is_right, expected) in FIELDS.items():
        if name not in saved:
            return f"{name!r} is missing"
        if not is_right(saved[name]):
            return f"{name!r} is {saved[name]!r}, not {expected}"
    return ""


def _filled(folder: Path, files: list[str], like: Progress) -> Progress:
    """The progress with the arrays of files, which must be those that it has, by name, shape and dtype."""
    from safetensors import SafetensorError
    from safetensors.numpy import load

    wanted, parts = _tensors(like), []
    for file in files:
        try:
            parts.append(load((folder / file).read_bytes()))
        except FileNotFoundError:
            raise CheckpointError(f"there is no checkpoint in {folder}: {file} is missing") from None
        except (ValueError, KeyError, OSError, SafetensorError) as error:
            raise _damaged(folder, f"{file}: {error}") from None
    try:
        found = joined(parts, wanted)
    except ValueError as error:
        raise _damaged(folder, error) from None
    wrong = array_differences(wanted, found)
    if wrong:
        raise _damaged(folder, f"{', '.join(files)}: {'; '.join(wrong)}")

    def part(name: str, arrays: Arrays) -> Arrays:
        return {key: found[f"{name}/{key}"] for key in arrays}

    return dataclasses.replace(
        like,
        params=part("params", like.params),
        states=part("states", like.states),
        best_arrays=part("best", like.best_arrays),
        moments={name: part(f"moments/{name}", moments) for name, moments in like.moments.items()},
    )


def _changed(was: dict[str, str], now: dict[str, str]) -> str:
    return "; ".join(
        f"{key} {was.get(key)}, and this is {value}" for key, value in now.items() if was.get(key) != value
    )


def _versions(saved: dict[str, Any], host: dict[str, str]) -> str:
    changed = _changed(saved["host"], host)
    return f" (it was made with {changed})" if changed else ""


def _say_where(folder: Path, was: dict[str, str], now: dict[str, str]) -> None:
    if was != now:
        is_redrawn = was.get("engine") != now["engine"] and "jax" in (was.get("engine"), now["engine"])
        warnings.warn(
            f"the checkpoint in {folder} was made with {_changed(was, now)}: the training goes on, and may "
            f"end with other last bits than if it had never stopped"
            + "; dropout, if there is any, draws other masks"
            * is_redrawn,
            ResumedElsewhereWarning,
            stacklevel=6,
        )
