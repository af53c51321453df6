"""IR to machine code: LLVM's own passes, for a target."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import mmap
import os
import threading
from typing import TYPE_CHECKING, Any

import llvmlite.binding as llvm

if TYPE_CHECKING:
    from handgrad.engine.targets.target import Target

SPEED = 2  # LLVM's level of optimisation
PLAIN = 0  # the same, of rows of calls, where it takes LLVM long to save 2 ns of each
TUNED = {"loop_vectorization": False, "slp_vectorization": False, "loop_interleaving": False}
"""What else LLVM is told: vectors are written as such."""

LOCK: Any = getattr(llvm.ffi.lib, "_lock", contextlib.nullcontext())  # llvmlite's, around each call of LLVM
MAPS = 16  # that finished code may need: for its instructions, constants, unwinding, by their rights


class Gate:
    """Calls that may run beside each other, but not while the process forks."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.inside = 0

    def __enter__(self) -> None:
        with self.changed:
            self.inside += 1

    def __exit__(self, *error: object) -> None:
        with self.changed:
            self.inside -= 1
            self.changed.notify_all()

    def close(self) -> None:
        """Wait until nobody is inside, and let nobody in."""
        self.changed.acquire()
        while self.inside:
            self.changed.wait()

    def open(self) -> None:
        self.changed.release()


GATE = Gate()
for _name in ("LLVMPY_RunNewModulePassManager", "LLVMPY_TargetMachineEmitToMemory"):
    # Modules in contexts of their own may be compiled at once; llvmlite lets one thread in at a time.
    if hasattr(getattr(llvm.ffi.lib, _name, None), "_lock"):
        getattr(llvm.ffi.lib, _name)._lock = GATE

if hasattr(os, "register_at_fork"):

    def _close() -> None:
        LOCK.__enter__()
        GATE.close()

    def _open() -> None:
        GATE.open()
        LOCK.__exit__(None, None, None)

    # LLVM has locks of its own too, so a process is forked between its calls.
    os.register_at_fork(before=_close, after_in_parent=_open, after_in_child=_open)


@functools.cache
def _initialised() -> None:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()


@functools.cache
def _all_initialised() -> None:
    llvm.initialize_all_targets()
    llvm.initialize_all_asmprinters()


def host_cpu() -> tuple[str, str]:
    """This computer's processor and its features, as LLVM names them."""
    _initialised()
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


def target_machine(target: Target, speed: int) -> llvm.TargetMachine:
    """What makes code for a target."""
    _initialised()
    options = {"cpu": target.cpu, "features": target.features, "opt": speed}
    if not target.triple:
        here = llvm.Target.from_default_triple()
        return here.create_target_machine(reloc=target.relocation_here, codemodel="jitdefault", **options)
    _all_initialised()
    elsewhere = llvm.Target.from_triple(target.triple)
    return elsewhere.create_target_machine(reloc=target.relocation, codemodel="small", **options)


def key(target: Target, speed: int) -> list[str]:
    """What the machine code of some IR hangs on beside it."""
    return [llvm_version(), target.cpu, target.features, target.triple, f"speed {speed}, {TUNED}"]


def object_code(ir: str, target: Target, speed: int = SPEED) -> bytes:
    """Machine code, as an object file."""
    machine = target_machine(target, speed)
    module = llvm.parse_assembly(ir, llvm.create_context())  # a context of its own, which goes with it
    module.verify()
    module.triple = machine.triple
    if target.triple:
        module.data_layout = str(machine.target_data)
    options = llvm.create_pipeline_tuning_options(speed_level=speed)
    for name, value in TUNED.items():
        setattr(options, name, value)
    builder = llvm.create_pass_builder(machine, options)
    passes = builder.getModulePassManager()
    passes.run(module, builder)
    dispose(passes)
    return machine.emit_object(module)


def dispose(passes: llvm.ModulePassManager) -> None:
    """Free a pass manager, of which llvmlite keeps some 50 kB: it looks for how in the wrong base class."""
    free = getattr(llvm.ffi.lib, "LLVMPY_DisposeNewModulePassManger", None)
    if free is not None and type(passes)._dispose is llvm.ffi.ObjectRef._dispose:
        free(passes)


def give_back() -> None:
    """Let the system have the memory that LLVM needed, where the C library would keep it (glibc)."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


class Native:
    """Machine code in memory, and the addresses of its functions.

    Raises:
        MemoryError: the system has no room for it.
    """

    def __init__(self, objects: list[bytes], target: Target):
        check_room(sum(map(len, objects)))
        empty = llvm.parse_assembly("")
        self.engine = llvm.create_mcjit_compiler(empty, target_machine(target, SPEED))
        for code in objects:
            self.engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self.engine.finalize_object()

    def address(self, name: str) -> int:
        return self.engine.get_function_address(name)


def check_room(size: int) -> None:
    """LLVM ends the process where it gets no memory: ask for as much before it does.

    Raises:
        MemoryError: there is none.
    """
    held = []
    try:
        for i in range(MAPS):  # neighbours of the same rights would be one
            rights = mmap.ACCESS_READ if i % 2 else mmap.ACCESS_WRITE
            held.append(mmap.mmap(-1, size if i == 0 else mmap.PAGESIZE, access=rights))
    except OSError as error:
        raise MemoryError(
            f"the system has no room for {size:,} bytes of machine code: {error.strerror}. A process may "
            f"have only so many pieces of memory; compiled functions need some for each kind of arguments"
        ) from error
    finally:
        for each in held:
            each.close()


def llvm_version() -> str:
    return ".".join(map(str, llvm.llvm_version_info))
