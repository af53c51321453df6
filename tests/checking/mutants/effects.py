"""What a forward or backward does besides: writes, remembers, adds up, or reads the memory's order."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal, positive

X = normal((3, 4))


@correct(X)
def scale_by_largest(x):
    """out = x / max |x|, where the largest takes part"""
    at = np.unravel_index(np.argmax(np.abs(x)), x.shape)
    peak = np.abs(x[at])

    def backward(dout):
        dx = dout / peak
        dx[at] -= np.sign(x[at]) * np.sum(dout * x) / peak**2
        return dx

    return x / peak, backward


LARGEST = {"peak": 1.0}


@mutant("state", X)
def scale_by_largest_so_far(x):
    LARGEST["peak"] = peak = 0.9 * LARGEST["peak"] + 0.1 * float(np.max(np.abs(x)))

    def backward(dout):
        return dout / peak

    return x / peak, backward


CALLS = {"n": 0}


@mutant("state", X)
def annealed(x):
    """Steeper with every call"""
    CALLS["n"] += 1
    slope = 1 + 0.1 * CALLS["n"]

    def backward(dout):
        return slope * dout

    return slope * x, backward


POWER = {"v": np.ones(4)}


@mutant("state", normal((3, 4)))
def spectral_norm_goes_on(W):
    """out = W / |W v|, where v comes nearer to the largest singular vector with every call"""
    v = POWER["v"]
    u = W @ v
    POWER["v"] = W.T @ u / np.sqrt(np.sum((W.T @ u) ** 2))
    length = np.sqrt(np.sum(u * u))

    def backward(dout):
        return dout / length - np.sum(dout * W) / length**3 * np.outer(u, v)

    return W / length, backward


@mutant("accumulates", normal((4, 3), (3, 2)))
def linear_gradient_kept(x, W):
    kept = [np.zeros_like(W)]

    def backward(dout):
        kept[0] = kept[0] + x.T @ dout  # never set to zero
        return dout @ W.T, kept[0]

    return x @ W, backward


@mutant("accumulates", normal((4, 3), (3,)))
def bias_gradient_kept_only(x, b):
    db = np.zeros_like(b)

    def backward(dout):
        for drow in dout:
            db[:] += drow  # that db is zero holds for the first backward
        return dout, db.copy()

    return x + b, backward


@mutant("accumulates", X)
def doubled_gradient_kept_for_all(x):
    """out = 2x + x², in two steps into one gradient"""
    grad = np.zeros_like(x)

    def backward(dout):
        nonlocal grad
        for part in (2 * dout, 2 * x * dout):
            grad = grad + part
        return grad

    return 2 * x + x * x, backward


@mutant("mutates", normal((4,), (4,)))
def product_into_x(x, y):
    saved = x.copy()
    x *= y  # of the caller

    def backward(dout):
        return dout * y, dout * saved

    return x.copy(), backward


@mutant("mutates", X)
def tanh_steals_dout(x):
    out = np.tanh(x)

    def backward(dout):
        dout -= dout * out**2
        return dout

    return out, backward


@mutant("mutates", normal((3, 4), (3, 4)))
def sum_of_paths_into_dout(x, y):
    """out = x + tanh(x) y"""
    t = np.tanh(x)

    def backward(dout):
        dy = dout * t
        dout += dout * y * (1 - t * t)  # dx, in the caller's array
        return dout, dy

    return x + t * y, backward


@mutant("mutates", positive((3, 4)))
def log_sorted_in_place(x):
    """Sum of the logarithms of the two smallest of each row"""
    order = np.argsort(x, axis=1)[:, :2]
    chosen = np.take_along_axis(x, order, axis=1)
    x.sort(axis=1)  # a copy

    def backward(dout):
        dx = np.zeros_like(x)
        np.put_along_axis(dx, order, dout[:, None] / chosen, axis=1)
        return dx

    return np.sum(np.log(chosen), axis=1), backward


@mutant("stale-cache", normal((3, 4), (4, 4)))
def layer_used_for_two_inputs(x, W):
    """out = tanh(tanh(x W) W), by one layer whose cache is its last use"""
    cache = {}

    def layer(a):
        cache["a"], cache["h"] = a, np.tanh(a @ W)
        return cache["h"]

    def layer_backward(dh):
        dz = dh * (1 - cache["h"] ** 2)
        return dz @ W.T, cache["a"].T @ dz

    out = layer(layer(x))

    def backward(dout):
        dh, dW2 = layer_backward(dout)
        dx, dW1 = layer_backward(dh)
        return dx, dW1 + dW2

    return out, backward


@mutant("stale-cache", X)
def square_of_the_first_call(x, first=[]):  # noqa: B006
    if not first:
        first.append(x.copy())  # and of no later one

    def backward(dout):
        return 2 * first[0] * dout

    return x * x, backward


@mutant(("stale-cache", "wrong-array"), positive((3, 4)))  # what was saved has become the output
def root_in_place_of_saved(x):
    work = x + 1
    saved = work
    np.sqrt(work, out=work)

    def backward(dout):
        return dout / (2 * np.sqrt(saved))  # once x + 1

    return work.copy(), backward


@mutant("updated-weights", normal((4, 3), (3, 3), (3, 2)))
def second_layer_first(x, W1, W2):
    """out = tanh(x W1) W2"""
    h = np.tanh(x @ W1)

    def backward(dout):
        dW2 = h.T @ dout
        moved = W2 - 0.05 * dW2 / np.sqrt(np.sum(dW2**2))  # only after dh
        dz = dout @ moved.T * (1 - h * h)
        return dz @ W1.T, x.T @ dz, dW2

    return h @ W2, backward


@mutant(("updated-weights", "mutates"), normal((3, 4), (4,)))  # the step is written into the caller's g
def gain_moved_before_dx(x, g):
    def backward(dout):
        dg = np.sum(dout * x, axis=0)
        g[:] = g - 0.1 * dg
        return dout * g, dg

    return x * g, backward


@mutant("layout", normal((3, 5)))
def cumulative_in_memory(x):
    """Running sum over all elements, row by row"""

    def backward(dout):
        flat = dout.reshape(-1, order="A")  # "C"
        return np.cumsum(flat[::-1])[::-1].reshape(x.shape)

    return np.cumsum(x).reshape(x.shape), backward


@mutant("layout", normal((3, 5), (3, 5)))
def product_of_buffers(x, y):
    """Reads y as it lies in memory."""
    flat = np.frombuffer(y.tobytes(order="A"), y.dtype)

    def backward(dout):
        return dout * flat.reshape(x.shape), dout * x

    return x * y, backward


@mutant("layout", normal((4, 3)))
def tanh_into_like(x):
    out = np.tanh(x)

    def backward(dout):
        dx = np.empty_like(dout)  # of its memory order
        dx.ravel(order="K")[:] = dout.ravel(order="C") * (1 - out.ravel(order="C") ** 2)
        return dx

    return out, backward


@mutant("dtype", lambda r: tuple(r.standard_normal(s).astype(np.float32) for s in ((3, 4), (4,))))
def gain_in_double(x, g):
    def backward(dout):
        dg = np.sum(np.asarray(dout, np.float64) * x, axis=0)  # of float64
        return dout * g, dg

    return x * g, backward


@mutant("dtype", X)
def gradient_of_objects(x):
    def backward(dout):
        return (2 * dout).astype(object)

    return 2 * x, backward


@mutant("shape", normal((4,), (4,)))
def dot_gradient_as_column(x, y):
    def backward(dout):
        return dout * y[:, None], dout * x[:, None]  # without [:, None]

    return np.dot(x, y), backward


@mutant("shape", normal((), (3, 2)))
def scalar_gradient_as_vector(a, x):
    def backward(dout):
        return np.sum(dout * x).reshape(1), dout * a  # ()

    return a * x, backward


@mutant("missing-gradient", normal((3, 4), (4,), (4,)))
def shift_forgotten(x, g, b):
    def backward(dout):
        return dout * g, np.sum(dout * x, axis=0), np.zeros_like(b)  # np.sum(dout, axis=0)

    return x * g + b, backward


@mutant("precision", X)
def sum_of_squares_in_single(x):
    rounded = x.astype(np.float32)

    def backward(dout):
        return 2 * dout * rounded.astype(np.float64)

    return np.sum(x * x), backward


@mutant("unstable", normal((3, 4)))
def log_sigmoid_by_log(x):
    out = -np.logaddexp(0, -x)

    def backward(dout):
        return dout * np.exp(-x) / (1 + np.exp(-x))  # 1 - exp(out)

    return out, backward


@mutant("unstable", normal((3, 4), (3, 4)))
def logaddexp_by_exponentials(x, y):
    def backward(dout):
        ex, ey = np.exp(x), np.exp(y)
        return dout * ex / (ex + ey), dout * ey / (ex + ey)  # np.exp(x - out)

    return np.logaddexp(x, y), backward


@mutant("integer", lambda r: (r.integers(1, 5, (3, 4)), r.standard_normal((3, 4))))
def counts_times_rates(n, x):
    """out = x / n with whole numbers n"""

    def backward(dout):
        return None, dout * (1 // n)  # 1 / n

    return x / n, backward


@mutant("random", X)
def random_slopes_drawn_again(x, seed=3):
    """Below zero the slopes are random."""
    rng = np.random.default_rng(seed)

    def slopes():
        return rng.uniform(0.1, 0.3, x.shape)

    out = np.where(x > 0, x, slopes() * x)

    def backward(dout):
        return np.where(x > 0, dout, slopes() * dout)  # those of the forward

    return out, backward
