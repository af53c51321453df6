"""Networks as files: every parameter and state by its dotted name, as safetensors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from handgrad.files import write_atomically
from handgrad.layers.layer import Layer
from handgrad.layers.torch_names import load_torch_state, to_torch_state


def save(net: Layer, path: str | Path, names: str = "handgrad") -> None:
    """Write all parameters and states of ``net`` to one safetensors file, whole or not at all.

    What the network is stays in the program that made it: ``load`` fills one of the same structure. With
    ``names="torch"`` they have PyTorch's names and layouts, as a module of that structure has them
    (``to_torch_state``).

    Raises:
        ValueError: a parameter and a state have one name, or there is nothing to save.
        TypeError: what is in ``params`` or ``state`` is no array of numbers.

    Examples:
        >>> hg.save(hg.layers.mlp([4, 3, 2], seed=0), "net.safetensors")
        >>> import safetensors.numpy
        >>> sorted(safetensors.numpy.load_file("net.safetensors"))
        ['1.W', '1.b', '3.W', '3.b']
    """
    from safetensors.numpy import save as to_bytes

    found = to_torch_state(net) if _is_torch(names) else _arrays(net)
    arrays = {name: _saved(name, x) for name, x in found.items()}
    layers = [[path, layer.describe()] for path, layer in net.walk()]
    metadata = {"writer": "handgrad", "layers": json.dumps(layers, ensure_ascii=False)}
    write_atomically(Path(path), to_bytes(arrays, metadata=metadata))


def load(net: Layer, path: str | Path, names: str = "handgrad") -> Layer:
    """Fill ``net`` with the arrays that ``save`` wrote of a network of the same structure; returns it.

    Nothing is changed unless all names, shapes and dtypes are this network's. With ``names="torch"`` the
    file has PyTorch's names and layouts, whoever wrote it, and dtypes become this network's
    (``load_torch_state``).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is damaged, or of another network; the message names every array that differs.

    Examples:
        >>> net, other = hg.layers.Affine(2, 3, seed=0), hg.layers.Affine(2, 3, seed=1)
        >>> hg.save(net, "net.safetensors")
        >>> _ = hg.load(other, "net.safetensors")
        >>> bool((net.params["W"] == other.params["W"]).all())
        True
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    try:
        found = from_bytes(Path(path).read_bytes())
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path} is no file of arrays, or damaged: {error}") from None
    if _is_torch(names):
        return load_torch_state(net, found)
    wanted = _arrays(net)
    wrong = differences(wanted, found)
    if wrong:
        raise ValueError(f"{path} is of another network: {'; '.join(wrong)}")
    net.load_parameters({name: found[name] for name in net.parameters()})
    net.load_states({name: found[name] for name in net.states()})
    return net


def _is_torch(names: str) -> bool:
    if names not in ("handgrad", "torch"):
        raise ValueError(f'names is "handgrad" or "torch", not {names!r}')
    return names == "torch"


def differences(wanted: dict[str, Any], found: dict[str, np.ndarray]) -> list[str]:
    """What keeps arrays from taking the place of others, in words: names, shapes, dtypes."""
    missing = [name for name in wanted if name not in found]
    unknown = sorted(name for name in found if name not in wanted)
    said = [f"missing {', '.join(missing)}"] * bool(missing)
    said += [f"unknown {', '.join(unknown)}"] * bool(unknown)
    for name, x in wanted.items():
        if name in found and (kind := _kind(found[name])) != (own := _kind(x)):
            said.append(f"{name} is {kind}, the network's is {own}")
    return said


def _kind(x: Any) -> str:
    return f"{np.asarray(x).dtype.name} {np.shape(x)}"


def _arrays(net: Layer) -> dict[str, Any]:
    """Parameters and states in one."""
    params, states = net.parameters(), net.states()
    both = [name for name in params if name in states]
    if both:
        raise ValueError(f"{', '.join(both)} is a parameter and a state; give one of them another name")
    if not params and not states:
        raise ValueError(f"{net.label} has neither parameters nor states, so there is nothing to save")
    return {**params, **states}


def _saved(name: str, x: Any) -> np.ndarray:
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"{name} is of {array.dtype}: only arrays of numbers can be saved")
    return np.array(array, array.dtype.newbyteorder("="), order="C")
