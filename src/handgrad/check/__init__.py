"""Is this backward right?"""

from handgrad.check.gradients import InputResult, Report, check, numerical_gradient
from handgrad.check.inputs import found_by_trying, from_shapes

__all__ = ["InputResult", "Report", "check", "found_by_trying", "from_shapes", "numerical_gradient"]
