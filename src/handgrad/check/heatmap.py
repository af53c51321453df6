"""A small map of where a gradient is off: in the terminal, and as HTML."""

from __future__ import annotations

import html

import numpy as np

SHADES = "·░▒▓█"
LEGEND = "· none, ░ >1e-9, ▒ >1e-4, ▓ >1e-2, █ >0.3"
LEVELS = (1e-9, 1e-4, 1e-2, 0.3)  # of the largest element: where each shade begins
ROWS, COLUMNS = 12, 48


def as_grid(error: np.ndarray) -> np.ndarray:
    """Two axes, of a size that fits: the largest error of each block."""
    grid = error.reshape(1, -1) if error.ndim < 2 else error.reshape(-1, error.shape[-1])
    return _shrunk(_shrunk(grid, ROWS).T, COLUMNS).T


def _shrunk(grid: np.ndarray, most: int) -> np.ndarray:
    if len(grid) <= most:
        return grid
    blocks = np.array_split(grid, most)
    return np.stack([np.nanmax(np.where(np.isnan(b), -1.0, b), axis=0) for b in blocks])


def heat_text(error: np.ndarray) -> list[str]:
    """Rows of shades, darker where it is worse; a dot where it was not looked at."""
    lines = [legend(error)]
    for row in as_grid(error):
        cells = ["?" if np.isnan(v) or v < 0 else SHADES[int(np.searchsorted(LEVELS, v))] for v in row]
        lines.append(f"|{''.join(cells)}|")
    return lines


def legend(error: np.ndarray) -> str:
    blocks = error.ndim > 1 and error.shape != as_grid(error).shape
    return f"error{' (largest of each block)' if blocks else ''}: {LEGEND}"


def heat_html(error: np.ndarray) -> str:
    """A table of coloured cells, the redder the worse, and what the shades mean."""
    rows = []
    for row in as_grid(error):
        cells = []
        for v in row:
            share = float(np.clip((np.log10(v) + 9) / 9, 0.05, 1)) if v > LEVELS[0] else 0.0  # nan: 0
            fill = f"rgba(207,34,46,{share:.2f})" if share else "rgba(127,127,127,0.15)"
            cells.append(
                f'<td style="width:12px;height:12px;padding:0;background:{fill}" title="{v:.1e}"></td>'
            )
        rows.append(f"<tr>{''.join(cells)}</tr>")
    table = f'<table style="border-collapse:separate;border-spacing:1px">{"".join(rows)}</table>'
    return f'{table}<div style="font-size:smaller">{html.escape(legend(error))}</div>'
