"""The pages of the reference: every public name, with the place where its docstring stands.

What each page says comes from docstrings, and from how the tests call the rules.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import inspect
import posixpath
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import handgrad as hg
from handgrad.rules import ALL, Rule
from handgrad.tree import leaves, tree_map

ROOT = Path(__file__).parents[2]

BEFORE_EXAMPLES = (
    "The examples begin with `import numpy as np` and `import handgrad as hg`; the tests run them.\n"
)

OF_RULES = """`out` is the output and `dout` the gradient of the loss by it; each gradient (`dx` of `x`) has
the shape and the dtype of its input. A rule computes in the dtype of its inputs, float32 in float32. It is
called as it stands, `hg.relu(x)`, or by hand as `out, backward = hg.relu.vjp(x)`, where `backward(dout)`
gives one gradient for each input, and None for one that has none.

"""

OF_ALL = "Every public name. A rule has a page of its own, with formulas, shapes, source and an example."

# What is public beside whole modules.
OF_ENGINE = ("compile", "Compiled", "NotCompiledWarning", "OutOfRange", "explain", "peak")


@dataclass(frozen=True)
class Entry:
    """A public name: as it is called, where its docstring stands, and what it is."""

    shown: str
    path: str
    found: Any
    also: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.shown.rpartition(".")[2]


@dataclass(frozen=True)
class Page:
    file: str
    title: str
    intro: str
    entries: tuple[Entry, ...] = ()
    of_each: tuple[Page, ...] = ()  # pages below it, of one rule each


def pages() -> list[Page]:
    """All pages, in order."""
    modules = of_modules()
    elsewhere = {id(one.found) for page in modules for one in page.entries}
    return [of_functions(elsewhere), *of_rules(), *modules]


EXTRAS = {"onnx": "onnx", "sklearn": "sklearn"}  # what some of the modules need
MODULES = (
    ("layers", "Layers", "Layers own their parameters and are made of rules, of which their backward comes."),
    ("layers.initialisers", "Initial values", "What weights begin by: functions of (generator, shape)."),
    ("models", "Networks by name", "Each is a file of its own, with a shape at each line."),
    ("optim", "Optimisers", "`p` is a parameter, `dp` its gradient; a state has the shape and dtype of `p`."),
    ("train", "Training", "The trainer, what it writes, and what it raises."),
    ("data", "Data", "Built-in sets, files of your own, splits, preparation, mini-batches."),
    ("checking", "Checking", "Is this backward right, and if not, what is wrong with it?"),
    ("testing", "In your tests", "Backward passes in tests of your own."),
    ("view", "Showing", "Pictures and pages of a computation."),
    ("elsewhere", "Rules elsewhere", "Rules in the autodiff of PyTorch and JAX."),
    ("engine", "Compiling", "Native code of functions of rules."),
    ("onnx", "ONNX", "Models of ONNX, read and written: `hg.from_onnx`, `hg.to_onnx`."),
    ("sklearn", "Estimators", "Networks as estimators of scikit-learn."),
)


def of_modules() -> list[Page]:
    """Those of modules that can be imported here."""
    there = [each for each in MODULES if importlib.util.find_spec(EXTRAS.get(each[0], "handgrad"))]
    return [
        Page(f"reference/{name}.md", title, intro, tuple(entries_of(name))) for name, title, intro in there
    ]


def of_functions(elsewhere: set[int]) -> Page:
    """What `handgrad` itself has, and is documented with no other module."""
    names = [name for name in hg.__all__ if name not in ALL and id(getattr(hg, name)) not in elsewhere]
    found = [entry(f"hg.{name}", getattr(hg, name), f"handgrad.{name}") for name in names]
    found = [one for one in found if not isinstance(one.found, types.ModuleType)]
    intro = "Recording, and derivatives of functions."
    return Page("reference/handgrad.md", "Derivatives", intro, tuple(found))


def of_rules() -> Iterator[Page]:
    """A page for each family of rules."""
    families: dict[str, list[Rule]] = {}
    for rule in dict.fromkeys(ALL.values()):
        families.setdefault(rule.body.__module__, []).append(rule)
    for module, rules in sorted(families.items()):
        rules.sort(key=lambda rule: rule.body.__code__.co_firstlineno)
        title = (importlib.import_module(module).__doc__ or module).strip().splitlines()[0].rstrip(".")
        family = module.rpartition(".")[2]
        found = [Entry(f"hg.{r.name}", f"{module}.{r.body.__name__}", r, aliases(r)) for r in rules]
        each = [Page(f"reference/rules/{family}/{e.name}.md", e.name, "", (e,)) for e in found]
        words = family.replace("_", " ").capitalize()
        yield Page(f"reference/rules/{family}.md", words, f"{title}.\n\n{OF_RULES}", of_each=tuple(each))


def aliases(rule: Rule) -> tuple[str, ...]:
    return tuple(f"hg.{name}" for name, found in ALL.items() if found is rule and name != rule.name)


def entries_of(name: str) -> Iterator[Entry]:
    """The public names of a module of handgrad."""
    module = importlib.import_module(f"handgrad.{name}")
    names = OF_ENGINE if name == "engine" else getattr(module, "__all__", None) or own(module)
    for each in names:
        if not isinstance(found := getattr(module, each), types.ModuleType):
            yield entry(
                f"{'hg' if hasattr(hg, name.partition('.')[0]) else 'handgrad'}.{name}.{each}",
                found,
                f"handgrad.{name}.{each}",
            )


def own(module: types.ModuleType) -> list[str]:
    """The public names that a module without an ``__all__`` defines."""
    names = [name for name in vars(module) if not name.startswith("_")]
    return [name for name in names if getattr(vars(module)[name], "__module__", None) == module.__name__]


def entry(shown: str, found: Any, path: str) -> Entry:
    if not (inspect.isclass(found) or inspect.isfunction(found)):
        return Entry(shown, path, found)
    short = f"hg.{found.__name__}"
    is_short = getattr(hg, found.__name__, None) is found
    return Entry(short if is_short else shown, f"{found.__module__}.{found.__qualname__}", found)


def text(page: Page) -> str:
    """A page as Markdown, for mkdocstrings."""
    if page.of_each:
        return f"# {page.title}\n\n{page.intro}\n{table(page, page.file)}"
    if not page.intro:  # of one rule
        (one,) = page.entries
        return f"---\ntitle: {one.name}\nsearch:\n  boost: 2\n---\n{described_by(one, 1)}"
    parts = [described_by(one, 2) for one in page.entries]
    return f"# {page.title}\n\n{page.intro}\n\n{BEFORE_EXAMPLES}{''.join(parts)}"


def described_by(one: Entry, level: int) -> str:
    """What mkdocstrings makes of a name, and beside it what is known of how it is called."""
    names = f'heading: "{one.name}"\n      toc_label: "{one.name}"'
    parts = [f"\n::: {one.path}\n    options:\n      heading_level: {level}\n      {names}\n"]
    if one.also:
        parts.append(f"\nAlso {', '.join(f'`{name}`' for name in one.also)}.\n")
    if isinstance(one.found, Rule):
        parts.append(f"\n{as_called(one.found)}\n")
    return "".join(parts)


def index() -> str:
    """All names on one page, each with the sentence that its docstring begins with."""
    parts = [f"\n## {page.title}\n\n{table(page, 'reference/index.md')}" for page in pages()]
    return f"# Reference\n\n{OF_ALL}\n{BEFORE_EXAMPLES}{''.join(parts)}"


def table(page: Page, seen_from: str) -> str:
    """The names of a page and of those below it, with their first sentences."""
    folder = posixpath.dirname(seen_from)
    rows = [
        f"| [`{e.shown}`]({posixpath.relpath(at.file, folder)}#{e.path}) | {first_sentence(e.found)} |\n"
        for at in (page, *page.of_each)
        for e in at.entries
    ]
    return f"|  |  |\n|---|---|\n{''.join(rows)}"


def first_sentence(found: Any) -> str:
    doc = inspect.getdoc(found) if isinstance(found, Rule) or callable(found) else ""
    line = (doc or "").strip().split("\n\n")[0].replace("\n", " ").split(".   ")[0].rstrip(".")
    return line.replace("|", "\\|").replace("``", "`").replace("*", "\\*")


# How the tests call a rule: shapes and dtypes that are so, since they are computed here.

SHOWN = 2


def as_called(rule: Rule) -> str:
    """Shapes and dtypes of a rule's inputs, output and gradients in some of its tests."""
    tried = [(case, case.inputs()) for case in cases().get(rule.name, [])]
    plain = [(case, inputs) for case, inputs in tried if all(map(np.size, leaves(inputs)))]
    plain.sort(key=lambda each: -max(map(np.ndim, leaves(each[1]))))  # numbers last
    rows = [called(*each) for each in plain[:SHOWN]]
    if not rows:
        return ""
    table = "".join(f"| {' | '.join(row)} |\n" for row in dict.fromkeys(rows))
    return f"| inputs | options | output | gradients |\n|---|---|---|---|\n{table}"


@functools.cache
def cases() -> dict[str, list[Any]]:
    """The cases that the tests have, by the rule's name."""
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))
    from tests.rules.cases import CASES

    found: dict[str, list[Any]] = {}
    for case in CASES:
        found.setdefault(case.rule.name, []).append(case)
    return found


def called(case: Any, inputs: tuple) -> tuple[str, ...]:
    inputs = tree_map(in_float32, inputs)
    out, backward = case.rule.vjp(*inputs, **case.options)
    with np.errstate(all="ignore"):
        grads = backward(tree_map(lambda x: np.ones_like(np.asarray(x)), out))
    names = case.rule.inputs
    given = ", ".join(f"{n} {described(x)}" for n, x in zip(names, inputs, strict=True))
    options = ", ".join(f"{name}={value!r}" for name, value in case.options.items())
    gives = ", ".join(f"d{n} {described(x)}" for n, x in zip(names, grads, strict=True) if x is not None)
    return given, f"`{options}`" if options else "", described(out), gives or "none"


def in_float32(x: Any) -> Any:
    return x.astype(np.float32) if getattr(x, "dtype", None) == np.float64 else x


def described(x: Any) -> str:
    if isinstance(x, (list, tuple, dict)):
        return "[" + ", ".join(described(leaf) for leaf in leaves(x)) + "]"
    if not hasattr(x, "shape"):
        return repr(x)
    return f"{x.shape} {x.dtype}"
