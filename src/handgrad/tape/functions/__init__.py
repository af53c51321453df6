"""NumPy's functions on recorded arrays, each with NumPy's own arguments, as compositions of rules."""

from handgrad.tape.functions import (
    creation,
    elementwise,
    linear_algebra,
    ordering,
    products,
    reductions,
    shaping,
    values,
)

TABLE = {
    **values.TABLE,
    **creation.TABLE,
    **elementwise.TABLE,
    **linear_algebra.TABLE,
    **ordering.TABLE,
    **products.TABLE,
    **reductions.TABLE,
    **shaping.TABLE,
}
"""From NumPy's function, the object itself, to what it is for recorded arrays."""

__all__ = ["TABLE"]
