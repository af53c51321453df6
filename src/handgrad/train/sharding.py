"""Which axis of each array lies along which axis of a mesh of devices: names and numbers, no devices yet.

    specs({"1.W": (784, 512), "1.b": (512,)}, {"data": 4, "model": 2})
    {"1.W": (None, "model"), "1.b": ("model",)}

A mesh names its axes: batches lie along ``data``; along ``model`` the columns of matrices. Fully sharded,
each array lies along ``data`` too, by its largest axis that can.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

Shape = tuple[int, ...]
Spec = tuple[str | None, ...]  # for each axis of an array, the axis of the mesh that it is divided along
Sharding = str | Mapping[str, Sequence[str | None]]

AXES = ("data", "model")
KINDS = ("replicated", "full")
SMALL = 1024  # numbers of an array that is not worth dividing


def check_mesh(mesh: Mapping[str, int] | None, devices: int, all_of_them: bool = False) -> dict[str, int]:
    """The sizes of a mesh's axes, 1 for each that is not named; if none is given, all devices along ``data``.

    Args:
        all_of_them: whether every device must be in it, as where they are several processes'.

    Raises:
        ValueError: another axis, a size that is none, or more devices than there are, or a number that does
            not divide theirs.
    """
    mesh = {"data": devices} if mesh is None else dict(mesh)
    for name, size in mesh.items():
        if name not in AXES:
            raise ValueError(f"mesh: the axis {name!r}; a mesh has the axes {' and '.join(AXES)}")
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"mesh: {name} is {size!r}, not a whole number from 1")
    found = {name: mesh.get(name, 1) for name in AXES}
    wanted = math.prod(found.values())
    if wanted != devices if all_of_them else devices % wanted:
        says = " x ".join(f"{name} {size}" for name, size in found.items())
        raise ValueError(f"mesh: {says} are {wanted} devices, and there are {devices}")
    return found


def specs(
    shapes: Mapping[str, Shape], mesh: Mapping[str, int], sharding: Sharding | None = None
) -> dict[str, Spec]:
    """How the arrays of these names and shapes lie on a mesh.

    Args:
        sharding: "replicated" (if not said), each device has all of each array, but for what lies along
            ``model``; "full", each a part; or by patterns of names, ``{"*.W": (None, "model")}``, the others
            replicated.

    Raises:
        ValueError: a pattern that fits no name, two that say different things of one, an axis that the mesh
            has not, or a size that it does not divide.
    """
    if sharding is None or isinstance(sharding, str):
        if sharding not in (None, *KINDS):
            raise ValueError(
                f"sharding is {' or '.join(map(repr, KINDS))}, or specs by pattern, not {sharding!r}"
            )
        found = {name: by_default(own, mesh) for name, own in shapes.items()}
        if sharding == "full":
            found = {name: fully(own, found[name], mesh) for name, own in shapes.items()}
        return found
    for pattern in sharding:
        if not any(fnmatchcase(name, pattern) for name in shapes):
            raise ValueError(f"sharding: no parameter is called {pattern!r}; there are {', '.join(shapes)}")
    return {name: by_pattern(name, own, mesh, sharding) for name, own in shapes.items()}


def by_default(own: Shape, mesh: Mapping[str, int]) -> Spec:
    """Along ``model`` the outputs: the last axis of a matrix or a vector, the first of a filter."""
    spec: list[str | None] = [None] * len(own)
    axis = 0 if len(own) > 2 else len(own) - 1
    if (
        own
        and mesh.get("model", 1) > 1
        and own[axis] % mesh["model"] == 0
        and math.prod(own) >= mesh["model"]
    ):
        spec[axis] = "model"
    return tuple(spec)


def fully(own: Shape, spec: Spec, mesh: Mapping[str, int]) -> Spec:
    """Along ``data`` too, by the largest axis that is free and can be divided."""
    n = mesh.get("data", 1)
    can = [a for a, size in enumerate(own) if spec[a] is None and size % n == 0 and size >= n]
    if n == 1 or not can or math.prod(own) < SMALL:
        return spec
    axis = max(can, key=lambda a: own[a])
    return (*spec[:axis], "data", *spec[axis + 1 :])


def by_pattern(
    name: str, own: Shape, mesh: Mapping[str, int], patterns: Mapping[str, Sequence[str | None]]
) -> Spec:
    said = {pattern: tuple(spec) for pattern, spec in patterns.items() if fnmatchcase(name, pattern)}
    if len(set(said.values())) > 1:
        one, other, *_ = said
        raise ValueError(f"sharding: {one!r} and {other!r} say different things of {name}")
    if not said:
        return (None,) * len(own)
    pattern, spec = next(iter(said.items()))
    if len(spec) != len(own):
        raise ValueError(f"sharding: {pattern!r} has {len(spec)} axes, and {name} has shape {own}")
    named = [axis for axis in spec if axis is not None]
    if len(set(named)) < len(named):
        raise ValueError(f"sharding: {pattern!r} names an axis of the mesh twice: {spec}")
    for axis, size in zip(spec, own, strict=True):
        if axis is not None and axis not in mesh:
            raise ValueError(f"sharding: {pattern!r} names the axis {axis!r}; the mesh has {', '.join(mesh)}")
        if axis is not None and size % mesh[axis]:
            raise ValueError(f"sharding: {name} of shape {own} is not divided by {axis} {mesh[axis]}")
    return spec
