"""Random compositions of rules, with their gradients: numbers of moderate size, and shapes that are odd.

What is drawn comes from ``pick``, a function from choices to one of them: of Hypothesis, or of a generator.
Numbers stay within about ±2. Where a rule has a kink, or asks which of two is larger, a constant of many
digits is added before, so that rounding decides nothing.
"""

import math

import numpy as np

import handgrad as hg
from handgrad.arrays import shape, size
from handgrad.program import trace

LENGTHS = (0, 1, 1, 2, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33)
LARGEST = 2000  # elements in an array
DEPTHS = (63, 64, 65, 67, 100, 129)  # of products whose factors both lie along it
COLUMNS = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17)
LONG = (129, 300, 1000, 1025, 2049, 5000)  # sums whose digits need care
OFF = 0.0371840265


class Draw:
    """Choices, and constants that follow from one of them."""

    def __init__(self, pick):
        self.pick = pick
        self.dtype = pick((np.float64, np.float64, np.float32))
        self.random = np.random.default_rng(pick(range(1000)))

    def chance(self, n):
        """True once in n."""
        return self.pick(range(n)) == 0

    def shape(self, most=3):
        while True:
            found = tuple(self.pick(LENGTHS) for _ in range(self.pick(range(most + 1))))
            if math.prod(found) <= LARGEST:
                return found

    def numbers(self, *shape):
        return np.asarray(self.random.uniform(-2, 2, shape)).astype(self.dtype)

    def places(self, n, *shape):
        """Indices into an axis of length n, negative ones too."""
        return self.random.integers(-n, n, shape)


def random_program(pick, length):
    """A program of about ``length`` rules forward, often with their gradients; and its inputs."""
    draw = Draw(pick)
    floats = [draw.numbers(*draw.shape()) for _ in range(pick((1, 2, 2, 3)))]
    labels = [draw.places(pick((1, 2, 3)), *draw.shape(2)) for _ in range(pick((0, 1)))]
    has_gradient = pick((True, True, False))

    def f(floats, labels):
        pool = list(floats)
        for _ in range(length):
            pool.append(pick(STEPS)(draw, pool, labels))
        count = pick((1, 2, 3))
        return tuple(pool[-count:])

    def both(floats, labels):
        if not has_gradient:
            return f(floats, labels)
        out, backward = hg.vjp(lambda *xs: f(xs, labels), *floats)
        return out, backward(tuple(draw.numbers(*shape(o)).astype(o.dtype) for o in out))

    with np.errstate(all="ignore"):
        return trace(both, floats, labels), [floats, labels]


# Elementwise.

UNARY = (
    hg.tanh, hg.sigmoid, hg.sin, hg.cos, hg.erf, hg.softplus, hg.gelu, hg.silu, hg.negative, hg.arctan,
    lambda x: hg.gelu(x, approximate="tanh"),
    lambda x: hg.exp(x) / 8,
    lambda x: hg.exp(-hg.square(x)),
    lambda x: hg.expm1(x) / 8,
    lambda x: hg.log(2.5 + x),
    lambda x: hg.log1p(hg.square(x)),
    lambda x: hg.sqrt(1 + hg.square(x)) / 2,
    lambda x: hg.sinh(x) / 4,
    lambda x: hg.cosh(x) / 4,
    lambda x: hg.tan(x / 3),
    lambda x: hg.arcsin(x / 4),
    lambda x: hg.arccos(x / 4) / 2,
    lambda x: hg.erfc(x) / 2,
    lambda x: x / 2,
    lambda x: 1 - x,
    lambda x: x**2 / 4,
    lambda x: x**3 / 8,
    lambda x: 1 / (3 + x),
    lambda x: (3 + x) ** 0.5 / 2,
)  # fmt: skip
KINKED = (
    hg.relu, hg.leaky_relu, hg.elu, hg.abs, hg.sign,
    lambda x: hg.clip(x, min=-0.5, max=0.7),
    lambda x: hg.clip(x, max=0.1),
)  # fmt: skip
BINARY = (
    lambda x, y: (x + y) / 2,
    lambda x, y: (x - y) / 2,
    lambda x, y: x * y / 2,
    lambda x, y: x / (2 + hg.sin(y)),
    lambda x, y: (1 + hg.square(x)) ** hg.tanh(y) / 4,
    lambda x, y: hg.maximum(x + OFF, y),
    lambda x, y: hg.minimum(x, y + OFF),
)


def unary(draw, pool, labels):
    return draw.pick(UNARY)(draw.pick(pool))


def kinked(draw, pool, labels):
    return draw.pick(KINKED)(draw.pick(pool) + OFF)


def partner(draw, pool, x):
    """Something that broadcasts with x and makes nothing large."""
    fitting = [y for y in pool if broadcasts(x, y)]
    kind = draw.pick(("pool", "pool", "pool", "constant", "row", "number"))
    if kind == "pool":
        return draw.pick(fitting)
    if kind == "number":
        return 0.75
    own = shape(x)
    return draw.numbers(*(n if draw.chance(2) else 1 for n in own[len(own) // 2 * (kind == "row") :]))


def broadcasts(*arrays):
    try:
        return math.prod(np.broadcast_shapes(*map(shape, arrays))) <= max(LARGEST, *map(size, arrays))
    except ValueError:
        return False


def binary(draw, pool, labels):
    x = draw.pick(pool)
    y = partner(draw, pool, x)
    return draw.pick(BINARY)(*draw.pick(((x, y), (y, x))))


def where(draw, pool, labels):
    x = draw.pick(pool)
    y, z = partner(draw, pool, x), partner(draw, pool, x)
    return hg.where(x > OFF, y, z) if broadcasts(x, y, z) else hg.where(x < OFF, x, y)


def astype(draw, pool, labels):
    return hg.astype(draw.pick(pool), draw.pick((np.float32, np.float64)))


# Over axes.


def some_axes(draw, x):
    ndim = len(shape(x))
    return draw.pick((None, tuple(i for i in range(ndim) if draw.chance(2)), *range(-ndim, ndim)))


def lengths(x, axis):
    """Elements in each sum."""
    axes = range(len(shape(x))) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    return math.prod(shape(x)[a] for a in axes)


def total(draw, pool, labels):
    x = draw.pick(pool)
    axis = some_axes(draw, x)
    options = {"axis": axis, "keepdims": draw.chance(2)}
    if draw.chance(4):
        return hg.prod(hg.tanh(x), **options)
    return hg.sum(x, **options) / max(lengths(x, axis), 1)


def statistic(draw, pool, labels):
    x = draw.pick(pool)
    axis = some_axes(draw, x)
    if lengths(x, axis) == 0:
        return -x
    rule = draw.pick((hg.mean, hg.var, hg.logsumexp, hg.max, hg.min))
    if rule in (hg.max, hg.min):
        x = x + draw.numbers(*shape(x))
    out = rule(x, axis=axis, keepdims=draw.chance(2))
    return out / 4 if rule is hg.logsumexp else out


def normalised(draw, pool, labels):
    x = draw.pick(pool)
    if size(x) == 0 or not shape(x):
        return hg.sin(x)
    axis = draw.pick(range(-len(shape(x)), len(shape(x))))
    kind = draw.pick(("softmax", "log_softmax", "batch"))
    if kind == "batch":
        mean, var = hg.mean(x, axis=axis, keepdims=True), hg.var(x, axis=axis, keepdims=True)
        return hg.batch_norm(x, mean, var, 0.5, 0.25, eps=0.5)
    return getattr(hg, kind)(x, axis=axis) / 4


# Products.


def matmul(draw, pool, labels):
    x = draw.pick(pool)
    x = hg.reshape(x, (1,)) if shape(x) == () else x
    K = shape(x)[-1]
    partners = [y for y in pool if inner(y) == K and broadcasts_as_stacks(x, y)]
    if partners and not draw.chance(3):
        y = draw.pick(partners)
    else:
        y = draw.numbers(*draw.pick(((K,), (K, 1), (K, 3), (K, 8), (K, 17), (K, 0))))
        if draw.chance(3):
            y = hg.transpose(draw.numbers(*reversed(shape(y))))
    return x @ y / max(K, 1)


def inner(y):
    return shape(y)[-2 if len(shape(y)) > 1 else -1] if shape(y) else None


def broadcasts_as_stacks(x, y):
    a, b = shape(x), shape(y)
    try:
        lead = np.broadcast_shapes(a[:-2], b[:-2])
    except ValueError:
        return False
    return math.prod((*lead, *a[-2:-1], *(b[-1:] if len(b) > 1 else ()))) <= LARGEST


def rows_by_rows(draw, pool, labels):
    """x Yᵀ or Y xᵀ, of matrices that both lie along what is summed."""
    x = draw.pick(pool)
    x = hg.reshape(x, (-1, shape(x)[-1])) if shape(x) and size(x) else hg.reshape(hg.sum(x), (1, 1))
    x, n = x[: draw.pick(COLUMNS)], shape(x)[-1]
    K, N = draw.pick(DEPTHS), draw.pick(COLUMNS)
    x = hg.tanh(x @ draw.numbers(n, K) / n)
    if draw.chance(3):
        x = x * hg.sigmoid(draw.numbers(K))
    Y = draw.numbers(N, K) if draw.chance(2) else hg.sin(x[:N] + OFF)
    return draw.pick((lambda: x @ Y.T, lambda: Y @ x.T))() / K


def long_sum(draw, pool, labels):
    """Of many terms, along a row, down columns, or the depth of a product."""
    x = draw.pick(pool)
    n, m = draw.pick(LONG), draw.pick((1, 2, 3, 17))
    scale = hg.sum(x) / max(size(x), 1)
    terms = draw.pick((lambda y: y * scale, lambda y: hg.square(y - scale)))
    kind = draw.pick(("row", "column", "all", "product"))
    if kind == "product":
        return hg.tanh(draw.numbers(m, n) * scale) @ draw.numbers(n, draw.pick((1, 2, 5))) / n
    y = terms(draw.numbers(*((m, n) if kind == "row" else (n, m))))
    return hg.sum(y, axis={"row": 1, "column": 0, "all": None}[kind]) / n


def many(draw, pool, labels):
    """So many numbers that what is left of them is made in blocks."""
    x = draw.pick(pool)
    scale = hg.sum(x) / max(size(x), 1)
    n, m = draw.pick(((2**16, 1), (66, 1001), (257, 300))), draw.pick((1, 1, 3))
    y = hg.square(draw.numbers(n[0], 1, m) - scale * draw.numbers(n[1], 1))
    return draw.pick((hg.mean, hg.sum))(y, axis=draw.pick((None, (0, 1)))) / math.prod(n)


def affine(draw, pool, labels):
    x = draw.pick(pool)
    x = hg.reshape(x, (1,)) if shape(x) == () else x
    M = draw.pick((1, 2, 5, 16, 18))
    if size(x) // max(shape(x)[-1], 1) * M > LARGEST:
        return x
    return hg.relu(hg.affine(x, draw.numbers(shape(x)[-1], M), draw.numbers(M)) / max(shape(x)[-1], 1))


def windowed(draw, pool, labels):
    """Windows of x: summed, their largest, added up again, or with weights."""
    x = draw.pick(pool)
    axes = [i for i, n in enumerate(shape(x)) if n]
    axes = tuple(a for a in axes if draw.chance(2)) or tuple(axes[:1])
    if not axes:
        return x
    if draw.chance(2):
        x = hg.pad(
            x,
            [
                (draw.pick((0, 1, 2)), draw.pick((0, 1, 2))) if a in axes else (0, 0)
                for a in range(len(shape(x)))
            ],
        )
    size = tuple(draw.pick(range(1, min(shape(x)[a], 3) + 1)) for a in axes)
    most = [(shape(x)[a] - 1) // max(k - 1, 1) for a, k in zip(axes, size, strict=True)]
    dilation = tuple(draw.pick((1, max(1, min(2, m)))) for m in most)
    stride = tuple(draw.pick((1, 1, 2, 3)) for _ in axes)
    made = hg.windows(x, size, stride, dilation, axes)
    if math.prod(shape(made)) > LARGEST:
        return x
    inside = tuple(range(-len(axes), 0))
    kind = draw.pick(("sum", "max", "added", "weighed"))
    if kind == "sum":
        return hg.sum(made, axis=inside) / 4
    if kind == "max":
        return hg.max(made + draw.numbers(*shape(made)), axis=inside)
    if kind == "added":
        return hg.unwindows(hg.sin(made), shape(x), stride, dilation, axes) / 4
    letters, places = "abcdefg"[: len(shape(x))], "ijklmnp"[: len(axes)]
    W = draw.numbers(draw.pick((1, 3, 17)), *size)
    if size_of_result(made, W) > LARGEST or len(letters) > 3:
        return x
    if letters and draw.chance(3):  # summed over an axis too, as over channels
        c = draw.pick([i for i in range(len(letters)) if shape(x)[i]] or [0])
        W = draw.numbers(shape(made)[c], *shape(W))
        out = letters.replace(letters[c], "")
        made = made / max(shape(made)[c], 1)
        return (
            hg.einsum(
                f"{letters}{places},{letters[c]}o{places}->{draw.pick(('o' + out, out + 'o'))}", made, W
            )
            / 4
        )
    return hg.einsum(f"{letters}{places},o{places}->{draw.pick(('o' + letters, letters + 'o'))}", made, W) / 4


def size_of_result(windows, W):
    return math.prod(shape(windows)[: len(shape(windows)) - len(shape(W)) + 1]) * shape(W)[0]


# Shapes.


def transpose(draw, pool, labels):
    x = draw.pick(pool)
    axes, left = [], list(range(len(shape(x))))
    while left:
        axes.append(left.pop(draw.pick(range(len(left)))))
    return hg.transpose(x, axes=tuple(axes))


def reshape(draw, pool, labels):
    x = draw.pick(pool)
    n, target = size(x), []
    for divisor in (2, 3, 4, 5, 7, 17, 1):
        if n and n % divisor == 0 and draw.chance(2):
            n //= divisor
            target.insert(draw.pick(range(len(target) + 1)), divisor)
    target.insert(draw.pick(range(len(target) + 1)), n)
    return hg.reshape(x, tuple(target[:6] if len(target) <= 4 else (size(x),)))


def broadcast(draw, pool, labels):
    x = draw.pick(pool)
    grown = tuple(draw.pick((1, 2, 5)) if n == 1 else n for n in shape(x))
    grown = draw.pick(((), (1,), (3,))) + grown if len(grown) < 4 else grown
    return hg.broadcast_to(x, grown) if math.prod(grown) <= LARGEST else x


def part(draw, n):
    """A part of an axis of that length: a slice, or one place."""
    kind = draw.pick(("all", "all", "slice", "slice", "place"))
    if kind == "all" or n == 0:
        return slice(None)
    if kind == "place":
        return draw.pick(range(-n, n))
    ends = (None, None, *range(-n, n + 1))
    return slice(draw.pick(ends), draw.pick(ends), draw.pick((None, 1, 2, 3, -1, -1, -2, -3)))


def sliced(draw, pool, labels):
    x = draw.pick(pool)
    parts = [part(draw, n) for n in shape(x)]
    if draw.chance(3):
        parts.insert(draw.pick(range(len(parts) + 1)), None)
    return x[draw.pick((tuple(parts), (..., *parts[1:]), (*parts[:1], ...)))] if parts else x


def flip(draw, pool, labels):
    x = draw.pick(pool)
    return hg.flip(x, axis=some_axes(draw, x))


def joined(draw, pool, labels):
    x = draw.pick(pool)
    if not shape(x):
        return hg.stack([x, draw.pick([y for y in pool if not shape(y)])])
    axis = draw.pick(range(-len(shape(x)), len(shape(x))))
    others = [y for y in pool if shape(without(y, axis)) == shape(without(x, axis)) and len(shape(y))]
    parts = [x, *(draw.pick(others) for _ in range(draw.pick((1, 2))))]
    if sum(map(size, parts)) > LARGEST:
        return x
    if draw.chance(3):
        return hg.stack([x, x * 0.5], axis=draw.pick(range(len(shape(x)) + 1)))
    return hg.concatenate(parts, axis=axis)


def without(x, axis):
    """A ghost of x that lacks an axis."""
    own = shape(x)
    if not -len(own) <= axis < len(own):
        return np.broadcast_to(np.zeros(()), (9, 9, 9, 9, 9))
    return np.broadcast_to(np.zeros(()), (*own[: axis % len(own)], *own[axis % len(own) + 1 :], len(own)))


def split(draw, pool, labels):
    x = draw.pick(pool)
    if not shape(x):
        return x
    axis = draw.pick(range(len(shape(x))))
    return draw.pick(hg.split(x, [draw.pick(range(shape(x)[axis] + 1))], axis=axis))


def pad(draw, pool, labels):
    x = draw.pick(pool)
    width = tuple((draw.pick((0, 1, 2)), draw.pick((0, 3))) for _ in shape(x))
    if math.prod(n + a + b for n, (a, b) in zip(shape(x), width, strict=True)) > LARGEST or not width:
        return x
    mode = draw.pick(("constant", "edge", "wrap", "symmetric")) if size(x) else "constant"
    return hg.pad(x, width, mode=mode)


# Places that are values.


def picked(draw, pool, labels):
    """By constants, or by an input where it fits."""
    x = draw.pick(pool)
    axes = [i for i, n in enumerate(shape(x)) if n]
    if not axes:
        return x
    axis = draw.pick(axes)
    n = shape(x)[axis]
    index = draw.pick([draw.places(n, *draw.shape(2)), *(i for i in labels if n >= 3)])
    if size(x) // n * size(index) > LARGEST:
        return x
    if draw.chance(2) or isinstance(x, np.ndarray):  # which takes no symbol for an index
        return hg.take(x, index, axis=axis)
    before = tuple(part(draw, m) for m in shape(x)[:axis])
    return x[(*before, index, *draw.pick(((), (...,), (None,))))]


def picked_along(draw, pool, labels):
    x = draw.pick(pool)
    axes = [i for i, n in enumerate(shape(x)) if n]
    if not axes:
        return x
    axis = draw.pick(axes)
    own = list(shape(x))
    own[axis] = draw.pick((1, 2, 5))
    index = draw.places(shape(x)[axis], *own)
    return hg.take_along_axis(x, index, axis=axis) if math.prod(own) <= LARGEST else x


def scattered(draw, pool, labels):
    x = draw.pick(pool)
    if not shape(x):
        return x
    n, *rest = shape(x)
    longer = draw.pick((1, 3, 8))
    index = draw.places(longer, n)
    known = [i for i in labels if shape(i) == (n,) and longer >= 3]
    index = draw.pick([index, *known])
    return hg.scatter_add(x, index, shape=(longer, *rest)) / max(n, 1)


def loss(draw, pool, labels):
    x = draw.pick(pool)
    if not shape(x) or size(x) == 0:
        return x
    *lead, C = shape(x)
    t = draw.pick((draw.random.integers(C, size=lead), np.full((*lead, C), 1 / C, draw.dtype)))
    reduction = draw.pick(("mean", "none"))
    if C > 1:
        return hg.softmax_cross_entropy(x, t, reduction=reduction, label_smoothing=0.1) / 4
    return hg.mean_squared_error(x, draw.numbers(*shape(x)), reduction=reduction) / 8


# Loops.


def looped(draw, pool, labels):
    """A scan over the first axis; perhaps with one over the next inside, a product, or two arrays carried."""
    x = draw.pick(pool)
    if not shape(x):
        return hg.sin(x)
    xs = hg.astype(x[: draw.pick((1, 2, 3, 4))], draw.dtype)
    own = shape(xs)[1:]
    kinds = ["chain", "pair", "sum"]
    kinds += ["product"] * (len(own) == 2) + ["rows mixed"] * (len(own) == 2) + ["nested"] * (len(own) > 0)
    body, start = BODIES[draw.pick(kinds)](draw, own, xs)
    carry, ys = hg.scan(body, start, xs, reverse=draw.chance(2))
    if draw.chance(2):
        return ys
    return carry[0] if isinstance(carry, tuple) else carry


def chain_body(draw, own, xs):
    a = draw.numbers(*own)
    return lambda h, x: ((h := hg.tanh(h * 0.5 + x * a)), h * x / 2), draw.numbers(*own)


def pair_body(draw, own, xs):
    start = draw.numbers(*own), draw.numbers(*own)
    return lambda c, x: ((c[1], hg.sin(c[0] + x)), c[0] - c[1] / 2), start


def sum_body(draw, own, xs):
    return lambda h, x: (h + x / 4, x * 0.5), draw.numbers(*own)


def product_body(draw, own, xs):
    """Rows times a weight, perhaps one that is packed before the loop, as it is or transposed."""
    M = draw.pick((own[1], own[1], 17, 33))
    V, W = draw.numbers(own[1], M) / max(own[1], 1), draw.numbers(M, M) / max(M, 1)
    W = W.T if draw.chance(2) else W
    return lambda h, x: ((h := hg.tanh(h @ W + x @ V)), h), draw.numbers(own[0], M)


def mixing_body(draw, own, xs):
    """Each row reads all of the rows before."""
    V = draw.numbers(own[0], own[0]) / max(own[0], 1)
    return lambda h, x: (hg.tanh(V @ h + x), hg.sum(h, axis=0) / max(own[0], 1)), draw.numbers(*own)


def nested_body(draw, own, xs):
    def body(h, rows):
        return hg.scan(lambda h, x: ((h := hg.tanh(h + x)), h * 0.5), h, rows)

    return body, draw.numbers(*own[1:])


BODIES = {
    "chain": chain_body,
    "pair": pair_body,
    "sum": sum_body,
    "product": product_body,
    "rows mixed": mixing_body,
    "nested": nested_body,
}


def contracted(draw, pool, labels):
    """An einsum with a random array: batches, rows, columns and sums in any order."""
    x = draw.pick([x for x in pool if len(shape(x)) < 4])
    sizes = dict(zip("abcd", shape(x), strict=False))
    new = {letter: draw.pick((1, 2, 3, 5, 8, 17)) for letter in "yz"[: draw.pick((0, 1, 1, 2))]}
    common = [letter for letter in sizes if draw.chance(2)]
    of_y = [*common, *new]
    order = np.random.default_rng(draw.pick(range(1000))).permutation
    of_y = [of_y[i] for i in order(len(of_y))]
    y = draw.numbers(*({**sizes, **new}[letter] for letter in of_y))
    kept = [letter for letter in (*sizes, *new) if letter not in common or draw.chance(2)]
    kept = [kept[i] for i in order(len(kept))]
    terms = math.prod(sizes[letter] for letter in sizes if letter not in kept)
    if math.prod({**sizes, **new}[letter] for letter in kept) > LARGEST:
        return x / 2
    return hg.einsum(f"{''.join(sizes)},{''.join(of_y)}->{''.join(kept)}", x, y) / max(terms, 1)


STEPS = (
    unary, unary, unary, kinked, binary, binary, binary, binary, where, astype, total, total, statistic,
    normalised, matmul, matmul, matmul, rows_by_rows, long_sum, many, affine, transpose, transpose, reshape,
    reshape, broadcast, sliced, sliced, flip, joined, split, pad, picked, picked_along, scattered, loss,
    looped, contracted, windowed,
)  # fmt: skip
