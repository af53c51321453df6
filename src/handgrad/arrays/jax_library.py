"""JAX, with what it lacks."""

from __future__ import annotations

import functools
import itertools
from typing import Any

from handgrad.arrays import linear_algebra, loops, windowing
from handgrad.arrays.convolution import Convolution, with_bias
from handgrad.arrays.dispatch import Library
from handgrad.arrays.lacking import getitem
from handgrad.arrays.questions import shape
from handgrad.tree import tree_map

TAPS = 64  # places of a filter, at most, that are written out
LAST = {n + 2: (f"N{axes}C", f"{axes}IO", f"N{axes}C") for n, axes in enumerate(("W", "HW", "DHW"), 1)}


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
        if how.groups == W.shape[0] and W.shape[1] == 1 and 1 < W[0].size <= TAPS and is_on_cpu():
            return with_bias(depthwise(x, W, how), b)
        out = convolved(x, W, how.stride, how.padding, how.dilation, groups=how.groups)
        return with_bias(out, b)

    def is_on_cpu() -> bool:
        return jax.default_backend() == "cpu"

    def depthwise(x: Any, W: Any, how: Convolution) -> Any:
        """Each channel with a filter of its own: the sum over a filter's places of x moved there, which XLA
        makes one loop of; its convolutions in groups take a hundred times as long on the CPU.
        """
        counts = how.counts(x.shape[2:], W.shape[2:])
        x = jnp.pad(x, ((0, 0), (0, 0), *how.padding))
        size = W.shape[2:]
        out: Any = 0
        for place in itertools.product(*map(range, size)):
            moved = [
                slice(j * d, j * d + (n - 1) * s + 1, s)
                for j, d, n, s in zip(place, how.dilation, counts, how.stride, strict=True)
            ]
            weights = jnp.reshape(W[(slice(None), 0, *place)], (-1,) + (1,) * len(size))
            out = out + x[(slice(None), slice(None), *moved)] * weights
        return out

    def convolved(
        x: Any, W: Any, stride: Any, padding: Any, dilation: Any, spread: Any = None, groups: int = 1
    ) -> Any:
        """(N, C, ...), (O, C, ...) -> (N, O, ...), with the channels last inside: on the CPU, in a loop,
        XLA makes convolutions of other layouts ten times as slow.
        """
        dtype = jnp.result_type(x, W)
        out = jax.lax.conv_general_dilated(
            jnp.moveaxis(jnp.asarray(x, dtype), 1, -1),
            jnp.moveaxis(jnp.asarray(W, dtype), (0, 1), (-1, -2)),
            stride,
            padding,
            lhs_dilation=spread,
            rhs_dilation=dilation,
            dimension_numbers=LAST[x.ndim],
            feature_group_count=groups,
        )
        return jnp.moveaxis(out, -1, 1)

    def transposed(f: Any, shape: tuple[int, ...], dout: Any) -> Any:
        return jax.linear_transpose(f, jax.ShapeDtypeStruct(shape, dout.dtype))(dout)[0]

    def convolution_dx(dout: Any, W: Any, shape: tuple[int, ...], how: Convolution) -> Any:
        if how.groups > 1:
            return transposed(lambda x: convolution(x, W, how), shape, dout)
        around = [
            (reach - before, size + before - 1 - (count - 1) * s)
            for size, count, s, (before, _), reach in spans(shape, dout, W.shape, how)
        ]
        turned = jnp.flip(W, range(2, W.ndim)).swapaxes(0, 1)
        return convolved(dout, turned, (1,) * len(around), around, how.dilation, how.stride)

    def convolution_dW(dout: Any, x: Any, shape: tuple[int, ...], how: Convolution) -> Any:
        if how.groups > 1:
            return transposed(lambda W: convolution(x, W, how), shape, dout)
        around = [
            (before, reach + 1 + (count - 1) * s - size - before)
            for size, count, s, (before, _), reach in spans(x.shape, dout, shape, how)
        ]
        dW = convolved(x.swapaxes(0, 1), dout.swapaxes(0, 1), how.dilation, around, how.stride)
        return dW.swapaxes(0, 1)

    def spans(x: tuple[int, ...], dout: Any, W: tuple[int, ...], how: Convolution) -> Any:
        """Of each axis the size of x, the number of windows, stride, padding, and how far one reaches."""
        reach = [d * (k - 1) for d, k in zip(how.dilation, W[2:], strict=True)]
        return zip(x[2:], dout.shape[2:], how.stride, how.padding, reach, strict=True)

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
