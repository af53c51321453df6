"""What arithmetic a kernel may compute in, and one such computation drawn at random.

A step of a kernel rounds its result to a grid of so many bits. Here it is rounded up or down by the toss of a
coin (J. Vignes, A stochastic arithmetic for reliable scientific computation, 1993): what lies on the grid
stays as it is, so copies, maxima and masks cost nothing. A sum of n terms rounds n - 1 times, in an order
that nobody knows: its partial sums are at most T = Σ|terms|, so in any order its error is of about the size
u·T·√n / 3 (N. J. Higham, T. Mary, A new approach to probabilistic rounding error analysis, 2019).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Format:
    """A floating-point format: bits of its significand, and its range."""

    name: str
    bits: int
    lowest: int  # the exponent of its smallest normal number, as frexp counts
    largest: float

    @property
    def flushes(self) -> bool:
        """Whether there are processors that have 0 for what is smaller than its smallest normal number."""
        return self.lowest < -100

    @property
    def u(self) -> float:
        """The relative error of rounding to nearest."""
        return 2.0**-self.bits

    @property
    def smallest(self) -> float:
        """The smallest normal number."""
        return 2.0 ** (self.lowest - 1)

    def ulp(self, x: np.ndarray) -> np.ndarray:
        """The distance between neighbours at x."""
        exponent = np.maximum(np.frexp(np.where(np.isfinite(x), x, 0.0))[1], self.lowest)
        return np.ldexp(1.0, exponent - self.bits)


FLOAT32 = Format("float32", 24, -125, float(np.finfo(np.float32).max))
FLOAT16 = Format("float16", 11, -13, 65504.0)
BFLOAT16 = Format("bfloat16", 8, -125, float.fromhex("0x1.fep127"))
NUDGES = np.array([-1.0, 0.0, 0.0, 1.0])
FORMATS = {f.name: f for f in (FLOAT32, FLOAT16, BFLOAT16)}


@dataclass(frozen=True)
class Arithmetic:
    """What a kernel computes in between what it reads and what it writes.

    Args:
        name: how a caller asks for it, and a report calls it.
        said: in words, what a kernel of this arithmetic does.
        steps: the format that each result is rounded to.
        sums: that of accumulators.
        factors: the bits of what is multiplied in a matrix product.
        functions: the bits that exp, tanh, erf and their kin have right: libraries differ in the last two.
    """

    name: str
    said: str
    steps: Format
    sums: Format = FLOAT32
    factors: int = 24
    nudges: bool = False  # whether inputs, too, may be off by a unit in their last place
    overflows: bool = False  # whether what is out of range is infinite, or just goes on

    @property
    def functions(self) -> int:
        return min(self.steps.bits, 22)

    def read(self, x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """An input, by chance a unit of its last place to one side."""
        return self._nudged(x, self.steps, rng)

    def _nudged(self, x: np.ndarray, form: Format, rng: np.random.Generator) -> np.ndarray:
        shift = form.ulp(x) * NUDGES[rng.integers(0, len(NUDGES), x.shape)]
        return np.where((x == 0) | ~np.isfinite(x), x, x + shift)

    def operand(self, x: np.ndarray, is_back: bool, rng: np.random.Generator) -> np.ndarray:
        """What a step reads, by chance a unit of its last place to one side.

        On the way back a kernel may have kept it in its own dtype.
        """
        return self._nudged(x, self.steps if is_back or self.steps.bits > FLOAT32.bits - 4 else FLOAT32, rng)

    @property
    def cut(self) -> float:
        """By what part a product is too small whose factors are cut off, as processors do for tf32."""
        return 0.0 if self.factors >= 24 else 4 * 2.0**-self.factors

    def product(self, x: Any, rng: np.random.Generator) -> Any:
        """A factor of a matrix product, as the processor takes it."""
        return x if self.factors >= 24 else rounded(x, self.factors, self.steps.lowest, rng)

    def step(self, result: np.ndarray, rng: np.random.Generator, is_function: bool = False) -> np.ndarray:
        """The result of one step, rounded up or down at random."""
        bits = self.functions if is_function else self.steps.bits
        found = rounded(result, bits, self.steps.lowest, rng)
        if self.steps.flushes:
            found = np.where(
                (np.abs(found) < self.steps.smallest) & (rng.random(found.shape) < 0.5), 0.0, found
            )
        if self.overflows:
            found = np.where(np.abs(found) > self.steps.largest, np.sign(found) * np.inf, found)
        return found

    def sum(self, total: np.ndarray, size: Any, count: Any, rng: np.random.Generator) -> np.ndarray:
        """A sum of ``count`` terms whose absolute values sum to ``size``."""
        spread = self.sums.u / 3 * size * np.sqrt(np.maximum(count - 1.0, 0.0))
        spread = np.where(np.isfinite(spread), spread, 0.0)
        return self.step(total + spread * rng.standard_normal(np.shape(total)), rng)


def rounded(x: Any, bits: int, lowest: int, rng: np.random.Generator) -> np.ndarray:
    """To the neighbour on the grid above or below, at random."""
    x = np.asarray(x, np.float64)
    finite = np.where(np.isfinite(x), x, 0.0)
    shift = bits - np.maximum(np.frexp(finite)[1], lowest)
    steps = np.ldexp(finite, shift)
    found = np.ldexp(np.where(rng.random(x.shape) < 0.5, np.floor(steps), np.ceil(steps)), -shift)
    return np.where(np.isfinite(x), found, x)


def ladder(dtype: Format) -> list[Arithmetic]:
    """The arithmetics of a kernel of a dtype, the best first."""
    if dtype is FLOAT32:
        return [
            Arithmetic("float32", "float32 throughout", FLOAT32),
            Arithmetic("tf32", "the factors of products rounded to tf32", FLOAT32, factors=11),
            Arithmetic("float16", "each step rounded to float16", FLOAT16),
            Arithmetic("bfloat16", "each step rounded to bfloat16", BFLOAT16),
        ]
    name = dtype.name
    return [
        Arithmetic("float32", "float32 inside", FLOAT32),
        Arithmetic(name, f"each step rounded to {name}, sums in float32", dtype),
        Arithmetic(f"{name} sums", f"sums accumulated in {name}", dtype, sums=dtype),
    ]


def coarser(arithmetic: Arithmetic, bits: int) -> Arithmetic:
    """With so many bits less in everything."""

    def less(f: Format) -> Format:
        return replace(f, bits=f.bits - bits)

    factors = arithmetic.factors if arithmetic.factors >= 24 else arithmetic.factors - bits
    return replace(arithmetic, steps=less(arithmetic.steps), sums=less(arithmetic.sums), factors=factors)


# How an operation rounds, by its name.

PRODUCTS = frozenset("matmul einsum mm bmm mv dot dot_general convolution conv_general_dilated".split())
SUMS = frozenset(
    "sum cumulative_sum cumsum scatter_add unwindows reduce_sum scatter-add index_add index_put mean "
    "embedding_dense_backward reduce_window_sum addmm baddbmm scatter_reduce".split()
)
ARITHMETIC = PRODUCTS | SUMS | frozenset("add subtract multiply divide sub rsub mul div add_any".split())
FUNCTIONS = frozenset(
    "exp expm1 exp2 log log1p log2 log10 sin cos tan tanh sinh cosh erf erfc erfinv erf_inv lgamma digamma "
    "pow power float_power integer_pow logistic sigmoid asin acos atan arcsin arccos arctan asinh acosh "
    "atanh logaddexp rsqrt cbrt".split()
)


def computed(
    name: str,
    operation: Callable[..., Any],
    arrays: list[Any],
    arithmetic: Arithmetic,
    is_back: bool,
    rng: np.random.Generator,
) -> np.ndarray:
    """One operation of floating arrays, with the roundings of an arithmetic; ``is_back``: on the way back.

    ``operation(*arrays)`` is linear in each where its name is that of a sum or a product: of absolute values
    it gives T, and of ones the number of terms.
    """
    if name in ARITHMETIC:
        arrays = [arithmetic.operand(x, is_back, rng) for x in arrays]
    if name not in PRODUCTS and name not in SUMS:
        return arithmetic.step(operation(*arrays), rng, name in FUNCTIONS)
    if name in PRODUCTS:
        arrays = [arithmetic.product(x, rng) for x in arrays]
    size = operation(*map(np.abs, arrays))
    count = operation(*map(np.ones_like, arrays))
    return arithmetic.sum(operation(*arrays), size, count, rng)


def either(a: Any, b: Any, rng: np.random.Generator) -> Any:
    """Of two computations of the same value, each element of one or the other.

    A kernel may compute anew on the way back what the reference has once, and errors that cancel in the one
    do not in the other.
    """
    return (
        a
        if a is b or not isinstance(a, np.ndarray) or a.dtype.kind != "f"
        else np.where(rng.random(a.shape) < 0.5, a, b)
    )


def twice(x: np.ndarray, arithmetic: Arithmetic, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """An input as two computations of the same have it."""
    return (arithmetic.read(x, rng), arithmetic.read(x, rng)) if arithmetic.nudges else (x, x)
