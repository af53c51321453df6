"""Contractions and windows in the form that is computed best."""

from __future__ import annotations

from typing import Any

from handgrad.arrays import shape
from handgrad.arrays.contraction import by_product, sizes_of, spelled
from handgrad.arrays.windowing import Windowing, of_windows
from handgrad.program.draft import Draft, rewrite
from handgrad.program.program import Operation, Program


def contractions(program: Program) -> Program:
    """An einsum that is a product of two matrices, or sums nothing over both, as that."""
    return rewrite(program, _contraction, of="einsum")


def _contraction(draft: Draft, operation: Operation) -> Any:
    subscripts, x, y = operation.args
    (a, b), target = spelled(subscripts, [shape(x), shape(y)])
    sizes = sizes_of([a, b], [shape(x), shape(y)])
    summed = [i for i in a if i in b and i not in target]
    batch = [i for i in a if i in b and i in target]
    alone = [i for i in a + b if (a + b).count(i) == 1 and i not in target]
    is_of_matrices = len(a) == len(b) == 2 and not batch and not alone
    is_plain = operation.out.dtype.kind == "f" and all(sizes.values())
    if summed and is_plain and not is_of_matrices and not alone:
        return None
    return by_product(subscripts, x, y, draft.emit)


def transposed_windows(program: Program) -> Program:
    """Windows of a contraction that are added up: a contraction of windows.

    Σ x[i]·y[j], over all i·s + j·d = h, is Σⱼ z[h + (K - 1 - j)·d]·y[j], where z is x with s - 1 zeros
    between its elements and zeros around it. So the gradient of a convolution by its input is a convolution
    with W turned round, and nothing is stored for each place of a window.
    """
    return rewrite(program, _added_up, of="unwindows")


def _added_up(draft: Draft, operation: Operation) -> Any:
    x, way = operation.args[0], of_windows(*operation.args)
    source = draft.argument(x, "reshape")
    if source is not None and draft.maker(source, "einsum") is not None:
        moved = _before_reshape(source, x, way)
        if moved is not None:
            return draft.emit("reshape", _added_up_of(draft, source, moved), way.shape)
    return _added_up_of(draft, x, way)


def _before_reshape(source: Any, x: Any, way: Windowing) -> Windowing | None:
    """The windowing of what was reshaped to x, where only axes before the windowed ones were."""
    first = min(way.axes)
    lead = len(shape(source)) - len(shape(x)) + first
    if lead < 0 or shape(source)[lead:] != shape(x)[first:]:
        return None
    axes = tuple(axis - first + lead for axis in way.axes)
    return way._replace(shape=(*shape(source)[:lead], *way.shape[first:]), axes=axes)


def _added_up_of(draft: Draft, x: Any, way: Windowing) -> Any:
    made = draft.maker(x, "einsum")
    found = None if made is None else _convolved(draft, made, way)
    if found is None:
        return draft.emit("unwindows", x, way.shape, way.stride, way.dilation, way.axes)
    return found


def _convolved(draft: Draft, made: Operation, way: Windowing) -> Any:
    """The contraction with windows of one factor, if the places in a window are the other's alone."""
    subscripts, x, y = made.args
    (a, b), target = spelled(subscripts, [shape(x), shape(y)])
    ndim = len(way.shape)
    over, inside = [target[axis] for axis in way.axes], target[ndim:]
    if not set(over) <= set(a):
        (a, x), (b, y) = (b, y), (a, x)
    if not (set(over) <= set(a) - set(b) and set(inside) <= set(b) - set(a)):
        return None
    axes = tuple(a.index(i) for i in over)
    spread = _spread(draft, x, axes, way)
    ones = (1,) * len(axes)
    windows = draft.emit("windows", spread, way.size, ones, way.dilation, axes)
    turned = draft.emit("flip", y, axis=tuple(b.index(j) for j in inside))
    return draft.emit("einsum", f"{a}{inside},{b}->{target[:ndim]}", windows, turned)


def _spread(draft: Draft, x: Any, axes: tuple[int, ...], way: Windowing) -> Any:
    """x with zeros between its elements along the axes that count windows, and around them."""
    own, index = list(shape(x)), [slice(None)] * len(shape(x))
    for axis, where, K, s, d in zip(axes, way.axes, *way[2:], strict=True):
        before = (K - 1) * d
        index[axis] = slice(before, before + (own[axis] - 1) * s + 1, s)
        own[axis] = way.shape[where] + before
    return draft.emit("scatter_add", x, tuple(index), tuple(own))
