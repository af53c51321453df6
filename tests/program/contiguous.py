"""A program run on NumPy as it runs itself, but with every value contiguous.

NumPy rounds some functions, and sums, by how their argument lies in memory: exp of a reversed view is not
always the reversed exp. What passes promise is the same bits from numbers that lie the same way.
"""

import numpy as np

from handgrad.arrays import is_array
from handgrad.program import Symbol
from handgrad.program.loops import meaning
from handgrad.tree import leaves, tree_map


def run(program, *args):
    symbols = [x for x in leaves(program.inputs) if isinstance(x, Symbol)]
    values = [x for x in leaves(args) if is_array(x)]
    known = {id(x): value for x, value in zip(symbols, values, strict=True)}

    def resolve(tree):
        return tree_map(lambda x: lying_straight(known.get(id(x), x)), tree)

    with np.errstate(all="ignore"):
        for operation in program.operations:
            made = meaning(operation.name)(*resolve(operation.args), **resolve(operation.options))
            outs = operation.outs
            known.update(zip(map(id, outs), made if operation.out is outs else [made], strict=True))
    return resolve(program.outputs)


def lying_straight(x):
    return np.array(x, order="C") if isinstance(x, (np.ndarray, np.generic)) else x


def assert_same_bits(got, wanted):
    """Equal in structure, shape, dtype and numbers, nan where nan, and in the sign of zeros."""
    for g, w in zip(leaves(got), leaves(wanted), strict=True):
        if w is None:
            assert g is None
            continue
        assert np.shape(g) == np.shape(w)
        assert np.result_type(g) == np.result_type(w)
        np.testing.assert_array_equal(g, w)
        if np.result_type(w).kind == "f":
            there = ~np.isnan(w)
            np.testing.assert_array_equal(np.signbit(g)[there], np.signbit(w)[there])
