"""Copies in memory that is used again, but never while anybody holds them."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.train.engines import NativeSteps
from handgrad.train.engines.copies import HAS_LOCK, Copies

pytestmark = pytest.mark.skipif(not HAS_LOCK, reason="counts of holders are not exact without the lock")


def test_memory_is_used_again_once_nobody_holds_it():
    copies, x = Copies(), np.arange(6.0).reshape(2, 3)
    first = copies.of([x])[0]
    place = first.ctypes.data
    second = copies.of([x + 1])[0]
    assert second.ctypes.data != place
    np.testing.assert_array_equal(first, x)
    del first
    third = copies.of([x + 2])[0]
    assert third.ctypes.data == place
    np.testing.assert_array_equal(second, x + 1)
    np.testing.assert_array_equal(third, x + 2)


@pytest.mark.parametrize(
    "hold",
    [
        lambda a: a,
        lambda a: a[1:],
        lambda a: a.T.reshape(-1, 1)[::2] if a.T.flags.f_contiguous else a.T,
        lambda a: np.asarray(memoryview(a)),
        lambda a: {"W": [a]},
    ],
)
def test_what_is_held_in_any_form_stays(hold):
    copies, x = Copies(), np.arange(6.0).reshape(2, 3)
    held = [hold(copies.of([x + n])[0]) for n in range(5)]
    for n, each in enumerate(held):
        was = hold(x + n)
        for a, b in zip(hg.tree.leaves(each), hg.tree.leaves(was), strict=True):
            np.testing.assert_array_equal(a, b)


def test_every_progress_of_a_training_keeps_its_own_numbers():
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((96, 20)).astype(np.float32), rng.integers(0, 5, 96)
    mini_batches = rng.permutation(96).reshape(6, -1)

    def begun():
        net = hg.layers.mlp([20, 512, 5], seed=0)  # whose second matrix the engine keeps transposed
        trainer = hg.Trainer(net, hg.softmax_cross_entropy, hg.optim.Adam(), engine="native")
        return NativeSteps(trainer, trainer.progress, x, t, 16), trainer.progress

    def progresses():
        steps, progress = begun()
        for indices in mini_batches:
            done, progress, error = steps.run(progress, indices, 16)
            assert (done, error) == (1, None)
            yield progress

    assert begun()[0].transposed
    at_once = [[a.copy() for a in hg.tree.leaves(each.params)] for each in progresses()]
    kept = [hg.tree.leaves(each.params) for each in progresses()]
    for arrays, as_made in zip(kept, at_once, strict=True):
        for a, b in zip(arrays, as_made, strict=True):
            np.testing.assert_array_equal(a, b)
    assert len({arrays[0].ctypes.data for arrays in kept}) == 6
    places = {next(iter(each.params.values())).ctypes.data for each in progresses()}
    assert len(places) == 2, "six copies in the memory of two"
