"""The stepping view within the report of a training: its script runs, and no other one does."""

import numpy as np

import handgrad as hg
from handgrad.layers import mlp
from handgrad.optim import SGD
from handgrad.train import Trainer
from handgrad.view.pages import framed
from handgrad.view.training.report import Example, examples, report, section

from .networks import picture

INJECTED = "<script>document.title = 'injected'</script><img src=x onerror=\"document.title = 'injected'\">"


def opened_report(browser, tmp_path, *sections):
    """A page with what it complained of."""
    file = tmp_path / "report.html"
    file.write_text(report("A training", {}, {}, sections))
    context = browser.new_context()
    page, complaints = context.new_page(), []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(file.as_uri())
    return page, complaints


def test_the_view_within_a_report_can_be_stepped_through(browser, tmp_path):
    shown = section("Steps", "", framed(picture("apples").html()))
    page, complaints = opened_report(browser, tmp_path, shown)
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready=yes]").wait_for(state="attached")
    before = frame.locator("#caption").text_content()
    frame.locator("#caption").click()
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert frame.locator("#caption").text_content() != before
    assert complaints == []
    page.context.close()


def test_a_page_within_a_report_trains(browser, tmp_path):
    x, t = np.eye(4, dtype="f"), np.array([0, 1, 1, 0])
    trainer = Trainer(mlp([4, 3, 2], seed=0), hg.softmax_cross_entropy, SGD(0.1))
    live = hg.show_training(trainer, x, t, batch_size=2).html()
    page, complaints = opened_report(browser, tmp_path, section("Live", "", framed(live)))
    frame = page.frame_locator("iframe")
    frame.locator("html[data-ready=yes]").wait_for(state="attached")
    frame.locator("#one").click()
    assert frame.locator("#trained").text_content() == "step 1, epoch 0.500"
    assert complaints == []
    page.context.close()


def test_a_script_that_got_into_a_report_does_not_run(browser, tmp_path):
    page, complaints = opened_report(browser, tmp_path, INJECTED, framed(INJECTED))
    page.frame_locator("iframe").locator("img").wait_for(state="attached")
    assert page.title() == "A training"
    assert page.frames[1].title() == ""
    blocked = [words for words in complaints if "script" in words and "Content Security Policy" in words]
    assert len(blocked) >= 2
    page.context.close()


def test_names_are_text(browser, tmp_path):
    hostile = Example(
        0, true=INJECTED, predicted=INJECTED, loss=1.0, name=INJECTED, values={INJECTED: INJECTED}
    )
    page, complaints = opened_report(browser, tmp_path, section(INJECTED, INJECTED, examples([hostile])))
    assert page.locator("h2").text_content() == INJECTED
    assert page.locator("script").count() == 0
    assert complaints == []
    page.context.close()
