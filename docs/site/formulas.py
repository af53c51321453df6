"""Docstrings as the site shows them: lines of formulas stay lines, where prose flows."""

from __future__ import annotations

import re
from typing import Any

import griffe

SECTION = re.compile(r"^(Args|Returns|Raises|Examples|Yields|Attributes):$", re.MULTILINE)
FORMULA = re.compile(r"(?:[\w=\", .]+: )?[\w₀-₉∞²ₜ()ᵀ'\[\], ]{1,24} (?:=|←|≈|≤) ")
APART = re.compile(r"(?<=\S) {3,}(?=\S)")  # between formulas of one line
BREAK = "  \n"


class Formulas(griffe.Extension):
    """Breaks lines where a docstring breaks those of its formulas."""

    def on_object(self, *, obj: griffe.Object, **kwargs: Any) -> None:
        if obj.docstring:
            obj.docstring.value = shown(obj.docstring.value)


def shown(docstring: str) -> str:
    """A docstring's text before its first section, as Markdown."""
    section = SECTION.search(docstring)
    end = section.start() if section else len(docstring)
    paragraphs = re.split(r"\n\s*\n", docstring[:end])
    return "\n\n".join(map(in_lines, paragraphs)) + docstring[end:]


def in_lines(paragraph: str) -> str:
    """A paragraph with the ends of its formulas' lines kept; blocks of code as they are."""
    if paragraph.startswith("    ") or "::\n" in paragraph:
        return paragraph
    lines = paragraph.replace("*", "\\*").splitlines()
    text = lines[0] if lines else ""
    for line in lines[1:]:
        text += (BREAK if FORMULA.match(line) else "\n") + line
    return APART.sub(BREAK, text)
