"""Control flow, sequences, transforms and windows: lists are sequences, None is what is not there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx

from handgrad import rules
from handgrad.arrays import shape


def if_(condition: Any, *, then_branch: Callable, else_branch: Callable) -> tuple:
    return tuple(then_branch() if np.asarray(condition).reshape(()) else else_branch())


def loop(count: Any, going: Any, *states: Any, body: Callable) -> tuple:
    """States go from step to step; what a step gives beside them is stacked."""
    rows: list[list] = []
    i, going = 0, True if going is None else bool(going)
    while going and (count is None or i < int(count)):
        more, *made = body(np.array(i, np.int64), np.array(True), *states)
        going, states = bool(more), tuple(made[: len(states)])
        rows.append(made[len(states) :])
        i += 1
    return *states, *(np.stack(column) for column in zip(*rows, strict=True))


def scan(
    *given: Any,
    body: Callable,
    num_scan_inputs: int,
    scan_input_axes: Any = None,
    scan_input_directions: Any = None,
    scan_output_axes: Any = None,
    scan_output_directions: Any = None,
    opset: int = 9,
) -> tuple:
    if opset == 8:
        return scan_of_batches(*given[1:], body=body, num_scan_inputs=num_scan_inputs)
    states, xs = given[:-num_scan_inputs], list(given[-num_scan_inputs:])
    xs = [np.moveaxis(x, axis, 0) for x, axis in zip(xs, scan_input_axes or [0] * len(xs), strict=True)]
    xs = [x[::-1] if back else x for x, back in zip(xs, scan_input_directions or [0] * len(xs), strict=True)]
    rows = []
    for step in zip(*xs, strict=True):
        made = body(*states, *step)
        states = tuple(made[: len(states)])
        rows.append(made[len(states) :])
    outs = [np.stack(column) for column in zip(*rows, strict=True)]
    outs = [
        y[::-1] if back else y
        for y, back in zip(outs, scan_output_directions or [0] * len(outs), strict=True)
    ]
    return *states, *(
        np.moveaxis(y, 0, a) for y, a in zip(outs, scan_output_axes or [0] * len(outs), strict=True)
    )


def scan_of_batches(*given: Any, body: Callable, num_scan_inputs: int) -> tuple:
    batches = [scan(*one, body=body, num_scan_inputs=num_scan_inputs) for one in zip(*given, strict=True)]
    return tuple(np.stack(column) for column in zip(*batches, strict=True))


def number(x: Any) -> int:
    return int(np.asarray(x).reshape(()))


def inserted(sequence: list, x: Any, at: Any = None) -> tuple:
    out = list(sequence)
    out.insert(len(out) if at is None else number(at), x)
    return (out,)


def erased(sequence: list, at: Any = None) -> tuple:
    out = list(sequence)
    del out[-1 if at is None else number(at)]
    return (out,)


def split_to_sequence(x: Any, sizes: Any = None, *, axis: int = 0, keepdims: int = 1) -> tuple:
    n = shape(x)[axis]
    if sizes is None:
        parts = np.split(x, n, axis=axis)
        return ([p if keepdims else np.squeeze(p, axis) for p in parts],)
    places = range(int(sizes), n, int(sizes)) if np.ndim(sizes) == 0 else np.cumsum(sizes)[:-1]
    return (np.split(x, list(places), axis=axis),)


def concat_from_sequence(sequence: list, *, axis: int, new_axis: int = 0) -> Any:
    return (rules.stack if new_axis else rules.concatenate)(list(sequence), axis=axis)


def sequence_map(first: list, *others: Any, body: Callable) -> tuple:
    rows = []
    for i, x in enumerate(first):
        rows.append(body(x, *(other[i] if isinstance(other, list) else other for other in others)))
    return tuple(list(column) for column in zip(*rows, strict=True))


def complex_of(x: Any) -> np.ndarray:
    return x[..., 0] + 1j * x[..., 1] if shape(x)[-1] == 2 else x[..., 0]


def dft(
    x: Any, length: Any = None, where: Any = None, *, inverse: int = 0, onesided: int = 0, axis: int = -2
) -> Any:
    """Of complex numbers as pairs, which are the last axis."""
    axis = int(axis if where is None else where)
    axis = axis + 1 if axis < 0 else axis
    n = None if length is None else int(length)
    values = complex_of(x)
    if onesided and inverse:
        return np.fft.irfft(values, n, axis=axis)[..., None].astype(x.dtype)
    out = np.fft.ifft(values, n, axis=axis) if inverse else np.fft.fft(values, n, axis=axis)
    if onesided:
        out = np.take(out, range(out.shape[axis] // 2 + 1), axis=axis)
    return np.stack([out.real, out.imag], axis=-1).astype(x.dtype)


def stft(x: Any, step: Any, window: Any = None, length: Any = None, *, onesided: int = 1) -> Any:
    size = int(length) if length is not None else len(window)
    frames = rules.windows(x[..., 0], size, int(step), 1, (1,)) * (1.0 if window is None else window)
    out = np.fft.rfft(frames) if onesided else np.fft.fft(frames)
    return np.stack([out.real, out.imag], axis=-1).astype(x.dtype)


def window(*coefficients: float) -> Callable:
    """A sum of cosines."""

    def function(size: Any, *, output_datatype: int = 1, periodic: int = 1) -> Any:
        n = int(size)
        at = 2 * np.pi * np.arange(n) / (n if periodic else n - 1)
        made = sum((-1) ** k * c * np.cos(k * at) for k, c in enumerate(coefficients))
        return np.asarray(made).astype(onnx.helper.tensor_dtype_to_np_dtype(output_datatype))

    return function


TABLE: dict[str, Callable] = {
    "BlackmanWindow": window(0.42, 0.5, 0.08),
    "Binarizer": lambda x, *, threshold=0.0: np.where(x > threshold, 1, 0).astype(x.dtype),
    "ConcatFromSequence": concat_from_sequence,
    "DFT": dft,
    "HammingWindow": window(25 / 46, 21 / 46),
    "HannWindow": window(0.5, 0.5),
    "If": if_,
    "Loop": loop,
    "Optional": lambda x=None, *, type=None: (x,),
    "OptionalGetElement": lambda x: (x,),
    "OptionalHasElement": lambda x=None: np.array(x is not None),
    "STFT": stft,
    "Scan": scan,
    "SequenceAt": lambda sequence, at: (sequence[number(at)],),
    "SequenceConstruct": lambda *xs: (list(xs),),
    "SequenceEmpty": lambda *, dtype=1: ([],),
    "SequenceErase": erased,
    "SequenceInsert": inserted,
    "SequenceLength": lambda sequence: np.array(len(sequence), np.int64),
    "SequenceMap": sequence_map,
    "SplitToSequence": split_to_sequence,
}
