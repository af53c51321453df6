"""Single edits of a backward's source, each the reverse of a mistake that people make.

An edit is made in the syntax tree, tried, and undone. Its kind names the mistake that it takes back.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass
class Scope:
    """What the names in a function held when it ran."""

    values: dict[str, Any] = field(default_factory=dict)
    douts: frozenset[str] = frozenset()  # names that hold dout
    sizes: tuple[int, ...] = ()  # of axes

    def shape(self, node: ast.AST) -> tuple[int, ...] | None:
        value = self.values.get(ast.unparse(node))
        return np.shape(value) if is_array(value) else None

    def numbers(self) -> set[float]:
        """The numbers in reach that are no sizes."""
        return {float(v) for _, v in self.names() if isinstance(v, float)}

    def names(self) -> Iterator[tuple[str, Any]]:
        """Arrays and numbers in reach."""
        for name, value in self.values.items():
            if is_array(value) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
                yield name, value


def nearly(a: Any, b: Any) -> bool:
    """Whether two arrays differ by rounding only, and do differ."""
    try:
        a, b = np.asarray(a, float), np.asarray(b, float)
    except Exception:
        return False
    return bool(a.shape == b.shape and np.allclose(a, b, rtol=1e-2, atol=1e-3) and not np.array_equal(a, b))


def is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype")


@dataclass
class Slot:
    """A place in the tree that holds an expression."""

    parent: ast.AST
    name: str
    index: int | None
    path: tuple[ast.AST, ...]  # from the function down to the parent

    def get(self) -> Any:
        held = getattr(self.parent, self.name)
        return held if self.index is None else held[self.index]

    def put(self, node: Any) -> None:
        if self.index is None:
            setattr(self.parent, self.name, node)
        else:
            getattr(self.parent, self.name)[self.index] = node

    @property
    def statement(self) -> ast.stmt:
        return next((n for n in reversed(self.path) if isinstance(n, ast.stmt)), self.path[0])  # type: ignore[return-value]

    def within(self, kind: type) -> bool:
        return any(isinstance(n, kind) for n in self.path)


@dataclass
class Edit:
    """One change: what it takes back, and how plausible that is (the lower, the more)."""

    kind: str
    said: str
    rank: float
    slot: Slot
    node: Any


def slots(function: ast.AST) -> Iterator[Slot]:
    """Every expression and statement of a function, outermost first, not its arguments."""
    queue: list[tuple[ast.AST, tuple[ast.AST, ...]]] = [(function, (function,))]
    while queue:
        parent, path = queue.pop(0)
        for name, held in ast.iter_fields(parent):
            if name in ("args", "decorator_list", "returns") and isinstance(
                parent, (ast.FunctionDef, ast.Lambda)
            ):
                continue
            members = list(enumerate(held)) if isinstance(held, list) else [(None, held)]
            for index, child in members:
                if not isinstance(child, ast.AST) or isinstance(
                    child, (ast.expr_context, ast.operator, ast.cmpop)
                ):
                    continue
                if isinstance(child, (ast.expr, ast.stmt)):
                    yield Slot(parent, name, index, path)
                queue.append((child, (*path, child)))


def edits(function: ast.AST, scope: Scope) -> Iterator[Edit]:
    """All edits, in no order."""
    for slot in list(slots(function)):
        node = slot.get()
        for maker in MAKERS:
            with contextlib.suppress(SyntaxError):  # a part that is no expression by itself
                yield from maker(slot, node, scope)
    yield from everywhere(function, scope)


Maker = Callable[[Slot, Any, Scope], Iterator[Edit]]


def _is_load(node: Any) -> bool:
    return isinstance(getattr(node, "ctx", ast.Load()), ast.Load)


def _in_index(slot: Slot) -> bool:
    """Whether this is inside an index, a slice, or a range."""
    chain = [*slot.path, slot.get()]
    for outer, inner in itertools.pairwise(chain):
        if isinstance(outer, ast.Subscript) and inner is outer.slice:
            return True
        if isinstance(outer, ast.Call) and _called(outer) in (
            "range",
            "arange",
            "eye",
            "tril",
            "triu",
            "roll",
            "pad",
            "diff",
            "tri",
        ):
            return True
    return False


def _called(node: Any) -> str:
    """The last name of what a call calls."""
    f = node.func if isinstance(node, ast.Call) else node
    return f.attr if isinstance(f, ast.Attribute) else f.id if isinstance(f, ast.Name) else ""


def _parse(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


NAMED = {
    "axis": "wrong-axis",
    "stride": "stride",
    "strides": "stride",
    "dilation": "stride",
    "step": "stride",
    "groups": "group",
    "heads": "group",
}


def named_kind(text: str, otherwise: str) -> str:
    """Names that tell what a number is for."""
    low = text.lower()
    for name, kind in NAMED.items():
        if name in low:
            return kind
    return "epsilon" if "eps" in low else otherwise


# Numbers.


def constants(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if not isinstance(node, ast.Constant) or isinstance(node.value, (bool, str, bytes)) or node.value is None:
        return
    value = node.value
    if not isinstance(value, (int, float)):
        return
    keyword = next((n.arg for n in reversed(slot.path) if isinstance(n, ast.keyword)), None)
    if keyword in ("axis", "dim", "axes"):
        return
    parameter = keyword or _parameter(slot, scope)
    if parameter and any(word in parameter for word in ("axis", "dim")) and isinstance(value, int):
        for other in (0, 1, 2, -1):
            if other != value:
                yield Edit("wrong-axis", f"{parameter} {value} for {other}", 2.4, slot, ast.Constant(other))
        return
    if _of_shape(slot):
        for other in range(4):
            if other != value:
                yield Edit(
                    "factor",
                    f"the size of axis {value} for that of axis {other}",
                    2.4,
                    slot,
                    ast.Constant(other),
                )
        return
    if isinstance(slot.parent, ast.Call) and _called(slot.parent) == "roll":
        yield Edit("flipped", "shifted the wrong way", 2.2, slot, ast.UnaryOp(ast.USub(), node))
    if _in_index(slot) and isinstance(value, int):
        for other in (value - 1, value + 1, 0, 1, 2):
            if other != value:
                yield Edit("off-by-one", f"{value} for {other}", 2.4, slot, ast.Constant(other))
        return
    if slot.within(ast.Compare):
        for other in (0.0, 1.0, -1.0, -value, *scope.numbers()):
            if other != value:
                yield Edit("mask", f"the threshold {value} for {other:g}", 2.6, slot, ast.Constant(other))
    others: list[float] = [1, 2, 3, 0.5, 0, value + 1, value - 1, *([1 / value] if value else [])]
    in_power = isinstance(slot.parent, ast.BinOp) and isinstance(slot.parent.op, ast.Pow)
    small = 0 < abs(value) < 0.02
    for other in dict.fromkeys(others):
        if other != value:
            kind = (
                "local-derivative"
                if in_power
                else "epsilon"
                if small
                else named_kind(parameter or "", "factor")
            )
            if value == 2 and other == 1 and _is_term(slot):
                kind = "double-path"
            yield Edit(kind, f"{value:g} for {other:g}", 2.8, slot, ast.Constant(other))


def _parameter(slot: Slot, scope: Scope) -> str | None:
    """The name of the parameter that an argument is given for, if the function is the author's own."""
    if not (
        isinstance(slot.parent, ast.Call) and slot.name == "args" and isinstance(slot.parent.func, ast.Name)
    ):
        return None
    function = scope.values.get(slot.parent.func.id)
    code = getattr(function, "__code__", None)
    if code is None or slot.index is None or slot.index >= code.co_argcount:
        return None
    return code.co_varnames[slot.index]


def _of_shape(slot: Slot) -> bool:
    """Whether this is the index in ``x.shape[0]``."""
    return (
        isinstance(slot.parent, ast.Subscript)
        and isinstance(slot.parent.value, ast.Attribute)
        and slot.parent.value.attr == "shape"
    )


def _is_term(slot: Slot) -> bool:
    """Whether this factor stands in a term of a sum."""
    return any(
        isinstance(n, (ast.BinOp, ast.AugAssign)) and isinstance(n.op, (ast.Add, ast.Sub)) for n in slot.path
    )


def axes(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """``axis=``, and the second argument of a reduction."""
    is_axis = isinstance(slot.parent, ast.keyword) and slot.parent.arg in ("axis", "dim", "axes")
    call = slot.path[-1] if not isinstance(slot.parent, ast.keyword) else slot.path[-2]
    if not is_axis:
        reduces = isinstance(call, ast.Call) and _called(call) in REDUCERS
        method = (
            reduces
            and isinstance(call.func, ast.Attribute)
            and ast.unparse(call.func.value) not in ("np", "numpy", "jnp", "torch", "xp")
        )
        if not (reduces and slot.name == "args" and slot.index == (0 if method else 1)):
            return
    try:
        now = ast.literal_eval(node)
    except ValueError:
        return
    for other in (0, 1, 2, 3, -1, -2, (0, 1), (0, 2), (1, 2), (0, 2, 3), (0, 1, 2), (2, 3), None):
        if other != now:
            wider = isinstance(other, tuple) and (
                now in other if isinstance(now, int) else set(now or ()) < set(other)
            )
            fewer = isinstance(now, tuple) and isinstance(other, int) and other in now
            kind = "broadcast" if wider else "wrong-axis"
            rank = 2.3 if not fewer else 2.5
            yield Edit(kind, f"axis {now} for {other}", rank, slot, _parse(repr(other)))


REDUCERS = (
    "sum",
    "mean",
    "max",
    "min",
    "amax",
    "amin",
    "var",
    "std",
    "cumsum",
    "cumprod",
    "argmax",
    "argmin",
    "flip",
    "any",
    "all",
    "prod",
    "softmax",
    "sort",
    "argsort",
    "expand_dims",
)


def reductions(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """A mean for a sum, a sum too many, a function for its neighbour."""
    if not isinstance(node, ast.Call):
        return
    name = _called(node)
    for pair, kind in NEIGHBOURS:
        if name in pair:
            for other in pair:
                if other != name:
                    yield Edit(kind, f"{name} for {other}", 2.4, slot, _renamed(node, other))
    argument = (
        node.args[0] if node.args else node.func.value if isinstance(node.func, ast.Attribute) else None
    )
    if argument is not None and name in UNWRAPPED:
        yield Edit(UNWRAPPED[name], f"{name} too many", 2.9, slot, argument)
    if isinstance(node.func, ast.Attribute) and name in (
        "astype",
        "round",
        "conj",
        "double",
        "float",
        "half",
        "to",
        "int",
        "long",
    ):
        said = ast.unparse(node)
        how = f"{name} {' '.join(map(ast.unparse, node.args))}"
        kind = "integer" if "int" in how or "round" in how or "long" in how else "precision"
        yield Edit(kind, f"{said}", 2.2, slot, node.func.value)
    if node.keywords:
        for i, keyword in enumerate(node.keywords):
            if keyword.arg in ("dtype", "order", "mode", "keepdims"):
                kind = {
                    "order": "transposed",
                    "dtype": "precision",
                    "mode": "off-by-one",
                    "keepdims": "broadcast",
                }[keyword.arg]
                if keyword.arg == "dtype" and "int" in ast.unparse(keyword.value):
                    kind = "integer"
                rest = [k for j, k in enumerate(node.keywords) if j != i]
                yield Edit(kind, ast.unparse(keyword), 2.4, slot, ast.Call(node.func, node.args, rest))


NEIGHBOURS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("mean", "sum"), "factor"),
    (("max", "min"), "mask"), (("argmax", "argmin"), "mask"), (("maximum", "minimum"), "mask"),
    (("tril", "triu"), "mask"), (("greater", "less"), "mask"),
    (("sin", "cos"), "local-derivative"), (("sinh", "cosh"), "local-derivative"), (("zeros_like", "ones_like"), "mask"),
    (("cumsum", "sum"), "missing-path"), (("repeat", "tile"), "stride"), (("var", "std"), "local-derivative"),
    (("vstack", "hstack"), "wrong-axis"), (("exp", "expm1"), "local-derivative"), (("flipud", "fliplr"), "wrong-axis"),
)  # fmt: skip

UNWRAPPED = {
    "abs": "mask", "sqrt": "local-derivative", "square": "local-derivative", "exp": "wrong-array", "log": "wrong-array",
    "tanh": "wrong-array", "sigmoid": "local-derivative", "round": "integer", "floor": "integer", "trunc": "integer",
    "rint": "integer", "flip": "flipped", "fliplr": "flipped", "flipud": "flipped", "transpose": "transposed",
    "sum": "broadcast", "mean": "broadcast", "float32": "precision", "float16": "precision", "sign": "factor",
    "cumsum": "missing-path", "reversed": "flipped", "roll": "off-by-one", "maximum": "mask", "int": "integer",
}  # fmt: skip


def _renamed(node: ast.Call, name: str) -> ast.Call:
    f: Any = (
        ast.Attribute(node.func.value, name, ast.Load())
        if isinstance(node.func, ast.Attribute)
        else ast.Name(name, ast.Load())
    )
    return ast.Call(f, node.args, node.keywords)


# Order.


def transposes(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if not isinstance(node, (ast.Name, ast.Attribute, ast.Call, ast.Subscript)) or not _is_load(node):
        return
    if isinstance(node, ast.Attribute) and node.attr in ("T", "mT"):
        yield Edit("transposed", f".{node.attr} too many", 2.2, slot, node.value)
        return
    if (
        isinstance(node, ast.Call)
        and _called(node) in ("transpose", "swapaxes", "permute", "moveaxis")
        and isinstance(node.func, ast.Attribute)
    ):
        base = (
            node.args[0]
            if ast.unparse(node.func.value) in ("np", "jnp", "torch", "xp") and node.args
            else node.func.value
        )
        yield Edit("transposed", f"{_called(node)} too many", 2.2, slot, base)
    is_operand = isinstance(slot.parent, ast.BinOp) and isinstance(slot.parent.op, ast.MatMult)
    is_argument = isinstance(slot.parent, ast.Call) and _called(slot.parent) in (
        "dot",
        "matmul",
        "outer",
        "solve",
        "einsum",
        "mm",
        "bmm",
        "det",
        "inv",
    )
    is_result = isinstance(slot.parent, (ast.Assign, ast.Return, ast.Tuple))
    if is_operand or is_argument or is_result or isinstance(slot.parent, ast.BinOp):
        rank = 2.2 if is_operand or is_argument else 2.7
        yield Edit("transposed", "a transpose missing", rank, slot, ast.Attribute(node, "T", ast.Load()))
        if is_operand or is_argument:
            swapped = ast.Call(
                ast.Attribute(node, "swapaxes", ast.Load()), [ast.Constant(-1), ast.Constant(-2)], []
            )
            yield Edit("transposed", "a transpose missing", 2.3, slot, swapped)


def swaps(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if isinstance(node, ast.BinOp):
        turned = ast.BinOp(node.right, node.op, node.left)
        if isinstance(node.op, ast.Sub):
            yield Edit("factor", "a difference the wrong way round", 2.5, slot, turned)
        elif isinstance(node.op, (ast.Div, ast.MatMult, ast.Pow)):
            yield Edit("swapped", "operands swapped", 2.3, slot, turned)
        if isinstance(node.op, (ast.Add, ast.Sub)):
            other = ast.Sub() if isinstance(node.op, ast.Add) else ast.Add()
            yield Edit("factor", "the sign of a term", 2.4, slot, ast.BinOp(node.left, other, node.right))
        if isinstance(node.op, (ast.Mult, ast.Div)):
            other_op = ast.Div() if isinstance(node.op, ast.Mult) else ast.Mult()
            kind = named_kind(ast.unparse(node.right), _factor_kind(node.right, scope))
            yield Edit(
                kind,
                f"{'times' if isinstance(node.op, ast.Mult) else 'divided by'} {ast.unparse(node.right)}",
                2.7,
                slot,
                ast.BinOp(node.left, other_op, node.right),
            )
        if isinstance(node.op, ast.FloorDiv):
            yield Edit("integer", "// for /", 2, slot, ast.BinOp(node.left, ast.Div(), node.right))
        if isinstance(node.op, ast.Mod):
            yield Edit("off-by-one", "%", 3, slot, node.left)
    if (
        isinstance(node, ast.UnaryOp)
        and isinstance(node.op, ast.USub)
        and not isinstance(node.operand, ast.Constant)
    ):
        yield Edit("factor", "a minus too many", 2.4, slot, node.operand)
    if (
        isinstance(node, (ast.Tuple, ast.List))
        and _is_load(node)
        and 1 < len(node.elts) <= 5
        and not _in_index(slot)
    ):
        for i, j in itertools.combinations(range(len(node.elts)), 2):
            elements = list(node.elts)
            elements[i], elements[j] = elements[j], elements[i]
            yield Edit(
                "swapped",
                f"{ast.unparse(node.elts[i])} and {ast.unparse(node.elts[j])} swapped",
                2.2,
                slot,
                type(node)(elements, node.ctx),
            )
    if isinstance(node, ast.Call) and len(node.args) > 1:
        for i, j in itertools.combinations(range(min(len(node.args), 5)), 2):
            arguments = list(node.args)
            arguments[i], arguments[j] = arguments[j], arguments[i]
            kind = {"where": "mask", "outer": "transposed"}.get(_called(node), "swapped")
            yield Edit(
                kind,
                f"arguments of {_called(node)} swapped",
                2.3,
                slot,
                ast.Call(node.func, arguments, node.keywords),
            )


def reversals(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if isinstance(node, ast.Call) and _called(node) in ("range", "arange") and not _reversed_around(slot):
        yield Edit(
            "flipped",
            "steps in the wrong order",
            2.4,
            slot,
            ast.Call(ast.Name("reversed", ast.Load()), [node], []),
        )
    if isinstance(node, ast.Subscript) and _is_load(node):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for i, part in enumerate(parts):
            if isinstance(part, ast.Slice) and part.step is not None and ast.unparse(part.step) == "-1":
                whole = ast.Slice(part.lower, part.upper, None)
                held = scope.values.get(ast.unparse(node.value))
                kind = "swapped" if isinstance(held, (tuple, list)) else "flipped"
                yield Edit(kind, "[::-1] too many", 2.2, slot, _with_part(node, i, whole))
    shape = scope.shape(node) if isinstance(node, (ast.Name, ast.Attribute)) and _is_load(node) else None
    if (
        shape is not None
        and not isinstance(slot.parent, (ast.Attribute, ast.Subscript))
        and 1 <= len(shape) <= 4
    ):
        for axis in range(len(shape)):
            if shape[axis] > 1:
                index = ", ".join([":"] * axis + ["::-1"])
                yield Edit(
                    "flipped",
                    f"[::-1] missing on axis {axis}",
                    2.7,
                    slot,
                    _parse(f"{ast.unparse(node)}[{index}]"),
                )
        if len(shape) >= 3:
            yield Edit(
                "flipped", "[::-1, ::-1] missing", 2.7, slot, _parse(f"{ast.unparse(node)}[..., ::-1, ::-1]")
            )


def _reversed_around(slot: Slot) -> bool:
    return any(isinstance(n, ast.Call) and _called(n) == "reversed" for n in slot.path)


def _with_part(node: ast.Subscript, i: int, part: Any) -> ast.Subscript:
    if not isinstance(node.slice, ast.Tuple):
        return ast.Subscript(node.value, part, node.ctx)
    parts = list(node.slice.elts)
    parts[i] = part
    return ast.Subscript(node.value, ast.Tuple(parts, ast.Load()), node.ctx)


# Indices.


def indices(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if isinstance(node, ast.Subscript):
        parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
        for i, part in enumerate(parts):
            if not isinstance(part, ast.Slice):
                continue
            for lower, upper in (
                (None, None),
                ("1", None),
                (None, "-1"),
                ("1", "-1"),
                (_moved(part.lower, 1), part.upper),
                (_moved(part.lower, -1), part.upper),
                (part.lower, _moved(part.upper, 1)),
                (part.lower, _moved(part.upper, -1)),
                (_moved(part.lower, 1), _moved(part.upper, 1)),
                (_moved(part.lower, -1), _moved(part.upper, -1)),
            ):
                low, high = _bound(lower), _bound(upper)
                made = _with_part(node, i, ast.Slice(low, high, part.step))
                if ast.unparse(made) != ast.unparse(node):
                    is_whole = lower is None and upper is None
                    ends = {ast.unparse(b) for b in (part.lower, part.upper) if b is not None}
                    is_cut = is_whole and _summed(slot) and not ends & {"1", "-1"}
                    kind = "broadcast" if is_cut else "off-by-one"
                    yield Edit(kind, f"{ast.unparse(node)} for {ast.unparse(made)}", 2.4, slot, made)
            if part.step is not None and ast.unparse(part.step) != "-1":
                yield Edit(
                    "stride",
                    f"the step of {ast.unparse(node)}",
                    2.4,
                    slot,
                    _with_part(node, i, ast.Slice(part.lower, part.upper, None)),
                )
        if _is_load(node):
            whole = node.value
            shape = scope.shape(whole)
            first = node.slice.elts[0] if isinstance(node.slice, ast.Tuple) else node.slice
            if isinstance(first, ast.Constant) and isinstance(first.value, int):
                summed = _parse(f"{ast.unparse(whole)}.sum(axis=0)")
                yield Edit("broadcast", f"{ast.unparse(node)}, a slice for a sum", 2.1, slot, summed)
            if shape is None or len(shape) > 0:
                kind = "flipped" if "::-1" in ast.unparse(node) else "broadcast"
                yield Edit(kind, f"{ast.unparse(node)} for {ast.unparse(whole)}", 2.9, slot, whole)
    if (
        isinstance(node, (ast.Name, ast.BinOp))
        and _is_load(node)
        and isinstance(slot.parent, (ast.Subscript, ast.Tuple, ast.Call))
        and _in_index(slot)
    ):
        if not (isinstance(slot.parent, ast.Subscript) and slot.name == "value"):
            for by in (1, -1):
                yield Edit(
                    named_kind(ast.unparse(node), "off-by-one"),
                    f"{ast.unparse(node)} for {ast.unparse(_moved(node, by))}",
                    2.4,
                    slot,
                    _moved(node, by),
                )


def _summed(slot: Slot) -> bool:
    """Whether this is the argument of a sum or a mean."""
    return any(isinstance(n, ast.Call) and _called(n) in ("sum", "mean") for n in slot.path)


def _moved(node: Any, by: int) -> Any:
    if node is None:
        return None
    if isinstance(node, str):
        node = _parse(node)
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return ast.Constant(node.value + by)
    if (
        isinstance(node, ast.BinOp)
        and isinstance(node.op, (ast.Add, ast.Sub))
        and isinstance(node.right, ast.Constant)
        and node.right.value == 1
    ):
        if isinstance(node.op, ast.Add) == (by < 0):
            return node.left
    op = ast.Add() if by > 0 else ast.Sub()
    return ast.BinOp(node, op, ast.Constant(1))


def _bound(given: Any) -> Any:
    return _parse(given) if isinstance(given, str) else given


def strings(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """The letters of an einsum."""
    if not (
        isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and ("->" in node.value or "," in node.value)
    ):
        return
    text = node.value
    parts = text.replace("->", ",").split(",")
    for part in parts:
        for i, j in itertools.combinations(range(len(part)), 2):
            letters = list(part)
            letters[i], letters[j] = letters[j], letters[i]
            yield Edit(
                "transposed",
                f"the letters {part!r} for {''.join(letters)!r}",
                2.3,
                slot,
                ast.Constant(text.replace(part, "".join(letters), 1)),
            )


# Masks.

TURNED: dict[type, tuple[type, ...]] = {
    ast.Gt: (ast.GtE, ast.Lt, ast.LtE), ast.GtE: (ast.Gt, ast.LtE, ast.Lt), ast.Lt: (ast.LtE, ast.Gt, ast.GtE),
    ast.LtE: (ast.Lt, ast.GtE, ast.Gt), ast.Eq: (ast.NotEq,), ast.NotEq: (ast.Eq,),
}  # fmt: skip


def _counts(node: ast.Compare, scope: Scope) -> bool:
    """Whether whole numbers are compared: steps, not values."""
    sides = (node.left, *node.comparators)
    held = [
        side.value if isinstance(side, ast.Constant) else scope.values.get(ast.unparse(side))
        for side in sides
    ]
    return all(isinstance(h, int) and not isinstance(h, bool) for h in held)


def masks(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in TURNED.get(type(node.ops[0]), ()):
            yield Edit(
                "off-by-one" if _counts(node, scope) else "mask",
                f"the comparison {ast.unparse(node)}",
                2.3,
                slot,
                ast.Compare(node.left, [other()], node.comparators),
            )
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Invert, ast.Not)):
        yield Edit("mask", "a mask inverted", 2.3, slot, node.operand)
    value = (
        scope.values.get(ast.unparse(node))
        if isinstance(node, (ast.Name, ast.Attribute)) and _is_load(node)
        else None
    )
    if is_array(value) and str(value.dtype).endswith("bool"):
        yield Edit(
            "mask", f"the mask {ast.unparse(node)} inverted", 2.3, slot, ast.UnaryOp(ast.Invert(), node)
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.BitAnd, ast.BitOr)):
        yield Edit("mask", "one of two conditions", 2.6, slot, node.left)
        yield Edit("mask", "one of two conditions", 2.6, slot, node.right)
        other_op = ast.BitOr() if isinstance(node.op, ast.BitAnd) else ast.BitAnd()
        yield Edit("mask", "and for or", 2.6, slot, ast.BinOp(node.left, other_op, node.right))


# Factors and terms.


def dropped(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """A factor or a term too many."""
    if not isinstance(node, ast.BinOp) or _in_index(slot):
        return
    for kept, gone in ((node.left, node.right), (node.right, node.left)):
        said = ast.unparse(gone)
        if isinstance(node.op, ast.Mult) or (isinstance(node.op, ast.Div) and gone is node.right):
            kind = "upstream-twice" if said in scope.douts else named_kind(said, _factor_kind(gone, scope))
            if said == "2" and _is_term(slot):
                kind = "double-path"
            yield Edit(kind, f"{said} too many", 2.6, slot, kept)
        elif isinstance(node.op, (ast.Add, ast.Sub)):
            small = isinstance(gone, ast.Constant) or "eps" in said.lower()
            whole = isinstance(gone, ast.Constant) and isinstance(gone.value, int)
            kind = "off-by-one" if whole else "epsilon" if small else "double-path"
            yield Edit(kind, f"{said} too many", 2.8, slot, kept)
        elif isinstance(node.op, ast.Pow) and gone is node.right:
            yield Edit("local-derivative", f"the power {said} too many", 2.6, slot, kept)


def _factor_kind(node: Any, scope: Scope) -> str:
    """What a factor is, by what it holds."""
    text = ast.unparse(node)
    value = scope.values.get(text)
    if (
        isinstance(node, ast.Constant)
        or isinstance(value, (int, float))
        or (is_array(value) and np.size(value) == 1)
    ):
        return "factor"
    if is_array(value) and str(value.dtype).endswith("bool"):
        return "mask"
    if isinstance(node, ast.Call) and _called(node) in ("len", "prod", "float"):
        return "factor"
    if isinstance(node, (ast.Attribute, ast.Subscript)) and (".shape" in text or ".size" in text):
        return "factor"
    if isinstance(node, ast.Compare):
        return "mask"
    return "local-derivative"


def added(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """A factor or a term missing: any name in reach."""
    is_result = isinstance(slot.parent, (ast.Assign, ast.Return, ast.AugAssign)) and slot.name == "value"
    is_element = isinstance(slot.parent, (ast.Tuple, ast.List)) and slot.within(ast.Return)
    is_operand = isinstance(slot.parent, ast.BinOp) or (
        isinstance(slot.parent, ast.Call) and slot.name == "args"
    )
    is_operand |= isinstance(slot.parent, ast.Lambda) and slot.name == "body"
    if (
        not isinstance(node, ast.expr)
        or not _is_load(node)
        or isinstance(node, (ast.Constant, ast.Tuple, ast.Slice))
    ):
        return
    if not (is_result or is_element or is_operand) or _in_index(slot) or slot.within(ast.Compare):
        return
    far = 0.0 if is_result or is_element else 0.2
    for name, value in scope.names():
        text = ast.unparse(node)
        other = _parse(name)
        mask = is_array(value) and str(value.dtype).endswith("bool")
        scalar = not is_array(value) or np.size(value) == 1
        kind = (
            "upstream-ignored"
            if name in scope.douts
            else "mask"
            if mask
            else named_kind(name, "factor" if scalar else "local-derivative")
        )
        yield Edit(kind, f"{name}, a factor, missing", 3 + far, slot, ast.BinOp(node, ast.Mult(), other))
        if not mask:
            yield Edit(
                kind, f"a division by {name} missing", 3.1 + far, slot, ast.BinOp(node, ast.Div(), other)
            )
            if not scalar:
                yield Edit(
                    "missing-path",
                    f"the term {name} missing",
                    3.1 + far,
                    slot,
                    ast.BinOp(node, ast.Add(), other),
                )
                yield Edit(
                    "missing-path",
                    f"the term -{name} missing",
                    3.2 + far,
                    slot,
                    ast.BinOp(node, ast.Sub(), other),
                )
                yield Edit(
                    "local-derivative",
                    f"the factor 1 - {name}² missing",
                    3.2 + far,
                    slot,
                    _parse(f"({text}) * (1 - {name} ** 2)"),
                )
                yield Edit(
                    "local-derivative",
                    f"the factor {name}·(1 - {name}) missing",
                    3.3 + far,
                    slot,
                    _parse(f"({text}) * {name} * (1 - {name})"),
                )
                yield Edit(
                    "mask",
                    f"the mask {name} > 0 missing",
                    3.2 + far,
                    slot,
                    _parse(f"({text}) * ({name} > 0)"),
                )
            elif "eps" in name.lower():
                yield Edit("epsilon", f"{name} missing", 2.5, slot, ast.BinOp(node, ast.Add(), other))
    for n in dict.fromkeys((2, *scope.sizes)):
        if n > 1 and far == 0:
            yield Edit(
                "factor", f"the factor {n} missing", 3.1, slot, ast.BinOp(node, ast.Mult(), ast.Constant(n))
            )
            yield Edit(
                "factor", f"a division by {n} missing", 3.1, slot, ast.BinOp(node, ast.Div(), ast.Constant(n))
            )
    if is_result or is_element:
        yield Edit("factor", "a minus missing", 2.8, slot, ast.UnaryOp(ast.USub(), node))
        for axis in ("0", "1", "-1", "(0, 1)", "(0, 2)"):
            yield Edit(
                "broadcast",
                f"a sum over axis {axis} missing",
                3,
                slot,
                _parse(f"({ast.unparse(node)}).sum(axis={axis})"),
            )


def names(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    """Another array, or another number, in place of the one that is named."""
    if not isinstance(node, (ast.Name, ast.Attribute)) or not _is_load(node):
        return
    text = ast.unparse(node)
    if text not in scope.values:
        return
    value = scope.values[text]
    if not (is_array(value) or isinstance(value, (int, float))):
        return
    for name, other in scope.names():
        if name == text or (is_array(other) != is_array(value)):
            continue
        if is_array(value):
            alike = np.shape(value) == np.shape(other)
            kind = "wrong-array"
            if name in scope.douts and not alike:
                kind = "upstream-ignored"
            elif alike and nearly(value, other):
                kind = "precision"
            yield Edit(kind, f"{text} for {name}", 2.5 if alike else 2.8, slot, _parse(name))
        else:
            kind = "off-by-one" if _in_index(slot) else "factor"
            yield Edit(
                named_kind(f"{text} {name} {_parameter(slot, scope) or ''}", kind),
                f"{text} for {name}",
                2.7,
                slot,
                _parse(name),
            )


# Statements.


def statements(slot: Slot, node: Any, scope: Scope) -> Iterator[Edit]:
    if isinstance(node, ast.Assign) and len(node.targets) == 1 and not isinstance(node.value, ast.Constant):
        target = node.targets[0]
        if slot.within(ast.For) or isinstance(target, ast.Subscript):
            yield Edit("assigned", "= for +=", 2, slot, ast.AugAssign(target, ast.Add(), node.value))
        if isinstance(target, ast.Subscript):
            yield Edit(
                "assigned", "assigned at an index, not added up", 2, slot, _added_at(target, node.value)
            )
    if isinstance(node, ast.AugAssign):
        if isinstance(node.op, ast.Add):
            yield Edit("double-path", "+= for =", 2.6, slot, ast.Assign([node.target], node.value))
            if isinstance(node.target, ast.Subscript):
                yield Edit(
                    "assigned",
                    "+= at an index that repeats, for np.add.at",
                    2,
                    slot,
                    _added_at(node.target, node.value),
                )
        for op, other in ((ast.Add, ast.Sub), (ast.Sub, ast.Add)):
            if isinstance(node.op, op):
                yield Edit(
                    "factor", "the sign of a term", 2.5, slot, ast.AugAssign(node.target, other(), node.value)
                )
    if isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr)) and isinstance(slot.index, int):
        writes = isinstance(node, ast.AugAssign)
        if writes or isinstance(node, ast.Expr):
            held = ast.unparse(node)
            steps = isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub)
            yield Edit(
                "updated-weights" if steps else "double-path", f"the statement {held}", 2.6, slot, ast.Pass()
            )


def _added_at(target: ast.Subscript, value: ast.expr) -> ast.Expr:
    call = _parse("np.add.at(a, i, v)")
    assert isinstance(call, ast.Call)
    index = _loaded(target.slice)
    if (isinstance(index, ast.Tuple) and any(isinstance(p, ast.Slice) for p in index.elts)) or isinstance(
        index, ast.Slice
    ):
        index = _parse(f"np.s_[{ast.unparse(target.slice)}]")
    call.args = [_loaded(target.value), index, value]
    return ast.Expr(call)


def _loaded(node: Any) -> Any:
    return _parse(ast.unparse(node)) if not isinstance(node, ast.Slice) else node


def everywhere(function: Any, scope: Scope) -> Iterator[Edit]:
    """The same change wherever it can be made: one axis for another in every reduction."""
    if not isinstance(function, ast.FunctionDef):
        return
    found = [
        n.value.value
        for n in ast.walk(function)
        if isinstance(n, ast.keyword) and n.arg in ("axis", "dim") and isinstance(n.value, ast.Constant)
    ]
    for now in {a for a in found if isinstance(a, int) and found.count(a) > 1}:
        for other in (0, 1, 2, -1):
            if other == now:
                continue
            body = copy.deepcopy(function.body)
            for n in itertools.chain.from_iterable(map(ast.walk, body)):
                if (
                    isinstance(n, ast.keyword)
                    and n.arg in ("axis", "dim")
                    and isinstance(n.value, ast.Constant)
                ):
                    n.value = ast.Constant(other if n.value.value == now else n.value.value)
            slot = Slot(function, "body", None, (function,))
            yield Edit("wrong-axis", f"axis {now} for {other} throughout", 2.35, slot, body)


MAKERS: tuple[Maker, ...] = (
    statements, axes, constants, masks, transposes, swaps, reversals, indices, strings, reductions, names, dropped, added,
)  # fmt: skip
