"""Arrays on the devices of a mesh, as ``sharding`` says, on one machine or several."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from handgrad.train.progress import State
from handgrad.train.sharding import KINDS, Sharding, Spec, check_mesh, specs
from handgrad.tree import tree_map


class Row(NamedTuple):
    """How one array lies."""

    name: str
    shape: tuple[int, ...]
    spec: Spec
    bytes_a_device: int


class Shardings(list[Row]):
    """How arrays lie, for ``Trainer.shardings``; printed, a table."""

    def __str__(self) -> str:
        total = sum(row.bytes_a_device for row in self)
        cells = [
            (row.name, " x ".join(map(str, row.shape)), ", ".join(a or "-" for a in row.spec) or "whole",
             f"{row.bytes_a_device:,}")
            for row in self
        ]  # fmt: skip
        cells = [("name", "shape", "along", "bytes a device"), *cells, ("in all", "", "", f"{total:,}")]
        wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join(
            f"{a:<{wide[0]}}  {b:<{wide[1]}}  {c:<{wide[2]}}  {d:>{wide[3]}}" for a, b, c, d in cells
        )


class Placement:
    """A mesh, and where on it each array lies."""

    def __init__(self, mesh: Mapping[str, int] | None, sharding: Sharding | None, params: Mapping[str, Any]):
        self.sizes = check_mesh(mesh, jax.device_count(), all_of_them=jax.process_count() > 1)
        axes = (AxisType.Auto,) * len(self.sizes)
        sizes = tuple(self.sizes.values())
        devices = jax.devices()[: math.prod(sizes)] if jax.process_count() == 1 else None
        self.mesh = jax.make_mesh(sizes, tuple(self.sizes), axis_types=axes, devices=devices)
        self.specs = specs({name: tuple(p.shape) for name, p in params.items()}, self.sizes, sharding)
        self.whole = NamedSharding(self.mesh, PartitionSpec())
        self.is_spread = jax.process_count() > 1
        self.sharding = sharding or KINDS[0]

    def described(self) -> dict[str, str]:
        """What the last bits of a training depend on."""
        own = self.sharding
        if not isinstance(own, str):
            own = "; ".join(
                f"{name}={','.join(a or '-' for a in spec)}" for name, spec in sorted(own.items())
            )
        mesh = " x ".join(f"{name} {size}" for name, size in self.sizes.items())
        return {"mesh": mesh, "sharding": own, "processes": str(jax.process_count())}

    def check_batch(self, batch_size: int) -> None:
        """That mini-batches are divided by the mesh.

        Raises:
            ValueError: they are not.
        """
        n = self.sizes["data"]
        if batch_size % n:
            raise ValueError(
                f"mini-batches of {batch_size} examples are not divided by data {n}: the batch size must be "
                f"a multiple of it"
            )

    def along_data(self, x: Any) -> Any:
        """A traced mini-batch, divided along ``data`` where its length can be."""
        if self.sizes["data"] == 1 or x.shape[0] % self.sizes["data"]:
            return x
        return jax.lax.with_sharding_constraint(x, NamedSharding(self.mesh, PartitionSpec("data")))

    def of_state(self, state: State) -> Any:
        """The sharding of each array of a state: moments lie as their parameter does, states whole."""
        params, states, moments = state

        def of(name: str, x: Any) -> NamedSharding:
            is_like = tuple(x.shape) == tuple(params[name].shape)
            return NamedSharding(self.mesh, PartitionSpec(*self.specs[name])) if is_like else self.whole

        return (
            {name: of(name, p) for name, p in params.items()},
            dict.fromkeys(states, self.whole),
            {name: {key: of(name, m) for key, m in each.items()} for name, each in moments.items()},
        )

    def put_state(self, state: State) -> State:
        """On the devices; what lies there already stays."""
        return tree_map(self.put, state, self.of_state(state))

    def put(self, x: Any, sharding: NamedSharding) -> Any:
        if isinstance(x, jax.Array) and x.sharding == sharding:
            return x
        x = np.asarray(x)
        return jax.make_array_from_callback(x.shape, sharding, lambda index: x[index])

    def put_whole(self, x: np.ndarray) -> Any:
        return self.put(x, self.whole)

    def rows(self, read: Callable, steps: np.ndarray, like: Any, most: int) -> Any:
        """The examples of some steps (count, size), each read by the process on whose device it lies.

        Args:
            read: gives the examples of some rows.
            like: one example, for its shape and dtype.

        Returns:
            (most, size, ...), zeros after the first ``count``.
        """
        size = steps.shape[1]
        divides = size % self.sizes["data"] == 0
        sharding = NamedSharding(self.mesh, PartitionSpec(None, "data")) if divides else self.whole
        found: dict[str, np.ndarray] = {}  # devices along ``model`` have the same

        def part(index: Any) -> np.ndarray:
            here = steps[:, index[1]]
            if str(index) not in found:
                out = np.zeros((most, here.shape[1], *like.shape[1:]), like.dtype)
                out[: len(here)] = read(here.ravel()).reshape(*here.shape, *like.shape[1:])
                found[str(index)] = out
            return found[str(index)]

        shape = (most, size, *like.shape[1:])
        return jax.make_array_from_callback(shape, sharding, part, dtype=like.dtype)

    def table(self, state: State) -> Shardings:
        params, _, moments = state
        rows = Shardings()
        for name, p in params.items():
            arrays = {name: p, **{f"{name}: {key}": m for key, m in moments[name].items()}}
            for label, x in arrays.items():
                spec = self.specs[name] if x.shape == p.shape else ()
                parts = math.prod(self.sizes[axis] for axis in spec if axis is not None)
                rows.append(Row(label, tuple(x.shape), spec, x.nbytes // parts))
        return rows
