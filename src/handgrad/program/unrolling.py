"""Scans written out, step after step, for an engine that has no loops."""

from __future__ import annotations

from typing import Any

from handgrad.arrays import loops
from handgrad.program.draft import Draft, rewrite
from handgrad.program.program import Operation, Program

MOST = 20_000  # operations, of all steps


def unrolled(program: Program) -> Program:
    """The same without loops.

    Raises:
        TypeError: a scan is too long.
    """
    return rewrite(program, _written_out, of="scan")


def _written_out(draft: Draft, operation: Operation) -> Any:
    weights, carry, xs = operation.args
    body, length = unrolled(operation.options["body"]), operation.options["length"]
    if length * len(body.operations) > MOST:
        raise TypeError(
            f"a scan of {length} steps of {len(body.operations)} operations is too long to write out"
        )
    reverse = operation.options["reverse"]
    steps: list[list] = []
    for t in loops.order(length, reverse):
        carry, ys = inlined(draft, body, [weights, carry, [draft.emit("getitem", x, t) for x in xs]])
        steps.append(ys)
    if not steps:
        return None
    columns = zip(*(steps[::-1] if reverse else steps), strict=True)
    return (*carry, *(draft.emit("stack", list(ys), axis=0) for ys in columns))


def inlined(draft: Draft, body: Program, given: Any) -> Any:
    """The lines of a body, of what it is given; and its outputs."""
    known: dict[int, Any] = {}
    for group, values in zip(body.inputs, given, strict=True):
        known.update(zip(map(id, group), values, strict=True))
    inside = Draft(body)
    inside.became = known
    for line in body.operations:
        operation = inside.updated(line)
        known[id(line.out)] = draft.emit(operation.name, *operation.args, **operation.options)
    return inside.now(body.outputs)
