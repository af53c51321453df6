"""Networks of text: the losses of a training, beside PyTorch's; what they see; what they write."""

import itertools

import numpy as np
import pytest

import handgrad as hg
from handgrad.data.text import Alphabet, blocks
from handgrad.models import GPT, char_lstm
from handgrad.optim import Adam
from handgrad.train import Trainer
from handgrad.train.text import TextRun, draw

torch = pytest.importorskip("torch")
F = torch.nn.functional
V, T, N = 11, 8, 6
OWN = {"seed": 0, "dtype": np.float64}
MAKE = {
    "gpt": lambda: GPT(V, T, D=12, heads=3, blocks=2, **OWN),
    "char_lstm": lambda: char_lstm(V, T, D=5, H=7, layers=2, **OWN),
}


def gpt_by_pytorch(p, x):
    """The same network, of PyTorch's own parts."""
    h = F.embedding(x, p["symbols.W"]) + p["places.W"]
    D = h.shape[-1]
    for k in range(2):
        own = {
            name.removeprefix(f"blocks.{k}."): a for name, a in p.items() if name.startswith(f"blocks.{k}.")
        }
        y = F.layer_norm(h, (D,), own["norm1.gamma"], own["norm1.beta"])
        qkv = y @ own["attention.W"] + own["attention.b"]
        q, k_, v = (a.unflatten(-1, (3, D // 3)).transpose(1, 2) for a in qkv.chunk(3, dim=-1))
        y = F.scaled_dot_product_attention(q, k_, v, is_causal=True).transpose(1, 2).flatten(2)
        h = h + y @ own["attention.V"] + own["attention.c"]
        y = F.layer_norm(h, (D,), own["norm2.gamma"], own["norm2.beta"])
        y = F.gelu(y @ own["perceptron.0.W"] + own["perceptron.0.b"])
        h = h + y @ own["perceptron.2.W"] + own["perceptron.2.b"]
    return F.layer_norm(h, (D,), p["norm.gamma"], p["norm.beta"]) @ p["symbols.W"].T


def lstm_by_pytorch(p, x):
    own = torch.nn.LSTM(5, 7, 2, batch_first=True).double()
    names = {"weight_ih": "W", "weight_hh": "U", "bias_ih": "b"}
    given = {f"{n}_l{k}": p[f"1.{own}{k}"] for n, own in names.items() for k in (0, 1)}
    given |= {f"bias_hh_l{k}": torch.zeros(28, dtype=torch.float64) for k in (0, 1)}
    h, _ = torch.func.functional_call(own, given, (F.embedding(x, p["0.W"]),))
    return h @ p["2.W"] + p["2.b"]


THEIRS = {"gpt": gpt_by_pytorch, "char_lstm": lstm_by_pytorch}


@pytest.mark.parametrize("name", MAKE)
def test_losses_natively_on_numpy_and_by_pytorch(name):
    r = np.random.default_rng(0)
    x, t = blocks(r.integers(V, size=4 * N * T + 1), T)
    losses = {}
    for engine in ("native", "numpy"):
        trainer = Trainer(MAKE[name](), hg.softmax_cross_entropy, Adam(1e-2), seed=0, engine=engine)
        losses[engine] = [record["loss"] for record in trainer.fit(x, t, epochs=4, batch_size=len(x))]
    p = {n: torch.tensor(a, requires_grad=True) for n, a in MAKE[name]().parameters().items()}
    adam = torch.optim.Adam(p.values(), lr=1e-2)
    losses["PyTorch"] = []
    for _ in range(4):
        loss = F.cross_entropy(THEIRS[name](p, torch.tensor(x)).flatten(0, 1), torch.tensor(t).flatten())
        losses["PyTorch"].append(loss.item())
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert losses["numpy"][-1] < losses["numpy"][0]
    np.testing.assert_allclose(losses["native"], losses["numpy"], rtol=1e-10)
    np.testing.assert_allclose(
        losses["PyTorch"], losses["numpy"], rtol=1e-7
    )  # whose Adam adds its eps elsewhere


@pytest.mark.parametrize("name", MAKE)
def test_nobody_sees_what_comes_later(name):
    net, x = MAKE[name]().evaluate(), np.random.default_rng(0).integers(V, size=(2, T))
    y = net(x)
    assert y.shape == (2, T, V)
    other = x.copy()
    other[:, 5:] = (other[:, 5:] + 1) % V
    np.testing.assert_array_equal(net(other)[:, :5], y[:, :5])
    assert not np.allclose(net(other)[:, 5:], y[:, 5:])
    np.testing.assert_allclose(net(x[:, :3]), y[:, :3], rtol=1e-12)


def test_too_long_a_sequence_is_told():
    with pytest.raises(ValueError, match="made for sequences of up to 8, not 9"):
        MAKE["gpt"]().evaluate()(np.zeros((1, 9), int))


def test_draws():
    r, logits = np.random.default_rng(0), np.array([1.0, 3.0, 2.0, -np.inf])
    assert draw(r, logits, 0, None) == 1
    assert {draw(r, logits, 1.0, 2) for _ in range(50)} == {1, 2}
    drawn = np.bincount([draw(r, logits, 0.5, None) for _ in range(4000)], minlength=4) / 4000
    np.testing.assert_allclose(drawn, hg.softmax(logits / 0.5), atol=0.03)


def test_a_network_that_learnt_a_row_writes_it():
    alphabet = Alphabet("abcdefghijk")
    x, t = blocks(alphabet.encode(b"abcdefghijk" * 30), T)
    for name, make in MAKE.items():
        net = make()
        Trainer(net, hg.softmax_cross_entropy, Adam(1e-2), seed=0).fit(x, t, epochs=60, batch_size=8)
        run = TextRun({"model": name, "length": T}, alphabet, {}, net)
        numbers = run.numbers(alphabet.encode(b"def"), temperature=0)
        assert "".join(alphabet.decode(itertools.islice(numbers, 20))) == "ghijkabcdefghijkabcd"
