"""Where a training stands, and its checkpoints.

A checkpoint is ``checkpoint-<step>.safetensors`` with every array, and ``checkpoint.json`` with all
other numbers and the name of the first. The JSON is replaced last, in one stroke, so there is always
a whole checkpoint: the old or the new.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.files import read_json, remove_parts, write_atomically, write_json
from handgrad.train.folder import CHECKPOINT, OURS, tensor_files

Arrays = dict[str, np.ndarray]


class CheckpointError(ValueError):
    """A checkpoint that cannot be read, or belongs to another training."""


@dataclasses.dataclass(frozen=True)
class Progress:
    """All that a training needs to go on as if it had never stopped. Replaced at each step, never changed.

    ``epoch`` and ``batch`` count what is done: the next mini-batch is number ``batch`` of epoch
    ``epoch``. ``totals`` are sums over the examples of the epoch so far.
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


def save_checkpoint(folder: Path, progress: Progress, training: dict[str, Any]) -> None:
    """Write a checkpoint of ``progress``; ``training`` describes which training it belongs to.

    Raises:
        OSError: it could not be written; the last checkpoint is still whole.
    """
    from safetensors.numpy import save

    tensors = {f"params/{name}": p for name, p in progress.params.items()}
    tensors |= {f"states/{name}": s for name, s in progress.states.items()}
    tensors |= {f"best/{name}": p for name, p in progress.best_arrays.items()}
    for name, moments in progress.moments.items():
        tensors |= {f"moments/{name}/{key}": m for key, m in moments.items()}
    file = f"checkpoint-{progress.step}.safetensors"
    write_atomically(folder / file, save({k: np.asarray(v, order="C") for k, v in tensors.items()}))
    numbers = {k: getattr(progress, k) for k in ("step", "epoch", "batch", "totals", "best", "finished")}
    write_json(folder / CHECKPOINT, {"format": 1, "tensors": file, **numbers, "training": training})
    for old in tensor_files(folder):
        if old.name != file:
            old.unlink(missing_ok=True)
    remove_parts(folder, *OURS, "checkpoint-*")


def load_checkpoint(folder: Path, training: dict[str, Any]) -> Progress:
    """The progress that was saved last.

    Raises:
        CheckpointError: there is none, it is damaged, or it belongs to another training.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        saved = read_json(folder / CHECKPOINT)
        tensors = load((folder / saved["tensors"]).read_bytes())
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint in {folder}: {error.filename} is missing") from None
    except (ValueError, KeyError, SafetensorError) as error:
        raise CheckpointError(f"the checkpoint in {folder} is damaged: {error}") from None
    for key, expected in training.items():
        if saved["training"].get(key) != expected:
            raise CheckpointError(
                f"the checkpoint in {folder} is of another training: its {key} is "
                f"{saved['training'].get(key)}, this one's is {expected}"
            )
    parts: dict[str, Any] = {"params": {}, "states": {}, "best": {}, "moments": {}}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        if part == "moments":
            parameter, _, key = rest.rpartition("/")
            parts["moments"].setdefault(parameter, {})[key] = tensor
        else:
            parts[part][rest] = tensor
    return Progress(
        params=parts["params"],
        states=parts["states"],
        moments={name: parts["moments"].get(name, {}) for name in parts["params"]},
        best_arrays=parts["best"],
        **{k: saved[k] for k in ("step", "epoch", "batch", "totals", "best", "finished")},
    )
