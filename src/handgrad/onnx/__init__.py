"""Models of ONNX: read as layers (``from_onnx``), and written of any function of rules (``to_onnx``)."""

from importlib.util import find_spec

if find_spec("onnx") is None:
    raise ImportError('models of ONNX need onnx: pip install "handgrad[onnx]"')

from handgrad.onnx.graph import OnnxError
from handgrad.onnx.model import OnnxNetwork, from_onnx
from handgrad.onnx.writing.model import to_onnx

__all__ = ["OnnxError", "OnnxNetwork", "from_onnx", "to_onnx"]
