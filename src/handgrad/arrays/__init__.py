"""Which array library am I holding, and the few functions that the standard lacks.

``xp`` is the one name that the rules need. ``xp.exp(x)`` looks at ``x`` and calls the ``exp`` of
the library that made it: NumPy, JAX, PyTorch, any other that follows the Python array API
standard, or handgrad's own recorded and symbolic arrays, which bring a namespace along.

The standard lacks a handful of functions that rules need; they are in ``lacking``, and
in one file for each library, with one small implementation there; to a rule they look like all the others:

``scatter_add(dout, index, shape)``  zeros of ``shape`` with ``dout`` added at ``index``
``getitem(x, index)``                ``x[index]``, as a function
``erf(x)``, ``erfc(x)``              the error function and its complement
``exp2(x)``                          2 to the power of ``x``
``random_uniform(x, key)``           float32 in [0, 1), of the shape of ``x``
``fold_in(key, n)``                  a new key from a key and a number
``arange_like(x, n)``                0 .. n-1 on the device of ``x``
``stop_gradient(x)``                 ``x``, held constant

what linear algebra is made of, in ``linear_algebra``: ``inv solve solve_triangular det slogdet cholesky qr
eigh svd pinv expm``, of matrices in the last two axes; and three that much is made of:

``einsum("ij,jk->ik", x, y)``        the sum of products that the letters say
``windows(x, size, stride, dilation, axes)``     windows sliding over axes of x, as axes of their own, which
                                     come last; ``unwindows(w, shape, ...)`` adds up what overlaps
``scan(f, carry, xs)``               a loop along the first axis of xs: ``f(carry, x)`` gives
                                     (carry, y), and the result is (carry, ys)

What is made of windows is quicker in another way on NumPy's arrays, and where a library has it as a whole, so
it is a function as well:

``convolution(x, W, how)``           an einsum of windows with W; its gradients are ``convolution_dx`` and
                                     ``convolution_dW``
``sum_of_windows(w, n)``             the sum over the last n axes
``max_of_windows(w, n)``             the largest over them, and at which place
"""

import handgrad.arrays.numpy_library as _numpy_library  # noqa: F401, which completes NUMPY
from handgrad.arrays.dispatch import (
    NUMPY as NUMPY,
    NUMPY_TYPES as NUMPY_TYPES,
    Dispatcher as Dispatcher,
    Library as Library,
    Operators as Operators,
    Recorded as Recorded,
    beside as beside,
    library_of as library_of,
    namespace_of as namespace_of,
    stripped as stripped,
    xp as xp,
)
from handgrad.arrays.lacking import polynomial as polynomial
from handgrad.arrays.questions import (
    as_numpys as as_numpys,
    cast as cast,
    check_arithmetic as check_arithmetic,
    check_numbers as check_numbers,
    is_array as is_array,
    is_floating as is_floating,
    is_half as is_half,
    is_integer as is_integer,
    is_plain as is_plain,
    is_symbolic as is_symbolic,
    plain as plain,
    shape as shape,
    size as size,
    sum_to as sum_to,
    values_are_known as values_are_known,
)
