"""Which thread waits when, where arrays lie, and outputs that are written over inputs."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.layers import mlp
from handgrad.optim import SGD
from handgrad.program import repeated, trace
from handgrad.train.engines import NativeSteps
from handgrad.train.trainer import Trainer
from tests.engine.support import assert_close, compiled, interpreted, run, same_bits

rng = np.random.default_rng(0)
A, B = rng.standard_normal((2, 5, 7))
V, U = rng.standard_normal((2, 5))
SQUARE, X = rng.standard_normal((7, 7)), rng.standard_normal((5, 7))
KEY = np.array([3, 5], np.uint32)


def transposed(x):
    return xp.permute_dims(x, (1, 0))


# name: function, inputs, which output is written over which input
IN_PLACE = {
    "swap": (lambda a, b: (b, a), [A, B], {0: 0, 1: 1}),
    "turn": (lambda a, b, c: (b, c, a), [A, B, A + 1], {0: 0, 1: 1, 2: 2}),
    "unchanged": (lambda a: (a, a * 2), [A], {0: 0}),
    "both-need-both": (lambda a, b: (a + b, a - b), [A, B], {0: 0, 1: 1}),
    "three-in-one": (lambda a, b: (xp.exp(a), xp.exp(a) - b, a * b), [A, B], {0: 0, 1: 1}),
    "weights-last": (lambda W, x: (W - 0.1 * (transposed(x) @ x), x @ W), [SQUARE, X], {0: 0}),
    "weights-first": (lambda W, x: (x @ W, W - 0.1 * (transposed(x) @ x)), [SQUARE, X], {1: 0}),
    "transposed": (lambda W: (transposed(W),), [SQUARE], {0: 0}),
    "with-transposed": (lambda W: (transposed(W) + W,), [SQUARE], {0: 0}),
    "product": (lambda W: (W @ W,), [SQUARE], {0: 0}),
    "product-and-sum": (lambda W: (W @ W, xp.sum(W, axis=0)), [SQUARE], {0: 0}),
    "after-product": (lambda W, x, b: (xp.maximum(x @ W, 0) + b, b - x @ W), [SQUARE, X, A], {0: 2}),
    "after-product-twice": (lambda W, x, b: (x @ W + b, b - x @ W + x), [SQUARE, X, A], {0: 2, 1: 1}),
    "less-maximum": (lambda a: (a - xp.max(a, axis=1, keepdims=True),), [A], {0: 0}),
    "sums-of-each-other": (lambda a, b: (a + xp.sum(b), b + xp.sum(a)), [A, B], {0: 0, 1: 1}),
    "sum-of-columns": (lambda a: (a + xp.sum(a, axis=0),), [A], {0: 0}),
    "rows-summed-over": (lambda a, v: (xp.sum(a * xp.reshape(v, (5, 1)), axis=1),), [A, V], {0: 1}),
    "columns-summed-over": (lambda a, v: (xp.sum(a * v, axis=0),), [SQUARE[:5, :5], V], {0: 1}),
    "two-sums-over": (
        lambda a, v, u: (xp.sum(a, axis=1) + v, xp.max(a, axis=1) - v * u),
        [A, V, U],
        {0: 1, 1: 2},
    ),
    "picked": (lambda a: (xp.take(a, np.array([4, 3, 2, 1, 0]), axis=0),), [A], {0: 0}),
    "flipped": (lambda a, b: (xp.flip(b, axis=0), xp.flip(a, axis=1)), [A, B], {0: 0, 1: 1}),
    "joined": (lambda v, u: (xp.concat([u[:3], v[:2]], axis=0),), [V, U], {0: 0}),
    "joined-in-place": (lambda v, u: (xp.concat([v[:3], u[:2]], axis=0),), [V, U], {0: 0}),
    "scattered": (lambda v, i: (xp.scatter_add(v[:2] * 1.5, i, (5,)),), [V, np.array([3, 1])], {0: 0}),
    "reshaped": (lambda a: (xp.reshape(xp.reshape(a, (35,)) * np.arange(35.0), (5, 7)),), [A], {0: 0}),
    "reshaped-flip": (lambda a: (xp.reshape(xp.flip(xp.reshape(a, (35,))), (5, 7)),), [A], {0: 0}),
    "key": (lambda k: (xp.fold_in(k, 3),), [KEY], {0: 0}),
    "key-and-mask": (lambda k, a: (xp.fold_in(k, 1), xp.random_uniform(a, k)), [KEY, A], {0: 0}),
    "not-read": (lambda a, b: (b * 2,), [A, B], {0: 0}),
    "constant": (lambda a, b: (xp.zeros_like(a), a + b), [A, B], {0: 0, 1: 1}),
    "chain": (lambda a, b: (a * b, (a * b) @ transposed(a) @ b), [A, B], {0: 0, 1: 1}),
    "twice-the-same": (lambda a, b: (a + b, a + b), [A, B], {0: 0, 1: 1}),
    "empty": (lambda a: (a * 2,), [A[:0]], {0: 0}),
}


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("name", IN_PLACE)
def test_outputs_written_over_inputs(name, threads):
    f, args, donated = IN_PLACE[name]
    program = trace(f, *args)
    code = compiled(program, threads, donated=donated)
    got = run(code, args, donated=donated)
    assert_close(got, interpreted(program, args))
    assert same_bits(got, run(compiled(program, threads), args))


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["swap", "product", "picked", "transposed", "joined"])
def test_what_is_read_elsewhere_is_copied(name, threads):
    """The new one is made in the arena, and laid over the input by a last kernel."""
    f, args, donated = IN_PLACE[name]
    code = compiled(trace(f, *args), threads, donated=donated)
    assert len(code.schedule.places) == 1
    copy = code.schedule.kernels[-1]
    assert copy.name == "loop"
    assert set(copy.arrays) == set(code.schedule.places)


@pytest.mark.parametrize("name", ["unchanged", "both-need-both", "weights-first", "key", "rows-summed-over"])
def test_what_is_read_in_place_is_not_copied(name):
    f, args, donated = IN_PLACE[name]
    assert not compiled(trace(f, *args), donated=donated).schedule.places


def test_steps_in_place_go_on_from_each_other():
    program = trace(lambda a, b: (a + b, b - a), A, B)
    code = compiled(repeated(program, 2), 2, donated={0: 0, 1: 1})
    a, b, made = A.copy(), B.copy(), np.array(0)
    code([a, b, np.array(5)], [a, b, made])
    assert made == 5
    wanted = (A, B)
    for _ in range(5):
        wanted = program(*wanted)
    assert_close([a, b], wanted)


# Memory.


def in_use(schedule):
    """(place, end, first moment, last moment) of each array in the arena."""
    moments = {k: k.phase if schedule.threads > 1 else i for i, k in enumerate(schedule.kernels)}
    for node, place in schedule.places.items():
        maker = next(k for k in schedule.kernels if node in k.stores)
        readers = [moments[k] for k in schedule.kernels if node in k.arrays]
        size = node.size * node.dtype.itemsize
        yield place, place + size, moments[maker], max(readers, default=moments[maker])


def chain(x):
    for _ in range(6):
        x = hg.sin(x @ SQUARE)
        x = x - hg.max(x, axis=0)
    return x


@pytest.mark.parametrize("threads", [1, 2])
def test_memory_is_used_again_but_never_while_it_is_needed(threads):
    code = compiled(trace(chain, X), threads)
    arrays = sorted(in_use(code.schedule))
    assert code.schedule.size < 0.6 * sum(stop - start for start, stop, *_ in arrays)
    for i, (start, stop, born, died) in enumerate(arrays):
        assert start % 64 == 0
        assert stop <= code.schedule.size
        for other_start, other_stop, other_born, other_died in arrays[i + 1 :]:
            overlap = start < other_stop and other_start < stop
            assert not (overlap and born <= other_died and other_born <= died)


# Threads.


def training_step(widths, batch_size, use_threads, **options):
    use_threads(2)
    t = np.zeros(2 * batch_size, int)
    x = np.zeros((len(t), widths[0]), np.float32)
    trainer = Trainer(mlp(widths, seed=0, **options), hg.softmax_cross_entropy, SGD(0.1), metrics={})
    (loop,) = NativeSteps(trainer, trainer.progress, x, t, batch_size).code(batch_size).schedule.kernels
    return loop.inside


def test_a_network_goes_forward_and_backward_in_one_phase(use_threads):
    """By slices of the batch; then come the gradients of the parameters, which are sums over it."""
    schedule = training_step([20, 30, 40, 10], 16, use_threads)
    assert schedule.phases == 2
    first = [k for k in schedule.kernels if k.phase == 0 and k.name == "product"]
    second = [k for k in schedule.kernels if k.phase == 1 and k.name == "product"]
    assert [k.node.shape for k in first] == [(16, 30), (16, 40), (16, 10), (16, 40), (16, 30)]
    assert sorted(k.node.shape for k in second) == [(20, 30), (30, 40), (40, 10)]
    assert all(k.partition == 0 for k in first)


def test_a_batch_norm_waits_for_its_statistics(use_threads):
    schedule = training_step([20, 30, 10], 16, use_threads, batch_norm=True)
    assert schedule.phases > 2


def test_one_thread_never_waits():
    assert compiled(trace(chain, X)).schedule.phases == 1


@pytest.mark.parametrize("threads", [2, 3, 5])
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (2, 3), (3, 1), (40, 2), (67, 5)], ids=str)
def test_any_share_of_any_batch_gives_the_same_bits(shape, threads):
    """More threads than rows, rows that do not divide, rows and columns of one."""
    rng = np.random.default_rng(1)
    x, W = rng.standard_normal(shape), rng.standard_normal((shape[1], 6)) / 4

    def f(x, W):
        def loss(W):
            h = hg.tanh(x @ W)
            return hg.sum(hg.log_softmax(h - hg.mean(h, axis=0))[:, 1]) + hg.sum(h[::-1, ::2] * 0.5)

        return hg.value_and_grad(loss)(W)

    program = trace(f, x, W)
    one = run(compiled(program), [x, W])
    assert_close(one, interpreted(program, [x, W]))
    assert same_bits(run(compiled(program, threads), [x, W]), one)
