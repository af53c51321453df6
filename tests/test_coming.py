"""docs/use/coming.md: each name of handgrad's in its tables is there. docs/use/onnx.md: its blocks run."""

import re
from pathlib import Path

import pytest

import handgrad as hg

DOCS = Path(__file__).parents[1] / "docs" / "use"
ROWS = re.findall(r"^\| .*? \| (.*) \|$", (DOCS / "coming.md").read_text(encoding="utf-8"), re.MULTILINE)
NAMES = sorted({name for row in ROWS for name in re.findall(r"`hg\.([\w.]+)`", row)})
BLOCKS = re.findall(r"```python\n(.*?)```", (DOCS / "onnx.md").read_text(encoding="utf-8"), re.DOTALL)


def test_there_are_many():
    assert len(NAMES) > 70


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_there(name):
    found = hg
    for part in name.split("."):
        found = getattr(found, part)
    assert found is not None


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_each_block_runs(number, capsys):
    for package in ("onnx", "torch"):
        if package in BLOCKS[number]:
            pytest.importorskip(package)
    exec(compile(BLOCKS[number], f"docs/use/onnx.md, block {number}", "exec"), {"__name__": "block"})
    said = capsys.readouterr().out
    assert said
    assert "False" not in said
    if "origin_of_nonfinite" in BLOCKS[number]:
        assert "the backward of sqrt made numbers that are not finite" in said
