"""Three ways to a cause: what the numbers are, what a step would have had to be, which edit is right."""

from __future__ import annotations

import numpy as np
import pytest

from handgrad.checking import check
from handgrad.checking.findings import Explains, score
from handgrad.checking.following.chain import Chain
from handgrad.checking.following.rounds import rounds
from handgrad.checking.following.tracing import traced
from handgrad.checking.targets import subject_of
from tests.checking.mutants import corpus, pairs, through_time


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def gated(x, W):
    """out = x tanh(x W), the gate's path forgotten for x"""
    gate = np.tanh(x @ W)

    def backward(dout):
        dz = dout * x * (1 - gate**2)
        return dout * gate, x.T @ dz  # + dz @ W.T

    return x * gate, backward


def averaged(x, b):
    def backward(dout):
        db = dout.mean(axis=0)
        return dout, db

    return x + b, backward


def shifted(x):
    def backward(dout):
        dx = np.zeros_like(x)
        dx[1:] = dout
        return dx

    return x[:-1] * 1.0, backward


def waits(x):
    def backward(dout):
        n = 0
        while n < 1:
            n += 1
        return 5 * dout * x

    return x * x, backward


def test_a_factor_is_named_with_its_number(rng):
    report = check(averaged, rng.standard_normal((6, 4)), rng.standard_normal(4))
    cause = report.causes[0]
    assert (cause.kind, cause.input) == ("factor", "b")
    assert "6 is the batch size" in cause.sentence
    assert cause.line is not None
    assert cause.line.text == "db = dout.mean(axis=0)"
    assert cause.fix in ("db = dout.sum(axis=0)", "db = dout.mean(axis=0) * 6", "db = 6 * dout.mean(axis=0)")


def test_a_missing_path_is_named_by_its_step(rng):
    report = check(gated, rng.standard_normal((4, 3)), rng.standard_normal((3, 3)))
    assert report.causes[0].kind == "missing-path"
    assert "matmul" in report.causes[0].sentence or "dz" in str(report.causes[0].fix)


def test_the_edit_that_makes_it_right_is_right(rng):
    report = check(shifted, rng.standard_normal((6, 2)))
    assert report.ok is False
    assert report.causes[0].kind == "off-by-one"
    fixed = next(cause.fix for cause in report.causes if cause.fix)

    def repaired(x):
        def backward(dout):
            dx = np.zeros_like(x)
            exec(fixed, {"np": np, "x": x}, {"dx": dx, "dout": dout})
            return dx

        return x[:-1] * 1.0, backward

    assert check(repaired, rng.standard_normal((6, 2))).ok


def test_the_author_s_function_is_left_as_it_was(rng):
    x, b = rng.standard_normal((6, 4)), rng.standard_normal(4)
    before = averaged(x, b)[1](np.ones((6, 4)))
    check(averaged, x, b)
    after = averaged(x, b)[1](np.ones((6, 4)))
    np.testing.assert_array_equal(before[1], after[1])


def test_what_might_not_end_is_not_edited(rng):
    report = check(waits, rng.standard_normal(5))
    assert report.causes[0].kind == "factor"
    assert not any(cause.fix for cause in report.causes)


def test_an_unexplained_mistake_is_said_to_be_one(rng):
    def strange(x):
        return np.sin(x), lambda dout: dout * np.cos(x) ** 3 * np.exp(x - 0.3) / (2 + np.tanh(5 * x))

    report = check(strange, rng.standard_normal((3, 4)))
    assert report.ok is False
    assert "no single known mistake" in report.causes[0].sentence


def in_numpy(x, W):
    h = np.zeros((3, W.shape[1]))
    for t in range(3):
        h[t] = np.tanh(x[t] @ W + (h[t - 1] if t else 0.0))
    out = np.einsum("th,h->t", h, np.sum(W, axis=0)) / (1e-3 + np.mean(h**2))
    return out, lambda dout: (np.zeros_like(x), np.zeros_like(W))


def jacobian_by_steps(target, values, index):
    """The product of the steps' Jacobians, against differences of the whole."""
    subject = subject_of(target, values)
    tape, starts, ends = traced(subject, subject.values)

    x = subject.values[index]
    douts = list(np.eye(subject.outputs(subject.values).size))
    chain = Chain(douts, tape, starts[index], ends)
    by_steps = chain.up[chain.start]
    due = np.zeros((len(douts), x.size))
    for i in range(x.size):
        sides = []
        for h in (1e-5, -1e-5):
            moved = x.copy()
            moved.flat[i] += h
            sides.append(subject.outputs([moved if k == index else y for k, y in enumerate(subject.values)]))
        due[:, i] = (sides[0] - sides[1]) / 2e-5
    return by_steps, due


@pytest.mark.parametrize("index", [0, 1])
def test_numpy_s_calls_are_followed(rng, index):
    by_steps, due = jacobian_by_steps(
        in_numpy, (rng.standard_normal((3, 2)), rng.standard_normal((2, 4))), index
    )
    np.testing.assert_allclose(by_steps, due, rtol=1e-5, atol=1e-6 * np.abs(due).max())


def test_jax_s_primitives_are_followed(rng):
    jax = pytest.importorskip("jax")
    jnp = jax.numpy

    @jax.custom_vjp
    def f(x, W):
        return jax.nn.softmax(x @ W, axis=1) @ W.T / jnp.sqrt(1e-3 + jnp.sum(x**2))

    f.defvjp(lambda x, W: (f(x, W), None), lambda saved, dout: (dout, dout))
    by_steps, due = jacobian_by_steps(f, (rng.standard_normal((3, 2)), rng.standard_normal((2, 4))), 0)
    np.testing.assert_allclose(by_steps, due, rtol=1e-5, atol=1e-6 * np.abs(due).max())


def test_pytorch_s_calls_are_followed(rng):
    torch = pytest.importorskip("torch")

    class F(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, W):
            ctx.save_for_backward(x)
            h = torch.softmax(x @ W, dim=1).matmul(W.t())
            return h / (1e-3 + x.pow(2).mean(0, keepdim=True)).sqrt()

        @staticmethod
        def backward(ctx, dout):
            return dout, None

    by_steps, due = jacobian_by_steps(F, (rng.standard_normal((3, 2)), rng.standard_normal((2, 4))), 0)
    np.testing.assert_allclose(by_steps, due, rtol=1e-5, atol=1e-6 * np.abs(due).max())


def by_pairs(x, W):
    """Columns 2g and 2g + 1 by W[g]."""
    xg = x.reshape(len(x), len(W), 2)

    def backward(dout):
        dg = dout.reshape(xg.shape)
        dx = np.einsum("ngo,io->ngi", dg, W[0])  # each by its own
        return dx.reshape(x.shape), np.einsum("ngi,ngo->gio", xg, dg)

    return np.einsum("ngi,gio->ngo", xg, W).reshape(x.shape), backward


def halves_exchanged(x, W):
    out, right = by_pairs(x, W)

    def backward(dout):
        _, dW = right(dout)
        dg = dout.reshape(len(x), len(W), 2)
        dx = np.einsum("ngo,gio->ngi", dg, W)
        return np.roll(dx, 1, axis=1).reshape(x.shape), dW

    return out, backward


@pytest.mark.parametrize(
    ("target", "said"),
    [(by_pairs, "derivative of the first"), (halves_exchanged, "in the place of another")],
)
def test_groups_that_are_mixed_are_told_from_other_mistakes(target, said, rng):
    report = check(target, rng.standard_normal((3, 4)), rng.standard_normal((2, 2, 2)))
    assert (report.causes[0].kind, report.causes[0].input) == ("group", "x")
    assert said in report.causes[0].sentence


def square_of_exponential(x):
    out = np.exp(x)
    saved = out
    out *= out

    def backward(dout):
        return 2 * dout * saved**2

    return out.copy(), backward


class Halved:
    def forward(self, x):
        self.out = out = np.tanh(x)
        np.divide(out, 2, out=out)
        return out.copy()

    def backward(self, dout):
        return dout / 2 * (1 - self.out**2)


class Centred:
    def forward(self, x):
        self.x = x.copy()
        out = np.sin(self.x)
        self.x -= np.mean(self.x)
        return out

    def backward(self, dout):
        return dout * np.cos(self.x)


def test_a_forward_that_writes_into_what_it_saved_is_named_with_the_line(rng):
    for target, fix in (
        (square_of_exponential, "out = out * out"),
        (Halved(), "out = np.divide(out, 2)"),
        (Centred(), "(without this line)"),
    ):
        report = check(target, rng.standard_normal((3, 4)))
        assert report.causes[0].kind == "stale-cache"
        assert report.causes[0].fix == fix


def doubled(x):
    return 2 * x


def through_a_helper(x):
    return np.sin(doubled(x)), lambda dout: dout * np.cos(doubled(x)) * -2


def test_an_edit_that_changes_the_output_is_no_repair(rng):
    report = check(through_a_helper, rng.standard_normal((3, 4)))
    assert report.causes[0].kind == "factor"
    assert not any("-2 * x" in str(cause.fix) or "return -" in str(cause.fix) for cause in report.causes)


def slope_in_one(x, w):
    s = 1 / (1 + np.exp(-x * w))

    def backward(dout):
        e = 2 * s * dout
        dx = e * s * (1 - s) * w
        dw = e * x
        return dx, dw

    return s * s, backward


def test_an_edit_that_spoils_a_right_gradient_is_no_repair(rng):
    """e is of both gradients, and one of them is right."""
    report = check(slope_in_one, *rng.standard_normal((2, 5)))
    fixes = [str(cause.fix) for cause in report.causes]
    assert any(fix.startswith(("dw =", "return")) for fix in fixes), report
    assert not any(fix.startswith("e =") for fix in fixes)


def test_what_a_recurrence_lacks_is_said_with_the_lengths_at_which_it_shows(rng):
    report = check(through_time.carry_never_updated, *through_time.RNN(rng))
    cause = next(cause for cause in report.causes if cause.input == "Wh")
    assert cause.kind == "carry"
    assert "nothing flows back from a step to the one before" in cause.sentence
    assert "a sequence of one step is right, one of two is not" in cause.sentence


@pytest.mark.parametrize("layer", [through_time.LSTMNoStateBack, through_time.LSTMNoOutputBack])
def test_a_way_back_through_time_that_is_missing_is_named(layer, rng):
    causes = check(layer(), rng.standard_normal((3, 2, 3))).causes
    assert next(cause for cause in causes if cause.input == "self.W").kind == "carry"


def test_a_loop_whose_turns_hand_nothing_on_has_no_rounds(rng):
    def rows(x, W):
        return np.stack([np.tanh(row @ W) for row in x]), lambda dout: (dout, dout)

    subject = subject_of(rows, (rng.standard_normal((3, 4)), rng.standard_normal((4, 4))), None, None, None)
    tape, starts, ends = traced(subject, subject.values)
    assert rounds(Chain([rng.standard_normal(12)], tape, starts[0], ends)) is None


def test_the_carried_edges_cut_leave_each_step_by_itself(rng):
    """With the carry cut, the gradient by x is the block diagonal of its Jacobian, by time."""
    given = through_time.RNN(rng)
    subject = subject_of(through_time.plain, given, None, None, None)
    tape, starts, ends = traced(subject, subject.values)
    dout = rng.standard_normal((3, 2, 4))
    chain = Chain([dout.ravel()], tape, starts[0], ends)
    turns = rounds(chain)
    x, Wx = given[0], given[2]
    h = through_time.states(*given)
    alone = (dout * (1 - h[1:] ** 2)) @ Wx.T
    assert turns.count == len(x)
    assert np.allclose(chain.gradient(turns.cut(turns.all_carried())).reshape(x.shape), alone, rtol=1e-6)


def test_two_slips_are_named_with_both_lines(rng):
    entry = next(entry for entry in corpus.ENTRIES if entry.target is pairs.leaky_twice)
    cause = check(entry.fresh(), *entry.inputs()).causes[0]
    assert set(cause.kinds) == {"mask", "factor"}
    assert "two changes" in cause.sentence
    assert cause.second.fix in cause.sentence


@pytest.mark.parametrize("choices", [1, 3, 40])
def test_a_hypothesis_is_worth_what_it_explains_less_what_was_free_to_choose(choices):
    levels = sorted(Explains)
    scores = [score(explains, choices) for explains in levels]
    assert scores == sorted(scores)
    assert score(Explains.NUMBERS, 10 * choices) == pytest.approx(score(Explains.NUMBERS, choices) + 1)
