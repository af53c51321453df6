import numpy as np
import pytest

from handgrad.view import confusion
from tests.view.reading import SVG, assert_apart, assert_within, at, every, parsed, said, words

IRIS = np.array([[50, 0, 0], [0, 47, 3], [0, 1, 49]])
NAMES = ["setosa", "versicolor", "virginica"]


def some(classes, each=60, seed=0):
    """Counts in which most are right."""
    rng = np.random.default_rng(seed)
    chances = 0.4 * rng.dirichlet(np.full(classes, 0.2), classes) + 0.6 * np.eye(classes)
    return np.stack([rng.multinomial(each, p / p.sum()) for p in chances])


def outlines(root):
    return [at(e, "x", "y", "width", "height") for e in every(root, "rect", class_="outline")]


def cells(root):
    """Each shaded cell with a tooltip, at its place in the grid: {(row, column): element}"""
    left, top, size, _ = outlines(root)[0]
    shaded = [e for e in every(root, "rect", class_="shade") if len(e)]
    places = [((at(e, "y", "x") + at(e, "height", "width") / 2 - (top, left)) // size) for e in shaded]
    return {(int(i), int(j)): e for (i, j), e in zip(places, shaded, strict=True)}


def numbers(root, classes):
    """The counts as they are written in the grid, read by where they stand."""
    left, top, size, _ = outlines(root)[0]
    found = np.full((classes, classes), -1)
    for e in root.iter(SVG + "text"):
        if e.get("class") in ("on-pale", "on-deep", "faint"):
            x, y = at(e, "x", "y")
            found[int((y - 4 - top) // size), int((x - left) // size)] = int(e.text.replace(",", ""))
    return found


@pytest.mark.parametrize("counts", [IRIS, some(2), some(10, 5000)], ids=["3", "2", "10"])
def test_the_numbers_are_the_counts(counts):
    root = parsed(confusion(counts, range(len(counts)), "x"))
    np.testing.assert_array_equal(numbers(root, len(counts)), counts)


@pytest.mark.parametrize("classes", [2, 10, 40, 100])
def test_each_count_has_a_cell_that_tells_it_and_zeros_have_none(classes):
    counts = some(classes)
    found = cells(parsed(confusion(counts, range(classes), "x")))
    assert set(found) == set(map(tuple, np.argwhere(counts)))
    for (i, j), cell in found.items():
        share = 100 * counts[i, j] / counts[i].sum()
        assert cell[0].text == f"true {i}, predicted {j}: {counts[i, j]:,} ({share:.1f} % of the row)"


def test_the_shade_grows_evenly_with_the_share_of_the_row():
    counts = np.array([[100, 0, 0], [20, 30, 50], [1, 0, 9]])
    found = cells(parsed(confusion(counts, "abc", "x")))
    share = {place: counts[place] / counts[place[0]].sum() for place in found}
    for place, cell in found.items():
        assert float(cell.get("fill-opacity")) == pytest.approx(0.1 + 0.9 * share[place], abs=0.006)


def test_the_diagonal_is_outlined():
    found = outlines(parsed(confusion(some(7), range(7), "x")))
    x, y, width, height = np.array(found).T
    np.testing.assert_allclose(x - x[0], np.arange(7) * width, atol=0.05)
    np.testing.assert_allclose(y - y[0], np.arange(7) * height, atol=0.05)


def test_recall_is_at_the_right_and_precision_below():
    root = parsed(confusion(IRIS, NAMES, "iris"))
    left, top, size, _ = outlines(root)[0]
    right, bottom = left + 3 * size, top + 3 * size
    ink = [e for e in every(root, "text", class_="ink") if e.get("font-size") == "12"]
    recall = [float(e.text) for e in ink if float(e.get("x")) > right]
    precision = [float(e.text) for e in ink if float(e.get("y")) > bottom]
    np.testing.assert_allclose(recall, [100, 94, 98], atol=0.05)
    np.testing.assert_allclose(precision, [100, 100 * 47 / 48, 100 * 49 / 52], atol=0.05)
    assert "accuracy 97.33 % · 146 of 150 right" in said(root)
    assert "accuracy 97.33 %" in root.get("aria-label")


def test_with_many_classes_recall_and_precision_are_bars():
    counts = some(100)
    root = parsed(confusion(counts, range(100), "x"))
    bars = [at(e, "width", "height") for e in every(root, "rect", class_="training")]
    assert len(bars) == 200
    recall = np.diagonal(counts) / counts.sum(axis=1)
    precision = np.diagonal(counts) / counts.sum(axis=0)
    np.testing.assert_allclose([w for w, _ in bars[:100]], 40 * recall, atol=0.01)
    np.testing.assert_allclose([h for _, h in bars[100:]], 40 * precision, atol=0.01)
    assert (numbers(root, 100) == -1).all()  # too small to be read


def test_a_class_that_never_occurs_has_no_recall():
    counts = np.array([[3, 1], [0, 0]])
    root = parsed(confusion(counts, "ab", "x"))
    assert said(root).count("–") == 1
    assert said(root).count("0.0") == 1  # the precision of b
    empty = parsed(confusion(0 * counts, "ab", "x"))
    assert said(empty).count("–") == 4
    assert any("nothing predicted" in words for words in said(empty))


def test_both_axes_are_named_and_classes_stand_at_their_rows_and_columns():
    root = parsed(confusion(IRIS, NAMES, "iris"))
    assert {"predicted", "true"} <= set(said(root))
    left, top, size, _ = outlines(root)[0]
    for k, name in enumerate(NAMES):
        row, column = [at(e, "x", "y") for e in every(root, "text") if words(e) == name]
        assert row[0] < left and top + k * size < row[1] < top + (k + 1) * size  # noqa: PT018
        assert column[1] < top and left + k * size < column[0] < left + (k + 1) * size  # noqa: PT018


def test_long_names_are_shortened_with_the_whole_in_the_tooltip():
    names = ["<script>", "a class whose name is sixty characters long, as some people do", "ok & fine"]
    picture = confusion(IRIS, names, "x")
    assert "<script" not in picture
    root = parsed(picture)
    short = [e for e in every(root, "text") if words(e).endswith("…")]
    assert len(short) == 2
    assert all(e[0].text == names[1] and names[1].startswith(words(e)[:-1]) for e in short)
    assert float(root.get("width")) < 600  # names leave the room to the matrix
    assert said(root).count("<script>") == 2
    assert said(root).count("ok & fine") == 2


UGLY = [
    "<script>",
    "a class whose name is sixty characters long, as some people do",
    "日本語のクラス名" * 3,
    "\x00",
    "",
]


@pytest.mark.parametrize(
    ("counts", "names"),
    [
        (some(2), ["benign", "malignant"]),
        (IRIS, NAMES),
        (some(10, 5000), range(10)),
        (some(5), UGLY),
        (np.array([[123_456_789, 1], [0, 98_765]]), ["no", "yes"]),
        (some(26), "abcdefghijklmnopqrstuvwxyz"),
        (some(40), [f"class number {i}" for i in range(40)]),
        (some(100), [f"species {i}" for i in range(100)]),
    ],
    ids=["2", "3", "10", "ugly", "millions", "26", "40", "100"],
)
def test_no_words_overlap_and_nothing_is_cut_off(counts, names):
    root = parsed(confusion(counts, names, "A title that tells what this is"))
    assert_within(root)
    assert_apart(root)


def test_every_number_fits_its_cell():
    for counts in (np.array([[123_456_789, 1], [0, 98_765]]), some(20, 9000), some(26)):
        root = parsed(confusion(counts, range(len(counts)), "x"))
        size = outlines(root)[0][2]
        for e in root.iter(SVG + "text"):
            if e.get("class") in ("on-pale", "on-deep"):
                assert 0.64 * float(e.get("font-size")) * len(e.text) < size
                assert float(e.get("font-size")) >= 7


@pytest.mark.parametrize(("shape", "names"), [((2, 3), "ab"), ((3, 3), "ab"), ((4,), "abcd"), ((0, 0), "")])
def test_counts_that_do_not_fit_the_classes_are_refused(shape, names):
    with pytest.raises(ValueError, match="confusion needs counts"):
        confusion(np.ones(shape, int), names, "x")


def test_long_names_that_begin_alike_are_told_apart():
    names = [f"Eastern black-throated blue-winged warbler, subspecies {i}" for i in range(8)]
    written = said(parsed(confusion(some(8), names, "warblers")))
    shown = {word for word in written if word.startswith("Eastern")}
    assert len(shown) == 8
    assert {word[-1] for word in shown} == set("01234567")
