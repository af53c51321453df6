"""Networks of text: a run as a folder, and what it writes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.data.text import Alphabet
from handgrad.files import read_json
from handgrad.layers import Layer
from handgrad.models import OF_TEXT
from handgrad.train.folder import CONFIG
from handgrad.train.run import FORMAT, RunError, Saved, check_fields, damaged, load_model

FIELDS = {"format": int, "alphabet": str | None, "network": dict, "training": dict}
NETWORK = {"model": str, "symbols": int, "length": int, "dropout": float | int, "dtype": str}


@dataclasses.dataclass(frozen=True)
class TextRun(Saved):
    """A network that says of each symbol of a text which comes next."""

    network: dict[str, Any]  # the model's name and arguments, but for the seed
    alphabet: Alphabet
    training: dict[str, Any]  # the command's options
    net: Layer

    def described(self) -> dict[str, Any]:
        return {
            "format": FORMAT,
            "task": "text",
            "alphabet": self.alphabet.characters,
            "network": self.network,
            "training": self.training,
        }

    def loss(self, y: Any, t: Any) -> Any:
        return rules.softmax_cross_entropy(y, t)

    def numbers(
        self, prompt: np.ndarray, temperature: float = 1.0, top_k: int | None = None, seed: int = 0
    ) -> Iterator[int]:
        """What the network writes after a prompt of symbols, for ever; each draw is of ``seed``.

        Each symbol is drawn from softmax(logits / temperature), of the ``top_k`` likeliest alone; at a
        temperature of 0 it is the likeliest. The network sees as many symbols as it was trained on.
        """
        from handgrad.engine import compile

        length = self.network["length"]
        rng, params = np.random.default_rng(seed), self.net.parameters()
        forward = compile(lambda params, x: self.net.bind(params)(x))
        seen = list(prompt[-length:])
        while True:
            x = np.array([seen + [0] * (length - len(seen))])  # what comes later is not looked at
            drawn = draw(rng, forward(params, x)[0, len(seen) - 1], temperature, top_k)
            seen = [*seen, drawn][-length:]
            yield drawn


def draw(rng: np.random.Generator, logits: np.ndarray, temperature: float, top_k: int | None) -> int:
    """A symbol of softmax(logits / temperature), of the ``top_k`` likeliest."""
    if temperature == 0:
        return int(logits.argmax())
    scores = np.asarray(logits, np.float64) / temperature
    if top_k is not None and top_k < len(scores):
        least = np.partition(scores, -top_k)[-top_k]
        scores = np.where(scores < least, -np.inf, scores)
    return int(rng.choice(len(scores), p=rules.softmax(scores)))


def build_text(network: dict[str, Any], seed: int) -> Layer:
    """The network before training."""
    options = {"dropout": network["dropout"], "dtype": np.dtype(network["dtype"]), "seed": seed}
    return OF_TEXT[network["model"]](network["symbols"], network["length"], **options)


def is_of_text(folder: Path) -> bool:
    """Whether this folder holds a training on text."""
    try:
        return read_json(folder / CONFIG).get("task") == "text"
    except (OSError, ValueError, AttributeError):
        return False


def load_text_run(folder: str | Path, with_model: bool = True) -> TextRun:
    """The run in a folder, its network in evaluation.

    Raises:
        RunError: there is none that is of text, or its files are damaged or do not belong together.
    """
    folder = Path(folder)
    if not is_of_text(folder):
        raise RunError(
            f"there is no training on text in {folder}: handgrad train FILE.txt --model gpt makes one"
        )
    config = read_json(folder / CONFIG)
    try:
        check_fields(config, FIELDS, "it")
        check_fields(config["network"], NETWORK, "network")
        check_fields(config["training"], {"seed": int, "source": str}, "training")
        network, alphabet = config["network"], Alphabet(config["alphabet"])
        if config["format"] != FORMAT or network["model"] not in OF_TEXT:
            raise ValueError(f"its format is {config['format']!r}, its model {network['model']!r}")
        if network["symbols"] != len(alphabet):
            raise ValueError(f"a network of {network['symbols']} symbols, and an alphabet of {len(alphabet)}")
        net = build_text(network, config["training"]["seed"])
    except (ValueError, TypeError, MemoryError) as error:
        raise damaged(folder, error) from None
    run = TextRun(network, alphabet, dict(config["training"]), net)
    if with_model:
        load_model(run, folder)
    run.net.evaluate()
    return run
