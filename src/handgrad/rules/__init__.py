"""The rules: each operation's forward with its backward, one file a family.

This module is also the array namespace of recorded arrays: the standard's own names
(``asin``, ``concat``, ``permute_dims``, ``pow``) stand beside NumPy's.
"""

from typing import TYPE_CHECKING

from handgrad.rules.activation import *
from handgrad.rules.alignment import *
from handgrad.rules.arithmetic import *
from handgrad.rules.attention import *
from handgrad.rules.convolution import *
from handgrad.rules.distance import *
from handgrad.rules.elementary import *
from handgrad.rules.factorisations import *
from handgrad.rules.indexing import *
from handgrad.rules.likelihood import *
from handgrad.rules.linalg import *
from handgrad.rules.linear import *
from handgrad.rules.loss import *
from handgrad.rules.margin import *
from handgrad.rules.matrix_functions import *
from handgrad.rules.normalisation import *
from handgrad.rules.ordering import *
from handgrad.rules.piecewise import *
from handgrad.rules.pooling import *
from handgrad.rules.positions import *
from handgrad.rules.products import *
from handgrad.rules.rearranging import *
from handgrad.rules.recurrent import *
from handgrad.rules.reduction import *
from handgrad.rules.resampling import *
from handgrad.rules.rule import Rule as Rule, elementwise as elementwise, rule as rule
from handgrad.rules.sequences import *
from handgrad.rules.shaping import *
from handgrad.rules.surrogate import *

ALL: dict[str, Rule] = {name: found for name, found in list(globals().items()) if isinstance(found, Rule)}
for found in ALL.values():
    found.takes_lists = "arrays" in found.inputs

if not TYPE_CHECKING:  # which reads the imports above
    __all__ = ["ALL", "Rule", "elementwise", "rule", *ALL]


def __dir__() -> list[str]:
    """The rules, without what the files of their families import."""
    return ["ALL", "Rule", "elementwise", "rule", *ALL]
