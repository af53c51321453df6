"""Products of vectors and matrices, and what is made of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad import rules
from handgrad.arrays import shape, stripped, xp
from handgrad.tape.functions.products import einsum as numpys_einsum
from handgrad.tape.functions.shaping import moveaxis, swapaxes


def of_two(product: Callable) -> Callable:
    return lambda input, other: product(input, other)


def weighted(product: Callable) -> Callable:
    """``beta * input + alpha * product(...)``; of beta 0 the input does not count, whatever it holds."""

    def function(input: Any, first: Any, second: Any, *, beta: Any = 1, alpha: Any = 1) -> Any:
        made = product(first, second)
        made = made if alpha == 1 else alpha * made
        if beta == 0:
            return rules.broadcast_to(made, shape(made)) + xp.zeros_like(stripped(input))
        return (input if beta == 1 else beta * input) + made

    return function


def _sum_of_products(batch1: Any, batch2: Any) -> Any:
    return rules.einsum([batch1, batch2], "bij,bjk->ik")


def linear(input: Any, weight: Any, bias: Any = None) -> Any:
    out = input @ rules.transpose(weight)
    return out if bias is None else out + bias


def bilinear(input1: Any, input2: Any, weight: Any, bias: Any = None) -> Any:
    out = rules.einsum([input1, weight, input2], "...i,oij,...j->...o")
    return out if bias is None else out + bias


def einsum(equation: str, *operands: Any) -> Any:
    return numpys_einsum(equation, *(operands[0] if isinstance(operands[0], (list, tuple)) else operands))


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    """An axis of one element meets any other."""
    dims = int(dims) if hasattr(dims, "dtype") else dims
    if isinstance(dims, int):
        dims = [*range(-dims, 0)], [*range(dims)]
    for i, j in zip(*dims, strict=True):
        if shape(a)[i] != shape(b)[j]:
            a = rules.sum(a, axis=i, keepdims=True) if shape(b)[j] == 1 else a
            b = rules.sum(b, axis=j, keepdims=True) if shape(a)[i] == 1 else b
    return rules.tensordot(a, b, dims)


def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    return rules.sum(x * y, axis=dim)


def cross(input: Any, other: Any, dim: Any = None) -> Any:
    """Of vectors of three along an axis; of the first that has three where none is said."""
    if dim is None:
        dim = next(i for i, n in enumerate(shape(input)) if n == 3)
    ndim = max(len(shape(input)), len(shape(other)))
    dim = dim - ndim if dim >= 0 else dim
    x, y = moveaxis(input, dim, -1), moveaxis(other, dim, -1)
    around = rules.roll(x, -1, axis=-1) * rules.roll(y, -2, axis=-1)
    back = rules.roll(x, -2, axis=-1) * rules.roll(y, -1, axis=-1)
    return moveaxis(around - back, -1, dim)


def cdist(x1: Any, x2: Any, p: float = 2.0, compute_mode: Any = None) -> Any:
    return rules.cdist(x1, x2, p)


def pdist(input: Any, p: float = 2) -> Any:
    """Of all pairs of rows, i before j."""
    import torch

    i, j = torch.triu_indices(shape(input)[0], shape(input)[0], 1)
    return rules.norm(input[i] - input[j], axis=-1, ord=p)


def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """Rows are variables; ``fweights`` say how often each observation counts, ``aweights`` how much."""
    x = input if len(shape(input)) > 1 else rules.reshape(input, (1, -1))
    f, a = stripped(fweights), aweights
    weight = a if f is None else f if a is None else f * a
    if weight is None:
        total, w = shape(x)[1], 1.0
        middle, left = rules.mean(x, axis=1, keepdims=True), total - correction
    else:
        w, total = weight, rules.sum(weight + 0.0)
        middle = rules.sum(x * w, axis=1, keepdims=True) / total
        left = total - correction * (1 if a is None else rules.sum(weight * a) / total)
        left = left if a is not None else total - correction
    centred = x - middle
    left = rules.maximum(left, 0.0) if hasattr(left, "dtype") else max(left, 0)
    made = (centred * w) @ rules.transpose(centred) / left
    return made if shape(x)[0] > 1 else rules.reshape(made, ())


def corrcoef(input: Any) -> Any:
    made = cov(input)
    if not shape(made):
        return made / made
    spread = rules.sqrt(rules.diagonal(made))
    return made / rules.expand_dims(spread, axis=1) / spread


def multi_dot(tensors: Any) -> Any:
    out, *others = tensors
    for x in others:
        out = rules.matmul(out, x)
    return out


def chain_matmul(*matrices: Any) -> Any:
    return multi_dot(matrices)


def vander(x: Any, N: Any = None) -> Any:
    x = x if shape(x) else rules.reshape(x, (1,))
    N = shape(x)[-1] if N is None else N
    powers = [xp.ones_like(stripped(x))]
    for _ in range(N - 1):
        powers.append(powers[-1] * x)
    return rules.stack(powers, axis=-1)


def matrix_transposed(input: Any) -> Any:
    return swapaxes(input, -1, -2)


TABLE: dict[str, Callable] = {
    **{name: of_two(getattr(rules, name)) for name in ("matmul", "inner", "kron")},
    **dict.fromkeys(("mm", "bmm", "mv", "dot", "vdot"), of_two(rules.matmul)),
    "addbmm": weighted(_sum_of_products),
    "addmm": weighted(rules.matmul),
    "addmv": weighted(rules.matmul),
    "addr": weighted(rules.outer),
    "baddbmm": weighted(rules.matmul),
    "bilinear": bilinear,
    "cdist": cdist,
    "chain_matmul": chain_matmul,
    "corrcoef": corrcoef,
    "cov": cov,
    "cross": cross,
    "einsum": einsum,
    "linalg.cross": lambda input, other, *, dim=-1: cross(input, other, dim),
    "linalg.multi_dot": multi_dot,
    "linalg.vander": vander,
    "linalg.vecdot": vecdot,
    "linear": linear,
    "outer": lambda input, vec2: rules.outer(input, vec2),
    "pdist": pdist,
    "tensordot": tensordot,
}
