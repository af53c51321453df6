"""Is this backward right, and if not, what is wrong with it?  ``handgrad.check(target, *inputs)``."""

from handgrad.checking.checker import check
from handgrad.checking.findings import Cause
from handgrad.checking.inputs import found_by_trying, from_shapes
from handgrad.checking.kinds import Kind
from handgrad.checking.report import InputReport, Report

__all__ = ["Cause", "InputReport", "Kind", "Report", "check", "found_by_trying", "from_shapes"]
