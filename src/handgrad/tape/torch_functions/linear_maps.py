"""What is linear along an axis: images in other sizes, slopes between points.

Its matrix is what PyTorch's own function makes of the identity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad.arrays import shape, stripped
from handgrad.tape.functions.shaping import moveaxis


def along(axis: int, function: Callable, input: Any) -> Any:
    """``function`` takes rows (n, n), of which it makes (n, m)."""
    import torch

    value = stripped(input)
    rows = torch.eye(shape(input)[axis], dtype=value.dtype, device=value.device)
    return moveaxis(moveaxis(input, axis, -1) @ function(rows), -1, axis)


def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: Any = None,
    recompute_scale_factor: Any = None,
    antialias: bool = False,
) -> Any:
    n = len(shape(input)) - 2
    how = {"mode": mode, "align_corners": align_corners, "antialias": antialias}
    how |= {"recompute_scale_factor": recompute_scale_factor} if size is None else {}
    sizes, scales = (_each(given, n) for given in (size, scale_factor))
    out = input
    for i in range(n):
        wanted = {"size": _only(i, sizes)} if sizes else {"scale_factor": _only(i, scales)}
        out = along(2 + i, _axis_of_images(i, n, wanted | how), out)
    return out


def _each(given: Any, n: int) -> tuple:
    if given is None:
        return ()
    return tuple(given) if isinstance(given, (list, tuple)) else (given,) * n


def _only(i: int, sizes: tuple) -> tuple:
    """The size of one axis, where the others are 1."""
    return tuple(m if j == i else type(m)(1) for j, m in enumerate(sizes))


def _axis_of_images(i: int, n: int, how: dict) -> Callable:
    def function(rows: Any) -> Any:
        import torch

        images = rows.reshape(len(rows), 1, *(-1 if j == i else 1 for j in range(n)))
        return torch.nn.functional.interpolate(images, **how).reshape(len(rows), -1)

    return function


def gradient(input: Any, *, spacing: Any = 1, dim: Any = None, edge_order: int = 1) -> list:
    """Slopes along axes, by central differences; ``spacing`` is a step, or coordinates, of all or of each."""
    import torch

    ndim = len(shape(input))
    axes = range(ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    steps = list(spacing) if isinstance(spacing, (list, tuple)) else [spacing] * len(axes)

    def slopes(step: Any) -> Callable:
        step = (step,) if hasattr(step, "dtype") and shape(step) else step
        return lambda rows: torch.gradient(rows, spacing=step, dim=1, edge_order=edge_order)[0]

    return [along(a % ndim, slopes(stripped(s)), input) for a, s in zip(axes, steps, strict=True)]


TABLE: dict[str, Callable] = {
    "F.interpolate": interpolate,
    "F.upsample": interpolate,
    "gradient": gradient,
}
