"""Shapes as text: ``"(N, D), (D, M), (M,)"``, ``"(N,) < C"``, ``"(3, 4) > 0"``, ``"0.5, true"``.

A text is read as a template, one item an input. Named axes are sizes to be chosen, all different at
first, so that a transpose cannot hide, and then one by one of size one.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from handgrad.tree import leaves, tree_map

Axis = int | str  # a size, a name, an expression such as 2*D, or "..." for any leading axes
Sizes = dict[str, int]

# Neither 2 nor 4 at first, since 2 and √4 are also what a wrong factor may be; even where something may be
# halved: heads, groups, windows.
SIZES = (5, 3, 7, 9, 6, 8, 10, 11, 12, 13, 4, 2)
USUAL = {"D": 6, "B": 3, "C": 2, "H": 6, "W": 8, "L": 8, "F": 10}
USUAL |= dict.fromkeys(("h", "kh", "kH", "KH", "HH", "R", "K", "k"), 3)
USUAL |= dict.fromkeys(("w", "kw", "kW", "KW", "WW", "S"), 2)
USUAL |= {"KD": 4}
WORDS = {"true": True, "false": False, "True": True, "False": False, "None": None, "none": None}
MOST_EDGES = 3


@dataclass(frozen=True)
class Item:
    """One array: its axes, and what its elements are."""

    axes: tuple[Axis, ...]
    kind: str = "free"  # free, positive, below (integers), one-hot (integers), soft (rows that sum to one)
    bound: Axis = 2


@dataclass(frozen=True)
class Given:
    """A value as it stands."""

    value: Any


Template = tuple  # of Items, Givens, and lists of them


def multiplied(text: str) -> str:
    """3H and H·E as Python has them, 3*H and H*E."""
    return re.sub(r"(?<![\w.])(\d+)(?=[^\W\d_]|\()", r"\1*", text.replace("·", "*"))


def parse(text: str) -> Template:
    """The template that a text writes.

    Raises:
        ValueError: it is not one; the message says how shapes are written.
    """
    try:
        listed = ast.parse(f"[{multiplied(text)}]", mode="eval").body
        if not isinstance(listed, ast.List) or not listed.elts:
            raise TypeError
        return tuple(_item(node) for node in listed.elts)
    except (SyntaxError, TypeError, ValueError):
        raise ValueError(
            f"shapes are written like (3, 4), (N, D), (N,) < 10 for whole numbers below 10, (3, 4) > 0 for "
            f"positive ones, 0.5 or true for a number or a flag; not {text!r}"
        ) from None


def _item(node: ast.expr) -> Any:
    match node:
        case ast.Tuple(elts=elts):
            return Item(tuple(_axis(n) for n in elts))
        case ast.List(elts=elts):
            return [_item(n) for n in elts]
        case ast.Compare(left=ast.Tuple() as left, ops=[ast.Lt()], comparators=[bound]):
            return replace(_item(left), kind="below", bound=_axis(bound, least=1))
        case ast.Compare(left=ast.Tuple() as left, ops=[ast.Gt()], comparators=[ast.Constant(value=0)]):
            return replace(_item(left), kind="positive")
        case ast.Name(id=word) if word in WORDS:
            return Given(WORDS[word])
    value = ast.literal_eval(node)
    if not isinstance(value, (bool, int, float)) and value is not None:
        raise TypeError
    return Given(value)


def _axis(node: ast.expr, least: int = 0) -> Axis:
    match node:
        case ast.Constant(value=int(size)) if not isinstance(size, bool) and size >= least:
            return size
        case ast.Constant(value=value) if value is ...:
            return "..."
        case ast.Name(id=name) if name not in WORDS:
            return name
        case ast.BinOp(op=ast.Add() | ast.Sub() | ast.Mult() | ast.FloorDiv(), left=left, right=right):
            _axis(left), _axis(right)
            return ast.unparse(node)
    raise TypeError


def items(template: Any) -> list[Item]:
    return [x for x in leaves(list(template)) if isinstance(x, Item)]


def axis_names(template: Template) -> list[str]:
    """The named axes, in the order in which they appear."""
    found = [a for item in items(template) for a in item.axes]
    found += [item.bound for item in items(template) if item.kind == "below"]
    words = [word for axis in found if isinstance(axis, str) for word in re.findall(r"[^\W\d]\w*", axis)]
    return list(dict.fromkeys(words))


def sizes_of(names: list[str], taken: Collection[int] = ()) -> Sizes:
    """Sizes that are all different; the usual ones for the axes of images and kernels."""
    sizes: Sizes = {}
    for name in sorted(names, key=lambda name: name not in USUAL):
        free = [n for n in (USUAL.get(name, SIZES[0]), *SIZES) if n not in taken and n not in sizes.values()]
        sizes[name] = free[0] if free else 14 + len(sizes)
    return {name: sizes[name] for name in names}


def literal_sizes(template: Template) -> set[int]:
    return {axis for item in items(template) for axis in item.axes if isinstance(axis, int)}


def size_of(axis: Axis, sizes: Sizes) -> int:
    """An axis' size. Its text was read by ``parse``, so it is names, numbers and + - * // alone."""
    return axis if isinstance(axis, int) else eval(axis, {"__builtins__": {}}, dict(sizes))


# Drawing.

FREE: dict[str, Callable[[np.random.Generator, tuple], np.ndarray]] = {
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "unit": lambda rng, shape: rng.uniform(0.2, 0.9, shape),  # the domain of logarithms, roots and arcs
    "large": lambda rng, shape: rng.uniform(1.2, 2.5, shape),
}


def drawn(template: Template, sizes: Sizes, seed: Any, free: str = "normal") -> tuple:
    """Random inputs; ``free`` is where elements are taken from of which the text says nothing."""
    rng = np.random.default_rng(seed)
    return tuple(tree_map(lambda item: _drawn(item, sizes, rng, free), list(template)))


def _drawn(item: Item | Given, sizes: Sizes, rng: np.random.Generator, free: str) -> Any:
    if isinstance(item, Given):
        return item.value
    shape = tuple(size_of(axis, sizes) for axis in item.axes)
    match item.kind:
        case "below":
            return np.asarray(rng.integers(0, max(size_of(item.bound, sizes), 1), shape))
        case "one-hot":
            return np.eye(shape[-1], dtype=int)[rng.integers(0, shape[-1], shape[:-1])]
        case "soft":
            rows = rng.uniform(0.2, 0.9, shape)
            return rows / rows.sum(axis=-1, keepdims=True)
        case "positive":
            return np.asarray(rng.uniform(0.5, 2.0, shape))
    return np.asarray(FREE[free](rng, shape))


# Sets: at first all sizes different, then the edges.


def variants(template: Template) -> Iterator[tuple[str, Template, Sizes]]:
    """What to call it, a template without ``...``, and sizes: the one with all different sizes first."""
    lead = "N" if "N" not in axis_names(template) else "B"
    base = with_lead(template, (lead,))
    names = axis_names(base)
    sizes = sizes_of(names, literal_sizes(base))
    said = ", ".join(f"{name}={size}" for name, size in sizes.items())
    yield said or shapes_text(drawn(base, sizes, 0)), base, sizes
    first = next((item.axes[0] for item in items(base) if item.axes), None)
    for name in names[:MOST_EDGES]:
        is_batch = name == first and name in ("N", "B", "batch")
        yield f"{name}=1{' (batch of one)' if is_batch else ''}", base, sizes | {name: 1}
    if len(names) > 1:
        yield "all axes of size one", base, dict.fromkeys(names, 1)
    if base != template:
        for words, axes in (("no leading axes", ()), ("two leading axes", (lead, "T"))):
            other = with_lead(template, axes)
            yield words, other, sizes_of(axis_names(other), literal_sizes(other))


def with_lead(template: Template, lead: tuple[str, ...]) -> Template:
    """The template with these axes in place of ``...``."""

    def expanded(item: Any) -> Any:
        if not isinstance(item, Item):
            return item
        parts = [lead if axis == "..." else (axis,) for axis in item.axes]
        return replace(item, axes=tuple(axis for part in parts for axis in part))

    return tuple(tree_map(expanded, list(template)))


def shapes_text(inputs: Any) -> str:
    """The shapes of inputs, as they are written: ``(3, 4), [(2, 3), (1, 3)], 0.5``."""

    def text(x: Any) -> str:
        if isinstance(x, (list, tuple)):
            return f"[{', '.join(map(text, x))}]"
        return str(tuple(x.shape)) if hasattr(x, "shape") else repr(x)

    return ", ".join(map(text, inputs))


def from_shapes(text: str, seed: int = 0) -> list[Any]:
    """Random inputs of the shapes that a text writes, such as ``"(3, 4), (4, 5), (5,)"``.

    Named axes, ``"(N, D), (D, M)"``, get sizes that are all different; ``"(N,) < 10"`` are whole numbers
    from 0 to 9 (labels, indices), ``"(N,) < C"`` as many as C is large; ``"(3, 4) > 0"`` is positive;
    ``0.5``, ``true`` and ``false`` are themselves; ``...`` are any leading axes; brackets make a list.

    Raises:
        ValueError: the text is not a list of shapes.

    Examples:
        >>> x, t = hg.checking.from_shapes("(N, C), (N,) < C")
        >>> x.shape[0] == len(t), bool((t < x.shape[1]).all())
        (True, True)
    """
    return list(sets_from_shapes(text, seed)[0][1])


def sets_from_shapes(text: str, seed: int = 0) -> list[tuple[str, tuple]]:
    """Several sets of inputs with what to call each: with named axes the edge shapes too, else one.

    Raises:
        ValueError: the text is not a list of shapes.
    """
    found = []
    for number, (said, template, sizes) in enumerate(variants(parse(text))):
        found.append((said, drawn(template, sizes, [seed, number])))
    return found
