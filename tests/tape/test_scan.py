"""``scan``: values and gradients of a loop, recorded, traced, compiled, and on other arrays."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.program import optimise, trace
from handgrad.tree import leaves, tree_map
from tests.rules.numerics import assert_close

T, N, D, H = 5, 3, 4, 2


def lstm(p):
    """Hochreiter & Schmidhuber 1997, gates in PyTorch's order."""

    def cell(carry, x):
        h, c = carry
        gates = x @ p["W"] + h @ p["U"] + p["b"]
        i, f, g, o = hg.split(gates, 4, axis=1)
        c = hg.sigmoid(f) * c + hg.sigmoid(i) * hg.tanh(g)
        h = hg.sigmoid(o) * hg.tanh(c)
        return (h, c), h

    return cell


@pytest.fixture
def arguments():
    r = np.random.default_rng(0)
    shapes = {"W": (D, 4 * H), "U": (H, 4 * H), "b": (4 * H,)}
    p = {name: r.normal(size=shape) for name, shape in shapes.items()}
    return p, r.normal(size=(N, H)), r.normal(size=(N, H)), r.normal(size=(T, N, D))


def by_scan(p, h, c, xs):
    return hg.scan(lstm(p), (h, c), xs)


def by_hand(p, h, c, xs):
    """The same, written out."""
    hs = []
    for t in range(T):
        (h, c), y = lstm(p)((h, c), xs[t])
        hs.append(y)
    return (h, c), np.stack(hs)


def gradients(f, arguments, dout):
    out, backward = hg.vjp(f, *arguments)
    return out, backward(dout)


def douts():
    r = np.random.default_rng(1)
    return (r.normal(size=(N, H)), r.normal(size=(N, H))), r.normal(size=(T, N, H))


def test_an_lstm_is_pytorchs(arguments):
    torch = pytest.importorskip("torch")
    p, h, c, xs = (tree_map(lambda x: torch.tensor(x, requires_grad=True), a) for a in arguments)
    own = torch.nn.LSTM(D, H).double()
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    values = (p["W"].T, p["U"].T, p["b"], torch.zeros(4 * H, dtype=torch.float64))
    hs, (last_h, last_c) = torch.func.functional_call(
        own, dict(zip(names, values, strict=True)), (xs, (h[None], c[None]))
    )
    (dh, dc), dhs = tree_map(torch.tensor, douts())
    torch.autograd.backward([last_h[0], last_c[0], hs], [dh, dc, dhs])
    out, grads = gradients(by_scan, arguments, douts())
    assert_close(out, tree_map(lambda x: x.detach().numpy(), ((last_h[0], last_c[0]), hs)), 1e-12)
    wanted = ({name: p[name].grad.numpy() for name in p}, *(x.grad.numpy() for x in (h, c, xs)))
    assert_close(grads, wanted, 1e-12)


def test_the_gradient_is_that_of_differences(arguments):
    _, grads = gradients(by_scan, arguments, douts())
    r = np.random.default_rng(2)
    for _ in range(3):
        v = tree_map(lambda x: r.normal(size=x.shape), arguments)
        along = [by_scan(*tree_map(lambda x, v: x + e * v, arguments, v)) for e in (1e-5, -1e-5)]  # noqa: B023
        change = tree_map(lambda a, b: (a - b) / 2e-5, *along)
        wanted = sum(np.sum(a * b) for a, b in zip(leaves(change), leaves(douts()), strict=True))
        found = sum(np.sum(a * b) for a, b in zip(leaves(grads), leaves(v), strict=True))
        np.testing.assert_allclose(found, wanted, rtol=1e-7)


def test_a_program_has_a_loop_and_another_the_other_way(arguments):
    def step(p, h, c, xs, dout):
        return gradients(by_scan, (p, h, c, xs), dout)

    program = trace(step, *arguments, douts())
    wanted = gradients(by_hand, arguments, douts())
    assert_close(program(*arguments, douts()), wanted, 1e-12)
    short = optimise(program)
    assert [o.options["reverse"] for o in short.operations if o.name == "scan"] == [False, True]
    assert_close(short(*arguments, douts()), wanted, 1e-12)


def test_compiled(arguments):
    def loss(p, h, c, xs):
        (h, c), hs = by_scan(p, h, c, xs)
        return hg.sum(hs**2) + hg.sum(h * c)

    f = hg.grad(loss, argnums=(0, 1, 2, 3))
    assert_close(hg.compile(f)(*arguments), f(*arguments), 1e-12)


@pytest.mark.parametrize("which", range(4))
def test_second_derivatives(arguments, which):
    """Of what is closed over, of the carry, of the sequence; in a program, too."""

    def loss(f):
        def function(*xs):
            (h, c), hs = f(*xs)
            return hg.sum(hg.sin(hs)) + hg.sum(h * c)

        return function

    r = np.random.default_rng(3)
    v = tree_map(lambda x: r.normal(size=x.shape), arguments[which])
    wanted = hg.hvp(loss(by_hand), which)(*arguments, v)
    product = hg.hvp(loss(by_scan), which)
    assert_close(product(*arguments, v), wanted, 1e-11)
    assert_close(trace(product, *arguments, v)(*arguments, v), wanted, 1e-11)


def test_hessian_in_a_program():
    x = np.random.default_rng(4).normal(size=3)

    def f(x):
        last, ys = hg.scan(lambda c, t: (c * hg.sin(x) + t * x, c * t), x, np.arange(4.0))
        return hg.sum(last**2) + hg.sum(ys)

    program = trace(hg.hessian(f), x)
    assert_close(program(x), hg.hessian(f)(x), 1e-11)
    np.testing.assert_allclose(hg.hessian(f)(x), hg.hessian(f)(x).T, rtol=1e-12)


# Forms.


def both(f, *args):
    """What f gives, recorded and as a program, must be the same; that is returned."""
    out = f(*args)
    program = trace(f, *args)
    assert "scan" in {o.name for o in program.operations}
    assert_close(program(*args), out, 1e-12)
    assert_close(optimise(program)(*args), out, 1e-12)
    return out


def test_without_sequences():
    last, ys = both(lambda x: hg.scan(lambda c, _: (c * 2, c), x, length=4), np.array([1.0, 3.0]))
    np.testing.assert_array_equal(last, [16, 48])
    np.testing.assert_array_equal(ys, [[1, 3], [2, 6], [4, 12], [8, 24]])


def test_reversed():
    last, ys = both(
        lambda x: hg.scan(lambda c, x: (c * 0.5 + x, c), xp.zeros_like(x[0]), x, reverse=True), np.arange(4.0)
    )
    assert last == 0 + 0.5 * (1 + 0.5 * (2 + 0.5 * 3))
    np.testing.assert_array_equal(ys, [1 + 0.5 * (2 + 0.5 * 3), 2 + 0.5 * 3, 3, 0])


@pytest.mark.parametrize("n", [0, 1, 2])
def test_few_steps(n):
    def f(c, xs):
        return hg.scan(lambda c, x: (c + x, c * x), c, xs)

    r = np.random.default_rng(5)
    c, xs = r.normal(size=3), r.normal(size=(n, 3))
    last, ys = both(f, c, xs) if n else f(c, xs)
    assert ys.shape == (n, 3)
    np.testing.assert_allclose(last, c + xs.sum(axis=0))
    dout = (r.normal(size=3), r.normal(size=(n, 3)))
    program = trace(lambda c, xs, d: hg.vjp(f, c, xs)[1](d), c, xs, dout)
    assert_close(program(c, xs, dout), hg.vjp(f, c, xs)[1](dout), 1e-13)


def test_nested_carries_sequences_and_results():
    def f(p, xs):
        def body(carry, x):
            carry = {"sum": carry["sum"] + p[0] * x["a"], "rest": [carry["rest"][0] * hg.sum(x["b"])]}
            return carry, (x["a"], {"two": carry["sum"] * p[1]}, None)

        return hg.scan(body, {"sum": p[0] * 0, "rest": [p[1]]}, xs)

    r = np.random.default_rng(6)
    p, xs = (r.normal(size=2), r.normal(size=2)), {"a": r.normal(size=(4, 2)), "b": r.normal(size=(4, 3))}
    _, ys = both(f, p, xs)
    assert ys[2] is None
    assert ys[1]["two"].shape == (4, 2)
    loss = lambda p, xs: sum(hg.sum(x**2) for x in leaves(f(p, xs)) if x is not None)  # noqa: E731
    both(hg.grad(loss, argnums=(0, 1)), p, xs)


def test_a_loop_in_a_loop():
    def f(W, xs):
        def row(c, x):
            last, _ = hg.scan(lambda d, e: (hg.tanh(d @ W + e), None), c, x)
            return last, hg.sum(last)

        return hg.scan(row, xs[0, 0] * 0, xs)

    r = np.random.default_rng(7)
    W, xs = r.normal(size=(3, 3)), r.normal(size=(4, 2, 3))
    both(f, W, xs)
    both(hg.grad(lambda W, xs: hg.sum(f(W, xs)[1] ** 2), argnums=(0, 1)), W, xs)


def test_whole_numbers_and_truth_values_in_carry_and_sequence():
    def f(x, steps):
        def body(carry, at):
            n, c = carry
            return (n + 1, hg.where(at > 1, c * x, c)), (n, c)

        return hg.scan(body, (0, x), steps)

    (n, last), (ns, _) = both(f, np.array([2.0, 3.0]), np.arange(4))
    assert n == 4
    np.testing.assert_array_equal(ns, np.arange(4))
    np.testing.assert_array_equal(last, [8, 27])
    both(hg.grad(lambda x, steps: hg.sum(f(x, steps)[0][1])), np.array([2.0, 3.0]), np.arange(4))


def test_what_is_closed_over_and_carried_has_both_gradients():
    x = np.array([0.5, 2.0])

    def f(x):
        return hg.sum(hg.scan(lambda c, t: (c * x + t, None), x, np.ones(3))[0])

    np.testing.assert_allclose(hg.grad(f)(x), 4 * x**3 + 2 * x + 1)
    np.testing.assert_allclose(trace(hg.grad(f), x)(x), 4 * x**3 + 2 * x + 1)


def test_only_what_is_closed_over_is_recorded():
    x = np.array([0.5, 2.0])
    f = lambda x: hg.sum(hg.scan(lambda c, t: (c * t + x * x, None), np.zeros(2), np.ones(3))[0])  # noqa: E731
    np.testing.assert_allclose(hg.grad(f)(x), 6 * x)
    program = trace(hg.grad(f), x)
    assert "scan" in {o.name for o in program.operations}
    np.testing.assert_allclose(program(x), 6 * x)


def test_a_carry_that_does_not_depend_on_anything_has_zeros():
    x = np.array([0.5, 2.0])
    f = lambda c, x: hg.sum(hg.scan(lambda c, x: (x * 1, None), c, x)[0])  # noqa: E731
    for g in (hg.grad(f, (0, 1)), trace(hg.grad(f, (0, 1)), x[0], x)):
        dc, dx = g(x[0], x)
        assert dc == 0
        np.testing.assert_array_equal(dx, [0, 1])


# By hand.


@hg.rule
def decay(x, a):
    """Decayed sums, out_t = a·out_{t-1} + x_t.   dx_t = dout_t + a·dx_{t+1}, da = Σ dx_t·out_{t-1}"""

    def step(c, x):
        c = a * c + x
        return c, c

    _, out = xp.scan(step, xp.zeros_like(x[0]), x)

    def backward(dout):
        _, dx = xp.scan(step, xp.zeros_like(dout[0]), dout, reverse=True)
        return dx, xp.sum(dx[1:] * out[:-1])

    return out, backward


def test_a_rule_with_a_loop_each_way():
    r = np.random.default_rng(8)
    x, a = r.normal(size=(6, 2)), np.float64(0.7)
    assert hg.check(decay, x, a).ok
    g = hg.grad(lambda x, a: hg.sum(decay(x, a) ** 2), argnums=(0, 1))
    both(g, x, a)
    both(hg.hvp(lambda x, a: hg.sum(decay(x, a) ** 2)), x, a, x)
    jax = pytest.importorskip("jax")
    with jax.enable_x64(True):
        assert_close(tree_map(np.asarray, jax.jit(g)(x, a)), g(x, a), 1e-12)


# Other arrays.


def test_on_jax(arguments):
    jax = pytest.importorskip("jax")

    def loss(p, h, c, xs):
        (h, c), hs = by_scan(p, h, c, xs)
        return hg.sum(hs**2) + hg.sum(h * c)

    g = hg.grad(loss, argnums=(1, 2, 3))
    wanted = g(*arguments)
    with jax.enable_x64(True):
        theirs = tree_map(jax.numpy.asarray, arguments)
        assert "scan" in str(jax.make_jaxpr(g)(*theirs))
        assert_close(tree_map(np.asarray, jax.jit(g)(*theirs)), wanted, 1e-12)
        assert_close(tree_map(np.asarray, jax.grad(loss, (1, 2, 3))(*theirs)), wanted, 1e-12)


def test_on_pytorch(arguments):
    torch = pytest.importorskip("torch")
    g = hg.grad(lambda *xs: hg.sum(by_scan(*xs)[1] ** 2), argnums=(1, 2, 3))
    assert_close(tree_map(lambda x: x.numpy(), g(*tree_map(torch.tensor, arguments))), g(*arguments), 1e-12)


# What is refused.


@pytest.mark.parametrize(
    ("body", "carry", "xs", "said"),
    [
        (lambda c, x: c, np.ones(2), np.ones(3), r"returns \(carry, y\)"),
        (lambda c, x: ((c, c), x), np.ones(2), np.ones(3), "a carry of 1 arrays, and returns 2"),
        (lambda c, x: (np.stack([c, c]), x), np.ones(2), np.ones(3), r"array 0 of the carry is float64\[2\]"),
        (lambda c, x: (c * 0.5, x), np.arange(2), np.ones(3), r"is int64\[2\], and .* float64\[2\]"),
    ],
)
def test_a_body_that_does_not_fit_is_told(body, carry, xs, said):
    with pytest.raises(TypeError, match=said):
        hg.scan(body, carry, xs)
    with pytest.raises(TypeError, match=said):
        trace(lambda c, xs: hg.scan(body, c, xs), carry, xs)


def test_sequences_that_do_not_fit_are_told():
    with pytest.raises(ValueError, match="of one length"):
        hg.scan(lambda c, x: (c, c), 0.0, (np.ones(3), np.ones(4)))
    with pytest.raises(ValueError, match="of one length"):
        hg.scan(lambda c, x: (c, c), 0.0)
    with pytest.raises(ValueError, match="of one length"):
        hg.scan(lambda c, x: (c, c), 0.0, np.ones(3), length=4)
