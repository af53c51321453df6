"""Reshaping, joining, cutting, padding, turning and repeating."""

from __future__ import annotations

import numpy as np

from handgrad import rule
from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal

X = normal((3, 4))


@correct(X)
@rule
def transpose(x):
    def backward(dout):
        return dout.T

    return x.T, backward


@mutant("transposed", normal((4, 4)))
@rule
def transpose_not_turned_back(x):
    def backward(dout):
        return dout * 1.0  # dout.T

    return x.T, backward


@mutant("shape", X)
def transpose_wrong_shape(x):
    def backward(dout):
        return dout * 1.0  # dout.T

    return x.T, backward


@mutant("transposed", normal((3, 4)))
def transpose_by_reshape(x):
    def backward(dout):
        return dout.reshape(x.shape)  # dout.T

    return x.T, backward


@correct(normal((2, 3, 4)))
def permute(x):
    def backward(dout):
        return np.transpose(dout, (1, 2, 0))

    return np.transpose(x, (2, 0, 1)), backward


@mutant("transposed", normal((3, 3, 3)))
def permute_same_order_again(x):
    def backward(dout):
        return np.transpose(dout, (2, 0, 1))  # the inverse order

    return np.transpose(x, (2, 0, 1)), backward


@correct(normal((3, 4)))
def reshape(x):
    def backward(dout):
        return dout.reshape(x.shape)

    return x.reshape(2, 6), backward


@mutant("layout", normal((3, 4)))
def reshape_in_order_of_memory(x):
    def backward(dout):
        return dout.reshape(x.shape, order="A")  # "C"

    return x.reshape((2, 6)), backward


@mutant("transposed", normal((3, 4)))
def reshape_in_fortran_order(x):
    def backward(dout):
        return dout.reshape(x.shape, order="F")  # "C"

    return x.reshape(2, 6), backward


@mutant("shape", normal((3, 4)))
def reshape_not_undone(x):
    def backward(dout):
        return dout * 1.0  # .reshape(x.shape)

    return x.reshape(2, 6), backward


@correct(normal((2, 3), (2, 2)))
def concatenate(x, y):
    def backward(dout):
        return dout[:, : x.shape[1]], dout[:, x.shape[1] :]

    return np.concatenate([x, y], axis=1), backward


@mutant("swapped", normal((2, 3), (2, 3)))
def concatenate_pieces_exchanged(x, y):
    def backward(dout):
        return dout[:, 3:], dout[:, :3]

    return np.concatenate([x, y], axis=1), backward


@mutant("off-by-one", normal((2, 3), (2, 3)))
def concatenate_border_shifted(x, y):
    def backward(dout):
        padded = np.pad(dout, ((0, 0), (0, 1)))
        return dout[:, :3], padded[:, 4:]  # dout[:, 3:]

    return np.concatenate([x, y], axis=1), backward


@mutant("wrong-axis", normal((3, 3), (3, 3)))
def concatenate_as_if_along_rows(x, y):
    def backward(dout):
        dx, dy = np.split(dout.reshape(6, 3), 2, axis=0)  # np.split(dout, 2, axis=1)
        return dx, dy

    return np.concatenate([x, y], axis=1), backward


@correct(normal((3, 6)))
def split(x):
    """Two outputs, the left third and the rest"""

    def backward(dout):
        return np.concatenate(dout, axis=1)

    return (x[:, :2], x[:, 2:]), backward


@mutant("swapped", normal((3, 4)))
def split_joined_in_reverse(x):
    def backward(dout):
        left, right = dout
        return np.concatenate([right, left], axis=1)  # left, right

    return (x[:, :2], x[:, 2:]), backward


@mutant("upstream-ignored", normal((3, 5)))
def split_second_output_unused(x):
    def backward(dout):
        left, right = dout
        return np.concatenate([left, np.ones_like(right)], axis=1)  # right

    return (x[:, :2], x[:, 2:]), backward


@mutant("missing-path", normal((3, 5)))
def two_outputs_first_only(x):
    """out = (tanh x, x²)"""
    t = np.tanh(x)

    def backward(dout):
        dt, _dsquare = dout
        return dt * (1 - t * t)  # + 2 x dsquare

    return (t, x * x), backward


@mutant("swapped", normal((3, 5)))
def two_outputs_exchanged(x):
    t = np.tanh(x)

    def backward(dout):
        dsquare, dt = dout  # dt, dsquare
        return dt * (1 - t * t) + 2 * x * dsquare

    return (t, x * x), backward


@correct(normal((4,), (4,), (4,)))
def stack(x, y, z):
    def backward(dout):
        return dout[:, 0], dout[:, 1], dout[:, 2]

    return np.stack([x, y, z], axis=1), backward


@mutant(("off-by-one", "swapped"), normal((4,), (4,), (4,)))  # each input has its neighbour's gradient
def stack_shifted(x, y, z):
    def backward(dout):
        return tuple(dout[:, i - 1] for i in range(3))  # i

    return np.stack([x, y, z], axis=1), backward


@mutant("wrong-axis", normal((3,), (3,), (3,)))
def stack_other_axis(x, y, z):
    def backward(dout):
        return dout[0], dout[1], dout[2]  # dout[:, 0] ...

    return np.stack([x, y, z], axis=1), backward


@correct(normal((3, 4)))
def pad(x):
    def backward(dout):
        return dout[1:-1, 2:-1]

    return np.pad(x, ((1, 1), (2, 1))), backward


@mutant("off-by-one", normal((3, 4)))
def pad_cut_one_too_early(x):
    def backward(dout):
        return dout[1:-1, 1:-2]  # 2:-1

    return np.pad(x, ((1, 1), (2, 1))), backward


@mutant("shape", normal((3, 4)))
def pad_not_cut(x):
    def backward(dout):
        return dout * 1.0  # dout[1:-1, 1:-1]

    return np.pad(x, 1), backward


@mutant("swapped", normal((3, 3)))
def pad_before_and_after(x):
    def backward(dout):
        return dout[:3, 2:]  # dout[2:, :3]

    return np.pad(x, ((2, 0), (0, 2))), backward


@mutant("assigned", normal((5,)))
def pad_by_reflection_border_only_once(x):
    """out = x₁ x₀ x₁ x₂ x₃ x₄ x₃"""

    def backward(dout):
        dx = dout[1:-1].copy()
        dx[1] = dout[0]  # +=
        dx[-2] = dout[-1]
        return dx

    return np.pad(x, 1, mode="reflect"), backward


@mutant("missing-path", normal((5,)))
def pad_by_edge_inner_only(x):
    """out = x₀ x₀ x₁ x₂ x₃ x₄ x₄"""

    def backward(dout):
        return dout[1:-1].copy()  # and the borders

    return np.pad(x, 1, mode="edge"), backward


@correct(normal((5, 6)))
def window(x):
    def backward(dout):
        dx = np.zeros_like(x)
        dx[1:4, ::2] = dout
        return dx

    return x[1:4, ::2], backward


@mutant("off-by-one", normal((5, 6)))
def window_shifted(x):
    def backward(dout):
        dx = np.zeros_like(x)
        dx[2:5, ::2] = dout  # 1:4
        return dx

    return x[1:4, ::2], backward


@mutant("stride", normal((5, 6)))
def window_steps_ignored(x):
    def backward(dout):
        dx = np.zeros_like(x)
        dx[1:4, :3] = dout  # ::2
        return dx

    return x[1:4, ::2], backward


@mutant("stride", normal((7,)))
def every_second_repeated(x):
    def backward(dout):
        return np.repeat(dout, 2)[: len(x)]  # zeros between

    return x[::2], backward


@mutant("off-by-one", normal((7,)))
def differences_end_forgotten(x):
    """out = xᵢ₊₁ - xᵢ"""

    def backward(dout):
        dx = np.zeros_like(x)
        dx[1:] += dout
        dx[:-2] -= dout[:-1]  # dx[:-1] -= dout
        return dx

    return np.diff(x), backward


@correct(normal((7,)))
def differences(x):
    def backward(dout):
        return np.concatenate([[0.0], dout]) - np.concatenate([dout, [0.0]])

    return np.diff(x), backward


@mutant("factor", normal((7,)))
def differences_sign(x):
    def backward(dout):
        return np.concatenate([dout, [0.0]]) - np.concatenate([[0.0], dout])  # the other way round

    return np.diff(x), backward


@mutant("assigned", normal((7,)))
def differences_overwritten(x):
    def backward(dout):
        dx = np.zeros_like(x)
        dx[1:] = dout
        dx[:-1] = -dout  # -= dout
        return dx

    return np.diff(x), backward


@correct(normal((3, 4)))
def flip(x):
    def backward(dout):
        return dout[:, ::-1]

    return x[:, ::-1], backward


@mutant("flipped", normal((3, 4)))
def flip_not_turned_back(x):
    def backward(dout):
        return dout * 1.0  # [:, ::-1]

    return x[:, ::-1], backward


@mutant("wrong-axis", normal((3, 3)))
def flip_rows_for_columns(x):
    def backward(dout):
        return dout[::-1]  # [:, ::-1]

    return x[:, ::-1], backward


@correct(normal((6,)))
def roll(x):
    def backward(dout):
        return np.roll(dout, -2)

    return np.roll(x, 2), backward


@mutant(("flipped", "transposed"), normal((6,)))  # the inverse of a permutation is its transpose
def roll_same_way(x):
    def backward(dout):
        return np.roll(dout, 2)  # -2

    return np.roll(x, 2), backward


@mutant("off-by-one", normal((6,)))
def roll_one_short(x):
    def backward(dout):
        return np.roll(dout, -1)  # -2

    return np.roll(x, 2), backward


@correct(normal((2, 3)))
def repeat(x):
    """Each element three times in a row"""

    def backward(dout):
        return np.sum(dout.reshape(2, 3, 3), axis=2)

    return np.repeat(x, 3, axis=1), backward


@mutant("stride", normal((2, 3)))
def repeat_as_tile(x):
    def backward(dout):
        return np.sum(dout.reshape(2, 3, 3), axis=1)  # axis=2

    return np.repeat(x, 3, axis=1), backward


@mutant("broadcast", normal((2, 3)))
def repeat_first_only(x):
    def backward(dout):
        return dout[:, ::3]  # and the two that follow

    return np.repeat(x, 3, axis=1), backward


@mutant(("broadcast", "factor"), normal((3,)))  # the mean of the copies is their sum by a constant
def tile_averaged(x):
    def backward(dout):
        return np.mean(dout, axis=0)  # np.sum

    return np.tile(x, (4, 1)), backward


@mutant("broadcast", normal((3, 1)))
def broadcast_unsummed(x):
    def backward(dout):
        return dout * 1.0  # np.sum(dout, axis=1, keepdims=True)

    return np.broadcast_to(x, (3, 4)) * 1.0, backward


@mutant("broadcast", normal((3, 1, 2)))
def broadcast_half_summed(x):
    def backward(dout):
        return np.sum(dout[:, :2], axis=1, keepdims=True)  # all four

    return np.broadcast_to(x, (3, 4, 2)) * 1.0, backward


@correct(normal((4, 4)))
def lower_triangle(x):
    def backward(dout):
        return np.tril(dout)

    return np.tril(x), backward


@mutant("mask", normal((4, 4)))
def lower_triangle_as_upper(x):
    def backward(dout):
        return np.triu(dout)  # np.tril

    return np.tril(x), backward


@mutant("off-by-one", normal((4, 4)))
def lower_triangle_without_diagonal(x):
    def backward(dout):
        return np.tril(dout, -1)  # 0

    return np.tril(x), backward


@mutant("mask", normal((4, 4)))
def lower_triangle_unmasked(x):
    def backward(dout):
        return dout * 1.0  # np.tril

    return np.tril(x), backward


@correct(lambda r: (r.standard_normal((3, 4)) > 0, *normal((3, 4), (3, 4))(r)))
def where(condition, x, y):
    def backward(dout):
        return None, np.where(condition, dout, 0), np.where(condition, 0, dout)

    return np.where(condition, x, y), backward


@mutant(("swapped", "mask"), lambda r: (r.standard_normal((3, 4)) > 0, *normal((3, 4), (3, 4))(r)))
def where_branches_exchanged(condition, x, y):
    """An inverted mask is the other branch."""

    def backward(dout):
        return None, np.where(condition, 0, dout), np.where(condition, dout, 0)

    return np.where(condition, x, y), backward


@mutant("mask", lambda r: (r.standard_normal((3, 4)) > 0, *normal((3, 4), (3, 4))(r)))
def where_one_branch_unmasked(condition, x, y):
    def backward(dout):
        return None, np.where(condition, dout, 0), dout * 1.0  # np.where(condition, 0, dout)

    return np.where(condition, x, y), backward


@mutant("dtype", normal((8,)))
def smooth_by_fourier(x):
    """Circular smoothing; its filter is even, so that it is its own transpose."""
    response = 1 / (1 + np.abs(np.fft.fftfreq(len(x))))

    def backward(dout):
        return np.fft.ifft(np.fft.fft(dout) * response)  # .real

    return np.fft.ifft(np.fft.fft(x) * response).real, backward


@mutant("layout", normal((3, 4)))
def flatten_bytes(x):
    def backward(dout):
        return dout.reshape(x.shape) * 2

    return 2 * np.frombuffer(x.tobytes(order="A")), backward  # order="C"
