"""NumPy's functions on recorded arrays, each with NumPy's own arguments, as compositions of rules."""

from handgrad.tape.functions import (
    creation,
    elementwise,
    fourier,
    linear_algebra,
    ordering,
    polynomials,
    products,
    reductions,
    shaping,
    values,
)

TABLE = {
    **values.TABLE,
    **creation.TABLE,
    **elementwise.TABLE,
    **fourier.TABLE,
    **linear_algebra.TABLE,
    **ordering.TABLE,
    **polynomials.TABLE,
    **products.TABLE,
    **reductions.TABLE,
    **shaping.TABLE,
}
"""From NumPy's function, the object itself, to what it is for recorded arrays."""

__all__ = ["TABLE"]
