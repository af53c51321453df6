"""The rule: a forward and the backward that belongs to it, as one function.

    @rule
    def affine(x, W, b):
        def backward(dout):
            return dout @ W.T, x.T @ dout, xp.sum(dout, axis=0)
        return x @ W + b, backward

Parameters without a default are *inputs*: arrays, or lists, tuples and dicts of them, each of which
``backward`` answers with a gradient, in order, or with ``None`` where there is none (labels,
indices). Parameters with a default are *options* and have no gradient. Where an option must be
given, a ``/`` marks where the inputs end: ``def reshape(x, /, shape)``; an input before it that has a
default, ``def conv2d(x, W, b=None, /, stride=1)``, may be left out.

Calling a rule gives its output alone. ``rule.vjp(...)`` gives the pair ``(out, backward)``.
"""

from __future__ import annotations

import contextvars
import functools
import inspect
from collections.abc import Callable
from typing import Any, Generic, ParamSpec

from handgrad.arrays import Recorded, cast, check_numbers, is_floating, is_plain, shape, sum_to
from handgrad.tree import leaves, tree_map

Backward = Callable[[Any], tuple[Any, ...]]
P = ParamSpec("P")

at_work: contextvars.ContextVar[str] = contextvars.ContextVar("at_work", default="")
"""The rule whose body or backward is running."""


watching: contextvars.ContextVar[Any] = contextvars.ContextVar("watching", default=None)
"""Who is told of each use of a rule, forward and backward (``checking.nonfinite``); nearly always no one."""


class Rule(Generic[P]):
    """A body ``(x, ...) -> (out, backward)`` that can be called, recorded and checked.

    Examples:
        >>> isinstance(hg.softmax, hg.Rule), hg.softmax.inputs, hg.softmax.options
        (True, ('x',), ('axis',))
        >>> out, backward = hg.multiply.vjp(100, 2)
        >>> out, backward(1)
        (200, (2, 100))
    """

    def __init__(self, body: Callable[P, tuple[Any, Callable[..., Any]]], broadcasts: bool = False):
        functools.update_wrapper(self, body)
        parameters = inspect.signature(body).parameters.values()
        inputs = [p for p in parameters if p.kind is p.POSITIONAL_ONLY] or [
            p for p in parameters if p.default is p.empty
        ]
        self.body = body
        self.broadcasts = broadcasts
        self.takes_lists = True  # of arrays; ours do only where they say so
        self.name = body.__name__
        self.inputs = tuple(p.name for p in inputs)
        self.options = tuple(p.name for p in parameters if p.name not in self.inputs)
        self.usual = {p.name: p.default for p in inputs if p.default is not p.empty}

    def __repr__(self) -> str:
        return f"<rule {self.name}{inspect.signature(self.body)}>"

    def __call__(self, *args: P.args, **options: P.kwargs) -> Any:
        inputs, chosen = self.bind(args, options)
        top = highest(inputs)
        if top is not None:
            if not self.takes_lists:
                self.refuse_lists(inputs)
            return top.record(self, inputs, chosen)
        return self.run_body(inputs, chosen)[0]

    def refuse_lists(self, inputs: tuple) -> None:
        """Raise a TypeError where an array is wanted and a list of recorded arrays is given."""
        for name, x in zip(self.inputs, inputs, strict=True):
            if name != "index" and isinstance(x, (list, tuple, dict)) and highest((x,)) is not None:
                raise TypeError(
                    f"{self.name}: {name} is a {type(x).__name__} of {len(leaves(x))} arrays where one array "
                    f"is wanted: join them first by np.array([...]), np.stack([...]) or np.concatenate([...])"
                )

    def vjp(self, *args: P.args, **options: P.kwargs) -> tuple[Any, Backward]:
        """``(out, backward)``. ``backward(dout)`` returns a tuple, one gradient for each input.

        Each gradient has the shape and floating dtype of its input. It may be ``dout`` itself or a
        view of it: copy before writing into one. Where there are several outputs, ``out`` and
        ``dout`` are tuples.

        Raises:
            ValueError: a gradient's shape is not its input's, or there are not as many as inputs.
        """
        return self.pair(*self.bind(args, options))

    def pair(self, inputs: tuple, options: dict) -> tuple[Any, Backward]:
        """``vjp`` of arguments that are sorted already."""
        out, body_backward = self.run_body(inputs, options)
        watch = watching.get()
        place = watch and watch.place()

        def backward(dout: Any) -> tuple:
            watch = watching.get()
            began = watch and watch.begin()
            before = at_work.set(f"backward of {self.name}")
            try:
                grads = body_backward(dout)
            except Exception as error:
                note(error, f"in the backward of {self.name}({self.describe(inputs)})")
                raise
            finally:
                at_work.reset(before)
            if grads is None and any(map(is_floating, leaves(inputs))):
                raise TypeError(f"{self.name}: backward returned None; does it lack its return?")
            if len(inputs) == 1 and is_bare(grads, inputs[0]):
                grads = (grads,)
            if not isinstance(grads, tuple) or len(grads) != len(inputs):
                got = f"{len(grads)} gradients" if isinstance(grads, tuple) else "one gradient"
                wanted = f"{len(inputs)} input{'s' * (len(inputs) > 1)}, {', '.join(self.inputs)}"
                raise ValueError(f"{self.name}: backward returned {got} for {wanted}")
            answer = tuple(map(self.fit, self.inputs, grads, inputs))
            if watch is not None:
                watch.backward(began, self, inputs, dout, answer, place)
            return answer

        return out, backward

    def bind(self, args: tuple, options: dict) -> tuple[tuple, dict]:
        """Sort the arguments of a call into inputs and options."""
        count = len(self.inputs)
        if len(args) != count:
            if len(args) > count + len(self.options):
                most = count + len(self.options)
                raise TypeError(f"{self.name} takes at most {most} arguments, got {len(args)}")
            options = dict(zip(self.options, args[count:], strict=False), **options)
            given = self.usual | options
            missing = [name for name in self.inputs[len(args) :] if name not in given]
            if missing:
                raise TypeError(f"{self.name} needs {', '.join(missing)} too")
            options = {name: value for name, value in options.items() if name not in self.inputs[len(args) :]}
            args = args[:count] + tuple(given[name] for name in self.inputs[len(args) :])
        for name, value in options.items():
            if isinstance(value, Recorded):
                raise TypeError(
                    f"{self.name}: the option {name} has no gradient, so it cannot be a recorded "
                    f"array: write the operation with rules that take it as input (its .value is a constant)"
                )
        return args, options

    def run_body(self, inputs: tuple, options: dict) -> tuple[Any, Callable]:
        """The body's ``(out, backward)``; its errors are noted with the rule and the shapes that came in."""
        if not all(map(is_plain, inputs)):
            for name, x in zip(self.inputs, inputs, strict=True):
                check_numbers(x, f"{self.name}: {name}")
        before = at_work.set(self.name)
        watch = watching.get()
        began = watch and watch.begin()
        try:
            made = self.body(*inputs, **options)
        except Exception as error:
            note(error, f"in {self.name}({self.describe(inputs)})")
            raise
        finally:
            at_work.reset(before)
        if not (isinstance(made, tuple) and len(made) == 2 and callable(made[1])):
            raise TypeError(f"{self.name}: a rule returns a pair, (out, backward), not {type(made).__name__}")
        if watch is not None:
            made = watch.forward(began, self, inputs, made)
        return made

    def describe(self, inputs: tuple) -> str:
        """Each input's name with its shape."""
        return ", ".join(f"{n} {describe(x)}" for n, x in zip(self.inputs, inputs, strict=True))

    def fit(self, name: str, dx: Any, x: Any) -> Any:
        """Check the gradient of one input, and sum away what broadcasting repeated."""
        if dx is None:
            return None
        if isinstance(x, (list, tuple, dict)):
            if len(leaves(dx)) != len(leaves(x)):
                raise ValueError(
                    f"{self.name}: {len(leaves(dx))} gradients for the {len(leaves(x))} arrays in {name}"
                )
            return tree_map(lambda x, dx: self.fit(name, dx, x), x, dx)
        if self.broadcasts and shape(dx) != shape(x) and is_repeated(shape(x), shape(dx)):
            dx = sum_to(dx, shape(x))
        if shape(dx) != shape(x):
            raise ValueError(
                f"{self.name}: the gradient of {name} has shape {shape(dx)}, but {name} has {shape(x)}"
            )
        return cast(dx, like=x) if is_floating(x) else dx


def without_examples(doc: str | None) -> str:
    """A docstring without the examples at its end: what it says of the rule itself."""
    return inspect.cleandoc(doc or "").partition("\nExamples:")[0].rstrip()


def note(error: Exception, where: str) -> None:
    """Add to an error, whose type and message stay as they are, where it was raised; once for each place."""
    if where not in getattr(error, "__notes__", ()):
        error.add_note(where)


def told(error: BaseException) -> str:
    """An error on one line: its message, and the two innermost places that were noted with it."""
    message = " ".join(str(error).split()) or type(error).__name__
    places = ", ".join(getattr(error, "__notes__", [])[:2])
    return f"{message} ({places})" if places else message


def as_written(backward: Backward) -> Callable:
    """The author's own backward, from the one that ``Rule.pair`` gives."""
    names = getattr(backward, "__code__", None)
    if names is None or "body_backward" not in names.co_freevars:
        return backward
    return (backward.__closure__ or ())[names.co_freevars.index("body_backward")].cell_contents


def is_bare(grads: Any, x: Any) -> bool:
    """Whether this is the gradient of the only input itself, not a tuple that holds it."""
    return not isinstance(grads, tuple) or (len(grads) != 1 and isinstance(x, (list, tuple, dict)))


def is_repeated(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    """Whether broadcasting can have made the shape ``large`` of ``small``."""
    lead = len(large) - len(small)
    return lead >= 0 and all(n in (1, m) for n, m in zip(small, large[lead:], strict=True))


def highest(inputs: tuple) -> Recorded | None:
    """The recorded array of the highest level among a rule's inputs, if there is one."""
    top: Recorded | None = None
    for given in inputs:
        for x in leaves(given) if isinstance(given, (list, tuple, dict)) else (given,):
            if isinstance(x, Recorded) and (top is None or x.level > top.level):
                top = x
    return top


def describe(x: Any) -> str:
    """A shape, or what there is instead of one."""
    if isinstance(x, (list, tuple, dict)):
        return "[" + ", ".join(describe(leaf) for leaf in leaves(x)) + "]"
    return str(shape(x)) if hasattr(x, "shape") else repr(x)


def rule(body: Callable[P, tuple[Any, Callable[..., Any]]]) -> Rule[P]:
    """Make a rule of a function that returns ``(out, backward)``.

    Examples:
        >>> @hg.rule
        ... def scaled(x, factor=2.0):
        ...     def backward(dout):
        ...         return factor * dout
        ...     return factor * x, backward
        >>> out, backward = scaled.vjp(3.0, factor=10.0)
        >>> out, backward(1.0)
        (30.0, (10.0,))
    """
    return Rule(body)


def elementwise(body: Callable[P, tuple[Any, Callable[..., Any]]]) -> Rule[P]:
    """Make a rule whose inputs broadcast: their gradients are summed back to their own shapes.

    Examples:
        >>> @hg.elementwise
        ... def cube(x):
        ...     def backward(dout):
        ...         return 3 * x * x * dout
        ...     return x**3, backward
        >>> print(hg.grad(cube)(2.0))
        12.0
    """
    return Rule(body, broadcasts=True)
