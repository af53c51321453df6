"""The graph: long chains, and what is freed when."""

import gc
import subprocess
import sys
import weakref

import numpy as np
import pytest

import handgrad as hg
from handgrad.tape import scope

LONG = """
import gc, resource, sys, weakref
import numpy as np
import handgrad as hg

resource.setrlimit(resource.RLIMIT_STACK, (8 << 20, 8 << 20))
assert sys.getrecursionlimit() == 1000
gc.disable()

def chain(x, n=100_000):
    for i in range(n):
        x = x + 1.0 if i % 2 else x * 1.00001
        if i in (0, n // 2, n - 1):
            watched.append(weakref.ref(x))
    return x

watched = []
v = hg.variable(np.float64(1.0))
out = chain(v)
out.backward()
assert abs(v.grad / 1.00001**50_000 - 1) < 1e-9
del out
assert [ref() for ref in watched] == [None, None, None]

value, slope = hg.value_and_grad(chain)(2.0)
assert abs(slope / 1.00001**50_000 - 1) < 1e-9

pair = hg.variable(np.ones(4))
split = pair
for _ in range(10_000):
    a, b = hg.split(split, 2)
    split = hg.concatenate([b, a])
ref = weakref.ref(split)
hg.sum(split * np.arange(4.0)).backward()
assert pair.grad.tolist() == [0, 1, 2, 3]
del split, a, b
assert ref() is None
print("survived")
"""


def test_a_chain_of_100_000_operations():
    done = subprocess.run([sys.executable, "-W", "error", "-c", LONG], capture_output=True, text=True)
    assert done.stdout == "survived\n", f"exit {done.returncode}: {done.stderr[-2000:]}"


class NoCollector:
    def __enter__(self):
        gc.collect()
        gc.disable()

    def __exit__(self, *exc):
        gc.enable()


def test_a_graph_is_freed_without_the_collector():
    with NoCollector():
        v = hg.variable(np.ones(3))
        middle = hg.exp(v)
        out = hg.sum(hg.softmax(middle) * middle[::2][0])
        out.backward()
        watched = [weakref.ref(x) for x in (middle, out)]
        del middle, out
        assert [ref() for ref in watched] == [None, None]


@pytest.mark.parametrize(
    "derivative",
    [
        lambda f, x: hg.vjp(f, x)[1](1.0),
        lambda f, x: hg.grad(f)(x),
        lambda f, x: hg.hessian(f)(x),
        lambda f, x: hg.jacobian(f)(x),
        lambda f, x: hg.hvp(f)(x, np.ones_like(x)),
        lambda f, x: hg.value_and_grad(f)(x),
    ],
)
def test_derivatives_leave_nothing_behind(derivative):
    seen = []

    def f(x):
        y = hg.tanh(x)
        seen.append(weakref.ref(y))
        return hg.sum(y * y)

    with NoCollector():
        derivative(f, np.array([0.5, 1.5]))
        assert seen
        assert all(ref() is None for ref in seen)


def test_nodes_name_the_scope_that_they_were_made_in():
    with scope("first"):
        inside = hg.exp(hg.variable(1.0))
        with scope("second"):
            deeper = hg.exp(inside)
        back = hg.exp(inside)
    outside = hg.exp(inside)
    assert [v.node.scope for v in (inside, deeper, back, outside)] == ["first", "second", "first", ""]


def test_a_node_holds_rule_inputs_and_options():
    v = hg.variable(np.ones((2, 3)))
    out = hg.sum(v, axis=1)
    assert out.node.rule is hg.rules.ALL["sum"]
    assert out.node.inputs == (v,)
    assert out.node.options == {"axis": 1}
    assert v.node.rule is None
