"""Every rule, forward and backward, as native code."""

import warnings

import numpy as np
import pytest

from handgrad.arrays import xp
from handgrad.engine import NotCompiledWarning
from handgrad.program import trace
from handgrad.rules import ALL
from handgrad.tree import leaves, tree_map
from tests.engine.support import assert_close, compiled, run, same_bits
from tests.program.test_every_rule import splits
from tests.rules.cases import BEYOND_SOME, CASES


def cast(tree, dtype):
    """Numbers as arrays, floats of that dtype."""

    def one(x):
        x = np.asarray(x) if isinstance(x, (int, float)) or hasattr(x, "dtype") else x
        return x.astype(dtype) if hasattr(x, "dtype") and x.dtype.kind == "f" else x

    return tree_map(one, tree)


class Use:
    """A case with a random dout: its program, its arrays, and what it gives in float64 and on NumPy."""

    def __init__(self, case, dtype):
        inputs, constant = splits(case)
        inputs = cast(inputs, dtype)

        def step(inputs, dout):
            out, backward = case.rule.vjp(*inputs, *constant, **case.options)
            return out, backward(dout)

        rng = np.random.default_rng(0)
        out = case.rule(*inputs, *constant, **case.options)
        dout = tree_map(lambda o: np.asarray(rng.standard_normal(np.shape(o))).astype(np.result_type(o)), out)
        self.program = trace(step, inputs, dout)
        self.arrays = [np.asarray(x) for x in leaves((inputs, dout)) if hasattr(x, "dtype")]
        self.own = present(self.program(inputs, dout))
        self.wanted = present(step(cast(inputs, np.float64), cast(dout, np.float64)))


def present(tree):
    return [x for x in leaves(tree) if x is not None]


PAIRS = [
    pytest.param(
        case,
        dtype,
        id=f"{case.id}-{dtype.__name__}",
        marks=[pytest.mark.slow] if (i + k) % 2 or case.id in BEYOND_SOME else [],
    )
    for i, case in enumerate(CASES)
    for k, dtype in enumerate((np.float64, np.float32))
]


BY_NUMPY = frozenset(
    """
    interp sort topk inv solve solve_triangular det adjugate slogdet cholesky qr eigh svd pinv lstsq expm
    matrix_power
    """.split()
)
"""The rules of which NumPy computes a part in between; it must be known that they are."""


@pytest.fixture(autouse=True)
def quiet(request):
    """A part that NumPy computes is warned of, which is an error for all other rules."""
    case = request.node.callspec.params.get("case")
    with warnings.catch_warnings():
        if case is not None and case.rule.name in BY_NUMPY:
            warnings.simplefilter("ignore", NotCompiledWarning)
        yield


@pytest.mark.parametrize(("case", "dtype"), PAIRS)
def test_native_code_gives_the_rule_s_numbers(case, dtype):
    """The same bits each time, and with any number of threads."""
    use = Use(case, dtype)
    code = compiled(use.program, threads=2)
    got = run(code, use.arrays)
    assert [x.dtype for x in got] == [np.result_type(x) for x in use.own]
    assert_close(got, use.wanted, use.own)
    for at_end in (False, True):
        assert same_bits(run(code, use.arrays, at_end), got)
    assert same_bits(run(compiled(use.program), use.arrays), got)


SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, -2.5, np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-30, -1e-30, 20.0, -20.0)
ELEMENTWISE = {
    rule for rule in ALL.values() if rule.broadcasts and len(rule.inputs) <= 2 and rule.name != "dropout"
}


@pytest.mark.parametrize("dtype", [np.float64, np.float32], ids=["float64", "float32"])
@pytest.mark.parametrize("rule", sorted(ELEMENTWISE, key=lambda r: r.name), ids=lambda rule: rule.name)
def test_special_numbers_come_out_where_numpy_has_them(rule, dtype):
    """And zeros with their signs; dout is 1."""
    xs = np.meshgrid(*[np.array(SPECIAL, dtype)] * len(rule.inputs))

    def step(*xs):
        out, backward = rule.vjp(*xs)
        return out, backward(xp.ones_like(out))

    program = trace(step, *xs)
    with np.errstate(all="ignore"):
        wanted = present(program(*xs))
    for x, y in zip(run(compiled(program), xs), wanted, strict=True):
        info = np.finfo(dtype)
        np.testing.assert_allclose(x, y, rtol=100 * info.eps, atol=2 * info.tiny)
        zeros = (x == 0) & (y == 0)
        np.testing.assert_array_equal(np.signbit(x[zeros]), np.signbit(y[zeros]))
