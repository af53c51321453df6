"""What the site has beside docs/: the lessons as they ran, the reference, the benches, CONTRIBUTING."""

from __future__ import annotations

import posixpath
import re
import sys
from pathlib import Path
from typing import Any

from latex2mathml.converter import convert
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files

sys.path.insert(0, str(Path(__file__).parent))

import reference

ROOT = Path(__file__).parents[2]
LESSONS = ROOT / "build" / "lessons"
GALLERY = ROOT / "build" / "gallery"
COPIED = {
    "extend/contributing.md": ROOT / "CONTRIBUTING.md",
    "extend/changes.md": ROOT / "CHANGELOG.md",
    **{f"bench/{path.name}": path for path in sorted((ROOT / "bench").glob("*.md"))},
}

SHIM = "https://unpkg.com/iframe-worker/shim"

ITEM = re.compile(r'<li><a href="([\w-]+\.html)">(.*?)</a><br>(.*?)</li>')
LINK = re.compile(r"(!?)\[([^\]]*)\]\(([^)#\s]*)(#[^)\s]*)?\)")
MATHS = re.compile(r"^\$\$(.+?)\$\$$", re.MULTILINE | re.DOTALL)
FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
CHINESE = re.compile(r"[一-鿿]")


def on_config(config: Any) -> None:
    """Put the pages of the reference into the navigation."""
    rules, others = [], []
    for page in reference.pages():
        if page.of_each:
            rules.append({page.title: [page.file, *(each.file for each in page.of_each)]})
        else:
            others.append({page.title: page.file})
    (section,) = [part for part in config.nav if "Reference" in part]
    if ITEM.search(gallery()):
        (learn,) = [part for part in config.nav if "Learn" in part]
        learn["Learn"].append({"Gallery": "learn/gallery.md"})
    section["Reference"] = ["reference/index.md", others[0], {"Rules": rules}, *others[1:]]


def on_files(files: Files, config: Any) -> Files:
    """Add what is made, and what stands outside of docs/."""
    if not any(LESSONS.glob("en/*.md")):
        raise PluginError("the lessons have not run yet: make lessons")
    lessons = {f"learn/{path.parent.name}/{path.name}": path for path in sorted(LESSONS.glob("*/*"))}
    made = {each.file: reference.text(each) for page in reference.pages() for each in (page, *page.of_each)}
    if items := ITEM.findall(gallery()):
        made["learn/gallery.md"] = shown(items)
        lessons |= {f"gallery/{path.name}": path for path in sorted(GALLERY.glob("*"))}
    made["reference/index.md"] = reference.index()
    for name, path in {**lessons, **COPIED}.items():
        files.append(File.generated(config, name, abs_src_path=str(path)))
    for name, content in made.items():
        files.append(File.generated(config, name, content=content))
    return files


def gallery() -> str:
    """The index of the gallery, if it was made."""
    index = GALLERY / "index.html"
    return index.read_text(encoding="utf-8") if index.exists() else ""


def shown(items: list[tuple[str, str, str]]) -> str:
    """The gallery's page: the first of its pages to try at once, and links to all."""
    frame = f'<div class="shown"><iframe title="{items[0][1]}" src="../gallery/{items[0][0]}"></iframe></div>'
    links = "".join(f"- [{title}](../gallery/{file}): {words}\n" for file, title, words in items)
    return (
        f"# Gallery\n\nPages that compute and train where they are read, each one file.\n\n{frame}\n\n{links}"
    )


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links lead to pages of the site, and formulas are MathML."""
    if page.file.src_uri == "rules.md":  # the search finds each rule's own page
        page.meta["search"] = {"exclude": True}
    parts = FENCE.split(markdown)
    for i in range(0, len(parts), 2):
        parts[i] = MATHS.sub(lambda match: convert(match[1], display="block"), parts[i])
        parts[i] = LINK.sub(lambda match: led(match, page.file.src_uri, files), parts[i])
    return "".join(parts)


def led(match: re.Match[str], page: str, files: Files) -> str:
    """A link of the repository, as one of the site; text alone where it leads to what is not on it."""
    shown, words, target, anchor = match.groups(default="")
    if not target or ":" in target or files.get_file_from_path(beside(page, target)):
        return match[0]
    place = beside(origin(page), target)
    found = site_place(place, "zh" if CHINESE.search(words) else "en")
    if files.get_file_from_path(found) is None:
        if not (ROOT / place).exists():
            return match[0]  # which mkdocs will report
        return words
    return f"{shown}[{words}]({posixpath.relpath(found, posixpath.dirname(page) or '.')}{anchor})"


def beside(page: str, target: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(page), target))


def origin(page: str) -> str:
    """Where a page of the site stands in the repository."""
    if page in COPIED:
        return COPIED[page].relative_to(ROOT).as_posix()
    return re.sub(r"^learn/(en|zh)/", "learn/lessons/", page).join(["docs/", ""])


def site_place(place: str, lang: str) -> str:
    """Where on the site a file of the repository is, if it is there."""
    copied = {path.relative_to(ROOT).as_posix(): name for name, path in COPIED.items()}
    place = re.sub(r"^src/handgrad/(rules/\w+)\.py$", r"docs/reference/\1.md", place)
    place = place.replace("docs/learn/lessons/", f"docs/learn/{lang}/")
    return copied.get(place) or place.removeprefix("docs/")


def on_post_page(output: str, page: Any, config: Any) -> str:
    """The one script that the theme would fetch when the site is read from disk comes with it."""
    return output.replace(SHIM, posixpath.relpath("worker.js", posixpath.dirname(page.url) or "."))


def on_post_template(output: str, template_name: str, config: Any) -> str:
    return output.replace(SHIM, "worker.js")
