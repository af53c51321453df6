"""The script of a page: its modules, joined into one text, with the layout among them."""

from __future__ import annotations

import functools
import re
from importlib.resources import files
from pathlib import Path

from handgrad.view.svg import COLOURS
from handgrad.view.translation import translated

LAYOUT = ("places", "ordering", "heights", "rows", "plan", "paths", "words", "sizes")
GIVEN = (
    *("Edge", "Frame", "layout", "path_of", "shaft", "head_of", "cut", "words_width", "Shape", "Tag", "met"),
    *("cell_width", "label_width", "label_height", "title_width", "level_of"),
    *("AIR", "BELOW", "BESIDE", "CELL_AIR", "LEADING", "LONGEST", "NAME", "SMALL", "TITLE", "VALUE"),
)
# Each after those that it imports from.
MODULES = (
    *(
        "builtins",
        "layout",
        "data",
        "dom",
        "images",
        "words",
        "figures",
        "functions",
        "speech",
        "origins",
        "asking",
        "entries",
        "model",
        "arrange",
        "looking",
        "near",
        "picture",
        "panel",
        "table",
    ),
    *(
        "theme",
        "handout",
        "printing",
        "side",
        "strip",
        "finding",
        "address",
        "playing",
        "lesson",
        "bar",
        "app",
    ),
)
STILL = ("main",)  # what begins a page
LIVE = (
    *("livewords", "livesaid", "livemodule", "live", "liveedit"),
    *("livedata", "liverun", "livecharts", "livetrain", "livemain"),
)
IMPORT = re.compile(r'^import \{([^}]*)\} from "\./(\w+)\.js";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:async function|function|class|const) (\w+))", re.MULTILINE)
COMMENT = re.compile(r"/\*\*.*?\*/ ?|(?:^| +)// .*?$", re.MULTILINE | re.DOTALL)
BLANK = re.compile(r"\n(?:[ \t]*\n)+")
EXPORTS = re.compile(r"^export \{([^}]*)\};$", re.MULTILINE)


@functools.cache
def script(is_live: bool = False) -> str:
    """All modules in one, which needs no import: a page is one file."""
    return "\n".join(joined(name, module(name)) for name in (*MODULES, *(LIVE if is_live else STILL)))


def joined(name: str, source: str) -> str:
    """A module as a function of its own, called at once, that returns what it exports; without comments."""
    source = BLANK.sub("\n", COMMENT.sub("", source))
    listed = [word.strip() for words in EXPORTS.findall(source) for word in words.split(",")]
    given = ", ".join([*EXPORT.findall(source), *filter(None, listed)])
    body = EXPORTS.sub("", EXPORT.sub("", IMPORT.sub(r"const {\1} = of_\2;", source)))
    return f'const of_{name} = (() => {{\n"use strict";\n{body}\nreturn {{ {given} }};\n}})();'


def module(name: str) -> str:
    """The text of one module; the layout's is translated."""
    if name != "layout":
        return page_file(f"{name}.js")
    folder = files("handgrad.view").joinpath("layout")
    return translated([folder.joinpath(f"{part}.py").read_text(encoding="utf-8") for part in LAYOUT], GIVEN)


@functools.cache
def page_file(name: str) -> str:
    return files("handgrad.view").joinpath("page", name).read_text(encoding="utf-8")


@functools.cache
def style(is_live: bool = False) -> str:
    """The style sheet, with the colours that the still pictures have."""
    light, dark = (
        " ".join(f"--{name}: {look[which]};" for name, look in COLOURS.items()) for which in (1, 2)
    )
    return f":root {{ {light} }}\n:root[data-theme=dark] {{ {dark} }}\n{page_file('page.css')}" + (
        page_file("live.css") if is_live else ""
    )


def unpack(folder: str) -> None:
    """Write the modules as files, to be looked through for mistakes; not what is translated."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for name in (*MODULES, *STILL, *LIVE):
        text = module(name)
        place.joinpath(f"{name}.js").write_text(f"// @ts-nocheck\n{text}" if name == "layout" else text)
