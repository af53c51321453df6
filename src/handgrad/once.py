"""Attributes that are computed when they are first asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from functools import cached_property as once
else:

    class once:
        """A property that is computed once, and without a lock.

        That of ``functools`` has one for all instances in Python 3.11, and holds it while it computes: a
        process that is forked meanwhile never gets it.
        """

        def __init__(self, compute: Any):
            self.compute = compute
            self.__doc__ = compute.__doc__

        def __set_name__(self, owner: Any, name: str) -> None:
            self.name = name

        def __get__(self, instance: Any, owner: Any = None) -> Any:
            if instance is None:
                return self
            made = instance.__dict__[self.name] = self.compute(instance)
            return made
