"""Is this backward right, and if not, what is wrong with it?

``handgrad.check(target, *inputs)`` in float64; ``handgrad.check_kernel(kernel, reference, *inputs)`` in less.
"""

from handgrad.checking.checker import check
from handgrad.checking.findings import Cause
from handgrad.checking.inputs import found_by_trying, from_shapes
from handgrad.checking.kernels import KernelReport, check_kernel
from handgrad.checking.kinds import Kind
from handgrad.checking.report import InputReport, Report

__all__ = [
    "Cause", "InputReport", "KernelReport", "Kind", "Report", "check", "check_kernel", "found_by_trying",
    "from_shapes",
]  # fmt: skip
