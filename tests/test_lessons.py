"""The lessons, run again: the stored notebooks are what they give, and the same in both languages."""

import base64
import importlib.util
import json
import os
import re
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

LEARN = Path(__file__).parent.parent / "docs" / "learn"
LARGEST = 2_500_000  # bytes of a notebook
PLACES = re.compile(r"/(home|root|Users|tmp|work|usr|private)/|[A-Z]:\\|ipykernel_\d")
DATA = re.compile(r"(?<=id=&quot;data&quot;&gt;)[^&]*")


def loaded():
    """build.py, which is a script and in no package."""
    spec = importlib.util.spec_from_file_location("lessons", LEARN / "build.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look there
    spec.loader.exec_module(module)
    return module


build = loaded()
every_lesson = pytest.mark.parametrize("name", build.names())


def stored(name, lang="en"):
    return build.stored(LEARN / lang / f"{name}.ipynb")


def outputs(notebook):
    return [output for cell in notebook.cells for output in cell.get("outputs", [])]


@every_lesson
def test_a_lesson_gives_what_is_stored(name, tmp_path):
    own = {"IPYTHONDIR": str(tmp_path), "JUPYTER_RUNTIME_DIR": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-W", "error", LEARN / "build.py", "--check", name],
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ran.stdout, ran.stderr, ran.returncode) == ("", "", 0)


@every_lesson
def test_both_languages_show_the_same(name):
    first, second = stored(name, "en"), stored(name, "zh")
    assert [cell.cell_type for cell in first.cells] == [cell.cell_type for cell in second.cells]
    for a, b in zip(first.cells, second.cells, strict=True):
        assert a.id == b.id
        assert a == b if a.cell_type == "code" else a.source != b.source


@every_lesson
@pytest.mark.parametrize("lang", build.LANGUAGES)
def test_a_notebook_is_whole_and_tells_nothing_of_the_machine(name, lang):
    notebook = stored(name, lang)
    assert (LEARN / lang / f"{name}.ipynb").stat().st_size < LARGEST
    assert notebook.metadata == build.METADATA
    assert 10 <= len(notebook.cells) <= 18
    assert all(cell.metadata == {} for cell in notebook.cells)
    assert all(
        output.output_type != "error" and output.get("name") != "stderr" for output in outputs(notebook)
    )
    told = json.dumps([build.said(output) for output in outputs(notebook)], default=str, ensure_ascii=False)
    assert not PLACES.search(told)


@every_lesson
def test_the_index_names_each_lesson_in_both_languages(name):
    index = (LEARN / "README.md").read_text(encoding="utf-8")
    assert f"(en/{name}.ipynb)" in index
    assert f"(zh/{name}.ipynb)" in index


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


# What a comparison sees, and what it leaves out.


def altered(alter):
    """The first lesson as it is stored, and with the data of its page altered."""
    old, new = stored("1-by-hand"), stored("1-by-hand")
    (page,) = (output for output in outputs(new) if "text/html" in output.get("data", {}))
    packed = DATA.search(page.data["text/html"])[0]
    block = zlib.decompress(base64.b64decode(packed))
    length = int.from_bytes(block[:4], "little")
    text = json.dumps(alter(json.loads(block[8 : 8 + length])), ensure_ascii=False).encode()
    block = (
        len(text).to_bytes(4, "little")
        + bytes(4)
        + text
        + bytes(-len(text) % 8)
        + block[8 + length + -length % 8 :]
    )
    page.data["text/html"] = page.data["text/html"].replace(
        packed, base64.b64encode(zlib.compress(block)).decode()
    )
    return build.differences(old, new)


def test_timings_may_differ():
    def slower(content):
        for op in content["graphs"][0]["ops"]:
            op["seconds"], op["backwardSeconds"] = 1.0, 2.0
        return content

    assert altered(slower) == []


def test_another_gradient_is_seen():
    def other(content):
        content["graphs"][0]["summaries"][0]["lines"] = ["101"]
        return content

    assert len(altered(other)) == 1


def test_another_text_is_seen():
    old, new = stored("1-by-hand"), stored("1-by-hand")
    outputs(new)[0].text += "and more"
    assert build.differences(old, new) == ["cell-02: another output"]
