"""The line of an edge through its points."""

from __future__ import annotations

from handgrad.view.layout.plan import Point
from handgrad.view.svg import number

BEND = 6.0  # how round a corner is
HEAD, HALF = 8.0, 3.5  # an arrowhead's length, and half its width


def path_of(points: list[Point]) -> str:
    """As SVG writes it: straight where points are level or one above the other, else level at both ends."""
    x, y = points[0]
    path = f"M{number(x)},{number(y)}"
    last = len(points) - 1
    for i, (ahead, height) in enumerate(points):
        if i == 0:
            continue
        if ahead != x and height != y:
            middle = number((x + ahead) / 2)
            path += f"C{middle},{number(y)} {middle},{number(height)} {number(ahead)},{number(height)}"
        elif i < last and is_corner((x, y), (ahead, height), points[i + 1]):
            path += bend((x, y), (ahead, height), points[i + 1])
        else:
            path += f"L{number(ahead)},{number(height)}"
        x, y = ahead, height
    return path


def is_corner(a: Point, b: Point, c: Point) -> bool:
    """Whether a way turns by a right angle at b."""
    return (a[0] == b[0] and b[1] == c[1]) or (a[1] == b[1] and b[0] == c[0])


def bend(a: Point, b: Point, c: Point) -> str:
    """To the corner b and around it."""
    before, after = toward(b, a), toward(b, c)
    return f"L{spot(before)}Q{spot(b)} {spot(after)}"


def spot(point: Point) -> str:
    return f"{number(point[0])},{number(point[1])}"


def toward(a: Point, b: Point) -> Point:
    """From a, a little or half the way to b."""
    far = abs(b[0] - a[0]) + abs(b[1] - a[1])
    share = min(BEND / far, 0.5) if far > 0 else 0.0
    return (a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]))


def shaft(points: list[Point]) -> list[Point]:
    """The points of an arrow, whose tip its head covers."""
    x, y = points[-1]
    return [*points[:-1], (x - HEAD + 1, y)]


def head_of(points: list[Point]) -> str:
    """The corners of an arrow's head."""
    x, y = points[-1]
    left, top, bottom = number(x - HEAD), number(y - HALF), number(y + HALF)
    return f"{number(x)},{number(y)} {left},{top} {left},{bottom}"
