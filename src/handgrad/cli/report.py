"""``handgrad train --show``: what the report of a training tells, gathered from it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from handgrad import view
from handgrad.cli.figures import taken_for_what
from handgrad.cli.heldout import HeldOut
from handgrad.cli.show import live_run
from handgrad.cli.train import base_rate
from handgrad.data import Dataset, permutation
from handgrad.files import write_atomically
from handgrad.layers import Layer
from handgrad.train import Run, gradient_norms
from handgrad.train.norms import GRADIENT_NORM
from handgrad.train.run import build
from handgrad.view.images import is_image
from handgrad.view.live.following import NotLive
from handgrad.view.pages import TooLarge, framed
from handgrad.view.summary import short
from handgrad.view.training.norms import layer_norms, parameter_norms
from handgrad.view.training.report import code, examples, norms, picture, report, section
from handgrad.view.training.weights import TILES, heat_map, legend, tiles

FILE = "report.html"
SAMPLE = 512  # examples of the training part on which gradients are measured
LIMIT = 1_000_000  # bytes of the recording within it
LIVE = 2_500_000  # and of the page that trains
CHECKED = 0.25  # seconds for the checker, before and after
WEIGHTS = "Weights of the first layer"
UNITS = (
    '<p class="muted">The loss is of targets that are standardised, so that 1 is their variance in training; '
    "RMSE is in the units of the data.</p>"
)


def observer(started: Run, x: Any, t: np.ndarray) -> Callable[[Layer], dict[str, float]]:
    """What measures the gradients of a training, on a sample of its examples that its seed chooses."""
    chosen = np.sort(permutation(len(t), started.training["seed"], 0)[:SAMPLE])
    return gradient_norms(started.loss, x[chosen], t[chosen], started.training.get("engine"))


def written(
    run: Run, parts: Mapping[str, Dataset], records: list[dict], found: dict[str, float], folder: Path
) -> Path:
    """Write the report of a training whose network is saved.

    Raises:
        ValueError: it could not be made or written, though not by a fault of ours, which is raised as it is.
    """
    from handgrad.cli.faults import is_ours, sentence

    try:
        held = HeldOut(run, parts["test"])
        write_atomically(folder / FILE, Gathered(run, parts, records, found, folder, held).report())
    except Exception as error:
        but = f"the network is trained and saved in {folder}, but {FILE} is not written"
        if is_ours(error):
            error.add_note(but)
            raise
        raise ValueError(f"{but}: {sentence(error)}") from error
    return folder / FILE


@dataclasses.dataclass(frozen=True)
class Gathered:
    """A training that is over."""

    run: Run
    parts: Mapping[str, Dataset]
    records: list[dict[str, Any]]  # of each epoch
    found: dict[str, float]  # on the part held out
    folder: Path
    held: HeldOut

    def report(self) -> str:
        seen = [self.curves(), self.quality(), self.worst()]
        looked_into = [self.gradients(), self.weights(), self.steps(), self.again()]
        return report(self.name, self.figures(), self.facts(), seen + looked_into)

    @property
    def name(self) -> str:
        return Path(self.held.part.name).name

    # In numbers.

    def figures(self) -> dict[str, str]:
        shown = {f"{name.removeprefix('test ')}, held out": said(name, x) for name, x in self.found.items()}
        if self.run.scale is None:
            shown["mistakes, held out"] = f"{self.held.wrong.sum():,} of {len(self.held.part):,}"
        seconds = sum(record["seconds"] for record in self.records)
        return {**shown, "epochs": f"{len(self.records):,}", "seconds": f"{seconds:,.1f}"}

    def facts(self) -> dict[str, str]:
        facts = {"Data": self.data(), "Network": self.network(), "Training": self.training()}
        return {name: ", ".join(parts) for name, parts in facts.items()}

    def data(self) -> list[str]:
        sizes = [f"{len(self.parts['train']):,} examples to train on", f"{len(self.held.part):,} held out"]
        if self.run.training["patience"] is not None:
            sizes.append(f"{len(self.parts['validation']):,} to know when to stop")
        return [self.name, *sizes]

    def network(self) -> list[str]:
        made = self.run.network
        parameters = f"{sum(p.size for p in self.run.net.parameters().values()):,} parameters"
        if "model" in made:
            return [made["model"], f"{' x '.join(map(str, made['image']))} → {made['outputs']}", parameters]
        layers = [" → ".join(map(str, made["widths"])), *[made["activation"]] * (len(made["widths"]) > 2)]
        layers += ["batch norm"] * made["batch_norm"]
        layers += [f"dropout {made['dropout']:g}"] * (made["dropout"] > 0)
        return [*layers, parameters]

    def training(self) -> list[str]:
        options = self.run.training
        rate = f"learning rate {base_rate(options):g}, {options['schedule']}"
        order = [f"batches of {options['batch_size']:,}", f"seed {options['seed']}"]
        return [options["optimiser"], rate, *order]

    # In pictures.

    def curves(self) -> str:
        drawn = view.curves(self.records, "Learning")
        return picture(drawn) if self.run.scale is None else picture(drawn, UNITS)

    def quality(self) -> str:
        """What was taken for what; for regression, predicted against true."""
        held = self.held
        if self.run.scale is not None:
            return picture(view.scatter(*held.in_units(), "Predicted against true"))
        counts, names = taken_for_what(self.run, held.outputs, np.asarray(held.part.t))
        return picture(view.confusion(counts, names, "What was taken for what"))

    def worst(self) -> str:
        shown, wrong, total = len(self.held.worst), int(self.held.wrong.sum()), len(self.held.part)
        if self.run.scale is not None:
            heading, note = "Largest errors", f"{shown} of {total:,} held out, the largest loss first."
        elif shown < wrong:
            heading = "Worst mistakes"
            note = f"{shown} of {wrong:,} among {total:,} held out, the largest loss first."
        elif wrong:
            heading, note = "Mistakes", f"{wrong} among {total:,} held out, the largest loss first."
        else:
            heading = "Largest losses"
            note = f"There is no mistake among {total:,} held out; these come nearest to one."
        return section(heading, note, examples(self.held.examples()))

    def gradients(self) -> str:
        names = {path: layer.describe() for path, layer in self.run.net.walk()}
        size = min(SAMPLE, len(self.parts["train"]))
        note = f"After each epoch, on the same {size:,} examples of the training part."
        found = parameter_norms(self.records, GRADIENT_NORM)
        return norms(found, layer_norms(self.records, found, names), note)

    def weights(self) -> str:
        W = next(iter(self.run.net.parameters().values()))
        shape, kind = self.run.preparation.shape, "unit"
        if len(W.shape) == 4:  # a convolution's, (M, C, KH, KW)
            shape, kind = W.shape[1:] if W.shape[1] > 1 else W.shape[2:], "filter"
            W = W.reshape(len(W), -1).T
        if is_image(shape):
            which = f"the {TILES} largest of {W.shape[1]:,} {kind}s" if W.shape[1] > TILES else f"each {kind}"
            note = f"What {which} adds up (orange) and takes away (blue), the largest norm first."
            return section(WEIGHTS, note, tiles(W, shape, self.units(f"{kind} ", W.shape[1])))
        drawn = heat_map(W, self.run.preparation.columns, self.units("", W.shape[1]), WEIGHTS)
        note = '<p class="muted">A row for each input, a column for each unit, the largest norm first.</p>'
        return picture(drawn, legend(float(np.abs(W).max())), note)

    def units(self, prefix: str, count: int) -> list[str]:
        """Names of the first layer's units, which without hidden layers are the outputs."""
        if len(self.run.network.get("widths", ())) == 2 and self.run.classes is not None:
            return list(self.run.classes)
        return [f"{prefix}{j}" for j in range(count)]

    # The worst example, step by step.

    def steps(self) -> str:
        i = int(self.held.worst[0])
        kind = "the worst mistake" if self.held.wrong[i] else "the largest loss"
        note = f"Example {i:,} of the held-out part, {kind}: above before training, below after it."
        command = f"handgrad show {self.folder} --input {i} --before --out page.html"
        try:
            page = framed(self.recorded(i), height=820)
        except TooLarge as error:
            page = code(str(error))
        return section("Every step, before and after", note, page, code(command))

    def again(self) -> str:
        note = "Trains this network from the beginning, here in the browser: play, pause, step, change."
        command = f"handgrad show {self.folder} --live --out live.html"
        try:
            page = framed(live_run(self.folder).html(LIVE), height=900)
        except (NotLive, TooLarge) as error:
            page = code(str(error))
        return section("Once more, live", note, page, code(command))

    def recorded(self, i: int) -> str:
        """The page of one example, forward and backward through the network before training and after."""
        run, one = self.run, self.held.part.take([i])
        x, t = run.prepared(one.x, "zeros"), run.targets(one)
        fresh = build(run.network, run.training["seed"]).evaluate()
        before, after = (
            view.show(net, x, loss=run.loss, t=t, title=title, examples=[str(i)], check=CHECKED)
            for net, title in ((fresh, "before training"), (run.net, "after training"))
        )
        return before.beside(after, f"{self.name}, example {i}").html(LIMIT)


def said(name: str, value: float) -> str:
    return f"{100 * value:.2f} %" if "accuracy" in name else short(value)
