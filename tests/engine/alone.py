"""A contraction by itself, as machine code: sums over loops of the product of two arrays at affine places."""

import numpy as np

from handgrad.engine.access import affine
from handgrad.engine.emit.ir import I64, PTR, Module, i64
from handgrad.engine.kernels.product.contraction import Inside, Operand
from handgrad.engine.kernels.product.kernel import Contract, ContractKernel
from handgrad.engine.kernels.product.product import Product
from handgrad.engine.lowering import Load
from handgrad.engine.nodes import Input
from handgrad.engine.runtime import native
from handgrad.engine.runtime.memory import addresses, aligned
from handgrad.engine.runtime.team import team
from handgrad.engine.schedule import slices
from handgrad.engine.targets.here import this_computer

POINTERS = ("x", "y", "out", "scratch")


class Alone:
    """out[...] = Σ x[...]·y[...], called with the three arrays.

    Args:
        shape: of the output, whose axes are the first loops.
        sums: sizes of the loops that are summed, the next ones.
        x, y: where an element begins, and how far apart the turns of each loop lie, by the loop's number; for
            each axis that is read beyond its border the same of its coordinate, and its size.
        apart: the loop that threads divide.
    """

    def __init__(
        self, shape, sums, x, y, dtype=np.float32, threads=1, apart=None, target=None, in_pairs=False
    ):
        self.threads, target = threads, target or this_computer()
        dtype = np.dtype(dtype)
        nodes = [Input((), dtype) for _ in range(2)]
        out = Contract(tuple(shape), dtype, *nodes, (), (), (*shape, *sums))
        operands = tuple(
            Operand(
                Load(node, affine(start, dict(strides)), (), dtype),
                tuple(Inside(affine(first, moves), size) for first, moves, size in guards),
            )
            for node, (start, strides, *guards) in zip(nodes, (x, y), strict=True)
        )
        kernel = ContractKernel(out, [operands])
        kernel.partition = apart if threads > 1 else None
        parts = [] if kernel.partition is None else slices(shape[apart], threads)
        self.product = Product(kernel, parts, target, in_pairs)
        module = Module(target)
        parameters = [*((name, PTR, "noalias") for name in POINTERS), ("thread", I64, ""), ("yield", PTR, "")]
        f = module.function("run", parameters)
        pointers = dict(zip((*nodes, out), f.args, strict=False))
        scratch = f.load(f.offset(f.args[3], f.args[4], "ptr"), PTR)  # each thread's own
        self.product.emit(f, pointers, scratch, f.args[4], i64(0))
        self.ir = str(module)
        self.native = native.Native([native.object_code(self.ir, target)], target)
        self.run = self.native.address("run")
        self.scratch = [aligned(self.product.scratch_bytes) for _ in range(threads)]

    def __call__(self, x, y, out):
        scratch = np.array(addresses(self.scratch))
        given = np.array(addresses([x, y, out, scratch]))
        team(self.threads).run(self.run, given.ctypes.data)
        return out
