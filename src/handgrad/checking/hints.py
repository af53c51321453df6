"""What the author of a target says of its inputs: their names, annotations, and shapes in the docstring."""

from __future__ import annotations

import ast
import contextlib
import inspect
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from handgrad.checking.forms.names import is_layer
from handgrad.checking.specs import Given, Item, parse
from handgrad.checking.subject import label
from handgrad.checking.targets import form_of
from handgrad.rules.rule import Rule, without_examples

LABELS = "t target targets label labels y_true truth".split()


def _signature(target: Any) -> list[inspect.Parameter] | None:
    """Positional parameters of the author's function that must be given; None if it takes any number."""
    form = form_of(target)
    try:
        parameters = list(inspect.signature(form.author).parameters.values())[form.skipped :]
    except (TypeError, ValueError):
        return None
    if isinstance(target, Rule):
        missing = [p.name for p in parameters if p.default is p.empty and p.name not in target.inputs]
        if missing:
            given = ", ".join(target.inputs)
            raise ValueError(
                f"{target.name} has to be given {', '.join(missing)} too: check a function that does, "
                f"lambda {given}: {target.name}.vjp({given}, {missing[0]}=...)"
            )
        return [p for p in parameters if p.name in target.inputs]
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    needed = [p for p in parameters if p.kind in kinds and p.default is p.empty]
    if not needed and not any(p.kind in (*kinds, p.VAR_POSITIONAL) for p in parameters):
        raise TypeError(
            f"{label(target)} takes no inputs; if it makes what is to be checked, call it: {label(target)}()"
        )
    return needed or None


def parameters_of(target: Any) -> list[str]:
    """The names of the inputs; none where the target takes any number of them."""
    names = [p.name for p in _signature(target) or ()]
    if isinstance(target, list) and len(target) > 1 and is_layer(target[-1]):
        names += [p.name for p in _signature(target[-1]) or ()][1:]
    return names


def hints_of(target: Any) -> list[list | None]:
    """Candidates for each input from what its author wrote; None where there is nothing."""
    parameters = _signature(target) or []
    if len(parameters) != len(parameters_of(target)):
        return []
    f = form_of(target).author
    text = without_examples(inspect.getdoc(f))
    found = [_of_annotation(p.annotation, f) or _of_docstring(p.name, text) for p in parameters]
    first = next((x for x in found if isinstance(x, Item) and x.kind == "free"), None)
    return [
        None if item is None else _integers(p.name, item, first)
        for p, item in zip(parameters, found, strict=True)
    ]


def _of_annotation(note: Any, f: Callable) -> Any:
    """The item that an annotation describes, if it does."""
    if isinstance(note, str):
        with contextlib.suppress(ValueError):
            (item,) = parse(note)
            return item
        with contextlib.suppress(Exception):  # a name that is not there, a type of another version
            text = ast.literal_eval(note)
            return _of_annotation(text, f) if isinstance(text, str) else None
        with contextlib.suppress(Exception):
            return _of_annotation(eval(note, getattr(f, "__globals__", {})), f)
        return None
    if isinstance(getattr(note, "dim_str", None), str):
        return _of_dim_str(note.dim_str, getattr(note, "dtypes", ()))
    for part in getattr(note, "__metadata__", ()):
        if isinstance(part, tuple):
            return Item(part) if all(isinstance(n, int) for n in part) else _of_annotation(str(part), f)
        if isinstance(part, str):
            return _of_annotation(part, f)
    return {int: Given(2), float: Item(()), bool: Given(True)}.get(note) if isinstance(note, type) else None


def _of_dim_str(text: str, dtypes: Any) -> Item | None:
    """jaxtyping's ``"*batch N D"``."""
    axes = []
    for number, word in enumerate(text.split()):
        bare = word.lstrip("#?").rpartition("=")[2]
        if bare.startswith(("*", "...")):
            bare = "..."
        axes.append(f"axis{number}" if bare.startswith("_") else bare)
    is_whole = bool(dtypes) and all(str(d).startswith(("int", "uint")) for d in dtypes)
    with contextlib.suppress(ValueError):
        (item,) = parse(f"({''.join(f'{axis}, ' for axis in axes).rstrip() if axes else ''})")
        return replace(item, kind="below") if is_whole else item
    return None


def _of_docstring(name: str, text: str) -> Item | None:
    """``name (N, D)`` in the docstring."""
    for shape in re.findall(rf"(?<![\w.]){re.escape(name)} (\([^()]*\))", text):
        with contextlib.suppress(ValueError):
            (item,) = parse(shape)
            if isinstance(item, Item):
                return item
    return None


def _integers(name: str, item: Any, first: Item | None) -> list:
    """Labels and indices are whole numbers, which a shape alone does not say."""
    if not isinstance(item, Item) or item.kind != "free" or first is None or item is first:
        return [item]
    if name.lower() in LABELS:
        if item.axes == first.axes:
            return [replace(item, kind="soft"), replace(item, kind="one-hot")]
        return [replace(item, kind="below", bound=first.axes[-1] if first.axes else 2)]
    if name.lower() in ("index", "indices", "idx", "ids", "tokens"):
        ends = [axis for axis in (*first.axes[:1], *first.axes[-1:]) if axis != "..."]
        return [replace(item, kind="below", bound=axis) for axis in (*ends, 2)]
    return [item]
