"""Wheel, fingers, frames that change, and paper: the picture is where its reader wants it."""

import pytest

NOTEBOOK = """<!doctype html><body style="margin:0"><div style="height:300px">above</div>
<iframe id="cell" style="width:830px;height:500px;border:0"></iframe>
<div style="height:2000px">below</div></body>"""


def inside(window):
    """Whether all of the picture, or as much as can be, is within its frame."""
    outer = window.page.locator("svg.picture").first.bounding_box()
    scene = window.page.locator("svg.picture > g").first.bounding_box()
    across = min(outer["x"] + outer["width"], scene["x"] + scene["width"]) - max(outer["x"], scene["x"])
    down = min(outer["y"] + outer["height"], scene["y"] + scene["height"]) - max(outer["y"], scene["y"])
    return across / min(outer["width"], scene["width"]), down / min(outer["height"], scene["height"])


def test_it_fits_again_when_its_frame_changes(opened):
    window = opened("residual", as_it_opens=True)
    for width, height in ((1920, 1080), (830, 640), (390, 844), (844, 390), (1280, 800)):
        window.page.set_viewport_size({"width": width, "height": height})
        window.page.wait_for_timeout(100)
        assert window.views()[0]["scale"] >= 1
        across, _ = inside(window)
        assert across > 0.99
        loss = window.page.locator(".node.output").bounding_box()
        outer = window.page.locator("svg.picture").bounding_box()
        assert outer["y"] <= loss["y"]
        assert loss["y"] + loss["height"] <= outer["y"] + outer["height"]


def test_it_cannot_be_lost(opened):
    window = opened("apples")
    window.page.mouse.move(300, 300)
    for x, y in ((5000, 0), (0, 5000), (-9000, 0), (0, -9000)):
        window.page.mouse.wheel(x, y)
        window.views()
        assert min(inside(window)) > 0.3


def test_the_wheel_is_the_notebooks_until_the_picture_is_chosen(browser, pages):
    context = browser.new_context(viewport={"width": 1000, "height": 800})
    page = context.new_page()
    page.set_content(NOTEBOOK)
    page.evaluate("(html) => (document.getElementById('cell').srcdoc = html)", pages("residual").read_text())
    frame = page.frame_locator("#cell")
    frame.locator("html[data-ready=yes]").wait_for(state="attached")
    view = "svg => svg.querySelector('g').getAttribute('transform')"
    picture = frame.locator("svg.picture")
    before = picture.evaluate(view)
    page.mouse.move(500, 500)
    page.mouse.wheel(0, 200)
    page.wait_for_timeout(300)
    assert page.evaluate("scrollY") == 200
    assert picture.evaluate(view) == before
    page.evaluate("scrollTo(0, 0)")
    page.mouse.click(640, 600)
    page.keyboard.down("Control")
    page.mouse.wheel(0, -100)
    page.keyboard.up("Control")
    page.wait_for_timeout(300)
    assert picture.evaluate(view) != before
    assert page.evaluate("scrollY") == 0
    context.close()


def test_two_fingers_enlarge_about_their_middle(opened):
    window = opened("residual", width=390, height=844, as_it_opens=True, has_touch=True)
    (before,) = window.views()
    box = window.page.locator("svg.picture").bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    touch = window.page.context.new_cdp_session(window.page)

    def fingers(kind, *apart):
        points = [{"x": x + side * away, "y": y, "id": side + 1} for away in apart for side in (-1, 1)]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    fingers("touchStart", 40)
    for apart in (50, 60, 70, 80):
        fingers("touchMove", apart)
    fingers("touchEnd")
    (after,) = window.views()
    assert after["scale"] == pytest.approx(2 * before["scale"], rel=0.02)
    at = [(x - box["x"] - view["x"]) / view["scale"] for view in (before, after)]
    assert at[0] == pytest.approx(at[1], abs=2)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_paper_is_light_and_has_all_of_it(opened, scheme):
    window = opened("residual", color_scheme=scheme)
    (before,) = window.views()
    window.page.emulate_media(media="print", color_scheme=scheme)
    window.page.wait_for_selector("svg.picture[viewBox]")
    ground = window.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(255, 255, 255)"
    outer = window.page.locator("svg.picture").bounding_box()
    scene = window.page.locator("svg.picture > g").bounding_box()
    assert outer["x"] - 1 <= scene["x"]
    assert outer["y"] - 1 <= scene["y"]
    assert scene["x"] + scene["width"] <= outer["x"] + outer["width"] + 1
    assert scene["y"] + scene["height"] <= outer["y"] + outer["height"] + 1
    for selector in ("h1", "#caption"):
        assert window.page.locator(selector).is_visible()
    window.page.emulate_media(media="screen", color_scheme=scheme)
    window.page.wait_for_selector("svg.picture:not([viewBox])")
    assert window.views()[0] == pytest.approx(before)
    theme = window.page.evaluate("document.documentElement.dataset.theme")
    assert theme == scheme


def test_the_details_fold_away_and_are_dragged(opened):
    window = opened("apples")
    panel, picture = (window.page.locator(name) for name in ("#panel", "svg.picture"))
    first = picture.bounding_box()["width"]
    window.press("d")
    assert not panel.is_visible()
    assert picture.bounding_box()["width"] > first + 300
    window.press("d")
    border = window.page.locator("#border").bounding_box()
    window.page.mouse.move(border["x"] + 4, 300)
    window.page.mouse.down()
    window.page.mouse.move(border["x"] - 96, 300, steps=3)
    window.page.mouse.up()
    assert picture.bounding_box()["width"] == pytest.approx(first - 100, abs=6)
    window.page.locator("#border").press("ArrowRight")
    assert picture.bounding_box()["width"] == pytest.approx(first - 76, abs=6)


def test_an_edge_lights_with_both_its_ends(opened):
    window = opened("apples")
    path = window.page.locator('[data-edge^="e:o0-"] .hit')
    assert path.evaluate("e => getComputedStyle(e).strokeWidth") == "14px"
    box = path.bounding_box()
    window.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    lit = window.page.locator(".lit")
    names = {e.get_attribute("data-node") or e.get_attribute("data-edge") for e in lit.all()}
    assert names == {"o0", "o1", path.locator("..").get_attribute("data-edge")}
    window.page.mouse.move(5, 400)
    assert lit.count() == 0


def test_from_afar_shapes_and_pictures_are_seen_and_no_words(opened):
    window = opened("residual")
    window.press(*["-"] * 8)
    window.views()
    shown = "(e) => getComputedStyle(e).visibility"
    assert window.page.locator(".label text").first.evaluate(shown) == "hidden"
    assert window.page.locator(".node text").first.evaluate(shown) == "hidden"
    assert window.page.locator(".node .body").first.evaluate(shown) == "visible"
    window.press(*["+"] * 8)
    window.views()
    assert window.page.locator(".label text").first.evaluate(shown) == "visible"


def test_a_press_on_nothing_lets_go(opened):
    window = opened("residual")
    window.act("o0")
    box = window.page.locator("svg.picture").bounding_box()
    window.page.mouse.click(box["x"] + box["width"] - 3, box["y"] + 3)
    assert window.moments()[0]["chosen"] == []
    assert window.heading() == window.page.locator("h1").text_content()


def test_what_a_closed_box_hides_gives_way_to_it(opened):
    window = opened("residual")
    window.act("o5")
    window.press("c")
    assert window.moments()[0]["chosen"] != []
    assert window.moments()[0]["chosen"][0][0] == "b"


def test_what_is_searched_is_large_enough_to_be_read(opened):
    window = opened("residual")
    window.press("0")
    assert window.views()[0]["scale"] < 0.5
    window.search("softmax")
    assert window.views()[0]["scale"] >= 1


def test_things_can_be_found_on_a_phone(opened):
    window = opened("digit", width=390, height=844, as_it_opens=True)
    window.find("largest gradient")
    assert window.caption().startswith("the largest element of a gradient")
    assert window.page.evaluate("document.documentElement.scrollWidth") <= 390
