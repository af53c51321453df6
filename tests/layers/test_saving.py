import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Affine, Layer, Sequential, load, mlp, save


class Scale(Layer):
    """A parameter and a state without axes, another of integers, one that is not contiguous."""

    def __init__(self, seed):
        rng = np.random.default_rng(seed)
        self.params = {"scale": np.asarray(rng.random()), "W": rng.random((3, 2)).T}
        self.state = {
            "count": np.asarray(seed),
            "flags": rng.random(3) > 0.5,
            "swapped": rng.random(2).astype(">f8"),
        }

    def forward(self, x):
        return x * self.params["scale"]


def made(seed):
    return Sequential(mlp([4, 3, 2], batch_norm=True, dropout=0.5, seed=seed), [Scale(seed)][0])


def test_a_network_comes_back_to_the_bit(tmp_path):
    net, other = made(0), made(1)
    save(net, tmp_path / "net.safetensors")
    assert load(other, str(tmp_path / "net.safetensors")) is other
    for mine, theirs in [(net.parameters(), other.parameters()), (net.states(), other.states())]:
        assert list(mine) == list(theirs)
        for name, x in mine.items():
            assert theirs[name].shape == x.shape
            np.testing.assert_array_equal(theirs[name], x)
    x = np.random.default_rng(0).random((5, 4), "f")
    np.testing.assert_array_equal(net.evaluate()(x), other.evaluate()(x))
    assert hg.grad(lambda p: hg.sum(other.bind(p)(x)))(other.parameters()).keys() == net.parameters().keys()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (lambda: mlp([4, 3, 3], seed=0), r"3\.W is float32 \(3, 2\), the network's is float32 \(3, 3\)"),
        (lambda: mlp([4, 3, 2], seed=0, dtype=np.float64), r"1\.W is float32 \(4, 3\), .* float64 \(4, 3\)"),
        (lambda: mlp([4, 3, 3, 2], seed=0), r"missing 5\.W, 5\.b"),
        (lambda: mlp([4, 2], seed=0), r"unknown 3\.W, 3\.b"),
        (lambda: Affine(4, 3, seed=0), r"missing W, b; unknown 1\.W"),
    ],
)
def test_another_network_s_file_changes_nothing(tmp_path, other, said):
    save(mlp([4, 3, 2], seed=0), tmp_path / "net")
    net = other()
    before = dict(net.parameters())
    with pytest.raises(ValueError, match=said):
        load(net, tmp_path / "net")
    assert all(net.parameters()[name] is p for name, p in before.items())


@pytest.mark.parametrize("content", [b"", b"x" * 100, b"\x02\x00\x00\x00\x00\x00\x00\x00[]"])
def test_a_damaged_file_is_named(tmp_path, content):
    (tmp_path / "net").write_bytes(content)
    with pytest.raises(ValueError, match="net is no file of arrays, or damaged"):
        load(mlp([4, 2]), tmp_path / "net")
    with pytest.raises(FileNotFoundError):
        load(mlp([4, 2]), tmp_path / "nowhere")


class Twice(Layer):
    def __init__(self):
        self.params, self.state = {"a": np.ones(2)}, {"a": np.ones(2)}


def test_what_cannot_be_saved_is_refused(tmp_path):
    with pytest.raises(ValueError, match="a is a parameter and a state"):
        save(Twice(), tmp_path / "net")
    with pytest.raises(ValueError, match="nothing to save"):
        save(hg.layers.ReLU(), tmp_path / "net")
    odd = Scale(0)
    odd.state["name"] = np.array(["x"])
    with pytest.raises(TypeError, match="name is of <U1"):
        save(odd, tmp_path / "net")
    assert not list(tmp_path.iterdir())
