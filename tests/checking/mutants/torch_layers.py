"""torch.autograd.Function subclasses: softmax, normalisation, dropout, convolution, attention."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch.autograd import Function
from torch.nn import grad as conv_grad

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.draws import normal

# --- softmax ---


@correct(normal((4, 3)))
class Softmax(Function):
    @staticmethod
    def forward(ctx, x):
        out = x.softmax(1)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, dout):
        (out,) = ctx.saved_tensors
        return out * (dout - (dout * out).sum(1, keepdim=True))


@mutant("diagonal", normal((4, 3)))
class SoftmaxDiagonal(Softmax):
    @staticmethod
    def backward(ctx, dout):
        (out,) = ctx.saved_tensors
        return dout * out * (1 - out)  # - out_i out_j for i ≠ j


@mutant("wrong-axis", normal((4, 3)))
class SoftmaxOverAll(Softmax):
    @staticmethod
    def backward(ctx, dout):
        (out,) = ctx.saved_tensors
        return out * (dout - (dout * out).sum())  # by rows


@correct(normal((4, 3)))
class LogSoftmax(Function):
    @staticmethod
    def forward(ctx, x):
        out = x.log_softmax(1)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, dout):
        (out,) = ctx.saved_tensors
        return dout - out.exp() * dout.sum(1, keepdim=True)


@mutant("missing-path", normal((4, 3)))
class LogSoftmaxShiftOnly(LogSoftmax):
    @staticmethod
    def backward(ctx, dout):
        return dout.clone()  # - exp(out) · sum of dout


# --- normalisation ---


@correct(normal((3, 5), (5,), (5,)))
class LayerNorm(Function):
    eps = 1e-5

    @staticmethod
    def forward(ctx, x, gamma, beta):
        mu = x.mean(1, keepdim=True)
        rstd = (x.var(1, correction=0, keepdim=True) + LayerNorm.eps).rsqrt()
        xn = (x - mu) * rstd
        ctx.save_for_backward(xn, rstd, gamma)
        return gamma * xn + beta

    @staticmethod
    def backward(ctx, dout):
        xn, rstd, gamma = ctx.saved_tensors
        dxn = dout * gamma
        mean = dxn.mean(1, keepdim=True)
        along = (dxn * xn).mean(1, keepdim=True)
        dx = (dxn - mean - xn * along) * rstd
        return dx, (dout * xn).sum(0), dout.sum(0)


@mutant("mean-term", normal((3, 5), (5,), (5,)))
class LayerNormNoMean(LayerNorm):
    @staticmethod
    def backward(ctx, dout):
        xn, rstd, gamma = ctx.saved_tensors
        dxn = dout * gamma
        dx = (dxn - xn * (dxn * xn).mean(1, keepdim=True)) * rstd  # - mean of dxn
        return dx, (dout * xn).sum(0), dout.sum(0)


@mutant("variance-term", normal((3, 5), (5,), (5,)))
class LayerNormNoVariance(LayerNorm):
    @staticmethod
    def backward(ctx, dout):
        xn, rstd, gamma = ctx.saved_tensors
        dxn = dout * gamma
        dx = (dxn - dxn.mean(1, keepdim=True)) * rstd  # - xn · mean of dxn·xn
        return dx, (dout * xn).sum(0), dout.sum(0)


@mutant("swapped", normal((3, 5), (5,), (5,)))
class LayerNormSwapped(LayerNorm):
    @staticmethod
    def backward(ctx, dout):
        dx, dgamma, dbeta = LayerNorm.backward(ctx, dout)
        return dx, dbeta, dgamma  # dgamma, dbeta


@mutant("missing-path", normal((3, 5), (5,), (5,)))
class LayerNormSecondPath(LayerNorm):
    """gamma·xn + xn: the second way is forgotten."""

    @staticmethod
    def forward(ctx, x, gamma, beta):
        out = LayerNorm.forward(ctx, x, gamma, beta)
        return out + (out - beta) / gamma


@mutant("epsilon", lambda r: (0.01 * r.standard_normal((3, 5)), r.standard_normal(5), r.standard_normal(5)))
class LayerNormNoEpsilon(LayerNorm):
    @staticmethod
    def backward(ctx, dout):
        xn, rstd, gamma = ctx.saved_tensors
        dxn = dout * gamma
        variance = 1 / rstd**2 - LayerNorm.eps
        xn_alone = xn / rstd / variance.sqrt()  # with eps, as in the forward
        along = (dxn * xn_alone).mean(1, keepdim=True)
        dx = (dxn - dxn.mean(1, keepdim=True) - xn_alone * along) / variance.sqrt()
        return dx, (dout * xn).sum(0), dout.sum(0)


@correct(normal((5, 3)))
class Standardise(Function):
    """By columns, with the variance of a sample, 1/(N - 1)."""

    @staticmethod
    def forward(x):
        return (x - x.mean(0)) / x.std(0)

    @staticmethod
    def setup_context(ctx, inputs, output):
        (x,) = inputs
        ctx.save_for_backward(output, x.std(0))

    @staticmethod
    def backward(ctx, dout):
        out, std = ctx.saved_tensors
        along = (dout * out).sum(0) / (len(out) - 1)
        return (dout - dout.mean(0) - out * along) / std


@mutant("statistics-constant", normal((5, 3)))
class StandardiseConstant(Standardise):
    @staticmethod
    def backward(ctx, dout):
        _, std = ctx.saved_tensors
        return dout / std  # mean and deviation are functions of x


@mutant("factor", normal((5, 3)))
class StandardiseByN(Standardise):
    @staticmethod
    def backward(ctx, dout):
        out, std = ctx.saved_tensors
        along = (dout * out).sum(0) / len(out)  # N - 1
        return (dout - dout.mean(0) - out * along) / std


@correct(normal((3, 4), (4,)))
class RMSNorm(Function):
    @staticmethod
    def forward(ctx, x, gamma):
        r = (x.square().mean(1, keepdim=True) + 1e-6).rsqrt()
        ctx.save_for_backward(x, gamma, r)
        return gamma * x * r

    @staticmethod
    def backward(ctx, dout):
        x, gamma, r = ctx.saved_tensors
        dxn = dout * gamma
        dx = r * dxn - r**3 * x * (dxn * x).mean(1, keepdim=True)
        return dx, (dout * x * r).sum(0)


@mutant("local-derivative", normal((3, 4), (4,)))
class RMSNormRooted(RMSNorm):
    @staticmethod
    def backward(ctx, dout):
        x, gamma, r = ctx.saved_tensors
        dxn = dout * gamma
        r3 = r.sqrt() ** 3  # r³: r is the root already
        return r * dxn - r3 * x * (dxn * x).mean(1, keepdim=True), (dout * x * r).sum(0)


@mutant("precision", normal((3, 4), (4,)))
class RMSNormFloat32(RMSNorm):
    @staticmethod
    def forward(ctx, x, gamma):
        r = (x.square().mean(1, keepdim=True) + 1e-6).rsqrt()
        ctx.save_for_backward(x, gamma, r.float())  # r
        return gamma * x * r


# --- dropout ---


@correct(normal((5, 4)))
class Dropout(Function):
    """Its random numbers are the same each time."""

    p = 0.4

    @staticmethod
    def forward(ctx, x):
        generator = torch.Generator().manual_seed(3)
        keep = torch.rand(x.shape, generator=generator, dtype=x.dtype) >= Dropout.p
        ctx.save_for_backward(keep)
        return x * keep / (1 - Dropout.p)

    @staticmethod
    def backward(ctx, dout):
        (keep,) = ctx.saved_tensors
        return dout * keep / (1 - Dropout.p)


@mutant("random", normal((5, 4)))
class DropoutRedrawn(Dropout):
    @staticmethod
    def backward(ctx, dout):
        keep = torch.rand_like(dout) >= Dropout.p  # the forward's
        return dout * keep / (1 - Dropout.p)


@mutant("factor", normal((5, 4)))
class DropoutUnscaled(Dropout):
    @staticmethod
    def backward(ctx, dout):
        (keep,) = ctx.saved_tensors
        return dout * keep  # / (1 - p)


@mutant("mask", lambda r: (r.standard_normal((5, 4)).clip(0),))
class DropoutFromZeros(Dropout):
    @staticmethod
    def forward(ctx, x):
        out = Dropout.forward(ctx, x)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, dout):
        (out,) = ctx.saved_tensors
        return dout * (out != 0) / (1 - Dropout.p)  # an x of 0 need not have been dropped


# --- convolution and pooling ---


@correct(normal((2, 2, 5, 4), (3, 2, 3, 2)))
class Conv2d(Function):
    @staticmethod
    def forward(ctx, x, W, stride=2, padding=1):
        ctx.save_for_backward(x, W)
        ctx.stride, ctx.padding = stride, padding
        return F.conv2d(x, W, stride=stride, padding=padding)

    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        dx = conv_grad.conv2d_input(x.shape, W, dout, stride=ctx.stride, padding=ctx.padding)
        dW = conv_grad.conv2d_weight(x, W.shape, dout, stride=ctx.stride, padding=ctx.padding)
        return dx, dW, None, None


@mutant("off-by-one", normal((2, 2, 4, 4), (3, 2, 3, 3)))
class Conv2dBorderShifted(Function):
    """Stride 1 and a border of 1: the image is as large as before."""

    @staticmethod
    def forward(ctx, x, W):
        ctx.save_for_backward(x, W)
        return F.conv2d(x, W, padding=1)

    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        padded = F.pad(x, (2, 0, 2, 0))  # (1, 1, 1, 1)
        dx = conv_grad.conv2d_input(x.shape, W, dout, padding=1)
        return dx, conv_grad.conv2d_weight(padded, W.shape, dout)


@correct(normal((2, 2, 6), (3, 2, 3)))
class Conv1d(Function):
    @staticmethod
    def forward(x, W):
        return F.conv1d(x, W)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        padded = F.pad(dout, (W.shape[2] - 1,) * 2)
        dx = F.conv1d(padded, W.flip(2).transpose(0, 1))
        dW = F.conv1d(x.transpose(0, 1), dout.transpose(0, 1)).transpose(0, 1)
        return dx, dW


@mutant("flipped", normal((2, 2, 6), (3, 2, 3)))
class Conv1dUnflipped(Conv1d):
    @staticmethod
    def backward(ctx, dout):
        _, W = ctx.saved_tensors
        _, dW = Conv1d.backward(ctx, dout)
        padded = F.pad(dout, (W.shape[2] - 1,) * 2)
        return F.conv1d(padded, W.transpose(0, 1)), dW  # W.flip(2)


@mutant("transposed", normal((2, 3, 6), (3, 3, 3)))
class Conv1dChannels(Conv1d):
    @staticmethod
    def backward(ctx, dout):
        _, W = ctx.saved_tensors
        _, dW = Conv1d.backward(ctx, dout)
        padded = F.pad(dout, (W.shape[2] - 1,) * 2)
        return F.conv1d(padded, W.flip(2)), dW  # .transpose(0, 1)


@mutant("stride", normal((2, 2, 7), (3, 2, 3)))
class Conv1dStrideIgnored(Function):
    @staticmethod
    def forward(ctx, x, W):
        ctx.save_for_backward(x, W)
        return F.conv1d(x, W, stride=2)

    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        dx = conv_grad.conv1d_input(x.shape, W, dout, stride=2)
        near = x[:, :, : dout.shape[2] + W.shape[2] - 1]
        return dx, conv_grad.conv1d_weight(near, W.shape, dout)  # of x, stride=2


@mutant("group", normal((2, 4, 5), (4, 2, 3)))
class Conv1dFirstGroup(Function):
    @staticmethod
    def forward(ctx, x, W):
        ctx.save_for_backward(x, W)
        return F.conv1d(x, W, groups=2)

    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        dx = conv_grad.conv1d_input(x.shape, W, dout, groups=2)
        dW = torch.zeros_like(W)
        dW[:2] = conv_grad.conv1d_weight(x[:, :2], (2, 2, 3), dout[:, :2])  # and [2:]
        return dx, dW


@correct(normal((2, 2, 4, 4)))
class MaxPool(Function):
    @staticmethod
    def forward(ctx, x):
        out, indices = F.max_pool2d(x, 2, return_indices=True)
        ctx.save_for_backward(indices)
        ctx.shape = x.shape
        return out

    @staticmethod
    def backward(ctx, dout):
        (indices,) = ctx.saved_tensors
        return F.max_unpool2d(dout, indices, 2, output_size=ctx.shape)


def steps(r):
    return (r.integers(0, 2, (2, 2, 4, 4)) + 0.5,)


@mutant("ties", steps)
class MaxPoolAllTies(MaxPool):
    @staticmethod
    def forward(ctx, x):
        out = F.max_pool2d(x, 2)
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx, dout):
        x, out = (F.interpolate(y, size=(4, 4)) for y in ctx.saved_tensors)
        return F.interpolate(dout, scale_factor=2) * (x == out)  # the first of each window


@correct(normal((2, 3, 4)))
class AvgPool(Function):
    @staticmethod
    def forward(ctx, x):
        return F.avg_pool1d(x, 2)

    @staticmethod
    def backward(ctx, dout):
        return dout.repeat_interleave(2, 2) / 2


@mutant("shape", normal((2, 3, 4)))
class AvgPoolOnce(AvgPool):
    @staticmethod
    def backward(ctx, dout):
        return dout / 2  # each twice


# --- attention ---


@correct(normal((3, 2), (4, 2), (4, 3)))
class Attention(Function):
    @staticmethod
    def forward(ctx, q, k, v):
        a = (q @ k.T / q.shape[1] ** 0.5).softmax(1)
        ctx.save_for_backward(q, k, v, a)
        return a @ v

    @staticmethod
    def backward(ctx, dout):
        q, k, v, a = ctx.saved_tensors
        da = dout @ v.T
        ds = a * (da - (da * a).sum(1, keepdim=True)) / q.shape[1] ** 0.5
        return ds @ k, ds.T @ q, a.T @ dout


@mutant("factor", normal((3, 2), (4, 2), (4, 3)))
class AttentionUnscaled(Attention):
    @staticmethod
    def backward(ctx, dout):
        q, k, v, a = ctx.saved_tensors
        da = dout @ v.T
        ds = a * (da - (da * a).sum(1, keepdim=True))  # / √D
        return ds @ k, ds.T @ q, a.T @ dout


@mutant("wrong-array", normal((4, 4), (4, 4), (4, 4)))
class AttentionWeightsOfValues(Attention):
    @staticmethod
    def backward(ctx, dout):
        dq, dk, _ = Attention.backward(ctx, dout)
        _, _, v, _ = ctx.saved_tensors
        return dq, dk, v.T @ dout  # a.T


@correct(normal((4, 3)))
class SelfProduct(Function):
    """x xᵀ: x goes two ways."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x @ x.T

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout @ x + dout.T @ x


@mutant("missing-path", normal((4, 3)))
class SelfProductLeft(SelfProduct):
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout @ x  # + dout.T @ x


@mutant("double-path", normal((4, 3)))
class SelfProductLeftTwice(SelfProduct):
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 2 * dout @ x + dout.T @ x  # dout @ x once


# --- gates ---


@correct(normal((4, 3), (4, 3)))
class SwiGLU(Function):
    @staticmethod
    def forward(ctx, x, gate):
        ctx.save_for_backward(x, gate)
        return x * F.silu(gate)

    @staticmethod
    def backward(ctx, dout):
        x, gate = ctx.saved_tensors
        s = gate.sigmoid()
        dgate = dout * x * s * (1 + gate * (1 - s))
        return dout * gate * s, dgate


@mutant("upstream-twice", normal((4, 3), (4, 3)))
class SwiGLUUpstreamTwice(SwiGLU):
    @staticmethod
    def backward(ctx, dout):
        dx, dgate = SwiGLU.backward(ctx, dout)
        return dx, dout * dgate  # dgate


@mutant("missing-gradient", normal((4, 3), (4, 3)))
class SwiGLUGateZero(SwiGLU):
    @staticmethod
    def backward(ctx, dout):
        dx, dgate = SwiGLU.backward(ctx, dout)
        return dx, torch.zeros_like(dgate)  # dgate


@mutant("swapped", normal((4, 3), (4, 3)))
class SwiGLUSwapped(SwiGLU):
    @staticmethod
    def backward(ctx, dout):
        dx, dgate = SwiGLU.backward(ctx, dout)
        return dgate, dx  # dx, dgate


@mutant("wrong-array", normal((4, 3), (4, 3)))
class SwiGLUSigmoidOfX(SwiGLU):
    @staticmethod
    def backward(ctx, dout):
        x, gate = ctx.saved_tensors
        dx, _ = SwiGLU.backward(ctx, dout)
        s = x.sigmoid()  # of the gate
        return dx, dout * x * s * (1 + gate * (1 - s))
