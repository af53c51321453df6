"""Make docs/rules.md, of the rules' own docstrings.

python docs/build_rules.py            # write it
python docs/build_rules.py --check    # say whether what is there is what would be written
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import textwrap
from pathlib import Path

from handgrad.rules import ALL, Rule

HERE = Path(__file__).parent
FILE = HERE / "rules.md"
SOURCES = HERE.parent / "src" / "handgrad" / "rules"
LONGEST = 10

HEAD = """# The rules

{count} operations, each a forward with the backward that belongs to it, in one function of
`src/handgrad/rules`. This page is made of their docstrings by `python docs/build_rules.py`.
`handgrad.rules.ALL` has them by name; a rule is used as `hg.softmax(x)`, by hand as `hg.softmax.vjp(x)`, and
`dout` is the gradient of the loss by `out`.
"""


def families() -> dict[str, list[Rule]]:
    """The rules by the file that they are in, files and rules in order; a rule of two names stands once."""
    found: dict[str, list[Rule]] = {}
    for rule in dict.fromkeys(ALL.values()):
        found.setdefault(rule.body.__module__, []).append(rule)
    for rules in found.values():
        rules.sort(key=lambda rule: rule.body.__code__.co_firstlineno)
    return dict(sorted(found.items()))


def page() -> str:
    by_file = families()
    text = [HEAD.format(count=sum(map(len, by_file.values())))]
    for module, rules in by_file.items():
        text += [f"\n## {title(module)}\n", f"[{module.rpartition('.')[2]}.py]({source(module)})\n"]
        text += map(entry, rules)
    return "".join([*text, longest(by_file)])


def title(module: str) -> str:
    return (importlib.import_module(module).__doc__ or module).strip().splitlines()[0].rstrip(".")


def source(module: str) -> str:
    return f"../src/handgrad/rules/{module.rpartition('.')[2]}.py"


def entry(rule: Rule) -> str:
    names = [name for name, found in ALL.items() if found is rule and name != rule.name]
    also = f" (also {', '.join(f'`{name}`' for name in names)})" if names else ""
    said = inspect.cleandoc(rule.body.__doc__ or "")
    return f"\n### `{rule.name}{inspect.signature(rule.body)}`{also}\n\n```text\n{said}\n```\n"


def longest(by_file: dict[str, list[Rule]]) -> str:
    """The longest bodies, by lines of code."""
    lengths = {rule.name: body_lines(rule) for rules in by_file.values() for rule in rules}
    most = sorted(lengths.items(), key=lambda item: (-item[1], item[0]))[:LONGEST]
    middle = sorted(lengths.values())[len(lengths) // 2]
    rows = "".join(f"| `{name}` | {lines} |\n" for name, lines in most)
    return (
        f"\n## The longest\n\nLines of code of a rule, without its docstring, helpers apart; half of all "
        f"rules have {middle} or fewer.\n\n|  | lines |\n|---|---:|\n{rows}"
    )


def body_lines(rule: Rule) -> int:
    tree = ast.parse(textwrap.dedent(inspect.getsource(rule.body)))
    (function,) = tree.body
    assert isinstance(function, ast.FunctionDef)
    has_doc = ast.get_docstring(function) is not None
    first = function.body[1 if has_doc else 0]
    lines = inspect.getsource(rule.body).splitlines()[first.lineno - 1 :]
    return 1 + sum(bool(line.strip()) for line in lines)


if __name__ == "__main__":
    made = page()
    if "--check" in sys.argv[1:]:
        if not FILE.exists() or FILE.read_text(encoding="utf-8") != made:
            sys.exit("docs/rules.md is not what the rules say: python docs/build_rules.py")
    else:
        FILE.write_text(made, encoding="utf-8")
