"""A training as a folder: what was trained on what, and the network that came out.

``config.json`` describes the data, how it is prepared, the network and the training;
``model.safetensors`` holds the network's arrays by dotted name, and names the configuration that it is of;
``trained_on.safetensors`` tells the rows that were trained on from all others.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.data import Dataset, Fingerprints, Preparation, Rows, TargetScale
from handgrad.data.dataset import check_classes
from handgrad.files import read_json, write_atomically, write_json
from handgrad.layers import Layer, Noise, RandomFlip, RandomShift, Sequential, mlp
from handgrad.models import named
from handgrad.train.folder import CONFIG, MODEL, TRAINED_ON
from handgrad.train.measuring import predict

FORMAT = 1
FIELDS = {"format": int, "classes": list | None, "network": dict, "preparation": dict,
          "target_scale": dict | None, "training": dict}  # fmt: skip
NETWORK = {"widths": list, "activation": str, "batch_norm": bool, "dropout": float | int, "dtype": str}
MODEL_NETWORK = {"model": str, "image": list, "outputs": int, "dtype": str}  # of one known by name
LOSSES: dict[str, Callable] = {
    "classification": rules.softmax_cross_entropy,
    "regression": rules.mean_squared_error,
    "multi-label": rules.binary_cross_entropy_with_logits,
}
MAY_CHANGE = (
    "epochs",
    "source",
    "show",
    "keep",
)  # options that may be others than at the start of a training


class RunError(ValueError):
    """A folder that does not hold a training, or a damaged one.

    Examples:
        >>> hg.train.load_run("nothing here")
        Traceback (most recent call last):
            ...
        handgrad.train.run.RunError: there is no run in nothing here: config.json is missing
    """


class Saved:
    """What is written of a run: how it was made, and what it is."""

    training: dict[str, Any]
    net: Layer

    def described(self) -> dict[str, Any]:
        """What ``config.json`` says."""
        raise NotImplementedError

    def save_config(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / CONFIG, self.described())

    def save_model(self, folder: Path) -> None:
        self.save_as(folder / MODEL, self.net)

    def save_as(self, file: Path, net: Layer) -> None:
        """Write the arrays of the network, or of a copy of it, to a file."""
        _save(file, {**net.parameters(), **net.states()}, {"config": self.digest()})

    def digest(self) -> str:
        """What a model and the ``config.json`` beside it agree on: all but what may change between them."""
        fixed = {name: value for name, value in self.training.items() if name not in MAY_CHANGE}
        text = json.dumps({**self.described(), "training": fixed}, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Run(Saved):
    """A network with all that is needed to use it on raw data.

    Examples:
        >>> import contextlib, io
        >>> from handgrad.cli import main
        >>> with contextlib.redirect_stdout(io.StringIO()):
        ...     code = main("train digits --hidden 4 --epochs 1 --quiet --out run".split())
        >>> run = hg.train.load_run("run")
        >>> code, len(run.classes), list(run.net.parameters())
        (0, 10, ['1.W', '1.b', '3.W', '3.b'])
    """

    network: dict[str, Any]  # the arguments of mlp, or of a model and its name, but for the seed
    preparation: Preparation
    classes: tuple[str, ...] | None  # None: regression
    scale: TargetScale | None  # of regression's targets
    training: dict[str, Any]  # the command's options
    net: Layer
    target_names: tuple[str, ...] | None = None  # of several targets or labels

    @property
    def task(self) -> str:
        if self.classes is not None:
            return "classification"
        return "multi-label" if self.scale is None else "regression"

    @property
    def names(self) -> tuple[str, ...]:
        """Of each output: its class, target or label."""
        return self.classes or self.target_names or tuple(map(str, range(ends(self.network)[1])))

    def outputs(self, x: Any, unseen: str = "error") -> np.ndarray:
        """Probabilities of classes (N, C) or of labels (N, M), or targets (N, M) in the data's units.

        ``unseen`` says what a level of text is that was not trained on: an "error", or "zeros".
        """
        y = predict(self.net, self.prepared(x, unseen))
        if self.classes is not None:
            return rules.softmax(np.asarray(y, np.float64))
        return rules.sigmoid(np.asarray(y, np.float64)) if self.scale is None else self.scale.unscale(y)

    def prepared(self, x: Any, unseen: str = "error") -> Any:
        """The network's inputs: an array, or for rows of a large memory map, prepared as they are read."""
        if isinstance(x, Rows):
            return _PreparedRows(x, self)
        return self.preparation(x, dtype=np.dtype(self.network["dtype"]), unseen=unseen)

    def as_trained(self, source: str | Path) -> dict[str, Any]:
        """The options with which ``handgrad.data.load`` reads a source as it read what was trained on."""
        asked: dict[str, Any] = {"text": self.preparation.text_columns}
        if Path(source).is_dir():
            shape = self.preparation.shape
            asked |= {"is_grey": len(shape) == 2, "fit": self.training.get("fit") or "crop"}
            asked["resize"] = shape[-2:] if self.training.get("resize") else None
        return asked

    def targets(self, data: Dataset) -> np.ndarray:
        """What the network is trained towards: class indices, scaled targets or labels (N, M)."""
        return scaled_targets(data, self.scale, np.dtype(self.network["dtype"]))

    def loss(self, y: Any, t: Any, reduction: str = "mean") -> Any:
        return LOSSES[self.task](y, t, reduction=reduction)

    def described(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "task": self.task,
            "classes": self.classes,
            "network": self.network,
            "preparation": self.preparation.to_json(),
            "target_scale": self.scale.to_json() if self.scale is not None else None,
            "training": self.training,
            **({"targets": list(self.target_names)} if self.target_names else {}),
        }

    def save_known(self, folder: Path, trained_on: Sequence[Dataset], held_out: Dataset) -> None:
        """Write down which rows are trained on, so that they are told from others wherever they come."""
        rows = Fingerprints.of(trained_on, held_out, self.preparation)
        _save(folder / TRAINED_ON, vars(rows))


def _save(path: Path, arrays: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> None:
    from safetensors.numpy import save

    write_atomically(path, save({k: np.ascontiguousarray(v) for k, v in arrays.items()}, metadata))


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
        return t.astype(dtype) if t.dtype == np.bool_ else t
    return np.asarray(scale.scale(t.reshape(len(t), -1)), dtype)


def build(network: dict[str, Any], seed: int) -> Layer:
    """The network before training.

    Raises:
        ValueError: there is no such model, or it does not take such images.
    """
    dtype = np.dtype(network["dtype"])
    rest = {name: value for name, value in network.items() if name != "augment"}
    if "model" in network:
        made = named(network["model"])
        net = made(tuple(network["image"]), network["outputs"], seed=seed, dtype=dtype)
    else:
        net = mlp(**{**rest, "dtype": dtype}, seed=seed)
    before = augmentations(network.get("augment") or "", seed)
    return Sequential(*before, net) if before else net


def augmentations(text: str, seed: int) -> list[Layer]:
    """The layers of ``flip,shift=2,noise=0.1``, in that order."""
    kinds: dict[str, Callable[[str, Any], Layer]] = {
        "flip": lambda _, seed: RandomFlip(seed=seed),
        "shift": lambda most, seed: RandomShift(int(most), seed=seed),
        "noise": lambda std, seed: Noise(float(std), seed=seed),
    }
    rng = np.random.default_rng([seed, 1])
    found = [part.strip().partition("=") for part in text.split(",") if part.strip()]
    return [kinds[name](value, rng) for name, _, value in found]


def ends(network: dict[str, Any]) -> tuple[int, int]:
    """How many numbers go into a network, and come out of it, for each example."""
    if "model" in network:
        return math.prod(network["image"]), network["outputs"]
    return network["widths"][0], network["widths"][-1]


def load_known(folder: Path) -> Fingerprints | None:
    """Which rows a run was trained on; None where that was not written down.

    Raises:
        RunError: the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        return Fingerprints(**load((folder / TRAINED_ON).read_bytes()))
    except FileNotFoundError:
        return None
    except (TypeError, SafetensorError) as error:
        raise RunError(f"{folder / TRAINED_ON} is damaged: {error}") from None


def load_run(folder: str | Path, with_model: bool = True, model: str = MODEL) -> Run:
    """The run in a folder, its network in evaluation.

    Args:
        with_model: whether its network is the trained one; else as it was before training.
        model: the file of the network, which may be one that was kept on the way.

    Raises:
        RunError: there is none, or its files are damaged or do not belong together.

    Examples:
        >>> hg.train.load_run("nothing here")
        Traceback (most recent call last):
            ...
        handgrad.train.run.RunError: there is no run in nothing here: config.json is missing
    """
    folder = Path(folder)
    run = _described(folder)
    if with_model:
        load_model(run, folder, model)
    run.net.evaluate()
    return run


def _described(folder: Path) -> Run:
    """The run that ``config.json`` describes, its network as it was before training."""
    try:
        config = read_json(folder / CONFIG)
    except FileNotFoundError:
        raise RunError(f"there is no run in {folder}: {CONFIG} is missing") from None
    except NotADirectoryError:
        raise RunError(f"{folder} is no run: a run is the folder that handgrad train writes") from None
    except ValueError as error:
        raise damaged(folder, error) from None
    if isinstance(config, dict) and config.get("task") == "text":
        raise RunError(f"{folder} was trained on text: handgrad sample {folder} lets it write")
    try:
        check_config(config)
        classes, scale = config["classes"], config["target_scale"]
        run = Run(
            network=dict(config["network"]),
            preparation=Preparation.from_json(config["preparation"]),
            classes=None if classes is None else check_classes(classes),
            scale=None if scale is None else TargetScale.from_json(scale),
            training=dict(config["training"]),
            net=build(config["network"], config["training"]["seed"]),
            target_names=tuple(config["targets"]) if config.get("targets") else None,
        )
        inputs, outputs = ends(run.network)
        if math.prod(run.preparation.shape) != inputs or len(run.names) != outputs:
            raise ValueError(f"a network of {inputs} inputs and {outputs} outputs does not fit the data")
    except KeyError as error:
        raise damaged(folder, f"target_scale has no {error}") from None
    except (ValueError, TypeError, MemoryError) as error:
        raise damaged(folder, error) from None
    return run


def check_config(config: Any) -> None:
    """Compare what was read with what ``described`` writes.

    Raises:
        ValueError: it differs in structure; the message names the field.
    """
    if not isinstance(config, dict):
        raise ValueError(f"it is a {type(config).__name__}, not an object with {', '.join(FIELDS)}")
    check_fields(config, FIELDS, "it")
    if config["format"] != FORMAT:
        raise ValueError(f"its format is {config['format']!r}, and this handgrad reads {FORMAT}")
    has = [config["classes"] is not None, config["target_scale"] is not None]
    if sum(has) != (config.get("task") != "multi-label"):
        raise ValueError("there are classes or there is target_scale, one of the two, or several labels")
    network = config["network"]
    fields = MODEL_NETWORK if "model" in network else NETWORK
    check_fields(network, fields, "network")
    if unknown := set(network) - {*fields, "augment"}:
        raise ValueError(f"network has {', '.join(map(repr, sorted(unknown)))}, which is unknown")
    if network["dtype"] not in ("float32", "float64"):
        raise ValueError(f"network: dtype is float32 or float64, not {network['dtype']!r}")
    name, least = ("image", 3) if "model" in network else ("widths", 2)
    sizes = network[name]
    if len(sizes) < least or not all(type(n) is int and n > 0 for n in sizes):
        count = "three" if least == 3 else "two or more"
        raise ValueError(f"network: {name} are {count} whole numbers from 1, not {sizes}")
    check_fields(config["training"], {"seed": int, "source": str}, "training")


def check_fields(found: dict[str, Any], expected: dict[str, Any], where: str) -> None:
    for name, kind in expected.items():
        if name not in found:
            raise ValueError(f"{where} has no {name!r}")
        if not isinstance(found[name], kind):
            wanted = getattr(kind, "__name__", kind)
            raise ValueError(f"{where} has {name!r} = {str(found[name])[:40]}, which is no {wanted}")


def damaged(folder: Path, why: object) -> RunError:
    return RunError(
        f"the run in {folder} is damaged: {CONFIG}: {why}. Put the file back as it was, or train again with "
        "--overwrite"
    )


def load_model(run: Saved, folder: Path, model: str = MODEL) -> None:
    """Take the network's arrays from ``model.safetensors``, or another file.

    Raises:
        RunError: it is missing, damaged, or of another configuration.
    """
    from safetensors import SafetensorError, safe_open

    again = f"handgrad train --resume {folder} writes it"
    if not (folder / model).exists():
        raise RunError(f"the run in {folder} is not finished: {model} is missing; {again}")
    try:
        with safe_open(folder / model, framework="np") as file:
            made_for = (file.metadata() or {}).get("config")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
        if made_for not in (None, run.digest()):
            raise ValueError(f"it is of a training with another {CONFIG}")
        params, states = run.net.parameters(), run.net.states()
        run.net.load_parameters({k: v for k, v in arrays.items() if k not in states})
        run.net.load_states({k: v for k, v in arrays.items() if k not in params})
    except (ValueError, KeyError, TypeError, SafetensorError) as error:
        raise RunError(f"the run in {folder} is damaged: {model}: {error}; {again} again") from None
