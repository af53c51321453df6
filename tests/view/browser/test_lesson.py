"""A page that teaches by itself: it plays, speaks plainly in two languages, hides answers, is linked to."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import mlp
from handgrad.view import show
from handgrad.view.scripts import LIVE, MODULES, page_file
from handgrad.view.sentences import known
from handgrad.view.showing import Series

from .conftest import ROOT
from .window import READY, Window

DOTS = "document.querySelectorAll('.moving').length"


def apples(x1, x2, x3):
    return x1 * x2 + x3


def network():
    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((3, 4)), np.array([0, 1, 1])
    return show(mlp([4, 3, 2], seed=0), x, loss=hg.softmax_cross_entropy, t=t, check=0)


@pytest.fixture
def page(browser):
    context = browser.new_context(viewport={"width": 1280, "height": 800})
    yield context.new_page()
    context.close()


def saved(tmp_path, picture):
    return picture.save(tmp_path / "page.html")


def went(page, path, address=""):
    page.goto(path.as_uri() + address)
    page.wait_for_selector(READY, state="attached")


def test_it_plays_and_gradients_move_back_along_the_edges(page, tmp_path):
    window = Window(page, saved(tmp_path, show(apples, 2.0, 3.0, 4.0, check=0)))
    page.locator("#speed").select_option("4")
    page.locator("#play").click()
    assert page.locator("#play").get_attribute("aria-pressed") == "true"
    page.wait_for_function("() => document.querySelector('#caption').textContent.startsWith('forward 1')")
    page.wait_for_function(f"() => {DOTS}")
    page.wait_for_function("() => document.querySelector('#caption').textContent.startsWith('backward 1')")
    page.wait_for_function("() => document.querySelectorAll('.moving.grad').length === 2")
    page.wait_for_function("() => document.querySelector('#play').getAttribute('aria-pressed') === 'false'")
    assert window.caption().startswith("backward 2 of 2")
    assert window.complaints == []


def test_a_gradient_goes_from_the_rule_to_its_inputs(page, tmp_path):
    Window(page, saved(tmp_path, show(apples, 2.0, 3.0, 4.0, check=0)))
    page.evaluate("window.places = []")
    page.evaluate(
        """() => {
          const at = (dot) => Number(dot.getAttribute("cx"));
          const seen = ({ target }) => target.classList.contains("moving") && places.push(at(target));
          const watched = { subtree: true, attributes: true, attributeFilter: ["cx"] };
          const picture = document.querySelector("svg.picture");
          new MutationObserver((all) => all.forEach(seen)).observe(picture, watched);
        }"""
    )
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"() => {DOTS} > 0")
    page.wait_for_function(f"() => {DOTS} === 0")
    places = page.evaluate("places")
    assert places[0] > places[-1]


def test_nothing_moves_for_who_asks_for_that(browser, tmp_path):
    context = browser.new_context(reduced_motion="reduce")
    page = context.new_page()
    Window(page, saved(tmp_path, show(apples, 2.0, 3.0, 4.0, check=0)))
    page.keyboard.press("ArrowLeft")
    assert page.evaluate(DOTS) == 0
    context.close()


def test_each_step_says_a_plain_sentence_and_the_author_another(page, tmp_path):
    says = {"add": "We pay.", "1": ("Two apples.", "What one apple more costs.")}
    window = Window(page, saved(tmp_path, show(apples, 2.0, 3.0, 4.0, check=0, says=says)))
    sentence = page.locator("#sentence")
    assert sentence.text_content() == "What one apple more costs."
    window.press("ArrowLeft")
    assert sentence.text_content() == known()["add"][0][1]
    window.press("ArrowLeft")
    assert sentence.text_content() == "We pay."
    window.press("ArrowLeft")
    assert sentence.text_content() == "Two apples."


def test_what_is_asked_for_and_is_not_there_is_refused():
    with pytest.raises(ValueError, match="says has a sentence for 'adds'"):
        show(apples, 1.0, 2.0, 3.0, check=0, says={"adds": ""})
    with pytest.raises(ValueError, match="language is one of en, zh, not 'de'"):
        show(apples, 1.0, 2.0, 3.0, check=0, language="de")


def test_it_speaks_chinese_and_english_where_it_is(page, tmp_path):
    window = Window(page, saved(tmp_path, show(apples, 2.0, 3.0, 4.0, check=0, language="zh")))
    assert page.evaluate("document.documentElement.lang") == "zh"
    assert window.caption().startswith("反向 2 / 2 ×: ")
    assert page.locator("#sentence").text_content() == known()["multiply"][1][1]
    assert page.get_by_role("button", name="全部打开").is_visible()
    window.press("ArrowLeft")
    with page.expect_navigation(wait_until="load"):
        page.locator("#language").click()
    page.wait_for_selector(READY, state="attached")
    assert window.caption().startswith("backward 1 of 2 +")
    assert page.evaluate("document.documentElement.lang") == "en"


def test_every_word_of_the_page_has_its_chinese():
    chinese = set(re.findall(r'"((?:[^"\\]|\\.)+)": "', page_file("words.js")))
    used = set()
    for name in (*MODULES, *LIVE):
        if name in ("builtins", "layout"):
            continue
        source = page_file(f"{name}.js")
        used |= set(re.findall(r'word\("([^"]+)"\)', source))
        used |= set(re.findall(r'\bbutton\("([a-z ]{3,})", ', source))
        used |= set(re.findall(r'\bbutton\("[^"]+", "([^"]+)"', source))
        used |= set(re.findall(r'section\("([^"]+)"', source))
    assert len(used) > 40
    assert used - chinese == set()


def test_a_link_leads_to_a_step_with_its_boxes(page, tmp_path):
    path = saved(tmp_path, network())
    went(page, path, "#step=2&open=1")
    assert page.locator("#caption").text_content().startswith("forward 2 of ")
    assert page.locator(".frame").count() == 1
    page.evaluate("location.hash = '#step=end&open='")
    page.wait_for_function("() => document.querySelectorAll('.frame').length === 0")
    assert page.locator("#caption").text_content().startswith("backward ")


def test_the_link_button_gives_the_address(page, tmp_path):
    window = Window(page, saved(tmp_path, network()))
    window.press("o", "Home", "ArrowRight")
    page.locator("#link").click()
    page.wait_for_function("() => location.hash.includes('step=1')")
    hash_ = page.evaluate("location.hash")
    page.goto("about:blank")
    went(page, Path(window.url.removeprefix("file://")), hash_)
    assert page.locator("#caption").text_content().startswith("forward 1 of ")
    assert page.locator(".frame").count() > 0


def test_embedded_there_are_the_picture_and_its_steps_alone(page, tmp_path):
    went(page, saved(tmp_path, network()), "?embed")
    assert not page.locator("#bar").is_visible()
    assert not page.locator("#panel").is_visible()
    assert page.locator("#walk").is_visible()
    assert page.locator("svg.picture").is_visible()


def test_as_an_element(page, tmp_path):
    saved(tmp_path, network())
    shutil.copy(ROOT / "docs/hand-grad.js", tmp_path)
    (tmp_path / "slides.html").write_text(
        '<meta charset="utf-8"><hand-grad src="page.html" step="1" height="500"></hand-grad>'
        '<script src="hand-grad.js"></script>'
    )
    page.goto((tmp_path / "slides.html").as_uri())
    frame = page.frame_locator("hand-grad iframe")
    frame.locator(READY).wait_for(state="attached")
    assert frame.locator("#caption").text_content().startswith("forward 1 of ")
    assert not frame.locator("#bar").is_visible()


def test_for_a_class_letters_are_large_and_a_presenter_has_keys(page, tmp_path):
    window = Window(page, saved(tmp_path, network()))
    window.press("f")
    page.wait_for_selector("html.lesson", state="attached")
    assert not page.locator("#panel").is_visible()
    sizes = page.evaluate(
        """() => {
          const scale = document.querySelector("svg.picture > g").transform.baseVal.consolidate().matrix.a;
          const size = (element) => parseFloat(getComputedStyle(element).fontSize);
          const numbers = [...document.querySelectorAll(".label text")].map((text) => size(text) * scale);
          return [Math.min(...numbers), size(document.querySelector("#caption"))];
        }"""
    )
    assert min(sizes) >= 24
    window.press("Home", "PageDown")
    assert window.caption().startswith("forward 1 of ")
    window.press("PageUp")
    assert window.caption().startswith("start")
    window.press("b")
    assert not page.locator("#caption").is_visible()
    window.press("b", "f")
    page.wait_for_selector("html:not(.lesson)", state="attached")
    assert page.locator("#panel").is_visible()


def test_answers_are_hidden_until_they_are_asked_for(page, tmp_path):
    window = Window(page, saved(tmp_path, show(apples, 2.0, 3.0, 4.0, check=0)))
    window.press("Home", "a", "ArrowRight")
    assert not page.locator("#caption .numbers").is_visible()
    assert page.locator(".edge.label.secret .value").count() == 1
    assert not page.locator(".edge.label.secret .value").is_visible()
    assert not page.locator("#panel h2").is_visible()
    window.press("a")
    assert page.locator("#caption .numbers").is_visible()
    assert page.locator(".secret").count() == 0
    window.press("ArrowRight", "ArrowRight")
    assert page.locator(".edge.label.secret .grad").count() == 2
    page.locator("#answer button").click()
    assert page.locator(".secret").count() == 0
    page.locator("#ask").click()
    window.press("ArrowRight")
    assert page.locator("#caption .numbers").is_visible()


def test_on_paper_there_is_a_row_for_each_step(page, tmp_path):
    window = Window(page, saved(tmp_path, show(apples, 2.0, 3.0, 4.0, check=0)))
    page.emulate_media(media="print")
    rows = page.locator("#handout tr")
    rows.nth(3).wait_for()
    assert rows.count() == 4
    assert "2 × 3 = 6" in rows.nth(0).inner_text()
    assert known()["multiply"][0][1] in rows.nth(3).inner_text()
    page.emulate_media(media="screen")
    page.locator("#handout").wait_for(state="detached")
    assert window.complaints == []


def test_a_notebook_holds_a_still_picture_for_where_nothing_runs(page):
    html = network()._repr_html_()
    page.set_content(html)
    frame = page.locator("iframe").bounding_box()
    still = page.locator("img")
    assert still.bounding_box()["width"] > 300
    assert frame["height"] > 600
    page.evaluate("document.querySelector('iframe').remove()")
    assert page.evaluate("document.elementFromPoint(100, 100).tagName") == "IMG"


def test_a_callout_covers_no_edge(page, tmp_path):
    Window(page, saved(tmp_path, show(lambda x: x * x + x, 3.0, check=0)))
    assert page.locator(".chained").count() == 1
    crossed = page.evaluate(
        """() => {
          const box = document.querySelector(".chained rect").getBBox();
          return [...document.querySelectorAll(".shaft")].some((path) => {
            for (let d = 0; d < path.getTotalLength(); d += 2) {
              const { x, y } = path.getPointAtLength(d);
              if (x > box.x && x < box.x + box.width && y > box.y && y < box.y + box.height) return true;
            }
            return false;
          });
        }"""
    )
    assert not crossed


def test_a_slider_goes_through_a_training(page, tmp_path):
    x, t = np.random.default_rng(0).standard_normal((3, 4)), np.array([0, 1, 1])
    pictures = [
        show(mlp([4, 3, 2], seed=seed), x, loss=hg.softmax_cross_entropy, t=t, check=0) for seed in range(3)
    ]
    Series(pictures, ["before", "epoch 1", "trained"]).save(tmp_path / "page.html")
    window = Window(page, tmp_path / "page.html")

    def told():
        return page.locator("#position").text_content(), page.locator(".label .value").last.text_content()

    losses = [f"{float(picture.graph.outputs[0].value):.4g}".rstrip("0") for picture in pictures]
    assert told() == ("trained", losses[2])
    window.press("ArrowLeft", "ArrowLeft")
    caption = window.caption()
    page.locator("#checkpoint").press("ArrowLeft")
    assert told() == ("epoch 1", losses[1])
    page.locator("#checkpoint").press("Home")
    assert told() == ("before", losses[0])
    assert window.caption().split(":")[0] == caption.split(":")[0]
    assert window.caption() != caption
    window.press("o")
    page.locator("#checkpoint").press("End")
    assert page.locator(".frame").count() == 4
    assert window.complaints == []
