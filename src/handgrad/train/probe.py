"""A first look at a training: one mini-batch goes through network and loss, by NumPy, before any step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.arrays import shape
from handgrad.layers import Layer
from handgrad.train.engines import check_rows
from handgrad.train.weights import count, rows

if TYPE_CHECKING:
    from handgrad.train.trainer import Trainer


def first_look(trainer: Trainer, x: Any, t: Any, batch_size: int) -> Any:
    """The outputs of the first mini-batch, in training.

    Raises:
        TypeError: the loss is no number.
        ValueError: the loss is an array, or depends on the network's parameters past the step.
    """
    first = np.arange(min(batch_size, count(t)))
    x, t = trainer.cast(x[first]), trainer.cast(rows(t, first))
    check_rows(x, len(first))
    params = {name: np.array(p) for name, p in trainer.progress.params.items()}

    def loss_and_outputs() -> tuple[Any, Any]:
        np.random.set_state(drawn_from)
        loss, (y, _) = trainer.objective(params, trainer.progress.states, x, t)
        return loss, y

    with np.errstate(all="ignore"), _random_numbers_kept() as drawn_from:
        loss, y = loss_and_outputs()
        _check_scalar(loss)
        _check_parameters_are_given(trainer.net, lambda: loss_and_outputs()[0], loss)
    return y


def _check_scalar(loss: Any) -> None:
    if not hasattr(loss, "dtype") and not isinstance(loss, (int, float)):
        raise TypeError(f"the loss gives {type(loss).__name__}, not a number: does it lack a return?")
    if shape(loss) != ():
        raise ValueError(
            f"the loss, with its penalty, gives an array of shape {shape(loss)}: it must be one number, the "
            f"mean over the mini-batch, as handgrad.mean makes it"
        )


def _is_near(a: Any, b: Any) -> bool:
    """Equal but for rounding, which may differ with where arrays lie."""
    return bool(np.abs(np.float64(a) - np.float64(b)) <= 1e-4 * np.abs(np.float64(b)))


def _check_parameters_are_given(net: Layer, loss_again: Callable[[], Any], loss: Any) -> None:
    """A loss that reads ``net.parameters()``, which the gradient does not see, changes with them alone."""

    def is_read(names: list[str]) -> bool:
        with _moved([arrays[name] for name in names]):
            try:
                return not _is_near(loss_again(), loss)
            except Exception:  # who looks at the numbers may object to what is in their place
                return True

    arrays = {name: p for name, p in net.parameters().items() if isinstance(p, np.ndarray)}
    is_random = not _is_near(loss_again(), loss)
    if is_random or not is_read(list(arrays)):
        return
    found = [name for name in arrays if is_read([name])]
    raise ValueError(
        f"the loss, or a forward, reads {', '.join(found)} from the network itself, not from the step, so "
        f"its gradient would lack that part. A penalty on parameters is an argument, Trainer(..., penalty=f) "
        f"with f(params), such as handgrad.train.l2(1e-4, '*.W'); in a forward, write self.params[...]"
    )


@contextmanager
def _moved(arrays: list[np.ndarray]) -> Iterator[None]:
    """The arrays with other numbers in them, far from their own, for a moment."""
    kept = [(a, a.copy()) for a in arrays if a.flags.writeable]
    try:
        for a, old in kept:
            a[...] = 1000 * old + 1000
        yield
    finally:
        for a, old in kept:
            a[...] = old


@contextmanager
def _random_numbers_kept() -> Iterator[Any]:
    """NumPy's global generator as if nobody had drawn from it."""
    state = np.random.get_state()
    try:
        yield state
    finally:
        np.random.set_state(state)
