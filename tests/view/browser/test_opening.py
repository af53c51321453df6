"""Each page opens by itself, silently, and is whole. That it asks for nothing, ``opened`` sees to."""

import pytest

from .networks import PAGES, PAIRS, graphs, picture

COLOUR = "(selector) => getComputedStyle(document.querySelector(selector)).backgroundColor"
WITHOUT_PICTURES = ("apples", "chain", "partial", "rules")  # numbers, and what is written out
THUMBNAILS = """async () => {
  const sizes = [];
  for (const element of document.querySelectorAll("svg.picture image")) {
    const image = new Image();
    image.src = element.href.baseVal;
    await image.decode();
    sizes.push(image.naturalWidth * image.naturalHeight);
  }
  return sizes;
}"""


@pytest.mark.parametrize("name", PAGES)
def test_a_page_opens_at_the_end_with_everything_drawn(opened, name):
    window = opened(name)
    for graph, drawn in zip(graphs(name), window.drawn(), strict=True):
        nodes = {node["id"] for node in drawn["nodes"]}
        assert nodes >= {f"s{a.number}" for a in graph.outputs}
        if not graph.folded:
            assert {n for n in nodes if n[0] == "o"} == {f"o{op.number}" for op in graph.ops}
            assert {n for n in nodes if n[0] == "l"} == {
                f"l{a.number}" for a in graph.arrays if a.maker is None
            }
    assert all(moment["later"] == moment["unanswered"] == [] for moment in window.moments()[:1])
    assert window.page.title() == (picture(name).title if name in PAIRS else graphs(name)[0].title)
    assert window.heading()
    sizes = window.page.evaluate(THUMBNAILS)
    assert sizes or name in WITHOUT_PICTURES
    assert all(size > 1 for size in sizes)


def test_a_large_network_begins_as_its_layers(opened):
    """Embedding, twelve blocks as one, head, and the loss, which is three rules."""
    graph = graphs("gpt")[0]
    nodes = opened("gpt").node_ids()
    boxes = [graph.boxes[int(node[1:])].name for node in nodes if node[0] == "b"]
    assert boxes == ["embedding", "blocks.0 to 11", "head"]
    rules = [graph.ops[int(node[1:])].name for node in nodes if node[0] == "o"]
    assert rules[-1] == "softmax_cross_entropy"
    assert set(rules[:-1]) <= {"reshape"}


def test_a_long_chain_begins_as_one_loop_and_opens_as_fifty_runs(opened):
    window = opened("chain")
    (loop,) = [node for node in window.drawn()[0]["nodes"] if node["id"][0] == "b"]
    assert loop["texts"] == ["for i in range(10000)", "× 5,000, 10,000 rules"]
    window.act(loop["id"])
    nodes = [node for node in window.drawn()[0]["nodes"] if node["id"][0] == "b"]
    assert [node["texts"][:2] for node in nodes[1:3]] == [
        ["rules 201 to 400", "200 rules"],
        ["rules 401 to 600", "200 rules"],
    ]
    assert len(nodes) == 50


def test_light_and_dark(opened):
    """As the system has it, and the other way by the button, there and back."""
    light, dark = (opened("digit", color_scheme=scheme) for scheme in ("light", "dark"))
    grounds = [window.page.evaluate(COLOUR, "body") for window in (light, dark)]
    assert grounds == ["rgb(255, 255, 255)", "rgb(13, 17, 23)"]
    for window, others in ((light, grounds[::-1]), (dark, grounds)):
        for ground in others:
            window.button("light or dark")
            assert window.page.evaluate(COLOUR, "body") == ground


def test_print_keeps_the_picture_and_leaves_the_buttons(opened):
    window = opened("digit")
    window.page.emulate_media(media="print")
    assert window.page.locator("svg.picture").is_visible()
    box = window.page.locator("svg.picture").bounding_box()
    assert min(box["width"], box["height"]) > 300
    assert window.page.locator("#panel h2").is_visible()
    assert not window.page.locator("button:visible").count()


@pytest.mark.parametrize("width", [1280, 760])
def test_nothing_is_wider_than_the_window(opened, width):
    window = opened("batch", width=width)
    assert window.page.evaluate("document.documentElement.scrollWidth") <= width
    if width < 900:
        window.button("the details, shown or not (d)")
    for selector in ("#bar", "svg.picture", "#panel", "footer"):
        assert window.page.locator(selector).bounding_box()["height"] > 20


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("batch", 1280),
        ("gpt", 760),
        ("residual", 1280),
        ("apples", 760),
    ],
)
def test_what_the_panel_tells_of_is_in_sight_at_first(opened, name, width):
    """The whole node, and where all fits, all of it."""
    window = opened(name, width=width)
    window.views()
    outer = window.page.locator("svg.picture").bounding_box()
    seen = window.page.locator(".node" if name == "apples" else ".node.chosen")
    for box in [node.bounding_box() for node in seen.all()]:
        assert outer["x"] <= box["x"]
        assert box["x"] + box["width"] <= outer["x"] + outer["width"]
        assert outer["y"] <= box["y"]
        assert box["y"] + box["height"] <= outer["y"] + outer["height"]
