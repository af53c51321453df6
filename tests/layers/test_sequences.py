"""Recurrent layers and attention as layers: PyTorch's numbers for all options, by hand, in programs."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import GRU, LSTM, RNN, Affine, Embedding, MultiHeadAttention, Sequential
from tests.layers.test_layers import assert_backward_is_right

torch = pytest.importorskip("torch")
F8 = np.float64
KINDS = {"LSTM": LSTM, "GRU": GRU, "RNN": RNN}
NAMES = {"W": "weight_ih", "U": "weight_hh", "b": "bias_ih", "d": "bias_hh"}


def theirs(own, kind, **options):
    """PyTorch's module with the weights of ours."""
    D = own.params["W0"].shape[1]
    net = getattr(torch.nn, kind)(D, own.H, own.layers, batch_first=True, **options).double()
    given = {name: torch.zeros_like(p) for name, p in net.named_parameters()}
    for name, p in own.params.items():
        given[f"{NAMES[name[0]]}_l{name[1:]}"] = torch.tensor(p)
    net.load_state_dict(given)
    return net


@pytest.mark.parametrize("lengths", [None, np.array([3, 5, 1])], ids=["whole", "lengths"])
@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_all_options_are_pytorchs(kind, layers, bidirectional, lengths):
    r = np.random.default_rng(0)
    net = KINDS[kind](4, 3, layers, bidirectional, seed=0, dtype=F8)
    other = theirs(net, kind, bidirectional=bidirectional)
    x = r.normal(size=(3, 5, 4))
    state = tuple(r.normal(size=s.shape) for s in net.start(3))
    out, after = net(x, state, lengths=lengths)
    given, start = torch.tensor(x), tuple(map(torch.tensor, state))
    if lengths is not None:
        given = torch.nn.utils.rnn.pack_padded_sequence(
            given, torch.tensor(lengths), True, enforce_sorted=False
        )
    wanted, last = other(given, start if kind == "LSTM" else start[0])
    if lengths is not None:
        wanted, _ = torch.nn.utils.rnn.pad_packed_sequence(wanted, batch_first=True, total_length=5)
    np.testing.assert_allclose(out, wanted.detach(), rtol=1e-12, atol=1e-13)
    for a, b in zip(after, last if kind == "LSTM" else (last,), strict=True):
        np.testing.assert_allclose(a, b.detach(), rtol=1e-12, atol=1e-13)
    zeros = net(x, net.start(3), lengths=lengths)[0]
    np.testing.assert_array_equal(net(x, lengths=lengths), zeros)


def test_rectified():
    net = RNN(4, 3, nonlinearity="relu", seed=0, dtype=F8)
    x = np.random.default_rng(0).normal(size=(2, 5, 4))
    wanted = theirs(net, "RNN", nonlinearity="relu")(torch.tensor(x))[0].detach()
    np.testing.assert_allclose(net(x), wanted, rtol=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_by_hand(kind):
    r = np.random.default_rng(0)
    net = KINDS[kind](3, 2, 2, True, seed=0, dtype=F8)
    assert_backward_is_right(net, r.normal(size=(2, 3, 3)), r)


def test_attention_by_hand():
    r = np.random.default_rng(0)
    net = MultiHeadAttention(4, 2, kv_heads=1, causal=True, seed=0, dtype=F8)
    assert_backward_is_right(net, r.normal(size=(2, 3, 4)), r)


def test_a_state_has_its_gradient():
    r = np.random.default_rng(0)
    net, x = LSTM(3, 2, seed=0, dtype=F8), r.normal(size=(2, 4, 3))
    state = tuple(r.normal(size=s.shape) for s in net.start(2))
    out, _after = net.forward(x, state)
    douts = r.normal(size=out.shape), tuple(r.normal(size=s.shape) for s in state)
    dx, dstate = net.backward(douts)
    assert dx.shape == x.shape
    wanted = hg.vjp(lambda *state: net.bind()(x, state), *state)[1](douts)
    for a, b in zip(dstate, wanted, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


def test_going_on_is_going_through():
    r = np.random.default_rng(0)
    net, x = GRU(3, 2, 2, seed=0, dtype=F8), r.normal(size=(2, 6, 3))
    whole = net(x)
    first, state = net(x[:, :4], net.start(2))
    second, _ = net(x[:, 4:], state)
    np.testing.assert_allclose(np.concatenate([first, second], axis=1), whole, rtol=1e-13)


def test_dropout_lies_between_layers_and_in_attention():
    x = np.random.default_rng(0).normal(size=(2, 5, 4))
    for net in (LSTM(4, 3, 2, dropout=0.5, seed=0), MultiHeadAttention(4, 2, dropout=0.5, seed=0)):
        with pytest.raises(RuntimeError, match="differs in training and evaluation"):
            net(x)
        net.evaluate()
        np.testing.assert_array_equal(net(x), net(x))
        net.train()
        assert not np.allclose(net(x), net(x))
    assert not LSTM(4, 3, 1, dropout=0.5).states()


def test_compiled():
    """A network of characters has the loss and the gradients that NumPy has, and leaves it nothing to do."""
    r = np.random.default_rng(0)
    x, t = r.integers(7, size=(3, 5)), r.integers(7, size=(3, 5))
    own = {"seed": 0, "dtype": F8}
    for middle in (LSTM(4, 6, 2, True, **own), MultiHeadAttention(4, 2, causal=True, **own)):
        width = 12 if isinstance(middle, LSTM) else 4
        net = Sequential(Embedding(7, 4, **own), middle, Affine(width, 7, **own))
        step = hg.value_and_grad(lambda p, net=net: hg.softmax_cross_entropy(net.bind(p)(x), t))
        loss, grads = step(net.parameters())
        compiled, own_grads = hg.compile(step)(net.parameters())
        np.testing.assert_allclose(compiled, loss, rtol=1e-12)
        for name, g in grads.items():
            np.testing.assert_allclose(own_grads[name], g, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: LSTM(3, 2)(np.ones((2, 3))), r"LSTM takes x of shape \(N, T, 3\), got \(2, 3\)"),
        (lambda: MultiHeadAttention(4, 2)(np.ones((2, 3))), r"takes x of shape \(..., T, 4\)"),
        (lambda: MultiHeadAttention(5, 2), "2 heads divide D 5"),
        (lambda: MultiHeadAttention(4, 2, dropout=1), r"in \[0, 1\)"),
    ],
)
def test_what_does_not_fit_is_told(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_they_say_what_they_are():
    assert LSTM(3, 2).describe() == "LSTM(3, 2)"
    assert GRU(3, 2, 2, True).describe() == "GRU(3, 2, layers=2, bidirectional=True)"
    assert (
        MultiHeadAttention(4, 2, 1, causal=True).describe()
        == "MultiHeadAttention(4, 2, kv_heads=1, causal=True)"
    )
