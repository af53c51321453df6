import math
import string
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, strategies as st

from handgrad.view.svg import (
    COLOURS,
    Scale,
    clean,
    document,
    element,
    figure,
    log_ticks,
    nice_ticks,
    number,
    shortened,
    words_width,
)

from .reading import parsed, value

PIXELS = st.floats(-1e5, 1e5)
# Ends of an axis: neither closer than labels can tell, nor at the limits of floats.
ENDS = st.tuples(st.floats(-1e9, 1e9), st.floats(1e-6, 1e9)).filter(lambda e: e[1] > 1e-4 * abs(e[0]))
COUNTS = st.integers(5, 12)


@given(PIXELS)
def test_a_coordinate_is_right_to_half_a_hundredth_and_has_no_idle_zeros(x):
    written = number(x)
    assert abs(float(written) - x) <= 0.005 + 1e-9
    assert written == "0" or not written.startswith("-0") or written.startswith("-0.")
    assert "." not in written or not written.endswith(("0", "."))


@pytest.mark.parametrize(
    ("x", "written"),
    [(0, "0"), (-0.0, "0"), (-0.001, "0"), (-0.25, "-0.25"), (100, "100"), (3.10, "3.1"), (1e-9, "0")],
)
def test_coordinates(x, written):
    assert number(x) == written


@given(st.text())
def test_any_text_is_read_back_as_it_was(text):
    """As a child and as an attribute. XML normalises white space, and cannot hold some characters at all."""
    root = ElementTree.fromstring(element("text", text, aria_label=text))
    assert (root.text or "") == clean(text).replace("\r\n", "\n").replace("\r", "\n")
    assert root.get("aria-label").split() == clean(text).split()


def test_text_is_escaped_and_elements_are_not():
    inner = element("tspan", "<b> & \"c\" 'd'")
    assert str(inner) == "<tspan>&lt;b&gt; &amp; &quot;c&quot; &#x27;d&#x27;</tspan>"
    assert str(element("text", inner, "<", x=1.50, class_="ink", dy=None)) == (
        f'<text x="1.5" class="ink">{inner}&lt;</text>'
    )
    assert str(element("rect", font_size=2, title='">')) == '<rect font-size="2" title="&quot;&gt;"/>'


def test_what_xml_cannot_hold_is_replaced():
    assert clean("a\x00b\x1b\ud800c\uffff\t\U0001f600") == "a\ufffdb\ufffd\ufffdc\ufffd\t\U0001f600"


@given(ENDS, COUNTS)
def test_ticks_are_round_and_even_within_the_range_and_about_as_many_as_asked(ends, count):
    low, high = ends[0], ends[0] + ends[1]
    ticks = nice_ticks(low, high, count)
    assert count // 2.5 <= len(ticks) <= count + 1
    slack = 1e-6 * (high - low)
    assert low - slack <= ticks[0] < ticks[-1] <= high + slack
    step = (ticks[-1] - ticks[0]) / (len(ticks) - 1)
    np.testing.assert_allclose(np.diff(ticks), step, rtol=1e-6)
    assert ticks[0] - step < low + slack
    assert ticks[-1] + step > high - slack
    mantissa = step / 10 ** math.floor(math.log10(step) + 1e-6)
    assert min(abs(mantissa - m) for m in (1, 2, 5)) < 1e-5
    np.testing.assert_allclose(np.divide(ticks, step), np.round(np.divide(ticks, step)), atol=1e-5)


def test_ticks_are_the_floats_one_would_write():
    assert nice_ticks(0, 1, 5) == [0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert nice_ticks(0.07, 0.34, 6) == [0.1, 0.15, 0.2, 0.25, 0.3]
    assert nice_ticks(-1, 1, 4) == [-1, -0.5, 0, 0.5, 1]
    assert nice_ticks(0, 9_000, 5) == [0, 2000, 4000, 6000, 8000]
    assert nice_ticks(3, 3, 5) == [3]


@given(st.floats(-20, 20), st.floats(1.5, 40), st.integers(4, 8))
def test_log_ticks_are_powers_of_ten_where_there_are_several(exponent, decades, count):
    low, high = 10**exponent, 10 ** (exponent + decades)
    ticks = log_ticks(low, high, count)
    assert len(ticks) >= 2
    assert low * (1 - 1e-6) <= min(ticks) and max(ticks) <= high * (1 + 1e-6)  # noqa: PT018
    mantissas = [tick / 10 ** math.floor(math.log10(tick) + 1e-9) for tick in ticks]
    assert all(min(abs(m - k) for k in (1, 2, 5)) < 1e-6 for m in mantissas)
    if decades >= 5:
        assert len(ticks) <= count
        np.testing.assert_allclose(mantissas, 1)


@given(ENDS, COUNTS)
def test_labels_say_the_values_of_their_ticks(ends, count):
    scale = Scale(ends[0], ends[0] + ends[1], 0, 100)
    ticks = scale.ticks(count)
    assert len({label for _, label in ticks}) == len(ticks)
    np.testing.assert_allclose(
        [value(label) for _, label in ticks], [v for v, _ in ticks], atol=1e-6 * ends[1]
    )


@given(st.floats(-9, 9), st.floats(1.5, 12))
def test_labels_of_a_log_scale_say_the_values_of_their_ticks(exponent, decades):
    ticks = Scale(10**exponent, 10 ** (exponent + decades), 0, 100, log=True).ticks(5)
    assert len({label for _, label in ticks}) == len(ticks)
    np.testing.assert_allclose([value(label) for _, label in ticks], [v for v, _ in ticks], rtol=1e-9)


@pytest.mark.parametrize("log", [False, True])
def test_a_scale_goes_from_end_to_end_and_back(log):
    scale = Scale(0.01, 100, 300, 20, log)
    assert scale(0.01) == pytest.approx(300)
    assert scale(100) == pytest.approx(20)
    assert scale(1.0) == pytest.approx(160 if log else 300 - 280 * 0.99 / 99.99)
    values = np.geomspace(0.01, 100, 7)
    np.testing.assert_allclose(scale.inverse(scale(values)), values, rtol=1e-9)


@given(st.text(max_size=80), st.floats(20, 300))
def test_what_is_shortened_fits_and_begins_as_the_whole(text, room):
    short, whole = shortened(text, room, 12), " ".join(clean(text).split())
    assert words_width(short, 12) <= room
    assert short == whole or (short.endswith("…") and whole.startswith(short[:-1]))


@pytest.mark.parametrize(
    ("x", "written"),
    [
        (0.03124, "0.0312"), (12.36, "12.4"), (3120, "3,120"), (1.234e-5, "1.23×10⁻⁵"), (0, "0"),
        (-2.5, "−2.50"), (0.9999, "1.00"), (99.99, "100"), (2.5e12, "2.50×10¹²"), (0.000123, "0.000123"),
        (math.nan, "undefined"), (-4e-7, "−4.00×10⁻⁷"), (999_999, "1.00×10⁶"),
    ],
)  # fmt: skip
def test_figures_for_people(x, written):
    assert figure(x) == written


def test_a_document_stands_alone_is_named_and_has_two_looks():
    root = parsed(document(300, 200, "A <name>", "What & why", element("rect", width=1, height=1)))
    assert root.get("viewBox") == "0 0 300 200"
    assert root.get("role") == "img"
    assert root.get("aria-label") == "A <name>. What & why"
    title, desc, style, *_ = root
    assert (title.text, desc.text) == ("A <name>", "What & why")
    light, dark = style.text.split("@media (prefers-color-scheme:dark)")
    for name, (prop, on_light, on_dark) in COLOURS.items():
        assert f".handgrad .{name}{{{prop}:{on_light}}}" in light
        assert f".handgrad .{name}{{{prop}:{on_dark}}}" in dark
    assert "system-ui" in light
    assert "//" not in style.text  # nothing is fetched from elsewhere


def luminance(colour):
    """Relative luminance, as WCAG 2 defines it."""
    c = np.asarray(colour) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]


def contrast(one, other):
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def rgb(name, look):
    code = COLOURS[name][look]
    assert set(code[1:]) <= set(string.hexdigits)
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)])


@pytest.mark.parametrize("look", [1, 2])
@pytest.mark.parametrize("name", ["ink", "muted", "training", "validation"])
def test_words_can_be_read_on_the_ground(name, look):
    assert contrast(rgb(name, look), rgb("ground", look)) >= 4.5


@pytest.mark.parametrize("look", [1, 2])
def test_numbers_can_be_read_on_every_shade(look):
    from handgrad.view.training.matrix import DEEP

    for opacity in np.linspace(0, 1, 101):
        cell = (1 - opacity) * rgb("ground", look) + opacity * rgb("shade", look)
        words = rgb("on-deep" if opacity > DEEP else "on-pale", look)
        assert contrast(cell, words) >= 4.5
