"""Recordings as one HTML file: no server, no network, everything inside."""

from __future__ import annotations

import base64
import contextlib
import gc
import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from handgrad.view.compare import comparison
from handgrad.view.description import Describer
from handgrad.view.graph import Graph
from handgrad.view.scripts import page_file, script, style
from handgrad.view.store import ALIGNED, Store
from handgrad.view.thumbnails import DIVERGING, GREY

LIMIT = 24_000_000  # bytes of a page
WHOLE = 65_536  # numbers up to which an array is kept whole
LEAST = 256  # to how few means an array may be reduced
COLOURS = {"diverging": DIVERGING, "grey": GREY}


class TooLarge(ValueError):
    """A page that would be larger than its limit.

    Examples:
        >>> hg.show(hg.square, 3.0).save("page.html", limit=1000)
        Traceback (most recent call last):
            ...
        handgrad.view.pages.TooLarge: the page would be 0.0 MB, and its limit is 0.0 MB...
    """


def page(*graphs: Graph, title: str | None = None, limit: int = LIMIT, positions: Sequence[str] = ()) -> str:
    """One recording, two side by side, or the same at several times, as an HTML document.

    Arrays of more than 65,536 numbers are reduced to means, and where the page would be too large, smaller
    ones too; the page says so where it shows them.

    Args:
        graphs: one or two recordings; of two, nodes are matched by name and differences marked.
        title: of the page; by default the first graph's.
        limit: the largest size of the file, in bytes.
        positions: what each graph is called on a slider, of which one is seen at a time.

    Raises:
        TooLarge: the page would be larger than ``limit``.
    """
    with _uncollected():
        packed = _packed(graphs, title or graphs[0].title, limit, positions)
    return document(title or graphs[0].title, packed)


def document(title: str, packed: str, is_live: bool = False) -> str:
    """The page around its data."""
    parts = {
        "title": escape(title),
        "script_hash": script_hash(is_live) + (" 'wasm-unsafe-eval'" if is_live else ""),
        "style": style(is_live),
        "data": packed,
        "script": script(is_live),
    }
    return _filled(page_file("page.html"), parts)


def script_hash(is_live: bool = False) -> str:
    """What a content security policy calls the script of a page, the only one that may run in it."""
    digest = base64.b64encode(hashlib.sha256(script(is_live).encode()).digest()).decode()
    return f"'sha256-{digest}'"


def framed(html: str, text: str = "", height: int = 640, still: str = "") -> str:
    """A page inside another, as a notebook shows it; where it does not run, a still picture and the text.

    The picture lies below the page, which covers it: what takes frames out, as GitHub and mail do, leaves it.
    """
    style = "width:100%;border:1px solid #8886;border-radius:8px"
    if still:
        style += ";position:absolute;inset:0;background:#fff"
    frame = f'<iframe title="handgrad" srcdoc="{escape(html)}" style="{style}" height="{height}"></iframe>'
    if still:
        packed = base64.b64encode(still.encode()).decode()
        picture = f'<img alt="the graph" style="max-width:100%" src="data:image/svg+xml;base64,{packed}">'
        frame = f'<div style="position:relative;height:{height + 2}px;overflow:hidden">{picture}{frame}</div>'
    return frame + (f"<details><summary>as text</summary><pre>{escape(text)}</pre></details>" if text else "")


def _filled(template: str, parts: dict[str, str]) -> str:
    """The template with its parts, none of which is looked at for others' names."""
    pieces = []
    for piece in template.split("{"):
        name, brace, rest = piece.partition("}")
        pieces.append(parts[name] + rest if brace and name in parts else "{" + piece)
    return "".join(pieces).removeprefix("{")


def _packed(graphs: tuple[Graph, ...], title: str, limit: int, positions: Sequence[str]) -> str:
    """The data in base64, with arrays reduced as far as the limit asks."""
    most = WHOLE
    while True:
        store = Store(most)
        content = {
            "title": title,
            "colours": COLOURS,
            "language": graphs[0].language,
            "graphs": [Describer(graph, store).description() for graph in graphs],
        }
        if positions:
            content["positions"] = list(positions)
        elif len(graphs) == 2:
            content |= comparison(*graphs)
        packed = compressed(content, store)
        if len(packed) <= limit:
            return packed
        if most <= LEAST:
            raise TooLarge(
                f"the page would be {len(packed) / 1e6:,.1f} MB, and its limit is {limit / 1e6:,.1f} MB: "
                f"show a part of the computation, fewer examples, or allow a larger limit"
            )
        most //= 4


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without looking for circles among what is made meanwhile, of which there are none and many objects."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def compressed(content: dict[str, Any], store: Store) -> str:
    """The length of the JSON, the JSON and the arrays, compressed, in base64."""
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    padding = bytes(-len(text) % ALIGNED)
    block = struct.pack("<II", len(text), 0) + text + padding + store.bytes()
    return base64.b64encode(zlib.compress(block, 6)).decode()
