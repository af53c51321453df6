"""A square, written in every form that the checker takes, with the slope that it is given."""

import sys
from types import SimpleNamespace

import numpy as np

import handgrad as hg

X = np.array([[0.5, -1.5, 2.0], [1.25, 0.75, -0.25]])
T = np.array([[0.25, 0.5, -1.0], [2.0, -0.5, 1.0]])
FORMS = {}


def form(*inputs, needs=None, refused=False, **named):
    """Enter ``make(slope) -> target``; ``slope(x, dout)`` gives dx."""

    def enter(make):
        FORMS[make.__name__] = SimpleNamespace(
            make=make, inputs=inputs or (X,), needs=needs, refused=refused, named=named
        )
        return make

    return enter


@form()
def function(slope):
    return lambda x: (x * x, lambda dout: slope(x, dout))


@form()
def listed(slope):
    return lambda x: [x * x, lambda dout: slope(x, dout)]


@form()
def with_a_cache_between(slope):
    return lambda x: (x * x, {"x": x}, lambda dout: slope(x, dout))


@form()
def cache_handed_to_what_is_returned(slope):
    return lambda x: (x * x, (x,), lambda dout, cache: slope(cache[0], dout))


@form()
def rule(slope):
    @hg.rule
    def squared(x):
        return x * x, lambda dout: slope(x, dout)

    return squared


def keeping(slope, forward="forward", backward="backward"):
    """An object that keeps x, with methods of these names."""

    def run(self, x):
        self.x = x
        return x * x

    def back(self, dout):
        return slope(self.x, dout)

    return type("Squared", (), {forward: run, backward: back})()


@form()
def layer(slope):
    return keeping(slope)


@form()
def layer_of_a_class(slope):
    return type(keeping(slope))


@form()
def forward_of_a_layer(slope):
    return keeping(slope).forward


@form()
def forward_prop(slope):
    return keeping(slope, "forward_prop", "back_prop")


@form()
def forward_pass(slope):
    return keeping(slope, "forward_pass", "backward_pass")


@form()
def called(slope):
    return keeping(slope, "__call__", "backward")


@form(methods=("ahead", "astern"))
def named_methods(slope):
    return keeping(slope, "ahead", "astern")


@form()
def slope_alone(slope):
    def gradient(self, x):
        return slope(x, np.ones_like(x))

    return type("Squared", (), {"__call__": lambda self, x: x * x, "gradient": gradient})()


@form()
def compute_and_gradient(slope):
    def gradient(self, out_grad, node):
        return slope(node.inputs[0], out_grad)

    return type("Squared", (), {"compute": lambda self, a: a * a, "gradient": gradient})()


@form()
def cache_by_hand(slope):
    class Squared:
        def forward(self, x):
            out, cache = x * x, (x,)
            return out, cache

        def backward(self, dout, cache):
            return slope(cache[0], dout)

    return Squared()


@form()
def output_left_on_self(slope):
    class Squared:
        def __init__(self):
            self.h = [np.zeros(1)]

        def forward(self, x):
            self.h.append(x * x)

        def backward(self, x, delta_h):
            return slope(x, delta_h)

    return Squared()


@form()
def parameter(slope):
    class Scaled:
        def __init__(self):
            self.cache, self.w, self.dw = None, np.array([0.5, 2.0, -1.0]), None

        def forward(self, x):
            self.cache = x
            return x * self.w * self.w

        def backward(self, dout):
            self.dw = np.sum(slope(self.w, dout * self.cache), axis=0)
            return dout * self.w * self.w

    return Scaled()


@form()
def parameters_and_gradients_in_lists(slope):
    class Scaled:
        def __init__(self):
            self.params, self.grads = [np.array([0.5, 2.0, -1.0])], [np.zeros(3)]

        def forward(self, x):
            self.x = x
            return x * self.params[0] ** 2

        def backward(self, dout):
            (w,) = self.params
            self.grads[0][...] = np.sum(slope(w, dout * self.x), axis=0)
            return dout * w * w

    return Scaled()


@form()
def gradients_returned(slope):
    class Scaled:
        def __init__(self):
            self.weight = np.array([0.5, 2.0, -1.0])

        def forward(self, x):
            self.x = x
            return x * self.weight**2

        def backward(self, dout):
            dw = np.sum(slope(self.weight, dout * self.x), axis=0)
            dx = dout * self.weight**2
            return dx, dw

    return Scaled()


@form()
def layers(slope):
    return [keeping(slope), keeping(slope, "forward_prop", "back_prop")]


@form(X, T, loss=lambda y, t: hg.sum((y - t) * (y - t)))
def layers_with_a_loss(slope):
    return [keeping(slope), keeping(slope)]


@form(X, T)
def layers_with_a_deaf_loss(slope):
    class Loss:
        def forward(self, y, t):
            self.y, self.t = y, t
            return 0.5 * np.sum((y - t) ** 2)

        def backward(self, dout=1):
            return self.y - self.t

    return [keeping(slope), Loss()]


@form(X, T)
def network_of_the_book(slope):
    class Net:
        def __init__(self):
            self.params = {"W": np.array([0.5, 2.0, -1.0])}

        def loss(self, x, t):
            return np.sum(self.params["W"] ** 2 * x * t)

        def gradient(self, x, t):
            return {"W": np.sum(slope(self.params["W"], x * t), axis=0)}

    return Net()


@form(X, T)
def network_of_loss_and_gradients(slope):
    class Net:
        def __init__(self):
            self.params = {"W": np.array([0.5, 2.0, -1.0])}

        def loss(self, X, y=None):
            W = self.params["W"]
            grads = {"W": np.sum(slope(W, X * y), axis=0)}
            return np.sum(W * W * X * y), grads

    return Net()


@form(X, T)
def loss_and_gradient(slope):
    def squared_loss(x, t):
        dx = slope(x, t)
        return np.sum(x * x * t), dx

    return squared_loss


@form({"W": X, "b": T})
def loss_and_gradients_in_dicts(slope):
    def squared_loss(params):
        grads = {"dW": slope(params["W"], params["b"]), "db": params["W"] ** 2}
        return np.sum(params["W"] ** 2 * params["b"]), grads

    return squared_loss


def squared_forward(x):
    return x * x, (x,)


@form()
def pair(slope):
    def squared_backward(dout, cache):
        return slope(cache[0], dout)

    return squared_forward, squared_backward


@form()
def pair_by_names(slope):
    def forward(x):
        doubled = 2 * x
        return x * x, doubled

    def backward(doubled, delta):
        return slope(doubled / 2, delta)

    return forward, backward


@form()
def half_of_a_pair(slope):
    beside = {"slope": slope}
    exec("def squared_forward(x):\n    return x * x, (x,)", beside)
    exec("def squared_backward(dout, cache):\n    return slope(cache[0], dout)", beside)
    return beside["squared_forward"]


@form()
def with_context(slope):
    class Squared:
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, dout):
            (x,) = ctx.saved_tensors
            return slope(x, dout)

    return Squared


@form(refused=True)
def forward_alone_in_a_function(slope):
    squared = keeping(slope)
    return lambda x: squared.forward(x)


@form(refused=True)
def backward_of_too_much(slope):
    return lambda x: (x * x, lambda dout, rate, momentum: slope(x, dout))


@form(refused=True)
def two_backwards(slope):
    return lambda x: (x * x, lambda dout: slope(x, dout), lambda dout: slope(x, dout))


@form(refused=True)
def backward_in_a_dict(slope):
    return lambda x: {"out": x * x, "backward": lambda dout: slope(x, dout)}


class Value:
    """A number that records, as micrograd's does."""

    slope = None

    def __init__(self, data, before=()):
        self.data, self.grad, self.before, self.spread = data, 0.0, before, lambda: None

    def squared(self):
        out = Value(self.data * self.data, (self,))

        def spread():
            self.grad = self.grad + Value.slope(self.data, out.grad)

        out.spread = spread
        return out

    def backward(self):
        self.grad = 1.0
        node = self
        while node.before:
            node.spread()
            (node,) = node.before


@form(Value(1.5))
def recorded_by_the_author(slope):
    Value.slope = staticmethod(slope)
    return lambda a: a.squared()


# On PyTorch's tensors.


def tensors():
    return (sys.modules["torch"].from_numpy(X),)


@form(tensors, needs="torch")
def function_of_tensors(slope):
    return lambda x: (x * x, lambda dout: slope(x, dout))


@form(tensors, needs="torch")
def layer_of_tensors(slope):
    return keeping(slope)


@form(tensors, needs="torch")
def pair_of_tensors(slope):
    return squared_forward, lambda dout, cache: slope(cache[0], dout)


def torch_function(slope):
    import torch

    class Squared(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            if isinstance(x, torch.Tensor):
                ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, dout):
            (x,) = ctx.saved_tensors
            return slope(x, dout)

    return Squared


@form(tensors, needs="torch")
def torch_functions(slope):
    return torch_function(slope)


@form(tensors, needs="torch")
def applied_to_tensors(slope):
    squared = torch_function(slope)
    return lambda x: squared.apply(x)


@form(needs="torch")
def applied_to_arrays(slope):
    squared = torch_function(slope)
    return lambda x: squared.apply(x)


@form(tensors, needs="torch")
def module_with_a_backward(slope):
    import torch

    class Scaled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.tensor([0.5, 2.0, -1.0]))

        def forward(self, x):
            self.x = x
            return x * self.w**2

        def backward(self, dout):
            self.w.grad = slope(self.w, dout * self.x).sum(0).detach()
            return (dout * self.w**2).detach()

    return Scaled()


@form(tensors, needs="torch", refused=True)
def module_with_a_backward_in_a_function(slope):
    module = module_with_a_backward(slope)
    return lambda x: module(x)


# JAX, autograd.


def custom_vjp(slope):
    import jax

    squared = jax.custom_vjp(lambda x: x * x)
    squared.defvjp(lambda x: (x * x, x), lambda x, dout: (slope(x, dout),))
    return squared


@form(needs="jax")
def jax_custom_vjp(slope):
    return custom_vjp(slope)


@form(needs="jax")
def jax_custom_vjp_in_a_function(slope):
    squared = custom_vjp(slope)
    return lambda x: squared(x)


@form(needs="jax")
def jax_custom_jvp(slope):
    import jax

    squared = jax.custom_jvp(lambda x: x * x)
    squared.defjvp(lambda primals, tangents: (primals[0] ** 2, slope(primals[0], tangents[0])))
    return squared


@form(needs="jax")
def function_of_jax_arrays(slope):
    import jax.numpy as jnp

    return lambda x: (jnp.square(x), lambda dout: slope(x, dout))


@form(needs="autograd")
def autograd_primitive(slope):
    from autograd.extend import defvjp, primitive

    squared = primitive(lambda x: x * x)
    defvjp(squared, lambda out, x: lambda dout: slope(x, dout))
    return squared
