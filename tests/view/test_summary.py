"""What is told of an array: words, statistics, a thumbnail, and how it lies in the page."""

import numpy as np
import pytest
from hypothesis import given, strategies as st

import handgrad as hg
from handgrad.view.recording import record
from handgrad.view.store import Store, means
from handgrad.view.summary import LEVELS, SIDE, as_grid, short, summary, thumb

rng = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0, "0"),
        (-0.0, "0"),
        (100, "100"),
        (2, "2"),
        (1.1631814594485623, "1.163"),
        (-0.38438805, "−0.3844"),
        (1234567.0, "1.235×10⁶"),
        (99999, "99,999"),
        (-123456, "−123,456"),
        (12345.6, "12,346"),
        (999_999.9, "1,000,000"),
        (0.00001234567, "1.235×10⁻⁵"),
        (1e-300, "1×10⁻³⁰⁰"),
        (float("nan"), "nan"),
        (float("inf"), "∞"),
        (-float("inf"), "−∞"),
    ],
)
def test_numbers_in_words(value, words):
    assert short(value) == words


@given(st.floats(-1e307, 1e307))
def test_four_digits_are_right(value):
    mantissa, _, power = short(value).replace("−", "-").replace(",", "").partition("×10")
    exponent = int(power.translate(str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")) or 0)
    assert float(f"{mantissa}e{exponent}") == pytest.approx(value, rel=5.001e-4, abs=0)


@pytest.mark.parametrize(
    ("x", "lines"),
    [
        (100, ("100",)),
        (np.float32(0.5), ("0.5",)),
        (np.array([[3.0]]), ("3",)),
        (np.array([0.25, -1.0, 2.0]), ("[0.25, −1, 2]",)),
        (np.arange(4.0), ("4 numbers", "0 … 3", "mean 1.5")),
        (np.full((2, 3), 7.0), ("2 × 3", "7")),
        (np.zeros((0, 3)), ("0 × 3", "empty")),
        (np.array([[1.0, np.nan], [np.inf, 0.0]]), ("2 × 2", "1 is ∞, 1 is nan", "else 0 … 1")),
        (np.array([True, False]), ("[1, 0]",)),
        (np.arange(6).reshape(1, 2, 3), ("1 × 2 × 3", "0 … 5", "mean 2.5")),
    ],
)
def test_what_stands_at_an_edge(x, lines):
    assert summary(x).lines == lines


@pytest.mark.parametrize("shape", [(7,), (3, 4), (40, 50), (2, 3, 5, 6), (1, 1)])
def test_statistics(shape):
    x = rng.standard_normal(shape)
    x.flat[0] = 0
    told = summary(x)
    assert (told.low, told.mean, told.high) == pytest.approx((x.min(), x.mean(), x.max()))
    assert told.norm == pytest.approx(np.linalg.norm(x.ravel()))
    assert told.zeros == pytest.approx(1 / x.size)
    assert told.shape == shape
    assert told.dtype == "float64"


def test_statistics_of_what_is_finite():
    told = summary(np.array([np.nan, 1.0, 3.0, np.inf, -np.inf]))
    assert (told.low, told.mean, told.high) == (1, 2, 3)
    assert told.not_finite == "1 is ∞, 1 is −∞, 1 is nan"
    assert told.words == "5, 1 is ∞, 1 is −∞, 1 is nan, else from 1 to 3, mean 2"
    assert np.isnan(summary(np.array([np.nan, np.nan])).low)


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(0.5, 2, "0.5 … 2"), (0.12312, 0.12349, "0.1231 … 0.1235"), (1, 1 + 1e-9, "1"), (7, 7, "7")],
)
def test_a_range_has_two_ends(low, high, words):
    assert summary(np.array([low, high, low, high])).text == words


def test_infinities_are_counted():
    told = summary(np.full((4, 2), -np.inf))
    assert told.lines == ("4 × 2", "8 are −∞")
    assert told.words == "4 × 2, 8 are −∞"


def test_statistics_do_not_overflow():
    told = summary(np.array([1.5e308, 1.5e308, 0.0, 0.0]))
    assert (told.mean, told.norm) == (pytest.approx(0.75e308), np.inf)
    assert summary(np.full(4, 1e200)).norm == pytest.approx(2e200)
    assert summary(np.full(4, 1e-200)).norm == pytest.approx(2e-200)


def test_labels_are_listed_without_a_picture_or_a_mean():
    told = summary(np.array([6, 1, 4, 0, 9, 9]), is_labels=True)
    assert told.lines == ("6 numbers", "6, 1, 4, 0, 9, …")
    assert told.words == "6, 6, 1, 4, 0, 9, …"
    assert told.thumb is None
    assert summary(np.zeros((3, 8, 8), int), is_labels=True).thumb.levels.shape == (8, 8), "an image is one"


def test_what_is_zero_up_to_rounding_says_so():
    told = summary(np.array([1e-9, -2e-9, 0.0, 0.0]), is_rounding=True)
    assert told.lines == ("4 numbers", "0 up to rounding")
    assert told.words.startswith("4, 0 up to rounding, from −2×10⁻⁹ to 1×10⁻⁹")
    assert summary(1e-17, is_rounding=True).lines == ("0 up to rounding",)


def test_of_many_matrices_the_first_that_is_not_all_zero_is_drawn():
    """As of the gradient that one step of a loop gives back to all steps' inputs."""
    x = np.zeros((5, 3, 4))
    x[2, 1, 3] = -2.0
    assert thumb(x).levels.tolist() == [[0] * 4, [0, 0, 0, -LEVELS], [0] * 4]
    x[1, 0, 0] = np.nan
    assert thumb(x).levels[0, 0] == -LEVELS - 1
    assert thumb(np.zeros((5, 3, 4))).levels.shape == (3, 4)


def test_a_thumbnail_is_even_about_zero():
    made = thumb(np.array([[-2.0, 0.0, 1.0, np.nan]]))
    assert made.levels.tolist() == [[-LEVELS, 0, round(LEVELS / 2), -LEVELS - 1]]
    assert thumb(np.zeros((2, 2))).levels.tolist() == [[0, 0], [0, 0]]


def test_a_large_array_is_reduced_to_means_of_blocks():
    x = np.arange(2 * SIDE, dtype=float).reshape(1, -1) + np.zeros((2 * SIDE, 1))
    levels = thumb(x).levels
    assert levels.shape == (SIDE, SIDE)
    wanted = (np.arange(SIDE) * 2 + 0.5) * LEVELS / (2 * SIDE - 1)
    np.testing.assert_array_equal(levels[3], np.rint(wanted))


def test_images():
    assert as_grid(rng.random((5, 28, 28)))[1]
    assert as_grid(rng.random((5, 3, 32, 32)))[1]
    grid, is_image = as_grid(rng.random((2, 9, 8, 3)))
    assert (grid.shape, is_image) == ((9, 8), True)
    assert not as_grid(rng.random((6, 6)))[1]
    assert not as_grid(rng.random((2, 16, 4)))[1]
    assert thumb(rng.random((1, 8, 8))).is_image
    assert not thumb(rng.standard_normal((1, 8, 8))).is_image, "negative numbers need the other colours"


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (rng.standard_normal((3, 4)), "f8"),
        (rng.standard_normal((3, 4)).astype(np.float32), "f4"),
        (rng.standard_normal((3, 4)).astype(np.float16), "f4"),
        (np.arange(6), "i4"),
        (np.array([2**40, -1]), "f8"),
        (np.array([2**53 + 1, -1]), "i8"),
        (np.array([2**63], np.uint64), "f8"),
        (np.array([True, False]), "u1"),
        (rng.standard_normal((4, 6)).T, "f8"),
        (rng.standard_normal((4, 6))[::2, ::-1], "f8"),
        (np.broadcast_to(1.5, (3, 2)), "f8"),
        (np.zeros((0, 2)), "f8"),
        (3, "i4"),
        (2.5, "f8"),
    ],
)
def test_stored_exactly(x, kind):
    store = Store(1000)
    store.add(np.ones(3, np.float32))
    stored = store.add(x)
    assert stored.kind == kind
    assert stored.offset % 8 == 0
    found = np.frombuffer(store.bytes(), f"<{kind}", np.size(x), stored.offset)
    np.testing.assert_array_equal(found.reshape(stored.shape), x)
    assert stored.reduction == ""


def test_each_array_is_stored_once():
    store, x = Store(1000), rng.standard_normal((5, 5))
    first = store.add(x)
    size = store.size
    assert store.add(x) is first
    assert store.add(x.view()) is first
    assert store.size == size
    assert store.add(x.T) is not first


def test_the_reduction_is_said():
    x = rng.standard_normal((1000, 300)).astype(np.float32)
    stored = Store(1024).add(x)
    assert np.prod(stored.shape) <= 1024
    assert stored.reduction == f"300,000 numbers, kept as {np.prod(stored.shape):,} means of blocks"
    np.testing.assert_allclose(means(x, 1), [[x.mean(dtype=float)]], rtol=1e-10)


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 4000))
def test_means_keep_the_sum(rows, columns, most):
    x = np.random.default_rng(rows).standard_normal((rows, columns))
    made = means(x, most)
    assert made.size <= max(most, 1)
    rows_of = np.diff(np.append(np.arange(made.shape[0]) * rows // made.shape[0], rows))
    columns_of = np.diff(np.append(np.arange(made.shape[1]) * columns // made.shape[1], columns))
    np.testing.assert_allclose(rows_of @ made @ columns_of, x.sum(), atol=1e-10)


@pytest.mark.parametrize("library", ["torch", "jax"])
def test_half_precision_of_other_libraries(library):
    if library == "torch":
        torch = pytest.importorskip("torch")
        x = torch.tensor([-1.5, 2.0, 0.0, 3.0], dtype=torch.bfloat16)
    else:
        jnp = pytest.importorskip("jax.numpy")
        x = jnp.asarray([-1.5, 2.0, 0.0, 3.0], jnp.bfloat16)
    told = summary(x)
    assert (told.low, told.high, told.zeros) == (-1.5, 3, 0.25)
    assert "bfloat16" in told.dtype
    stored = Store(10).add(x)
    assert stored.kind == "f4"


def test_labels_are_told_by_their_rules():
    """Class indices have no gradient, one-hot rows are a picture, and integers that count have one."""
    x = rng.standard_normal((3, 4))

    def labels(t):
        [found] = [a for a in record(hg.softmax_cross_entropy, x, t).arrays if a.name == "t"]
        return found.is_labels

    assert labels(np.array([3, 0, 1]))
    assert not labels(np.eye(4, dtype=int)[:3])
    assert not labels(np.eye(4)[:3])
    [n] = [a for a in record(lambda x, n: x * n, x, np.array([[1, 2, 3, 4]])).arrays if a.name == "n"]
    assert not n.is_labels
