"""PyTorch's functions on recorded tensors, by PyTorch's own meaning: ``torch.var(v)`` divides by n - 1.

What a function is is looked up by the function itself. Nothing is taken for NumPy's of the same name; a
function that is not here is refused. Each file has the functions of a family, by PyTorch's names and with
PyTorch's arguments: "exp" is ``torch.exp``, ``Tensor.exp`` and ``torch.nn.functional.exp``, as far as there
are such; "linalg.inv" is that of ``torch.linalg`` alone, "F.pad" that of ``torch.nn.functional``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from handgrad.arrays import stripped
from handgrad.tape.numpy_functions import understood
from handgrad.tape.refusals import IN_PLACE, HistoryLost
from handgrad.tape.tensors import call_method
from handgrad.tape.torch_functions import (
    activations,
    elementwise,
    embeddings,
    indexing,
    layers,
    linear_algebra,
    linear_maps,
    losses,
    picking,
    products,
    recurrent,
    reductions,
    sequences,
    shaping,
    special,
    triangular_factors,
    values,
)

FUNCTIONS: dict[str, Callable] = {
    **elementwise.TABLE,
    **activations.TABLE,
    **special.TABLE,
    **losses.TABLE,
    **reductions.TABLE,
    **picking.TABLE,
    **shaping.TABLE,
    **indexing.TABLE,
    **products.TABLE,
    **layers.TABLE,
    **embeddings.TABLE,
    **recurrent.TABLE,
    **sequences.TABLE,
    **linear_algebra.TABLE,
    **linear_maps.TABLE,
    **triangular_factors.TABLE,
}
SYNONYMS = {
    "arccosh": "acosh", "clip": "clamp", "concat": "cat", "concatenate": "cat", "divide": "div",
    "moveaxis": "movedim", "multigammaln": "mvlgamma", "ravel": "flatten", "row_stack": "vstack",
    "special.log_softmax": "log_softmax", "special.logit": "logit", "special.logsumexp": "logsumexp",
    "special.sinc": "sinc", "special.softmax": "softmax", "subtract": "sub", "swapaxes": "transpose",
    "swapdims": "transpose", "true_divide": "div", "unsafe_chunk": "chunk", "unsafe_split": "split",
    "unsafe_split_with_sizes": "split_with_sizes", "view": "reshape", "view_copy": "reshape", "ger": "outer",
    "unfold_copy": "Tensor.unfold",
    "linalg.matmul": "matmul",
    **{f"{name}_copy": name for name in shaping.COPIES},
}  # fmt: skip
NUMPYS = {"axis": "dim", "keepdims": "keepdim"}
"""Keywords that PyTorch takes too."""
PROPERTIES: dict[str, Callable] = {
    "mT": products.matrix_transposed,
    "mH": products.matrix_transposed,
    "H": products.matrix_transposed,
}


@functools.cache
def homes() -> dict[str, tuple]:
    """Where the functions of a name are."""
    import torch

    F = torch.nn.functional
    return {
        "": (torch, torch._C._VariableFunctions, F, torch.Tensor),
        "torch": (torch,),
        "F": (F,),
        "Tensor": (torch.Tensor,),
        "linalg": (torch.linalg,),
        "special": (torch.special,),
        "fft": (torch.fft,),
        "aten": (torch.ops.aten,),
    }


def _of_name(name: str) -> list[Any]:
    """PyTorch's functions that a name of our tables says."""
    home, _, own = name.partition(".") if "." in name else ("", "", name)
    found = [functools.reduce(getattr, own.split("."), place) for place in homes()[home] if _has(place, own)]
    return [function for function in found if callable(function)]


def _has(place: Any, name: str) -> bool:
    return hasattr(place, name.partition(".")[0])


@functools.cache
def table() -> dict[Any, Callable]:
    """From PyTorch's function, the object itself, to what it is for recorded tensors."""
    named = FUNCTIONS | {
        new: FUNCTIONS[old] for new, old in SYNONYMS.items() if new not in FUNCTIONS and old in FUNCTIONS
    }
    general = {name: function for name, function in named.items() if "." not in name}
    found = {own: function for name, function in general.items() for own in _of_name(name)}
    for name in values.NAMES:
        found.update({own: values.on_values(own) for own in _of_name(name)})
    particular = {name: function for name, function in named.items() if "." in name}
    return found | {own: function for name, function in particular.items() for own in _of_name(name)}


def call_torch(function: Any, args: tuple, options: dict) -> Any:
    """``Variable.__torch_function__``.

    Raises:
        TypeError: there is no rule for the function, or for one of its keywords.
    """
    name = getattr(function, "__name__", str(function))
    if (name.endswith("_") and not name.startswith("_")) or name == "__setitem__":
        raise HistoryLost(IN_PLACE)
    implementation = table().get(function)
    if implementation is None:
        raise TypeError(
            f"PyTorch's {name} of a recorded array has no rule: write it with handgrad's rules, "
            f"or add one with @rule (where no gradient is to flow, pass .value)"
        )
    said = {NUMPYS.get(k, k): v for k, v in options.items() if k != "_stacklevel"}
    return implementation(*args, **understood(implementation, f"PyTorch's {name}", said))


def attribute(x: Any, name: str) -> Any:
    """What a tensor has by that name, of a recorded one.

    Raises:
        AttributeError: a tensor has no such attribute, or it has no rule.
    """
    import torch

    if name in values.ATTRIBUTES:
        return getattr(stripped(x), name)
    if name in PROPERTIES:
        return PROPERTIES[name](x)
    own = getattr(torch.Tensor, name, None)
    if not callable(own) or name.startswith("_"):
        raise AttributeError(f"a recorded tensor has no {name}")
    return functools.partial(call_method_of, name, x)


def call_method_of(name: str, x: Any, /, *args: Any, **options: Any) -> Any:
    return call_method(name, (x, *args), options)
