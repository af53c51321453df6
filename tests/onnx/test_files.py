"""Models of others, read as layers: what onnxruntime makes of them, and their gradients."""

from __future__ import annotations

import numpy as np
import pytest

import handgrad as hg

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnxruntime

from tests.onnx import files

onnxruntime.set_default_logger_severity(4)
QUICK = ("squeezenet", "shufflenet", "silero", "sigmoid", "mul_1", "magika", "model", "nmp", "cls_infer")


def mark(path):
    is_quick = any(word in path.stem for word in QUICK)
    return pytest.param(path, id=path.stem, marks=[] if is_quick else [pytest.mark.slow])


def compared(net, session, name=""):
    """The largest difference of their outputs, relative to the largest number in each."""
    xs = files.inputs(session, name)
    wanted = session.run(None, xs)
    with np.errstate(all="ignore"):
        got = net(**xs)
    worst = 0.0
    for a, b in zip(got if isinstance(got, tuple) else (got,), wanted, strict=True):
        assert np.shape(a) == np.shape(b)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(np.isfinite(a), np.isfinite(b))
        there = np.isfinite(b)
        difference = np.abs(np.asarray(a, "d") - np.asarray(b, "d"))[there]
        worst = max(
            worst, np.max(difference, initial=0) / (1 + np.max(np.abs(np.asarray(b, "d")[there]), initial=0))
        )
    return worst


@pytest.mark.parametrize("path", [mark(p) for p in files.light()])
def test_known_networks_for_images(path):
    data = files.with_weights(path)
    net = hg.from_onnx(data)
    assert len(net.parameters()) > 10
    assert compared(net, onnxruntime.InferenceSession(data)) < 1e-5


@pytest.mark.parametrize("path", [mark(p) for p in files.trained()])
def test_trained_networks(path):
    session = onnxruntime.InferenceSession(str(path))
    assert compared(hg.from_onnx(path), session, path.stem) < 1e-5


def test_what_pytorch_exported():
    compare, others = 0, []
    for path in files.small():
        net = hg.from_onnx(path)  # each of them is read
        try:
            session = onnxruntime.InferenceSession(str(path))
        except Exception:  # of an opset that onnxruntime has no more
            others.append(path)
            continue
        assert compared(net, session) < 1e-5, path
        compare += 1
    assert compare >= 80
    assert len(others) < compare


def test_there_are_as_many_as_are_asked_for():
    assert len(files.light()) + len(files.trained()) >= 15
