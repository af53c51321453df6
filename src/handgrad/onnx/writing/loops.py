"""A scan of a program as ONNX's Scan, whose body is a graph that sees what is around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import helper

from handgrad.onnx.writing.sizes import Size
from handgrad.onnx.writing.writer import NotInOnnx, Writer, described
from handgrad.program.program import Operation, Program


def scan(w: Writer, o: Operation, write: Callable[[Writer, Program], None]) -> list[str]:
    weights, carry, xs = o.args
    body, length, reverse = o.options["body"], o.options["length"], bool(o.options.get("reverse"))
    if isinstance(length, Size):
        raise NotInOnnx("a loop over the batch")
    if not length:
        return [w.value(x) for x in carry] + [
            w.value(np.zeros(out.shape, out.dtype)) for out in o.outs[len(carry) :]
        ]
    sequences = [w.value(x) for x in xs] or [w.constant(np.arange(length))]
    start = [w.value(c, own.dtype) for c, own in zip(carry, body.inputs[1], strict=True)]
    names = {id(own): w.value(weight, own.dtype) for own, weight in zip(body.inputs[0], weights, strict=True)}
    inside = Writer(w)
    inside.names |= names
    taken = []
    for own in [*body.inputs[1], *body.inputs[2]]:
        inside.names[id(own)] = inside.fresh(f"step_{own.name}")
        taken.append(described(inside.names[id(own)], own.dtype, own.shape))
    if not xs:
        taken.append(described(inside.fresh("step_number"), np.int64, ()))
    write(inside, body)
    given: list[Any] = []
    for out, like in zip([*body.outputs[0], *body.outputs[1]], o.outs, strict=True):
        is_carried = len(given) < len(carry)
        name = inside.node("Identity", inside.value(out, like.dtype))
        given.append(described(name, like.dtype, like.shape if is_carried else like.shape[1:]))
    graph = helper.make_graph(inside.nodes, inside.fresh("body"), taken, given)
    back = int(reverse)
    return w.several(
        "Scan",
        len(o.outs),
        *start,
        *sequences,
        body=graph,
        num_scan_inputs=len(sequences),
        scan_input_directions=[back] * len(sequences),
        scan_output_directions=[back] * len(body.outputs[1]) or None,
    )
