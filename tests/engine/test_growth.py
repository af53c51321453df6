"""How much work a program takes to compile: in calls, which no load of the machine changes."""

import sys

import numpy as np
import pytest

import handgrad as hg
from handgrad.engine.assembly import Assembly
from handgrad.engine.build import nodes_of
from handgrad.engine.fusion import kernels_of
from handgrad.engine.rewrite import rewritten
from handgrad.engine.schedule import scheduled
from handgrad.engine.targets.here import this_computer
from handgrad.program import trace
from handgrad.program.passes import optimise


def calls(f):
    """How many calls f makes, and what it gives."""
    count = 0

    def seen(frame, event, arg):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(seen)
    try:
        made = f()
    finally:
        sys.setprofile(before)
    return count, made


def layers(n, width=16, batch=8):
    """A network of n equal layers, with its gradients and an update by Adam."""
    rng = np.random.default_rng(0)
    params = [
        {k: rng.standard_normal((width, width) if k == "W" else (width,)) for k in "Wb"} for _ in range(n)
    ]
    state = [{k: (np.zeros_like(p), np.zeros_like(p)) for k, p in layer.items()} for layer in params]

    def loss(params, x):
        for p in params:
            x = hg.tanh(hg.affine(x, p["W"], p["b"]))
        return hg.mean(hg.square(x))

    return loss, params, state, rng.standard_normal((batch, width))


def blocks(n, T=4, D=8, H=2, N=2):
    """n blocks of attention and two layers."""
    rng = np.random.default_rng(0)
    shapes = {"Q": (D, 3 * D), "O": (D, D), "U": (D, 4 * D), "V": (4 * D, D), "g": (D,), "b": (D,)}
    params = [{k: rng.standard_normal(s) / 4 for k, s in shapes.items()} for _ in range(n)]
    state = [{k: (np.zeros_like(p), np.zeros_like(p)) for k, p in block.items()} for block in params]

    def norm(x, p):
        m, v = hg.mean(x, axis=-1, keepdims=True), hg.var(x, axis=-1, keepdims=True)
        return (x - m) / hg.sqrt(v + 1e-5) * p["g"] + p["b"]

    def loss(params, x):
        for p in params:
            q, k, v = (
                hg.transpose(hg.reshape(part, (N, T, H, D // H)), (0, 2, 1, 3))
                for part in hg.split(norm(x, p) @ p["Q"], 3, axis=2)
            )
            y = hg.softmax(q @ hg.transpose(k, (0, 1, 3, 2))) @ v
            x = x + hg.reshape(hg.transpose(y, (0, 2, 1, 3)), (N, T, D)) @ p["O"]
            x = x + hg.gelu(norm(x, p) @ p["U"]) @ p["V"]
        return hg.mean(hg.square(x))

    return loss, params, state, rng.standard_normal((N, T, D))


def program_of(loss, params, state, x):
    def step(params, state, x):
        value, grads = hg.value_and_grad(loss)(params, x)
        moved, kept = [], []
        for p, g, s in zip(params, grads, state, strict=True):
            moments = {k: (0.9 * m + 0.1 * g[k], 0.99 * v + 0.01 * g[k] * g[k]) for k, (m, v) in s.items()}
            moved.append({k: p[k] - 1e-3 * m / (hg.sqrt(v) + 1e-8) for k, (m, v) in moments.items()})
            kept.append(moments)
        return moved, kept, value

    return trace(step, params, state, x)


def steps(program, over):
    """The calls of each part of the way from a program to modules, and how many of these there are."""
    target = this_computer()
    found = {}
    found["optimise"], program = calls(lambda: optimise(program))
    found["nodes"], graph = calls(lambda: rewritten(nodes_of(program)))
    found["fusion"], kernels = calls(lambda: kernels_of(graph))
    onto = {graph.outputs[i]: graph.inputs[i] for i in range(over)}
    found["schedule"], schedule = calls(lambda: scheduled(kernels, 2, graph.outputs, onto))
    found["assembly"], assembly = calls(
        lambda: Assembly(schedule, graph.inputs, graph.outputs, target).texts()
    )
    return found, len(assembly.modules) if hasattr(assembly, "modules") else len(assembly)


@pytest.mark.parametrize("network", [layers, blocks])
def test_work_grows_with_the_program_and_no_faster(network):
    """Four times the layers take four times the calls; the modules are as many as for a few layers."""
    few, more = 10, 40
    found = {}
    for n in (few, more):
        loss, params, state, x = network(n)
        arrays = 3 * sum(len(layer) for layer in params)
        found[n] = steps(program_of(loss, params, state, x), arrays)
    (before, modules), (after, as_many) = found[few], found[more]
    for part, count in after.items():
        assert count < 1.15 * more / few * before[part], f"{part}: {before[part]} calls, then {count}"
    assert as_many <= modules + 2
