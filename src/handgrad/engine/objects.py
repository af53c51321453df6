"""Programs as object files that C links, with a header: one function, of pointers to arrays."""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from handgrad.engine.assembly import STATUS_WORDS
from handgrad.engine.building import Stages
from handgrad.engine.code import check_without_numpy
from handgrad.engine.nodes import Constant
from handgrad.engine.runtime import native
from handgrad.engine.runtime.memory import LINE
from handgrad.engine.targets.here import elsewhere
from handgrad.engine.targets.target import Target
from handgrad.program import Program
from handgrad.tree import leaves

TYPES = {
    "float64": "double", "float32": "float", "float16": "uint16_t", "bool": "uint8_t", "int64": "int64_t",
    "int32": "int32_t", "int16": "int16_t", "int8": "int8_t", "uint64": "uint64_t", "uint32": "uint32_t",
    "uint16": "uint16_t", "uint8": "uint8_t",
}  # fmt: skip
"""C's types."""


def object_file(
    name: str, program: Program, donated: dict[int, int] | None = None, target: Target | None = None
) -> tuple[bytes, int]:
    """An object file whose one function has that name, and how many bytes of scratch memory it needs.

    Raises:
        NotCompiled: an operation needs NumPy.
    """
    assembly = Stages(program, donated or {}, target or elsewhere("sse2"), workers=1).assembly
    check_without_numpy(assembly.schedule, "an object file")
    inputs = [x for x in leaves(program.inputs) if hasattr(x, "program")]
    outputs = [x for x in leaves(program.outputs) if hasattr(x, "dtype")]
    constants = [node.value for node in assembly.table if isinstance(node, Constant)]
    parameters = [f"%i{n}" for n in range(len(inputs))]
    own = [f"%o{n}" for n in range(len(outputs)) if n not in (donated or {})]
    made = [f"%i{donated[n]}" if donated and n in donated else f"%o{n}" for n in range(len(outputs))]
    table = [*parameters, *(f"@constant.{n}" for n in range(len(constants))), *made]
    ir = re.sub(r"define +void @run0\(", "define internal void @run0(", assembly.text()) + entry(
        name, [*parameters, *own], table
    )
    ir += "".join(constant(f"@constant.{n}", value) for n, value in enumerate(constants))
    return native.object_code(ir, assembly.target), max(assembly.arena_bytes, 1)


def entry(name: str, parameters: list[str], table: list[str]) -> str:
    """The function that C calls: it makes the table of addresses, and tells whether all went well."""
    stores = "".join(
        f"  %p{n} = getelementptr ptr, ptr %table, i64 {n}\n  store ptr {x}, ptr %p{n}\n"
        for n, x in enumerate(table)
    )
    given = ", ".join(f"ptr {x}" for x in [*parameters, "%scratch"])
    flags = "".join(
        f"  %f{n} = getelementptr i64, ptr %status, i64 {n}\n  %v{n} = load i64, ptr %f{n}\n"
        for n in range(STATUS_WORDS)
    )
    any_flag = "".join(
        f"  %any{n} = or i64 {f'%any{n - 1}' if n else 0}, %v{n}\n" for n in range(STATUS_WORDS)
    )
    return f"""
define i32 @{name}({given}) {{
  %table = alloca [{max(len(table), 1)} x ptr], align 8
  %status = alloca [{STATUS_WORDS} x i64], align 8
  store [{STATUS_WORDS} x i64] zeroinitializer, ptr %status
{stores}  call void @run0(ptr %table, ptr %scratch, ptr %status, ptr null, i64 0, ptr null)
{flags}{any_flag}  %fine = icmp eq i64 %any{STATUS_WORDS - 1}, 0
  %result = zext i1 %fine to i32
  ret i32 %result
}}
"""


def constant(name: str, value: np.ndarray) -> str:
    content = "".join(f"\\{byte:02X}" for byte in value.tobytes())
    return f'{name} = private unnamed_addr constant [{value.nbytes} x i8] c"{content}", align {LINE}\n'


HEADER = """/* {name}: {about}

   Written by handgrad. Returns 1, or 0 where an index was out of range or a checked value not finite.
   Arrays lie in order, the last axis fastest. scratch is memory of {scratch_name} bytes, aligned to
   {line}, which the call writes to; calls at once need one each. Link with -lm. */
#ifndef {guard}
#define {guard}

#include <stdint.h>

#define {scratch_name} {scratch}

#ifdef __cplusplus
extern "C" {{
#endif

int {name}(
{parameters}
    void *scratch
);

#ifdef __cplusplus
}}
#endif

#endif
"""


def header(
    name: str, about: str, arrays: list[tuple[dict[str, Any], bool]], donated: dict[int, int], scratch: int
) -> str:
    """The C header of ``object_file``.

    Args:
        arrays: inputs and outputs by name, and whether they are inputs.
    """
    written = set(donated.values())
    lines, taken = [], {"scratch"}
    for named, is_input in arrays:
        for n, (key, x) in enumerate(named.items()):
            if not is_input and n in donated:
                continue
            own = free_name(key, taken)
            constant = "const " * (is_input and n not in written)
            size = " x ".join(map(str, x.shape)) or "a number"
            also = ", written over" if is_input and n in written else ""
            lines.append(f"    {constant}{TYPES[str(np.dtype(x.dtype))]} *{own}, /* {key}: {size}{also} */")
    upper = name.upper()
    return HEADER.format(
        name=name, about=about.replace("*/", "* /"), guard=f"{upper}_H",
        scratch_name=f"{upper}_SCRATCH_BYTES", scratch=scratch, line=LINE, parameters="\n".join(lines),
    )  # fmt: skip


def free_name(key: str, taken: set[str]) -> str:
    """A name for C that is not taken yet."""
    name = re.sub(r"\W", "_", key, flags=re.ASCII)
    while name in taken:
        name += "_"
    taken.add(name)
    return name
