"""How a backward is called after its forward, by what its parameters are called.

``backward(dout)``, ``backward(dout, cache)``, ``backward(x, delta)``, ``gradient(out_grad, node)``: each
parameter is given what its name says, an input of the forward, something that it returned, or dout.
"""

from __future__ import annotations

import ast
import functools
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import CodeType, FunctionType, SimpleNamespace
from typing import Any

from handgrad.checking.forms.form import CannotCall
from handgrad.checking.source import parsed
from handgrad.tree import tree_map

DOUT_NAMES = ("dout", "dy", "dz", "grad", "grad_out", "grad_output", "upstream", "delta", "gradient", "error")
DOUT = re.compile(
    r"_?(grad|delta|upstream|accum_grad|out_grad|output_grad|d_?l_?d|error|cotangent)", re.IGNORECASE
)
OUTPUTS = (
    "out",
    "y",
    "z",
    "h",
    "c",
    "a",
    "o",
    "s",
    "p",
    "loss",
    "output",
    "logits",
    "next",
    "prev",
    "v",
    "u",
    "r",
)
CACHES = (
    "cache",
    "caches",
    "cached",
    "saved",
    "memo",
    "memory",
    "res",
    "residuals",
    "ctx",
    "context",
    "tape",
    "aux",
)
LABELS = ("t", "target", "targets", "label", "labels", "y_true", "truth", "y")
RATES = {"lr", "rate", "learning_rate", "eta", "alpha", "momentum", "lam", "reg", "epoch"}  # no arrays
NODES = ("node", "op")


@dataclass(frozen=True)
class Plan:
    """What each argument of a backward is, and which of what the forward returned are outputs."""

    takes: tuple[tuple[str, int], ...]  # (dout | input | part | cache | node, which)
    outs: tuple[int, ...]

    @property
    def douts(self) -> int:
        return sum(kind == "dout" for kind, _ in self.takes)

    def out(self, made: Any) -> Any:
        """The outputs among what the forward returned: one bare, several as a tuple."""
        if not isinstance(made, (tuple, list)) or self.outs == tuple(range(len(made))):
            return made
        return made[self.outs[0]] if len(self.outs) == 1 else tuple(made[i] for i in self.outs)

    def arguments(self, dout: Any, xs: tuple, made: Any) -> list[Any]:
        parts = parts_of(made)
        rest = [x for i, x in enumerate(parts) if i not in self.outs]
        found: dict[str, Callable[[int], Any]] = {
            "dout": lambda i: dout[i] if self.douts > 1 else dout,
            "input": lambda i: xs[i],
            "part": lambda i: parts[i],
            "cache": lambda i: rest[0] if len(rest) == 1 else tuple(rest),
            "node": lambda i: SimpleNamespace(inputs=xs, op=None, out=made, value=made),
        }
        return [found[kind](which) for kind, which in self.takes]


def options_of_each(forward: Callable, backward: Callable, options: dict) -> tuple[dict, dict]:
    """Those of a forward and those of its backward: each gets what it takes, and the forward what neither
    names. What a backward must have by keyword it has as its forward does by default.
    """
    taken, back = parameters_of(forward), parameters_of(backward)
    needed = [n for n, p in back.items() if p.kind == p.KEYWORD_ONLY and p.default is p.empty and n in taken]
    defaults = {n: taken[n].default for n in needed if taken[n].default is not taken[n].empty}
    own = {k: v for k, v in options.items() if k in taken or k not in back}
    return own, defaults | {k: v for k, v in options.items() if k in back}


def parameters_of(f: Callable) -> dict[str, inspect.Parameter]:
    """By name; none where they cannot be had."""
    try:
        return dict(inspect.signature(f).parameters)
    except (TypeError, ValueError):
        return {}


def with_its_cache(found: Plan, call: Callable[[list[Any]], Any], xs: tuple, made: Any) -> Plan:
    """Of several things beside the output, what the backward takes as its cache: all, or the one that it runs
    with.
    """
    rest = [i for i in range(len(parts_of(made))) if i not in found.outs]
    if len(rest) < 2 or ("cache", 0) not in found.takes:
        return found
    one = [tuple(("part", i) if take == ("cache", 0) else take for take in found.takes) for i in rest[::-1]]
    for each in (found, *(replace(found, takes=takes) for takes in one)):
        try:
            dout = tree_map(lambda o: o * 0 + 1.0, each.out(made))
            call(each.arguments(dout, xs, made))
        except Exception:  # it is not this one
            continue
        return each
    return found


def parts_of(made: Any) -> list[Any]:
    """What a forward returned, one by one."""
    return list(made) if isinstance(made, (tuple, list)) else [made]


def wanted_by(backward: Callable) -> list[str] | None:
    """The positional parameters that a backward must be given; None where it takes any number."""
    if type(backward) is FunctionType and not backward.__dict__:  # made anew by each forward: no signature
        return _wanted_by_code(backward.__code__, len(backward.__defaults__ or ()))
    try:
        parameters = list(inspect.signature(backward).parameters.values())
    except (TypeError, ValueError):
        return None
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if any(p.kind == p.VAR_POSITIONAL for p in parameters):
        return None
    needed = [p.name for p in positional if p.default is p.empty]
    return needed or [p.name for p in positional[:1]]  # backward(dout=1)


def _wanted_by_code(code: CodeType, defaults: int) -> list[str] | None:
    positional = list(code.co_varnames[: code.co_argcount])
    if code.co_flags & inspect.CO_VARARGS:
        return None
    return positional[: len(positional) - defaults] or positional[:1]


@functools.lru_cache(maxsize=512)
def returned_names(f: Callable | None) -> list[str | None]:
    """The names in a function's last return statement, None for what has none."""
    source = parsed(f) if f is not None else None
    tree = source.tree if source is not None else None
    body = next((n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)), None) if tree else None
    returns = [n for n in ast.walk(body) if isinstance(n, ast.Return) and n.value is not None] if body else []
    if not returns:
        return []
    value = max(returns, key=lambda n: n.lineno).value
    nodes = value.elts if isinstance(value, (ast.Tuple, ast.List)) else [value]
    return [n.id if isinstance(n, ast.Name) else getattr(n, "attr", None) for n in nodes]


def is_dout(name: str, outputs: list[str | None]) -> bool:
    """Whether a parameter's name says that it is the gradient of an output."""
    low = name.lower().strip("_")
    if low in DOUT_NAMES or DOUT.match(low):
        return True
    bare = low[1:].strip("_") if low.startswith("d") else ""
    known = {str(o).lower() for o in outputs} | set(OUTPUTS)
    return bool(bare) and (bare in known or bare.split("_")[0] in known)


def plan(wanted: list[str], inputs: list[str], parts: list[Any], returned: list[str | None]) -> Plan | None:
    """By the names of a backward's parameters; None where they do not say.

    Args:
        wanted: the backward's parameters.
        inputs: the names of the forward's inputs, in order.
        parts: what the forward returned.
        returned: how that is called in its return statement.
    """
    names: list[str | None] = returned if len(returned) == len(parts) else [None] * len(parts)
    takes = [_by_name(w, inputs, names) for w in wanted]
    unknown = [i for i, found in enumerate(takes) if found is None]
    is_of_loss = any(w.lower() in LABELS for w in wanted) and 0 < len(unknown) == len(parts) - 1
    if unknown and not is_of_loss and not any(found == ("dout", 0) for found in takes):
        takes[unknown.pop(0)] = ("dout", 0)
    douts = [i for i, found in enumerate(takes) if found == ("dout", 0)]
    for number, i in enumerate(douts):
        takes[i] = ("dout", number)
    by_name = {found[1] for found in takes if found is not None and found[0] == "part"}
    free = [i for i in range(len(parts)) if i not in by_name or i == 0]
    needs_cache = any(found is not None and found[0] == "cache" for found in takes)
    if unknown:
        left = [i for i in free[max(len(douts), 1) :] if i]
        if len(unknown) == len(left):
            for i, part in zip(unknown, left, strict=True):
                takes[i] = ("part", part)
            free = [i for i in free if i not in left]
        elif len(unknown) == 1 and left:
            takes[unknown[0]], needs_cache = ("cache", 0), True
        else:
            return None
    many = max(len(douts), 1)
    if needs_cache or len(douts) != 1:
        if len(free) < many + needs_cache and not (many > 1 and len(parts) == 1):
            return None
        free = free[:many]
    elif any(not _is_array(parts[i]) for i in free[1:]):
        free = free[:1]
    return Plan(tuple(found for found in takes if found is not None), tuple(free))


def _is_array(x: Any) -> bool:
    return hasattr(x, "shape") or isinstance(x, (int, float, complex, list, tuple))


def _by_name(name: str, inputs: list[str], returned: list[str | None]) -> tuple[str, int] | None:
    if name in returned[1:]:
        return "part", returned.index(name, 1)
    if name.lower() in CACHES:
        return "cache", 0
    if name in inputs:
        return "input", inputs.index(name)
    if is_dout(name, returned):
        return "dout", 0
    if name.lower() in NODES:
        return "node", 0
    if name in returned[:1] or (len(returned) == 1 and name in ("out", "output")):
        return "part", 0
    return None


def planned(
    forward: Callable, backward: Callable, inputs: list[str], made: Any, what: str, options: dict
) -> Plan:
    """How ``backward`` is called, with these options, after ``forward`` returned ``made``.

    Raises:
        CannotCall: its parameters do not say.
    """
    parts = parts_of(made)
    wanted = wanted_by(backward)
    if wanted is None:
        return Plan((("dout", 0),), tuple(range(len(parts))))
    wanted = [w for w in wanted if w not in options]
    found = plan(wanted, inputs, parts, returned_names(forward))
    if found is None and not RATES & {w.lower() for w in wanted}:
        found = _by_place(wanted, len(inputs), parts)
    if found is not None:
        return found
    raise CannotCall(
        f"how {what}({', '.join(wanted)}) is to be called cannot be told: the forward takes "
        f"({', '.join(inputs)}) and returns {len(parts)} thing{'s' * (len(parts) != 1)}; a backward takes "
        f"(dout), (dout, cache), (dout, *inputs) or (dout, *inputs, out), and by name what options= gives; "
        f"for another, give adapter=, a function (forward, backward) -> f with f(*inputs) -> (out, backward)"
    )


def _by_place(wanted: list[str], count: int, parts: list[Any]) -> Plan | None:
    """``(dout, *inputs)``, ``(*inputs, dout)``, and the same with the output as well."""
    last = len(wanted) > 1 and wanted[-1].lower() in DOUT_NAMES and wanted[0].lower() not in DOUT_NAMES
    saved = [("input", k) for k in range(count)]
    if len(wanted) == count + 2:
        saved.append(("part", 0))
    elif len(wanted) != count + 1:
        return None
    dout = [("dout", 0)]
    return Plan(tuple(saved + dout if last else dout + saved), tuple(range(len(parts))))
