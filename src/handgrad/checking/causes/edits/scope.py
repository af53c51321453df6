"""What the names in a function held when it ran."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np


@dataclass
class Scope:
    """The names that an edit may put to use."""

    values: dict[str, Any] = field(default_factory=dict)
    douts: frozenset[str] = frozenset()  # names that hold dout
    inputs: frozenset[str] = frozenset()  # names of inputs
    grads: frozenset[str] = frozenset()  # names that hold what is returned
    sizes: tuple[int, ...] = ()  # of axes

    def held(self, node: ast.AST) -> Any:
        return self.values.get(ast.unparse(node))

    def shape(self, node: ast.AST) -> tuple[int, ...] | None:
        value = self.held(node)
        return np.shape(value) if is_array(value) else None

    def numbers(self) -> set[float]:
        """The numbers in reach that are no sizes."""
        return {float(v) for _, v in self.names() if isinstance(v, float)}

    def names(self) -> Iterator[tuple[str, Any]]:
        """Arrays and numbers in reach."""
        for name, value in self.values.items():
            if is_array(value) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
                yield name, value


def is_array(value: Any) -> TypeGuard[Any]:
    return isinstance(getattr(value, "shape", None), tuple) and hasattr(value, "dtype")


def is_mask(value: Any) -> bool:
    return is_array(value) and str(value.dtype).endswith("bool")


def nearly(a: Any, b: Any) -> bool:
    """Whether two arrays differ by rounding only, and do differ."""
    try:
        a, b = np.asarray(a, float), np.asarray(b, float)
    except Exception:
        return False
    return bool(a.shape == b.shape and np.allclose(a, b, rtol=1e-2, atol=1e-3) and not np.array_equal(a, b))
