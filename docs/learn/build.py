"""Run the lessons: of lessons/*.md make executed notebooks and pages of the site, in build/lessons.

    python docs/learn/build.py            # run all lessons, write notebooks and pages of both languages
    python docs/learn/build.py --check    # run them, and say where they print something else than is stored
    python docs/learn/build.py --store    # run them, and store what they print in their sources
    python docs/learn/build.py 2-broadcasting 5-what-goes-wrong

A lesson's source is Markdown. Its cells of code are fenced by ```python, and what they print stands below
them, fenced by ```text; each cell of text is there twice, after ``<!-- en -->`` and after ``<!-- zh -->``.
The code runs once, and the lesson in both languages shows what it gave.
"""

from __future__ import annotations

import argparse
import difflib
import html
import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

os.environ["JUPYTER_PLATFORM_DIRS"] = "1"  # else jupyter_core warns of folders that it will no longer use

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode, v4

HERE = Path(__file__).parent
SOURCES = HERE / "lessons"
MADE = HERE.parent.parent / "build" / "lessons"
LANGUAGES = ("en", "zh")
METADATA = {
    "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
    "language_info": {"name": "python"},
}
# Rules are checked however long it takes: what a lesson shows must not depend on how busy the machine is.
STARTUP = "import handgrad; handgrad.show.__kwdefaults__['check'] = 600.0; del handgrad"

CELL = re.compile(
    r"^```python\n(?P<code>.*?)^```$(?:\n+^```text\n(?P<printed>.*?)^```$)?"
    r"|^<!-- en -->\n(?P<en>.*?)^<!-- zh -->\n(?P<zh>.*?)(?=^<!-- en -->$|^```python$|\Z)",
    re.MULTILINE | re.DOTALL,
)

# Ends of lines within a Chinese sentence, which would be shown as blanks.
LINE_ENDS = re.compile(r"(?<=[，。；：、！？）”])\n *(?=[^\W\d]|[`*（“])|(?<=[一-鿿])\n *(?=[一-鿿])")


@dataclass(frozen=True)
class Cell:
    """One cell: code with what it is known to print, or text in each language."""

    code: str | None
    text: dict[str, str]
    printed: str = ""


def names() -> list[str]:
    """All lessons, in order."""
    return sorted(path.stem for path in SOURCES.glob("*.md"))


def source(name: str) -> str:
    return (SOURCES / f"{name}.md").read_text(encoding="utf-8")


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
            code = Cell((match["code"] or "").strip(), {}, match["printed"] or "")
            found.append(Cell(None, texts) if is_text else code)
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


# What a cell prints, and what of it may differ from one run to the next.

TIMES = re.compile(r"[\d,]+ times as fast")
DIGITS = re.compile(r"\b\d+ digits\b")  # proven: how many depends on the processor's rounding
RESIDUE = re.compile("−?[0-9.]+×10⁻(¹[⁴-⁹]|[²³⁴-⁹][⁰¹²³⁴-⁹])")  # what rounding left of 0


def printed(cell: NotebookNode) -> str:
    """What a cell printed, lines without the blanks at their ends; neither drawings nor pages."""
    said = [output.get("text") or output.get("data", {}).get("text/plain", "") for output in texts(cell)]
    lines = [line.rstrip() for line in "\n".join(text.removesuffix("\n") for text in said).splitlines()]
    return "".join(f"{line}\n" for line in lines)


def texts(cell: NotebookNode) -> list[NotebookNode]:
    """The outputs of a cell that are text and nothing richer."""
    outputs = cell.get("outputs", [])
    return [o for o in outputs if o.output_type == "stream" or set(o.get("data", {})) == {"text/plain"}]


def steady(text: str) -> str:
    """A text without what may differ."""
    return TIMES.sub("times as fast", DIGITS.sub("digits", RESIDUE.sub("0", text)))


def differences(lesson: list[Cell], made: NotebookNode) -> list[str]:
    """Where a lesson prints something else than its source says, in words."""
    found = []
    for known, cell in zip(lesson, made.cells, strict=True):
        old, new = (steady(text).splitlines() for text in (known.printed, printed(cell)))
        if old != new:
            found += [f"{cell.id}: {line}" for line in difflib.ndiff(old, new) if line[0] in "+-"]
    return found


def with_printed(source: str, made: NotebookNode) -> str:
    """The source with what its cells printed below them."""
    codes = iter([cell for cell in made.cells if cell.cell_type == "code"])

    def renewed(match: re.Match[str]) -> str:
        if match["code"] is None:
            return match[0]
        said = printed(next(codes))
        return f"```python\n{match['code']}```" + (f"\n\n```text\n{said}```" if said else "")

    return CELL.sub(renewed, source)


# Pages of the site.

PAGE = re.compile(r'<iframe [^>]*srcdoc="([^"]*)"[^>]*>')
SOURCE = re.compile(r'srcdoc="[^"]*"')


def site_page(name: str, notebook: NotebookNode) -> dict[str, str]:
    """A lesson as Markdown, and the files that it shows, by their names beside it."""
    files, text = {}, []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            text.append(cell.source.replace("<details>", "<details markdown>"))
        else:
            text.append(fenced("python", cell.source))
        if said := printed(cell):
            text.append(fenced("{.text .printed}", said))
        for i, output in enumerate(cell.get("outputs", [])):
            data = output.get("data", {})
            file = f"{name}-{cell.id}-{i}"
            if page := PAGE.search(data.get("text/html", "")):
                files[f"{file}.html"] = html.unescape(page[1])
                text.append(framed(f"{file}.html", page[0]))
            elif "image/svg+xml" in data:
                files[f"{file}.svg"] = data["image/svg+xml"]
                text.append(f"![]({file}.svg)")
    return {f"{name}.md": "\n\n".join(text) + "\n", **files}


def fenced(language: str, code: str) -> str:
    return f"```{language}\n{code.rstrip()}\n```"


def framed(file: str, frame: str) -> str:
    """A page beside the lesson, in the frame that the notebook has for it."""
    beside = SOURCE.sub(f'src="{file}" loading="lazy"', frame)
    return f'<div class="shown">{beside}</iframe></div>'


def build(name: str) -> dict[str, NotebookNode]:
    """Run a lesson, and write its notebooks and pages."""
    made = executed(cells(source(name)))
    for lang, notebook in made.items():
        folder = MADE / lang
        folder.mkdir(parents=True, exist_ok=True)
        files = {f"{name}.ipynb": nbformat.writes(notebook) + "\n", **site_page(name, notebook)}
        for file, content in files.items():
            (folder / file).write_text(content, encoding="utf-8")
    return made


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the lessons, and make their notebooks and pages.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 where one differs")
    parser.add_argument("--store", action="store_true", help="write what is printed into the sources")
    parser.add_argument("names", nargs="*", help=f"lessons; all of them by default: {', '.join(names())}")
    options = parser.parse_args()
    told = []
    for name in options.names or names():
        lesson = cells(source(name))
        made = (executed(lesson) if options.check or options.store else build(name))[LANGUAGES[0]]
        if not options.store:
            told += [f"{name}: {line}" for line in differences(lesson, made)]
        else:
            (SOURCES / f"{name}.md").write_text(with_printed(source(name), made), encoding="utf-8")
    for line in told:
        print(line)
    return int(bool(told))


if __name__ == "__main__":
    sys.exit(main())
