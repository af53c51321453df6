"""One kernel on several sets of inputs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad.checking.inputs import Sets
from handgrad.checking.kernels.check import check_kernel
from handgrad.checking.several import Several


def check_sets(
    kernel: Any, reference: Callable, sets: Sets, progress: Callable[[str], None], **options: Any
) -> Several:
    """``check_kernel`` with each set until one is wrong."""
    several = Several(count=len(sets))
    for said, inputs in sets:
        progress(said)
        several.reports.append((said, check_kernel(kernel, reference, *inputs, **options)))
        if several.reports[-1][1].ok is False:
            break
    return several
