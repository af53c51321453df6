"""PyTorch's modules as pictures: values and gradients are PyTorch's own, and the module stays what it was."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.tree import leaves, tree_map
from handgrad.view.graph import INPUT, PARAMETER
from handgrad.view.recording import record

torch = pytest.importorskip("torch")
nn = torch.nn


class Residual(nn.Module):
    """Two convolutions and what goes around them.   He et al. 2015"""

    def __init__(self, C, K, stride=1):
        super().__init__()
        self.conv1 = nn.Conv2d(C, K, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(K)
        self.conv2 = nn.Conv2d(K, K, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(K)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride > 1 or C != K:
            self.downsample = nn.Sequential(nn.Conv2d(C, K, 1, stride, bias=False), nn.BatchNorm2d(K))

    def forward(self, x):
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(out + (x if self.downsample is None else self.downsample(x)))


def resnet(widths, counts, classes):
    """ResNet-18 where the widths are 64 to 512, two blocks each."""
    layers = [
        nn.Conv2d(3, widths[0], 7, 2, 3, bias=False),
        nn.BatchNorm2d(widths[0]),
        nn.ReLU(),
        nn.MaxPool2d(3, 2, 1),
    ]
    C = widths[0]
    for i, (K, n) in enumerate(zip(widths, counts, strict=True)):
        for j in range(n):
            layers.append(Residual(C, K, 2 if i and not j else 1))
            C = K
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(C, classes))


class Tied(nn.Module):
    """One matrix, for symbols and for what comes next."""

    def __init__(self):
        super().__init__()
        self.symbols = nn.Embedding(7, 4)
        self.out = nn.Linear(4, 7, bias=False)
        self.out.weight = self.symbols.weight

    def forward(self, x):
        return self.out(self.symbols(x))


class Last(nn.Module):
    """What a recurrent network has at the end of sequences, through a layer."""

    def __init__(self, net):
        super().__init__()
        self.net, self.out = net, nn.Linear(net.hidden_size * (1 + net.bidirectional), 2)

    def forward(self, x):
        h = torch.ones(self.net.num_layers * (1 + self.net.bidirectional), x.size(0), self.net.hidden_size)
        h = h.to(x.dtype)
        out, _ = self.net(x, (h, 2 * h) if isinstance(self.net, nn.LSTM) else h)
        return self.out(out[:, -1])


class Stepped(nn.Module):
    """A cell, step by step."""

    def __init__(self, cell):
        super().__init__()
        self.cell = cell

    def forward(self, xs):
        state = None
        for x in xs:
            state = self.cell(x, state)
        return state


class OutOf(nn.Module):
    """All that a recurrent network gives, in one array."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        out, last = self.net(x)
        return torch.cat([out, *(last if isinstance(last, tuple) else [last])])


def encoder():
    return nn.TransformerEncoderLayer(16, 4, 32, dropout=0.0, batch_first=True)


MODULES = {
    "perceptron": (lambda: nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)), (3, 4)),
    "convolutions": (lambda: resnet((4, 6), (1, 1), 3), (2, 3, 16, 16)),
    "encoder": (encoder, (2, 5, 16)),
    "encoder, norm first": (lambda: nn.TransformerEncoderLayer(8, 2, 16, 0.0, norm_first=True), (5, 2, 8)),
    "lstm": (lambda: nn.LSTM(3, 4), (5, 2, 3)),
    "lstm, two layers both ways": (
        lambda: Last(nn.LSTM(3, 4, 2, batch_first=True, bidirectional=True)),
        (2, 5, 3),
    ),
    "lstm, dropout": (lambda: OutOf(nn.LSTM(3, 4, 2, dropout=0.5)), (5, 2, 3)),
    "gru": (lambda: Last(nn.GRU(3, 4, 2, batch_first=True)), (2, 5, 3)),
    "gru, no biases, one sequence": (lambda: OutOf(nn.GRU(3, 4, bias=False)), (5, 3)),
    "rnn": (lambda: OutOf(nn.RNN(3, 4, bidirectional=False)), (1, 1, 3)),
    "rnn, relu": (lambda: Last(nn.RNN(3, 4, nonlinearity="relu", batch_first=True, bias=False)), (2, 5, 3)),
    "lstm's cell": (lambda: Stepped(nn.LSTMCell(3, 4)), (5, 2, 3)),
    "gru's cell": (lambda: Stepped(nn.GRUCell(3, 4, bias=False)), (5, 2, 3)),
    "rnn's cell": (lambda: Stepped(nn.RNNCell(3, 4)), (5, 2, 3)),
    "resnet18": (lambda: resnet((64, 128, 256, 512), (2, 2, 2, 2), 10), (2, 3, 64, 64)),
}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n == "resnet18" else []) for n in MODULES]
)
def test_values_and_gradients_are_those_of_pytorch(name):
    make, own = MODULES[name]
    torch.manual_seed(0)
    net, x = make().double().train(), torch.randn(*own, dtype=torch.float64)
    with torch.no_grad():
        dout = tree_map(torch.randn_like, net(x))
    buffers = {key: b.clone() for key, b in net.named_buffers()}
    torch.manual_seed(1)
    graph = record(net, x, dout=dout)
    arrays = {a.name: a for a in graph.arrays if a.role in (INPUT, PARAMETER)}
    assert all(torch.equal(b, buffers[key]) for key, b in net.named_buffers())
    given = x.clone().requires_grad_()
    torch.manual_seed(1)
    out = net(given)
    torch.autograd.backward(leaves(out), leaves(dout))
    ends = sorted(graph.outputs, key=lambda array: array.name)
    for array, y in zip(ends, leaves(out), strict=True):
        np.testing.assert_allclose(array.value, y.detach(), rtol=1e-10, atol=1e-12)
    (first,) = (key for key, a in arrays.items() if a.role == INPUT)
    for key, p in {first: given, **dict(net.named_parameters())}.items():
        np.testing.assert_allclose(arrays[key].value, p.detach(), rtol=1e-12)
        scale = float(p.grad.abs().max())
        np.testing.assert_allclose(arrays[key].grad, p.grad, rtol=1e-9, atol=1e-9 * scale, err_msg=key)


def test_a_shared_parameter_is_one_and_integers_are_inputs():
    torch.manual_seed(0)
    net, x = Tied(), torch.tensor([[1, 2, 2]])
    weight = net.symbols.weight
    graph = record(net, x)
    (found,) = (a for a in graph.arrays if a.name == "symbols.weight")
    net(x).sum().backward()
    np.testing.assert_allclose(found.grad, weight.grad, rtol=1e-5)
    assert net.symbols.weight is weight is net.out.weight


class Attention(nn.Module):
    """Attention of x to itself, with options of one's own."""

    def __init__(self, made=None, **options):
        super().__init__()
        self.attention, self.options = nn.MultiheadAttention(8, 2, **(made or {})), options

    def forward(self, x):
        key = x[..., : self.attention.kdim] if self.attention.kdim != 8 else x
        return self.attention(x, key, key, **self.options)


CAUSAL = torch.ones(5, 5, dtype=torch.bool).triu(1)
PADDED = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])


@pytest.mark.parametrize(
    "attention",
    [
        Attention(attn_mask=CAUSAL),
        Attention(key_padding_mask=PADDED, need_weights=False),
        Attention(attn_mask=CAUSAL, key_padding_mask=PADDED, average_attn_weights=False),
        Attention(attn_mask=torch.randn(4, 5, 5, dtype=torch.float64)),
        Attention({"kdim": 6, "vdim": 6, "bias": False}),
        Attention({"batch_first": True}),
    ],
    ids=["causal", "padded", "both", "by head", "other keys", "batch first"],
)
def test_attention_is_that_of_pytorch(attention):
    torch.manual_seed(0)
    net, x = (
        attention.double().requires_grad_(False),
        torch.randn(*((2, 5) if attention.attention.batch_first else (5, 2)), 8).double(),
    )
    given = x.clone().requires_grad_()
    out, weights = net(given)
    dout = torch.randn_like(out)
    out.backward(dout)
    v = hg.variable(x)
    made, found = net(v)
    (dx,) = hg.vjp(lambda x: net(x)[0], x)[1](dout)
    np.testing.assert_allclose(made.value, out.detach(), rtol=1e-10)
    np.testing.assert_allclose(dx, given.grad, rtol=1e-9, atol=1e-12)
    assert (weights is None) == (found is None)
    if weights is not None:
        np.testing.assert_allclose(found.value, weights.detach(), rtol=1e-9, atol=1e-12)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        return self.relu(x * 1) + x


class Again(Twice):
    def forward(self, x):
        y = x * 1
        return self.relu(y) + y


def test_what_is_written_over_and_used_again_is_said():
    record(Twice(), torch.randn(3))
    with pytest.raises(TypeError, match="Again uses an array again that one of its parts writes over"):
        record(Again(), torch.tensor([-1.0, 2.0]))


def test_submodules_are_boxes():
    graph = record(encoder(), torch.randn(2, 5, 16))
    assert {"self_attn", "linear1", "norm1"} <= {box.name for box in graph.boxes}


def test_the_module_is_as_it_was_after_an_error():
    net = nn.Sequential(nn.Linear(4, 5), nn.Tanh())
    before = (dict(net.named_parameters()), vars(net[0]).keys())
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        hg.show(net, torch.randn(3, 7))
    assert all(p is before[0][name] for name, p in net.named_parameters())
    assert "forward" not in vars(net[0])


def test_what_has_no_rule_is_said_by_name():
    with pytest.raises(TypeError, match="bias_k"):
        hg.show(nn.MultiheadAttention(8, 2, add_bias_kv=True), *[torch.randn(3, 2, 8)] * 3)


def test_recurrent_modules_are_what_they_were():
    net, x = nn.LSTM(3, 4), torch.randn(5, 2, 3)
    before = net(x)[0]
    kept = list(net._flat_weights)
    assert "lstm" in str(hg.show(net, x))
    assert all(a is b for a, b in zip(net._flat_weights, kept, strict=True))
    assert torch.equal(net(x)[0], before)


def test_what_recurrent_rules_lack_is_said():
    with pytest.raises(TypeError, match="proj_size has no rule"):
        hg.show(nn.LSTM(3, 4, proj_size=2), torch.randn(5, 2, 3))


def test_the_size_of_a_recorded_tensor_is_pytorchs():
    v = hg.variable(torch.ones(2, 3))
    assert (v.size(), v.size(1), v.size(-2)) == (torch.Size([2, 3]), 3, 2)
    assert hg.variable(np.ones((2, 3))).size == 6
