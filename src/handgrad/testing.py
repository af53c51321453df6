"""Backward passes in tests: ``assert_gradients``, also as a fixture of pytest by that name."""

from __future__ import annotations

from typing import Any

from handgrad.checking import Report

__all__ = ["assert_gradients"]


def assert_gradients(
    target: Any,
    *inputs: Any,
    spec: str | None = None,
    seed: int = 0,
    loss: Any = None,
    budget: float | None = None,
    **options: Any,
) -> Report:
    """Assert that a backward pass is right; the message of the error says what is wrong with it.

    Args:
        target: what ``handgrad.check`` takes: a rule, a layer, a torch.autograd.Function, ...
        inputs: what to check it with. Without any, they are made: from ``spec``, the target's annotations or
            its docstring, or by trying; edge shapes included.
        spec: shapes, as of ``handgrad check --inputs``: ``"(N, D), (D, M), (N,) < 10"``.
        seed, loss, budget, options: as of ``handgrad.check``.

    Returns:
        the report, of the first set of inputs where several were made.

    Raises:
        AssertionError: the backward is wrong, or it cannot be told; the message is the whole report.
        ValueError: no inputs were found, or ``spec`` does not fit.
        TypeError: the target is nothing that can be checked; inputs as well as ``spec``.

    Examples:
        >>> from handgrad.testing import assert_gradients
        >>> assert_gradients(hg.affine, spec="(N, D), (D, M), (M,)").ok
        True
    """
    __tracebackhide__ = True
    from handgrad.checking.inputs import made_for
    from handgrad.checking.several import check_all

    if inputs and spec is not None:
        raise TypeError("give inputs or spec, not both")
    sets = [("these inputs", inputs)] if inputs else made_for(target, spec, seed, loss)
    found = check_all(target, sets, budget, seed=seed, loss=loss, **options)
    if found.ok is not True:
        raise AssertionError(str(found))
    return found.report
