"""Models of others, as they lie in installed packages, with weights and inputs to run them on."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper

VOICE = {"input": (1, 576), "state": (2, 1, 128), "sr": 16000}
SIZES: dict[str, dict[str, Any]] = {  # of inputs whose sizes are free
    "ch_ppocr_mobile_v2.0_cls_infer": {"x": (2, 3, 48, 192)},
    "ch_PP-OCRv4_rec_infer": {"x": (1, 3, 48, 64)},
    "ch_PP-OCRv4_det_infer": {"x": (1, 3, 64, 64)},
}
ENDS = {"bytes": 256}  # of whole numbers that are drawn, where they are more than 0 to 2
PACKAGES = [
    "silero-vad",
    "onnxruntime",
    "rapidocr-onnxruntime",
    "basic-pitch",
    "magika",
    "brainmaze-eeg-models",
]
NOT_SOUND = {"logreg_iris": "12 coefficients of 3 classes for 2 features, of which onnxruntime reads 6"}


def light() -> list[Path]:
    """Known networks for images, whose weights are all of one number."""
    return sorted((Path(onnx.__file__).parent / "backend/test/data/light").glob("*.onnx"))


def small() -> list[Path]:
    """Those that PyTorch's exporter was tested with."""
    return sorted((Path(onnx.__file__).parent / "backend/test/data").glob("pytorch-*/*/model.onnx"))


def trained() -> list[Path]:
    """Trained networks in the packages that are here."""
    found: list[Path] = []
    for package in PACKAGES:
        try:
            files = importlib.metadata.files(package) or ()
        except importlib.metadata.PackageNotFoundError:
            continue
        found += [Path(str(f.locate())) for f in files if f.suffix == ".onnx" and f.stem not in NOT_SOUND]
    return found


def with_weights(path: Path) -> bytes:
    """A light network with weights that are drawn, in the place of those of one number."""
    model, r = onnx.load(str(path)), np.random.default_rng(0)
    sizes = {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}
    for node in [n for n in model.graph.node if n.op_type == "ConstantOfShape"]:
        own = tuple(int(n) for n in sizes[node.input[0]])
        drawn = (
            r.normal(size=own) * np.sqrt(2 / max(np.prod(own[1:]), 1))
            if len(own) > 1
            else r.random(own) + 0.5
        )
        model.graph.initializer.append(numpy_helper.from_array(drawn.astype("f"), node.output[0]))
        model.graph.node.remove(node)
    return bytes(model.SerializeToString())


def inputs(session: Any, name: str = "", free: int = 2) -> dict[str, Any]:
    """Drawn inputs of a session, by name."""
    r, made = np.random.default_rng(0), {}
    kinds = {"tensor(double)": "d", "tensor(float16)": "e"}
    for x in session.get_inputs():
        own = SIZES.get(name, VOICE if "silero" in name and "16k_s" not in name else {}).get(x.name)
        own = own or tuple(n if isinstance(n, int) and n > 0 else free for n in x.shape)
        if isinstance(own, int):
            made[x.name] = np.array(own)
        elif "int" in x.type:
            made[x.name] = r.integers(0, ENDS.get(x.name, 3), size=own).astype(
                "i4" if "int32" in x.type else "i8"
            )
        elif "bool" in x.type:
            made[x.name] = r.random(own) < 0.5
        elif "string" not in x.type:
            made[x.name] = r.normal(size=own).astype(kinds.get(x.type, "f"))
    return made
