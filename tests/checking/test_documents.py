"""Every output in docs/check.md, kernels.md and notebook.md, produced by running what stands above it.

A section is what lies under one heading. Its blocks share their names and a folder: a block that begins
with ``# file: layer.py`` is that file, the commands of a console block run beside it. What a block prints
is the text block that follows it, if one does; else it prints nothing.

    HANDGRAD_WRITE_DOCS=1 python -m pytest tests/checking/test_documents.py

writes the text blocks anew, after wording has changed.
"""

import contextlib
import importlib.util
import io
import os
import re
import shlex
import subprocess
import sys
import types
from dataclasses import dataclass
from pathlib import Path

import pytest

from handgrad.cli import main

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("docs/check.md", "docs/kernels.md", "docs/notebook.md")
BLOCK = re.compile(r"^```(python|console|text)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
WRITING = os.environ.get("HANDGRAD_WRITE_DOCS") == "1"
PEERS = ("torch", "jax")


@dataclass
class Block:
    """One fenced block: its language, its content, and where the content stands in the section."""

    language: str
    content: str
    start: int
    end: int
    follows: bool  # a block, with nothing but an empty line between


def blocks_of(section):
    found, before = [], None
    for match in BLOCK.finditer(section):
        follows = before is not None and not section[before : match.start()].strip()
        found.append(Block(match[1], match[2], match.start(2), match.end(2), follows))
        before = match.end()
    return found


def sections_of(text):
    """The text cut at its headings, those of code left alone."""
    fenced, cuts, at = False, [0], 0
    for line in text.splitlines(keepends=True):
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and re.match(r"#+ ", line) and at:
            cuts.append(at)
        at += len(line)
    return [text[a:b] for a, b in zip(cuts, [*cuts[1:], len(text)], strict=True)]


def heading(section):
    return section.splitlines()[0].lstrip("# ") if section else ""


SECTIONS = [
    pytest.param(name, heading(section), id=f"{Path(name).stem}: {heading(section)}")
    for name in DOCUMENTS
    for section in sections_of((ROOT / name).read_text(encoding="utf-8"))
    if blocks_of(section)
]


class Runner:
    """The blocks of one section, one after the other."""

    def __init__(self, folder, monkeypatch):
        self.folder, self.monkeypatch = folder, monkeypatch
        self.names = {}
        self.code = 0
        monkeypatch.chdir(folder)
        monkeypatch.syspath_prepend(str(folder))

    def run(self, block, number):
        """What it prints."""
        if block.language == "console":
            return "".join(self.command(line[2:]) for line in block.content.splitlines() if line[:2] == "$ ")
        named = re.match(r"# file: (\S+)\n+", block.content)
        if named:
            (self.folder / named[1]).write_text(block.content[named.end() :])
            return ""
        return self.python(block.content, number)

    def python(self, source, number):
        """A file of its own, so that the checker can read what is in it."""
        file = self.folder / str(number) / "example.py"
        file.parent.mkdir()
        file.write_text(source)
        module = types.ModuleType(f"example_{number}")
        module.__file__ = str(file)
        self.monkeypatch.setitem(sys.modules, module.__name__, module)
        self.names["__name__"] = module.__name__
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            exec(compile(source, str(file), "exec"), self.names)
        return printed.getvalue()

    def command(self, line):
        if line == "echo $?":
            return f"{self.code}\n"
        program, *words = shlex.split(line)
        if program == "pytest":
            return self.pytest(words)
        assert program == "handgrad"
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(out):
            self.code = exit_code(words)
        self.forget()
        return re.sub(r"^\.\.\. .*\n", "", out.getvalue(), flags=re.MULTILINE)  # of a machine that is slow

    def pytest(self, words):
        options = ["-p", "no:cacheprovider", "-p", "no:xdist", "--no-header", "--color=no"]
        # pytest prints its summary in full where either name is set, and cut to the width elsewhere.
        env = {name: value for name, value in os.environ.items() if name not in ("CI", "BUILD_NUMBER")}
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *options, *words],
            capture_output=True, text=True, check=False, env=env | {"COLUMNS": "80"},
        )  # fmt: skip
        self.code = ran.returncode
        return re.sub(r"(in )\d+\.\d+s", r"\g<1>0.10s", ran.stdout)

    def forget(self):
        """Modules that a command has imported from the folder."""
        for name, module in list(sys.modules.items()):
            here = str(getattr(module, "__file__", None)).startswith(str(self.folder))
            if here and not name.startswith("example_"):
                del sys.modules[name]


def exit_code(words):
    try:
        return main(words)
    except SystemExit as left:
        return left.code


def outputs_of(section, runner):
    """Pairs of a text block and what was printed for it."""
    printed = ""
    for number, block in enumerate(blocks_of(section)):
        if block.language == "text" and block.follows:
            yield block, printed
            printed = ""
        else:
            assert not printed.strip(), f"this is printed, and shown nowhere:\n{printed}"
            printed = runner.run(block, number)
    assert not printed.strip(), f"this is printed, and shown nowhere:\n{printed}"


def missing_peer(section):
    for name in PEERS:
        if re.search(rf"^ *(import|from) {name}\b", section, re.MULTILINE) and not importlib.util.find_spec(
            name
        ):
            return name
    return None


DIGITS = re.compile(r"\b(\d+) digits proven")
TINY = re.compile(r"-?\d(\.\d+)?e-([1-9]\d)")


def normal(text):
    """Without what may differ from one computer to the next: digits of very small numbers, spaces at ends."""
    text = re.sub(r"\d+\.\d+ s\b", "0.10 s", text)
    text = DIGITS.sub("many digits proven", text)
    text = re.sub(r"\b\d+\.\d (digits|due|are due)", r"some \1", text)  # of a kernel
    return "\n".join(line.rstrip() for line in TINY.sub("tiny", text).strip().splitlines())


def digits(text):
    return [int(n) for n in DIGITS.findall(text)]


@pytest.mark.parametrize(("name", "title"), SECTIONS)
def test_section(name, title, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)  # of the tests outside, not of those of a document
    path = ROOT / name
    sections = sections_of(path.read_text(encoding="utf-8"))
    place = next(i for i, section in enumerate(sections) if heading(section) == title)
    section = sections[place]
    if peer := missing_peer(section):
        pytest.skip(f"{peer} is not installed")
    pairs = list(outputs_of(section, Runner(tmp_path, monkeypatch)))
    if WRITING:
        for block, printed in reversed(pairs):
            section = f"{section[: block.start]}{printed.strip()}\n{section[block.end :]}"
        sections[place] = section
        path.write_text("".join(sections), encoding="utf-8")
        return
    for block, printed in pairs:
        assert normal(printed) == normal(block.content)
        for shown, now in zip(digits(block.content), digits(printed), strict=True):
            assert abs(shown - now) <= 2  # libraries round in orders of their own
    assert len({heading(s) for s in sections}) == len(sections)


def test_the_documents_keep_the_mark_of_the_table():
    text = (ROOT / "docs/check.md").read_text(encoding="utf-8")
    assert "<!-- table -->\n" in text
    assert "<!-- /table -->" in text
