"""``python -m bench.text``: networks of text on Shakespeare's plays, beside PyTorch with the same network.

Both begin with the same values and see the same mini-batches in the same order, as many steps of the same
optimiser; they take turns, and after each the held-out loss is measured. TEXT.md has what came out.
"""

from __future__ import annotations

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F

from bench import gpt, lstm_char
from bench.levels import processor
from bench.networks import with_parameters_of
from bench.tables import table
from handgrad import rules
from handgrad.data import permutation
from handgrad.data.errors import counted
from handgrad.data.text import SHAKESPEARE, Alphabet, blocks, read_text, split_text
from handgrad.engine.runtime.threads import threads
from handgrad.files import read_json, write_json
from handgrad.optim import Adam, cosine, warm_up
from handgrad.train import Trainer, predict
from handgrad.train.engines import steps_for
from handgrad.train.text import TextRun, build_text, load_text_run
from handgrad.view import curves

RESULTS = Path(__file__).parent / "TEXT.md"
LENGTH, BATCH, HELD_OUT = 64, 32, 500  # symbols of a block, blocks of a mini-batch, blocks held out
NO_WORSE = 0.01  # nats, which is less than another seed makes
Engine = Callable[[int], tuple[float, float]]


class Workload(NamedTuple):
    """A network by its name, the highest learning rate, and how many steps."""

    model: str
    rate: float
    steps: int

    def optimiser(self) -> Adam:
        return Adam(warm_up(cosine(self.rate, self.steps - self.warm_up), self.warm_up))

    @property
    def warm_up(self) -> int:
        return min(100, self.steps // 4)


TORCH_MODELS: dict[str, Callable] = {  # of as many symbols
    "char_lstm": lstm_char.torch_model,
    "gpt": partial(gpt.torch_model, LENGTH, 128, 4, 4),
}
WORKLOADS = {w.model: w for w in (Workload("char_lstm", 4e-3, 3000), Workload("gpt", 1e-3, 1500))}


class Plays:
    """Blocks of the plays: those of each step, one after the other, and those held out."""

    def __init__(self, steps: int):
        text = read_text(SHAKESPEARE)
        self.alphabet = Alphabet.of(text)
        parts = split_text(self.alphabet.encode(text), 0.1, LENGTH)
        (x, t), held_out = (blocks(part, LENGTH) for part in parts)
        epochs = -(-steps * BATCH // len(x))
        order = np.concatenate([permutation(len(x), 0, i) for i in range(epochs)])[: steps * BATCH]
        self.x, self.t = x[order], t[order]
        self.held_x, self.held_t = (part[:HELD_OUT] for part in held_out)


def network(model: str, symbols: int) -> dict[str, Any]:
    return {"model": model, "symbols": symbols, "length": LENGTH, "dropout": 0.0, "dtype": "float32"}


# Engines: each goes on to a step, and gives the training loss since the last and the held-out loss.


def ours(workload: Workload, plays: Plays, folder: Path) -> Engine:
    described = network(workload.model, len(plays.alphabet))
    net = build_text(described, 0)
    trainer = Trainer(net, rules.softmax_cross_entropy, workload.optimiser(), metrics={}, engine="native")
    steps, order = steps_for(trainer, trainer.progress, plays.x, plays.t, BATCH), np.arange(len(plays.x))
    run = TextRun(described, plays.alphabet, {"seed": 0, "source": SHAKESPEARE}, net)

    def to(step: int) -> tuple[float, float]:
        progress, before = trainer.progress, trainer.progress.totals
        while progress.step < step:
            progress = steps.advance(progress, order[: step * BATCH], BATCH, step)
        trainer.progress = progress
        net.load_parameters(progress.params)
        run.save_config(folder)
        run.save_model(folder)
        examples, loss = (progress.totals[n] - before.get(n, 0.0) for n in ("examples", "loss"))
        y = predict(net, plays.held_x)
        return loss / examples, float(rules.softmax_cross_entropy(y, plays.held_t))

    return to


def theirs(workload: Workload, plays: Plays, folder: Path) -> Engine:
    torch.set_num_threads(threads())
    symbols = len(plays.alphabet)
    ours_made = build_text(network(workload.model, symbols), 0)
    net = with_parameters_of(ours_made, TORCH_MODELS[workload.model](symbols))
    ours = workload.optimiser()
    adam = torch.optim.Adam(net.parameters(), betas=(ours.beta1, ours.beta2), eps=ours.eps, fused=True)
    x, t, held_x, held_t = map(torch.from_numpy, (plays.x, plays.t, plays.held_x, plays.held_t))
    done = 0

    def loss_of(x: Any, t: Any) -> Any:
        return F.cross_entropy(net(x).flatten(0, 1), t.flatten())

    def to(step: int) -> tuple[float, float]:
        nonlocal done
        losses = []
        for i in range(done, step):
            for group in adam.param_groups:
                group["lr"] = float(ours.rate(i))
            rows = slice(i * BATCH, (i + 1) * BATCH)
            loss = loss_of(x[rows], t[rows])
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()
            losses.append(loss.detach())
        done = step
        with torch.no_grad():
            held = [loss_of(*pair).item() for pair in zip(held_x.split(100), held_t.split(100), strict=True)]
        return torch.stack(losses).mean().item(), float(np.mean(held))

    return to


# What came out.


def measured(workload: Workload, every: int, folder: Path) -> Iterator[dict[str, Any]]:
    """A record each ``every`` steps: step, and of each engine its losses and its CPU seconds so far."""
    plays = Plays(workload.steps)
    engines = {"handgrad": ours(workload, plays, folder), "PyTorch": theirs(workload, plays, folder)}
    seconds = dict.fromkeys(engines, 0.0)
    for step in [*range(every, workload.steps, every), workload.steps]:
        record: dict[str, Any] = {"step": step}
        for name, to in engines.items():
            began = time.process_time()
            loss, held_out = to(step)
            seconds[name] += time.process_time() - began
            record[name] = {"loss": loss, "held_out": held_out, "seconds": round(seconds[name], 1)}
        print(json.dumps(record), flush=True)
        yield record


def report(folder: Path) -> Iterator[str]:
    """The section of a network in TEXT.md."""
    found = read_json(folder / "figures.json")
    workload, records = Workload(*found["workload"]), found["records"]
    ours, theirs = (records[-1][name] for name in ("handgrad", "PyTorch"))
    apart = ours["held_out"] - theirs["held_out"]
    most = max(abs(r["handgrad"]["held_out"] - r["PyTorch"]["held_out"]) for r in records)
    verdict = "no worse than PyTorch's" if apart < NO_WORSE else "WORSE than PyTorch's"
    minutes = [f"{name} {records[-1][name]['seconds'] / 60:.1f}" for name in ("handgrad", "PyTorch")]
    on = counted(found["threads"], "thread")
    yield f"""
## {workload.model}

{records[-1]["step"]:,} steps of Adam, its rate {workload.rate:g} after {workload.warm_up} steps of warm-up,
then towards 0 at step {workload.steps:,} by a cosine. Minutes of CPU time on {on},
compiling included: {", ".join(minutes)}; they tell no speed, since others may use the machine.

handgrad's held-out loss is {verdict}: the difference is {apart:+.1e} at the end, {most:.1e} at most.
"""
    columns = ("step", "handgrad", "PyTorch", "difference")
    losses = [(r["step"], r["handgrad"]["held_out"], r["PyTorch"]["held_out"]) for r in records]
    yield from table(columns, ((f"{n:,}", f"{a:.4f}", f"{b:.4f}", f"{a - b:+.1e}") for n, a, b in losses))
    run = load_text_run(folder)
    prompt = "ROMEO:"
    drawn = itertools.islice(run.numbers(run.alphabet.encode(prompt.encode()), 0.8), 400)
    written = prompt + "".join(run.alphabet.decode(drawn))
    yield f'\n`handgrad sample RUN --prompt "{prompt}" --temperature 0.8 --count 400`:\n'
    yield f"```\n{written}\n```"


def pictures(folder: Path) -> None:
    """The curves of both, where epochs are steps."""
    records = read_json(folder / "figures.json")["records"]
    for name in ("handgrad", "PyTorch"):
        drawn = [
            {"epoch": r["step"], "loss": r[name]["loss"], "validation_loss": r[name]["held_out"]}
            for r in records
        ]
        (folder / f"curves-{name}.svg").write_text(curves(drawn, f"{folder.name}, {name}"))


def head() -> str:
    return f"""# Networks of text, beside PyTorch

{processor()}; PyTorch {torch.__version__}. Shakespeare's plays, 5 million characters: blocks of
{LENGTH}, of which {BATCH} are a mini-batch, the same ones for both, from the same initial values. Losses
are nats for a character; {HELD_OUT * LENGTH:,} are held out. `python -m bench.text` made this."""


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("models", nargs="*", help=f"some of {', '.join(WORKLOADS)}; all, if not said")
    options.add_argument("--steps", type=int, help="another number of steps")
    options.add_argument("--points", type=int, default=10, help="how often the held-out loss is measured")
    options.add_argument("--out", type=Path, default=Path("runs/text"), help="for the networks and figures")
    options.add_argument("--write", action="store_true", help="TEXT.md, of the figures that are in --out")
    args = options.parse_args()
    for model in [] if args.write else args.models or WORKLOADS:
        workload, folder = WORKLOADS[model], args.out / model
        if args.steps:
            workload = workload._replace(steps=args.steps)
        records = []
        for record in measured(workload, -(-workload.steps // args.points), folder):
            records.append(record)
            figures = {"workload": workload, "records": records, "threads": threads()}
            write_json(folder / "figures.json", figures)
    lines = [head()]
    for folder in (args.out / model for model in WORKLOADS):
        if (folder / "figures.json").exists():
            lines += report(folder)
            pictures(folder)
    text = "\n".join(lines) + "\n"
    print(text)
    if args.write:
        RESULTS.write_text(text)


if __name__ == "__main__":
    main()
