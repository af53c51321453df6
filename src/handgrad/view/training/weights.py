"""The weights of a first layer: a picture for each unit, or a heat map of inputs by units."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from handgrad.view.images import upright
from handgrad.view.summary import LEVELS, reduced
from handgrad.view.svg import (
    MARGIN,
    Markup,
    document,
    element,
    escaped,
    figure,
    heading,
    shortened,
    text,
    tooltip,
    words_width,
)
from handgrad.view.thumbnails import DIVERGING, address, png
from handgrad.view.training.pixels import diverging

TILES = 100  # units that are drawn
ROWS, COLUMNS = 200, 400  # of a heat map; where there are more, means of blocks
WIDTH, TALLEST = 960, 560
NAMES = 200  # the most room that names of inputs get
LEGIBLE = 13  # pixels that a line of text needs
RAMP = address(png(np.arange(-LEVELS, LEVELS + 1, dtype=np.int8)[None], DIVERGING))


def by_norm(W: np.ndarray) -> np.ndarray:
    """The units of W (D, M), that with the largest weights first."""
    return np.argsort(-np.linalg.norm(W.astype(float), axis=0), kind="stable")


def tiles(W: np.ndarray, shape: Sequence[int], names: Sequence[str]) -> str:
    """W (D, M) as M pictures of inputs of a shape, on one scale, those with the largest norms first."""
    units = by_norm(W)[:TILES]
    pictures = [upright(W[:, unit].reshape(shape)) for unit in units]
    pictures = [picture.mean(axis=-1) if picture.ndim == 3 else picture for picture in pictures]
    limit = max(float(np.abs(picture).max()) for picture in pictures)
    norms = np.linalg.norm(W[:, units].astype(float), axis=0)
    drawn = [
        f'<figure title="{escaped(names[unit])}: norm {figure(norm)}">'
        f'<img alt="" src="{diverging(picture, limit)}" style="aspect-ratio:{aspect(picture)}">'
        f"<figcaption>{escaped(names[unit])}</figcaption></figure>"
        for unit, picture, norm in zip(units, pictures, norms, strict=True)
    ]
    return f'<div class="tiles">{"".join(drawn)}</div>{legend(limit)}'


def aspect(picture: np.ndarray) -> str:
    height, width = picture.shape
    return f"{width}/{height}"


def legend(limit: float) -> str:
    """What the colours mean."""
    return (
        f'<p class="legend"><span>−{figure(limit)}</span><img alt="blue, white, orange" src="{RAMP}">'
        f"<span>{figure(limit)}</span><span>0 is white</span></p>"
    )


def heat_map(W: np.ndarray, inputs: Sequence[str], units: Sequence[str], title: str) -> str:
    """W (D, M) as an SVG document: a row for each input, a column for each unit, sorted by norm."""
    order = by_norm(W)
    cells = reduced(reduced(W[:, order].astype(float), ROWS).T, COLUMNS).T
    limit = float(np.abs(W).max())
    shown = [shortened(name, NAMES, 11) for name in inputs]
    left = MARGIN + max(words_width(name, 11) for name in shown) + 10
    cell_height = min(22.0, TALLEST / len(inputs))
    cell_width = min(36.0, (WIDTH - MARGIN - left) / len(units))
    top, width, height = 66.0, cell_width * len(units), cell_height * len(inputs)
    drawn = [heading(title, WIDTH), _picture(cells, limit, left, top, width, height)]
    for i in range(0, len(inputs), int(np.ceil(LEGIBLE / cell_height))):
        place = top + (i + 0.5) * cell_height + 4
        tip = tooltip(shown[i], inputs[i])
        drawn.append(text(left - 8, place, shown[i], *tip, size=11, class_="muted", text_anchor="end"))
    drawn += _columns([units[j] for j in order], left, top + height, cell_width)
    return document(WIDTH, top + height + 34, title, f"{len(inputs)} inputs by {len(units)} units", *drawn)


def _picture(cells: np.ndarray, limit: float, x: float, y: float, width: float, height: float) -> Markup:
    levels = np.rint(cells * (LEVELS / limit if limit else 0.0)).astype(np.int8)
    return element(
        "image",
        href=address(png(levels, DIVERGING)),
        x=x,
        y=y,
        width=width,
        height=height,
        preserveAspectRatio="none",
        style="image-rendering:pixelated",
    )


def _columns(names: Sequence[str], left: float, bottom: float, cell: float) -> list[Markup]:
    """Names below the columns, as many as there is room for."""
    widest = max(words_width(name, 11) for name in names) + 8
    step = int(np.ceil(widest / cell))
    return [
        text(left + (j + 0.5) * cell, bottom + 17, names[j], size=11, class_="muted", text_anchor="middle")
        for j in range(0, len(names), step)
    ]
