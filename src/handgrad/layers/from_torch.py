"""PyTorch's modules as layers of the same structure, with the same weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import layers
from handgrad.layers.layer import Layer
from handgrad.layers.torch_names import load_torch_state
from handgrad.layers.transformer import TransformerEncoder, TransformerEncoderLayer


class NotHere(Exception):
    """What of a module there is no layer for; the message is a few words."""


class Identity(Layer):
    """out = x."""

    def forward(self, x: Any) -> Any:
        return x


def from_torch(module: Any) -> Layer:
    """A layer of the same structure as an ``nn.Module``, with its weights, its mode, and its dtype.

    Parameters are by the same paths, by handgrad's names at their end: ``0.weight`` is ``0.W``, and of a
    Linear transposed. Recurrent layers and attention take examples first, x (N, T, D), whatever
    ``batch_first`` says. The arrays are copies. ``hg.to_torch_state(net)`` is the way back.

    Raises:
        TypeError: a module has a forward of its own, or options that no layer has: all are named, each with
            its path. Write a layer with such sublayers, and fill it by ``hg.load_torch_state``.

    Examples:
        >>> import torch
        >>> module = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.ReLU(), torch.nn.Linear(3, 2))
        >>> net, x = hg.from_torch(module), np.ones((1, 4), np.float32)
        >>> bool(np.allclose(net(x), module(torch.tensor(x)).detach(), atol=1e-6))
        True
    """
    problems: list[str] = []
    net = converted(module, "", problems)
    if problems:
        raise TypeError(
            f"handgrad has no layers for {'; '.join(problems)}: write a Layer with the same sublayers, and "
            f"fill it by hg.load_torch_state(net, module.state_dict())"
        )
    load_torch_state(net, module.state_dict())
    return net.train() if module.training else net.evaluate()


def converted(module: Any, path: str, problems: list[str]) -> Layer:
    """A layer like a module; what cannot be is noted, and an Identity in its place."""
    name = type(module).__name__
    is_theirs = type(module).__module__.startswith("torch.nn.modules")
    if is_theirs and name in CONTAINERS:
        children = {
            key: converted(child, f"{path}.{key}" if path else key, problems)
            for key, child in module.named_children()
        }
        return CONTAINERS[name](module, children)
    try:
        if not is_theirs or name not in TABLE:
            raise NotHere("has a forward of its own" if not is_theirs else "has no layer")
        return TABLE[name](module)
    except NotHere as error:
        problems.append(f"{name} at {path!r}, which {error}")
        return Identity()


def dtype_of(module: Any) -> Any:
    first = next(iter(module.parameters()), None)
    name = "float32" if first is None else str(first.dtype).removeprefix("torch.")
    return np.dtype("float32" if name == "bfloat16" else name)


def only(module: Any, **usual: Any) -> None:
    """Raise NotHere where an option of a module is another than the one that there is."""
    odd = [f"{k}={getattr(module, k)!r}" for k, v in usual.items() if getattr(module, k, v) != v]
    if odd:
        raise NotHere(f"has {', '.join(odd)}")


def linear(m: Any) -> Layer:
    bias = None if m.bias is None else layers.initialisers.zeros
    return layers.Affine(m.in_features, m.out_features, bias=bias, seed=0, dtype=dtype_of(m))


def convolution(kind: type) -> Callable:
    def make(m: Any) -> Layer:
        only(m, padding_mode="zeros")
        options = {"output_padding": m.output_padding} if "Transpose" in kind.__name__ else {}
        bias = None if m.bias is None else layers.initialisers.zeros
        return kind(
            m.in_channels, m.out_channels, m.kernel_size, m.stride, m.padding, m.dilation, m.groups,
            bias=bias, seed=0, dtype=dtype_of(m), **options,
        )  # fmt: skip

    return make


def without(layer: Layer, m: Any) -> Layer:
    """A norm without a gain or a shift that the module does not have."""
    if m.weight is None:
        layer.params.pop("gamma")
    if getattr(m, "bias", None) is None:
        layer.params.pop("beta", None)
    return layer


def batch_norm(m: Any) -> Layer:
    only(m, track_running_stats=True)
    if m.momentum is None:
        raise NotHere("has momentum=None")
    return without(layers.BatchNorm(m.num_features, m.momentum, m.eps, dtype_of_norm(m)), m)


def dtype_of_norm(m: Any) -> Any:
    return np.dtype(str(m.running_mean.dtype).removeprefix("torch."))


def group_norm(m: Any) -> Layer:
    only(m, affine=True)
    return layers.GroupNorm(m.num_groups, m.num_channels, m.eps, dtype_of(m))


def instance_norm(m: Any) -> Layer:
    only(m, affine=True, track_running_stats=False)
    return layers.InstanceNorm(m.num_features, m.eps, dtype_of(m))


def rms_norm(m: Any) -> Layer:
    only(m, elementwise_affine=True)
    eps = np.finfo(dtype_of(m)).eps if m.eps is None else m.eps
    return layers.RMSNorm(tuple(m.normalized_shape), float(eps), dtype_of(m))


def embedding(m: Any) -> Layer:
    only(m, max_norm=None, scale_grad_by_freq=False)
    return layers.Embedding(m.num_embeddings, m.embedding_dim, m.padding_idx, seed=0, dtype=dtype_of(m))


def recurrent(kind: type) -> Callable:
    def make(m: Any) -> Layer:
        only(m, bias=True, proj_size=0)
        options = {"nonlinearity": m.nonlinearity} if kind is layers.RNN else {}
        return kind(m.input_size, m.hidden_size, m.num_layers, m.bidirectional, m.dropout, seed=0,
                    dtype=dtype_of(m), **options)  # fmt: skip

    return make


def attention(m: Any, causal: bool = False) -> layers.MultiHeadAttention:
    only(m, bias_k=None, bias_v=None, add_zero_attn=False, _qkv_same_embed_dim=True)
    if m.in_proj_bias is None:
        raise NotHere("has bias=False")
    return layers.MultiHeadAttention(m.embed_dim, m.num_heads, dropout=m.dropout, seed=0, dtype=dtype_of(m))


def encoder_layer(m: Any) -> Layer:
    attention(m.self_attn)
    name = getattr(m.activation, "__name__", type(m.activation).__name__).lower()
    if name not in ("relu", "gelu") or getattr(m.activation, "approximate", "none") != "none":
        raise NotHere(f"has activation={name}")
    if m.linear1.bias is None:
        raise NotHere("has bias=False")
    return TransformerEncoderLayer(
        m.self_attn.embed_dim, m.self_attn.num_heads, m.linear1.out_features, m.dropout.p, name,
        m.norm1.eps, m.norm_first, seed=0, dtype=dtype_of(m),
    )  # fmt: skip


def pooling(kind: type) -> Callable:
    def make(m: Any) -> Layer:
        only(m, ceil_mode=False, return_indices=False, divisor_override=None)
        options: dict[str, Any] = {"padding": m.padding}
        if hasattr(m, "dilation"):
            options["dilation"] = m.dilation
        if hasattr(m, "count_include_pad"):
            options["count_include_pad"] = m.count_include_pad
        return kind(m.kernel_size, stride=m.stride, **options)

    return make


def flatten(m: Any) -> Layer:
    only(m, start_dim=1, end_dim=-1)
    return layers.Flatten()


def encoder(m: Any, children: dict[str, Layer]) -> Layer:
    parts = children["layers"]
    assert isinstance(parts, layers.Sequential)
    return TransformerEncoder(*parts.layers, norm=children.get("norm"))


def softplus(m: Any) -> Layer:
    only(m, beta=1)
    return layers.Softplus()


CONTAINERS: dict[str, Callable[[Any, dict[str, Layer]], Layer]] = {
    "ModuleList": lambda m, children: layers.Sequential(*children.values()),
    "Sequential": lambda m, children: layers.Sequential(*children.values()),
    "TransformerEncoder": encoder,
}
CONVOLUTIONS = [f"Conv{transposed}{n}d" for transposed in ("", "Transpose") for n in (1, 2, 3)]
TABLE: dict[str, Callable[[Any], Layer]] = {
    **{name: convolution(getattr(layers, name)) for name in CONVOLUTIONS},
    **{f"BatchNorm{n}d": batch_norm for n in (1, 2, 3)},
    **{f"InstanceNorm{n}d": instance_norm for n in (1, 2, 3)},
    **{
        f"{kind}Pool{n}d": pooling(getattr(layers, f"{kind}Pool{n}d"))
        for kind in ("Max", "Avg")
        for n in (1, 2, 3)
    },
    **{name: recurrent(getattr(layers, name)) for name in ("LSTM", "GRU", "RNN")},
    "Dropout": lambda m: layers.Dropout(m.p, seed=0),
    "Dropout2d": lambda m: layers.Dropout2d(m.p, seed=0),
    "ELU": lambda m: layers.ELU(m.alpha),
    "Embedding": embedding,
    "Flatten": flatten,
    "GELU": lambda m: layers.GELU(m.approximate),
    "GroupNorm": group_norm,
    "Identity": lambda m: Identity(),
    "LayerNorm": lambda m: without(layers.LayerNorm(tuple(m.normalized_shape), m.eps, dtype_of(m)), m),
    "LeakyReLU": lambda m: layers.LeakyReLU(m.negative_slope),
    "Linear": linear,
    "MultiheadAttention": attention,
    "PixelShuffle": lambda m: layers.PixelShuffle(m.upscale_factor),
    "RMSNorm": rms_norm,
    "ReLU": lambda m: layers.ReLU(),
    "SiLU": lambda m: layers.SiLU(),
    "Sigmoid": lambda m: layers.Sigmoid(),
    "Softplus": softplus,
    "Tanh": lambda m: layers.Tanh(),
    "TransformerEncoderLayer": encoder_layer,
}
"""A function for each of PyTorch's modules that has a layer here."""
