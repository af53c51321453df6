"""What a form of target is: whose backward, how it is called, which arrays are its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from handgrad.checking.subject import Subject, label


@dataclass(frozen=True)
class Asked:
    """What a caller says of his target beside its inputs."""

    adapter: Callable | None = None
    methods: tuple[str, str] | None = None  # the names of an object's forward and backward


class CannotCall(TypeError):
    """How the author's code is to be called cannot be told, or it cannot be called so."""


class Form:
    """One way of writing a backward.

    A form is a class with ``of``, which takes a target that is written so, and ``subject``, which makes it
    into what the checker examines. ``FORMS`` lists them; the first that takes a target is its form.
    """

    def __init__(self, target: Any, asked: Asked):
        self.target, self.asked = target, asked

    @property
    def __name__(self) -> str:
        """How a report names the target."""
        return label(self.target)

    @classmethod
    def of(cls, target: Any, asked: Asked) -> Self | None:
        """The target in this form; None where it is not written so."""
        raise NotImplementedError

    @property
    def author(self) -> Callable:
        """The function whose parameters are the inputs."""
        return self.target

    @property
    def skipped(self) -> int:
        """How many leading parameters of ``author`` are no inputs: ctx."""
        return 0

    @property
    def arrays(self) -> list[Any]:
        """The arrays that it holds: what tells the sizes of its inputs."""
        return []

    def subject(self, inputs: tuple, options: dict) -> Subject:
        """What the checker examines.

        Raises:
            CannotCall: it cannot be told how the backward is to be called.
            TypeError: the forward does not return what it should.
        """
        raise NotImplementedError
