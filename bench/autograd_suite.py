"""HIPS autograd's own tests on handgrad: ``python -m bench.autograd_suite [autograd's source]``.

The source is a folder or a .tar.gz; without it the distribution is downloaded from PyPI (``pip download``).
Nothing of it is kept here. Its tests run against a stand-in for autograd: ``autograd.numpy`` is NumPy itself,
whose functions record, and ``autograd.scipy`` is SciPy, but for ``special`` and ``stats``, which are
``handgrad.scipy``'s; ``grad`` and others are handgrad's; ``check_grads`` compares handgrad's derivatives,
first and second, with differences, to autograd's own tolerance. Arguments with complex numbers are left out,
and a test of nothing else is not applicable; so are tests of autograd's insides.

Prints how many tests passed, gave a wrong result, and failed for another reason (a function or keyword that
handgrad refuses); ``--all`` names them.
"""

from __future__ import annotations

import collections
import itertools
import math
import subprocess
import sys
import tarfile
import tempfile
import types
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import handgrad as hg
from handgrad.tree import leaves, tree_map, unflatten

STEP = TOLERANCE = 1e-6  # autograd's own
REQUIREMENT = "autograd==1.9.1"
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


def scalar_grad(f: Callable, x: Any) -> Any:
    """Of a number, which autograd takes arrays of one element for."""

    def scalar(x: Any) -> Any:
        out = f(x)
        return hg.reshape(out, ()) if np.ndim(out) and np.size(out) == 1 else out

    return hg.grad(scalar)(x)


def hessian_product(f: Callable) -> Callable:
    def product(*args: Any) -> Any:
        return pulled(hg.grad(f), args[0])[0](args[1])

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


def flatten(tree: Any) -> tuple[Any, Callable]:
    parts = leaves(tree)
    shapes = [np.shape(x) for x in parts]
    bounds = list(itertools.accumulate(map(math.prod, shapes), initial=0))

    def unflattened(vector: Any) -> Any:
        cut = [vector[a:b] for a, b in itertools.pairwise(bounds)]
        return unflatten(tree, [np.reshape(x, s) for x, s in zip(cut, shapes, strict=True)])

    whole = np.concatenate([np.reshape(x, (-1,)) for x in parts]) if parts else np.zeros(0)
    return whole, unflattened


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


def install() -> None:
    """Put the stand-in where ``import autograd`` finds it."""
    import scipy.integrate
    import scipy.linalg
    import scipy.signal
    import scipy.special
    import scipy.stats

    from handgrad.scipy import special, stats

    autograd = module(
        "autograd",
        grad=by_argnum(scalar_grad),
        deriv=by_argnum(elementwise_grad),
        elementwise_grad=by_argnum(elementwise_grad),
        value_and_grad=by_argnum(lambda f, x: hg.value_and_grad(f)(x)),
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
    module("autograd.tracer", isbox=lambda x: isinstance(x, hg.Variable), primitive=lambda f: f)
    module("autograd.extend", primitive=lambda f: f, defvjp=not_here, Box=hg.Variable)
    module("autograd.misc", flatten=flatten, const_graph=not_here)
    module("autograd.wrap_util", unary_to_nary=by_argnum)
    module("autograd.util", quick_grad_check=not_here)
    module(
        "autograd.test_util",
        check_grads=check_grads,
        check_vjp=by_argnum(check_vjp),
        check_equivalent=check_equivalent,
        combo_check=combo_check,
        scalar_close=close,
    )
    places = {"integrate": scipy.integrate, "linalg": scipy.linalg, "signal": scipy.signal}
    places |= {"special": special, "stats": stats}
    theirs = {f"autograd.scipy.{name}": found for name, found in places.items()}
    theirs["autograd.scipy.stats.multivariate_normal"] = stats.multivariate_normal
    sys.modules.update(theirs)
    sys.modules |= {"autograd.numpy": np, "autograd.numpy.random": np.random}
    vars(autograd).update(numpy=np, scipy=module("autograd.scipy", **places))


# The run.


class Outcomes:
    """A plugin of pytest that sorts what came of each test."""

    def __init__(self) -> None:
        self.names: dict[str, list[str]] = collections.defaultdict(list)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: Any) -> Iterator[None]:
        Counts.real = Counts.left_out = 0
        name = f"{item.path.name}::{item.name}"
        try:
            yield
        except pytest.skip.Exception as skipped:
            self.names["not applicable"].append(f"{name}: {skipped}")
            raise
        except WrongResult as error:
            self.names["wrong"].append(f"{name}: {error}")
            raise
        except BaseException as error:
            said = " ".join(str(error).split())[:100]
            self.names["failed"].append(f"{name}: {type(error).__name__}: {said}")
            raise
        complex_alone = Counts.left_out and not Counts.real
        kind = "not applicable" if complex_alone else "passed"
        self.names[kind].append(f"{name}{': complex' if complex_alone else ''}")

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.when == "setup" and report.skipped:
            self.names["not applicable"].append(f"{report.nodeid}: marked so")

    def pytest_collectreport(self, report: Any) -> None:
        if report.failed or report.skipped:
            kind = "failed" if report.failed else "not applicable"
            self.names[kind].append(f"{report.nodeid}: not imported: {str(report.longrepr)[-200:]}")


def tests_of(source: Path | None, folder: Path) -> Path:
    """The folder of autograd's tests, from its source or a distribution of it."""
    if source is None:
        command = [sys.executable, "-m", "pip", "download", REQUIREMENT, "--no-binary", ":all:", "--no-deps"]
        subprocess.run([*command, "-q", "-d", str(folder)], check=True)
        source = next(folder.glob("autograd-*.tar.gz"))
    if source.is_dir():
        return source / "tests"
    with tarfile.open(source) as archive:
        archive.extractall(folder, filter="data")
    return next(folder.glob("autograd-*/tests"))


def main(arguments: list[str]) -> int:
    verbose = "--all" in arguments
    paths = [Path(a) for a in arguments if not a.startswith("-")]
    with tempfile.TemporaryDirectory() as folder:
        tests = tests_of(paths[0] if paths else None, Path(folder))
        install()
        outcomes = Outcomes()
        settings = Path(folder) / "pytest.ini"  # not theirs, which asks for plugins
        settings.write_text("[pytest]\n")
        options = ["-q", "--no-header", "--tb=no", "-p", "no:cacheprovider", "-p", "no:warnings"]
        pytest.main([*options, "-c", str(settings), "--rootdir", str(tests), str(tests)], plugins=[outcomes])
    print()
    for kind in ("passed", "wrong", "failed", "not applicable"):
        print(f"{len(outcomes.names[kind]):5}  {kind}")
    for kind in ("wrong", *(("failed", "not applicable") if verbose else ())):
        for name in outcomes.names[kind]:
            print(f"{kind}: {name}")
    return 1 if outcomes.names["wrong"] else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
