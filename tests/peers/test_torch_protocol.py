"""PyTorch's functions and operators on recorded tensors: PyTorch's own values and gradients, or an error."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.tree import leaves

torch = pytest.importorskip("torch")
F = torch.nn.functional

M = torch.tensor([[0.5, -1.25, 2.0], [1.5, 0.25, -0.75]], dtype=torch.float64)
W = torch.tensor([[1.0, 2.0, -1.0], [0.5, 0.1, 0.3]], dtype=torch.float64)

CALLS = {
    "var": torch.var,
    "var-dim": lambda v: torch.var(v, 1),
    "var-biased": lambda v: torch.var(v, False),
    "var-keyword": lambda v: torch.var(v, dim=0, correction=0, keepdim=True),
    "std": lambda v: torch.std(v, 1, keepdim=True),
    "std-unbiased": lambda v: torch.std(v, dim=0, unbiased=False),
    "var-method": lambda v: v.var(),
    "std-method": lambda v: v.std(1),
    "max": lambda v: torch.max(v),
    "max-dim": lambda v: torch.max(v, 1).values,
    "max-method": lambda v: v.max(0)[0] * v.max(0)[1],
    "max-two": lambda v: torch.max(v, W),
    "min-dim": lambda v: torch.min(v, dim=0, keepdim=True).values,
    "amax": lambda v: torch.amax(v, dim=(0, 1)),
    "transpose": lambda v: torch.transpose(v, 0, 1) * W.T,
    "transpose-method": lambda v: v.transpose(0, 1) * W.T,
    "T": lambda v: v.T * W.T,
    "repeat": lambda v: v.repeat(2, 1) * W.repeat(2, 1),
    "repeat-more": lambda v: v.repeat(2, 1, 2),
    "tile": lambda v: torch.tile(v, (2,)),
    "repeat_interleave": lambda v: torch.repeat_interleave(v, 2, dim=1) ** 2,
    "sum": lambda v: torch.sum(v, dim=0) ** 2,
    "sum-dims": lambda v: v.sum((0, 1)) ** 2,
    "sum-numpys": lambda v: v.sum(axis=1, keepdims=True) * v,
    "sum-dtype": lambda v: torch.sum(v, dtype=torch.float64),
    "mean": lambda v: torch.mean(v, 1, keepdim=True) * v,
    "prod": lambda v: torch.prod(v, 1),
    "cumsum": lambda v: torch.cumsum(v, dim=1) ** 2,
    "logsumexp": lambda v: torch.logsumexp(v, 1),
    "softmax": lambda v: torch.softmax(v, 1) ** 2,
    "F.softmax": lambda v: F.softmax(v, dim=0) ** 2,
    "log_softmax": lambda v: F.log_softmax(v, dim=-1) * W,
    "relu": lambda v: torch.relu(v) + F.relu(v) ** 2,
    "leaky_relu": lambda v: F.leaky_relu(v, 0.2),
    "elu": lambda v: F.elu(v),
    "gelu": lambda v: F.gelu(v) + F.gelu(v, approximate="tanh"),
    "silu": lambda v: F.silu(v) + torch.sigmoid(v),
    "unary": lambda v: (
        torch.exp(v) + torch.sin(v) * torch.cos(v) + torch.tanh(v) + torch.abs(v) + torch.square(v)
    ),
    "arcs": lambda v: torch.atan(v) + torch.asinh(v) + torch.atan2(v, W) + torch.erf(v),
    "logs": lambda v: torch.log(v * v + 1) + torch.log1p(v * v) + torch.sqrt(v * v) + torch.expm1(v),
    "reciprocal": lambda v: torch.reciprocal(v) + torch.rsqrt(v * v),
    "add-alpha": lambda v: torch.add(W, v, alpha=3) + torch.sub(v, W, alpha=2) + torch.rsub(v, W),
    "div": lambda v: torch.div(W, v),
    "operators": lambda v: W + v * W - W / v + (W * W) ** v - v % 0.7,
    "operators-right": lambda v: (v - W) * (1 - v) / (W + 4),
    "matmul": lambda v: W.T @ v + torch.matmul(W.T, v) + torch.mm(W.T, v),
    "linear": lambda v: F.linear(v, W, torch.ones(2, dtype=torch.float64)),
    "einsum": lambda v: torch.einsum("ij,kj->ik", v, W),
    "maximum": lambda v: torch.maximum(v, W) - torch.minimum(v, W),
    "clamp": lambda v: torch.clamp(v, -0.6, 1.0) + torch.clip(v, min=0.1) + v.clip(max=1.6),
    "where": lambda v: torch.where(W > 0, v, v * v),
    "reshape": lambda v: torch.reshape(v, (3, 2)) * W.reshape(3, 2),
    "flatten": lambda v: torch.flatten(v) * W.flatten() + v.ravel(),
    "permute": lambda v: torch.permute(v, (1, 0)) * W.T,
    "unsqueeze": lambda v: torch.unsqueeze(v, 0) * W,
    "squeeze": lambda v: torch.squeeze(torch.unsqueeze(v, 0), 0) + torch.squeeze(v, 1),
    "flip": lambda v: torch.flip(v, (0,)) * W,
    "roll": lambda v: torch.roll(v, 1, 1) * W,
    "cat": lambda v: torch.cat([v, W, v], dim=1) ** 2,
    "stack": lambda v: torch.stack([v, W], 1) ** 2,
    "split": lambda v: torch.split(v, 2, dim=1)[0] * torch.split(v, [1, 2], dim=1)[1],
    "chunk": lambda v: torch.chunk(v, 2, 1)[0] ** 2,
    "unbind": lambda v: torch.unbind(v, 1)[2] ** 2,
    "sort": lambda v: torch.sort(v, dim=1).values * W,
    "sort-falling": lambda v: torch.sort(v, dim=0, descending=True)[0] * W,
    "topk": lambda v: torch.topk(v, 2, dim=1).values ** 2,
    "topk-smallest": lambda v: torch.topk(v, 1, 0, largest=False).values ** 2,
    "cumprod": lambda v: v.cumprod(1) * W,
    "logcumsumexp": lambda v: torch.logcumsumexp(v, 1) * W,
    "diff": lambda v: torch.diff(v) ** 2 + torch.diff(v, 2, prepend=W)[:, :2] ** 2,
    "inner": lambda v: torch.inner(v, W) + torch.tensordot(v, W, ([1], [1])),
    "outer": lambda v: torch.outer(v[0], W[1]),
    "kron": lambda v: torch.kron(v, W),
    "cdist": lambda v: torch.cdist(v, W) + torch.cdist(v, W, p=3.0),
    "triangles": lambda v: torch.tril(v) * W + torch.triu(v, 1) ** 2 + torch.diag(v)[0],
    "repeat_interleave-counts": lambda v: torch.repeat_interleave(v, torch.tensor([2, 1]), dim=0) ** 2,
    "gather": lambda v: torch.gather(v, 1, torch.tensor([[0, 0], [2, 1]])) ** 2,
    "index_select": lambda v: torch.index_select(v, 1, torch.tensor([2, 0, 2])) ** 2,
    "broadcast_to": lambda v: torch.broadcast_to(v, (2, 2, 3)) ** 2,
    "diagonal": lambda v: torch.diagonal(v, 1) ** 2,
    "trace": lambda v: torch.trace(v) ** 2,
    "mse_loss": lambda v: F.mse_loss(v, W) + F.mse_loss(v, W, reduction="sum"),
    "l1_loss": lambda v: F.l1_loss(v, W),
    "cross_entropy": lambda v: F.cross_entropy(v, torch.tensor([2, 0]), label_smoothing=0.1),
    "comparison": lambda v: v * torch.gt(v, W) + torch.argmax(v),
    "median": lambda v: torch.median(v) + torch.median(v, 1).values + v.nanmedian(dim=1).values ** 2,
    "mode": lambda v: torch.mode(v, 1).values ** 2,
    "kthvalue": lambda v: torch.kthvalue(v, 2, 1).values ** 2,
    "cummax": lambda v: torch.cummax(v, 1).values * W,
    "norms": lambda v: torch.norm(v) + v.norm(p=3, dim=1) + torch.linalg.vector_norm(v, 1),
    "methods": lambda v: (v.unsqueeze(0).mT.clamp_min(0.1) @ v.masked_fill(W > 0, 0.5)).sin(),
    "indexing": lambda v: v[:, torch.tensor([1, 1])] ** 2 + v[0, 1],
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_value_and_gradient_are_pytorchs(call):
    x = M.clone().requires_grad_()
    wanted = call(x)
    dout = torch.rand(wanted.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    (dx,) = torch.autograd.grad(wanted, x, dout)
    out, backward = hg.vjp(call, M)
    torch.testing.assert_close(out, wanted.detach())
    torch.testing.assert_close(backward(dout)[0], dx)


S = torch.special
CURVED = {
    "lgamma": torch.lgamma, "digamma": torch.digamma, "polygamma": lambda v: torch.polygamma(2, v),
    "i0": torch.i0, "i1": S.i1, "i0e": S.i0e, "i1e": S.i1e, "erfinv": torch.erfinv, "erfcx": S.erfcx,
    "ndtr": S.ndtr, "ndtri": S.ndtri, "log_ndtr": S.log_ndtr, "entr": S.entr, "logit": torch.logit,
    "xlogy": lambda v: torch.xlogy(v, v + 1), "xlog1py": lambda v: S.xlog1py(v, 2 * v),
    "fmod": lambda v: torch.fmod(1 + v, v),
    "lu": lambda v: torch.linalg.lu_factor(torch.outer(v, v) + torch.diag(v)).LU,
    "scatter": lambda v: torch.scatter(v * v, 0, torch.tensor([1, 0]), v[:2] ** 3),
    "interpolate": lambda v: F.interpolate((v * v)[None, None], size=5, mode="linear"),
}  # fmt: skip


@pytest.mark.parametrize("function", CURVED.values(), ids=CURVED)
def test_second_derivatives_are_pytorchs(function):
    def f(v):
        return torch.sum(torch.sin(function(v)))

    x = torch.tensor([0.3, 0.7, 0.55], dtype=torch.float64)
    torch.testing.assert_close(hg.hessian(f)(x), torch.autograd.functional.hessian(f, x))


REFUSED = {
    "histc": (torch.histc, "PyTorch's histc of a recorded array has no rule"),
    "bincount": (torch.bincount, "PyTorch's bincount of a recorded array has no rule"),
    "multinomial": (lambda v: torch.multinomial(v, 1), "PyTorch's multinomial"),
    "lost-method": (lambda v: v.histc(), "PyTorch's histc"),
    "rounding": (lambda v: torch.div(v, 2, rounding_mode="floor"), "PyTorch's div .* rounding_mode="),
    "inplace": (lambda v: F.relu(v, inplace=True), "PyTorch's relu of a recorded array has no inplace="),
    "add_": (lambda v: M.clone().add_(v), "cannot be changed in place"),
    "write": (lambda v: M.clone().__setitem__(0, v[0]), "cannot be changed in place"),
    "float": (lambda v: float(v[0, 0]), "a plain number is asked for"),
    "complex": (lambda v: v * 1j, "its result is complex"),
}  # fmt: skip


@pytest.mark.parametrize(("call", "said"), REFUSED.values(), ids=REFUSED)
def test_what_has_no_rule_is_refused_by_name(call, said):
    with pytest.raises(TypeError, match=said):
        hg.vjp(call, M)


def test_second_derivatives_and_numpys_functions_of_tensors():
    def f(v):
        return torch.sum(torch.var(v, 1) * torch.max(v, 1).values)

    wanted = torch.autograd.functional.hessian(f, M)
    torch.testing.assert_close(hg.hessian(f)(M), wanted)
    value = hg.vjp(lambda v: np.sum(np.tanh(v), axis=0), M)[0]
    torch.testing.assert_close(value, torch.tanh(M).sum(0))
    assert all(isinstance(x, torch.Tensor) for x in leaves(hg.grad(f)(M)))
