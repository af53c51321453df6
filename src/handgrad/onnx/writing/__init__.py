"""Programs as models of ONNX: a function for each of their operations, which writes nodes."""
