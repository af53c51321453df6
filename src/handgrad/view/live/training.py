"""Training in the page: a trainer's step and its network as modules, and the data that they learn from.

    show_training(trainer, x, t).save("training.html")

The page makes the steps that ``trainer.fit`` makes: the same programs, the same order of examples.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from handgrad.arrays import shape
from handgrad.engine.wasm import Layout, wasm_module
from handgrad.program import Program, stable_trace
from handgrad.program.tracing import Unstable
from handgrad.tree import leaves, named_leaves
from handgrad.view.images import is_image
from handgrad.view.live.describing import KINDS, placed
from handgrad.view.live.following import Called, NotLive, compiling
from handgrad.view.live.mistakes import Planted, named, planting
from handgrad.view.recording import Recording
from handgrad.view.running import Run
from handgrad.view.store import Store

MOST = 4_000_000  # bytes of examples in a page; of more, as many as go in are drawn
HELD_OUT = 1_000  # examples that are held out, at most
POINTS = 40  # of a side of a decision surface, or of a curve five times as many
SHOWN = 4  # examples on which mistakes are checked, and whose graph is drawn
SCALES = (1, 16, 255)  # of which inputs may be whole parts, as pixels are


@dataclasses.dataclass(frozen=True)
class Training:
    """What is trained in a page: a trainer and its data.

    Attributes:
        trainer: with its network as it is to begin; its own ``fit`` is not called.
        x, t: what it is trained on, (N, ...) and N targets.
        batch_size: examples in a mini-batch.
        held_out: (x, t) to measure on.
        classes: their names, where there are classes; the symbols, where x and t are sequences of them.
    """

    trainer: Any
    x: np.ndarray
    t: np.ndarray
    batch_size: int
    held_out: tuple[np.ndarray, np.ndarray] | None = None
    classes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        if len(self.x) != len(self.t):
            raise ValueError(f"{len(self.x):,} inputs and {len(self.t):,} targets: one for each is wanted")
        if not 1 <= self.batch_size <= len(self.x):
            raise ValueError(
                f"batch_size is {self.batch_size}: a whole number from 1 to the {len(self.x):,} examples"
            )

    @property
    def is_classes(self) -> bool:
        return self.t.ndim == 1 and self.t.dtype.kind in "iu"

    def example(self, count: int = SHOWN) -> tuple[np.ndarray, np.ndarray]:
        """The first examples, as a step is given them."""
        cast = self.trainer.cast
        return cast(self.x[:count]), cast(self.t[:count])

    def network(self) -> Any:
        """The network as it is evaluated."""
        progress = self.trainer.progress
        return self.trainer.net.bind(progress.params, progress.states).evaluate()

    def called(self, count: int = SHOWN) -> Called:
        """The network and its loss on some examples, for their graph."""
        x, t = self.example(count)
        return Called(self.network(), (x,), self.trainer.loss, t, None, with_states=True)

    # Programs.

    def step(self, planted: Sequence[Planted] = ()) -> Program:
        """(params, states, moments, x, t, lr, number, flags) -> ((params, states, moments), loss, outputs)"""
        trainer = self.trainer

        def one(
            params: Any, states: Any, moments: Any, x: Any, t: Any, lr: Any, number: Any, flags: Any
        ) -> Any:
            with planting(planted, flags):
                loss, y, grads, states = trainer.gradients(params, states, x, t)
            params, moments = trainer.update(params, trainer.clipped(grads), moments, lr, number)
            return (params, states, moments), loss, y

        x, t = self.example(self.batch_size)
        return traced(one, *self.carried(), x, t, 0.0, 0.0, np.zeros(max(len(planted), 1)))

    def prediction(self, count: int) -> Program:
        """(params, states, x) -> outputs, in evaluation."""
        net, (x, _) = self.trainer.net, self.example(1)

        def predict(params: Any, states: Any, x: Any) -> Any:
            return net.bind(params, states).evaluate()(x)

        params, states, _ = self.carried()
        return traced(predict, params, states, np.zeros((count, *shape(x)[1:]), x.dtype))

    def carried(self) -> tuple[Any, Any, Any]:
        progress = self.trainer.progress
        return progress.params, progress.states, progress.moments


def traced(f: Any, *args: Any) -> Program:
    try:
        return stable_trace(f, *args)
    except Unstable as error:
        raise NotLive(f"this training cannot be in a page, for its steps differ: {error}") from None
    except TypeError as error:
        raise NotLive(f"this training cannot be in a page: {error}") from error


# Data.


def chosen(training: Training) -> np.ndarray | None:
    """Which examples go into the page, in order; None for all.

    As many whole mini-batches as go in.
    """
    N, size = len(training.x), training.batch_size
    row = max(sum(values_of(part, training)[0].nbytes for part in (training.x, training.t)) // N, 1)
    count = min(N, max(MOST // row, size)) // size * size
    if count == N:
        return None
    rng = np.random.default_rng(training.trainer.seed)
    return np.sort(rng.permutation(N)[:count])


def values_of(x: np.ndarray, training: Training) -> tuple[np.ndarray, int]:
    """Numbers as bytes where they are whole parts of one, and of how many: x = values / parts."""
    cast = training.trainer.cast(np.asarray(x))
    if cast.dtype.kind in "iu" and cast.size and 0 <= cast.min() <= cast.max() < 256:
        return cast.astype(np.uint8), 1
    if cast.dtype.kind == "f" and cast.size and 0 <= cast.min() <= cast.max() <= 255:
        for parts in SCALES:
            values = np.rint(cast * parts)
            if values.max() < 256 and np.array_equal((values / parts).astype(cast.dtype), cast):
                return values.astype(np.uint8), parts
    return cast, 1


def kept(store: Store, x: np.ndarray, training: Training) -> list[Any]:
    values, parts = values_of(x, training)
    if values.dtype == np.uint8:
        return [store.add_bytes(values.tobytes())[0], "u1", list(values.shape), parts]
    stored = store.add(values)
    return [stored.offset, stored.kind, list(stored.shape), parts]


# What the page is told.


def told(training: Training, store: Store) -> dict[str, Any]:
    """The modules, the data and the pictures of a training.

    Raises:
        NotLive: a step cannot be compiled for WebAssembly.
    """
    x, t, held = training.x, training.t, training.held_out
    picked = chosen(training)
    if picked is not None:
        x, t = x[picked], t[picked]
    if held is not None:
        held = (held[0][:HELD_OUT], held[1][:HELD_OUT])
    mistakes = found_mistakes(training)
    names = [name.partition(".")[2] for name, _ in named_leaves(training.carried(), "")]
    kinds = [name.partition(".")[0] for name in names]
    arrays = leaves(training.carried())
    count = min(len(x), 250)
    trainer = training.trainer
    return {
        "step": compiled(training.step(), store, len(arrays)),
        "wrong": compiled(training.step([planted for planted, _ in mistakes]), store, len(arrays))
        if mistakes
        else None,
        "predict": compiled(training.prediction(count), store, 0) | {"count": count},
        "mistakes": [[planted.words, sentence] for planted, sentence in mistakes],
        "carried": [
            [int(kind), name.partition(".")[2], first_of(store, array)]
            for kind, name, array in zip(kinds, names, arrays, strict=True)
        ],
        "x": kept(store, x, training),
        "t": kept(store, t, training),
        "held": None if held is None else [kept(store, part, training) for part in held],
        "whole": len(training.x),
        "batch": training.batch_size,
        "seed": trainer.seed,
        "rates": rates(trainer, len(x) // training.batch_size),
        "optimiser": repr(trainer.optimiser),
        "metrics": "accuracy" if training.is_classes else "",
        "classes": list(training.classes) if training.classes is not None else None,
        "pictures": pictures(training),
    }


def found_mistakes(training: Training) -> list[tuple[Planted, str]]:
    """Mistakes in the rules of a training step, with the checker's sentence on each."""
    progress, (x, t) = training.trainer.progress, training.example(max(SHOWN, 2))
    net = training.trainer.net.bind(progress.params, progress.states).train()
    drawn = Recording(Run(net, (x,), training.trainer.loss, t), None, is_shaken=False)
    return named(drawn.graph("", []))


def compiled(program: Program, store: Store, carried: int) -> dict[str, Any]:
    """A program as a module, with the places of its inputs and outputs; those carried are written over."""
    with compiling():
        module, layout = wasm_module(program, {i: i for i in range(carried)})
    return {"module": store.add_bytes(module), **places(layout)}


def places(layout: Layout) -> dict[str, Any]:
    return {
        "pages": layout.pages,
        "inputs": [placed(place) for place in layout.inputs],
        "outputs": [placed(place) for place in layout.outputs],
    }


def first_of(store: Store, array: Any) -> list[Any]:
    """An array as it begins: where it lies, its spread where it was drawn at random, and how."""
    whole = np.asarray(array)
    stored = store.add(whole)
    kind = KINDS[str(whole.dtype)]
    return [stored.offset, stored.kind, list(stored.shape), kind, *drawn_as(whole)]


def drawn_as(x: np.ndarray) -> tuple[float, str]:
    """The spread of numbers that were drawn at random, and whether evenly; 0 for others."""
    if x.dtype.kind != "f" or x.size < 2 or np.unique(x).size < max(2, x.size // 2):
        return 0.0, ""
    std = float(np.std(x))
    is_even = x.size >= 8 and np.max(np.abs(x)) < 1.9 * std
    return float(f"{std:.6g}"), "even" if is_even else "normal"


def rates(trainer: Any, steps: int) -> list[float]:
    """The learning rate of each step, or one for all."""
    optimiser = trainer.optimiser
    if not callable(optimiser.lr):
        return [float(optimiser.lr)]
    try:
        return [float(optimiser.rate(step)) for step in range(min(20 * steps, 5_000))]
    except (TypeError, ValueError):  # a schedule that ends
        return [float(optimiser.rate(0))]


def pictures(training: Training) -> list[dict[str, Any]]:
    """What is drawn of the network while it learns."""
    x, made = training.x, []
    if x.ndim == 2 and x.shape[1] in (1, 2):
        low, high = x.min(axis=0).astype(float), x.max(axis=0).astype(float)
        edge = 0.1 * (high - low)
        kind = "surface" if x.shape[1] == 2 else "curve"
        made.append({"kind": kind, "low": (low - edge).tolist(), "high": (high + edge).tolist()})
    if weights := first_weights(training):
        made.append(weights)
    if training.is_classes:
        made.append({"kind": "confusion"})
    if training.classes is not None and x.ndim == training.t.ndim == 2 and x.dtype.kind in "iu":
        made.append({"kind": "text"})
    return made


def first_weights(training: Training) -> dict[str, Any] | None:
    """How the first weights are seen as images of what is looked for, if they can be."""
    name, W = next(iter(training.trainer.progress.params.items()))
    own, x = shape(W), training.x
    if len(own) == 4:
        M, C, height, width = own
        return {"kind": "weights", "name": name, "size": [height, width], "each": [C * height * width, 1, M]}
    if len(own) != 2:
        return None
    D, M = own
    size = x.shape[-2:] if is_image(x.shape[1:]) else (side_of(D), side_of(D))
    if size[0] * size[1] != D or D < 25:
        return None
    return {"kind": "weights", "name": name, "size": list(size), "each": [1, M, M]}


def side_of(count: int) -> int:
    side = round(count**0.5)
    return side if side * side == count else 0
