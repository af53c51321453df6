"""The public names: each says what it is, and has an example, which is run here.

`docs/site/reference.py` lists them, with the pages that the site has of them.
"""

import doctest
import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad.rules import ALL, Rule
from handgrad.rules.rule import without_examples
from handgrad.view.formulas.formula import formulas_of

pytest.importorskip("sklearn")  # whose estimators are among what is public
sys.path.insert(0, str(Path(__file__).parent.parent / "docs" / "site"))
import reference

sys.path.pop(0)

ENTRIES = {
    entry.shown: entry for page in reference.pages() for at in (page, *page.of_each) for entry in at.entries
}
CALLABLE = {name: entry.found for name, entry in ENTRIES.items() if callable(entry.found)}
NEEDED = {
    "handgrad.sklearn": "sklearn",
    "hg.from_onnx": "onnx",
    "hg.from_torch": "torch",
    "hg.to_jax": "jax",
    "hg.to_torch": "torch",
    "hg.to_onnx": "onnx",
    "hg.data.from_frame": "pyarrow",
    "hg.data.of_frame": "pyarrow",
}
OWN = {
    name: found
    for name, found in CALLABLE.items()
    if isinstance(found, Rule) or inspect.isroutine(found) or inspect.isclass(found)
}
RULES = {rule.name: rule for rule in ALL.values()}
WITHOUT_FORMULA = {"astype"}


def test_the_list_is_whole():
    """Every name of every `__all__` of what is public has its place."""
    found = {id(entry.found) for entry in ENTRIES.values()}
    for name in ("", ".layers", ".optim", ".data", ".models", ".train", ".checking", ".testing", ".view"):
        module = importlib.import_module(f"handgrad{name}")
        for each in module.__all__:
            value = getattr(module, each)
            assert inspect.ismodule(value) or id(value) in found, f"{module.__name__}.{each}"
    assert {f"hg.{name}" for name in RULES} <= ENTRIES.keys()


@pytest.mark.parametrize("name", OWN)
def test_a_name_says_what_it_is_and_its_example_runs(name, tmp_path, monkeypatch):
    for names, module in NEEDED.items():
        if name.startswith(names):
            pytest.importorskip(module)
    found = OWN[name]
    doc = (found.body if isinstance(found, Rule) else found).__doc__
    assert without_examples(doc), "there is no docstring"
    assert "Examples:" in doc, "there is no example"
    monkeypatch.chdir(tmp_path)  # some write files
    run(name, doc)


def run(name, doc):
    example = doctest.DocTestParser().get_doctest(doc, {"np": np, "hg": hg}, name, None, 0)
    assert example.examples
    told = []
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL)
    runner.run(example, out=told.append)
    assert not told, "".join(told)


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_its_formulas(name):
    """What comes out; and the gradient of each input that has one."""
    rule = RULES[name]
    formulas = formulas_of(without_examples(rule.body.__doc__), {}, {})
    assert formulas.forward or name in WITHOUT_FORMULA


@pytest.mark.parametrize("name", RULES)
def test_a_rule_s_page_has_its_shapes(name):
    table = reference.as_called(RULES[name])
    rows = [row.split(" | ") for row in table.splitlines()[2:]]
    assert rows
    for given, _, out, gradients in rows:
        assert given.strip("| ")
        assert out
        assert gradients


@pytest.mark.parametrize("module", [m.name for m in pkgutil.iter_modules(hg.rules.__path__)])
def test_examples_do_not_speak_as_formulas(module):
    """What the pages read of docstrings, formulas and hints of shapes, ends where the examples begin."""
    for rule in RULES.values():
        if rule.body.__module__.endswith(f".{module}"):
            assert ">>>" not in without_examples(rule.body.__doc__)
