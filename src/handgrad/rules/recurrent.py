"""Recurrent layers: one step, and whole sequences, which are a loop of steps and a loop the other way.

Weights and gates lie as PyTorch's do: W (K·H, D) for inputs and U (K·H, H) for the state, a block of H rows
for each of K gates. Sequences are (N, T, D). What a step is, forward and backward, is said once, in a
``Cell``."""

from collections.abc import Callable
from typing import NamedTuple

from handgrad.arrays import beside, cast, namespace_of, shape, xp
from handgrad.rules.elementary import logistic
from handgrad.rules.rule import rule


class Cell(NamedTuple):
    """One step, given a = x Wᵀ + b.

    ``forward(a, state, U, d)`` gives the next state and what is to be kept for ``backward(dstate, state,
    kept, U)``, which gives da, what the product with U had of it, and dstate for the step before."""

    name: str
    gates: int
    states: str
    forward: Callable[..., tuple]
    backward: Callable[..., tuple]


def blocks(a, count):
    """The gates of a, (..., K·H), one by one."""
    H = shape(a)[-1] // count
    return [a[..., k * H : (k + 1) * H] for k in range(count)]


def rnn_forward(nonlinearity):
    def forward(a, state, U, d):
        z = a + state[0] @ U.T
        h = xp.tanh(z) if nonlinearity == "tanh" else xp.maximum(z, 0)
        return (h,), (h,)

    return forward


def rnn_backward(nonlinearity):
    def backward(dstate, state, kept, U):
        (dh,), (h,) = dstate, kept
        dz = dh * (1 - h * h) if nonlinearity == "tanh" else xp.where(h > 0, dh, xp.zeros_like(dh))
        return dz, dz, (dz @ U,)

    return backward


def lstm_forward(a, state, U, d):
    h, c = state
    i, f, g, o = blocks(a + h @ U.T, 4)
    i, f, g, o = logistic(i), logistic(f), xp.tanh(g), logistic(o)
    c = f * c + i * g
    u = xp.tanh(c)
    return (o * u, c), (i, f, g, o, u)


def lstm_backward(dstate, state, kept, U):
    (dh, dc), (_, c), (i, f, g, o, u) = dstate, state, kept
    dc = dc + dh * o * (1 - u * u)
    dz = [dc * g * i * (1 - i), dc * c * f * (1 - f), dc * i * (1 - g * g), dh * u * o * (1 - o)]
    dz = xp.concat(dz, axis=-1)
    return dz, dz, (dz @ U, dc * f)


def gru_forward(a, state, U, d):
    (h,) = state
    (ar, az, an), (sr, sz, sn) = blocks(a, 3), blocks(h @ U.T + d, 3)
    r, z = logistic(ar + sr), logistic(az + sz)
    n = xp.tanh(an + r * sn)
    return (n + z * (h - n),), (r, z, n, sn)


def gru_backward(dstate, state, kept, U):
    (dh,), (h,), (r, z, n, sn) = dstate, state, kept
    dan = dh * (1 - z) * (1 - n * n)
    dar, daz = dan * sn * r * (1 - r), dh * (h - n) * z * (1 - z)
    ds = xp.concat([dar, daz, dan * r], axis=-1)
    return xp.concat([dar, daz, dan], axis=-1), ds, (dh * z + ds @ U,)


RNN = {name: Cell("rnn", 1, "h", rnn_forward(name), rnn_backward(name)) for name in ("tanh", "relu")}
LSTM = Cell("lstm", 4, "hc", lstm_forward, lstm_backward)
GRU = Cell("gru", 3, "h", gru_forward, gru_backward)


# One step.


@rule
def rnn_step(x, h, W, U, b, nonlinearity="tanh"):
    """A step of Elman's network, out = tanh(x Wᵀ + h Uᵀ + b).

    dz = (1 - out²)·dout.   dx = dz W, dh = dz U, dW = dzᵀ x, dU = dzᵀ h, db = Σ dz

    x (N, D), h (N, H), W (H, D), U (H, H), b (H,) -> (N, H). tanh′ is 1 - tanh²; two products and a bias
    follow it backwards. ``nonlinearity="relu"``: max(z, 0) in the place of tanh.   Elman 1990

    Raises:
        ValueError: shapes do not fit; an unknown ``nonlinearity``.

    Examples:
        >>> x, h = np.ones((1, 2)), np.zeros((1, 3))
        >>> W, U, b = np.ones((3, 2)), np.ones((3, 3)), np.zeros(3)
        >>> print(hg.rnn_step(x, h, W, U, b, nonlinearity="relu"))
        [[2. 2. 2.]]
    """
    (out,), backward = one_step(rnn_cell(nonlinearity), x, (h,), W, U, b)
    return out, lambda dout: backward((dout,))[:-1]


@rule
def lstm_step(x, h, c, W, U, b):
    """A step of long short-term memory: the next h and c.   Hochreiter & Schmidhuber 1997

    out₁ = o·u with u = tanh(out₂), out₂ = f·c + i·g,
    [i f g o] = [σ(z₁) σ(z₂) tanh(z₃) σ(z₄)], z = x Wᵀ + h Uᵀ + b

    dm = dout₂ + dout₁·o·(1 - u²), dz₁ = dm·g·i·(1 - i), dz₂ = dm·c·f·(1 - f), dz₃ = dm·i·(1 - g²),
    dz₄ = dout₁·u·o·(1 - o).   dx = dz W, dh = dz U, dc = dm·f, dW = dzᵀ x, dU = dzᵀ h, db = Σ dz

    x (N, D), h and c (N, H), W (4H, D), U (4H, H), b (4H,) -> (N, H), (N, H). m is the next memory, a sum,
    so dm goes from step to step by f alone. Gates are in PyTorch's order, whose two biases are b together.

    Raises:
        ValueError: shapes do not fit.

    Examples:
        >>> x, h, c = np.ones((1, 2)), np.zeros((1, 3)), np.ones((1, 3))
        >>> W, U, b = np.zeros((12, 2)), np.zeros((12, 3)), np.zeros(12)
        >>> h, c = hg.lstm_step(x, h, c, W, U, b)
        >>> print(c)  # every gate is sigmoid(0), so half of c is kept
        [[0.5 0.5 0.5]]
    """
    out, backward = one_step(LSTM, x, (h, c), W, U, b)
    return out, lambda dout: backward(dout)[:-1]


@rule
def gru_step(x, h, W, U, b, d):
    """A step of a gated recurrent unit.   Cho et al. 2014

    out = (1 - z)·n + z·h with r = σ(a₁ + s₁), z = σ(a₂ + s₂), n = tanh(a₃ + r·s₃), a = x Wᵀ + b, s = h Uᵀ + d

    da₃ = dout·(1 - z)·(1 - n²), da₁ = da₃·s₃·r·(1 - r), da₂ = dout·(h - n)·z·(1 - z), ds = [da₁ da₂ r·da₃].
    dx = da W, dh = z·dout + ds U, dW = daᵀ x, dU = dsᵀ h, db = Σ da, dd = Σ ds

    x (N, D), h (N, H), W (3H, D), U (3H, H), b and d (3H,) -> (N, H). As PyTorch's, where r scales what
    comes of h after the product.

    Raises:
        ValueError: shapes do not fit.

    Examples:
        >>> x, h = np.ones((1, 2)), np.ones((1, 3))
        >>> W, U, b, d = np.zeros((9, 2)), np.zeros((9, 3)), np.zeros(9), np.zeros(9)
        >>> print(hg.gru_step(x, h, W, U, b, d))  # the gate is sigmoid(0): half of h, half of tanh(0)
        [[0.5 0.5 0.5]]
    """
    (out,), backward = one_step(GRU, x, (h,), W, U, b, d)
    return out, lambda dout: backward((dout,))


def one_step(cell, x, state, W, U, b, d=None):
    """The next state, and a backward to (dx, dstate..., dW, dU, db, dd)."""
    check_shapes(cell, x, state, W, U, b, d, axes="ND")
    after, kept = cell.forward(x @ W.T + b, state, U, d)

    def backward(dstate):
        da, ds, before = cell.backward(dstate, state, kept, U)
        dd = None if d is None else xp.sum(ds, axis=0)
        return da @ W, *before, da.T @ x, ds.T @ state[0], xp.sum(da, axis=0), dd

    return after, backward


# Whole sequences.


@rule
def rnn(x, h, W, U, b, lengths=None, /, nonlinearity="tanh", reverse=False):
    """Elman's network along sequences: all hₜ, and the last.   Elman 1990

    outₜ = tanh(xₜ Wᵀ + outₜ₋₁ Uᵀ + b), out₀ = h

    dzₜ = (1 - outₜ²)·(doutₜ + dzₜ₊₁ U), from the last t to the first.   dxₜ = dzₜ W, dh = dz₁ U, dW = Σ
    dzₜᵀ xₜ, dU = Σ dzₜᵀ outₜ₋₁, db = Σ dzₜ

    x (N, T, D), h (N, H), W (H, D), U (H, H), b (H,) -> (N, T, H), (N, H): ``rnn_step`` by ``scan``, where
    all xₜ Wᵀ are one product before the loop, and dW, dU and db one each after the loop back.

    ``lengths`` (N,): what lies beyond is not looked at; out is 0 there, and the last state that at the end of
    each sequence. ``reverse``: from the last of each sequence to the first.

    Raises:
        ValueError: shapes do not fit; an unknown ``nonlinearity``.

    Examples:
        >>> x, h = np.ones((1, 4, 2)), np.zeros((1, 3))
        >>> W, U, b = np.zeros((3, 2)), np.zeros((3, 3)), np.ones(3)
        >>> hs, last = hg.rnn(x, h, W, U, b)
        >>> print(hs.shape, last.round(4))  # tanh 1
        (1, 4, 3) [[0.7616 0.7616 0.7616]]
    """
    out, backward = over_time(rnn_cell(nonlinearity), x, (h,), W, U, b, None, lengths, reverse)
    return out, lambda dout: without_bias(backward(dout))


@rule
def lstm(x, h, c, W, U, b, lengths=None, /, reverse=False):
    """Long short-term memory along sequences: all hₜ, and the last hₜ and cₜ.   Hochreiter & Schmidhuber 1997

    outₜ = oₜ·tanh cₜ, cₜ = fₜ·cₜ₋₁ + iₜ·gₜ, the gates of xₜ Wᵀ + outₜ₋₁ Uᵀ + b as in ``lstm_step``

    dxₜ = dzₜ W, dh = dz₁ U, dc = dc₁·f₁, dW = Σ dzₜᵀ xₜ, dU = Σ dzₜᵀ outₜ₋₁, db = Σ dzₜ, where dzₜ is that of
    ``lstm_step`` for doutₜ + dzₜ₊₁ U, and dcₜ gains dcₜ₊₁·fₜ₊₁, from the last t to the first

    x (N, T, D), h and c (N, H), W (4H, D), U (4H, H), b (4H,) -> (N, T, H), (N, H), (N, H): a ``scan``, where
    all xₜ Wᵀ are one product before the loop, and dW, dU and db one each after the loop back. For truncated
    backpropagation through time go on from ``stop_gradient`` of the last h and c.

    ``lengths`` (N,): what lies beyond is not looked at; out is 0 there, and the last state that at the end of
    each sequence. ``reverse``: from the last of each sequence to the first.

    Raises:
        ValueError: shapes do not fit.

    Examples:
        >>> x, h, c = np.ones((1, 4, 2)), np.zeros((1, 3)), np.ones((1, 3))
        >>> hs, h, c = hg.lstm(x, h, c, np.zeros((12, 2)), np.zeros((12, 3)), np.zeros(12))
        >>> print(hs.shape, c)  # c is halved four times
        (1, 4, 3) [[0.0625 0.0625 0.0625]]
    """
    out, backward = over_time(LSTM, x, (h, c), W, U, b, None, lengths, reverse)
    return out, lambda dout: without_bias(backward(dout))


@rule
def gru(x, h, W, U, b, d, lengths=None, /, reverse=False):
    """A gated recurrent unit along sequences: all hₜ, and the last.   Cho et al. 2014

    outₜ = (1 - zₜ)·nₜ + zₜ·outₜ₋₁, the gates of aₜ = xₜ Wᵀ + b and sₜ = outₜ₋₁ Uᵀ + d as in ``gru_step``

    dxₜ = daₜ W, dW = Σ daₜᵀ xₜ, dU = Σ dsₜᵀ outₜ₋₁, db = Σ daₜ, dd = Σ dsₜ, dh = z₁·dh₁ + ds₁ U, where daₜ
    and dsₜ are those of ``gru_step`` for dhₜ = doutₜ + zₜ₊₁·dhₜ₊₁ + dsₜ₊₁ U, from the last t to the first

    x (N, T, D), h (N, H), W (3H, D), U (3H, H), b and d (3H,) -> (N, T, H), (N, H), by ``scan`` as ``lstm``.
    ``lengths`` and ``reverse`` are those of ``lstm``.

    Raises:
        ValueError: shapes do not fit.

    Examples:
        >>> x, h = np.ones((1, 4, 2)), np.ones((1, 3))
        >>> hs, last = hg.gru(x, h, np.zeros((9, 2)), np.zeros((9, 3)), np.zeros(9), np.zeros(9))
        >>> print(hs[0, :, 0])  # h is halved at each step
        [0.5    0.25   0.125  0.0625]
    """
    return over_time(GRU, x, (h,), W, U, b, d, lengths, reverse)


def over_time(cell, x, state, W, U, b, d, lengths, reverse):
    """((all h, last state...), backward to (dx, dstate..., dW, dU, db, dd, None))."""
    check_shapes(cell, x, state, W, U, b, d, axes="NTD")
    scan = namespace_of(x, W, U, b, d, *state).scan
    inside = within(lengths, x)
    x = time_first(held(inside, x, 0))
    inside = time_first(inside)

    def forward_step(state, at):
        a, *seen = at
        after, kept = cell.forward(a, state, U, d)
        after = tuple(held(seen, new, old) for new, old in zip(after, state, strict=True))
        return after, (held(seen, after[0], 0), state, kept)

    a = x @ W.T + b
    state = tuple(promoted(s, a, U, *state) for s in state)
    last, (hs, states, kept) = scan(forward_step, state, (a, *inside), reverse=reverse)

    def backward(dout):
        def backward_step(dstate, at):
            (dh, state, kept), seen = at[:3], at[3:]
            dstate = (dstate[0] + held(seen, dh, 0), *dstate[1:])
            da, ds, before = cell.backward(tuple(held(seen, d, 0) for d in dstate), state, kept, U)
            before = tuple(held(seen, new, old) for new, old in zip(before, dstate, strict=True))
            return before, ((da,) if ds is da else (da, ds))

        dhs, *dlast = dout
        along = (time_first(dhs), states, kept, *inside)
        dstate, (das, *dss) = scan(backward_step, tuple(dlast), along, reverse=not reverse)
        da, ds = rows(das), rows(dss[0] if dss else das)
        dW, dU, db = da.T @ rows(x), ds.T @ rows(states[0]), xp.sum(da, axis=0)
        dd = None if d is None else xp.sum(ds, axis=0)
        dx = time_first(das @ W)
        return dx, *dstate, dW, dU, db, dd, None

    return (time_first(hs), *last), backward


def without_bias(grads):
    """Gradients without that of the second bias, which a cell does not have."""
    return *grads[:-2], grads[-1]


def rnn_cell(nonlinearity):
    if nonlinearity not in RNN:
        raise ValueError(f"nonlinearity is 'tanh' or 'relu', not {nonlinearity!r}")
    return RNN[nonlinearity]


def time_first(x):
    """(N, T, ...) -> (T, N, ...), and back; of each in a list."""
    if isinstance(x, list):
        return [time_first(each) for each in x]
    return xp.permute_dims(x, (1, 0, *range(2, len(shape(x)))))


def promoted(x, *others):
    """x in the dtype that it has beside others: a loop keeps that of what it carries."""
    if all(y.dtype == x.dtype for y in others):
        return x
    return cast(x, like=sum(xp.sum(y) for y in others))


def rows(x):
    """(A, B, C) -> (A·B, C)"""
    A, B, C = shape(x)
    return xp.reshape(x, (A * B, C))


def within(lengths, x):
    """Which places of x are within each sequence, (N, T, 1), in a list; none where all are."""
    if lengths is None:
        return []
    N, T = shape(x)[:2]
    if shape(lengths) != (N,):
        raise ValueError(f"lengths are one for each of {N} sequences, not of shape {shape(lengths)}")
    lengths = beside(lengths, x)
    return [xp.reshape(xp.arange_like(lengths, T) < xp.reshape(lengths, (N, 1)), (N, T, 1))]


def held(seen, new, old):
    """The new within a sequence, the old beyond; the new where there are no lengths."""
    if not seen:
        return new
    return xp.where(seen[0], new, xp.zeros_like(new) if isinstance(old, int) else old)


def check_shapes(cell, x, state, W, U, b, d, axes):
    """Raise a ValueError where shapes do not fit."""
    KH, D = shape(W) if len(shape(W)) == 2 else (0, 0)
    H = KH // cell.gates
    N = shape(x)[:1]
    wanted = {"W": (cell.gates * H, D), "U": (cell.gates * H, H), "b": (cell.gates * H,)}
    found = {"W": shape(W), "U": shape(U), "b": shape(b)}
    if d is not None:
        wanted["d"], found["d"] = wanted["b"], shape(d)
    for name, part in zip(cell.states, state, strict=True):
        wanted[name], found[name] = (*N, H), shape(part)
    wrong = [f"{name} {found[name]}" for name in wanted if found[name] != wanted[name]]
    if wrong or len(shape(x)) != len(axes) or shape(x)[-1] != D:
        told = ", ".join(f"{name} {shape}" for name, shape in found.items())
        raise ValueError(
            f"x {shape(x)} and {told} do not fit: x is ({', '.join(axes)}), W ({cell.gates}·H, D), U "
            f"({cell.gates}·H, H), biases ({cell.gates}·H,), states (N, H)"
        )
