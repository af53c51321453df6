"""What pictures must not get wrong: arrays mixed up, paths forgotten, rows that are none."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.layers import Layer, mlp
from handgrad.view import show
from handgrad.view.compare import difference
from handgrad.view.equations import fan_out
from handgrad.view.pages import page
from handgrad.view.recording import record
from tests.view.test_pages import content

rng = np.random.default_rng(0)


def numbers_by_name(html, which=0):
    description, numbers = content(html)
    graph = description["graphs"][which]
    return {a["name"]: numbers(graph["summaries"][a["value"]]) for a in graph["arrays"]}


def test_arrays_made_on_the_way_are_not_taken_for_one_another():
    jnp = pytest.importorskip("jax.numpy")
    x = jnp.asarray(rng.standard_normal((20, 50)), jnp.bfloat16)
    graph = record(lambda x: hg.sum(hg.tanh(x) * x + 1.0), x)
    found = numbers_by_name(page(graph))
    for array in graph.arrays:
        np.testing.assert_array_equal(found[array.name], np.asarray(array.value, np.float32))


class Inner(Layer):
    def forward(self, x):
        return x * x


class Outer(Layer):
    def __init__(self, scale):
        self.inner, self.scale = Inner(), scale

    def forward(self, x):
        return hg.sum(self.inner(x) + self.scale * x)


def test_sums_of_paths_beside_one_another_stay_apart():
    x = rng.standard_normal((30, 40))
    first, second = record(Outer(2.0), x), record(Outer(3.0), 2 * x)
    description, numbers = content(page(first, second))
    for graph, factor in zip(description["graphs"], (1, 2), strict=True):
        [array] = [a for a in graph["arrays"] if a["name"] == "x"]
        [partial] = array["partial"].values()
        np.testing.assert_allclose(numbers(graph["summaries"][partial]), 2 * factor * x)


def test_a_page_of_another_librarys_arrays():
    torch = pytest.importorskip("torch")
    x = torch.linspace(-1, 1, 5, dtype=torch.float64)
    found = numbers_by_name(show(lambda x: hg.sum(hg.exp(x)), x).html())
    np.testing.assert_allclose(found["exp"], np.exp(np.linspace(-1, 1, 5)))


def test_a_number_is_only_what_it_was_given_as():
    graph = record(lambda x, n: x**2 + n, 1.5, 2)
    assert [op.label for op in graph.ops] == ["power 2", "+ 2"]


def test_an_output_that_is_used_as_well():
    def f(x):
        h = x * 2.0
        return h, h * h

    graph = record(f, 1.5)
    h = graph.ops[0].outputs[0]
    assert h.is_output
    assert fan_out(h) == ("1 + 3 + 3 = 7",)
    assert [array.dout for array in graph.outputs] == [1, 1]


def test_what_nobody_asked_for_is_no_output():
    graph = record(lambda x: hg.split(x, 2)[0], rng.standard_normal(4))
    assert [array.name for array in graph.outputs] == ["out"]
    assert str(show(lambda x: hg.split(x, 2)[1], np.ones(4), check=0)).count("–") == 1


@pytest.mark.parametrize(
    ("f", "label"),
    [
        (lambda x: 1.0 - x, "1.0 −"),
        (lambda x: x - 1.0, "− 1.0"),
        (lambda x: 2 / x, "2 ÷"),
        (lambda x: x * x, "×"),
    ],
)
def test_operations_read_from_left_to_right(f, label):
    graph = record(f, 0.5)
    assert graph.ops[0].label == label
    assert f">{label}<" in show(f, 0.5, check=0).svg()


def test_rows_are_a_batch_only_where_they_stay_apart():
    W = rng.standard_normal((3, 3))
    assert not any(a.per_example for a in record(lambda W: hg.sum(W.T @ W, axis=0), W).arrays)
    graph = record(lambda W: hg.sum(W.T @ W, axis=0), W, examples=["a", "b", "c"])
    assert [a.name for a in graph.arrays if a.per_example] == ["W"]
    net = mlp([4, 5, 5], batch_norm=True, dropout=0.5, seed=0).train()
    rows = record(net, rng.standard_normal((5, 4))).arrays
    assert {a.name for a in rows if a.per_example} >= {
        "x",
        "reshape",
        "affine",
        "batch_norm",
        "relu",
        "dropout",
    }
    assert not any(a.per_example for a in rows if a.name in ("mean", "var"))


def test_names_of_examples_fit():
    net, x = mlp([4, 2], seed=0), rng.standard_normal((2, 4))
    with pytest.raises(ValueError, match="3 names in examples, and 2 rows in the first input"):
        show(net, x, examples=["a", "b", "c"])
    with pytest.raises(ValueError, match="1 names in examples, and no rows"):
        show(hg.sin, 0.5, examples=["a"])


def test_values_are_those_that_were_recorded():
    x, W = np.ones(3), np.full(3, 2.0)
    y = hg.sum(hg.variable(x) * hg.variable(W, name="W"))
    W[:] = 0.25
    values = {a.name: a.value for a in record(y).arrays}
    np.testing.assert_array_equal(values["multiply"], 2)
    assert values["out"] == 6


def test_complex_numbers_are_refused():
    with pytest.raises(TypeError, match="complex, and that has no gradients here"):
        show(lambda x: hg.sum(x), hg.variable(1.0) * np.array([1 + 2j, 2.0]), check=0).html()


def test_a_backward_that_fails_is_told_of_where_a_notebook_shows_the_value():
    @hg.rule
    def wrong(x):
        def backward(dout):
            return np.ones(7)

        return x * 2, backward

    y = wrong(hg.variable(np.ones(3), name="x"))
    assert "wrong: the gradient of x has shape (7,)" in y._repr_html_()


def test_nested_inputs_are_called_by_their_keys():
    graph = record(
        lambda p: hg.affine(p["x"], p["W"], p["b"]),
        {"x": np.ones((2, 3)), "W": np.ones((3, 2)), "b": np.ones(2)},
    )
    assert [a.name for a in graph.arrays if a.maker is None] == ["p['x']", "p['W']", "p['b']"]


def test_other_endings_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"\.png: the name ends in \.html for the page or in \.svg"):
        show(hg.sin, 0.5, check=0).save(tmp_path / "x.png")


def test_a_rule_without_formulas_has_its_numbers():
    @hg.rule
    def plain(x):
        return x * 3, lambda dout: dout * 3

    [found] = content(page(record(plain, 2)))[0]["graphs"]
    assert found["ops"][0]["plugged"] == {"forward": [], "backward": []}
    assert found["ops"][0]["says"] == "plain(2) = 6"


def test_a_checker_that_fails_costs_no_picture(monkeypatch):
    monkeypatch.setattr("handgrad.checking.check", lambda *args, **options: 1 / 0)
    graph = record(hg.sin, 0.5, check=1.0)
    assert graph.ops[0].verdict.text.startswith("not checked: ZeroDivisionError")


def test_differences_where_numbers_are_not_finite():
    x = np.array([1.0, np.inf, np.nan, -2.0])
    assert difference(x, x.copy()) == 0
    assert difference(x, np.array([1.0, np.inf, np.nan, -1.0])) == 0.5
    assert difference(x, np.array([1.0, -np.inf, np.nan, -2.0])) == 1
    assert difference(x, np.array([1.0, np.inf, 0.0, -2.0])) == 1


def test_a_notebook_tells_infinities_by_count():
    with np.errstate(all="ignore"):
        shown = hg.log(hg.variable(np.zeros((4, 2)), name="x"))._repr_html_()
    assert "8 are −∞" in shown
    assert "mean nan" not in shown
