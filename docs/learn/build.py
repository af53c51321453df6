"""Make the lessons: from docs/learn/lessons/*.md the executed notebooks in docs/learn/en and docs/learn/zh.

    python docs/learn/build.py            # run all lessons, write what has changed
    python docs/learn/build.py --check    # run them, and say where the stored notebooks differ
    python docs/learn/build.py 2-broadcasting 5-what-goes-wrong

A lesson's source is Markdown. Its cells of code are fenced by ```python; each cell of text is there twice,
after ``<!-- en -->`` and after ``<!-- zh -->``. The code runs once, and both notebooks hold what it gave.
"""

from __future__ import annotations

import argparse
import base64
import functools
import html
import json
import math
import os
import re
import struct
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ["JUPYTER_PLATFORM_DIRS"] = "1"  # else jupyter_core warns of folders that it will no longer use

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbformat import NotebookNode, v4

HERE = Path(__file__).parent
SOURCES = HERE / "lessons"
LANGUAGES = ("en", "zh")
METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}
# Rules are checked however long it takes: what a lesson shows must not depend on how busy the machine is.
STARTUP = "import handgrad; handgrad.show.__kwdefaults__['check'] = 600.0; del handgrad"

CELL = re.compile(
    r"^```python\n(?P<code>.*?)^```$"
    r"|^<!-- en -->\n(?P<en>.*?)^<!-- zh -->\n(?P<zh>.*?)(?=^<!-- en -->$|^```python$|\Z)",
    re.MULTILINE | re.DOTALL,
)

# Ends of lines within a Chinese sentence, which would be shown as blanks.
LINE_ENDS = re.compile(r"(?<=[，。；：、！？）”])\n *(?=[^\W\d]|[`*（“])|(?<=[一-鿿])\n *(?=[一-鿿])")


@dataclass(frozen=True)
class Cell:
    """One cell: code, or text in each language."""

    code: str | None
    text: dict[str, str]


def names() -> list[str]:
    """All lessons, in order."""
    return sorted(path.stem for path in SOURCES.glob("*.md"))


def cells(source: str) -> list[Cell]:
    """The cells of a lesson's source.

    Raises:
        ValueError: a text is not there in both languages, or is outside of them.
    """
    found, end = [], 0
    for match in [*CELL.finditer(source), None]:
        between = source[end : match.start() if match else len(source)].strip()
        texts = {} if match is None else {lang: (match[lang] or "").strip() for lang in LANGUAGES}
        is_text = match is not None and match["code"] is None
        if between or (is_text and (not all(texts.values()) or "<!--" in "".join(texts.values()))):
            line = source.count("\n", 0, end) + 1
            raise ValueError(f"after line {line}: each text has an <!-- en --> and then a <!-- zh -->")
        if match:
            found.append(Cell(None, texts) if is_text else Cell(match["code"].strip(), {}))
            end = match.end()
    return found


def executed(lesson: list[Cell]) -> dict[str, NotebookNode]:
    """The lesson as a notebook in each language; its code runs once."""
    notebooks = {lang: unexecuted(lesson, lang) for lang in LANGUAGES}
    first, *others = notebooks.values()
    run = NotebookClient(
        first,
        timeout=300,
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(HERE)}},
        extra_arguments=[f"--IPKernelApp.exec_lines={STARTUP}", "--log-level=ERROR"],
    )
    run.execute()
    first.metadata = nbformat.from_dict(METADATA)  # without the versions that the kernel added
    for other in others:
        for cell, ran in zip(other.cells, first.cells, strict=True):
            if cell.cell_type == "code":
                cell.update(outputs=ran.outputs, execution_count=ran.execution_count)
    return notebooks


def unexecuted(lesson: list[Cell], lang: str) -> NotebookNode:
    """A notebook whose cells are named by their places, so that it is the same whenever it is made."""
    made = []
    for i, cell in enumerate(lesson, start=1):
        new = v4.new_markdown_cell if cell.code is None else v4.new_code_cell
        made.append(new(cell.code or LINE_ENDS.sub("", cell.text[lang]), id=f"cell-{i:02}"))
    return v4.new_notebook(cells=made, metadata=nbformat.from_dict(METADATA))


# Comparing: what may differ from one run to the next is left out.

PAGE = re.compile(r'<iframe [^>]*srcdoc="([^"]*)"')
DATA = re.compile(r'(?<=id="data">)[^<]*')
DIGITS = re.compile(r"\b\d+ digits\b")  # proven: how many depends on the processor's rounding
RESIDUE = re.compile("−?[0-9.]+×10⁻(¹[⁴-⁹]|[²³⁴-⁹][⁰¹²³⁴-⁹])")  # what rounding left of 0
TIMINGS = ("seconds", "backwardSeconds")
NUMBERS = {"f8": "<f8", "f4": "<f4", "i8": "<i8", "i4": "<i4", "u1": "<u1"}


def differences(stored: NotebookNode, made: NotebookNode) -> list[str]:
    """The cells in which two notebooks differ, in words."""
    if len(stored.cells) != len(made.cells):
        return [f"{len(stored.cells)} cells, made anew {len(made.cells)}"]
    found = []
    for old, new in zip(stored.cells, made.cells, strict=True):
        told = [(cell.id, cell.cell_type, cell.source, cell.get("execution_count")) for cell in (old, new)]
        if told[0] != told[1]:
            found.append(f"{new.id}: another source")
        elif not same(*(said(cell.get("outputs", [])) for cell in (old, new))):
            found.append(f"{new.id}: another output")
    return found


def said(output: Any) -> Any:
    """An output, or several, with each page in it taken apart."""
    if isinstance(output, dict):
        return {key: said(value) for key, value in output.items()}
    if isinstance(output, list):
        return [said(value) for value in output]
    if isinstance(output, str) and (page := PAGE.search(output)):
        return page_data(html.unescape(page[1]))
    return DIGITS.sub("digits", RESIDUE.sub("0", output)) if isinstance(output, str) else output


@functools.lru_cache
def page_data(document: str) -> dict[str, Any]:
    """What a page shows: all but its scripts, timings, and line numbers in handgrad's own files."""
    data = DATA.search(document)
    assert data is not None, "the page has no data"
    block = zlib.decompress(base64.b64decode(data[0]))
    (length, _) = struct.unpack_from("<II", block)
    content = json.loads(block[8 : 8 + length])
    start = 8 + length + -length % 8
    for graph in content["graphs"]:
        verdicts = graph.pop("verdicts")
        for op in graph["ops"]:
            op["verdict"] = verdicts[op["verdict"]]
            for timing in TIMINGS:
                del op[timing]
        for rule in graph["rules"]:
            if rule["source"]:
                rule["source"] = rule["source"][2]
        for summary in graph["summaries"]:
            if summary["stored"] is None:
                continue
            offset, kind, shape, *_ = summary["stored"]
            count = math.prod(shape)
            summary["stored"] = np.frombuffer(block, NUMBERS[kind], count, start + offset).reshape(shape)
    return said(content)


def same(a: Any, b: Any) -> bool:
    """Whether two outputs are equal; numbers to the digits that other processors round alike."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return a.shape == b.shape and np.allclose(a, b, rtol=1e-6, atol=1e-9, equal_nan=True)
    if isinstance(a, float) and isinstance(b, float):
        return math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-9)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return False
    return bool(a == b)


def scripts(notebook: NotebookNode) -> list[str]:
    """The pages of a notebook without their data: they change with handgrad's page, not with the lesson."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    texts = [output.get("data", {}).get("text/html", "") for output in outputs]
    return [DATA.sub("", html.unescape(page[1])) for text in texts if (page := PAGE.search(text))]


# Files.


def stored(path: Path) -> NotebookNode | None:
    return nbformat.read(path, as_version=4) if path.exists() else None


def build(name: str, check: bool) -> list[str]:
    """Run a lesson, and write or check its notebooks; what was written, or what differs, in words."""
    lesson = cells((SOURCES / f"{name}.md").read_text(encoding="utf-8"))
    told = []
    for lang, made in executed(lesson).items():
        path = HERE / lang / f"{name}.ipynb"
        old = stored(path)
        changes = differences(old, made) if old else ["not there"]
        if check:
            told += [f"{lang}/{name}: {change}" for change in changes]
        elif changes or old is None or scripts(old) != scripts(made):
            path.parent.mkdir(exist_ok=True)
            path.write_text(nbformat.writes(made) + "\n", encoding="utf-8")
            told.append(f"{lang}/{name}: {path.stat().st_size / 1e6:.2f} MB")
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description="Make the notebooks of the lessons, or check them.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where one differs")
    parser.add_argument("names", nargs="*", help=f"lessons; all of them by default: {', '.join(names())}")
    options = parser.parse_args()
    told = [line for name in options.names or names() for line in build(name, options.check)]
    for line in told:
        print(line)
    return int(options.check and bool(told))


if __name__ == "__main__":
    sys.exit(main())
