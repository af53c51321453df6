"""The same elements in another shape or order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from handgrad import rules
from handgrad.arrays import shape, stripped, sum_to, xp
from handgrad.rules.reduction import axes_of
from handgrad.tape.functions.shaping import moveaxis, swapaxes
from handgrad.tape.torch_functions.arguments import along, numbers, of_numbers


def moved(function: Callable, blank: bool = False) -> Callable:
    """What rearranges or repeats elements: it is run on their numbers; where ``blank``, it adds zeros."""

    def rearranged(input: Any, *args: Any, **options: Any) -> Any:

        flat = rules.reshape(input, (-1,))
        if blank:
            flat = rules.concatenate([xp.zeros_like(stripped(flat)[:1]), flat])
        labels = xp.reshape(xp.arange_like(stripped(input), math.prod(shape(input))), shape(input)) + blank
        made = function(labels, *args, **options)
        if isinstance(made, (tuple, list)):
            return tuple(rules.take(flat, part) for part in made)
        return rules.take(flat, made)

    return rearranged


def reshape(input: Any, *shape: Any) -> Any:
    return rules.reshape(input, numbers(shape))


def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    have = shape(input)
    first, last = start_dim % max(len(have), 1), end_dim % max(len(have), 1)
    return rules.reshape(input, (*have[:first], math.prod(have[first : last + 1]), *have[last + 1 :]))


def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    have = shape(input)
    dim %= len(have)
    known = -math.prod(sizes)
    sizes = [have[dim] // known if n == -1 and known else n for n in sizes]
    return rules.reshape(input, (*have[:dim], *sizes, *have[dim + 1 :]))


@of_numbers
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    return input if shape(input) == (1,) else swapaxes(input, dim0, dim1)


def permute(input: Any, *dims: Any) -> Any:
    return rules.transpose(input, numbers(dims))


def movedim(input: Any, source: Any, destination: Any) -> Any:
    return moveaxis(input, source, destination) if shape(input) else input


@of_numbers
def squeeze(input: Any, dim: Any = None) -> Any:
    """A dim that has another size than one stays."""
    found = axes_of(dim, len(shape(input)))
    return rules.squeeze(input, axis=tuple(i for i in found if shape(input)[i] == 1))


def expand(input: Any, *sizes: Any) -> Any:
    sizes = numbers(sizes)
    have = (1,) * (len(sizes) - len(shape(input))) + shape(input)
    return rules.broadcast_to(input, tuple(m if n == -1 else n for n, m in zip(sizes, have, strict=True)))


def sum_to_size(input: Any, *size: Any) -> Any:
    return sum_to(input, numbers(size))


def repeat(input: Any, *sizes: Any) -> Any:
    return rules.tile(input, numbers(sizes))


def repeat_interleave(input: Any, repeats: Any, dim: Any = None, *, output_size: Any = None) -> Any:
    if not shape(input):
        input = rules.reshape(input, (1,))
    return rules.repeat(input, np.asarray(stripped(repeats)), axis=dim)


def flip(input: Any, *axes: Any, dims: Any = None) -> Any:
    return rules.flip(input, axis=numbers(axes, dims)) if shape(input) else input


def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    return rules.roll(input, shifts, axis=dims if dims != () else None) if shape(input) else input


def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> tuple:
    """Into parts of a size, or of these sizes."""
    n, sizes = shape(tensor)[dim], split_size_or_sections
    places = range(sizes, n, sizes) if isinstance(sizes, int) else np.cumsum(sizes)[:-1]
    return rules.split(tensor, [int(i) for i in places], axis=dim)


def chunk(input: Any, chunks: int, dim: int = 0) -> tuple:
    return split(input, max(-(-shape(input)[dim] // chunks), 1), dim)


def tensor_split(input: Any, indices_or_sections: Any, dim: int = 0) -> tuple:
    """Into so many parts, the first of which are longer by one, or at these places."""
    places = indices_or_sections
    places = places.tolist() if hasattr(places, "tolist") else places
    if isinstance(places, int):
        least, longer = divmod(shape(input)[dim], places)
        places = [i * least + min(i, longer) for i in range(1, places)]
    n = shape(input)[dim]
    bounds = [0, *places, n]
    parts = itertools.starmap(slice, itertools.pairwise(bounds))
    return tuple(input[along(dim, len(shape(input)), part)] for part in parts)


def split_along(dim: int) -> Callable:
    def function(input: Any, *given: Any, indices: Any = None, sections: Any = None) -> tuple:
        places = given[0] if given else sections if indices is None else indices
        return tensor_split(input, places, min(dim, len(shape(input)) - 1))

    return function


def unbind(input: Any, dim: int = 0) -> tuple:
    rows = moveaxis(input, dim, 0)
    return tuple(rows[i] for i in range(shape(rows)[0]))


def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    start = int(start)
    start += shape(input)[dim] if start < 0 else 0
    return input[along(dim, len(shape(input)), slice(start, start + length))]


def select(input: Any, dim: int, index: int) -> Any:
    return input[along(dim, len(shape(input)), index)]


def sliced(self: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    return self[along(dim, len(shape(self)), slice(start, end, step))]


def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    if not shape(input):
        return rules.reshape(input, (1,))[:size]
    return rules.windows(input, size, step, 1, (dimension,))


def cat(tensors: Any, dim: int = 0) -> Any:
    """PyTorch leaves out what is empty and has one axis."""
    full = [x for x in tensors if shape(x) != (0,)]
    return rules.concatenate(full or list(tensors), axis=dim)


def at_least(ndim: int) -> Callable:
    """One axis before, the third after, as PyTorch and NumPy have it."""

    def one(x: Any) -> Any:
        missing = ndim - len(shape(x))
        if missing <= 0:
            return x
        after = min(missing, 1) if ndim == 3 and len(shape(x)) else 0
        own = (1, 1, 1)[:ndim] if not shape(x) else (1,) * (missing - after) + shape(x) + (1,) * after
        return rules.reshape(x, own)

    def function(*tensors: Any) -> Any:
        given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
        made = tuple(map(one, given))
        return made[0] if len(tensors) == 1 and given is tensors else made

    return function


def joined(ndim: int, dim: int) -> Callable:
    def function(tensors: Any) -> Any:
        parts = at_least(ndim)(list(tensors))
        return rules.concatenate(list(parts), axis=0 if dim == 1 and len(shape(parts[0])) == 1 else dim)

    return function


def column_stack(tensors: Any) -> Any:
    columns = [rules.reshape(x, (-1, 1)) if len(shape(x)) <= 1 else x for x in tensors]
    return rules.concatenate(columns, axis=1)


def broadcast_tensors(*tensors: Any) -> tuple:
    import torch

    whole = torch.broadcast_shapes(*map(shape, tensors))
    return tuple(rules.broadcast_to(x, whole) for x in tensors)


def meshgrid(*tensors: Any, indexing: str = "ij") -> tuple:
    given = tensors[0] if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)) else tensors
    sizes = tuple(math.prod(shape(x)) for x in given)
    laid = [rules.reshape(x, (-1,) + (1,) * (len(given) - i - 1)) for i, x in enumerate(given)]
    made = tuple(rules.broadcast_to(x, sizes) for x in laid)
    return tuple(swapaxes(x, 0, 1) for x in made) if indexing == "xy" and len(given) > 1 else made


def cartesian_prod(*tensors: Any) -> Any:
    if len(tensors) == 1:
        return tensors[0]
    return rules.stack([rules.reshape(x, (-1,)) for x in meshgrid(*tensors)], axis=-1)


def block_diag(*tensors: Any) -> Any:
    blocks = at_least(2)(list(tensors))
    width, before, rows = sum(shape(b)[1] for b in blocks), 0, []
    for block in blocks:
        after = width - before - shape(block)[1]
        rows.append(rules.pad(block, ((0, 0), (before, after))))
        before += shape(block)[1]
    return rules.concatenate(rows, axis=0)


def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    if n == 0:
        return input
    parts = [x for x in (prepend, input, append) if x is not None]
    x = rules.concatenate(parts, axis=dim) if len(parts) > 1 else input
    return rules.diff(x, min(n, shape(x)[dim]), dim)


def shifted(sign: int, half: Callable) -> Callable:
    def function(input: Any, dim: Any = None) -> Any:
        found = axes_of(tuple(dim) if isinstance(dim, list) else dim, len(shape(input)))
        return rules.roll(input, tuple(sign * half(shape(input)[i]) for i in found), axis=tuple(found))

    return function


def converted(input: Any, *args: Any, dtype: Any = None, **options: Any) -> Any:
    """``x.to(...)``: another floating dtype, recorded; what has no derivative is a plain tensor."""
    wanted = {} if dtype is None else {"dtype": dtype}
    value = stripped(input).to(*map(stripped, args), **wanted)
    return rules.astype(input, value.dtype) if value.dtype.is_floating_point else value


def as_dtype(name: str) -> Callable:
    def function(input: Any, memory_format: Any = None) -> Any:
        return converted(input, getattr(stripped(input), name)().dtype)

    return function


def _moved(names: str, blank: bool = False) -> dict[str, Callable]:
    def of(name: str) -> Callable:
        import_time = name

        def function(*args: Any, **options: Any) -> Any:
            import torch

            return moved(getattr(torch, import_time), blank)(*args, **options)

        return function

    return {name: of(name) for name in names.split()}


def as_strided(input: Any, size: Any, stride: Any, storage_offset: Any = None) -> Any:
    """Elements by their places in memory, which have to be the tensor's own."""
    value = stripped(input)
    memory = value.new_full((value.untyped_storage().nbytes() // value.element_size(),), -1.0)
    own = memory.as_strided(value.shape, value.stride(), value.storage_offset())
    own.copy_(xp.reshape(xp.arange_like(value, value.numel()), value.shape))
    labels = own.as_strided(size, stride, storage_offset).long()
    if xp.any(labels < 0):
        raise TypeError("PyTorch's as_strided of a recorded array takes what the array itself does not hold")
    return rules.take(rules.reshape(input, (-1,)), labels)


def swapped(input: Any) -> Any:
    return swapaxes(input, -1, -2)


def reversed_axes(input: Any) -> Any:
    return rules.transpose(input)


TABLE: dict[str, Callable] = {
    **_moved("combinations rot90 fliplr flipud"),
    "as_strided": as_strided,
    **_moved("diag_embed diagflat", blank=True),
    "Tensor.double": as_dtype("double"),
    "Tensor.float": as_dtype("float"),
    "Tensor.half": as_dtype("half"),
    "Tensor.bfloat16": as_dtype("bfloat16"),
    "Tensor.to": converted,
    "Tensor.expand_as": lambda input, other: rules.broadcast_to(input, shape(other)),
    "Tensor.reshape_as": lambda input, other: rules.reshape(input, shape(other)),
    "Tensor.view_as": lambda input, other: rules.reshape(input, shape(other)),
    "Tensor.sum_to_size": sum_to_size,
    "Tensor.unfold": unfold,
    "aten.slice.Tensor": sliced,
    "adjoint": swapped,
    "atleast_1d": at_least(1),
    "atleast_2d": at_least(2),
    "atleast_3d": at_least(3),
    "block_diag": block_diag,
    "broadcast_tensors": broadcast_tensors,
    "broadcast_to": expand,
    "cartesian_prod": cartesian_prod,
    "cat": cat,
    "chunk": chunk,
    "column_stack": column_stack,
    "diag": lambda input, diagonal=0: rules.diag(input, diagonal),
    "diagonal": lambda input, offset=0, dim1=0, dim2=1: rules.diagonal(input, offset, dim1, dim2),
    "diff": diff,
    "dsplit": split_along(2),
    "dstack": joined(3, 2),
    "expand": expand,
    "fft.fftshift": shifted(1, lambda n: n // 2),
    "fft.ifftshift": shifted(-1, lambda n: n // 2),
    "flatten": flatten,
    "flip": flip,
    "hsplit": split_along(1),
    "hstack": joined(1, 1),
    "linalg.diagonal": lambda A, *, offset=0, dim1=-2, dim2=-1: rules.diagonal(A, offset, dim1, dim2),
    "meshgrid": meshgrid,
    "movedim": movedim,
    "narrow": narrow,
    "permute": permute,
    "repeat": repeat,
    "repeat_interleave": repeat_interleave,
    "reshape": reshape,
    "roll": roll,
    "select": select,
    "split": split,
    "split_with_sizes": split,
    "squeeze": squeeze,
    "stack": lambda tensors, dim=0: rules.stack(list(tensors), axis=dim),
    "t": reversed_axes,
    "tensor_split": tensor_split,
    "tile": repeat,
    "trace": lambda input: rules.trace(input),
    "transpose": transpose,
    "tril": lambda input, diagonal=0: rules.tril(input, diagonal),
    "triu": lambda input, diagonal=0: rules.triu(input, diagonal),
    "unbind": unbind,
    "unflatten": unflatten,
    "unsqueeze": lambda input, dim: rules.expand_dims(input, axis=dim),
    "vsplit": split_along(0),
    "vstack": joined(2, 0),
}
COPIES = """
    as_strided diagonal expand narrow permute reshape select split split_with_sizes squeeze t transpose unbind
    unsqueeze
""".split()
"""Of which PyTorch has one that copies, too."""
