"""Attention, recurrent layers and sequence losses beside PyTorch's, in float64."""

import itertools

import numpy as np
import pytest

import handgrad as hg
from handgrad.tree import leaves
from tests.peers.test_torch_rules import assert_same
from tests.rules.draws import normal

torch = pytest.importorskip("torch")
F = torch.nn.functional


# Attention.

MASKS = {
    "none": lambda r: None,
    "truth": lambda r: r.random((3, 5, 6)) < 0.7,
    "floats": lambda r: normal(r, 5, 6),
    "one for each head": lambda r: normal(r, 4, 1, 6),
    "infinite": lambda r: np.where(r.random((5, 6)) < 0.3, -np.inf, normal(r, 5, 6)),
}


@pytest.mark.parametrize("scale", [None, 0.3])
@pytest.mark.parametrize("heads", [(4, 4), (4, 2), (6, 1)])
@pytest.mark.parametrize("mask", MASKS)
def test_attention(mask, heads, scale):
    r = np.random.default_rng(0)
    H, G = heads
    if mask in ("truth", "one for each head"):
        H, G = (3, 3) if mask == "truth" else (4, 2)
    inputs = (normal(r, 2, H, 5, 3), normal(r, 2, G, 6, 3), normal(r, 2, G, 6, 4), MASKS[mask](r))
    inputs = inputs if inputs[3] is not None else inputs[:3]

    def theirs(q, k, v, mask=None):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, scale=scale, enable_gqa=H != G)

    assert_same_inputs(hg.scaled_dot_product_attention, {"scale": scale}, theirs, inputs)


@pytest.mark.parametrize(("T", "S"), [(5, 5), (3, 6), (6, 3), (1, 1)])
def test_causal_attention(T, S):
    r = np.random.default_rng(0)
    inputs = normal(r, 2, T, 3), normal(r, 2, S, 3), normal(r, 2, S, 4)
    theirs = lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True)  # noqa: E731
    assert_same_inputs(hg.scaled_dot_product_attention, {"causal": True}, theirs, inputs)


def assert_same_inputs(rule, options, theirs, inputs):
    """``assert_same`` of a rule some of whose inputs are left out."""
    rest = [None] * (len(rule.inputs) - len(inputs))

    class Whole:
        @staticmethod
        def vjp(*xs, **options):
            out, backward = rule.vjp(*xs, *rest, **options)
            return out, lambda dout: backward(dout)[: len(xs)]

    assert_same(Whole, options, theirs, inputs)


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("across", [True, False])
def test_multi_head_attention(across, bias):
    r = np.random.default_rng(0)
    N, T, S, D, H = 2, 5, 4, 6, 3
    x, context, W, V = normal(r, N, T, D), normal(r, N, S, D), normal(r, D, 3 * D), normal(r, D, D)
    b, c = (normal(r, 3 * D), normal(r, D)) if bias else (np.zeros(3 * D), np.zeros(D))
    unseen = r.random((T, S if across else T)) < 0.3
    unseen[:, 0] = False

    def theirs(x, W, b, V, c, *context):
        own = torch.nn.MultiheadAttention(D, H, batch_first=True).double()
        names = ("in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias")
        given = dict(zip(names, (W.T, b, V.T, c), strict=True))
        keys = context[0] if context else x
        options = {"attn_mask": torch.tensor(unseen), "need_weights": False}
        return torch.func.functional_call(own, given, (x, keys, keys), options)[0]

    class Whole:
        @staticmethod
        def vjp(*xs):
            rest = [None] * (6 - len(xs))
            out, backward = hg.multi_head_attention.vjp(*xs, *rest, ~unseen, None, heads=H)
            return out, lambda dout: backward(dout)[: len(xs)]

    assert_same(Whole, {}, theirs, (x, W, b, V, c, *([context] if across else [])))


# Recurrent layers.

KINDS = {"rnn": (hg.rnn, 1, 1), "lstm": (hg.lstm, 4, 2), "gru": (hg.gru, 3, 1)}


def against(kind, nonlinearity, reverse, lengths):
    """Values and all gradients of a sequence, and of PyTorch's packed one."""
    rule, K, states = KINDS[kind]
    N, T, D, H = 4, 5, 3, 2
    r = np.random.default_rng(0)
    x, W, U = normal(r, N, T, D), normal(r, K * H, D), normal(r, K * H, H)
    state, biases = [normal(r, N, H) for _ in range(states)], [normal(r, K * H) for _ in range(2)]
    usual = {"nonlinearity": nonlinearity} if kind == "rnn" else {}
    own = biases if kind == "gru" else [biases[0] + biases[1]]
    out, backward = rule.vjp(x, *state, W, U, *own, lengths, reverse=reverse, **usual)
    douts = [normal(r, *o.shape) for o in out]
    grads = backward(tuple(douts))

    made = getattr(torch.nn, kind.upper())(D, H, batch_first=True, bidirectional=True, **usual).double()
    tensors = [torch.tensor(a, requires_grad=True) for a in (x, *state, W, U, *biases)]
    tx, *rest = tensors
    tstate, (tW, tU, tb, td) = rest[:states], rest[states:]
    names = ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0")
    params = {
        f"{name}{end}": p for name, p in zip(names, (tW, tU, tb, td), strict=True) for end in ("", "_reverse")
    }
    start = tuple(torch.stack([s, s]) for s in tstate)
    start = start if states == 2 else start[0]
    given = tx
    if lengths is not None:
        given = torch.nn.utils.rnn.pack_padded_sequence(tx, torch.tensor(lengths), True, enforce_sorted=False)
    hs, last = torch.func.functional_call(made, params, (given, start))
    if lengths is not None:
        hs, _ = torch.nn.utils.rnn.pad_packed_sequence(hs, batch_first=True, total_length=T)
    last = last if states == 2 else (last,)
    theirs = [hs[..., H:] if reverse else hs[..., :H], *(s[int(reverse)] for s in last)]
    for a, b in zip(out, theirs, strict=True):
        np.testing.assert_allclose(a, b.detach().numpy(), rtol=1e-12, atol=1e-12)
    torch.autograd.backward(theirs, [torch.tensor(d) for d in douts])
    wanted = [t.grad.numpy() for t in tensors]
    wanted = wanted if kind == "gru" else wanted[:-1]
    assert grads[-1] is None
    for d, w in zip(grads[:-1], wanted, strict=True):
        np.testing.assert_allclose(d, w, rtol=1e-12, atol=1e-12 * max(1, abs(w).max()))


@pytest.mark.parametrize("lengths", [None, np.array([5, 2, 1, 4])], ids=["whole", "lengths"])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize(
    ("kind", "nonlinearity"), [("rnn", "tanh"), ("rnn", "relu"), ("lstm", ""), ("gru", "")]
)
def test_sequences(kind, nonlinearity, reverse, lengths):
    against(kind, nonlinearity, reverse, lengths)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sequence_is_its_steps(kind):
    rule, K, states = KINDS[kind]
    step = getattr(hg, f"{kind}_step")
    r = np.random.default_rng(0)
    N, T, D, H = 2, 4, 3, 2
    x, W, U = normal(r, N, T, D), normal(r, K * H, D), normal(r, K * H, H)
    state = [normal(r, N, H) for _ in range(states)]
    biases = [normal(r, K * H) for _ in range(2 if kind == "gru" else 1)]

    def by_steps(x, *rest):
        state, params, hs = rest[:states], rest[states:], []
        for t in range(T):
            state = step(x[:, t], *state, *params)
            state = state if isinstance(state, tuple) else (state,)
            hs.append(state[0])
        return (hg.stack(hs, axis=1), *state)

    args = (x, *state, W, U, *biases)
    out, backward = hg.vjp(by_steps, *args)
    own, own_backward = rule.vjp(*args)
    dout = tuple(normal(r, *o.shape) for o in out)
    for a, b in zip(
        leaves((out, backward(dout))), leaves((own, own_backward(dout)[: len(args)])), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


def test_truncated_backpropagation():
    """Going on from where no gradient flows: the gradient is that of each part alone."""
    r = np.random.default_rng(0)
    x, h, c, W, U, b = (
        normal(r, 2, 6, 3),
        normal(r, 2, 2),
        normal(r, 2, 2),
        normal(r, 8, 3),
        normal(r, 8, 2),
        normal(r, 8),
    )

    def loss(W, stop):
        total, state = 0, (h, c)
        for part in (x[:, :3], x[:, 3:]):
            hs, *state = hg.lstm(part, *(stop(s) for s in state), W, U, b)
            total = total + hg.sum(hs**2)
        return total

    _, h3, c3 = hg.lstm(x[:, :3], h, c, W, U, b)
    parts = hg.grad(lambda W: hg.sum(hg.lstm(x[:, :3], h, c, W, U, b)[0] ** 2))(W)
    parts = parts + hg.grad(lambda W: hg.sum(hg.lstm(x[:, 3:], h3, c3, W, U, b)[0] ** 2))(W)
    np.testing.assert_allclose(hg.grad(lambda W: loss(W, hg.stop_gradient))(W), parts, rtol=1e-12)
    whole = hg.grad(lambda W: hg.sum(hg.lstm(x, h, c, W, U, b)[0] ** 2))(W)
    np.testing.assert_allclose(hg.grad(lambda W: loss(W, lambda s: s))(W), whole, rtol=1e-12)
    assert not np.allclose(parts, whole)


# Alignment.


@pytest.mark.parametrize(
    ("reduction", "blank", "short"), [*itertools.product(("mean", "sum", "none"), (0, 2), (False, True))]
)
def test_ctc(reduction, blank, short):
    """After log_softmax: PyTorch's gradient by log_y itself takes for granted that it comes of that."""
    r = np.random.default_rng(0)
    T, N, C, S = 12, 5, 4, 4
    x = normal(r, T, N, C)
    t = r.choice([k for k in range(C) if k != blank], size=(N, S))
    t[0], t[1] = t[0, 0], -1  # repeats; no label at all
    steps = np.array([12, 9, 10, 7, 12]) if short else np.full(N, T)
    ends = np.array([4, 0, 2, 3, 1]) if short else np.full(N, S)
    t[1] = t[2] if not short else t[1]
    options = {"blank": blank, "reduction": reduction}

    class Whole:
        @staticmethod
        def vjp(x):
            return hg.vjp(lambda x: hg.ctc_loss(hg.log_softmax(x), t, steps, ends, **options), x)

    def theirs(x):
        labels = torch.tensor(np.where(t < 0, 1, t))
        return F.ctc_loss(x.log_softmax(-1), labels, torch.tensor(steps), torch.tensor(ends), **options)

    assert_same(Whole, {}, theirs, (x,))


@pytest.mark.parametrize("zero_infinity", [False, True])
def test_ctc_of_what_cannot_be(zero_infinity):
    """Three equal labels need five steps."""
    r = np.random.default_rng(0)
    x, t = normal(r, 4, 2, 3), np.array([[1, 1, 1], [1, 2, 1]])
    options = {"reduction": "none", "zero_infinity": zero_infinity}
    loss, backward = hg.vjp(lambda x: hg.ctc_loss(hg.log_softmax(x), t, **options), x)
    theirs = F.ctc_loss(torch.tensor(x).log_softmax(-1), torch.tensor(t), (4, 4), (3, 3), **options)
    np.testing.assert_allclose(loss, theirs, rtol=1e-12)
    (dx,) = backward(np.ones(2))
    assert (dx[:, 0] == 0).all()
    assert np.isfinite(dx).all()
    assert abs(dx[:, 1]).max() > 0.01
