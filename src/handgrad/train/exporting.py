"""What is exported of a run: its network as a function of raw inputs, and a step of its training."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import xp
from handgrad.data.prepare import Preparation, Scaled, Standardised
from handgrad.engine.exporting import Exported
from handgrad.program import stable_trace
from handgrad.program.source import numpy_source
from handgrad.train.progress import Progress
from handgrad.train.run import Run
from handgrad.train.step import Step
from handgrad.tree import leaves, unflatten


def prediction(run: Run, batch: int = 1, brings_parameters: bool = True) -> Exported:
    """The network in evaluation, of ``batch`` examples: raw inputs, as they are in the data, to probabilities
    of the classes, or to targets in the units of the data. Of a table the inputs are the prepared features.

    (x) -> out, or with the parameters as arguments (params, states, x) -> out; x (batch, ...), out (batch, C)
    """
    predict, own, x = predictor(run, batch)
    is_number = run.task == "regression"
    outputs = "numbers in the data's units" if is_number else f"probabilities of {', '.join(run.names)}"
    raw = isinstance(run.preparation, Scaled | Standardised)
    inputs = "" if raw else f", prepared: {', '.join(run.preparation.columns)}"
    about = f"{batch} x {run.training['source']}{inputs} -> {outputs}"
    if brings_parameters:
        return Exported("predict", stable_trace(lambda x: predict(*own, x), x), ["x"], about)
    return Exported("predict", stable_trace(predict, *own, x), ["params", "states", "x"], about)


def predictor(run: Run, batch: int) -> tuple[Callable, tuple, np.ndarray]:
    """(params, states, x) -> out, the run's parameters and states, and inputs of that many examples."""
    dtype = np.dtype(run.network["dtype"])

    def predict(params: Any, states: Any, x: Any) -> Any:
        y = run.net.bind(params, states).evaluate()(prepared(run.preparation, x, dtype))
        if run.classes is not None:
            return rules.softmax(y)
        if run.scale is None:
            return rules.sigmoid(y)
        return y * run.scale.std.astype(dtype) + run.scale.mean.astype(dtype)

    x = np.zeros((batch, *run.preparation.shape), dtype)
    return predict, (run.net.parameters(), run.net.states()), x


def onnx_model(run: Run, batch: int | None = None) -> bytes:
    """``prediction`` as a model of ONNX, of any number of examples where that can be, or of ``batch``.

    Raises:
        ImportError: onnx is not installed.
        OnnxError: ONNX has no operators for something in it.
    """
    from handgrad.onnx.writing.model import model_of

    predict, own, x = predictor(run, batch or 1)
    return model_of(predict, own, (x,), "predict", ["x"], batch=None if batch else "auto").SerializeToString()


def prepared(preparation: Preparation, x: Any, dtype: np.dtype) -> Any:
    """Raw inputs as the network reads them; a table's are prepared already."""
    if isinstance(preparation, Scaled):
        return x / preparation.full_scale
    if not isinstance(preparation, Standardised):
        return x
    if preparation.fill is not None:
        x = xp.where(x == x, x, preparation.fill.astype(dtype))  # nan alone differs from itself
    varies = preparation.std > 0
    factor = np.divide(1.0, preparation.std, out=np.zeros_like(preparation.std), where=varies)
    return (x - preparation.mean.astype(dtype)) * factor.astype(dtype)


def step(train_step: Step, start: Progress, x: Any, t: Any, about: str) -> Exported:
    """A step of training on a mini-batch like ``x`` and ``t``: forward, backward and update.

    (params, states, moments, x, t, lr, number) -> ((params, states, moments), loss)

    ``number`` is the step's, counted from 1. Parameters, states and moments are as they are in ``start`` at
    first, and are written over.
    """

    def step(params: Any, states: Any, moments: Any, x: Any, t: Any, lr: Any, number: Any) -> Any:
        loss, _, grads, states = train_step.gradients(params, states, x, t)
        params, moments = train_step.update(params, train_step.clipped(grads), moments, lr, number)
        return (params, states, moments), loss

    held = (start.params, start.states, start.moments)
    program = stable_trace(step, *held, train_step.cast(x), train_step.cast(t), 0.0, 0.0)
    arrays = leaves(held)
    return Exported(
        "step",
        program,
        ["params", "states", "moments", "x", "t", "lr", "number"],
        about,
        donated={i: i for i in range(len(arrays))},
        values=dict(enumerate(arrays)),
    )


MAIN = """

def load():
    \"\"\"(params, states, moments, x, t): a network and a mini-batch, from the file beside this.\"\"\"
    kinds = {"params": {}, "states": {}}
    with np.load(__file__.removesuffix(".py") + ".npz") as file:
        for key in file.files:
            kind, _, name = key.partition("/")
            if kind in kinds:
                kinds[kind][name] = file[key]
        moments = {name: {} for name in kinds["params"]}
        for key in file.files:
            if key.startswith("moments/"):
                _, name, moment = key.split("/")
                moments[name][moment] = file[key]
        return kinds["params"], kinds["states"], moments, file["x"], file["t"]


if __name__ == "__main__":
    params, states, moments, x, t = load()
    for number in range(1, 21):
        (params, states, moments), loss = step(params, states, moments, x, t, RATE, float(number))
        print(f"step {number:2}: loss {loss:.6f}")
"""


def source(
    network: Exported, made: Exported, x: Any, t: Any, lr: float, path: Path
) -> dict[Path, bytes | str]:
    """A file of NumPy with a network's ``predict`` and a ``step`` of its training; and their numbers' file.

    Run by itself it makes 20 steps on the mini-batch at the rate ``lr``.
    """
    beside = path.with_suffix(".npz")
    title = f"""A network and a step of its training, in NumPy alone.

predict: {network.about}
step: {made.about}

Written by handgrad. {beside.name} has its parameters, states and moments, and a mini-batch, and
numbers that are too many to be written here.
"""
    functions = {f.name: (f.program, f.inputs) for f in (network, made)}
    text, constants = numpy_source(functions, title, reads_constants=True)
    held = unflatten(made.program.inputs[:3], list(made.values.values()))
    arrays = dict(slashed(dict(zip(made.inputs, held, strict=False)), ""))
    stored = io.BytesIO()
    np.savez(stored, allow_pickle=False, **arrays, **constants, x=x, t=t)
    return {path: text + MAIN.replace("RATE", repr(lr)), beside: stored.getvalue()}


def slashed(tree: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """The arrays of nested dicts by their keys: ``moments/1.W/m``."""
    if not isinstance(tree, dict):
        yield name, tree
        return
    for key, branch in tree.items():
        yield from slashed(branch, f"{name}/{key}" if name else key)
