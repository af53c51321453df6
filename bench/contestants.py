"""Who takes part. A contestant is ``make(workload) -> steps``, and ``steps(n)`` makes n steps: the last loss.

All begin from handgrad's weights and take the mini-batches of the trainer's order, gathered anew each epoch.
A peer that is not installed is left out.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import time
from collections.abc import Callable

import numpy as np

from bench.by_hand import by_hand
from bench.workload import Order, Workload
from handgrad.optim import SGD
from handgrad.train import Trainer
from handgrad.train.engines import TURN, steps_for

Steps = Callable[[int], float]
OURS, OURS_NUMPY = "handgrad", "handgrad, NumPy engine"
NUMPY, TORCH, COMPILED = "NumPy by hand", "PyTorch, eager", "PyTorch, torch.compile"
JAX, SCAN, SKLEARN = "JAX, jit", "JAX, jit and scan", "scikit-learn"


def trainer_for(workload: Workload, engine: str) -> Trainer:
    net, loss = workload.net(), workload.criterion()
    return Trainer(net, loss, workload.optimiser, seed=0, metrics={}, engine=engine)


def ours(workload: Workload, engine: str) -> Steps:
    """handgrad: THE place where an engine is asked for its steps."""
    return ours_one_by_one(workload, engine) if engine == "numpy" else ours_in_one_call(workload, engine)


def ours_one_by_one(workload: Workload, engine: str) -> Steps:
    x, t = workload.examples()
    trainer, order = trainer_for(workload, engine), Order(workload)

    def steps(n: int) -> float:
        loss = 0.0
        for picked in order.take(n):
            trainer.progress, loss, _ = trainer.step(trainer.progress, x[picked], t[picked])
        return loss

    return steps


def ours_in_one_call(workload: Workload, engine: str) -> Steps:
    """Calls of a tenth of a second, as ``fit`` makes them; the last step by itself, to know its loss."""
    x, t = workload.examples()
    trainer, order = trainer_for(workload, engine), Order(workload)
    placement = trainer.placement() if engine == "jax" else None
    made = steps_for(trainer, trainer.progress, x, t, workload.batch, engine, placement=placement)

    def run(picked: np.ndarray) -> float:
        began = time.perf_counter()
        done, trainer.progress, _ = made.run(trainer.progress, picked.reshape(-1), workload.batch)
        if done < len(picked):
            raise ArithmeticError(f"{workload.name}: the loss or a gradient is not finite")
        return (time.perf_counter() - began) / len(picked)

    def steps(n: int) -> float:
        left, size = n - 1, min(workload.epoch_steps(), made.most)
        while left > 0:
            size = min(size, left)
            seconds = run(order.take(size))
            left, size = left - size, max(1, min(int(TURN / seconds), made.most))
        before = trainer.progress.totals.get("loss", 0.0)
        run(order.take(1))
        return (trainer.progress.totals["loss"] - before) / workload.batch

    return steps


def scikit_learn(workload: Workload) -> Steps:
    """An epoch at a time. Only timed: its order, its weights and (for two classes) its one output differ."""
    from sklearn.neural_network import MLPClassifier, MLPRegressor

    x, t = workload.examples()
    classes = workload.loss == "softmax_cross_entropy"
    optimiser = workload.optimiser
    settings = {"solver": "sgd", "momentum": 0.0, "nesterovs_momentum": False}
    if not isinstance(optimiser, SGD):
        settings = {"solver": "adam", "beta_1": optimiser.beta1, "beta_2": optimiser.beta2}
    net = (MLPClassifier if classes else MLPRegressor)(
        hidden_layer_sizes=workload.widths[1:-1],
        activation=workload.activation,
        alpha=0.0,
        batch_size=workload.batch,
        learning_rate_init=optimiser.rate(0),
        random_state=0,
        **settings,
    )
    fit = functools.partial(net.partial_fit, x, t if classes else t[:, 0])
    fit = functools.partial(fit, classes=np.unique(t)) if classes else fit
    per_epoch = workload.epoch_steps()

    def steps(n: int) -> float:
        if n % per_epoch:
            raise ValueError(f"scikit-learn makes whole epochs of {per_epoch} steps, not {n} steps")
        for _ in range(n // per_epoch):
            fit()
        return net.loss_

    return steps


def torch_eager(workload: Workload) -> Steps:
    from bench import torch_peers

    return torch_peers.eager(workload)


def torch_compiled(workload: Workload) -> Steps:
    from bench import torch_peers

    return torch_peers.compiled(workload)


def jax_jit(workload: Workload) -> Steps:
    from bench import jax_peers

    return jax_peers.jit(workload)


def jax_scan(workload: Workload) -> Steps:
    from bench import jax_peers

    return jax_peers.scan(workload)


PEERS = {
    NUMPY: ("numpy", by_hand),
    TORCH: ("torch", torch_eager),
    COMPILED: ("torch", torch_compiled),
    JAX: ("jax", jax_jit),
    SCAN: ("jax", jax_scan),
    SKLEARN: ("sklearn", scikit_learn),
}


def makers(workload: Workload, engine: str) -> dict[str, Callable[[Workload], Steps]]:
    """Those who can train this, ours first."""
    found = {OURS: functools.partial(ours, engine=engine)}
    if engine != "numpy":
        found[OURS_NUMPY] = functools.partial(ours, engine="numpy")
    found |= {name: make for name, (module, make) in PEERS.items() if importlib.util.find_spec(module)}
    if workload.batch_norm or workload.dropout or not workload.widths:
        found.pop(SKLEARN, None)
    if not workload.widths:
        found.pop(NUMPY)
    return found


def made(
    workload: Workload, engine: str, only: tuple[str, ...] = ()
) -> tuple[dict[str, Steps], dict[str, str]]:
    """The contestants, each warmed up; and why those that cannot run are left out."""
    ready, left_out = {}, {}
    for name, make in makers(workload, engine).items():
        if only and name not in only:
            continue
        try:
            steps = make(workload)
            steps(workload.unit)
            ready[name] = steps
        except Exception as error:
            if name in (OURS, OURS_NUMPY, NUMPY):
                raise
            left_out[name] = f"{type(error).__name__}: {str(error).strip().splitlines()[0][:200]}"
    return ready, left_out


def difference(workload: Workload, engine: str, singly: int, together: int) -> dict[str, float]:
    """The largest relative difference of each one's losses from ours: of single steps, then of many at once.

    Without dropout, for which each has its own random numbers.
    """
    workload = dataclasses.replace(workload, dropout=0.0)
    losses = {}
    for name, make in makers(workload, engine).items():
        if name == SKLEARN:
            continue
        try:
            steps = make(workload)
            losses[name] = np.array([steps(1) for _ in range(singly)] + [steps(together)])
        except Exception:
            if name in (OURS, OURS_NUMPY, NUMPY):
                raise  # a peer that cannot run is named where it is timed
    return {name: float(np.max(np.abs(theirs / losses[OURS] - 1))) for name, theirs in losses.items()}
