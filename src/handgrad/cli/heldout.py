"""The part that was held out, as a network sees it: its losses, its mistakes, and the worst of them."""

from __future__ import annotations

from typing import Any

import numpy as np

from handgrad import rules
from handgrad.data import Dataset, Table
from handgrad.train import Run, predict
from handgrad.view.images import is_image, upright
from handgrad.view.summary import short
from handgrad.view.training.report import Example

SHOWN = 24  # of the worst examples
SPELLED = 3  # outputs of a regression


class HeldOut:
    """The outputs of a network for each example of a part, with their losses.

    outputs: float64 (N, M), before the softmax or in the scale that was trained on.
    losses: (N,), of which the loss is the mean.
    wrong: (N,) whether it was taken for another class, or one of its labels is; nowhere in regression.
    worst: which examples to look at, the worst first: mistakes, or where there are none, the largest losses.
    """

    def __init__(self, run: Run, part: Dataset):
        self.run, self.part = run, part
        self.outputs = np.asarray(predict(run.net, run.prepared(part.x, "zeros")), np.float64)
        self.losses = self._losses(run.targets(part))
        self.wrong = self._wrong(np.asarray(part.t))
        mistakes_first = np.lexsort((-self.losses, ~self.wrong))
        self.worst = mistakes_first[: min(SHOWN, int(self.wrong.sum()) or SHOWN)]

    def _wrong(self, t: np.ndarray) -> np.ndarray:
        if self.run.task == "regression":
            return np.zeros(len(t), bool)
        if self.run.task == "multi-label":
            return np.any((self.outputs > 0) != t, axis=1)
        return self.outputs.argmax(1) != t

    def _losses(self, t: np.ndarray) -> np.ndarray:
        losses = self.run.loss(self.outputs, t if t.dtype.kind == "i" else t.astype(np.float64), "none")
        return losses.reshape(len(t), -1).mean(axis=1)

    def in_units(self) -> tuple[np.ndarray, np.ndarray]:
        """Predicted and true targets of a regression, in the units of the data.   (N, M), (N, M)"""
        assert self.run.scale is not None
        return self.run.scale.unscale(self.outputs), np.asarray(self.part.t).reshape(self.outputs.shape)

    def examples(self) -> list[Example]:
        """The worst, with all that is told of them."""
        ways = {"classification": self._classes, "regression": self._errors, "multi-label": self._labels}
        verdicts = ways[self.run.task]()
        files = self.part.examples
        return [
            Example(int(i), loss=float(self.losses[i]), name=files[i] if files else "", **given, **verdict)
            for i, given, verdict in zip(self.worst, self._inputs(), verdicts, strict=True)
        ]

    def _labels(self) -> list[dict[str, Any]]:
        """The probability is that of all labels together, as they are predicted."""
        outputs = self.outputs[self.worst]
        sure = np.prod(rules.sigmoid(np.abs(outputs)), axis=1)
        return [
            {"true": self._named(t), "predicted": self._named(y > 0), "probability": float(p)}
            for y, t, p in zip(outputs, np.asarray(self.part.t)[self.worst], sure, strict=True)
        ]

    def _named(self, holds: np.ndarray) -> str:
        return ", ".join(name for name, is_so in zip(self.run.names, holds, strict=True) if is_so) or "none"

    def _classes(self) -> list[dict[str, Any]]:
        classes = self.run.names
        shares = rules.softmax(self.outputs[self.worst])
        return [
            {"true": classes[t], "predicted": classes[p.argmax()], "probability": float(p.max())}
            for p, t in zip(shares, np.asarray(self.part.t)[self.worst], strict=True)
        ]

    def _errors(self) -> list[dict[str, Any]]:
        predicted, true = (values[self.worst] for values in self.in_units())
        return [
            {"true": several(t), "predicted": several(y), "error": several(y - t)}
            for y, t in zip(predicted, true, strict=True)
        ]

    def _inputs(self) -> list[dict[str, Any]]:
        """The worst as they came: an image, or values by column."""
        x = self.part.take(self.worst).x
        if isinstance(x, Table):
            rows = zip(*(x[name].tolist() for name in x.names), strict=True)
            return [{"values": by_column(x.names, row)} for row in rows]
        x = np.asarray(x[np.arange(len(self.worst))])
        if not is_image(x.shape[1:]):
            names = self.run.preparation.columns
            return [{"values": by_column(names, row)} for row in x.reshape(len(x), -1).tolist()]
        low, high = min(float(x.min()), 0.0), float(x.max())
        return [{"image": upright((image - low) / (high - low or 1.0))} for image in x]


def by_column(names: tuple[str, ...], row: Any) -> dict[str, str]:
    return {name: as_written(value) for name, value in zip(names, row, strict=True)}


def as_written(value: Any) -> str:
    """A value of a table as a person would write it; a whole number, such as a year, without commas."""
    if isinstance(value, str) or value != value:
        return str(value) if value == value and value else "–"
    whole = float(value).is_integer() and abs(value) < 1e15
    return f"{value:.0f}".replace("-", "−") if whole else short(float(value))


def several(values: np.ndarray) -> str:
    """The outputs of a regression for one example, the first few of many."""
    return ", ".join(short(float(v)) for v in values[:SPELLED]) + ", …" * (len(values) > SPELLED)
