"""Kernels that are one function would have been the same code; and which ones are one."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine.assembly import Assembly
from handgrad.engine.build import nodes_of
from handgrad.engine.fusion import kernels_of
from handgrad.engine.rewrite import rewritten
from handgrad.engine.schedule import scheduled
from handgrad.program import trace
from handgrad.program.passes import optimise
from tests.engine.fuzz import program_of
from tests.engine.support import assert_means, compiled

rng = np.random.default_rng(0)


class Unshared(Assembly):
    """Each kernel is written, and must be what it would have shared."""

    def call(self, kernel):
        shared = super().call(kernel)
        memory = self.schedule.memory
        assert self.write(kernel, [memory(array) for array, _ in shared.arrays]) == shared.function
        return shared


@pytest.mark.parametrize("number", range(40))
def test_equal_signatures_are_equal_code(number):
    program, _, options, _ = program_of(number)
    graph = rewritten(nodes_of(optimise(program)))
    schedule = scheduled(kernels_of(graph), options["threads"], graph.outputs, {})
    Unshared(schedule, graph.inputs, graph.outputs, options["target"])


def functions(f, *args, threads=1):
    """Of the native code of f: its kernels, and how many functions they are."""
    code = compiled(trace(f, *args), threads)
    assert_means(code, args)
    return len(code.schedule.kernels), len(code.assembly.modules)


def test_where_in_an_array_it_begins_to_read_is_no_part_of_a_kernel():
    x, W = rng.normal(size=(6, 7, 5)), rng.normal(size=(5, 4))
    assert functions(lambda x, W: [x[i] @ W for i in range(6)], x, W) == (6, 1)
    assert functions(lambda x, W: [x[:, i] @ W for i in range(7)], x, W) == (7, 1)
    assert functions(lambda x, W: [x[i, ::-1] @ W for i in range(6)], x, W) == (6, 1)


def test_numbers_are_a_part_of_a_kernel():
    xs = list(rng.normal(size=(3, 4)))

    def scaled(*numbers):
        return lambda xs: [hg.tanh(x * n) for x, n in zip(xs, numbers, strict=True)]

    assert functions(scaled(0.0, -0.0, 1.5), xs) == (3, 3)
    assert functions(scaled(1.5, 1.5, 1.5), xs) == (3, 1)


def test_layers_share_their_kernels():
    W, x = rng.normal(size=(9, 5, 5)) / 3, rng.normal(size=(4, 5))

    def f(W, x):
        for i in range(9):
            x = hg.tanh(x @ W[i])
        return x

    assert functions(f, W, x) == (9, 1)
