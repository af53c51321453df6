"""The lessons, run: they print what their sources say, and show whole pages, in both languages."""

import base64
import importlib.util
import json
import re
import sys
import zlib
from pathlib import Path

import pytest

LEARN = Path(__file__).parent.parent / "docs" / "learn"
LARGEST = 2_500_000  # bytes of a notebook
PLACES = re.compile(r"/(home|root|Users|tmp|work|usr|private)/|[A-Z]:\\|ipykernel_\d")
DATA = re.compile(r'(?<=id="data">)[^<]*')


def loaded():
    """build.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("lessons", LEARN / "build.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


build = loaded()
every_lesson = pytest.mark.parametrize("name", build.names())


def page_content(page):
    """What a page that handgrad made shows."""
    block = zlib.decompress(base64.b64decode(DATA.search(page)[0]))
    return json.loads(block[8 : 8 + int.from_bytes(block[:4], "little")])


@every_lesson
def test_a_lesson_gives_what_its_source_says(name, tmp_path, monkeypatch):
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr(build, "MADE", tmp_path)
    made = build.build(name)
    assert build.differences(build.cells(build.source(name)), made["en"]) == []

    for cells in zip(made["en"].cells, made["zh"].cells, strict=True):
        first, second = cells
        assert first.id == second.id
        assert first == second if first.cell_type == "code" else first.source != second.source

    outputs = [output for cell in made["en"].cells for output in cell.get("outputs", [])]
    assert all(output.output_type != "error" and output.get("name") != "stderr" for output in outputs)
    assert not PLACES.search("".join(map(build.printed, made["en"].cells)))

    for lang in build.LANGUAGES:
        assert (tmp_path / lang / f"{name}.ipynb").stat().st_size < LARGEST
        text = (tmp_path / lang / f"{name}.md").read_text(encoding="utf-8")
        shown = re.findall(rf"{name}-cell-\d\d-\d\.(?:html|svg)", text)
        assert set(shown) == {file.name for file in (tmp_path / lang).iterdir() if "-cell-" in file.name}
        pages = [(tmp_path / lang / file).read_text(encoding="utf-8") for file in shown if ".html" in file]
        assert pages
        for content in map(page_content, pages):
            assert all(graph["ops"] for graph in content["graphs"])
            assert not PLACES.search(json.dumps(content, ensure_ascii=False))


@every_lesson
def test_the_index_names_each_lesson_in_both_languages(name):
    index = (LEARN / "README.md").read_text(encoding="utf-8")
    assert index.count(f"(lessons/{name}.md)") == len(build.LANGUAGES)


@pytest.mark.parametrize(
    "source",
    [
        "<!-- en -->\nwords\n",
        "<!-- zh -->\n文字\n",
        "<!-- en -->\nwords\n<!-- zh -->\n\n```python\n1\n```\n",
        "<!-- zh -->\n文字\n<!-- en -->\nwords\n",
        "<!-- en -->\nwords\n<!-- en -->\nmore\n<!-- zh -->\n文字\n",
        "words\n\n```python\n1\n```\n",
        "```python\n1\n```\nwords\n",
        "```python\n1\n",
    ],
)
def test_a_source_without_one_of_the_languages_is_refused(source):
    with pytest.raises(ValueError, match="each text has"):
        build.cells(source)


SMALL = """<!-- en -->
words
<!-- zh -->
文字

```python
print("is 3")
print("proven: 14 digits, 2.5×10⁻¹⁷ left ")
```

```text
is 3
proven: 13 digits, −4×10⁻¹⁸ left
```
"""


def test_what_is_printed_is_compared_and_stored():
    made = build.executed(build.cells(SMALL))["zh"]
    assert build.differences(build.cells(SMALL), made) == []  # rounding may differ
    other = SMALL.replace("is 3\nproven", "is 4\nproven")
    assert build.differences(build.cells(other), made) == ["cell-02: - is 4", "cell-02: + is 3"]
    stored = build.with_printed(other, made)
    assert stored == SMALL.replace("13 digits, −4×10⁻¹⁸", "14 digits, 2.5×10⁻¹⁷")
    assert build.with_printed(stored.partition("\n```text")[0], made) == stored
