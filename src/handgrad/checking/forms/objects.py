"""Objects with a forward and a backward: caches on ``self`` or by hand, gradients on ``self`` or returned.

Each forward is run on a copy of the object as it was given, so that nothing it keeps leaks from one
evaluation into the next, and its own random generator starts at the same place.
"""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np

from handgrad.arrays import is_floating
from handgrad.checking.equality import all_same
from handgrad.checking.forms.arrays import NUMPY, Arrays, arrays_of, asked_for, kept_tree
from handgrad.checking.forms.calling import (
    CACHES,
    Plan,
    is_dout,
    options_of_each,
    planned,
    returned_names,
    wanted_by,
    with_its_cache,
)
from handgrad.checking.forms.form import Asked, CannotCall, Form
from handgrad.checking.forms.gradients import gradient_names, in_dict, times
from handgrad.checking.forms.names import is_layer, methods_of
from handgrad.checking.forms.two import own_inputs
from handgrad.checking.layers import (
    Held,
    Parameter,
    by_key,
    methods,
    numbers_held,
    places,
)
from handgrad.checking.subject import (
    Back,
    Subject,
    Unfit,
    Values,
    copied,
    counted,
    douts_like,
    fixed_randomness,
    flat_names,
    independent,
    label,
    narrow_of,
    parameter_names,
)
from handgrad.tree import leaves

SLOPES = (
    "gradient",
    "gradients",
    "grad",
    "derivative",
    "loss",
)  # may be functions of the inputs, without a dout


class Object(Form):
    """An object with a forward and a backward, by whatever names; a class of them; the forward of one."""

    @classmethod
    def of(cls, target: Any, asked: Asked) -> Self | None:
        if isinstance(target, types.MethodType) and is_layer(target.__self__):
            names = methods_of(target.__self__)
            if names is not None and target == getattr(target.__self__, names[0]):
                target = target.__self__
        named = asked.methods is not None and all(callable(getattr(target, n, None)) for n in asked.methods)
        if not named and methods_of(target) is None:
            return None
        return cls(instance_of(target) if isinstance(target, type) else target, asked)

    @property
    def names(self) -> tuple[str, str]:
        found = self.asked.methods or methods_of(self.target)
        assert found is not None
        return found

    @property
    def author(self) -> Callable:
        return getattr(self.target, self.names[0])

    @property
    def arrays(self) -> list[Any]:
        return [place.get() for place in places(self.target)]

    def subject(self, inputs: tuple, options: dict) -> Subject:
        return of_layer(self.target, inputs, options, methods_named=self.asked.methods)


def instance_of(made: type) -> Any:
    """An instance of a layer class that needs no arguments.

    Raises:
        TypeError: it needs some.
    """
    try:
        return made()
    except TypeError as error:
        raise TypeError(
            f"{made.__name__} needs arguments to be made; give an instance of it ({error})"
        ) from None


class Way:
    """How an object's methods are called: by what their parameters are called, seen at one forward."""

    def __init__(self, layer: Any, inputs: tuple, options: dict, methods: tuple[str, str] | None = None):
        self.layer = layer
        found = methods or methods_of(layer)
        assert found is not None
        self.forward_name, self.backward_name = found
        forward, backward = getattr(layer, found[0]), getattr(layer, found[1])
        self.own = own_inputs(forward, inputs)
        names = parameter_names(forward, self.own)
        known = getattr(layer, "input_names", names)
        names = known if len(known) == len(names) else names
        self.names = names + self._extras(forward, backward, names, len(inputs) - self.own)
        self.options, self.back_options = options_of_each(forward, backward, options)
        self.is_whole = self.forward_name == self.backward_name  # loss(x, t) -> (loss, grads)
        self.plan: Plan | None = None
        self.attribute: str | None = None  # the output, where the forward returns nothing

    def _extras(self, forward: Callable, backward: Callable, names: list[str], count: int) -> list[str]:
        """Inputs beyond the forward's are those of the backward's parameters that nothing else explains."""
        if count <= 0:
            return []
        known = {*names, *filter(None, returned_names(forward)), *CACHES}
        free = [w for w in wanted_by(backward) or [] if w not in known and not is_dout(w, [])][:count]
        if len(free) < count:
            raise CannotCall(
                f"{self.what(forward)} takes {counted(len(names), 'input')} ({', '.join(names)}), not "
                f"{len(names) + count}"
            )
        return free

    def what(self, method: Callable | str) -> str:
        name = method if isinstance(method, str) else method.__name__
        return f"{label(self.layer)}.{name}"

    def look(self, made: Any, xs: list[Any]) -> Any:
        """One forward, from which it is seen how the backward is called.

        Raises:
            CannotCall: it is not.
        """
        found = getattr(made, self.forward_name)(*xs[: self.own], **self.options)
        backward = getattr(made, self.backward_name)
        if self.is_whole:
            if not (isinstance(found, tuple) and len(found) == 2 and np.shape(found[0]) == ()):
                raise CannotCall(
                    f"{self.what('loss')} returns no pair (loss, grads), and there is no gradient method"
                )
            return found
        if found is None:
            self.attribute = self._left_on(made, backward)
        forward = getattr(type(made), self.forward_name, getattr(made, self.forward_name))
        wanted = [w for w in wanted_by(backward) or [] if w not in self.back_options]
        found = self.output(made, found)
        if len(wanted) == 1 and not self._is_slope(wanted[0]):
            names = returned_names(forward)
            self.plan = Plan((("dout", 0),), _outputs(found, names))
        else:
            what = self.what(self.backward_name)
            plan = planned(forward, backward, self.names, found, what, self.back_options)
            self.plan = with_its_cache(plan, lambda xs: backward(*xs, **self.back_options), tuple(xs), found)
        return found

    def _is_slope(self, wanted: str) -> bool:
        return self.backward_name in SLOPES and wanted in self.names

    def _left_on(self, made: Any, backward: Callable) -> str:
        """Where a forward that returns nothing leaves its output: ``h``, for a backward of ``delta_h``."""
        held = vars(made)
        for wanted in wanted_by(backward) or []:
            bare = next((n for n in held if wanted in (*gradient_names(n), f"delta_{n}", f"{n}_delta")), None)
            if bare is not None and is_dout(wanted, [bare]):
                return bare
        raise CannotCall(
            f"{self.what(self.forward_name)} returns nothing, and its output is not seen from the "
            f"parameters of "
            f"{self.what(self.backward_name)}: let it return its output"
        )

    def output(self, made: Any, found: Any) -> Any:
        """What the forward returned, or left on the object."""
        if self.attribute is None:
            return found
        held = vars(made)[self.attribute]
        return held[-1] if isinstance(held, list) else held

    def forward(self, made: Any, xs: list[Any]) -> tuple[Any, Any]:
        """The output, and all that the forward returned."""
        found = self.output(made, getattr(made, self.forward_name)(*xs[: self.own], **self.options))
        return (found[0], found) if self.plan is None else (self.plan.out(found), found)

    def backward(self, made: Any, dout: Any, xs: list[Any], found: Any) -> Any:
        """What the backward returns."""
        if self.plan is None:
            return times(dout, found[1])
        call = getattr(made, self.backward_name)
        if self.plan.takes == (("dout", 0),):
            return call_with(call, dout, self.back_options)
        arguments = self.plan.arguments(dout, tuple(xs), found)
        grads = call(*arguments, **self.back_options)
        return grads if self.plan.douts else times(dout, grads)


def _outputs(found: Any, names: list[str | None]) -> tuple[int, ...]:
    """Which of what a forward returned are outputs, for a backward of dout alone: not caches."""
    if not isinstance(found, (tuple, list)) or len(found) < 2:
        return (0,)
    is_cache = [n in CACHES for n in names] if len(names) == len(found) else [False] * len(found)
    kept = [i for i, x in enumerate(found) if not is_cache[i] and not isinstance(x, (dict, tuple))]
    return tuple(kept) or (0,)


def call_with(backward: Callable, dout: Any, options: dict) -> Any:
    """``backward(dout)``; several douts as one tuple, or as arguments where it takes several."""
    if isinstance(dout, tuple):
        parameters = inspect.signature(backward).parameters.values()
        positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
        if len(positional) == len(dout):
            return backward(*dout, **options)
    return backward(dout, **options)


def of_layer(
    layer: Any,
    inputs: tuple,
    options: dict,
    name: str | None = None,
    named: Callable[[str], str] = "self.{}".format,
    methods_named: tuple[str, str] | None = None,
    is_end: bool = False,
) -> Subject:
    """An object with a forward and a backward, its parameters as inputs after its own.

    Args:
        layer: the object.
        inputs: of its forward.
        options: of its forward, or of its backward.
        name: how a report names it; its class, if not given.
        named: how a report names the parameter at a path such as ``layers[0].W``.
        methods_named: the names of its forward and backward.
        is_end: whether it is the end of a network, so that its dout is 1.
    """
    way = Way(layer, inputs, options, methods_named)
    held = Held(layer)
    return Made(layer, inputs, way, held, name or label(layer), named, is_end).subject()


class Made:
    """An object under way to becoming a subject."""

    def __init__(
        self,
        layer: Any,
        inputs: tuple,
        way: Way,
        held: Held,
        name: str,
        named: Callable[[str], str],
        is_end: bool,
    ):
        self.layer, self.way, self.held, self.name, self.named = layer, way, held, name, named
        self.arrays: Arrays = arrays_of(list(inputs), [_array(layer, p) for p in held.candidates])
        self.tree = kept_tree(self.arrays, inputs)
        self.flat = leaves(self.tree)
        self.inputs, self.is_end = inputs, is_end
        self.returned = returned_names(getattr(type(layer), way.backward_name, None)) or []
        self.returned = getattr(layer, "returned", self.returned)
        self.is_deaf = False  # whether its backward does not hear dout
        self.notes: list[str] = []

    def subject(self) -> Subject:
        layer, way, held, count = self.layer, self.way, self.held, len(self.flat)
        answered = self.answered()
        names = flat_names(way.names, self.inputs)
        params = [self.arrays.kept(x) for x in held.values()]
        pair = self.paired(held)

        def again(other: Any, fresh: bool = True) -> Subject:
            """The same with another object of this layer's make."""
            kept = Held(other)
            kept.parameters = held.parameters
            return replace(subject, pair=self.paired(kept, fresh), inner=other)

        def rebuilt(rebinder: Any) -> Subject:
            made = independent(layer)
            rebinder.layer(getattr(made, "author", made))
            return again(made)

        author = getattr(layer, "author", layer)  # of a network whose loss is in its backward, that
        names_of_methods = getattr(layer, "author_methods", (way.forward_name, way.backward_name))

        def follow(given: list[Any], rebinder: Any) -> Any:
            made = rebinder.layer(held.with_values(given[count:]))
            return way.forward(made, self.arrays.handed(self.tree, given[:count]))[0]

        wanted = asked_for(self.inputs)
        subject = Subject(
            name=self.name,
            style="layer",
            names=names + [self.named(p.path) for p in held.parameters],
            values=self.flat + params,
            checked=[w and a for w, a in zip(wanted, answered, strict=True)] + [True] * len(params),
            forward=lambda values: pair(values)[0],
            pair=pair,
            code=methods(author, names_of_methods),
            numbers=numbers_held(layer),
            parameters=frozenset(range(count, count + len(params))),
            notes=self.notes + _unanswered(names, self.flat, answered, way),
            follow=follow,
            narrow=narrow_of(self.inputs),
            functions=lambda: methods(author, names_of_methods),
            rebuilt=rebuilt,
            inner=layer,
            whose=f"the gradients that {way.what('loss')} returns" if way.is_whole else whose(layer, way),
            forwards=(way.forward_name,),
            own=way.own,
            given=self.arrays.given,
            seen=self.arrays.seen,
        )
        return replace(subject, reused=lambda: again(independent(layer), fresh=False))

    def paired(self, held: Held, fresh: bool = True) -> Callable:
        """Pairs that each use a copy of the object as it was, or (not fresh) all one and the same object."""
        count, arrays, way = len(self.flat), self.arrays, self.way

        def pair(values: Values) -> tuple[list[Any], Back]:
            with fixed_randomness(), arrays.precise():
                handed = arrays.handed(list(values), list(values))
                made = held.with_values(handed[count:], fresh)
                xs = arrays.handed(self.tree, values[:count])
                out, found = way.forward(made, xs)

            def back(douts: list[Any]) -> list[Any]:
                with arrays.precise():
                    dout = douts_like(out, [arrays.given(d) for d in douts])
                    given = douts_like(out, [arrays.given(np.ones(np.shape(d))) for d in douts])
                    grads = way.backward(made, given if self.is_deaf else dout, xs, found)
                    own, returned = self.split(grads)
                    all_of_them = own + [None] * (count - len(own)) + held.gradients(made, returned)
                    if self.is_deaf:
                        all_of_them = times(dout, all_of_them)
                return [arrays.seen(g) for g in all_of_them]

            return [arrays.seen(o) for o in leaves(out)], back

        return pair

    def answered(self) -> list[bool]:
        """Run once: how it is called, which inputs get a gradient, which arrays are parameters."""
        way, arrays, held = self.way, self.arrays, self.held
        own: list[Any] = [True] * len(self.flat)
        returned: dict[str, Any] = {}
        with fixed_randomness(), arrays.precise():
            made = independent(held.layer)
            if arrays is not NUMPY:  # its tensors in float64, as the inputs are
                held.parameters = held.candidates
                made = held.with_values([arrays.given(arrays.kept(x)) for x in held.values()])
            xs = arrays.handed(self.tree, copied(self.flat))
            found = way.look(made, xs)
            out = found[0] if way.plan is None else way.plan.out(found)
            douts = [arrays.given(np.ones(np.shape(o))) for o in leaves(out)]
            if way.plan is not None and not way.plan.douts and len(douts) != 1:
                raise CannotCall(self.no_dout())
            try:
                grads = way.backward(made, douts_like(out, douts), xs, found)
            except Exception:  # it will be met again, and reported, when the gradients are asked for
                held.keep(made, {})
                return [True] * len(self.flat)
            if way.plan is not None and not way.plan.douts and not self.fits_without_dout(grads, out):
                raise CannotCall(self.no_dout())
            try:
                own, returned = self.split(grads)
            except Unfit:
                own = [True] * len(self.flat)
        held.keep(made, returned)
        if self.is_end and np.shape(out) == ():
            self.is_deaf = self.hears_nothing(made, xs, found, own)
        if isinstance(grads, dict) or (grads is None and held.parameters):
            return [g is not None for g in own] + [False] * (len(self.flat) - len(own))
        return [i < len(own) for i in range(len(self.flat))]

    def hears_nothing(self, made: Any, xs: list[Any], found: Any, before: list[Any]) -> bool:
        """Whether the gradients are those of dout = 1, whatever dout is."""
        try:
            kept = [None if g is None else np.array(self.arrays.seen(g)) for g in before]
            mine = [
                None if g is None else np.array(self.arrays.seen(g)) for g in self.held.gradients(made, {})
            ]
            other, _ = self.split(self.way.backward(made, self.arrays.given(np.array(2.0)), xs, found))
            again = [None if g is None else np.array(self.arrays.seen(g)) for g in other]
            mine_again = [
                None if g is None else np.array(self.arrays.seen(g)) for g in self.held.gradients(made, {})
            ]
        except Exception:
            return False
        is_deaf = any(g is not None and np.any(g) for g in [*kept, *mine])
        if is_deaf and all_same(kept, again) and all_same(mine, mine_again):
            self.notes.append(
                f"the backward of {self.name} does not hear dout: its gradients are those of the loss "
                f"itself, so it "
                f"has to come last"
            )
            return True
        return False

    def no_dout(self) -> str:
        way = self.way
        wanted = wanted_by(getattr(self.layer, way.backward_name)) or []
        return (
            f""
            f"{way.what(way.backward_name)}({', '.join(wanted)}) takes "
            f"no dout, so it gives the gradients of a loss, and {way.what(way.forward_name)} returns "
            f"none: say which, "
            f"check(net, x, t, loss=loss)"
        )

    def fits_without_dout(self, grads: Any, out: Any) -> bool:
        """A loss's gradients, or the slopes of a function of one element."""
        return np.shape(out) == () or (len(self.flat) == 1 and np.shape(grads) == np.shape(out))

    def split(self, grads: Any) -> tuple[list[Any], dict[str, Any]]:
        """What the backward returned: gradients of the inputs, and of parameters by path."""
        if isinstance(grads, dict):
            return self._of_dict(grads)
        if not isinstance(grads, (tuple, list)):
            return [grads], {}
        named = self._by_name(list(grads)) if len(self.returned) == len(grads) else {}
        own = [g for i, g in enumerate(grads) if i not in named]
        if (
            not named
            and len(grads) > len(self.flat)
            and len(grads) == len(self.flat) + len(self.held.candidates)
        ):
            named = {len(self.flat) + i: p for i, p in enumerate(self.held.candidates)}
            own = list(grads[: len(self.flat)])
        like = self.tree if len(own) == len(self.tree) else own
        given = [leaf for x, dx in zip(like, own, strict=True) for leaf in _leaves_like(x, dx)]
        if len(given) > len(self.flat):
            raise Unfit(
                f"backward returned {counted(len(given), 'gradient')} for {counted(len(self.flat), 'input')}"
            )
        return given, {p.path: grads[i] for i, p in named.items()}

    def _of_dict(self, grads: dict) -> tuple[list[Any], dict[str, Any]]:
        own = [in_dict(grads, name) for name in self.way.names]
        flat = [leaf for x, dx in zip(self.tree, own, strict=True) for leaf in _leaves_like(x, dx)]
        found = {p.path: in_dict(grads, p.name) for p in self.held.candidates}
        return flat, {path: g for path, g in found.items() if g is not None}

    def _by_name(self, grads: list[Any]) -> dict[int, Parameter]:
        """Which of the returned are gradients of parameters, by how the return statement calls them."""
        found: dict[int, Parameter] = {}
        for i, called in enumerate(self.returned):
            if called is None or any(called in gradient_names(n) for n in self.way.names):
                continue
            own = [p for p in self.held.candidates if called in gradient_names(p.name)]
            own = own or [p for p in self.held.candidates if is_short_for(called, p.name)]
            if len(own) == 1:
                found[i] = own[0]
        return found


def is_short_for(called: str, name: str) -> bool:
    """Whether ``db`` is the gradient of ``bias``."""
    bare = called.lower().removeprefix("grad").removeprefix("d").strip("_")
    return bool(bare) and name.lower().strip("_").startswith(bare)


def _leaves_like(x: Any, dx: Any) -> list[Any]:
    return [None] * len(leaves(x)) if dx is None else leaves(dx)


def _array(layer: Any, p: Parameter) -> Any:
    return by_key(layer)[p.places[0]].get()


def whose(layer: Any, way: Way) -> str:
    return getattr(layer, "whose", None) or way.what(way.backward_name)


def _unanswered(names: list[str], flat: list[Any], answered: list[bool], way: Way) -> list[str]:
    return [
        f"{way.backward_name} gives no gradient for {name}, so it is taken as data, not checked"
        for name, x, is_answered in zip(names, flat, answered, strict=True)
        if is_floating(x) and not is_answered
    ]
