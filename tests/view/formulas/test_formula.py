"""Formulas: read from docstrings, parsed into MathML, with numbers in them."""

import json
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from hypothesis import given, strategies as st

from handgrad.rules import ALL, elementwise
from handgrad.view.equations import plugged, sizes
from handgrad.view.formulas.formula import ELEMENTS, Formulas, formulas_for, formulas_of, mathml, xml
from handgrad.view.recording import record
from tests.view.spoken import assert_formula


def mi(name):
    return ["mi", name]


def mn(number):
    return ["mn", number]


def mo(sign):
    return ["mo", sign]


def row(*children):
    return ["mrow", *children]


def group(*children):
    return row(mo("("), *children, mo(")"))


X, Y, W, E, N = mi("x"), mi("y"), mi("W"), mi("e"), mi("n")
ONE, TWO, THIN = mn("1"), mn("2"), ["mtext", "\u2009"]
MINUS = mo("−")


def elements(tree):
    name, *children = tree
    yield name
    for child in children:
        if not isinstance(child, str):
            yield from elements(child)


def written(tree):
    """The text of a tree, as it reads from left to right."""
    return tree if isinstance(tree, str) else "".join(map(written, tree[1:]))


@pytest.mark.parametrize("name", ALL)
def test_every_rule_has_formulas_that_parse(name):
    formulas = formulas_of(ALL[name].__doc__)
    assert formulas.forward is not None
    assert formulas.backward
    for formula in (formulas.forward, *formulas.backward):
        tree = mathml(formula)
        assert tree[0] == "mrow", formula
        assert set(elements(tree)) <= ELEMENTS


@pytest.mark.parametrize(
    ("doc", "forward", "backward"),
    [
        (ALL["affine"].__doc__, "out = x W + b", ("dx = dout Wᵀ", "dW = xᵀ dout", "db = Σ dout")),
        (ALL["relu"].__doc__, "out = max(x, 0)", ("dx = dout where x > 0, else 0",)),
        (
            ALL["elu"].__doc__,
            "out = x where x > 0, else α(eˣ - 1)",
            ("dx = dout where x > 0, else α·eˣ·dout",),
        ),
        (ALL["gelu"].__doc__, "out = x·Φ(x)", ("dx = (Φ(x) + x·φ(x))·dout",)),
        (ALL["abs"].__doc__, "out = |x|", ("dx = sign(x)·dout",)),
        (ALL["arcsin"].__doc__, "out = arcsin x", ("dx = dout / √(1 - x²)",)),
        (ALL["mean"].__doc__, "out = Σ x / n", ("dx = dout / n, repeated",)),
        (ALL["stack"].__doc__, "out = [x₁, x₂, ...]", ("dxᵢ = doutᵢ",)),
        (
            ALL["huber"].__doc__,
            "loss = Σ c·(r - c/2) / n with r = y - t and c = r held within ±δ",
            ("dy = c·dout / n", "dt = -dy"),
        ),
        (
            ALL["binary_cross_entropy_with_logits"].__doc__,
            "loss = Σ(max(x, 0) - x·t + log(1 + e⁻|ˣ|)) / n",
            ("dx = (sigmoid(x) - t)·dout / n", "dt = -x·dout / n"),
        ),
        (
            ALL["take_along_axis"].__doc__,
            "out[i, j] = x[i, indices[i, j]] along axis",
            ("dx = Σ dout at indices, else 0",),
        ),
        (
            "By lines.\n\n    out = x - y\n    dx = dout\n    dy = -dout",
            "out = x - y",
            ("dx = dout", "dy = -dout"),
        ),
        ("Sum, out = x + y, and dx = dout and dy = dout.", "out = x + y", ("dx = dout", "dy = dout")),
        ("Halved, out = x / 2. With decay = 0.9, dtype = float32", "out = x / 2", ()),
        ("dx̂ = γ·dout", None, ("dx̂ = γ·dout",)),
        ("Only where out = 0 is it undefined.", None, ()),
        ("Glorot & Bengio 2010", None, ()),
        ("out = ", None, ()),
        ("out = .", None, ()),
        ("", None, ()),
        (None, None, ()),
    ],
)
def test_formulas_of_a_docstring(doc, forward, backward):
    assert formulas_of(doc) == Formulas(forward, backward)


def test_a_rule_of_ones_own():
    @elementwise
    def cube(x):
        """Cube, out = x³.   dx = 3x²·dout"""
        return x * x * x, lambda dout: 3 * x * x * dout

    assert formulas_of(cube.__doc__) == Formulas("out = x³", ("dx = 3x²·dout",))


@pytest.mark.parametrize(
    ("formula", "tree"),
    [
        ("x", X),
        ("0.044715", mn("0.044715")),
        ("1e-5", mn("1e-5")),
        ("dout", mi("dout")),
        ("negative_slope", mi("negative_slope")),
        ("x_t", ["msub", X, mi("t")]),
        ("W_out", ["msub", W, mi("out")]),
        ("dx1", ["msub", mi("dx"), ONE]),
        ("x₁₂", ["msub", X, mn("12")]),
        ("x̂", ["mover", X, mo("^")]),
        ("x̄", ["mover", X, mo("¯")]),
        ("ŷ", ["mover", Y, mo("^")]),
        ("x W", row(X, W)),
        ("x @ W", row(X, W)),
        ("dout W", row(mi("dout"), THIN, W)),
        ("x y", row(X, Y)),
        ("2x", row(TWO, X)),
        ("x·y", row(X, mo("·"), Y)),
        ("x * y", row(X, mo("·"), Y)),
        ("x + y - 1", row(X, mo("+"), Y, MINUS, ONE)),
        ("-x", row(MINUS, X)),
        ("±δ", row(mo("±"), mi("δ"))),
        ("x·-y", row(X, mo("·"), row(MINUS, Y))),
        ("y = x ≈ 1", row(Y, mo("="), X, mo("≈"), ONE)),
        ("x >= 1", row(X, mo("≥"), ONE)),
        ("x, y; 1", row(X, mo(","), Y, mo(";"), ONE)),
        ("x / y", ["mfrac", X, Y]),
        ("x/2", ["mfrac", X, TWO]),
        ("1 / (1 + x)", ["mfrac", ONE, row(ONE, mo("+"), X)]),
        ("(x + 1) / y", ["mfrac", row(X, mo("+"), ONE), Y]),
        ("x·y / 2x", ["mfrac", row(X, mo("·"), Y), row(TWO, X)]),
        ("2/y·x", row(["mfrac", TWO, Y], mo("·"), X)),
        ("-x / y", row(MINUS, ["mfrac", X, Y])),
        ("x / y / 2", ["mfrac", ["mfrac", X, Y], TWO]),
        ("(x)(y) / 2", ["mfrac", row(group(X), group(Y)), TWO]),
        ("x + y / 2", row(X, mo("+"), ["mfrac", Y, TWO])),
        ("x / σ(n - 1)", ["mfrac", X, row(mi("σ"), group(N, MINUS, ONE))]),
        ("x**y", ["msup", X, Y]),
        ("x**(y-1)", ["msup", X, row(Y, MINUS, ONE)]),
        ("x**-1", ["msup", X, row(MINUS, ONE)]),
        ("x²", ["msup", X, TWO]),
        ("x⁻¹", ["msup", X, row(MINUS, ONE)]),
        ("e⁻ˣ", ["msup", E, row(MINUS, X)]),
        ("e⁻|ˣ|", ["msup", E, row(MINUS, row(mo("|"), X, mo("|")))]),
        ("|x²|", row(mo("|"), ["msup", X, TWO], mo("|"))),
        ("eˣ⁻ᵐ", ["msup", E, row(X, MINUS, mi("m"))]),
        ("Wᵀ", ["msup", W, ["mtext", "T"]]),
        ("W.T", ["msup", W, ["mtext", "T"]]),
        ("(x - 1)²", ["msup", group(X, MINUS, ONE), TWO]),
        ("xᵢ²", ["msubsup", X, mi("i"), TWO]),
        ("√x", ["msqrt", X]),
        ("√(x + 1)", ["msqrt", row(X, mo("+"), ONE)]),
        ("sqrt(x)", ["msqrt", X]),
        ("√2π", ["msqrt", row(TWO, mi("π"))]),
        ("√2 π", row(["msqrt", TWO], mi("π"))),
        ("√x y", row(["msqrt", X], Y)),
        ("2√x", row(TWO, ["msqrt", X])),
        ("√x²", ["msqrt", ["msup", X, TWO]]),
        ("|x|", row(mo("|"), X, mo("|"))),
        ("|x - |y||", row(mo("|"), X, MINUS, row(mo("|"), Y, mo("|")), mo("|"))),
        ("|x| |y|", row(row(mo("|"), X, mo("|")), row(mo("|"), Y, mo("|")))),
        ("log x", row(mi("log"), THIN, X)),
        ("log(x)", row(mi("log"), group(X))),
        ("max(x, 0)", row(mi("max"), group(X, mo(","), mn("0")))),
        ("tanh² x", row(["msup", mi("tanh"), TWO], THIN, X)),
        ("cos²(arctan x)", row(["msup", mi("cos"), TWO], group(row(mi("arctan"), THIN, X)))),
        ("2 (x)", row(TWO, group(X))),
        ("Σ x", row(mo("∑"), X)),
        ("log Σ x", row(mi("log"), mo("∑"), X)),
        ("Πⱼ≠ᵢ xⱼ", row(["munder", mo("∏"), row(mi("j"), mo("≠"), mi("i"))], ["msub", X, mi("j")])),
        ("Σᵢⁿ x", row(["munderover", mo("∑"), mi("i"), N], X)),
        ("Σⁿ x", row(["mover", mo("∑"), N], X)),
        ("x[i, j]", row(X, row(mo("["), mi("i"), mo(","), mi("j"), mo("]")))),
        ("[0, 1)", row(mo("["), mn("0"), mo(","), ONE, mo(")"))),
        ("[x, ...]", row(mo("["), X, mo(","), mo("…"), mo("]"))),
        ("∂L/∂x", ["mfrac", row(mi("∂"), mi("L")), row(mi("∂"), X)]),
        ("x where y > 1, else 2", row(X, ["mtext", "\u00a0where\u00a0"], Y, mo(">"), ONE, mo(","),
                                      ["mtext", "else\u00a0"], TWO)),
        ("x, the rest", row(X, mo(","), ["mtext", "the\u00a0"], mi("rest"))),
        ("where(x, y)", row(mi("where"), group(X, mo(","), Y))),
        ("mean dout", row(mi("mean"), ["mtext", "\u00a0"], mi("dout"))),
    ],
)  # fmt: skip
def test_notation(formula, tree):
    assert mathml(formula) == tree


def test_sigmoid_is_as_in_the_book():
    below = row(ONE, mo("+"), ["msup", E, row(MINUS, X)])
    assert mathml("out = 1 / (1 + e⁻ˣ)") == row(mi("out"), mo("="), ["mfrac", ONE, below])


@pytest.mark.parametrize(
    ("formula", "numbers", "text"),
    [
        ("out = x + y", {"x": "2", "y": "3"}, "out=2+3"),
        ("out = x y", {"x": "2", "y": "3"}, "out=2·3"),
        ("out = x y", {"x": "-2", "y": "-3"}, "out=−2·(−3)"),
        ("dx = 2x·dout", {"x": "-3", "dout": "1"}, "dx=2·(−3)·1"),
        ("out = x - y", {"x": "-2", "y": "-3"}, "out=−2−(−3)"),
        ("out = -x", {"x": "-2"}, "out=−(−2)"),
        ("out = x²", {"x": "3"}, "out=32"),
        ("out = x²", {"x": "-3"}, "out=(−3)2"),
        ("out = x²", {"x": "1.2×10⁻⁵"}, "out=(1.2×10⁻⁵)2"),
        ("x² y", {"x": "3", "y": "4"}, "32·4"),
        ("out = |x|", {"x": "-2"}, "out=|−2|"),
        ("|x| y", {"y": "-2"}, "|x|·(−2)"),
        ("out = max(x, y)", {"x": "-2", "y": "-1", "max": "7"}, "out=max(−2,−1)"),
        ("out = log x", {"x": "2", "log": "7"}, "out=log\u20092"),
        ("out = x / y", {"x": "-2", "y": "-1"}, "out=−2−1"),
        ("out = x W", {"x": "2"}, "out=2W"),
        ("dW = xᵀ dout", {"x": "2", "dout": "3"}, "dW=2·3"),
        ("1 + e⁻ˣ", {"x": "-2"}, "1+e−(−2)"),
        ("γ·x", {"gamma": "2"}, "2·x"),
        ("dγ", {"dgamma": "2"}, "2"),
        ("x_t + x1 + xᵢ", {"x": "2", "x_t": "5", "x1": "6"}, "5+6+xi"),
        ("mean(x) - mean", {"mean": "5"}, "mean(x)−5"),
        ("x where x > y, else y", {"x": "1", "y": "-2"}, "1\u00a0where\u00a01>−2,else\u00a0−2"),
    ],
)
def test_numbers_in_the_place_of_names(formula, numbers, text):
    assert written(mathml(formula, numbers)) == text


def test_numbers_are_numbers_in_the_tree():
    assert mathml("x y", {"x": "2", "y": "-3"}) == row(TWO, mo("·"), group(mn("−3")))


DEEP = ["(" * 5000, "√" * 5000 + "x", "x" + "**x" * 5000]


@pytest.mark.parametrize(
    "text",
    ["", " ", "x +", "= x", "(x", "x)", "(]", "Hello, world!", "a # b", "²", "x₍", "<script>", *DEEP],
)
def test_what_is_no_formula_stays_text(text):
    assert mathml(text) == ["mtext", text]


def test_xml_stands_by_itself():
    text = xml(mathml("out = √x / 2"))
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/1998/Math/MathML}math"
    assert "".join(root.itertext()) == "out=x2"


def test_xml_escapes():
    text = "<script>alert(1)</script>"
    assert "<script>" not in xml(mathml(text))
    assert "".join(ElementTree.fromstring(xml(mathml(text))).itertext()) == text
    with pytest.raises(ValueError, match="script"):
        xml(["script", "alert(1)"])


PIECES = st.sampled_from(
    "out dx x W 2 0.5 = + - · / ** ² ᵀ ⁻|ˣ| ⱼ≠ᵢ Σ Π √ | ( ) [ ] , ; : ... where else log max x̂ .T < &".split()
)
NEARLY = st.lists(PIECES | st.just(" "), max_size=30).map("".join)


@given(st.text() | NEARLY, st.dictionaries(st.sampled_from(["x", "W", "out", "dx"]), st.text(), max_size=4))
def test_any_text_gives_a_tree(text, numbers):
    tree = mathml(text, numbers)
    assert set(elements(tree)) <= ELEMENTS
    assert json.loads(json.dumps(tree)) == tree
    ElementTree.fromstring(xml(tree))


@given(st.text() | NEARLY.map("Doc, out = {}.   dx = ".format))
def test_any_docstring_gives_formulas(doc):
    formulas = formulas_of(doc)
    assert formulas.forward is None or mathml(formulas.forward)
    assert all(map(mathml, formulas.backward))


@pytest.mark.parametrize(
    "name", [n for n, r in ALL.items() if r.broadcasts and n not in ("dropout", "where", "batch_norm")]
)
@pytest.mark.parametrize("numbers", [(0.3, 0.7), (-1.7, 2.2), (2.0, -3.0), (1.2e-5, 3.4e-6), (-2.3e-7, 3.0)])
def test_formulas_with_numbers_come_to_what_they_say(name, numbers):
    """out = 2 · 3 = 6: computed again from what is written."""
    rule = ALL[name]
    given = [np.float64(x) for x in numbers[: len(rule.inputs)]]
    with np.errstate(all="ignore"):
        [op] = record(rule, *given).ops
    made = plugged(op, formulas_for(rule, op.options))
    read = [assert_formula(xml(tree)) for tree in (*made["forward"], *made["backward"]) if tree is not None]
    assert made["forward"]
    assert sum(read) >= (1 if name in LETTERED else 2)


LETTERED = (
    "silu",
    "mish",
    "hardswish",
    "sign",
    "log2",
    "log10",
    "arctan2",
    "atan2",
)  # s, r and log₂ are no numbers here
LOSSES = {
    "Σ(y - t)² / n": lambda y, t: np.sum((y - t) ** 2) / y.size,
    "Σ(y - t)²": lambda y, t: np.sum((y - t) ** 2),
    "(y - t)²": lambda y, t: (y - t) ** 2,
    "Σ |y - t| / n": lambda y, t: np.sum(np.abs(y - t)) / y.size,
    "Σ |y - t|": lambda y, t: np.sum(np.abs(y - t)),
    "|y - t|": lambda y, t: np.abs(y - t),
    "Σ c·(r - c/2) / n": lambda y, t: np.sum(held(y, t) * (y - t - held(y, t) / 2)) / y.size,
    "Σ c·(r - c/2)": lambda y, t: np.sum(held(y, t) * (y - t - held(y, t) / 2)),
    "c·(r - c/2)": lambda y, t: held(y, t) * (y - t - held(y, t) / 2),
    "Σ(max(x, 0) - x·t + log(1 + e⁻|ˣ|)) / n": lambda x, t: np.sum(softly(x, t)) / x.size,
    "Σ(max(x, 0) - x·t + log(1 + e⁻|ˣ|))": lambda x, t: np.sum(softly(x, t)),
    "max(x, 0) - x·t + log(1 + e⁻|ˣ|)": lambda x, t: softly(x, t),
    "-Σ t·log softmax(x) / N": lambda x, t: -np.sum(t * np.log(softmax(x))) / len(x),
    "-Σ t·log softmax(x)": lambda x, t: -np.sum(t * np.log(softmax(x))),
    "-Σ t·log softmax(x) for each row": lambda x, t: -np.sum(t * np.log(softmax(x)), axis=1),
    "-Σ t·log(y + eps) / N": lambda y, t: -np.sum(t * np.log(y + 1e-3)) / len(y),
    "-Σ t·log(y + eps)": lambda y, t: -np.sum(t * np.log(y + 1e-3)),
    "-Σ t·log(y + eps) for each row": lambda y, t: -np.sum(t * np.log(y + 1e-3), axis=1),
    "-Σ q·log softmax(x) / m": lambda x, q: -np.sum(q * np.log(softmax(x))) / np.sum(q),
    "-Σ q·log softmax(x)": lambda x, q: -np.sum(q * np.log(softmax(x))),
    "-Σ q·log softmax(x) for each row": lambda x, q: -np.sum(q * np.log(softmax(x)), axis=1),
}
GRADIENTS = {
    "2 (y - t)·dout / n": lambda y, t, d: 2 * (y - t) * d / y.size,
    "2 (y - t)·dout": lambda y, t, d: 2 * (y - t) * d,
    "sign(y - t)·dout / n": lambda y, t, d: np.sign(y - t) * d / y.size,
    "sign(y - t)·dout": lambda y, t, d: np.sign(y - t) * d,
    "c·dout / n": lambda y, t, d: held(y, t) * d / y.size,
    "c·dout": lambda y, t, d: held(y, t) * d,
    "(sigmoid(x) - t)·dout / n": lambda x, t, d: (1 / (1 + np.exp(-x)) - t) * d / x.size,
    "(sigmoid(x) - t)·dout": lambda x, t, d: (1 / (1 + np.exp(-x)) - t) * d,
    "(softmax(x) - t)·dout / N": lambda x, t, d: (softmax(x) - t) * d / len(x),
    "(softmax(x) - t)·dout": lambda x, t, d: (softmax(x) - t) * column(d),
    "-t·dout / N(y + eps)": lambda y, t, d: -t * d / (len(y) * (y + 1e-3)),
    "-t·dout / (y + eps)": lambda y, t, d: -t * column(d) / (y + 1e-3),
    "((Σ q)·softmax(x) - q)·dout / m": lambda x, q, d: (
        (column(np.sum(q, 1)) * softmax(x) - q) * d / np.sum(q)
    ),
    "((Σ q)·softmax(x) - q)·dout": lambda x, q, d: (column(np.sum(q, 1)) * softmax(x) - q) * column(d),
}


def held(y, t):
    return np.clip(y - t, -1.0, 1.0)


def softly(x, t):
    return np.maximum(x, 0) - x * t + np.log(1 + np.exp(-np.abs(x)))


def softmax(x):
    return np.exp(x) / np.sum(np.exp(x), axis=-1, keepdims=True)


def column(d):
    return np.reshape(d, (-1, 1)) if np.ndim(d) == 1 else d


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize(
    ("name", "labels", "options"),
    [
        ("mean_squared_error", "targets", {}),
        ("mean_absolute_error", "targets", {}),
        ("huber", "targets", {}),
        ("binary_cross_entropy_with_logits", "soft", {}),
        ("softmax_cross_entropy", "classes", {}),
        ("softmax_cross_entropy", "one-hot", {}),
        ("softmax_cross_entropy", "soft", {}),
        ("softmax_cross_entropy", "classes", {"weight": np.array([0.5, 1.0, 3.0])}),
        ("softmax_cross_entropy", "classes", {"ignore_index": 1}),
        ("cross_entropy", "classes", {"eps": 1e-3}),
        ("cross_entropy", "soft", {"eps": 1e-3}),
    ],
)  # fmt: skip
def test_the_formula_of_a_loss_is_that_of_its_reduction(name, labels, options, reduction):
    """Read as it stands, and computed, it gives the loss and its gradient: with 1/N where there is a mean."""
    rng = np.random.default_rng(0)
    x = rng.random((4, 3)) + 0.1
    classes = np.array([2, 0, 1, 2])
    soft = rng.dirichlet(np.ones(3), 4)
    t = {
        "targets": rng.normal(0, 1, (4, 3)),
        "soft": soft,
        "one-hot": np.eye(3)[classes],
        "classes": classes,
    }[labels]
    given = options | {"reduction": reduction}
    formulas = formulas_for(ALL[name], given)
    out, backward = ALL[name].vjp(x, t, **given)
    dout = rng.standard_normal(np.shape(out))
    q = np.eye(3)[t] if labels == "classes" else t
    q = q * options.get("weight", 1.0) * (np.arange(3) != options.get("ignore_index", -1))
    of = formulas.forward.removeprefix("loss = ").partition(" with ")[0]
    np.testing.assert_allclose(LOSSES[of](x, q), out, rtol=1e-12)
    dx = formulas.backward[0].partition(" = ")[2]
    np.testing.assert_allclose(GRADIENTS[dx](x, q, dout), backward(dout)[0], rtol=1e-12, atol=1e-15)
    [op] = record(lambda x: ALL[name](x, t, **given), x).ops
    counts = {"n": 12, "N": 4, "m": np.sum(q)}
    letters = {letter: counts[letter] for letter in counts if f"/ {letter}" in of}
    assert sizes(op, formulas) == pytest.approx(letters)


def test_conditions_on_options():
    doc = """Doc, out = x.   dx = dout

    twice=True: out = 2x.   dx = 2 dout

    a or b, twice=True: out = 2 a x.

    Notes: out = 0
    """
    usual = {"twice": False, "a": None, "b": 0.0}
    assert formulas_of(doc, {}, usual) == Formulas("out = x", ("dx = dout",))
    assert formulas_of(doc, {"twice": True}, usual) == Formulas("out = 2x", ("dx = 2 dout",))
    assert formulas_of(doc, {"twice": True, "b": 0.5}, usual) == Formulas("out = 2 a x", ("dx = 2 dout",))
    assert formulas_of(doc, {"b": 0.5}, usual) == Formulas("out = x", ("dx = dout",))
