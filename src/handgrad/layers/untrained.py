"""What of a network looks as if it were trained, and is not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np

from handgrad.arrays import Recorded, is_floating, shape, stripped
from handgrad.layers.layer import Layer
from handgrad.tree import leaves, named_leaves


def check_parameters(net: Layer) -> None:
    """There are parameters to train.

    Raises:
        ValueError: there are none.
    """
    if not net.parameters():
        found = "; ".join(untrained(net))
        raise ValueError(
            f"{net.label} has no parameters to train: a layer's are in self.params, "
            f'as in self.params = {{"W": W}}' + f". {found}" * bool(found)
        )


def untrained(net: Layer) -> list[str]:
    """A sentence for each array that is an attribute beside ``params``, and for each layer out of sight."""
    return [sentence for path, layer in net.walk() for sentence in _of_layer(layer, path)]


def _of_layer(layer: Layer, path: str) -> Iterator[str]:
    where = f"{type(layer).__name__} at {path!r}" if path else type(layer).__name__
    own = [*layer.params.values(), *layer.state.values()]
    for attribute, value in layer._attributes():
        for name, x in named_leaves(value, attribute):
            if _is_trainable(x) and not any(x is p for p in own):
                yield (
                    f"{where}: self.{name} {shape(x)} is not trained, since it is not in self.params; "
                    f"what shall stay as it is belongs into self.state"
                )
    for place in _out_of_sight(layer):
        yield (
            f"{where}: the layers in {place} are not found, and so not trained; sublayers are attributes "
            f"of the object, or in lists, tuples and dicts there"
        )


def _is_trainable(x: Any) -> bool:
    is_array = isinstance(x, (np.ndarray, Recorded))
    return is_array and is_floating(stripped(x)) and len(shape(x)) > 0


def _out_of_sight(layer: Layer) -> Iterator[str]:
    """The places that have layers where ``children`` does not look."""
    for attribute, value in layer._attributes():
        hidden = [y for x in leaves(value) if not isinstance(x, Layer) for y in _contents(x)]
        if any(isinstance(y, Layer) for y in hidden):
            yield f"self.{attribute}"
    for kind in type(layer).__mro__:
        for name, value in vars(kind).items():
            if isinstance(value, Layer):
                yield f"the class, as {kind.__name__}.{name},"


def _contents(x: Any) -> list[Any]:
    """What a container that is no list, tuple or dict holds, or a plain object."""
    if isinstance(x, (set, frozenset, deque)):
        return list(x)
    if isinstance(x, (type, np.ndarray)) or callable(x):
        return []
    return leaves(list(getattr(x, "__dict__", {}).values()))
