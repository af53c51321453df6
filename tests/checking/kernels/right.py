"""Right kernels by hand: ``kernel(how)(*xs) -> (out, backward)``, on PyTorch's tensors."""

import math
from dataclasses import dataclass

import pytest

from tests.checking.kernels.references import EPS

torch = pytest.importorskip("torch")
F = torch.nn.functional


@dataclass(frozen=True)
class How:
    """In float32 or in steps of the dtype; sums by blocks, forwards or backwards, or in another order."""

    wide: bool = True
    block: int = 10**6
    order: str = "along"

    def up(self, x):
        return x.float() if self.wide else x

    def sum(self, x, axis=-1, keepdim=True):
        x = x.movedim(axis, -1)
        if self.order == "back":
            x = x.flip(-1)
        elif self.order == "mixed":
            x = x[..., torch.randperm(x.shape[-1], generator=torch.Generator().manual_seed(1))]
        total = torch.zeros(x.shape[:-1], dtype=torch.float32)
        for part in x.split(self.block, -1):
            total = total + part.float().sum(-1)
        total = total.to(x.dtype)
        return total.unsqueeze(axis) if keepdim else total

    def mean(self, x, axis=-1):
        return self.sum(x, axis) / x.shape[axis]

    def mm(self, a, b):
        """A product, its long axis cut into blocks."""
        total = 0
        for i in range(0, a.shape[-1], self.block):
            part = a[..., i : i + self.block].float() @ b[..., i : i + self.block, :].float()
            total = total + part
        return total.to(a.dtype)


WAYS = {
    "float32 inside": How(),
    "blocks of 8, the last first": How(block=8, order="back"),
    "one term after the other, mixed": How(block=1, order="mixed"),
    "each step rounded": How(wide=False),
    "each step rounded, blocks of 4": How(wide=False, block=4, order="back"),
}


def softmax(how):
    def kernel(x):
        z = how.up(x)
        e = torch.exp(z - z.amax(-1, keepdim=True))
        p = e / how.sum(e)

        def backward(dout):
            d = how.up(dout)
            return (p * (d - how.sum(p * d))).to(x.dtype)

        return p.to(x.dtype), backward

    return kernel


def layer_norm(how):
    def kernel(x, g, b):
        z, gamma, beta = map(how.up, (x, g, b))
        c = z - how.mean(z)
        r = 1 / torch.sqrt(how.mean(c * c) + EPS)
        n = c * r

        def backward(dout):
            d = how.up(dout)
            h = d * gamma
            dx = r * (h - how.mean(h) - n * how.mean(h * n))
            return dx.to(x.dtype), how.sum(d * n, 0, False).to(x.dtype), how.sum(d, 0, False).to(x.dtype)

        return (n * gamma + beta).to(x.dtype), backward

    return kernel


def rms_norm(how):
    def kernel(x, g):
        z, gamma = how.up(x), how.up(g)
        r = torch.rsqrt(how.mean(z * z) + EPS)

        def backward(dout):
            d = how.up(dout)
            h = d * gamma
            dx = r * (h - z * r * how.mean(h * z * r))
            return dx.to(x.dtype), how.sum(d * z * r, 0, False).to(x.dtype)

        return (z * r * gamma).to(x.dtype), backward

    return kernel


def gelu(how):
    def kernel(x):
        z = how.up(x)
        cdf = 0.5 * (1 + torch.erf(z * math.sqrt(0.5)))

        def backward(dout):
            pdf = torch.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)
            return (how.up(dout) * (cdf + z * pdf)).to(x.dtype)

        return (z * cdf).to(x.dtype), backward

    return kernel


def cross_entropy(how):
    def kernel(x, t):
        z = how.up(x)
        z = z - z.amax(-1, keepdim=True)
        e = torch.exp(z)
        s = how.sum(e)
        rows = torch.arange(len(x))
        loss = how.mean((torch.log(s)[:, 0] - z[rows, t]), 0)[0]

        def backward(dout):
            dx = e / s
            dx[rows, t] -= 1
            return (dx * (how.up(dout) / len(x))).to(x.dtype), None

        return loss.to(x.dtype), backward

    return kernel


def matmul(how):
    def kernel(x, w):
        def backward(dout):
            return how.mm(dout, w.T), how.mm(x.T, dout)

        return how.mm(x, w), backward

    return kernel


def attention(how):
    def kernel(q, k, v):
        scale = 1 / math.sqrt(q.shape[-1])
        future = torch.triu(torch.ones(q.shape[-2], q.shape[-2]), 1) > 0
        qs, ks, vs = map(how.up, (q, k, v))
        s = (how.mm(qs, ks.mT) * scale).masked_fill(future, -math.inf)
        e = torch.exp(s - s.amax(-1, keepdim=True))
        p = e / how.sum(e)
        out = how.mm(p, vs)

        def backward(dout):
            d = how.up(dout)
            dp = how.mm(d, vs.mT)
            ds = p * (dp - how.sum(d * out)) * scale
            found = how.mm(ds, ks), how.mm(ds.mT, qs), how.mm(p.mT, d)
            return tuple(g.to(q.dtype) for g in found)

        return out.to(q.dtype), backward

    return kernel


def row_sum(how):
    def kernel(x):
        return how.sum(how.up(x), -1, False).to(x.dtype), lambda d: d[:, None].expand(x.shape).clone()

    return kernel


def logsumexp(how):
    def kernel(x):
        z = how.up(x)
        m = z.amax(-1, keepdim=True)
        out = torch.log(how.sum(torch.exp(z - m))) + m

        def backward(dout):
            return (how.up(dout)[:, None] * torch.exp(z - out)).to(x.dtype)

        return out[:, 0].to(x.dtype), backward

    return kernel


def swiglu(how):
    def kernel(x, gate):
        a, g = how.up(x), how.up(gate)
        s = torch.sigmoid(g)

        def backward(dout):
            d = how.up(dout)
            return (d * g * s).to(x.dtype), (d * a * s * (1 + g * (1 - s))).to(x.dtype)

        return (a * g * s).to(x.dtype), backward

    return kernel


def rotary(how):
    def kernel(x, cos, sin):
        z, c, s = how.up(x), how.up(cos), how.up(sin)
        a, b = z[:, :8], z[:, 8:]

        def backward(dout):
            d = how.up(dout)
            u, w = d[:, :8], d[:, 8:]
            dx = torch.cat([u * c + w * s, w * c - u * s], 1)
            return dx.to(x.dtype), (u * a + w * b).to(x.dtype), (w * a - u * b).to(x.dtype)

        return torch.cat([a * c - b * s, a * s + b * c], 1).to(x.dtype), backward

    return kernel


def embedding(how):
    def kernel(table, index):
        def backward(dout):
            d = torch.zeros_like(table, dtype=torch.float32)
            order = range(len(index)) if how.order == "along" else range(len(index) - 1, -1, -1)
            for i in order:
                d[index[i]] += dout[i].float()
            return d.to(table.dtype), None

        return table[index], backward

    return kernel


BY_HAND = {
    f.__name__: f
    for f in (
        *(softmax, layer_norm, rms_norm, gelu, cross_entropy, matmul, attention, row_sum, logsumexp, swiglu),
        *(rotary, embedding),
    )
}


def _rotated(x, cos, sin):
    a, b = x[:, :8], x[:, 8:]
    return torch.cat([a * cos - b * sin, a * sin + b * cos], 1)


# PyTorch's own, in the dtype: their backwards are PyTorch's.
BY_PYTORCH = {
    "softmax": lambda x: F.softmax(x, -1),
    "layer_norm": lambda x, g, b: F.layer_norm(x, x.shape[-1:], g, b, EPS),
    "rms_norm": lambda x, g: F.rms_norm(x, x.shape[-1:], g, EPS),
    "gelu": F.gelu,
    "cross_entropy": F.cross_entropy,
    "matmul": torch.matmul,
    "attention": lambda q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=True),
    "row_sum": lambda x: torch.sum(x, -1),
    "logsumexp": lambda x: torch.logsumexp(x, -1),
    "swiglu": lambda x, gate: F.silu(gate) * x,
    "rotary": _rotated,
    "embedding": lambda table, index: F.embedding(index, table),
}


def implementations(name):
    """All right kernels of a name, by what they are called."""
    found = {said: BY_HAND[name](how) for said, how in WAYS.items()}
    return found | {"PyTorch's": BY_PYTORCH[name]}
