"""Every rule that PyTorch has, against PyTorch's own function and its gradients, in float64."""

import numpy as np
import pytest

import handgrad as hg
from handgrad.rules import ALL
from handgrad.tree import leaves

from ..rules.elsewhere import cases_for, converted
from ..rules.numerics import assert_close, random_like

torch = pytest.importorskip("torch")
from . import torch_arrays, torch_linalg  # noqa: E402, which needs it

F = torch.nn.functional


def tensor(x):
    return torch.as_tensor(x, dtype=torch.float64)


def axes_of(x, axis):
    """An axis or axes as PyTorch takes them."""
    return tuple(range(x.dim())) if axis is None else axis


def over_axes(function):
    return lambda x, axis=None, **options: function(x, dim=axes_of(x, axis), **options)


def one_by_one(function):
    """For a reduction that PyTorch has over one axis at a time."""

    def over(x, axis=None, keepdims=False):
        axes = axes_of(x, axis)
        axes = axes if isinstance(axes, tuple) else (axes,)
        for a in sorted((a % x.dim() for a in axes), reverse=True):
            x = function(x, dim=a, keepdim=keepdims)
        return x

    return over


def take(x, indices, axis=None):
    if axis is None:
        return torch.take(x, indices)
    axis %= x.dim()
    picked = torch.index_select(x, axis, indices.reshape(-1) % x.shape[axis])
    return picked.reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


def getitem(x, index):
    """PyTorch has no negative steps."""
    first, *others = index if isinstance(index, tuple) and index else (index,)
    if isinstance(first, slice) and first.step is not None and first.step < 0:
        return x.flip(0)[(slice(None, None, -first.step), *others)]
    return x[index]


def scatter_add(x, index, shape):
    out = torch.zeros(shape, dtype=x.dtype)
    if isinstance(index, (int, slice)):
        return out.slice_scatter(x, 0, index.start, index.stop) if isinstance(index, slice) else (
            out.select_scatter(x, 0, index))  # fmt: skip
    return out.index_put(index if isinstance(index, tuple) else (index,), x, accumulate=True)


def batch_norm(x, mean, var, gamma, beta, eps=1e-5):
    """F.batch_norm in evaluation has no gradient by the statistics, so this is its formula."""
    return (x - mean) / torch.sqrt(var + eps) * gamma + beta


def pad(x, width, mode="constant", value=0):
    """The axes from the last to the first, as one flat list."""
    pairs = np.broadcast_to(np.asarray(width), (x.dim(), 2))[::-1].ravel().tolist()
    name = {"edge": "replicate", "wrap": "circular"}.get(mode, mode)
    if mode == "constant":
        return F.pad(x, pairs, value=value)
    lead = (1,) * (4 - x.dim()) if x.dim() == 2 else (1, 1)
    return F.pad(x.reshape(lead + x.shape), pairs, name).reshape(
        [n + a + b for n, b, a in zip(x.shape, pairs[::-2], pairs[-2::-2], strict=True)]
    )


def convolution(theirs):
    """Uneven padding is done before."""

    def convolved(x, W, b, padding=0, **options):
        if isinstance(padding, tuple) and isinstance(padding[0], tuple):
            x, padding = F.pad(x, [n for pair in padding[::-1] for n in pair]), 0
        lead = x.shape[: x.dim() - W.dim() + 1]
        out = theirs(x.reshape(lead.numel(), *x.shape[len(lead) :]), W, b, padding=padding, **options)
        return out.reshape(*lead, *out.shape[1:])

    return convolved


def transposed(theirs):
    """Uneven padding is cut off after."""

    def made(x, W, b, padding=0, **options):
        if isinstance(padding, int) or isinstance(padding[0], int):
            return theirs(x, W, b, padding=padding, **options)
        out = theirs(x, W, b, **options)
        return F.pad(out, [-n for pair in padding[::-1] for n in pair])

    return made


def last_axes(theirs):
    """Normalised axes are the last ones; γ and β are arrays, or nothing, and have these axes."""

    def normalised(x, *gains, axis=None, eps=1e-5):
        n = next((g.dim() for g in gains if g is not None), 1)
        axes = tuple(range(-n, 0)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
        axes = sorted(a % x.dim() for a in axes)
        order = [a for a in range(x.dim()) if a not in axes] + axes
        moved = x.permute(order)
        out = theirs(moved, moved.shape[x.dim() - len(axes) :], *gains, eps)
        return out.permute([order.index(a) for a in range(x.dim())])

    return normalised


layer_norm, rms_norm = last_axes(F.layer_norm), last_axes(F.rms_norm)


def weight_norm(v, g, axis):
    if axis is None:
        return torch._weight_norm(v, g, -1)  # which is all axes there
    along = [n if a == axis % v.dim() else 1 for a, n in enumerate(v.shape)]
    return torch._weight_norm(v, g.reshape(along), axis % v.dim())


def upsample(x, align_corners=None, **options):
    is_nearest = options.get("mode", "nearest") == "nearest"
    return F.interpolate(x, align_corners=None if is_nearest else bool(align_corners), **options)


def embedding(x, W, padding_idx=None):
    return F.embedding(x, W, padding_idx)


def adaptive(kind, n):
    return lambda x, size: getattr(F, f"adaptive_{kind}_pool{n}d")(x, size)


def pooling(theirs, value):
    """Uneven padding is done before, and each option is called by PyTorch's name."""

    def pooled(x, size, padding=0, **options):
        if isinstance(padding, tuple) and isinstance(padding[0], tuple):
            x, padding = F.pad(x, [n for pair in padding[::-1] for n in pair], value=value), 0
        return theirs(x, size, padding=padding, **options)

    return pooled


NAMES = """
    negative square sqrt abs sign clip where exp expm1 log log1p sin cos tan arcsin arccos arctan sinh cosh
    tanh arcsinh arccosh arctanh erf erfc sigmoid matmul exp2 log2 log10
"""
THEIRS = {name: getattr(torch, name) for name in NAMES.split()} | {
    "add": lambda x, y: x + y,
    "subtract": lambda x, y: x - y,
    "multiply": lambda x, y: x * y,
    "divide": lambda x, y: x / y,
    "power": lambda x, y: x**y,
    "maximum": lambda x, y: torch.maximum(*map(tensor, (x, y))),
    "minimum": lambda x, y: torch.minimum(*map(tensor, (x, y))),
    "hypot": lambda x, y: torch.hypot(*torch.broadcast_tensors(*map(tensor, (x, y)))),
    "logaddexp2": lambda x, y: torch.logaddexp2(*map(tensor, (x, y))),
    "logaddexp": lambda x, y: torch.logaddexp(*map(tensor, (x, y))),
    "arctan2": lambda y, x: torch.atan2(*map(tensor, (y, x))),
    "remainder": lambda x, y: torch.remainder(*map(tensor, (x, y))),
    "cumsum": lambda x, axis=None: torch.cumsum(x.reshape(-1) if axis is None else x, axis or 0),
    "reshape": lambda x, shape: torch.reshape(x, (shape,) if isinstance(shape, int) else shape),
    "broadcast_to": lambda x, shape: torch.broadcast_to(x, shape),
    "relu": F.relu,
    "leaky_relu": F.leaky_relu,
    "elu": F.elu,
    "softplus": F.softplus,
    "gelu": F.gelu,
    "silu": F.silu,
    "sum": over_axes(torch.sum),
    "mean": over_axes(torch.mean),
    "max": over_axes(torch.amax),
    "min": over_axes(torch.amin),
    "var": over_axes(lambda x, correction=0, **options: torch.var(x, correction=correction, **options)),
    "std": over_axes(lambda x, correction=0, **options: torch.std(x, correction=correction, **options)),
    "logsumexp": over_axes(torch.logsumexp),
    "prod": one_by_one(torch.prod),
    "softmax": lambda x, axis=-1: F.softmax(x, axis),
    "softmin": lambda x, axis=-1: F.softmin(x, axis),
    "log_softmax": lambda x, axis=-1: F.log_softmax(x, axis),
    "transpose": lambda x, axes=None: x.permute(axes or tuple(range(x.dim()))[::-1]),
    "expand_dims": lambda x, axis: x.reshape(np.expand_dims(np.empty(x.shape), axis).shape),
    "squeeze": lambda x, axis=None: x.squeeze() if axis is None else x.squeeze(axis),
    "concatenate": lambda arrays, axis=0: torch.concatenate(
        [x.reshape(-1) for x in arrays] if axis is None else arrays, axis or 0
    ),
    "stack": lambda arrays, axis=0: torch.stack(arrays, axis),
    "split": lambda x, sections, axis=0: torch.tensor_split(x, sections, axis),
    "flip": lambda x, axis=None: torch.flip(x, (axis,) if isinstance(axis, int) else axes_of(x, axis)),
    "pad": pad,
    "getitem": getitem,
    "scatter_add": scatter_add,
    "take": take,
    "take_along_axis": lambda x, i, axis=-1: torch.take_along_dim(x, i % x.shape[axis], axis),
    "affine": lambda x, W, b: F.linear(x, W.T, b),
    "batch_norm": batch_norm,
    **{f"conv{n}d": convolution(getattr(F, f"conv{n}d")) for n in (1, 2, 3)},
    **{f"conv_transpose{n}d": transposed(getattr(F, f"conv_transpose{n}d")) for n in (1, 2, 3)},
    "upsample": upsample,
    "pixel_shuffle": lambda x, factor: F.pixel_shuffle(x, factor),
    "pixel_unshuffle": lambda x, factor: F.pixel_unshuffle(x, factor),
    "grid_sample": lambda x, grid, padding_mode="zeros", align_corners=False: F.grid_sample(
        x, grid, "bilinear", padding_mode, align_corners
    ),
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "group_norm": lambda x, gamma, beta, groups, eps=1e-5: F.group_norm(x, groups, gamma, beta, eps),
    "instance_norm": lambda x, gamma, beta: F.instance_norm(x, None, None, gamma, beta),
    "weight_norm": weight_norm,
    "embedding": embedding,
    **{f"max_pool{n}d": pooling(getattr(F, f"max_pool{n}d"), -np.inf) for n in (1, 2, 3)},
    **{f"avg_pool{n}d": pooling(getattr(F, f"avg_pool{n}d"), 0) for n in (1, 2, 3)},
    **{f"adaptive_{kind}_pool{n}d": adaptive(kind, n) for kind in ("max", "avg") for n in (1, 2, 3)},
    "cross_entropy": lambda y, t, eps, reduction: F.nll_loss(torch.log(y + eps), t, reduction=reduction),
    "mean_squared_error": F.mse_loss,
    "mean_absolute_error": F.l1_loss,
    "huber": F.huber_loss,
    "binary_cross_entropy_with_logits": F.binary_cross_entropy_with_logits,
}
THEIRS |= torch_arrays.ARRAYS | torch_linalg.LINALG

ELSEWHERE = {
    "astype": "test_torch.test_astype",
    "one_hot": "has no gradient; test_torch.test_one_hot",
    "dropout": "its generator is its own; test_torch.test_dropout",
    "softmax_cross_entropy": "test_cross_entropy",
    **dict.fromkeys(("einsum", "windows", "unwindows"), "rules/test_contractions.py"),
    **dict.fromkeys(
        """
        binary_cross_entropy celu cosine_embedding cosine_similarity focal gaussian_nll glu hardshrink
        hardsigmoid hardswish hardtanh hinge hinge_embedding info_nce kl_divergence logsigmoid margin_ranking
        mish multi_margin nll pairwise_distance poisson_nll prelu relu6 selu soft_margin softshrink softsign
        threshold triplet_margin
        """.split(),
        "test_torch_rules.py",
    ),
    **dict.fromkeys(
        "ctc_loss gru lstm rnn multi_head_attention scaled_dot_product_attention".split(),
        "test_torch_sequences.py",
    ),
    **dict.fromkeys(
        "swiglu dice alibi rotary sinusoidal gru_step lstm_step rnn_step".split(),
        "it has none of that form; differences in rules/test_every_rule.py",
    ),
    **dict.fromkeys(("straight_through", "clip_gradient", "reverse_gradient"), "tape/test_surrogates.py"),
    "gumbel_softmax": "its generator is its own; test_torch_rules.py",
}
HAS_NOT = {
    "layer_norm-size-one": "rounds a gradient that is 0",
    "clip-neither": "wants a bound",
    "var-empty": "warns, though there is nothing to divide",
    "std-empty": "warns, though there is nothing to divide",
    "pad-symmetric": "no such mode",
    "pad-reflect-twice": "reflects once at most",
    "pad-wrap": "wraps in whole turns only",
    "cross_entropy-one-hot-mean": "takes indices only",
    **{f"cross_entropy-soft-{reduction}": "takes indices only" for reduction in ("mean", "sum", "none")},
    **torch_arrays.HAS_NOT,
    **torch_linalg.HAS_NOT,
}


def theirs(case):
    """The output, and the gradient of its product with dout by each floating array."""
    arrays = []

    def leaf(x):
        arrays.append(torch.from_numpy(x).requires_grad_(x.dtype == np.float64))
        return arrays[-1]

    out = THEIRS[case.rule.name](*converted(case.inputs(), leaf), **converted(case.options, torch.from_numpy))
    return out, arrays


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("case", [c for c in cases_for("torch") if c.values[0].rule.name in THEIRS])
def test_values_and_gradients_are_pytorchs(case):
    if case.id in HAS_NOT or case.label.startswith("none-of-them"):
        pytest.skip(HAS_NOT.get(case.id, "takes no axes for all axes"))
    out, backward = case.rule.vjp(*case.inputs(), **case.options)
    wanted, arrays = theirs(case)
    assert_close(out, [x.detach() for x in leaves(wanted)])
    dout = random_like(np.random.default_rng(7), out)
    grads = backward(dout)
    products = [torch.sum(x * torch.from_numpy(d)) for x, d in zip(leaves(wanted), leaves(dout), strict=True)]
    torch.stack(products).sum().backward()
    got = [
        dx
        for given, grad in zip(case.inputs(), grads, strict=True)
        for x, dx in zip(leaves(given), leaves(grad) if grad is not None else [None] * 9, strict=False)
        if isinstance(x, (np.ndarray, np.generic)) and x.dtype == np.float64
    ]
    floating = [x for x in arrays if x.requires_grad]
    assert_close(got, [torch.zeros_like(x) if x.grad is None else x.grad for x in floating])


def test_no_rule_is_left_out():
    assert {rule.name for rule in ALL.values()} == THEIRS.keys() | ELSEWHERE.keys()
    assert hg.softmax_cross_entropy.name in ELSEWHERE
