"""What is told apart in how code is called, what is refused, and whose fault is told."""

import numpy as np
import pytest

from handgrad.checking import check, checker, hazards
from handgrad.checking.forms.calling import plan
from handgrad.cli import main

RNG = np.random.default_rng(3)
X = RNG.normal(size=(4, 3))


class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return 2 * self.x * dout


class Tripled(Square):
    def backward(self, dout):
        return 3 * self.x * dout


@pytest.mark.parametrize(
    ("wanted", "parts", "returned", "takes", "outs"),
    [
        ("dout", 1, [None], "dout0", (0,)),
        ("x dout", 1, ["out"], "input0 dout0", (0,)),
        ("dout cache", 2, ["out", "cache"], "dout0 part1", (0,)),
        ("cache dout", 2, [None, None], "cache0 dout0", (0,)),
        ("upstream saved", 3, [None] * 3, "dout0 cache0", (0,)),
        ("dh dc cache", 3, ["h_next", "c_next", "cache"], "dout0 dout1 part2", (0, 1)),
        ("dout x W mean", 2, ["out", "mean"], "dout0 input0 input1 part1", (0,)),
        ("accum_grad node", 1, [None], "dout0 node0", (0,)),
        ("x W", 1, ["loss"], "input0 input1", (0,)),
        ("dy rate momentum", 1, [None], None, None),
    ],
)
def test_a_plan_by_names(wanted, parts, returned, takes, outs):
    found = plan(wanted.split(), ["x", "W"], [X] * parts, returned)
    if takes is None:
        assert found is None
        return
    assert " ".join(f"{kind}{n}" for kind, n in found.takes) == takes
    assert found.outs == outs


def test_what_a_backward_takes_beside_dout_may_be_an_option():
    class Step(Square):
        def backward(self, dout, rate):
            return rate * 2 * self.x * dout

    with pytest.raises(TypeError, match=r"Step.backward\(dout, rate\)"):
        check(Step(), X)
    assert check(Step(), X, options={"rate": 1.0}).ok
    assert check((lambda x: x * x, lambda dout, x, rate: 2 * x * dout * rate), X, options={"rate": 1.0}).ok


def test_what_has_no_forward_is_refused_with_what_it_has():
    class Odd:
        def ahead(self, x):
            return x

        def go_back(self, dout):
            return dout

    with pytest.raises(TypeError, match=r"an Odd with ahead, go_back; .* methods=\('ahead', 'go_back'\)"):
        check(Odd(), X)
    assert check(Odd(), X, methods=("ahead", "go_back")).ok


def test_caches_declared_before_parameters():
    class Affine:
        def __init__(self, n, m):
            self.x = None
            self.W, self.b = RNG.normal(size=(n, m)), RNG.normal(size=m)

        def forward(self, x):
            self.x = x
            return x @ self.W + self.b

        def backward(self, dout):
            self.dW, self.db = self.x.T @ dout, dout.sum(axis=0)
            return dout @ self.W.T

    report = check([Affine(3, 6), Affine(6, 5), Affine(5, 4)], X)
    assert report.ok, str(report)
    assert len(report.inputs) == 7


def test_more_arrays_than_are_looked_at_one_by_one():
    """One of them moves nothing, so a complex step by it alone gives nothing complex."""

    class Sum:
        def __init__(self):
            self.parameters = {f"W{i}": RNG.normal(size=3) for i in range(9)}
            self.gradients = {}

        def forward(self, x):
            self.x = x
            weights = [W for name, W in self.parameters.items() if name != "W4"]
            self.total = sum(weights)
            return x * self.total

        def backward(self, dout):
            for name, W in self.parameters.items():
                dW = np.zeros_like(W)
                dW += 0 if name == "W4" else (dout * self.x).sum(axis=0)
                self.gradients[name] = dW
            return dout * self.total

    report = check(Sum(), X)
    assert report.ok, str(report)
    assert len(report.inputs) == 10


def test_what_the_forward_saved_is_written_into():
    class Largest:
        def forward(self, x):
            self.shape, self.places = x.shape, x.argmax(axis=1)
            return x.max(axis=1)

        def backward(self, dout):
            self.places += np.arange(len(dout)) * self.shape[1]
            dx = np.zeros(self.shape)
            dx.ravel()[self.places] = dout
            return dx

    report = check(Largest(), X)
    assert report.ok is False
    assert report.causes[0].kind == "mutates"
    assert "self.places" in str(report)


def test_a_gradient_of_nan_where_there_is_a_kink():
    def norms(x):
        out = np.sqrt(np.sum(x * x, axis=1))
        return out, lambda dout: x / out[:, None] * dout[:, None]

    x = X.copy()
    x[1] = 0
    with np.errstate(all="ignore"):
        report = check(norms, x)
    assert report.ok is False
    assert "nan at x[1, 0]" in " ".join(str(report).split())


def failing(*args):
    raise ZeroDivisionError("of ours")


def test_a_fault_in_the_search_for_causes_is_told_as_ours(monkeypatch):
    monkeypatch.setattr(checker, "causes_of", failing)
    report = check(Tripled(), X)
    assert report.ok is False
    assert "handgrad's fault, not yours" in " ".join(str(report).split())


def test_a_fault_in_a_hazard_leaves_the_others(monkeypatch):
    monkeypatch.setattr(hazards, "dtypes", failing)
    report = check(Square(), X)
    assert report.ok
    assert any("of ours" in note for note in report.notes)


def test_jax_functions_of_numpys_arrays_are_jaxs():
    jnp = pytest.importorskip("jax.numpy")
    report = check(lambda x: jnp.sum(jnp.tanh(x) * x), X)
    assert report.ok
    assert report.whose.startswith("JAX's own")


# From the shell.


FILE = """
import numpy as np


def scale_forward(x):
    return 2 * x, ()


def scale_backward(dout, cache):
    return 3 * dout


class Scale:
    def ahead(self, x):
        return 2 * x

    def astern(self, dout):
        return 2 * dout
"""


def test_half_of_a_pair_is_checked_with_the_other(tmp_path, capsys):
    file = tmp_path / "scale.py"
    file.write_text(FILE)
    assert main(["check", f"{file}:scale_forward", "--inputs", "(2, 3)"]) == 1
    assert "checked: scale_backward" in capsys.readouterr().out


def test_methods_are_named(tmp_path, capsys):
    file = tmp_path / "scaled.py"
    file.write_text(FILE)
    assert main(["check", f"{file}:Scale()", "--inputs", "(2, 3)", "--methods", "ahead,astern"]) == 0
    assert "checked: Scale.astern" in capsys.readouterr().out


def test_a_file_of_a_package_imports_its_package(tmp_path, capsys):
    inner = tmp_path / "somebodys" / "layers"
    inner.mkdir(parents=True)
    for folder in (inner.parent, inner):
        (folder / "__init__.py").write_text("")
    (inner / "numbers_of.py").write_text("TWO = 2\n")
    file = inner / "scaling.py"
    file.write_text("from somebodys.layers.numbers_of import TWO\n" + FILE.replace("3 *", "TWO *"))
    assert main(["check", f"{file}:scale_forward", "--inputs", "(2, 3)"]) == 0
