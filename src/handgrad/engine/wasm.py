"""Programs as WebAssembly: a module that imports memory and nothing else, for browsers and node."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from handgrad.engine.assembly import STATUS_WORDS, Assembly
from handgrad.engine.building import Stages
from handgrad.engine.code import check_without_numpy
from handgrad.engine.nodes import Constant, NotCompiled
from handgrad.engine.runtime import native, wasm as writer
from handgrad.engine.runtime.memory import LINE
from handgrad.engine.targets.here import elsewhere
from handgrad.program import Program
from handgrad.tree import leaves

STACK = 1 << 14
PAGE = 1 << 16
MOST = 1 << 32  # bytes that 32 bits address
MOST_AT_ONCE = (1 << 31) - 1  # of one array, within which distances have a sign
POINTER = 4


@dataclasses.dataclass(frozen=True)
class Place:
    """An array in the module's memory: the address of its first element; it lies in order, without gaps."""

    address: int
    shape: tuple[int, ...]
    dtype: str

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


@dataclasses.dataclass(frozen=True)
class Layout:
    """Where things lie in the module's memory. ``dataclasses.asdict`` makes it ready for ``json.dumps``.

    Attributes:
        inputs: for the caller to write before a call, in the order of ``leaves(program.inputs)``.
        outputs: for the caller to read after it, in the order of ``leaves(program.outputs)``.
        constants: which the module brings with it.
        table: a uint32 for each input, constant and output, in this order: its address, which the caller may
            change for one that lies elsewhere in the memory.
        status: four int64: that a checked value was not finite, that an index was out of range, and both
            again for odd steps of a loop.
        arena: between the arrays above; ``arena_bytes`` of it.
        pages: of 65,536 bytes, that the memory must have at least.
    """

    inputs: tuple[Place, ...]
    outputs: tuple[Place, ...]
    constants: tuple[Place, ...]
    table: int
    status: int
    arena: int
    arena_bytes: int
    pages: int


def wasm_module(
    program: Program, donated: dict[int, int] | None = None, values: dict[int, np.ndarray] | None = None
) -> tuple[bytes, Layout]:
    """A program as a WebAssembly module, and where its arrays lie.

    The module imports ``env.memory``, of ``layout.pages`` pages at least, and nothing else, and exports
    ``run()``, which gives 1, or 0 where an index was out of range, or a checked value not finite. It needs
    vectors (``simd128``), bulk memory and saturating conversions, which all browsers have since 2023.

        bytes, layout = wasm_module(trace(f, x))

        const memory = new WebAssembly.Memory({initial: layout.pages});
        const {instance} = await WebAssembly.instantiate(bytes, {env: {memory}});
        new Float32Array(memory.buffer, layout.inputs[0].address, n).set(x);
        instance.exports.run();

    Args:
        program: what to compile, of arrays whose shapes are known.
        donated: for an output (by number) the input (by number) that it is written over.
        values: what inputs (by number) hold from the beginning; the others are for the caller to write.

    Raises:
        NotCompiled: an operation needs NumPy or the C library, of which WebAssembly has neither.
        MemoryError: the arrays take more than the 4 GiB that a module addresses, or one, or all that lie in
            between, 2 GiB.
    """
    assembly = Stages(program, donated or {}, elsewhere("wasm32"), workers=1).assembly
    check_without_numpy(assembly.schedule, "WebAssembly")
    memory = Memory(STACK)
    layout = _laid_out(program, assembly, memory, donated or {})
    places = {name: getattr(layout, name) for name in ("table", "status", "arena")}
    ir = assembly.text() + ENTRY.format(**places, words=8 * STATUS_WORDS)
    code = writer.Object(native.object_code(ir, assembly.target))
    if code.unknown:
        raise NotCompiled(f"WebAssembly has no C library, whose {', '.join(code.unknown)} is needed")
    own = memory.take(sum(len(content) + LINE for _, content in code.segments()))
    layout = dataclasses.replace(layout, pages=memory.pages)
    addresses = [place.address for place in (*layout.inputs, *layout.constants, *layout.outputs)]
    data = [(layout.table, np.array(addresses, np.uint32).tobytes())]
    constants = [node.value for node in assembly.table if isinstance(node, Constant)]
    data += [(place.address, v.tobytes()) for place, v in zip(layout.constants, constants, strict=True)]
    data += [(layout.inputs[n].address, held(v, layout.inputs[n])) for n, v in (values or {}).items()]
    return writer.module(code, ["run"], layout.pages, STACK, own, data), layout


ENTRY = """
declare void @llvm.memset.p0.i32(ptr, i8, i32, i1)
declare i64 @llvm.vector.reduce.or.v4i64(<4 x i64>)

define i32 @run() {{
  call void @llvm.memset.p0.i32(ptr inttoptr (i32 {status} to ptr), i8 0, i32 {words}, i1 false)
  call void @run0(ptr inttoptr (i32 {table} to ptr), ptr inttoptr (i32 {arena} to ptr),
    ptr inttoptr (i32 {status} to ptr), ptr null, i64 0, ptr null)
  %flags = load <4 x i64>, ptr inttoptr (i32 {status} to ptr), align 8
  %any = call i64 @llvm.vector.reduce.or.v4i64(<4 x i64> %flags)
  %fine = icmp eq i64 %any, 0
  %short = zext i1 %fine to i32
  ret i32 %short
}}
"""


class Memory:
    """Room in the module's memory, given out from an address on."""

    def __init__(self, start: int):
        self.end = start

    def take(self, size: int) -> int:
        """The address of ``size`` bytes.

        Raises:
            MemoryError: they are too many, or end beyond what a module addresses.
        """
        if size > MOST_AT_ONCE:
            raise MemoryError(f"arrays of {size:,} bytes: a module holds {MOST_AT_ONCE:,} in one piece")
        start = self.end
        self.end = -(-(start + size) // LINE) * LINE
        if self.end > MOST:
            raise MemoryError(f"the program's arrays end at byte {self.end:,}: a module addresses {MOST:,}")
        return start

    @property
    def pages(self) -> int:
        return -(-self.end // PAGE)


def held(value: np.ndarray, place: Place) -> bytes:
    """The bytes of what an input holds from the beginning.

    Raises:
        ValueError: another shape or dtype than the input's.
    """
    if (value.shape, str(value.dtype)) != (place.shape, place.dtype):
        raise ValueError(f"an input of {place.dtype} {place.shape} was given {value.dtype} {value.shape}")
    return value.tobytes()


def _laid_out(program: Program, assembly: Assembly, memory: Memory, donated: dict[int, int]) -> Layout:
    """A place for each array; outputs that are written over an input have that one's."""

    def place(x: Any) -> Place:
        dtype = np.dtype(x.dtype)
        return Place(memory.take(math.prod(x.shape) * dtype.itemsize), tuple(x.shape), str(dtype))

    inputs = [place(x) for x in leaves(program.inputs) if hasattr(x, "program")]
    constants = [place(node) for node in assembly.table if isinstance(node, Constant)]
    made = [x for x in leaves(program.outputs) if hasattr(x, "dtype")]
    outputs = [inputs[donated[i]] if i in donated else place(x) for i, x in enumerate(made)]
    return Layout(
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        constants=tuple(constants),
        table=memory.take(POINTER * len(assembly.table)),
        status=memory.take(8 * STATUS_WORDS),
        arena=memory.take(assembly.arena_bytes),
        arena_bytes=assembly.arena_bytes,
        pages=memory.pages,
    )
