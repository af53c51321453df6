"""A plain sentence for each step, forward and back, in English and in Chinese; the author may say another."""

from __future__ import annotations

import functools
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from typing import Any

from handgrad.view.graph import Box, Op

LANGUAGES = ("en", "zh")

Both = tuple[str, str]
"""What is said forward and back."""

Sentences = tuple[Both, Both]
"""The same in English and in Chinese."""

MOVING = (
    *(
        "reshape",
        "transpose",
        "permute_dims",
        "getitem",
        "concatenate",
        "concat",
        "stack",
        "split",
        "squeeze",
    ),
    *("expand_dims", "flip", "roll", "take", "broadcast_to", "windows", "repeat", "tile", "pad"),
)
ALIKE = {"einsum": "matmul", "maximum": "max", "minimum": "max", "conv1d": "conv2d"}


@functools.cache
def known() -> dict[str, Sentences]:
    """By a rule's name."""
    text = files("handgrad.view").joinpath("sentences.toml").read_text(encoding="utf-8")
    found = tomllib.loads(text)
    return {name: (both(each["en"]), both(each["zh"])) for name, each in found.items()}


def both(given: list[str]) -> Both:
    forward, back = given
    return forward, back


def sentences_of(thing: Op | Box, said: Mapping[str, Any]) -> Sentences:
    """What is said of a rule or a layer, forward and back, in each language; the author's own in all.

    Args:
        said: the author's sentences, by the rule's number as the page counts, its name, or the layer's name;
            one, or one forward and one back.
    """
    own = next((said[name] for name in names_of(thing) if name in said), None)
    english, chinese = general(thing)
    if own is None:
        return english, chinese
    forward, back = (own, "") if isinstance(own, str) else own
    return (forward, back or english[1]), (forward, back or chinese[1])


def names_of(thing: Op | Box) -> list[str]:
    """What the author may call a step by."""
    return [str(thing.number + 1), thing.name] if isinstance(thing, Op) else [thing.name]


def check_said(said: Mapping[str, Any], things: Iterable[Op | Box]) -> None:
    """That there is something for each of the author's sentences to be said of.

    Raises:
        ValueError: there is not.
    """
    known = {name for thing in things for name in names_of(thing)}
    for name in said:
        if name not in known:
            raise ValueError(
                f"says has a sentence for {name!r}, and no rule or layer is called so: it is a rule's number "
                f"or name, or a layer's name, as the page has them"
            )


def general(thing: Op | Box) -> Sentences:
    if isinstance(thing, Box):
        return known()["layer"]
    name = ALIKE.get(thing.name, thing.name)
    if name in known():
        return known()[name]
    if name in MOVING:
        return known()["moved"]
    if name == "power" or (thing.rule.broadcasts and len(thing.rule.inputs) == 1):
        return known()["by element"]
    first = (thing.rule.__doc__ or "").strip().partition("\n")[0].partition(", out =")[0].rstrip(".")
    return (f"{first}." if first else "", ""), ("", "")
