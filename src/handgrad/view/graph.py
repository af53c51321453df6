"""What a picture shows, whatever it is drawn with: the rules of a computation, their arrays and gradients."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from handgrad.arrays import is_integer
from handgrad.once import once
from handgrad.rules import Rule
from handgrad.view.checking import Verdict
from handgrad.view.formulas.formula import defaults_of, is_usual
from handgrad.view.rounding import told
from handgrad.view.summary import Summary, as_numpy, summary

SYMBOLS = {"add": "+", "subtract": "−", "multiply": "×", "divide": "÷"}
FEW = 8  # rules beside whose arrows there is room for larger matrices
LONGEST = 16  # letters of a number in a node
INPUT, PARAMETER, CONSTANT, VALUE = "input", "parameter", "constant", "value"


@dataclass(eq=False, repr=False)
class Array:
    """An array or a number: a leaf where no rule made it."""

    number: int
    name: str
    role: str
    value: Any
    grad: Any = None  # None: none was asked for, or it does not matter to the output
    dout: Any = None  # of an output: the gradient that it was given
    maker: Op | None = None
    index: int = 0  # which of its maker's outputs
    own_name: str = ""  # what it is called in the author's code, where a rule made it
    uses: list[Use] = field(default_factory=list)
    box: Box | None = None  # of a leaf: where it is drawn
    per_example: bool = False  # whether its first axis is the batch
    noise: float = 0.0  # how far rounding moves its gradient

    @property
    def short_name(self) -> str:
        """A leaf's name, without that of the layer that it stands in."""
        prefix = f"{self.box.name}." if self.box is not None and self.box.name else ""
        return self.name.removeprefix(prefix) or self.role

    @property
    def grad_name(self) -> str:
        """What its gradient is called: dW of a leaf, dout of what a rule made."""
        if self.maker is None or self.is_output:
            return f"d{self.short_name.rpartition('.')[2]}"
        return "dout"

    @property
    def is_output(self) -> bool:
        return self.dout is not None

    @once
    def told(self) -> Summary:
        """What is told of its value."""
        return summary(self.value, is_labels=self.is_labels)

    @once
    def told_grad(self) -> Summary:
        """What is told of its gradient, where there is one."""
        return told(self.grad, self.noise)

    @property
    def is_labels(self) -> bool:
        """Whether it says which, not how much: integers that none of its rules has a gradient for.

        One-hot rows are drawn, and so are none.
        """
        answered = [use for use in self.uses if use.is_answered]
        if not answered or not is_integer(self.value) or any(use.dx is not None for use in answered):
            return False
        values = as_numpy(self.value)
        return values.ndim < 2 or not np.all((values == 0) | (values == 1))


@dataclass(eq=False, repr=False)
class Use:
    """An array as one of a rule's inputs, with the gradient that comes back this way."""

    name: str  # the rule's name for it: x, W, arrays[1]
    array: Array | None  # None: a number or the like, written with the rule
    literal: str
    op: Op
    dx: Any = None
    noise: float = 0.0  # how far rounding moves dx
    is_answered: bool = (
        False  # whether its rule's backward was asked; if dx is None, it has no gradient for it
    )

    @property
    def written(self) -> str:
        """A number that is written into the rule's own node; nothing of an array."""
        return "" if self.array is not None or self.literal == "None" else self.literal[:LONGEST]


@dataclass(eq=False, repr=False)
class Op:
    """One use of a rule."""

    number: int  # its place in the forward
    rule: Rule
    options: dict[str, Any]
    box: Box
    inputs: list[Use] = field(default_factory=list)
    outputs: list[Array] = field(default_factory=list)
    given: tuple = ()  # its inputs as they were given, some perhaps nested
    backward: Any = None
    seconds: float = 0.0
    backward_seconds: float = 0.0
    places: list[tuple[str, int]] = field(default_factory=list)  # files and lines: who used it
    verdict: Verdict | None = None

    @property
    def name(self) -> str:
        return self.rule.name

    @property
    def label(self) -> str:
        """What is written into its node: ×, 1 −, affine, power 2."""
        given = [use.written for use in self.inputs]
        if self.name in SYMBOLS and len(given) == 2:
            return f"{given[0]} {SYMBOLS[self.name]} {given[1]}".strip()
        return " ".join([self.name, *filter(None, given)])

    @property
    def told_options(self) -> str:
        """Those that are not what they would be anyway, in a small line: axis=0, keepdims=True."""
        usual = defaults_of(self.rule)
        told = {n: x for n, x in self.options.items() if x is not None and not is_usual(x, usual.get(n))}
        return ", ".join(f"{name}={value}" for name, value in told.items())

    @property
    def below(self) -> str:
        """The small line: what the author calls what it makes, and its options."""
        names = ", ".join(out.own_name for out in self.outputs if out.own_name)
        return " · ".join(filter(None, [f"→ {names}" if names else "", self.told_options]))

    @property
    def has_gradient(self) -> bool:
        return any(out.grad is not None for out in self.outputs)


@dataclass(eq=False, repr=False)
class Box:
    """One call of a layer or function, or a run of rules drawn as one: it opens and closes."""

    number: int
    name: str
    label: str
    parent: Box | None
    ops: list[Op] = field(default_factory=list)
    boxes: list[Box] = field(default_factory=list)
    leaves: list[Array] = field(default_factory=list)
    is_function: bool = False  # whether it is a call of one of the author's functions
    is_run: bool = False  # whether it is no layer, but a run of rules
    turns: int = 0  # of a loop, or layers of equal structure in a row, that it holds

    @property
    def title(self) -> str:
        """Its name, and what it is: 1 Affine(784, 50); of rules that have no name, what they are alone."""
        if self.is_run and self.label:
            return self.label
        return f"{self.name} {self.label}".strip()

    @property
    def told_size(self) -> str:
        """How much is in it: × 20, 120 rules."""
        count = sum(1 for _ in self.all_ops())
        rules = f"{count:,} rule{'s' if count > 1 else ''}"
        return f"× {self.turns:,}, {rules}" if self.turns else rules

    def all_ops(self) -> Iterator[Op]:
        """Every rule inside, in the order of the forward."""
        waiting: list[Box] = [self]
        found: list[Op] = []
        while waiting:
            box = waiting.pop()
            found += box.ops
            waiting += box.boxes
        return iter(sorted(found, key=lambda op: op.number))

    def above(self) -> Iterator[Box]:
        """This box and those around it, from the inside out."""
        box: Box | None = self
        while box is not None:
            yield box
            box = box.parent


@dataclass(eq=False, repr=False)
class Graph:
    """A recorded computation, to be looked at: a page, an SVG, a tree in the terminal."""

    title: str
    root: Box
    ops: list[Op]
    arrays: list[Array]
    boxes: list[Box]  # without the root
    examples: list[str] = field(default_factory=list)  # names of a batch's rows
    folded: bool = False  # whether it is too large to be drawn open
    language: str = "en"  # of the page's words: en, zh
    says: Mapping[str, Any] = field(default_factory=dict)  # the author's sentences, by rule or layer

    @property
    def most_cells(self) -> int:
        """Numbers of a matrix that is written out at an edge: more of them where there are few rules."""
        return 64 if len(self.ops) <= FEW else 0 if self.folded else 16

    @property
    def outputs(self) -> list[Array]:
        return [array for array in self.arrays if array.is_output]
