"""Any other processor that LLVM knows: what all of them have."""

from __future__ import annotations

from handgrad.engine.targets.target import Target

LEVELS = [Target("generic", "generic", "", vector_bytes=16, registers=16)]
