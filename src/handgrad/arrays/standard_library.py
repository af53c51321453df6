"""Any namespace of the standard (array_api_strict, CuPy), with what it lacks."""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np

from handgrad.arrays import linear_algebra, numpy_library, windowing
from handgrad.arrays.contraction import by_product, in_pairs
from handgrad.arrays.convolution import convolution, convolution_dW, convolution_dx
from handgrad.arrays.dispatch import Library
from handgrad.arrays.lacking import erf, erfc, stop_gradient
from handgrad.arrays.loops import scan
from handgrad.tree import tree_map


@functools.cache
def standard_library(standard: Any) -> Library:
    """Any namespace of the standard (array_api_strict, CuPy); what it lacks is computed by way of NumPy."""
    add: Any = getattr(standard, "add", None)

    # The standard has few kinds of index; all that NumPy has are had by way of it.
    def plain(index: Any) -> Any:
        return tree_map(lambda i: np.asarray(i) if hasattr(i, "dtype") else i, index)

    def scatter_add(dout: Any, index: Any, shape: tuple[int, ...]) -> Any:
        if not hasattr(add, "at"):
            return standard.asarray(numpy_library.scatter_add(np.asarray(dout), plain(index), shape))
        out = standard.zeros(shape, dtype=dout.dtype)
        add.at(out, index, dout)
        return out

    def getitem(x: Any, index: Any) -> Any:
        return x[index] if hasattr(add, "at") else standard.asarray(np.asarray(x)[plain(index)])

    def taken(x: Any, like: Any = None) -> Any:
        return standard.asarray(x) if isinstance(x, np.ndarray) else x

    def take(x: Any, indices: Any, axis: int) -> Any:
        return standard.take(x, taken(indices), axis=axis)

    return Library(
        standard,
        **(linear_algebra.of_standard(standard) if hasattr(standard, "linalg") else {}),
        scan=scan,
        einsum=lambda subscripts, *arrays: in_pairs(subscripts, list(arrays), by_product),
        pad=windowing.pad,
        windows=windowing.windows,
        unwindows=windowing.unwindows,
        sum_of_windows=windowing.sum_of_windows,
        max_of_windows=windowing.max_of_windows,
        convolution=convolution,
        convolution_dx=convolution_dx,
        convolution_dW=convolution_dW,
        taken=taken,
        exp2=lambda x: standard.pow(2.0, x),
        logaddexp2=lambda x, y: standard.logaddexp(x * math.log(2), y * math.log(2)) / math.log(2),
        scatter_add=scatter_add,
        getitem=getitem,
        take=take,
        erf=erf,
        erfc=erfc,
        random_uniform=lambda x, key: standard.asarray(numpy_library.random_uniform(x, key)),
        fold_in=numpy_library.fold_in,
        arange_like=lambda x, n: standard.arange(n),
        stop_gradient=stop_gradient,
    )
