"""Right cases: every rule's forward and backward, written in the forms in which people call them.

``python -m tests.checking.crossed 5000`` checks so many, evenly chosen, and prints what was said of them.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from handgrad.checking import check
from handgrad.checking.report import KINK
from handgrad.tree import leaves
from tests.rules.cases import CASES, Case

FORMS: dict[str, Callable[[Callable], tuple[Any, dict[str, Any]]]] = {}  # of (*xs) -> (out, backward)


def form(make: Callable[[Callable], Any], **named: Any) -> Callable[[Callable], Any]:
    FORMS[make.__name__] = lambda body: (make(body), named)
    return make


@form
def function(body):
    return lambda *xs: body(*xs)


@form
def listed(body):
    return lambda *xs: list(body(*xs))


@form
def with_a_cache_between(body):
    def run(*xs):
        out, backward = body(*xs)
        return out, {"xs": xs}, backward

    return run


@form
def cache_handed_to_what_is_returned(body):
    def run(*xs):
        out, backward = body(*xs)
        return out, (SimpleNamespace(way=backward),), lambda dout, cache: cache[0].way(dout)

    return run


def keeping(body, forward, backward):
    """An object that keeps what it needs, with methods of these names."""

    def run(self, *xs):
        out, self._way_back = body(*xs)
        return out

    def back(self, dout):
        return self._way_back(dout)

    return type("Layer", (), {forward: run, backward: back})


@form
def layer(body):
    return keeping(body, "forward", "backward")()


@form
def layer_class(body):
    return keeping(body, "forward", "backward")


@form
def forward_of_a_layer(body):
    return keeping(body, "forward", "backward")().forward


@form
def forward_prop(body):
    return keeping(body, "forward_prop", "back_prop")()


@form
def forward_pass(body):
    return keeping(body, "forward_pass", "backward_pass")()


@form
def called(body):
    return keeping(body, "__call__", "backward")()


def named_methods(body):
    return keeping(body, "ahead", "astern")()


form(named_methods, methods=("ahead", "astern"))


@form
def cache_by_hand(body):
    class Layer:
        def forward(self, *xs):
            return body(*xs)  # what is kept is the way back

        def backward(self, dout, cache):
            return cache(dout)

    return Layer()


@form
def pair(body):
    def forward(*xs):
        out, backward = body(*xs)
        return out, (backward,)

    def backward(dout, cache):
        return cache[0](dout)

    return forward, backward


@form
def with_context(body):
    class Operation:
        @staticmethod
        def forward(ctx, *xs):
            out, ctx.way_back = body(*xs)
            return out

        @staticmethod
        def backward(ctx, *douts):
            return ctx.way_back(douts if len(douts) > 1 else douts[0])

    return Operation


def body_of(case: Case) -> Callable:
    return lambda *xs: case.rule.vjp(*xs, **case.options)


def is_differentiable(case: Case) -> bool:
    """Whether it has the derivative of its forward, by something that is no whole number."""
    return case.is_derivative and any(np.asarray(x).dtype.kind == "f" for x in leaves(list(case.inputs())))


RIGHT = [case for case in CASES if is_differentiable(case)]


def crossed(count: int) -> Iterator[tuple[str, Case]]:
    """So many of all pairs of a form and a case: each case in as many forms, each form as often."""
    names = list(FORMS)
    for n in range(count):
        yield names[(n + n // len(RIGHT)) % len(names)], RIGHT[n % len(RIGHT)]


def verdict(name: str, case: Case) -> str:
    target, named = FORMS[name](body_of(case))
    report = check(target, *case.inputs(), **named)
    return f"{report.verdict}: {report.causes[0]}" if report.ok is False else report.verdict


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.checking.crossed", description=__doc__)
    parser.add_argument("count", type=int)
    parser.add_argument("--of", default="0/1", metavar="I/N", help="every Nth of them, from the Ith on")
    options = parser.parse_args()
    first, step = map(int, options.of.split("/"))
    counts: Counter[str] = Counter()
    began = time.process_time()
    for n, (name, case) in enumerate(crossed(options.count)):
        if n % step == first:
            try:
                said = verdict(name, case)
            except Exception as error:
                said = f"{type(error).__name__}: {' '.join(str(error).split())[:150]}"
            short = said.partition(":")[0]
            counts[short] += 1
            if short not in ("right", KINK):
                print(f"{name} {case.id}: {said}", flush=True)
            if sum(counts.values()) % 200 == 0:
                print(dict(counts), f"{time.process_time() - began:.0f} s", flush=True)
    print(dict(counts), f"{time.process_time() - began:.0f} s of CPU")


if __name__ == "__main__":
    main()
