"""docs/use/coming.md: each name of handgrad's in its tables is there."""

import re
from pathlib import Path

import pytest

import handgrad as hg

DOCS = Path(__file__).parents[1] / "docs" / "use"
ROWS = re.findall(r"^\| .*? \| (.*) \|$", (DOCS / "coming.md").read_text(encoding="utf-8"), re.MULTILINE)
NAMES = sorted({name for row in ROWS for name in re.findall(r"`hg\.([\w.]+)`", row)})


def test_there_are_many():
    assert len(NAMES) > 70


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_there(name):
    if name.endswith("_onnx"):
        pytest.importorskip("onnx")
    found = hg
    for part in name.split("."):
        found = getattr(found, part)
    assert found is not None
