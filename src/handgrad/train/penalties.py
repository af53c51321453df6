"""Penalties on parameters: functions of all parameters by dotted name, added to the loss of each step."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any

from handgrad import rules
from handgrad.optim.checks import checked_number

Penalty = Callable[[dict[str, Any]], Any]


@dataclasses.dataclass(frozen=True)
class _Norm:
    weight: float
    pattern: str = "*"

    def __post_init__(self) -> None:
        checked_number(f"{type(self).__name__}: weight", self.weight)

    def __call__(self, params: dict[str, Any]) -> Any:
        chosen = [p for name, p in params.items() if fnmatchcase(name, self.pattern)]
        if not chosen:
            raise ValueError(
                f"{self!r}: no parameter has such a name; there are {', '.join(params)}, and * stands for "
                f"any part of a name"
            )
        return self.weight * sum(self.of(p) for p in chosen)

    def of(self, p: Any) -> Any:
        raise NotImplementedError


class l2(_Norm):
    """weight · Σ p² over the parameters whose dotted name fits ``pattern``: ``l2(1e-4, "*.W")``.

    Its gradient is 2·weight·p.

    Raises:
        ValueError: a negative weight; or (when called) no name fits.

    Examples:
        >>> penalty = hg.train.l2(0.5, "*W")
        >>> print(penalty({"0.W": np.array([3.0, -4.0]), "0.b": np.array([9.0])}))  # 0.5·25
        12.5
    """

    def of(self, p: Any) -> Any:
        return rules.sum(p * p)


class l1(_Norm):
    """weight · Σ |p| over the parameters whose dotted name fits ``pattern``.

    Its gradient is weight·sign(p), 0 at 0.

    Raises:
        ValueError: a negative weight; or (when called) no name fits.

    Examples:
        >>> penalty = hg.train.l1(0.5, "*W")
        >>> print(penalty({"0.W": np.array([3.0, -4.0]), "0.b": np.array([9.0])}))  # 0.5·7
        3.5
    """

    def of(self, p: Any) -> Any:
        return rules.sum(rules.abs(p))
