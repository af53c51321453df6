"""A page as it opens can be read: on a desk, in a notebook's column, on a phone."""

import pytest

from .networks import graphs
from .test_layout import assert_apart

PAGES = (
    *("apples", "neurons", "digit", "residual", "transformer", "gpt", "recurrent", "training", "rules"),
    *("images", "wide", "chain"),
)
SIZES = {"desk": (1280, 800), "notebook": (830, 640), "phone": (390, 844)}
SMALLEST = 11  # pixels of letters
MEASURED = """() => [...document.querySelectorAll("svg.picture")].map((picture) => {
  const frame = picture.getBoundingClientRect();
  const isSeen = (element) => {
    const { left, right, top, bottom } = element.getBoundingClientRect();
    return left >= frame.left && right <= frame.right && top >= frame.top && bottom <= frame.bottom;
  };
  const scale = picture.querySelector("g").transform.baseVal.consolidate().matrix.a;
  const texts = [...picture.querySelectorAll("text")];
  const letters = texts.map((text) => parseFloat(getComputedStyle(text).fontSize) * scale);
  const last = [...picture.querySelectorAll(".node.output")].at(-1);
  const label = picture.querySelector(`.edge.label[data-edge*="-${last.dataset.node}-"]`);
  return { letters: Math.min(...letters), isSeen: [last, label].every(isSeen) };
})"""
CAPTION = """() => {
  const caption = document.getElementById("caption");
  return { width: caption.clientWidth, hidden: caption.scrollHeight - caption.clientHeight,
    letters: parseFloat(getComputedStyle(caption).fontSize), page: document.documentElement.scrollWidth };
}"""
THROUGH = """() => [...document.querySelectorAll("svg.picture")].flatMap((picture) => {
  const box = (name, element) => {
    const { x, y, width, height } = element.getBBox();
    return { name, left: x + 1, right: x + width - 1, top: y + 1, bottom: y + height - 1 };
  };
  const all = (selector) => [...picture.querySelectorAll(selector)];
  const nodes = all(".node").map((e) => box(e.dataset.node, e.querySelector(".body")));
  const words = all(".label .value, .label .grad, .frame text").map((e) => box("words", e));
  const mixed = (a, b, t) => a.map((v, i) => v + (b[i] - v) * t);
  const curve = (points, t) => {
    while (points.length > 1) points = points.slice(1).map((p, i) => mixed(points[i], p, t));
    return points[0];
  };
  function* along(path) {
    let start = null;
    for (const [, , numbers] of path.matchAll(/([MLCQ])([^MLCQ]*)/g)) {
      const pairs = [...numbers.matchAll(/(-?[\\d.]+),(-?[\\d.]+)/g)];
      const points = pairs.map(([, x, y]) => [Number(x), Number(y)]);
      const end = points.at(-1);
      if (start) {
        const steps = Math.ceil((Math.abs(end[0] - start[0]) + Math.abs(end[1] - start[1])) / 3);
        for (let i = 0; i <= steps; i++) yield curve([start, ...points], i / Math.max(steps, 1));
      }
      start = end;
    }
  }
  const found = [];
  for (const shaft of all(".shaft")) {
    const edge = shaft.parentNode.dataset.edge;
    const [from, to] = edge.slice(2).split("-").map((end) => end.split(".")[0]);
    const others = [...words, ...nodes.filter(({ name }) => name !== from && name !== to)];
    for (const [x, y] of along(shaft.getAttribute("d"))) {
      const met = others.find((o) => x > o.left && x < o.right && y > o.top && y < o.bottom);
      if (met) found.push([edge, met.name, Math.round(x), Math.round(y)]);
    }
  }
  return found;
})"""


@pytest.mark.parametrize("name", PAGES)
def test_it_can_be_read_as_it_opens(opened, name):
    for size, (width, height) in SIZES.items():
        window = opened(name, width=width, height=height, as_it_opens=True)
        window.views()
        for picture in window.page.evaluate(MEASURED):
            assert picture["letters"] >= SMALLEST, size
            assert picture["isSeen"], f"the loss, {size}"
        caption = window.page.evaluate(CAPTION)
        assert caption["width"] > 250
        assert caption["hidden"] <= 1
        assert caption["letters"] >= 12
        assert caption["page"] <= width
        assert window.page.evaluate(THROUGH) == []
        assert_apart(window)
        window.page.close()


@pytest.mark.parametrize("name", ["neurons", "residual", "transformer", "images"])
def test_no_edge_goes_through_anything_with_all_boxes_open(opened, name):
    for width, height in SIZES.values():
        window = opened(name, width=width, height=height)
        assert window.page.evaluate(THROUGH) == []
        window.page.close()


def test_what_lies_on_an_edge_is_seen_to_do_so(opened):
    """A node that is put there."""
    window = opened("apples")
    leaf = next(f"l{a.number}" for a in graphs("apples")[0].arrays if a.name == "x3")
    window.page.evaluate(
        """(leaf) => {
          const body = document.querySelector(`[data-node="${leaf}"] .body`);
          const [x, y] = document.querySelector(".shaft").getAttribute("d").match(/[\\d.]+/g).map(Number);
          body.setAttribute("x", x);
          body.setAttribute("y", y - 10);
        }""",
        leaf,
    )
    assert leaf in {name for _, name, *_ in window.page.evaluate(THROUGH)}


LIT = """() => [...document.querySelectorAll(".node.lit")]
  .map((node) => node.textContent.trim().split(" ")[0])"""


def test_a_weight_that_turns_share_is_named_again_beside_each(opened):
    """Opening a loop draws no ladder, and no edge that passes a turn."""
    window = opened("recurrent", as_it_opens=True)
    (loop,) = (box for box in graphs("recurrent")[0].boxes if box.turns)
    window.act(f"b{loop.number}")
    (Wh,) = (a for a in graphs("recurrent")[0].arrays if a.name == "Wh")
    edges = [edge for edge in window.drawn()[0]["edges"] if edge.endswith(f"-{Wh.number}")]
    assert len([edge for edge in edges if edge.startswith(f"e:l{Wh.number}-")]) == 1
    assert len([edge for edge in edges if edge.startswith(f"e:r{Wh.number}_")]) == loop.turns - 1
    assert window.page.evaluate(THROUGH) == []
    assert_apart(window)
    window.page.locator(f"[data-node^=r{Wh.number}_]").nth(3).dispatch_event("pointerenter")
    lit = window.page.evaluate(LIT)
    assert lit.count("Wh") == loop.turns
    turn = loop.boxes[4]
    window.act(f"b{turn.number}")
    node = f"r{Wh.number}_b{turn.number}"
    assert window.node(node).count() == 1
    window.act(node)
    assert window.heading() == "Wh"
    assert_apart(window)
