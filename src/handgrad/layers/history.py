"""What a layer remembers of its forwards, so that its backwards can answer them."""

from __future__ import annotations

import collections
import warnings
from typing import Any

from handgrad.arrays import Recorded
from handgrad.tree import leaves

LIMIT = 256  # forwards
MOST_BYTES = 2**26  # of arrays that they keep


class History:
    """The last forwards, answered last first; when all are answered, the last answer is given again.

    At most ``limit`` are kept, and ``MOST_BYTES`` but for the last, so that forwards alone do not fill the
    memory; a warning says so when the first is dropped, unless forwards alone are usual. A copy or a pickle
    of a layer begins with none.
    """

    def __init__(self, limit: int = LIMIT, warns: bool = True) -> None:
        self.limit, self.warns = limit, warns
        self.kept: collections.deque[tuple[Any, int]] = collections.deque()
        self.held = 0  # bytes
        self.dropped = 0
        self.has_warned = False
        self.last: Any = None

    def __reduce__(self) -> tuple:
        return History, (self.limit, self.warns)

    def push(self, remembered: Any, held: int, layer: str) -> None:
        """Keep what the backward of one forward needs, ``held`` bytes."""
        if not self.kept:
            self.dropped = 0
        self.kept.append((remembered, held))
        self.held += held
        while len(self.kept) > 1 and (len(self.kept) > self.limit or self.held > MOST_BYTES):
            self.held -= self.kept.popleft()[1]
            self.dropped += 1
        if self.dropped and self.warns and not self.has_warned:
            self.has_warned = True
            warnings.warn(
                f"{layer}: {self.dropped + len(self.kept)} forwards wait for their backward, and only the "
                f"last {len(self.kept)} are kept; where no backward follows, call the layer itself, "
                f"layer(x), which keeps nothing",
                stacklevel=4,
            )

    def pop(self, layer: str) -> Any:
        """What the next backward answers.

        Raises:
            RuntimeError: nothing was passed forward, or it is no longer kept.
        """
        if self.kept:
            self.last, held = self.kept.pop()
            self.held -= held
        elif self.dropped:
            raise RuntimeError(
                f"{layer}: this backward answers a forward that is no longer kept, since {self.dropped} "
                f"waited too long; call backward more often, or use vjp"
            )
        if self.last is None:
            raise RuntimeError(f"{layer}: backward before any forward; call forward first")
        return self.last


def graph_bytes(outputs: Any) -> int:
    """The bytes of all arrays that the graph behind these outputs keeps, each once."""
    sizes: dict[int, int] = {}
    seen: set[int] = set()
    waiting = [x for x in leaves(outputs) if isinstance(x, Recorded)]
    while waiting:
        x: Any = waiting.pop()
        base = x.value if getattr(x.value, "base", None) is None else x.value.base
        sizes[id(base)] = getattr(base, "nbytes", 0)
        if id(x.node) not in seen:
            seen.add(id(x.node))
            waiting.extend(v for v in leaves(x.node.inputs) if isinstance(v, Recorded))
    return sum(sizes.values())
