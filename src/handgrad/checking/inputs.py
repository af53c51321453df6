"""Inputs to check a target with: from shapes, from hints that its author left, or found by trying.

What is found is a template of named axes; it gives several sets of inputs, the first with sizes that
are all different, the others at the edges: a batch of one, axes of size one, broadcast pairs.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from handgrad.arrays import is_floating
from handgrad.checking.forms.form import CannotCall
from handgrad.checking.forms.function import RuleForm
from handgrad.checking.forms.networks import Network
from handgrad.checking.forms.peers import JaxForm, TorchForm
from handgrad.checking.hints import LABELS, hints_of, parameters_of
from handgrad.checking.quietly import quiet
from handgrad.checking.specs import (
    FREE,
    Axis,
    Given,
    Item,
    Template,
    drawn,
    from_shapes,
    items,
    parse,
    sets_from_shapes,
    shapes_text,
    sizes_of,
    variants,
)
from handgrad.checking.subject import Subject, Unfit, copied, counted, label, parted
from handgrad.checking.targets import form_of, subject_of
from handgrad.rules.rule import Rule
from handgrad.tree import tree_map

__all__ = ["found_by_trying", "from_hints", "from_shapes", "made_for", "sets_from_shapes"]

Sets = list[tuple[str, tuple]]  # what each set of inputs is called, and the inputs

LOOKS, MORE = 10_000, 2_500  # in one search: at most; for better ones than the first that go through
ADVICE = 'give the shapes of its inputs as --inputs (or spec=), like "(3, 4), (N, D), (N,) < 10"'


def made_for(target: Any, spec: str | None = None, seed: int = 0, loss: Any = None) -> Sets:
    """Sets of inputs that the target's forward takes: from ``spec``, else from hints, else by trying.

    Raises:
        ValueError: ``spec`` is not a list of shapes, the forward does not take them, or none were found.
        TypeError: the target is nothing that can be checked.
    """
    if spec is not None:
        return _from_spec(Probe(target, loss), parse(spec), seed)
    if loss is not None:
        return _with_labels(target, loss, seed)
    return from_hints(target, seed) or found_by_trying(target, seed=seed)


def from_hints(target: Any, seed: int = 0) -> Sets | None:
    """From annotations or the docstring, ``x (N, D), W (D, M)``; None where there are none that fit.

    Annotations may be shapes as text, ``x: "(N, D)"``, jaxtyping's, ``Annotated[np.ndarray, (3, 4)]``, or
    ``int``, ``float`` and ``bool``.
    """
    hints = hints_of(target)
    if not any(hints):
        return None
    usual = by_name(target, parameters_of(target))
    candidates = [hint or other for hint, other in zip(hints, usual, strict=True)]
    return _search(Probe(target), candidates, seed)


def found_by_trying(target: Any, count: int | None = None, seed: int = 0) -> Sets:
    """The first combination of common shapes that the target's forward takes, and its edge shapes.

    Names help: ``W`` and ``b`` are a matrix and a vector, ``t`` and ``labels`` class indices.

    Raises:
        ValueError: it takes none of them.
        TypeError: the target is nothing that can be checked.

    Examples:
        >>> (name, inputs), *edges = hg.checking.found_by_trying(hg.affine)
        >>> print(name, [x.shape for x in inputs])
        N=5, D=6, M=3 [(5, 6), (6, 3), (3,)]
        >>> [name for name, _ in edges]
        ['N=1 (batch of one)', 'D=1', 'M=1', 'all axes of size one']
    """
    names = parameters_of(target)
    counts = [count] if count is not None else [len(names)] if names else [1, 2, 3]
    probe = Probe(target)
    for n in counts:
        padded = [*names, "x", "y", "z"][:n] if len(names) < n else names[:n]
        for candidates in (by_name(target, padded), [_options(ANY)] * n):
            found = _search(probe, candidates, seed)
            if found:
                return found
    said = f" ({probe.error})" if probe.error else ""
    raise ValueError(f"none of the shapes that were tried goes through {label(target)}{said}; {ADVICE}")


# Whether a target takes inputs.


class Probe:
    """A target, asked whether it takes inputs, in the way that ``check`` would hand them to it."""

    # It raises; is not finite; its backward raises; both run; each input has a gradient of its shape.
    NO, ODD, ONE_WAY, FINE, ANSWERED = range(5)

    def __init__(self, target: Any, loss: Any = None):
        self.target, self.loss = target, loss
        self.error, self.left = "", LOOKS
        self.made = [lambda x: x, *_libraries(target)]

    def look(self, inputs: tuple) -> int:
        self.left -= 1
        for number, made in enumerate(self.made):
            found = self._look(tree_map(made, inputs))
            if found:
                self.made = [self.made[number]]
                return found
        return self.NO

    def given(self, inputs: tuple) -> tuple:
        """The inputs as arrays of the library that the target takes."""
        return tree_map(self.made[0], inputs)

    def _look(self, inputs: tuple) -> int:
        try:
            with quiet():
                subject = subject_of(self.target, inputs, None, self.loss)
                f0 = subject.outputs(copied(subject.values))
                outs, back = subject.pair(copied(subject.values))
                if not f0.size and any(map(np.size, subject.values)):
                    raise TypeError("it returns no floating-point numbers")
                if not np.isfinite(f0).all():
                    return self.ODD
                return self._answer(subject, outs, back)
        except Exception as error:
            said = " ".join(str(error).split()) or type(error).__name__
            kind = "" if isinstance(error, CannotCall) else f"{type(error).__name__}: "
            self.error = self.error or f"with {shapes_text(inputs)}: {kind}{said}"
            return self.NO

    def _answer(self, subject: Subject, outs: list, back: Callable) -> int:
        """Whether each floating input gets a gradient of its own shape."""
        size = sum(np.size(o) for o in outs if np.asarray(o).dtype.kind in "fc")
        try:
            grads = back(parted(np.ones(size), outs))
        except Unfit:
            return self.FINE
        except Exception:
            return self.ONE_WAY
        fits = len(grads) == len(subject.values) and all(
            g is not None and np.shape(subject.fit(k, np.asarray(g))) == np.shape(x)
            for k, (g, x) in enumerate(zip(grads, subject.values, strict=True))
            if is_floating(x)
        )
        return self.ANSWERED if fits else self.FINE


def _libraries(target: Any) -> Iterator[Callable]:
    """Other libraries' arrays, for a plain function, if its file has loaded the library."""
    if isinstance(form_of(target), (RuleForm, TorchForm, JaxForm, Network)):
        return
    if "torch" in sys.modules:
        torch = sys.modules["torch"]
        yield lambda x: torch.from_numpy(x) if isinstance(x, np.ndarray) else x
    if "jax" in sys.modules:
        asarray = sys.modules["jax"].numpy.asarray
        yield lambda x: asarray(x) if isinstance(x, np.ndarray) else x


# Sets from a template.


def _from_spec(probe: Probe, template: Template, seed: int) -> Sets:
    """Shapes that were asked for: the first set has to go through."""
    names = parameters_of(probe.target) if probe.loss is None else []
    if len(template) < len(names) or (isinstance(probe.target, Rule) and len(template) > len(names)):
        raise ValueError(
            f"{label(probe.target)} takes {counted(len(names), 'input')} ({', '.join(names)}), not "
            f"{len(template)}"
        )
    looked = _best_draw(probe, template, seed)
    if looked is None:
        raise ValueError(f"{label(probe.target)} cannot be checked {probe.error}")
    return _sets(probe, template, looked[1], seed)


def _best_draw(probe: Probe, template: Template, seed: int) -> tuple[int, str] | None:
    """Which free elements it takes, and how well; None if it takes none."""
    _, first, sizes = next(variants(template))
    is_free = any(item.kind == "free" for item in items(template))
    best = None
    for free in FREE if is_free else ("normal",):
        found = probe.look(drawn(first, sizes, [seed, 0], free))
        if found > (best[0] if best else Probe.NO):
            best = found, free
        if found > Probe.ODD:
            break
    return best


def _sets(probe: Probe, template: Template, free: str, seed: int) -> Sets:
    """The first set, and those of its edges that the target takes."""
    found: Sets = []
    for number, (said, variant, sizes) in enumerate(
        itertools.chain(variants(template), _broadcast(probe.target, template), _one_hot(template))
    ):
        inputs = drawn(variant, sizes, [seed, number], free)
        if number == 0 or probe.look(inputs) > Probe.ODD:
            found.append((said, probe.given(inputs)))
    return found


def _broadcast(target: Any, template: Template) -> Iterator[tuple[str, Template, dict]]:
    """For an elementwise rule: each input in turn repeated along the first axis, then columns and rows."""
    if not (isinstance(target, Rule) and target.broadcasts):
        return
    wide = [k for k, item in enumerate(template) if isinstance(item, Item) and item.axes == ("N", "D")]
    if len(wide) < 2:
        return
    shapes: list[dict[int, tuple[Axis, ...]]] = [{k: ("D",)} for k in wide]
    shapes.append({k: (("N", 1), (1, "D"))[place % 2] for place, k in enumerate(wide)})
    for axes in shapes:
        made = tuple(replace(x, axes=axes[k]) if k in axes else x for k, x in enumerate(template))
        sizes = sizes_of(["N", "D"])
        yield f"shapes {shapes_text(drawn(made, sizes, 0))}", made, sizes


def _one_hot(template: Template) -> Iterator[tuple[str, Template, dict]]:
    """Class indices as one-hot rows, beside outputs (N, D): losses take both."""
    match template:
        case (Item(axes=(n, d)), Item(axes=(m,), kind="below", bound=bound)) if n == m and d == bound:
            _, _, sizes = next(variants(template))
            yield "one-hot labels", (template[0], Item((n, d), "one-hot")), sizes


# Trying.


def _search(probe: Probe, candidates: list[list], seed: int) -> Sets | None:
    """Sets of the first template that gives every input a gradient, else of the first that runs."""
    best: tuple[int, str, Template] | None = None
    until = 0
    for template in filter(_is_bound, itertools.product(*candidates)):
        if best and not any(item.axes for item in items(template)):
            continue  # numbers alone would hide what is not summed
        looked = _best_draw(probe, template, seed)
        if looked is not None and looked[0] > (best[0] if best else Probe.NO):
            best = (*looked, template)
            if best[0] == Probe.ANSWERED or (best[0] == Probe.FINE and len(template) == 1):
                break
            until = max(until, probe.left - MORE)
        if probe.left <= until:
            break
    if best is None:
        return None
    return _sets(probe, best[2], best[1], seed)


def _is_bound(template: Template) -> bool:
    """Whether each index is below the size of an axis that another input has."""
    axes = {axis for item in items(template) for axis in item.axes if item.kind != "below"}
    bounds = {item.bound for item in items(template) if item.kind == "below"}
    return not axes or all(isinstance(bound, int) or bound in axes for bound in bounds)


def _options(text: str) -> list:
    return [parse(part)[0] for part in text.split(";")]


ANY = "(N, D); (D, M); (M,); (D,); (N,); (N, M); (); (D, D); (N, T, D); (N, D, M)"
FIRST = "(N, D); (N, T, D); (B, C, L); (B, C, H, W); (N,); (); (D, D); (N, T) < 7"
BY_NAME = {
    "w weight weights kernel kernels filters wx wh": "(D, M); (M, D); (F, C, 3, 3); (F, C, 3); (F, C, 2); "
    "(C, F, 3); (C, 3); (D,); (D, D)",
    "bias": "(M,); (F,); (D,); ()",
    "gamma beta scale shift mean var mu running_mean running_var": "(D,); (C,); (1, C, 1, 1)",
    "positions": "(T,) < 9; (N, T) < 9",
    "index indices idx ids tokens": "(L,) < N; (L,) < D; (N, D) < D; (N,) < D; (N, T) < 3; (L,) < 2",
    "mask condition cond": "(N, D) < 2; (N,) < 2; (N, T) < 2",
    "arrays xs tensors": "[(N, D), (N, D)]; [(N, D), (M, D)]",
    "training train is_training": "true",
    "axis dim": "-1; 0",
    "low lo minimum a_min": "-0.5",
    "high hi maximum a_max": "0.5",
    "eps epsilon": "0.001",
    "p rate alpha slope negative_slope momentum lr": "0.1",
}
KEY = Given(np.array([1, 2], np.uint32))


def by_name(target: Any, names: list[str]) -> list[list]:
    """Candidates for each input: what its name suggests, or what its place does."""
    if isinstance(target, Rule) and target.broadcasts:
        return [_named(name, names) or _options("(N, D)") for name in names]
    sizes = _own_sizes(target)
    first = [*_of_sizes(sizes), *_options(FIRST)]
    later = [*_options(ANY), *(Item(("N", n)) for n in sizes)]
    return [_named(name, names) or (later if k else first) for k, name in enumerate(names)]


def _named(name: str, names: list[str]) -> list | None:
    low = name.lower()
    if low == "key" and "query" not in names:
        return [KEY]
    if low in LABELS:
        soft = [Item(("N", "D"), "soft"), Item(("N", "D"), "one-hot")]
        return [Item(("N",), "below", "D"), *soft, Item(("N", "T"), "below", "D"), *_options(ANY)]
    if low == "b" and not {"a", "A"} & set(names):
        low = "bias"
    return next((_options(text) for known, text in BY_NAME.items() if low in known.split()), None)


def _own_sizes(target: Any) -> list[int]:
    """How long the axes of the layer's own arrays are."""
    return [n for n in dict.fromkeys(n for shape in _own_shapes(target) for n in shape) if n > 1][:8]


def _of_sizes(sizes: list[int]) -> list[Item]:
    """Shapes with an axis of one of these sizes."""
    rows = [("N", 0), ("N", "T", 0), ("B", 0, "H", "W"), ("B", 0, "L"), ("B", 0, 28, 28), ("B", 0, 32, 32)]
    made = [Item(tuple(n if axis == 0 else axis for axis in row)) for row in rows for n in sizes]
    made += [Item(("B", 1, n, n)) for n in (28, 32) if sizes]
    return made + [Item(("N", "T"), "below", n) for n in sizes] + [Item((n,)) for n in sizes]


def _own_shapes(target: Any) -> list[tuple[int, ...]]:
    return [np.shape(x) for x in form_of(target).arrays]


# Networks with a loss.


def _with_labels(target: Any, loss: Any, seed: int) -> Sets:
    """The network's own sets, each with what the loss compares its output with."""
    probe = Probe(target, loss)
    plain = made_for(target, None, seed)
    for labels in (_indices, _soft, _one_hot_of, _free):
        found: Sets = []
        for number, (said, inputs) in enumerate(plain):
            item = labels(_output_shape(target, inputs))
            t = drawn((item,), {}, [seed, number, 1]) if item is not None else ()
            if t and probe.look((*inputs, *t)) >= (Probe.FINE if found else Probe.ANSWERED):
                found.append((said, probe.given((*inputs, *t))))
            elif not found:
                break
        if found:
            return found
    raise ValueError(
        f"none of the labels that were tried goes through {label(loss)}"
        f"{f' ({probe.error})' if probe.error else ''}; {ADVICE}"
    )


def _output_shape(target: Any, inputs: tuple) -> tuple[int, ...]:
    with quiet():
        subject = subject_of(target, inputs)
        return np.shape(subject.forward(copied(subject.values))[0])


def _indices(shape: tuple[int, ...]) -> Item | None:
    return Item(shape[:-1], "below", shape[-1]) if shape and shape[-1] > 1 else None


def _soft(shape: tuple[int, ...]) -> Item | None:
    return Item(shape, "soft") if shape else None


def _one_hot_of(shape: tuple[int, ...]) -> Item | None:
    return Item(shape, "one-hot") if shape else None


def _free(shape: tuple[int, ...]) -> Item | None:
    return Item(shape)
