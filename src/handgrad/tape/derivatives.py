"""Derivatives of functions, to any order: each is made of ``vjp``, and ``vjp`` nests."""

from __future__ import annotations

import itertools
import math
import sys
import warnings
from collections.abc import Callable
from typing import Any

from handgrad.arrays import cast, is_array, shape, xp
from handgrad.tape.graph import USERS, backpropagate, whose
from handgrad.tape.interception import numpy_takes_recorded
from handgrad.tape.refusals import HistoryLost, checked
from handgrad.tape.variable import Variable, checked_dout, owned, unit_dout
from handgrad.tree import leaves, tree_map, unflatten

_levels = itertools.count(1)  # 0 is for variables that the user made


class NoGradientWarning(UserWarning):
    """A result that does not depend on what it is differentiated by.

    Examples:
        >>> import warnings
        >>> with warnings.catch_warnings(record=True) as told:
        ...     warnings.simplefilter("always")
        ...     dx = hg.grad(lambda x: hg.sum(hg.sign(x)) * 0 + 1.0)(np.ones(2))
        >>> print(dx)
        [0. 0.]
    """


def vjp(f: Callable, *xs: Any) -> tuple[Any, Callable[[Any], tuple]]:
    """``(out, backward)`` of any function of rules: ``backward(dout)`` gives one gradient for each x.

    ``xs`` are numbers, arrays, or nested lists, tuples and dicts of them; so is what ``f`` returns,
    and each gradient has the structure of its x. An x that does not matter has zeros for gradient.
    ``backward`` may be called any number of times.

    Raises:
        TypeError: ``f`` returns something else, or takes a number out of its recording.
        ValueError: ``dout`` does not have the structure or a shape of the output.

    Examples:
        >>> out, backward = hg.vjp(np.outer, np.array([1.0, 2.0]), np.array([3.0, 4.0]))
        >>> print(out.tolist(), *backward(np.ones((2, 2))))
        [[3.0, 4.0], [6.0, 8.0]] [7. 7.] [3. 3.]
    """
    out, backward, _ = vjp_with_aux(lambda *xs: (f(*xs), None), *xs)
    return out, backward


def vjp_with_aux(f: Callable, *xs: Any) -> tuple[Any, Callable[[Any], tuple], Any]:
    """``vjp`` of a function that returns ``(out, aux)``: ``aux`` is handed on and not differentiated."""
    out, backward, aux, _ = _recorded_call(f, xs)
    return out, backward, aux


def _recorded_call(f: Callable, xs: tuple) -> tuple[Any, Callable[[Any], tuple], Any, bool]:
    """``vjp_with_aux``, and whether anything of the result was recorded."""
    level = next(_levels)
    recorded = tree_map(lambda x: Variable(checked(x), level) if is_array(x) else x, xs)
    try:
        with numpy_takes_recorded:
            result, aux = f(*recorded)
    except ValueError as error:  # NumPy's, of a sequence, keeps ours as the cause
        if isinstance(error.__cause__, HistoryLost):
            raise error.__cause__.with_traceback(error.__traceback__) from None
        raise
    outputs = leaves(result)
    for out in outputs:
        if not is_array(out) and not isinstance(out, bool) and (out is not None or out is result):
            lacking = ": does it lack its return?" if out is None else ", not arrays or numbers"
            raise TypeError(f"the function returned {_described(out)}{lacking}")

    def value(x: Any) -> Any:
        return x.value if is_ours(x) else x

    def is_ours(x: Any) -> bool:
        return isinstance(x, Variable) and x.level == level

    def backward(dout: Any) -> tuple:
        douts = leaves(dout) if isinstance(result, (list, tuple, dict)) else [dout]
        if len(douts) != len(outputs):
            raise ValueError(f"dout has {len(douts)} parts, but the function has {len(outputs)} outputs")
        seeds = [
            (out, checked_dout(d, out.value)) for out, d in zip(outputs, douts, strict=True) if is_ours(out)
        ]
        wanted = {id(x) for x in leaves(recorded)}
        grads = owned([(x, dx) for x, dx in backpropagate(seeds) if id(x) in wanted], seeds)
        return tree_map(lambda x: grads[id(x)] if id(x) in grads else _zeros(value(x)), recorded)

    return tree_map(value, result), backward, tree_map(value, aux), any(map(is_ours, outputs))


def _described(x: Any) -> str:
    return f"{x!r}, of type {type(x).__name__}"


def _zeros(x: Any) -> Any:
    return xp.zeros_like(x) if hasattr(x, "dtype") else type(x)(0) if is_array(x) else None


def _frames_to_the_user() -> int:
    """How many calls up the line stands that a warning is about."""
    frame, count = sys._getframe(1), 1
    while frame.f_back is not None and whose(frame.f_code.co_filename) != USERS:
        frame, count = frame.f_back, count + 1
    return count


class Chosen:
    """The arguments of a call that ``argnums`` says to differentiate by, and the function of those alone.

    Raises:
        TypeError: there is no such argument, one is asked for twice, or one holds no array.
    """

    def __init__(self, caller: str, f: Callable, argnums: Any, xs: tuple, options: dict):
        if not callable(f):
            raise TypeError(f"{caller} differentiates a function, not {_described(f)}")
        self.several = isinstance(argnums, (tuple, list))
        wanted = tuple(argnums) if self.several else (argnums,)
        for i in wanted:
            if isinstance(i, bool) or not hasattr(i, "__index__"):
                raise TypeError(
                    f"{caller}: argnums is a number of an argument or a tuple of them, not {argnums!r}"
                )
            if not -len(xs) <= i < len(xs):
                raise TypeError(
                    f"{caller}: argnums={argnums!r}, but {len(xs)} positional arguments came; "
                    f"give what is differentiated by its place, not by keyword"
                )
        self.places = tuple(int(i) % len(xs) for i in wanted)
        if len(set(self.places)) < len(self.places):
            raise TypeError(f"{caller}: argnums={argnums!r} names an argument twice")
        self.f, self.xs, self.options = f, xs, options
        self.args = tuple(xs[i] for i in self.places)
        for i, x in zip(self.places, self.args, strict=True):
            arrays = [is_array(checked(leaf)) for leaf in leaves(x)]
            if arrays and not any(arrays):
                raise TypeError(
                    f"{caller}: argument {i} is {_described(x)}; what is differentiated by is an array, "
                    f"a number, or a nested list, tuple or dict of them"
                )

    def function(self, *chosen: Any) -> Any:
        args = list(self.xs)
        for i, x in zip(self.places, chosen, strict=True):
            args[i] = x
        return self.f(*args, **self.options)

    def answer(self, grads: tuple) -> Any:
        """One for each argument asked for; alone, where one was."""
        return tuple(grads) if self.several else grads[0]

    def vjp(self, caller: str, has_aux: bool = False) -> tuple[Any, Callable[[Any], tuple], Any]:
        """Of the function of those alone. It warns where nothing of the result was recorded."""

        def with_aux(*chosen: Any) -> tuple[Any, Any]:
            made = self.function(*chosen)
            if not has_aux:
                return made, None
            if not isinstance(made, tuple) or len(made) != 2:
                raise TypeError(
                    f"{caller} with has_aux: the function returns (loss, aux), not {_described(made)}"
                )
            return made

        out, backward, aux, is_recorded = _recorded_call(with_aux, self.args)
        if not is_recorded and leaves(self.args) and not getattr(self.f, "is_derivative", False):
            warnings.warn(
                f"{caller}: the result does not depend on what it is differentiated by: the gradient is 0. "
                f"Was a .value taken, or is it made of functions without derivative?",
                NoGradientWarning,
                stacklevel=_frames_to_the_user(),
            )
        return out, backward, aux


def _derivative(function: Callable) -> Callable:
    """Mark a derivative: it may well be constant, as that of a linear function is."""
    function.is_derivative = True  # type: ignore[attr-defined]
    return function


def value_and_grad(f: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The function that gives ``(f(*xs), df/dx)``, for an ``f`` with a scalar result.

    ``argnums`` says by which argument; of a tuple, the gradients are a tuple too. With ``has_aux``
    ``f`` returns ``(loss, aux)`` and the result is ``((loss, aux), gradient)``.

    Raises:
        TypeError: (when called) ``argnums`` fits no arguments, or the result is no number.
        ValueError: (when called) the result is not a scalar.

    Examples:
        >>> value, dx = hg.value_and_grad(lambda x: hg.sum(x * x))(np.array([1.0, 2.0]))
        >>> print(value, dx)
        5.0 [2. 4.]
    """
    return _value_and_grad("value_and_grad", f, argnums, has_aux)


def _value_and_grad(caller: str, f: Callable, argnums: Any, has_aux: bool) -> Callable:
    def function(*xs: Any, **options: Any) -> tuple[Any, Any]:
        chosen = Chosen(caller, f, argnums, xs, options)
        out, backward, aux = chosen.vjp(caller, has_aux)
        if isinstance(out, (list, tuple, dict)):
            raise TypeError(f"{caller} needs one scalar, and the function returned a {type(out).__name__}")
        grads = chosen.answer(backward(unit_dout(out, "grad")))
        return ((out, aux) if has_aux else out), grads

    return _derivative(function)


def grad(f: Callable, argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable:
    """The gradient of a scalar function as a function: ``grad(f)(x)`` = df/dx.

    With ``has_aux`` ``f`` returns ``(loss, aux)`` and the result is ``(gradient, aux)``.

    Examples:
        >>> f = hg.grad(lambda x: x**3)
        >>> print(f(2.0), hg.grad(f)(2.0))  # 3x², 6x
        12.0 12.0
    """
    with_value = _value_and_grad("grad", f, argnums, has_aux)

    def function(*xs: Any, **options: Any) -> Any:
        out, grads = with_value(*xs, **options)
        return (grads, out[1]) if has_aux else grads

    return _derivative(function)


def jacobian(f: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """J of shape (*out.shape, *x.shape), by one backward for each element of the output.

    Where output or argument are nested, so is J: the output's structure, and in each place of it
    the argument's.

    Examples:
        >>> print(hg.jacobian(lambda x: x**2)(np.array([1.0, 2.0])))
        [[2. 0.]
         [0. 4.]]
    """
    return _jacobian("jacobian", f, argnums)


def _jacobian(caller: str, f: Callable, argnums: Any) -> Callable:
    def function(*xs: Any, **options: Any) -> Any:
        chosen = Chosen(caller, f, argnums, xs, options)
        out, backward, _ = chosen.vjp(caller)
        outs = leaves(out)

        def block(k: int) -> Any:
            """The derivative of output k: rows stacked, then shaped."""
            rows = [
                backward(unflatten(out, [_unit(o, i if j == k else None) for j, o in enumerate(outs)]))
                for i in range(math.prod(shape(outs[k])))
            ]
            columns = tree_map(lambda x, *column: _stacked(column, shape(outs[k]), x), chosen.args, *rows)
            return chosen.answer(columns)

        return unflatten(out, [block(k) for k in range(len(outs))])

    return _derivative(function)


def _unit(out: Any, i: int | None) -> Any:
    """Zeros like ``out`` with a 1 at flat place i."""
    if i is None or not hasattr(out, "dtype"):
        return _zeros(out) if i is None else type(out)(1)
    here = xp.arange_like(xp.stop_gradient(out), math.prod(shape(out))) == i
    return xp.reshape(cast(here, like=xp.stop_gradient(out)), shape(out))


def _stacked(rows: tuple, lead: tuple[int, ...], x: Any) -> Any:
    if not rows:
        return xp.reshape(_zeros(xp.reshape(x, (-1,)))[:0], (*lead, *shape(x)))
    return xp.reshape(xp.stack(list(rows)), (*lead, *shape(x)))


def hessian(f: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """H of shape (*x.shape, *x.shape) for a scalar function: the Jacobian of its gradient.

    For a tuple of ``argnums``, a tuple of tuples: H[i][j] is d/dxⱼ df/dxᵢ.

    Examples:
        >>> print(hg.hessian(lambda x: x[0] ** 2 * x[1])(np.array([1.0, 2.0])))
        [[4. 2.]
         [2. 0.]]
    """
    return _jacobian("hessian", _value_and_grad_alone("hessian", f, argnums), argnums)


def _value_and_grad_alone(caller: str, f: Callable, argnums: Any) -> Callable:
    with_value = _value_and_grad(caller, f, argnums, has_aux=False)
    return _derivative(lambda *xs, **options: with_value(*xs, **options)[1])


def hvp(f: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """``hvp(f)(x, v)``: the Hessian of a scalar function at x, times v, in the time of two gradients.

    H v = d/dx ⟨df/dx, v⟩, so H itself is never formed. The last argument is v, of the structure of x:
    a tuple, where ``argnums`` is one.   Pearlmutter 1994

    Examples:
        >>> f = hg.hvp(lambda x: x[0] ** 2 * x[1])
        >>> print(f(np.array([1.0, 2.0]), np.array([1.0, 0.0])))  # a column of the Hessian
        [4. 2.]
    """
    gradient = _value_and_grad_alone("hvp", f, argnums)

    def function(*xs: Any, **options: Any) -> Any:
        *args, v = _with_direction("hvp", xs)
        chosen = Chosen("hvp", gradient, argnums, tuple(args), options)
        _, backward, _ = chosen.vjp("hvp")
        return chosen.answer(backward(v))

    return _derivative(function)


def jvp(f: Callable, argnums: int | tuple[int, ...] = 0) -> Callable:
    """``jvp(f)(x, v)`` = (f(x), J v): the change of the result as x moves along v.

    The last argument is v, of the structure of x: a tuple, where ``argnums`` is one. u ↦ Jᵀu is linear,
    and its own vjp is J, so two backwards make one forward.   Townsend 2017

    Examples:
        >>> out, tangent = hg.jvp(lambda x: x**2)(np.array([1.0, 2.0]), np.array([1.0, 10.0]))
        >>> print(out, tangent)
        [1. 4.] [ 2. 40.]
    """

    def function(*xs: Any, **options: Any) -> tuple[Any, Any]:
        *args, v = _with_direction("jvp", xs)
        chosen = Chosen("jvp", f, argnums, tuple(args), options)
        out, backward, _ = chosen.vjp("jvp")
        anywhere = tree_map(_zeros, out)
        _, forward, _, _ = _recorded_call(lambda u: (backward(u), None), (anywhere,))
        return out, forward(v if chosen.several else (v,))[0]

    return _derivative(function)


def stop_gradient(x: Any) -> Any:
    """x, held constant: its numbers, of which no gradient flows to what they were computed from.

    x may be nested; recorded arrays become plain ones.

    Examples:
        >>> print(hg.grad(lambda x: x * hg.stop_gradient(x))(3.0))  # the second x is a constant
        3.0
    """
    return tree_map(lambda leaf: xp.stop_gradient(leaf) if is_array(leaf) else leaf, x)


def _with_direction(caller: str, xs: tuple) -> tuple:
    if len(xs) < 2:
        raise TypeError(f"{caller}(f) takes the arguments of f and then a direction v, as {caller}(f)(x, v)")
    return xs
