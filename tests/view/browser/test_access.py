"""axe-core finds nothing serious, in light and in dark, with the panel and with the table open."""

import pytest

from .networks import graphs

RUN = """async (rule) => (await axe.run({ runOnly: rule ? [rule] : undefined })).violations
  .filter(({ impact }) => impact === "serious" || impact === "critical")
  .map(({ id, nodes }) => [id, nodes.slice(0, 5).map(({ html, any }) => [html, any[0]?.message])])"""
LABELS = "label-content-name-mismatch"
PAGES = ["apples", "digit", "batch", "residual", "chain", "training"]


def violations(window):
    return [found for found in window.page.evaluate(RUN, None) if found[0] != LABELS]


@pytest.mark.parametrize("name", PAGES)
def test_nothing_serious(opened, axe, name):
    window = opened(name)
    window.page.evaluate(axe)
    for scheme in ("light", "dark"):
        window.page.emulate_media(color_scheme=scheme)
        window.press("Home", "ArrowRight")
        assert violations(window) == []
        window.page.locator("#panel .facts button").first.click()
        window.bins()
        assert violations(window) == []
        window.press("Escape", "End")
        assert violations(window) == []


def test_nothing_serious_in_the_list_of_keys(opened, axe):
    window = opened("apples")
    window.page.evaluate(axe)
    window.press("?")
    assert violations(window) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_serious_in_a_loop_that_is_open_and_near_its_entries(opened, axe, scheme):
    window = opened("recurrent", as_it_opens=True, color_scheme=scheme)
    window.page.evaluate(axe)
    (loop,) = (box for box in graphs("recurrent")[0].boxes if box.turns)
    window.act(f"b{loop.number}")
    assert window.page.evaluate(RUN, None) == []
    for _ in range(5):
        window.button("larger")
    window.page.wait_for_selector(".near > .entries")
    assert window.page.evaluate(RUN, None) == []


@pytest.mark.parametrize("name", ["apples", "chain", "training"])
def test_things_are_called_as_they_read(opened, axe, name):
    """So that who speaks to the computer can say what stands there."""
    window = opened(name)
    window.page.evaluate(axe)
    assert window.page.evaluate(RUN, LABELS) == []
