"""What is said where a recorded array would leave its recording."""

from __future__ import annotations

from typing import Any


class HistoryLost(TypeError):
    """A plain number or array was asked for, in which the gradient would be lost."""


AS_ARRAY = (
    "a plain array is asked for here, in which a recorded array would lose its gradient: join recorded "
    "arrays with np.array([...]), np.stack([...]) or np.concatenate([...]), and call a function of single "
    "numbers as np.stack([f(e) for e in v]). Where no gradient is to flow, pass v.value"
)
AS_NUMBER = (
    "a plain number is asked for here, in which a recorded array would lose its gradient: write np.exp(v) "
    "for math.exp(v), and for a[i] = v collect what is computed in a list and np.stack([...]) it. "
    "Where no gradient is to flow, pass v.value"
)
IN_PLACE = (
    "a recorded array cannot be changed in place: its old value may be needed for the backward. "
    "Write x = where(mask, value, x), or add with x = x + scatter_add(value, index, x.shape)"
)
COMPLEX = "has no gradients here: compute with two real arrays, the real and the imaginary part"


def is_complex(x: Any) -> bool:
    """Whether ``x`` holds complex numbers."""
    dtype = getattr(x, "dtype", None)
    if dtype is None:
        return isinstance(x, complex)
    kind = getattr(dtype, "kind", None)  # NumPy's have one, PyTorch's do not
    return getattr(dtype, "is_complex", False) if kind is None else kind == "c"


def checked(x: Any) -> Any:
    """``x``, if a recording can begin with it.

    Raises:
        TypeError: it holds no real numbers.
    """
    if is_complex(x):
        raise TypeError(f"a recorded array holds real numbers; a complex one {COMPLEX}")
    kind = getattr(getattr(x, "dtype", None), "kind", "f")
    if kind in "OSUMm":
        raise TypeError(f"a recorded array holds real numbers, not {x.dtype}")
    return x


def unwritten(name: str, out: Any) -> None:
    """Refuse ``out=``."""
    if any(o is not None for o in (out if isinstance(out, tuple) else (out,))):
        raise TypeError(
            f"{name} cannot write a recorded array into a NumPy array; "
            f"write x = x + v in place of x += v, and leave out= away"
        )
