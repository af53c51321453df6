"""HIPS autograd's own examples on handgrad: ``python -m bench.autograd_examples [SOURCE] [NAME ...]``.

The source of autograd is a folder or a .tar.gz; without it the distribution is downloaded, as for
``autograd_suite``. Each example runs twice, in processes of their own: on autograd, and on the stand-in for
it that handgrad makes. Both have fewer iterations, drawn images in place of MNIST's, and no matplotlib:
what it would draw is kept. Then all numbers are compared that an example prints, draws, and has in its
variables at the end.

Prints what came of each, and the largest difference beside the largest number of its array. Those that show
autograd's insides, or differentiate by objects that are no arrays, have nothing that could be run here.
"""

from __future__ import annotations

import ast
import contextlib
import io
import itertools
import os
import pickle
import re
import subprocess
import sys
import tempfile
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from bench.autograd_suite import source_of

TOLERANCE = 1e-6
OWN_TOLERANCES = {"ode_net": 1e-4}  # whose solvers are two, and choose steps of their own
INSIDES = {"dot_graph", "print_trace", "rkhs"}
HELPERS = {"__init__", "data", "data_mnist"}
SETTINGS = {
    "num_iters": 3,
    "num_epochs": 1,
    "maxiter": 3,
    "simulation_timesteps": 5,
    "max_lines": 6,
    "num_tries": 3,
    "num_letters": 3,
}
"""What is set otherwise than in the examples, wherever they say it."""
OWN_SETTINGS = {"ode_net": {"rtol": 1e-9}, "hmm_em": {"rtol": 1e-2, "num_states": 4}}


# One example, in a process of its own.


class Drawn:
    """In the place of matplotlib: all names and calls give it again, and it keeps what arrays it is given."""

    kept: ClassVar[list] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return self

    def __call__(self, *args: Any, **options: Any) -> Any:
        self.kept.extend(arrays_in([args, options]))
        return self

    def __iter__(self) -> Iterator:
        return itertools.repeat(self)


class Seeded(np.random.RandomState):
    """By 0 where no seed is given; normal draws without singular vectors, whose signs hang on rounding."""

    def __init__(self, seed: Any = 0) -> None:
        super().__init__(seed)

    def multivariate_normal(self, mean: Any, cov: Any, size: Any = 1, *settings: Any) -> Any:
        return mean + self.randn(size, len(mean)) @ cov


def imread(path: str) -> np.ndarray:
    shape = (12, 12, 4) if "smoke" in path else (24, 24)
    return np.random.RandomState(0).rand(*shape)


def mnist() -> tuple:
    """Images and digits of the shapes and types of MNIST's, of which few are enough."""
    r = np.random.RandomState(0)
    images = [(255 * r.rand(n, 28, 28) ** 4).astype(np.uint8) for n in (300, 40)]
    digits = [r.randint(10, size=n).astype(np.uint8) for n in (300, 40)]
    return images[0], digits[0], images[1], digits[1]


class Shorter(ast.NodeTransformer):
    """The settings in assignments, keywords, dictionaries and defaults."""

    def __init__(self, settings: dict[str, Any]) -> None:
        self.settings = settings

    def replaced(self, name: str | None, node: ast.expr) -> ast.expr:
        is_number = isinstance(node, ast.Constant) and isinstance(node.value, int | float)
        return ast.Constant(self.settings[name]) if name in self.settings and is_number else node

    def visit_Assign(self, node: ast.Assign) -> Any:
        if isinstance(node.targets[0], ast.Name):
            node.value = self.replaced(node.targets[0].id, node.value)
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> Any:
        node.value = self.replaced(node.arg, node.value)
        return self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> Any:
        names = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
        node.values = list(map(self.replaced, names, node.values))
        return self.generic_visit(node)

    def visit_arguments(self, node: ast.arguments) -> Any:
        names = [a.arg for a in node.args[len(node.args) - len(node.defaults) :]]
        node.defaults = list(map(self.replaced, names, node.defaults))
        return self.generic_visit(node)


def arrays_in(x: Any) -> Iterator[np.ndarray]:
    """The floating numbers in nested lists, tuples and dicts, but for those of functions and modules."""
    if isinstance(x, dict):
        x = [x[name] for name in sorted(x, key=str)]
    if isinstance(x, (list, tuple)):
        for part in x:
            yield from arrays_in(part)
    elif isinstance(x, (float, np.ndarray, np.generic)) and np.asarray(x).dtype.kind == "f":
        yield np.array(x)


def prepare(source: Path) -> None:
    """What both runs have in common: seeds, drawn data, no pictures, few iterations of SciPy's minimiser."""
    import scipy.optimize

    minimise = scipy.optimize.minimize

    def minimize(*args: Any, options: dict | None = None, **named: Any) -> Any:
        return minimise(*args, options={"maxiter": SETTINGS["maxiter"]} | (options or {}), **named)

    vars(np.random)["RandomState"] = Seeded
    np.random.seed(0)
    vars(scipy.optimize)["minimize"] = minimize
    vars(os)["system"] = lambda command: 0
    sys.path[:0] = [str(source / "examples")]
    for name in ("matplotlib", "matplotlib.pyplot", "matplotlib.cm", "matplotlib.image", "data_mnist"):
        sys.modules[name] = types.ModuleType(name)
        vars(sys.modules[name])["__getattr__"] = Drawn().__getattr__
    vars(sys.modules["matplotlib.pyplot"])["imread"] = imread
    vars(sys.modules["data_mnist"])["mnist"] = mnist


def on_autograd(source: Path) -> None:
    sys.path.insert(0, str(source))


def on_handgrad(source: Path) -> None:
    from bench.autograd_stand_in import install

    install(source)


def until_exact() -> None:
    """Fixed points that are sought further than 1e-4, since they are compared to more digits."""
    from autograd.misc import fixed_points

    sought = fixed_points.fixed_point
    fixed_points.fixed_point = lambda *args: sought(*args[:-1], 1e-13)


def run_one(source: Path, path: Path, library: str) -> dict[str, list]:
    """The numbers that it prints, draws, and has at the end."""
    prepare(source)
    {"autograd": on_autograd, "handgrad": on_handgrad}[library](source)
    until_exact()
    printed = io.StringIO()
    scope: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    changed = Shorter(SETTINGS | OWN_SETTINGS.get(path.stem, {})).visit(ast.parse(path.read_text()))
    with contextlib.redirect_stdout(printed):
        exec(compile(ast.fix_missing_locations(changed), str(path), "exec"), scope)
    numbers = re.findall(r"[-+]?\d+\.\d+(?:e[-+]?\d+)?|nan|inf", printed.getvalue())
    at_end = {name: x for name, x in scope.items() if not name.startswith("_")}
    return {
        "printed": [np.array(float(n)) for n in numbers],
        "drawn": Drawn.kept,
        "variables": list(arrays_in(at_end)),
    }


# All of them.


def measured(source: Path, path: Path, library: str) -> dict[str, list] | str:
    """The numbers, or why there are none."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "numbers"
        command = [sys.executable, "-m", "bench.autograd_examples", "--one", library, source, path, result]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        if done.returncode:
            said = done.stderr.strip().splitlines() or ["it ended without a word"]
            return f"{library}: {said[-1][:150]}"
        return pickle.loads(result.read_bytes())


def difference(ours: list, theirs: list) -> float:
    """The largest, each beside the largest number of its array, or 1e-6 where all are smaller."""
    worst = 0.0
    for a, b in zip(ours, theirs, strict=True):
        if a.shape != b.shape or not np.array_equal(np.isfinite(a), np.isfinite(b)):
            return np.inf
        a, b = a[np.isfinite(a)], b[np.isfinite(b)]
        apart = np.max(np.abs(a - b), initial=0.0) / np.max(np.abs(b), initial=1e-6)
        worst = max(worst, float(apart))
    return worst


def compared(source: Path, path: Path) -> tuple[bool, str]:
    """Whether the numbers are the same, and how many there are and how far apart; or what is wrong."""
    ours, theirs = (measured(source, path, library) for library in ("handgrad", "autograd"))
    if isinstance(ours, str) or isinstance(theirs, str):
        return False, ours if isinstance(ours, str) else str(theirs)
    said, same, total = [], True, 0
    for kind, found in theirs.items():
        if len(ours[kind]) != len(found):
            return False, f"{kind}: {len(ours[kind])} arrays, where autograd's has {len(found)}"
        count = sum(x.size for x in found)
        total += count
        if count:
            worst = difference(ours[kind], found)
            same &= worst <= OWN_TOLERANCES.get(path.stem, TOLERANCE)
            said.append(f"{count} {kind} {worst:.0e}")
    return same and total > 0, ", ".join(said) or "no numbers"


def main(arguments: list[str]) -> int:
    if arguments[:1] == ["--one"]:
        library, source, path, result = arguments[1:]
        Path(result).write_bytes(pickle.dumps(run_one(Path(source), Path(path), library)))
        return 0
    given = [Path(a) for a in arguments if Path(a).exists()]
    names = set(arguments) - set(map(str, given))
    with tempfile.TemporaryDirectory() as folder:
        source = source_of(given[0] if given else None, Path(folder)).resolve()
        found = sorted(p for p in (source / "examples").rglob("*.py") if p.stem not in HELPERS)
        paths = [p for p in found if p.stem not in INSIDES and (not names or p.stem in names)]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            outcomes = list(pool.map(lambda path: compared(source, path), paths))
    for path, (same, said) in zip(paths, outcomes, strict=True):
        print(f"{path.stem:32} {'same' if same else 'NOT THE SAME':12} {said}")
    print(f"\n{sum(same for same, _ in outcomes)} of {len(paths)} have autograd's numbers to {TOLERANCE:.0e}")
    return 0 if all(same for same, _ in outcomes) else 1


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
