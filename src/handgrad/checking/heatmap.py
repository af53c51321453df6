"""A small map of where a gradient is off: in the terminal, and as HTML."""

from __future__ import annotations

import numpy as np

SHADES = "·░▒▓█"
STEPS = ("1e-9", "1e-4", "1e-2", "0.3")  # of the largest element: where each shade begins
LEVELS = tuple(map(float, STEPS))
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
    """Rows of shades, darker where it is worse; a question mark where it was not looked at."""
    steps = [f"{shade} >{step}" for shade, step in zip(SHADES[1:], STEPS, strict=True)]
    lines = [f"{title(error)}: {SHADES[0]} none, {', '.join(steps)}"]
    for row in as_grid(error):
        cells = ["?" if np.isnan(v) or v < 0 else SHADES[int(np.searchsorted(LEVELS, v))] for v in row]
        lines.append(f"|{''.join(cells)}|")
    return lines


def title(error: np.ndarray) -> str:
    blocks = error.ndim > 1 and error.shape != as_grid(error).shape
    return f"error{' (largest of each block)' if blocks else ''}"


def heat_html(error: np.ndarray) -> str:
    """A table of coloured cells, the redder the worse, and what the colours mean."""
    rows = [f"<tr>{''.join(map(_cell, row))}</tr>" for row in as_grid(error)]
    scale = (1e-6, 1e-4, 1e-2, 1.0)
    key = "".join(f"{_cell(v)}<td>{v:g}</td>" for v in scale)
    table = '<table style="border-collapse:separate;border-spacing:1px{}">{}</table>'
    return table.format("", "".join(rows)) + table.format(
        ";font-size:smaller", f"<tr><td>{title(error)}:</td>{_cell(0.0)}<td>none</td>{key}</tr>"
    )


def _cell(v: float) -> str:
    share = float(np.clip((np.log10(v) + 9) / 9, 0.05, 1)) if v > LEVELS[0] else 0.0  # nan: 0
    fill = f"rgba(207,34,46,{share:.2f})" if share else "rgba(127,127,127,0.15)"
    said = f"{v:.1e}" if v >= 0 else "not looked at"
    return f'<td style="width:12px;height:12px;padding:0;background:{fill}" title="{said}"></td>'
