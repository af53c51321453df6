"""The checkers of PyTorch, JAX and HIPS autograd, in their default settings, on the entries they can take.

An entry of NumPy code becomes an operation of the peer's own (``torch.autograd.Function``,
``jax.custom_vjp``, ``autograd.primitive``) that runs the NumPy code and its way back as they are.
"""

from __future__ import annotations

import inspect
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import torch
from autograd.extend import defvjp_argnums, primitive
from autograd.test_util import check_grads as hips_check_grads
from jax.test_util import check_grads as jax_check_grads
from tests.check.mutants.corpus import Entry

from bench.check.common import (
    count,
    fresh_entries,
    listed,
    median_ms,
    one_line,
    progress,
    silence,
    some,
    table,
)
from bench.check.ours import Judged, judge_entry
from bench.check.plain import BackwardFailed, CannotTake, is_float, plain

Ask = Callable[[], Any]  # False, or an exception about the gradient: the checker objects


@dataclass(frozen=True)
class Peer:
    """A checker: how it is asked about an entry of each style, and the mistakes that cannot be made there."""

    name: str
    ask: dict[str, Callable[[Entry], Ask]]
    impossible: dict[str, str]


# PyTorch


def numpy_to_torch(entry: Entry, fast: bool) -> Ask:
    target = plain(entry)

    class Bridge(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *xs: torch.Tensor) -> Any:
            outs, ctx.way_back = target.run(*(x.detach().numpy() for x in xs))
            tensors = tuple(torch.from_numpy(_floating(out)) for out in outs)
            return tensors if len(tensors) > 1 else tensors[0]

        @staticmethod
        def backward(ctx: Any, *douts: torch.Tensor) -> tuple:
            grads = ctx.way_back([dout.numpy() for dout in douts])
            return tuple(None if g is None else torch.from_numpy(np.array(g)) for g in grads)

    inputs = tuple(torch.from_numpy(_positive_strides(x)).requires_grad_() for x in target.inputs)

    def ask() -> bool:
        accepted = gradcheck(Bridge.apply, inputs, fast)
        if accepted and target.unlike:
            raise CannotTake("PyTorch itself sums a gradient to the shape of its input")
        return accepted

    return ask


def torch_natively(entry: Entry, fast: bool) -> Ask:
    target, inputs = entry.target, [_to_tensor(x) for x in entry.inputs()]
    if inspect.isclass(target) and issubclass(target, torch.nn.Module):
        target = target()
    if isinstance(target, torch.nn.Module):
        target, inputs = _functional(target.double(), inputs)
    f = target.apply if inspect.isclass(target) else target
    places = [i for i, x in enumerate(inputs) if isinstance(x, torch.Tensor) and x.is_floating_point()]
    variables = tuple(inputs[i].requires_grad_() for i in places)
    return lambda: gradcheck(_closed_over(f, inputs, places), variables, fast)


def gradcheck(f: Callable, inputs: tuple, fast: bool) -> bool:
    torch.manual_seed(0)
    return torch.autograd.gradcheck(f, inputs, raise_exception=False, fast_mode=fast)


def _functional(module: torch.nn.Module, inputs: list) -> tuple[Callable, list]:
    names = [name for name, _ in module.named_parameters()]
    values = [value.detach().clone() for value in module.parameters()]

    def f(*xs: torch.Tensor) -> Any:
        parameters = dict(zip(names, xs[len(inputs) :], strict=True))
        return torch.func.functional_call(module, parameters, xs[: len(inputs)])

    return f, [*inputs, *values]


def _to_tensor(x: Any) -> Any:
    if is_float(x):
        return torch.from_numpy(np.array(x, np.float64))
    if isinstance(x, np.ndarray):
        return torch.from_numpy(x)
    return x.double() if isinstance(x, torch.Tensor) and x.is_floating_point() else x


def _positive_strides(x: np.ndarray) -> np.ndarray:
    return x.copy() if any(stride <= 0 for stride in x.strides) else x


# JAX


def numpy_to_jax(entry: Entry) -> Ask:
    target = plain(entry)
    ways_back: list[Callable] = []  # a residual is an array: the number of the way back

    def outputs(*xs: Any) -> tuple[Any, Callable]:
        outs, way_back = target.run(*(np.array(x) for x in xs))
        arrays = tuple(jax.numpy.asarray(_floating(out)) for out in outs)
        return arrays if len(arrays) > 1 else arrays[0], way_back

    @jax.custom_vjp
    def f(*xs: Any) -> Any:
        return outputs(*xs)[0]

    def forward(*xs: Any) -> tuple:
        out, way_back = outputs(*xs)
        ways_back.append(way_back)
        return out, len(ways_back) - 1

    def backward(number: Any, dout: Any) -> tuple:
        douts = [np.array(d) for d in (dout if isinstance(dout, tuple) else (dout,))]
        grads = ways_back[int(number)](douts)
        return tuple(None if g is None else jax.numpy.asarray(g) for g in grads)

    f.defvjp(forward, backward)
    return lambda: _check_with_jax(f, target.inputs)


def jax_natively(entry: Entry) -> Ask:
    inputs = list(entry.inputs())
    places = [i for i, x in enumerate(inputs) if is_float(x) or _is_float_of_jax(x)]
    variables = [np.array(inputs[i], np.float64) for i in places]
    return lambda: _check_with_jax(_closed_over(entry.target, inputs, places), variables)


def _is_float_of_jax(x: Any) -> bool:
    return isinstance(x, jax.Array) and jax.numpy.issubdtype(x.dtype, jax.numpy.floating)


def _check_with_jax(f: Callable, inputs: list[np.ndarray]) -> None:
    with jax.enable_x64(True):
        jax_check_grads(f, [jax.numpy.asarray(x) for x in inputs], order=1, modes=("rev",))


# HIPS autograd


def numpy_to_hips(entry: Entry) -> Ask:
    target = plain(entry)
    latest: list[Callable] = []  # of the forward that was called last, which is the one recorded

    @primitive
    def f(*xs: np.ndarray) -> Any:
        outs, way_back = target.run(*xs)
        latest[:] = [way_back]
        outs = [_floating(out) for out in outs]
        return tuple(outs) if len(outs) > 1 else outs[0]

    def vjps(argnums: Sequence[int], out: Any, xs: tuple, options: dict) -> Callable:
        way_back = latest[0]

        def vjp(dout: Any) -> list:
            grads = way_back([np.asarray(d) for d in (dout if isinstance(dout, (tuple, list)) else (dout,))])
            return [np.zeros_like(xs[i]) if grads[i] is None else np.asarray(grads[i]) for i in argnums]

        return vjp

    defvjp_argnums(f, vjps)

    def ask() -> None:
        for place in range(len(target.inputs)):  # each alone: together, it broadcasts a misshapen gradient
            try:
                hips_check_grads(f, place, modes=["rev"], order=1)(*target.inputs)
            except (TypeError, ValueError) as error:
                if target.unlike:  # it met the gradient before it came to compare
                    raise AssertionError("a gradient is not like its input") from error
                raise

    return ask


# All of them


def _floating(out: Any) -> np.ndarray:
    """An output as an array of its own; a whole number counts as a float."""
    out = np.array(out)
    return out if out.dtype.kind == "f" else out.astype(np.float64)


def _closed_over(f: Callable, inputs: list, places: list[int]) -> Callable:
    """``f`` as a function of the inputs at ``places`` only."""

    def of_floats(*xs: Any) -> Any:
        moved = list(inputs)
        for place, x in zip(places, xs, strict=True):
            moved[place] = x
        return f(*moved)

    return of_floats


def _gradcheck(fast: bool) -> dict[str, Callable[[Entry], Ask]]:
    numpy = lambda entry: numpy_to_torch(entry, fast)  # noqa: E731
    return {"pair": numpy, "class": numpy, "torch": lambda entry: torch_natively(entry, fast)}


TORCH = {"dtype": "PyTorch itself casts a gradient to the dtype of its input"}
JAX = {
    "mutates": "JAX's arrays cannot be written into",
    "layout": "JAX's arrays have no strides",
    "state": "JAX's functions have no state",
    "accumulates": "JAX's functions have no state",
}
PEERS = [
    Peer("torch.autograd.gradcheck, slow", _gradcheck(fast=False), TORCH),
    Peer("torch.autograd.gradcheck, fast", _gradcheck(fast=True), TORCH),
    Peer(
        "jax.test_util.check_grads", {"pair": numpy_to_jax, "class": numpy_to_jax, "jax": jax_natively}, JAX
    ),
    Peer("autograd.test_util.check_grads", {"pair": numpy_to_hips, "class": numpy_to_hips}, {}),
]

ABOUT_THE_GRADIENT = re.compile(r"gradient|cotangent|jacobian|backward|\bvjp|\bbwd", re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """What a peer said: accepts, objects or cannot take."""

    entry: Entry
    said: str
    why: str
    seconds: float


def put(peer: Peer, entry: Entry) -> Answer:
    """Ask a peer about an entry."""
    began = time.perf_counter()
    try:
        said, why = _asked(peer, entry), ""
    except CannotTake as error:
        said, why = "cannot take", str(error)
    except (BackwardFailed, AssertionError) as error:
        said, why = "objects", one_line(error)
    except Exception as error:
        about = ABOUT_THE_GRADIENT.search(str(error))
        said, why = "objects" if about else "cannot take", one_line(error)
    return Answer(entry, said, why, time.perf_counter() - began)


def _asked(peer: Peer, entry: Entry) -> str:
    if entry.causes and all(cause in peer.impossible for cause in entry.causes):
        raise CannotTake(peer.impossible[entry.causes[0]])
    if "dtype" in entry.causes and any(is_float(x) and np.asarray(x).dtype != float for x in entry.inputs()):
        raise CannotTake("asked in float64, as it wants to be, the mistake is not there")
    np.random.seed(0)
    with silence():
        return "objects" if peer.ask[entry.style](entry)() is False else "accepts"


def peers(limit: int | None) -> Iterator[str]:
    ours = {entry.name: judge_entry(entry) for entry in progress(_entries(limit), "handgrad for the peers")}
    answers = [
        (peer, [put(peer, entry) for entry in progress(_entries(limit, peer), peer.name)]) for peer in PEERS
    ]
    yield "\n## The same entries put to other checkers\n"
    yield (
        "Each in its default settings, in float64, gradients of first order in reverse. Counts of entries "
        "that the checker can take; *handgrad* beside it: what handgrad's checker says of the same ones. An "
        "exception counts as detected where the backward raised it or its message is about the gradient.\n"
    )
    heads = "checker|mutants|detected|missed|handgrad detects|right ones|false alarms|handgrad's|median ms"
    yield from table(heads.split("|"), *(_row(name, found, ours) for name, found in answers))
    for peer, found in answers:
        taken = [answer for answer in found if answer.said != "cannot take"]
        missed = Counter(a.entry.causes[0] for a in taken if a.entry.causes and a.said == "accepts")
        yield f"\n**{peer.name}** missed, by cause: {_counted(missed)}."
        yield from listed("False alarms", [f"`{a.entry.name}` {a.why}" for a in taken
                                           if not a.entry.causes and a.said == "objects"])  # fmt: skip
        refused = Counter(answer.why for answer in found if answer.said == "cannot take")
        yield f"\nCannot take {refused.total()} of the corpus' entries in its styles: {_counted(refused)}."


def _entries(limit: int | None, peer: Peer | None = None) -> list[Entry]:
    entries = some(fresh_entries(), limit)
    return [entry for entry in entries if peer is None or entry.style in peer.ask]


def _row(peer: Peer, answers: list[Answer], ours: dict[str, Judged]) -> list:
    taken = [answer for answer in answers if answer.said != "cannot take"]
    wrong = [answer for answer in taken if answer.entry.causes]
    right = [answer for answer in taken if not answer.entry.causes]

    def objections(those: list[Answer]) -> tuple[int, int]:
        by_ours = count(those, lambda a: ours[a.entry.name].verdict == "wrong")
        return count(those, lambda a: a.said == "objects"), by_ours

    detected, we_detect = objections(wrong)
    alarms, our_alarms = objections(right)
    seconds = median_ms(answer.seconds for answer in taken)
    return [peer.name, len(wrong), detected, len(wrong) - detected, we_detect,
            len(right), alarms, our_alarms, seconds]  # fmt: skip


def _counted(found: Counter[str]) -> str:
    return ", ".join(f"{what} {number}" for what, number in found.most_common()) or "none"
