"""Random programs, many: native code against what the programs mean.

    python -m tests.engine.fuzz 20000            # programs 0 to 19999
    python -m tests.engine.fuzz 1 --first 4711   # one of them again
    HANDGRAD_CPU=sse2 python -m tests.engine.fuzz 20000   # all at one level, else each at some level

Each program is known by its number; every second one is compiled with thresholds drawn anew. Two processes
share the work; one that dies, as it would if native code touched memory that is not its own, or comes to no
end, is reported like any other failure.
"""

import argparse
import contextlib
import multiprocessing
import os
import sys
import time
import traceback
import warnings

import numpy as np

from handgrad.engine import NotCompiledWarning
from handgrad.engine.targets import here
from handgrad.program import Program, repeated
from handgrad.program.program import symbols
from tests.engine.random_programs import random_program
from tests.engine.support import arrays_in, assert_means, compiled
from tests.engine.thresholds import drawn

LONGEST = 30
PATIENCE = 120  # seconds for one program


def program_of(number, length=None):
    """The program of that number, its inputs, and how to compile it; a length cuts it short."""
    rng = np.random.default_rng(number)

    def pick(choices):
        return choices[rng.integers(len(choices))]

    level = os.environ.get("HANDGRAD_CPU", "")
    longest = pick((3, 10, LONGEST))
    rules = int(rng.integers(1, longest + 1))
    options = {
        "threads": pick((1, 1, 2, 3)),
        "target": here.at_level(level or pick(("native", "native", *here.levels()))),
    }
    program, args = random_program(pick, rules if length is None else length)
    if pick([True] + [False] * 9):
        program, args = in_a_loop(pick, program, args)
    return program, args, options, rules


def in_a_loop(pick, program, args):
    """A few steps of a program, which go on from each other where an output is like an input."""
    inputs, values = symbols(program.inputs), arrays_in(args)
    outputs = list({id(y): y for y in symbols(program.outputs)}.values())
    goes_on, here, there = [], list(range(len(inputs))), list(range(len(outputs)))
    for i in list(here):
        x = inputs[i]
        alike = [j for j in there if (outputs[j].shape, outputs[j].dtype) == (x.shape, x.dtype)]
        if alike and pick((True, False)):
            goes_on.append((i, pick(alike)))
            here.remove(i)
            there.remove(goes_on[-1][1])
    moving = here[pick(range(len(here) + 1)) :]
    first = [*(i for i, _ in goes_on), *here[: len(here) - len(moving)]]
    step, length = Program(), pick((1, 2, 3))
    step.inputs, step.operations = [inputs[i] for i in (*first, *moving)], program.operations
    step.outputs = [outputs[j] for j in (*(j for _, j in goes_on), *there)]
    given = [values[i] for i in first]
    given += [np.stack([values[i], np.flip(values[i]), values[i]][:length]) for i in moving]
    return repeated(step, len(goes_on), len(moving), length), [given, np.array(length)]


def failure(number, length=None):
    """What is wrong with a program; None if nothing is."""
    try:
        program, args, options, _ = program_of(number, length)
        with thresholds(number):
            code = compiled(program, **options)
        assert_means(code, args)
        return None
    except Exception as error:
        if isinstance(error, AssertionError):
            return str(error)
        return traceback.format_exc()


def thresholds(number):
    """Those that the program of that number is compiled with."""
    if number % 2 == 0:
        return contextlib.nullcontext()
    rng = np.random.default_rng([number, 1])
    return drawn(lambda choices: choices[rng.integers(len(choices))])


def shortest(number):
    """The failure of the shortest beginning of a program that fails, and its length."""
    *_, rules = program_of(number)
    for length in range(1, rules + 1):
        found = failure(number, length)
        if found is not None:
            return length, found
    return rules, failure(number)


def work(first, step, stop, at, failures):
    """Every ``step``-th program; ``at`` says which is under way."""
    warnings.simplefilter("error", NotCompiledWarning)
    for number in range(first, stop, step):
        if not multiprocessing.parent_process().is_alive():
            return
        at.value = number
        if failure(number) is not None:
            length, found = shortest(number)
            failures.put((number, f"program {number}, cut to {length} rules: {found}"))
    at.value = stop


class Worker:
    """A process, and where it stands; it is begun again behind a program that killed it."""

    def __init__(self, first, step, stop):
        self.step, self.stop, self.first = step, stop, first
        self.context = multiprocessing.get_context("spawn")
        self.at = self.context.Value("q", first)
        self.failures = self.context.SimpleQueue()
        self.begin(first)

    def begin(self, first):
        self.at.value = self.seen = first
        self.since = time.monotonic()
        args = (first, self.step, self.stop, self.at, self.failures)
        self.process = self.context.Process(target=work, args=args, daemon=True)
        self.process.start()

    def news(self):
        """Failures since it was last asked."""
        while not self.failures.empty():
            yield self.failures.get()[1]
        number = self.at.value
        if number != self.seen:
            self.seen, self.since = number, time.monotonic()
        elif self.process.is_alive() and time.monotonic() - self.since > PATIENCE:
            self.process.kill()
            self.process.join()
        if not self.process.is_alive() and number < self.stop:
            yield f"program {number}: the process ended, exit code {self.process.exitcode}"
            self.begin(number + self.step)

    @property
    def done(self):
        return len(range(self.first, min(self.at.value, self.stop), self.step))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("count", type=int)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2)
    options = parser.parse_args()
    os.environ["HANDGRAD_CACHE"] = "off"
    began, failed, stop = time.monotonic(), 0, options.first + options.count
    workers = [Worker(options.first + k, options.jobs, stop) for k in range(options.jobs)]
    told = began
    while True:
        alive = any(worker.process.is_alive() for worker in workers)
        for worker in workers:
            for text in worker.news():
                failed += 1
                print(text, end="\n\n", flush=True)
        done = sum(worker.done for worker in workers)
        if time.monotonic() - told > 10 or not alive:
            told = time.monotonic()
            print(f"{done} of {options.count} programs, {failed} failed, {told - began:.0f} s", flush=True)
        if not alive and all(worker.at.value >= stop for worker in workers):
            break
        time.sleep(0.2)
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
