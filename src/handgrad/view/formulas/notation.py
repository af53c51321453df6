"""The notation of the rules' docstrings, read by a small recursive parser and given as MathML."""

from __future__ import annotations

import functools
import re
import unicodedata
from typing import NamedTuple

from handgrad.view.formulas.mathml import (
    SPACE,
    THIN,
    TRANSPOSED,
    base,
    identifier,
    is_number,
    is_wide,
    raised,
    row,
    unfenced,
)
from handgrad.view.svg import signed

SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ᵀᵃᵇᶜᵈᵉᶠᵍʰⁱʲᵏˡᵐⁿᵒᵖʳˢᵗᵘᵛʷˣʸᶻ"
SUBSCRIPTS = "₀₁₂₃₄₅₆₇₈₉₊₋₍₎ₐₑₕᵢⱼₖₗₘₙₒₚᵣₛₜᵤᵥₓ"
MARKS = "\u0300-\u036f"

# What is said rather than computed. These are not names, unless called: where(...).
WORDS = frozenset(
    "added along an and another as at by each else for held holds if in inside into is it joined not of on "
    "one-hot or otherwise over removed repeated row soft that the to undone was what where with within "
    "without".split()
)
# What takes an argument without parentheses.
FUNCTIONS = frozenset("arccos arcsin arctan cos cosh erf erfc exp log sign sin sinh tan tanh".split())
SPELLINGS = dict(zip("* × - ... -> <= >= != Σ Π sqrt".split(), "· · − … → ≤ ≥ ≠ ∑ ∏ √".split(), strict=True))
RELATIONS = frozenset("=≈≠<>≤≥→∈∝")
SIGNS = frozenset("+−±")
SEPARATORS = frozenset(",;")
BRACKETS = {"(": ")]", "[": "])", "|": "|", "‖": "‖"}
BIG = frozenset("∑∏")

_LETTER = rf"[^\W\d_{SUPERSCRIPTS}{SUBSCRIPTS}ΣΠ]"
_TOKEN = re.compile(
    rf"""\s*(?:
      (?P<number>\d+(?:\.\d+)?(?:e[+-]?\d+)?)
    | (?P<word>one-hot\b)
    | (?P<name>{_LETTER}(?:{_LETTER}|[\d_{MARKS}])*|[∂∇∞])
    | (?P<raised>[{SUPERSCRIPTS}](?:[{SUPERSCRIPTS}]|\|[{SUPERSCRIPTS}]+\|)*|\.T\b)
    | (?P<lowered>[{SUBSCRIPTS}]+(?:[=≠<>≤≥][{SUBSCRIPTS}]+)?)
    | (?P<symbol>\*\*|\.\.\.|->|[<>!]=|\S)
    )""",
    re.VERBOSE,
)


LONGEST = 1000  # words and signs; deeper ones would be as deep as calls may be


class Unreadable(Exception):
    """This text is no formula."""


class Token(NamedTuple):
    kind: str
    text: str
    spaced: bool  # whether there is a space before it


END = Token("end", "", True)


class Slot(str):
    """A name in whose place a number comes, and all of the number that tells how it is written there."""

    is_negative: bool
    is_plain: bool  # digits alone, perhaps with a point


Kind = tuple[str, bool, bool]
"""A name, and of its number whether it is negative, and whether it is plain."""


def mathml(formula: str, numbers: dict[str, str] | None = None) -> list:
    """A formula as a tree of MathML, with ``numbers`` in the place of names.

    A Greek letter's number may be given by its spelling: ``{"gamma": "2"}`` for γ. What cannot be read
    becomes ``["mtext", formula]``. A formula is read once for each kind of numbers, by their signs.
    """
    if not numbers:
        return template(formula, ())
    written = {name: signed(number) for name, number in numbers.items()}
    return _filled(template(formula, kinds_of(written)), written)


def kinds_of(written: dict[str, str]) -> tuple[Kind, ...]:
    """What of each number tells how it is written in a formula."""
    return tuple(
        (name, number.startswith("−"), number.replace(".", "").isdigit()) for name, number in written.items()
    )


@functools.lru_cache(maxsize=4096)
def template(formula: str, kinds: tuple[Kind, ...]) -> list:
    """A formula with slots in the places of some names."""
    slots = {}
    for name, is_negative, is_plain in kinds:
        slots[name] = Slot(name)
        slots[name].is_negative, slots[name].is_plain = is_negative, is_plain
    try:
        return Parser(formula, slots).formula()
    except (Unreadable, RecursionError):
        return ["mtext", formula]


def _filled(tree: list, numbers: dict[str, str]) -> list:
    """With numbers in their slots."""
    return [
        _filled(part, numbers) if isinstance(part, list) else numbers[part] if type(part) is Slot else part
        for part in tree
    ]


def tokens(text: str) -> list[Token]:
    found = [_token(match) for match in _TOKEN.finditer(text)]
    return [token for token in found if token.text != "@"]  # x @ W is the product x W


def _token(match: re.Match) -> Token:
    kind, text = match.lastgroup or "", match[match.lastgroup or 0]
    if kind in ("raised", "lowered"):
        text = unicodedata.normalize("NFKC", text).removeprefix(".")
    called = match.string.startswith("(", match.end())
    if kind == "name" and text in WORDS and not called:
        kind = "word"
    if text in SPELLINGS:
        kind, text = "symbol", SPELLINGS[text]
    return Token(kind, text, match[0][0].isspace())


class Parser:
    """Recursive descent: a formula is phrases, sums, products, factors, and atoms with their scripts."""

    def __init__(self, text: str, numbers: dict[str, Slot]):
        self.tokens = tokens(text)
        if len(self.tokens) > LONGEST:
            raise Unreadable("it is too long")
        self.numbers = numbers
        self.place = 0
        self.open: list[str] = []

    @property
    def next(self) -> Token:
        return self.peek(0)

    def peek(self, steps: int) -> Token:
        place = self.place + steps
        return self.tokens[place] if 0 <= place < len(self.tokens) else END

    def take(self) -> Token:
        token = self.next
        self.place += 1
        return token

    def formula(self) -> list:
        tree = row(self.phrases())
        if self.next is not END:
            raise Unreadable(self.next.text)
        return tree

    def phrases(self) -> list[list]:
        """Phrases between commas."""
        items = self.phrase()
        while self.next.text in SEPARATORS:
            items += [["mo", self.take().text], *self.phrase()]
        return items

    def phrase(self) -> list[list]:
        """Relations, and words among them: out = x where x > 0."""
        items = self.words(before="")
        while self.next.kind != "end" and self.next.text not in SEPARATORS and not self.closes():
            items += self.relation()
            items += self.words()
        if not items:
            raise Unreadable("nothing where a formula was expected")
        return items

    def words(self, before: str = "\u00a0") -> list[list]:
        """Words as one text, held apart by spaces that do not collapse."""
        words = []
        while self.next.kind == "word":
            words.append(self.take().text)
        return [["mtext", before + "\u00a0".join(words) + "\u00a0"]] if words else []

    def relation(self) -> list[list]:
        items = self.sum()
        while self.next.text in RELATIONS:
            items += [["mo", self.take().text], *self.sum()]
        return items

    def sum(self) -> list[list]:
        items = [self.signed(self.product)]
        while self.next.text in SIGNS:
            items += [["mo", self.take().text], self.product()]
        return items

    def signed(self, operand) -> list:
        """A sign has a row of its own, which is what tells it from a difference."""
        if self.next.text in SIGNS:
            return ["mrow", ["mo", self.take().text], operand()]
        return operand()

    def product(self) -> list:
        """Factors and fractions, from left to right: a·b / c d is one fraction."""
        items = self.juxtaposed()
        while self.next.text in ("·", "/"):
            if self.take().text == "·":
                items += [["mo", "·"], self.signed(lambda: row(self.juxtaposed()))]
            else:
                below = self.signed(lambda: row(self.juxtaposed()))
                items = [["mfrac", unfenced(row(items)), unfenced(below)]]
        return row(items)

    def juxtaposed(self) -> list[list]:
        """Factors without a sign between them: 2x, x W, log x."""
        items = [self.factor()]
        while self.starts_factor():
            token, before = self.next, items[-1]
            factor = self.factor()
            items += [*between(before, factor, token), factor]
        return items

    def starts_factor(self) -> bool:
        token = self.next
        return (
            token.kind in ("number", "name")
            or token.text in BIG | {"√", "…", ":"}
            or (token.text in BRACKETS and not self.closes())
        )

    def factor(self) -> list:
        """An atom with its scripts."""
        big, tree = self.next.text in BIG, self.atom()
        if self.next.kind == "lowered":
            tree = ["munder" if big else "msub", tree, self.script()]
        while self.is_raised():
            exponent = self.exponent()
            if exponent != TRANSPOSED or not is_number(tree):  # a number is its own transpose
                tree = raised(tree, exponent, "mover" if big else "msup")
        return tree

    def is_raised(self) -> bool:
        return self.next.kind == "raised" or self.next.text == "**"

    def exponent(self) -> list:
        if self.next.text == "**":
            self.take()
            return unfenced(self.signed(self.factor))
        return self.script()

    def script(self) -> list:
        text = self.take().text
        if text in SIGNS:
            return ["mo", text]
        return TRANSPOSED if text == "T" else Parser(text, self.numbers).formula()

    def atom(self) -> list:
        if self.next.text in BRACKETS:
            return self.group()
        token = self.take()
        if token.kind == "number":
            return ["mn", token.text]
        if token.kind == "name":
            return self.name(token)
        if token.text == "√":
            return ["msqrt", unfenced(self.root())]
        if token.text in BIG | {"…", ":"}:
            return ["mo", token.text]
        raise Unreadable(token.text)

    def root(self) -> list:
        """What stands under √: one factor, or a number and the name that touches it, as in √2π."""
        factor = self.factor()
        touched = factor[0] == "mn" and self.next.kind == "name" and not self.next.spaced
        return ["mrow", factor, self.factor()] if touched else factor

    def group(self) -> list:
        opening = self.take().text
        self.open.append(opening)
        items = self.phrases()
        if not self.closes():
            raise Unreadable(f"{opening} is never closed")
        self.open.pop()
        return ["mrow", ["mo", opening], *items, ["mo", self.take().text]]

    def closes(self) -> bool:
        """Whether the next token closes the innermost bracket."""
        return bool(self.open) and self.next.text != "" and self.next.text in BRACKETS[self.open[-1]]

    def name(self, token: Token) -> list:
        called = len(token.text) > 1 and self.next.text == "(" and not self.next.spaced
        if called or token.text in FUNCTIONS or self.next.kind == "lowered":
            return identifier(token.text)
        number = self.numbers.get(token.text, self.numbers.get(spelt(token.text)))
        return identifier(token.text) if number is None else self.plugged(number)

    def plugged(self, number: Slot) -> list:
        """A number in the place of the name just taken; in parentheses where its sign would be misread."""
        follows = number.is_negative and not self.begins(self.peek(-2))
        if follows or (self.is_raised() and not number.is_plain):
            return ["mrow", ["mo", "("], ["mn", number], ["mo", ")"]]
        return ["mn", number]

    def begins(self, before: Token) -> bool:
        """Whether an expression begins after this token."""
        if before.text in ("|", "‖"):
            return bool(self.open) and self.open[-1] == before.text
        return before.kind in ("end", "word") or before.text in RELATIONS | SEPARATORS | {"(", "[", "/", "√"}


def spelt(name: str) -> str:
    """Greek letters by their names: dγ is dgamma."""
    return "".join(map(_spelt_letter, name))


def _spelt_letter(letter: str) -> str:
    name = unicodedata.name(letter, "")
    return name.split()[-1].lower() if name.startswith("GREEK SMALL LETTER") else letter


def between(before: list, after: list, token: Token) -> list[list]:
    """What to put between two factors of which the second begins with ``token``."""
    if token.text in BRACKETS:
        return [THIN] if token.spaced and is_wide(before) else []
    if base(before)[0] == "mo" or base(after)[0] == "mo":
        return []  # big operators bring their space
    if is_number(after) and not is_wide(before):
        return [["mo", "·"]]
    if is_wide(before) and is_wide(after):
        return [SPACE]
    return [THIN] if is_wide(before) or is_wide(after) else []
