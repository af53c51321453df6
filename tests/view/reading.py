"""Pictures read back as a reader would: from the labels of the axes to the values of the marks."""

import re
from xml.etree import ElementTree

import numpy as np

from handgrad.view.svg import words_width

SVG = "{http://www.w3.org/2000/svg}"
DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹−", "-0123456789-", ",")


def parsed(picture):
    root = ElementTree.fromstring(picture)
    assert root.tag == SVG + "svg"
    return root


def every(root, tag, **attributes):
    """Elements of a tag with these attributes, in the order of drawing."""
    return [
        e
        for e in root.iter(SVG + tag)
        if all(e.get(k.rstrip("_").replace("_", "-")) == v for k, v in attributes.items())
    ]


def words(element):
    """The text of an element, without its tooltip."""
    inner = [(e.text or "") for e in element if e.tag == SVG + "tspan"]
    return (element.text or "") + "".join(inner)


def said(root):
    return [words(e) for e in every(root, "text")]


def value(label):
    """The number that a label says: 2,000 or −1.5 or 10⁻⁴ or 2×10⁻⁶."""
    head, power = re.fullmatch(
        r"(?:([−\d.,]+)×?(?=10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]|$))?(?:10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", label
    ).groups()
    return float((head or "1").translate(DIGITS)) * 10.0 ** int((power or "0").translate(DIGITS))


def at(element, *names):
    return np.array([float(element.get(name)) for name in names])


class Axis:
    """Pixels to values, by the two outermost labels; log where the labels say so."""

    def __init__(self, ticks, log=False):
        pixels, values = np.array(sorted(ticks)).T
        self.log, ends = log, (np.log10(values) if log else values)[[0, -1]]
        self.slope = (ends[1] - ends[0]) / (pixels[-1] - pixels[0] or 1)
        self.pixel, self.end = pixels[0], ends[0]

    def __call__(self, pixel):
        found = self.end + (np.asarray(pixel) - self.pixel) * self.slope
        return 10.0**found if self.log else found


def axes(root, left=0.0, right=np.inf, log=False):
    """The x and the y axis of the panel between two pixels."""
    labels = [e for e in root.iter(SVG + "text") if e.get("font-size") == "11"]
    labels = [e for e in labels if left <= float(e.get("x")) < right]
    y = [(float(e.get("y")) - 4, value(words(e))) for e in labels if e.get("text-anchor") == "end"]
    x = [(float(e.get("x")), value(words(e))) for e in labels if e.get("text-anchor") == "middle"]
    return Axis(x), Axis(y, log)


def strokes(root, kind, left=0.0, right=np.inf):
    """The points (N, 2) of each unbroken stroke of a line."""
    runs = []
    for path in every(root, "path", class_=f"{kind}-line"):
        for run in path.get("d").split("M")[1:]:
            points = np.array([[float(c) for c in pair.split(",")] for pair in run.split("L")])
            if left <= points[0, 0] < right:
                runs.append(points)
    return runs


def dots(root, kind, left=0.0, right=np.inf):
    """Centres (N, 2) of the filled circles of a kind."""
    found = [at(e, "cx", "cy") for e in every(root, "circle", class_=kind)]
    return np.array([p for p in found if left <= p[0] < right])


def boxes(root):
    """Each thing that is drawn, with the corners of the room that it takes: (left, top, right, bottom)."""
    for e in root.iter():
        tag = e.tag.removeprefix(SVG)
        if tag == "rect":
            x, y, w, h = (
                at(e, "x", "y", "width", "height") if e.get("x") else (0, 0, *at(e, "width", "height"))
            )
            yield e, (x, y, x + w, y + h)
        elif tag == "line":
            x1, y1, x2, y2 = at(e, "x1", "y1", "x2", "y2")
            yield e, (min(x1, x2), min(y1, y2), max(x1, x2), max(y1, y2))
        elif tag == "circle":
            x, y, r = at(e, "cx", "cy", "r")
            yield e, (x - r, y - r, x + r, y + r)
        elif tag == "path":
            numbers = np.array(re.findall(r"-?[\d.]+", e.get("d")), float).reshape(-1, 2)
            yield e, (*numbers.min(axis=0), *numbers.max(axis=0))
        elif tag == "text":
            yield e, _text_box(e)


def _text_box(e):
    (x, y), size = at(e, "x", "y"), float(e.get("font-size"))
    width = words_width(words(e), size)
    before = {"end": width, "middle": width / 2, None: 0}[e.get("text-anchor")]
    if e.get("transform"):
        assert e.get("transform") == f"rotate(-90 {e.get('x')} {e.get('y')})"
        return x - 0.8 * size, y - width + before, x + 0.2 * size, y + before
    return x - before, y - 0.8 * size, x - before + width, y + 0.2 * size


def assert_within(root):
    """Nothing is cut off by the picture's edge."""
    _, _, width, height = map(float, root.get("viewBox").split())
    for e, (left, top, right, bottom) in boxes(root):
        inside = left >= 0 and top >= 0 and right <= width + 0.01 and bottom <= height + 0.01
        assert inside, f"{ElementTree.tostring(e)} reaches beyond {width} x {height}"


def assert_apart(root):
    """No two texts overlap."""
    found = [(words(e), box) for e, box in boxes(root) if e.tag == SVG + "text"]
    for i, (one, a) in enumerate(found):
        for other, b in found[:i]:
            clear = a[2] <= b[0] + 0.5 or b[2] <= a[0] + 0.5 or a[3] <= b[1] + 0.5 or b[3] <= a[1] + 0.5
            assert clear, f"{one!r} at {a} overlaps {other!r} at {b}"
