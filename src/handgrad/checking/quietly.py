"""Without NumPy's warnings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


class quiet(warnings.catch_warnings):
    """Warnings of a target that is led to its limits are not the user's concern."""

    def __enter__(self) -> Any:
        entered = super().__enter__()
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", category=np.exceptions.ComplexWarning)
        self.state = np.errstate(all="ignore")
        self.state.__enter__()
        return entered

    def __exit__(self, *exc: Any) -> None:
        self.state.__exit__(*exc)
        super().__exit__(*exc)
