"""MathML as plain lists, as JSON holds them: ``["msup", ["mi", "x"], ["mn", "2"]]``."""

from __future__ import annotations

import re
import unicodedata

from handgrad.view.svg import Markup, element

ELEMENTS = frozenset("mfrac mi mn mo mover mrow msqrt msub msubsup msup mtext munder munderover".split())
ACCENTS = {"\u0302": "^", "\u0303": "~", "\u0304": "¯", "\u0305": "¯", "\u0307": "˙"}
SCRIPTS = frozenset("mover msub msubsup msup munder munderover".split())
BOTH = {"msub": "msubsup", "munder": "munderover"}
THIN, SPACE = ["mtext", "\u2009"], ["mtext", "\u00a0"]
TRANSPOSED = ["mtext", "T"]  # upright, as mi would not be

_SUBSCRIPTED = re.compile(r"(d?[^\W\d_][\u0300-\u036f]*)(?:_(\w+)|(\d+))")


def xml(tree: list) -> str:
    """A tree as a MathML string that stands by itself."""
    return element("math", _markup(tree), xmlns="http://www.w3.org/1998/Math/MathML", display="block")


def _markup(tree: list) -> Markup:
    name, *children = tree
    if name not in ELEMENTS:
        raise ValueError(f"{name!r} is not an element of formulas")
    return element(name, *(child if isinstance(child, str) else _markup(child) for child in children))


def raised(tree: list, exponent: list, above: str) -> list:
    """With an exponent, beside a subscript if there is one."""
    return [BOTH[tree[0]], *tree[1:], exponent] if tree[0] in BOTH else [above, tree, exponent]


def identifier(name: str) -> list:
    """A name as one mi; x_t and x1 with a subscript, x̂ with its accent."""
    subscripted = _SUBSCRIPTED.fullmatch(name)
    if subscripted:
        base, below, digits = subscripted.groups()
        return ["msub", identifier(base), ["mn", digits] if digits else ["mi", below]]
    apart = unicodedata.normalize("NFD", name)
    letter, accent = apart[0], apart[1:]
    if accent in ACCENTS:
        return ["mover", ["mi", letter], ["mo", ACCENTS[accent]]]
    return ["mi", name]


def base(tree: list) -> list:
    """What scripts and accents are attached to."""
    while tree[0] in SCRIPTS:
        tree = tree[1]
    return tree


def is_wide(tree: list) -> bool:
    """Whether this is a name of several letters, which would run into another."""
    return base(tree)[0] == "mi" and len(base(tree)[1]) > 1


def is_number(tree: list) -> bool:
    return unfenced(base(tree))[0] == "mn"


def row(items: list[list]) -> list:
    return items[0] if len(items) == 1 else ["mrow", *items]


def unfenced(tree: list) -> list:
    """Without the parentheses that a fraction's bar or a root's makes idle."""
    if tree[0] == "mrow" and tree[1] == ["mo", "("] and tree[-1] == ["mo", ")"]:
        return row(tree[2:-1])
    return tree
