"""A training as a folder: what was trained on what, and the network that came out.

``config.json`` describes the data, how it is prepared, the network and the training;
``model.safetensors`` holds the network's arrays by dotted name.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.data import Dataset, Preparation, Rows, TargetScale
from handgrad.files import read_json, write_atomically, write_json
from handgrad.layers import Sequential, mlp
from handgrad.train.trainer import predict

CONFIG, MODEL = "config.json", "model.safetensors"


class RunError(ValueError):
    """A folder that does not hold a training, or a damaged one."""


@dataclasses.dataclass(frozen=True)
class Run:
    """A network with all that is needed to use it on raw data."""

    network: dict[str, Any]  # the arguments of mlp, but for its seed
    preparation: Preparation
    classes: tuple[str, ...] | None  # None: regression
    scale: TargetScale | None  # of regression's targets
    training: dict[str, Any]  # the command's options
    net: Sequential

    def outputs(self, x: Any, unseen: str = "error") -> np.ndarray:
        """Class probabilities (N, C), or targets (N, M) in the units of the data.

        ``unseen`` says what a level of text is that was not trained on: an "error", or "zeros".
        """
        y = predict(self.net, self.prepared(x, unseen))
        if self.classes is not None:
            return rules.softmax(np.asarray(y, np.float64))
        return self.scale.unscale(y) if self.scale is not None else y

    def prepared(self, x: Any, unseen: str = "error") -> Any:
        """The network's inputs: an array, or for rows of a large memory map, prepared as they are read."""
        if isinstance(x, Rows):
            return _PreparedRows(x, self)
        return self.preparation(x, dtype=np.dtype(self.network["dtype"]), unseen=unseen)

    def targets(self, data: Dataset) -> np.ndarray:
        """What the network is trained towards: class indices, or scaled targets (N, M)."""
        return scaled_targets(data, self.scale, np.dtype(self.network["dtype"]))

    def loss(self, y: Any, t: Any) -> Any:
        return rules.softmax_cross_entropy(y, t) if self.classes else rules.mean_squared_error(y, t)

    def save_config(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        scale = self.scale.to_json() if self.scale is not None else None
        described = {
            "format": 1,
            "task": "classification" if self.classes is not None else "regression",
            "classes": self.classes,
            "network": self.network,
            "preparation": self.preparation.to_json(),
            "target_scale": scale,
            "training": self.training,
        }
        write_json(folder / CONFIG, described)

    def save_model(self, folder: Path) -> None:
        from safetensors.numpy import save

        arrays = {**self.net.parameters(), **self.net.states()}
        write_atomically(folder / MODEL, save({k: np.ascontiguousarray(v) for k, v in arrays.items()}))


class _PreparedRows:
    """Inputs that are read from the disk and prepared by mini-batch."""

    def __init__(self, rows: Rows, run: Run):
        self.rows, self.run = rows, run

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, picked: Any) -> np.ndarray:
        return self.run.prepared(self.rows[picked])


def scaled_targets(data: Dataset, scale: TargetScale | None, dtype: Any) -> np.ndarray:
    t = np.asarray(data.t)
    if scale is None:
        return t
    return np.asarray(scale.scale(t.reshape(len(t), -1)), dtype)


def build(network: dict[str, Any], seed: int) -> Sequential:
    return mlp(**{**network, "dtype": np.dtype(network["dtype"])}, seed=seed)


def load_run(folder: str | Path, with_model: bool = True) -> Run:
    """The run in a folder, its network in evaluation.

    Raises:
        RunError: there is none, or its files are damaged or do not belong together.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    folder = Path(folder)
    try:
        config = read_json(folder / CONFIG)
        scale = config["target_scale"]
        run = Run(
            network=config["network"],
            preparation=Preparation.from_json(config["preparation"]),
            classes=tuple(config["classes"]) if config["classes"] is not None else None,
            scale=TargetScale.from_json(scale) if scale is not None else None,
            training=config["training"],
            net=build(config["network"], config["training"]["seed"]),
        )
        if with_model:
            arrays = load((folder / MODEL).read_bytes())
            params, states = run.net.parameters(), run.net.states()
            run.net.load_parameters({k: v for k, v in arrays.items() if k not in states})
            run.net.load_states({k: v for k, v in arrays.items() if k not in params})
    except FileNotFoundError as error:
        missing = Path(error.filename).name
        if missing == CONFIG:
            raise RunError(f"there is no run in {folder}: {CONFIG} is missing") from None
        raise RunError(
            f"the run in {folder} is not finished: {missing} is missing; "
            f"finish it with handgrad train --resume {folder}"
        ) from None
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise RunError(f"the run in {folder} is damaged: {error}") from None
    run.net.evaluate()
    return run
