"""Numbers are asked where they come from: the sum that is shown comes to the entry, whatever the rule."""

import math
import re

import numpy as np
import pytest

import handgrad as hg
from handgrad.view import show
from handgrad.view.summary import as_numpy

from .window import Window

RNG = np.random.default_rng(3)


def some(*shape):
    return np.round(RNG.standard_normal(shape), 2)


def looped(x, h):
    return hg.scan(lambda h, x: (hg.tanh(x + h),) * 2, h, x)[1]


RULES = {
    "matmul": (lambda x, W: x @ W, some(2, 3), some(3, 2)),
    "affine": (hg.affine, some(2, 3), some(3, 4), some(4)),
    "einsum": (lambda x, y: hg.einsum("bij,bjk->ik", x, y), some(2, 2, 2), some(2, 2, 2)),
    "add, broadcast": (lambda x, b: x + b, some(3, 2), some(2)),
    "multiply, broadcast": (lambda x, b: x * b, some(3, 2), some(3, 1)),
    "numbers": (lambda x, y: x * y, 3.0, -4.0),
    "sum": (lambda x: hg.sum(x, axis=0), some(3, 2)),
    "mean": (lambda x: hg.mean(x, axis=-1), some(2, 3)),
    "max": (lambda x: hg.max(x, axis=1), some(2, 3)),
    "tanh": (hg.tanh, some(2, 2)),
    "relu": (hg.relu, some(2, 3)),
    "gelu": (hg.gelu, some(2, 2)),
    "power": (lambda x: x**3, some(4)),
    "softmax": (hg.softmax, some(2, 3)),
    "loss": (lambda y: hg.softmax_cross_entropy(y, np.array([0, 2])), some(2, 3)),
    "layer norm": (hg.layer_norm, some(2, 3), some(3), some(3)),
    "convolution": (lambda x, W, b: hg.conv2d(x, W, b), some(1, 1, 4, 4), some(1, 1, 3, 3), some(1)),
    "pooling": (lambda x: hg.max_pool2d(x, 2), some(1, 1, 4, 4)),
    "getitem": (lambda x: x[1:, ::2], some(3, 3)),
    "concatenate": (lambda x, y: hg.concatenate([x, y], axis=1), some(2, 2), some(2, 1)),
    "where": (lambda x, y: hg.where(np.array([[True, False], [False, True]]), x, y), some(2, 2), some(2, 2)),
    "loop": (looped, some(3, 2), some(2)),
    "inverse": (hg.inv, some(2, 2)),
}
ASKED = """() => [...document.querySelectorAll("#panel [data-ask] [data-i]")].map((cell) => {
  cell.dispatchEvent(new FocusEvent("focusin", { bubbles: true }));
  const lines = [...document.querySelectorAll("#asked p:not(.muted)")].map((p) => p.textContent);
  cell.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
  const grid = cell.closest("[data-ask]");
  const name = grid.querySelector("caption").textContent;
  return { name, key: grid.dataset.ask, i: Number(cell.dataset.i), lines };
})"""
HIGH = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
NAMES = {name: getattr(math, name) for name in "exp log log1p expm1 tanh sqrt sin cos erf erfc hypot".split()}


def evaluated(words):
    """What is written, computed."""
    code = words.replace("·", "*").replace("−", "-")
    code = re.sub(r"(?<=\d),(?=\d{3}\b)", "", code)
    code = re.sub(r"×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda m: f"e{m[1].translate(HIGH)}", code)
    code = re.sub(r"([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)", lambda m: f"**({m[1].translate(HIGH)})", code)
    code = re.sub(r"√(\([^()]*\)|[\w.]+)", r"sqrt(\1)", code).replace("^", "**")
    names = NAMES | {"max": max, "min": min, "sign": np.sign, "abs": abs}
    return float(eval(code, {"__builtins__": {}}, names))


@pytest.fixture(scope="module")
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


@pytest.mark.parametrize("name", RULES)
def test_the_sum_that_is_shown_is_the_entry(page, tmp_path, name):
    f, *xs = RULES[name]
    dout = some(*np.shape(as_numpy(f(*xs))))
    picture = show(f, *xs, dout=dout, check=0)
    op = picture.graph.ops[-1]
    window = Window(page, picture.save(tmp_path / "page.html"))
    if len(picture.graph.ops) > 1:
        window.search(f"{op.number + 1} ")
    asked = page.evaluate(ASKED)
    numbers = {"out": op.outputs[0].value} | {
        f"d{use.name}": use.dx for use in op.inputs if use.dx is not None
    }
    wanted = {(name, i) for name, x in numbers.items() for i in range(np.size(x))}
    if name == "numbers":
        asked = edges_of_numbers(page, op)
    met = set()
    for cell in asked:
        if cell["name"] not in numbers:
            continue
        met.add((cell["name"], cell["i"]))
        entry = float(as_numpy(numbers[cell["name"]]).reshape(-1)[cell["i"]])
        line = cell["lines"][0]
        *_, words, result = line.split(" = ")
        assert abs(evaluated(result) - entry) <= 1e-3 * abs(entry) + 1e-9, line
        if re.fullmatch(r"[\w\[\], ]+", words) is None:  # not only the name of an entry
            assert abs(evaluated(words) - entry) <= 5e-3 * max(abs(entry), 0.2), line
        for aside in cell["lines"][1:]:
            number, words = aside.split(" = ")
            assert abs(evaluated(words) - evaluated(number)) <= 5e-3 * max(abs(evaluated(number)), 0.2), aside
    assert met == wanted
    assert window.complaints == []


def edges_of_numbers(page, op):
    """Of numbers there are no matrices: they are asked at their edges."""
    cells = page.evaluate(
        ASKED.replace("#panel", "svg").replace('grid.querySelector("caption").textContent', '""')
    )
    names = {f"0 d {op.number}.{i}": f"d{use.name}" for i, use in enumerate(op.inputs)}
    names[f"0 v {op.outputs[0].number}"] = "out"
    return [cell | {"name": names.get(cell["key"], "")} for cell in cells]


def test_rows_and_columns_light_up(page, tmp_path):
    x, W = np.array([[2.0, 4.0, 6.0], [1.0, 1.0, 1.0]]), np.array([[2.0], [6.0], [10.0]])
    Window(page, show(lambda x, W: x @ W, x, W, check=0).save(tmp_path / "page.html"))
    page.locator("svg .edge .value [data-i='0']").last.hover()
    assert page.locator("#asked p").last.text_content() == "out[0, 0] = 2·2 + 4·6 + 6·10 = 88"
    lit = page.locator("#panel .grid .part").evaluate_all("(cells) => cells.map((cell) => cell.textContent)")
    assert lit == ["2", "4", "6", "2", "6", "10"]
    assert page.locator("svg .cell.part").count() == 6
    page.mouse.move(5, 790)
    assert page.locator("#asked").text_content() == ""
    assert page.locator(".part").count() == 0


def test_entries_are_reached_by_keys(page, tmp_path):
    Window(page, show(lambda x, W: x @ W, some(2, 2), some(2, 2), check=0).save(tmp_path / "page.html"))
    page.locator("#panel .grid.value [data-i='0']").last.focus()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    assert page.locator("#asked p").last.text_content().startswith("out[1, 1] = ")


def test_gradients_are_not_told_before_the_backward(page, tmp_path):
    window = Window(page, show(lambda x: hg.tanh(x), some(2, 2), check=0).save(tmp_path / "page.html"))
    assert page.locator("#panel .grid.grad").count() == 2
    window.press("Home", "ArrowRight")
    assert page.locator("#panel .grid.grad").count() == 0


def test_where_gradients_meet_their_sum_is_told(page, tmp_path):
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    Window(page, show(lambda x: x * x + hg.tanh(x) * 0 + x, x, check=0).save(tmp_path / "page.html"))
    told = page.evaluate(ASKED)
    assert all(cell["lines"] for cell in told)


SLOTS = {"x": 0, "W": 1, "t": 0}
NEAREST = """() => [...document.querySelectorAll(".label .near > .entries")].map((entries) => ({
  key: entries.dataset.ask.slice(2), said: entries.querySelector(".small").textContent,
  cells: [...entries.querySelectorAll("[data-i]")].map((cell) => [Number(cell.dataset.i), cell.textContent]),
}))"""


def zoomed(window, key, scale=3.0):
    """Look at the label of an array from so near that its entries are told."""
    window.page.evaluate(
        """([key, scale]) => {
          const label = document.querySelector(`.label[data-edge$="-${key.slice(2)}"]`);
          const { left, top, width, height } = label.getBoundingClientRect();
          const picture = label.ownerSVGElement;
          const at = { clientX: left + width / 2, clientY: top + height / 2 };
          const deltaY = -300 * Math.log(scale);
          picture.dispatchEvent(new WheelEvent("wheel", { deltaY, ctrlKey: true, cancelable: true, ...at }));
        }""",
        [key, scale],
    )
    window.page.wait_for_selector(entries_of(key))


def entries_of(key):
    return f'.near > .entries[data-ask="0 {key}"]'


def test_nearest_of_all_each_entry_is_a_cell_with_its_gradient(page, tmp_path):
    x, W, t = some(5, 12), some(12, 30), some(3, 5, 4)
    picture = show(lambda x, W, t: hg.sum(hg.tanh(x @ W)) + hg.mean(t * t), x, W, t, check=0)
    window = Window(page, picture.save(tmp_path / "page.html"))
    assert page.evaluate(NEAREST) == []
    arrays = {a.name: a for a in picture.graph.arrays}
    for name, said in (("x", "5 × 12"), ("W", "12 × 30 ["), ("t", "3 × 5 × 4 [0, 0:5, 0:4]")):
        window.button("fit into the window (0)")
        window.views()
        array = arrays[name]
        keys = {
            f"v {array.number}": array.value,
            f"d {array.uses[0].op.number}.{SLOTS[name]}": array.uses[0].dx,
        }
        zoomed(window, f"v {array.number}")
        for key in keys:
            page.wait_for_selector(entries_of(key))
        found = {told["key"]: told for told in page.evaluate(NEAREST)}
        assert found[f"v {array.number}"]["said"].startswith(said)
        value, grad = (found[key]["cells"] for key in keys)
        assert [i for i, _ in value] == [i for i, _ in grad]
        assert len(value) >= 20
        for key, numbers in keys.items():
            for i, words in found[key]["cells"]:
                assert abs(evaluated(words) - numbers.reshape(-1)[i]) <= 6e-3 * np.abs(numbers).max()
    page.locator(".near.value > .entries .cell").first.hover()
    assert re.match(r"\w+\[\d+, \d+.*\] = ", page.locator("#asked p").last.text_content())
