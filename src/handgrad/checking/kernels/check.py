"""``check_kernel``: is a kernel right, as far as the rounding of its dtype lets it be told?"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from handgrad.checking.kernels.calls import Kernel
from handgrad.checking.kernels.due import Reference
from handgrad.checking.kernels.examination import Examination
from handgrad.checking.kernels.libraries import Library, format_of, library, library_of, rounded_to
from handgrad.checking.kernels.report import KernelReport
from handgrad.checking.kernels.running import Caller
from handgrad.checking.quietly import quiet
from handgrad.checking.subject import flat_names, own_randomness, parameter_names
from handgrad.tree import leaves, tree_map


def check_kernel(
    kernel: Any,
    reference: Callable,
    *inputs: Any,
    dtype: str | None = None,
    inside: str | None = None,
    arrays: str | None = None,
    seed: int = 0,
) -> KernelReport:
    """Check a kernel, or its backward, against a reference in float64; there is no tolerance to set.

    How far a right kernel may be from the reference is found by computing the reference again with each step
    rounded at random, as the kernel's arithmetic rounds, reductions in any order. Beside the given inputs
    there are others of the same shapes, at several scales; it is called again, and with arrays that do not
    lie side by side. If zeros, a constant or a copy of an input would pass as well, it does not say right.

    Args:
        kernel: a function of arrays that returns outputs, or ``(out, backward)``; a backward alone,
            ``backward(dout, *inputs) -> gradients``; a pair ``(forward, backward)``; an object with these; a
            ``torch.autograd.Function``, a module, a function of PyTorch's or JAX's arrays.
        reference: a readable forward, of handgrad's rules, or of NumPy's, PyTorch's or JAX's functions.
        inputs: arrays, numbers, or nested lists of them.
        dtype: ``float32``, ``bfloat16`` or ``float16``, to which floating inputs are rounded; by default what
            they are of.
        inside: the arithmetic that is due inside: of float32 ``float32`` (the default), ``tf32``,
            ``float16``, ``bfloat16``; of bfloat16 ``float32``, ``bfloat16`` (the default), ``bfloat16 sums``;
            the same of float16.
        arrays: what the kernel takes, ``numpy``, ``torch``, ``torch:cuda`` or ``jax``; by default as its
            inputs are, or what its code names.
        seed: of douts and draws.

    Returns:
        a ``KernelReport``: ``ok`` (True right, False wrong or imprecise, None it cannot tell), ``verdict``,
        ``causes``, ``digits`` and ``due``, and all of it in ``str(report)``.

    Raises:
        CannotCall: the kernel raises at these inputs, or how it is called cannot be told.
        ValueError: the dtype, the arithmetic or the library is not known.

    Examples:
        >>> x = np.linspace(-2.0, 2.0, 9)
        >>> report = hg.check_kernel(lambda x: np.tanh(x), hg.tanh, x, dtype="float32")
        >>> report.ok
        True
    """
    began = time.perf_counter()
    givers = library(library_of(None, inputs))
    form = format_of(dtype, inputs, givers)
    tree = tree_map(lambda x: kept(x, givers, form.name), list(inputs))
    names = parameter_names(reference, len(inputs))
    held = library(arrays or library_of(kernel, inputs))
    with own_randomness(kernel), quiet():
        readable = Reference(reference, tree, library_of(reference))
        called = Kernel(kernel, reference, tree, names, held)
        caller = Caller(called, readable, leaves(tree), flat_names(names, inputs), form, seed)
        report = Examination(caller, leaves(tree), inside or "").run()
    report.seconds = time.perf_counter() - began
    return report


def kept(x: Any, givers: Library, dtype: str) -> Any:
    """An input in float64, of values that the dtype holds; whole numbers and others as they are."""
    if not hasattr(x, "dtype"):
        return x
    seen = givers.seen(x)
    return rounded_to(seen, dtype) if seen.dtype.kind == "f" else seen
