"""``check_kernel``: right kernels are right, wrong ones are not, and the report says what was seen."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.checking.kernels import IMPRECISE
from handgrad.checking.kinds import Kind

from . import right, wrong
from .references import REFERENCES, inputs_of, softmax
from .right import torch

DTYPES = ("float32", "bfloat16", "float16")
WAYS = ("float32 inside", "each step rounded, blocks of 4")


def checked(kernel, name, dtype, inside=None, seed=0):
    torch.manual_seed(seed)
    wrong.MEMORY.clear()
    inputs = inputs_of(name, np.random.default_rng(seed))
    return hg.check_kernel(
        kernel, REFERENCES[name][0], *inputs, dtype=dtype, inside=inside, arrays="torch", seed=seed
    )


@pytest.mark.parametrize(("number", "name"), list(enumerate(REFERENCES)))
def test_right_kernels_are_right(number, name):
    report = checked(right.implementations(name)[WAYS[number % 2]], name, DTYPES[number % 3], seed=number)
    assert report.ok is True, report
    assert report.points == 5


@pytest.mark.slow
@pytest.mark.parametrize("name", REFERENCES)
@pytest.mark.parametrize("dtype", DTYPES)
def test_right_kernels_are_right_however_they_are_written(name, dtype):
    for way, kernel in right.implementations(name).items():
        report = checked(kernel, name, dtype, seed=7)
        assert report.ok is True, (way, report)


def each_quick(names, every):
    """One in so many in each run, all of them in the slow ones."""
    return [pytest.param(n, marks=[pytest.mark.slow] if i % every else []) for i, n in enumerate(names)]


@pytest.mark.parametrize("name", each_quick(wrong.FAULTS, 8))
def test_wrong_kernels_are_caught(name):
    of, dtype, inside, kernel = wrong.FAULTS[name]
    report = checked(kernel, of, dtype, inside)
    assert report.ok is False
    assert report.causes


@pytest.mark.parametrize("name", sorted(wrong.IMPRECISE))
def test_what_is_not_wrong_but_imprecise_is_told_apart(name):
    of, dtype, _, kernel = wrong.FAULTS[name]
    report = checked(kernel, of, dtype)
    assert report.verdict == IMPRECISE, report
    assert {cause.kind for cause in report.causes} == {Kind.PRECISION}


@pytest.mark.parametrize(
    ("name", "kind", "said"),
    [
        ("zeros for dx", Kind.CONSTANT, "dx is all zeros"),
        ("the mean for each element", Kind.CONSTANT, "out is the constant 0.0269775"),
        ("a copy of dout", Kind.COPY, "dx is a copy of dout"),
        ("ones for dout", Kind.UPSTREAM_IGNORED, "dx is that for dout = 1"),
        ("the answer of the first call", Kind.STALE_CACHE, "what an earlier call returned"),
        ("one buffer for all calls", Kind.STALE_CACHE, "written over by a later one"),
        ("written over the input", Kind.MUTATES, "writes into x"),
        ("strides forgotten", Kind.LAYOUT, "do not lie side by side"),
        ("the last columns not computed", Kind.PART, "out is 0 at 32..36 of axis 1, which has 37"),
        ("not divided by the batch", Kind.FACTOR, "dx is 15x (as many as axis 0 of x) what is due"),
        ("layer norm without the mean's term", Kind.MEAN_TERM, "the same all along axis 1"),
        ("gradients swapped", Kind.SWAPPED, "dx is what is due for dgate"),
        ("dx by the wrong order", Kind.TRANSPOSED, "in the order of the transposed"),
        ("the maximum not subtracted", Kind.UNSTABLE, "the maximum not subtracted?"),
        ("a wrong dtype", Kind.DTYPE, "out is of float16, not of float32"),
    ],
)
def test_what_is_wrong_is_named(name, kind, said):
    of, dtype, inside, kernel = wrong.FAULTS[name]
    causes = checked(kernel, of, dtype, inside).causes
    assert any(cause.kind == kind and said in cause.sentence for cause in causes), causes


def by_numpy(x):
    z = x.astype(np.float32)
    e = np.exp(z - z.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)

    def backward(dout):
        d = dout.astype(np.float32)
        return (p * (d - (p * d).sum(-1, keepdims=True))).astype(x.dtype)

    return p.astype(x.dtype), backward


def backward_alone(dout, x):
    return by_numpy(x)[1](dout)


def forward_and_cache(x):
    out, backward = by_numpy(x)
    return out, backward


class Kernel:
    def forward(self, x):
        out, self.way_back = by_numpy(x)
        return out

    def backward(self, dout):
        return self.way_back(dout)


class Function(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        p = torch.softmax(x, -1)
        ctx.save_for_backward(p)
        return p

    @staticmethod
    def backward(ctx, dout):
        (p,) = ctx.saved_tensors
        return p * (dout - (p * dout).sum(-1, keepdim=True))


X = np.random.default_rng(3).standard_normal((5, 9))


@pytest.mark.parametrize(
    ("kernel", "whose"),
    [
        (by_numpy, "the backward that it returns"),
        (backward_alone, "the gradients that backward_alone returns"),
        ((None, backward_alone), "the gradients that backward_alone returns"),
        (Kernel(), "the gradients of backward"),
        (Function, "forward and backward"),
        (lambda x: torch.softmax(x, -1), "that PyTorch has of it"),
        (lambda x: by_numpy(x)[0], "the outputs of"),
    ],
)
def test_forms(kernel, whose):
    report = hg.check_kernel(kernel, softmax, X, dtype="bfloat16")
    assert report.ok is True, report
    assert whose in report.whose
    assert len(report.arrays) == (1 if "alone" in whose or whose == "the outputs of" else 2)


def test_jax():
    jax = pytest.importorskip("jax")
    x = jax.numpy.asarray(X, "bfloat16")
    report = hg.check_kernel(jax.nn.softmax, softmax, x)
    assert report.ok is True, report
    assert report.dtype == "bfloat16"
    report = hg.check_kernel(lambda x: jax.numpy.tanh(x) * 1.1, lambda x: jax.numpy.tanh(x), x)
    assert report.ok is False
    assert "1.1" in str(report)


def test_references_of_other_libraries():
    def readable(x):
        e = torch.exp(x - x.amax(-1, keepdim=True))
        return e / e.sum(-1, keepdim=True)

    assert hg.check_kernel(by_numpy, readable, X, dtype="float32").ok is True

    def own(x):
        return torch.softmax(x, -1)

    assert hg.check_kernel(lambda x: by_numpy(x)[0] * 1.001, own, X, dtype="float32").ok is False


def test_a_kernel_that_changes_from_run_to_run_is_told():
    def kernel(x):
        total = torch.zeros_like(x[:, 0])
        for i in torch.randperm(x.shape[-1]):
            total = total + x[:, i]
        return total

    x = np.random.default_rng(0).standard_normal((20, 200))
    report = hg.check_kernel(kernel, lambda x: np.sum(x, axis=-1), x, dtype="float32")
    assert report.ok is True
    assert any("not the same from run to run" in note for note in report.notes)


def test_where_zeros_would_pass_it_does_not_say_right():
    def cancels(x):  # what is left of it in bfloat16 is rounding
        return (x + 1000.0) - 1000.0 - x + 1e-3 * x

    report = hg.check_kernel(lambda x: torch.zeros_like(x), cancels, X, dtype="bfloat16")
    assert report.ok is None
    assert "zeros would pass as well" in str(report)
    assert hg.check_kernel(lambda x: torch.zeros_like(x), lambda x: x * 0.0, X, dtype="bfloat16").ok is True


def test_what_overflows_in_float16_is_not_wrong_for_it():
    x = 300 * np.random.default_rng(0).standard_normal((4, 6))

    def by_steps(x):
        return torch.sqrt((x * x).sum(-1))

    report = hg.check_kernel(by_steps, lambda x: np.sqrt(np.sum(x * x, axis=-1)), x, dtype="float16")
    assert report.ok is None, report
    report = hg.check_kernel(
        by_steps, lambda x: np.sqrt(np.sum(x * x, axis=-1)), x, dtype="float16", inside="float32"
    )
    assert report.ok is False


def test_a_narrower_arithmetic_is_right_where_it_is_asked_for():
    of, dtype, _, kernel = wrong.FAULTS["tf32"]
    assert checked(kernel, of, dtype, "tf32").ok is True
    of, dtype, _, kernel = wrong.FAULTS["accumulated in bfloat16"]
    report = checked(kernel, of, dtype, "bfloat16 sums")  # of which so little is left that zeros would pass
    assert report.ok is None


def test_a_fix_is_found_in_float64():
    def kernel(x, w):
        return x @ w, lambda dout: (dout @ w, x.T @ dout)

    rng = np.random.default_rng(0)
    report = hg.check_kernel(
        kernel, lambda x, w: x @ w, rng.standard_normal((3, 4)), rng.standard_normal((4, 4)), dtype="float32"
    )
    (cause,) = [cause for cause in report.causes if cause.fix]
    assert cause.input == "dx"
    assert "dout @ w.T" in cause.fix


def test_what_cannot_be_called_is_refused():
    with pytest.raises(TypeError, match="raises KeyError at these inputs: 'x'"):
        hg.check_kernel(lambda x: {}["x"], softmax, X, dtype="float32")
    with pytest.raises(ValueError, match="not in float64: give dtype="):
        hg.check_kernel(by_numpy, softmax, X)
    with pytest.raises(ValueError, match="inside a kernel of float32 is float32, tf32"):
        hg.check_kernel(by_numpy, softmax, X, dtype="float32", inside="fp8")
    with pytest.raises(ValueError, match="arrays are numpy, torch"):
        hg.check_kernel(by_numpy, softmax, X, dtype="float32", arrays="cupy")
