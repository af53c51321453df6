"""A program as a file of NumPy, which reads from top to bottom and needs nothing but NumPy.

    def layer(x, W, b):
        # affine
        affine_1 = x @ W + b  # (2, 4)
        # tanh
        tanh_1 = np.tanh(affine_1)  # (2, 4)
        return tanh_1

Each operation is the one that the program's interpreter calls, in its order, so results are the same bits.
What is used once, within one rule, stands where it is used. What NumPy lacks is copied from handgrad.
"""

from __future__ import annotations

import ast
import collections
import inspect
import keyword
import math
import re
import textwrap
from collections.abc import Iterator, Sequence
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from handgrad.arrays import NUMPY, shape, xp
from handgrad.arrays.linear_algebra import parts_of
from handgrad.arrays.numpy_library import long_axis
from handgrad.arrays.questions import is_half
from handgrad.program.program import Operation, Program, symbols

WIDTH = 100  # of a line, up to which values stand where they are used
SMALL = 16  # numbers of a constant that are written into the text

SIGNS = {
    "add": ("+", 6), "subtract": ("-", 6), "multiply": ("*", 7), "divide": ("/", 7), "matmul": ("@", 7),
    "floor_divide": ("//", 7), "remainder": ("%", 7), "equal": ("==", 2), "not_equal": ("!=", 2),
    "less": ("<", 2), "less_equal": ("<=", 2), "greater": (">", 2), "greater_equal": (">=", 2),
    "logical_and": ("&", 5), "logical_or": ("|", 3),
}  # fmt: skip
"""Operators, and how tightly they bind; comparisons are not chained."""
ATOM = 10
BACKWARD = "backward of "  # what an origin begins with, as rules write it
WITH = {"svd": ["full_matrices=False"]}  # what factorisations are given beside their matrix
UNARY = {"negative": "-", "logical_not": "~"}
UNARY_BINDS = 8


class Text:
    """A piece of an expression, and how tightly it binds."""

    def __init__(self, text: str, binds: int = ATOM):
        self.text, self.binds = text, binds

    def at(self, least: int) -> str:
        """In brackets, where something around it binds more tightly."""
        return self.text if self.binds >= least else f"({self.text})"

    def __str__(self) -> str:
        return self.text


class Writer:
    """What the functions of one file share: names, constants, and what they need of handgrad."""

    def __init__(self) -> None:
        self.constants: dict[str, np.ndarray] = {}  # too large to be written
        self.known: dict[int, str] = {}  # which are kept above, so an id stays the same array's
        self.needed: dict[str, Any] = {}  # functions that NumPy lacks, by the name of the operation

    def function(self, program: Program, name: str, inputs: Sequence[str]) -> str:
        """A program as a function of that name.

        Args:
            inputs: a name for each argument. Arrays in a dict, list or tuple are picked out of it first.
        """
        return Function(self, program).text(name, inputs)

    def constant(self, value: np.ndarray) -> str:
        if id(value) not in self.known:
            self.known[id(value)] = f"constant_{len(self.constants)}"
            self.constants[self.known[id(value)]] = value
        return f'constants["{self.known[id(value)]}"]'

    def helpers(self) -> tuple[list[str], list[str]]:
        """The source of what NumPy lacks, and of what that calls, each once: its imports, and the rest."""
        found: dict[str, str] = {}
        modules: dict[str, None] = {"import numpy as np": None}
        for function in self.needed.values():
            collect(function, found, modules)
        return sorted(modules), list(found.values())


def collect(thing: Any, found: dict[str, str], modules: dict[str, None]) -> None:
    """The source of a function or class of handgrad's, after that of what it calls."""
    name = thing.__name__
    if name in found:
        return
    found[name] = ""  # it may call itself
    source = textwrap.dedent(inspect.getsource(thing)).removeprefix("@wide\n")
    used = names_in(ast.parse(source))
    around = vars(inspect.getmodule(thing))
    del found[name]
    for other in sorted(used & around.keys() - {name, "Any"}):
        value = around[other]
        if value is xp:
            found["xp"] = "xp = np"
        elif isinstance(value, ModuleType):
            alias = "" if value.__name__ == other else f" as {other}"
            modules[f"import {value.__name__}{alias}"] = None
        elif isinstance(value, FunctionType | type) and value.__module__.startswith("handgrad."):
            found[name] = ""
            collect(value, found, modules)
            found.pop(name)
            if value.__name__ != other:
                found[other] = f"{other} = {value.__name__}"
        elif isinstance(value, FunctionType | type):
            modules[f"from {value.__module__} import {other}"] = None
        elif other not in found:
            found[other] = f"{other} = {ast.literal_eval(repr(value))!r}"
    found[name] = source.rstrip()


def names_in(node: ast.AST) -> set[str]:
    """The names that code reads, but for those in annotations, which are not evaluated."""
    found = {node.id} if isinstance(node, ast.Name) else set()
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            parts = value if isinstance(value, list) else [value]
            found |= set().union(*(names_in(part) for part in parts if isinstance(part, ast.AST)))
    return found


class Function:
    """One program on its way to text."""

    def __init__(self, writer: Writer, program: Program, known: dict[int, Text] | None = None):
        self.writer, self.program = writer, program
        self.texts: dict[int, Text] = dict(known or {})
        self.counts: collections.Counter = collections.Counter()
        self.users = self._users()
        self.kept = self._kept()
        self.taken: set[str] = set()

    def _users(self) -> dict[int, list[Operation | None]]:
        """The operations that read each value; None for the outputs."""
        users: dict[int, list[Operation | None]] = collections.defaultdict(list)
        for operation in self.program.operations:
            for x in operation.symbols:
                users[id(x)].append(operation)
        for x in symbols(self.program.outputs):
            users[id(x)].append(None)
        return users

    def _kept(self) -> list[Operation]:
        """Those that an output needs."""
        needed = set(map(id, symbols(self.program.outputs)))
        kept = []
        for operation in reversed(self.program.operations):
            if any(id(out) in needed for out in operation.outs):
                needed.update(operation.uses)
                kept.append(operation)
        return kept[::-1]

    def text(self, name: str, inputs: Sequence[str]) -> str:
        lines = [*self.unpacked(inputs), *self.lines(), "return " + self.over_lines(self.program.outputs)]
        return f"def {name}({', '.join(inputs)}):\n" + textwrap.indent("\n".join(lines), "    ")

    def unpacked(self, names: Sequence[str]) -> Iterator[str]:
        """The program's inputs by name, each picked out of the argument that it is in."""
        for name, tree in zip(names, self.program.inputs, strict=True):
            yield from self.picked(tree, name, name)

    def over_lines(self, tree: Any) -> str:
        """Outputs, a dict's or a tuple's each on a line where they are long."""
        text = self.shown(tree)
        if len(text) <= WIDTH or not isinstance(tree, dict | tuple | list):
            return text
        if isinstance(tree, dict):
            inside = [f"{key!r}: {self.over_lines(branch)}" for key, branch in tree.items()]
        else:
            inside = list(map(self.over_lines, tree))
        return text[0] + "\n" + textwrap.indent(",\n".join(inside), "    ") + ",\n" + text[-1]

    def picked(self, tree: Any, text: str, name: str) -> Iterator[str]:
        if hasattr(tree, "program"):
            own = self.fresh("_".join(reversed(name.split("."))))
            self.texts[id(tree)] = Text(own)
            if own != text and self.users[id(tree)]:
                yield f"{own} = {text}"
        elif isinstance(tree, dict):
            is_whole = text == name  # a name such as "1.W" says enough
            for key, branch in tree.items():
                yield from self.picked(branch, f'{text}["{key}"]', key if is_whole else f"{name}.{key}")
        elif isinstance(tree, list | tuple):
            for i, branch in enumerate(tree):
                yield from self.picked(branch, f"{text}[{i}]", f"{name}.{i}")

    def fresh(self, name: str) -> str:
        """A name that is free, as close to that one as Python lets it be."""
        name = re.sub(r"\W", "_", name)
        name = f"_{name}" if name[:1].isdigit() or keyword.iskeyword(name) or not name else name
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def lines(self) -> Iterator[str]:
        origin = None
        for operation in self.kept:
            if operation.name == "scan":
                yield from self.loop(operation)
                continue
            text = self.written(operation)
            if self.stands_where_it_is_used(operation, text) or text.text in self.taken:
                self.texts[id(operation.out)] = text
                continue
            if operation.origin != origin:
                origin = operation.origin
                if origin:
                    yield f"# {origin}"
            name = self.named(operation)
            self.texts[id(operation.out)] = Text(name)
            yield f"{name} = {text}  # {shape(operation.out)}"

    def named(self, operation: Operation) -> str:
        """By its rule, if another one reads it; else by a number."""
        rule = operation.origin.removeprefix(BACKWARD)
        own = {rule, BACKWARD + rule}
        leaves_it = any(user is None or user.origin not in own for user in self.users[id(operation.out)])
        base = "t" if not rule or not leaves_it else f"d_{rule}" if operation.origin != rule else rule
        self.counts[base] += 1
        return self.fresh(f"{base}_{self.counts[base]}")

    def stands_where_it_is_used(self, operation: Operation, text: Text) -> bool:
        """Whether a value is used once, by the same rule, in a line that is not too long; a view always."""
        if isinstance(operation.out, tuple):
            return False
        users = self.users[id(operation.out)]
        if len(users) != 1 or users[0] is None or users[0].name == "scan":
            return False
        return users[0].origin == operation.origin and len(text.text) < WIDTH // 2

    # Operations.

    def written(self, operation: Operation) -> Text:
        name, args, options = operation.name, operation.args, operation.options
        if name == "check_finite" or (self.changes_nothing(operation)):
            return self.argument(args[0])
        if name in SIGNS and not options:
            sign, binds = SIGNS[name]
            x, y = map(self.argument, args)
            return Text(f"{x.at(binds + (binds == 2))} {sign} {y.at(binds + 1)}", binds)
        if name in UNARY:
            return Text(UNARY[name] + self.argument(args[0]).at(UNARY_BINDS), UNARY_BINDS)
        if name in ("power", "pow") and hasattr(args[0], "dtype"):
            x, y = map(self.argument, args)
            return Text(f"{x.at(ATOM)} ** {y.at(UNARY_BINDS)}", 9)
        if name == "getitem":
            return Text(f"{self.argument(args[0]).at(ATOM)}[{self.index(args[1])}]")
        if name == "permute_dims" and tuple(args[1]) == (1, 0):
            return Text(f"{self.argument(args[0]).at(ATOM)}.T")
        if name == "reshape" and hasattr(args[0], "program"):
            return Text(f"{self.argument(args[0]).at(ATOM)}.reshape({self.shown(args[1])})")
        if name == "astype" and hasattr(args[0], "program"):
            array = f"np.asarray({self.shown(args[0])})" if args[0].weak else self.argument(args[0]).at(ATOM)
            return Text(f"{array}.astype({self.shown(args[1])})")
        if name == "factors":
            return Text(self.factors(operation))
        given = [self.shown(x) for x in args] + [f"{k}={self.shown(v)}" for k, v in options.items()]
        return Text(f"{self.called(operation)}({', '.join(given)})")

    def factors(self, operation: Operation) -> str:
        """The parts of a factorisation, each matrix's flat, side by side."""
        name, x, *how = operation.args
        given = ", ".join([self.shown(x), *map(self.shown, how), *WITH.get(name, [])])
        lead = shape(x)[:-2]
        flat = [(*lead, math.prod(own[len(lead) :])) for own in parts_of(name, shape(x))]
        parts = f"zip(np.linalg.{name}({given}), {self.shown(flat)})"
        return f"np.concatenate([part.reshape(flat) for part, flat in {parts}], axis=-1)"

    def changes_nothing(self, operation: Operation) -> bool:
        """Whether it gives its argument as it was."""
        if operation.name not in ("reshape", "broadcast_to", "astype"):
            return False
        x, out = operation.args[0], operation.out
        return hasattr(x, "program") and not x.weak and (x.shape, x.dtype) == (out.shape, out.dtype)

    def called(self, operation: Operation) -> str:
        """The function: NumPy's, or a copy of ours."""
        name = operation.name
        if name == "sum" and not self.is_long(operation):
            return "np.sum"
        if hasattr(np.linalg, name) and name != "matmul":
            return f"np.linalg.{name}"
        function: Any = vars(NUMPY).get(name)
        if getattr(function, "__module__", "").startswith("handgrad."):
            if function is not inspect.unwrap(function) and any(map(is_half, operation.args)):
                raise TypeError(
                    f"{name} of {operation.args[0].dtype} is computed in float32: convert it first"
                )
            self.writer.needed[name] = function
            return function.__name__
        if not hasattr(np, name):
            raise TypeError(f"NumPy has no {name}")
        return f"np.{name}"

    def is_long(self, operation: Operation) -> bool:
        """Whether a sum is made in blocks, and not by NumPy alone."""
        x = operation.args[0]
        like = np.broadcast_to(np.zeros((), x.dtype), shape(x))
        return long_axis(like, operation.options.get("axis")) is not None

    def argument(self, x: Any) -> Text:
        if id(x) in self.texts:
            return self.texts[id(x)]
        if isinstance(x, np.generic):
            return Text(self.number(x))
        if isinstance(x, np.ndarray):
            return Text(self.array(x))
        if isinstance(x, int | float) and not isinstance(x, bool) and (x < 0 or not math.isfinite(x)):
            return Text(self.number(x), UNARY_BINDS)
        return Text(self.shown(x))

    def shown(self, x: Any) -> str:
        """An argument or an output, however nested."""
        if hasattr(x, "program"):
            return self.texts[id(x)].text
        if isinstance(x, np.ndarray):
            return self.array(x)
        if isinstance(x, np.dtype) or (isinstance(x, type) and issubclass(x, np.generic)):
            return f"np.{np.dtype(x)}" if np.dtype(x).kind != "b" else "bool"
        if isinstance(x, np.generic | float):
            return self.number(x)
        if isinstance(x, dict):
            return "{" + ", ".join(f"{k!r}: {self.shown(v)}" for k, v in x.items()) + "}"
        if isinstance(x, tuple):
            return f"({', '.join(map(self.shown, x))}{',' * (len(x) == 1)})"
        if isinstance(x, list):
            return f"[{', '.join(map(self.shown, x))}]"
        if isinstance(x, slice):
            return f"slice({', '.join(map(self.shown, (x.start, x.stop, x.step)))})"
        return "..." if x is ... else repr(x)

    def number(self, x: Any) -> str:
        text = repr(x.item()) if isinstance(x, np.generic) else repr(x)
        text = text if np.isfinite(x) else f"{text[:-3]}np.{text[-3:]}"
        return f"np.{x.dtype}({text})" if isinstance(x, np.generic) else text

    def array(self, x: np.ndarray) -> str:
        if not x.size:
            return f"np.empty({x.shape}, {self.shown(x.dtype)})"
        if x.size > SMALL or x.dtype.kind not in "fiub" or not np.isfinite(x).all():
            return self.writer.constant(x)
        return f"np.array({x.tolist()}, {self.shown(x.dtype)})"

    def index(self, x: Any) -> str:
        def part(x: Any) -> str:
            if isinstance(x, slice):
                ends = ["" if p is None else self.shown(p) for p in (x.start, x.stop, x.step)]
                return ":".join(ends if ends[2] else ends[:2])
            return "None" if x is None else self.shown(x)

        if not isinstance(x, tuple):
            return part(x)
        return ", ".join(map(part, x)) + "," * (len(x) == 1) if x else "()"

    # Loops.

    def loop(self, operation: Operation) -> Iterator[str]:
        """A scan as a loop over steps; what its body reads from outside it reads from there."""
        weights, carry, sequences = operation.args
        body, length, reverse = (operation.options[k] for k in ("body", "length", "reverse"))
        inside = Function(
            self.writer, body, {id(x): self.argument(w) for x, w in zip(body.inputs[0], weights, strict=True)}
        )
        inside.taken, inside.counts = self.taken, self.counts
        step = self.fresh("step")
        names = [self.fresh(f"carry_{i}") for i in range(len(carry))]
        kept = [self.fresh(f"kept_{i}") for i in range(len(body.outputs[1]))]
        inside.texts |= {id(x): Text(name) for x, name in zip(body.inputs[1], names, strict=True)}
        inside.texts |= {
            id(x): Text(f"{self.argument(xs).at(ATOM)}[{step}]")
            for x, xs in zip(body.inputs[2], sequences, strict=True)
        }
        yield f"# a loop of {length} steps"
        for name, start in zip(names, carry, strict=True):
            yield f"{name} = {self.argument(start)}"
        for name, y in zip(kept, body.outputs[1], strict=True):
            yield f"{name} = np.empty(({length}, *{shape(y)}), {self.shown(y.dtype)})"
        yield f"for {step} in {'reversed(' * reverse}range({length}){')' * reverse}:"
        lines = list(inside.lines())
        lines += [
            f"{name}[{step}] = {inside.argument(y)}" for name, y in zip(kept, body.outputs[1], strict=True)
        ]
        if names:
            lines.append(
                f"{', '.join(names)} = {', '.join(str(inside.argument(c)) for c in body.outputs[0])}"
            )
        yield textwrap.indent("\n".join(lines), "    ")
        self.texts |= {id(out): Text(name) for out, name in zip(operation.outs, [*names, *kept], strict=True)}


def numpy_source(
    functions: dict[str, tuple[Program, Sequence[str]]], title: str, reads_constants: bool = False
) -> tuple[str, dict[str, np.ndarray]]:
    """A file of functions, and the constants that are too large to be written into it.

    Args:
        functions: by name; a program, and a name for each of its arguments.
        title: what the file says of itself.
        reads_constants: whether it reads them itself, from a file of its name that ends in ``.npz``.

    Raises:
        TypeError: an operation is one of SciPy's or of a user's, whose source is not handgrad's.
    """
    writer = Writer()
    bodies = [writer.function(program, name, inputs) for name, (program, inputs) in functions.items()]
    imports, copied = writer.helpers()
    parts = []
    if writer.constants:
        found = 'dict(np.load(__file__.removesuffix(".py") + ".npz"))' if reads_constants else "{}"
        parts.append(f"constants = {found}")
    head = [f'"""{title}"""', "\n".join(["from __future__ import annotations", "", *sorted(imports)])]
    parts = ["\n\n".join(head), *parts]
    return "\n\n\n".join([*parts, *copied, *bodies]) + "\n", writer.constants
