"""Which gradient goes with which input: by place, by key, or by what a return statement calls it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad.arrays import is_floating
from handgrad.checking.forms.calling import LABELS, returned_names
from handgrad.checking.subject import Unfit, counted
from handgrad.tree import leaves, tree_map


def gradient_names(name: str) -> tuple[str, ...]:
    """What people call the gradient of ``name``."""
    bare = name.lstrip("_")
    return (f"d{bare}", f"d_{bare}", f"grad_{bare}", f"{bare}_grad", f"g_{bare}", f"_d{bare}", f"{bare}grad")


def in_dict(found: dict, name: str) -> Any:
    """The gradient of ``name`` in a dict, under its own name or one of those."""
    if name in found:
        return found[name]
    return next((found[key] for key in gradient_names(name) if key in found), None)


def aligned(grads: Any, tree: list[Any], names: list[str] | None = None) -> list[Any]:
    """One gradient, or None, for each leaf of the inputs.

    Raises:
        Unfit: there are not as many as inputs.
    """
    if isinstance(grads, dict) and names is not None and not _is_like_only(grads, tree):
        grads = _by_key(grads, tree, names)
    if len(tree) == 1 and not (isinstance(grads, (tuple, list)) and len(grads) == 1):
        nested = isinstance(tree[0], (list, tuple, dict))
        grads = (grads,) if nested or not isinstance(grads, (tuple, list)) else grads
    if not isinstance(grads, (tuple, list)):
        grads = (grads,)
    if len(grads) != len(tree):
        floating = [_has_floats(x) for x in tree]
        if len(grads) != sum(floating):
            raise Unfit(
                f"backward returned {counted(len(grads), 'gradient')} for {counted(len(tree), 'input')}"
            )
        given = iter(grads)
        grads = [next(given) if floats else None for floats in floating]
    return [leaf for x, dx in zip(tree, grads, strict=True) for leaf in _of_input(x, dx)]


def by_return(grads: Any, backward: Callable, names: list[str], tree: list[Any]) -> Any:
    """Fewer gradients than inputs by input, where the return statement calls each so: ``return dx, db``."""
    floating = sum(map(_has_floats, tree))
    if not isinstance(grads, (tuple, list)) or len(grads) in (len(tree), floating) or len(tree) == 1:
        return grads
    called = returned_names(backward)
    inputs = [next((n for n in names if c in gradient_names(n)), None) for c in called]
    is_known = len(inputs) == len(grads) == len({*inputs} - {None})
    return dict(zip(inputs, grads, strict=True)) if is_known else grads


def _is_like_only(grads: dict, tree: list[Any]) -> bool:
    """Whether these are the gradients of the one input, itself a dict."""
    return len(tree) == 1 and isinstance(tree[0], dict)


def _by_key(grads: dict, tree: list[Any], names: list[str]) -> list[Any]:
    found = [in_dict(grads, name) for name in names]
    for k, x in enumerate(tree):  # parameters in a dict, and their gradients in another
        if (
            found[k] is None
            and isinstance(x, dict)
            and any(in_dict(grads, str(key)) is not None for key in x)
        ):
            found[k] = grads
    if all(dx is None for dx in found):
        raise Unfit(
            f"backward returned a dict of {', '.join(map(str, grads))}, none of which is the gradient of "
            f"an input "
            f"({', '.join(names)})"
        )
    return found


def _of_input(x: Any, dx: Any) -> list[Any]:
    """The gradients of one input's leaves."""
    parts = leaves(x)
    if dx is None:
        return [None] * len(parts)
    if not isinstance(x, (list, tuple, dict)):
        return [dx]
    if isinstance(x, dict) and isinstance(dx, dict):
        return [leaf for key, inner in x.items() for leaf in _of_input(inner, in_dict(dx, str(key)))]
    if len(leaves(dx)) != len(parts):
        raise Unfit(f"backward returned {counted(len(leaves(dx)), 'gradient')} for {len(parts)} arrays")
    return leaves(dx)


def placed(grads: Any, tree: list[Any], names: list[str]) -> list[Any]:
    """``aligned``, or where there are fewer gradients than inputs, that of the one input like them.

    By their shapes if they can be, else by how they are nested; no labels.

    Raises:
        Unfit: there is no such input, or it cannot be told which of several it is.
    """
    try:
        return aligned(grads, tree, names)
    except Unfit as error:
        like = [k for k, x in enumerate(tree) if _nesting(x) == _nesting(grads) and _has_floats(x)]
        if not like:
            raise
        ranks = {k: (_shapes(tree[k]) != _shapes(grads), names[k].lower() in LABELS) for k in like}
        best = [names[k] for k in like if ranks[k] == min(ranks.values())]
        if len(best) > 1:
            raise Unfit(
                f"there is one gradient, and {' and '.join(best)} are alike: return it as d{best[-1]}, by "
                f'that name, or as {{"{best[-1]}": ...}}'
            ) from error
        whole: list[Any] = [None] * len(tree)
        whole[names.index(best[0])] = grads
        return [leaf for x, dx in zip(tree, whole, strict=True) for leaf in _of_input(x, dx)]


def _has_floats(x: Any) -> bool:
    return any(map(is_floating, leaves(x)))


def _shapes(tree: Any) -> list[tuple[int, ...]]:
    return [np.shape(x) for x in leaves(tree)]


def _nesting(tree: Any) -> Any:
    """How lists, tuples and dicts are nested, without what is in them."""
    if isinstance(tree, dict):
        return {key: _nesting(x) for key, x in tree.items()}
    return [_nesting(x) for x in tree] if isinstance(tree, (list, tuple)) else None


def are_like_an_input(grads: Any, tree: list[Any]) -> bool:
    """Whether these arrays, not only numbers, have the shapes and the nesting of one of the inputs."""
    return any(map(np.shape, leaves(grads))) and any(
        _nesting(x) == _nesting(grads) and _shapes(x) == _shapes(grads) for x in tree if _has_floats(x)
    )


def times(dout: Any, grads: Any) -> Any:
    """Gradients of a loss, which know of no dout, times it."""
    return tree_map(lambda g: None if g is None else g * dout, grads)
