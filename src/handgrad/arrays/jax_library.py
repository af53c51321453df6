"""JAX, with what it lacks."""

from __future__ import annotations

import functools
from typing import Any

from handgrad.arrays import windowing
from handgrad.arrays.dispatch import Library
from handgrad.arrays.lacking import getitem
from handgrad.arrays.questions import shape


@functools.cache
def jax_library() -> Library:
    import jax
    import jax.numpy as jnp

    def typed(key: Any) -> Any:
        return jax.random.wrap_key_data(jnp.asarray(key, jnp.uint32))

    def unwindows(
        x: Any, shape: tuple[int, ...], stride: Any = 1, dilation: Any = 1, axes: Any = None
    ) -> Any:
        found = windowing.of_windows(x, shape, stride, dilation, axes)
        out = jnp.zeros(found.shape, x.dtype)
        for j, index in found.places():
            out = out.at[index].add(x[(..., *j)])
        return out

    return Library(
        jnp,
        windows=windowing.windows,
        unwindows=unwindows,
        scatter_add=lambda dout, index, shape: jnp.zeros(shape, dout.dtype).at[index].add(dout),
        getitem=getitem,
        erf=jax.scipy.special.erf,
        erfc=jax.scipy.special.erfc,
        random_uniform=lambda x, key: jax.random.uniform(typed(key), shape(x), jnp.float32),
        fold_in=lambda key, n: jax.random.key_data(jax.random.fold_in(typed(key), n)),
        arange_like=lambda x, n: jnp.arange(n),
        stop_gradient=jax.lax.stop_gradient,
    )
