"""torch.autograd.Function subclasses written apart from the others: the checker was not tuned on these."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch.autograd import Function

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.draws import normal


def angles_of(x):
    rates = torch.tensor([1.0, 0.05], dtype=x.dtype)
    return torch.arange(len(x), dtype=x.dtype)[:, None] * rates


def rotate(x, angles):
    even, odd = x[:, 0::2], x[:, 1::2]
    c, s = angles.cos(), angles.sin()
    return torch.stack((even * c - odd * s, even * s + odd * c), dim=2).flatten(1)


@mutant("transposed", normal((5, 4)))
class RotaryOnwards(Function):
    """Each pair of columns turned by its position."""

    @staticmethod
    def forward(ctx, x):
        return rotate(x, angles_of(x))

    @staticmethod
    def backward(ctx, dout):
        return rotate(dout, angles_of(dout))  # back: -angles


@correct(lambda r: (np.array([-700.0, -3.0, -0.5, 0.0, 1.2, 400.0]),))
class Mish(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.tanh(F.softplus(x))

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        t = torch.tanh(torch.logaddexp(x, torch.zeros_like(x)))
        return dout * (t + x * (1 - t.square()) * x.sigmoid())


@mutant("unstable", lambda r: (np.array([-700.0, -3.0, -0.5, 0.0, 1.2, 400.0]),))
class MishByPolynomials(Mish):
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        e = torch.exp(x)
        omega = 4 * (x + 1) + 4 * e**2 + e**3 + e * (4 * x + 6)
        delta = 2 * e + e**2 + 2
        return dout * e * omega / delta**2  # inf / inf


@mutant("local-derivative", normal((4, 3)))
class SoftsignRooted(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.scale = 1 / (1 + x.abs())
        return x * ctx.scale

    @staticmethod
    def backward(ctx, dout):
        return dout * ctx.scale  # ** 2


@mutant("factor", normal((4, 2), (4, 2)))
class GaussianKLNoHalf(Function):
    """KL(N(mu, exp logvar) || N(0, 1)), the mean over the examples"""

    @staticmethod
    def forward(ctx, mu, logvar):
        ctx.save_for_backward(mu, logvar)
        return 0.5 * (mu**2 + logvar.exp() - logvar - 1).sum(1).mean()

    @staticmethod
    def backward(ctx, dout):
        mu, logvar = ctx.saved_tensors
        return dout * mu / len(mu), dout * (logvar.exp() - 1) / len(mu)  # 0.5 *


@correct(normal((2, 2, 3)))
class Upsample(Function):
    """Each pixel becomes 2 x 2."""

    @staticmethod
    def forward(ctx, x):
        return x.repeat_interleave(2, dim=1).repeat_interleave(2, dim=2)

    @staticmethod
    def backward(ctx, dout):
        return dout.unflatten(2, (-1, 2)).unflatten(1, (-1, 2)).sum((2, 4))


@mutant("factor", normal((2, 2, 3)))
class UpsamplePooled(Upsample):
    @staticmethod
    def backward(ctx, dout):
        return F.avg_pool2d(dout, 2)  # the sum of the four


@correct(normal((4, 3), (4, 3), (4, 3)))
class Triplet(Function):
    """max(0, |a - p|² - |a - n|² + 1), summed"""

    @staticmethod
    def forward(ctx, a, p, n):
        gap = (a - p).square().sum(1) - (a - n).square().sum(1) + 1
        ctx.save_for_backward(a, p, n, gap > 0)
        return gap.clamp(min=0).sum()

    @staticmethod
    def backward(ctx, dout):
        a, p, n, active = ctx.saved_tensors
        g = 2 * dout * active.to(a.dtype)[:, None]
        return g * (n - p), g * (p - a), g * (a - n)


@mutant("swapped", normal((4, 3), (4, 3), (4, 3)))
class TripletRolesExchanged(Triplet):
    @staticmethod
    def backward(ctx, dout):
        da, dp, dn = Triplet.backward(ctx, dout)
        return da, dn, dp  # dp, dn


@mutant("broadcast", normal((2, 3, 4), (4,)))
class LayerScaleOfFirst(Function):
    @staticmethod
    def forward(ctx, x, gamma):
        ctx.save_for_backward(x, gamma)
        return x * gamma

    @staticmethod
    def backward(ctx, dout):
        x, gamma = ctx.saved_tensors
        return dout * gamma, (dout * x).sum(1)[0]  # .sum((0, 1))


@correct(lambda r: (r.standard_normal((5, 2)), np.array([[1, 1, 3], [0, 3, 4]])))
class Bag(Function):
    @staticmethod
    def forward(ctx, table, bags):
        ctx.rows = len(table)
        ctx.save_for_backward(bags)
        return table[bags].sum(1)

    @staticmethod
    def backward(ctx, dout):
        (bags,) = ctx.saved_tensors
        each = dout[:, None].expand(-1, bags.shape[1], -1)
        return dout.new_zeros(ctx.rows, 2).index_add(0, bags.flatten(), each.flatten(0, 1)), None


@mutant("assigned", lambda r: (r.standard_normal((5, 2)), np.array([[1, 1, 3], [0, 3, 4]])))
class BagLastWins(Bag):
    @staticmethod
    def backward(ctx, dout):
        (bags,) = ctx.saved_tensors
        dtable = dout.new_zeros(ctx.rows, 2)
        for bag, d in zip(bags.tolist(), dout, strict=True):
            for word in bag:
                dtable[word] = d  # +=
        return dtable, None


@mutant("mask", lambda r: (np.array([[-3.0, -0.4, 1.5, 5.5], [7.0, 0.2, -1.0, 8.5]]),))
class Relu6Open(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(0, 6)

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return torch.where(x > 0, dout, 0.0)  # and x < 6


@mutant("ties", lambda r: (np.array([[0.0, 2.0, 2.0], [1.0, -1.0, 0.5], [3.0, 3.0, 3.0]]),))
class RowMaximumOfEquals(Function):
    @staticmethod
    def forward(ctx, x):
        out = x.amax(1)
        ctx.save_for_backward(x == out[:, None])
        return out

    @staticmethod
    def backward(ctx, dout):
        (hit,) = ctx.saved_tensors
        return dout.unsqueeze(1) * hit  # / hit.sum(1, keepdim=True)


@mutant("random", normal((6, 3)))
class GaussianDropout(Function):
    @staticmethod
    def noise(x, generator):
        return 1 + 0.5 * torch.randn(x.shape, dtype=x.dtype, generator=generator)

    @staticmethod
    def forward(ctx, x):
        ctx.generator = torch.Generator().manual_seed(3)
        return x * GaussianDropout.noise(x, ctx.generator)

    @staticmethod
    def backward(ctx, dout):
        return dout * GaussianDropout.noise(dout, ctx.generator)  # goes on where the forward stopped


@mutant("precision", normal((4, 3), (3, 2)))
class AbsProductSingle(Function):
    """|x| @ W"""

    @staticmethod
    def forward(ctx, x, W):
        ctx.save_for_backward(x, W)
        return x.abs() @ W

    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        dx = (dout.float() @ W.float().t()).to(x) * x.sign()  # as they are
        return dx, x.abs().t() @ dout
