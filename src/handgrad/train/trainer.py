"""The trainer: mini-batches through a network, its loss and its optimiser, with nothing lost on the way."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.arrays import size
from handgrad.data import permutation
from handgrad.files import append_line, json_line, read_jsonl, write_atomically
from handgrad.layers import Layer
from handgrad.layers.untrained import untrained
from handgrad.optim import Optimiser
from handgrad.optim.checks import checked_count
from handgrad.optim.combined import AVERAGE
from handgrad.train.arguments import check_fit, check_trainer, examples, validations
from handgrad.train.changes import Changes, cannot_change
from handgrad.train.display import Silent, display_for
from handgrad.train.engines import NativeSteps, steps_for
from handgrad.train.figures import figures, means
from handgrad.train.folder import CHECKPOINT, METRICS, training_into
from handgrad.train.history import History, Record
from handgrad.train.hosts import HostLost, Hosts, JaxHosts, attentive
from handgrad.train.kept import beginning
from handgrad.train.measuring import MOST, PASSES, Forward, predict
from handgrad.train.metrics import Metric, default_metrics
from handgrad.train.penalties import Penalty
from handgrad.train.probe import first_look
from handgrad.train.progress import ALONE, Progress, engine_of, load_checkpoint, save_checkpoint
from handgrad.train.scores import Score, parted
from handgrad.train.sharding import Sharding
from handgrad.train.step import Step
from handgrad.train.training import description, host
from handgrad.train.weights import Weighted, check_weighable, count, rows, weights_of, without_weights
from handgrad.tree import tree_map

Callback = Callable[["Trainer", Record], bool | None]


class Interrupted(KeyboardInterrupt):
    """Ctrl-C came: all steps that were finished are kept, and the message says how to go on.

    Examples:
        >>> issubclass(hg.train.Interrupted, KeyboardInterrupt)
        True
    """


class Trainer(Step):
    """Trains ``net`` to make ``loss(net(x), t)`` small, and ``penalty(params)`` with it.

    What a step computes must not change between steps but by its arguments: the native engine compiles
    what a first run of the network, the loss and the optimiser did. A forward or a loss that draws from
    ``np.random`` is run by NumPy, with a warning; numbers that it reads elsewhere, such as an attribute or a
    global that is annealed, may change between epochs (in ``observe``, say), and each change compiles anew.
    The learning rate is a schedule; random masks are drawn by keys in a layer's ``state``, as ``Dropout``'s.

    Args:
        net: a layer; its parameters and states are replaced when ``fit`` ends, however it ends.
        loss: a function of rules ``(y, t) -> scalar``, the mean over the batch.
        optimiser: one of ``handgrad.optim``; as a keyword also ``optimizer``.
        seed: of the order of the examples; the same seed gives the same order, epoch by epoch.
        clip_norm, clip_value: bounds on the gradient's joint norm, or on each element.
        penalty: a function of rules of all parameters by dotted name, ``(params) -> scalar``, added to the
            loss of each step, such as ``handgrad.train.l2(1e-4, "*.W")``. Losses that are reported of the
            training contain it, those of ``evaluate`` and of the validation do not.
        metrics: functions ``(y, t) -> (N,)``, one number for each example, whose mean is reported, such as
            ``TopK(5)``; and scores of all examples at once, such as ``AUC()``, which are measured in
            validation and ``evaluate`` alone. By default the accuracy, for class indices.
        out: a folder for ``metrics.jsonl`` and checkpoints; without it nothing is written.
        checkpoint_seconds: how often to write a checkpoint. There is always one at the end.
        progress: whether to show a bar (in a terminal) or a line for each epoch (elsewhere).
        engine: "native" code, many steps in a call; "jax", the same on devices of JAX; or "numpy", rule by
            rule. If not said, native where it can be and the work ahead is worth compiling. Each resumes to
            the bits that it would have come to itself; one that was not said goes on as the checkpoint has
            it. What is measured after an epoch is compiled where that is worth it.
        mesh: for JAX, how many devices there are along each axis, ``{"data": 4, "model": 2}``: mini-batches
            lie along ``data``, and along ``model`` the columns of matrices. All along ``data``, if not said.
        sharding: for JAX, whether each device has all of the parameters and moments ("replicated", if not
            said), a part of each ("full"), or how each lies by patterns of names,
            ``{"*.W": (None, "model")}``.
        observe: called with a copy of the network after each epoch; gives figures for the epoch's record, by
            name, or None.
        callbacks: functions ``(trainer, record)``, called after each epoch, its record complete; where one
            gives True, the training ends. ``trainer.current()`` is the network as it is then.
        accumulate: into how many parts a mini-batch is divided, which go through the network one after the
            other and whose gradients are added, so that less memory is needed. Batch norm sees the parts.

    Raises:
        TypeError, ValueError: an argument cannot be; the message names it.

    A network with arrays that look like parameters, and are none, is trained with a warning.

    Examples:
        >>> x, t = np.array([[0.0, 1.0], [1.0, 0.0]] * 20, np.float32), np.array([0, 1] * 20)
        >>> net = hg.layers.mlp([2, 2], seed=0)
        >>> trainer = hg.Trainer(net, hg.softmax_cross_entropy, hg.optim.Adam(0.1), seed=0)
        >>> history = trainer.fit(x, t, epochs=5, batch_size=8)
        >>> [record["epoch"] for record in history], trainer.evaluate(x, t)["accuracy"]
        ([1, 2, 3, 4, 5], 1.0)
    """

    def __init__(
        self,
        net: Layer,
        loss: Callable,
        optimiser: Optimiser | None = None,
        *,
        seed: int = 0,
        clip_norm: float | None = None,
        clip_value: float | None = None,
        penalty: Penalty | None = None,
        metrics: dict[str, Metric | Score] | None = None,
        out: str | Path | None = None,
        checkpoint_seconds: float = 10.0,
        progress: bool = False,
        engine: str | None = None,
        mesh: Mapping[str, int] | None = None,
        sharding: Sharding | None = None,
        observe: Callable[[Layer], dict[str, float] | None] | None = None,
        callbacks: Sequence[Callback] = (),
        accumulate: int = 1,
        optimizer: Optimiser | None = None,
    ):
        if (optimiser is None) == (optimizer is None):
            raise TypeError(
                "Trainer(net, loss, optimiser) takes one optimiser, such as handgrad.optim.Adam()"
            )
        optimiser = optimiser or optimizer
        check_trainer(
            net, loss, optimiser, seed=seed, clip_norm=clip_norm, clip_value=clip_value, penalty=penalty,
            metrics=metrics, out=out, checkpoint_seconds=checkpoint_seconds, engine=engine, observe=observe,
            callbacks=callbacks, accumulate=accumulate,
        )  # fmt: skip
        assert optimiser is not None
        for sentence in untrained(net):
            warnings.warn(sentence, stacklevel=2)
        self.net = net
        self.loss = loss
        self.optimiser = optimiser
        self.seed = seed
        self.clip_norm = clip_norm
        self.clip_value = clip_value
        self.penalty = penalty
        self.metrics, self.scores = parted(metrics)
        self.out = Path(out) if out is not None else None
        self.checkpoint_seconds = checkpoint_seconds
        self.show_progress = progress
        self.engine = engine
        self.mesh = mesh
        self.sharding = sharding
        self.observe = observe
        self.callbacks = tuple(callbacks)
        self.accumulate = int(accumulate)
        self.history = History()
        self.progress = self._beginning()
        self.dtype = next((p.dtype for p in self.progress.params.values()), None)
        self.has_told_of_changes = False
        self.hosts: Hosts = ALONE

    def __repr__(self) -> str:
        numbers = sum(size(p) for p in self.progress.params.values())
        loss = getattr(self.loss, "name", None) or getattr(self.loss, "__name__", type(self.loss).__name__)
        return (
            f"Trainer({type(self.net).__name__} of {numbers:,} parameters, {loss}, {self.optimiser!r}; "
            f"{self.progress.epoch} epochs done)"
        )

    def _beginning(self) -> Progress:
        return Progress(*beginning(self.net, self.optimiser))

    def placement(self) -> Any:
        """Where arrays lie on JAX's devices.

        Raises:
            ImportError: there is no JAX.
            ValueError: the mesh is not of these devices, or does not fit the parameters.
        """
        if importlib.util.find_spec("jax") is None:
            raise ImportError("engine='jax' needs JAX: pip install jax")
        from handgrad.train.placement import Placement

        return Placement(self.mesh, self.sharding, self.progress.params)

    def shardings(self) -> Any:
        """How each array lies on JAX's devices: its name, its shape, along which axis of the mesh each of its
        axes lies, and its bytes on a device. Printed, a table.
        """
        p = self.progress
        return self.placement().table((p.params, p.states, p.moments))

    # Many steps.

    def fit(
        self,
        x: Any,
        t: Any,
        epochs: int,
        batch_size: int = 100,
        *,
        sample_weight: Any = None,
        class_weight: Any = None,
        validation: tuple[Any, Any] | Mapping[str, tuple[Any, Any]] | None = None,
        patience: int | None = None,
        resume: bool = False,
    ) -> History:
        """Train for that many epochs in all; returns one record of figures for each, which ``history`` keeps.

        A second ``fit(epochs=5)`` has nothing left to do, and warns; ``fit(epochs=10)`` makes five more.

        Args:
            x: inputs (N, ...), or any object with a length that gives a mini-batch for an array of indices.
            t: targets, N of them.
            epochs: how many in all, with those that were made before.
            batch_size: examples in a mini-batch. The last of an epoch has what is left over; if that
                is one example, it joins the batch before, since one has no statistics to normalise by.
            sample_weight: how much each example counts, numbers from 0 on, (N,). They are divided by their
                mean, so that the loss is Σ w·l / N; the loss must take ``reduction="none"``.
            class_weight: how much the examples of each class count: "balanced" for as much in all for each
                class, or a list or dict of numbers. Figures of the validation are without weights.
            validation: (x, t) to measure after each epoch; or several, by name.
            patience: stop when the loss of the (first) validation has not improved for that many epochs, and
                go back to the best; needs ``validation``.
            resume: go on from the checkpoint in ``out``. The end is the same, to the last bit, as
                if it had never stopped.

        Raises:
            TypeError, ValueError: an argument cannot be, such as inputs and targets that do not fit; or the
                network, the loss or a metric gives what is not trained on, such as a loss of several numbers.
            FileExistsError: ``out`` holds a checkpoint, and ``resume`` was not asked for.
            FolderError: another process trains into ``out``.
            CheckpointError: resuming from a checkpoint that is missing, damaged, or another training's.
            NonFiniteError: the loss or a gradient is not finite; the last good step is kept.
            Interrupted: Ctrl-C; the last step is kept.
        """
        check_fit(epochs, batch_size, validation, patience)
        x, t = examples(x, t)
        measured_on = validations(validation)
        weights = weights_of(t, sample_weight, class_weight)
        if weights is not None:
            check_weighable(self.loss)
            t = Weighted(t, weights)
        outputs = first_look(self, x, t, batch_size)
        if self.metrics is None:
            self.metrics = default_metrics(without_weights(t)) if hasattr(outputs, "shape") else {}
        try:
            with self._folder():
                return self._fit(x, t, outputs, epochs, batch_size, measured_on, patience, resume)
        except KeyboardInterrupt:
            raise Interrupted(self._how_to_resume()) from None

    def _folder(self) -> contextlib.AbstractContextManager[None]:
        """The lock of the folder, which the first of several processes holds."""
        from_others = self.engine == "jax" and not JaxHosts().is_first
        return contextlib.nullcontext() if self.out is None or from_others else training_into(self.out)

    def _fit(
        self,
        x: Any,
        t: Any,
        outputs: Any,
        epochs: int,
        batch_size: int,
        validation: dict[str, tuple[Any, Any]],
        patience: int | None,
        resume: bool,
    ) -> History:
        ahead = epochs * batch_count(len(x), batch_size) - self.progress.step
        asked = engine_of(self.out) if resume and self.engine is None else self.engine
        placement = self.placement() if asked == "jax" else None
        self.hosts = JaxHosts() if asked == "jax" else ALONE
        fixed = cannot_change(self, x)
        self.steps = steps_for(self, self.progress, x, t, batch_size, asked, ahead, placement, fixed)
        self.forward = Forward("numpy" if self.steps.name == "numpy" else None, PASSES)
        if self.out is not None or self.hosts.count > 1:
            self.training = description(self, x, t, outputs, batch_size, validation, patience)
            self.host = host(self.steps.name) | ({} if placement is None else placement.described())
            self.hosts.check_same(self.training | self.host)
        records = self._opened(resume, batch_count(len(x), batch_size))
        if not resume:
            self._say_what_is_done(epochs)
        self.history = records
        shown = display_for(self.show_progress and self.hosts.is_first)
        shown.start(epochs, batch_count(len(x), batch_size), self.progress.step)
        changes = self._changes(x, t, batch_size)
        try:
            with attentive(self.steps) if asked == "jax" else contextlib.nullcontext():
                while self.progress.epoch < epochs and not self.progress.finished:
                    if records and changes is not None:
                        self._recompile_if(changes.since_last())
                    record = self._epoch(x, t, batch_size, validation, shown)
                    records.append(record)
                    shown.epoch(record)
                    self._finish_epoch(record, patience, next(iter(validation), ""))
                    self._call_back(record)
        except HostLost:
            shown.stop()
            raise
        except BaseException:
            shown.stop()
            self._close()
            raise
        shown.stop()
        self._close()
        return records

    def _changes(self, x: Any, t: Any, batch_size: int) -> Changes | None:
        """What tells whether compiled steps still are what was compiled; None where NumPy makes them."""
        if not isinstance(self.steps, NativeSteps):
            return None
        if cannot_change(self, x):
            return None
        first = np.arange(min(batch_size, count(t)))
        return Changes(self, self.cast(x[first]), self.cast(rows(t, first)), self.steps.compiles_metrics)

    def _recompile_if(self, changed: str) -> None:
        if not changed or not isinstance(self.steps, NativeSteps):
            return
        self.steps.recompile()
        if not self.has_told_of_changes:
            self.has_told_of_changes = True
            warnings.warn(
                f"epoch {self.progress.epoch + 1} computes something else than the one before: {changed}. "
                f"Steps are compiled anew at the beginning of each epoch where that happens, but not within "
                f"one; engine='numpy' looks at each step",
                stacklevel=4,
            )

    def _say_what_is_done(self, epochs: int) -> None:
        done = self.progress.epoch
        if self.progress.finished:
            warnings.warn(
                f"the training stopped early, after {done} epochs, and is not taken up", stacklevel=4
            )
        elif done >= epochs:
            warnings.warn(
                f"{done} of {epochs} epochs are done, so nothing is left to do: epochs is how many in all; "
                f"fit(..., epochs={done + epochs}) makes {epochs} more",
                stacklevel=4,
            )

    def _opened(self, resume: bool, steps: int) -> History:
        """The records so far; the files are cut back to where the checkpoint stands."""
        self.saved_at = time.monotonic()
        if self.out is None:
            if resume:
                raise ValueError("resume needs out, the folder of the checkpoint")
            return History()
        self.out.mkdir(parents=True, exist_ok=True)
        if resume:
            self.progress = load_checkpoint(self.out, self.training, self.host, self._beginning(), steps)
        elif self.progress.step == 0 and (self.out / CHECKPOINT).exists():
            raise FileExistsError(
                f"{self.out} holds a checkpoint already: resume it, or train into another folder"
            )
        records = History(read_jsonl(self.out / METRICS)[: self.progress.epoch])
        self.hosts.wait("records are read")
        if self.hosts.is_first:
            write_atomically(self.out / METRICS, "".join(map(json_line, records)))
        self._save(self.out)
        return records

    def _save(self, out: Path) -> None:
        save_checkpoint(out, self.progress, self.training, self.host, self.hosts)
        self.saved_at = time.monotonic()

    def _epoch(self, x: Any, t: Any, batch_size: int, validation: Any, shown: Silent) -> dict[str, Any]:
        """The rest of the epoch that is under way, and its record."""
        began = time.perf_counter()
        epoch = self.progress.epoch
        order = permutation(len(x), self.seed, epoch)
        steps = batch_count(len(order), batch_size)
        while self.progress.batch < steps:
            before = self.progress.totals.get("examples", 0)
            self.progress = self.steps.advance(self.progress, order, batch_size, steps)
            examples = int(self.progress.totals.get("examples", 0) - before)  # 0 where a step failed
            shown.step(epoch, self.progress.step, examples, means(self.progress.totals))
            is_due = time.monotonic() - self.saved_at >= self.checkpoint_seconds
            if self.out is not None and any(self.hosts.most(is_due)):
                self._save(self.out)
        record: dict[str, Any] = {"epoch": epoch + 1, **means(self.progress.totals)}
        for prefix, (held_x, held_t) in validation.items():
            figures = self._figures(self.forward, self.current(), held_x, held_t)
            record |= {f"{prefix}_{name}": value for name, value in figures.items()}
        if self.observe is not None:
            record |= self._observed(self.observe)
        record["learning_rate"] = self.optimiser.rate(self.progress.step - 1)
        record["seconds"] = round(time.perf_counter() - began, 4)
        if self.out is not None and self.hosts.is_first:
            append_line(self.out / METRICS, record)
        return record

    def _observed(self, observe: Callable[[Layer], Any]) -> dict[str, float]:
        figures = observe(self.current())
        if figures is not None and not isinstance(figures, dict):
            raise TypeError(f"observe gives a dict of figures by name, or None, not {type(figures).__name__}")
        return figures or {}

    def _call_back(self, record: dict[str, Any]) -> None:
        stops = [callback(self, record) is True for callback in self.callbacks]
        if self.callbacks and any(self.hosts.most(any(stops))):
            self.progress = dataclasses.replace(self.progress, finished=True)

    def current(self) -> Layer:
        """The network as it is now, in a copy."""
        params, states = tree_map(self.hosts.whole, (self.progress.params, self.progress.states))
        return self.net.bind(params, states)

    def _finish_epoch(self, record: dict[str, Any], patience: int | None, watched: str) -> None:
        """Count the epoch as done; with patience, note the best and stop when it is long ago."""
        done = dataclasses.replace(self.progress, epoch=self.progress.epoch + 1, batch=0, totals={})
        if patience is not None:
            loss = record[f"{watched}_loss"]
            if done.best is None or loss < done.best["loss"]:
                arrays = tree_map(self.hosts.whole, {**done.params, **done.states})
                best = {"epoch": done.epoch, "loss": loss}
                done = dataclasses.replace(done, best=best, best_arrays=arrays)
            elif done.epoch - done.best["epoch"] >= patience:
                done = dataclasses.replace(done, finished=True)
        self.progress = done

    def _close(self) -> None:
        """Put what was reached into the network, and onto the disk."""
        arrays = self.progress.best_arrays or {**self.progress.params, **self.progress.states}
        arrays = tree_map(self.hosts.whole, arrays)
        self.net.load_parameters({name: arrays[name] for name in self.progress.params})
        self.net.load_states({name: arrays[name] for name in self.progress.states})
        self.net.evaluate()
        if self.out is not None:
            self._save(self.out)

    def _how_to_resume(self) -> str:
        reached = f"stopped after step {self.progress.step}, in epoch {self.progress.epoch + 1}"
        if self.out is None:
            return f"{reached}; without out there is no checkpoint"
        return f"{reached}; fit(..., resume=True) goes on from {self.out}"

    # Using what was learnt.

    def predict(self, x: Any, batch_size: int = MOST) -> np.ndarray:
        """The network's outputs in evaluation, as ``fit`` left it: with patience, at its best.

        x (N, ...) -> (N, M)
        """
        return predict(self.net, x, batch_size, self.engine)

    def evaluate(self, x: Any, t: Any, batch_size: int = MOST) -> dict[str, float]:
        """Mean loss, without any penalty, and metrics in evaluation, of the network as ``fit`` left it.

        Raises:
            TypeError, ValueError: inputs and targets that do not fit, or are none.
        """
        x, t = examples(x, t)
        batch_size = checked_count("batch_size", batch_size)
        return self._figures(Forward(self.engine), self.net.bind(), x, t, batch_size)

    def _figures(
        self, forward: Forward, net: Layer, x: Any, t: Any, batch_size: int = MOST
    ) -> dict[str, float]:
        return figures(self, self.scores, forward.outputs(net, x, batch_size), t)

    def averaged(self) -> Layer:
        """A copy of the network with the averaged weights of ``optim.Average``, in evaluation.

        Statistics of batch norm are those of the last weights.

        Raises:
            ValueError: the optimiser keeps no averages.
        """
        moments = self.progress.moments
        if not all(AVERAGE in each for each in moments.values()):
            raise ValueError(f"{self.optimiser!r} keeps no averages: wrap it, as Average(Adam())")
        weights = {name: moments[name][AVERAGE] for name in self.progress.params}
        return self.net.bind(weights, self.progress.states).evaluate()


def batch_count(n: int, batch_size: int) -> int:
    """How many mini-batches an epoch has, where a last one of one example joins the one before."""
    leaves_one = batch_size > 1 and n > 1 and n % batch_size == 1
    return -(-n // batch_size) - leaves_one
