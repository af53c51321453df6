"""The records of a training, an epoch each, and their picture."""

from __future__ import annotations

from pathlib import Path
from typing import Any, SupportsIndex, overload

import numpy as np

from handgrad.files import write_atomically

Record = dict[str, Any]


class Drawing(str):
    """A picture as SVG, which notebooks show."""

    def _repr_svg_(self) -> str:
        return str(self)

    def save(self, path: str | Path) -> None:
        write_atomically(Path(path), str(self))


class History(list[Record]):
    """A list of records, one an epoch; ``history["loss"]`` is a figure of all of them, float64 (epochs,).

    Examples:
        >>> x, t = np.ones((6, 4), np.float32), np.zeros(6, int)
        >>> net = hg.layers.mlp([4, 3], seed=0)
        >>> history = hg.Trainer(net, hg.softmax_cross_entropy, hg.optim.Adam()).fit(x, t, epochs=2)
        >>> type(history).__name__, len(history), history[0]["epoch"]
        ('History', 2, 1)

    Examples:
        >>> history = hg.train.History([{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
        >>> history["loss"].tolist(), history[-1]["epoch"]
        ([0.5, 0.25], 2)
    """

    @overload
    def __getitem__(self, index: SupportsIndex) -> Record: ...

    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...

    @overload
    def __getitem__(self, index: str) -> np.ndarray: ...

    def __getitem__(self, index: Any) -> Any:
        if not isinstance(index, str):
            return super().__getitem__(index)
        known = {name: None for record in self for name in record}
        if index not in known:
            raise KeyError(f"no epoch has {index!r}; there are {', '.join(known) or 'no epochs'}")
        return np.array([record.get(index, np.nan) for record in self], np.float64)

    def plot(self, title: str = "", path: str | Path | None = None) -> Drawing:
        """Loss and accuracy over the epochs, in training and validation; written to ``path``, if given.

        Raises:
            ValueError: there are no epochs yet.
        """
        from handgrad.view import curves

        if not self:
            raise ValueError("there are no epochs to draw: fit comes first")
        drawn = Drawing(curves(self, title))
        if path is not None:
            drawn.save(path)
        return drawn
