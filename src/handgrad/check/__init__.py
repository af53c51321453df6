"""Is this backward right, and if not, what is wrong with it?"""

from handgrad.check.checker import check
from handgrad.check.findings import Cause
from handgrad.check.inputs import found_by_trying, from_shapes
from handgrad.check.kinds import KINDS
from handgrad.check.report import InputReport, Report

__all__ = ["KINDS", "Cause", "InputReport", "Report", "check", "found_by_trying", "from_shapes"]
