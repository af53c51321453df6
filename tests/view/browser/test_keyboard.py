"""Without a mouse: Tab comes to everything, and keys do all that can be done."""

import pytest

from .networks import graphs

STOPS = """() => [
  ...document.querySelectorAll("button, input, select, summary, [tabindex='0']")].filter((element) =>
  !element.closest("dialog:not([open])") && !element.disabled && element.checkVisibility()).length"""
FOCUSED = """() => {
  const element = document.activeElement;
  element.dataset.visits = Number(element.dataset.visits ?? 0) + 1;
  const rect = element.getBoundingClientRect();
  const room = element.closest("svg.picture, body").getBoundingClientRect();
  return {
    name: element.dataset.node ?? element.ariaLabel ?? element.textContent,
    node: element.dataset.node ?? null, tag: element.localName, visits: Number(element.dataset.visits),
    isSeen: room.left <= rect.left && rect.right <= room.right
      && room.top <= rect.top && rect.bottom <= room.bottom,
  };
}"""


def tour(window):
    """Where Tab comes to, in order, until it begins again."""
    found = []
    window.page.evaluate("document.activeElement.blur()")
    for _ in range(400):
        window.press("Tab")
        window.views()
        stop = window.page.evaluate(FOCUSED)
        if stop["tag"] == "body" and found:
            break
        if stop["visits"] > 1:
            break
        found.append(stop)
    return found


@pytest.mark.parametrize("name", ["apples", "batch", "training"])
def test_tab_comes_to_every_control_and_node(opened, name):
    window = opened(name)
    stops = [stop for stop in tour(window) if stop["tag"] != "body"]
    assert len(stops) == window.page.evaluate(STOPS)
    nodes = [n["id"] for drawn in window.drawn() for n in drawn["nodes"]]
    assert sorted(stop["node"] for stop in stops if stop["node"]) == sorted(nodes)
    names = {stop["name"] for stop in stops}
    wanted = {"search by name", "find …", "light or dark", "keys", "details", "step", "one step on (→)"}
    assert wanted <= names


def test_enter_opens_a_box_and_enter_closes_it(opened):
    window = opened("gpt")
    box = next(node for node in window.node_ids() if node[0] == "b")
    window.act(box)
    assert box not in window.node_ids()
    (drawn,) = window.drawn()
    assert drawn["frames"] == [int(box[1:])]
    window.close_box(int(box[1:]))
    assert box in window.node_ids()


def test_space_looks_at_a_box_without_opening_it(opened):
    window = opened("gpt")
    window.node("b1").press(" ")
    assert window.heading() == graphs("gpt")[0].boxes[1].name == "blocks.0 to 11"
    assert "b1" in window.node_ids()
    assert window.moments()[0]["chosen"] == ["b1"]


def test_after_opening_the_focus_is_where_it_opened(opened):
    """So that the way goes on from there, and not from the beginning of the page."""
    window = opened("gpt")
    window.act("b0")
    focused = window.page.evaluate("document.activeElement.dataset.node")
    assert focused in window.node_ids()
    window.press("Enter")
    assert window.heading() == graphs("gpt")[0].ops[int(focused[1:])].name


def test_a_focused_node_is_in_sight(opened):
    window = opened("residual")
    nodes = [stop for stop in tour(window) if stop["node"]]
    assert nodes
    assert all(stop["isSeen"] for stop in nodes)


def test_the_table_and_the_keys_open_and_close(opened):
    window = opened("apples")
    window.act("o0")
    window.page.locator("#panel .facts button").first.press("Enter")
    assert window.page.locator("dialog[open]").count() == 1
    window.press("ArrowLeft")
    assert "backward 2 of 2" in window.caption()
    window.press("Escape")
    assert window.page.locator("dialog[open]").count() == 0
    window.press("?")
    assert window.page.locator("dialog[open] h2").text_content() == "Keys"
    window.press("Escape", "/")
    assert window.page.evaluate("document.activeElement.id") == "search"


def test_typing_into_the_search_does_not_step(opened):
    window = opened("apples")
    before = window.moments()
    window.press("/")
    window.page.keyboard.type("oc+0")
    window.press("ArrowLeft", "Home")
    assert window.moments() == before
    assert window.page.input_value("#search") == "oc+0"


def test_tab_follows_the_forward(opened):
    """From each leaf to its edge, and over the rule to the edge that leaves it."""
    window = opened("apples")
    stops = window.page.locator("svg.picture [tabindex='0']")
    names = [stop.get_attribute("aria-label") or stop.locator("title").text_content() for stop in stops.all()]
    assert names == [
        *("x1, input", "x1, value 100, gradient 2", "x2, input", "x2, value 2, gradient 100", "×, rule"),
        *("multiply, value 200, gradient 1", "x3, input", "x3, value 300, gradient 1", "+, rule"),
        *("out, value 500, gradient 1", "out, output"),
    ]


@pytest.mark.parametrize("key", ["Enter", " "])
def test_an_edge_is_looked_at(opened, key):
    window = opened("apples")
    window.page.get_by_role("button", name="multiply, value").press(key)
    assert window.heading() == "multiply"
    assert window.page.locator(".edge.chosen").count() == 2


def test_what_is_found_is_chosen_by_keys(opened):
    window = opened("batch")
    menu = window.page.locator("#find summary")
    menu.press("Enter")
    window.press("Tab", "Tab", "Enter")
    assert window.caption().startswith("the gradient whose largest element is smallest")
    assert not window.page.get_by_role("button", name="dead ReLUs").is_visible()
    menu.press("Enter")
    window.press("Tab", "Escape")
    assert not window.page.get_by_role("button", name="dead ReLUs").is_visible()
    assert window.page.evaluate("document.activeElement.textContent") == "find …"


def test_moving_through_a_table_keeps_the_focus(opened):
    """On the button, as long as it leads on; then on the numbers. A histogram stays where it is."""
    window = opened("batch")
    window.act("o1")
    window.open_table("W")
    window.bins()
    window.page.locator("dialog[open] [aria-label='columns after']").focus()
    for label in ("columns after", "columns after", "columns after", "numbers"):
        assert window.page.evaluate("document.activeElement.ariaLabel") == "columns after"
        window.press("Enter")
        assert window.page.evaluate("document.activeElement.ariaLabel") == label
    assert window.page.locator("dialog[open] figure").count() == 1
