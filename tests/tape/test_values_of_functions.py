"""NumPy's other functions, recorded: whatever takes an array gives NumPy's values, at the edges too."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.tape.functions import TABLE
from handgrad.tape.numpy_functions import name_of
from handgrad.tree import leaves, tree_map

from ..rules.test_whole_range import EDGES, ulps_apart

pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning", "ignore::DeprecationWarning")

DRAWN = np.random.default_rng(0)
ARRAYS = {
    "edges": EDGES,
    "matrix": DRAWN.choice(EDGES, (3, 4)),
    "finite": DRAWN.choice(EDGES[np.abs(EDGES) < 1e100], (3, 3)),
    "drawn": DRAWN.normal(size=(3, 3)),
    "vector": DRAWN.normal(size=5),
    "cube": DRAWN.normal(size=(2, 3, 4)),
    "zeros": np.array([0.0, -0.0]),
    "number": np.float64(0.7),
    "empty": np.zeros((0, 3)),
}
ALONE = {
    "x": lambda x: (x,),
    "x, 1": lambda x: (x, 1),
    "x, -1": lambda x: (x, -1),
    "x, 0, 1": lambda x: (x, 0, 1),
    "x, [0, 1]": lambda x: (x, [0, 1]),
    "[x, x]": lambda x: ([x, x],),
    "transposed": lambda x: ("ij->ji", x),
    "picked": lambda x: (np.asarray(x) > 0, x, x),
}
PAIRED = {
    "x, x": lambda x: (x, x),
    "x, x[::-1]": lambda x: (x, x[::-1]),
    "bounds": lambda x: (x, -1.0, 2.0),
    "range": lambda x: (x, 3.0, 7),
}
PAIRS = """
    append array_equal clip convolve correlate cov corrcoef cross dot inner interp kron outer polyval
    tensordot trapezoid vdot linspace geomspace logspace
""".split()
LEFT_OUT = "full resize bincount vander tile repeat empty_like".split()  # of huge size, or of any values
FUNCTIONS = [f for f in TABLE if not isinstance(f, np.ufunc) and f.__name__ not in LEFT_OUT]
MODERATE = """
    linspace geomspace logspace convolve correlate dot inner vdot tensordot polymul irfft hfft
""".split()
"""Sums in another order."""
REFUSED = (TypeError, ValueError, IndexError, ArithmeticError, AttributeError)
CORRECTLY_INFINITE = "norm matrix_norm vector_norm".split()  # NumPy's squares overflow, ours do not


def said(tree):
    return leaves(tree_map(lambda v: v.value if isinstance(v, hg.Variable) else v, tree))


def assert_same(got, wanted):
    assert len(got) == len(wanted)
    for a, b in zip(got, wanted, strict=True):
        assert np.shape(a) == np.shape(b)
        if getattr(b, "dtype", np.dtype(object)).kind == "f":
            assert np.all(ulps_apart(np.asarray(a), np.asarray(b)) <= 4), (a, b)
        elif not isinstance(b, str):
            assert np.array_equal(a, b)


@pytest.mark.parametrize("function", FUNCTIONS, ids=name_of)
def test_values_are_numpys(function):
    """Calls that NumPy refuses, or handgrad, are not compared."""
    name = function.__name__
    for make in [*ALONE.values(), *(PAIRED.values() if name in PAIRS else ())]:
        for kind, x in ARRAYS.items():
            if name in (*CORRECTLY_INFINITE, *MODERATE) and kind in ("edges", "matrix", "finite", "zeros"):
                continue
            try:
                wanted = function(*make(x))
                recorded = tree_map(lambda a, x=x: hg.variable(a) if a is x else a, make(x))
                got = function(*recorded)
            except REFUSED:
                continue
            if name in MODERATE:
                np.testing.assert_allclose(said(got), leaves(wanted), rtol=1e-12, atol=1e-15)
            else:
                assert_same(said(got), leaves(wanted))


def test_most_functions_are_compared():
    compared = 0
    for function in FUNCTIONS:
        for make in ALONE.values():
            try:
                function(
                    *tree_map(lambda a: hg.variable(a) if a is ARRAYS["drawn"] else a, make(ARRAYS["drawn"]))
                )
            except Exception:
                continue
            compared += 1
            break
    assert compared > 130
