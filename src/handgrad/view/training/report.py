"""The report of a training: one HTML file with its figures, pictures, mistakes and weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from importlib.resources import files

import numpy as np

from handgrad.view.pages import script_hash
from handgrad.view.svg import escaped, figure
from handgrad.view.training.norms import (
    EXPLODING,
    VANISHING,
    Layer,
    findings,
    norm_chart,
)
from handgrad.view.training.pixels import photograph

CARD = 112  # pixels of the longer side of an example's image
VALUES = 24  # of a row that are shown
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {script}"
SCRIPTS = f"{script_hash()} {script_hash(is_live=True)} 'wasm-unsafe-eval'"  # of the pages framed in it


@dataclasses.dataclass(frozen=True)
class Example:
    """An example of the held-out part, and what the network made of it."""

    number: int  # its place in that part, from 0
    true: str
    predicted: str
    loss: float
    probability: float | None = None  # of the predicted class
    error: str = ""  # of regression: predicted - true
    name: str = ""  # of its file
    image: np.ndarray | None = None  # (H, W) or (H, W, 3), from 0 to 1
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)  # of its columns


def report(title: str, figures: Mapping[str, str], facts: Mapping[str, str], sections: Sequence[str]) -> str:
    """An HTML document that needs nothing else, and runs no script but those of pages framed in it.

    Args:
        title: what was trained.
        figures: the numbers to see first, by what they are.
        facts: what else there is to know, by what it is about.
        sections: HTML, as the functions below make it.
    """
    style = files("handgrad.view.training").joinpath("report.css").read_text(encoding="utf-8")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{POLICY.format(script=SCRIPTS)}">
<meta name="generator" content="handgrad">
<title>{escaped(title)}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{escaped(title)}</h1>
<dl class="figures">{_pairs(figures, "<div><dt>{}</dt><dd>{}</dd></div>")}</dl>
<dl class="facts">{_pairs(facts, "<dt>{}</dt><dd>{}</dd>")}</dl>
</header>
<main>
{"".join(sections)}
</main>
</body>
</html>
"""


def picture(svg: str, *below: str) -> str:
    """A section that is an SVG document, with HTML below it."""
    return f"<section>{_scrolled(svg)}{_told(below)}</section>\n"


def section(heading: str, note: str, *content: str) -> str:
    """A section of HTML under a heading and a sentence."""
    said = f'<p class="muted">{escaped(note)}</p>' if note else ""
    return f'<section class="long">{_told((f"<h2>{escaped(heading)}</h2>", said, *content))}</section>\n'


def norms(parameters: Mapping[str, np.ndarray], layers: Sequence[Layer], note: str) -> str:
    """Gradient norms by layer as lines and in words, by parameter as a table."""
    said = "".join(f"<p>{escaped(finding)}</p>" for finding in findings(layers))
    rows = []
    for name, found in parameters.items():
        known = found[~np.isnan(found)]
        rows.append([name, *(_norm(v) for v in (known[0], known[-1], known.min(), known.max()))])
    head = ["gradient by", "first epoch", "last epoch", "smallest", "largest"]
    vanishing = f"Below {VANISHING:g} of the largest layer's a norm vanishes"
    meaning = f"{note} {vanishing}, above {EXPLODING:g} it explodes."
    words = f'<div>{said}<p class="muted">{escaped(meaning)}</p></div>'
    return picture(norm_chart(layers, "Gradient norms"), words, _table(head, rows))


def _norm(value: float) -> str:
    return figure(value) if np.isfinite(value) else "not finite"


def examples(shown: Sequence[Example]) -> str:
    """Images as cards, other examples as rows of a table."""
    if shown and shown[0].image is not None:
        return f'<div class="cards">{"".join(map(_card, shown))}</div>'
    return _rows(shown)


def _card(example: Example) -> str:
    assert example.image is not None
    sure = f", {percent(example.probability)}" if example.probability is not None else ""
    lines = [
        f"true <b>{escaped(example.true)}</b>",
        f'predicted <b class="predicted">{escaped(example.predicted)}</b>{sure}',
        *[f"error {escaped(example.error)}"] * bool(example.error),
        f"loss {figure(example.loss)}",
        f"example {example.number:,}",
    ]
    name = f' title="{escaped(example.name)}"' if example.name else ""
    height, width = (round(CARD * side / max(example.image.shape[:2])) for side in example.image.shape[:2])
    size = f'width="{width}" height="{height}"'
    picture = f'<img alt="example {example.number:,}" {size} src="{photograph(example.image)}">'
    return f"<figure{name}>{picture}<figcaption>{'<br>'.join(lines)}</figcaption></figure>"


def _rows(shown: Sequence[Example]) -> str:
    """A row for each example, with the first of its values."""
    columns = list(shown[0].values)[:VALUES] if shown else []
    is_classes = bool(shown) and shown[0].probability is not None
    head = ["example", "true", "predicted", "probability" if is_classes else "error", "loss", *columns]
    rows = []
    for e in shown:
        verdict = percent(e.probability) if e.probability is not None else e.error
        values = [e.values[name] for name in columns]
        rows.append([f"{e.number:,}", e.true, e.predicted, verdict, figure(e.loss), *values])
    more = len(shown[0].values) - len(columns) if shown else 0
    note = f'<p class="muted">and {more:,} columns more</p>' if more else ""
    return _table(head, rows) + note


def code(words: str) -> str:
    """Something to type."""
    return f"<p><code>{escaped(words)}</code></p>"


def percent(share: float) -> str:
    """A share as a percentage, which is 100 only if nothing is missing."""
    return f"{min(100 * share, 99.9) if share < 1 else 100:.1f} %"


def _told(parts: Sequence[str]) -> str:
    return f'<div class="told">{"".join(parts)}</div>' if parts else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table whose columns of numbers stand right."""
    numeric = [all(map(_is_number, column)) for column in zip(*rows, strict=True)] or [False] * len(head)
    looks = [' class="number"' if right else "" for right in numeric]

    def cells(tag: str, words: Sequence[str]) -> str:
        pairs = zip(words, looks, strict=True)
        return f"<tr>{''.join(f'<{tag}{look}>{escaped(word)}</{tag}>' for word, look in pairs)}</tr>"

    body = "".join(cells("td", row) for row in rows)
    return _scrolled(f"<table>{cells('th', head)}{body}</table>")


def _scrolled(content: str) -> str:
    """What may be wider than a phone, to be moved by finger or by keys."""
    return f'<div class="scroll" tabindex="0">{content}</div>'


def _is_number(words: str) -> bool:
    """Whether it is written in digits, so that columns of it stand right."""
    return not set(words) - set("0123456789.,−×⁻⁰¹²³⁴⁵⁶⁷⁸⁹%– ")


def _pairs(pairs: Mapping[str, str], form: str) -> str:
    return "".join(form.format(escaped(name), escaped(value)) for name, value in pairs.items())
