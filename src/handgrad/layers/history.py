"""What a layer remembers of its forwards, so that its backwards can answer them."""

from __future__ import annotations

import collections
from typing import Any

LIMIT = 256


class History:
    """The last forwards, answered last first; when all are answered, the last answer is given again.

    At most ``LIMIT`` are kept, so that forwards alone do not fill the memory.
    """

    def __init__(self) -> None:
        self.kept: collections.deque = collections.deque(maxlen=LIMIT)
        self.dropped = 0
        self.last: Any = None

    def push(self, remembered: Any) -> None:
        if not self.kept:
            self.dropped = 0
        self.dropped += len(self.kept) == LIMIT
        self.kept.append(remembered)

    def pop(self, layer: str) -> Any:
        """What the next backward answers.

        Raises:
            RuntimeError: nothing was passed forward, or it is no longer kept.
        """
        if self.kept:
            self.last = self.kept.pop()
        elif self.dropped:
            raise RuntimeError(
                f"{layer}: {LIMIT + self.dropped} forwards came before this backward, and the last {LIMIT} "
                f"are kept, which are all answered; call backward more often, or use vjp"
            )
        if self.last is None:
            raise RuntimeError(f"{layer}: backward before any forward; call forward(x) first")
        return self.last
