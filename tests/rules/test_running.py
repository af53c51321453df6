"""Running products, sums of exponentials and order at the edges: zeros, ties, infinities, great lengths."""

import numpy as np
import pytest

import handgrad as hg

rng = np.random.default_rng(0)


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 100, 1000])
@pytest.mark.parametrize("zeros", [0, 1, 3])
def test_running_products_need_no_division(n, zeros):
    x = rng.choice([-1.0, 1.0], n) * rng.uniform(0.9, 1.1, n)
    x[rng.permutation(n)[:zeros]] = 0.0
    dout = rng.normal(size=n)
    wanted = np.zeros(n)
    for j in range(n):  # from the definition: the products of all others, from j on
        others = np.cumprod(np.where(np.arange(n) == j, 1.0, x))
        wanted[j] = np.sum(dout[j:] * others[j:])
    np.testing.assert_allclose(hg.cumprod.vjp(x)[1](dout)[0], wanted, rtol=1e-11, atol=1e-13)


def test_running_sums_of_exponentials_neither_overflow_nor_vanish():
    for x in (
        [800.0, 801.0, 799.0],
        [-800.0, -801.0, -799.0],
        [1e30, 1e30],
        [-1e30, 1e30],
        [5.0, -np.inf, 6.0],
    ):
        x = np.array(x)
        out, backward = hg.logcumsumexp.vjp(x)
        np.testing.assert_allclose(out, np.logaddexp.accumulate(x), rtol=1e-15)
        (dx,) = backward(np.arange(1.0, len(x) + 1))
        wanted = sum(
            d * np.exp(x[: i + 1] - out[i]) @ np.eye(len(x))[: i + 1]
            for i, d in enumerate(np.arange(1.0, len(x) + 1))
        )
        np.testing.assert_allclose(dx, wanted, rtol=1e-12)


def test_nan_comes_last_and_keeps_its_gradient():
    x = np.array([np.nan, 2.0, -np.inf, np.inf])
    out, backward = hg.sort.vjp(x)
    np.testing.assert_array_equal(out, [-np.inf, 2.0, np.inf, np.nan])
    np.testing.assert_array_equal(backward(np.arange(4.0))[0], [3.0, 1.0, 0.0, 2.0])
    assert list(hg.sort(np.array([1.0, np.nan, 3.0]), descending=True)[:2]) == [3.0, 1.0]


def test_ties_stay_in_their_order():
    x = np.array([1.0, 0.0, 1.0, 0.0])
    for rule, options, wanted in (
        (hg.sort, {}, [2.0, 0.0, 3.0, 1.0]),
        (hg.sort, {"descending": True}, [0.0, 2.0, 1.0, 3.0]),
        (hg.topk, {"k": 4}, [0.0, 2.0, 1.0, 3.0]),
        (hg.topk, {"k": 4, "largest": False}, [2.0, 0.0, 3.0, 1.0]),
    ):
        np.testing.assert_array_equal(rule.vjp(x, **options)[1](np.arange(4.0))[0], wanted)


@pytest.mark.parametrize("p", [0.5, 1, 1.5, 3, 7, -1, -2])
@pytest.mark.parametrize("scale", [1e-150, 1e-30, 1e30, 1e150])
def test_norms_of_any_order_and_size(p, scale):
    x = rng.normal(size=6)
    out, backward = hg.norm.vjp(x * scale, ord=p)
    wanted, own = hg.norm.vjp(x, ord=p)
    np.testing.assert_allclose(out, wanted * scale, rtol=1e-13)
    np.testing.assert_allclose(backward(1.0)[0], own(1.0)[0], rtol=1e-12)


def test_distances_of_points_that_are_near_and_far_from_0():
    x = np.array([[1e8, 0.0], [1e8 + 1e-6, 0.0]])
    assert hg.cdist(x, x)[0, 1] == x[1, 0] - x[0, 0]


ERRORS = [
    (lambda: hg.convolve(np.ones((2, 2)), np.ones(2)), r"two vectors with elements, not \(2, 2\) and \(2,\)"),
    (lambda: hg.convolve(np.ones(2), np.ones(0)), r"two vectors with elements"),
    (lambda: hg.convolve(np.ones(2), np.ones(2), mode="all"), r"mode is full, same or valid, not 'all'"),
    (
        lambda: hg.diag(np.ones((2, 2, 2))),
        r"diag takes a vector or a matrix, not an array of shape \(2, 2, 2\)",
    ),
    (lambda: hg.diagonal(np.ones((2, 2)), axis1=1, axis2=-1), r"two axes, not along 1 twice"),
    (lambda: hg.tril(np.ones(3)), r"last two axes, and x has shape \(3,\)"),
    (lambda: hg.topk(np.ones(3), 4), r"an axis of size 3 has no 4 elements to give"),
    (lambda: hg.diff(np.ones(3), n=-1), r"0 or more times, not -1"),
    (lambda: hg.interp(0.5, np.ones(3), np.ones(2)), r"two vectors of one length, not \(3,\) and \(2,\)"),
    (lambda: hg.norm(np.ones(3), ord="fro"), r"the order of a norm is a number, not 'fro'"),
    (lambda: hg.tensordot(np.ones((2, 3)), np.ones((3, 2)), ((0, 1), (0,))), r"2 axes of x and 1 of y"),
    (lambda: hg.tensordot(np.ones((2, 3)), np.ones((4, 2)), 1), r"axes of 3 and of 4"),
    (lambda: hg.diag(np.float64(1.0)), r"not an array of shape \(\)"),
    (lambda: hg.roll(np.ones((2, 3)), (1, 2, 3), axis=(0, 1)), r"\(1, 2, 3\) has 3 numbers for 2 axes"),
]


@pytest.mark.parametrize(("call", "said"), ERRORS, ids=lambda value: value if isinstance(value, str) else "")
def test_what_does_not_fit_is_told(call, said):
    with pytest.raises(ValueError, match=said):
        call()
