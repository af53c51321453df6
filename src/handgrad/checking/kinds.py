"""The mistakes that the checker knows by name."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """A mistake; ``text`` is what a report adds to its evidence.

    Examples:
        >>> report = hg.check(lambda x: (x * x, lambda dout: x * dout), np.array([1.0, 2.0, 3.0]))
        >>> isinstance(report.causes[0].kind, hg.checking.Kind)
        True
    """

    text: str

    def __new__(cls, value: str, text: str) -> Kind:
        made = str.__new__(cls, value)
        made._value_, made.text = value, text
        return made

    FACTOR = "factor", "a constant factor"
    BROADCAST = "broadcast", "what broadcasting repeated has to be summed"
    TRANSPOSED = "transposed", "a transpose is missing, or one too many"
    SWAPPED = "swapped", "two operands or two gradients are swapped"
    UPSTREAM_IGNORED = "upstream-ignored", "dout is not used as it should be"
    UPSTREAM_TWICE = "upstream-twice", "dout is applied twice"
    MISSING_PATH = "missing-path", "one path from the input to the output is missing"
    CARRY = "carry", "what flows back from a later step is left out"
    DOUBLE_PATH = "double-path", "one path is counted twice"
    DIAGONAL = "diagonal", "only the diagonal of the Jacobian is applied"
    MEAN_TERM = "mean-term", "the term through the mean is missing"
    VARIANCE_TERM = "variance-term", "the term through the variance is missing"
    STATISTICS_CONSTANT = "statistics-constant", "mean and variance are taken for constants"
    WRONG_AXIS = "wrong-axis", "a sum or mean runs over the wrong axis"
    OFF_BY_ONE = "off-by-one", "an index is off by one"
    FLIPPED = "flipped", "an axis runs the wrong way"
    STRIDE = "stride", "stride or dilation is not undone"
    GROUP = "group", "groups are mixed or left out"
    TIES = "ties", "equal elements get too much or too little"
    MASK = "mask", "a mask or a threshold is wrong"
    ASSIGNED = "assigned", "assigned where it should be added up"
    WRONG_ARRAY = "wrong-array", "the formula is given the wrong array"
    LOCAL_DERIVATIVE = "local-derivative", "the local derivative is missing or applied twice"
    STALE_CACHE = "stale-cache", "what was saved is not what this forward saw"
    UPDATED_WEIGHTS = "updated-weights", "parameters change before the gradient that needs them is taken"
    RANDOM = "random", "random numbers are drawn anew"
    EPSILON = "epsilon", "an epsilon is in the forward only, or in the backward only"
    PRECISION = "precision", "the arithmetic is narrower than float64"
    INTEGER = "integer", "integers cut off what comes after the point"
    UNSTABLE = "unstable", "a form that overflows for large values"
    MUTATES = "mutates", "arrays that belong to others are written into"
    ACCUMULATES = "accumulates", "a second backward adds to what the first left"
    STATE = "state", "evaluation changes the layer's state"
    LAYOUT = "layout", "the answer depends on the memory layout"
    SHAPE = "shape", "the gradient has another shape than its input"
    DTYPE = "dtype", "the gradient has another dtype than its input"
    MISSING_GRADIENT = "missing-gradient", "there is no gradient where the output depends on the input"
    RAISES = "raises", "the backward raises"
    CONSTANT = "constant", "the result does not hang on the inputs"
    COPY = "copy", "an input is handed on as the result"
    PART = "part", "a part is not computed"
    CHANGES = "changes", "the result is another from run to run"
    UNKNOWN = "unknown", "no known mistake gives these numbers"
