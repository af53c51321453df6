"""ONNX's operators as functions of handgrad's rules, and its own node tests run on them.

Each file has the operators of a family in a ``TABLE``, by ONNX's names: functions of a node's inputs (None
where one is left out), with its attributes as keywords. What has no derivative is NumPy's own.
"""
