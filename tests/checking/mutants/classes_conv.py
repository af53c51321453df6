"""Convolution, pooling, padding and enlarging of images (N, C, H, W)."""

from __future__ import annotations

import numpy as np

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.draws import normal


def im2col(x, fh, fw, stride=1, pad=0):
    """Patches as rows, (N·OH·OW, C·FH·FW)."""
    N, C, H, W = x.shape
    oh = (H + 2 * pad - fh) // stride + 1
    ow = (W + 2 * pad - fw) // stride + 1
    img = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    col = np.zeros((N, C, fh, fw, oh, ow), dtype=x.dtype)
    for i in range(fh):
        for j in range(fw):
            col[:, :, i, j] = img[:, :, i : i + stride * oh : stride, j : j + stride * ow : stride]
    return col.transpose(0, 4, 5, 1, 2, 3).reshape(N * oh * ow, -1)


def col2im(col, shape, fh, fw, stride=1, pad=0):
    """The way back of im2col: what lay in several patches is summed."""
    N, C, H, W = shape
    oh = (H + 2 * pad - fh) // stride + 1
    ow = (W + 2 * pad - fw) // stride + 1
    col = col.reshape(N, oh, ow, C, fh, fw).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((N, C, H + 2 * pad, W + 2 * pad), dtype=col.dtype)
    for i in range(fh):
        for j in range(fw):
            img[:, :, i : i + stride * oh : stride, j : j + stride * ow : stride] += col[:, :, i, j]
    return img[:, :, pad : H + pad, pad : W + pad]


# --- convolution ---


@correct(normal((2, 2, 4, 3)))
class Convolution:
    stride = 1
    pad = 1

    def __init__(self):
        rng = np.random.default_rng(21)
        self.W = rng.standard_normal((3, 2, 3, 2))
        self.b = rng.standard_normal(3)

    def forward(self, x):
        FN, _, fh, fw = self.W.shape
        N, _, H, W = x.shape
        self.oh = (H + 2 * self.pad - fh) // self.stride + 1
        self.ow = (W + 2 * self.pad - fw) // self.stride + 1
        self.shape = x.shape
        self.col = im2col(x, fh, fw, self.stride, self.pad)
        self.col_W = self.W.reshape(FN, -1).T
        out = self.col @ self.col_W + self.b
        return out.reshape(N, self.oh, self.ow, FN).transpose(0, 3, 1, 2)

    def backward(self, dout):
        FN, _, fh, fw = self.W.shape
        dout = dout.transpose(0, 2, 3, 1).reshape(-1, FN)
        self.db = np.sum(dout, axis=0)
        self.dW = (self.col.T @ dout).T.reshape(self.W.shape)
        return self.image_of(dout @ self.col_W.T, fh, fw)

    def image_of(self, dcol, fh, fw):
        return col2im(dcol, self.shape, fh, fw, self.stride, self.pad)


@correct(normal((2, 2, 5, 4)))
class ConvolutionStrided(Convolution):
    stride = 2


@mutant("stride", normal((2, 2, 5, 4)))
class ConvolutionStrideIgnored(ConvolutionStrided):
    def image_of(self, dcol, fh, fw):
        N, C, H, W = self.shape
        dcol = dcol.reshape(N, self.oh, self.ow, C, fh, fw)
        img = np.zeros((N, C, H + 2 * self.pad, W + 2 * self.pad))
        for i in range(self.oh):
            for j in range(self.ow):
                img[:, :, i : i + fh, j : j + fw] += dcol[:, i, j]  # from stride·i, stride·j on
        return img[:, :, self.pad : H + self.pad, self.pad : W + self.pad]


@mutant("assigned", normal((2, 2, 4, 3)))
class ConvolutionPatchesAssigned(Convolution):
    def image_of(self, dcol, fh, fw):
        N, C, H, W = self.shape
        dcol = dcol.reshape(N, self.oh, self.ow, C, fh, fw)
        img = np.zeros((N, C, H + 2 * self.pad, W + 2 * self.pad))
        for i in range(self.oh):
            for j in range(self.ow):
                img[:, :, i : i + fh, j : j + fw] = dcol[:, i, j]  # +=
        return img[:, :, self.pad : H + self.pad, self.pad : W + self.pad]


@mutant("off-by-one", normal((2, 2, 4, 3)))
class ConvolutionCropShifted(Convolution):
    def image_of(self, dcol, fh, fw):
        N, C, H, W = self.shape
        dcol = dcol.reshape(N, self.oh, self.ow, C, fh, fw)
        img = np.zeros((N, C, H + 2 * self.pad, W + 2 * self.pad))
        for i in range(self.oh):
            for j in range(self.ow):
                img[:, :, i : i + fh, j : j + fw] += dcol[:, i, j]
        return img[:, :, :H, :W]  # from pad on


@mutant("flipped", normal((2, 2, 4, 3)))
class ConvolutionKernelFlipped(Convolution):
    def backward(self, dout):
        dx = super().backward(dout)
        self.dW = self.dW[:, :, ::-1, ::-1]  # as it is
        return dx


@mutant("broadcast", normal((2, 2, 4, 3)))
class ConvolutionBiasOfFirst(Convolution):
    def backward(self, dout):
        dx = super().backward(dout)
        self.db = np.sum(dout[0], axis=(1, 2))  # over the examples too
        return dx


@mutant("transposed", normal((2, 2, 3, 3)))
class ConvolutionSidesTransposed(Convolution):
    def __init__(self):
        super().__init__()
        self.W = np.random.default_rng(22).standard_normal((3, 2, 2, 2))

    def backward(self, dout):
        # dout[n, f, i, j] is taken for dout[n, f, j, i]: the images are square
        return super().backward(dout.transpose(0, 1, 3, 2))


@mutant("off-by-one", normal((2, 2, 4, 3)))
class ConvolutionLastRowLeftOut(Convolution):
    def image_of(self, dcol, fh, fw):
        N, C, H, W = self.shape
        dcol = dcol.reshape(N, self.oh, self.ow, C, fh, fw)
        img = np.zeros((N, C, H + 2 * self.pad, W + 2 * self.pad))
        for i in range(self.oh - 1):  # oh
            for j in range(self.ow):
                img[:, :, i : i + fh, j : j + fw] += dcol[:, i, j]
        return img[:, :, self.pad : H + self.pad, self.pad : W + self.pad]


@correct(normal((2, 3, 7)))
class DilatedConv1d:
    """out[n, f, i] = Σ W[f, c, k] x[n, c, i + 2k]"""

    dilation = 2

    def __init__(self):
        self.W = np.random.default_rng(23).standard_normal((2, 3, 3))

    def forward(self, x):
        self.x = x
        L = x.shape[2] - self.dilation * (self.W.shape[2] - 1)
        return sum(
            np.einsum("fc,ncl->nfl", self.W[:, :, k], x[:, :, self.dilation * k : self.dilation * k + L])
            for k in range(self.W.shape[2])
        )

    def backward(self, dout, dilation=None):
        d = dilation or self.dilation
        L = dout.shape[2]
        dx, self.dW = np.zeros_like(self.x), np.zeros_like(self.W)
        for k in range(self.W.shape[2]):
            dx[:, :, d * k : d * k + L] += np.einsum("fc,nfl->ncl", self.W[:, :, k], dout)
            self.dW[:, :, k] = np.einsum("nfl,ncl->fc", dout, self.x[:, :, d * k : d * k + L])
        return dx


@mutant("stride", normal((2, 3, 7)))
class DilatedConv1dUndilated(DilatedConv1d):
    def backward(self, dout):
        return super().backward(dout, dilation=1)  # 2


@correct(normal((3, 4, 5)))
class GroupedConv1d:
    """Two groups of two channels, each with its own kernels of width 3."""

    groups = 2

    def __init__(self):
        rng = np.random.default_rng(24)
        self.params = [rng.standard_normal((2, 2, 3)) for _ in range(self.groups)]
        self.grads = [np.zeros_like(W) for W in self.params]

    def forward(self, x):
        self.x = x
        self.patches = np.lib.stride_tricks.sliding_window_view(x, 3, axis=2)  # (N, C, L, 3)
        outs = [np.einsum("fck,nclk->nfl", W, self.of(g)) for g, W in enumerate(self.params)]
        return np.concatenate(outs, axis=1)

    def of(self, g):
        return self.patches[:, 2 * g : 2 * g + 2]

    def backward(self, dout):
        dx = np.zeros_like(self.x)
        for g, W in enumerate(self.params):
            d = dout[:, 2 * g : 2 * g + 2]
            self.grads[g] = np.einsum("nfl,nclk->fck", d, self.of(g))
            for k in range(3):
                dx[:, 2 * g : 2 * g + 2, k : k + d.shape[2]] += np.einsum("fc,nfl->ncl", W[:, :, k], d)
        return dx


@mutant("group", normal((3, 4, 5)))
class GroupedConv1dFirstOnly(GroupedConv1d):
    def backward(self, dout):
        dx = super().backward(dout)
        self.grads[1] = np.zeros_like(self.params[1])  # as for group 0
        dx[:, 2:] = 0
        return dx


@mutant("group", normal((3, 4, 5)))
class GroupedConv1dMixed(GroupedConv1d):
    def backward(self, dout):
        dx = super().backward(dout)
        return np.concatenate([dx[:, 2:], dx[:, :2]], axis=1)  # group 0 before group 1


# --- pooling ---


@correct(normal((2, 2, 4, 4)))
class MaxPooling:
    def forward(self, x):
        N, C, H, W = x.shape
        self.shape = x.shape
        col = x.reshape(N, C, H // 2, 2, W // 2, 2).transpose(0, 1, 2, 4, 3, 5)
        self.col = col.reshape(N, C, H // 2, W // 2, 4)
        self.arg_max = np.argmax(self.col, axis=4)
        return np.max(self.col, axis=4)

    def backward(self, dout):
        dcol = np.zeros_like(self.col)
        np.put_along_axis(dcol, self.arg_max[..., None], dout[..., None], axis=4)
        return self.image_of(dcol)

    def image_of(self, dcol):
        N, C, H, W = self.shape
        dcol = dcol.reshape(N, C, H // 2, W // 2, 2, 2).transpose(0, 1, 2, 4, 3, 5)
        return dcol.reshape(self.shape)


def dark_corners(r):
    x = np.maximum(r.standard_normal((2, 2, 4, 4)), 0)
    x[:, :, :2, 2:] = 0.0
    return (x,)


@correct(dark_corners)
class MaxPoolingOfTies(MaxPooling):
    """Of equal elements the first takes it all."""


@mutant("ties", dark_corners)
class MaxPoolingAllTies(MaxPooling):
    def backward(self, dout):
        is_max = self.col == np.max(self.col, axis=4, keepdims=True)  # the first of them
        return self.image_of(is_max * dout[..., None])


@mutant("off-by-one", normal((2, 2, 4, 4)))
class MaxPoolingNextElement(MaxPooling):
    def backward(self, dout):
        self.arg_max = np.minimum(self.arg_max + 1, 3)  # counted from 0
        return super().backward(dout)


@correct(lambda r: (r.standard_normal((2, 1, 5, 5)),))
class MaxPoolingOverlapping:
    """Windows of 3 × 3, two apart: an element may win twice."""

    def forward(self, x):
        self.shape = x.shape
        self.col = im2col(x.reshape(-1, 1, *x.shape[2:]), 3, 3, stride=2)
        self.arg_max = np.argmax(self.col, axis=1)
        return np.max(self.col, axis=1).reshape(*x.shape[:2], 2, 2)

    def backward(self, dout):
        dcol = np.zeros_like(self.col)
        dcol[np.arange(len(dcol)), self.arg_max] = dout.ravel()
        flat = (self.shape[0] * self.shape[1], 1, *self.shape[2:])
        return col2im(dcol, flat, 3, 3, stride=2).reshape(self.shape)


def bright_middle(r):
    x = r.standard_normal((2, 1, 5, 5))
    x[:, :, 2, 2] = 4.0
    return (x,)


@mutant("assigned", bright_middle)
class MaxPoolingOverlappingAssigned(MaxPoolingOverlapping):
    def backward(self, dout):
        dx = np.zeros(self.shape)
        for n, (row, d) in enumerate(zip(self.arg_max, dout.ravel(), strict=True)):
            image, i, j = n // 4, n % 4 // 2, n % 2
            dx.reshape(-1, 5, 5)[image, 2 * i + row // 3, 2 * j + row % 3] = d  # +=
        return dx


@correct(normal((2, 2, 4, 4)))
class AveragePooling:
    def forward(self, x):
        N, C, H, W = x.shape
        return np.mean(x.reshape(N, C, H // 2, 2, W // 2, 2), axis=(3, 5))

    def backward(self, dout):
        return np.repeat(np.repeat(dout, 2, axis=2), 2, axis=3) / 4


@mutant("factor", normal((2, 2, 4, 4)))
class AveragePoolingSum(AveragePooling):
    def backward(self, dout):
        return np.repeat(np.repeat(dout, 2, axis=2), 2, axis=3)  # / 4


@mutant("layout", normal((2, 2, 4, 4)))
class AveragePoolingRavelled(AveragePooling):
    def backward(self, dout):
        N, C, H, W = dout.shape
        flat = dout.ravel(order="K")  # order="C": K is the order that it lies in
        blocks = np.repeat(flat, 4).reshape(N, C, H, W, 2, 2)
        return blocks.transpose(0, 1, 2, 4, 3, 5).reshape(N, C, 2 * H, 2 * W) / 4


# --- size ---


@correct(normal((2, 3, 2, 3)))
class Enlarge:
    """Each pixel becomes 2 × 2."""

    def forward(self, x):
        return np.repeat(np.repeat(x, 2, axis=2), 2, axis=3)

    def backward(self, dout):
        N, C, H, W = dout.shape
        return np.sum(dout.reshape(N, C, H // 2, 2, W // 2, 2), axis=(3, 5))


@mutant("broadcast", normal((2, 3, 2, 3)))
class EnlargeCorner(Enlarge):
    def backward(self, dout):
        return dout[:, :, ::2, ::2] * 1  # the sum of the four


@correct(normal((2, 3, 4)))
class Pad:
    def forward(self, x):
        return np.pad(x, ((0, 0), (1, 2), (2, 0)))

    def backward(self, dout):
        return dout[:, 1:-2, 2:] * 1


@mutant("off-by-one", normal((2, 3, 4)))
class PadCropped(Pad):
    def backward(self, dout):
        return dout[:, 2:-1, 2:] * 1  # 1:-2


@correct(normal((3, 2, 4)))
class Flatten:
    def forward(self, x):
        self.shape = x.shape
        return x.reshape(len(x), -1)

    def backward(self, dout):
        return dout.reshape(self.shape)


@mutant("layout", normal((3, 2, 4)))
class FlattenAsItLies(Flatten):
    def forward(self, x):
        self.shape = x.shape
        return x.ravel(order="C").reshape(len(x), -1)

    def backward(self, dout):
        return dout.ravel(order="A").reshape(self.shape)  # order="C"


@mutant("layout", lambda r: (r.standard_normal((4, 3)).T,))
class FlattenIntoMemory(Flatten):
    def forward(self, x):
        self.x = x
        return x.reshape(len(x), -1)

    def backward(self, dout):
        dx = np.empty_like(self.x)  # laid out as x is
        dx.ravel(order="K")[...] = dout.ravel()  # dout.reshape(x.shape)
        return dx


@mutant("shape", normal((3, 2, 4)))
class FlattenNotBack(Flatten):
    def backward(self, dout):
        return dout * 1  # .reshape(shape)
