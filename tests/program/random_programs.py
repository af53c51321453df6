"""Programs of random operations on numbers that are easy to get wrong, for Hypothesis."""

import numpy as np
from hypothesis import strategies as st

from handgrad.arrays import xp

SPECIAL = (0.0, -0.0, -0.0, 1.0, -1.0, 0.5, 3.0, -2.5, np.nan, np.inf, -np.inf, 1e-40, -5e-324, 1e30, 0.1)
NUMBERS = (0, 1, 2, 4, -1, 0.0, 0.0, -0.0, -0.0, 1.0, 2.0, 0.5, -4.0, 3.0, 0.1, float("nan"), float("inf"))
SHAPES = ((), (1,), (3,), (2, 3), (2, 1), (1, 3), (2, 1, 3), (1, 1))

UNARY = "negative abs sign sqrt square exp tanh log1p floor zeros_like ones_like isfinite".split()
BINARY = "add subtract multiply divide power maximum minimum less equal".split()
REDUCTIONS = "sum max min prod".split()


@st.composite
def arrays(draw):
    """Up to three inputs, of any of the shapes."""
    made = []
    for _ in range(draw(st.integers(1, 3))):
        shape, dtype = draw(st.sampled_from(SHAPES)), draw(st.sampled_from([np.float32, np.float64]))
        count = int(np.prod(shape))
        values = draw(st.lists(st.sampled_from(SPECIAL), min_size=count, max_size=count))
        with np.errstate(all="ignore"):
            made.append(np.array(values).astype(dtype).reshape(shape))
    return made


def random_function(data, length):
    """A function of arrays that applies that many operations, drawn while it is traced."""

    def pick(choices):
        return data.draw(st.sampled_from(choices))

    def f(*inputs):
        pool = list(inputs)
        for _ in range(length):
            pool.append(pick(STEPS)(pick, pool))
        return pool[pick((0, -4)) :]

    return f


def _operand(pick, pool, x):
    """Something that broadcasts with x: an array of the pool, a number, a constant."""
    fitting = [y for y in pool if _fits(x, y)]
    kind = pick(("pool", "pool", "number", "constant"))
    if kind == "pool":
        return pick(fitting)
    number = pick(NUMBERS)
    return (
        number if kind == "number" else np.full(pick(((), (1,), (1, 1))), number, pick((np.float32, float)))
    )


def _fits(x, y):
    try:
        np.broadcast_shapes(x.shape, y.shape)
    except ValueError:
        return False
    return True


def _is_bool(x):
    return getattr(x, "dtype", np.dtype(float)).kind == "b"


def _numeric(pick, pool):
    x = pick(pool)
    return xp.astype(x, np.float32) if _is_bool(x) else x


def _unary(pick, pool):
    return getattr(xp, pick(UNARY))(_numeric(pick, pool))


def _binary(pick, pool):
    x = _numeric(pick, pool)
    y = _operand(pick, pool, x)
    y = xp.astype(y, np.float32) if _is_bool(y) else y
    return getattr(xp, pick(BINARY))(*pick(((x, y), (y, x))))


def _where(pick, pool):
    x = _numeric(pick, pool)
    y = _operand(pick, pool, x)
    conditions = [c for c in pool if _is_bool(c) and _fits(c, x) and _fits(c, x + y)]
    return xp.where(pick(conditions) if conditions else x < 1, *pick(((x, y), (y, x), (x, x))))


def _logical_not(pick, pool):
    found = [c for c in pool if _is_bool(c)]
    return xp.logical_not(pick(found)) if found else pick(pool) < 1


def _astype(pick, pool):
    return xp.astype(pick(pool), pick((np.float32, np.float64)))


def _reduce(pick, pool):
    x = _numeric(pick, pool)
    axes = pick([None, *range(len(x.shape))])
    return getattr(xp, pick(REDUCTIONS))(x, axis=axes, keepdims=pick((True, False)))


def _reshape(pick, pool):
    x = pick(pool)
    target = [n for n in x.shape if n != 1] if pick((True, True, False)) else [int(np.prod(x.shape))]
    for _ in range(pick((0, 1, 2))):
        target.insert(pick(range(len(target) + 1)), 1)
    return xp.reshape(x, tuple(target))


def _permute(pick, pool):
    x = pick(pool)
    axes, left = [], list(range(len(x.shape)))
    while left:
        axes.append(left.pop(pick(range(len(left)))))
    return xp.permute_dims(x, tuple(axes))


def _broadcast(pick, pool):
    x = pick(pool)
    grown = tuple(pick((1, 2)) if n == 1 else n for n in x.shape)
    lead = pick(((), (1,), (2,))) if len(grown) < 3 else ()
    return xp.broadcast_to(x, lead + grown)


def _getitem(pick, pool):
    x = pick(pool)
    parts = tuple(pick((slice(None), slice(0, n), slice(0, 1), slice(None, None, -1))) for n in x.shape)
    return xp.getitem(x, pick((parts, (..., *parts[-1:]), (*parts, ...))))


def _flip(pick, pool):
    return xp.flip(pick(pool))


def _concat(pick, pool):
    x = xp.reshape(pick(pool), (-1,))
    return xp.concat(list(pick(([x], [x, x], [x, x[:0]]))), axis=0)


STEPS = (
    _unary, _unary, _binary, _binary, _binary, _where, _logical_not, _astype, _reduce, _reshape, _reshape,
    _permute, _permute, _broadcast, _broadcast, _getitem, _flip, _concat,
)  # fmt: skip
