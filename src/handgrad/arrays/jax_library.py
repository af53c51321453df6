"""JAX, with what it lacks."""

from __future__ import annotations

import functools
from typing import Any

from handgrad.arrays import linear_algebra, loops, windowing
from handgrad.arrays.convolution import Convolution, with_bias
from handgrad.arrays.dispatch import Library
from handgrad.arrays.lacking import getitem
from handgrad.arrays.questions import shape
from handgrad.tree import tree_map


@functools.cache
def jax_library() -> Library:
    import jax
    import jax.numpy as jnp

    def typed(key: Any) -> Any:
        return jax.random.wrap_key_data(jnp.asarray(key, jnp.uint32))

    def scan(f: Any, carry: Any, xs: Any = None, length: Any = None, reverse: bool = False) -> Any:
        n = loops.steps_of(xs, length)
        if n:
            first = jax.eval_shape(f, carry, loops.part(xs, 0))
            after, _ = loops.result_of(first, carry, is_first=True)
            carry = tree_map(
                lambda x, y: x if hasattr(x, "dtype") else jnp.full(y.shape, x, y.dtype), carry, after
            )
        return jax.lax.scan(f, carry, xs, length=n, reverse=reverse)

    def unwindows(
        x: Any, shape: tuple[int, ...], stride: Any = 1, dilation: Any = 1, axes: Any = None
    ) -> Any:
        found = windowing.of_windows(x, shape, stride, dilation, axes)
        out = jnp.zeros(found.shape, x.dtype)
        for j, index in found.places():
            out = out.at[index].add(x[(..., *j)])
        return out

    def convolution(x: Any, W: Any, how: Convolution, b: Any = None) -> Any:
        dtype = jnp.result_type(x, W)
        out = jax.lax.conv_general_dilated(
            jnp.asarray(x, dtype),
            jnp.asarray(W, dtype),
            how.stride,
            how.padding,
            rhs_dilation=how.dilation,
            feature_group_count=how.groups,
        )
        return with_bias(out, b)

    def transposed(f: Any, shape: tuple[int, ...], dout: Any) -> Any:
        return jax.linear_transpose(f, jax.ShapeDtypeStruct(shape, dout.dtype))(dout)[0]

    def convolution_dx(dout: Any, W: Any, shape: tuple[int, ...], how: Convolution) -> Any:
        return transposed(lambda x: convolution(x, W, how), shape, dout)

    def convolution_dW(dout: Any, x: Any, shape: tuple[int, ...], how: Convolution) -> Any:
        return transposed(lambda W: convolution(x, W, how), shape, dout)

    return Library(
        jnp,
        **linear_algebra.of_jax(),
        has_loops=True,
        scan=scan,
        windows=windowing.windows,
        unwindows=unwindows,
        sum_of_windows=windowing.sum_of_windows,
        max_of_windows=windowing.max_of_windows,
        convolution=convolution,
        convolution_dx=convolution_dx,
        convolution_dW=convolution_dW,
        scatter_add=lambda dout, index, shape: jnp.zeros(shape, dout.dtype).at[index].add(dout),
        getitem=getitem,
        erf=jax.scipy.special.erf,
        erfc=jax.scipy.special.erfc,
        random_uniform=lambda x, key: jax.random.uniform(typed(key), shape(x), jnp.float32),
        fold_in=lambda key, n: jax.random.key_data(jax.random.fold_in(typed(key), n)),
        arange_like=lambda x, n: jnp.arange(n),
        stop_gradient=jax.lax.stop_gradient,
    )
