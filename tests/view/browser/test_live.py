"""A live page: what is changed in it is computed anew, and every number is what NumPy has for it."""

import functools
import re

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Affine, BatchNorm, ReLU, Sequential, mlp
from handgrad.view.recording import record

from .networks import apples
from .test_true import Reader
from .window import Window

X = np.random.default_rng(0).normal(0, 1, (4, 6))
T = np.array([2, 0, 1, 1])
OTHERWISE = r"^forward [\d.]+ |0 up to rounding"  # seconds, and digits that say nothing
DRAWN = "() => [...document.querySelectorAll('svg.picture')].map((picture) => picture.textContent)"


def squashed(x, w, b, k):
    y = hg.tanh(x * w + b)
    return hg.log(y * y + 0.5) / k - y * x


def fanned(a, b):
    c = hg.sin(a * b) + a
    return hg.sum(hg.relu(c * a - b)) + hg.mean(hg.square(c))


def network(seed=0):
    return Sequential(BatchNorm(6), Affine(6, 5, seed=seed), ReLU(), Affine(5, 3, seed=1)).train()


def of(name, live, changed=None):
    """What a page shows: its inputs as they are, or some of them changed."""
    changed = changed or {}

    def given(**inputs):
        return [changed.get(key, x) for key, x in inputs.items()]

    if name == "apples":
        return apples, given(x1=100.0, x2=2.0, x3=300.0), {}
    if name == "squashed":
        return squashed, given(x=0.5, w=-1.2, b=0.3, k=2.0), {}
    if name == "fanned":
        return fanned, given(a=X, b=X[0] * 3), {}
    dtype = np.float64
    net = mlp([6, 5, 3], seed=0, dtype=dtype) if name == "mlp" else network()
    net.load_parameters({key: changed.get(key, p.astype(p.dtype)) for key, p in net.parameters().items()})
    x, t = given(x=X, t=T)
    return net, [x], {"loss": hg.softmax_cross_entropy, "t": t, "examples": ["a", "b", "c", "d"]}


@functools.cache
def graph_of(name):
    target, inputs, options = of(name, True)
    return hg.show(target, *inputs, check=0, live=True, **options).graph


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("live")


@pytest.fixture
def page(browser, folder):
    """Opens live pages. However the test went, none may have complained or asked for anything."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    windows = []

    def opened(name, live=True):
        path = folder / f"{name}-{live}.html"
        if not path.exists():
            target, inputs, options = of(name, live)
            hg.show(target, *inputs, check=0, live=live, **options).save(path)
        windows.append(Window(context.new_page(), path))
        windows[-1].press("o")
        return windows[-1]

    yield opened
    context.close()
    for window in windows:
        assert window.complaints == []
        assert window.requests == [window.url]


def write(window, name, value, place=()):
    """Choose an input, and type a number where it stands."""
    window.page.locator("#live select").select_option(label=name, timeout=5000)
    for axis, at in enumerate(place):
        index = window.page.locator("#live .index")
        if index.count():
            index.nth(axis).fill(str(at))
            index.nth(axis).blur()
    label = name if not place else f"{name} {', '.join(map(str, place))}"
    cell = window.page.get_by_label(label, exact=True)
    cell = cell if cell.count() else window.page.get_by_label(f"{name} number", exact=True)
    cell.fill(str(value))
    cell.press("Enter")
    cell.blur()


@pytest.mark.parametrize("name", ["apples", "squashed", "fanned", "mlp", "normed"])
def test_at_first_it_says_what_the_still_page_says(page, name):
    live, still = page(name), page(name, live=False)
    said = [[], []]
    for window, told in zip((live, still), said, strict=True):
        told += window.page.evaluate(DRAWN)
        for node in window.node_ids():
            window.act(node, " ")
            told += [line for line in window.panel().splitlines() if not re.search(OTHERWISE, line)]
        told.append(window.caption())
    assert said[0] == said[1]


CHANGES = {
    "apples": [("x1", (), -7.25), ("x3", (), -0.25)],
    "squashed": [("w", (), 3.5), ("k", (), -0.04), ("b", (), -2.5)],
    "fanned": [("a", (2, 3), -4.5), ("b", (1,), 0.0)],
    "mlp": [("1.W", (3, 2), 2.75), ("t", (1,), 2), ("x", (0, 5), 9.0)],
    "normed": [("3.b", (2,), -1.5), ("x", (3, 1), 0.125), ("0.gamma", (0,), 0.5)],
}


@pytest.mark.parametrize("name", list(CHANGES))
def test_every_number_follows_what_is_typed(page, name):
    window = page(name)
    arrays = {a.name: a.value for a in graph_of(name).arrays if a.maker is None}
    changed = {}
    for what, place, value in CHANGES[name]:
        write(window, what, value, place)
        whole = np.array(changed.get(what, arrays[what]))
        whole[place] = value
        changed[what] = whole if place else float(value)
    target, inputs, options = of(name, False, changed)
    graph = record(target, *inputs, **options)
    reader = Reader(window, graph)
    reader.edges()
    reader.panels()
    reader.bars(reader.steps())
    if options:
        window.page.select_option("#example", index=2)
        reader = Reader(window, graph, example=1)
        reader.edges()
        reader.panels()
        reader.steps()


def effect(window):
    return window.page.locator("#effect").text_content()


def number(words):
    return float(
        words.replace("−", "-").replace("×10", "e").translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789"))
    )


def told(window):
    found = re.fullmatch(r".*predicted by the gradient: (\S+), really: (\S+)", effect(window))
    return [number(words) for words in found.groups()]


@pytest.mark.parametrize("sign", [1, -1])
def test_a_nudge_goes_beside_what_the_gradient_says(page, sign):
    window = page("squashed")
    window.page.locator("#live select").select_option(label="w")
    window.page.get_by_label("h, how far a nudge goes").fill("0.25")
    window.button("more by h" if sign > 0 else "less by h")
    given = [0.5, -1.2, 0.3, 2.0]
    slope = hg.grad(squashed, 1)(*given)
    moved = squashed(0.5, -1.2 + sign * 0.25, 0.3, 2.0) - squashed(*given)
    assert told(window) == pytest.approx([sign * 0.25 * slope, moved], rel=1e-3)


def test_a_number_is_dragged(page):
    window = page("apples")
    window.page.locator("#live select").select_option(label="x2")
    cell = window.page.get_by_label("x2", exact=True)
    box = cell.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    window.page.mouse.move(x, y)
    window.page.mouse.down()
    for step in range(1, 11):
        window.page.mouse.move(x, y - 4 * step)
    window.page.evaluate("() => new Promise(requestAnimationFrame)")
    assert told(window) == pytest.approx([100, 100])
    window.page.mouse.up()
    graph = record(apples, 100.0, 3.0, 300.0)
    reader = Reader(window, graph)
    reader.edges()
    reader.panels()
    window.button("every number as it was")
    Reader(window, graph_of("apples")).edges()


def test_a_step_against_the_gradient(page):
    window = page("mlp")
    for _ in range(3):
        window.button("a step against the gradient")
    target, inputs, options = of("mlp", True)
    params, x, t = target.parameters(), *inputs, options["t"]

    def loss(params):
        return hg.softmax_cross_entropy(target.bind(params)(x), t)

    for _ in range(3):
        before, dparams = hg.value_and_grad(loss)(params)
        params = {name: p - 0.1 * dparams[name] for name, p in params.items()}
    predicted = -0.1 * sum(np.sum(d**2) for d in dparams.values())
    assert told(window) == pytest.approx([predicted, loss(params) - before], rel=2e-3)
    target.load_parameters(params)
    reader = Reader(window, record(target, x, **options))
    reader.edges()
    reader.panels()


def test_what_is_no_number_is_said(page):
    window = page("apples")
    write(window, "x1", "seven")
    assert effect(window) == "seven is no number"
    Reader(window, graph_of("apples")).edges()


def test_a_label_out_of_range_is_said_and_left(page):
    window = page("mlp")
    write(window, "t", 7, (1,))
    assert effect(window) == "t cannot be 7: there is no such index"
    Reader(window, graph_of("mlp")).edges()


def branching(x):
    return hg.sin(x) if x.value > 0 else x * 2.0


def outside(x):
    return x * float(np.sum(x.value))


@pytest.mark.parametrize(
    ("target", "inputs", "said"),
    [
        (branching, (1.0,), "a symbol has no value to branch on"),
        (outside, (np.ones(3),), "live=True cannot follow this computation"),
        (lambda x: hg.sum(hg.sort(x)), (np.ones(3),), "WebAssembly"),
    ],
)
def test_what_cannot_be_live_is_said(target, inputs, said, tmp_path):
    with pytest.raises(ValueError, match=said):
        hg.show(target, *inputs, live=True, check=0, out=tmp_path / "page.html")


def test_a_result_cannot_be_live():
    with pytest.raises(ValueError, match="give the function and its inputs"):
        hg.show(hg.variable(2.0) * 3.0, live=True)


def test_the_details_stay_where_they_were_read(page):
    """A number that changes does not move them; another rule begins at the top."""
    window = page("fanned")
    scroll = "() => document.getElementById('panel').scrollTop"
    window.page.evaluate("() => document.getElementById('panel').scrollTo(0, 120)")
    write(window, "a", -2.0, (0, 0))
    assert window.page.evaluate(scroll) == 120
    window.press("Home", "ArrowRight", "ArrowRight")
    assert window.page.evaluate(scroll) == 0


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_keeps_anyone_out(page, axe, theme):
    window = page("fanned")
    window.page.emulate_media(color_scheme=theme)
    window.page.evaluate(axe)
    found = window.page.evaluate("async () => (await axe.run()).violations.map((each) => each.id)")
    assert found == []
