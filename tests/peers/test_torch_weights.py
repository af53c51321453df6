"""PyTorch's modules as layers, and back: forwards and gradients in float64, names, files."""

from __future__ import annotations

import numpy as np
import pytest
from safetensors.numpy import load_file

import handgrad as hg
from handgrad.layers import Affine, Layer, Sequential

torch = pytest.importorskip("torch")
nn = torch.nn
D = 6
IMAGES, ROWS, SEQUENCES, WORDS = (3, 4, 5, 7), (5, D), (3, 4, D), (3, 4)


def recurrent(kind, **options):
    return kind(D, 5, batch_first=True, **options)


MODULES = {
    "Linear": (lambda: nn.Linear(D, 4), ROWS),
    "Linear without bias": (lambda: nn.Linear(D, 4, bias=False), SEQUENCES),
    "Conv1d": (lambda: nn.Conv1d(4, 6, 3, padding=1, stride=2), SEQUENCES),
    "Conv2d": (lambda: nn.Conv2d(4, 6, (3, 2), (2, 1), (1, 0), dilation=(1, 2), groups=2), IMAGES),
    "Conv2d same": (lambda: nn.Conv2d(4, 2, 3, padding="same", bias=False), IMAGES),
    "Conv3d": (lambda: nn.Conv3d(2, 3, 2), (2, 2, 3, 4, 3)),
    "ConvTranspose2d": (lambda: nn.ConvTranspose2d(4, 6, 3, 2, 1, output_padding=1, groups=2), IMAGES),
    "BatchNorm1d": (lambda: nn.BatchNorm1d(D), ROWS),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4, eps=1e-3, momentum=0.3), IMAGES),
    "BatchNorm2d without gain": (lambda: nn.BatchNorm2d(4, affine=False), IMAGES),
    "LayerNorm": (lambda: nn.LayerNorm((4, D), eps=1e-3), SEQUENCES),
    "LayerNorm without shift": (lambda: nn.LayerNorm(D, bias=False), SEQUENCES),
    "LayerNorm without gain": (lambda: nn.LayerNorm(D, elementwise_affine=False), SEQUENCES),
    "GroupNorm": (lambda: nn.GroupNorm(2, 4), IMAGES),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, affine=True), IMAGES),
    "RMSNorm": (lambda: nn.RMSNorm(D), SEQUENCES),
    "Embedding": (lambda: nn.Embedding(9, D), WORDS),
    "Embedding with padding": (lambda: nn.Embedding(9, D, padding_idx=2), WORDS),
    "LSTM": (lambda: recurrent(nn.LSTM), SEQUENCES),
    "LSTM both ways, two layers": (lambda: recurrent(nn.LSTM, bidirectional=True, num_layers=2), SEQUENCES),
    "GRU": (lambda: recurrent(nn.GRU, num_layers=2), SEQUENCES),
    "GRU both ways": (lambda: recurrent(nn.GRU, bidirectional=True), SEQUENCES),
    "RNN": (lambda: recurrent(nn.RNN), SEQUENCES),
    "RNN relu": (lambda: recurrent(nn.RNN, nonlinearity="relu"), SEQUENCES),
    "MultiheadAttention": (lambda: nn.MultiheadAttention(D, 2, batch_first=True), SEQUENCES),
    "TransformerEncoderLayer": (lambda: nn.TransformerEncoderLayer(D, 2, 7, batch_first=True), SEQUENCES),
    "TransformerEncoderLayer, norm first": (
        lambda: nn.TransformerEncoderLayer(D, 3, 7, activation="gelu", norm_first=True, batch_first=True),
        SEQUENCES,
    ),
    "TransformerEncoder": (
        lambda: nn.TransformerEncoder(
            nn.TransformerEncoderLayer(D, 2, 7, batch_first=True), 2, nn.LayerNorm(D), False
        ),
        SEQUENCES,
    ),
    "Sequential": (
        lambda: nn.Sequential(
            nn.Conv2d(4, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2), nn.Dropout(0.5),
            nn.Sequential(nn.Flatten(), nn.Linear(18, 5), nn.Tanh()), nn.Linear(5, 2),
        ),
        IMAGES,
    ),
    "activations": (
        lambda: nn.Sequential(nn.Linear(D, D), nn.Sigmoid(), nn.ELU(0.7), nn.GELU("tanh"), nn.SiLU(),
                              nn.Softplus(), nn.LeakyReLU(0.2), nn.Identity(), nn.AvgPool1d(2)),
        SEQUENCES,
    ),
    "PixelShuffle": (lambda: nn.Sequential(nn.PixelShuffle(2), nn.AvgPool2d(3, stride=2, padding=1)), IMAGES),
}  # fmt: skip


def drawn(make):
    """A module in float64, its weights and statistics drawn."""
    torch.manual_seed(0)
    module = make().double()
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn(p.shape, dtype=torch.float64) * 0.5)
        for b in module.buffers():
            if b.dtype.is_floating_point:
                b.copy_(torch.rand(b.shape, dtype=torch.float64) + 0.5)
    return module.eval()


def inputs(own):
    r = np.random.default_rng(0)
    return r.integers(9, size=own) if own is WORDS else r.normal(size=own)


def outcome(module, x):
    out = module(x, x, x) if isinstance(module, nn.MultiheadAttention) else module(x)
    return out[0] if isinstance(out, tuple) else out


@pytest.mark.parametrize("mode", ["evaluation", "training"])
@pytest.mark.parametrize("name", MODULES)
def test_forward_and_gradients_are_theirs(name, mode):
    make, own = MODULES[name]
    module, x = drawn(make), inputs(own)
    if mode == "training":
        for part in module.modules():
            if isinstance(part, nn.Dropout):
                part.p = 0.0
            if isinstance(part, (nn.MultiheadAttention, nn.RNNBase)):
                part.dropout = 0.0
        module.train()
    net = hg.from_torch(module)
    leaf = torch.tensor(x, requires_grad=own is not WORDS)
    wanted = outcome(module, leaf)
    dout = np.random.default_rng(1).normal(size=wanted.shape)
    wanted.backward(torch.tensor(dout))
    got = net.forward(x)
    np.testing.assert_allclose(got, wanted.detach(), rtol=1e-12, atol=1e-12)
    dx = net.backward(dout)
    if own is not WORDS:
        np.testing.assert_allclose(dx, leaf.grad, rtol=1e-12, atol=1e-12)
    grads = net.bind(
        {k: dict(zip(net.parameters(), grads_of(net), strict=True))[k] for k in net.parameters()}
    )
    theirs = hg.to_torch_state(grads)
    for key, p in module.named_parameters():
        if "bias_hh" in key and "GRU" not in name:
            continue  # ours is one array, the sum
        np.testing.assert_allclose(theirs[key], p.grad, rtol=1e-12, atol=1e-12, err_msg=key)
    if mode == "training":
        states = hg.to_torch_state(net)
        for key, b in module.named_buffers():
            if b.dtype.is_floating_point:
                np.testing.assert_allclose(states[key], b, rtol=1e-12, atol=1e-12)


def grads_of(net):
    return [layer.grads[key] for _, layer, key in net._entries("params")]


@pytest.mark.parametrize("name", MODULES)
def test_and_back(name):
    make, own = MODULES[name]
    module, other, x = drawn(make), make().double().eval(), torch.tensor(inputs(own))
    state = hg.to_torch_state(hg.from_torch(module))
    other.load_state_dict({key: torch.tensor(p) for key, p in state.items()})
    torch.testing.assert_close(outcome(other, x), outcome(module, x), rtol=1e-12, atol=1e-12)


def test_files_with_their_names(tmp_path):
    make, own = MODULES["Sequential"]
    module, x = drawn(make), inputs(own)
    safetensors_torch = pytest.importorskip("safetensors.torch")
    safetensors_torch.save_file(module.state_dict(), tmp_path / "theirs.safetensors")
    net = hg.from_torch(make().double())
    hg.load(net.evaluate(), tmp_path / "theirs.safetensors", names="torch")
    np.testing.assert_allclose(net(x), module(torch.tensor(x)).detach(), rtol=1e-12, atol=1e-12)
    hg.save(net, tmp_path / "ours.safetensors", names="torch")
    found = load_file(tmp_path / "ours.safetensors")
    wanted = {k: v.numpy() for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    assert found.keys() == wanted.keys()
    for key, p in wanted.items():
        np.testing.assert_array_equal(found[key], p)


class Mine(Layer):
    """A layer of a user's, with PyTorch's sublayers by the same names."""

    def __init__(self):
        self.first, self.blocks = Affine(D, 4), [Affine(4, 4), Affine(4, 4)]
        self.params = {"scale": np.ones(4, np.float32)}

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = x + hg.tanh(block(x))
        return x * self.params["scale"]


class Theirs(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.scale = nn.Linear(D, 4), nn.Parameter(torch.full((4,), 2.0))
        self.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = x + torch.tanh(block(x))
        return x * self.scale


def test_a_network_of_ones_own_is_filled_by_names():
    theirs, mine, x = Theirs(), Mine(), inputs(ROWS).astype("f")
    hg.load_torch_state(mine, theirs.state_dict())
    np.testing.assert_allclose(mine(x), theirs(torch.tensor(x)).detach(), rtol=1e-6, atol=1e-6)
    theirs.load_state_dict({k: torch.tensor(v) for k, v in hg.to_torch_state(mine).items()})


def test_all_that_there_is_no_layer_for_is_named():
    module = nn.Sequential(
        nn.Linear(2, 2),
        nn.Hardtanh(),
        nn.Sequential(Theirs(), nn.LSTM(2, 2, proj_size=1)),
        nn.Conv2d(1, 1, 3, padding_mode="circular"),
    )
    with pytest.raises(TypeError) as caught:
        hg.from_torch(module)
    for said in ("Hardtanh at '1', which has no layer", "Theirs at '2.0', which has a forward of its own",
                 "LSTM at '2.1', which has proj_size=1", "Conv2d at '3', which has padding_mode='circular'",
                 "hg.load_torch_state"):  # fmt: skip
        assert said in str(caught.value)


def test_weights_that_do_not_fit_are_all_named():
    net = Sequential(Affine(2, 3, seed=0), Affine(3, 1, seed=0))
    before = {k: p.copy() for k, p in net.parameters().items()}
    shapes = {"0.weight": (2, 3), "0.bias": 3, "1.weight": (1, 3), "2.bias": 1}
    state = {name: np.zeros(own) for name, own in shapes.items()}
    with pytest.raises(ValueError) as caught:
        hg.load_torch_state(net, state)
    for said in ("missing 1.bias", "unknown 2.bias", "0.weight has shape (2, 3), and 0.W takes (3, 2)"):
        assert said in str(caught.value)
    assert all((net.parameters()[k] == p).all() for k, p in before.items())


def test_halves_and_float32():
    module = nn.Linear(3, 2).bfloat16()
    net = hg.from_torch(module)
    assert net.parameters()["W"].dtype == np.float32
    np.testing.assert_array_equal(net.parameters()["W"].T, module.weight.detach().float())
    with pytest.raises(ValueError, match='names is "handgrad" or "torch"'):
        hg.save(net, "nowhere", names="keras")
