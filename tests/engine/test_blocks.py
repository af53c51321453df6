"""Long sums of a few elements: in blocks that follow from the shape, which all threads share."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.engine.targets import here
from handgrad.program import trace
from tests.engine.support import compiled, run, same_bits

MANY = [
    ((2**17,), None),
    ((99_990,), 0),
    ((65_537,), None),  # a prime: in one block
    ((64, 1250), None),
    ((1250, 64), None),
    ((30_000, 3), 0),
    ((2, 40_000), 1),
    ((3, 5, 70, 67), (1, 2, 3)),
    ((8, 2, 65, 70), (0, 2, 3)),
    ((1, 70_000, 1), (0, 1)),
    ((2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2), None),
]


def some(shape, dtype):
    x = np.random.default_rng(0).integers(-9, 9, shape)
    return (x / 4 + 1).astype(dtype) if np.dtype(dtype).kind == "f" else x.astype(dtype)


@pytest.mark.parametrize(("shape", "axis"), MANY, ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.bool_])
def test_reductions_of_many(shape, axis, dtype):
    x = some(shape, dtype)
    names = ["sum", "max", "any"] if dtype != np.bool_ else ["sum", "min", "all"]

    def f(x):
        return tuple(getattr(xp, name)(x, axis=axis) for name in names)

    one = run(compiled(trace(f, x)), [x])
    wanted = [getattr(np, name)(x, axis=axis) for name in names]
    for got, right in zip(one, wanted, strict=True):
        assert got.dtype == right.dtype
        np.testing.assert_array_equal(got, right)  # of numbers whose sums have few digits
    for threads in (2, 3):
        assert same_bits(run(compiled(trace(f, x), threads), [x]), one)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("level", here.levels())
def test_statistics_in_blocks_have_the_same_bits_for_any_number_of_threads(level, dtype):
    x = np.random.default_rng(0).normal(100, 1, (41, 5, 20, 33)).astype(dtype)

    def f(x):
        axes = (0, 2, 3)
        return hg.mean(x, axis=axes), hg.var(x, axis=axes), hg.mean(hg.square(x)), xp.prod(x / 100)

    one, *others = (
        run(compiled(trace(f, x), threads, target=here.at_level(level)), [x]) for threads in (1, 2, 3)
    )
    assert all(same_bits(other, one) for other in others)
    exact = x.astype(np.longdouble)
    wanted = exact.mean((0, 2, 3)), exact.var((0, 2, 3)), np.mean(exact**2)
    for got, right in zip(one, wanted, strict=False):
        np.testing.assert_allclose(got, right.astype(np.float64), rtol=8 * np.finfo(dtype).eps)


def test_every_part_of_a_full_sum_but_the_last_is_divided():
    kernels = compiled(trace(hg.sum, np.zeros(10**6, np.float32)), 2).schedule.kernels
    assert [k.name for k in kernels] == ["reduce", "reduce"]
    assert [k.partition for k in kernels] == [0, None]
    assert kernels[1].node.x.size == 64


def filters(pad, stride, size, axes=(1, 2)):
    """The gradient by W (R, S, C, K) of a convolution of x (N, H, W, C)."""

    def f(x, dout):
        padded = hg.pad(x, ((0, 0), (pad, pad), (pad, pad), (0, 0)))
        return hg.einsum("nhwcrs,nhwk->rsck", hg.windows(padded, (size, size), stride, axes=axes), dout)

    return f


PRODUCTS = {
    "matrices": (lambda x, y: x.T @ y, [(5_000, 6), (5_000, 7)]),
    "one row": (lambda x, y: hg.einsum("ij,jk->ik", x, y), [(1, 4_100), (4_100, 9)]),
    "many at once": (lambda x, y: hg.einsum("bki,bkj->bij", x, y), [(3, 4_096, 4), (3, 4_096, 5)]),
    "two sums": (lambda x, y: hg.einsum("kli,lkj->ij", x, y), [(37, 130, 5), (130, 37, 6)]),
    "filters": (filters(1, 1, 3), [(16, 20, 20, 3), (16, 20, 20, 8)]),
    "strided": (filters(1, 2, 3), [(12, 21, 21, 4), (12, 11, 11, 5)]),
    "no padding": (filters(0, 1, 5), [(22, 19, 19, 1), (22, 15, 15, 16)]),
    "a prime of images": (filters(1, 1, 3), [(13, 24, 24, 2), (13, 24, 24, 3)]),
}


@pytest.mark.parametrize("name", PRODUCTS)
@pytest.mark.parametrize("level", here.levels())
def test_products_of_few_elements(name, level):
    f, shapes = PRODUCTS[name]
    rng = np.random.default_rng(0)
    args = [rng.normal(size=shape).astype(np.float32) for shape in shapes]
    program, target = trace(f, *args), here.at_level(level)
    codes = [compiled(program, threads, target=target) for threads in (1, 2, 3)]
    one, *others = (run(code, args) for code in codes)
    assert all(same_bits(other, one) for other in others)
    exact = np.asarray(f(*(a.astype(np.float64) for a in args)))
    assert np.abs(one - exact).max() < 2e-6 * np.abs(exact).max()
    product = next(k for k in codes[1].schedule.kernels if k.name == "product")
    assert product.partition == 0  # the parts of the sums
    assert product.space[0] >= 4


@pytest.mark.parametrize(
    "shapes", [[(4_000, 70), (4_000, 70)], [(900, 6), (900, 7)], [(4_099, 6), (4_099, 7)]]
)
def test_other_products_are_not(shapes):
    """Of many elements, of short sums, of a prime number of terms."""
    program = trace(lambda x, y: x.T @ y, *(np.zeros(shape, np.float32) for shape in shapes))
    assert [k.name for k in compiled(program, 2).schedule.kernels] == ["product"]


def test_a_sum_over_no_axis_of_many_elements():
    x = some((300, 300), np.float64)
    (made,) = run(compiled(trace(lambda x: xp.sum(xp.exp(x), axis=()), x)), [x])
    np.testing.assert_allclose(made, np.exp(x), rtol=1e-15)
