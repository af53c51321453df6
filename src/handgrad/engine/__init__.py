"""Programs as native code: ``compile`` for functions, ``Code`` for programs."""

from handgrad.engine.compile import Compiled, compile
from handgrad.engine.compiled import Code, NotCompiledWarning
from handgrad.engine.fusion import is_better_turned
from handgrad.engine.graph import NotCompiled
from handgrad.engine.memory import side_by_side

__all__ = [
    "Code",
    "Compiled",
    "NotCompiled",
    "NotCompiledWarning",
    "compile",
    "is_better_turned",
    "side_by_side",
]
