"""Matrix products of every small shape, however their factors lie, at every level that runs here."""

import itertools

import numpy as np
import pytest

from handgrad.engine.targets import here
from handgrad.program import trace
from tests.engine.support import compiled, run

LEVELS = pytest.mark.parametrize("level", here.levels())
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
FORMS = {
    "as they lie": lambda x, y: x @ y,
    "first turned": lambda x, y: x.T @ y,
    "rows by rows": lambda x, y: x @ y.T,
    "both turned": lambda x, y: x.T @ y.T,
}
SOME = [  # M, N, K: what is left over of a tile, of a vector, of a part of k; one row, one column
    *[(1, 5, 64), (5, 9, 64), (8, 17, 67), (3, 2, 100), (17, 4, 65), (33, 8, 129), (9, 33, 63)],
    *[(1, 1, 1), (2, 3, 2), (33, 1, 65), (7, 7, 7), (40, 65, 24)],
]


def factors(form, M, N, K, dtype):
    rng = np.random.default_rng((M, N, K))
    x, y = rng.standard_normal((M, K)).astype(dtype), rng.standard_normal((K, N)).astype(dtype)
    turns_x, turns_y = form in ("first turned", "both turned"), form in ("rows by rows", "both turned")
    return np.ascontiguousarray(x.T) if turns_x else x, np.ascontiguousarray(y.T) if turns_y else y


def products(form, sizes, dtype, threads, level):
    """The products of all those sizes by one program, each held to what rounding can do to it."""
    f = FORMS[form]
    given = [factors(form, *size, dtype) for size in sizes]
    program = trace(lambda pairs: [f(x, y) for x, y in pairs], given)
    got = run(compiled(program, threads, target=here.at_level(level)), [a for pair in given for a in pair])
    for (x, y), out, size in zip(given, got, sizes, strict=True):
        exact = f(x.astype(np.longdouble), y.astype(np.longdouble))
        most = f(np.abs(x), np.abs(y)) * (2 + size[2] ** 0.5) * np.finfo(dtype).eps
        assert np.all(np.abs(out - exact) <= most), (form, size, threads)
    return [out.tobytes() for out in got]


@LEVELS
@DTYPES
@pytest.mark.parametrize("form", FORMS)
def test_products(form, dtype, level):
    """With 1 to 3 threads: the same bits."""
    one = products(form, SOME, dtype, 1, level)
    for threads in (2, 3):
        some = slice(threads - 2, None, 3)
        assert products(form, SOME[some], dtype, threads, level) == one[some]


SMALL = (*range(1, 18), 31, 33)


@pytest.mark.slow
@LEVELS
@DTYPES
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("M", SMALL)
def test_small_products_exhaustively(M, form, dtype, level):
    """Every M by N; K and the number of threads run through theirs."""
    depths = itertools.cycle((64, 3, 67, 1, 100, 16, 65))
    threads = (1, 2, 3)[M % 3]
    products(form, [(M, N, K) for N, K in zip(SMALL, depths, strict=False)], dtype, threads, level)


@LEVELS
@DTYPES
def test_rows_copied_for_a_turned_factor_stay_in_their_memory(dtype, level):
    """A training's x.T @ dout: as many as fit near; and some lines of all at a time, the last of fewer."""
    products("first turned", [(784, 200, 128), (1000, 272, 131)], dtype, 1, level)
    sizes = [(50, 70, 1030), (13, 66, 300), (7, 130, 17), (65, 70, 513)]
    for size in sizes:
        assert products("first turned", [size], dtype, 1, level) == products(
            "first turned", [size], dtype, 2, level
        )


@LEVELS
@DTYPES
def test_batched_rows_by_rows(dtype, level):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((2, 3, 5, 70)).astype(dtype), rng.standard_normal((3, 7, 70)).astype(dtype)
    program = trace(lambda x, y: x @ y.transpose(0, 2, 1), x, y)
    for threads in (1, 3):
        (got,) = run(compiled(program, threads, target=here.at_level(level)), [x, y])
        np.testing.assert_allclose(got, x @ y.transpose(0, 2, 1), rtol=0, atol=200 * np.finfo(dtype).eps)
