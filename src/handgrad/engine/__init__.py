"""Programs as native code."""

from handgrad.engine.compiled import Code
from handgrad.engine.graph import NotCompiled
from handgrad.engine.memory import side_by_side

__all__ = ["Code", "NotCompiled", "side_by_side"]
