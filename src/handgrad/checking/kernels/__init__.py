"""Is this kernel right, as far as the rounding of its dtype lets it be told?  ``handgrad.check_kernel``."""

from handgrad.checking.kernels.check import check_kernel
from handgrad.checking.kernels.report import IMPRECISE, ArrayReport, KernelReport

__all__ = ["IMPRECISE", "ArrayReport", "KernelReport", "check_kernel"]
