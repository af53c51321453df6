"""Code for processors that may not be here: it is written, and LLVM takes it; ``make test-arm`` runs some."""

import itertools

import llvmlite.binding as llvm
import numpy as np
import pytest

import handgrad as hg
from handgrad.engine.runtime import native
from handgrad.engine.targets import arm, x86
from handgrad.engine.targets.here import at_level, elsewhere, levels
from handgrad.engine.targets.target import Target
from handgrad.layers import mlp
from handgrad.optim import Adam
from handgrad.program import trace
from tests.engine.support import assembled

LEVELS = pytest.mark.parametrize("level", ["neon", "sse2", "avx2", "avx512"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
NETWORKS = [  # widths, batch
    ([784, 64, 10], 100),
    ([784, 512, 512, 10], 128),
    ([64, 64, 64, 10], 32),
    ([20, 96, 96, 5], 8),
    ([64, 10], 27),
    ([64, 5, 64, 2], 7),
    ([65, 32, 48, 11], 66),
    ([128, 50, 10], 33),
    ([100, 130, 3], 70),
    ([4, 16, 3], 30),
    ([13, 1], 1),
]


def verified(text, level):
    """The IR as LLVM understands it, which has no instruction of another kind of processor."""
    assert level != "neon" or "x86" not in text
    assert level != "sse2" or "avx512" not in text
    native._initialised()
    module = llvm.parse_assembly(text, llvm.create_context())
    module.verify()


def a_step(widths, batch, dtype=np.float32):
    """A training step as a program, and its arguments."""
    net, optimiser = mlp(widths, seed=0, dtype=dtype).train(), Adam()

    def step(params, moments, x, t, lr, n):
        loss, grads = hg.value_and_grad(lambda p: hg.softmax_cross_entropy(net.bind(p)(x), t))(params)
        return loss, {k: optimiser.update(params[k], grads[k], moments[k], lr, n) for k in grads}

    rng = np.random.default_rng(0)
    x, t = rng.standard_normal((batch, widths[0])).astype(dtype), rng.integers(widths[-1], size=batch)
    params = net.parameters()
    moments = {name: optimiser.init(p) for name, p in params.items()}
    args = [params, moments, x, t, np.float64(0.01), np.float64(1)]
    return trace(step, *args), args


@LEVELS
@DTYPES
def test_products_of_every_small_shape(dtype, level):
    """Of rows by rows, which are made otherwise from a depth on."""
    sizes = itertools.product((1, 3, 8, 17), (1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 33), (3, 64))
    shapes = [((M, K), (N, K)) for M, N, K in sizes]
    given = [tuple(np.zeros(shape, dtype) for shape in pair) for pair in shapes]
    program = trace(lambda pairs: [x @ y.T for x, y in pairs], given)
    for threads in (1, 3):
        verified(assembled(program, elsewhere(level), threads).text(), level)


@pytest.mark.parametrize(("widths", "batch"), NETWORKS, ids=str)
def test_steps_of_training(widths, batch):
    program, _ = a_step(widths, batch)
    for level, threads in (("neon", 1), ("neon", 2), ("sse2", 2)):
        verified(assembled(program, elsewhere(level), threads).text(), level)


@LEVELS
def test_machine_code(level):
    """An object file; the kind of computer stands in its head (ELF's e_machine)."""
    target = elsewhere(level)
    text = assembled(a_step([20, 96, 5], 8)[0], target, 2).text()
    code = native.object_code(text, target)
    assert code[:4] == b"\x7fELF"
    assert int.from_bytes(code[18:20], "little") == (183 if level == "neon" else 62)


def test_targets_elsewhere():
    neon = elsewhere("neon")
    assert (type(neon), neon.vector_bytes, neon.registers) == (arm.Arm, 16, 32)
    assert type(elsewhere("avx2")) is x86.X86
    assert {type(at_level(level)) for level in levels()} <= {x86.X86, arm.Arm, Target}
    with pytest.raises(ValueError, match=r"code is made for avx512, avx2, sse2, neon.*, not for 'mmx'"):
        elsewhere("mmx")
