"""Loops in programs: printed, checked, compared, and made shorter by passes."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.program import Operation, Unstable, difference, optimise, stable_trace, trace
from handgrad.train.training import fingerprint
from handgrad.tree import leaves, tree_map
from tests.rules.numerics import assert_close

T, N, D, H = 6, 3, 4, 2


def recurrent(W, U, b, xs):
    return hg.scan(lambda h, x: (hg.tanh(x @ W + h @ U + b),) * 2, np.zeros((N, H)), xs)[1]


def arguments(seed=0):
    r = np.random.default_rng(seed)
    return [r.normal(size=s) for s in ((D, H), (H, H), (H,), (T, N, D))]


def loops(program):
    return [o for o in program.operations if o.name == "scan"]


def names(program):
    return [o.name for o in program.operations]


def test_printed_with_its_body():
    program = trace(
        lambda w, xs: hg.scan(lambda c, x: (c * w + x, c), np.zeros(2), xs), np.ones(2), np.ones((3, 2))
    )
    assert str(optimise(program)) == (
        "program(a0: float64[2], a1: float64[3,2])\n"
        "  t0: float64[2], t1: float64[3,2] = scan([a0], [[0.0, 0.0]], [a1], length=3, reverse=False)\n"
        "    program(w0: float64[2], c0: float64[2], x0: float64[2])\n"
        "      t0: float64[2] = multiply(c0, w0)\n"
        "      t1: float64[2] = add(t0, x0)\n"
        "    return t1, c0\n"
        "return t0, t1"
    )


def test_check_looks_into_the_body():
    program = trace(lambda w, xs: xp.scan(lambda c, x: (c * w + x, c), w, xs), np.ones(2), np.ones((3, 2)))
    program.check()
    (scan,) = program.operations
    body = scan.options["body"]
    for wrong, said in (
        ({"options": {**scan.options, "length": 4}}, "length of a sequence"),
        ({"args": (*scan.args[:2], [scan.args[0][0]])}, "is given"),
        ({"out": scan.out[::-1]}, r"the operation gives float64\["),
    ):
        fields = {"out": scan.out, "name": "scan", "args": scan.args, "options": scan.options} | wrong
        program.operations = [Operation(**fields)]
        with pytest.raises(ValueError, match=said):
            program.check()
    body.operations.reverse()
    program.operations = [Operation(scan.out, "scan", scan.args, scan.options)]
    with pytest.raises(ValueError, match="used before it is defined"):
        program.check()


def test_a_body_of_another_trace_is_refused():
    kept = []
    trace(lambda x: kept.append(x) or x * 1, np.ones(2))
    with pytest.raises(TypeError, match="another trace"):
        trace(lambda xs: hg.scan(lambda c, x: (c + kept[0], None), xs[0], xs), np.ones((3, 2)))


def test_xp_scan_over_a_recorded_array_says_what_to_call():
    def f(w, xs):
        return hg.vjp(lambda w: xp.scan(lambda c, x: (c * w + x, None), xs[0], xs)[0], w)[0]

    with pytest.raises(TypeError, match=r"handgrad.scan has its gradient"):
        trace(f, np.ones(2), np.ones((3, 2)))


def test_bodies_that_differ_are_told_apart():
    def f(k):
        return trace(lambda xs: xp.scan(lambda c, x: (c + k * x, None), xs[0], xs), np.ones((3, 2)))

    assert difference(f(2.0), f(2.0)) == ""
    assert "scan" in difference(f(2.0), f(3.0))
    assert fingerprint(f(2.0)) == fingerprint(f(2.0)) != fingerprint(f(3.0))
    random = np.random.default_rng(0)
    with pytest.raises(Unstable):
        stable_trace(lambda xs: hg.scan(lambda c, x: (c + random.normal(), None), xs[0], xs), np.ones((3, 2)))


def test_equal_loops_are_one():
    program = optimise(trace(lambda *a: (recurrent(*a), recurrent(*a)), *arguments()))
    assert len(loops(program)) == 1


# What passes do.


def test_what_does_not_depend_on_the_carry_is_one_product_before_the_loop():
    program = optimise(trace(recurrent, *arguments()))
    (scan,) = loops(program)
    products = [o for o in program.operations if o.name == "matmul"]
    assert [o.out.shape for o in products] == [(T * N, H)]
    assert names(scan.options["body"]).count("matmul") == 1
    assert program.operations.index(products[0]) < program.operations.index(scan)
    assert_close(program(*arguments()), recurrent(*arguments()), 1e-13)


def test_elementwise_operations_stay_in_the_loop_that_reads_them():
    def f(h, xs, W):
        def step(h, x):
            y, z = hg.exp(x), hg.tanh(hg.sin(x) @ W)
            return (h := h * y + z), (h, hg.cos(x))

        return hg.scan(step, h, xs)[1]

    args = np.ones((2, 3)), np.linspace(0, 1, 24).reshape(4, 2, 3), np.eye(3)
    program = optimise(trace(f, *args))
    (scan,) = loops(program)
    assert sorted(names(scan.options["body"])) == ["add", "exp", "multiply"]
    assert {"sin", "matmul", "tanh", "cos"} <= set(names(program))
    tree_map(lambda got, wanted: assert_close(got, wanted, 1e-13), program(*args), f(*args))


def test_a_product_of_many_rows_stays_in_the_loop_where_all_steps_leave_the_caches():
    def products_inside(steps, rows):
        xs, W = np.ones((steps, rows, 8), np.float32), np.ones((8, 512), np.float32)
        start = np.zeros((rows, 512), np.float32)
        program = trace(lambda xs, W: hg.scan(lambda h, x: (hg.tanh(h + x @ W),) * 2, start, xs), xs, W)
        (scan,) = loops(optimise(program))
        return names(scan.options["body"]).count("matmul")

    assert products_inside(128, 64) == 1
    assert products_inside(64, 64) == 0
    assert products_inside(1024, 8) == 0


def test_a_gradient_has_one_product_in_each_loop_and_the_weights_after_it():
    def step(*args):
        return hg.grad(lambda *a: hg.sum(recurrent(*a) ** 2), argnums=(0, 1, 2, 3))(*args)

    program = optimise(trace(step, *arguments()))
    forward, backward = loops(program)
    assert [names(o.options["body"]).count("matmul") for o in (forward, backward)] == [1, 1]
    assert "tanh" not in names(backward.options["body"])  # it is kept
    assert [len(o.args[1]) for o in (forward, backward)] == [1, 1]  # and no weight's gradient is carried
    place = program.operations.index(backward)
    after = [o.out.shape for o in program.operations[place:] if o.name in ("matmul", "einsum")]
    assert sorted(after) == sorted([(D, H), (H, H), (T * N, D)])
    assert_close(program(*arguments()), step(*arguments()), 1e-12)


def test_what_nobody_asks_for_is_not_carried():
    def f(x, xs):
        def body(carry, x):
            a, b, c = carry
            return (a + x, b * a, c + b), (a, b)

        (a, _, _), (ys, _) = hg.scan(body, (x, x, x), xs)
        return a, ys

    r = np.random.default_rng(1)
    x, xs = r.normal(size=2), r.normal(size=(4, 2))
    program = optimise(trace(f, x, xs))
    assert [len(o.outs) for o in loops(program)] == [2]
    assert_close(program(x, xs), f(x, xs), 1e-13)


def test_a_loop_that_is_none_goes():
    program = optimise(trace(lambda xs: hg.scan(lambda c, x: (c, x * 2), xs[0], xs)[1], np.ones((3, 2))))
    assert names(program) == ["multiply"]


# Random loops.


def random_body(r, weights):
    """A body of a carry of two, of operations drawn now, that applies them each time it is called."""
    binary = (hg.add, hg.multiply, hg.subtract, hg.maximum)
    unary = (hg.tanh, hg.sin, hg.sigmoid, hg.negative)
    steps = []
    for _ in range(r.integers(3, 9)):
        kind = r.choice(["unary", "binary", "product", "sum", "weight", "views", "part"])
        steps.append((kind, r.integers(1 << 30, size=3)))

    def body(carry, x):
        pool = [*carry, *x]
        for kind, (i, j, k) in steps:
            a, b = pool[i % len(pool)], pool[j % len(pool)]
            W = weights[k % len(weights)]
            made = {
                "unary": lambda a=a, k=k: unary[k % 4](a),
                "binary": lambda a=a, b=b, k=k: binary[k % 4](a, b),
                "product": lambda a=a, W=W: a @ W / 3,
                "sum": lambda a=a: a + hg.sum(a, axis=0) / 3,
                "weight": lambda a=a, W=W: a + W[0],
                "views": lambda a=a: hg.transpose(hg.reshape(hg.transpose(a), (3, 3))),
                "part": lambda a=a, b=b: hg.concatenate([a[:1], b[1:]]),
            }[kind]()
            pool.append(made)
        y = pool[steps[0][1][2] % len(pool)]
        return (hg.tanh(pool[-1]), hg.tanh(pool[-2] + carry[1])), (pool[-1] * 0.5, hg.sum(y, axis=1))

    return body


@pytest.mark.parametrize("seed", range(40))
def test_random_loops_and_their_gradients(seed):
    r = np.random.default_rng(seed)
    weights = [r.normal(size=(3, 3)) for _ in range(2)]
    carry, xs = [r.normal(size=(3, 3)) for _ in range(2)], [r.normal(size=(4, 3, 3)) for _ in range(2)]
    reverse = bool(seed % 2)
    state = r.integers(1 << 30)

    def f(weights, carry, xs):
        body = random_body(np.random.default_rng(state), weights)
        return hg.scan(body, tuple(carry), tuple(xs), reverse=reverse)

    dout = tree_map(lambda x: r.normal(size=x.shape), f(weights, carry, xs))

    def step(weights, carry, xs, dout):
        out, backward = hg.vjp(f, weights, carry, xs)
        return out, backward(dout)

    wanted = step(weights, carry, xs, dout)
    program = trace(step, weights, carry, xs, dout)
    for made in (program, optimise(program)):
        for a, b in zip(leaves(made(weights, carry, xs, dout)), leaves(wanted), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)
