"""Many steps in a call: how many are made, what each gives, and where what they carry lies."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.engine import Code, explain
from handgrad.engine.code import OutOfRange
from handgrad.program import check_finite, optimise, repeated, trace
from tests.engine.support import arrays_in, outputs_of, run, same_bits

pytestmark = pytest.mark.filterwarnings("ignore:runs on NumPy")
rng = np.random.default_rng(0)
LENGTH = 12


def descent(W, b, s, x, lr):
    """Rows are summed over; s is the same in each step, and is told."""
    h = hg.tanh(x @ W + b)
    return W - lr * (x.T @ h), b * 0.5 + hg.sum(h, axis=0), check_finite(hg.sum(h)), s, s * lr


def sorting(W, b, s, x, lr):
    return descent(np.sort(W, axis=0), b, s, x, lr)


def swapping(W, b, s, x, lr):
    """What is carried has gone elsewhere, and must be read by all before."""
    return hg.transpose(W) @ W * 0.1 + x[:4, :4], b[::-1] + W[0], hg.sum(W) * lr


def recurrent(W, b, s, x, lr):
    """A loop inside."""
    h, ys = hg.scan(lambda h, row: ((h := hg.tanh(h * 0.5 + row @ W)), h + b), b * 0, x)
    return W * 0.9 + hg.mean(ys), h, s + lr, hg.sum(ys)


def recurrent_sorting(W, b, s, x, lr):
    h, ys = hg.scan(lambda h, row: ((h := np.sort(h * 0.5 + row @ W)), h + b), b * 0, x)
    return W * 0.9 + hg.mean(ys), h, s + lr, hg.sum(ys)


def going_over_what_is_carried_on(W, b, s, x, lr):
    """A loop inside, over what is written where W was."""
    W = W * 0.9 + x[:5, :4] * lr
    h, ys = hg.scan(lambda h, row: ((h := hg.tanh(h * 0.5 + row)), h * lr), b, W)
    return W, h, hg.sum(ys)


STILL = [rng.normal(size=(5, 4)), rng.normal(size=4), rng.normal(size=(3, 2))]
MOVING = [rng.normal(size=(LENGTH, 6, 5)), rng.uniform(size=LENGTH) / 10]
CASES = {
    "descent": (descent, STILL, 2),
    "nothing carried": (lambda x, lr: (hg.sum(x, axis=0) * lr,), [], 0),
    "swapping": (swapping, [rng.normal(size=(4, 4)) / 4, *STILL[1:]], 2),
    "recurrent": (recurrent, STILL, 2),
    "sorting": (sorting, STILL, 2),
    "going over what is carried on": (going_over_what_is_carried_on, STILL, 2),
    "recurrent, sorting": (recurrent_sorting, STILL, 2),
}


def step_of(name):
    f, still, carried = CASES[name]
    return trace(f, *still, *(x[0] for x in MOVING)), still, carried


def one_by_one(step, still, carried, steps):
    """What is carried in the end, and what each step told."""
    now, told = still, []
    for t in range(steps):
        made = arrays_in(step(*now, *(x[t] for x in MOVING)))
        now = [*made[:carried], *still[carried:]]
        told.append(made[carried:])
    return [*now[:carried], *map(np.array, zip(*told, strict=True))]


def written(outs, carried, steps):
    """What is carried, and what was told of so many steps, which are those that went well."""
    assert outs[carried] == steps
    told = outs[carried + 1 :] if steps else []
    return [*outs[:carried], *(y[:steps] for y in told)]


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("asked", [0, 1, 5, LENGTH, LENGTH + 3])
def test_as_many_steps_as_are_asked_for(name, asked):
    step, still, carried = step_of(name)
    program = repeated(step, carried, moving=2, length=LENGTH)
    given, steps = [*still, *MOVING, np.array(asked)], min(asked, LENGTH)
    wanted = one_by_one(step, still, carried, steps)
    results = [written(arrays_in(program(given[:-1], given[-1])), carried, steps)]
    for threads in (1, 2, 3):
        for donated in ({}, {i: i for i in range(carried)}):
            code = Code(program, donated, workers=threads)
            results.append(written(run(code, given, donated=donated), carried, steps))
    for found in results:
        for x, y in zip(found, wanted, strict=True):
            np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)
    assert all(same_bits(found, results[1]) for found in results[1:])


@pytest.mark.parametrize("f", [descent, sorting])
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("bad", [0, 1, 2, 7, 10, 11])
def test_no_step_is_made_after_one_that_is_not_finite(f, threads, bad):
    step = trace(f, *STILL, *(x[0] for x in MOVING))
    xs = MOVING[0].copy()
    xs[bad:, 1, 2] = np.nan
    code = Code(repeated(step, 2, moving=2, length=LENGTH), workers=threads)
    outs = [np.full(x.shape, -1, x.dtype) for x in outputs_of(code.program)]
    assert not code([*STILL, xs, MOVING[1], np.array(LENGTH)], outs)
    assert outs[2] == bad
    assert (outs[4][bad + 1 :] == -1).all()
    wanted = one_by_one(step, STILL, 2, bad)
    for x, y in zip([y[:bad] for y in outs[3:]], wanted[2:], strict=bad > 0):
        np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-12)


def looking_up(total, table, i):
    return (total + xp.take(table, i, axis=0),)


def looking_up_sorted(total, table, i):
    return (total + xp.take(np.sort(table), i, axis=0),)


@pytest.mark.parametrize("f", [looking_up, looking_up_sorted])
@pytest.mark.parametrize("threads", [1, 2])
def test_an_index_out_of_range_is_told_with_the_steps_before(f, threads):
    table, places = np.arange(4.0), np.array([3, 1, 0, 4, 2])
    code = Code(repeated(trace(f, 0.0, table, places[0]), 1, moving=1, length=5), workers=threads)
    total, made = np.zeros(()), np.zeros((), np.int64)
    for asked in (3, 5):
        arguments = [np.array(10.0), table, places, np.array(asked)], [total, made]
        if asked == 5:
            with pytest.raises(OutOfRange):
                code(*arguments)
        else:
            assert code(*arguments)
            assert total == 14
        assert made == 3


def test_what_is_carried_is_written_over_what_was_given():
    """So there is memory for what a step stores, and nothing else."""
    step, _, carried = step_of("descent")
    code = Code(repeated(step, carried, moving=2, length=LENGTH), {0: 0, 1: 1})
    (loop,) = code.schedule.kernels
    assert {x.shape for x in loop.inside.places} == {(6, 4), (4,), ()}
    assert code.schedule.size == loop.inside.size


def test_passes_leave_its_steps_as_they_are():
    """What they would compute for all steps at once may be steps that are never made."""
    step, _, carried = step_of("descent")
    program = optimise(repeated(step, carried, moving=2, length=LENGTH))
    (loop,) = program.operations
    assert loop.name == "iterate"
    inside = [o.name for o in loop.options["body"].operations]
    assert inside == [o.name for o in optimise(step).operations]


@pytest.mark.parametrize(("name", "said"), [("descent", "iterate"), ("sorting", "a step from Python:")])
def test_it_is_explained_with_the_kernels_of_a_step(name, said):
    step, still, carried = step_of(name)
    code = Code(repeated(step, carried, moving=2, length=LENGTH), timed=True)
    outs = [np.zeros(x.shape, x.dtype) for x in outputs_of(code.program)]
    code([*still, *MOVING, np.array(LENGTH)], outs)
    told = explain(code)
    assert said in told
    assert told.count("product ") >= 2
    shares = [line for line in told.splitlines() if "product " in line and "%" in line]
    assert len(shares) >= 2, told
