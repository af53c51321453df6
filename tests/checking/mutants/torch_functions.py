"""torch.autograd.Function subclasses: elementwise functions, products, indices, losses."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from tests.checking.mutants.corpus import correct, mutant
from tests.checking.mutants.draws import normal

# --- elementwise ---


@correct(normal((4, 3)))
class Exp(Function):
    @staticmethod
    def forward(ctx, x):
        out = x.exp()
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx, dout):
        (out,) = ctx.saved_tensors
        return dout * out


@mutant("upstream-ignored", normal((4, 3)))
class ExpOfOnes(Exp):
    @staticmethod
    def backward(ctx, dout):
        (out,) = ctx.saved_tensors
        return torch.ones_like(dout) * out  # dout


@mutant("wrong-array", normal((4, 3)))
class ExpOfInput(Exp):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)  # exp(x)
        return x.exp()


@correct(normal((4, 3)))
class Square(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**2

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 2 * x * dout


@mutant("factor", normal((4, 3)))
class SquareHalf(Square):
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return x * dout  # * 2


@mutant("upstream-twice", normal((4, 3)))
class SquareUpstreamTwice(Square):
    @staticmethod
    def backward(ctx, dout):
        return Square.backward(ctx, dout) * dout  # applied already


@mutant("integer", normal((4, 3)))
class SquareTruncated(Square):
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return 2 * x.long() * dout  # x


@mutant("precision", normal((4, 3)))
class SquareFloat32(Square):
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return (2 * x.float() * dout.float()).double()  # as they are


@mutant("accumulates", normal((4, 3)))
class SquareAccumulates(Square):
    @staticmethod
    def forward(ctx, x):
        ctx.dx = torch.zeros_like(x)
        return Square.forward(ctx, x)

    @staticmethod
    def backward(ctx, dout):
        ctx.dx += Square.backward(ctx, dout)  # zeros each time
        return ctx.dx.clone()


@correct(lambda r: (r.uniform(0.5, 2, (4, 3)),))
class Sqrt(Function):
    """The newer form: what is saved is told apart from what is computed."""

    @staticmethod
    def forward(x):
        return x.sqrt()

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(output)

    @staticmethod
    @once_differentiable
    def backward(ctx, dout):
        (out,) = ctx.saved_tensors
        return dout / (2 * out)


@mutant("local-derivative", lambda r: (r.uniform(0.5, 2, (4, 3)),))
class SqrtOfRoot(Sqrt):
    @staticmethod
    def backward(ctx, dout):
        (out,) = ctx.saved_tensors
        return dout / (2 * out.sqrt())  # a root already


@correct(lambda r: (2 * r.standard_normal((4, 3)),))
class Sigmoid(Function):
    @staticmethod
    def forward(x):
        return torch.sigmoid(x)

    @staticmethod
    def setup_context(ctx, inputs, output):
        (x,) = inputs
        ctx.save_for_backward(x, output)

    @staticmethod
    def backward(ctx, dout):
        _, out = ctx.saved_tensors
        return dout * out * (1 - out)


@mutant("unstable", lambda r: (np.array([-800.0, -1.0, 0.5, 800.0]),))
class SigmoidUnstable(Sigmoid):
    @staticmethod
    def backward(ctx, dout):
        x, _ = ctx.saved_tensors
        e = torch.exp(-x)  # inf
        return dout * e / (1 + e) ** 2  # out·(1 - out)


@mutant("local-derivative", lambda r: (2 * r.standard_normal((4, 3)),))
class SigmoidNoComplement(Sigmoid):
    @staticmethod
    def backward(ctx, dout):
        _, out = ctx.saved_tensors
        return dout * out  # * (1 - out)


@correct(normal((4, 3)))
class Relu(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        dx = dout.clone()
        dx[x <= 0] = 0
        return dx


@mutant("mutates", normal((4, 3)))
class ReluWritesDout(Relu):
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        dx = dout  # dout.clone()
        dx[x < 0] = 0
        return dx


@mutant("mask", normal((4, 3)))
class ReluThreshold(Relu):
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * (x > 1)  # 0


@mutant("mask", lambda r: (np.array([[-2.0, 0.3, 1.4], [0.9, -0.7, -0.2]]),))
class HardtanhOneSide(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(-0.5, 0.5)

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * (x < 0.5)  # & (x > -0.5)


@correct(lambda r: (np.array([[-1.0, 0.3, 0.0], [0.9, -0.7, 1.0]]), -1.0, 1.0))
class Clamp(Function):
    """With bounds that are numbers; two elements lie on them."""

    @staticmethod
    def forward(ctx, x, low, high):
        ctx.save_for_backward((x >= low) & (x <= high))
        return x.clamp(low, high)

    @staticmethod
    def backward(ctx, dout):
        (inside,) = ctx.saved_tensors
        return dout * inside, None, None


@correct(normal((4, 3)))
class SiLU(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x * torch.sigmoid(x)

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return dout * (s + x * s * (1 - s))


@mutant("missing-path", normal((4, 3)))
class SiLUNoGate(SiLU):
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout * torch.sigmoid(x)  # + x · sigmoid'(x)


@mutant("double-path", normal((4, 3)))
class SiLUTwice(SiLU):
    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        s = torch.sigmoid(x)
        return dout * (s + x * s * (1 - s)) + dout * s  # s is in it


@mutant("stale-cache", normal((4, 3)))
class TanhScaledInPlace(Function):
    """2·tanh(x)"""

    @staticmethod
    def forward(ctx, x):
        out = torch.tanh(x)
        ctx.tanh = out
        return out.mul_(2)  # out * 2: what is kept is tanh(x)

    @staticmethod
    def backward(ctx, dout):
        return 2 * dout * (1 - ctx.tanh**2)


@mutant("mutates", normal((4, 3)))
class SinInPlace(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(torch.cos(x))
        return x.sin_() * 1  # x.sin()

    @staticmethod
    def backward(ctx, dout):
        (cos,) = ctx.saved_tensors
        return dout * cos


@mutant("stale-cache", normal((4, 3)))
class CosOnClass(Function):
    @staticmethod
    def forward(ctx, x):
        CosOnClass.x = x  # ctx.save_for_backward(x)
        return x.cos()

    @staticmethod
    def backward(ctx, dout):
        return -dout * CosOnClass.x.sin()


@correct(normal((4, 3)))
class Gelu(Function):
    @staticmethod
    def forward(ctx, x):
        cdf = 0.5 * (1 + torch.erf(x / math.sqrt(2)))
        ctx.save_for_backward(x, cdf)
        return x * cdf

    @staticmethod
    def backward(ctx, dout):
        x, cdf = ctx.saved_tensors
        pdf = torch.exp(-(x**2) / 2) / math.sqrt(2 * math.pi)
        return dout * (cdf + x * pdf)


@mutant("factor", normal((4, 3)))
class GeluDensityUnscaled(Gelu):
    @staticmethod
    def backward(ctx, dout):
        x, cdf = ctx.saved_tensors
        pdf = torch.exp(-(x**2) / 2)  # / √(2π)
        return dout * (cdf + x * pdf)


# --- two operands ---


@correct(normal((4, 3), (3,)))
class Mul(Function):
    """Broadcasts; each gradient is computed only where it is asked for."""

    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return x * y

    @staticmethod
    def backward(ctx, dout):
        x, y = ctx.saved_tensors
        dx = dout * y if ctx.needs_input_grad[0] else None
        dy = (dout * x).sum(0) if ctx.needs_input_grad[1] else None
        return dx, dy


@mutant("broadcast", normal((4, 3), (3,)))
class MulFirstRow(Mul):
    @staticmethod
    def backward(ctx, dout):
        x, y = ctx.saved_tensors
        return dout * y, (dout * x)[0]  # .sum(0)


@mutant("broadcast", normal((2, 4, 3), (3,)))
class MulHalfSummed(Mul):
    @staticmethod
    def backward(ctx, dout):
        x, y = ctx.saved_tensors
        return dout * y, (dout * x).sum(1)[0]  # over 0 and 1


@mutant("swapped", normal((4, 3), (4, 3)))
class MulSwapped(Mul):
    @staticmethod
    def backward(ctx, dout):
        x, y = ctx.saved_tensors
        return dout * x, dout * y  # y, x


@mutant("missing-gradient", normal((4, 3), (4, 3)))
class MulOnlyFirst(Mul):
    @staticmethod
    def backward(ctx, dout):
        _, y = ctx.saved_tensors
        return dout * y, None  # dout · x


@mutant("wrong-axis", normal((3, 3), (3,)))
class MulSumOfRows(Mul):
    @staticmethod
    def backward(ctx, dout):
        x, y = ctx.saved_tensors
        return dout * y, (dout * x).sum(1)  # 0


@correct(normal((5, 3), (4, 3), (4,)))
class Linear(Function):
    """x Wᵀ + b, W (out, in)."""

    @staticmethod
    def forward(x, W, b):
        return x @ W.T + b

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, W, _ = inputs
        ctx.save_for_backward(x, W)

    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        return dout @ W, dout.T @ x, dout.sum(0)


@mutant("transposed", normal((5, 3), (3, 3), (3,)))
class LinearTransposed(Linear):
    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        return dout @ W.T, dout.T @ x, dout.sum(0)  # W


@mutant("transposed", normal((5, 3), (3, 3), (3,)))
class LinearWeightTransposed(Linear):
    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        return dout @ W, x.T @ dout, dout.sum(0)  # dout.T @ x


@mutant("factor", normal((5, 3), (4, 3), (4,)))
class LinearBiasMean(Linear):
    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        return dout @ W, dout.T @ x, dout.mean(0)  # sum


@mutant("updated-weights", normal((5, 3), (4, 3), (4,)))
class LinearUpdates(Linear):
    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        dW = dout.T @ x
        W.data -= 0.1 * dW
        return dout @ W, dW, dout.sum(0)  # W from before the update


@mutant("off-by-one", normal((5, 3), (4, 3), (4,)))
class LinearLastExample(Linear):
    @staticmethod
    def backward(ctx, dout):
        x, W = ctx.saved_tensors
        return dout @ W, dout[:-1].T @ x[:-1], dout.sum(0)  # all of them


@correct(normal((2, 3, 4), (2, 4, 2)))
class BatchedProduct(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return torch.bmm(x, y)

    @staticmethod
    def backward(ctx, dout):
        x, y = ctx.saved_tensors
        return dout @ y.mT, x.mT @ dout


@mutant("layout", normal((2, 3, 4), (2, 4, 2)))
class BatchedProductViewed(BatchedProduct):
    @staticmethod
    def backward(ctx, dout):
        x, y = ctx.saved_tensors
        dout = dout.view(-1).view(2, 3, 2)  # reshape: view asks for what is contiguous
        return dout @ y.mT, x.mT @ dout


@mutant("group", normal((2, 3, 4), (2, 4, 2)))
class BatchedProductOfFirst(BatchedProduct):
    @staticmethod
    def backward(ctx, dout):
        x, y = ctx.saved_tensors
        dx = dout @ y[:1].mT  # each with its own y
        return dx, x.mT @ dout


@correct(normal((3,), (4,)))
class Outer(Function):
    @staticmethod
    def forward(ctx, x, y):
        ctx.save_for_backward(x, y)
        return torch.outer(x, y)

    @staticmethod
    def backward(ctx, dout):
        x, y = ctx.saved_tensors
        return dout @ y, x @ dout


@mutant("transposed", normal((3,), (3,)))
class OuterTransposed(Outer):
    @staticmethod
    def backward(ctx, dout):
        x, y = ctx.saved_tensors
        return dout.T @ y, x @ dout.T  # dout


# --- reductions, extrema, indices ---


@correct(normal((4, 3)))
class Mean(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.n, ctx.shape = x.shape[0], x.shape
        return x.mean(0)

    @staticmethod
    def backward(ctx, dout):
        return dout.expand(ctx.shape) / ctx.n


@mutant("factor", normal((4, 3)))
class MeanUndivided(Mean):
    @staticmethod
    def backward(ctx, dout):
        return dout.expand(ctx.shape)  # / n


# 1 // N is 0, so nothing but zeros comes back
@mutant(("integer", "missing-gradient"), normal((4, 3)))
class MeanFloored(Mean):
    @staticmethod
    def backward(ctx, dout):
        return dout.expand(ctx.shape) * (1 // ctx.n)  # 1 / n


@correct(normal((4, 5)))
class MaxOfRows(Function):
    """Two outputs: the values, and where they are, which is not differentiable."""

    @staticmethod
    def forward(ctx, x):
        values, indices = x.max(1)
        ctx.mark_non_differentiable(indices)
        ctx.save_for_backward(indices)
        ctx.shape = x.shape
        return values, indices

    @staticmethod
    def backward(ctx, dvalues, dindices):
        (indices,) = ctx.saved_tensors
        dx = dvalues.new_zeros(ctx.shape)
        return dx.scatter(1, indices[:, None], dvalues[:, None])


@mutant("off-by-one", normal((4, 5)))
class MaxOfRowsNext(MaxOfRows):
    @staticmethod
    def backward(ctx, dvalues, dindices):
        (indices,) = ctx.saved_tensors
        dx = dvalues.new_zeros(ctx.shape)
        return dx.scatter(1, (indices[:, None] + 1) % 5, dvalues[:, None])  # indices


@correct(lambda r: (np.array([[2.0, 2.0, -1.0], [0.5, 3.0, 1.0], [1.0, 1.0, 1.0]]),))
class AmaxOfRows(Function):
    """Equal elements share the gradient."""

    @staticmethod
    def forward(ctx, x):
        out = x.amax(1, keepdim=True)
        ctx.save_for_backward(x == out)
        return out

    @staticmethod
    def backward(ctx, dout):
        (is_max,) = ctx.saved_tensors
        return dout * is_max / is_max.sum(1, keepdim=True)


@mutant("ties", lambda r: (np.array([[2.0, 2.0, -1.0], [0.5, 3.0, 1.0], [1.0, 1.0, 1.0]]),))
class AmaxOfRowsAll(AmaxOfRows):
    @staticmethod
    def backward(ctx, dout):
        (is_max,) = ctx.saved_tensors
        return dout * is_max  # / how many there are


@correct(lambda r: (r.standard_normal((5, 3)), np.array([3, 0, 3, 1])))
class Rows(Function):
    """The rows idx of W, any of them several times."""

    @staticmethod
    def forward(W, idx):
        return W[idx]

    @staticmethod
    def setup_context(ctx, inputs, output):
        W, idx = inputs
        ctx.save_for_backward(idx)
        ctx.shape = W.shape

    @staticmethod
    def backward(ctx, dout):
        (idx,) = ctx.saved_tensors
        return dout.new_zeros(ctx.shape).index_add(0, idx, dout), None


@mutant("assigned", lambda r: (r.standard_normal((5, 3)), np.array([3, 0, 3, 1])))
class RowsAssigned(Rows):
    @staticmethod
    def backward(ctx, dout):
        (idx,) = ctx.saved_tensors
        dW = dout.new_zeros(ctx.shape)
        dW[idx] = dout  # index_add: row 3 was taken twice
        return dW, None


@correct(normal((7,)))
class Windows(Function):
    """Every three neighbours, each element in up to three rows."""

    @staticmethod
    def forward(ctx, x):
        return x.unfold(0, 3, 1).clone()

    @staticmethod
    def backward(ctx, dout):
        dx = dout.new_zeros(len(dout) + 2)
        for i, row in enumerate(dout):
            dx[i : i + 3] += row
        return dx


@mutant("assigned", normal((7,)))
class WindowsAssigned(Windows):
    @staticmethod
    def backward(ctx, dout):
        dx = dout.new_zeros(len(dout) + 2)
        for i, row in enumerate(dout):
            dx[i : i + 3] = row  # +=
        return dx


@correct(normal((5, 3)))
class Cumsum(Function):
    @staticmethod
    def forward(ctx, x):
        return x.cumsum(0)

    @staticmethod
    def backward(ctx, dout):
        return dout.flip(0).cumsum(0).flip(0)


@mutant("flipped", normal((5, 3)))
class CumsumNotBack(Cumsum):
    @staticmethod
    def backward(ctx, dout):
        return dout.flip(0).cumsum(0)  # .flip(0)


@correct(normal((7,)))
class Sort(Function):
    @staticmethod
    def forward(ctx, x):
        out, order = x.sort()
        ctx.save_for_backward(order)
        return out

    @staticmethod
    def backward(ctx, dout):
        (order,) = ctx.saved_tensors
        return torch.zeros_like(dout).scatter(0, order, dout)


@mutant("transposed", lambda r: (np.roll(np.sort(r.standard_normal(7)), 2),))
class SortAgain(Sort):
    @staticmethod
    def backward(ctx, dout):
        (order,) = ctx.saved_tensors
        return dout[order]  # the inverse permutation


@correct(normal((4, 3)))
class LogSumExp(Function):
    @staticmethod
    def forward(ctx, x):
        out = x.logsumexp(1, keepdim=True)
        ctx.save_for_backward(x, out)
        return out.squeeze(1)

    @staticmethod
    def backward(ctx, dout):
        x, out = ctx.saved_tensors
        return dout[:, None] * (x - out).exp()


@mutant("unstable", normal((4, 3)))
class LogSumExpUnstable(LogSumExp):
    @staticmethod
    def backward(ctx, dout):
        x, _ = ctx.saved_tensors
        e = x.exp()  # inf for x > 710
        return dout[:, None] * e / e.sum(1, keepdim=True)


@correct(normal((4, 3)))
class Norm(Function):
    """The lengths of the rows."""

    @staticmethod
    def forward(ctx, x):
        out = (x**2).sum(1, keepdim=True).sqrt()
        ctx.save_for_backward(x, out)
        return out

    @staticmethod
    def backward(ctx, dout):
        x, out = ctx.saved_tensors
        return dout * x / out


@mutant("local-derivative", normal((4, 3)))
class NormOfSquares(Norm):
    @staticmethod
    def backward(ctx, dout):
        x, _ = ctx.saved_tensors
        return dout * x  # / |x|


@correct(normal((4, 5)))
class ChunkAndScale(Function):
    """Two outputs: the first two columns, and twice the rest."""

    @staticmethod
    def forward(ctx, x):
        return x[:, :2].clone(), 2 * x[:, 2:]

    @staticmethod
    def backward(ctx, dfirst, drest):
        return torch.cat((dfirst, 2 * drest), 1)


@mutant("off-by-one", normal((4, 4)))
class ChunkAndScaleShifted(ChunkAndScale):
    @staticmethod
    def backward(ctx, dfirst, drest):
        return torch.cat((dfirst, 2 * drest), 1).roll(1, 1)  # one column too far


# --- losses ---


@correct(lambda r: (r.standard_normal((4, 3)), np.array([2, 0, 2, 1])))
class CrossEntropy(Function):
    @staticmethod
    def forward(ctx, x, t):
        log_y = x.log_softmax(1)
        ctx.save_for_backward(log_y, t)
        return -log_y.gather(1, t[:, None]).mean()

    @staticmethod
    def backward(ctx, dout):
        log_y, t = ctx.saved_tensors
        dx = log_y.exp()
        dx[torch.arange(len(t)), t] -= 1
        return dout * dx / len(t), None


@mutant("upstream-ignored", lambda r: (r.standard_normal((4, 3)), np.array([2, 0, 2, 1])))
class CrossEntropyOfOne(CrossEntropy):
    @staticmethod
    def backward(ctx, dout):
        return CrossEntropy.backward(ctx, 1.0)  # dout


@mutant("factor", lambda r: (r.standard_normal((4, 3)), np.array([2, 0, 2, 1])))
class CrossEntropyByClasses(CrossEntropy):
    @staticmethod
    def backward(ctx, dout):
        log_y, t = ctx.saved_tensors
        dx = log_y.exp()
        dx[torch.arange(len(t)), t] -= 1
        return dout * dx / dx.numel(), None  # len(t)


@mutant("accumulates", lambda r: (r.standard_normal((4, 3)), np.array([2, 0, 2, 1])))
class CrossEntropySpoilsCache(CrossEntropy):
    @staticmethod
    def forward(ctx, x, t):
        y = x.softmax(1)
        ctx.y, ctx.t = y, t
        return -x.log_softmax(1).gather(1, t[:, None]).mean()

    @staticmethod
    def backward(ctx, dout):
        dx = ctx.y  # a clone of it: the next backward takes off another 1
        dx[torch.arange(len(ctx.t)), ctx.t] -= 1
        return dout * dx / len(ctx.t), None


@mutant("epsilon", lambda r: (np.array([1e-7, 0.3, 0.9, 2e-6]),))
class SafeLog(Function):
    """log(x + 1e-7)"""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return (x + 1e-7).log()

    @staticmethod
    def backward(ctx, dout):
        (x,) = ctx.saved_tensors
        return dout / x  # x + 1e-7


@correct(normal((4, 3), (4, 3)))
class MSE(Function):
    @staticmethod
    def forward(ctx, y, t):
        ctx.save_for_backward(y, t)
        return ((y - t) ** 2).mean()

    @staticmethod
    def backward(ctx, dout):
        y, t = ctx.saved_tensors
        dy = 2 * dout * (y - t) / y.numel()
        return dy, -dy


@mutant("factor", normal((4, 3), (4, 3)))
class MSEBothPositive(MSE):
    @staticmethod
    def backward(ctx, dout):
        dy, _ = MSE.backward(ctx, dout)
        return dy, dy  # -dy


@correct(normal((6,), (6,)))
class SmoothL1(Function):
    @staticmethod
    def forward(ctx, y, t):
        d = y - t
        ctx.save_for_backward(d)
        return torch.where(d.abs() < 1, d**2 / 2, d.abs() - 0.5).sum()

    @staticmethod
    def backward(ctx, dout):
        (d,) = ctx.saved_tensors
        dy = dout * d.clamp(-1, 1)
        return dy, -dy


@mutant("mask", lambda r: (np.array([-2.0, 0.4, 3.0, 0.1]), np.array([0.5, 0.0, 0.2, 0.7])))
class SmoothL1WrongSide(SmoothL1):
    @staticmethod
    def backward(ctx, dout):
        (d,) = ctx.saved_tensors
        dy = dout * torch.where(d.abs() > 1, d, d.sign())  # < 1
        return dy, -dy
