"""The report's page and its parts: what is drawn is what was given, and nothing comes from elsewhere."""

import base64
import re
import zlib
from html import unescape

import numpy as np
import pytest

from handgrad.view.images import is_image, upright
from handgrad.view.pages import script_hash
from handgrad.view.training.lines import apart
from handgrad.view.training.norms import findings, layer_norms, norm_chart, parameter_norms
from handgrad.view.training.pixels import diverging, photograph
from handgrad.view.training.report import Example, examples, norms, picture, report, section
from handgrad.view.training.weights import by_norm, heat_map, tiles
from tests.view.reading import assert_apart, assert_within, axes, dots, every, parsed, said, strokes

HOSTILE = "<script>alert('&\"')</script>\x00"
NAMES = {"1": "Affine(4, 8)", "3": "Affine(8, 3)"}


def records(**norms_by_parameter):
    """One record an epoch; ``W1`` stands for the parameter ``1.W``."""
    columns = {f"gradient_norm.{name[1:]}.{name[0]}": v for name, v in norms_by_parameter.items()}
    epochs = len(next(iter(columns.values())))
    return [{"epoch": e + 1, **{key: float(v[e]) for key, v in columns.items()}} for e in range(epochs)]


def parameters_of(given):
    return parameter_norms(given, "gradient_norm.")


def layers_of(given, names):
    return layer_norms(given, parameters_of(given), names)


def pixels(address):
    """The levels of a picture that is in an address."""
    data = base64.b64decode(address.removeprefix("data:image/png;base64,"))
    width, height = (int.from_bytes(data[i : i + 4]) for i in (16, 20))
    channels = {3: 1, 2: 3}[data[25]]
    packed = data[data.index(b"IDAT") + 4 :]
    rows = np.frombuffer(zlib.decompressobj().decompress(packed), np.uint8).reshape(height, -1)
    return rows[:, 1:].reshape(height, width, channels).astype(int)


# Gradient norms.


def test_a_line_is_at_the_norms_of_its_layer():
    given = records(W1=[3.0, 0.3, 0.03], b1=[4.0, 0.4, 0.04], W3=[1.0, 2.0, 1.0])
    layers = layers_of(given, NAMES)
    np.testing.assert_allclose(layers[0].norms, [5, 0.5, 0.05])
    root = parsed(norm_chart(layers, "Norms"))
    x, y = axes(root, log=True)
    for i, layer in enumerate(layers):
        (line,) = strokes(root, f"depth-{i}-2")
        np.testing.assert_allclose(x(line[:, 0]), [1, 2, 3], atol=0.01)
        np.testing.assert_allclose(y(line[:, 1]), layer.norms, rtol=1e-2)
        assert len(dots(root, f"depth-{i}-2")) == 3
    assert {"1 Affine(4, 8)", "3 Affine(8, 3)", "0.0500", "1.00"} <= set(said(root))


@pytest.mark.parametrize("layers", [1, 2, 9, 30])
@pytest.mark.parametrize("epochs", [1, 2, 60, 700])
def test_labels_keep_apart(layers, epochs):
    rng = np.random.default_rng(0)
    given = [
        {"epoch": e + 1, **{f"gradient_norm.{i}.W": float(rng.lognormal()) for i in range(layers)}}
        for e in range(epochs)
    ]
    names = {str(i): "Affine(1000, 1000)" for i in range(layers)}
    root = parsed(norm_chart(layers_of(given, names), "Norms"))
    assert_within(root)
    assert_apart(root)
    assert len(every(root, "text", font_weight="600")) == layers + 1


def test_what_is_not_finite_or_zero_is_a_gap():
    given = records(W1=[1.0, np.nan, 0.0, 1.0, 2.0], W3=[0.0] * 5)
    root = parsed(norm_chart(layers_of(given, NAMES), "Norms"))
    assert [len(run) for run in strokes(root, "depth-0-2")] == [2]
    assert not strokes(root, "depth-1-2")
    assert "nothing to draw" in said(parsed(norm_chart(layers_of(records(W1=[0.0]), {}), "Norms")))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"W1": [1, 0.5], "W3": [2, 1]}, "the largest layer's norm is 1.00, 2.00 times the smallest's."),
        ({"W1": [1, 0.5]}, "The gradient neither vanishes nor explodes; its norm ends at 0.500."),
        ({"W1": [1e-5, 1], "W3": [1, 1]}, "1 Affine(4, 8) vanishes in 1 of 2 epochs"),
        ({"W1": [1, 1], "W3": [1, 250]}, "3 Affine(8, 3) explodes: the norm of its gradient reaches 250 at"),
        ({"W1": [1, np.inf], "W3": [1, 1]}, "1 Affine(4, 8) explodes: its gradient is not finite at"),
        ({"W1": [0, 0], "W3": [1, 1]}, "1 Affine(4, 8) gets no gradient: it is 0 at every epoch."),
        ({"W1": [1, 1], "W3": [np.inf, np.inf]}, "3 Affine(8, 3) explodes: its gradient is not finite at"),
        ({"W1": [0, 0]}, "gets no gradient"),
        ({"W1": [1, 0], "W3": [1, 0]}, "No layer's gradient vanishes or explodes."),
    ],
)  # fmt: skip
def test_layers_that_vanish_or_explode_are_named(given, said):
    (found,) = findings(layers_of(records(**given), NAMES))
    assert said in found


def test_a_bias_that_a_batch_norm_cancels_is_no_vanishing_layer():
    assert "No layer's" in findings(layers_of(records(W1=[1.0], b1=[1e-9], W3=[1.0]), NAMES))[0]


def test_epochs_before_measuring_began_are_left_out():
    given = [{"epoch": 1}, *records(W1=[1.0, 2.0], W3=[3.0, 4.0])]
    layers = layers_of(given, NAMES)
    assert np.isnan(layers[0].norms[0])
    assert "No layer's" in findings(layers)[0]
    assert "3.00" in norms(parameters_of(given), layers, "")


def test_null_is_not_finite():
    given = [{"epoch": 1, "gradient_norm.1.W": 1.0}, {"epoch": 2, "gradient_norm.1.W": None}]
    layers = layers_of(given, NAMES)
    assert findings(layers) == ["1 Affine(4, 8) explodes: its gradient is not finite at epoch 2."]
    assert len(dots(parsed(norm_chart(layers, "Norms")), "depth-0-1")) == 1
    row = re.findall("<td[^>]*>(.*?)</td>", norms(parameters_of(given), layers, ""))
    assert row == ["1.W", "1.00", "not finite", "1.00", "not finite"]


def test_labels_move_as_little_as_they_must():
    assert apart([10, 50], 20, 0, 100) == [10, 50]
    assert apart([30, 30], 20, 0, 100) == [20, 40]
    assert apart([50, 0, 52, 54], 10, 0, 100) == [42, 0, 52, 62]
    assert apart([99, 100], 10, 0, 100) == [90, 100]


# Images and weights.


def test_what_is_an_image():
    assert all(map(is_image, [(28, 28), (8, 8), (3, 32, 32), (32, 32, 3), (1, 28, 28)]))
    assert not any(map(is_image, [(784,), (2, 50), (5, 6, 7), (3, 2, 2), (9, 4), (9, 4, 3), ()]))
    assert upright(np.zeros((3, 9, 8))).shape == (9, 8, 3)
    assert upright(np.zeros((9, 8, 4))).shape == (9, 8, 3)
    assert upright(np.zeros((1, 9, 8))).shape == (9, 8)


def test_pictures_hold_their_numbers():
    x = np.linspace(0, 1, 20).reshape(4, 5)
    np.testing.assert_allclose((pixels(photograph(x))[..., 0] - 128) / 127, x, atol=0.005)
    np.testing.assert_allclose((pixels(diverging(x - 0.5, 0.5))[..., 0] - 128) / 254, x - 0.5, atol=0.005)
    colours = np.random.default_rng(0).random((6, 7, 3))
    np.testing.assert_allclose(pixels(photograph(colours)) / 255, colours, atol=0.003)
    assert pixels(photograph(np.zeros((200, 100, 3)))).shape == (64, 64, 3)


def test_a_tile_for_each_unit_the_largest_first():
    W = np.random.default_rng(0).standard_normal((12, 3)) * [1, 3, 2]
    page = tiles(W, (3, 4), ["a", "b", HOSTILE])
    assert re.findall("<figcaption>(.*?)</figcaption>", page)[0] == "b"
    assert list(by_norm(W)) == [1, 2, 0]
    assert "<script" not in page
    assert "\x00" not in page
    first = pixels(re.search(r'src="(data:[^"]*)"', page)[1])[..., 0] - 128
    np.testing.assert_allclose(first / 127 * np.abs(W).max(), W[:, 1].reshape(3, 4), atol=0.02)
    assert page.count("<figure") == 3
    assert tiles(np.zeros((12, 300)), (3, 4), [str(i) for i in range(300)]).count("<figure") == 100


@pytest.mark.parametrize("shape", [(1, 1), (3, 5), (40, 30), (700, 900)])
def test_a_heat_map_names_its_rows(shape):
    W = np.random.default_rng(0).standard_normal(shape)
    names = [f"column {i} of a table with long names" for i in range(shape[0])]
    root = parsed(heat_map(W, names, [str(j) for j in range(shape[1])], "Weights"))
    assert_within(root)
    assert_apart(root)
    (image,) = every(root, "image")
    assert str(by_norm(W)[0]) in said(root)
    levels = pixels(image.get("href"))[..., 0] - 128
    assert levels.shape == (min(shape[0], 200), min(shape[1], 400))
    if shape[0] < 100:
        np.testing.assert_allclose(levels / 127 * np.abs(W).max(), W[:, by_norm(W)], atol=0.02)


# The page.


def example(**changes):
    return Example(
        **{"number": 7, "true": "4", "predicted": "9", "loss": 2.5, "probability": 0.987, **changes}
    )


def test_examples_are_cards_or_rows():
    card = examples([example(image=np.ones((4, 8)))])
    assert all(
        words in card
        for words in ("true <b>4</b>", "98.7 %", "loss 2.50", "example 7", 'width="112" height="56"')
    )
    row = examples([example(values={"height": "1.8", "soil": "clay"})])
    assert re.findall("<th[^>]*>(.*?)</th>", row)[-2:] == ["height", "soil"]
    assert re.findall("<td[^>]*>(.*?)</td>", row) == ["7", "4", "9", "98.7 %", "2.50", "1.8", "clay"]
    assert "and 6 columns more" in examples([example(values={str(i): "" for i in range(30)})])
    wrong = examples([example(probability=None, error="−5")])
    assert '<td class="number">−5</td>' in wrong
    assert "probability" not in wrong


def test_a_wrong_answer_is_never_quite_sure():
    assert "99.9 %" in examples([example(probability=0.99999)])
    assert "100.0 %" in examples([example(probability=1.0)])


def test_every_name_is_escaped():
    shown = [example(true=HOSTILE, predicted=HOSTILE, name=HOSTILE, image=np.ones((4, 4)))]
    rows = [example(true=HOSTILE, values={HOSTILE: HOSTILE})]
    layers = layers_of(records(W1=[1.0, 2.0]), {"1": HOSTILE})
    page = report(
        HOSTILE,
        {HOSTILE: HOSTILE},
        {HOSTILE: HOSTILE},
        [
            section(HOSTILE, HOSTILE, examples(shown), examples(rows)),
            norms(parameters_of(records(W1=[1.0, 2.0])), layers, HOSTILE),
        ],
    )
    assert "<script" not in page
    assert "\x00" not in page
    assert "alert" in unescape(page)


def test_the_page_takes_nothing_from_elsewhere():
    page = report("t", {"loss": "1"}, {"Data": "d"}, [picture("<svg/>"), section("h", "n")])
    assert f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {script_hash()}" in page
    assert not re.search(r"(src|href)=|url\(|@import|https?:", page)
    assert "prefers-color-scheme: dark" in page
    assert "@media print" in page
