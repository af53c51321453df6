"""Is this backward right, and if not, what is wrong with it?

The package can be called: ``handgrad.check(target, *inputs)`` is ``handgrad.check.check(target, *inputs)``.
"""

import sys
import types
from typing import Any

from handgrad.check.checker import check
from handgrad.check.findings import Cause
from handgrad.check.inputs import found_by_trying, from_shapes
from handgrad.check.kinds import KINDS
from handgrad.check.report import InputReport, Report

__all__ = ["KINDS", "Cause", "InputReport", "Report", "check", "found_by_trying", "from_shapes"]


class _Callable(types.ModuleType):
    def __call__(self, *args: Any, **options: Any) -> Report:
        return check(*args, **options)


_Callable.__call__.__doc__ = check.__doc__
sys.modules[__name__].__class__ = _Callable
