"""What the translation of the layout knows, and what it refuses."""

import json
import random
import shutil
import subprocess

import pytest

from handgrad.view.scripts import MODULES, joined, module
from handgrad.view.svg import number
from handgrad.view.translation import Untranslatable, translated

PROGRAM = '''
from dataclasses import dataclass, field

LIMIT = 3


@dataclass
class Pile:
    """Things, one on the other."""

    things: list[int] = field(default_factory=list)
    by_name: dict[str, int] = field(default_factory=dict)

    @property
    def height(self) -> int:
        return len(self.things)

    def put(self, *, name: str = "", size: int = 1) -> None:
        self.things.append(size)


def main():
    pile = Pile(by_name={"a": 1, "b": 2})
    total = 0
    for i, x in enumerate([5, 6, 7, 8]):
        if i == 1:
            continue
        if x > 7 and not i < LIMIT - 1:
            break
        pile.things.append(x)
        total += x // 2
    pile.things[-1] += 10
    pairs = [(a, b) for a in range(2) for b in pile.by_name if a in [1] or b == "b"]
    ordered = sorted(pairs, key=lambda pair: pair[0], )
    a, (b, c) = 1, (2, 3)
    return [pile.height, pile.things, total, ordered, max([], default=-1), pile.by_name.get("z", 9),
            pile.things[1:], 0 < b <= c, f"{a}-{b}", [*reversed([1, 2])], min(3, 2), sum([1, 2]) / 2]
'''


def run(javascript):
    """What node makes of the builtins and a translation."""
    if shutil.which("node") is None:
        pytest.skip("there is no node")
    script = joined("builtins", module("builtins")) + "\n" + joined("layout", javascript)
    script += "\nconsole.log(JSON.stringify(of_layout.main()));"
    found = subprocess.run(["node", "-e", script], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(found.stdout)


def test_it_means_the_same():
    program = PROGRAM.replace('*, name: str = "", size', 'name: str = "", size').replace("[0], )", "[0])")
    space = {}
    exec(program, space)
    assert run(translated([program], ["main"])) == json.loads(json.dumps(space["main"]()))


def test_coordinates_are_rounded_alike():
    """Halves of a hundredth go to even where they are exact, and else to where the number lies."""
    rng = random.Random(0)
    halves = [k / 8 for k in range(-40, 41)] + [rng.randint(-99999, 99999) / 1000 for _ in range(2000)]
    numbers = [*halves, *(rng.uniform(-500, 500) for _ in range(500)), 230.075, 1.005, -0.001, 0.0, 1e9]
    program = f"def main():\n    return [number(x) for x in {numbers}]\n"
    assert run(translated([program], ["main"])) == [number(x) for x in numbers]


@pytest.mark.parametrize(
    "line",
    [
        "x = y if z else w[::2]",
        "with open(x) as y: pass",
        "x = unknown(3)",
        "x = {1, 2}",
        "x @= y",
        "del x",
        "x = f'{y:.2f}'",
        "x.nothing(key=3)",
        "import os",
    ],
)
def test_what_it_does_not_know_it_refuses(line):
    source = f"def f(x, y, z, w):\n    {line}\n"
    with pytest.raises(Untranslatable, match=r"line 2: .* is not of the Python that is translated"):
        translated([source], ["f"])


def test_a_method_that_is_called_like_a_lists_is_refused():
    with pytest.raises(Untranslatable, match="append"):
        translated(["class A:\n    def append(self, x):\n        return x\n"], ["A"])


@pytest.mark.parametrize("name", MODULES)
def test_a_module_joined_has_what_others_import_from_it(name):
    """Imports become names of modules that stand before, exports what a module gives."""
    text = joined(name, module(name))
    assert "import {" not in text
    assert "export " not in text
    before = MODULES[: MODULES.index(name)]
    for line in text.splitlines():
        if line.startswith("const { ") and " = of_" in line:
            source = line.rpartition(" = of_")[2].rstrip(";")
            assert source in before
            assert names(line) <= names(joined(source, module(source)).splitlines()[-2])


def names(line):
    """Those between braces."""
    return {name.strip() for name in line.partition("{")[2].partition("}")[0].split(",")}
