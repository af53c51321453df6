"""Numbers as a page writes them, read back without the code that wrote them."""

from __future__ import annotations

import itertools
import math
import re
from xml.etree import ElementTree

import numpy as np

POWERS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
DIGITS = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
NUMBER = rf"−?(?:∞|nan|{DIGITS}(?:×10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?)"
ROUNDING = "0 up to rounding"
MATH = "{http://www.w3.org/1998/Math/MathML}"


def number(text, digits=4):
    """A number as it is written, and half of its last digit; idle zeros were left out of so many."""
    text = text.replace("−", "-").replace(",", "").strip("()")
    if text.strip("-") in ("∞", "nan"):
        return float(text.replace("∞", "inf")), 0.0
    mantissa, _, power = text.partition("×10")
    scale = 10.0 ** int(power.translate(POWERS) or 0)
    value = float(mantissa) * scale
    if value == 0:
        return 0.0, 0.0
    written_half = 0.5 * scale / 10 ** len(mantissa.partition(".")[2])
    return value, min(written_half, 0.5 * 10.0 ** (math.floor(math.log10(abs(value))) + 1 - digits))


LINES = 3  # of words at an edge; what is more are numbers, each in its place


def assert_number(text, wanted, slack=0.0, digits=4):
    """What is written is the number, to so many digits."""
    ours, half = number(text, digits)
    wanted = float(wanted)
    if not math.isfinite(wanted):
        assert ours == wanted or (math.isnan(ours) and math.isnan(wanted)), (text, wanted)
        return
    assert abs(ours - wanted) <= 1.0001 * half + slack, (text, wanted)


def is_few(x):
    return x.size == 1 or (x.ndim <= 1 and 0 < x.size <= 3)


def slack_of(x):
    """A mean of numbers that cancel is known no better than they are rounded."""
    if x.dtype.kind != "f" or not x.size:
        return 0.0
    finite = np.abs(x[np.isfinite(x)].astype(float))
    return 2 * float(np.finfo(x.dtype).eps) * float(np.max(finite, initial=0.0))


def assert_counted(text, x):
    """8 are ∞, 1 is nan."""
    found = dict(reversed(part.replace(" is ", " are ").split(" are ")) for part in text.split(", "))
    kinds = {"∞": np.isposinf(x), "−∞": np.isneginf(x), "nan": np.isnan(x)}
    assert {k: int(n.replace(",", "")) for k, n in found.items()} == {
        k: int(v.sum()) for k, v in kinds.items() if v.any()
    }


def assert_elements(text, x):
    """One number, or [1, 2, 3]."""
    words = text.strip("[]").split(", ")
    assert len(words) == x.size, (text, x)
    for word, element in zip(words, x.ravel(), strict=True):
        assert_number(word, element)


def assert_shape(text, x):
    wanted = f"{x.shape[0]:,} numbers" if x.ndim == 1 else " × ".join(map(str, x.shape))
    assert text == wanted, (text, x.shape)


def assert_range(text, x):
    low, _, high = text.partition(" … ")
    digits = 3 if high else 4  # no less than what tells both ends apart
    assert_number(low, x.min(), digits=digits)
    assert_number(high or low, x.max(), digits=digits)


def assert_labels(text, x):
    shown = text.removesuffix(", …").split(", ")
    assert len(shown) == min(x.size, 5)
    assert [int(word.replace(",", "")) for word in shown] == x.ravel()[:5].tolist()


def assert_cells(texts, x):
    """The numbers of a small matrix, one by one."""
    assert len(texts) == x.size <= 64
    assert max(x.shape) <= 8
    for text, element in zip(texts, x.ravel(), strict=True):
        assert_number(text, element, digits=3)


def assert_gradient(lines, x, noise=0.0):
    """What stands at an edge of a gradient: its shape stands there already, of the value."""
    x = np.asarray(x)
    if len(lines) > LINES:
        return assert_cells(lines, x)
    shape = [] if is_few(x) or ROUNDING in lines else [""]
    assert_lines([*shape, *lines], x, noise=noise, has_shape=False)


def assert_lines(lines, x, is_labels=False, noise=0.0, has_shape=True):
    """What stands at an edge."""
    x = np.asarray(x)
    if len(lines) > LINES:
        return assert_cells(lines, x)
    if ROUNDING in lines:
        assert np.max(np.abs(x)) <= noise, (lines, x, noise)
        assert len(lines) == 1 or (assert_shape(lines[0], x), len(lines) == 2)[1]
        return
    if is_few(x):
        assert len(lines) == 1
        assert_elements(lines[0], x)
        return
    if has_shape:
        assert_shape(lines[0], x)
    finite = x[np.isfinite(x)]
    if x.size == 0:
        assert lines[1:] == ["empty"]
    elif is_labels:
        assert_labels(lines[1], x)
        assert len(lines) == 2
    elif finite.size < x.size:
        assert_counted(lines[1], x)
        assert len(lines) == 2 + (finite.size > 0 and finite.min() < finite.max())
        for line in lines[2:]:
            assert_range(line.removeprefix("else "), finite)
    else:
        assert_range(lines[1], x)
        assert len(lines) == 2 + (x.min() < x.max())
        for line in lines[2:]:
            assert_number(line.removeprefix("mean "), x.astype(float).mean(), slack_of(x), digits=3)


def assert_words(text, x, is_labels=False, noise=0.0):
    """What the panel says of an array."""
    x = np.asarray(x)
    if is_few(x):
        assert_lines([text], x, noise=noise)
        return
    shape, _, rest = text.partition(", ")
    assert shape == " × ".join(map(str, x.shape))
    if is_labels:
        assert_labels(rest, x)
        return
    if rest.startswith(ROUNDING):
        assert np.max(np.abs(x)) <= noise
        rest = rest.removeprefix(f"{ROUNDING}, ")
    finite = x[np.isfinite(x)].astype(float)
    found = re.fullmatch(
        rf"(?P<counts>(?:[\d,]+ (?:is|are) (?:−?∞|nan)(?:, )?)*)"
        rf"(?:(?:else )?from (?P<low>{NUMBER}) to (?P<high>{NUMBER}), mean (?P<mean>{NUMBER}))?"
        rf"(?:, norm (?P<norm>{NUMBER}))?",
        rest,
    )
    assert found, text
    assert bool(found["counts"]) == (finite.size < x.size)
    if found["counts"]:
        assert_counted(found["counts"].removesuffix(", "), x)
    assert (found["low"] is not None) == bool(finite.size)
    if finite.size:
        wanted = {"low": finite.min(), "high": finite.max(), "mean": finite.mean()}
        for name, value in wanted.items():
            assert_number(found[name], value, slack_of(x))
    assert (found["norm"] is not None) == (finite.size == x.size)
    if found["norm"]:
        assert_number(found["norm"], np.sqrt(np.sum(finite**2)), slack_of(x))


# Arithmetic.


def assert_equation(text):
    """``0.5 × (−3) = −1.5``, ``1 + 2 = 3``: what is written on the left comes to what is on the right."""
    left, right = text.rsplit(" = ", 1)
    if right == ROUNDING or "…" in left:
        return
    assert_comes_to(left.replace(" × ", " * ").replace(" ÷ ", " / "), right)  # and not that of 2×10⁻⁵


def assert_comes_to(expression, result):
    """An expression of written numbers, whatever these are within their last digits, comes to the result."""
    texts: list[str] = []

    def slot(match):
        texts.append(match[0])
        return f"v[{len(texts) - 1}]"

    code = re.sub(rf"(?<![\w\]]){NUMBER}(?:e[+-]?\d+)?", slot, expression).replace("−", "-")
    centres, halves = zip(*map(number, texts), strict=True) if texts else ((), ())
    exponents = {
        int(i) for i in re.findall(r"\*\*\(v\[(\d+)\]\)", code)
    }  # of negative numbers, as they stand
    halves = [0.0 if i in exponents else half for i, half in enumerate(halves)]
    rng = np.random.default_rng(0)
    shifts = [np.zeros(len(texts)), *rng.uniform(-1, 1, (40, len(texts)))]
    values = [evaluated(code, np.add(centres, np.multiply(shift, halves))) for shift in shifts]
    wanted, half = number(result)
    if not math.isfinite(wanted):
        assert values[0] == wanted or math.isnan(wanted), (expression, result)
        return
    finite = [v for v in values if math.isfinite(v)]
    spread = max(finite) - min(finite)
    assert min(finite) - spread - 1.01 * half <= wanted <= max(finite) + spread + 1.01 * half, (
        expression,
        result,
        values[0],
    )
    assert spread <= 0.2 * max(abs(wanted), 0.05), (expression, "says nothing", spread)


def evaluated(code, v):
    with np.errstate(all="ignore"):
        return float(eval(code, {"__builtins__": {}}, NAMES | {"v": [np.float64(x) for x in v]}))


def _normal(x):
    return np.float64(0.5 * math.erfc(-x / math.sqrt(2)))


NAMES = {
    name: getattr(np, name)
    for name in (
        "exp",
        "log",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "sign",
        "sqrt",
    )
}
NAMES |= {
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "erf": lambda x: np.float64(math.erf(x)),
    "max": max,
    "min": min,
    "Φ": _normal,
    "φ": lambda x: np.exp(-x * x / 2) / math.sqrt(2 * math.pi),
    "e": np.float64(math.e),
    "π": np.float64(math.pi),
    "absolute": abs,
    "arcsinh": np.arcsinh,
    "arccosh": np.arccosh,
    "arctanh": np.arctanh,
    "atan2": np.arctan2,
    "floor": np.floor,
}
CALLED = frozenset(NAMES) - {"e", "π"}


def assert_formula(markup):
    """A formula with its numbers, out = 2 · 3 = 6: its sides are equal. False if letters are left."""
    tree = ElementTree.fromstring(markup)
    row = tree[0] if len(tree) == 1 else tree
    signs = [i for i, child in enumerate(row) if child.tag == MATH + "mo" and child.text == "="]
    if len(signs) < 2:
        return False
    try:
        code = joined(row[signs[0] + 1 : signs[-1]])
    except KeyError:
        return False
    for side in code.split("==") if " if " not in code else [code]:
        assert_comes_to(side, row[-1].text)
    return True


def written(tree):
    """MathML as Python: what stands side by side is multiplied, but a function is called."""
    tag, inner = tree.tag.removeprefix(MATH), list(tree)
    if tag == "mn":
        return f"({tree.text})" if tree.text.startswith("−") else tree.text
    if tag == "mi":
        return {"out": "out", **{name: name for name in NAMES}}[tree.text]
    if tag == "mo":
        return {
            "+": "+",
            "−": "-",
            "·": "*",
            "=": "==",
            "(": "(",
            ")": ")",
            "[": "(",
            "]": ")",
            ">": ">",
            "≥": ">=",
            "≤": "<=",
            "<": "<",
            ",": ",",
            "|": "|",
        }[tree.text]
    if tag == "mtext":
        return {"where": " if ", "else": " else ", "": ""}[tree.text.strip()]
    if tag == "mfrac":
        return f"(({written(inner[0])})/({written(inner[1])}))"
    if tag == "msqrt":
        return f"sqrt({joined(inner)})"
    if tag == "msup":
        base, power = map(written, inner)
        return f"{base}^({power})" if base in CALLED else f"(({base})**({power}))"
    if tag in ("mrow", "math"):
        return joined(inner)
    raise KeyError(tag)


def joined(parts):
    """What stands in a row; a function is called with what comes after it, perhaps without parentheses."""
    pieces = bars([piece for piece in map(written, parts) if piece])
    found: list[str] = []
    while pieces:
        piece = pieces.pop(0)
        name, _, power = piece.partition("^")
        if name in CALLED and name != "absolute":
            inner = pieces.pop(0)
            piece = (
                f"({name}{inner if inner.startswith('(') else f'({inner})'}){f'**{power}' if power else ''}"
            )
        if piece == "," and pieces and pieces[0] == " else ":
            continue
        if found and is_operand(found[-1], -1) and is_operand(piece, 0):
            found.append("*")
        found.append(piece)
    return "".join(found)


def bars(pieces):
    """|x| as absolute(x)."""
    opening = itertools.cycle([True, False])
    return [("(absolute(" if next(opening) else "))") if piece == "|" else piece for piece in pieces]


def is_operand(piece, end):
    return (
        bool(piece)
        and (piece[end].isalnum() or piece[end] == ("(" if end == 0 else ")"))
        and piece.strip() not in ("if", "else")
    )
