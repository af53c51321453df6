"""Programs as native code."""

from handgrad.engine.compiled import Code, aligned_like
from handgrad.engine.graph import NotCompiled

__all__ = ["Code", "NotCompiled", "aligned_like"]
