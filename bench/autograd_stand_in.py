"""A stand-in for HIPS autograd on handgrad, for its own tests and examples.

``autograd.numpy`` is NumPy itself, whose functions record, and ``autograd.scipy`` is SciPy, but for
``handgrad.scipy``; ``grad`` and others are handgrad's; ``check_grads`` compares handgrad's derivatives, first
and second, with differences, to autograd's own tolerance. Arguments with complex numbers are left out.
"""

from __future__ import annotations

import functools
import itertools
import math
import sys
import types
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import handgrad as hg
from handgrad.tree import leaves, tree_map, unflatten

STEP = TOLERANCE = 1e-6  # autograd's own
INSIDES = "needs autograd's insides"


class WrongResult(AssertionError):
    """A derivative that is not that of differences."""


class Counts:
    """What the checks of one test did."""

    real = left_out = 0


# Derivatives, with the names and arguments of autograd.


def by_argnum(operator: Callable) -> Callable:
    """``operator(f, x)`` of functions of one argument in autograd's form, ``made(f, argnum=0)(*args)``."""

    def of_function(f: Callable, argnum: Any = 0, *settings: Any, **named: Any) -> Callable:
        def of_arguments(*args: Any, **options: Any) -> Any:
            def unary(x: Any) -> Any:
                given = list(args)
                for i, value in zip(picked, x if several else (x,), strict=True):
                    given[i] = value
                return f(*given, **options)

            several = not isinstance(argnum, int)
            picked = tuple(argnum) if several else (argnum,)
            x = tuple(args[i] for i in picked) if several else args[argnum]
            return operator(unary, x, *settings, **named)

        return of_arguments

    return of_function


def pulled(f: Callable, x: Any) -> tuple[Callable, Any]:
    out, backward = hg.vjp(f, x)
    return lambda dout: backward(dout)[0], out


def pushed(f: Callable, x: Any) -> Callable:
    """v to (f(x), J v), by the derivative of the transpose."""

    def of_direction(v: Any) -> tuple[Any, Any]:
        out = f(x)
        zeros = tree_map(lambda o: np.zeros(np.shape(o)), out)
        _, again = hg.vjp(lambda u: hg.vjp(f, x)[1](u)[0], zeros)
        return out, again(v)[0]

    return of_direction


def ones_like(out: Any) -> Any:
    return tree_map(lambda o: np.ones(np.shape(o)) if np.ndim(o) else 1.0, out)


def elementwise_grad(f: Callable, x: Any) -> Any:
    backward, out = pulled(f, x)
    return backward(ones_like(out))


def grad_and_aux(f: Callable, x: Any) -> Any:
    _, grads, aux = hg.tape.vjp_with_aux(f, x)
    return grads(1.0)[0], aux


def value_and_grad(f: Callable, x: Any) -> Any:
    """Of a number, which autograd takes arrays of one element for."""
    backward, out = pulled(f, x)
    if np.size(out) != 1:
        raise TypeError(f"grad is of a number, and this is of shape {np.shape(out)}")
    return out, backward(ones_like(out))


def scalar_grad(f: Callable, x: Any) -> Any:
    return value_and_grad(f, x)[1]


def hessian_product(f: Callable) -> Callable:
    def product(*args: Any) -> Any:
        return pulled(lambda x: scalar_grad(f, x), args[0])[0](args[1])

    return product


def jacobian_product(f: Callable) -> Callable:
    def product(x: Any, v: Any) -> Any:
        return hg.jacobian(lambda x: np.tensordot(v, f(x), np.ndim(v)))(x)

    return product


def gauss_newton(f: Callable, g: Callable | None = None) -> Callable:
    outer = g or (lambda y: np.sum(y**2) / 2)

    def at(x: Any) -> Callable:
        backward, out = pulled(f, x)
        return lambda v: backward(pulled(hg.grad(outer), out)[0](pushed(f, x)(v)[1]))

    return at


def by_name(tree: Any) -> Any:
    """Dictionaries in the order of their keys, which is autograd's."""
    if isinstance(tree, dict):
        return {name: by_name(tree[name]) for name in sorted(tree)}
    return type(tree)(map(by_name, tree)) if isinstance(tree, list | tuple) else tree


def flatten(tree: Any) -> tuple[Any, Callable]:
    tree = by_name(tree)
    parts = leaves(tree)
    shapes = [np.shape(x) for x in parts]
    bounds = list(itertools.accumulate(map(math.prod, shapes), initial=0))

    def unflattened(vector: Any) -> Any:
        cut = [vector[a:b] for a, b in itertools.pairwise(bounds)]
        return unflatten(tree, [np.reshape(x, s) for x, s in zip(cut, shapes, strict=True)])

    whole = np.concatenate([np.reshape(x, (-1,)) for x in parts]) if parts else np.zeros(0)
    return whole, unflattened


def flatten_func(f: Callable, example: Any) -> tuple[Callable, Callable, Any]:
    flat, unflattened = flatten(example)
    return lambda x, *args: flatten(f(unflattened(x), *args))[0], unflattened, flat


# Checks.


def is_complex(x: Any) -> bool:
    return any(np.iscomplexobj(getattr(leaf, "value", leaf)) for leaf in leaves(x))


def is_float(x: Any) -> bool:
    return isinstance(x, float) or getattr(getattr(x, "dtype", None), "kind", "") == "f"


def drawn(like: Any) -> Any:
    return tree_map(lambda x: np.random.randn(*np.shape(x)) if is_float(x) else None, like)


def dot(a: Any, b: Any) -> float:
    pairs = zip(leaves(a), leaves(b), strict=True)
    return float(sum(np.sum(p * q) for p, q in pairs if p is not None and q is not None))


def close(a: float, b: float) -> bool:
    return abs(a - b) < TOLERANCE or abs(a - b) / abs(a + b) < TOLERANCE


def check_vjp(f: Callable, x: Any) -> None:
    backward, out = pulled(f, x)
    v, u = drawn(x), drawn(out)
    if not any(d is not None for d in leaves(u)):
        return
    zeroed = tree_map(lambda o, d: np.zeros(np.shape(o)) if d is None else d, out, u)
    got = dot(v, backward(zeroed))

    def along(h: float) -> float:
        return dot(u, f(tree_map(lambda a, d: a if d is None else a + h * d, x, v)))

    wanted = (along(STEP / 2) - along(-STEP / 2)) / STEP
    if not close(got, wanted):
        raise WrongResult(f"derivative {got}, by differences {wanted}")


def check_both(f: Callable, x: Any, modes: Any = None, order: int = 2) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if is_complex(x) or is_complex(f(x)):
            Counts.left_out += 1
            return
        Counts.real += 1
        check_vjp(f, x)
        if order > 1:
            u = tree_map(lambda o: np.random.randn(*np.shape(o)), f(x))
            check_vjp(lambda pair: pulled(f, pair[0])[0](pair[1]), (x, u))


check_grads = by_argnum(check_both)


def combo_check(fun: Callable, *settings: Any, **named: Any) -> Callable:
    def check(*args: Any, **options: Any) -> None:
        choices = [[(key, x) for x in xs] for key, xs in options.items()]
        for chosen in itertools.product(*args):
            for keywords in itertools.product(*choices):
                check_grads(fun, *settings, **named)(*chosen, **dict(keywords))

    return check


def check_equivalent(a: Any, b: Any) -> None:
    Counts.real += 1
    for p, q in zip(leaves(a), leaves(b), strict=True):
        if np.shape(p) != np.shape(q) or not np.allclose(p, q, rtol=TOLERANCE, atol=TOLERANCE):
            raise WrongResult(f"{p} where {q} is expected")


# Functions whose gradient the user writes.


def primitive(f: Callable) -> Callable:
    """f as a rule, once ``defvjp`` has said what its gradients are."""
    makers: list = []

    @functools.wraps(f)
    def body(*args: Any) -> tuple[Any, Callable]:
        out = f(*args)
        return out, lambda dout: tuple(make and make(out, *args)(dout) for make in makers)

    recorded = hg.rule(body)

    @functools.wraps(f)
    def function(*args: Any, **options: Any) -> Any:
        return recorded(*args) if makers else f(*args, **options)

    vars(function)["makers"] = makers
    return function


def defvjp(f: Any, *makers: Callable | None) -> None:
    f.makers[:] = makers


def fixed_point(f: Callable, a: Any, x: Any, distance: Callable, tol: float) -> Any:
    return hg.tape.fixed_point(lambda x, a: f(a)(x), x, a, tolerance=tol)


# The stand-in.


def not_here(*args: Any, **options: Any) -> Any:
    pytest.skip(INSIDES)


def module(name: str, **members: Any) -> types.ModuleType:
    made = types.ModuleType(name)
    made.__dict__.update(members)
    made.__path__ = []
    sys.modules[name] = made
    parent, _, last = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], last, made)
    return made


def install(source: Path) -> None:
    """Put the stand-in where ``import autograd`` finds it; the optimisers are those of autograd's source."""
    import scipy.linalg

    from handgrad.scipy import integrate, signal, special, stats

    autograd = module(
        "autograd",
        grad=by_argnum(scalar_grad),
        deriv=by_argnum(elementwise_grad),
        elementwise_grad=by_argnum(elementwise_grad),
        value_and_grad=by_argnum(value_and_grad),
        grad_and_aux=by_argnum(grad_and_aux),
        jacobian=by_argnum(lambda f, x: hg.jacobian(f)(x)),
        hessian=by_argnum(lambda f, x: hg.hessian(f)(x)),
        make_vjp=by_argnum(pulled),
        make_jvp=by_argnum(pushed),
        make_hvp=by_argnum(lambda f, x: pulled(hg.grad(f), x)),
        make_ggnvp=gauss_newton,
        hessian_tensor_product=hessian_product,
        hessian_vector_product=hessian_product,
        tensor_jacobian_product=jacobian_product,
        vector_jacobian_product=jacobian_product,
        holomorphic_grad=not_here,
        checkpoint=lambda f: f,
        isinstance=isinstance,
        dict=dict,
        list=list,
        tuple=tuple,
    )
    module("autograd.core", make_vjp=pulled, vspace=not_here, primitive=not_here, primitive_vjps={})
    module("autograd.builtins", isinstance=isinstance, dict=dict, list=list, tuple=tuple)
    module("autograd.tracer", isbox=lambda x: isinstance(x, hg.Variable), primitive=primitive)
    module("autograd.extend", primitive=primitive, defvjp=defvjp, Box=hg.Variable)
    misc = module("autograd.misc", const_graph=not_here)
    misc.__path__ = [str(source / "autograd" / "misc")]
    module("autograd.misc.flatten", flatten=flatten, flatten_func=flatten_func)
    module("autograd.misc.fixed_points", fixed_point=fixed_point)
    vars(misc)["flatten"] = flatten
    module("autograd.wrap_util", unary_to_nary=by_argnum, wraps=functools.wraps)
    module("autograd.util", quick_grad_check=not_here)
    module(
        "autograd.test_util",
        check_grads=check_grads,
        check_vjp=by_argnum(check_vjp),
        check_equivalent=check_equivalent,
        combo_check=combo_check,
        scalar_close=close,
    )
    places = {"integrate": integrate, "linalg": scipy.linalg, "signal": signal}
    places |= {"special": special, "stats": stats}
    theirs = {f"autograd.scipy.{name}": found for name, found in places.items()}
    known = {name: found for name, found in vars(stats).items() if isinstance(found, stats.Distribution)}
    theirs |= {f"autograd.scipy.stats.{name}": found for name, found in known.items()}
    theirs |= {f"autograd.numpy.{name}": getattr(np, name) for name in ("linalg", "fft", "random")}
    sys.modules.update({"autograd.numpy": np, **theirs})
    vars(autograd).update(numpy=np, scipy=module("autograd.scipy", **places))
