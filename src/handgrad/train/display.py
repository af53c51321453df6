"""How a training shows itself while it runs: a bar in a terminal, a line an epoch in a log, or nothing."""

from __future__ import annotations

import sys
import time
from typing import Any

MOST_LINES = 50
ASIDE = ("epoch", "seconds", "learning_rate", "examples_per_second")  # figures that a line has no room for


class Silent:
    """Shows nothing."""

    def start(self, epochs: int, steps: int, done: int) -> None: ...

    def step(self, epoch: int, done: int, examples: int, figures: dict[str, float]) -> None: ...

    def epoch(self, record: dict[str, Any]) -> None: ...

    def stop(self) -> None: ...


class Lines(Silent):
    """One line an epoch, for logs and pipes; of many epochs the first and each fiftieth part."""

    def start(self, epochs: int, steps: int, done: int) -> None:
        self.epochs, self.every = epochs, max(1, epochs // MOST_LINES)

    def epoch(self, record: dict[str, Any]) -> None:
        if record["epoch"] not in (1, self.epochs) and record["epoch"] % self.every:
            return
        print(f"epoch {record['epoch']}/{self.epochs}  {told(record)}", flush=True)


class Bar(Silent):
    """A bar with loss, accuracy, examples a second and the time left; redrawn ten times a second."""

    def start(self, epochs: int, steps: int, done: int) -> None:
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.table import Column

        self.epochs, self.steps = epochs, steps
        self.bar = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=10),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[figures]}", table_column=Column(no_wrap=True, overflow="ellipsis")),
        )
        self.task = self.bar.add_task("", total=epochs * steps, completed=done, figures="")
        self.examples, self.since, self.drawn = 0, time.perf_counter(), 0.0
        self.bar.start()

    def step(self, epoch: int, done: int, examples: int, figures: dict[str, float]) -> None:
        self.examples += examples
        now = time.perf_counter()
        if now - self.drawn < 0.1:
            return
        self.drawn = now
        speed = self.examples / max(now - self.since, 1e-9)
        text = "  ".join([told(figures), f"{speed:,.0f} ex/s"])
        self.bar.update(
            self.task, completed=done, description=f"epoch {epoch + 1}/{self.epochs}", figures=text
        )

    def epoch(self, record: dict[str, Any]) -> None:
        # What fits beside the bar in a terminal of 80 columns; metrics.jsonl has the rest.
        best = next((k for k in ("validation_accuracy", "validation_loss") if k in record), "accuracy")
        self.bar.update(
            self.task,
            completed=record["epoch"] * self.steps,
            description=f"epoch {record['epoch']}/{self.epochs}",
            figures=told({"loss": record["loss"], best: record.get(best)}),
        )

    def stop(self) -> None:
        self.bar.stop()


def told(figures: dict[str, Any]) -> str:
    """Losses and metrics in words: ``loss 0.3812  accuracy 91.2 %``; dotted names are details, and untold."""
    words = []
    for name, value in figures.items():
        if name in ASIDE or "." in name or value is None:
            continue
        number = f"{100 * value:.1f} %" if name.endswith("accuracy") else f"{value:.4g}"
        words.append(f"{name.replace('_', ' ')} {number}")
    return "  ".join(words)


def display_for(progress: bool) -> Silent:
    if not progress:
        return Silent()
    return Bar() if sys.stdout.isatty() else Lines()
