"""PyTorch's names and layouts of weights: a table, which is read both ways.

    Affine              W (D, M)            weight (M, D), transposed
                        b                   bias
    Conv*, Embedding    W, b                weight, bias
    norms               gamma, beta         weight, bias; running statistics by the same names
    LSTM, RNN           W0, U0              weight_ih_l0, weight_hh_l0
                        b0                  bias_ih_l0 + bias_hh_l0, of which the second is 0 on the way back
    GRU                 W0, U0, b0, d0      weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0
    MultiHeadAttention  W, V                in_proj_weight, out_proj.weight, transposed
                        b, c                in_proj_bias, out_proj.bias

A layer of a user's own keeps its arrays' names. Keys of random masks are no weights.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from handgrad.arrays import shape
from handgrad.layers.attention import MultiHeadAttention
from handgrad.layers.convolution import Convolution
from handgrad.layers.embedding import Embedding
from handgrad.layers.layer import Layer
from handgrad.layers.normalisation import BatchNorm, GroupNorm, LayerNorm, RMSNorm
from handgrad.layers.recurrent import GRU, Recurrent
from handgrad.layers.standard import Affine

PLAIN = {"W": "weight", "b": "bias", "gamma": "weight", "beta": "bias"}
ATTENTION = {"W": "in_proj_weight", "b": "in_proj_bias", "V": "out_proj.weight", "c": "out_proj.bias"}
RECURRENT = {"W": "weight_ih_l", "U": "weight_hh_l", "b": "bias_ih_l", "d": "bias_hh_l"}
NO_WEIGHTS = re.compile(r"(.*\.)?num_batches_tracked")
"""Arrays of PyTorch's that count, and are not computed with."""


class Entry(NamedTuple):
    """An array of ours, by its dotted name, and those of PyTorch's that it is made of."""

    name: str
    array: Any
    theirs: tuple[str, ...]
    is_turned: bool = False

    def ours_of(self, arrays: list[np.ndarray]) -> np.ndarray:
        x = arrays[0] if len(arrays) == 1 else arrays[0] + arrays[1]
        return np.ascontiguousarray(x.T) if self.is_turned else x

    def theirs_of(self) -> dict[str, np.ndarray]:
        x = np.asarray(self.array)
        x = np.ascontiguousarray(x.T) if self.is_turned else x
        return {self.theirs[0]: x, **{name: np.zeros_like(x) for name in self.theirs[1:]}}

    @property
    def shape(self) -> tuple[int, ...]:
        """Of each array of PyTorch's."""
        return shape(self.array)[::-1] if self.is_turned else shape(self.array)


def entries(net: Layer) -> Iterator[Entry]:
    """All weights of a network."""
    for path, layer in net.walk():
        lead = f"{path}." if path else ""
        for key, x in {**layer.params, **layer.state}.items():
            if key == "key" and x.dtype == np.uint32:  # of random masks
                continue
            theirs, is_turned = named(layer, key)
            yield Entry(f"{lead}{key}", x, tuple(f"{lead}{name}" for name in theirs), is_turned)


def named(layer: Layer, key: str) -> tuple[tuple[str, ...], bool]:
    """What PyTorch calls an array of a layer, and whether it has it transposed."""
    if isinstance(layer, MultiHeadAttention):
        return (ATTENTION[key],), key in "WV"
    if isinstance(layer, Recurrent):
        name, place = key[0], key[1:]
        own = (f"{RECURRENT[name]}{place}",)
        return (*own, f"{RECURRENT['d']}{place}") if name == "b" and not isinstance(
            layer, GRU
        ) else own, False
    if isinstance(layer, Affine | Convolution | Embedding | BatchNorm | LayerNorm | GroupNorm | RMSNorm):
        return (PLAIN.get(key, key),), isinstance(layer, Affine) and key == "W"
    return (key,), False


def to_torch_state(net: Layer) -> dict[str, np.ndarray]:
    """The weights of a network by PyTorch's names and in its layouts, as ``module.state_dict()`` has them.

    They fit a module of the same structure: ``module.load_state_dict({k: torch.tensor(v) for k, v in
    hg.to_torch_state(net).items()})``. In files: ``hg.save(net, path, names="torch")``.

    Examples:
        >>> net = hg.layers.mlp([4, 3, 2], seed=0)
        >>> {name: w.shape for name, w in hg.to_torch_state(net).items()}
        {'1.weight': (3, 4), '1.bias': (3,), '3.weight': (2, 3), '3.bias': (2,)}
    """
    return {name: x for entry in entries(net) for name, x in entry.theirs_of().items()}


def load_torch_state(net: Layer, state: Mapping[str, Any]) -> Layer:
    """Fill a network with weights by PyTorch's names, such as ``module.state_dict()``; returns it.

    They are taken in the dtypes that the network has. Nothing is changed unless all of them fit. In files:
    ``hg.load(net, path, names="torch")``.

    Raises:
        ValueError: a name or a shape is not that of a module of the same structure; all are named.

    Examples:
        >>> net = hg.layers.Sequential(hg.layers.Affine(2, 1, seed=0))
        >>> state = {"0.weight": np.array([[1.0, 2.0]]), "0.bias": np.array([3.0])}  # module.state_dict()
        >>> hg.load_torch_state(net, state)(np.array([[1.0, 10.0]]))
        array([[24.]])
    """
    wanted = list(entries(net))
    given = {name: as_numpy(x) for name, x in state.items() if not NO_WEIGHTS.fullmatch(name)}
    known = {name for entry in wanted for name in entry.theirs}
    missing = [name for entry in wanted for name in entry.theirs if name not in given]
    strange = [name for name in given if name not in known]
    said = [f"missing {', '.join(missing)}"] * bool(missing) + [f"unknown {', '.join(strange)}"] * bool(
        strange
    )
    for entry in wanted:
        for name in entry.theirs:
            if name in given and given[name].shape != entry.shape:
                said.append(f"{name} has shape {given[name].shape}, and {entry.name} takes {entry.shape}")
    if said:
        raise ValueError(f"these weights are not of a {type(net).__name__} like this: {'; '.join(said)}")
    made = {
        entry.name: entry.ours_of([given[name] for name in entry.theirs]).astype(entry.array.dtype)
        for entry in wanted
    }
    net.load_parameters({name: made[name] for name in net.parameters()})
    net.load_states({name: made.get(name, x) for name, x in net.states().items()})
    return net


def as_numpy(x: Any) -> np.ndarray:
    """A tensor of PyTorch's, or an array, as NumPy's own."""
    if hasattr(x, "detach"):
        x = x.detach().cpu()
        x = x.float() if str(x.dtype) == "torch.bfloat16" else x
        return np.array(x.numpy())
    return np.asarray(x)
