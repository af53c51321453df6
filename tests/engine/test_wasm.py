"""Programs as WebAssembly; ``make test-wasm`` runs every rule's."""

import dataclasses
import itertools
import shutil

import numpy as np
import pytest

import handgrad as hg
from handgrad.arrays import xp
from handgrad.engine import wasm_module
from handgrad.engine.nodes import NotCompiled
from handgrad.engine.runtime import native, wasm as writer
from handgrad.engine.targets.here import elsewhere
from handgrad.layers import mlp
from handgrad.program import repeated, trace
from tests.engine.support import arrays_in, assert_right
from tests.engine.test_other_processors import a_step as a_step_with_adam
from tests.engine.wasm import NODE, run_in_node

needs_node = pytest.mark.skipif(shutil.which(NODE) is None, reason="there is no node")


def a_step(widths, batch):
    """A step of gradient descent: new parameters and the loss."""
    net = mlp(widths, seed=0).train()

    def step(params, x, t):
        loss, grads = hg.value_and_grad(lambda p: hg.softmax_cross_entropy(net.bind(p)(x), t))(params)
        return {name: p - np.float32(0.1) * grads[name] for name, p in params.items()}, loss

    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((batch, widths[0]), np.float32), rng.integers(widths[-1], size=batch)
    args = [net.parameters(), x, t]
    return trace(step, *args), args


TABLE = np.arange(1, 8, dtype=np.float32)
PROGRAMS = {
    "a step": a_step([20, 33, 5], 7),
    "a step with Adam": a_step_with_adam([20, 33, 5], 8),
    "a constant": (trace(lambda x: x * TABLE, TABLE), [TABLE]),
    "sines by two kernels": (trace(lambda x: (xp.sin(x), xp.sum(xp.cos(x * 1e9))), TABLE), [TABLE]),
    "nothing": (trace(lambda x: x[:0], TABLE), [TABLE]),
    "no input": (trace(lambda: xp.asarray(TABLE) * 1), []),
    "a scalar": (trace(lambda x: xp.sum(x), TABLE), [TABLE]),
    "products": (trace(lambda x: (x @ x.T, x.T @ x), np.eye(40, 70)), [np.eye(40, 70)]),
}


def sections(module):
    """The numbers of a module's sections, in order."""
    assert module[:8] == writer.MAGIC
    reader, found = writer.Reader(module, 8), []
    while reader:
        found.append(reader.byte())
        reader.take(reader.number())
    assert reader.at == len(module)
    return found


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_module_asks_for_memory_and_nothing_else(name):
    module, layout = wasm_module(PROGRAMS[name][0])
    assert sections(module) == sorted(sections(module))
    assert writer.Object(module).imports == [(writer.MEMORY, "memory")]
    places = [*layout.inputs, *layout.constants, *layout.outputs]
    ends = [(place.address, place.address + place.nbytes) for place in places]
    ends += [(layout.arena, layout.arena + layout.arena_bytes)]
    ordered = sorted(end for end in ends if end[0] < end[1])
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(ordered))
    assert max(end for _, end in ends) <= layout.pages * 65536


@needs_node
def test_modules_in_node(tmp_path):
    made = [(*wasm_module(program), arrays_in(args)) for program, args in PROGRAMS.values()]
    for (fine, got), (program, args) in zip(run_in_node(tmp_path, made), PROGRAMS.values(), strict=True):
        assert fine
        assert_right(got, program, args)


@needs_node
def test_many_steps_over_their_own_parameters(tmp_path):
    """Each on examples of its own, until one whose label is out of range."""
    program, (params, x, t) = a_step([20, 33, 5], 7)
    steps = repeated(program, len(params), moving=2, length=4)
    module, layout = wasm_module(steps, donated={i: i for i in range(len(params))})
    assert layout.outputs[: len(params)] == layout.inputs[: len(params)]
    xs, ts = np.stack([x, 2 * x, -x, x]), np.stack([t, t[::-1], t, t])
    for asked, bad in ((4, 4), (3, 4), (4, 2), (4, 0)):
        labels, count = ts.copy(), min(asked, bad)
        labels[bad:, 3] = 9
        given = [*params.values(), xs, labels, np.array(asked)]
        ((fine, (*got, made, losses)),) = run_in_node(tmp_path, [(module, layout, given)])
        assert (made, fine) == (count, asked == count)
        wanted = params
        for step in range(count):
            wanted, value = program(wanted, xs[step], ts[step])
            np.testing.assert_allclose(losses[step], value, rtol=1e-5)
        if asked == count:
            for mine, theirs in zip(got, wanted.values(), strict=True):
                np.testing.assert_allclose(mine, theirs, rtol=1e-4, atol=1e-6)


OBJECT = """
@numbers = internal constant [4 x i32] [i32 7, i32 11, i32 13, i32 17]
@place = internal global i32 5
@two = internal global i32 2
@there = internal global ptr getelementptr (i8, ptr @numbers, i32 8)

define i32 @run() {
  %n = load volatile i32, ptr @two
  %room = alloca [64 x i32], align 16
  call void @fill(ptr %room)
  %i = and i32 %n, 3
  %at = getelementptr i32, ptr @numbers, i32 %i
  %x = load i32, ptr %at
  %y = load i32, ptr @place
  %elsewhere = getelementptr i32, ptr %room, i32 %y
  %z = load i32, ptr %elsewhere
  store i32 100, ptr @place
  %sum = add i32 %x, %y
  %all = add i32 %sum, %z
  ret i32 %all
}

define internal void @fill(ptr %room) noinline {
  br label %again
again:
  %k = phi i32 [ 0, %0 ], [ %next, %again ]
  %at = getelementptr i32, ptr %room, i32 %k
  store volatile i32 %k, ptr %at
  %next = add i32 %k, 1
  %more = icmp slt i32 %next, 64
  br i1 %more, label %again, label %done
done:
  ret void
}
"""


@needs_node
def test_an_object_with_data_and_a_stack(tmp_path):
    """Its addresses are those where its data lie, and its stack is the module's own."""
    target = elsewhere("wasm32")
    code = writer.Object(native.object_code(OBJECT, target))
    assert len(code.segments()) >= 2
    assert (writer.GLOBAL, "__stack_pointer") in code.imports
    layout = dataclasses.replace(wasm_module(PROGRAMS["nothing"][0])[1], inputs=(), outputs=(), pages=2)
    for data_at in (4096, 70_000):
        module = writer.module(code, ["run"], 2, 4096, data_at, [])
        ((made, _),) = run_in_node(tmp_path, [(module, layout, [])])
        assert made == 13 + 5 + 5


def test_what_needs_a_library_is_refused_by_name():
    x = np.ones(3)
    with pytest.raises(
        NotCompiled, match="WebAssembly has no NumPy, which is needed: argsort, in sort: the engine has"
    ):
        wasm_module(trace(lambda x: np.sort(x), x))
    calls = """
    declare double @sin(double)
    define double @run(double %x) {
      %y = call double @sin(double %x)
      ret double %y
    }"""
    assert writer.Object(native.object_code(calls, elsewhere("wasm32"))).unknown == ["sin"]


def test_arrays_as_large_as_a_module_addresses():
    """Two of 1.4 GB, with results beyond the first 2 GiB; not three, and not one of 2 GiB."""
    large = np.broadcast_to(np.float32(0), 360_000_000)
    program = trace(lambda x, y: x[-4:] * 2 + y[::120_000_000][:1], large, large)
    module, layout = wasm_module(program)
    assert 1 << 31 < layout.outputs[0].address < layout.pages * 65536 < 3e9
    assert wasm_module(program)[0] == module
    with pytest.raises(MemoryError, match=r"end at byte 4,320,[0-9,]*: a module addresses 4,294,967,296"):
        wasm_module(trace(lambda *xs: sum(x[-4:] for x in xs), large, large, large))
    with pytest.raises(MemoryError, match=r"arrays of 2,147,483,648 bytes: a module holds 2,147,483,647"):
        wasm_module(trace(lambda x: x[:3], np.broadcast_to(np.float32(0), 1 << 29)))


def test_numbers_as_a_module_has_them():
    for n in (number for k in range(1, 64) for number in (2**k - 1, 2**k)):
        assert writer.Reader(writer.number(n)).number() == n
        assert writer.Reader(writer.signed(-n)).number(signed=True) == -n
        assert writer.Reader(writer.signed(n, 5)).number(signed=True) == n
