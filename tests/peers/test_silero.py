"""A trained network of others, silero-vad: its weights in our rules give what onnxruntime makes of them."""

import importlib.metadata

import numpy as np
import pytest
from safetensors.numpy import load_file

import handgrad as hg
from handgrad.arrays import xp

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

try:
    FILES = {file.name: file.locate() for file in importlib.metadata.files("silero-vad") or ()}
except importlib.metadata.PackageNotFoundError:
    pytest.skip("silero-vad is not installed", allow_module_level=True)

CONTEXT, STEP = 64, 512  # samples of the last chunk, and of a chunk


@pytest.fixture(scope="module")
def weights():
    return load_file(FILES["silero_vad_16k.safetensors"])


@pytest.fixture(scope="module")
def session(weights):
    """The network as ONNX has it, with these weights: those that come with it are of another training."""
    model = onnx.load(str(FILES["silero_vad_16k_op15.onnx"]))
    named = {"stft.forward_basis_buffer": "stft_conv.weight"}
    for part in ("weight", "bias"):
        named |= {f"encoder.{i}.reparam_conv.{part}": f"conv{i + 1}.{part}" for i in range(4)}
        named |= {f"decoder.rnn.{part}_{way}": f"lstm_cell.{part}_{way}" for way in ("ih", "hh")}
        named[f"decoder.decoder.2.{part}"] = f"final_conv.{part}"
    for array in model.graph.initializer:
        if array.name.removeprefix("model.") in named:
            w = weights[named.pop(array.name.removeprefix("model."))]
            assert list(w.shape) == list(array.dims)
            array.CopyFrom(onnx.numpy_helper.from_array(w, array.name))
    assert not named
    return onnxruntime.InferenceSession(model.SerializeToString())


def voice_activity(p, x, h, c):
    """Whether there is speech in a chunk: x (N, 576), h and c (N, 128) -> (N, 1), h, c."""
    x = hg.pad(x, ((0, 0), (0, 64)), "reflect")
    x = hg.conv1d(xp.expand_dims(x, axis=1), p["stft_conv.weight"], stride=128)
    x = hg.sqrt(x[:, :129] ** 2 + x[:, 129:] ** 2)  # (N, 129, 4), a spectrum
    for name, stride in {"conv1": 1, "conv2": 2, "conv3": 2, "conv4": 1}.items():
        x = hg.relu(hg.conv1d(x, p[f"{name}.weight"], p[f"{name}.bias"], stride=stride, padding=1))
    W, U, b, d = (p[f"lstm_cell.{name}"] for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"))
    h, c = hg.lstm_step(x[:, :, 0], h, c, W, U, b + d)
    y = hg.conv1d(xp.expand_dims(hg.relu(h), axis=2), p["final_conv.weight"], p["final_conv.bias"])
    return hg.sigmoid(y[:, :, 0]), h, c


def spoken(n=12):
    """Chirps and noise, in chunks with what came before."""
    r = np.random.default_rng(0)
    t = np.arange(n * STEP) / 16000
    sound = 0.3 * np.sin(2 * np.pi * (200 + 900 * t) * t) * (np.sin(9 * t) > 0) + 0.02 * r.normal(size=t.size)
    sound = np.concatenate([np.zeros(CONTEXT), sound]).astype(np.float32)
    return [sound[None, i : i + CONTEXT + STEP] for i in range(0, n * STEP, STEP)]


@pytest.mark.parametrize("way", ["eager", "compiled"])
def test_it_hears_what_onnxruntime_hears(weights, session, way):
    f = hg.compile(voice_activity) if way == "compiled" else voice_activity
    state = np.zeros((2, 1, 128), np.float32)
    h = c = np.zeros((1, 128), np.float32)
    heard = []
    for x in spoken():
        wanted, state = session.run(None, {"input": x, "state": state, "sr": np.array(16000)})
        y, h, c = f(weights, x, h, c)
        np.testing.assert_allclose(y, wanted, atol=1e-5)
        np.testing.assert_allclose(np.stack([h, c]), state, atol=1e-5)
        heard.append(float(y[0, 0]))
    assert max(heard) - min(heard) > 0.01  # it does hear something


def test_it_can_be_trained_further(weights):
    """Gradients by all its weights, in float64, against differences."""
    p = {name: w.astype(np.float64) for name, w in weights.items()}
    r = np.random.default_rng(0)
    x, h, c = spoken()[3].astype(np.float64), r.normal(size=(1, 128)), r.normal(size=(1, 128))
    loss = lambda p: hg.sum(hg.log(voice_activity(p, x, h, c)[0]))  # noqa: E731
    grads = hg.grad(loss)(p)
    for name in p:
        v = r.normal(size=p[name].shape)
        v /= np.linalg.norm(v)
        moved = [loss({**p, name: p[name] + e * v}) for e in (1e-5, -1e-5)]
        slope = (moved[0] - moved[1]) / 2e-5
        np.testing.assert_allclose(np.sum(grads[name] * v), slope, rtol=1e-5, atol=1e-8)
