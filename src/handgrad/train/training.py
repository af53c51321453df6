"""What a training is: all that must be the same for a checkpoint to be continued to the same end.

Numbers and names are kept as they are, so that what differs can be told; data as a checksum; and what the
network, the loss, the penalty, the metrics and the optimiser compute as a digest of the program of each.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import platform
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from handgrad.arrays import is_array, shape
from handgrad.optim import Optimiser
from handgrad.program import Program, trace
from handgrad.program.symbol import Symbol
from handgrad.program.tracing import difference
from handgrad.train.kept import own
from handgrad.train.weights import Weighted, without_weights
from handgrad.tree import leaves

if TYPE_CHECKING:
    from handgrad.train.trainer import Trainer

AT_ONCE = 2**24  # bytes of data that are read at once for a checksum
MOST_BYTES = 2**28  # of larger data, and of what is read by mini-batch, only samples are looked at
SAMPLES = 64
STEPS = [0, *(2**i for i in range(21))]  # at which the rates of schedules are compared

# The description.


def description(
    trainer: Trainer, x: Any, t: Any, outputs: Any, batch_size: int, validation: dict, patience: int | None
) -> dict[str, Any]:
    """What must agree, as JSON has it; ``outputs`` are those of some mini-batch."""
    optimiser, params = trainer.optimiser, trainer.progress.params
    weights = t.w if isinstance(t, Weighted) else None
    t = without_weights(t)
    return {
        "examples": len(t),
        "inputs": checksum(x, trainer.cast),
        "targets": checksum(t, trainer.cast),
        "batch_size": batch_size,
        "seed": trainer.seed,
        "patience": patience,
        "weights": None if weights is None else checksum(weights),
        "accumulate": trainer.accumulate if trainer.accumulate > 1 else None,
        "validation": None
        if patience is None
        else [checksum(part, trainer.cast) for part in watched(validation)],
        "layers": {path or "network": layer.describe() for path, layer in trainer.net.walk()},
        "parameters": {name: f"{p.dtype} {p.shape}" for name, p in params.items()},
        "optimiser": {"name": type(optimiser).__name__, **hyperparameters(optimiser)},
        "clip_norm": trainer.clip_norm,
        "clip_value": trainer.clip_value,
        "loss": named(trainer.loss),
        "penalty": None if trainer.penalty is None else named(trainer.penalty),
        "metrics": sorted([*(trainer.metrics or {}), *trainer.scores]),
        "programs": _programs(trainer, x, t, outputs),
    }


def watched(validation: dict[str, tuple[Any, Any]]) -> tuple[Any, Any]:
    """What patience looks at."""
    return next(iter(validation.values()))


def hyperparameters(optimiser: Any) -> dict[str, Any]:
    """All numbers of an optimiser by name; a schedule as its rates at some steps."""
    return {name: _plain(value) for name, value in sorted(getattr(optimiser, "__dict__", {}).items())}


def _plain(value: Any) -> Any:
    """A value as JSON has it, the same in each process."""
    if isinstance(value, (str, bool, int, type(None))):
        return value
    if is_array(value) and shape(value) == ():
        return float(value)
    if hasattr(value, "dtype"):
        return checksum(np.asarray(value))
    if isinstance(value, Optimiser):
        return {"name": type(value).__name__, **hyperparameters(value)}
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if callable(value):
        return _rates(value)
    return type(value).__name__


def _rates(schedule: Callable) -> Any:
    rates = {}
    try:
        for step in STEPS:
            rates[f"step {step}"] = float(schedule(step))
    except Exception:  # it ends, or is no schedule
        return rates or named(schedule)
    return rates


def named(f: Any) -> str:
    """A function's name, or how an object says what it is made of."""
    if hasattr(f, "__qualname__"):
        return str(f.__qualname__)
    if isinstance(f, functools.partial):
        return f"partial({', '.join([named(f.func), *map(repr, f.args), *sorted(f.keywords)])})"
    return type(f).__name__ if " at 0x" in repr(f) else repr(f)


# Data.


def checksum(x: Any, cast: Callable[[Any], np.ndarray] = np.asarray) -> str | None:
    """Shape, dtype and CRC of the data as the network is given it; None where each reading gives another."""
    if isinstance(x, np.ndarray) and x.nbytes <= MOST_BYTES:
        rows = max(1, AT_ONCE * len(x) // max(x.nbytes, 1)) if x.ndim else 1
        parts = [x[i : i + rows] for i in range(0, len(x), rows)] if x.ndim and x.size else [x]
        return _checksum([cast(part) for part in parts], len(x) if x.ndim else 0)
    places = np.unique(np.linspace(0, len(x) - 1, SAMPLES).astype(int))
    found = [_checksum([np.asarray(cast(x[places]))], len(x)) for _ in range(2)]
    return found[0] if found[0] == found[1] else None


def _checksum(parts: list[np.ndarray], rows: int) -> str:
    crc = 0
    for part in parts:
        crc = zlib.crc32(np.asarray(part, order="C").tobytes(), crc)
    return f"{rows} of {parts[0].dtype} {parts[0].shape[1:]}, checksum {crc:08x}"


# Programs.


def _programs(trainer: Trainer, x: Any, t: Any, outputs: Any) -> dict[str, str | None]:
    """Digests of what each part of a step computes."""
    first = np.arange(len(leaves(outputs)[0]))
    x, t, progress = trainer.cast(x[first]), trainer.cast(t[first]), trainer.progress
    name, p = next(iter(progress.params.items()))

    def network(params: Any, states: Any, x: Any) -> Any:
        net = trainer.net.bind(params, states).train()
        return net(x), net.states()

    made = {
        "network": _digest(network, progress.params, progress.states, x),
        "loss": _digest(trainer.loss, outputs, t),
        "optimiser": _digest(own(trainer.optimiser, name).update, p, p, progress.moments[name], 0.0, 0.0),
    }
    if trainer.penalty is not None:
        made["penalty"] = _digest(trainer.penalty, progress.params)
    for name, metric in (trainer.metrics or {}).items():
        made[f"metric {name}"] = _digest(metric, outputs, t)
    return made


def _digest(f: Callable, *args: Any) -> str | None:
    """A digest of a function's program; None where it has none, or another each time."""
    try:
        program, again = trace(f, *args), trace(f, *args)
    except Exception:  # whatever a user's function raises for symbols; NumPy runs it then
        return None
    return None if difference(program, again) else fingerprint(program)


def fingerprint(program: Program) -> str:
    """The same for two programs that compute the same by the same operations, in any process."""
    names: dict[int, str] = {}

    def written(x: Any) -> str:
        if isinstance(x, Symbol):
            return names.setdefault(id(x), f"v{len(names)}:{x.dtype}{list(x.shape)}")
        if isinstance(x, (list, tuple)):
            return f"[{','.join(map(written, x))}]"
        if isinstance(x, dict):
            return f"{{{','.join(f'{key}={written(value)}' for key, value in x.items())}}}"
        if isinstance(x, (np.ndarray, np.generic)):
            return f"{x.dtype}{shape(x)}{zlib.crc32(x.tobytes()):08x}"
        if isinstance(x, Program):
            return fingerprint(x)
        if isinstance(x, slice):
            return f"slice{written([x.start, x.stop, x.step])}"
        if isinstance(x, (str, int, float, bool, type(None), type(...), np.dtype, type)):
            return repr(x)
        return type(x).__name__

    lines = [written(program.inputs)]
    lines += [f"{o.name}{written((o.args, o.options))}->{written(o.out)}" for o in program.operations]
    lines.append(written(program.outputs))
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


# What differs.


def differences(saved: dict[str, Any], this: dict[str, Any]) -> list[str]:
    """A sentence for each thing that is another than it was."""
    return [said for key, now in this.items() for said in _told(key, saved.get(key), now)]


def _told(key: str, was: Any, now: Any) -> list[str]:
    if was == now:
        return []
    if key == "programs" and isinstance(was, dict):
        changed = [name for name in now if was.get(name) != now[name]] or sorted(set(was) - set(now))
        return [f"what its {name} computes is not what this one's does" for name in changed]
    if isinstance(was, dict) and isinstance(now, dict):
        names = [name for name in {**was, **now} if was.get(name) != now.get(name)]
        inner = [(f"{key}'s {name}", was.get(name), now.get(name)) for name in names]
        most = 1 if _is_schedule(was) else 3
        return [said for part in inner for said in _told(*part)][:most]
    if key in ("inputs", "targets", "validation"):
        if _kinds(was) == _kinds(now):
            return [f"its {key} hold other numbers than this one's"]
        was, now = _kinds(was), _kinds(now)
    return [f"its {key} is {_short(was)}, this one's is {_short(now)}"]


def _short(value: Any) -> str:
    if isinstance(value, dict):
        return "a schedule" if _is_schedule(value) else ", ".join(value)
    return str(value)


def _is_schedule(rates: dict[str, Any]) -> bool:
    return all(name.startswith("step ") for name in rates)


def _kinds(sums: Any) -> str:
    """Checksums without the sum."""
    return ", ".join(str(s).partition(", checksum")[0] for s in leaves(sums))


# Where.


def host(engine: str) -> dict[str, str]:
    """What the bits of a training may depend on beside all that it is."""
    try:
        ours = importlib.metadata.version("handgrad")
    except importlib.metadata.PackageNotFoundError:  # it lies on the path, and was not installed
        ours = "unknown"
    found = {
        "engine": engine,
        "handgrad": ours,
        "NumPy": np.__version__,
        "processor": platform.machine(),
    }
    if engine == "native":
        from handgrad.engine.targets.here import this_computer

        here = this_computer()
        features = zlib.crc32(here.features.encode())
        found["processor"] = f"{here.cpu}, vectors of {8 * here.vector_bytes} bits, features {features:08x}"
    return found
