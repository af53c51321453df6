"""What a trainer may be given, looked at once, where it comes in: each misuse is one sentence."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import plain
from handgrad.layers import Layer
from handgrad.layers.untrained import check_parameters
from handgrad.optim import Optimiser
from handgrad.optim.checks import checked_count, checked_number

ENGINES = (None, "native", "numpy", "jax")
FIGURES = ("epoch", "examples", "loss", "learning_rate", "seconds")  # names that a record has already


def check_trainer(net: Any, loss: Any, optimiser: Any, **options: Any) -> None:
    """The arguments of ``Trainer``.

    Raises:
        TypeError, ValueError: one of them cannot be.
    """
    if not isinstance(net, Layer):
        raise TypeError(f"net is a layer, such as handgrad.layers.mlp([4, 8, 3]), not {_named(net)}")
    check_parameters(net)
    if isinstance(loss, Optimiser) or not callable(loss):
        raise TypeError(
            f"loss is a function (y, t) -> scalar, such as handgrad.softmax_cross_entropy, not "
            f"{_named(loss)}; the order is Trainer(net, loss, optimiser)"
        )
    _check_optimiser(optimiser)
    checked_count("seed", options["seed"], least=0)
    checked_number("checkpoint_seconds", options["checkpoint_seconds"])
    for name in ("clip_norm", "clip_value"):
        if options[name] is not None:
            checked_number(name, options[name], above=0)
    for name, form in {"observe": "(net) -> dict of figures", "penalty": "(params) -> scalar"}.items():
        if options[name] is not None and not callable(options[name]):
            raise TypeError(f"{name} is a function {form}, not {_named(options[name])}")
    _check_metrics(options["metrics"])
    checked_count("accumulate", options["accumulate"])
    callbacks = options["callbacks"]
    if not isinstance(callbacks, (list, tuple)) or not all(map(callable, callbacks)):
        raise TypeError(f"callbacks is a list of functions (trainer, record), not {_named(callbacks)}")
    if options["out"] is not None and not isinstance(options["out"], (str, Path)):
        raise TypeError(f"out is the path of a folder, not {_named(options['out'])}")
    if options["engine"] not in ENGINES:
        raise ValueError(f"engine is 'native', 'numpy' or 'jax', not {options['engine']!r}")


def _named(x: Any) -> str:
    """A thing in few words: the value of a string, the name of a function or class, else the type."""
    if isinstance(x, (str, int, float, type(None))):
        return repr(x)
    if isinstance(x, type):
        return f"the class {x.__name__}"
    return f"the function {x.__name__}" if hasattr(x, "__name__") else f"of type {type(x).__name__}"


def _check_optimiser(optimiser: Any) -> None:
    if isinstance(optimiser, type) and hasattr(optimiser, "update"):
        raise TypeError(f"optimiser is the class {optimiser.__name__}; make one: {optimiser.__name__}()")
    if not all(callable(getattr(optimiser, name, None)) for name in ("init", "update", "rate")):
        raise TypeError(
            f"optimiser is one of handgrad.optim, such as Adam(1e-3), or of a class of your own below "
            f"Optimiser, not {_named(optimiser)}; the order is Trainer(net, loss, optimiser)"
        )


def _check_metrics(metrics: Any) -> None:
    if metrics is None:
        return
    if not isinstance(metrics, dict) or not all(isinstance(name, str) for name in metrics):
        raise TypeError(
            f"metrics is a dict of functions (y, t) -> (N,) by name, as "
            f'{{"accuracy": handgrad.train.correct}}, not {_named(metrics)}'
        )
    for name, metric in metrics.items():
        if name in FIGURES:
            raise ValueError(f"a metric cannot be called {name!r}, which a record has already")
        if not callable(metric):
            raise TypeError(f"the metric {name} is a function (y, t) -> (N,), not {_named(metric)}")


def check_fit(epochs: Any, batch_size: Any, validation: Any, patience: Any) -> None:
    """The numbers of ``fit``.

    Raises:
        TypeError, ValueError: one of them cannot be.
    """
    checked_count("epochs", epochs)
    checked_count("batch_size", batch_size)
    if patience is not None:
        checked_count("patience", patience)
        if validation is None:
            raise ValueError("patience needs validation: early stopping watches the validation loss")
    named = validation if isinstance(validation, dict) else {"validation": validation}
    for name, pair in named.items() if validation is not None else ():
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            what = "validation" if named is not validation else f"validation[{name!r}]"
            raise TypeError(f"{what} is a pair (x, t), not {_named(pair)}")
        if not isinstance(name, str) or not name:
            raise TypeError(f"validation is a pair (x, t), or several by name, not by {name!r}")


def validations(given: Any) -> dict[str, tuple[Any, Any]]:
    """What is measured after each epoch, by the name that its figures begin with."""
    named: dict[str, Any] = given if isinstance(given, dict) else {"validation": given}
    return {name: examples(pair[0], pair[1], f"{name} ") for name, pair in named.items() if pair is not None}


def examples(x: Any, t: Any, what: str = "") -> tuple[Any, Any]:
    """Inputs and targets as the trainer takes them: arrays, or for inputs an object read by mini-batch.

    Raises:
        TypeError: they are no numbers.
        ValueError: they do not fit each other, or there are none.
    """
    given = x
    x, t = inputs(x, f"{what}x"), _array(t, f"{what}t")
    if len(x) != len(t):
        several = isinstance(given, (tuple, list)) and all(np.shape(a)[:1] == (len(t),) for a in given)
        raise ValueError(
            f"{what}x has {_counted(len(x), 'input')} and {what}t {_counted(len(t), 'target')}: there must "
            f"be one target for each input"
            + f". {what}x is {len(given)} arrays: a network takes one, so join them along axis 1"
            * several
        )
    if len(t) == 0:
        raise ValueError(f"there are no examples in {what}x and {what}t")
    return x, t


def _counted(n: int, noun: str) -> str:
    return f"{n:,} {noun}" + "s" * (n != 1)


def inputs(x: Any, name: str = "x") -> Any:
    """An array of inputs (N, ...); an object with a length that is indexed by arrays stays what it is.

    Raises:
        TypeError: neither of these, or no numbers.
    """
    is_table = hasattr(x, "to_numpy") or hasattr(x, "numpy")  # pandas, polars, PyTorch
    if isinstance(x, (np.ndarray, np.generic, list, tuple, int, float)) or is_table:
        return _array(x, name)
    if not hasattr(x, "__len__") or not hasattr(x, "__getitem__"):
        raise TypeError(
            f"{name} is an array (N, ...), or an object with a length that gives a mini-batch for an array "
            f"of indices, not {_named(x)}"
        )
    return x


def _array(x: Any, name: str) -> np.ndarray:
    """An array of numbers in the processor's byte order."""
    try:
        array = np.asarray(x) if isinstance(x, (list, tuple)) else x
    except ValueError as error:
        raise TypeError(f"{name} cannot be made one array: {error}") from None
    if getattr(array, "dtype", np.dtype(float)).kind in "US":
        hint = "; class indices of names are np.unique(names, return_inverse=True)[1]"
        raise TypeError(f"{name} has to be numbers, and is text" + hint * name.endswith("t"))
    array = plain(array, name)
    if array.ndim == 0:
        raise TypeError(f"{name} is one number, not an array with one row for each example")
    return array
