"""Which form is a target written in?"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from handgrad.checking.forms.arrays import TorchArrays, arrays_of
from handgrad.checking.forms.context import ContextClass
from handgrad.checking.forms.form import Asked, Form
from handgrad.checking.forms.function import RuleForm
from handgrad.checking.forms.networks import Layers, Network, of_layers_with_loss, of_network
from handgrad.checking.forms.objects import Object
from handgrad.checking.forms.peers import JaxForm, TorchForm
from handgrad.checking.forms.plain import PlainFunction
from handgrad.checking.forms.primitive import Primitive
from handgrad.checking.forms.two import Pair
from handgrad.checking.subject import Subject, label

TARGETS = (
    "a rule, a function that returns (out, backward) or (loss, grads), a function of rules, an object "
    "with forward "
    "and backward, a list of these, a pair of functions (forward, backward), a class with forward(ctx, "
    "...) and "
    "backward(ctx, dout), a torch.autograd.Function, an nn.Module, a jax.custom_vjp or custom_jvp "
    "function, or an "
    "autograd primitive"
)

# The first that takes a target is its form.
FORMS: tuple[type[Form], ...] = (
    *(RuleForm, TorchForm, JaxForm, Primitive, ContextClass, Layers, Pair, Network, Object, PlainFunction),
)


def form_of(target: Any, asked: Asked | None = None) -> Form:
    """The form that a target is written in.

    Raises:
        TypeError: it is none of those that can be checked; the message says what it has.
    """
    if isinstance(target, Form):
        return target
    asked = asked or Asked()
    for kind in FORMS:
        made = kind.of(target, asked)
        if made is not None:
            return made
    raise TypeError(refusal(target))


def refusal(target: Any) -> str:
    """What was seen of a target that is in no form, and the nearest thing that is taken."""
    if isinstance(target, type):
        what = f"{target.__name__} is a class"
    else:
        article = "an" if type(target).__name__[:1] in "aeiouAEIOU" else "a"
        what = (
            f"{label(target)!r} is {article} {type(target).__name__}"
            if hasattr(target, "__name__")
            else (f"this is {article} {type(target).__name__}")
        )
    has = sorted(n for n in dir(target) if not n.startswith("_") and callable(getattr(target, n, None)))
    seen = f" with {', '.join(has[:8])}" if has else ""
    back = [n for n in has if any(part in n.lower() for part in ("back", "grad", "bprop", "vjp", "deriv"))]
    if back and len(has) > 1:
        other = next((n for n in has if n not in back), has[0])
        advice = f"name its forward and backward: methods=({other!r}, {back[0]!r})"
    else:
        advice = f"what can be checked is {TARGETS}"
    return f"{what}{seen}; {advice}"


def subject_of(
    target: Any,
    inputs: tuple,
    options: dict | None = None,
    loss: Any = None,
    adapter: Callable | None = None,
    methods: tuple[str, str] | None = None,
) -> Subject:
    """The target as the checker sees it.

    Raises:
        TypeError: it is none of the kinds that can be checked, or its forward does not return what it should.
    """
    options = options or {}
    asked = Asked(adapter, methods)
    if loss is not None:
        return with_loss(target, inputs, options, loss, asked)
    return form_of(target, asked).subject(inputs, options)


def with_loss(target: Any, inputs: tuple, options: dict, loss: Any, asked: Asked) -> Subject:
    """A network with its loss. The last input is what the loss compares with."""
    if len(inputs) < 2:
        raise TypeError(f"{label(target)} with a loss needs inputs and a target: check(net, x, t, loss=loss)")
    form = form_of(target, asked)
    asked = form.asked
    if isinstance(form, Network):
        return of_network(target, inputs, loss)
    if isinstance(form, (Object, Layers)):
        return of_layers_with_loss(form.target, inputs, options, loss, asked)
    if isinstance(form, TorchForm) or isinstance(arrays_of(list(inputs)), TorchArrays):
        from handgrad.checking.forms.torch_own import with_torch_loss

        return with_torch_loss(target, inputs, options, loss)
    return subject_of(lambda *xs: loss(target(*xs[:-1], **options), xs[-1]), inputs)


def is_torch(target: Any) -> bool:
    """Whether a target is PyTorch's own."""
    return isinstance(form_of(target), TorchForm)
