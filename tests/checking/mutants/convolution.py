"""Convolution in one and two dimensions: stride, padding, dilation, groups, and the transposed one."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.samples import normal


def starts(length, K, stride, dilation):
    """Where the windows of K elements begin."""
    return np.arange(0, length - (K - 1) * dilation, stride)


def patches(x, K, stride=1, dilation=1):
    """(N, C, L) -> (N, C, P, K)"""
    at = starts(x.shape[2], K, stride, dilation)[:, None] + dilation * np.arange(K)
    return x[:, :, at]


def unpatches(d, length, stride=1, dilation=1):
    """The way back, (N, C, P, K) -> (N, C, L): what windows share adds up."""
    N, C, P, K = d.shape
    at = stride * np.arange(P)[:, None] + dilation * np.arange(K)
    x = np.zeros((N, C, length))
    np.add.at(x, (slice(None), slice(None), at), d)
    return x


def convolve(x, W, stride=1, dilation=1):
    """(N, C, L), (O, C, K) -> (N, O, P)"""
    return np.einsum("ncpk,ock->nop", patches(x, W.shape[2], stride, dilation), W)


def weight_gradient(x, dout, K, stride=1, dilation=1):
    return np.einsum("ncpk,nop->ock", patches(x, K, stride, dilation), dout)


def input_gradient(W, dout, length, stride=1, dilation=1):
    return unpatches(np.einsum("nop,ock->ncpk", dout, W), length, stride, dilation)


PLAIN = normal((2, 2, 6), (3, 2, 3))
STRIDED = normal((2, 2, 7), (3, 2, 3))


@correct(STRIDED)
def conv(x, W, stride=2):
    def backward(dout):
        return input_gradient(W, dout, x.shape[2], stride), weight_gradient(x, dout, W.shape[2], stride)

    return convolve(x, W, stride), backward


@mutant("flipped", PLAIN)
def conv_kernel_turned(x, W):
    def backward(dout):
        return input_gradient(W[:, :, ::-1], dout, x.shape[2]), weight_gradient(x, dout, 3)  # W

    return convolve(x, W), backward


@mutant("flipped", PLAIN)
def conv_weight_gradient_turned(x, W):
    def backward(dout):
        return input_gradient(W, dout, x.shape[2]), weight_gradient(x, dout, 3)[:, :, ::-1]

    return convolve(x, W), backward


@mutant("flipped", normal((2, 3, 6), (3, 3, 3)))
def conv_full_correlation(x, W):
    """dx as a convolution of the padded dout, whose kernel is to be turned"""

    def backward(dout):
        around = np.pad(dout, ((0, 0), (0, 0), (2, 2)))
        return convolve(around, W.swapaxes(0, 1)), weight_gradient(x, dout, 3)  # W[:, :, ::-1]

    return convolve(x, W), backward


@mutant("transposed", normal((2, 3, 6), (3, 3, 3)))
def conv_channels_not_exchanged(x, W):
    def backward(dout):
        around = np.pad(dout, ((0, 0), (0, 0), (2, 2)))
        return convolve(around, W[:, :, ::-1]), weight_gradient(x, dout, 3)  # W.swapaxes(0, 1)

    return convolve(x, W), backward


@mutant("stride", STRIDED)
def conv_stride_ignored_in_dx(x, W, stride=2):
    def backward(dout):
        return input_gradient(W, dout, x.shape[2], 1), weight_gradient(x, dout, 3, stride)

    return convolve(x, W, stride), backward


@mutant("stride", STRIDED)
def conv_stride_ignored_in_dW(x, W, stride=2):
    def backward(dout):
        P = dout.shape[2]
        dW = np.einsum("ncpk,nop->ock", patches(x, 3)[:, :, :P], dout)  # patches(x, 3, stride)
        return input_gradient(W, dout, x.shape[2], stride), dW

    return convolve(x, W, stride), backward


@mutant("stride", STRIDED)
def conv_dilation_ignored_in_dx(x, W, dilation=2):
    def backward(dout):
        return input_gradient(W, dout, x.shape[2], 1, 1), weight_gradient(x, dout, 3, 1, dilation)

    return convolve(x, W, 1, dilation), backward


@mutant("stride", normal((1, 2, 9), (2, 2, 2)))
def conv_stride_for_dilation(x, W):
    """stride 2, dilation 3"""

    def backward(dout):
        dx = unpatches(np.einsum("nop,ock->ncpk", dout, W), x.shape[2], 2, 2)  # 2, 3
        return dx, weight_gradient(x, dout, 2, 2, 3)

    return convolve(x, W, 2, 3), backward


@mutant("assigned", PLAIN)
def conv_windows_overwritten(x, W):
    def backward(dout):
        dx = np.zeros_like(x)
        for p in range(dout.shape[2]):
            dx[:, :, p : p + 3] = np.einsum("no,ock->nck", dout[:, :, p], W)  # +=
        return dx, weight_gradient(x, dout, 3)

    return convolve(x, W), backward


@mutant("off-by-one", PLAIN)
def conv_last_window_left_out(x, W):
    def backward(dout):
        dx = np.zeros_like(x)
        for p in range(dout.shape[2] - 1):  # dout.shape[2]
            dx[:, :, p : p + 3] += np.einsum("no,ock->nck", dout[:, :, p], W)
        return dx, weight_gradient(x, dout, 3)

    return convolve(x, W), backward


@mutant("missing-path", PLAIN)
def conv_first_tap_only(x, W):
    def backward(dout):
        dx = np.zeros_like(x)
        dx[:, :, : dout.shape[2]] = np.einsum("nop,oc->ncp", dout, W[:, :, 0])
        return dx, weight_gradient(x, dout, 3)

    return convolve(x, W), backward


def padded(x, P=1):
    return np.pad(x, ((0, 0), (0, 0), (P, P)))


@correct(normal((2, 2, 5), (2, 2, 3), (2,)))
def conv_padded(x, W, b):
    around = padded(x)

    def backward(dout):
        dx = input_gradient(W, dout, around.shape[2])[:, :, 1:-1]
        return dx, weight_gradient(around, dout, 3), np.sum(dout, axis=(0, 2))

    return convolve(around, W) + b[:, None], backward


@mutant("off-by-one", normal((2, 2, 5), (2, 2, 3), (2,)))
def conv_padding_cut_on_one_side(x, W, b):
    around = padded(x)

    def backward(dout):
        dx = input_gradient(W, dout, around.shape[2])[:, :, :-2]  # 1:-1
        return dx, weight_gradient(around, dout, 3), np.sum(dout, axis=(0, 2))

    return convolve(around, W) + b[:, None], backward


@mutant("shape", normal((2, 2, 5), (2, 2, 3), (2,)))
def conv_padding_not_cut(x, W, b):
    around = padded(x)

    def backward(dout):
        dx = input_gradient(W, dout, around.shape[2])  # [:, :, 1:-1]
        return dx, weight_gradient(around, dout, 3), np.sum(dout, axis=(0, 2))

    return convolve(around, W) + b[:, None], backward


@mutant("broadcast", normal((2, 2, 5), (2, 2, 3), (2,)))
def conv_bias_of_first_example(x, W, b):
    around = padded(x)

    def backward(dout):
        dx = input_gradient(W, dout, around.shape[2])[:, :, 1:-1]
        return dx, weight_gradient(around, dout, 3), np.sum(dout[0], axis=1)  # axis=(0, 2)

    return convolve(around, W) + b[:, None], backward


@mutant("broadcast", normal((2, 2, 5), (2, 2, 3), (2,)))
def conv_bias_half_summed(x, W, b):
    around = padded(x)

    def backward(dout):
        dx = input_gradient(W, dout, around.shape[2])[:, :, 1:-1]
        return dx, weight_gradient(around, dout, 3), np.sum(dout, axis=0)  # axis=(0, 2)

    return convolve(around, W) + b[:, None], backward


@mutant("wrong-axis", normal((3, 3, 5), (3, 3, 3), (3,)))
def conv_bias_by_example(x, W, b):
    around = padded(x)

    def backward(dout):
        dx = input_gradient(W, dout, around.shape[2])[:, :, 1:-1]
        return dx, weight_gradient(around, dout, 3), np.sum(dout, axis=(1, 2))  # axis=(0, 2)

    return convolve(around, W) + b[:, None], backward


@mutant(("off-by-one", "wrong-array"), normal((2, 2, 5), (2, 2, 3), (2,)))  # another array, shifted by one
def conv_weight_gradient_padded_on_one_side(x, W, b):
    around = padded(x)

    def backward(dout):
        dx = input_gradient(W, dout, around.shape[2])[:, :, 1:-1]
        dW = weight_gradient(np.pad(x, ((0, 0), (0, 0), (0, 2))), dout, 3)  # around
        return dx, dW, np.sum(dout, axis=(0, 2))

    return convolve(around, W) + b[:, None], backward


def grouped(x, W, groups):
    """(N, C, L), (O, C / groups, K): each group of outputs sees its group of inputs."""
    parts = zip(np.split(x, groups, axis=1), np.split(W, groups), strict=True)
    return np.concatenate([convolve(part, kernel) for part, kernel in parts], axis=1)


def groups_of(x, W, dout, groups):
    return zip(np.split(x, groups, 1), np.split(W, groups), np.split(dout, groups, 1), strict=True)


GROUPED = normal((2, 4, 5), (4, 2, 2))


@correct(GROUPED)
def conv_groups(x, W, groups=2):
    def backward(dout):
        parts = list(groups_of(x, W, dout, groups))
        dx = np.concatenate([input_gradient(w, d, x.shape[2]) for _, w, d in parts], axis=1)
        dW = np.concatenate([weight_gradient(part, d, W.shape[2]) for part, _, d in parts])
        return dx, dW

    return grouped(x, W, groups), backward


@mutant("group", GROUPED)
def conv_groups_first_only(x, W, groups=2):
    def backward(dout):
        dx, dW = np.zeros_like(x), np.zeros_like(W)
        part, w, d = next(groups_of(x, W, dout, groups))  # and the others
        dx[:, :2], dW[:2] = input_gradient(w, d, x.shape[2]), weight_gradient(part, d, W.shape[2])
        return dx, dW

    return grouped(x, W, groups), backward


@mutant("group", GROUPED)
def conv_groups_weights_of_first(x, W, groups=2):
    def backward(dout):
        parts = list(groups_of(x, W, dout, groups))
        dx = np.concatenate([input_gradient(W[:2], d, x.shape[2]) for _, _, d in parts], axis=1)  # w
        dW = np.concatenate([weight_gradient(part, d, W.shape[2]) for part, _, d in parts])
        return dx, dW

    return grouped(x, W, groups), backward


@mutant("group", GROUPED)
def conv_groups_exchanged(x, W, groups=2):
    def backward(dout):
        parts = list(groups_of(x, W, dout, groups))
        dx = np.concatenate([input_gradient(w, d, x.shape[2]) for _, w, d in parts[::-1]], axis=1)
        dW = np.concatenate([weight_gradient(part, d, W.shape[2]) for part, _, d in parts])
        return dx, dW

    return grouped(x, W, groups), backward


def depthwise_forward(x, W):
    """(N, C, L), (C, K): each channel with its own kernel"""
    return np.einsum("ncpk,ck->ncp", patches(x, W.shape[1]), W)


@correct(normal((2, 3, 5), (3, 2)))
def depthwise(x, W):
    def backward(dout):
        dx = unpatches(dout[..., None] * W[:, None], x.shape[2])
        return dx, np.einsum("ncpk,ncp->ck", patches(x, W.shape[1]), dout)

    return depthwise_forward(x, W), backward


@mutant("group", normal((2, 3, 5), (3, 2)))
def depthwise_kernels_mixed(x, W):
    def backward(dout):
        dx = unpatches(dout[..., None] * W[:, None], x.shape[2])
        return dx, np.einsum("ncpk,nop->ok", patches(x, W.shape[1]), dout)  # ncp->ck

    return depthwise_forward(x, W), backward


@mutant("group", normal((2, 3, 5), (3, 2)))
def depthwise_first_kernel_for_all(x, W):
    def backward(dout):
        dx = unpatches(dout[..., None] * W[0], x.shape[2])  # W[:, None]
        return dx, np.einsum("ncpk,ncp->ck", patches(x, W.shape[1]), dout)

    return depthwise_forward(x, W), backward


def windows(x, K, stride):
    """(N, C, H, W) -> (N, C, P, Q, K, K)"""
    all_of_them = np.lib.stride_tricks.sliding_window_view(x, (K, K), axis=(2, 3))
    return all_of_them[:, :, ::stride, ::stride]


def unwindows(d, shape, stride):
    """The way back: what windows share adds up."""
    x = np.zeros(shape)
    for i in range(d.shape[2]):
        for j in range(d.shape[3]):
            x[:, :, i * stride :, j * stride :][:, :, : d.shape[4], : d.shape[5]] += d[:, :, i, j]
    return x


IMAGE = normal((2, 1, 5, 5), (2, 1, 3, 3))


def convolve_image(x, W, stride):
    return np.einsum("ncpqkl,ockl->nopq", windows(x, W.shape[2], stride), W)


@correct(IMAGE)
def conv_image(x, W, stride=2):
    def backward(dout):
        dx = unwindows(np.einsum("nopq,ockl->ncpqkl", dout, W), x.shape, stride)
        return dx, np.einsum("ncpqkl,nopq->ockl", windows(x, W.shape[2], stride), dout)

    return convolve_image(x, W, stride), backward


@mutant("flipped", IMAGE)
def conv_image_kernel_turned(x, W, stride=2):
    def backward(dout):
        dx = unwindows(np.einsum("nopq,ockl->ncpqkl", dout, W[:, :, ::-1, ::-1]), x.shape, stride)  # W
        return dx, np.einsum("ncpqkl,nopq->ockl", windows(x, W.shape[2], stride), dout)

    return convolve_image(x, W, stride), backward


@mutant("transposed", IMAGE)
def conv_image_kernel_transposed(x, W, stride=2):
    def backward(dout):
        dx = unwindows(np.einsum("nopq,ockl->ncpqkl", dout, W), x.shape, stride)
        return dx, np.einsum("ncpqkl,nopq->oclk", windows(x, W.shape[2], stride), dout)  # ockl

    return convolve_image(x, W, stride), backward


@mutant("stride", IMAGE)
def conv_image_stride_of_one(x, W, stride=2):
    def backward(dout):
        dx = unwindows(np.einsum("nopq,ockl->ncpqkl", dout, W), x.shape, 1)  # stride
        return dx, np.einsum("ncpqkl,nopq->ockl", windows(x, W.shape[2], stride), dout)

    return convolve_image(x, W, stride), backward


@mutant("factor", IMAGE)
def conv_image_averaged_over_the_batch(x, W, stride=2):
    N = len(x)

    def backward(dout):
        dx = unwindows(np.einsum("nopq,ockl->ncpqkl", dout, W), x.shape, stride)
        return dx, np.einsum("ncpqkl,nopq->ockl", windows(x, W.shape[2], stride), dout) / N  # a sum

    return convolve_image(x, W, stride), backward


@mutant("layout", normal((2, 1, 4, 3), (2, 1, 2, 2)))
def conv_image_rows_by_memory(x, W):
    def backward(dout):
        N, F, P, Q = dout.shape
        rows = dout.reshape((N, F, P * Q), order="A")  # "C"
        flat = windows(x, 2, 1).reshape(N, -1, P * Q, 4)
        dx = unwindows(np.einsum("nopq,ockl->ncpqkl", rows.reshape(dout.shape), W), x.shape, 1)
        return dx, np.einsum("ncpk,nop->ock", flat, rows).reshape(W.shape)

    return convolve_image(x, W, 1), backward


@correct(normal((2, 2, 3), (2, 3, 3)))
def conv_transpose(x, W, stride=2):
    """(N, C, L), (C, O, K): what convolution's backward does"""
    length = (x.shape[2] - 1) * stride + W.shape[2]

    def backward(dout):
        return convolve(dout, W, stride), weight_gradient(dout, x, W.shape[2], stride)

    return input_gradient(W, x, length, stride), backward


@mutant("transposed", normal((2, 2, 3), (2, 2, 3)))
def conv_transpose_weight_axes_exchanged(x, W, stride=2):
    length = (x.shape[2] - 1) * stride + W.shape[2]

    def backward(dout):
        dW = weight_gradient(dout, x, W.shape[2], stride).swapaxes(0, 1)  # as it is
        return convolve(dout, W, stride), dW

    return input_gradient(W, x, length, stride), backward


@mutant("stride", normal((2, 2, 3), (2, 3, 3)))
def conv_transpose_stride_ignored(x, W, stride=2):
    length = (x.shape[2] - 1) * stride + W.shape[2]

    def backward(dout):
        dx = convolve(dout, W)[:, :, : x.shape[2]]  # convolve(dout, W, stride)
        return dx, weight_gradient(dout, x, W.shape[2], stride)

    return input_gradient(W, x, length, stride), backward


@mutant("assigned", normal((2, 2, 7), (3, 2, 3)))
def conv_windows_added_into_a_view(x, W):
    def backward(dout):
        dx = np.zeros_like(x)
        windows = np.lib.stride_tricks.sliding_window_view(dx, W.shape[2], axis=2, writeable=True)
        windows += np.einsum("nop,ock->ncpk", dout, W)  # np.add.at(windows, ..., )
        return dx, weight_gradient(x, dout, W.shape[2])

    return convolve(x, W), backward
