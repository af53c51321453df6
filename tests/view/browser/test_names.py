"""Whatever things are called, it is text: nothing of it runs, and all of it can be read and found."""

import pytest

from .networks import HOSTILE, graphs


def test_nothing_runs_and_nothing_is_made_of_it(opened):
    """No image, no script beside the page's own, and (as ``opened`` sees to) no dialog and no error."""
    window = opened("names")
    assert window.page.locator("img").count() == 0
    assert window.page.locator("script").count() == 2
    assert window.page.title() == graphs("names")[0].title
    assert window.page.locator("h1").text_content() == graphs("names")[0].title


@pytest.mark.parametrize("name", HOSTILE)
def test_names_are_shown_and_found_as_they_are(opened, name):
    window = opened("names")
    array = next(a for a in graphs("names")[0].arrays if a.name == name)
    window.search(name)
    window.node(f"l{array.number}").press(" ")
    assert window.heading() == name
    box = next(box for box in graphs("names")[0].boxes if box.name == name)
    assert (
        window.page.locator(f'[data-box="{box.number}"] [role=button]')
        .get_attribute("aria-label")
        .startswith(f"close {name}")
    )
    window.close_box(box.number)
    assert window.heading() == f"{name} {box.label}"
    offered = window.page.locator("#example option").all_text_contents()[1:]
    for said, example in zip(offered, HOSTILE[:2], strict=True):
        assert said.endswith(example)
    window.page.select_option("#example", index=1)


def test_the_table_of_such_an_array(opened):
    window = opened("names")
    array = next(a for a in graphs("names")[0].arrays if a.name == HOSTILE[0])
    window.act(f"l{array.number}")
    window.page.locator("#panel .facts.value button").click()
    assert window.page.locator("dialog[open] h2").text_content().startswith(HOSTILE[0])
    assert window.cells() == [["1.5", "1.5", "1.5"]]
