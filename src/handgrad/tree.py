"""Nested lists, tuples and dicts of arrays: taken apart to leaves, and put together again.

Everything that is not a list, a tuple or a dict is a leaf. Dicts keep their own order, named
tuples their type.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any


def leaves(tree: Any) -> list[Any]:
    """The leaves, left to right."""
    if not isinstance(tree, (list, tuple, dict)):
        return [tree]
    found: list[Any] = []
    _gather(tree, found)
    return found


def _gather(tree: Any, found: list[Any]) -> None:
    for branch in tree.values() if isinstance(tree, dict) else tree:
        if isinstance(branch, (list, tuple, dict)):
            _gather(branch, found)
        else:
            found.append(branch)


def named_leaves(tree: Any, name: str) -> Iterator[tuple[str, Any]]:
    """The leaves with their dotted names: ``name.0.key`` is ``tree[0]["key"]``."""
    if not isinstance(tree, (list, tuple, dict)):
        yield name, tree
        return
    for key, branch in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield from named_leaves(branch, f"{name}.{key}")


def rebuild(tree: Any, new_leaves: Iterator[Any]) -> Any:
    """A tree of the same structure, its leaves drawn from ``new_leaves`` in order."""
    if isinstance(tree, dict):
        return {key: rebuild(branch, new_leaves) for key, branch in tree.items()}
    if isinstance(tree, (list, tuple)):
        branches = [rebuild(branch, new_leaves) for branch in tree]
        return type(tree)(*branches) if hasattr(tree, "_fields") else type(tree)(branches)
    return next(new_leaves)


def unflatten(tree: Any, new_leaves: list[Any]) -> Any:
    """``rebuild`` from a list, which must hold exactly as many leaves as ``tree``."""
    return rebuild(tree, iter(new_leaves))


def tree_map(f: Callable[..., Any], tree: Any, *rest: Any) -> Any:
    """``f`` applied to each leaf of ``tree``, with the leaves at the same places of ``rest``."""
    columns = zip(leaves(tree), *(leaves(other) for other in rest), strict=True)
    return unflatten(tree, [f(*column) for column in columns])
