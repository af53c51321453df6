"""Pooling over windows, and upsampling."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.convolution import patches, unpatches, unwindows, windows
from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal

SIGNAL = normal((2, 2, 7))
IMAGE = normal((1, 2, 5, 5))


def ties(r):
    """Windows of 2 that hold equal elements, as after a relu"""
    return (np.maximum(r.standard_normal((1, 2, 8)), 0),)


@correct(SIGNAL)
def average_pool(x):
    """Windows of 3 by steps of 2, overlapping"""

    def backward(dout):
        return unpatches(np.repeat(dout[..., None], 3, axis=3) / 3, x.shape[2], 2)

    return np.mean(patches(x, 3, 2), axis=3), backward


@mutant("factor", SIGNAL)
def average_pool_as_sum(x):
    def backward(dout):
        return unpatches(np.repeat(dout[..., None], 3, axis=3), x.shape[2], 2)  # / 3

    return np.mean(patches(x, 3, 2), axis=3), backward


@mutant("factor", SIGNAL)
def average_pool_by_stride(x):
    def backward(dout):
        return unpatches(np.repeat(dout[..., None], 3, axis=3) / 2, x.shape[2], 2)  # / 3

    return np.mean(patches(x, 3, 2), axis=3), backward


@mutant("assigned", SIGNAL)
def average_pool_overlap_overwritten(x):
    def backward(dout):
        dx = np.zeros_like(x)
        for p in range(dout.shape[2]):
            dx[:, :, 2 * p : 2 * p + 3] = dout[:, :, p, None] / 3  # +=
        return dx

    return np.mean(patches(x, 3, 2), axis=3), backward


@mutant("stride", SIGNAL)
def average_pool_stride_of_one(x):
    def backward(dout):
        return unpatches(np.repeat(dout[..., None], 3, axis=3) / 3, x.shape[2], 1)  # 2

    return np.mean(patches(x, 3, 2), axis=3), backward


@mutant("off-by-one", normal((1, 2, 6)))
def average_pool_padding_shifted(x):
    """Windows of 2 by steps of 2 over x with one zero on each side"""

    def backward(dout):
        d = unpatches(np.repeat(dout[..., None], 2, axis=3) / 2, x.shape[2] + 2, 2)
        return d[:, :, :-2]  # 1:-1

    around = np.pad(x, ((0, 0), (0, 0), (1, 1)))
    return np.mean(patches(around, 2, 2), axis=3), backward


def first_of_largest(x, K, stride):
    """For (N, C, L): the windows' one-hot rows"""
    cut = patches(x, K, stride)
    return np.eye(K)[np.argmax(cut, axis=3)]


@correct(normal((2, 2, 7)))
def max_pool(x):
    """Windows of 3 by steps of 2, overlapping"""
    hit = first_of_largest(x, 3, 2)

    def backward(dout):
        return unpatches(dout[..., None] * hit, x.shape[2], 2)

    return np.max(patches(x, 3, 2), axis=3), backward


@correct(ties)
def max_pool_ties_to_the_first(x):
    hit = first_of_largest(x, 2, 2)

    def backward(dout):
        return unpatches(dout[..., None] * hit, x.shape[2], 2)

    return np.max(patches(x, 2, 2), axis=3), backward


@mutant("ties", ties)
def max_pool_ties_to_all(x):
    cut = patches(x, 2, 2)
    hit = cut == np.max(cut, axis=3, keepdims=True)

    def backward(dout):
        return unpatches(dout[..., None] * hit, x.shape[2], 2)  # / np.sum(hit, axis=3)

    return np.max(cut, axis=3), backward


@mutant("ties", SIGNAL)
def max_pool_ties_to_all_without_ties(x):
    cut = patches(x, 3, 2)
    hit = cut == np.max(cut, axis=3, keepdims=True)

    def backward(dout):
        return unpatches(dout[..., None] * hit, x.shape[2], 2)  # right until two are equal

    return np.max(cut, axis=3), backward


def largest_shared(r):
    """The third is the largest of two windows of 3 by steps of 2."""
    return (np.array([[[0.1, 0.2, 2.0, 0.3, 0.4, 1.0, 5.0]]]) + r.random((1, 1, 7)) / 20,)


@mutant("assigned", largest_shared)
def max_pool_winner_of_two_windows(x):
    def backward(dout):
        dx = np.zeros_like(x)
        best = np.argmax(patches(x, 3, 2), axis=3) + 2 * np.arange(dout.shape[2])
        np.put_along_axis(dx, best, dout, axis=2)  # np.add.at
        return dx

    return np.max(patches(x, 3, 2), axis=3), backward


@mutant("mask", SIGNAL)
def max_pool_smallest(x):
    cut = patches(x, 3, 2)
    hit = cut == np.min(cut, axis=3, keepdims=True)  # np.max

    def backward(dout):
        return unpatches(dout[..., None] * hit, x.shape[2], 2)

    return np.max(cut, axis=3), backward


def largest_in_windows(x, K, stride):
    cut = windows(x, K, stride)
    flat = cut.reshape(*cut.shape[:4], K * K)
    return np.max(flat, axis=4), np.eye(K * K)[np.argmax(flat, axis=4)].reshape(cut.shape)


@correct(IMAGE)
def max_pool_image(x):
    """Windows of 3 by 3 by steps of 2"""
    out, hit = largest_in_windows(x, 3, 2)

    def backward(dout):
        return unwindows(dout[..., None, None] * hit, x.shape, 2)

    return out, backward


@mutant("transposed", IMAGE)
def max_pool_image_rows_and_columns(x):
    out, hit = largest_in_windows(x, 3, 2)

    def backward(dout):
        return unwindows(dout[..., None, None] * hit.swapaxes(4, 5), x.shape, 2)  # hit

    return out, backward


@mutant("stride", IMAGE)
def max_pool_image_stride_of_one(x):
    out, hit = largest_in_windows(x, 3, 2)

    def backward(dout):
        return unwindows(dout[..., None, None] * hit, x.shape, 1)  # 2

    return out, backward


@mutant(("wrong-array", "upstream-ignored"), IMAGE)  # another array in the place of dout
def max_pool_image_times_value(x):
    out, hit = largest_in_windows(x, 3, 2)

    def backward(dout):
        return unwindows(out[..., None, None] * hit, x.shape, 2)  # dout

    return out, backward


@correct(normal((2, 3, 2, 3)))
def global_average_pool(x):
    """(N, C, H, W) -> (N, C)"""

    def backward(dout):
        return np.broadcast_to(dout[..., None, None] / (x.shape[2] * x.shape[3]), x.shape)

    return np.mean(x, axis=(2, 3)), backward


@mutant("factor", normal((2, 3, 2, 3)))
def global_average_pool_by_height(x):
    def backward(dout):
        return np.broadcast_to(dout[..., None, None] / x.shape[2], x.shape)  # x.shape[2] * x.shape[3]

    return np.mean(x, axis=(2, 3)), backward


@mutant("wrong-axis", normal((2, 2, 2, 2)))
def global_average_pool_spread_over_channels(x):
    def backward(dout):
        return np.broadcast_to(dout / 4, x.shape)  # dout[..., None, None]

    return np.mean(x, axis=(2, 3)), backward


@correct(normal((1, 2, 2, 3)))
def upsample(x):
    """Nearest, twice as high and wide"""
    N, C, H, W = x.shape

    def backward(dout):
        return dout.reshape(N, C, H, 2, W, 2).sum(axis=(3, 5))

    return x.repeat(2, axis=2).repeat(2, axis=3), backward


@mutant("broadcast", normal((1, 2, 2, 3)))
def upsample_corner_only(x):
    def backward(dout):
        return dout[:, :, ::2, ::2]  # and the other three

    return x.repeat(2, axis=2).repeat(2, axis=3), backward


@mutant(("broadcast", "factor"), normal((1, 2, 2, 3)))  # the mean of four is a quarter of the sum
def upsample_averaged(x):
    N, C, H, W = x.shape

    def backward(dout):
        return dout.reshape(N, C, H, 2, W, 2).mean(axis=(3, 5))  # sum

    return x.repeat(2, axis=2).repeat(2, axis=3), backward


@mutant("stride", normal((1, 2, 2, 3)))
def upsample_blocks_for_neighbours(x):
    N, C, H, W = x.shape

    def backward(dout):
        return dout.reshape(N, C, 2, H, 2, W).sum(axis=(2, 4))  # (N, C, H, 2, W, 2)

    return x.repeat(2, axis=2).repeat(2, axis=3), backward


@correct(normal((2, 4)))
def interpolate(x):
    """The middle of each two, between them: 2L - 1 values"""
    L = x.shape[1]
    A = np.zeros((L, 2 * L - 1))
    A[np.arange(L), 2 * np.arange(L)] = 1
    A[np.arange(L - 1), 2 * np.arange(L - 1) + 1] = A[np.arange(1, L), 2 * np.arange(L - 1) + 1] = 0.5

    def backward(dout):
        return dout @ A.T

    return x @ A, backward


def with_middles(x):
    out = np.repeat(x, 2, axis=1)[:, :-1]
    out[:, 1::2] = (x[:, :-1] + x[:, 1:]) / 2
    return out


@mutant("missing-path", normal((2, 4)))
def interpolate_left_neighbour_only(x):
    def backward(dout):
        dx = dout[:, ::2].copy()
        dx[:, :-1] += dout[:, 1::2] / 2  # and dx[:, 1:]
        return dx

    return with_middles(x), backward


@mutant("off-by-one", normal((2, 4)))
def interpolate_last_middle_left_out(x):
    def backward(dout):
        dx = dout[:, ::2].copy()
        dx[:, :-2] += dout[:, 1:-2:2] / 2  # as far as 1::2
        dx[:, 1:-1] += dout[:, 1:-2:2] / 2
        return dx

    return with_middles(x), backward
