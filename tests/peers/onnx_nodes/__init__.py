"""ONNX's own node tests, run on its operators as functions of rules (``handgrad.onnx.operators``)."""
