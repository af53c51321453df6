"""One point, checked: what the backward gives there against what the values say.

- ``trial``: the target at the point, and its derivatives along lines;
- ``directions``: an input by random directions, which is enough where it is right;
- ``elements``: a wrong one element by element;
- ``rounding``: what cannot be seen at all;
- ``results``: what came of an input.
"""

from handgrad.checking.trial.results import Columns, InputTrial
from handgrad.checking.trial.trial import Trial

__all__ = ["Columns", "InputTrial", "Trial"]
