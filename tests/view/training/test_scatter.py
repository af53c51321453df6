import numpy as np
import pytest

from handgrad.view import scatter
from tests.view.reading import assert_apart, assert_within, at, axes, dots, every, parsed, said


def pairs(n, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    t = rng.normal(10, 5, n) * spread
    return t + rng.normal(0, 2, n) * spread, t


def test_the_points_are_at_true_and_predicted():
    p, t = pairs(50)
    root = parsed(scatter(p, t, "x"))
    x, y = axes(root)
    points = dots(root, "training")
    np.testing.assert_allclose(x(points[:, 0]), t, atol=0.01)
    np.testing.assert_allclose(y(points[:, 1]), p, atol=0.01)


def test_the_diagonal_is_where_both_are_equal():
    root = parsed(scatter(*pairs(50), "x"))
    x, y = axes(root)
    (diagonal,) = every(root, "line", class_="axis", stroke_width="1.5")
    x1, y1, x2, y2 = at(diagonal, "x1", "y1", "x2", "y2")
    np.testing.assert_allclose([x(x1), x(x2)], [y(y1), y(y2)], atol=0.02)
    assert x2 - x1 == pytest.approx(y1 - y2, abs=0.02)  # equal scales: 45 degrees


def test_r2_and_rmse_are_those_of_all_points():
    p, t = pairs(5000)
    (note,) = [words for words in said(parsed(scatter(p, t, "x"))) if words.startswith("R²")]
    r2, rmse, drawn = note.split(" · ")
    assert float(r2.split()[1]) == pytest.approx(
        1 - np.sum((p - t) ** 2) / np.sum((t - t.mean()) ** 2), abs=0.0005
    )
    assert float(rmse.split()[1]) == pytest.approx(np.sqrt(np.mean((p - t) ** 2)), rel=0.005)
    assert drawn == "2,000 of 5,000 points drawn"


def test_r2_of_several_outputs_measures_each_by_its_own_mean():
    t = np.array([[0.0, 100.0], [2.0, 102.0], [4.0, 104.0]])
    p = t + np.array([[1.0, 0.0], [0.0, -1.0], [0.0, 1.0]])
    assert any(words.startswith("R² 0.812 ") for words in said(parsed(scatter(p, t, "x"))))  # 1 - 3/16


def test_of_many_points_always_the_same_are_drawn():
    p, t = pairs(2001)
    root = parsed(scatter(p, t, "x"))
    assert scatter(p, t, "x") == scatter(p, t, "x")
    points = dots(root, "training")
    assert len(points) == 2000
    x, _ = axes(root)
    assert np.abs(x(points[:, 0])[:, None] - t).min(axis=1).max() < 0.02
    whole = scatter(p[:2000], t[:2000], "x")
    assert len(dots(parsed(whole), "training")) == 2000
    assert "drawn" not in whole


def test_what_is_not_finite_is_left_out_and_counted():
    p, t = pairs(40)
    p[3], t[5], p[7] = np.nan, np.inf, -np.inf
    root = parsed(scatter(p, t, "x"))
    assert len(dots(root, "training")) == 37
    assert any("3 not finite, left out" in words for words in said(root))
    whole = np.isfinite(p) & np.isfinite(t)
    rmse = np.sqrt(np.mean((p - t)[whole] ** 2))
    assert any(f"RMSE {rmse:.2f}" in words for words in said(root))


@pytest.mark.parametrize("values", [[], [np.nan]])
def test_nothing_is_drawn_of_nothing_and_it_is_said(values):
    root = parsed(scatter(values, values, "x"))
    assert any("nothing finite to draw" in words for words in said(root))
    assert not every(root, "circle")


def test_a_constant_target_has_no_r2():
    root = parsed(scatter([3.0, 3.0], [3.0, 3.0], "x"))
    assert "R² undefined · RMSE 0" in said(root)
    x, y = axes(root)
    (point, _) = dots(root, "training")
    assert (x(point[0]), y(point[1])) == (pytest.approx(3), pytest.approx(3))


@pytest.mark.parametrize("spread", [1e-9, 1e-3, 1.0, 1e5, 1e12, -1.0])
def test_no_words_overlap_and_nothing_is_cut_off(spread):
    root = parsed(scatter(*pairs(300, spread), "A title that tells what this is"))
    assert_within(root)
    assert_apart(root)


def test_one_column_is_as_good_as_none():
    p, t = pairs(9)
    assert scatter(p[:, None], t, "x") == scatter(p, t, "x")


def test_unequal_shapes_are_refused():
    with pytest.raises(ValueError, match="equal shapes"):
        scatter(np.ones(3), np.ones(4), "x")
