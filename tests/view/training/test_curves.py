import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from handgrad.view import curves
from tests.view.reading import assert_apart, assert_within, axes, dots, every, parsed, said, strokes

HALF = 480  # the loss is drawn to the left of it, the accuracy to the right
NAN, INF = math.nan, math.inf


def records(n, loss, validation_loss=None, accuracy=None, validation_accuracy=None):
    """Metrics of n epochs from arrays or functions of the epoch."""
    given = {
        "loss": loss,
        "validation_loss": validation_loss,
        "accuracy": accuracy,
        "validation_accuracy": validation_accuracy,
    }
    epochs = np.arange(1, n + 1)
    columns = {key: f(epochs) if callable(f) else f for key, f in given.items() if f is not None}
    return [
        {"epoch": e + 1, "seconds": 0.2, "learning_rate": 1e-3}
        | {key: column[e] if column[e] is None else float(column[e]) for key, column in columns.items()}
        for e in range(n)
    ]


def falling(n, decades=1.0):
    """A run like most: both losses fall, both accuracies rise."""
    noise = np.random.default_rng(0).normal(size=(4, n)) * 0.02
    return records(
        n,
        lambda e: 2.3 * 10 ** (-decades * e / n) * np.exp(noise[0]),
        lambda e: 2.3 * 10 ** (-decades * e / n) * np.exp(noise[1]) + 0.05,
        lambda e: 0.95 - 0.5 / e + noise[2] * 0.1,
        lambda e: 0.93 - 0.5 / e + noise[3] * 0.1,
    )


def test_the_marks_are_at_the_values():
    metrics = falling(12)
    root = parsed(curves(metrics, "digits"))
    for left, right, key, factor in ((0, HALF, "loss", 1), (HALF, 1e9, "accuracy", 100)):
        x, y = axes(root, left, right)
        for name, prefix in (("training", ""), ("validation", "validation_")):
            wanted = np.array([factor * m[prefix + key] for m in metrics])
            (line,) = strokes(root, name, left, right)
            for points in (line, dots(root, name, left, right)):
                np.testing.assert_allclose(x(points[:, 0]), np.arange(1, 13), atol=0.01)
                np.testing.assert_allclose(y(points[:, 1]), wanted, atol=1e-3 * np.ptp(wanted))


def test_a_loss_that_falls_far_is_drawn_on_a_log_scale():
    metrics = falling(30, decades=4)
    for m in metrics:
        m["validation_loss"] -= 0.05
    root = parsed(curves(metrics, "far"))
    assert "Losslog scale" in said(root)
    _, y = axes(root, 0, HALF, log=True)
    (line,) = strokes(root, "validation", 0, HALF)
    np.testing.assert_allclose(y(line[:, 1]), [m["validation_loss"] for m in metrics], rtol=0.003)


@pytest.mark.parametrize(("ratio", "log"), [(30, False), (34, True), (1e6, True)])
def test_the_log_scale_begins_beyond_a_decade_and_a_half(ratio, log):
    root = parsed(curves(records(2, [ratio, 1.0]), "x"))
    assert ("Losslog scale" in said(root)) == log


def test_a_loss_that_reaches_zero_is_drawn_on_a_linear_scale():
    """No log scale can show it, and leaving it out would be a lie."""
    root = parsed(curves(records(4, [100.0, 1.0, 0.01, 0.0]), "x"))
    assert "Loss" in said(root)
    _, y = axes(root)
    np.testing.assert_allclose(y(dots(root, "training")[:, 1]), [100, 1, 0.01, 0], atol=0.05)


def test_the_best_validation_value_is_ringed_and_told():
    loss, accuracy = [0.9, 0.4123, 0.5, 0.6], [0.5, 0.6, 0.91234, 0.9]
    root = parsed(curves(records(4, loss, loss, accuracy, accuracy), "x"))
    assert "best validation 0.412, epoch 2" in said(root)
    assert "best validation 91.23 %, epoch 3" in said(root)
    rings = dots(root, "validation-line")
    for left, right, epoch, best in ((0, HALF, 2, 0.4123), (HALF, 1e9, 3, 91.234)):
        x, y = axes(root, left, right)
        ring = max((r for r in rings if left <= r[0] < right), key=lambda r: r[0])
        assert x(ring[0]) == pytest.approx(epoch, abs=0.01)
        assert y(ring[1]) == pytest.approx(best, rel=1e-3)
    assert "best validation loss 0.412 at epoch 2" in root.get("aria-label")


def test_line_ends_are_labelled_with_their_last_values():
    root = parsed(curves(falling(9), "x"))
    last = falling(9)[-1]
    for name, prefix in (("training", ""), ("validation", "validation_")):
        labels = [e.text for e in every(root, "text", class_=name)]
        assert labels[0::2] == [name, name]
        assert float(labels[1]) == pytest.approx(last[prefix + "loss"], rel=0.005)
        assert float(labels[3].removesuffix(" %")) == pytest.approx(
            100 * last[prefix + "accuracy"], abs=0.005
        )


def test_for_regression_the_loss_has_the_full_width():
    root = parsed(curves(records(5, [5, 4, 3, 2, 1.5], [5, 4, 3, 2.5, 2]), "x"))
    assert not any("Accuracy" in words for words in said(root))
    assert strokes(root, "training")[0][-1, 0] > 800


def test_without_validation_there_is_one_line_and_no_ring():
    root = parsed(curves(records(5, [5, 4, 3, 2, 1.5], accuracy=[0.1, 0.2, 0.3, 0.4, 0.5]), "x"))
    assert len(strokes(root, "training")) == 2
    assert not strokes(root, "validation")
    assert not every(root, "circle", class_="validation-line")
    assert not any("validation" in words for words in said(root))


@pytest.mark.parametrize("gap", [NAN, INF, -INF, None, "diverged", 1e200])
def test_what_is_not_a_finite_number_is_a_gap(gap):
    metrics = records(8, [8, 7, 6, 5, 4, 3, 2, 1])
    metrics[2]["loss"] = gap
    metrics[4]["loss"] = gap
    root = parsed(curves(metrics, "x"))
    x, y = axes(root)
    first, last = strokes(root, "training")
    np.testing.assert_allclose(y(first[:, 1]), [8, 7], atol=0.01)
    np.testing.assert_allclose(y(last[:, 1]), [3, 2, 1], atol=0.01)
    np.testing.assert_allclose(x(dots(root, "training")[:, 0]), [1, 2, 4, 6, 7, 8], atol=0.01)


def test_a_key_that_is_missing_is_a_gap():
    metrics = records(4, [4, 3, 2, 1])
    del metrics[1]["loss"]
    assert len(strokes(parsed(curves(metrics, "x")), "training")) == 1
    assert len(dots(parsed(curves(metrics, "x")), "training")) == 3


def test_a_point_between_two_gaps_is_seen_in_a_long_run_too():
    metrics = records(100, lambda e: 1 / e)
    metrics[49]["loss"] = metrics[51]["loss"] = NAN
    root = parsed(curves(metrics, "x"))
    x, _ = axes(root, log=True)
    np.testing.assert_allclose(x(dots(root, "training")[:, 0]), [51, 100], atol=0.1)


def test_validation_is_dashed_but_not_where_dashes_would_look_like_gaps_or_noise():
    def dashed(metrics):
        paths = every(parsed(curves(metrics, "x")), "path")
        return {(p.get("class"), p.get("stroke-dasharray") is not None) for p in paths}

    training = ("training-line", False)
    assert dashed(falling(20)) == {training, ("validation-line", True)}
    assert dashed(falling(500)) == {training, ("validation-line", False)}
    broken = falling(20)
    broken[9] |= {"validation_loss": NAN, "validation_accuracy": NAN}
    assert dashed(broken) == {training, ("validation-line", False)}


def test_an_axis_of_losses_goes_below_zero_only_if_they_do():
    for lowest, negative in ((0.12, False), (-0.5, True)):
        root = parsed(curves(records(5, [3, 2, 1, 0.5, lowest]), "x"))
        floor = axes(root)[1](max(float(e.get("y1")) for e in every(root, "line", class_="axis")))
        assert (floor < -1e-3) == negative


def test_a_line_that_ends_early_says_where():
    metrics = falling(20)
    for m in metrics[13:]:
        m["validation_loss"] = NAN
    root = parsed(curves(metrics, "x"))
    assert said(root).count("epoch 13") == 1
    assert_apart(root)


def test_one_epoch_is_a_point():
    root = parsed(curves(falling(1), "x"))
    x, y = (axes(root, 0, HALF)[1], axes(root, HALF)[1])
    assert not every(root, "path")
    assert len(dots(root, "training")) == 2
    assert x(dots(root, "training", 0, HALF)[0, 1]) == pytest.approx(falling(1)[0]["loss"], rel=1e-3)
    assert y(dots(root, "validation", HALF)[0, 1]) == pytest.approx(43, abs=0.5)
    assert said(root).count("1") == 2  # the only epoch on each axis


def test_epochs_are_whole_numbers():
    for n in (2, 3, 4, 7):
        labels = [e.text for e in every(parsed(curves(falling(n), "x")), "text", text_anchor="middle")]
        assert {"epoch", "1", str(n - n % 2)} <= set(labels) <= {"epoch", *map(str, range(1, n + 1))}


def test_a_constant_loss_is_a_level_line_with_room_around_it():
    root = parsed(curves(records(9, lambda e: 0 * e + 0.693147, lambda e: 0 * e), "x"))
    _, y = axes(root)
    (line,) = strokes(root, "training")
    assert len(set(line[:, 1])) == 1
    assert y(line[0, 1]) == pytest.approx(0.693, abs=0.001)
    only = parsed(curves(records(9, lambda e: 0 * e), "zero"))
    np.testing.assert_allclose(axes(only)[1](strokes(only, "training")[0][:, 1]), 0, atol=1e-9)


def test_accuracy_stays_below_a_hundred_percent():
    root = parsed(curves(records(5, [1] * 5, accuracy=[0.9, 1, 1, 1, 1]), "x"))
    _, y = axes(root, HALF)
    top = min(p[1] for p in dots(root, "training", HALF))
    assert y(top) == pytest.approx(100)
    assert all(float(e.get("y1")) >= top - 1e-9 for e in every(root, "line", class_="grid"))


def test_ten_thousand_epochs_keep_their_extremes_and_stay_small():
    loss = np.random.default_rng(1).uniform(1, 3, 10_000)
    loss[1234], loss[8765] = 20.0, 0.9
    picture = curves(records(10_000, loss), "long")
    assert len(picture) < 100_000
    root = parsed(picture)
    x, y = axes(root)
    (line,) = strokes(root, "training")
    highest, lowest = line[line[:, 1].argmin()], line[line[:, 1].argmax()]
    assert (x(highest[0]), y(highest[1])) == (pytest.approx(1235, abs=1), pytest.approx(20, abs=0.01))
    assert (x(lowest[0]), y(lowest[1])) == (pytest.approx(8766, abs=1), pytest.approx(0.9, abs=0.01))
    assert (np.diff(line[:, 0]) >= 0).all()
    assert x(line[[0, -1], 0]) == pytest.approx([1, 10_000], abs=0.5)


def test_titles_are_escaped_and_shortened():
    title = "<script>alert(1)</script> & " + 30 * "long "
    picture = curves(falling(3), title)
    assert "<script" not in picture
    root = parsed(picture)
    (heading,) = every(root, "text", font_size="18")
    assert heading.text.startswith("<script>alert(1)</script> & long")
    assert heading.text.endswith("…")
    assert next(iter(heading)).text == title
    assert root[0].text == title


def test_nothing_is_drawn_of_nothing_and_it_is_said():
    for metrics in ([], [{"epoch": 1, "loss": NAN}], [{}]):
        root = parsed(curves(metrics, "x"))
        assert "nothing finite to draw" in said(root)
        assert not every(root, "circle")
        assert "Nothing to draw" in root.get("aria-label")


UGLY = {
    "one": falling(1),
    "three": falling(3),
    "twenty": falling(20),
    "five hundred": falling(500),
    "four decades": falling(200, decades=4),
    "equal ends": records(9, [1] * 9, [1] * 9, [0.5] * 9, [0.5] * 9),
    "tiny": records(9, lambda e: 1e-9 / e, lambda e: 1.1e-9 / e),
    "hundreds of decades": records(9, lambda e: 10.0 ** (-15 * e)),
    "huge": records(9, lambda e: 3.3e12 / e, lambda e: 3.4e12 / e),
    "negative": records(9, lambda e: -1234.5 * e, lambda e: -1234.0 * e),
    "smallest": records(3, [5e-324, 1e-320, 0.0]),
    "perfect": records(9, lambda e: 0 * e, lambda e: 0 * e, lambda e: 0 * e + 1, lambda e: 0 * e + 1),
}


@pytest.mark.parametrize("metrics", UGLY.values(), ids=UGLY)
def test_no_words_overlap_and_nothing_is_cut_off(metrics):
    root = parsed(curves(metrics, "A title: with so many epochs"))
    assert_within(root)
    assert_apart(root)


VALUES = st.one_of(st.floats(), st.none(), st.floats(0, 1), st.integers(-9, 9))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.fixed_dictionaries(
            {}, optional=dict.fromkeys(("loss", "validation_loss", "accuracy", "validation_accuracy"), VALUES)
        ),
        max_size=12,
    )
)
def test_whatever_the_numbers_there_is_a_picture_and_all_is_in_it(metrics):
    root = parsed(curves([m | {"epoch": i + 1} for i, m in enumerate(metrics)], "x"))
    assert_within(root)
    assert_apart(root)


def test_the_same_metrics_give_the_same_picture_and_stay_as_they_were():
    metrics = falling(5)
    before = [dict(m) for m in metrics]
    assert curves(metrics, "x") == curves(metrics, "x")
    assert metrics == before
