"""Without NumPy's warnings."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np


class quiet:
    """Warnings of a target that is led to its limits are not the user's concern."""

    filters: Any = None  # of the outermost that was entered

    def __enter__(self) -> None:
        self.state = np.errstate(all="ignore")
        self.state.__enter__()
        self.caught = None if warnings.filters is quiet.filters else warnings.catch_warnings()
        if self.caught is not None:
            self.caught.__enter__()
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", category=np.exceptions.ComplexWarning)
            quiet.filters = warnings.filters

    def __exit__(self, *exc: Any) -> None:
        if self.caught is not None:
            quiet.filters = None
            self.caught.__exit__(*exc)
        self.state.__exit__(*exc)
