"""The picture of a search for a learning rate."""

from __future__ import annotations

import numpy as np

from handgrad.view.svg import MARGIN, Markup, Scale, document, element, figure, heading, line, number, text
from handgrad.view.training.axes import Box, baseline, grid_rows, padded

WIDTH, HEIGHT = 640, 400
FRAME = Box(MARGIN + 56, 88, WIDTH - MARGIN, HEIGHT - 60)


def rates(
    tried: np.ndarray, losses: np.ndarray, smoothed: np.ndarray, suggestion: float, title: str = ""
) -> str:
    """Losses over learning rates, each a dot, their running mean a line, and the rate that is suggested.

    tried, losses, smoothed (S,)

    Examples:
        >>> from handgrad.view import rates
        >>> tried, losses = np.array([1e-3, 1e-2, 1e-1]), np.array([1.0, 0.5, 0.7])
        >>> rates(tried, losses, losses, 1e-3).startswith("<svg")
        True
    """
    x = Scale(*padded(tried, log=True), FRAME.left, FRAME.right, log=True)
    y = Scale(*padded(np.concatenate([losses, smoothed]), log=False), FRAME.bottom, FRAME.top)
    said = f"loss over the learning rate; suggested: {figure(suggestion)}"
    drawn = [
        text(MARGIN, 62, said, size=13, class_="muted"),
        *grid_rows(y, y.ticks(5), FRAME.left, FRAME.right),
        *baseline(x, x.ticks(8), FRAME.left, FRAME.bottom, "learning rate"),
        *[
            element("circle", cx=x(a), cy=y(b), r=2, class_="muted")
            for a, b in zip(tried, losses, strict=True)
        ],
        path(x(tried), y(smoothed)),
    ]
    if x.low <= suggestion <= x.high:
        at = x(suggestion)
        drawn.append(
            line(at, FRAME.top, at, FRAME.bottom, class_="validation-line", stroke_dasharray="7 3.5")
        )
    title = title or "Which learning rate?"
    return document(WIDTH, HEIGHT, title, said, heading(title, WIDTH), *drawn)


def path(x: np.ndarray, y: np.ndarray) -> Markup:
    pairs = "L".join(f"{number(px)},{number(py)}" for px, py in zip(x, y, strict=True))
    return element("path", d=f"M{pairs}", class_="training-line", fill="none", stroke_width=2)
